"""Waiting for what a thread does."""

from __future__ import annotations

import time


def until(condition, timeout: float = 20.0) -> None:
    """Wait for a condition, and fail where it does not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)

"""The one thread that does what takes long for the screen: files, measurements, exports."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

__all__ = ["submit"]

ResultT = TypeVar("ResultT")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="rlplay-clerk")


def submit(job: Callable[[], ResultT]) -> Future[ResultT]:
    """Have a job done after those that were handed in before; returns at once."""
    return _pool().submit(job)

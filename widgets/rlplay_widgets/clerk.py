"""The threads that do what takes long for the screen: files and measurements, and exports apart."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

__all__ = ["submit"]

ResultT = TypeVar("ResultT")


@cache
def _pool(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"rlplay-{name}")


def submit(job: Callable[[], ResultT], *, export: bool = False) -> Future[ResultT]:
    """Have a job done after those that were handed in before; returns at once.

    Args:
        job: Runs in a thread of its kind, one job at a time.
        export: Whether it writes a file for elsewhere, which may take minutes: the exporter's
            thread does it, and nothing else waits.

    Returns:
        What comes of it.
    """
    return _pool("exporter" if export else "clerk").submit(job)

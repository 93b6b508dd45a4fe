"""Threads that compute the parts of one batch side by side.

A small network's matrices are too small to be shared out among threads one by one: the threads
would meet after every product, and sleep and wake in between. Each thread takes its rows of the
batch through the whole network instead, forward and backward, and meets the others once.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

__all__ = ["Workers"]

T = TypeVar("T")

#: Rows that a part has at the least: with fewer, handing it over costs more than it brings.
_MIN_ROWS = 256


class _Job(Generic[T]):
    """A function to be called with some rows, and later what came of it."""

    def __init__(self, function: Callable[[torch.Tensor], T], rows: torch.Tensor) -> None:
        self._function, self._rows = function, rows
        self._outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = (
            queue.SimpleQueue()
        )

    def do(self) -> None:
        """Call the function."""
        try:
            self._outcome.put((self._function(self._rows), None))
        except BaseException as error:  # handed to whoever asked for it
            self._outcome.put((None, error))

    def result(self) -> T:
        """Wait for what came of it."""
        value, error = self._outcome.get()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]  # None where T allows it


def _work(jobs: queue.SimpleQueue[_Job[object] | None]) -> None:
    """Do one job after the other; the thread of a worker."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    while (job := jobs.get()) is not None:
        job.do()


def _end(
    queues: list[queue.SimpleQueue[_Job[object] | None]], threads: list[threading.Thread]
) -> None:
    """End the threads, also before the process ends, which would cut them off in the middle."""
    for jobs in queues:
        jobs.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()


class Workers:
    """Some threads, that of whoever asks among them, each with one thread of PyTorch's.

    The threads begin with the first batch that is large enough, and end with this object.

    Args:
        count: How many; with one, everything is done by whoever asks.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._queues: list[queue.SimpleQueue[_Job[object] | None]] = []

    def num_parts(self, rows: int) -> int:
        """Choose into how many parts a batch is cut.

        Args:
            rows: Its size.

        Returns:
            From 1 to `count`, by the size alone, so that the same run is always cut alike.
        """
        return max(1, min(self.count, rows // _MIN_ROWS))

    def map(self, function: Callable[[torch.Tensor], T], batch: torch.Tensor) -> list[T]:
        """Call a function with each part of a batch.

        Args:
            function: Takes some rows; must not depend on what another call does.
            batch: (B, ...) tensor.

        Returns:
            The results in the order of the rows.
        """
        parts = self.num_parts(len(batch))
        if parts == 1:
            return [function(batch)]
        if not self._queues:
            self._begin()
        mine, *others = batch.chunk(parts)
        jobs = [_Job(function, rows) for rows in others]
        for waiting, job in zip(self._queues, jobs, strict=False):
            waiting.put(job)  # type: ignore[arg-type]  # a worker does not look at the result
        first = function(mine)
        return [first, *(job.result() for job in jobs)]

    def add_up(
        self,
        learn: Callable[[torch.Tensor], tuple[tuple[torch.Tensor, ...], torch.Tensor]],
        batch: torch.Tensor,
    ) -> tuple[list[torch.Tensor], list[float]]:
        """Add up what the parts of a batch give, always in the same order.

        Args:
            learn: Takes some rows, and gives their share of the gradients and of some numbers.
            batch: (B, ...) tensor.

        Returns:
            The gradients and the numbers of the whole batch.
        """
        parts = self.map(learn, batch)
        gradients, sums = list(parts[0][0]), parts[0][1]
        for others, more in parts[1:]:
            for gradient, other in zip(gradients, others, strict=True):
                gradient += other
            sums = sums + more
        return gradients, sums.tolist()

    def _begin(self) -> None:
        self._queues = [queue.SimpleQueue() for _ in range(self.count - 1)]
        threads = [
            threading.Thread(
                target=_work, args=(jobs,), name=f"rlplay-worker-{number}", daemon=True
            )
            for number, jobs in enumerate(self._queues)
        ]
        for thread in threads:
            thread.start()
        weakref.finalize(self, _end, self._queues, threads)

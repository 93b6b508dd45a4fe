"""The saver: writes checkpoints, weights and snapshots while training goes on.

The trainer copies what is to be saved between two items of its loop, which takes milliseconds;
hashing and writing are done here, on one thread a session. Outcomes go back to the trainer, which
asks for them between two items: nothing is called "saved" before it is on the disk.
"""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Callable
from typing import IO, NamedTuple

import torch

from rlplay.agents import Agent
from rlplay.config import RunConfig
from rlplay.errors import TrainingDiverged
from rlplay.storage import StorageManager
from rlplay.storage.checkpoint import Packed, Shadow, pack

__all__ = ["Outcome", "Saver", "snapshot_steps"]

#: Snapshots of the weights that a run keeps at most, and the bytes that they take at most.
_MAX_SNAPSHOTS = 20
_SNAPSHOT_BYTES = 64 << 20
#: The first snapshot after the one at step 0 comes at this share of the run.
_FIRST_SHARE = 1e-4


def snapshot_steps(total_steps: int, weights_bytes: int) -> list[int]:
    """Choose at which steps of a run its weights are kept.

    Args:
        total_steps: Environment steps of the whole run.
        weights_bytes: Size of one snapshot.

    Returns:
        At most 20 steps, 0 and `total_steps` among them, each a constant factor after the one
        before; fewer where they would take more than 64 MB.
    """
    count = min(_MAX_SNAPSHOTS, max(2, _SNAPSHOT_BYTES // max(1, weights_bytes)))
    factors = count - 2
    later = (
        {
            max(1, round(total_steps * _FIRST_SHARE ** (1 - step / factors)))
            for step in range(factors + 1)
        }
        if factors
        else {total_steps}
    )
    return [0, *sorted(later)]


class Outcome(NamedTuple):
    """What became of one checkpoint, or of a snapshot that could not be written.

    Attributes:
        error: Why it was not written; None when it is on the disk.
        is_checkpoint: Whether it is one.
        with_weights: Whether the run's weights were replaced with it.
        held_up: Seconds for which training stood still.
        size: Bytes of the checkpoint.
    """

    error: BaseException | None
    is_checkpoint: bool
    with_weights: bool
    held_up: float
    size: int


class _SavedWeights:
    """An agent's weights as they are now, to be written later."""

    def __init__(self, agent: Agent) -> None:
        with io.BytesIO() as file:
            agent.save(file)
            self._data = file.getvalue()

    def save(self, file: IO[bytes]) -> None:
        """Write them."""
        file.write(self._data)


class Saver:
    """Saves one run; its calls come from the trainer thread.

    Args:
        storage: The library of runs.
        config: The run's config, with its `run_id`.
    """

    def __init__(self, storage: StorageManager, config: RunConfig) -> None:
        self._storage = storage
        self._env_name, self._run_id = config.env_name, str(config.run_id)
        self._shadow = Shadow()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(
            target=self._main, name=f"rlplay-saver-{self._run_id}", daemon=True
        )
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being written; its copy must not be touched then."""
        return not self._idle.is_set()

    def wait(self) -> None:
        """Wait until the checkpoint that is being written is on the disk, or has failed."""
        self._idle.wait()

    def outcomes(self) -> list[Outcome]:
        """Give what became of the checkpoints since the last call."""
        found = []
        while not self._outcomes.empty():
            found.append(self._outcomes.get())
        return found

    def save_checkpoint(
        self,
        state: Packed | None,
        agent: Agent,
        *,
        step: int,
        items: int,
        is_last: bool = False,
        with_weights: bool = True,
        began: float,
    ) -> None:
        """Copy a state and have it written; waits for the checkpoint before, if need be.

        Args:
            state: What to go on from; None where it cannot be saved, then only weights are.
            agent: Whose weights are saved beside it.
            step: Environment steps of the run.
            items: Moves and updates of the run.
            is_last: Whether the run has done all that it had to.
            with_weights: Also replace the run's weights.
            began: When training stood still for it, by `time.monotonic`.

        Raises:
            TrainingDiverged: When a weight is not finite; nothing is written then.
        """
        self.wait()
        check_finite(agent, step)
        packed = None if state is None else self._shadow.copy(state)
        weights = _SavedWeights(agent) if with_weights else None
        metrics_bytes, events_bytes = self._storage.line_bytes(self._env_name, self._run_id)
        held_up = time.monotonic() - began
        run = (self._env_name, self._run_id)

        def write() -> None:
            if weights is not None:
                self._storage.save_weights(*run, weights)
            if packed is not None:
                self._storage.save_checkpoint(
                    *run,
                    packed,
                    step=step,
                    items=items,
                    metrics_bytes=metrics_bytes,
                    events_bytes=events_bytes,
                    is_last=is_last,
                )

        def job() -> None:
            error: BaseException | None = None
            try:
                write()
            except BaseException as exception:  # training goes on, and the session says so
                error = exception
            size = sum(array.nbytes for array in packed.arrays.values()) if packed else 0
            self._outcomes.put(Outcome(error, True, with_weights, held_up, size))
            self._idle.set()

        self._idle.clear()
        self._jobs.put(job)

    def save_snapshot(self, agent: Agent, step: int) -> None:
        """Copy the weights and have them kept as they are at this age."""
        weights = pack(
            {name: torch.as_tensor(value).clone() for name, value in agent.get_weights().items()}
        )
        self._jobs.put(lambda: self._write_snapshot(step, weights))

    def close(self) -> None:
        """Write what was handed in, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    # The thread --------------------------------------------------------------------------------

    def _main(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _write_snapshot(self, step: int, weights: Packed) -> None:
        named = {weights.names[key].lstrip("."): array for key, array in weights.arrays.items()}
        try:
            self._storage.save_snapshot(self._env_name, self._run_id, step, named)
        except Exception as exception:
            self._outcomes.put(Outcome(exception, False, False, 0.0, 0))


def check_finite(agent: Agent, step: int) -> None:
    """Refuse weights that are no numbers any more.

    Raises:
        TrainingDiverged: Names the first of them.
    """
    for name, value in agent.get_weights().items():
        tensor = torch.as_tensor(value)
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise TrainingDiverged(
                f"After {step} steps the weights {name!r} are not finite. The last checkpoint "
                "stays as it is. Lower the learning rate, or look at the rewards: are they huge?"
            )

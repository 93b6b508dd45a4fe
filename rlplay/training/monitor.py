"""What a screen may read at any time: the latest snapshot and a bounded history.

The trainer writes, anybody reads; the lock is held for microseconds. Nothing here looks at a
widget, and reading never waits for training.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["HISTORY_POINTS", "Monitor", "PublishedUpdate", "PublishedWeights", "Snapshot"]

#: Points that the history keeps; when it is full, neighbours are merged.
HISTORY_POINTS = 2_000

#: What readers are told of at once: it changes because somebody wanted it, or must know it.
_TOLD = ("state", "message", "moves_per_second", "changes")

#: A board is published only while somebody asked for it within this many seconds.
_BOARD_INTEREST = 1.0

#: The same for the weights.
_WEIGHTS_INTEREST = 2.0

#: The same for what an update did.
_UPDATE_INTEREST = 2.0


class PublishedWeights(NamedTuple):
    """Weights of the agent at one moment, for whoever plays with them beside the training.

    Attributes:
        version: Grows with every publication, also over several runs.
        total_steps: Environment steps of the run by then.
        episode: Episodes ended by then.
        weights: Copies on the CPU by name, for an agent's `set_weights`; never changed afterwards.
    """

    version: int
    total_steps: int
    episode: int
    weights: dict[str, Any]


class PublishedUpdate(NamedTuple):
    """What an update of the agent did, for whoever looks at it.

    Attributes:
        version: Grows with every publication, also over several runs.
        total_steps: Environment steps of the run by then.
        details: What the agent's `describe_update` gave; never changed afterwards.
    """

    version: int
    total_steps: int
    details: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one moment.

    Attributes:
        run_id: The run's folder name; None before the first start.
        algo: The algorithm's name.
        env_name: The environment's name.
        state: new, running, paused, stopping, finished or failed.
        message: What a person should know now, one sentence or nothing.
        problem: Why training stands still by itself, such as a reward formula without a value;
            nothing while it does not.
        total_steps: Environment steps so far.
        target_steps: Environment steps of the whole run.
        episode: Episodes ended so far.
        current_score: Score of the running episode on the board that is shown.
        best_score: Highest score of an ended episode; None before the first.
        avg_score: Mean score of the last 100 episodes; None before the first.
        steps_per_second: Environment steps a second, over the last seconds.
        moves_per_second: The pace asked for; None is as fast as it goes.
        is_max_speed: Whether no pace is set.
        elapsed: Seconds of training, pauses not counted.
        time_left: Seconds until the end, by the steps at the present speed or by the budget of
            seconds, whichever comes first; None where unknown.
        endings: How many episodes ended how.
        device: Where the networks compute.
        precision: float32 or bfloat16.
        saved_at: When the weights were last saved, seconds since 1970; None before.
        learner: The newest metrics of the learner.
        last_episodes: The newest 20 episodes, newest last: episode, score, return, length,
            ending, and learner: the newest metrics of the learner when it ended.
        changes: What was changed live, newest last, the last 200 at most: steps, elapsed (None
            where the run's file does not say), field (as in "hyperparams.learning_rate",
            "rewards.apple" or "speed.moves_per_second"), old and new.
        version: Grows with every change.
        board_version: Grows with every board that is published.
        game_state: `render_state` of the board that is shown; None before the first.
        observation: (D,) float32, what the agent sees of that board; comes with `game_state`.
    """

    run_id: str | None = None
    algo: str = ""
    env_name: str = ""
    state: str = "new"
    message: str = ""
    problem: str = ""
    total_steps: int = 0
    target_steps: int = 0
    episode: int = 0
    current_score: float = 0.0
    best_score: float | None = None
    avg_score: float | None = None
    steps_per_second: float = 0.0
    moves_per_second: float | None = None
    is_max_speed: bool = False
    elapsed: float = 0.0
    time_left: float | None = None
    endings: dict[str, int] = dataclasses.field(default_factory=dict)
    device: str = ""
    precision: str = ""
    saved_at: float | None = None
    learner: dict[str, float] = dataclasses.field(default_factory=dict)
    last_episodes: tuple[dict[str, Any], ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    version: int = 0
    board_version: int = 0
    game_state: dict[str, Any] | None = None
    observation: NDArray[np.float32] | None = dataclasses.field(default=None, compare=False)


class Monitor:
    """The meeting place of one trainer and any number of readers."""

    def __init__(self, wake: Callable[[], None] | None = None, **fields: Any) -> None:
        """Open with the first snapshot's fields.

        Args:
            wake: Called when somebody begins to ask for weights, so that a trainer that waits
                gives them at once.
            **fields: Fields of `Snapshot`.
        """
        self._lock = threading.Lock()
        self._snapshot = Snapshot(**fields)
        self._wake = wake
        self._listeners: frozenset[Callable[[], None]] = frozenset()
        self._asked = float("-inf")
        self._asked_weights = float("-inf")
        self._weights: PublishedWeights | None = None
        self._weights_version = 0
        self._asked_update = float("-inf")
        self._update: PublishedUpdate | None = None
        self._update_version = 0
        self._clear()

    def _clear(self) -> None:
        self._columns: dict[str, list[float | None]] = {}
        self._length = 0
        self._generation = 0
        self._stride = 1
        self._pending: list[dict[str, float]] = []

    # Readers -----------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Give the latest snapshot."""
        with self._lock:
            return self._snapshot

    def on_change(self, call: Callable[[], None]) -> None:
        """Have something called when state, message, pace or options changed.

        At a pace it is called for each new board too; never for numbers alone.

        Args:
            call: Must return at once; it runs in the trainer's thread. Registered once, however
                often it is given.
        """
        with self._lock:
            self._listeners |= {call}

    def want_board(self) -> None:
        """Ask for boards during the next second."""
        self._asked = time.monotonic()

    def want_weights(self) -> None:
        """Ask for weights during the next two seconds; `weights` gives them."""
        with self._lock:
            begins = not self.weights_wanted()
            self._asked_weights = time.monotonic()
        if begins and self._wake is not None:
            self._wake()

    def weights(self) -> PublishedWeights | None:
        """Give the latest weights that were published in this run, if any were."""
        with self._lock:
            return self._weights

    def want_update(self) -> None:
        """Ask during the next two seconds for what updates do; `update` gives it."""
        self._asked_update = time.monotonic()

    def update(self) -> PublishedUpdate | None:
        """Give what the newest update did that was published in this run, if any was."""
        with self._lock:
            return self._update

    def history(self, since: int = 0) -> tuple[dict[str, list[float | None]], int, int]:
        """Give the points of the history from an index on.

        Args:
            since: The index that the last call gave; 0 for all.

        Returns:
            The columns by name, one entry a point (None where a point lacks it); the index to
            go on from; and the generation. When the generation is another one than before, the
            old points were merged: read again from 0.
        """
        with self._lock:
            columns = {name: values[since:] for name, values in self._columns.items()}
            return columns, self._length, self._generation

    # The trainer -------------------------------------------------------------------------------

    def board_wanted(self) -> bool:
        """Whether somebody asked for boards within the last second."""
        return time.monotonic() - self._asked < _BOARD_INTEREST

    def weights_wanted(self) -> bool:
        """Whether somebody asked for weights within the last two seconds."""
        return time.monotonic() - self._asked_weights < _WEIGHTS_INTEREST

    def publish_weights(self, total_steps: int, episode: int, weights: dict[str, Any]) -> None:
        """Replace the weights that readers see.

        Args:
            total_steps: Environment steps of the run so far.
            episode: Episodes ended so far.
            weights: By name; they belong to the readers from now on.
        """
        with self._lock:
            self._weights_version += 1
            self._weights = PublishedWeights(self._weights_version, total_steps, episode, weights)

    def forget_weights(self) -> None:
        """Forget the weights: a new run begins."""
        with self._lock:
            self._weights = None

    def update_wanted(self) -> bool:
        """Whether somebody asked within the last two seconds for what updates do."""
        return time.monotonic() - self._asked_update < _UPDATE_INTEREST

    def publish_update(self, total_steps: int, details: dict[str, Any]) -> None:
        """Replace what readers see of the updates.

        Args:
            total_steps: Environment steps of the run so far.
            details: By name; they belong to the readers from now on.
        """
        with self._lock:
            self._update_version += 1
            self._update = PublishedUpdate(self._update_version, total_steps, details)

    def forget_update(self) -> None:
        """Forget the updates: a new run begins."""
        with self._lock:
            self._update = None

    def publish(self, **fields: Any) -> None:
        """Replace fields of the snapshot."""
        with self._lock:
            old = self._snapshot
            fields["version"] = old.version + 1
            if "game_state" in fields:
                fields["board_version"] = old.board_version + 1
            self._snapshot = dataclasses.replace(old, **fields)
            told = any(name in fields and fields[name] != getattr(old, name) for name in _TOLD)
            # At a pace each board is one that an eye follows.
            told |= "game_state" in fields and not self._snapshot.is_max_speed
            listeners = self._listeners if told else ()
        for call in listeners:
            call()

    def reset_history(self) -> None:
        """Forget the points: a new run begins."""
        with self._lock:
            generation = self._generation
            self._clear()
            self._generation = generation + 1

    def add_point(self, point: dict[str, float]) -> None:
        """Append a point to the history.

        Args:
            point: Numbers by name; `episodes` weighs the point where neighbours are merged, and
                the largest of each `score_max` is kept.
        """
        with self._lock:
            self._pending.append(point)
            if len(self._pending) < self._stride:
                return
            self._append(_merge(self._pending))
            self._pending = []
            if self._length >= HISTORY_POINTS:
                self._halve()

    def _append(self, point: dict[str, float]) -> None:
        for name in point.keys() - self._columns.keys():
            self._columns[name] = [None] * self._length
        for name, values in self._columns.items():
            values.append(point.get(name))
        self._length += 1

    def _halve(self) -> None:
        """Merge neighbours two by two, so that the history stays bounded however long it is."""
        names = list(self._columns)
        rows = [
            {name: value for name in names if (value := self._columns[name][index]) is not None}
            for index in range(self._length)
        ]
        self._columns = {name: [] for name in names}
        self._length = 0
        for first in range(0, len(rows) - 1, 2):
            self._append(_merge(rows[first : first + 2]))
        self._generation += 1
        self._stride *= 2


#: How a column is merged; all others are means, weighed by the episodes of each point.
_LAST = ("episode", "steps", "elapsed")
_MAX = ("score_max",)


def _merge(points: list[dict[str, float]]) -> dict[str, float]:
    """Make one point of several."""
    if len(points) == 1:
        return points[0]
    merged: dict[str, float] = {}
    for name in dict.fromkeys(name for point in points for name in point):
        held = [point for point in points if name in point]
        if name in _LAST:
            merged[name] = held[-1][name]
        elif name in _MAX:
            merged[name] = max(point[name] for point in held)
        elif name == "episodes":
            merged[name] = sum(point[name] for point in held)
        else:
            weights = [point.get("episodes", 1.0) for point in held]
            total = sum(weights)
            merged[name] = (
                sum(weight * point[name] for weight, point in zip(weights, held, strict=True))
                / total
                if total
                else held[-1][name]
            )
    return merged

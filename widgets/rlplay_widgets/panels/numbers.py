"""A quiet row of number tiles."""

from __future__ import annotations

import anywidget
import traitlets as t

from rlplay.training.monitor import Snapshot
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import NOTHING, count, duration, number, script

__all__ = ["NumbersPanel"]

#: Key, label and explanation of each tile, in their order.
TILES = (
    ("score", "Score now", "Score of the running episode on the board that is shown"),
    ("best", "Best", "Highest score of an episode so far"),
    ("mean", "Mean of 100", "Mean score of the last 100 episodes"),
    ("episode", "Episodes", "Episodes ended so far, on all boards"),
    ("steps", "Steps", "Environment steps so far, on all boards"),
    ("speed", "Steps/s", "Environment steps in a second, on all boards"),
    ("elapsed", "Time", "Time of training, pauses not counted"),
    ("left", "Time left", "Until the end of the run, at the present speed"),
)
#: Seconds between two changes: faster, nobody can read.
_EVERY = 0.15


class NumbersWidget(anywidget.AnyWidget):
    """Tiles in the browser; only their words travel."""

    _esm = script("numbers.js")

    tiles = t.List().tag(sync=True)
    values = t.Dict().tag(sync=True)


class NumbersPanel:
    """Score, best, mean, episodes, steps, speed and time of the session."""

    title = "The numbers"

    def __init__(self) -> None:
        self.widget = NumbersWidget(
            tiles=[{"key": key, "label": label, "hint": hint} for key, label, hint in TILES],
            values=_values(Snapshot()),
        )
        self._state = ""
        self._next = float("-inf")

    def paint(self, frame: Frame) -> bool:
        """Write what changed."""
        settled = frame.snapshot.state != self._state
        if frame.now < self._next and not (frame.fresh or settled):
            return False
        self._next, self._state = frame.now + _EVERY, frame.snapshot.state
        values = _values(frame.snapshot)
        if values != self.widget.values:
            self.widget.values = values
        return False


def _values(snapshot: Snapshot) -> dict[str, str]:
    """The tiles' words by key."""
    begun = snapshot.run_id is not None
    moving = snapshot.state == "running"
    return {
        "score": _score(snapshot.current_score) if begun else NOTHING,
        "best": _score(snapshot.best_score),
        "mean": number(snapshot.avg_score, 1),
        "episode": count(snapshot.episode) if begun else NOTHING,
        "steps": count(snapshot.total_steps) if begun else NOTHING,
        "speed": number(snapshot.steps_per_second) if moving else NOTHING,
        "elapsed": duration(snapshot.elapsed) if begun else NOTHING,
        "left": duration(snapshot.time_left) if moving else NOTHING,
    }


def _score(score: float | None) -> str:
    """A score as it is counted: whole, or with two digits."""
    whole = score is None or float(score).is_integer()
    return number(score, 0 if whole else 2)

"""Live curves: only new points travel, and the whole history when a view appears."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets as t

from rlplay.config import RunConfig
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.desk import LOOKS, look_of
from rlplay_widgets.library import short_title
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.theme import count, number, script, static

__all__ = [
    "Feed",
    "ScoreChart",
    "changes_of",
    "label_of",
    "metrics_of",
    "plot_script",
    "short_name",
]

#: Seconds between two messages, at the fastest.
_EVERY = 0.25
#: Bytes a second that all curves of a chart may take together, and what they may take at once.
_BYTES_PER_SECOND = 4_500
_BYTES_AT_ONCE = 40_000
#: Changes that leave a mark, the newest.
_CHANGES = 100

#: Columns of the metrics that can be drawn: name and meaning. Others are drawn under their own
#: names.
METRICS = {
    "score": ("Score", "What an episode reached: for the snake, apples eaten"),
    "reward": ("Return", "Sum of the rewards of an episode"),
    "length": ("Episode length", "Steps of an episode"),
    "loss": ("Loss", "What the updates make small; alone it says little about the play"),
    "policy_loss": ("Policy loss", "The part of the loss that improves the choice of actions"),
    "value_loss": ("Value loss", "How wrong the predicted returns are"),
    "entropy": ("Entropy", "How undecided the agent is; 0 is always the same choice"),
    "epsilon": ("Epsilon", "Share of the actions that are drawn at random"),
    "learning_rate": ("Learning rate", "Size of the optimizer's steps"),
    "explained_variance": (
        "Explained variance",
        "How well the predicted returns follow the real ones: 1 is exactly, 0 not at all",
    ),
    "kl": ("KL divergence", "How far an update moved the choice of actions"),
    "clip_fraction": ("Clip fraction", "Share of the choices that moved as far as is allowed"),
    "q_value": ("Q-value", "Return that the agent expects from what it does"),
    "target": ("Target", "Return that the Q-values are drawn to"),
    "predicted_return": (
        "Predicted",
        "Q-value of an episode's first action, beside the return that the episode then brought, "
        "discounted by gamma",
    ),
    "measured_return": (
        "Measured",
        "Return of an episode, discounted by gamma from its first action on",
    ),
    "change": ("Change", "Largest change of a state's value in a sweep"),
    "gradient_norm": ("Gradient norm", "Length of the gradient before it is clipped"),
    "steps_per_second": ("Steps/s", "Environment steps in a second, on all boards"),
}
_ALWAYS = ("score", "reward", "length")
#: Columns that say where a line belongs, or that are drawn with another one.
_NOT_DRAWN = {
    "episode", "episodes", "steps", "elapsed", "timestamp", "score_max", "best_score",
}  # fmt: skip
#: Columns that are drawn with another one, and what the browser calls them.
_DRAWN_WITH = {"score": ("top", "score_max"), "predicted_return": ("measured", "measured_return")}


def label_of(metric: str) -> str:
    """Name a column of the metrics for people."""
    return METRICS[metric][0] if metric in METRICS else metric.replace("_", " ").capitalize()


def metrics_of(columns: Iterable[str]) -> list[list[str]]:
    """List what can be drawn of columns of the metrics: name, label and meaning, in one order."""
    there = set(columns).union(_ALWAYS) - _NOT_DRAWN
    known = [name for name in METRICS if name in there]
    others = sorted(there.difference(METRICS))
    return [[name, label_of(name), METRICS.get(name, ("", ""))[1]] for name in known + others]


def short_name(config: RunConfig) -> str:
    """Name a run in a legend: by its title, or by its algorithm and the end of its id."""
    return short_title(config.name, config.algo, config.run_id or "a new run")


def plot_script(*names: str) -> str:
    """Give the script of a chart, with the library that it is made with above it."""
    return script("uPlot.iife.min.js", "parts.js", "plot.js", *names)


class Feed:
    """What a browser already has of a session's history."""

    def __init__(self) -> None:
        self._source: tuple[str | None, int] | None = None  # run and generation of what was sent
        self._sent = 0

    def take(
        self, session: TrainingSession, again: bool = False
    ) -> tuple[bool, dict[str, list[float | None]], int] | None:
        """Take the points that the browser does not have yet.

        Args:
            session: The session that this feed follows.
            again: Whether the browser needs all of them.

        Returns:
            Whether they are the whole history, because old ones were merged or the browser has
            none; the columns; and how many points were taken before. None where nothing is new.
        """
        columns, reached, generation = session.monitor.history(self._sent)
        source = (session.run_id, generation)
        reset = again or source != self._source
        before = 0 if reset else self._sent
        if reset:
            columns, reached, generation = session.monitor.history(0)
            source = (session.run_id, generation)
        elif reached == self._sent:
            return None
        self._source, self._sent = source, reached
        return reset, columns, before


class ChartWidget(anywidget.AnyWidget):
    """uPlot in the browser.

    What a person sets there: `axis`, what stands below (steps or elapsed seconds), and `metric`,
    what is drawn.
    """

    _esm = plot_script("chart.js")
    _css = static("uPlot.min.css")

    axis = t.Enum(("steps", "elapsed"), default_value="steps").tag(sync=True)
    metric = t.Unicode("score").tag(sync=True)
    #: What can be drawn: name, label and meaning of each.
    metrics = t.List(metrics_of(())).tag(sync=True)
    #: The sessions: key, name, run, look, and whether it is the one that is shown.
    lines = t.List().tag(sync=True)
    #: What was changed while the shown one trained: steps, elapsed and words of each.
    changes = t.List().tag(sync=True)


class ScoreChart:
    """The score, or another metric, over steps or seconds: mean, best so far, and the points.

    The mean of a point reaches back over at least 100 episodes; at full speed, one point holds
    more than that. Beside the session that is shown stand those that run or ran at the same time,
    each as its mean.

    Args:
        on_need: Called, in a thread of the kernel, when a view needs the whole history.
        metric: What is drawn at first.
    """

    title = "The curve"

    def __init__(self, on_need: Callable[[], None], metric: str = "score") -> None:
        self.widget = ChartWidget(metric=metric, metrics=metrics_of((metric,)))
        self.widget.on_msg(self._receive)
        self.widget.observe(self._need, names="metric")
        self._on_need = on_need
        self._needed = True
        self._feeds: weakref.WeakKeyDictionary[TrainingSession, Feed] = weakref.WeakKeyDictionary()
        self._seen: weakref.WeakSet[TrainingSession] = weakref.WeakSet()  # beside the shown one
        self._keys: weakref.WeakKeyDictionary[TrainingSession, int] = weakref.WeakKeyDictionary()
        self._num_keys = 0
        self._next = float("-inf")
        self._room = float(_BYTES_AT_ONCE)  # bytes that may be sent now
        self._painted_at: float | None = None

    def paint(self, frame: Frame) -> bool:
        """Send the points that the browser does not have yet."""
        if frame.now < self._next and not self._needed:
            return False
        self._next = frame.now + _EVERY
        passed = 0.0 if self._painted_at is None else frame.now - self._painted_at
        self._painted_at = frame.now
        self._room = min(_BYTES_AT_ONCE, self._room + passed * _BYTES_PER_SECOND)
        drawn = self._drawn(frame.session)
        assign(
            self.widget,
            lines=[
                {
                    "key": self._key(session),
                    "name": short_name(session.config),
                    "run": session.run_id or "",
                    "look": look_of(session),
                    "shown": session is frame.session,
                }
                for session in drawn
            ],
            changes=changes_of(frame.snapshot),
        )
        if self._room > 0 or self._needed:
            self._send_points(drawn, frame.session)
        return False

    def _send_points(self, drawn: list[TrainingSession], shown: TrainingSession | None) -> None:
        needed, self._needed = self._needed, False
        metric = self.widget.metric
        parts, buffers = [], []
        for session in drawn:
            if session not in self._feeds or needed:
                self._feeds[session] = Feed()
            taken = self._feeds[session].take(session)
            if taken is None:
                continue
            reset, columns, _ = taken
            if session is shown:
                assign(self.widget, metrics=metrics_of((*columns, metric)))
            rows = {"steps": "steps", "elapsed": "elapsed", "episodes": "episodes", "value": metric}
            if session is shown and metric in _DRAWN_WITH:
                row, column = _DRAWN_WITH[metric]
                rows[row] = column
            points = _table(columns, rows.values())
            part = {"key": self._key(session), "reset": reset, "rows": list(rows)}
            parts.append(part | {"count": points.shape[1]})
            buffers.append(points.tobytes())
        if parts:
            self.widget.send({"metric": metric, "parts": parts}, buffers)
            self._room -= sum(map(len, buffers))

    def _drawn(self, shown: TrainingSession | None) -> list[TrainingSession]:
        """The session that is shown, and those that run or ran beside it, the newest first."""
        alive = sessions()
        self._seen.update(session for session in alive if session.snapshot().state in LIVE)
        others = [session for session in alive if session in self._seen and session is not shown]
        drawn = [] if shown is None else [shown]
        for session in others[::-1]:
            runs = {each.run_id for each in drawn} - {None}
            # Of two that trained one run, the later one has all of it.
            if len(drawn) < LOOKS and session.run_id not in runs:
                drawn.append(session)
        for session in tuple(self._feeds):
            if session not in drawn or (session is shown) != (session is self._shown):
                del self._feeds[session]
        self._shown = shown
        return drawn

    #: The session that was shown last.
    _shown: TrainingSession | None = None

    def _key(self, session: TrainingSession) -> int:
        """Number the sessions, for the browser."""
        if session not in self._keys:
            self._keys[session] = self._num_keys = self._num_keys + 1
        return self._keys[session]

    def _need(self, _: Any = None) -> None:
        self._needed = True
        self._on_need()

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "need":
            self._need()


def _table(
    columns: Mapping[str, Sequence[float | None]], names: Iterable[str]
) -> npt.NDArray[np.float32]:
    """Lay columns out as rows of one table; NaN where there is no number."""
    size = max((len(column) for column in columns.values()), default=0)
    empty = [None] * size
    return np.array([columns.get(name, empty) for name in names], dtype=np.float32)


def changes_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What was changed while a session trained, in words."""
    return [
        {
            "steps": change["steps"],
            "elapsed": change["elapsed"],
            "words": f"{_change(change)} at {_steps(change['steps'])} steps",
        }
        for change in snapshot.changes[-_CHANGES:]
    ]


def _change(change: Mapping[str, Any]) -> str:
    """A change for people: "learning rate 0.001 -> 0.0003"."""
    part, _, name = change["field"].partition(".")
    words = {"speed": "pace", "rewards": f"reward of {name}"}.get(part, name).replace("_", " ")
    nothing = "full speed" if part == "speed" else "none"
    values = [_said(value) or nothing for value in (change["old"], change["new"])]
    return f"{words} {values[0]} \N{RIGHTWARDS ARROW} {values[1]}"


def _said(value: Any) -> str:
    """A value for people; empty where there is none."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_said(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _steps(steps: int) -> str:
    return f"{number(steps / 1e6, 1)}\u202fM" if steps >= 1_000_000 else count(steps)

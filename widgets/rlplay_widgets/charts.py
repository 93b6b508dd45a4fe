"""Live curves: only new points travel, and the whole history when a view appears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import static

__all__ = ["ScoreChart"]

#: Columns of the history that the chart draws, in the order in which they travel.
_COLUMNS = ("steps", "elapsed", "score", "score_max", "episodes")
#: Seconds between two messages.
_EVERY = 0.25


class ChartWidget(anywidget.AnyWidget):
    """uPlot in the browser; `axis` is what stands below: steps or elapsed seconds."""

    _esm = static("uPlot.iife.min.js") + "\n" + static("chart.js")
    _css = static("uPlot.min.css")

    axis = t.Enum(("steps", "elapsed"), default_value="steps").tag(sync=True)


class ScoreChart:
    """The score over steps or seconds: its mean, the best so far, and the points themselves.

    The mean of a point reaches back over at least 100 episodes; at full speed, one point holds
    more than that.

    Args:
        on_need: Called, in a thread of the kernel, when a view needs the whole history.
    """

    title = "The curve"

    def __init__(self, on_need: Callable[[], None]) -> None:
        self.widget = ChartWidget()
        self.widget.on_msg(self._receive)
        self._on_need = on_need
        self._needed = True
        self._source: tuple[object, int] | None = None  # session and generation of what was sent
        self._sent = 0
        self._next = float("-inf")

    def paint(self, frame: Frame) -> bool:
        """Send the points that the browser does not have yet."""
        session = frame.session
        if frame.now < self._next and not self._needed:
            return False
        self._next = frame.now + _EVERY
        if session is None:
            if self._needed:
                self._needed = False
                self._tell({}, reset=True)
            return False
        needed, self._needed = self._needed, False
        columns, reached, generation = session.monitor.history(self._sent)
        source = (session, generation)
        reset = needed or source != self._source
        if reset:
            columns, reached, generation = session.monitor.history(0)
        if reset or reached > self._sent:
            self._tell(columns, reset)
            self._source, self._sent = (session, generation), reached
        return False

    def _tell(self, columns: dict[str, list[float | None]], reset: bool) -> None:
        count = max((len(column) for column in columns.values()), default=0)
        points = np.full((len(_COLUMNS), count), np.nan)
        for row, name in zip(points, _COLUMNS, strict=True):
            if name in columns:
                row[:] = np.array(columns[name], dtype=np.float64)
        content = {"reset": reset, "columns": _COLUMNS, "count": count}
        self.widget.send(content, [points.tobytes()])

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "need":
            self._needed = True
            self._on_need()

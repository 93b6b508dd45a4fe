"""A strip that goes with a Playground: it follows the session that is shown there."""

from __future__ import annotations

import abc
from typing import Any

import anywidget
import ipywidgets as ipw
import traitlets as t

from rlplay.training.session import TrainingSession
from rlplay_widgets.painter import get_painter
from rlplay_widgets.playground import Playground
from rlplay_widgets.scene import Frame, SessionScene, assign

__all__ = ["Strip", "StripWidget"]


class StripWidget(anywidget.AnyWidget):
    """What a strip draws in the browser; `problem` is shown in words where something failed."""

    problem = t.Unicode("").tag(sync=True)


class Strip(abc.ABC):
    """A drawing above or below a Playground, closed together with it.

    Attributes:
        panel: The Playground.
        drawing: What is drawn.
        widget: What is shown.

    Args:
        panel: The Playground to follow.
        drawing: What to draw.
    """

    #: What an error message names it.
    title = "The strip"
    #: Seconds between two changes.
    every = 0.25

    def __init__(self, panel: Playground, drawing: StripWidget) -> None:
        self.panel, self.drawing = panel, drawing
        self._painter = get_painter()
        self._scene = SessionScene(self._painter)
        self._scene.views = lambda: (self,)
        self._next = float("-inf")
        self._shown: tuple[Any, ...] = ()
        self.widget = ipw.VBox([drawing, self._scene.sight])
        self.widget.add_class("rlplay-playground")
        self.widget.add_class("rlplay-strip")
        panel.desk.at_close(self.close)
        self._painter.add(self._scene)

    @abc.abstractmethod
    def draw(self, session: TrainingSession | None) -> None:
        """Give the drawing what it shows of a session; only what has changed."""

    def paint(self, frame: Frame) -> bool:
        """Draw, but not too often; the painter calls this."""
        problems = [problem.text for problem in frame.problems.values()]
        assign(self.drawing, problem=problems[0] if problems else "")
        session = self.panel.session
        state = (session, None if session is None else session.snapshot().state)
        if frame.fresh or state != self._shown or frame.now >= self._next:
            self._shown, self._next = state, frame.now + self.every
            self.draw(session)
        return False

    def close(self) -> None:
        """Take the strip away and free its widgets."""
        self._painter.remove(self._scene)
        for part in (self.drawing, self._scene.sight, self.widget):
            if part.layout is not None:
                part.layout.close()
            part.close()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = dict(self.widget._repr_mimebundle_(**kwargs) or {})
        bundle["text/plain"] = repr(self)
        return bundle

    def __repr__(self) -> str:
        return f"{type(self).__name__}(of {self.panel!r})"

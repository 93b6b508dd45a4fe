"""Shows the few lines of Python that reproduce what is set."""

from __future__ import annotations

import anywidget
import traitlets as t

from rlplay_widgets.code import code_for
from rlplay_widgets.desk import Desk
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import script

__all__ = ["CodePanel"]


class CodeWidget(anywidget.AnyWidget):
    """Code in the browser, with a button that copies it; empty, it takes no place."""

    _esm = script("code.js")

    code = t.Unicode().tag(sync=True)


class CodePanel:
    """The draft as code, while somebody wants to see it.

    Attributes:
        wanted: Whether to show it; anybody may set it.

    Args:
        desk: Whose draft it writes.
    """

    title = "The code"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._written: tuple[int, float | None] | None = None
        self.wanted = False
        self.widget = CodeWidget()

    def paint(self, frame: Frame) -> bool:
        """Write the code anew, where the draft changed."""
        if not self.wanted:
            self._written = None
            assign(self.widget, code="")
            return False
        now = (self._desk.draft.version, self._desk.seconds)
        if now != self._written:
            self._written = now
            assign(self.widget, code=code_for(self._desk.draft.config, self._desk.seconds))
        return False

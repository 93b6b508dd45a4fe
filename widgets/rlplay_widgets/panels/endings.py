"""How episodes ended, as a bar of shares with counts and words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import ENDINGS, OTHER_ENDINGS, number, script

__all__ = ["EndingsPanel"]

#: Seconds between two changes.
_EVERY = 0.3


class EndingsWidget(anywidget.AnyWidget):
    """The bar in the browser; each share has a name, words, a count and a class for its look.

    A click on a share arrives as a message with its name.
    """

    _esm = script("endings.js")

    shares = t.List().tag(sync=True)


class EndingsPanel:
    """How the session's episodes ended so far.

    Args:
        safely: Wraps callbacks, as `SessionScene.safely` does.
        on_open: Called with an ending whose example a person wants to see.
    """

    title = "The bar of endings"

    def __init__(
        self, safely: Callable[..., Callable[..., None]], on_open: Callable[[str], None]
    ) -> None:
        self._on_open = on_open
        self.widget = EndingsWidget()
        self.widget.on_msg(safely(self._receive))
        self._state = ""
        self._next = float("-inf")

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "open":
            self._on_open(str(content.get("name")))

    def paint(self, frame: Frame) -> bool:
        """Draw the bar anew where the counts changed."""
        settled = frame.snapshot.state != self._state
        if frame.now < self._next and not (frame.fresh or settled):
            return False
        self._next, self._state = frame.now + _EVERY, frame.snapshot.state
        shares = _shares(frame.snapshot.endings)
        if shares != self.widget.shares:
            self.widget.shares = shares
        return False


def _shares(endings: dict[str, int]) -> list[dict[str, object]]:
    """Endings that happened, known ones first, in an order that never changes."""
    known = [name for name in ENDINGS if endings.get(name)]
    others = [name for name in endings if name not in ENDINGS and endings[name]]
    looks = {name: look for name, (_, look) in ENDINGS.items()}
    looks |= {name: OTHER_ENDINGS[i % len(OTHER_ENDINGS)] for i, name in enumerate(others)}
    return [
        {
            "name": name,
            "words": ENDINGS[name][0] if name in ENDINGS else name,
            "look": looks[name],
            "count": endings[name],
            "written": number(endings[name]),
        }
        for name in known + others
    ]

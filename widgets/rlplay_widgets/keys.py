"""The keys of the board: arrows, space and Escape, while it has the focus."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.desk import Desk
from rlplay_widgets.games import PersonGame
from rlplay_widgets.player import Game
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import static

__all__ = ["Keys"]

_KEYS = ("up", "down", "left", "right", "space", "escape")


class KeysWidget(anywidget.AnyWidget):
    """Makes the board that it stands in take keys."""

    _esm = static("keys.js")

    active = t.Bool().tag(sync=True)
    label = t.Unicode("The board").tag(sync=True)


class Keys:
    """Hands the keys that are pressed on the board to the game that it shows.

    Args:
        desk: Whose game it is.
    """

    title = "The keys"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._game: Game | None = None
        self.widget = KeysWidget()
        self.widget.on_msg(desk.scene.safely(self._receive))

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("key") in _KEYS:
            self._desk.press(content["key"])

    def paint(self, frame: Frame) -> bool:
        """Say what the keys do; a person who begins to play gets the focus there."""
        game = self._desk.game
        keys = game.keys if game is not None else ""
        assign(self.widget, active=bool(keys), label=f"The board. {keys}".strip())
        if game is not self._game:
            self._game = game
            if isinstance(game, PersonGame):
                self.widget.send({"kind": "focus"})
        return False

"""The keys of the board while it has the focus: arrows, space, Escape and digits; and clicks."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.desk import Desk
from rlplay_widgets.games import PersonGame
from rlplay_widgets.player import Game
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import script

__all__ = ["Keys"]

_KEYS = ("up", "down", "left", "right", "space", "escape", *"1234567890")


class KeysWidget(anywidget.AnyWidget):
    """Makes the board that it stands in take keys, and clicks on points of it."""

    _esm = script("keys.js")

    active = t.Bool().tag(sync=True)
    points = t.Bool().tag(sync=True)
    #: So many digits are keys too: 1 is the first, 0 the tenth.
    digits = t.Int().tag(sync=True)
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
        elif content.get("kind") == "point":
            self._desk.on_point(float(content["x"]), float(content["y"]))

    def paint(self, frame: Frame) -> bool:
        """Say what the keys do; a person who begins to play gets the focus there."""
        game = self._desk.game
        keys = game.keys if game is not None else ""
        points = _takes_points(self._desk, game)
        assign(
            self.widget,
            active=bool(keys),
            label=f"The board. {keys}".strip(),
            points=points,
            digits=0 if game is None else game.digits,
        )
        if game is not self._game:
            self._game = game
            if isinstance(game, PersonGame):
                self.widget.send({"kind": "focus"})
        return False


def _takes_points(desk: Desk, game: Game | None) -> bool:
    """Whether a click on the board means a point of it; who plays clicks to get the focus."""
    return desk.draft.config.env_name == "gridworld" and not isinstance(game, PersonGame)

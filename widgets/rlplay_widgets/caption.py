"""What the board shows, in words, and the buttons of a person who plays: below the board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.desk import Desk
from rlplay_widgets.games import PersonGame
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import ENDINGS, number, script

__all__ = ["Caption"]

#: Seconds between two changes: faster, nobody can read.
_EVERY = 0.12
_KEYS = ("up", "down", "left", "right", "space")


class CaptionWidget(anywidget.AnyWidget):
    """The line and the pad in the browser."""

    _esm = script("caption.js")

    line = t.Dict().tag(sync=True)
    pad = t.Dict().tag(sync=True)


class Caption:
    """Says what the board shows, and has a person's buttons.

    Args:
        desk: Whose game it is.
        source: Gives what the board shows.
    """

    title = "The line below the board"

    def __init__(self, desk: Desk, source: Callable[[Frame], Shown]) -> None:
        self._desk = desk
        self._source = source
        self._next = float("-inf")
        self._before: tuple[Any, ...] = ()
        self.widget = CaptionWidget(line={}, pad={})
        self.widget.on_msg(desk.scene.safely(self._receive))

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        game = self._desk.game
        if content.get("kind") == "press" and content.get("key") in _KEYS:
            self._desk.press(content["key"])
        elif content.get("kind") == "act" and isinstance(game, PersonGame):
            game.act(int(content["action"]))
            self._desk.player.wake()

    def paint(self, frame: Frame) -> bool:
        """Write what changed."""
        game = self._desk.game
        shown = self._source(frame)
        # How it ended and what went wrong is written at once; numbers only as fast as one reads.
        now = (game, shown.words, shown.ending, shown.problem)
        if now == self._before and frame.now < self._next and not frame.fresh:
            return False
        self._before, self._next = now, frame.now + _EVERY
        known = game is not None or frame.session is not None
        assign(self.widget, line=_line(game, shown, known), pad=_pad(game))
        return False


def _line(game: Game | None, shown: Shown, known: bool) -> dict[str, str]:
    """The line's words; an example has no numbers."""
    numbers = []
    if shown.state is not None and known:
        if game is not None:
            numbers.append(f"step {number(shown.step)}")
        digits = 0 if float(shown.score).is_integer() else 2
        numbers.append(f"score {number(shown.score, digits)}")
    ending = ENDINGS.get(shown.ending or "", (shown.ending or "", "other-1"))
    return {
        "words": shown.words,
        "numbers": " · ".join(numbers),
        "ending": ending[0],
        "look": ending[1],
        "problem": shown.problem,
        "details": shown.details,
        "hint": game.keys if isinstance(game, PersonGame) else "",
    }


def _pad(game: Game | None) -> dict[str, Any]:
    """What a person who plays can press."""
    if not isinstance(game, PersonGame):
        return {}
    if game.ended:
        go = "Next game"
    elif game.paced and game.begun:
        go = "Pause" if game.playing else "Go on"
    else:
        go = ""
    return {"arrows": game.steers, "actions": [] if game.steers else list(game.actions), "go": go}

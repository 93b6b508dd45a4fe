"""The bandit's board: a bar for each arm, of what it has paid so far, and how often it was pulled.

The true means are drawn only where a person wants to see them: that is the question of the game.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay_widgets.board import PIXELS, Picture, register_board
from rlplay_widgets.gridboard import inks_of, signed
from rlplay_widgets.theme import Palette

__all__ = ["LOOKS", "draw_bandit", "draw_truth"]

#: Ways to look at the machine: a word and its meaning.
LOOKS = {
    "Off": "What the arms have paid, as a player sees it",
    "Truth": "Also what each arm really pays on average, which a player has to find out",
}

#: Of the board's height: the bars above and below the middle line; pulls stand below.
_TOP, _BOTTOM = 0.1, 0.82
_MIDDLE = (_TOP + _BOTTOM) / 2
_SMALLEST = 16.0
#: From so many pulls on, what an arm has paid is more than luck.
_MANY = 5


class _Layout:
    """Where the arms lie on the board, in its pixels."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.count = len(state["pulls"])
        self.step = PIXELS / self.count
        self.width = 0.62 * self.step
        self.centres = (np.arange(self.count) + 0.5) * self.step
        # Of what is known of all arms beforehand, so that it stands still and tells nothing of
        # one; a bar of few pulls that reaches further is cut, one of many has it grow.
        usual = 2 * state["spread"] + state["noise"]
        paid = [
            abs(value)
            for value, pulls in zip(state["paid"], state["pulls"], strict=True)
            if pulls >= _MANY
        ]
        self.reach = float(max(usual, *paid, 1e-9) * 1.05)

    def level(self, values: Any) -> npt.NDArray[np.float64]:
        """Give the height at which values stand, in pixels from the top."""
        share = np.clip(np.asarray(values, float) / self.reach, -1, 1)
        height: npt.NDArray[np.float64] = (_MIDDLE - share * (_BOTTOM - _TOP) / 2) * PIXELS
        return height


@register_board("bandit")
def draw_bandit(state: dict[str, Any], palette: Palette) -> Picture:
    """Draw a bandit: a bar for each arm, the pulls below, and the last pull.

    Args:
        state: What the environment's `render_state` gives.
        palette: The colours.

    Returns:
        The picture.
    """
    picture = Picture()
    layout, inks = _Layout(state), inks_of(palette)
    middle = _MIDDLE * PIXELS
    picture.rects(0, 0, PIXELS, PIXELS, [palette.ground])
    last = state["last"]
    if last is not None:
        x = last * layout.step
        picture.rects(x, 0, layout.step, PIXELS, [inks.agent], 0.14)
    picture.lines(np.array([(0, middle), (PIXELS, middle)]), [2], [inks.line], 3)
    pulled = [arm for arm, value in enumerate(state["paid"]) if value is not None]
    if pulled:
        values = np.array([state["paid"][arm] for arm in pulled])
        ends = layout.level(values)
        colors = np.where(values[:, None] >= 0, np.array(inks.plus), np.array(inks.minus))
        picture.rects(
            layout.centres[pulled] - layout.width / 2,
            np.minimum(middle, ends),
            layout.width,
            np.maximum(np.abs(ends - middle), 2),
            colors.astype(np.uint8),
        )
    _draw_numbers(picture, state, layout, inks, palette)
    if last is not None:
        _draw_pull(picture, state, layout, inks)
    return picture


def _draw_numbers(
    picture: Picture, state: dict[str, Any], layout: _Layout, inks: Any, palette: Palette
) -> None:
    """The number of each arm, what it has paid on average, and how often it was pulled."""
    size = min(0.3 * layout.step, 30.0)
    if size < _SMALLEST:
        _draw_shares(picture, state, layout, inks)
        return
    ink = [palette.text]

    def below(height: float) -> npt.NDArray[np.float64]:
        return np.stack([layout.centres, np.full(layout.count, height * PIXELS)], axis=1)

    names = [str(arm + 1) for arm in range(layout.count)]
    picture.words(names, below(0.88), size, ink)
    paid = ["" if value is None else signed(value, 2) for value in state["paid"]]
    picture.words(paid, below(0.925), 0.8 * size, ink)
    pulls = [f"{count}\N{MULTIPLICATION SIGN}" for count in state["pulls"]]
    picture.words(pulls, below(0.965), 0.8 * size, ink)


def _draw_shares(picture: Picture, state: dict[str, Any], layout: _Layout, inks: Any) -> None:
    """Where there is no room for numbers, how often an arm was pulled is a bar at the bottom."""
    pulls = np.array(state["pulls"], float)
    height = 0.1 * PIXELS * pulls / max(1.0, pulls.max())
    left = layout.centres - layout.width / 2
    picture.rects(left, PIXELS - height, layout.width, height, [inks.wall])


def _draw_pull(picture: Picture, state: dict[str, Any], layout: _Layout, inks: Any) -> None:
    """The last pull: a ball where its reward stands, and the reward as a number at the top."""
    x, y = layout.centres[state["last"]], float(layout.level(state["reward"]))
    radius = float(np.clip(0.14 * layout.step, 7, 16))
    picture.circles(x, y, [radius + 3, radius], [inks.rim, inks.agent])
    words = f"arm {state['last'] + 1} paid {signed(state['reward'], 2)}"
    picture.text(words, PIXELS / 2, 0.055 * PIXELS, 34, inks.agent)


def draw_truth(picture: Picture, state: dict[str, Any], palette: Palette) -> None:
    """Draw what each arm really pays on average; the best arm has a star.

    Args:
        picture: What it is added to.
        state: What the environment's `render_state` gives.
        palette: The colours.
    """
    layout, inks = _Layout(state), inks_of(palette)
    levels = layout.level(state["means"])
    half = 0.42 * layout.step
    points = np.stack(
        [
            np.stack([layout.centres - half, levels], axis=1),
            np.stack([layout.centres + half, levels], axis=1),
        ],
        axis=1,
    ).reshape(-1, 2)
    counts = [2] * layout.count
    picture.lines(points, counts, [inks.rim], 9)
    picture.lines(points, counts, [inks.truth], 5)
    best = int(np.argmax(state["means"]))
    star = 0.16 * min(layout.step, 110) * _STAR + np.array([layout.centres[best], 0.84 * PIXELS])
    picture.polygons(star, [len(star)], [inks.truth])


def _star() -> npt.NDArray[np.float64]:
    """Five points and the corners between them, around (0, 0)."""
    angle = np.pi * (np.arange(10) / 5 - 0.5)
    reach = np.where(np.arange(10) % 2, 0.42, 1.0)
    return np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)


_STAR = _star()

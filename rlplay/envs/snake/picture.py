"""A board of snake as an array of pixels: for notebooks, films, and programs without a screen.

Light ground, and colours that stay apart for colour-blind eyes and on a pale projector (after
Okabe and Ito, "Color Universal Design", 2008). The picture has few colours, so that formats with a
palette hold it exactly.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "draw"]

#: Width and height of a cell, in pixels.
CELL: Final = 16

_GROUND: Final = (243, 246, 239)
_STRIPE: Final = (232, 237, 227)
_CROSSING: Final = (222, 229, 216)
_OUTLINE: Final = (0, 82, 64)
_HEAD: Final = np.array((0, 128, 96))
_TAIL: Final = np.array((126, 205, 178))
#: Shades between head and tail.
_SHADES: Final = 16

_COLORS: Final = {
    "o": _OUTLINE,
    "h": tuple(_HEAD.tolist()),
    "w": (255, 255, 255),
    "p": (16, 32, 40),
    "a": (213, 70, 32),
    "d": (150, 40, 16),
    "s": (255, 224, 208),
    "l": (88, 146, 40),
    "t": (110, 74, 40),
}

#: The head, looking right.
_LOOKING: Final = """
................
..oooooooooooo..
.ohhhhhhhhhhhho.
.ohhhhhhhwwwhho.
.ohhhhhhhwppwho.
.ohhhhhhhwppwho.
.ohhhhhhhwwwhho.
.ohhhhhhhhhhhho.
.ohhhhhhhhhhhho.
.ohhhhhhhwwwhho.
.ohhhhhhhwppwho.
.ohhhhhhhwppwho.
.ohhhhhhhwwwhho.
.ohhhhhhhhhhhho.
..oooooooooooo..
................
"""

#: The head of a dead snake.
_DEAD: Final = """
................
..oooooooooooo..
.ohhhhhhhhhhhho.
.ohhhhhhhwhhwho.
.ohhhhhhhhwwhho.
.ohhhhhhhhwwhho.
.ohhhhhhhwhhwho.
.ohhhhhhhhhhhho.
.ohhhhhhhhhhhho.
.ohhhhhhhwhhwho.
.ohhhhhhhhwwhho.
.ohhhhhhhhwwhho.
.ohhhhhhhwhhwho.
.ohhhhhhhhhhhho.
..oooooooooooo..
................
"""

_APPLE: Final = """
................
........t.lll...
........tllll...
........tll.....
....ddddtdddd...
...daaaaaaaaad..
..daassaaaaaaad.
..dassaaaaaaaad.
..dasaaaaaaaaad.
..daaaaaaaaaaad.
..daaaaaaaaaaad.
..daaaaaaaaaaad.
...daaaaaaaaad..
....daaaaaaad...
.....ddddddd....
................
"""


def _stamp(rows: str) -> NDArray[np.int16]:
    """Read a drawing.

    Returns:
        (CELL, CELL, 3): the colours, -1 where it is transparent.
    """
    colors = {".": (-1, -1, -1), **_COLORS}
    return np.array([[colors[sign] for sign in row] for row in rows.split()], np.int16)


_STAMPS: Final = {rows: _stamp(rows) for rows in (_LOOKING, _DEAD, _APPLE)}
#: Quarter turns counter-clockwise from looking right, for each direction.
_TURNS: Final = {(1, 0): 0, (0, -1): 1, (-1, 0): 2, (0, 1): 3}


def draw(state: dict[str, Any]) -> NDArray[np.uint8]:
    """Draw a board: the apple, the body as one tube that pales towards the tail, and the head.

    Args:
        state: What the environment's `render_state` gives.

    Returns:
        (CELL * grid_size, CELL * grid_size, 3) uint8.
    """
    image = _ground(state["grid_size"]).copy()
    if state["food_position"] is not None:
        _put(image, state["food_position"], _STAMPS[_APPLE])
    body = state["snake_position"]
    # All the outlines first: what is filled then opens them from one cell to the next.
    for margin in (2, 3):
        for index in reversed(range(1, len(body))):
            share = index * _SHADES // len(body) / (_SHADES - 1)
            color = _OUTLINE if margin == 2 else (_HEAD + (_TAIL - _HEAD) * share).round()
            one, other = body[index], body[index - 1]
            top, bottom = sorted((one["y"] * CELL, other["y"] * CELL))
            left, right = sorted((one["x"] * CELL, other["x"] * CELL))
            image[top + margin : bottom + CELL - margin, left + margin : right + CELL - margin] = (
                color
            )
    head = _STAMPS[_DEAD if state["death_reason"] else _LOOKING]
    _put(image, body[0], np.rot90(head, _TURNS[tuple(state["direction"])]))
    return image


@lru_cache(maxsize=4)
def _ground(size: int) -> NDArray[np.uint8]:
    """Draw an empty board, every second row and column a little darker: cells can be counted."""
    odd = np.arange(size * CELL) // CELL % 2
    colors = np.array([_GROUND, _STRIPE, _CROSSING], np.uint8)
    ground: NDArray[np.uint8] = colors[odd[:, None] + odd]
    return ground


def _put(image: NDArray[np.uint8], cell: dict[str, int], stamp: NDArray[np.int16]) -> None:
    top, left = cell["y"] * CELL, cell["x"] * CELL
    place = image[top : top + CELL, left : left + CELL]
    np.copyto(place, stamp.astype(np.uint8), where=stamp >= 0)

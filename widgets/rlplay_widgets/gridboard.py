"""The gridworld's board: its cells, what they pay, and what an agent's table says of them.

Values are tints between two colours, each with its number where there is room; a minus stands for
a negative one where there is not. All colours stay apart for colour-blind eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay_widgets.board import PIXELS, Picture, register_board
from rlplay_widgets.theme import RGB, Palette

__all__ = [
    "LOOKS",
    "GridLayout",
    "draw_chosen",
    "draw_gridworld",
    "draw_table",
    "inks_of",
    "pays",
    "signed",
]

#: Ways to look at a table on the board: a word and its meaning.
LOOKS = {
    "Off": "The board alone",
    "V": "What each cell is worth to the agent: its best action's value, and which action that is",
    "Q": "What each action in a cell is worth to the agent: four triangles, the best one framed",
    "Policy": "What the agent would do in each cell: its best action, or all that are as good",
}

#: Up, right, down, left, as the actions are numbered.
_WAYS = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)], float)
_EXITS = "GTP"
_SIGNED = {"G": "goal", "T": "treasure", "P": "pit", "C": "cliff"}
#: The smallest writing on the board, in its pixels: on the screen about half of that.
_SMALLEST = 17.0
#: Two values that differ by less are the same to the eye.
_SAME = 1e-9

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Inks:
    """Colours of the board beside the palette's."""

    floor: RGB
    line: RGB
    wall: RGB
    mortar: RGB
    goal: RGB
    treasure: RGB
    pit: RGB
    cliff: RGB
    plus: RGB
    minus: RGB
    agent: RGB
    rim: RGB
    light: RGB
    dark: RGB
    chosen: RGB
    truth: RGB


_LIGHT = _Inks(
    floor=(252, 253, 250),
    line=(196, 203, 196),
    wall=(104, 114, 122),
    mortar=(134, 144, 151),
    goal=(0, 132, 98),
    treasure=(178, 122, 0),
    pit=(58, 50, 62),
    cliff=(150, 66, 30),
    plus=(0, 110, 190),
    minus=(216, 96, 0),
    agent=(104, 58, 168),
    rim=(255, 255, 255),
    light=(255, 255, 255),
    dark=(30, 36, 40),
    chosen=(190, 20, 110),
    truth=(0, 132, 98),
)
_DARK = _Inks(
    floor=(36, 42, 46),
    line=(74, 84, 90),
    wall=(112, 122, 130),
    mortar=(86, 95, 102),
    goal=(62, 206, 162),
    treasure=(244, 194, 66),
    pit=(6, 8, 10),
    cliff=(228, 128, 84),
    plus=(64, 160, 236),
    minus=(240, 134, 40),
    agent=(206, 172, 255),
    rim=(20, 24, 28),
    light=(255, 255, 255),
    dark=(12, 16, 20),
    chosen=(255, 130, 200),
    truth=(250, 214, 90),
)


def inks_of(palette: Palette) -> _Inks:
    """Give the colours that go with a palette."""
    return _DARK if sum(palette.ground) < 3 * 128 else _LIGHT


class GridLayout:
    """Where the cells of a map lie on the board, in its pixels.

    Attributes:
        rows: The map.
        cell: Side of a cell.
        left: Where the first column begins.
        top: Where the first row begins.
        states: (x, y) of each state: of every cell but walls, row by row.

    Args:
        state: What the gridworld's `render_state` gives.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self.rows: list[str] = state["rows"]
        across, down = len(self.rows[0]), len(self.rows)
        self.cell = float(PIXELS // max(across, down))
        self.left = (PIXELS - across * self.cell) / 2
        self.top = (PIXELS - down * self.cell) / 2
        self.states = [
            (x, y) for y, row in enumerate(self.rows) for x, kind in enumerate(row) if kind != "#"
        ]

    def corners(self, cells: Any) -> npt.NDArray[np.float64]:
        """Give the upper left corners of cells, (n, 2)."""
        places = np.asarray(cells, float).reshape(-1, 2)
        return places * self.cell + (self.left, self.top)

    def centre(self, cell: Any) -> npt.NDArray[np.float64]:
        """Give the centre of a cell, (2,)."""
        place: npt.NDArray[np.float64] = self.corners([cell])[0] + self.cell / 2
        return place

    def find(self, x: float, y: float) -> tuple[int, int] | None:
        """Find the cell at a point, given in shares of the board's sides; None for a wall.

        Args:
            x: From 0 at the left to 1.
            y: From 0 at the top to 1.
        """
        column = int((x * PIXELS - self.left) // self.cell)
        row = int((y * PIXELS - self.top) // self.cell)
        return (column, row) if (column, row) in self.states else None


@register_board("gridworld")
def draw_gridworld(state: dict[str, Any], palette: Palette) -> Picture:
    """Draw a gridworld: its cells, what they pay, and the agent.

    Args:
        state: What the environment's `render_state` gives.
        palette: The colours.

    Returns:
        The picture.
    """
    picture = Picture()
    layout, inks = GridLayout(state), inks_of(palette)
    _draw_ground(picture, layout, inks, palette)
    _draw_cells(picture, state, layout, inks)
    _draw_agent(picture, state, layout, inks, "Off")
    return picture


def _draw_ground(picture: Picture, layout: GridLayout, inks: _Inks, palette: Palette) -> None:
    """The floor with its lines, and the walls."""
    across, down, cell = len(layout.rows[0]), len(layout.rows), layout.cell
    picture.rects(0, 0, PIXELS, PIXELS, [palette.ground])
    picture.rects(layout.left, layout.top, across * cell, down * cell, [inks.floor])
    walls = [
        (x, y) for y, row in enumerate(layout.rows) for x, kind in enumerate(row) if kind == "#"
    ]
    if walls:
        left, top = layout.corners(walls).T
        picture.rects(left, top, cell, cell, [inks.wall])
        joints = []
        for x, y in layout.corners(walls):
            for share, shift in ((1 / 3, 0.5), (2 / 3, 0.25)):
                level = y + share * cell
                joints += [(x, level), (x + cell, level)]
                joints += [(x + shift * cell, level), (x + shift * cell, level - cell / 3)]
            joints += [(x + 0.75 * cell, y + cell), (x + 0.75 * cell, y + 2 * cell / 3)]
        picture.lines(
            np.array(joints), [2] * (len(joints) // 2), [inks.mortar], max(1.5, 0.02 * cell)
        )
    _draw_lines(picture, layout, inks)


def _draw_lines(picture: Picture, layout: GridLayout, inks: _Inks) -> None:
    """The lines between cells."""
    across, down, cell = len(layout.rows[0]), len(layout.rows), layout.cell
    right, bottom = layout.left + across * cell, layout.top + down * cell
    ends = [
        point
        for i in range(across + 1)
        for point in ((layout.left + i * cell, layout.top), (layout.left + i * cell, bottom))
    ]
    ends += [
        point
        for i in range(down + 1)
        for point in ((layout.left, layout.top + i * cell), (right, layout.top + i * cell))
    ]
    picture.lines(np.array(ends), [2] * (len(ends) // 2), [inks.line], 2)


def pays(state: dict[str, Any], cell: tuple[int, int]) -> float | None:
    """Say what entering a cell pays beside the step itself; None where that is nothing special.

    Args:
        state: What the environment's `render_state` gives.
        cell: Column and row.
    """
    kind = state["rows"][cell[1]][cell[0]]
    extra = state["cells"].get(f"{cell[0]},{cell[1]}")
    if kind in state["worth"]:
        return float(state["worth"][kind]) + float(extra or 0.0)
    return None if not extra else float(extra)


def _draw_cells(picture: Picture, state: dict[str, Any], layout: GridLayout, inks: _Inks) -> None:
    """What is special about cells: their signs, and what entering them pays."""
    cell = layout.cell
    plain: list[tuple[str, float, float]] = []
    for x, y in layout.states:
        kind = layout.rows[y][x]
        middle = layout.centre((x, y))
        worth = pays(state, (x, y))
        room = 0.2 * cell >= _SMALLEST
        if kind in _SIGNED:
            up = np.array([0, 0.13 * cell if room else 0])
            _draw_sign(picture, kind, middle - up, cell, inks)
            if room and worth is not None:
                plain.append((signed(worth), middle[0], middle[1] + 0.31 * cell))
            continue
        if kind == "S":
            corner = layout.corners([(x, y)])[0]
            frame = corner + cell * np.array(
                [(0.07, 0.07), (0.93, 0.07), (0.93, 0.93), (0.07, 0.93), (0.07, 0.07)]
            )
            picture.lines(frame, [5], [inks.agent], max(2.0, 0.02 * cell), 0.75)
            if 0.15 * cell >= _SMALLEST:
                place = corner + np.array([0.5, 0.83]) * cell
                picture.words(["start"], place[None], 0.14 * cell, [inks.agent])
        if worth is not None:
            _draw_extra(picture, worth, layout.corners([(x, y)])[0], cell, inks)
    if plain:
        places = np.array([(x, y) for _, x, y in plain])
        size = max(_SMALLEST, min(0.19 * cell, 40.0))
        picture.words([words for words, _, _ in plain], places, size, [_readable(inks.floor, inks)])


def _draw_extra(
    picture: Picture,
    worth: float,
    corner: npt.NDArray[np.float64],
    cell: float,
    inks: _Inks,
    share: float = 0.14,
) -> None:
    """What a person has put on a free cell: a pill in its corner, or a dot where that is small."""
    ink = inks.plus if worth > 0 else inks.minus
    size = max(_SMALLEST, min(share * cell, 30.0))
    words = signed(worth)
    half = 0.3 * size * len(words)
    if 2 * half + 1.2 * size > cell:
        picture.circles(*(corner + 0.2 * cell), 0.12 * cell, [ink])
        return
    begin = 0.75 * size + 4
    line = corner + np.array([(begin, begin), (begin + 2 * half - size / 2, begin)])
    picture.lines(line, [2], [ink], 1.35 * size)
    picture.words([words], line.mean(axis=0)[None], size, [_readable(ink, inks)])


def _draw_sign(
    picture: Picture, kind: str, middle: npt.NDArray[np.float64], cell: float, inks: _Inks
) -> None:
    """A flag for the goal, a gem for the treasure, a hole for the pit, an edge for the cliff."""
    if kind == "G":
        pole = middle + cell * np.array([(-0.13, -0.22), (-0.13, 0.24)])
        picture.lines(pole, [2], [inks.goal], max(2.0, 0.045 * cell))
        flag = middle + cell * np.array([(-0.12, -0.23), (0.22, -0.1), (-0.12, 0.04)])
        picture.polygons(flag, [3], [inks.goal])
    elif kind == "T":
        gem = np.array([(-0.13, -0.17), (0.13, -0.17), (0.24, -0.04), (0, 0.22), (-0.24, -0.04)])
        picture.polygons(middle + cell * gem, [5], [inks.treasure])
        facets = np.array(
            [(-0.24, -0.04), (0.24, -0.04), (-0.09, -0.04), (0, 0.22), (0.09, -0.04), (0, 0.22)]
        )
        picture.lines(middle + cell * facets, [2, 2, 2], [inks.rim], max(1.5, 0.02 * cell), 0.8)
    elif kind == "P":
        angle = np.linspace(0, 2 * np.pi, 33)
        for wide, high, ink in ((0.27, 0.17, inks.line), (0.24, 0.14, inks.pit)):
            oval = np.stack([wide * np.cos(angle), high * np.sin(angle)], 1)
            picture.polygons(middle + cell * oval, [len(oval)], [ink])
    else:
        edge = np.array(
            [(-0.3, -0.08), (-0.15, -0.2), (0, -0.08), (0.15, -0.2), (0.3, -0.08)], float
        )
        for down in (0.0, 0.15, 0.3):
            picture.lines(
                middle + cell * (edge + np.array([0, down])),
                [5],
                [inks.cliff],
                max(2.0, 0.045 * cell),
            )


def _draw_agent(
    picture: Picture, state: dict[str, Any], layout: GridLayout, inks: _Inks, look: str
) -> None:
    """The agent: a disc; a ring where numbers or arrows stand in the middle of the cell."""
    at = (state["agent"]["x"], state["agent"]["y"])
    x, y = layout.centre(at)
    cell = layout.cell
    if look in ("V", "Policy"):
        angle = np.linspace(0, 2 * np.pi, 49)
        ring = np.stack([x + 0.41 * cell * np.cos(angle), y + 0.41 * cell * np.sin(angle)], 1)
        picture.lines(ring, [len(ring)], [inks.rim], max(5.0, 0.1 * cell))
        picture.lines(ring, [len(ring)], [inks.agent], max(3.0, 0.06 * cell))
        return
    radius = (0.14 if look == "Q" else 0.27) * cell
    picture.circles(x, y, [radius + max(2.0, 0.025 * cell), radius], [inks.rim, inks.agent])
    eyes = np.array([(-0.36, -0.15), (0.36, -0.15)]) * radius
    picture.circles(*(eyes + np.array([x, y])).T, 0.17 * radius, [inks.rim])


# What a table says -------------------------------------------------------------------------------


def draw_table(
    picture: Picture, state: dict[str, Any], table: Table, look: str, palette: Palette
) -> None:
    """Draw over a gridworld what a table of action values says of its cells.

    Args:
        picture: What it is added to.
        state: What the environment's `render_state` gives.
        table: (S, A) the value of each action in each state.
        look: One of `LOOKS`.
        palette: The colours.
    """
    layout, inks = GridLayout(state), inks_of(palette)
    if look not in LOOKS or look == "Off" or table.shape != (len(layout.states), len(_WAYS)):
        return
    # Where an episode has ended, and where nobody ever stands, there is nothing to choose.
    open_ = np.array([layout.rows[y][x] not in "GTPC" for x, y in layout.states])
    cells = np.array(layout.states)[open_]
    values = np.asarray(table, float)[open_]
    most = scale_of(state, table)
    if look == "V":
        _draw_values(picture, layout, cells, values, most, inks)
    elif look == "Q":
        _draw_triangles(picture, layout, cells, values, most, inks)
    else:
        _draw_policy(picture, layout, cells, values, inks)
    _draw_lines(picture, layout, inks)
    _draw_start_and_extras(picture, state, layout, inks, look)
    at = state["agent"]
    if layout.rows[at["y"]][at["x"]] not in "GTPC":
        _draw_agent(picture, state, layout, inks, look)


def scale_of(state: dict[str, Any], table: Table) -> float:
    """Say which value has the full colour: the largest of all states, and of what exits pay."""
    layout = GridLayout(state)
    exits = [pays(state, (x, y)) for x, y in layout.states if layout.rows[y][x] in _EXITS]
    open_ = [layout.rows[y][x] not in "GTPC" for x, y in layout.states]
    best = table[np.array(open_)].max(axis=1)
    return float(max(np.abs(best).max(initial=0.0), *(abs(pay or 0.0) for pay in exits), 1e-9))


def _tints(values: npt.NDArray[np.float64], most: float, inks: _Inks) -> npt.NDArray[np.uint8]:
    """(n, 3) the colours of values: the floor's at 0."""
    share = np.clip(np.abs(values) / most, 0, 1)[..., None] ** 0.75 * 0.85
    full = np.where(values[..., None] >= 0, np.array(inks.plus), np.array(inks.minus))
    return (np.array(inks.floor) * (1 - share) + full * share).round().astype(np.uint8)


def _readable(ground: Any, inks: _Inks) -> RGB:
    """Give the ink that can be read on a colour."""
    red, green, blue = (float(part) for part in ground)
    return inks.light if 0.3 * red + 0.59 * green + 0.11 * blue < 128 else inks.dark


def signed(value: float, digits: int | None = None) -> str:
    """Write what something pays, with its sign: as short as it can be, or with so many digits."""
    words = f"{value:+.3g}" if digits is None else f"{value:+.{digits}f}"
    if float(words) == 0:
        words = words.lstrip("+-")
    return words.replace("-", "\N{MINUS SIGN}")


def _written(value: float, most: float) -> str:
    """Write a value with as many digits as tell it from the others."""
    digits = 2 if most < 10 else 1 if most < 100 else 0
    words = f"{value:.{digits}f}"
    if float(words) == 0:
        words = words.lstrip("-")
    return words.replace("-", "\N{MINUS SIGN}")


def _best(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(n, A) which actions are the best of their cell; none where all are alike."""
    best: npt.NDArray[np.bool_] = values >= values.max(axis=1, keepdims=True) - _SAME
    best[best.all(axis=1)] = False
    return best


def _draw_values(
    picture: Picture,
    layout: GridLayout,
    cells: npt.NDArray[np.int64],
    table: npt.NDArray[np.float64],
    most: float,
    inks: _Inks,
) -> None:
    """V as colour and number, and a tip at the edge that the best action leads over."""
    cell, values = layout.cell, table.max(axis=1)
    tints = _tints(values, most, inks)
    left, top = layout.corners(cells).T
    picture.rects(left, top, cell, cell, tints)
    middles = layout.corners(cells) + cell / 2
    shades = [_readable(tint, inks) for tint in tints]
    size = min(0.24 * cell, 44.0)
    if size >= _SMALLEST - 1:
        picture.words([_written(value, most) for value in values], middles, size, shades)
    else:
        _draw_minuses(picture, middles[values < -_SAME], 0.2 * cell, inks)
    index, action = np.nonzero(_best(table))
    along = _WAYS[action]
    aside = along[:, ::-1] * (-1, 1)
    tips = middles[index] + 0.47 * cell * along
    base = tips - 0.1 * cell * along
    points = np.stack([tips, base + 0.1 * cell * aside, base - 0.1 * cell * aside], axis=1)
    if len(index):
        picture.polygons(points.reshape(-1, 2), [3] * len(index), [shades[i] for i in index])


def _draw_minuses(
    picture: Picture, middles: npt.NDArray[np.float64], reach: float, inks: _Inks
) -> None:
    if len(middles):
        across = np.array([reach, 0.0])
        ends = np.stack([middles - across, middles + across], axis=1).reshape(-1, 2)
        picture.lines(ends, [2] * len(middles), [inks.dark], 3)


def _draw_triangles(
    picture: Picture,
    layout: GridLayout,
    cells: npt.NDArray[np.int64],
    table: npt.NDArray[np.float64],
    most: float,
    inks: _Inks,
) -> None:
    """Q as four triangles; the best ones are framed."""
    cell = layout.cell
    middles = layout.corners(cells) + cell / 2  # (n, 2)
    aside = _WAYS[:, ::-1] * (-1, 1)
    shape = np.stack([0 * _WAYS, (_WAYS + aside) / 2, (_WAYS - aside) / 2], axis=1) * cell
    points = middles[:, None, None] + shape  # (n, 4, 3, 2)
    tints = _tints(table, most, inks)  # (n, 4, 3)
    flat = points.reshape(-1, 2)
    count = len(cells) * len(_WAYS)
    picture.polygons(flat, [3] * count, tints.reshape(-1, 3))
    thin = max(1.0, 0.01 * cell)
    diagonals = middles[:, None] + cell / 2 * np.array([(-1, -1), (1, 1), (1, -1), (-1, 1)], float)
    picture.lines(diagonals.reshape(-1, 2), [2] * (2 * len(cells)), [inks.line], thin)
    best = _best(table)
    if best.any():
        inner = middles[:, None, None] + 0.94 * shape + 0.035 * cell * _WAYS[:, None] * (1, 1)
        frames = inner[best][:, [0, 1, 2, 0]].reshape(-1, 2)
        colors = [_readable(tint, inks) for tint in tints[best]]
        picture.lines(frames, [4] * int(best.sum()), colors, max(2.0, 0.018 * cell), 0.9)
    size = min(0.135 * cell, 27.0)
    if size >= _SMALLEST - 1:
        places = middles[:, None] + cell * _WAYS * (0.32, 0.35)
        words = [_written(value, most) for value in table.ravel()]
        colors = [_readable(tint, inks) for tint in tints.reshape(-1, 3)]
        picture.words(words, places.reshape(-1, 2), size, colors)


#: An arrow from (0, 0) towards (1, 0): along, aside.
_ARROW = np.array(
    [(0, -0.06), (0.58, -0.06), (0.58, -0.2), (1, 0), (0.58, 0.2), (0.58, 0.06), (0, 0.06)]
)


def _draw_policy(
    picture: Picture,
    layout: GridLayout,
    cells: npt.NDArray[np.int64],
    table: npt.NDArray[np.float64],
    inks: _Inks,
) -> None:
    """An arrow for the best action, several short ones where several are as good, else a dot."""
    cell = layout.cell
    left, top = layout.corners(cells).T
    picture.rects(left, top, cell, cell, [inks.floor])
    middles = layout.corners(cells) + cell / 2
    best = _best(table)
    ink = _readable(inks.floor, inks)
    unknown = middles[~best.any(axis=1)]
    if len(unknown):
        picture.circles(*unknown.T, 0.05 * cell, [ink], 0.55)
    index, action = np.nonzero(best)
    if not len(index):
        return
    alone = (best.sum(axis=1) == 1)[index]
    length = np.where(alone, 0.56, 0.34) * cell
    start = np.where(alone, -0.28, 0.03) * cell
    along = _WAYS[action]
    aside = along[:, ::-1] * (-1, 1)
    reach = start[:, None] + length[:, None] * _ARROW[:, 0]  # (k, 7)
    wide = 0.56 * cell * _ARROW[:, 1]
    shapes = (
        middles[index][:, None]
        + reach[..., None] * along[:, None]
        + wide[None, :, None] * aside[:, None]
    )
    picture.polygons(shapes.reshape(-1, 2), [len(_ARROW)] * len(index), [ink])


def _draw_start_and_extras(
    picture: Picture, state: dict[str, Any], layout: GridLayout, inks: _Inks, look: str
) -> None:
    """What the table's colours have covered: the frame of the start, and what people have put."""
    for x, y in layout.states:
        kind = layout.rows[y][x]
        corner = layout.corners([(x, y)])[0]
        if kind == "S":
            frame = corner + layout.cell * np.array(
                [(0.03, 0.03), (0.97, 0.03), (0.97, 0.97), (0.03, 0.97), (0.03, 0.03)]
            )
            picture.lines(frame, [5], [inks.agent], max(2.0, 0.02 * layout.cell), 0.75)
        if kind not in _SIGNED and (worth := pays(state, (x, y))) is not None:
            # In the corner between two triangles.
            share = 0.105 if look == "Q" else 0.14
            _draw_extra(picture, worth, corner, layout.cell, inks, share)


def draw_chosen(
    picture: Picture, state: dict[str, Any], cell: tuple[int, int], palette: Palette
) -> None:
    """Frame the cell that a person has chosen.

    Args:
        picture: What it is added to.
        state: What the environment's `render_state` gives.
        cell: Column and row.
        palette: The colours.
    """
    layout, inks = GridLayout(state), inks_of(palette)
    corner = layout.corners([cell])[0]
    frame = corner + layout.cell * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)], float)
    picture.lines(frame, [5], [inks.chosen], max(5.0, 0.05 * layout.cell))

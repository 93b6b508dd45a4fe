"""What the agent sees and thinks, over the board.

Where a number of the observation lies on the board follows from the environment's own table of
observation blocks; everything is computed as arrays and added to the board's one picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rlplay.envs import ENV_REGISTRY, create_env
from rlplay.envs.own import blocks_of
from rlplay.envs.snake.config import SnakeConfig
from rlplay.errors import ConfigError
from rlplay_widgets import clerk
from rlplay_widgets.board import PIXELS, Picture
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import RGB, Palette

if TYPE_CHECKING:
    from rlplay_widgets.desk import Desk

__all__ = [
    "NOWHERE",
    "Choices",
    "Inputs",
    "Overlay",
    "action_shares",
    "draw_actions",
    "draw_mattered",
    "draw_seen",
    "draw_window",
    "input_places",
    "inputs_of",
    "window_places",
]

Cells = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float32]

#: Where an input lies that stands for no cell.
NOWHERE = np.iinfo(np.int64).min


class Choices:
    """Which ways of looking inside are switched on. Any thread may call.

    Attributes:
        version: Grows with every change.
    """

    #: Over the board: what it sees, what it thinks, which inputs mattered. Beside it: the
    #: network's activations, and the value of the state.
    NAMES = ("sees", "thinks", "mattered", "network", "value")

    def __init__(self) -> None:
        self._on: frozenset[str] = frozenset()
        self.version = 0

    def __contains__(self, name: str) -> bool:
        """Whether one is switched on."""
        return name in self._on

    def __iter__(self) -> Any:
        """Give those that are switched on, in their order."""
        return iter([name for name in self.NAMES if name in self._on])

    def switch(self, **on: bool) -> None:
        """Switch some on or off: ``switch(thinks=True, sees=False)``."""
        unknown = set(on) - set(self.NAMES)
        if unknown:
            raise ConfigError(
                f"No way of looking inside is called {', '.join(sorted(unknown))}. "
                f"Available: {', '.join(self.NAMES)}."
            )
        wanted = {name for name, value in on.items() if value}
        self._set(self._on - set(on) | wanted)

    def all_off(self) -> None:
        """Switch everything off."""
        self._set(frozenset())

    def _set(self, on: frozenset[str]) -> None:
        if on != self._on:
            self._on = on
            self.version += 1


# What the inputs stand for ---------------------------------------------------------------------


@dataclass(frozen=True)
class Inputs:
    """What the numbers of an observation, and the actions, stand for.

    Attributes:
        blocks: The table of observation blocks: "observation" of the environment's metadata.
        actions: What each action is called; empty where the environment does not say.
    """

    blocks: tuple[dict[str, Any], ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers an observation has."""
        return sum(block["size"] for block in self.blocks)


_inputs: dict[tuple[object, ...], Inputs | None] = {}


def inputs_of(env_name: str, env_config: dict[str, Any], then: Callable[[], None]) -> Inputs | None:
    """Say what an environment's inputs stand for; returns at once.

    Args:
        env_name: The environment.
        env_config: Its options.
        then: Called in another thread once it is known, where it was not yet.

    Returns:
        What they stand for; None while it is still being read.
    """
    if env_name not in ENV_REGISTRY:
        return Inputs()
    # An environment or a block that is registered anew is another one.
    options = json.dumps(env_config, sort_keys=True, default=str)
    key = (ENV_REGISTRY[env_name], options, blocks_of(env_config))
    if key not in _inputs:
        _inputs[key] = None

        def read() -> None:
            # Whoever plays it says what is wrong with it; here it then only has no names.
            found = Inputs()
            try:
                env = create_env(env_name, **env_config)
                metadata = env.get_metadata()
                env.close()
                found = Inputs(
                    tuple(metadata.get("observation", ())), tuple(metadata.get("actions", ()))
                )
            finally:
                _inputs[key] = found
                then()

        # Making an environment may compile it.
        clerk.submit(read)
    return _inputs[key]


@dataclass(frozen=True)
class _Inks:
    """Colours of what lies over a board."""

    window: RGB
    fog: RGB
    fog_alpha: float
    blocked: RGB
    halo: RGB
    arrow: RGB
    other_arrow: RGB
    label: RGB
    label_ground: RGB
    positive: RGB
    negative: RGB


_LIGHT = _Inks(
    window=(0, 92, 150),
    fog=(214, 219, 212),
    fog_alpha=0.66,
    blocked=(38, 28, 74),
    halo=(255, 255, 255),
    arrow=(58, 33, 140),
    other_arrow=(150, 136, 198),
    label=(30, 24, 64),
    label_ground=(255, 255, 255),
    positive=(0, 102, 204),
    negative=(214, 96, 0),
)
_DARK = _Inks(
    window=(116, 196, 242),
    fog=(8, 11, 13),
    fog_alpha=0.6,
    blocked=(240, 236, 255),
    halo=(18, 20, 26),
    arrow=(226, 212, 255),
    other_arrow=(146, 128, 194),
    label=(240, 236, 255),
    label_ground=(34, 30, 52),
    positive=(86, 170, 255),
    negative=(255, 158, 64),
)


def _inks(palette: Palette) -> _Inks:
    return _DARK if sum(palette.ground) < 3 * 128 else _LIGHT


# Where the inputs lie --------------------------------------------------------------------------


def window_places(env_config: dict[str, Any], state: dict[str, Any]) -> Cells:
    """Find the window's cells on the board.

    Args:
        env_config: The options of snake.
        state: What the environment's `render_state` gives.

    Returns:
        (num_cells, 2) x and y of each cell, in the order of every channel; a cell outside the
        board has a place outside it.
    """
    from rlplay.envs.snake.observation import window_cells

    config = _snake_options(env_config)
    cells = np.array(window_cells(config), np.int64).reshape(-1, 2)
    if config.vision == -1:
        return cells
    ahead = np.array(state["direction"] if config.frame == "egocentric" else (0, -1))
    right = np.array([-ahead[1], ahead[0]])
    head = state["snake_position"][0]
    return np.array([head["x"], head["y"]]) + cells[:, :1] * right - cells[:, 1:] * ahead


def _snake_options(env_config: dict[str, Any]) -> SnakeConfig:
    """Give snake's own options of a config; blocks of somebody's own show no cells."""
    own = {name: value for name, value in env_config.items() if name in SnakeConfig.model_fields}
    return SnakeConfig(**own)


def input_places(
    blocks: Sequence[dict[str, Any]], env_config: dict[str, Any], state: dict[str, Any]
) -> Cells:
    """Find the cell that each number of an observation stands for.

    Args:
        blocks: The table of observation blocks: "observation" of the environment's metadata.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.

    Returns:
        (D, 2) x and y of each number's cell; `NOWHERE` for one that stands for no cell.
    """
    count = sum(block["size"] for block in blocks)
    places = np.full((count, 2), NOWHERE, np.int64)
    window = window_places(env_config, state)
    for block in blocks:
        if block["channel"]:
            places[block["start"] : block["start"] + block["size"]] = window
    return places


def _inside(places: Cells, size: int) -> npt.NDArray[np.bool_]:
    """Which places lie on the board."""
    return np.all((places >= 0) & (places < size), axis=1)


# What it sees ----------------------------------------------------------------------------------


def draw_window(
    picture: Picture,
    env_config: dict[str, Any],
    state: dict[str, Any],
    palette: Palette,
    *,
    fog: bool = True,
) -> None:
    """Draw which cells of a snake's board the agent sees: the others lie in a fog.

    Where the agent sees no cells, only numbers, everything lies in the fog.

    Args:
        picture: What it is added to.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.
        palette: The colours of the board.
        fog: Whether there is a fog; without it, the cells that are seen are outlined alone.
    """
    from rlplay.envs.snake.observation import observation_blocks

    inks = _inks(palette)
    size = int(state["grid_size"])
    seen = np.zeros((size, size), bool)
    if any(block.channel for block in observation_blocks(_snake_options(env_config))):
        places = window_places(env_config, state)
        x, y = places[_inside(places, size)].T
        seen[y, x] = True
        head = state["snake_position"][0]
        # The window leaves the head's own cell out; a hole there would say nothing.
        seen[head["y"], head["x"]] = True
    if fog:
        _draw_fog(picture, seen, inks)
    _draw_rim(picture, seen, inks, edge=not fog)


def _draw_fog(picture: Picture, seen: npt.NDArray[np.bool_], inks: _Inks) -> None:
    """Cover the cells that are not seen, each row's neighbours as one."""
    size = len(seen)
    cell = PIXELS / size
    rows, starts, ends = _runs(~seen)
    if len(rows):
        x, width = starts * cell, (ends - starts) * cell
        picture.rects(x, rows * cell, width, cell, [inks.fog], inks.fog_alpha)


#: How wide a rim is.
_RIM = 5


def _draw_rim(
    picture: Picture, seen: npt.NDArray[np.bool_], inks: _Inks, *, edge: bool = False
) -> None:
    """Draw lines between cells that are seen and cells that are not; or the board's edge, too."""
    cell, beyond = PIXELS / len(seen), int(edge)
    padded = np.pad(seen, beyond)
    points = []
    for turned in (False, True):
        cells = padded.T if turned else padded
        rows, starts, ends = _runs(cells[1:] != cells[:-1])
        lines = np.stack([starts, rows + 1, ends, rows + 1], axis=1).reshape(-1, 2) - beyond
        points.append(lines[:, ::-1] if turned else lines)
    ends_of_lines = np.concatenate(points) * cell
    if len(ends_of_lines):
        count = len(ends_of_lines) // 2
        inside = np.clip(ends_of_lines, _RIM / 2, PIXELS - _RIM / 2)
        picture.lines(inside, [2] * count, [inks.window], _RIM)


def _runs(marks: npt.NDArray[np.bool_]) -> tuple[Cells, Cells, Cells]:
    """Find neighbours in rows that are marked: row, first column, column after the last."""
    padded = np.zeros((marks.shape[0], marks.shape[1] + 2), np.int8)
    padded[:, 1:-1] = marks
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows, starts, ends


#: A wall beyond the board's edge is drawn as a bar of this share of a cell.
_BAR = 0.14


def draw_seen(
    picture: Picture,
    inputs: Inputs,
    env_config: dict[str, Any],
    state: dict[str, Any],
    observation: Numbers,
    palette: Palette,
) -> None:
    """Draw what the agent is told about the cells of its window.

    A cell that blocks has a square, the larger the higher the number that the agent sees (which,
    where it sees lifetimes, says how long the cell will block); wall beyond the edge is a bar
    along the edge; the food that it sees in its window has a ring. The head stays as it is.

    Args:
        picture: What it is added to.
        inputs: What the observation's numbers stand for.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.
        observation: (D,) what the agent sees.
        palette: The colours of the board.
    """
    channels = [block for block in inputs.blocks if block["channel"]]
    if not channels:
        return
    size = int(state["grid_size"])
    places = window_places(env_config, state)
    blocked = np.zeros(len(places), np.float32)
    food = np.zeros(len(places), bool)
    for block in channels:
        numbers = observation[block["start"] : block["start"] + block["size"]]
        if block["name"] == "food_channel":
            food |= numbers > 0
        elif block["name"] != "head":
            food |= numbers < 0
            blocked = np.maximum(blocked, numbers)
    inks, cell = _inks(palette), PIXELS / size
    on_board = _inside(places, size)
    head = state["snake_position"][0]
    marked = on_board & (blocked > 0) & np.any(places != (head["x"], head["y"]), axis=1)
    centres = (places[marked] + 0.5) * cell
    if len(centres):
        half = 0.36 * cell * blocked[marked]
        for grown, ink in ((max(2.0, 0.03 * cell), inks.halo), (0.0, inks.blocked)):
            x, y = (centres - half[:, None] - grown).T
            picture.rects(x, y, 2 * (half + grown), 2 * (half + grown), [ink], 0.86)
    _draw_bars(picture, places[~on_board & (blocked > 0)], size, inks.blocked)
    for x, y in (places[on_board & food] + 0.5) * cell:
        angle = np.linspace(0, 2 * np.pi, 25)
        ring = np.stack([x + 0.45 * cell * np.cos(angle), y + 0.45 * cell * np.sin(angle)], 1)
        picture.lines(ring, [len(ring)], [inks.blocked], max(3.0, 0.05 * cell))


def _draw_bars(picture: Picture, beyond: Cells, size: int, ink: RGB) -> None:
    """Draw cells beyond the edge, each as a bar on the edge's nearest cell."""
    if not len(beyond):
        return
    cell = PIXELS / size
    nearest, side = _nearest_at_edge(beyond, size)
    bars = np.unique(np.column_stack([nearest, side]), axis=0)
    x, y, width, height = _bars_of(bars[:, :2], bars[:, 2], cell)
    picture.rects(x, y, width, height, [ink], 0.8)


def _nearest_at_edge(beyond: Cells, size: int) -> tuple[Cells, Cells]:
    """Find the board's cell that is nearest to cells beyond it, and the edge: left, right, ..."""
    nearest = np.clip(beyond, 0, size - 1)
    over = beyond - nearest
    sideways = np.abs(over[:, 0]) >= np.abs(over[:, 1])
    side = np.where(sideways, np.where(over[:, 0] < 0, 0, 1), np.where(over[:, 1] < 0, 2, 3))
    return nearest, side


def _bars_of(cells: Cells, side: Cells, cell: float) -> tuple[npt.NDArray[np.float64], ...]:
    """Give left, top, width and height of bars along the edges 0 left, 1 right, 2 top, 3 bottom."""
    thick = _BAR * cell
    upright = side < 2
    x = cells[:, 0] * cell + np.where(side == 1, cell - thick, 0)
    y = cells[:, 1] * cell + np.where(side == 3, cell - thick, 0)
    return x, y, np.where(upright, thick, cell), np.where(upright, cell, thick)


# Which inputs mattered -------------------------------------------------------------------------

#: Shares of the strongest below which a cell is not tinted, and from which its sign is written.
_WEAK, _STRONG = 0.04, 0.2


def draw_mattered(
    picture: Picture,
    inputs: Inputs,
    env_config: dict[str, Any],
    state: dict[str, Any],
    saliency: Numbers,
    palette: Palette,
) -> None:
    """Tint the cells whose inputs mattered: in two colours, with a plus or a minus on the strong.

    The numbers of a cell's channels are added up, and so are those of the wall beyond a cell of
    the edge, which tint a bar there.

    Args:
        picture: What it is added to.
        inputs: What the observation's numbers stand for.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.
        saliency: (D,) how much each input mattered.
        palette: The colours of the board.
    """
    size = int(state["grid_size"])
    strongest = float(np.abs(saliency).max(initial=0))
    places = input_places(inputs.blocks, env_config, state)
    known = places[:, 0] != NOWHERE
    if not strongest or not known.any():
        return
    inks, cell = _inks(palette), PIXELS / size
    places, shares = places[known], saliency[known] / strongest
    on_board = _inside(places, size)
    cells = np.zeros((size, size), np.float32)
    x, y = places[on_board].T
    np.add.at(cells, (y, x), shares[on_board])
    bars = np.zeros((4, size, size), np.float32)
    nearest, side = _nearest_at_edge(places[~on_board], size)
    np.add.at(bars, (side, nearest[:, 1], nearest[:, 0]), shares[~on_board])

    def tint(values: Numbers, *rectangles: Any) -> None:
        color = np.where(values[:, None] > 0, inks.positive, inks.negative).astype(np.uint8)
        alpha = np.clip(0.1 + 0.55 * np.sqrt(np.abs(values)), 0, 0.65).astype(np.float32)
        picture.rects(*rectangles, color, alpha)

    y, x = np.nonzero(np.abs(cells) > _WEAK)
    if len(x):
        tint(cells[y, x], x * cell, y * cell, cell, cell)
    side, below, across = np.nonzero(np.abs(bars) > _WEAK)
    if len(side):
        tint(bars[side, below, across], *_bars_of(np.column_stack([across, below]), side, cell))
    y, x = np.nonzero(np.abs(cells) > _STRONG)
    if len(x):
        centres = np.column_stack([x, y]) * cell + 0.2 * cell
        _draw_signs(picture, centres, cells[y, x] > 0, 0.1 * cell, inks)


def _draw_signs(
    picture: Picture,
    centres: npt.NDArray[np.float64],
    plus: npt.NDArray[np.bool_],
    reach: float,
    inks: _Inks,
) -> None:
    """Write plus and minus signs."""
    across, down = np.array([reach, 0.0]), np.array([0.0, reach])
    level = np.stack([centres - across, centres + across], axis=1).reshape(-1, 2)
    upright = np.stack([centres - down, centres + down], axis=1)[plus].reshape(-1, 2)
    lines = np.concatenate([level, upright])
    counts = [2] * (len(lines) // 2)
    picture.lines(lines, counts, [inks.halo], max(5.0, 0.85 * reach))
    picture.lines(lines, counts, [inks.label], max(2.5, 0.4 * reach))


# What it thinks --------------------------------------------------------------------------------


def action_shares(thoughts: dict[str, Any]) -> tuple[Numbers, tuple[str, ...]] | None:
    """Say how much an agent is for each action.

    Args:
        thoughts: What its `explain` gave.

    Returns:
        (A,) numbers from 0 to 1, and how each is written: the probability, or the Q-value with
        its place between the lowest and the highest; None where the agent knows neither.
    """
    if "probabilities" in thoughts:
        shares = np.asarray(thoughts["probabilities"], np.float32)
        return shares, tuple(_percent(share) for share in shares.tolist())
    if "q_values" in thoughts:
        values = np.asarray(thoughts["q_values"], np.float32)
        spread = float(np.ptp(values)) if len(values) else 0.0
        shares = (values - values.min()) / spread if spread else np.full_like(values, 0.5)
        return shares, tuple(_signed(value) for value in values.tolist())
    return None


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "<1\u202f%"
    if 0.995 < share < 1:
        return ">99\u202f%"
    return f"{100 * share:.0f}\u202f%"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


#: An arrow that points up, from (0, 0) to (0, -1), and half as wide as it is asked to be.
_ARROW_SIDES = np.array([-1, -1, -2.1, 0, 2.1, 1, 1])


def draw_actions(
    picture: Picture, state: dict[str, Any], thoughts: dict[str, Any], palette: Palette
) -> None:
    """Draw an arrow for each of a snake's actions, longer and wider the more the agent is for it.

    Args:
        picture: What it is added to.
        state: What the environment's `render_state` gives.
        thoughts: What the agent's `explain` gave.
        palette: The colours of the board.
    """
    found = action_shares(thoughts)
    if found is None or len(found[0]) != 3 or not state["snake_position"]:
        return
    shares, words = found
    inks, cell = _inks(palette), PIXELS / int(state["grid_size"])
    unit = min(max(cell, 58.0), 110.0)
    first = state["snake_position"][0]
    head = (np.array([first["x"], first["y"]]) + 0.5) * cell
    ahead = np.array(state["direction"], float)
    right = np.array([-ahead[1], ahead[0]])
    best = int(shares.argmax())
    # The one that it is most for comes last, on top.
    order = sorted(range(3), key=lambda action: (action == best, shares[action]))
    ways = (ahead, right, -right)
    tips = {
        action: _draw_arrow(
            picture, head, ways[action], float(shares[action]), unit, cell, action == best, inks
        )
        for action in order
    }
    for action in order:
        # What is as good as impossible needs no number: the arrow is a stub, and says so.
        if "q_values" in thoughts or shares[action] >= 0.005:
            _draw_label(picture, words[action], tips[action], ways[action], inks, action == best)


def _draw_arrow(
    picture: Picture,
    head: npt.NDArray[np.float64],
    along: npt.NDArray[np.float64],
    share: float,
    unit: float,
    cell: float,
    best: bool,
    inks: _Inks,
) -> npt.NDArray[np.float64]:
    """Draw one arrow; returns where its label goes."""
    aside = np.array([-along[1], along[0]])
    length = (0.45 + 1.35 * share) * unit
    wide = (0.05 + 0.13 * share) * unit
    point = min(2.3 * wide + 0.08 * unit, 0.75 * length)
    # As far as the board goes; at the edge the arrow begins over the head.
    room = float(np.abs(along) @ np.where(along > 0, PIXELS - head, head)) - 6
    start = max(0.0, min(0.52 * cell, room - length))
    length = min(length, room - start)
    reach = np.array([0, length - point, length - point, length, length - point, length - point, 0])
    shape = head + (start + reach)[:, None] * along + (wide * _ARROW_SIDES)[:, None] * aside
    outline = np.concatenate([shape, shape[:1]])
    picture.lines(outline, [len(outline)], [inks.halo], 9)
    picture.polygons(shape, [len(shape)], [inks.arrow if best else inks.other_arrow])
    picture.lines(outline, [len(outline)], [inks.arrow], 2.5)
    return head + (start + length) * along


def _draw_label(
    picture: Picture,
    words: str,
    tip: npt.NDArray[np.float64],
    along: npt.NDArray[np.float64],
    inks: _Inks,
    best: bool,
) -> None:
    """Write a number in a pill beyond an arrow's tip, or beside it where the board ends there."""
    size = 29.0
    reach = np.array([0.27 * size * len(words) + 0.75 * size, 0.75 * size])
    place = tip + along * (reach + 5)
    if np.any(place < reach) or np.any(place > PIXELS - reach):
        aside = np.abs(along[::-1]) * np.where(tip < PIXELS / 2, 1, -1)
        place = tip + aside * (reach + 24)
        place = np.clip(place, reach + 2, PIXELS - reach - 2)
    x, y = place
    half = reach[0] - 0.75 * size
    line = np.array([(x - half, y), (x + half, y)])
    picture.lines(line, [2], [inks.arrow if best else inks.other_arrow], 1.45 * size)
    picture.lines(line, [2], [inks.label_ground], 1.45 * size - 5)
    picture.text(words, float(x), float(y) + 1, size, inks.label)


class Overlay:
    """Lays over a board what is switched on, and has the agent asked only while somebody looks.

    Args:
        desk: Whose board it is.
        in_front: Whether the tab that looks inside is in front.
        on_change: Has the board drawn again.
    """

    title = "What lies over the board"

    def __init__(
        self, desk: Desk, in_front: Callable[[], bool], on_change: Callable[[], None]
    ) -> None:
        self._desk = desk
        self._in_front = in_front
        self._on_change = on_change
        self._version = 0
        self._error: Exception | None = None

    @property
    def wanted(self) -> bool:
        """Whether something that is looked at needs the agent's thoughts."""
        on = self._desk.choices
        beside = self._in_front() and ("network" in on or "value" in on)
        return beside or "thinks" in on or "mattered" in on

    def paint(self, frame: Frame) -> bool:
        """Have the agent asked, or not any more, and the board drawn where a choice changed."""
        if self.wanted != self._desk.looking_inside:
            self._desk.look_inside(self.wanted)
        if self._version != self._desk.choices.version:
            self._version = self._desk.choices.version
            self._error = None
            self._on_change()
        if self._error is not None:
            raise self._error
        return False

    def draw(self, frame: Frame, shown: Shown, picture: Picture) -> None:
        """Add to a board's picture what is switched on and known."""
        on = self._desk.choices
        if shown.env_name != "snake" or shown.state is None:
            return
        if not ("sees" in on or "thinks" in on or "mattered" in on):
            return
        layer = Picture()
        try:
            self._draw(frame.palette, shown, layer)
        except Exception as error:
            # The board is shown without; the next frame says why.
            self._error = error
        else:
            self._error = None
            picture.add(layer)

    def _draw(self, palette: Palette, shown: Shown, picture: Picture) -> None:
        on, state, config = self._desk.choices, shown.state, shown.env_config
        assert state is not None
        thoughts = shown.thoughts or {}
        saliency = thoughts.get("saliency") if "mattered" in on else None
        seen = shown.observation if "sees" in on else None
        if "sees" in on:
            draw_window(picture, config, state, palette)
        if saliency is not None or seen is not None:
            inputs = inputs_of(shown.env_name, config, self._known)
            if inputs is not None and seen is not None and inputs.size == len(seen):
                draw_seen(picture, inputs, config, state, seen, palette)
            if inputs is not None and saliency is not None and inputs.size == len(saliency):
                values = np.asarray(saliency, np.float32)
                draw_mattered(picture, inputs, config, state, values, palette)
        if "thinks" in on:
            draw_actions(picture, state, thoughts, palette)

    def _known(self) -> None:
        self._on_change()
        self._desk.wake()

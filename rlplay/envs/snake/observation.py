"""What the snake sees: the table of observation blocks, and their compiled kernels.

An observation is one vector of blocks, in the order of `observation_blocks`: first the numbers
(food, direction, hunger, length, segments), then one block for each channel of the window (head,
danger, wall, body, food_channel). A channel shows the same cells in the same order as every other:

- vision 0: the neighbours up, down, left, right; egocentric: ahead, right, left;
- vision k > 0: the square that reaches k cells around the head, row by row from the top left
  corner, without the head's own cell; egocentric: turned so that the top is ahead;
- vision -1: the whole board in its own coordinates, row by row, never turned; only here the
  body channel holds the head's cell too, and a channel of its own shows where the head is.

The space, the labels, the size preview and the layout that the kernels write by all come from that
one table.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlplay.envs.compiled import Whole, inlined
from rlplay.envs.snake.config import SnakeConfig
from rlplay.envs.snake.rules import DX, DY, FOOD, NOWHERE, WALL, Record

__all__ = [
    "LAYOUT",
    "Block",
    "make_layout",
    "observation_blocks",
    "observe_board",
    "window_cells",
    "window_offsets",
]


class Block(NamedTuple):
    """One row of the table of observation blocks."""

    name: str
    meaning: str
    low: float
    high: float
    labels: tuple[str, ...]
    #: Whether the block is a channel of the window, one number for each of `window_cells`.
    channel: bool = False

    @property
    def size(self) -> int:
        """How many numbers of the observation the block takes."""
        return len(self.labels)

    def describe(self, start: int) -> dict[str, Any]:
        """Give the row in a JSON-serialisable form, with the place of its first number."""
        return {
            "name": self.name,
            "start": start,
            "size": self.size,
            "meaning": self.meaning,
            "low": self.low,
            "high": self.high,
            "channel": self.channel,
            "labels": list(self.labels),
        }


def window_cells(config: SnakeConfig) -> list[tuple[int, int]]:
    """List the cells that every channel shows, in order.

    Args:
        config: The options of snake.

    Returns:
        (x, y) of each cell, y growing downwards: relative to the head (when egocentric, after the
        turn that puts ahead at the top), or on the board where vision is -1.
    """
    size, reach = config.grid_size, config.vision
    if reach == -1:
        return [(x, y) for y in range(size) for x in range(size)]
    if reach == 0:
        if config.frame == "egocentric":
            return [(0, -1), (1, 0), (-1, 0)]
        return [(0, -1), (0, 1), (-1, 0), (1, 0)]
    around = range(-reach, reach + 1)
    return [(x, y) for y in around for x in around if (x, y) != (0, 0)]


def _cell_label(x: int, y: int, config: SnakeConfig) -> str:
    """Say where a cell of the window is."""
    if config.vision == -1:
        return f"column {x}, row {y}"
    egocentric = config.frame == "egocentric"
    up, down = ("ahead", "behind") if egocentric else ("up", "down")
    parts = []
    if y:
        parts.append(f"{abs(y)} {up if y < 0 else down}")
    if x:
        parts.append(f"{abs(x)} {'left' if x < 0 else 'right'}")
    return ", ".join(parts)


def observation_blocks(config: SnakeConfig) -> tuple[Block, ...]:
    """Give the table of observation blocks for a config: what is switched off has no row.

    Args:
        config: The options of snake.

    Returns:
        The blocks in the order in which the observation holds them.
    """
    egocentric = config.frame == "egocentric"
    across, along = ("right", "behind") if egocentric else ("right", "down")
    cells = window_cells(config)
    where = [_cell_label(x, y, config) for x, y in cells]
    blocks = []

    if config.food:
        blocks.append(
            Block(
                "food",
                "from the head to the food, over the grid size; zeros on a full board",
                -1.0,
                1.0,
                (f"food to the {across}", f"food {along}"),
            )
        )
    if config.direction and not egocentric:
        blocks.append(
            Block("direction", "which way the snake heads", -1.0, 1.0, ("heading x", "heading y"))
        )
    if config.hunger:
        blocks.append(
            Block(
                "hunger",
                "steps since the last apple, over the starvation limit",
                0.0,
                1.0,
                ("hunger",),
            )
        )
    if config.length:
        blocks.append(Block("length", "length over the number of cells", 0.0, 1.0, ("length",)))
    if config.seg_size:
        blocks.append(
            Block(
                "segments",
                "steps from one to the next of the segments that are spread evenly behind the "
                "head, the tail last, over the grid size; zeros where there are none",
                -1.0,
                1.0,
                tuple(
                    f"segment {index} {axis}"
                    for index in range(1, config.seg_size + 1)
                    for axis in (across, along)
                ),
            )
        )

    def channel(name: str, meaning: str, what: str, low: float = 0.0) -> Block:
        return Block(name, meaning, low, 1.0, tuple(f"{what}: {cell}" for cell in where), True)

    lifetime = f"from {LIFETIME_FLOOR} to 1 with the moves until the cell is free, over the length"
    if config.vision == -1:
        blocks.append(channel("head", "1 where the head is", "head"))

    def with_food(name: str, meaning: str, mixed: bool) -> Block:
        if mixed:
            return channel(name, f"{meaning}; -1 for the food", f"{name} or food", -1.0)
        return channel(name, meaning, name)

    mixed = config.food_channel == "mixed"
    if config.danger != "off":
        meaning = (
            "1 for wall and body"
            if config.danger == "binary"
            else f"1 for wall; for body, {lifetime}"
        )
        blocks.append(with_food("danger", meaning, mixed and config.body == "off"))
    if config.wall:
        blocks.append(channel("wall", "1 outside the board", "wall"))
    if config.body != "off":
        meaning = "1 for body" if config.body == "occupied" else f"for body, {lifetime}"
        blocks.append(with_food("body", meaning, mixed))
    if config.food_channel == "own":
        blocks.append(channel("food_channel", "1 for the food", "food"))
    return tuple(blocks)


#: What a body cell shows at the very least in a channel of lifetimes: even the tail's cell, which
#: becomes free with the next move, stands out from a free one.
LIFETIME_FLOOR: Final = 0.3

#: Where the kernels write each block (-1: nowhere), and how. Offsets count numbers.
LAYOUT: Final = np.dtype(
    [
        ("egocentric", np.int64),
        ("whole_board", np.int64),
        ("seg_size", np.int64),
        ("food", np.int64),
        ("direction", np.int64),
        ("hunger", np.int64),
        ("length", np.int64),
        ("segments", np.int64),
        ("head", np.int64),
        ("danger", np.int64),
        ("danger_lifetime", np.int64),
        ("wall", np.int64),
        ("body", np.int64),
        ("body_lifetime", np.int64),
        ("food_in_body", np.int64),
        ("food_in_danger", np.int64),
        ("food_channel", np.int64),
    ]
)


def make_layout(config: SnakeConfig) -> tuple[NDArray[Any], int]:
    """Lay the blocks of a config one behind the other.

    Args:
        config: The options of snake.

    Returns:
        An array of one record of `LAYOUT`, and the size of the observation.
    """
    layout = np.zeros(1, LAYOUT)
    layout["egocentric"] = config.frame == "egocentric"
    layout["whole_board"] = config.vision == -1
    layout["seg_size"] = config.seg_size
    layout["danger_lifetime"] = config.danger == "lifetime"
    layout["body_lifetime"] = config.body == "lifetime"
    mixed = config.food_channel == "mixed"
    layout["food_in_body"] = mixed and config.body != "off"
    layout["food_in_danger"] = mixed and config.body == "off"
    for name in (
        "food", "direction", "hunger", "length", "segments",
        "head", "danger", "wall", "body", "food_channel",
    ):  # fmt: skip
        layout[name] = -1
    start = 0
    for block in observation_blocks(config):
        layout[block.name] = start
        start += block.size
    return layout, start


def window_offsets(config: SnakeConfig, stride: int) -> NDArray[np.int32]:
    """Turn the window's cells into steps within the padded grid, for each direction of the head.

    Args:
        config: The options of snake.
        stride: Cells in a row of the padded grid.

    Returns:
        (4, num_cells) int32: what to add to the place of the head, or the places themselves where
        vision is -1.
    """
    offsets = []
    for direction in range(4):
        row = []
        for x, y in window_cells(config):
            if config.vision == -1:
                row.append(y * stride + x)
                continue
            heading = direction if config.frame == "egocentric" else 0
            # To the right is one quarter turn clockwise of ahead; ahead is the negative y axis.
            right_x, right_y = DX[(heading + 1) % 4], DY[(heading + 1) % 4]
            ahead_x, ahead_y = DX[heading], DY[heading]
            row.append((x * right_y - y * ahead_y) * stride + x * right_x - y * ahead_x)
        offsets.append(row)
    return np.array(offsets, np.int32)


@inlined
def write_steps(
    dx: Whole, dy: Whole, heading: Whole, size: np.float32, at: Whole, out: NDArray[np.float32]
) -> None:
    """Write a step between two cells over the grid size, turned so that the heading is up."""
    right = (heading + 1) & 3
    out[at] = np.float32(dx * DX[right] + dy * DY[right]) / size
    out[at + 1] = np.float32(-dx * DX[heading] - dy * DY[heading]) / size


@inlined
def write_segments(
    board: Record,
    trails: NDArray[np.int32],
    rules: Record,
    heading: Whole,
    seg_size: Whole,
    at: Whole,
    out: NDArray[np.float32],
) -> None:
    """Write the steps from segment to segment: the j-th of n is body cell j * (length - 1) // n."""
    size = np.float32(rules.grid_size)
    behind = board.length - 1
    count = min(seg_size, behind)
    x, y = np.int64(board.x), np.int64(board.y)
    for j in range(1, count + 1):
        tick = board.clock - j * behind // count
        place = trails[board.trail_start + (tick & rules.trail_mask)]
        next_x, next_y = np.int64(place % rules.stride), np.int64(place // rules.stride)
        write_steps(next_x - x, next_y - y, heading, size, at + 2 * (j - 1), out)
        x, y = next_x, next_y
    for j in range(2 * count, 2 * seg_size):
        out[at + j] = np.float32(0.0)


@inlined
def shade(
    stamp: np.int32,
    tail: np.int32,
    cap: np.int32,
    divisor: np.float32,
    floor: np.float32,
    wall: np.float32,
    food: np.float32,
) -> np.float32:
    """Turn one cell into a number.

    Wall and food give what is asked for, a free cell 0, and a body cell something from `floor` up
    to 1 that grows with its capped lifetime.
    """
    lifetime = max(np.int32(stamp - tail), np.int32(0))
    share = np.float32(min(lifetime, cap)) / divisor
    value = floor + (np.float32(1.0) - floor) * share if share > 0 else np.float32(0.0)
    value = food if stamp == FOOD else value
    return wall if stamp == WALL else value


@inlined
def write_channel(
    stamps: NDArray[np.int32],
    tail: np.int32,
    cap: np.int32,
    divisor: np.float32,
    floor: np.float32,
    wall: np.float32,
    food: np.float32,
    at: Whole,
    out: NDArray[np.float32],
) -> None:
    """Write one channel; every channel is the same formula with other numbers (see `shade`)."""
    for j in range(np.uintp(stamps.size)):
        out[np.uintp(at) + j] = shade(stamps[j], tail, cap, divisor, floor, wall, food)


@inlined
def observe_board(
    board: Record,
    grids: NDArray[np.int32],
    trails: NDArray[np.int32],
    rules: Record,
    layout: Record,
    offsets: NDArray[np.int32],
    stamps: NDArray[np.int32],
    start: Whole,
    out: NDArray[np.float32],
) -> None:
    """Write what one board shows.

    Args:
        board: The board's record.
        grids: The padded grids of all boards, one behind the other.
        trails: The trails of all boards, one behind the other.
        rules: The record of `RULES`.
        layout: The record of `LAYOUT`.
        offsets: (4, num_cells) what `window_offsets` gives.
        stamps: (num_cells,) room for the window's cells.
        start: Where the board's observation begins within `out`.
        out: The observations of all boards, one behind the other; the board's is written whole.
    """
    size = np.float32(rules.grid_size)
    heading = np.int64(board.direction if layout.egocentric else 0)
    if layout.food >= 0:
        at = start + layout.food
        if board.food_x == NOWHERE:
            out[at] = np.float32(0.0)
            out[at + 1] = np.float32(0.0)
        else:
            dx, dy = board.food_x - board.x, board.food_y - board.y
            write_steps(dx, dy, heading, size, at, out)
    if layout.direction >= 0:
        out[start + layout.direction] = np.float32(DX[board.direction])
        out[start + layout.direction + 1] = np.float32(DY[board.direction])
    if layout.hunger >= 0:
        hunger = np.float32(board.hunger) / np.float32(rules.starvation_limit)
        out[start + layout.hunger] = hunger
    if layout.length >= 0:
        out[start + layout.length] = np.float32(board.length) / (size * size)
    if layout.segments >= 0:
        at = start + layout.segments
        write_segments(board, trails, rules, heading, layout.seg_size, at, out)

    count = stamps.size
    origin = board.grid_start
    if layout.whole_board:
        at = start + layout.head
        for j in range(count):
            out[at + j] = np.float32(0.0)
        out[at + board.y * rules.grid_size + board.x] = np.float32(1.0)
    else:
        origin += board.y * rules.stride + board.x
    for j in range(count):
        stamps[j] = grids[np.uintp(origin + offsets[heading, j])]

    length = np.int32(board.length)
    tail = np.int32(board.clock - board.length)
    nothing, single = np.int32(0), np.int32(1)
    zero, one, floor = np.float32(0.0), np.float32(1.0), np.float32(LIFETIME_FLOOR)
    share = np.float32(length)
    if layout.danger >= 0:
        at = start + layout.danger
        food = -one if layout.food_in_danger else zero
        if layout.danger_lifetime:
            write_channel(stamps, tail, length, share, floor, one, food, at, out)
        else:
            write_channel(stamps, tail, single, one, zero, one, food, at, out)
    if layout.wall >= 0:
        at = start + layout.wall
        write_channel(stamps, tail, nothing, one, zero, one, zero, at, out)
    if layout.body >= 0:
        at = start + layout.body
        food = -one if layout.food_in_body else zero
        if layout.body_lifetime:
            write_channel(stamps, tail, length, share, floor, zero, food, at, out)
        else:
            write_channel(stamps, tail, single, one, zero, zero, food, at, out)
    if layout.food_channel >= 0:
        at = start + layout.food_channel
        write_channel(stamps, tail, nothing, one, zero, zero, one, at, out)

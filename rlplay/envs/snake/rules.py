"""The rules of snake as compiled kernels: one rule, one function, integers only.

A board is one record of `BOARD`, and its part of two arrays that all boards share: the grids and
the trails.

A grid is padded by walls and holds one number for each cell, so that a single look tells all:
`WALL`, `FOOD`, or a stamp: the value of the board's clock at the moment when the head entered the
cell (0: never). The clock counts the cells that the head has entered, the start cell included. A
snake of length L is where the head was at the last L ticks, so a cell is body exactly while
`stamp > clock - length`, and `stamp - (clock - length)` is its lifetime: in how many moves the
tail will have left it. Growing by one lets every cell live one move longer without a single write.

A trail is the same body in order: a ring that holds the place of the cell which the head entered at
each of the last ticks. A place is a cell's index from the cell (0, 0) of its grid: y * stride + x.

Directions are 0 up, 1 right, 2 down, 3 left (y grows downwards), so that turning right adds one.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlplay.envs.compiled import Whole, inlined
from rlplay.envs.snake.config import ENDINGS, EVENTS

__all__ = [
    "BOARD",
    "FOOD",
    "NOWHERE",
    "RULES",
    "RUNNING",
    "WALL",
    "Record",
    "next_episode_seed",
    "start_episode",
    "step_board",
]

#: One board. `grid_start` is the index of its cell (0, 0) within all grids, `trail_start` that of
#: its trail within all trails, `head_start` the cells beyond one with which the snake began. Counts
#: are in cells or steps; x grows to the right and y downwards.
BOARD: Final = np.dtype(
    [
        ("grid_start", np.int64),
        ("trail_start", np.int64),
        ("x", np.int32),
        ("y", np.int32),
        ("direction", np.int32),
        ("length", np.int32),
        ("head_start", np.int32),
        ("clock", np.int32),
        ("hunger", np.int32),
        ("steps", np.int32),
        ("food_x", np.int32),
        ("food_y", np.int32),
        ("ending", np.int32),
        ("distance", np.int32),
        ("previous_distance", np.int32),
        ("episode_seed", np.int64),
        ("generator", np.uint64),
        ("seed_generator", np.uint64),
    ],
    align=True,
)

#: What the boards of one environment have in common.
RULES: Final = np.dtype(
    [
        ("grid_size", np.int64),
        ("stride", np.int64),
        ("starvation_limit", np.int64),
        ("max_steps", np.int64),
        ("start_length", np.int64),
        ("max_start_length", np.int64),
        ("trail_mask", np.int64),
    ]
)

#: A record of `BOARD` or `RULES`: numba passes it by reference, so kernels change it in place.
Record: TypeAlias = Any

WALL: Final = -1
FOOD: Final = -2
#: `ending` of a board that still plays.
RUNNING: Final = -1
#: `food_x` and `food_y` of a full board.
NOWHERE: Final = -1

RIGHT: Final = 1
DX: Final = np.array((0, 1, 0, -1), np.int64)
DY: Final = np.array((-1, 0, 1, 0), np.int64)
#: Quarter turns clockwise of the actions straight, turn right, turn left.
TURNS: Final = np.array((0, 1, 3), np.int64)

ENDED_BY_WALL: Final = ENDINGS.index("wall")
ENDED_BY_SELF: Final = ENDINGS.index("self")
ENDED_BY_STARVATION: Final = ENDINGS.index("starvation")
ENDED_BY_WIN: Final = ENDINGS.index("won")
ENDED_BY_LIMIT: Final = ENDINGS.index("truncated")

APPLE: Final = 1 << EVENTS.index("apple")
DEATH_WALL: Final = 1 << EVENTS.index("death_wall")
DEATH_SELF: Final = 1 << EVENTS.index("death_self")
DEATH_STARV: Final = 1 << EVENTS.index("death_starv")
WIN: Final = 1 << EVENTS.index("win")
CLOSER: Final = 1 << EVENTS.index("closer")
FARTHER: Final = 1 << EVENTS.index("farther")

#: SplitMix64's constants (see rlplay.seeding).
GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)
SHIFT_30: Final = np.uint64(30)
SHIFT_27: Final = np.uint64(27)
SHIFT_31: Final = np.uint64(31)
#: An episode seed is the top 31 bits of a draw.
SHIFT_TO_SEED: Final = np.uint64(33)
#: Sets the stream of an episode's cells apart from the stream of seeds that starts from the same
#: number.
CELL_STREAM: Final = np.uint64(0x5EED0FCE115)


@inlined
def mix(state: np.uint64) -> np.uint64:
    """Turn a SplitMix64 state into the number that it stands for."""
    mixed = (state ^ (state >> SHIFT_30)) * MIX_1
    mixed = (mixed ^ (mixed >> SHIFT_27)) * MIX_2
    return mixed ^ (mixed >> SHIFT_31)


@inlined
def draw_below(board: Record, count: Whole) -> Whole:
    """Draw a whole number from 0 to count - 1 in one go; its bias is below count / 2**64."""
    board.generator += GAMMA
    return np.int64(mix(board.generator) % np.uint64(count))


@inlined
def next_episode_seed(board: Record) -> Whole:
    """Draw the seed of the board's next episode from the board's stream of seeds."""
    board.seed_generator += GAMMA
    return np.int64(mix(board.seed_generator) >> SHIFT_TO_SEED)


@inlined
def put_food(x: Whole, y: Whole, board: Record, grids: NDArray[np.int32], rules: Record) -> None:
    """Lay the food on a cell."""
    board.food_x = x
    board.food_y = y
    grids[board.grid_start + y * rules.stride + x] = FOOD


@inlined
def place_food(board: Record, grids: NDArray[np.int32], rules: Record) -> None:
    """Lay the food on a uniformly random free cell, of which there must be one."""
    size = rules.grid_size
    tail = board.clock - board.length
    index = draw_below(board, size * size - board.length)
    for y in range(size):
        row = board.grid_start + y * rules.stride
        for x in range(size):
            if grids[row + x] <= tail:
                if index == 0:
                    put_food(x, y, board, grids, rules)
                    return
                index -= 1


@inlined
def enter(
    x: Whole,
    y: Whole,
    board: Record,
    grids: NDArray[np.int32],
    trails: NDArray[np.int32],
    rules: Record,
) -> None:
    """Move the head to a cell; the tail follows, because time passes."""
    place = y * rules.stride + x
    clock = board.clock + 1
    board.x = x
    board.y = y
    board.clock = clock
    grids[np.uintp(board.grid_start + place)] = clock
    trails[np.uintp(board.trail_start + (clock & rules.trail_mask))] = place


@inlined
def clear(
    board: Record, grids: NDArray[np.int32], trails: NDArray[np.int32], rules: Record
) -> None:
    """Forget the last episode, so that the next one starts from the same state on every board."""
    if board.clock <= rules.trail_mask:  # the trail still knows every cell that was entered
        for tick in range(1, board.clock + 1):
            grids[board.grid_start + trails[board.trail_start + tick]] = 0
            trails[board.trail_start + tick] = 0
        if board.food_x != NOWHERE:
            grids[board.grid_start + board.food_y * rules.stride + board.food_x] = 0
    else:
        for tick in range(rules.trail_mask + 1):
            trails[board.trail_start + tick] = 0
        for y in range(rules.grid_size):
            for x in range(rules.grid_size):
                grids[board.grid_start + y * rules.stride + x] = 0


@inlined
def place_on_path(index: Whole, turn: Whole, size: Whole) -> Whole:
    """Find a cell of a walk through the whole board, from neighbour to neighbour.

    On a board with an even side the walk is a Hamiltonian cycle: row by row through all columns but
    the first, which leads back. An odd side has no such cycle (a chessboard shows why), and the
    walk goes row by row through all columns.

    Args:
        index: Which cell of the walk, from 0; on an even board it may go on beyond the end.
        turn: One of the 8 ways to turn and mirror the board.
        size: The board's side.

    Returns:
        y * size + x of the cell.
    """
    cycle = 1 - size % 2
    width = size - cycle
    index %= size * size
    if index < size * width:
        y = index // width
        x = index % width
        x = cycle + (width - 1 - x if y % 2 else x)
    else:
        x = 0
        y = size * size - 1 - index
    if turn & 1:
        x = size - 1 - x
    if turn & 2:
        y = size - 1 - y
    return x * size + y if turn & 4 else y * size + x


@inlined
def lay_snake(
    board: Record, grids: NDArray[np.int32], trails: NDArray[np.int32], rules: Record
) -> None:
    """Lay a snake of two or more cells along the walk, such that its next cell is free."""
    size = rules.grid_size
    first = draw_below(board, size * size - board.length * (size % 2))
    turn = draw_below(board, 8)
    for i in range(board.length):
        place = place_on_path(first + i, turn, size)
        x = place % size
        y = place // size
        for direction in range(4):  # the last step shows where the head points
            if board.x + DX[direction] == x and board.y + DY[direction] == y:
                board.direction = direction
        enter(x, y, board, grids, trails, rules)


@inlined
def start_episode(
    episode_seed: Whole,
    board: Record,
    grids: NDArray[np.int32],
    trails: NDArray[np.int32],
    rules: Record,
) -> None:
    """Begin the episode of a seed."""
    clear(board, grids, trails, rules)
    size = rules.grid_size
    board.episode_seed = episode_seed
    board.generator = np.uint64(episode_seed) ^ CELL_STREAM
    board.clock = 0
    board.hunger = 0
    board.steps = 0
    board.ending = RUNNING
    length: Whole = rules.start_length
    if rules.max_start_length > length:
        length += draw_below(board, rules.max_start_length - length + 1)
    board.length = length
    board.head_start = length - 1
    if length == 1:
        board.direction = RIGHT
        start = draw_below(board, size * size)
        enter(start % size, start // size, board, grids, trails, rules)
        # The k-th free cell, as place_food counts, when only one cell is taken.
        food = draw_below(board, size * size - 1)
        if food >= start:
            food += 1
        put_food(food % size, food // size, board, grids, rules)
    else:
        lay_snake(board, grids, trails, rules)
        place_food(board, grids, rules)
    board.distance = distance_to_food(board.x, board.y, board)
    board.previous_distance = board.distance


@inlined
def distance_to_food(x: Whole, y: Whole, board: Record) -> Whole:
    """Count the moves from a cell to the food, as if nothing were in the way."""
    distance: Whole = abs(board.food_x - x) + abs(board.food_y - y)
    return distance


@inlined
def step_board(
    action: Whole,
    board: Record,
    grids: NDArray[np.int32],
    trails: NDArray[np.int32],
    rules: Record,
) -> Whole:
    """Turn, move, then judge.

    A head that hits something stays where it was. `distance` and `previous_distance` are measured
    to the food that lay there when the step began.

    Args:
        action: 0 straight, 1 turn right, 2 turn left.
        board: The board's record, changed in place; `ending` tells whether the episode ended.
        grids: The padded grids of all boards, one behind the other; the board's is changed.
        trails: The trails of all boards, one behind the other; the board's is changed.
        rules: The record of `RULES`.

    Returns:
        The events of the step, one bit each, in the order of `EVENTS`.
    """
    direction = (board.direction + TURNS[action]) & 3
    x = board.x + DX[direction]
    y = board.y + DY[direction]
    ahead = grids[np.uintp(board.grid_start + y * rules.stride + x)]
    previous_distance = distance_to_food(board.x, board.y, board)
    board.direction = direction
    board.steps += 1
    board.previous_distance = previous_distance
    board.distance = previous_distance
    if ahead == WALL:
        board.ending = ENDED_BY_WALL
        return DEATH_WALL
    # The tail leaves its cell within this very step: only what lives longer is in the way.
    if ahead > board.clock - board.length + 1:
        board.ending = ENDED_BY_SELF
        return DEATH_SELF

    distance = distance_to_food(x, y, board)
    board.distance = distance
    enter(x, y, board, grids, trails, rules)
    if ahead == FOOD:
        return eat(board, grids, rules)

    hunger = board.hunger + 1
    board.hunger = hunger
    if hunger >= rules.starvation_limit:
        board.ending = ENDED_BY_STARVATION
        return DEATH_STARV
    judge_limit(board, rules)
    return CLOSER if distance < previous_distance else FARTHER


@inlined
def eat(board: Record, grids: NDArray[np.int32], rules: Record) -> Whole:
    """Grow by one and lay new food; a full board is won."""
    board.length += 1
    board.hunger = 0
    if board.length == rules.grid_size * rules.grid_size:
        board.food_x = NOWHERE
        board.food_y = NOWHERE
        board.ending = ENDED_BY_WIN
        return APPLE | WIN
    place_food(board, grids, rules)
    judge_limit(board, rules)
    return APPLE


@inlined
def judge_limit(board: Record, rules: Record) -> None:
    """Cut an episode that has lasted for max_steps (0: no limit)."""
    if rules.max_steps and board.steps >= rules.max_steps:
        board.ending = ENDED_BY_LIMIT

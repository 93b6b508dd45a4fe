"""The compiled calls: many boards in one call, without the GIL.

Numba keeps machine code on disk until the file of the function that was called changes; it does not
look at the files of what is used from there. `sources`, a constant of each call, makes the kept
code depend on them too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rlplay.envs.compiled import Whole, borrowed, compiled, inlined
from rlplay.envs.rewards import HUNGER_VALUE
from rlplay.envs.snake.config import ENDINGS
from rlplay.envs.snake.observation import observe_board
from rlplay.envs.snake.rules import RUNNING, Record, next_episode_seed, start_episode, step_board

__all__ = [
    "AT_END",
    "ENDED",
    "ENDING",
    "EVENTS",
    "NOW",
    "NUMBER_ROWS",
    "SEED_AT_END",
    "SEED_NOW",
    "TERMINATED",
    "TRUNCATED",
    "WON",
    "start_boards",
    "step_boards",
]

WON_CODE: Final = ENDINGS.index("won")
TRUNCATED_CODE: Final = ENDINGS.index("truncated")

#: Rows of the array of numbers: first as they stand now, then as they stood at the end of the step,
#: before an episode that ended made place for the next one.
NUMBER_ROWS: Final = ("score", "length", "hunger", "steps", "distance", "previous_distance")
NOW: Final = 0
AT_END: Final = 4
#: Rows of the array of long numbers: the seed of the running episode and of the episode that the
#: step was part of, and the ending once more, as an index.
SEED_NOW, SEED_AT_END, ENDING_INDEX = range(3)
#: Rows of the array of codes: four flags, the ending (-1 while running), the events.
TERMINATED, TRUNCATED, ENDED, WON, ENDING, EVENTS = range(6)


def _digest_of_sources() -> int:
    """Give a number that changes whenever a file changes from which the kernels are made."""
    here, digest = Path(__file__).parent, 0
    for name in ("../compiled.py", "../rewards.py", "config.py", "rules.py", "observation.py"):
        digest = zlib.crc32((here / name).read_bytes(), digest)
    return digest


@inlined
def report(i: Whole, board: Record, row: Whole, numbers: NDArray[np.int32]) -> None:
    """Write the numbers of a board as they stand."""
    numbers[row, i] = board.length - 1 - board.head_start
    numbers[row + 1, i] = board.length
    numbers[row + 2, i] = board.hunger
    numbers[row + 3, i] = board.steps


def _make_start(sources: int) -> Callable[..., None]:
    @compiled
    def start_boards(
        episode_seeds: NDArray[np.int64],
        reseed: bool,
        boards: NDArray[Any],
        grids: NDArray[np.int32],
        trails: NDArray[np.int32],
        settings: NDArray[Any],
        layouts: NDArray[Any],
        offsets: NDArray[np.int32],
        stamps: NDArray[np.int32],
        observations: NDArray[np.float32],
        numbers: NDArray[np.int32],
        longs: NDArray[np.int64],
    ) -> None:
        """Begin an episode on every board; see `Boards.start`."""
        sources  # noqa: B018 (see the module's docstring)
        boards, grids, trails = borrowed(boards), borrowed(grids), borrowed(trails)
        settings, layouts = borrowed(settings), borrowed(layouts)
        offsets, stamps = borrowed(offsets), borrowed(stamps)
        observations, numbers, longs = borrowed(observations), borrowed(numbers), borrowed(longs)
        rules, layout = settings[0], layouts[0]
        size = observations.size // boards.size
        for i in range(boards.size):
            board = boards[i]
            if reseed:
                board.seed_generator = np.uint64(episode_seeds[i])
            start_episode(episode_seeds[i], board, grids, trails, rules)
            report(i, board, NOW, numbers)
            longs[SEED_NOW, i] = board.episode_seed
            observe_board(
                board, grids, trails, rules, layout, offsets, stamps, i * size, observations
            )

    return start_boards


def _make_step(sources: int) -> Callable[..., int]:
    @compiled
    def step_boards(
        actions: NDArray[np.int64],
        autoreset: bool,
        boards: NDArray[Any],
        grids: NDArray[np.int32],
        trails: NDArray[np.int32],
        settings: NDArray[Any],
        layouts: NDArray[Any],
        offsets: NDArray[np.int32],
        stamps: NDArray[np.int32],
        observations: NDArray[np.float32],
        numbers: NDArray[np.int32],
        longs: NDArray[np.int64],
        final_observations: NDArray[np.float32],
        codes: NDArray[np.int8],
        values: NDArray[np.float64],
        rewards: NDArray[np.float32],
    ) -> int:
        """Step every board; see `Boards.step`."""
        sources  # noqa: B018 (see the module's docstring)
        actions = borrowed(actions)
        boards, grids, trails = borrowed(boards), borrowed(grids), borrowed(trails)
        settings, layouts = borrowed(settings), borrowed(layouts)
        offsets, stamps = borrowed(offsets), borrowed(stamps)
        observations, numbers, longs = borrowed(observations), borrowed(numbers), borrowed(longs)
        final_observations, codes = borrowed(final_observations), borrowed(codes)
        values, rewards = borrowed(values), borrowed(rewards)
        for i in range(boards.size):
            if actions[i] < 0 or actions[i] > 2:
                return -1 - i
        rules, layout = settings[0], layouts[0]
        size = observations.size // boards.size
        num_ended = 0
        for i in range(boards.size):
            board = boards[i]
            events = step_board(actions[i], board, grids, trails, rules)
            report(i, board, AT_END, numbers)
            numbers[AT_END + 4, i] = board.distance
            numbers[AT_END + 5, i] = board.previous_distance
            longs[SEED_AT_END, i] = board.episode_seed
            rewards[i] = values[events] + values[HUNGER_VALUE] * board.hunger
            codes[EVENTS, i] = events
            ending = board.ending
            ended = ending != RUNNING
            if ended:
                num_ended += 1
                if autoreset:
                    observe_board(
                        board,
                        grids,
                        trails,
                        rules,
                        layout,
                        offsets,
                        stamps,
                        i * size,
                        final_observations,
                    )
                    start_episode(next_episode_seed(board), board, grids, trails, rules)
            elif codes[ENDED, i]:  # left over from the last use of these arrays
                for j in range(i * size, (i + 1) * size):
                    final_observations[j] = np.float32(0.0)
            longs[ENDING_INDEX, i] = ending
            codes[ENDING, i] = ending
            codes[ENDED, i] = ended
            codes[TRUNCATED, i] = ending == TRUNCATED_CODE
            codes[TERMINATED, i] = ended and ending != TRUNCATED_CODE
            codes[WON, i] = ending == WON_CODE
            report(i, board, NOW, numbers)
            longs[SEED_NOW, i] = board.episode_seed
            observe_board(
                board, grids, trails, rules, layout, offsets, stamps, i * size, observations
            )
        return num_ended

    return step_boards


start_boards = _make_start(_digest_of_sources())
step_boards = _make_step(_digest_of_sources())

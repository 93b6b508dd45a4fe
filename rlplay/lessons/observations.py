"""Lesson 5, what does it see: observations, their size, and boards that look the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rlplay.envs.snake.config import SnakeConfig
from rlplay.envs.snake.env import SnakeEnv
from rlplay.errors import ConfigError
from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = [
    "NO_FOOD",
    "best_actions",
    "count_parameters",
    "food_ahead",
    "one_hot",
    "play_board",
    "random_boards",
    "see",
]

#: A board: the seed of its episode, and the actions that lead to it from there.
Board = tuple[int, Sequence[int]]

#: The options of a snake that sees what blocks the eight cells around its head, and no food.
NO_FOOD: Final[dict[str, Any]] = {
    "grid_size": 6,
    "vision": 1,
    "food": False,
    "food_channel": "off",
    "hunger": False,
    "length": False,
}

#: Directions clockwise, as (x, y) with y growing downwards.
_DIRECTIONS: Final = {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}
_MOST_ACTIONS: Final = 1_000


# Boards ----------------------------------------------------------------------------------------


def play_board(board: Board, env_config: dict[str, Any]) -> tuple[SnakeEnv, NDArray[np.float32]]:
    """Play a board up to where it stands.

    Args:
        board: The seed of its episode, and the actions from there.
        env_config: Options of snake.

    Returns:
        The environment, in which the episode goes on, and the (D,) observation.

    Raises:
        ConfigError: When the episode ends before the last action.
    """
    env = SnakeEnv(SnakeConfig(**env_config))
    seed, actions = board
    observation, _ = env.reset(seed=seed)
    for count, action in enumerate(actions, start=1):
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            raise ConfigError(
                f"The episode of seed {seed} is over after {count} of {len(actions)} actions. "
                "Leave out the last actions."
            )
    return env, observation


def see(board: Board, env_config: dict[str, Any]) -> NDArray[np.float32]:
    """Give what the agent sees of a board, (D,) float32; arguments as in `play_board`."""
    return play_board(board, env_config)[1]


def best_actions(board: Board, env_config: dict[str, Any]) -> set[int]:
    """Give the actions that pay most in the next step; arguments as in `play_board`."""
    env, _ = play_board(board, env_config)
    state = env.get_state()
    rewards = []
    for action in range(3):
        env.set_state(state)
        rewards.append(env.step(action)[1])
    return {action for action, reward in enumerate(rewards) if reward == max(rewards)}


def random_boards(count: int, env_config: dict[str, Any], seed: int = 0) -> list[Board]:
    """Give boards that random play comes to.

    Args:
        count: How many.
        env_config: Options of snake.
        seed: Of the random actions.

    Returns:
        The boards, each as seed and actions.
    """
    generator = np.random.default_rng(seed)
    env = SnakeEnv(SnakeConfig(**env_config))
    boards: list[Board] = []
    for episode in range(count):
        env.reset(seed=episode)
        actions: list[int] = []
        for action in generator.integers(0, 3, int(generator.integers(0, 12))).tolist():
            state = env.get_state()
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.set_state(state)
                break
            actions.append(action)
        boards.append((episode, actions))
    return boards


# Exercises -------------------------------------------------------------------------------------


def one_hot(index: int, size: int) -> NDArray[np.float64]:
    """Zeros, and a 1 at a place."""
    numbers = np.zeros(size)
    numbers[index] = 1.0
    return numbers


@exercise("one_hot", parts=3)
def _one_hot(answer: Callable[[int, int], Any]) -> Iterator[None]:
    for index, size in ((2, 4), (0, 3), (4, 5)):
        true = one_hot(index, size)
        expect(
            call(answer, index, size),
            true,
            {
                "That is the number itself, repeated: put a 1 at its place, 0 elsewhere.": np.full(
                    size, float(index)
                ),
                "The 1 is one place too late: Python counts from 0.": np.roll(true, 1),
                "The 1 is one place too early: Python counts from 0.": np.roll(true, -1),
                "Only the place itself should be 1: the others are 0.": 1 - true,
                "There is no 1 yet: set the place of the index.": np.zeros(size),
            },
            what=f"one_hot({index}, {size})",
        )
        yield


def food_ahead(
    head: tuple[int, int], food: tuple[int, int], heading: str, size: int
) -> NDArray[np.float64]:
    """Steps to the food, to the right and behind, as the snake looks; over the grid size."""
    dx, dy = food[0] - head[0], food[1] - head[1]
    ahead_x, ahead_y = _DIRECTIONS[heading]
    right_x, right_y = -ahead_y, ahead_x
    return np.array([dx * right_x + dy * right_y, -dx * ahead_x - dy * ahead_y]) / size


@exercise("food_ahead", parts=4)
def _food_ahead(answer: Callable[..., Any]) -> Iterator[None]:
    cases = (
        ((2, 5), (5, 4), "up", 8),
        ((2, 5), (5, 4), "right", 8),
        ((6, 1), (3, 3), "down", 10),
        ((6, 1), (3, 3), "left", 10),
    )
    for head, food, heading, size in cases:
        true = food_ahead(head, food, heading, size)
        upright = food_ahead(head, food, "up", size)
        mistakes = {
            "The numbers are in cells: divide them by the grid size.": true * size,
            "That is seen from the food: take food minus head.": -true,
            "To the right comes first, behind second: yours are the other way round.": true[::-1],
            "The second number is behind, not ahead: change its sign.": true * [1, -1],
            "The first number is to the right, not to the left: change its sign.": true * [-1, 1],
        }
        if heading != "up":
            turned = {
                "That is where the food lies on the board: turn it so that the snake's heading is "
                "ahead.": upright,
                "Turned the wrong way round: when the snake heads right, what lies above it on the "
                "board is to its left.": _turned_wrong(head, food, heading, size),
            }
            mistakes = turned | mistakes
        expect(
            call(answer, head, food, heading, size),
            true,
            mistakes,
            what=f"With head {head}, food {food} and heading {heading!r} the block",
        )
        yield


def _turned_wrong(
    head: tuple[int, int], food: tuple[int, int], heading: str, size: int
) -> NDArray[np.float64]:
    other = {"right": "left", "left": "right"}.get(heading, heading)
    return food_ahead(head, food, other, size)


def count_parameters(inputs: int, hidden: Sequence[int], outputs: int) -> int:
    """Count weights and biases of dense layers: (n + 1) m from n numbers to m."""
    sizes = [inputs, *hidden, outputs]
    return sum((n + 1) * m for n, m in itertools.pairwise(sizes))


@exercise("count_parameters", parts=3)
def _count_parameters(answer: Callable[[int, list[int], int], Any]) -> Iterator[None]:
    for inputs, hidden, outputs in ((15, [64, 64], 3), (4, [], 2), (124, [32, 16, 8], 4)):
        sizes = [inputs, *hidden, outputs]
        pairs = list(itertools.pairwise(sizes))
        true = count_parameters(inputs, hidden, outputs)
        expect(
            call(answer, inputs, hidden, outputs),
            true,
            {
                "The biases are missing: each unit has one of its own.": sum(
                    n * m for n, m in pairs
                ),
                "A bias belongs to each unit that receives, not to each number that is sent.": sum(
                    n * (m + 1) for n, m in pairs
                ),
                "The last layer, which gives the outputs, is missing.": true
                - (sizes[-2] + 1) * outputs,
                "Only units are counted here: count the connections between two layers.": sum(
                    sizes
                ),
            },
            what=f"From {inputs} numbers over {hidden} to {outputs}, the count",
        )
        yield


@exercise("aliased_boards", parts=3)
def _aliased_boards(answer: Any) -> Iterator[None]:
    what = "Give two boards, each as (seed, actions): ((3, [0, 1]), (8, []))."
    need(isinstance(answer, tuple | list) and len(answer) == 2, what)
    boards = [_checked_board(board, what) for board in answer]
    need(
        boards[0] != boards[1],
        "That is the same board twice: look for two different ones.",
    )
    yield
    first, second = (_seen(board) for board in boards)
    differ = int(np.count_nonzero(first != second))
    need(
        differ == 0,
        f"The agent can tell them apart: {differ} of the {len(first)} numbers it sees differ.",
    )
    yield
    best = [best_actions(board, NO_FOOD) for board in boards]
    both = sorted(best[0] & best[1])
    need(
        not both,
        f"They look the same, but one action is best on both: {', '.join(map(str, both))}. Look "
        "for two boards whose best actions have none in common.",
    )
    yield


def _checked_board(board: Any, what: str) -> Board:
    """Read one board of an answer."""
    need(isinstance(board, tuple | list) and len(board) == 2, what)
    seed, actions = board
    whole = (int, np.integer)
    need(isinstance(seed, whole) and not isinstance(seed, bool), what)
    need(0 <= int(seed) < 2**31, what)
    need(isinstance(actions, list | tuple | np.ndarray) and len(actions) <= _MOST_ACTIONS, what)
    need(
        all(isinstance(action, whole) and action in (0, 1, 2) for action in actions),
        "An action is 0 (straight), 1 (turn right) or 2 (turn left).",
    )
    return int(seed), [int(action) for action in actions]


def _seen(board: Board) -> NDArray[np.float32]:
    try:
        return see(board, NO_FOOD)
    except ConfigError as error:
        raise Hint(str(error)) from None

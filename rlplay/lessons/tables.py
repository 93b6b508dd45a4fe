"""Lesson 4, learning by bumping: Q-learning and SARSA, with a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rlplay.agents.tabular import TabularAgent
from rlplay.config import get_default_config
from rlplay.envs import create_env
from rlplay.envs.gridworld import GridworldEnv
from rlplay.lessons.checking import Hint, call, exercise, expect, need
from rlplay.lessons.planning import plan
from rlplay.training.loop import Move, TrainingLoop

__all__ = ["EpsilonGreedy", "Learned", "NumberedWorld", "learn_on_the_cliff"]

Table = npt.NDArray[np.float64]


class NumberedWorld:
    """A gridworld whose states are numbers, for a table's rows.

    Attributes:
        num_states: How many states there are.
        num_actions: How many actions: 0 up, 1 right, 2 down, 3 left.
        cells: (column, row) of each state.

    Args:
        map: A name or the rows of a map.
        step: What every step pays.
        goal: What reaching G pays on top.
        cliff: What falling off C pays on top.
    """

    def __init__(
        self, map: str = "cliff", step: float = -1.0, goal: float = 0.0, cliff: float = -100.0
    ) -> None:
        rewards = {"step": step, "goal": goal, "cliff": cliff}
        env = create_env("gridworld", rewards, map=map, max_steps=None)
        assert isinstance(env, GridworldEnv)
        self._env = env
        self.cells = env.cells
        self.num_states, self.num_actions = len(env.cells), 4

    def reset(self) -> int:
        """Go to the start; gives its state."""
        observation, _ = self._env.reset(seed=0)
        return int(observation.argmax())

    def step(self, action: int) -> tuple[int, float, bool]:
        """Walk one cell; gives the next state, the reward, and whether the episode has ended."""
        observation, reward, terminated, _, _ = self._env.step(action)
        return int(observation.argmax()), reward, terminated


class EpsilonGreedy:
    """Chooses the best action of a table's row, and sometimes any.

    Args:
        epsilon: How often any.
        seed: The same seed draws the same numbers.
    """

    def __init__(self, epsilon: float = 0.1, seed: int = 0) -> None:
        self.__name__ = "choose"  # as the lessons call it, where a hint speaks of it
        self._epsilon = epsilon
        self._generator = np.random.default_rng(seed)

    def __call__(self, row: Sequence[float]) -> int:
        """Choose an action; equally good ones are drawn."""
        values = np.asarray(row, np.float64)
        if self._generator.random() < self._epsilon:
            return int(self._generator.integers(len(values)))
        return int(self._generator.choice(np.flatnonzero(values == values.max())))


# The cliff -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learned:
    """What an agent learned on the cliff.

    Attributes:
        algo: The algorithm.
        returns: (E,) the return of each episode, exploring included.
        episodes: (K,) the episodes at which the table was copied; 0 is before the first.
        tables: (K, S, A) the table after each of them.
        cells: (column, row) of each state.
    """

    algo: str
    returns: npt.NDArray[np.float64]
    episodes: npt.NDArray[np.int64]
    tables: npt.NDArray[np.float64]
    cells: tuple[tuple[int, int], ...]

    @property
    def path(self) -> list[tuple[int, int]]:
        """The greedy path from the start, by the last table: (column, row) of each cell."""
        return [self.cells[state] for state in _greedy_path(NumberedWorld(), self.tables[-1])]


def learn_on_the_cliff(
    algo: str, episodes: int = 500, seed: int = 0, *, epsilon: float = 0.1
) -> Learned:
    """Let an agent of rlplay learn on the cliff, without a thread; the same seed, the same run.

    Args:
        algo: ``q-learning`` or ``sarsa``.
        episodes: How many episodes.
        seed: The seed.
        epsilon: Share of random actions.

    Returns:
        What it learned, and what it earned meanwhile.
    """
    config = get_default_config(algo, "gridworld").replace(
        env_config={"map": "cliff", "max_steps": None},
        reward_config={"step": -1.0, "goal": 0.0},
        hyperparams={
            "learning_rate": 0.5,
            "discount": 1.0,
            "epsilon": epsilon,
            "final_epsilon": epsilon,
        },
        seed=seed,
        total_steps=10**9,
    )
    loop = TrainingLoop(config)
    agent = loop.agent
    assert isinstance(agent, TabularAgent)
    moments = {0, *np.unique(np.geomspace(1, episodes, 40).astype(np.int64)).tolist()}
    returns: list[float] = []
    tables = [agent.q.copy()]
    for item in loop.run():
        if isinstance(item, Move) and item.ended is not None:
            returns += item.ended.returns.tolist()
            if len(returns) in moments:
                tables.append(agent.q.copy())
            if len(returns) == episodes:
                break
    return Learned(
        algo, np.array(returns), np.array(sorted(moments)), np.array(tables), NumberedWorld().cells
    )


def _greedy_path(world: NumberedWorld, table: npt.ArrayLike) -> list[int]:
    """Follow the best actions of a table; stops at the end, or where it would walk in a circle."""
    rows = np.asarray(table, np.float64)
    path, ended = [world.reset()], False
    while not ended:
        state, _, ended = world.step(int(rows[path[-1]].argmax()))
        if state in path:
            break
        path.append(state)
    return path


# What the student writes -----------------------------------------------------------------------


@exercise("td_update", parts=3)
def _td_update(answer: Callable[[float, float, float], float]) -> Iterator[None]:
    for old, target, alpha in ((1.0, 10.0, 0.1), (4.0, -2.0, 0.25), (3.0, 7.0, 1.0)):
        error = target - old
        mistakes = {
            "That is the error: the new value is the old one plus alpha times the error.": error,
            "That is only the change: add it to the old value.": alpha * error,
            "Where is alpha? Go only a share alpha of the way to the target.": old + error,
            "It went the wrong way: the error is target - old.": old - alpha * error,
            "alpha takes the whole target: old + alpha * (target - old), not old + alpha * "
            "target.": old + alpha * target,
            "alpha and 1 - alpha have changed places.": alpha * old + (1 - alpha) * target,
        }
        what = f"From {old:g} towards {target:g} with alpha {alpha:g} the new value"
        expect(call(answer, old, target, alpha), old + alpha * error, mistakes, what=what)
        yield


_FORGOT_END: Final = (
    "The episode has ended: nothing comes after it, so the target is the reward alone."
)


@exercise("q_learning_target", parts=3)
def _q_learning_target(
    answer: Callable[[float, list[float], float, bool], float],
) -> Iterator[None]:
    for reward, row, gamma, ended in (
        (-1.0, [2.0, 5.0, -3.0, 2.0], 0.9, False),
        (10.0, [2.0, 5.0, -3.0, 2.0], 0.9, True),
        (1.0, [-8.0, -2.0, -4.0, -6.0], 0.5, False),
    ):
        after = 0.0 if ended else gamma * max(row)
        mistakes = {
            _FORGOT_END: reward + gamma * max(row),
            "Where is gamma? The best value of the next state counts gamma times.": (
                reward + max(row)
            ),
            "The reward is missing: r + gamma max Q(s', b).": after,
            "gamma belongs to the next state alone, not to the reward.": gamma * reward + after,
            "That is the reward alone: add gamma max Q(s', b).": reward,
            "That is the mean over the next actions; Q-learning takes the best.": (
                reward + gamma * sum(row) / 4
            ),
            "That takes the place of the best value (argmax), not the value (max).": (
                reward + gamma * row.index(max(row))
            ),
            "That takes the largest in size: -8 is less than -2.": (
                reward + gamma * max(map(abs, row))
            ),
        }
        what = f"The target for reward {reward:g}, next row {row}, gamma {gamma:g}, ended {ended}"
        expect(call(answer, reward, row, gamma, ended), reward + after, mistakes, what=what)
        yield


@exercise("sarsa_target", parts=3)
def _sarsa_target(
    answer: Callable[[float, list[float], int, float, bool], float],
) -> Iterator[None]:
    for reward, row, action, gamma, ended in (
        (-1.0, [2.0, 5.0, -3.0, 4.0], 2, 0.9, False),
        (10.0, [2.0, 5.0, -3.0, 4.0], 0, 0.9, True),
        (1.0, [-8.0, -2.0, -4.0, -6.0], 3, 0.5, False),
    ):
        after = 0.0 if ended else gamma * row[action]
        mistakes = {
            _FORGOT_END: reward + gamma * row[action],
            "That is Q-learning's target, with the best next action. SARSA takes the action that "
            "it really does next.": reward + gamma * max(row),
            "Where is gamma? The value of the next action counts gamma times.": (
                reward + row[action]
            ),
            "The reward is missing: r + gamma Q(s', a').": after,
            "gamma belongs to the next state alone, not to the reward.": gamma * reward + after,
            "That is the reward alone: add gamma Q(s', a').": reward,
            "That uses the number of the action itself: its value is next_row[next_action].": (
                reward + gamma * action
            ),
        }
        what = (
            f"The target for reward {reward:g}, next row {row}, next action {action}, "
            f"gamma {gamma:g}, ended {ended}"
        )
        got = call(answer, reward, row, action, gamma, ended)
        expect(got, reward + after, mistakes, what=what)
        yield


@exercise("epsilon_greedy", parts=3)
def _epsilon_greedy(answer: Callable[[list[float], float], list[float]]) -> Iterator[None]:
    for row, epsilon in (
        ([1.0, 4.0, 2.0, 3.0], 0.2),
        ([-5.0, -1.0, -3.0, -2.0], 0.0),
        ([2.0, 0.0, 2.0, 1.0], 0.4),
    ):
        count, best = len(row), np.array(row) == max(row)
        shared = epsilon / count + (1 - epsilon) * best / best.sum()
        first = np.full(count, epsilon / count)
        first[best.argmax()] += 1 - epsilon
        mistakes = {
            "The best action can be drawn by chance as well: it has 1 - epsilon, and its part "
            "epsilon / n of the rest.": np.where(
                best, (1 - epsilon) / best.sum(), epsilon / max(count - best.sum(), 1)
            ),
            "Two actions are equally good here: they share the 1 - epsilon.": first,
            "Equally good actions share the 1 - epsilon: divide it by how many they are.": (
                epsilon / count + (1 - epsilon) * best
            ),
            "That is the greedy choice alone: every action also has epsilon / n.": (
                best / best.sum()
            ),
            "The other actions also have a chance: epsilon / n each.": (
                (1 - epsilon) * best / best.sum()
            ),
            "epsilon and 1 - epsilon have changed places: epsilon is how often it explores.": (
                (1 - epsilon) / count + epsilon * best / best.sum()
            ),
            "All actions are equally likely there: the best one has 1 - epsilon on top.": (
                np.full(count, 1 / count)
            ),
        }
        what = f"The probabilities for the row {row} with epsilon {epsilon:g}"
        expect(call(answer, row, epsilon), shared, mistakes, what=what)
        yield


#: A cliff small enough for a run of a second; its one best path is along the edge.
_SMALL: Final = "......\n......\nSCCCCG"
_GAMMA: Final = 0.9
_EPISODES: Final = 400
_MOST_STEPS: Final = 15_000


class SmallCliff(NumberedWorld):
    """Gives a walk up that finds no end, and says what stands still."""

    def __init__(self) -> None:
        super().__init__(_SMALL, cliff=-20.0)
        self.steps = self.resets = 0
        self._ended = True

    def __deepcopy__(self, memo: Any) -> SmallCliff:
        return self  # an answer is called with copies, and this one counts

    def reset(self) -> int:
        """Begin an episode, and count it."""
        self.resets += 1
        self._ended = False
        return super().reset()

    def step(self, action: Any) -> tuple[int, float, bool]:
        """Walk one cell, as long as the walk can come to an end."""
        need(
            isinstance(action, int | np.integer) and action in range(self.num_actions),
            "world.step takes the number of an action, 0 to 3: action = choose(table[state]).",
        )
        need(
            not self._ended,
            "Your loop walks on after the end of an episode: begin each with "
            "state = world.reset(), and leave the inner loop when ended is True.",
        )
        self.steps += 1
        need(
            self.steps < _MOST_STEPS,
            "The agent does not find the goal. Does the state move on (state = next_state)? Does "
            "the table change? Does the target look at the row of next_state?",
        )
        state, reward, self._ended = super().step(int(action))
        return state, reward, self._ended


class CountedChoices(EpsilonGreedy):
    """Counts how often it is asked."""

    calls = 0

    def __deepcopy__(self, memo: Any) -> CountedChoices:
        return self  # an answer is called with copies, and this one counts

    def __call__(self, row: Sequence[float]) -> int:
        """Choose an action, and count it."""
        self.calls += 1
        return super().__call__(row)


@exercise("q_learning", parts=3)
def _q_learning(answer: Callable[..., Any]) -> Iterator[None]:
    world, choose = SmallCliff(), CountedChoices(0.2, seed=3)
    got = call(answer, world, choose, _EPISODES, 0.5, _GAMMA)
    shape = (world.num_states, world.num_actions)
    try:
        table = np.asarray(got, np.float64)
    except (TypeError, ValueError):
        raise Hint("Give the table: a row for each state, a number for each action.") from None
    need(
        table.shape == shape,
        f"The table should have {shape[0]} rows (states) of {shape[1]} actions, not the shape "
        f"{table.shape}.",
    )
    need(bool(np.isfinite(table).all()), "The table holds numbers that are not finite.")
    need(
        world.resets == _EPISODES,
        f"It should play {_EPISODES} episodes, and world.reset() was called {world.resets} times.",
    )
    need(
        choose.calls >= world.steps,
        f"It walked {world.steps} steps and asked choose {choose.calls} times: each action is "
        "choose(table[state]).",
    )
    yield
    model, best = plan(_SMALL, _GAMMA, -1.0, goal=0.0, cliff=-20.0)
    need(bool((table != 0).any()), "The table is still all 0: write the new value into it.")
    course = NumberedWorld(_SMALL, cliff=-20.0)
    path = _greedy_path(course, table)
    rows = [world.cells[state][1] for state in path]
    need(
        world.cells[path[-1]] != (5, 2) or min(rows) > 0,
        "Your agent walks the safe way, far from the edge: that is what SARSA learns. Q-learning's "
        "target takes max over the next row.",
    )
    need(
        world.cells[path[-1]] == (5, 2) and len(path) == 8,
        "The greedy path of your table does not go along the edge to the goal. Check: the target "
        "looks at the row of next_state; only table[state][action] changes; then the state moves "
        "on.",
    )
    yield
    expect(
        round(float(table[path[0]].max()), 6),
        round(float(best.values[model.start]), 6),
        {
            "The path is right, and gamma is missing: the value of the start is minus the number "
            "of steps.": -7.0
        },
        what="The value of the start",
    )
    yield

"""Lesson 4: the worlds and runs that it gives to a student."""

from __future__ import annotations

import numpy as np
import pytest

from rlplay.lessons.tables import EpsilonGreedy, NumberedWorld, learn_on_the_cliff


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_on_the_cliff_q_learning_walks_the_edge_and_sarsa_earns_more(seed: int) -> None:
    q_agent, sarsa = (learn_on_the_cliff(algo, 500, seed) for algo in ("q-learning", "sarsa"))
    assert len(q_agent.path) == 14
    assert {y for _, y in q_agent.path} == {2, 3}
    assert sarsa.path[-1] == (11, 3)
    assert min(y for _, y in sarsa.path) < 2
    assert sarsa.returns[-200:].mean() > q_agent.returns[-200:].mean() + 5


def test_the_same_seed_learns_the_same() -> None:
    one, other = (learn_on_the_cliff("sarsa", 30, 5) for _ in range(2))
    np.testing.assert_array_equal(one.returns, other.returns)
    np.testing.assert_array_equal(one.tables, other.tables)
    assert one.tables.shape == (len(one.episodes), 48, 4)
    assert not one.tables[0].any()


def test_a_numbered_world_walks_and_pays_as_the_gridworld_does() -> None:
    world = NumberedWorld("cliff")
    start = world.reset()
    assert world.cells[start] == (0, 3)
    assert world.step(1) == (start, -101.0, False)
    after, reward, ended = world.step(0)
    assert (world.cells[after], reward, ended) == ((0, 2), -1.0, False)
    for action in (*[1] * 11, 2):
        after, reward, ended = world.step(action)
    assert (world.cells[after], reward, ended) == ((11, 3), -1.0, True)


def test_epsilon_greedy_draws_what_it_says() -> None:
    choose = EpsilonGreedy(0.4, seed=1)
    drawn = np.bincount([choose([1.0, 3.0, 3.0, 0.0]) for _ in range(20_000)], minlength=4)
    np.testing.assert_allclose(drawn / 20_000, [0.1, 0.4, 0.4, 0.1], atol=0.02)
    assert {EpsilonGreedy(0.0)([0.0, 2.0]) for _ in range(9)} == {1}

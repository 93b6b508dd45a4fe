"""Lesson 2: machines with given luck, and what is played on them."""

from __future__ import annotations

import numpy as np
import pytest

from rlplay.envs import create_env
from rlplay.errors import ConfigError
from rlplay.lessons.bandits import choose_arm, cumulative_regret, updated_mean
from rlplay_widgets.lessons.bandits import Arms, BanditView, ScheduleView, greedy_play


def test_the_machines_are_those_of_the_environment() -> None:
    arms = Arms.draw([3, 5], arms=4, pulls=50)
    for row, seed in enumerate((3, 5)):
        env = create_env("bandit", arms=4, arms_seed=seed)
        np.testing.assert_allclose(arms.means[row], env.means, rtol=1e-6)  # type: ignore[attr-defined]
    assert arms.noise.shape == arms.luck.shape == arms.other.shape == (2, 50)
    assert len(arms) == 2
    assert (arms.luck >= 0).all()
    assert (arms.luck < 1).all()
    assert set(np.unique(arms.other)) <= {0, 1, 2, 3}


def test_the_luck_of_a_seed_does_not_depend_on_the_others() -> None:
    both, one = Arms.draw([1, 2], pulls=20), Arms.draw([2], pulls=20)
    assert np.array_equal(both.noise[1], one.noise[0])
    assert not np.array_equal(both.noise[0], both.noise[1])


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_all_machines_at_once_equal_one_pull_after_the_other(epsilon: float) -> None:
    arms = Arms.draw([4, 9], arms=3, pulls=60)
    got = greedy_play(arms, epsilon)
    for one in range(2):
        values, counts, chosen = [0.0] * 3, [0] * 3, []
        for pull in range(60):
            arm = choose_arm(values, epsilon, arms.luck[one, pull], int(arms.other[one, pull]))
            counts[arm] += 1
            reward = arms.means[one, arm] + arms.noise[one, pull]
            values[arm] = updated_mean(values[arm], counts[arm], reward)
            chosen.append(arm)
        np.testing.assert_allclose(got[one], cumulative_regret(arms.means[one], chosen))


def test_who_never_explores_locks_on_a_bad_arm_on_the_first_machines_of_the_screen() -> None:
    arms = Arms.draw(range(8), arms=5, pulls=1_000)
    late = greedy_play(arms, 0.0)[:, -1] - greedy_play(arms, 0.0)[:, 499]
    assert late[0] > 100  # still the same mistake in the second half


def test_a_drawn_schedule_is_read_as_a_function() -> None:
    view = ScheduleView(Arms.draw([0], pulls=101), points=[1.0, 0.5, 0.0])
    assert [view.schedule(pull) for pull in (0, 25, 50, 75, 100)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert view.regret().shape == (1, 101)


def test_what_is_drawn_flat_is_one_epsilon() -> None:
    arms = Arms.draw(range(5), pulls=200)
    assert np.array_equal(ScheduleView(arms, [0.1, 0.1]).regret(), greedy_play(arms, 0.1))


def test_the_page_gets_all_the_numbers() -> None:
    arms = Arms.draw(range(3), arms=4, pulls=10)
    numbers = np.frombuffer(ScheduleView(arms).packed, "<f4")
    assert len(numbers) == 3 * 4 + 3 * 3 * 10
    assert np.array_equal(numbers[:12].reshape(3, 4), arms.means)
    assert np.array_equal(numbers[-30:].reshape(3, 10), arms.other)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 to 1"):
        BanditView(epsilon=1.5)
    with pytest.raises(ConfigError, match="0 to 1"):
        ScheduleView(Arms.draw([0], pulls=10), [0.1, -0.1])
    with pytest.raises(ConfigError, match="at least 2"):
        ScheduleView(Arms.draw([0], pulls=10), [0.1])

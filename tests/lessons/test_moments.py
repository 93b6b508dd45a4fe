"""What the lessons' moments rest on really happens, with each lesson's own preset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rlplay
from rlplay.envs.gridworld import GridworldEnv
from rlplay.training.loop import Move, TrainingLoop
from rlplay_widgets.lesson import load_lesson

pytestmark = pytest.mark.long

#: The two gaps in the wall of lesson 4's map.
UPPER, LOWER = (3, 2), (3, 4)


def config_of(lesson: str) -> rlplay.RunConfig:
    """What Start trains in the Playground of a lesson."""
    return load_lesson(lesson).run_config()


def greedy_way(loop: TrainingLoop) -> list[tuple[int, int]]:
    """Follow the best actions of a table from the start, to the end or into a circle."""
    agent: Any = loop.agent
    env: Any = loop.env.envs[0]
    assert isinstance(env, GridworldEnv)
    model = env.get_model()
    passed = [model.start]
    while not model.terminal[passed[-1]]:
        after = int(model.probabilities[passed[-1], agent.q[passed[-1]].argmax()].argmax())
        if after in passed:
            break
        passed.append(after)
    return [model.cells[state] for state in passed]


@pytest.mark.parametrize("seed", [1, 2])
def test_who_learns_from_steps_finds_another_way(seed):
    """Lesson 4: the upper gap is on the short way; once it costs 5, the lower one is."""
    loop = TrainingLoop(config_of("q-learning").replace(seed=seed))
    moves = (item for item in loop.run() if isinstance(item, Move))

    def learn(count: int) -> list[tuple[int, int]]:
        for _, _ in zip(range(count), moves, strict=False):
            pass
        return greedy_way(loop)

    before = learn(6_000)
    assert before[-1] == (6, 1)
    assert UPPER in before
    loop.set_rewards({"cells": {f"{UPPER[0]},{UPPER[1]}": -5.0}})
    after = learn(25_000)
    assert after[-1] == (6, 1)
    assert LOWER in after
    assert UPPER not in after


def ends(config: rlplay.RunConfig, steps: int) -> dict[str, Any]:
    """Train, and give the columns of the history."""
    columns, _, _ = rlplay.train(config, steps=steps, progress=False).monitor.history()
    return {name: np.array(values, float) for name, values in columns.items()}


@pytest.mark.parametrize("kept", [True, False], ids=["with", "without"])
def test_without_the_target_network_the_prediction_flies_off(kept):
    """Lesson 6: measured with seeds 0 to 2: 4 predicted with it, more than 40 000 without."""
    config = config_of("dqn").replace(seed=0, hyperparams={"use_target_network": kept})
    found = ends(config, 20_000)
    predicted, measured = found["predicted_return"], found["measured_return"]
    assert np.nanmax(np.abs(measured)) < 20
    if kept:
        assert np.nanmax(predicted) < 40
    else:
        assert np.nanmax(predicted) > 400


def test_paid_for_closer_alone_the_snake_dances():
    """Lesson 7: measured with seeds 1 to 3: 100 and more steps an apple, or 13 or less."""
    config = config_of("you-get-what-you-pay-for").replace(seed=1)
    shaped = config.replace(reward_config={"farther": "-4 / previous_distance_to_food ** 2"})
    steps_an_apple = {}
    for name, one in (("dances", config), ("eats", shaped)):
        found = ends(one, 120_000)
        steps_an_apple[name] = found["length"][-3:].mean() / found["score"][-3:].mean()
    assert steps_an_apple["dances"] > 3 * steps_an_apple["eats"]

"""The map of lesson 3: what the page is told, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from rlplay.envs import create_env
from rlplay.envs.gridworld import MAPS
from rlplay.errors import ConfigError
from rlplay_widgets.lessons.planning import LookingAhead
from rlplay_widgets.lessons.worlds import describe


@pytest.mark.parametrize("map", MAPS)
def test_the_page_can_rebuild_every_rule_from_what_it_is_told(map: str) -> None:
    slip, step = 0.3, -0.2
    told = describe(map, pit=-7.0)
    model = create_env("gridworld", {"pit": -7.0, "step": step}, map=map, slip=slip).get_model()
    assert told["cells"] == [list(cell) for cell in model.cells]
    assert told["start"] == model.start
    assert told["terminal"] == model.terminal.tolist()
    for state in range(len(model.cells)):
        for action in range(4):
            chances = np.zeros(len(model.cells))
            reward = 0.0
            for turn, share in ((0, 1 - slip), (1, slip / 2), (3, slip / 2)):
                way = (action + turn) % 4
                chances[told["moves"][state][way]] += share
                reward += share * (told["pays"][state][way] + step)
            if not model.terminal[state]:
                np.testing.assert_allclose(chances, model.probabilities[state, action])
                expected = (model.probabilities[state, action] * model.rewards[state, action]).sum()
                assert reward == pytest.approx(expected)


def test_a_map_begins_as_it_was_asked_to() -> None:
    look = LookingAhead("classic", gamma=0.5, slip=0.2, sweeps=0, knobs=["gamma"], goal=3.0)
    assert (look.gamma, look.step, look.slip, look.sweeps) == (0.5, 0.0, 0.2, 0)
    assert look.world["worth"]["G"] == 3.0
    assert look.picked == look.world["start"]
    assert repr(look) == "LookingAhead(gamma=0.5, step=0, slip=0.2)"
    look.close()


@pytest.mark.parametrize(
    ("map", "options", "words"),
    [
        ("clasic", {}, "classic"),
        ("classic", {"knobs": ["gama"]}, "gamma"),
        ("classic", {"gaol": 1.0}, "goal"),
    ],
)
def test_what_does_not_exist_is_named(map: str, options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LookingAhead(map, **options)

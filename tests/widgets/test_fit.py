from __future__ import annotations

import time

from rlplay.config import get_default_config
from rlplay_widgets import Playground
from rlplay_widgets.draft import Draft


def test_another_world_brings_an_algorithm_that_fits_and_says_so():
    draft = Draft(get_default_config("q-learning", "gridworld"))
    assert draft.set("env_name", "bandit")
    assert (draft.config.algo, draft.notice) == ("q-learning", "")
    assert draft.set("env_name", "snake")
    assert (draft.config.algo, draft.config.env_name) == ("ppo", "snake")
    assert "'q-learning' keeps a table" in draft.notice
    assert draft.notice.endswith("'ppo' learns here instead.")
    assert draft.set("algo", "dqn")
    assert draft.notice == ""


def test_the_notice_goes_with_the_next_choice():
    draft = Draft(get_default_config("q-learning", "gridworld"))
    draft.set("env_name", "snake")
    assert draft.notice
    draft.choose_preset("fast")
    assert draft.notice == ""


def test_the_list_of_algorithms_offers_what_fits(painter):
    playground = Playground(env_name="bandit")
    painter.tick()
    dropdown = playground.tabs.panels["Train"].algorithm
    offered = lambda: {name for _, name in dropdown.options}  # noqa: E731
    deadline = time.monotonic() + 20
    while "value-iteration" in offered() or not offered():
        painter.tick()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert {"ppo", "dqn", "q-learning", "sarsa", "monte-carlo", "reinforce"} <= offered()
    assert dropdown.value == "ppo"
    dropdown.value = "sarsa"
    painter.tick()
    assert playground.config.algo == "sarsa"
    playground.desk.set("env_name", "snake")
    for _ in range(3):
        painter.tick()
    assert "keeps a table" in playground.tabs.panels["Train"].about.value
    while "sarsa" in offered():
        painter.tick()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert dropdown.value == "ppo"


def test_an_algorithm_that_does_not_fit_is_refused_with_the_reason():
    draft = Draft(get_default_config("ppo", "snake"))
    assert not draft.set("algo", "sarsa")
    assert draft.config.algo == "ppo"
    assert "'snake' has no numbered states" in draft.problems[("algo",)]

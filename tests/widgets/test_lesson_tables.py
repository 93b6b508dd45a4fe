"""Two walks along the cliff, and the Playground of lesson 4."""

from __future__ import annotations

import json

import numpy as np

from rlplay.lessons.tables import learn_on_the_cliff
from rlplay_widgets.lesson import load_lesson
from rlplay_widgets.lessons.tables import TwoWays


def test_both_agents_are_told_to_the_page_as_they_learned() -> None:
    agents = [learn_on_the_cliff(algo, episodes=60, seed=2) for algo in ("q-learning", "sarsa")]
    two = TwoWays(*agents)
    assert [run["name"] for run in two.runs] == ["Q-learning", "SARSA"]
    assert two.episodes[0] == 0
    assert two.episodes[-1] == 60
    assert two.moment == len(two.episodes) - 1
    for agent, run in zip(agents, two.runs, strict=True):
        np.testing.assert_allclose(run["tables"], agent.tables, atol=1e-8)
        assert len(run["tables"]) == len(two.episodes)
        assert run["smooth"][-1] == round(float(agent.returns[-50:].mean()), 2)
    assert len(json.dumps(two.runs)) < 600_000
    two.close()


def test_the_playground_of_the_lesson_shows_its_knobs_only() -> None:
    lesson = load_lesson("q-learning")
    config = lesson.run_config()
    assert (config.algo, config.env_name) == ("q-learning", "gridworld")
    assert "Train" in lesson.tabs
    assert "Network" not in lesson.tabs

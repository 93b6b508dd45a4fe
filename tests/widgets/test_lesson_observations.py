from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest

from rlplay.agents import count_parameters, create_agent
from rlplay.envs import create_env
from rlplay.errors import ConfigError
from rlplay.lessons.observations import NO_FOOD
from rlplay_widgets.lesson import load_lesson
from rlplay_widgets.lessons.observations import show_boards

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "05_what_does_it_see.ipynb"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch):
    """The figure that was shown."""
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("agg")
    yield plt.gcf
    plt.close("all")


def test_boards_stand_side_by_side_with_what_is_best_on_each(shown) -> None:
    show_boards([(5, [0, 0, 1, 1, 1, 0]), (53, [2])], NO_FOOD)
    figure = shown()
    first, second = (axes.get_title() for axes in figure.axes)
    assert first.startswith("best: ")
    assert not {word.strip() for word in first[6:].split(" or ")} & {
        word.strip() for word in second[6:].split(" or ")
    }
    assert figure.get_suptitle() == "what is seen is the same"


def test_boards_that_differ_are_said_to(shown) -> None:
    show_boards([(0, []), (1, [])], NO_FOOD)
    assert shown().get_suptitle() == "what is seen differs"


def test_an_episode_that_is_over_is_no_board(shown) -> None:
    with pytest.raises(ConfigError, match="is over after"):
        show_boards([(0, [0] * 50)], NO_FOOD)


def test_the_lesson_counts_the_network_that_the_panel_draws() -> None:
    config = load_lesson("what-does-it-see").run_config()
    env = create_env("snake", **config.env_config)
    agent = create_agent(config, env.observation_space, env.action_space)
    shown = "".join(
        output.get("text", "")
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells
        for output in cell.get("outputs", [])
    )
    assert f"28 inputs,  {count_parameters(agent.network):,} parameters" in shown

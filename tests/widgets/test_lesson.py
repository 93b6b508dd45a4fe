from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

import rlplay
from rlplay.agents import AGENT_REGISTRY, get_agent_spec
from rlplay.errors import ConfigError
from rlplay_widgets import Playground
from rlplay_widgets.lesson import list_lessons, load_lesson

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize("name", list_lessons())
def test_every_lesson_opens(painter, name) -> None:
    panel = Playground(lesson=name)
    painter.tick()
    assert panel._scene.problems == {}
    assert panel.lesson.title
    assert panel.tabs.bar.names == (panel.lesson.tabs or panel.tabs.bar.names)


@pytest.mark.parametrize("name", list_lessons())
def test_every_lesson_shows_only_its_own_knobs(painter, name) -> None:
    lesson = load_lesson(name)
    assert lesson.tabs
    assert lesson.locked
    for tab in {"Learning", "World"} & set(lesson.tabs):
        panel = Playground(lesson=name)
        panel.tabs.choose(tab)
        for _ in range(2):  # the first one builds the tab
            painter.tick()
        forms = panel.tabs.panels[tab].forms
        shown = {(*form.place, option) for form in forms for option in form.options}
        assert 0 < len(shown) < 20, shown


def test_a_lesson_shows_its_tabs_and_words_and_keeps_its_options(painter) -> None:
    lesson = {
        "title": HOSTILE,
        "text": HOSTILE,
        "config": {"algo": "dqn", "env_config": {"grid_size": 6}},
        "tabs": ["Train"],
        "locked": ["algo", "env_config.grid_size"],
    }
    panel = Playground(lesson=lesson)
    painter.tick()
    assert panel.tabs.bar.names == ["Train"]
    words = panel.widget.children[0].value
    assert "<script" not in words
    assert words.count("&lt;script&gt;") == 2
    assert (panel.config.algo, panel.config.env_config["grid_size"]) == ("dqn", 6)
    train = panel.tabs.panels["Train"]
    assert train.algorithm.disabled
    assert shown(train.preset)
    with pytest.raises(ConfigError, match="lesson keeps"):
        panel.desk.set("env_config", "grid_size", 10)
    train.algorithm.value = "ppo"
    painter.tick()
    assert panel.config.algo == "dqn"
    assert train.algorithm.value == "dqn"
    assert "lesson keeps" in panel.controls.messages.texts[0]
    assert panel.desk.set("num_envs", 3)
    assert panel.desk.draft.is_locked("env_config", "grid_size")
    assert not panel.desk.draft.is_locked("env_config")


def shown(box) -> bool:
    return box.layout.display != "none"


def test_a_lesson_shows_its_knobs_alone(painter) -> None:
    lesson = {
        "config": {"env_config": {"grid_size": 6}, "hyperparams": {"discount": 0.9}},
        "tabs": ["World", "Learning"],
        "knobs": ["hyperparams.learning_rate", "seed", "reward_config"],
    }
    panel = Playground(lesson=lesson)
    painter.tick()
    world = panel.tabs.panels["World"]
    assert {"apple", "death_wall"} <= world.rewards.options.keys()
    assert not world.board.options
    assert not shown(world.board.widget)
    assert not shown(world.environment.widget)
    assert [name for name, box in world._sections.items() if shown(box)] == ["Rewards"]
    panel.tabs.choose("Learning")
    painter.tick()
    learning = panel.tabs.panels["Learning"]
    assert list(learning.hyperparams.options) == ["learning_rate"]
    assert list(learning.run.options) == ["seed"]
    assert not shown(learning.presets.widget)
    # What is hidden keeps the lesson's value, whatever is reset.
    learning.hyperparams.enter("learning_rate", "0.01")
    panel.desk.draft.set("hyperparams", "discount", 0.8)
    learning.reset_all()
    world.reset_all()
    painter.tick()
    assert panel.config.hyperparams["discount"] == 0.8
    assert panel.config.env_config["grid_size"] == 6
    assert panel.config.hyperparams["learning_rate"] != 0.01


@pytest.mark.parametrize(
    ("lesson", "offered"),
    [
        ({}, True),
        ({"locked": ["hyperparams.learning_rate"]}, True),
        ({"knobs": ["hyperparams.learning_rate"]}, False),
        ({"locked": ["hyperparams"]}, False),
    ],
)
def test_presets_are_offered_where_all_that_they_change_is_shown(painter, lesson, offered) -> None:
    panel = Playground(lesson={"tabs": ["Train", "Learning"], **lesson})
    painter.tick()
    assert shown(panel.tabs.panels["Train"].preset) == offered
    assert (panel.tabs.panels["Train"].about.value == "<p></p>") != offered
    panel.tabs.choose("Learning")
    painter.tick()
    assert shown(panel.tabs.panels["Learning"].presets.widget) == offered


def test_knobs_follow_another_algorithm(painter) -> None:
    panel = Playground(lesson={"tabs": ["Learning"], "knobs": ["hyperparams.learning_rate"]})
    painter.tick()
    panel.desk.set("algo", "dqn")
    painter.tick()
    assert list(panel.tabs.panels["Learning"].hyperparams.options) == ["learning_rate"]


def test_without_knobs_all_are_shown(painter) -> None:
    panel = Playground(lesson={"tabs": ["Learning", "World"]})
    painter.tick()
    learning = panel.tabs.panels["Learning"]
    assert {"learning_rate", "discount"} <= learning.hyperparams.options.keys()
    assert shown(learning.presets.widget)
    assert shown(learning.run.widget)
    panel.tabs.choose("World")
    deadline = time.monotonic() + 60
    while "World" not in panel.tabs.panels or not panel.tabs.panels["World"].board.options:
        painter.tick()  # the first one builds the tab; the options come from the clerk
        assert time.monotonic() < deadline
    world = panel.tabs.panels["World"]
    assert "grid_size" in world.board.options
    assert [name for name, box in world._sections.items() if shown(box)] == ["Board"]


def test_what_is_locked_survives_a_preset(painter) -> None:
    lesson = {"config": {"hyperparams": {"learning_rate": 0.5}},
              "locked": ["hyperparams.learning_rate"]}  # fmt: skip
    panel = Playground(lesson=lesson)
    panel.desk.draft.choose_preset("classic")
    assert panel.config.hyperparams["learning_rate"] == 0.5


def test_a_lesson_from_a_file(painter, tmp_path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"title": "Mine", "config": {"num_envs": 3}}))
    for what in (path, str(path)):
        panel = Playground(lesson=what)
        assert panel.config == rlplay.get_default_config().replace(num_envs=3)
    # The same cell once more: what it showed goes on.
    assert Playground(lesson=path).lesson == panel.lesson


@pytest.mark.parametrize(
    ("lesson", "reason"),
    [
        ("first-step", "Did you mean"),
        ({"colour": "red"}, "no option 'colour'"),
        ({"tabs": ["Trian"]}, "No tab 'Trian'"),
        ({"config": {"num_envs": 0}}, "num_envs"),
        ({"locked": ["env_config.gridsize"]}, "env_config.gridsize"),
        ({"knobs": ["hyperparams.learning_rat"]}, "hyperparams.learning_rat"),
        ({"curve": "scroe"}, "No curve 'scroe'. Did you mean 'score'"),
        ({"curve": "steps"}, "No curve 'steps'"),
        ({"config": {"algo": "value-iteration"}}, "value-iteration"),
        ({"config": {"algo": "q-learning", "env_name": "snake"}}, "q-learning"),
        ("nowhere.json", "cannot be read"),
        ([1], "must be a JSON object"),
    ],
)
def test_what_is_no_lesson_says_why(lesson, reason) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_lesson(lesson)


def test_a_lesson_says_what_the_chart_shows_at_first(painter) -> None:
    panel = Playground(lesson={"curve": "predicted_return"})
    painter.tick()
    assert panel.curve.widget.metric == "predicted_return"
    assert Playground(lesson={}).curve.widget.metric == "score"


def test_an_algorithm_of_ones_own_may_measure_anything(monkeypatch) -> None:
    class Mine(get_agent_spec("ppo").agent):
        """Measures what nobody else does."""

    monkeypatch.setitem(AGENT_REGISTRY, "mine", replace(get_agent_spec("ppo"), agent=Mine))
    assert load_lesson({"config": {"algo": "mine"}, "curve": "surprise"}).curve == "surprise"

from __future__ import annotations

import json

import pytest

import rlplay
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
    assert not train.preset.disabled
    with pytest.raises(ConfigError, match="lesson keeps"):
        panel.desk.set("env_config", "grid_size", 10)
    train.algorithm.value = "ppo"
    painter.tick()
    assert panel.config.algo == "dqn"
    assert train.algorithm.value == "dqn"
    assert "lesson keeps" in panel.controls.messages.value
    assert panel.desk.set("num_envs", 3)
    assert panel.desk.draft.is_locked("env_config", "grid_size")
    assert not panel.desk.draft.is_locked("env_config")


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

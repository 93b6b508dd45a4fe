"""The Learning tab, without a browser: hyperparameters, presets, one's own configs."""

from __future__ import annotations

from typing import Any

import pytest

import rlplay
from rlplay_widgets import Playground
from rlplay_widgets.panels.learning import LearningPanel

from .test_train import paint_until
from .test_world import settle


@pytest.fixture
def learning(painter: Any, playground: Playground) -> LearningPanel:
    playground.tabs.choose("Learning")
    settle(painter)
    return playground.tabs.panels["Learning"]


def problems(panel: LearningPanel) -> str:
    return " ".join(problem.text for problem in panel._desk.scene.problems.values())


def test_presets_stand_with_what_they_are_for(learning) -> None:
    chips = {chip["key"]: chip["about"] for chip in learning.presets.widget.chips}
    assert list(chips) == rlplay.list_presets("ppo", "snake")
    assert chips["fast"] == rlplay.describe_preset("ppo", "snake", "fast")
    assert learning.presets.widget.chosen == "default"


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_preset_is_adopted_and_what_it_changes_is_marked(painter, learning, algo) -> None:
    desk = learning._desk
    desk.set("algo", algo)
    for place, value in ((("name",), "mine"), (("seed",), 7), (("device",), "cpu")):
        desk.set(*place, value)
    for preset in rlplay.list_presets(algo, "snake"):
        learning.presets.click(preset)
        painter.tick()
        config, wanted = desk.draft.config, rlplay.get_default_config(algo, "snake", preset)
        assert config.hyperparams == wanted.hyperparams
        assert config.env_config == wanted.env_config
        assert config.network_config == wanted.network_config
        assert (config.num_envs, config.total_steps) == (wanted.num_envs, wanted.total_steps)
        assert (config.name, config.seed, config.device) == ("mine", 7, "cpu")
        assert learning.presets.widget.chosen == preset
        standard = rlplay.get_default_config(algo, "snake").hyperparams
        for name, shown in learning.hyperparams.widget.now["options"].items():
            assert (shown["default"] != "") == (wanted.hyperparams[name] != standard[name])
    learning.hyperparams.enter("discount", 0.123)
    painter.tick()
    assert learning.presets.widget.chosen == ""


def test_a_preset_keeps_what_no_preset_says(painter, learning) -> None:
    desk = learning._desk
    desk.set("env_config", "grid_size", 7)
    desk.set("reward_config", "apple", "score")
    learning.presets.click("classic")
    assert desk.draft.config.env_config["vision"] == 0
    learning.presets.click("default")
    own = {"env_config": {"grid_size": 7}, "reward_config": {"apple": "score"}}
    assert desk.draft.config == rlplay.get_default_config().replace(**own)
    painter.tick()
    assert learning.presets.widget.chosen == "default"


def test_the_form_follows_the_algorithm(painter, learning) -> None:
    assert "clip" in learning.hyperparams.options
    learning._desk.set("algo", "dqn")
    painter.tick()
    assert "clip" not in learning.hyperparams.options
    assert "double" in learning.hyperparams.widget.now["options"]
    assert [chip["key"] for chip in learning.presets.widget.chips] == rlplay.list_presets("dqn")


def test_all_to_default_leaves_board_and_rewards(painter, learning) -> None:
    desk = learning._desk
    desk.set("env_config", "grid_size", 7)
    learning.run.enter("num_envs", "many")
    learning.hyperparams.enter("learning_rate", "3e-4")
    learning.reset.click()
    assert desk.draft.config == rlplay.get_default_config().replace(env_config={"grid_size": 7})
    assert desk.draft.problems == {}


def test_a_config_of_ones_own_is_saved_loaded_and_deleted(painter, learning) -> None:
    desk = learning._desk
    learning.hyperparams.enter("learning_rate", "3e-4")
    learning.name.value = "My First"
    learning.save.click()
    settle(painter)
    assert learning.mine.options == ("my-first",)
    assert not learning.load.disabled
    saved = desk.draft.config
    desk.set("algo", "dqn")
    learning.load.click()
    settle(painter)
    assert desk.draft.config == saved
    learning.delete.click()
    settle(painter)
    assert learning.mine.options == ()
    assert learning.load.disabled
    assert problems(learning) == ""


def test_what_cannot_be_saved_says_why(painter, learning) -> None:
    learning.save.click()
    assert "give the config a name" in problems(learning)
    learning.name.value = "a/b"
    learning.save.click()
    settle(painter)
    assert "a/b" in problems(learning)
    learning.name.value = "fine"
    learning.run.enter("seed", "x")
    learning.save.click()
    assert "Not saved" in problems(learning)
    assert learning.mine.options == ()


def test_a_live_change_reaches_the_session_that_runs(painter) -> None:
    small = {"num_envs": 2, "total_steps": 10**9, "env_config": {"grid_size": 5}}
    playground = Playground(rlplay.get_default_config("dqn").replace(**small))
    playground.controls.start.click()
    session = playground.session
    playground.tabs.choose("Learning")
    paint_until(painter, lambda: session.snapshot().total_steps > 0, 60)
    learning = playground.tabs.panels["Learning"]
    assert learning.hyperparams.enter("learning_rate", "3e-4")
    paint_until(
        painter,
        lambda: any(
            (c["field"], c["new"]) == ("hyperparams.learning_rate", 3e-4)
            or (c["field"], c["new"]) == ("learning_rate", 3e-4)
            for c in session.snapshot().changes
        ),
    )
    # What cannot change while it runs waits for the next start, and says so.
    assert learning.hyperparams.enter("batch_size", 64)
    assert learning.hyperparams.enter("num_step_returns", 5)
    painter.tick()
    shown = learning.hyperparams.widget.now["options"]
    assert shown["num_step_returns"]["later"] == "changed"
    assert shown["batch_size"]["later"] == ""
    assert session.config.hyperparams["num_step_returns"] == 3
    # A preset changes at once what can change at once.
    learning.presets.click("classic")
    classic = rlplay.get_default_config("dqn", "snake", "classic").hyperparams
    assert session.config.hyperparams["batch_size"] == classic["batch_size"]
    assert session.config.hyperparams["num_step_returns"] == 3
    assert session.snapshot().state == "running"


def test_nothing_is_sent_while_nothing_changes(painter, learning) -> None:
    changes: list[Any] = []
    for widget in (
        learning.presets.widget, learning.run.widget, learning.hyperparams.widget,
        learning.mine, learning.load,
    ):  # fmt: skip
        widget.observe(changes.append)
    for _ in range(5):
        painter.tick()
    assert changes == []

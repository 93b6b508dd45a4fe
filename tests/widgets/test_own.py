"""What a person registers in a cell, in a Playground that is already open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field

import rlplay
from rlplay.agents import AGENT_REGISTRY, get_agent_spec
from rlplay.envs import ENV_REGISTRY, OBSERVATION_REGISTRY, REWARD_REGISTRY
from rlplay_widgets import Playground
from rlplay_widgets.preview import get_example

from .test_train import paint_until
from .test_world import Hop, settle


@pytest.fixture(autouse=True)
def registries() -> Any:
    all_of_them = (ENV_REGISTRY, AGENT_REGISTRY, OBSERVATION_REGISTRY, REWARD_REGISTRY)
    kept = [dict(registry) for registry in all_of_them]
    yield
    for registry, before in zip(all_of_them, kept, strict=True):
        registry.clear()
        registry.update(before)


@pytest.fixture
def world(painter: Any, playground: Playground) -> Any:
    playground.tabs.choose("World")
    settle(painter)
    return playground.tabs.panels["World"]


def compass(facts):
    """Where the food lies."""
    return np.sign(facts["food"] - facts["head"])


def test_an_algorithm_appears_at_once_and_what_was_edited_stays(painter, playground) -> None:
    playground.desk.set("hyperparams", "discount", 0.5)
    painter.tick()
    dropdown = playground.tabs.panels["Train"].algorithm

    class Mine(get_agent_spec("dqn").agent):
        """My own."""

    rlplay.register_agent("mine", title="My own")(Mine)
    painter.tick()
    paint_until(painter, lambda: ("My own", "mine") in dropdown.options)
    assert dropdown.value == "ppo"
    assert playground.desk.draft.config.hyperparams["discount"] == 0.5
    dropdown.value = "mine"
    painter.tick()
    assert playground.desk.draft.config.algo == "mine"


def test_an_algorithm_that_is_defined_again_brings_its_options(painter, playground) -> None:
    ppo = get_agent_spec("ppo").agent

    class More(ppo.Hyperparameters):
        patience: int = Field(3, ge=1, le=9, description="a new idea")

    class Mine(ppo):
        pass

    rlplay.register_agent("mine")(Mine)
    desk = playground.desk
    desk.set("algo", "mine")
    desk.set("hyperparams", "discount", 0.5)
    playground.tabs.choose("Learning")
    painter.tick()
    form = playground.tabs.panels["Learning"].hyperparams
    assert "patience" not in form.options

    class Mine(ppo):  # the cell runs again
        Hyperparameters = More

    rlplay.register_agent("mine")(Mine)
    painter.tick()
    painter.tick()
    assert "patience" in form.options
    assert playground.controls.messages.texts == ()
    assert desk.draft.config.hyperparams["patience"] == 3
    assert desk.draft.config.hyperparams["discount"] == 0.5


def test_an_environment_appears_at_once_and_again_with_other_options(painter, world) -> None:
    desk = world._desk
    rlplay.register_env("hop", Hop, title="Hop")
    painter.tick()
    choices = world.environment.options["env_name"].choices
    assert ("Hop", "hop") in choices
    world.environment.enter("env_name", "hop")
    settle(painter)
    world.board.enter("width", 7)
    settle(painter)
    assert get_example(desk).num_inputs == 1

    class WiderOptions(BaseModel):
        width: int = Field(5, ge=2, le=99, description="places")
        height: int = Field(2, ge=1, le=9, description="rows")

    class Hop2(Hop):
        config_model = WiderOptions

        def render_state(self):
            return {"place": self.place, "again": True}

    rlplay.register_env("hop", Hop2, title="Hop")
    settle(painter)
    assert desk.draft.config.env_config == {"width": 7, "height": 2}
    assert list(world.board.options) == ["width", "height"]
    assert get_example(desk).state["again"]

    class Narrow(Hop):
        config_model = rlplay.envs.base.NoOptions

    rlplay.register_env("hop", Narrow, title="Hop")
    settle(painter)
    assert desk.draft.config.env_config == {}
    assert list(world.board.options) == []
    assert world._desk.scene.session is None


def test_what_is_gone_leaves_the_draft_as_it_is(painter, playground) -> None:
    rlplay.register_env("hop", Hop)
    playground.desk.set("env_name", "hop")
    config = playground.desk.draft.config
    del ENV_REGISTRY["hop"]
    assert playground.desk.draft.config is config


def test_a_block_is_a_switch_and_counts_in_the_preview(painter, world) -> None:
    desk = world._desk
    assert world.blocks.widget.layout.display == "none"
    rlplay.register_observation("com pass", compass, size=2, title="Compass", envs="snake")
    rlplay.register_observation("elsewhere", compass, size=2, envs="hop")
    settle(painter)
    assert world.blocks.widget.layout.display is None
    assert list(world.blocks.options) == ["com pass"]
    option = world.blocks.options["com pass"]
    assert (option.label, option.about) == ("Compass", "Where the food lies; 2 numbers")
    assert "blocks" not in world.board.options
    assert "<b>124 inputs</b>" in world.size.value
    world.blocks.widget._handle_custom_msg(
        {"kind": "set", "name": "com pass", "value": True, "at": 1}, []
    )
    settle(painter)
    assert desk.draft.config.env_config["blocks"] == ["com pass"]
    assert "<b>126 inputs</b>" in world.size.value
    assert world.inputs.rows[-1]["cells"][:3] == ["com pass", "124 to 125", "Where the food lies."]
    assert world.blocks.widget.now["options"]["com pass"]["value"] is True

    # The cell runs again, with another size.
    rlplay.register_observation(
        "com pass", lambda facts: facts["food"] * 0, size=2, title="Zero", labels=["a", "b"]
    )
    settle(painter)
    assert world.blocks.options["com pass"].label == "Zero"
    assert world.inputs.rows[-1]["cells"][2] == ""
    # In a kernel in which it was not run.
    del OBSERVATION_REGISTRY["com pass"]
    settle(painter)
    assert world.blocks.options["com pass"].label == "com pass (not in this kernel)"
    assert "@rlplay.register_observation" in world.about.value
    world.blocks.reset("com pass")
    settle(painter)
    assert desk.draft.config.env_config["blocks"] == []
    assert world.blocks.widget.layout.display == "none"
    assert "<b>124 inputs</b>" in world.size.value


def test_a_reward_function_is_a_choice(painter, world) -> None:
    desk = world._desk
    assert "function" not in world.rewards.options
    rlplay.register_reward("mine", lambda t: t.rewards, title="My own")
    painter.tick()
    choices = [["the environment's own", None], ["My own", "mine"]]
    field = next(f for f in world.rewards.widget.fields if f["name"] == "function")
    assert field["choices"] == choices
    assert not field["live"]
    world.rewards.enter("function", "mine")
    painter.tick()
    assert desk.draft.config.reward_config["function"] == "mine"
    del REWARD_REGISTRY["mine"]
    painter.tick()
    option = world.rewards.options["function"]
    assert option.choices[-1] == ("mine (not in this kernel)", "mine")
    world.rewards.reset_all()
    painter.tick()
    assert desk.draft.config.reward_config["function"] is None
    assert "function" not in world.rewards.options


def test_start_trains_with_them_and_a_running_session_keeps_its_own(painter, world) -> None:
    desk = world._desk
    paid = []

    def reward(value):
        def one(t):
            paid.append(value)
            return t.rewards * 0 + value

        return one

    rlplay.register_observation("compass", compass, size=2)
    rlplay.register_reward("mine", reward(1))
    for place in (
        ("num_envs", 2),
        ("num_threads", 1),
        ("total_steps", 10**9),
        ("network_config", "layers", [{"units": 4, "activation": "relu"}]),
        ("env_config", "blocks", ["compass"]),
        ("reward_config", "function", "mine"),
    ):
        assert desk.set(*place), desk.draft.problems
    first = desk.start()
    paint_until(painter, lambda: first.snapshot().total_steps > 100)
    assert set(paid) == {1}
    rlplay.register_reward("mine", reward(2))
    desk.set("reward_config", "apple", 3.0)  # changes live, and changes nothing else
    steps = first.snapshot().total_steps
    paint_until(painter, lambda: first.snapshot().total_steps > steps + 100)
    assert set(paid) == {1}
    # Another choice counts from the next start on.
    desk.set("reward_config", "function", None)
    painter.tick()
    assert first.config.reward_config["function"] == "mine"
    desk.set("reward_config", "function", "mine")
    first.stop()
    first.wait(20)
    second = desk.start()
    paint_until(painter, lambda: second.snapshot().total_steps > 100)
    assert set(paid) == {1, 2}
    second.stop()
    second.wait(20)
    assert world._desk.scene.session is second


def test_a_knob_of_a_session_turns_also_when_its_environment_was_defined_again(
    painter, playground
) -> None:
    rlplay.register_env("hop", Hop)
    config = rlplay.get_default_config("ppo", "hop").replace(
        env_config={"width": 7}, num_envs=2, num_threads=1, total_steps=10**9
    )
    session = rlplay.TrainingSession(config)
    session.start(max_speed=True)
    paint_until(painter, lambda: session.snapshot().total_steps > 100)

    class Bare(Hop):
        config_model = reward_model = rlplay.envs.base.NoOptions

    rlplay.register_env("hop", Bare)
    session.update_hyperparams(clip=0.1)
    session.update_rewards(hop=2.0)
    steps = session.snapshot().total_steps
    paint_until(painter, lambda: session.snapshot().total_steps > steps + 100)
    assert session.config.env_config == {"width": 7}
    assert session.config.reward_config["hop"] == 2.0
    assert session.config.hyperparams["clip"] == 0.1
    session.stop()
    session.wait(20)
    assert session.state == "finished"


def test_a_session_of_an_environment_that_was_defined_again_can_be_shown(
    painter, playground
) -> None:
    rlplay.register_env("hop", Hop)
    config = rlplay.get_default_config("ppo", "hop").replace(env_config={"width": 7})
    session = rlplay.TrainingSession(config)

    class Narrow(Hop):
        config_model = rlplay.envs.base.NoOptions

    rlplay.register_env("hop", Narrow)
    playground.desk.select(session)
    assert playground.desk.draft.config.env_config == {}

"""The World tab, without a browser: environment, observation, rewards, and the example board."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
from gymnasium import spaces
from pydantic import BaseModel, Field

import rlplay
from rlplay.envs import ENV_REGISTRY
from rlplay.envs.rewards import NumberOrFormula
from rlplay_widgets import Playground, clerk
from rlplay_widgets.panels.world import WorldPanel
from rlplay_widgets.preview import get_example, play_example

from .conftest import StillSession, snake
from .test_train import paint_until


def settle(painter: Any) -> None:
    """Have the clerk done with its work, and all of it painted."""
    painter.tick()
    clerk.submit(lambda: None).result(120)
    painter.tick()
    clerk.submit(lambda: None).result(120)
    painter.tick()


@pytest.fixture
def world(painter: Any, playground: Playground) -> WorldPanel:
    playground.tabs.choose("World")
    settle(painter)
    return playground.tabs.panels["World"]


def visible(panel: WorldPanel) -> list[str]:
    return [name for name, box in panel._sections.items() if box.layout.display != "none"]


class HopRewards(BaseModel):
    hop: Annotated[float | str, NumberOrFormula({"place": "where it stands"})] = Field(
        1.0, description="a hop"
    )


class HopOptions(BaseModel):
    width: int = Field(5, ge=2, le=9, description="places")


class Hop(rlplay.BaseEnvironment):
    """Hops to the right.

    A second paragraph.
    """

    config_model = HopOptions
    reward_model = HopRewards
    event_names = ("hop",)

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 9, (1,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.place = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return np.array([0], np.float32), {"episode_seed": seed}

    def step(self, action):
        self.place += action
        ended = self.place >= self.config.width
        reward = self.pay("hop", place=self.place)
        return np.array([self.place], np.float32), reward, ended, False, {}

    def render_state(self):
        return {"place": self.place}


@pytest.fixture
def hop():
    rlplay.register_env("hop", Hop, title="Hop")
    yield
    del ENV_REGISTRY["hop"]


def test_the_sections_turn(painter, world) -> None:
    assert visible(world) == ["Board"]
    world.sections.click("Rewards")
    painter.tick()
    assert visible(world) == ["Rewards"]
    assert world.sections.widget.chosen == "Rewards"
    world.sections.click("no such section")
    painter.tick()
    assert visible(world) == ["Rewards"]


def test_vision_is_a_choice_with_words(world) -> None:
    choices = dict(map(reversed, world.observation.options["vision"].choices))
    assert choices[0] == "neighbours"
    assert choices[5] == "11 \N{MULTIPLICATION SIGN} 11"
    assert choices[-1] == "whole grid"
    assert sorted(choices) == list(range(-1, 21))


def test_the_number_of_inputs_follows_the_options(painter, world) -> None:
    desk = world._desk
    assert "<b>124 inputs</b>" in world.size.value
    for vision, inputs in ((0, 7), (1, 12), (2, 28), (-1, 204)):
        assert world.observation.enter("vision", vision)
        settle(painter)
        assert f"<b>{inputs} inputs</b>" in world.size.value
        env = rlplay.create_env("snake", **desk.draft.config.env_config)
        assert env.observation_space.shape == (inputs,)
        last = world.inputs.rows[-1]["cells"][1]
        assert last.endswith(str(inputs - 1))


def test_a_fold_names_each_input(painter, world) -> None:
    world.inputs._handle_custom_msg({"kind": "unfold", "key": "danger"}, [])
    painter.tick()
    assert list(world.inputs.details) == ["danger"]
    assert "4\u00a0danger or food: 5 ahead, 5 left" in world.inputs.details["danger"]
    world.observation.enter("vision", -1)
    world.board.enter("grid_size", 64)
    settle(painter)
    assert world.inputs.details["danger"].endswith("and 3\u202f696 more")


def test_the_board_shows_an_example_of_the_draft(painter, playground, world) -> None:
    example = get_example(world._desk)
    assert example.state["grid_size"] == 10
    assert len(example.state["snake_position"]) == 10
    assert not example.state["game_over"]
    world.board.enter("grid_size", 6)
    settle(painter)
    shown = playground.board._painted
    assert shown.state["grid_size"] == 6
    assert len(shown.state["snake_position"]) > 5
    # The same options give the same board.
    again = play_example("snake", world._desk.draft.config.env_config)
    assert again.state == shown.state


def test_the_window_is_drawn_while_the_tab_is_in_front(
    painter, playground, world, sent, monkeypatch
) -> None:
    windows: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "rlplay_widgets.preview.draw_window",
        lambda picture, env_config, state, palette: windows.append(env_config),
    )
    world.observation.enter("vision", 2)
    settle(painter)
    paint_until(painter, lambda: bool(windows))
    assert windows[-1]["vision"] == 2
    windows.clear()
    pictures = len(sent)
    playground.tabs.choose("Train")
    paint_until(painter, lambda: len(sent) > pictures)
    assert windows == []


def test_over_a_board_that_is_trained_the_window_of_the_draft_is_outlined(
    painter, sent, monkeypatch
) -> None:
    windows: list[tuple[int, int, bool]] = []

    def draw(picture, env_config, state, palette, *, fog=True) -> None:
        windows.append((env_config["vision"], env_config["grid_size"], fog))

    monkeypatch.setattr("rlplay_widgets.preview.draw_window", draw)
    session = StillSession()
    session.monitor.publish(state="paused", run_id="r1", env_name="snake", game_state=snake(10, 5))
    playground = Playground(session)
    playground.tabs.choose("World")
    settle(painter)
    assert windows == []
    playground.desk.set("env_config", "vision", 3)
    playground.desk.set("env_config", "grid_size", 6)
    paint_until(painter, lambda: bool(windows))
    assert windows == [(3, 10, False)]
    paint_until(painter, lambda: "outlined" in playground.caption.widget.line["words"])
    assert len(windows) == 1
    playground.desk.set("env_config", "vision", 1)
    paint_until(painter, lambda: len(windows) > 1)
    assert windows[1:] == [(1, 10, False)]
    playground.tabs.choose("Train")
    paint_until(painter, lambda: playground.caption.widget.line["words"] == "training")
    assert len(windows) == 2


def test_formulas_show_their_value_on_the_example(painter, world) -> None:
    example = get_example(world._desk)
    distance = example.variables["distance_to_food"]
    assert world.rewards.enter("closer", "1 - 0.5 * distance_to_food / grid_size")
    painter.tick()
    note = world.rewards.widget.now["options"]["closer"]["note"]
    assert note == f"= {1 - 0.5 * distance / 10:.4g} on the example board"
    assert world.rewards.enter("closer", f"1 / (distance_to_food - {distance:g})")
    painter.tick()
    note = world.rewards.widget.now["options"]["closer"]["note"]
    assert note.startswith("pays 0 on the example board: it divides by zero")
    assert not world.rewards.enter("closer", "1 +")
    painter.tick()
    shown = world.rewards.widget.now["options"]["closer"]
    assert (shown["note"], shown["text"]) == ("", "1 +")
    assert "cannot be used" in shown["reason"]
    assert world.rewards.enter("closer", "2")
    painter.tick()
    assert world.rewards.widget.now["options"]["closer"]["note"] == ""


def test_the_variables_are_listed_with_their_values(world) -> None:
    rows = {row["key"]: row["cells"] for row in world.variables.rows}
    assert rows["grid_size"] == ["grid_size", "width and height of the board, in cells", "10"]
    assert rows["score"][2] == "9"


def test_a_reward_reaches_the_session_that_runs(painter) -> None:
    small = {"num_envs": 2, "total_steps": 10**9, "env_config": {"grid_size": 5}}
    playground = Playground(rlplay.get_default_config("dqn").replace(**small))
    playground.controls.start.click()
    session = playground.session
    playground.tabs.choose("World")
    paint_until(painter, lambda: session.snapshot().total_steps > 0, 60)
    world = playground.tabs.panels["World"]
    assert world.rewards.enter("apple", "2 if score > 1 else 1")
    paint_until(
        painter,
        lambda: any(c["new"] == "2 if score > 1 else 1" for c in session.snapshot().changes),
    )
    assert session.config.reward_config["apple"] == "2 if score > 1 else 1"
    # The board itself can only change with the next start.
    assert world.board.enter("grid_size", 9)
    painter.tick()
    assert world.board.widget.now["options"]["grid_size"]["later"] == "changed"
    assert session.config.env_config["grid_size"] == 5


def test_an_environment_registered_a_moment_ago_can_be_chosen(painter, world, hop) -> None:
    painter.tick()
    assert ("Hop", "hop") in world.environment.options["env_name"].choices
    assert world.environment.enter("env_name", "hop")
    settle(painter)
    assert list(world.board.options) == ["width"]
    assert list(world.observation.options) == []
    assert "Hops to the right." in world.about.value
    assert "second paragraph" not in world.about.value
    assert "<b>1 inputs</b>" in world.size.value
    assert world.inputs.rows[0]["cells"] == [
        "observation", "0", "the numbers that the environment gives", "0 to 9"
    ]  # fmt: skip
    assert world.rewards.enter("hop", "10 * place")
    painter.tick()
    place = get_example(world._desk).variables["place"]
    note = world.rewards.widget.now["options"]["hop"]["note"]
    assert note == f"= {10 * place:g} on the example board"
    assert world.environment.enter("env_name", "snake")
    settle(painter)
    assert "<b>124 inputs</b>" in world.size.value


def test_an_environment_that_cannot_be_played_says_why(painter, world, hop) -> None:
    class Broken(Hop):
        def step(self, action):
            raise RuntimeError("<b>no hop</b>")

    rlplay.register_env("hop", Broken)
    world.environment.enter("env_name", "hop")
    settle(painter)
    assert "RuntimeError: &lt;b&gt;no hop&lt;/b&gt;" in world.about.value
    assert "Traceback" in world.about.value
    assert "not known" in world.size.value
    assert get_example(world._desk).state is None


def test_all_to_default(painter, world) -> None:
    world.board.enter("grid_size", "x")
    world.observation.enter("vision", 1)
    world.rewards.enter("apple", "score")
    world.reset.click()
    painter.tick()
    assert world._desk.draft.config == rlplay.get_default_config()
    assert world._desk.draft.problems == {}


def test_nothing_is_sent_while_nothing_changes(painter, world) -> None:
    settle(painter)
    changes: list[Any] = []
    for widget in (
        world.environment.widget, world.board.widget, world.rewards.widget, world.inputs,
        world.variables, world.size, world.about, world.sections.widget,
    ):  # fmt: skip
        widget.observe(changes.append)
    for _ in range(5):
        painter.tick()
    assert changes == []

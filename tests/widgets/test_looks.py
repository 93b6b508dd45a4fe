"""The boards of small worlds: what is drawn, from what, and what a click on a cell does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ipycanvas
import numpy as np
import pytest

import rlplay
from rlplay.agents.planning import value_iteration
from rlplay.envs.gridworld import MAPS
from rlplay.errors import ConfigError, ContractError
from rlplay.storage import get_storage_manager
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground
from rlplay_widgets.banditboard import draw_bandit, draw_truth
from rlplay_widgets.board import PIXELS, Picture
from rlplay_widgets.games import AgentGame, PersonGame
from rlplay_widgets.gridboard import LOOKS, GridLayout, draw_gridworld, draw_table, pays
from rlplay_widgets.theme import DARK, LIGHT

from .conftest import StillSession


class Pen:
    """A canvas that only notes what is drawn."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.shapes: dict[str, int] = {}

    def fill_text(self, words: str, x: float, y: float) -> None:
        assert 0 <= x <= PIXELS
        assert 0 <= y <= PIXELS
        self.words.append(words)

    def __getattr__(self, name: str) -> Callable[..., None]:
        def draw(*arguments: Any) -> None:
            self.shapes[name] = self.shapes.get(name, 0) + 1

        return draw


def drawn(picture: Picture) -> Pen:
    pen = Pen()
    for call in picture._calls:
        call(pen)
    return pen


def sends(picture: Picture) -> list[Any]:
    """All that a picture draws, to compare it with another one's."""
    calls: list[Any] = []

    class All:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *arguments: calls.append((name, str(arguments)))

    for call in picture._calls:
        call(All())
    return calls


def grid(name: str = "classic", **rewards: Any) -> Any:
    env = rlplay.create_env("gridworld", rewards, map=name)
    env.reset(seed=0)
    return env


def planned(env: Any) -> np.ndarray:
    return list(value_iteration(env.get_model(), 0.9))[-1].q_values


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", MAPS)
def test_a_gridworld_is_one_small_message(sent, name, look, palette):
    env = grid(name)
    picture = draw_gridworld(env.render_state(), palette)
    draw_table(picture, env.render_state(), planned(env), look, palette)
    picture.play(ipycanvas.Canvas(width=PIXELS, height=PIXELS))
    assert len(sent) == 1
    assert picture.nbytes < 24_000


def test_the_board_says_what_cells_pay():
    env = grid(cells={"1,2": 2.0, "3,1": -4.0})
    state = env.render_state()
    assert pays(state, (1, 2)) == 2.0
    assert pays(state, (3, 1)) == -5.0  # the pit itself, and what a person has put on top
    assert pays(state, (0, 0)) is None
    words = drawn(draw_gridworld(state, LIGHT)).words
    assert {"+1", "\N{MINUS SIGN}5", "+2", "start"} <= set(words)


def test_values_are_numbers_and_q_has_four():
    env = grid(step=-0.04)
    state, table = env.render_state(), planned(env)
    free = [env.rows[y][x] not in "GTPC" for x, y in env.cells]
    for look, expected in (("V", table.max(axis=1)[free]), ("Q", table[free].ravel())):
        picture = Picture()
        draw_table(picture, state, table, look, LIGHT)
        written = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in expected]
        assert sorted(drawn(picture).words) == sorted(written)
    nothing = Picture()
    draw_table(nothing, state, table, "Off", LIGHT)
    assert not nothing._calls


def test_ties_and_what_is_not_known_are_no_arrow():
    env = grid("empty")
    table = np.zeros((len(env.cells), 4))
    table[0] = (1, 1, 0, 0)
    picture = Picture()
    draw_table(picture, env.render_state(), table, "Policy", LIGHT)
    pen = drawn(picture)
    assert pen.shapes["fill_styled_polygons"] == 1  # both arrows of the one cell that is known
    assert pen.words == []


def test_another_map_than_the_tables_draws_nothing():
    picture = Picture()
    draw_table(picture, grid("maze").render_state(), np.zeros((11, 4)), "V", LIGHT)
    assert not picture._calls


def test_a_point_is_a_cell():
    layout = GridLayout(grid("bridge").render_state())
    assert (layout.cell, layout.left, layout.top) == (120, 0, 240)
    assert layout.find(0.01, 0.5) == (0, 1)
    assert layout.find(0.99, 0.5) is not None or layout.rows[1][6] == "#"
    assert layout.find(0.5, 0.01) is None  # above the map
    assert layout.find(0.01, 240.5 / 840) is None  # a wall


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("arms", [2, 10, 64])
def test_the_bandit_hides_the_truth(sent, arms, palette):
    env = rlplay.create_env("bandit", arms=arms)
    env.reset(seed=1)
    env.step(1)
    state = env.render_state()
    picture = draw_bandit(state, palette)
    words = " ".join(drawn(picture).words)
    paid = f"{state['reward']:+.2f}".replace("-", "\N{MINUS SIGN}")
    assert f"arm 2 paid {paid}" in words
    other = {**state, "means": [9.0] * arms}
    assert sends(draw_bandit(other, palette)) == sends(picture)
    draw_truth(picture, state, palette)
    picture.play(ipycanvas.Canvas(width=PIXELS, height=PIXELS))
    assert len(sent) == 1


# In the Playground -------------------------------------------------------------------------------


def until(painter: Any, condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        painter.tick()
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


@pytest.fixture
def gridworld(painter: Any) -> Playground:
    playground = Playground(env_name="gridworld", algo="q-learning")
    until(painter, lambda: playground.looks._state is not None)
    return playground


def test_names_open_the_playground_with_their_defaults(painter):
    playground = Playground(env_name="gridworld", algo="q-learning")
    assert playground.config == rlplay.get_default_config("q-learning", "gridworld")
    until(painter, lambda: playground.looks._state is not None)
    assert playground.looks._state["agent"] == {"x": 0, "y": 2}  # it waits at the start
    assert Playground(env_name="bandit").config.algo == "ppo"
    with pytest.raises(ContractError, match="keeps a table"):
        Playground(algo="sarsa")
    with pytest.raises(ConfigError, match="not both"):
        Playground(rlplay.get_default_config(), algo="dqn")


def test_a_click_on_a_cell_changes_what_it_pays(gridworld, painter):
    desk, bar = gridworld.desk, gridworld.looks
    assert gridworld.keys.widget.points
    gridworld.keys._receive(None, {"kind": "point", "x": 0.3, "y": 0.8}, [])
    painter.tick()
    assert bar.cell.cell["column"] == 1
    assert bar.cell.cell["row"] == 2
    bar._receive(None, {"kind": "pay", "value": -2}, [])
    assert desk.draft.config.reward_config["cells"] == {"1,2": -2}
    painter.tick()
    assert bar.cell.cell["extra"] == -2
    assert bar._state["cells"] == {"1,2": -2}  # the board before the start shows it
    with pytest.raises(ConfigError):
        bar.pay((1, 2), 1e9)
    assert desk.draft.config.reward_config["cells"] == {"1,2": -2}
    assert not desk.draft.problems
    bar._receive(None, {"kind": "pay", "value": 0}, [])
    assert desk.draft.config.reward_config["cells"] == {}
    bar._receive(None, {"kind": "close"}, [])
    painter.tick()
    assert bar.cell.cell == {}
    with pytest.raises(ConfigError):
        bar._receive(None, {"kind": "cell", "column": 1, "row": 1}, [])  # a wall


def test_live_values_and_a_live_reward(gridworld, painter):
    desk = gridworld.desk
    gridworld.set_speed(200)
    session = gridworld.start()
    until(painter, lambda: session.snapshot().total_steps > 5)
    assert not session.monitor.weights_wanted()  # off costs nothing
    desk.looks.choose("gridworld", "V")
    shown = lambda: desk.shown(gridworld._scene.frame(0.0))  # noqa: E731
    until(painter, lambda: shown().table is not None)
    assert shown().table.shape == (11, 4)
    first = shown().table
    until(painter, lambda: shown().table is not first)
    gridworld.looks.pay((2, 0), -3.0)
    until(painter, lambda: session.snapshot().changes)
    (change,) = session.snapshot().changes
    assert (change["field"], change["new"]) == ("rewards.cells", {"2,0": -3.0})
    until(painter, lambda: gridworld.curve.widget.changes)
    assert "2,0: -3" in gridworld.curve.widget.changes[0]["words"]
    until(painter, lambda: gridworld.looks._state["cells"] == {"2,0": -3.0})
    session.stop()
    session.wait(20)
    until(painter, lambda: session.snapshot().state == "finished")


def test_the_table_of_a_run_that_has_ended_is_read(painter):
    config = rlplay.get_default_config("q-learning", "gridworld").replace(total_steps=300)
    session = TrainingSession(config)
    session.start(max_speed=True)
    session.wait(30)
    playground = Playground(session)
    playground.desk.looks.choose("gridworld", "Q")
    shown = lambda: playground.desk.shown(playground._scene.frame(0.0))  # noqa: E731
    until(painter, lambda: shown().table is not None)
    saved = get_storage_manager().load_weights("gridworld", session.run_id)["q"]
    assert np.array_equal(shown().table, saved)


def test_who_watches_an_agent_sees_its_own_table(painter):
    config = rlplay.get_default_config("q-learning", "gridworld").replace(total_steps=300)
    session = TrainingSession(config)
    session.start(max_speed=True)
    session.wait(30)
    game = AgentGame.of_run("gridworld", session.run_id)
    game.open()
    game.move()
    saved = get_storage_manager().load_weights("gridworld", session.run_id)["q"]
    assert np.array_equal(game.shown().table, saved)
    game.close()


def test_a_network_has_no_table_and_says_so(painter):
    session = StillSession(rlplay.get_default_config("ppo", "gridworld"))
    playground = Playground(session)
    session.monitor.publish(state="running", game_state=grid().render_state())
    playground.desk.looks.choose("gridworld", "V")
    painter.tick()
    assert "no table" in playground.looks.note.value
    playground.desk.looks.choose("gridworld", "Off")
    painter.tick()
    assert playground.looks.note.value == ""


def test_other_worlds_have_no_bar(playground, painter):
    painter.tick()
    assert playground.looks.widget.layout.display == "none"
    assert not playground.keys.widget.points
    with pytest.raises(ConfigError, match="Available: Off, V"):
        playground.desk.looks.choose("gridworld", "v")


# By hand -----------------------------------------------------------------------------------------


def test_arrows_walk_step_by_step():
    game = PersonGame(rlplay.get_default_config("q-learning", "gridworld"))
    game.open()
    game.move()
    assert game.steers
    assert game.digits == 0
    assert not game.paced
    game.press("up")
    assert game.due(0.0) <= 0
    game.move()
    assert game.shown().state["agent"] == {"x": 0, "y": 1}
    assert not game.playing
    game.close()


def test_digits_pull_arms():
    game = PersonGame(rlplay.get_default_config("q-learning", "bandit"))
    game.open()
    game.move()
    assert game.digits == 10
    for key, arm in (("3", 2), ("0", 9)):
        game.press(key)
        game.move()
        assert game.shown().state["last"] == arm
    assert game.shown().state["pulls"][2] == 1
    game.close()

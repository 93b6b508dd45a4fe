from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rlplay
from rlplay.agents import create_agent
from rlplay_widgets import Playground
from rlplay_widgets.games.agent import make_agent
from rlplay_widgets.overlays import inputs_of
from rlplay_widgets.panels import inside
from rlplay_widgets.panels.inside import HISTORY, InsidePanel
from rlplay_widgets.player import Game, Player, Shown

from .conftest import StillSession

#: A small window, so that a test is quick.
CONFIG = {"grid_size": 8, "vision": 2}


class Still(Game):
    """A game that shows what it is told to."""

    def move(self) -> bool:
        return False


class Inside:
    """A Playground with its Inside tab in front, a board to look into, and what it sends."""

    def __init__(self, playground: Playground) -> None:
        self.playground, self.desk = playground, playground.desk
        self.game = Still()
        self.game.playing = False
        self.desk.watch(self.game)
        self.now = 0.0
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.changes: list[str] = []
        env = rlplay.create_env("snake", **CONFIG)
        self.observation, _ = env.reset(seed=2)
        self.state = env.render_state()
        inputs_of("snake", CONFIG, lambda: None)
        # The clerk does one thing after the other.
        from rlplay_widgets import clerk

        clerk.submit(lambda: None).result(60)

    def open(self) -> InsidePanel:
        self.playground.tabs.choose("Inside")
        self.tick()
        panel = self.playground.tabs.panels["Inside"]
        panel.widget.send = lambda content, buffers: self.messages.append((content, buffers))
        panel.widget.observe(lambda change: self.changes.append(change["name"]))
        return panel

    def show(self, **thoughts: Any) -> None:
        self.game.show(
            Shown(
                env_name="snake",
                state=self.state,
                env_config=CONFIG,
                observation=self.observation,
                thoughts=thoughts or None,
            )
        )

    def tick(self, seconds: float = 0.2) -> None:
        self.now += seconds
        self.desk.scene._painter.tick(self.now)


@pytest.fixture
def look(playground: Playground, monkeypatch: pytest.MonkeyPatch, sent: list[Any]) -> Inside:
    # A browser that looks and keeps up.
    for name, answer in (("look", True), ("slow", False), ("full", False)):
        monkeypatch.setattr(playground._scene.sight, name, lambda *_, answer=answer: answer)
    return Inside(playground)


def thoughts_of(algo: str, observation: Any) -> dict[str, Any]:
    config = rlplay.get_default_config(algo).replace(
        env_config=CONFIG, num_envs=1, device="cpu", precision="float32"
    )
    env = rlplay.create_env("snake", **CONFIG)
    agent = create_agent(config, env.observation_space, env.action_space)
    explained = agent.explain(observation)
    return explained | {"saliency": list(np.linspace(-1, 0.5, len(observation)))}


def click(panel: InsidePanel, **content: Any) -> None:
    panel.widget._handle_custom_msg(content, [])


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_what_an_agent_thinks_travels_as_numbers(look: Inside, algo: str) -> None:
    panel = look.open()
    thoughts = thoughts_of(algo, look.observation)
    look.show(**thoughts)
    click(panel, kind="switch", name="mattered", on=True)
    look.tick()
    about = panel.widget.about
    assert about["actions"] == ["straight", "turn right", "turn left"]
    assert about["kind"] == ("probability" if algo == "ppo" else "Q-value")
    assert [row["units"] for row in about["layers"]] == [
        len(look.observation), *(len(layer) for layer in thoughts["activations"]),
    ]  # fmt: skip
    assert [row["label"] for row in about["inputs"]] == [
        "food to the right", "food behind", "hunger", "length", "danger in cells",
    ]  # fmt: skip
    assert panel.widget.missing == []
    content, (shares, cells, table, points) = look.messages[-1]
    assert len(content["written"]) == 3
    assert np.frombuffer(shares, np.float32).shape == (3,)
    assert len(cells) == sum(row["cells"] for row in about["layers"])
    values, importance = np.frombuffer(table, np.float32).reshape(2, -1)
    assert values[:4].tolist() == look.observation[:4].tolist()
    assert values[4] == np.count_nonzero(look.observation[4:])
    assert np.abs(importance).max() == 1
    assert np.frombuffer(points, np.float32)[-2] == pytest.approx(thoughts["value"])


def test_shades_are_shares_of_the_strongest_unit(look: Inside) -> None:
    panel = look.open()
    look.show(value=1.0, activations=[[0.0, 2.0, -4.0], list(range(1025))])
    look.tick()
    content, (_, cells, _, _) = look.messages[-1]
    sizes = [row["cells"] for row in panel.widget.about["layers"]]
    assert sizes == [len(look.observation), 3, 342]
    shades = np.frombuffer(cells, np.int8)
    first = sizes[0]
    assert shades[first : first + 3].tolist() == [0, 64, -127]
    assert shades[-1] == 127
    assert content["scales"][1] == "\N{PLUS-MINUS SIGN}\u202f4"


def test_only_new_values_travel_and_the_line_is_bounded(look: Inside) -> None:
    panel = look.open()
    for value in range(5):
        look.show(value=float(value))
        look.tick(0.04)
    look.tick()
    received = []
    for content, (_, _, _, points) in look.messages:
        if content["reset"]:
            received = []
        received += np.frombuffer(points, np.float32)[::2].tolist()
    assert received == [0, 1, 2, 3, 4]
    assert len(look.messages) < 5
    for value in range(HISTORY + 50):
        look.show(value=float(value))
        look.tick(0.04)
    click(panel, kind="need")
    look.tick()
    content, (_, _, _, points) = look.messages[-1]
    values = np.frombuffer(points, np.float32)[::2]
    assert content["reset"]
    assert len(values) == HISTORY
    assert values[-1] == HISTORY + 49


def test_the_line_says_where_an_episode_began(look: Inside) -> None:
    look.open()
    for steps in (7, 8, 0, 1):
        look.state = {**look.state, "steps": steps}
        look.show(value=1.0)
        look.tick()
    begins = [np.frombuffer(points, np.float32)[1::2] for _, (_, _, _, points) in look.messages]
    assert np.concatenate(begins).tolist() == [0, 0, 1, 0]


def test_another_agent_begins_another_line(look: Inside) -> None:
    look.open()
    look.show(value=1.0)
    look.tick()
    look.game = Still()
    look.game.playing = False
    look.desk.watch(look.game)
    look.show(value=2.0)
    look.tick()
    content, (_, _, _, points) = look.messages[-1]
    assert content["reset"]
    assert np.frombuffer(points, np.float32).tolist() == [2.0, 0.0]


def test_a_moving_agent_sends_little(look: Inside) -> None:
    """Thirty boards a second, everything on, a large network."""
    panel = look.open()
    click(panel, kind="switch", name="mattered", on=True)
    rng = np.random.default_rng(0)
    for _ in range(90):
        look.show(
            probabilities=[0.2, 0.3, 0.5],
            value=float(rng.normal()),
            activations=[rng.normal(size=4096).tolist() for _ in range(6)],
            saliency=rng.normal(size=len(look.observation)).tolist(),
        )
        look.tick(1 / 30)
    nbytes = sum(len(part) for _, parts in look.messages for part in parts)
    assert 8 <= len(look.messages) <= 31
    assert nbytes / 3 < 20_000
    assert set(look.changes) <= {"about", "missing", "on"}
    assert look.changes.count("about") == 1


def test_off_costs_nothing(look: Inside) -> None:
    panel = look.open()
    look.show(**thoughts_of("ppo", look.observation))
    look.tick()
    assert look.desk.looking_inside
    assert look.game.thinking
    click(panel, kind="off")
    look.tick()
    assert not look.desk.looking_inside
    assert not look.game.thinking
    look.tick()
    look.messages.clear()
    look.changes.clear()
    for _ in range(10):
        look.show()
        look.tick()
    assert look.messages == []
    assert look.changes == []


def test_nobody_is_asked_before_the_tab_is_opened(look: Inside) -> None:
    look.show()
    look.tick()
    assert not look.desk.looking_inside
    assert "Inside" not in look.playground.tabs.panels


def test_what_lies_over_the_board_stays_when_another_tab_is_in_front(
    look: Inside, sent: list[Any]
) -> None:
    panel = look.open()
    look.show(**thoughts_of("ppo", look.observation))
    look.tick()
    with_everything = _polygons(sent[-1])
    look.playground.tabs.choose("Train")
    look.tick()
    look.show(**thoughts_of("ppo", look.observation))
    look.messages.clear()
    look.tick()
    assert look.desk.looking_inside
    assert _polygons(sent[-1]) == with_everything
    assert look.messages == []
    click(panel, kind="switch", name="thinks", on=False)
    look.tick()
    # Value and network are asked for only where they are seen.
    assert not look.desk.looking_inside
    assert _polygons(sent[-1]) == with_everything - 3
    look.playground.tabs.choose("Inside")
    look.tick()
    look.tick()
    assert look.desk.looking_inside


def _polygons(message: tuple[Any, Any]) -> int:
    import ipycanvas.canvas

    code = ipycanvas.canvas.COMMANDS["fillStyledPolygons"]
    return sum(command[0] == code for command in message[0])


def test_an_overlay_that_breaks_leaves_the_board(
    look: Inside, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look.open()
    look.show(probabilities=[0.2, 0.3, 0.5])
    look.tick()
    look.state = {**look.state, "direction": [1]}
    monkeypatch.setattr("rlplay_widgets.board._head", lambda *_: [])
    sent.clear()
    look.show(probabilities=[0.2, 0.3, 0.5])
    look.tick()
    look.tick()
    assert sent
    problem = look.desk.scene.problems["What lies over the board"]
    assert "Training is not affected" in problem.text
    look.state = {**look.state, "direction": [1, 0]}
    look.show(probabilities=[0.2, 0.3, 0.5])
    look.tick()
    look.tick()
    assert "What lies over the board" not in look.desk.scene.problems


@pytest.mark.parametrize(
    ("thoughts", "words"),
    [
        (lambda: None, "No agent has thought"),
        (dict, "does not say what it thinks"),
        (lambda: {"q_values": [1.0, 2.0, 3.0]}, "the value of the state, the activations"),
    ],
)
def test_what_there_is_not_is_said(
    look: Inside, thoughts: Callable[[], dict[str, Any] | None], words: str
) -> None:
    panel = look.open()
    look.game.show(
        Shown(env_name="snake", state=look.state, env_config=CONFIG, thoughts=thoughts())
    )
    look.tick()
    assert len(panel.widget.missing) == 1
    assert words in panel.widget.missing[0]


def test_an_environment_without_names_is_listed_by_number(look: Inside) -> None:
    panel = look.open()
    look.game.show(
        Shown(
            env_name="elsewhere",
            state={"rgb_array": [[[0, 0, 0]]]},
            observation=np.array([0.5, -1.0], np.float32),
            thoughts={"q_values": [1.0, 0.0], "saliency": [2.0, -4.0]},
        )
    )
    click(panel, kind="switch", name="mattered", on=True)
    look.tick()
    assert [row["label"] for row in panel.widget.about["inputs"]] == ["input 1", "input 2"]
    assert panel.widget.about["actions"] == ["action 0", "action 1"]
    _, (_, _, table, _) = look.messages[-1]
    assert np.frombuffer(table, np.float32).tolist() == [0.5, -1.0, 0.5, -1.0]
    assert any("elsewhere" in sentence for sentence in panel.widget.missing)


def test_a_click_that_means_nothing_changes_nothing(look: Inside) -> None:
    panel = look.open()
    before = list(look.desk.choices)
    click(panel, kind="switch", name="everything", on=True)
    click(panel, kind="dance")
    assert list(look.desk.choices) == before
    assert before == ["sees", "thinks", "network", "value"]
    assert inside.HISTORY == 300


@pytest.mark.parametrize("fails_after", [0, 1])
def test_an_agent_that_cannot_explain_itself_says_so_and_the_board_goes_on(
    painter, sent, monkeypatch, fails_after
) -> None:
    session = StillSession(rlplay.get_default_config("dqn").replace(env_config=CONFIG))
    agent = make_agent(session.config)
    explain, asked = agent.explain, []

    def fail(*arguments: Any, **options: Any) -> dict[str, Any]:
        asked.append(1)
        if len(asked) > fails_after:
            raise ValueError("no idea")
        return explain(*arguments, **options)

    monkeypatch.setattr(agent, "explain", fail)
    monkeypatch.setattr("rlplay_widgets.games.agent.make_agent", lambda *_: agent)
    session.monitor.publish_weights(0, 0, agent.get_weights())
    env = rlplay.create_env("snake", **session.config.env_config)
    observation, _ = env.reset(seed=1)
    session.monitor.publish(state="running", env_name="snake")
    panel = Playground(session)
    panel.desk.player = Player(threaded=False)
    panel.open_tab("Inside")
    for moment in range(4):
        state = env.render_state()
        session.monitor.publish(game_state=state, observation=observation)
        for _ in range(2):
            painter.tick(100.0 + moment)
            panel.desk.player.tick(100.0 + moment)
        painter.tick(100.5 + moment)
        shown = panel.desk.shown(panel._scene.frame(100.5 + moment))
        assert shown.state is state
        observation = env.step(1)[0]
    assert len(asked) == fails_after + 1
    assert "no idea" in panel.caption.widget.line["problem"]
    assert "Traceback" in panel.caption.widget.line["details"]
    assert any("no idea" in said for said in panel.tabs.panels["Inside"].widget.missing)

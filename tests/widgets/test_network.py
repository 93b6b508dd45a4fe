"""The Network tab: messages in, draft out; what is wrong stands at its card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import rlplay
from rlplay.agents import AGENT_REGISTRY, count_parameters, create_agent, register_agent
from rlplay.agents.networks import ACTIVATIONS, NETWORK_PRESETS
from rlplay.agents.ppo import PPO
from rlplay.envs import create_env, get_env_spec
from rlplay_widgets import Playground, clerk
from rlplay_widgets.panels.network import NetworkPanel
from rlplay_widgets.theme import static


def layer(units: Any, activation: str = "relu") -> dict[str, Any]:
    return {"type": "dense", "units": units, "activation": activation}


class Driver:
    """A Playground whose Network tab is in front, as the browser sees it."""

    def __init__(self, playground: Playground) -> None:
        self.playground = playground
        self.draft = playground.desk.draft
        playground.tabs.choose("Network")
        self.paint()
        panel = playground.tabs.front
        assert isinstance(panel, NetworkPanel)
        self.panel = panel
        self.edit = 0
        self.paint()

    def paint(self) -> dict[str, Any]:
        """Paint until nobody has work to do any more."""
        for _ in range(3):
            self.playground._painter.tick()
            clerk.submit(lambda: None).result(20)
        self.playground._painter.tick()
        return self.state if hasattr(self, "panel") else {}

    @property
    def state(self) -> dict[str, Any]:
        return self.panel.widget.state

    @property
    def facts(self) -> dict[str, Any]:
        return self.panel.widget.facts

    @property
    def said(self) -> list[str]:
        """What the message line says."""
        return [problem.text for problem in self.playground.desk.scene.problems.values()]

    @property
    def layers(self) -> Any:
        return self.draft.config.network_config["layers"]

    def send(self, **content: Any) -> dict[str, Any]:
        self.panel.widget._handle_custom_msg(content, [])
        return self.paint()

    def set(self, *layers: dict[str, Any]) -> dict[str, Any]:
        self.edit += 1
        return self.send(kind="layers", layers=list(layers), view="a", edit=self.edit)


@pytest.fixture
def tab(playground: Playground) -> Driver:
    return Driver(playground)


@pytest.fixture
def bent() -> Iterator[str]:
    """An activation with a weight of its own, registered in a notebook's cell."""
    rlplay.register_activation("bent", lambda: nn.PReLU(1))
    yield "bent"
    del ACTIVATIONS["bent"]


def test_it_shows_the_layers_of_the_draft_and_what_they_stand_between(tab: Driver) -> None:
    assert tab.state["layers"] == tab.state["valid"] == [layer(128), layer(128)]
    assert tab.state["problems"] == []
    assert tab.facts["size"] == 124
    assert [(block["name"], block["size"]) for block in tab.facts["blocks"]] == [
        ("food", 2),
        ("hunger", 1),
        ("length", 1),
        ("danger", 120),
    ]
    assert tab.facts["gives"] == "3 action logits and 1 value"
    names = [output["name"] for output in tab.facts["outputs"]]
    assert names == ["straight", "turn right", "turn left", "value"]


def test_a_change_comes_as_one_list_and_is_answered(tab: Driver) -> None:
    wanted = [layer(64, "tanh"), layer(32), layer(16, "linear")]
    state = tab.set(*wanted)
    assert tab.layers == state["layers"] == wanted
    assert state["seen"] == {"view": "a", "edit": 1}
    assert state["chosen"] == ""


def test_nothing_is_sent_when_nothing_has_changed(tab: Driver) -> None:
    changes: list[Any] = []
    tab.panel.widget.observe(changes.append, names=["state", "facts"])
    tab.paint()
    assert changes == []
    tab.set(layer(5))
    assert 1 <= len(changes) <= 2


def test_wrong_values_stay_in_their_cards_with_the_reason(tab: Driver) -> None:
    good = tab.layers
    wrong = [layer(5000), layer(16), layer("", "relux")]
    state = tab.set(*wrong)
    assert state["layers"] == wrong
    assert state["valid"] == tab.layers == good
    assert [(problem["layer"], problem["field"]) for problem in state["problems"]] == [
        (0, "units"),
        (2, "units"),
        (2, "activation"),
    ]
    assert "4096" in state["problems"][0]["reason"]
    assert "Did you mean 'relu'?" in state["problems"][2]["reason"]
    with pytest.raises(rlplay.errors.SessionError, match="layer 1"):
        tab.playground.desk.start()
    state = tab.set(layer(50), layer(16))
    assert state["problems"] == []
    assert tab.layers == [layer(50), layer(16)]


def test_more_layers_than_allowed_are_refused_as_a_whole(tab: Driver) -> None:
    most = tab.panel.widget.limits["layers"]
    assert tab.set(*[layer(4)] * most)["problem"] == ""
    state = tab.set(*[layer(4)] * (most + 1))
    assert str(most) in state["problem"]
    assert len(tab.layers) == most


@pytest.mark.parametrize("layers", [None, "relu", [1], {"units": 3}])
def test_a_message_that_is_no_list_of_layers_changes_nothing(tab: Driver, layers: Any) -> None:
    before = tab.state["layers"]
    tab.send(kind="layers", layers=layers)
    assert tab.state["layers"] == before
    assert tab.draft.problems == {}
    assert any("list of layers" in text for text in tab.said)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
@pytest.mark.parametrize("layers", [[], [layer(7)], [layer(33, "tanh"), layer(5, "bent")]])
def test_parameters_are_those_of_the_agent(
    tab: Driver, bent: str, algo: str, layers: list[dict[str, Any]]
) -> None:
    tab.playground.desk.set("algo", algo)
    tab.playground.desk.set("num_envs", 2)
    state = tab.set(*layers)
    config = tab.draft.config
    env = create_env(config.env_name, config.reward_config, **config.env_config)
    agent = create_agent(config, env.observation_space, env.action_space)
    assert isinstance(agent.network, nn.Module)
    assert sum(state["parameters"]) == count_parameters(agent.network)
    assert len(state["parameters"]) == len(layers) + 1
    # The browser adds up from the same facts, before the kernel has answered.
    own = {each["name"]: each["parameters"] for each in tab.facts["activations"]}
    inputs, counts = tab.facts["size"], []
    for each in layers:
        counts.append((inputs + 1) * each["units"] + own[each["activation"]])
        inputs = each["units"]
    counts.append((inputs + 1) * len(tab.facts["outputs"]))
    assert counts == state["parameters"]


def test_what_dqn_gives_depends_on_its_options(tab: Driver) -> None:
    tab.playground.desk.set("algo", "dqn")
    tab.paint()
    assert tab.facts["gives"] == "3 action advantages and 1 value"
    tab.playground.desk.set("hyperparams", "dueling", False)
    tab.paint()
    assert tab.facts["gives"] == "3 Q-values"


def test_inputs_follow_the_world(tab: Driver) -> None:
    tab.playground.desk.set("env_config", "vision", 2)
    tab.playground.desk.set("env_config", "hunger", False)
    tab.paint()
    assert tab.facts["size"] == 2 + 1 + 24
    assert sum(tab.state["parameters"]) == 28 * 128 + 129 * 128 + 129 * 4


def test_an_activation_of_a_notebook_comes_with_its_curve(tab: Driver, bent: str) -> None:
    tab.paint()
    found = next(each for each in tab.facts["activations"] if each["name"] == bent)
    assert found["parameters"] == 1
    assert found["curve"][0] == pytest.approx(-0.5)
    assert found["curve"][-1] == pytest.approx(2.0)
    tab.set(layer(9, bent))
    assert tab.layers == [layer(9, bent)]


def test_a_curve_is_left_out_where_an_activation_has_none(tab: Driver) -> None:
    rlplay.register_activation("broken", lambda: nn.Linear(3, 3))
    rlplay.register_activation("endless", lambda: nn.Threshold(10.0, float("nan")))
    try:
        tab.paint()
        curves = {each["name"]: each["curve"] for each in tab.facts["activations"]}
        assert curves["broken"] == curves["endless"] == []
        assert len(curves["relu"]) > 2
    finally:
        del ACTIVATIONS["broken"], ACTIVATIONS["endless"]


def test_an_algorithm_with_a_network_of_its_own_is_not_counted_wrongly(tab: Driver) -> None:
    @register_agent("odd", title="Odd")
    class Odd(PPO):
        @classmethod
        def describe_weights(cls, config: Any, *spaces: Any) -> dict[str, torch.Tensor]:
            return {"only": torch.zeros(3)}

    try:
        tab.playground.desk.set("algo", "odd")
        tab.paint()
        assert tab.facts["outputs"] == []
        assert tab.facts["gives"] == ""
        assert len(tab.state["parameters"]) == len(tab.layers)
    finally:
        tab.playground.desk.set("algo", "ppo")
        del AGENT_REGISTRY["odd"]


def test_an_observation_that_no_network_takes_is_told(
    tab: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spaces(config: Any) -> Any:
        raise RuntimeError("no board today")

    monkeypatch.setattr(get_env_spec("snake").env, "get_spaces", spaces)
    tab.playground.desk.set("env_config", "grid_size", 7)
    tab.paint()
    assert "no board today" in tab.facts["problem"]
    assert tab.state["parameters"] == []
    assert tab.said == []


# Presets


def ids(state: dict[str, Any]) -> list[str]:
    return [preset["id"] for preset in state["presets"]]


def test_presets_are_offered_with_their_sizes_and_chosen(tab: Driver) -> None:
    assert ids(tab.state) == ["default", "size:small", "size:medium", "size:large"]
    assert tab.state["presets"][3]["words"] == "3 layers of 256 units"
    assert tab.state["chosen"] == "default"
    state = tab.send(kind="choose", preset="size:large")
    assert tab.layers == NETWORK_PRESETS["large"].model_dump(mode="json")["layers"]
    assert state["chosen"] == "size:large"
    assert tab.send(kind="choose", preset="size:medium")["chosen"] == "size:medium"
    assert tab.send(kind="choose", preset="default")["chosen"] == "default"
    assert tab.set(layer(1))["chosen"] == ""


def test_an_own_preset_goes_there_and_back(tab: Driver) -> None:
    mine = [layer(48, "tanh"), layer(24)]
    tab.set(*mine)
    state = tab.send(kind="save", name="my-net")
    assert state["chosen"] == "own:my-net"
    assert ids(state)[-1] == "own:my-net"
    assert tab.playground.desk.storage.load_preset("network", "my-net") == {"layers": mine}
    tab.send(kind="choose", preset="size:small")
    state = tab.send(kind="choose", preset="own:my-net")
    assert tab.layers == mine
    assert state["chosen"] == "own:my-net"
    state = tab.send(kind="delete", name="my-net")
    assert "own:my-net" not in ids(state)
    assert tab.layers == mine
    assert tab.said == []


@pytest.mark.parametrize("name", ["", "../over", "a b"])
def test_a_name_that_is_none_is_refused(tab: Driver, name: str) -> None:
    before = ids(tab.state)
    assert ids(tab.send(kind="save", name=name)) == before
    assert tab.said


def test_a_wrong_network_is_not_saved(tab: Driver) -> None:
    tab.set(layer(0))
    tab.send(kind="save", name="zero")
    assert any("Not saved" in text for text in tab.said)
    assert tab.playground.desk.storage.list_presets("network") == []


def test_a_saved_network_that_cannot_be_built_says_why(tab: Driver, bent: str) -> None:
    tab.set(layer(8, bent))
    tab.send(kind="save", name="bent-one")
    tab.set(layer(8))
    gone = ACTIVATIONS.pop(bent)
    try:
        tab.send(kind="delete", name="no-such")  # reads nothing, since it fails
        tab.send(kind="save", name="plain")  # reads all of them again
        words = {preset["id"]: preset["words"] for preset in tab.state["presets"]}
        assert words["own:bent-one"] == "cannot be built here"
        tab.send(kind="choose", preset="own:bent-one")
        assert any("no such activation" in text for text in tab.said)
        assert tab.layers == [layer(8)]
    finally:
        ACTIVATIONS[bent] = gone


def test_a_preset_that_is_not_there_is_refused(tab: Driver) -> None:
    tab.send(kind="choose", preset="size:huge")
    assert any("size:medium" in text for text in tab.said)


# While a session runs


def test_what_runs_keeps_its_network(tab: Driver) -> None:
    small = rlplay.get_default_config().replace(
        env_config={"grid_size": 5}, num_envs=4, num_threads=1
    )
    tab.playground.desk.draft.adopt(small)
    assert tab.paint()["note"] == ""
    session = tab.playground.desk.start()
    try:
        assert "from the next start on" in tab.paint()["note"]
        state = tab.set(layer(16))
        assert "2 layers of 128 units" in state["note"]
        assert session.config.network_config["layers"] == [layer(128), layer(128)]
        assert tab.layers == [layer(16)]
    finally:
        session.stop()
        session.wait(30)
    assert tab.paint()["note"] == ""


def test_a_lesson_may_keep_the_network_as_it_is(tab: Driver) -> None:
    assert not tab.state["locked"]
    tab.draft.lock(("network_config",))
    assert tab.paint()["locked"]
    before = tab.layers
    state = tab.set(layer(3))
    assert state["layers"] == tab.layers == before
    assert any("lesson" in text for text in tab.said)


def test_the_browser_never_writes_html() -> None:
    for name in ("network.js", "device.js"):
        assert "innerHTML" not in static(name)
        assert "insertAdjacentHTML" not in static(name)

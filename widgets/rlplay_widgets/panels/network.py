"""The network: its layers as cards, what it takes in and gives, and its picture."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import anywidget
import torch
import traitlets as t

from rlplay.agents import AgentSpec, get_agent_spec, get_default_config
from rlplay.agents.base import TorchAgent, network_sizes
from rlplay.agents.networks import (
    ACTIVATIONS,
    NETWORK_PRESETS,
    DenseLayer,
    NetworkConfig,
    count_layer_parameters,
    count_parameters,
    describe_layers,
)
from rlplay.agents.tabular import TabularAgent
from rlplay.config import RunConfig, validated
from rlplay.envs import EnvSpec, get_env_spec
from rlplay.envs.own import blocks_of
from rlplay.errors import ConfigError, NetworkConfigError, RlplayError
from rlplay_widgets.desk import Desk
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.theme import script

__all__ = ["NetworkPanel"]

#: Where the layers stand in a config.
PLACE = ("network_config", "layers")
#: What the models folder calls a saved network.
KIND = "network"
#: Points of the small curve that shows an activation, from -2 to 2.
CURVE = 17


class NetworkWidget(anywidget.AnyWidget):
    """Cards and picture in the browser; wishes come up as messages."""

    _esm = script("network.js")

    limits = t.Dict().tag(sync=True)
    facts = t.Dict().tag(sync=True)
    state = t.Dict().tag(sync=True)


@dataclass(frozen=True)
class _Ends:
    """What a network stands between.

    Attributes:
        size: Numbers of an observation; 0 where no network can take it.
        outputs: Numbers that it gives; 0 where the algorithm builds its network itself.
        facts: The same in words, for the browser.
    """

    size: int = 0
    outputs: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Preset:
    """Layers that have a name.

    Attributes:
        id: What the browser calls it: "default", "size:medium", or "own:" and its name.
        label: What a person calls it.
        group: Of what kind it is.
        words: Its sizes.
        layers: As a config has them.
        problem: Why it cannot be built here, if it cannot.
    """

    id: str
    label: str
    group: str
    words: str = ""
    layers: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""

    @classmethod
    def of(cls, name: str, label: str, group: str, values: dict[str, Any]) -> _Preset:
        """Make one of a network's options."""
        network = validated(NetworkConfig, values, "Network")
        layers = network.model_dump(mode="json")["layers"]
        return cls(name, label, group, describe_layers(network), layers)


class NetworkPanel:
    """Layers as cards, presets, the number of parameters and the picture.

    Args:
        desk: Whose draft it edits.
    """

    title = "The network panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._version = 0
        self._stamp: tuple[Any, ...] = ()
        self._seen: dict[str, Any] = {}
        self._chosen = ""
        self._own: list[_Preset] = []
        self._ends = _Ends()
        self._ends_key: tuple[Any, ...] = ()
        self.widget = NetworkWidget(limits=_limits())
        self.widget.on_msg(desk.scene.safely(self._receive))
        self._read_presets()

    # Callbacks: in the kernel's threads, only hand on and return ---------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "layers":
            layers = content.get("layers")
            if not (isinstance(layers, list) and all(isinstance(each, dict) for each in layers)):
                raise ConfigError(f"Layers must be a list of layers, not {layers!r}.")
            self._seen = {"view": content.get("view"), "edit": content.get("edit")}
            self._set(layers)
        elif kind == "choose":
            self.choose(str(content.get("preset")))
        elif kind == "save":
            self.save(str(content.get("name")))
        elif kind == "delete":
            self.delete(str(content.get("name")))

    def _set(self, layers: list[Any]) -> None:
        self._desk.set(*PLACE, layers)
        self._version += 1

    def choose(self, preset: str) -> None:
        """Take the layers of a preset.

        Args:
            preset: "default", "size:medium", or "own:" and a name.

        Raises:
            ConfigError: When there is none, or it cannot be built here.
        """
        known = {each.id: each for each in self._presets()}
        if preset not in known:
            raise ConfigError(f"There is no network {preset!r}. Available: {', '.join(known)}.")
        if known[preset].problem:
            raise ConfigError(known[preset].problem)
        self._chosen = preset
        self._set(known[preset].layers)

    def save(self, name: str) -> None:
        """Save the draft's layers under a name, in place of what had it."""
        if self._desk.draft.error(*PLACE) is not None:
            raise ConfigError("Not saved, since a value of a layer is not allowed. Mend it first.")
        values = self._desk.draft.config.network_config
        self._chosen = f"own:{name}"
        self._desk.work(
            "saving the network",
            lambda: self._desk.storage.save_preset(KIND, name, values),
            lambda _: self._read_presets(),
        )

    def delete(self, name: str) -> None:
        """Delete a saved network."""
        self._desk.work(
            "deleting a saved network",
            lambda: self._desk.storage.delete_preset(KIND, name),
            lambda _: self._read_presets(),
        )

    # The clerk -----------------------------------------------------------------------------------

    def _read_presets(self) -> None:
        def read() -> list[_Preset]:
            storage, own = self._desk.storage, []
            for name in storage.list_presets(KIND):
                about = (f"own:{name}", name, "Saved")
                try:
                    own.append(_Preset.of(*about, storage.load_preset(KIND, name)))
                except RlplayError as error:
                    own.append(_Preset(*about, "cannot be built here", problem=str(error)))
            return own

        def take(own: list[_Preset]) -> None:
            self._own = own
            self._version += 1

        self._desk.work("reading the saved networks", read, take)

    def _find_ends(self, config: RunConfig, env: EnvSpec, agent: AgentSpec) -> None:
        def take(ends: _Ends) -> None:
            self._ends = ends
            self._version += 1

        self._desk.work("looking at the observation", lambda: _ends(config, env, agent), take)

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show the draft's layers, what is wrong with them, and what they stand between."""
        config = self._desk.draft.config
        env, agent = get_env_spec(config.env_name), get_agent_spec(config.algo)
        live = frame.session is not None and frame.snapshot.state in LIVE
        trained = frame.session.config if live else None
        known = tuple(ACTIVATIONS.items())
        blocks = blocks_of(config.env_config)
        stamp = (self._desk.draft.version, self._version, trained, env, agent, known, blocks)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        options = json.dumps(config.env_config), json.dumps(config.hyperparams)
        key = (env, agent, options, known, blocks)
        if key != self._ends_key:
            self._ends_key = key
            self._find_ends(config, env, agent)
        assign(self.widget, facts=self._ends.facts, state=self._state(config, trained))
        return False

    def _state(self, config: RunConfig, trained: RunConfig | None) -> dict[str, Any]:
        draft = self._desk.draft
        error = draft.error(*PLACE)
        problems = list(error.problems) if isinstance(error, NetworkConfigError) else []
        presets = self._presets()
        return {
            "layers": draft.get(*PLACE),
            "valid": config.network_config["layers"],
            "parameters": self._parameters(config),
            "problems": [problem._asdict() for problem in problems],
            "problem": "" if error is None or problems else str(error),
            "presets": [
                {name: getattr(preset, name) for name in ("id", "label", "words", "group")}
                for preset in presets
            ],
            "chosen": self._matching(presets, draft.get(*PLACE)),
            "locked": draft.is_locked(*PLACE),
            "note": _note(config, trained),
            "seen": self._seen,
        }

    def _parameters(self, config: RunConfig) -> list[int]:
        """Count the parameters of each layer, the output's last where it is known."""
        size, outputs = self._ends.size, self._ends.outputs
        if not size:
            return []
        counts = count_layer_parameters(size, outputs or 1, config.network_config)
        return counts if outputs else counts[:-1]

    def _presets(self) -> list[_Preset]:
        """List the networks to choose from: the algorithm's own, the sizes, the saved ones."""
        config = self._desk.draft.config
        title = f"Default of {get_agent_spec(config.algo).title}"
        standard = get_default_config(config.algo, config.env_name).network_config
        sizes = [
            _Preset.of(f"size:{name}", name.capitalize(), "Sizes", network.model_dump(mode="json"))
            for name, network in NETWORK_PRESETS.items()
        ]
        return [_Preset.of("default", title, "", standard), *sizes, *self._own]

    def _matching(self, presets: list[_Preset], layers: Any) -> str:
        """Name the preset that the layers are; the one that was chosen where several are."""
        same = [preset.id for preset in presets if preset.layers == layers and not preset.problem]
        if self._chosen in same:
            return self._chosen
        return same[0] if same else ""


def _limits() -> dict[str, Any]:
    """Tell how many layers and units are allowed, as they are declared, and what a layer is."""
    layers = NetworkConfig.model_json_schema()["properties"]["layers"]
    units = DenseLayer.model_json_schema()["properties"]["units"]
    return {
        "layers": layers["maxItems"],
        "units": [units["minimum"], units["maximum"]],
        "layer": DenseLayer().model_dump(mode="json"),
    }


def _note(config: RunConfig, trained: RunConfig | None) -> str:
    """Say that what runs keeps its network."""
    if trained is None:
        return ""
    if trained.network_config == config.network_config:
        return "Training runs. A change counts from the next start on."
    words = describe_layers(validated(NetworkConfig, trained.network_config, "Network"))
    return f"Training runs with {words}. What stands here counts from the next start on."


def _ends(config: RunConfig, env: EnvSpec, agent: AgentSpec) -> _Ends:
    """Find out what a network stands between; whatever other people's code raises is told."""
    facts: dict[str, Any] = {
        "blocks": [],
        "outputs": [],
        "gives": "",
        "problem": "",
        "activations": [_describe_activation(name) for name in tuple(ACTIVATIONS)],
    }
    if issubclass(agent.agent, TabularAgent):
        words = f"{agent.title} has no network: it keeps a table, a row a state, a column an action"
        return _Ends(facts=facts | {"problem": f"{words}. The layers here do not count."})
    try:
        options = validated(env.config_model, config.env_config, f"Environment {env.name!r}")
        spaces = env.get_spaces(options)
        size, num_actions = network_sizes(config, *spaces)
        metadata = env.describe(options)
        outputs = _outputs(config, agent, num_actions)
    except Exception as error:
        text = str(error) if isinstance(error, RlplayError) else f"{type(error).__name__}: {error}"
        return _Ends(facts=facts | {"problem": f"No network: {text}"})
    names = [str(action) for action in metadata.get("actions", ())]
    if len(names) != num_actions:
        names = [f"action {action}" for action in range(num_actions)]
    facts["blocks"] = [
        {name: block[name] for name in ("name", "size", "meaning", "channel")}
        for block in metadata.get("observation", ())
    ] or [{"name": "observation", "size": size, "meaning": "all that it sees", "channel": False}]
    facts["size"] = size
    facts["outputs"] = [
        {"name": names[number] if count == num_actions else what, "kind": what}
        for what, count in outputs.items()
        for number in range(count)
    ]
    facts["gives"] = " and ".join(f"{count} {what}" for what, count in outputs.items())
    return _Ends(size, sum(outputs.values()), facts)


def _outputs(config: RunConfig, agent: AgentSpec, num_actions: int) -> dict[str, int]:
    """Say what the network gives; nothing where the algorithm builds it in its own way."""
    cls = agent.agent
    ours = (
        issubclass(cls, TorchAgent)
        and cls.describe_weights.__func__ is TorchAgent.describe_weights.__func__  # type: ignore[attr-defined]
    )
    return cls.describe_outputs(config, num_actions) if ours else {}  # type: ignore[attr-defined]


def _describe_activation(name: str) -> dict[str, Any]:
    """Give an activation's own parameters and its curve; no curve where it has none."""
    about: dict[str, Any] = {"name": name, "parameters": 0, "curve": []}
    try:
        module = ACTIVATIONS[name][0]()
        about["parameters"] = count_parameters(module)
        with torch.no_grad():
            curve = module(torch.linspace(-2.0, 2.0, CURVE)[:, None])[:, 0].clamp(-2.0, 2.0)
        if curve.isfinite().all():
            about["curve"] = [round(y, 3) for y in curve.tolist()]
    except Exception:
        return about
    return about

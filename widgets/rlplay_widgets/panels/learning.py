"""How the agent learns: every option of the algorithm, presets, seed, boards and length."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from rlplay.agents import AgentSpec, get_agent_spec
from rlplay.config import RunConfig, describe_preset, list_presets
from rlplay.envs import EnvSpec, get_env_spec
from rlplay.errors import ConfigError
from rlplay_widgets.chips import Chips
from rlplay_widgets.desk import Desk
from rlplay_widgets.dropdown import Dropdown
from rlplay_widgets.forms import Form
from rlplay_widgets.scene import Frame, assign

__all__ = ["LearningPanel"]

#: Options of the run itself that belong to learning.
_RUN = ("seed", "num_envs", "total_steps")


class LearningPanel:
    """The options of the algorithm and of the run, presets, and one's own configs.

    Args:
        desk: Whose draft it edits.
    """

    title = "The learning panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        safely = desk.scene.safely
        self._specs: tuple[AgentSpec, EnvSpec] | None = None
        self._presets: list[tuple[str, str]] = []
        self._painted: tuple[Any, ...] | None = None
        self._mine: tuple[str, ...] = ()
        self._saved = ""  # the name that was saved last

        self.presets = Chips("Presets", desk.choose_preset, safely)
        self.reset = ipw.Button(
            description="All to default",
            icon="undo",
            tooltip="Every option of this tab to the algorithm's default for this environment",
        )
        self.reset.on_click(safely(lambda _: self.reset_all()))
        label = ipw.HTML("<span>Preset</span>")
        label.add_class("rlplay-quiet")
        head = ipw.Box([label, self.presets.widget, self.reset])
        head.add_class("rlplay-panel-head")

        model = get_agent_spec(desk.draft.config.algo).hyperparameters
        self.run = Form(desk, RunConfig, (), _RUN, title="Run")
        self.hyperparams = Form(desk, model, ("hyperparams",), title="Hyperparameters")
        self.forms = (self.run, self.hyperparams)

        self.mine = Dropdown(options=[], description="My configs", tooltip="Saved configs")
        self.load = ipw.Button(description="Load", tooltip="Take the chosen config into the forms")
        self.delete = ipw.Button(description="Delete", tooltip="Delete the chosen config")
        self.name = ipw.Text(placeholder="name", description="Save as", continuous_update=True)
        self.save = ipw.Button(description="Save", tooltip="Keep all that is set, in every tab")
        self.load.on_click(safely(lambda _: self.load_mine(self.mine.value)))
        self.delete.on_click(safely(lambda _: self.delete_mine(self.mine.value)))
        self.save.on_click(safely(lambda _: self.save_mine(self.name.value)))
        own = ipw.Box([self.mine, self.load, self.delete, self.name, self.save])
        own.add_class("rlplay-own")
        # Both change more than what a lesson shows.
        for box in (label, self.presets.widget, own):
            box.layout.display = None if desk.draft.offers_presets else "none"
        self.widget = ipw.VBox([head, *(form.widget for form in self.forms), own])
        self._list_mine()

    # What a person does: in the kernel's threads -------------------------------------------------

    def reset_all(self) -> None:
        """Put every option of this tab back to its default."""
        for form in self.forms:
            form.reset_all()

    def save_mine(self, name: str) -> None:
        """Keep the draft under a name; blanks in it become hyphens."""
        problems = self._desk.draft.problems
        if problems:
            raise ConfigError(
                "Not saved, since a value is not allowed: " + " ".join(problems.values())
            )
        key = "-".join(name.lower().split())
        if not key:
            raise ConfigError("Not saved: give the config a name first.")
        values = self._desk.draft.config.to_dict()
        del values["run_id"]
        self._desk.work(
            "saving the config",
            lambda: self._desk.storage.save_preset("config", key, values),
            lambda _: self._list_mine(key),
        )

    def load_mine(self, name: str | None) -> None:
        """Take a config of one's own into the draft."""
        if name is not None:
            self._desk.work(
                "loading the config",
                lambda: self._desk.storage.load_preset("config", name),
                lambda values: self._desk.adopt(self._desk.draft.config.replace(**values)),
            )

    def delete_mine(self, name: str | None) -> None:
        """Delete a config of one's own."""
        if name is not None:
            self._desk.work(
                "deleting the config",
                lambda: self._desk.storage.delete_preset("config", name),
                lambda _: self._list_mine(),
            )

    def _list_mine(self, saved: str = "") -> None:
        def note(names: list[str]) -> None:
            self._saved, self._mine = saved, tuple(names)

        self._desk.work(
            "listing the configs", lambda: self._desk.storage.list_presets("config"), note
        )

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show what the draft says of learning."""
        config = self._desk.draft.config
        self._follow(config)
        for form in self.forms:
            form.paint(frame)
        painted = (config, self._mine, self._specs)
        if painted != self._painted:
            self._painted = painted
            self.presets.show(self._presets, self._desk.draft.preset or "")
            if self.mine.options != self._mine:
                chosen = self._saved or self.mine.value
                first = next(iter(self._mine), None)
                self.mine.offer(self._mine, chosen if chosen in self._mine else first)
            none = not self._mine
            assign(self.mine, disabled=none)
            assign(self.load, disabled=none)
            assign(self.delete, disabled=none)
        return False

    def _follow(self, config: RunConfig) -> None:
        """Follow the algorithm and the environment that were chosen."""
        specs = get_agent_spec(config.algo), get_env_spec(config.env_name)
        if self._specs is not None and all(a is b for a, b in zip(specs, self._specs, strict=True)):
            return
        self._specs = specs
        self.hyperparams.describe(specs[0].hyperparameters)
        self._presets = [
            (name, describe_preset(config.algo, config.env_name, name))
            for name in list_presets(config.algo, config.env_name)
        ]

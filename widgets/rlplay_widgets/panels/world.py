"""The environment: its board, what is seen of it, and what its events pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import ipywidgets as ipw
import numpy as np
import traitlets as t

from rlplay.config import RunConfig
from rlplay.envs import ENV_REGISTRY, REWARD_REGISTRY, EnvSpec, get_env_spec, list_rewards
from rlplay.envs.formula import Formula
from rlplay.envs.own import BLOCKS, FUNCTION
from rlplay.envs.rewards import reward_variables
from rlplay.errors import FormulaError
from rlplay_widgets.blocks import BlocksForm
from rlplay_widgets.chips import Chips
from rlplay_widgets.desk import Desk
from rlplay_widgets.forms import Form
from rlplay_widgets.preview import Example, get_example
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import escape, message_html, number, script

__all__ = ["WorldPanel"]

SECTIONS = {
    "Board": "The environment and its board",
    "Observation": "What the agent is told in each step",
    "Rewards": "What each event pays",
}
#: Groups of options that say what is seen; all others are of the board.
_SEEN = ("numbers", "window")
#: So many single inputs of a block are named.
_NAMED = 400
#: How wide the window is for each reach, in cells.
_REACH = tuple((f"{2 * k + 1} \N{MULTIPLICATION SIGN} {2 * k + 1}", k) for k in range(1, 21))
_VISION = (("neighbours", 0), *_REACH, ("whole grid", -1))


class ListingWidget(anywidget.AnyWidget):
    """A table in the browser.

    Attributes:
        title: What a screen reader calls it.
        columns: The words above the columns.
        rows: For each row its key, its cells as words, and what a fold promises, if it has one.
        details: What stands behind folds that were opened, by key.
    """

    _esm = script("listing.js")

    title = t.Unicode().tag(sync=True)
    columns = t.List().tag(sync=True)
    rows = t.List().tag(sync=True)
    details = t.Dict().tag(sync=True)


class WorldPanel:
    """The environment and its options, the observation, and the rewards.

    Args:
        desk: Whose draft it edits.
    """

    title = "The world panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        safely = desk.scene.safely
        self._section = "Board"
        self._asked: list[str] = []  # the folds that somebody opened
        self._painted: tuple[Any, ...] | None = None
        self._spec: EnvSpec | None = None
        spec = get_env_spec(desk.draft.config.env_name)

        self.sections = Chips("Sections of this tab", self.choose, safely)
        self.reset = ipw.Button(
            description="All to default",
            icon="undo",
            tooltip="Board, observation and rewards as the algorithm has them by default",
        )
        self.reset.on_click(safely(lambda _: self.reset_all()))
        head = ipw.Box([self.sections.widget, self.reset])
        head.add_class("rlplay-panel-head")

        self._environments = _environments()
        self.environment = Form(
            desk, RunConfig, (), ["env_name"], choices=self._environments, title="Environment"
        )
        self.about = ipw.HTML()
        self.about.add_class("rlplay-about")
        self.board = Form(desk, spec.config_model, ("env_config",), (), title="Board")
        self.observation = Form(desk, spec.config_model, ("env_config",), (), title="Observation")
        self.blocks = BlocksForm(desk)
        self.size = ipw.HTML()
        self.size.add_class("rlplay-about")
        self.inputs = ListingWidget(
            title="What each input is", columns=["Block", "Inputs", "Meaning", "Range"]
        )
        self.inputs.on_msg(safely(self._unfold))
        self.rewards = Form(
            desk, spec.reward_model, ("reward_config",), (), rows=True, title="Rewards"
        )
        self._functions: list[tuple[str, str | None]] | None = None
        self.worth = ipw.HTML()
        self.worth.add_class("rlplay-about")
        self.variables = ListingWidget(
            title="Variables of formulas", columns=["Variable", "Meaning", "Example"]
        )
        self.forms = (self.board, self.observation, self.blocks, self.rewards)
        chooser = ipw.Box([self.environment.widget, self.about])
        chooser.add_class("rlplay-chooser")
        self._sections = {
            "Board": ipw.VBox([chooser, self.board.widget]),
            "Observation": ipw.VBox(
                [self.observation.widget, self.blocks.widget, self.size, self.inputs]
            ),
            "Rewards": ipw.VBox([self.rewards.widget, self.worth, self.variables]),
        }
        self._controls = {
            "Board": (self.environment, self.board),
            "Observation": (self.observation, self.blocks),
            "Rewards": (self.rewards,),
        }
        self.widget = ipw.VBox([head, *self._sections.values()])

    # What a person does: in the kernel's threads -------------------------------------------------

    def choose(self, section: str) -> None:
        """Bring a section to the front with the next frame."""
        self._section = section
        self._desk.wake()

    def reset_all(self) -> None:
        """Put every option of board, observation and rewards back to its default."""
        for form in self.forms:
            form.reset_all()

    def _unfold(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "unfold":
            self._asked = [*self._asked, str(content.get("key"))]

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show what the draft says of the environment, and what that makes of the example."""
        desk = self._desk
        config = desk.draft.config
        self._follow_registry(get_env_spec(config.env_name))
        example = get_example(desk)
        painted = (example, config, desk.draft.version, self._section, self._asked)
        if self._painted is None or any(
            a is not b for a, b in zip(painted, self._painted, strict=True)
        ):
            self._painted = painted
            self._show_section()
            self._show_example(example, config)
        self.environment.paint(frame)
        for form in self.forms:
            form.paint(frame)
        return False

    def _follow_registry(self, spec: EnvSpec) -> None:
        """Follow the environments that are registered, also a moment ago in a notebook's cell."""
        environments = _environments()
        if environments != self._environments:
            self._environments = environments
            self.environment.describe(RunConfig, ["env_name"], environments)
        self.blocks.follow(spec)
        functions = _functions(self._desk.draft.config)
        if functions != self._functions:
            self._functions = functions
            self._spec = None
        if spec is self._spec:
            return
        self._spec = spec
        seen = [name for name, group in _groups(spec) if group in _SEEN]
        rest = [name for name, group in _groups(spec) if group not in _SEEN and name != BLOCKS]
        choices = {"vision": _VISION} if spec.name == "snake" else {}
        self.board.describe(spec.config_model, rest)
        self.observation.describe(spec.config_model, seen, choices)
        # Without a function of somebody's own there is nothing to choose.
        only = [name for name in spec.reward_model.model_fields if functions or name != FUNCTION]
        self.rewards.describe(spec.reward_model, only, {FUNCTION: functions})
        self._painted = None

    def _show_section(self) -> None:
        shown = self._shown_sections()
        front = self._section if self._section in shown else next(iter(shown))
        self.sections.show(shown.items(), front)
        for name, box in self._sections.items():
            display = None if name == front else "none"
            if box.layout.display != display:
                box.layout.display = display

    def _shown_sections(self) -> dict[str, str]:
        """The sections, with their words; in a lesson, those that it shows an option of."""
        if self._desk.draft.is_shown():
            return SECTIONS
        some = [name for name, forms in self._controls.items() if any(f.options for f in forms)]
        return {name: SECTIONS[name] for name in some or SECTIONS}

    def _show_example(self, example: Example | None, config: RunConfig) -> None:
        spec = get_env_spec(config.env_name)
        about = f"<p>{escape(spec.description)}</p>"
        if example is not None and example.problem:
            words = f"No example of this environment can be shown: {example.problem}"
            about += message_html(words, example.details)
        assign(self.about, value=about)
        blocks = [] if example is None else example.blocks
        assign(self.size, value=_size_html(example, config, blocks))
        assign(self.inputs, rows=[_input_row(block) for block in blocks])
        labels = {block["name"]: _labels(block) for block in blocks if block["name"] in self._asked}
        assign(self.inputs, details=labels)
        self._show_rewards(example, config, spec)

    def _show_rewards(self, example: Example | None, config: RunConfig, spec: EnvSpec) -> None:
        meanings = reward_variables(spec.reward_model)
        values = {} if example is None else example.variables
        rows = [
            {"key": name, "cells": [name, meaning, _written(values.get(name))]}
            for name, meaning in meanings.items()
        ]
        assign(self.variables, rows=rows)
        display = None if rows else "none"
        if self.variables.layout.display != display:
            self.variables.layout.display = display
        assign(self.worth, value=_worth_html(bool(self.rewards.options), bool(rows)))
        known = values.keys() >= meanings.keys()
        self.rewards.notes = {
            name: _value_on_example(value, meanings, values)
            for name, value in config.reward_config.items()
            if isinstance(value, str) and known and name != FUNCTION
        }


def _environments() -> dict[str, Sequence[tuple[str, Any]]]:
    """The registered environments, as choices."""
    specs = list(ENV_REGISTRY.values())
    specs.sort(key=lambda spec: spec.title.lower())
    titles = [spec.title for spec in specs]
    words = [
        spec.title if titles.count(spec.title) == 1 else f"{spec.title} ({spec.name})"
        for spec in specs
    ]
    return {"env_name": [(word, spec.name) for word, spec in zip(words, specs, strict=True)]}


def _functions(config: RunConfig) -> list[tuple[str, str | None]]:
    """The reward functions to choose from, as choices; also one that is not registered here."""
    named = config.reward_config.get(FUNCTION)
    names = list_rewards(config.env_name)
    words: list[tuple[str, str | None]] = [
        (REWARD_REGISTRY[name].title, name) for name in names if name in REWARD_REGISTRY
    ]
    if named is not None and named not in names:
        words.append((f"{named} (not in this kernel)", named))
    return [("the environment's own", None), *words] if words else []


def _groups(spec: EnvSpec) -> list[tuple[str, str]]:
    """The options of an environment, each with its group."""
    return [
        (name, str(extra.get("group", "")) if isinstance(extra, dict) else "")
        for name, declared in spec.config_model.model_fields.items()
        for extra in [declared.json_schema_extra]
    ]


def _size_html(example: Example | None, config: RunConfig, blocks: list[Any]) -> str:
    """How many inputs the network gets."""
    if example is None:
        return '<p class="rlplay-quiet">The inputs are being counted …</p>'
    if example.problem:
        return '<p class="rlplay-quiet">The inputs are not known.</p>'
    parts = " + ".join(f"{block['size']} {escape(block['name'])}" for block in blocks)
    sum_of = f" = {parts}" if len(blocks) > 1 else ""
    stale = "" if example.env_config == config.env_config else " …"
    return f"<p><b>{number(example.num_inputs)} inputs</b>{sum_of}{stale}</p>"


def _input_row(block: dict[str, Any]) -> dict[str, Any]:
    first, size = block["start"], block["size"]
    places = str(first) if size == 1 else f"{first} to {first + size - 1}"
    span = f"{block['low']:g} to {block['high']:g}"
    more = "Name each input" if size > 1 else ""
    return {
        "key": block["name"],
        "cells": [block["name"], places, block["meaning"], span],
        "more": more,
    }


def _labels(block: dict[str, Any]) -> str:
    """Name the inputs of a block one by one."""
    first, names = block["start"], block["labels"]
    named = [f"{first + i}\u00a0{name}" for i, name in enumerate(names[:_NAMED])]
    left = len(names) - len(named)
    return " · ".join(named) + (f" · and {number(left)} more" if left > 0 else "")


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _worth_html(pays: bool, formulas: bool) -> str:
    if not pays:
        return "<p>This environment's rewards have no options.</p>"
    if not formulas:
        return ""
    return (
        "<p>A value is a number or a formula, such as "
        "<code>0.1 if distance_to_food &lt; previous_distance_to_food else -0.1</code>: "
        "numbers, these variables, <code>+ - * / **</code>, comparisons, <code>and or not</code>, "
        "<code>… if … else …</code>, <code>min max abs clip</code>.</p>"
    )


def _value_on_example(text: str, meanings: dict[str, str], values: dict[str, float]) -> str:
    """What a formula pays on the example board."""
    try:
        formula = Formula(text, meanings)
    except FormulaError:
        return ""
    there = {name: np.asarray(values[name], np.float64) for name in formula.variables}
    worth = float(formula(there))
    if np.isnan(worth):
        why = formula.explain(there).removeprefix(f"{formula.text!r} ")
        return f"pays 0 on the example board: it {why}"
    return f"= {worth:.4g} on the example board"

"""Declared options -> a form: every field's control with its range, unit, default and meaning.

The declaration of an option, a pydantic field, says all that its control needs: type and bounds,
and in ``json_schema_extra`` its unit, its group, and in words what "none" means. A form is one
widget however many fields it has. What a person enters goes to the draft, and from there, where it
can change live, to the session; the painter writes back what the draft says. A value that is not
allowed stays where it was typed, with the reason.
"""

from __future__ import annotations

import enum
import json
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import anywidget
import traitlets as t
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig, get_default_config
from rlplay.envs import get_env_spec
from rlplay.envs.own import FUNCTION
from rlplay.envs.rewards import NumberOrFormula
from rlplay_widgets.desk import Desk
from rlplay_widgets.draft import look_up
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.theme import script

__all__ = ["Bounds", "Form", "Option", "options_of"]

#: A slider is logarithmic from so many times its lowest value, or its default, on.
_LOGARITHMIC = 50
#: Decades of the widest slider; what reaches further is typed.
_MOST_DECADES = 7
#: Whole numbers are written in groups of three digits from here on.
_GROUPED = 10_000
_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True)
class Option:
    """What the control of one option needs to know.

    Attributes:
        name: The option, as declared.
        label: What a person reads.
        about: Its meaning, in a sentence.
        group: The heading that it stands under; empty without one.
        kind: "switch", "choice", "number", "formula", "text", or "json" for any other value.
        whole: Whether a number is whole.
        none: What None means in words; empty where None is not allowed.
        range: What is allowed, with the unit, for people: "4 to 64 cells".
        choices: Words and value of each choice.
        scale: How a slider's positions stand for values; None where the number is only typed.
    """

    name: str
    label: str
    about: str
    group: str = ""
    kind: str = "text"
    whole: bool = False
    none: str = ""
    range: str = ""
    choices: tuple[tuple[str, Any], ...] = ()
    scale: dict[str, Any] | None = None

    def read(self, entered: Any) -> Any:
        """Turn what a control sends into a value; text that cannot be one stays as it is."""
        if not isinstance(entered, str) or self.kind in ("text", "choice", "switch"):
            return entered
        if self.kind == "json":
            try:
                return json.loads(entered)
            except ValueError:
                return entered
        number = _number(entered)
        if number is None:
            return entered
        return int(number) if self.whole and float(number).is_integer() else number

    def write(self, value: Any) -> str:
        """Write a value as a person would type it; `read` gives it back."""
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return json.dumps(value, default=str)
        if isinstance(value, int):
            grouped = f"{value:,}".replace(",", _NARROW_SPACE)
            return grouped if abs(value) >= _GROUPED else str(value)
        return repr(value + 0.0).removesuffix(".0").replace("e-0", "e-").replace("e+", "e")

    def say(self, value: Any) -> str:
        """Name a value for people."""
        if value is None:
            return self.none
        for words, choice in self.choices:
            if choice == value:
                return words
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.write(value)


def _number(text: str) -> float | None:
    """Read a number as a person writes it, also 60 000 000 and 6e7; None where it is none."""
    plain = "".join(text.split()).replace("_", "")
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def options_of(
    model: type[BaseModel],
    only: Sequence[str] | None = None,
    choices: Mapping[str, Sequence[tuple[str, Any]]] | None = None,
) -> list[Option]:
    """Read the declarations of a model.

    Args:
        model: The model.
        only: The options to read, in their order; without it, all.
        choices: For some options, words and value of each choice, in place of the control that
            the declaration alone would get.

    Returns:
        What the control of each option needs to know.
    """
    names = model.model_fields if only is None else only
    given = choices or {}
    return [_option(name, model.model_fields[name], given.get(name)) for name in names]


def _option(name: str, declared: FieldInfo, choices: Sequence[tuple[str, Any]] | None) -> Option:
    extra = declared.json_schema_extra if isinstance(declared.json_schema_extra, dict) else {}
    kinds, nullable = _types(declared.annotation)
    unit = str(extra.get("unit", ""))
    option: dict[str, Any] = {
        "name": name,
        "label": declared.title or name.replace("_", " ").capitalize(),
        "about": declared.description or "",
        "group": str(extra.get("group", "")),
        "none": str(extra.get("none", "none")) if nullable else "",
    }
    formula = next((d for d in declared.metadata if isinstance(d, NumberOrFormula)), None)
    if choices is not None:
        return Option(**option, kind="choice", choices=tuple(choices))
    if formula is not None:
        about = f"a number from {formula.ge:g} to {formula.le:g}, or a formula"
        return Option(**option, kind="formula", range=about)
    if kinds == {bool}:
        return Option(**option, kind="switch")
    values = _values(declared.annotation)
    if values:
        words = tuple((str(value), value) for value in values)
        return Option(**option, kind="choice", choices=words)
    if kinds and kinds <= {int, float}:
        whole = kinds == {int}
        bounds = Bounds.of(declared, whole)
        scale = None if nullable else bounds.scale(declared.default, whole)
        return Option(**option, kind="number", whole=whole, range=bounds.say(unit), scale=scale)
    return Option(**option, kind="text" if kinds == {str} else "json", range=unit)


def _types(annotation: Any) -> tuple[set[Any], bool]:
    """Give the types that a declaration allows, and whether None is one of them."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    kinds = set(parts) if parts else {annotation}
    return kinds - {types.NoneType}, types.NoneType in kinds


def _values(annotation: Any) -> list[Any]:
    """List the values of a declaration that names them all."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [member.value for member in annotation]
    return []


@dataclass(frozen=True)
class Bounds:
    """The range that a declaration allows.

    Attributes:
        low: The lowest value; None where there is none.
        high: The highest value; None where there is none.
        above: Whether `low` itself is not allowed.
        below: Whether `high` itself is not allowed.
    """

    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False

    @classmethod
    def of(cls, declared: FieldInfo, whole: bool) -> Bounds:
        """Read the range off a field; of whole numbers, the ones next to what is not allowed."""
        found = {
            name: value
            for constraint in declared.metadata
            for name in ("ge", "gt", "le", "lt")
            if (value := getattr(constraint, name, None)) is not None
        }
        if whole:
            low = found["gt"] + 1 if "gt" in found else found.get("ge")
            high = found["lt"] - 1 if "lt" in found else found.get("le")
            return cls(low, high)
        low, high = found.get("gt", found.get("ge")), found.get("lt", found.get("le"))
        return cls(low, high, "gt" in found, "lt" in found)

    def say(self, unit: str) -> str:
        """Say what is allowed."""
        low, high = _short(self.low), _short(self.high)
        if self.low is None and self.high is None:
            return unit
        if self.high is None:
            words = f"> {low}" if self.above else f"{low} or more"
        elif self.low is None:
            words = f"< {high}" if self.below else f"up to {high}"
        else:
            words = f"{'> ' if self.above else ''}{low} to {'< ' if self.below else ''}{high}"
        return f"{words} {unit}".rstrip()

    def scale(self, default: Any, whole: bool) -> dict[str, Any] | None:
        """Choose the slider: linear, logarithmic where the range spans decades, or none."""
        low, high = self.low, self.high
        if low is None or high is None or self.below:
            return None
        if low < 0:
            return _linear(low, high, whole) if high - low <= 1000 else None
        usual = float(default) if isinstance(default, int | float) and default > low else high
        start = low
        if low == 0 and not whole:
            # From a thousandth of what is usual on; 0 itself has a place before.
            start = 10.0 ** math.floor(math.log10(usual / 1000))
        if high < _LOGARITHMIC * (low if whole and low else usual) or (whole and not low):
            if whole and high - low > 1000:
                return None
            return _linear(low, high, whole, above=self.above)
        if start <= 0 or math.log10(high / start) > _MOST_DECADES:
            return None
        zero = low == 0 and not self.above and not whole
        return {"kind": "log", "low": start, "high": high, "zero": zero, "whole": whole}


def _linear(low: float, high: float, whole: bool, above: bool = False) -> dict[str, Any]:
    step = 1 if whole else 10.0 ** math.floor(math.log10((high - low) / 100))
    return {
        "kind": "linear",
        "low": low + step if above else low,
        "high": high,
        "step": step,
        "whole": whole,
    }


def _short(number: float | None) -> str:
    """Write a bound: 64, 1 000 000, 10⁹."""
    if number is None:
        return ""
    power = round(math.log10(number)) if number > 0 else 0
    if power > 5 and number == 10**power:
        return "10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    if number == int(number):
        power = round(math.log2(number)) if number > 0 else 0
        if power > 32 and number in (2**power, 2**power - 1):
            return "2" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{int(number):,}".replace(",", _NARROW_SPACE)
    return f"{number:g}"


class FormWidget(anywidget.AnyWidget):
    """The form in the browser.

    Attributes:
        fields: What each control is, and does not change with its value.
        now: By option what its control shows; and "heard", the last entry that was dealt with.
        rows: Whether each option has a row of its own.
        title: What a screen reader calls the form.
    """

    _esm = script("form.js")

    fields = t.List().tag(sync=True)
    now = t.Dict().tag(sync=True)
    rows = t.Bool(False).tag(sync=True)
    title = t.Unicode("").tag(sync=True)


class Form:
    """A form over the options of one pydantic model, at one place of the draft.

    Attributes:
        widget: The form.
        options: What its controls are.
        notes: What stands beside a control, by option: the painter's to change.

    Args:
        desk: Whose draft it edits.
        model: The model that declares the options.
        place: Where they stand in the config: ("hyperparams",), or () for the config's own.
        only: The options of the form, in their order; without it, all.
        choices: For some options, words and value of each choice; see `options_of`.
        rows: Give each option a row of its own, for long texts.
        title: What a screen reader calls the form.
    """

    def __init__(
        self,
        desk: Desk,
        model: type[BaseModel],
        place: tuple[str | int, ...] = (),
        only: Sequence[str] | None = None,
        *,
        choices: Mapping[str, Sequence[tuple[str, Any]]] | None = None,
        rows: bool = False,
        title: str = "",
    ) -> None:
        self._desk = desk
        self.place = place
        self.notes: dict[str, str] = {}
        self._heard = 0.0
        self._painted: tuple[Any, ...] | None = None
        self._standard: tuple[Any, Any, dict[str, Any]] | None = None
        self.widget = FormWidget(rows=rows, title=title)
        self.widget.add_class("rlplay-form-widget")
        self.describe(model, only, choices)
        self.widget.on_msg(desk.scene.safely(self._receive))

    def describe(
        self,
        model: type[BaseModel],
        only: Sequence[str] | None = None,
        choices: Mapping[str, Sequence[tuple[str, Any]]] | None = None,
    ) -> None:
        """Make it a form over another model, or with other choices; the painter's alone."""
        self.model = model
        self._show(options_of(model, only, choices))

    def _show(self, options: Sequence[Option]) -> None:
        """Make it a form with those of these controls that a lesson shows; the painter's alone."""
        shown = self._desk.draft.is_shown
        self.options = {
            option.name: option for option in options if shown(*self.place, option.name)
        }
        live = self._live_names()
        fields = [_described(option, option.name in live) for option in self.options.values()]
        assign(self.widget, fields=fields)
        assign(self.widget.layout, display=None if fields else "none")
        self._painted = None

    # What a person does: in the kernel's threads -------------------------------------------------

    def enter(self, name: str, entered: Any) -> bool:
        """Enter something into a control, as a person does.

        Args:
            name: The option.
            entered: A value, or a number as text.

        Returns:
            Whether it is allowed; the draft says why not.
        """
        return self._put(name, self.options[name].read(entered))

    def reset(self, name: str) -> None:
        """Put an option back to its default."""
        self._put(name, self.default(name))

    def reset_all(self) -> None:
        """Put every option of the form back to its default."""
        for name in self.options:
            place = (*self.place, name)
            if self._desk.draft.is_locked(*place):
                continue
            if self._value(name) != self.default(name):
                self.reset(name)

    def default(self, name: str) -> Any:
        """Give what the default config of the draft's algorithm and environment has there."""
        config = self._desk.draft.config
        agent, env = get_agent_spec(config.algo), get_env_spec(config.env_name)
        known = self._standard
        if known is None or known[0] is not agent or known[1] is not env:
            standard = get_default_config(config.algo, config.env_name).to_dict()
            self._standard = known = agent, env, standard
        return self._standing(known[2], name)

    def _standing(self, values: dict[str, Any], name: str) -> Any:
        """Give what a whole config says of an option."""
        return look_up(values, (*self.place, name))

    def _value(self, name: str) -> Any:
        """Give what the draft says of an option, also where it is not allowed."""
        return self._desk.draft.get(*self.place, name)

    def _put(self, name: str, value: Any) -> bool:
        """Tell the draft; gives whether the value is allowed."""
        return self._desk.set(*self.place, name, value)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        name, kind = content.get("name"), content.get("kind")
        # The draft may have turned to another algorithm or environment since.
        try:
            if name in self.options and self._is_there(str(name)):
                if kind == "set":
                    self.enter(name, content.get("value"))
                elif kind == "reset":
                    self.reset(name)
        finally:
            self._heard = max(self._heard, float(content.get("at", 0)))

    def _is_there(self, name: str) -> bool:
        return name in look_up(self._desk.draft.config.to_dict(), self.place)

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Write what the draft says into the controls."""
        draft = self._desk.draft
        session = frame.session
        running = session.config if session and frame.snapshot.state in LIVE else None
        seen = (draft.version, running, dict(self.notes), self._heard)
        if seen == self._painted:
            return False
        self._painted = seen
        problems = draft.problems
        now: dict[str, Any] = {}
        for name, option in self.options.items():
            value = self._value(name)
            default = self.default(name)
            problem = problems.get((*self.place, name), "")
            now[name] = {
                "value": value if _travels(value) else None,
                "text": option.write(value),
                "reason": _reason(problem, option, value),
                "note": "" if problem else self.notes.get(name, ""),
                "default": option.say(default) if value != default else "",
                "locked": draft.is_locked(*self.place, name),
                "later": "" if running is None or problem else self._later(name, value, running),
            }
        assign(self.widget, now={"heard": self._heard, "options": now})
        return False

    def _live_names(self) -> list[str]:
        """Name the options that can change while a session of the draft's kind runs."""
        if self.place == ("reward_config",):
            return [name for name in self.options if name != FUNCTION]
        if self.place == ("hyperparams",):
            return get_agent_spec(self._desk.draft.config.algo).hyperparameters.live_names()
        return []

    def _running_value(self, running: RunConfig, name: str) -> Any:
        return look_up(running.model_dump(mode="json"), self.place).get(name)

    def _later(self, name: str, value: Any, running: RunConfig) -> str:
        """Say when a value counts: "" at once, "later" or, where it is another, "changed"."""
        draft = self._desk.draft.config
        part = "env_name" if self.place == ("reward_config",) else "algo"
        live = name in self._live_names() and getattr(running, part) == getattr(draft, part)
        there = self._running_value(running, name)
        if there != value:
            return "changed"
        return "" if live else "later"


def _travels(value: Any) -> bool:
    """Whether a value can be sent to the browser as it is."""
    return isinstance(value, bool | int | str) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _described(option: Option, live: bool) -> dict[str, Any]:
    """What the browser needs of an option."""
    about = f"{option.name}: {option.about}" if option.about else option.name
    return {
        "name": option.name,
        "label": option.label,
        "about": f"{about} ({option.range})" if option.range else about,
        "meaning": option.about,
        "group": option.group,
        "kind": option.kind,
        "none": option.none,
        "range": option.range if option.kind != "formula" else "",
        "choices": [list(choice) for choice in option.choices],
        "scale": option.scale,
        "live": live,
    }


def _reason(problem: str, option: Option, value: Any) -> str:
    """A problem's words where it is plain whose problem it is."""
    whose, colon, reason = problem.partition(": ")
    if option.kind == "number" and option.range and reason.startswith(f"{option.name} = "):
        what = "Not allowed" if isinstance(value, int | float) else "Not a number"
        return f"{what}. Allowed: {option.range}."
    known = ("Algorithm ", "Environment ", "Reward ", "Rewards of ", "A run's config", "Network")
    short = reason if colon and whose.startswith(known) else problem
    return short[:1].upper() + short[1:]

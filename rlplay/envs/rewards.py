"""From what happened to what it pays.

The rules report events, one bit each, and know nothing of their worth. What a step pays is a table
with a number for each combination of events, so that paying is one look-up and the numbers can
change between two steps. An event whose value is a formula is worth 0 in the table, and is paid on
top.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from rlplay.envs.formula import MAX_CHARACTERS, Formula
from rlplay.errors import ContractError, FormulaError, nearest

__all__ = ["HUNGER_VALUE", "EventRewards", "NumberOrFormula", "event_values", "reward_variables"]

#: At most this many events, so that a combination of them is a byte.
MAX_EVENTS: Final = 8
#: Where the table says what a step pays for each step without an apple.
HUNGER_VALUE: Final = 1 << MAX_EVENTS


class NumberOrFormula:
    """Declares that the value of an event is a number or a formula.

    It annotates a field of a reward model::

        VARIABLES = {"speed": "cells moved in this step"}
        crash: Annotated[float | str, NumberOrFormula(VARIABLES)] = Field(-1.0, description=...)

    A text that is a plain number becomes one; any other is kept once it has proved to be a formula.

    Args:
        variables: What a formula may use: names, and the meaning of each.
        ge: The lowest number.
        le: The highest number; a formula's result knows neither of the two.
    """

    def __init__(
        self, variables: Mapping[str, str], *, ge: float = -1000, le: float = 1000
    ) -> None:
        self.variables = dict(variables)
        self.ge = ge
        self.le = le

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        event = handler.field_name

        def read(value: Any, read_number: ValidatorFunctionWrapHandler) -> Any:
            if not isinstance(value, str) or _is_number(value):
                return read_number(value)
            try:
                return Formula(value, self.variables).text
            except FormulaError as error:
                raise FormulaError(f"Reward {event!r}: {error}") from None

        return core_schema.no_info_wrap_validator_function(
            read,
            core_schema.float_schema(ge=self.ge, le=self.le, allow_inf_nan=False),
            serialization=core_schema.simple_ser_schema("any"),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        number = handler(schema)
        return {**number, "type": ["number", "string"], "maxLength": MAX_CHARACTERS}


def _is_number(text: str) -> bool:
    """Tell whether a text is a plain number, in ASCII and not too long for a formula."""
    try:
        float(text[: MAX_CHARACTERS + 1])
    except ValueError:
        return False
    return text.isascii() and len(text) <= MAX_CHARACTERS


def reward_variables(rewards: type[BaseModel]) -> dict[str, str]:
    """Name what the formulas of a reward model may use, with the meaning of each.

    Args:
        rewards: The reward model.

    Returns:
        The meanings by name; empty where every value is a number.
    """
    variables: dict[str, str] = {}
    for field in rewards.model_fields.values():
        for declaration in field.metadata:
            if isinstance(declaration, NumberOrFormula):
                variables |= declaration.variables
    return variables


def event_values(event_names: Sequence[str], rewards: BaseModel) -> NDArray[np.float64]:
    """Add up every combination of events once.

    Args:
        event_names: The events in the order of their bits, at most eight.
        rewards: Has a field for each event; `step` is paid in every step; where
            `step_times_hunger` is true, a step pays `step` times hunger + 1, with the hunger after
            the step. A formula counts as 0.

    Returns:
        (257,) the reward of each combination of events; then, what to add for each unit of hunger.
    """

    def number(name: str, *default: float) -> float:
        value = getattr(rewards, name, *default)
        return 0.0 if isinstance(value, str) else float(value)

    step = number("step", 0.0)
    worth = [number(name) for name in event_names]
    if len(worth) > MAX_EVENTS:
        raise ValueError(f"{len(worth)} events; at most {MAX_EVENTS} fit into a byte")
    values = np.zeros(HUNGER_VALUE + 1)
    for happened in range(1 << len(worth)):
        values[happened] = step + sum(
            value for bit, value in enumerate(worth) if happened >> bit & 1
        )
    values[HUNGER_VALUE] = step if getattr(rewards, "step_times_hunger", False) else 0.0
    return values


class EventRewards:
    """What the events of one environment pay, numbers and formulas.

    Args:
        event_names: The events in the order of their bits, at most eight.
        rewards: See `event_values`.

    Attributes:
        numbers: (257,) what `event_values` gives.
    """

    def __init__(self, event_names: Sequence[str], rewards: BaseModel) -> None:
        self.numbers = event_values(event_names, rewards)
        known = reward_variables(type(rewards))
        self._bits = {name: 1 << bit for bit, name in enumerate(event_names)}
        #: Name; the event's bit, None for a step; formula.
        self._formulas = [
            (name, self._bits.get(name), Formula(value, known))
            for name in ("step", *event_names)
            if isinstance(value := getattr(rewards, name, None), str)
        ]
        self._step_times_hunger = bool(getattr(rewards, "step_times_hunger", False))
        used = {name: None for _, _, formula in self._formulas for name in formula.variables}
        if self._step_times_hunger:
            used["hunger"] = None
        self._used = tuple(used)
        self._problem: str | None = None

    @property
    def has_formulas(self) -> bool:
        """Whether the table of numbers leaves anything to pay."""
        return bool(self._formulas)

    def add_formulas(
        self,
        paid: NDArray[np.floating[Any]],
        events: NDArray[np.uint8],
        variables: Mapping[str, ArrayLike],
    ) -> None:
        """Pay the events whose value is a formula, on top of the numbers.

        Where a formula has no value, its event pays 0 and `take_problem` tells why.

        Args:
            paid: (N,) what the boards were paid so far, changed in place.
            events: (N,) what happened, one bit each.
            variables: Each of `reward_variables` after the step: (N,), or one number for all.
        """
        values = {name: np.asarray(variables[name], np.float64) for name in self._used}
        for name, bit, formula in self._formulas:
            happened = np.ones_like(events, np.bool_) if bit is None else (events & bit) != 0
            if not happened.any():
                continue
            worth = formula(values)
            if bit is None and self._step_times_hunger:
                worth = worth * (values["hunger"] + 1.0)
            failed = happened & np.isnan(worth)
            if failed.any():
                happened &= ~failed
                self._note(name, formula, values, int(failed.argmax()))
            paid += np.where(happened, worth, 0.0)

    def pay(self, events: Iterable[str], variables: Mapping[str, float]) -> float:
        """Add up what a step pays on one board.

        Args:
            events: What happened, by name.
            variables: See `add_formulas`.

        Returns:
            The reward.

        Raises:
            ContractError: For an event that does not exist, or a variable that is not given.
        """
        happened = 0
        for event in events:
            if event not in self._bits:
                raise ContractError(
                    f"There is no event {event!r}.{nearest(event, self._bits)} "
                    f"Events: {', '.join(self._bits) or 'none'}."
                )
            happened |= self._bits[event]
        missing = [name for name in self._used if name not in variables]
        if missing:
            raise ContractError(
                f"The rewards depend on {', '.join(missing)}, which was not given. Pass each "
                "variable that the reward model declares."
            )
        paid = self.numbers[[happened]]
        if self._step_times_hunger:
            paid += self.numbers[HUNGER_VALUE] * variables["hunger"]
        self.add_formulas(paid, np.array([happened], np.uint8), variables)
        return float(paid[0])

    def _note(
        self, name: str, formula: Formula, values: Mapping[str, NDArray[np.float64]], board: int
    ) -> None:
        """Keep the first problem until somebody takes it."""
        if self._problem is None:
            there = {
                variable: numbers[board] if numbers.ndim else numbers
                for variable, numbers in values.items()
            }
            self._problem = f"Reward {name!r}: {formula.explain(there)}, and so paid 0 there."

    def take_problem(self) -> str | None:
        """Give the first problem since this was last called, in one sentence, and forget it."""
        problem, self._problem = self._problem, None
        return problem

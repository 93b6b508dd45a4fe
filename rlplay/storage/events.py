"""Events: what a person changed while a run trained, one line of ``events.jsonl`` each."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import ConfigError

__all__ = ["Event", "is_change", "read_event"]


class Event(BaseModel):
    """A line of ``events.jsonl``.

    Attributes:
        step: Environment steps of the run when it took effect.
        item: Moves and updates of the run when it took effect.
        field: What it concerns, as in "hyperparams.learning_rate", "state" or "resume".
        old: Its value before.
        new: Its value from then on.
        elapsed: Seconds of training by then; None in older files.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    step: int = Field(ge=0)
    item: int = Field(ge=0)
    field: str
    old: Any
    new: Any
    elapsed: float | None = None


def is_change(field: str) -> bool:
    """Whether the field of an event names something that was changed live."""
    return field.startswith(("hyperparams.", "rewards.", "speed."))


def read_event(record: Any, config: RunConfig) -> Event:
    """Read a line that may be anything.

    Args:
        record: What JSON gave.
        config: The config of the run that it belongs to.

    Returns:
        The event; a change in it could have been made while the run trained.

    Raises:
        ConfigError: For anything else.
    """
    if not isinstance(record, dict):
        raise ConfigError(f"a line must be a JSON object, not {type(record).__name__}")
    event = validated(Event, record, "a line")
    part, _, option = event.field.partition(".")
    if part == "hyperparams":
        model = get_agent_spec(config.algo).hyperparameters
        model.check_live(config.algo, {option: event.new})
        validated(model, {**config.hyperparams, option: event.new}, "a change")
    elif part == "rewards":
        rewards = get_env_spec(config.env_name).reward_model
        validated(rewards, {**config.reward_config, option: event.new}, "a change")
    elif part == "speed" and not (
        event.new is None or (isinstance(event.new, int | float) and 0 < event.new <= 1e6)
    ):
        raise ConfigError(f"a pace of {event.new!r} moves a second")
    return event

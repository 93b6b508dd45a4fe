"""Events: what a person changed while a run trained, one line of ``events.jsonl`` each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import ConfigError

__all__ = ["ChangeChecker", "Event", "is_change", "read_event", "with_changes"]


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


def read_event(record: Any) -> Event:
    """Read a line that may be anything.

    Args:
        record: What JSON gave.

    Returns:
        The event; whether it could have happened in a run, `ChangeChecker` says.

    Raises:
        ConfigError: For anything else.
    """
    if not isinstance(record, dict):
        raise ConfigError(f"a line must be a JSON object, not {type(record).__name__}")
    return validated(Event, record, "a line")


def with_changes(config: RunConfig, events: Iterable[Mapping[str, Any]]) -> RunConfig:
    """Give a config as it is after what a person changed live.

    Args:
        config: The config that the run began with.
        events: Lines of ``events.jsonl``.

    Raises:
        ConfigError: For a change that cannot be made.
    """
    parts = {"hyperparams": dict(config.hyperparams), "rewards": dict(config.reward_config)}
    for event in events:
        part, _, option = str(event.get("field")).partition(".")
        if option in parts.get(part, ()):
            parts[part][option] = event.get("new")
    return config.replace(hyperparams=parts["hyperparams"], reward_config=parts["rewards"])


class ChangeChecker:
    """Makes the changes of a run in their order, to see whether they can be made.

    What was changed at one moment is looked at together, since options may depend on each other.

    Args:
        config: The config that the run began with.
    """

    def __init__(self, config: RunConfig) -> None:
        self._models = {
            "hyperparams": get_agent_spec(config.algo).hyperparameters,
            "rewards": get_env_spec(config.env_name).reward_model,
        }
        self._values = {
            "hyperparams": dict(config.hyperparams),
            "rewards": dict(config.reward_config),
        }
        self._changed: set[str] = set()
        self._item = 0

    def take(self, event: Event) -> None:
        """Make a change; an event that is none changes nothing.

        Raises:
            ConfigError: For a change that cannot be made, or for those of the moment before.
        """
        if event.item != self._item:
            self.finish()
            self._item = event.item
        part, _, option = event.field.partition(".")
        if part in self._values:
            self._values[part][option] = event.new
            self._changed.add(part)
        elif part == "speed" and not (
            event.new is None or (isinstance(event.new, int | float) and 0 < event.new <= 1e6)
        ):
            raise ConfigError(f"a pace of {event.new!r} moves a second")

    def finish(self) -> None:
        """Look at the changes of the last moment.

        Raises:
            ConfigError: When they cannot be made.
        """
        changed, self._changed = self._changed, set()
        for part in changed:
            validated(self._models[part], self._values[part], "a change")

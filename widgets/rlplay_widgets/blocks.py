"""Switches for the observation blocks that somebody registered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from rlplay.config import RunConfig
from rlplay.envs import OBSERVATION_REGISTRY, EnvSpec, list_observations
from rlplay.envs.own import BLOCKS, ObservationSpec
from rlplay_widgets.desk import Desk
from rlplay_widgets.forms import Form, Option

__all__ = ["BlocksForm"]

_PLACE = ("env_config", BLOCKS)
#: The heading above the switches.
_GROUP = "your own"


class _Nothing(BaseModel):
    """No block is registered."""


class BlocksForm(Form):
    """One switch for each observation block that the draft's environment can show.

    A config lists the names of the blocks that are on; here each is on or off.

    Args:
        desk: Whose draft it edits.
    """

    def __init__(self, desk: Desk) -> None:
        self._known: dict[str, ObservationSpec | None] = {}
        super().__init__(desk, _Nothing, _PLACE, title="Own observation blocks")

    def follow(self, spec: EnvSpec) -> None:
        """Follow the blocks that are registered; the painter's alone.

        Args:
            spec: The draft's environment.
        """
        known: dict[str, ObservationSpec | None] = {}
        if spec.allows_blocks:
            on = self._desk.draft.config.env_config.get(BLOCKS, ())
            names = [*list_observations(spec.name), *on]
            known = {name: OBSERVATION_REGISTRY.get(name) for name in names}
        if known == self._known:
            return
        self._known = known
        self._show([_option(name, block) for name, block in known.items()])

    def _value(self, name: str) -> Any:
        return name in self._desk.draft.config.env_config.get(BLOCKS, ())

    def _put(self, name: str, value: Any) -> bool:
        on = list(self._desk.draft.config.env_config.get(BLOCKS, ()))
        if value and name not in on:
            on.append(name)
        elif not value and name in on:
            on.remove(name)
        return self._desk.set(*self.place, on)

    def _standing(self, values: dict[str, Any], name: str) -> Any:
        return name in values["env_config"].get(BLOCKS, ())

    def _running_value(self, running: RunConfig, name: str) -> Any:
        return name in running.env_config.get(BLOCKS, ())

    def _is_there(self, name: str) -> bool:
        return name in self.options


def _option(name: str, block: ObservationSpec | None) -> Option:
    if block is None:
        return Option(name, f"{name} (not in this kernel)", "", _GROUP, "switch")
    size = "1 number" if block.size == 1 else f"{block.size} numbers"
    about = f"{block.meaning.rstrip('.')}; {size}" if block.meaning else size
    return Option(name, block.title, about, _GROUP, "switch")

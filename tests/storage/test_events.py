"""Events: what a run may have lived through, and what it cannot have."""

from __future__ import annotations

from typing import Any, Self

import pytest
from pydantic import Field, model_validator

import rlplay
from rlplay.agents import AGENT_REGISTRY
from rlplay.agents.base import Hyperparameters
from rlplay.agents.dqn import DQN
from rlplay.errors import ConfigError
from rlplay.storage.events import ChangeChecker, is_change, read_event


class Band(Hyperparameters):
    """Two options of which one must be the smaller."""

    low: int = Field(0, json_schema_extra={"live": True})
    high: int = Field(1, json_schema_extra={"live": True})

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


@pytest.fixture
def config():
    class Banded(DQN):
        Hyperparameters = Band

    before = dict(AGENT_REGISTRY)
    rlplay.register_agent("banded")(Banded)
    yield rlplay.get_default_config("banded")
    AGENT_REGISTRY.clear()
    AGENT_REGISTRY.update(before)


def event(item: int, option: str, new: Any) -> dict[str, Any]:
    return {"step": item, "item": item, "field": f"hyperparams.{option}", "old": 0, "new": new}


def check(config: rlplay.RunConfig, *events: dict[str, Any]) -> None:
    checker = ChangeChecker(config)
    for each in events:
        checker.take(read_event(each))
    checker.finish()


def test_options_that_depend_on_each_other_are_looked_at_in_their_order(config):
    check(config, event(3, "high", 5), event(7, "low", 2))
    check(config, event(3, "low", 8), event(3, "high", 9))  # both at one moment
    with pytest.raises(ConfigError, match="low must be below high"):
        check(config, event(3, "low", 8), event(4, "high", 9))
    with pytest.raises(ConfigError, match="low must be below high"):
        check(config, event(3, "low", 8))


def test_what_is_a_change():
    assert is_change("rewards.apple")
    assert is_change("speed.moves_per_second")
    assert not is_change("state")
    assert not is_change("resume")

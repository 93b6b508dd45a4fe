"""Events: what a run may have lived through, and what it cannot have."""

from __future__ import annotations

import json
from typing import Any, Self

import pytest
from pydantic import Field, model_validator

import rlplay
from rlplay.agents import AGENT_REGISTRY
from rlplay.agents.base import Hyperparameters
from rlplay.agents.dqn import DQN
from rlplay.errors import ConfigError
from rlplay.storage.events import ChangeChecker, is_change, read_event, with_changes


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


def test_a_config_after_its_changes(config):
    changes = [
        {"field": "hyperparams.high", "old": 1, "new": 9},
        {"field": "state", "old": "running", "new": "paused"},
        {"field": "hyperparams.low", "old": 0, "new": 5},
        {"field": "rewards.apple", "old": 1.0, "new": "score + 1"},
        {"field": "rewards.gone", "old": 1.0, "new": 2.0},
    ]
    present = with_changes(config, changes)
    assert present.hyperparams == {"low": 5, "high": 9}
    assert present.reward_config == {**config.reward_config, "apple": "score + 1"}
    with pytest.raises(ConfigError, match="low must be below high"):
        with_changes(config, [{"field": "hyperparams.low", "new": 5}])


def test_changes_that_are_not_allowed_any_more_leave_the_config(config, tmp_path):
    storage = rlplay.StorageManager(tmp_path / "models")
    run_id = storage.create_run(config)
    event = {"step": 1, "item": 1, "field": "hyperparams.high", "old": 1, "new": 9}
    events = storage.get_run_path("snake", run_id) / "events.jsonl"
    events.write_text(json.dumps(event) + "\n")
    assert storage.load_present_config("snake", run_id).hyperparams == {"low": 0, "high": 9}
    with events.open("a") as file:
        file.write(json.dumps({**event, "field": "hyperparams.low", "new": 50}) + "\n")
    present = storage.load_present_config("snake", run_id)
    assert present == storage.load_config("snake", run_id)


def test_what_is_a_change():
    assert is_change("rewards.apple")
    assert is_change("speed.moves_per_second")
    assert not is_change("state")
    assert not is_change("resume")

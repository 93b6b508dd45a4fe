from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rlplay
from rlplay.training.session import TrainingSession

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests


@pytest.fixture
def storage(tmp_path) -> rlplay.StorageManager:
    return rlplay.StorageManager(tmp_path / "models")


@pytest.fixture
def make_config():
    def make(algo: str = "ppo", **changes: Any) -> rlplay.RunConfig:
        hyperparams = {
            "ppo": {"num_steps": 8, "num_minibatches": 2, "num_epochs": 2},
            "dqn": {"batch_size": 32, "learning_starts": 64, "replay_capacity": 2_000},
        }[algo]
        values = {
            "algo": algo,
            "num_envs": 8,
            "num_threads": 1,
            "total_steps": 4_000,
            "env_config": {"grid_size": 5, "vision": 1},
            "network_config": {"layers": [{"units": 16}]},
            **changes,
        }
        values["hyperparams"] = {**hyperparams, **values.get("hyperparams", {})}
        return rlplay.RunConfig.from_dict(values)

    return make


@pytest.fixture
def make_session(storage, make_config) -> Iterator[Any]:
    made: list[TrainingSession] = []

    def make(algo: str = "ppo", **changes: Any) -> TrainingSession:
        made.append(TrainingSession(make_config(algo, **changes), storage))
        return made[-1]

    yield make
    for session in made:
        if session.state in ("running", "paused"):
            session.stop()
        if session.state != "new":
            session._ended.wait(10)

"""Small worlds in a session: what fits is trained, and a changed reward is planned for."""

from __future__ import annotations

import numpy as np
import pytest
from resuming import stop_at

import rlplay
from rlplay.errors import ContractError
from rlplay.training.recorder import Recorder
from rlplay.training.session import TrainingSession


def test_what_does_not_fit_is_refused_before_anything_is_written(storage):
    config = rlplay.get_default_config("q-learning", "snake")
    session = TrainingSession(config, storage)
    with pytest.raises(ContractError, match="'snake' has no numbered states"):
        session.start()
    assert session.state == "new"
    assert not list(storage.base_dir.rglob("*.json"))


def change_at(session: TrainingSession, item: int, last: int | None) -> None:
    """Train, change the reward of a cell after some moves and updates, and stop after others."""
    take, items = Recorder.take, 0

    def taking(recorder: Recorder, something: object) -> None:
        nonlocal items
        take(recorder, something)
        items += 1
        if items == item:
            session.update_rewards(cells={"2,0": -3.0})

    Recorder.take = taking  # type: ignore[method-assign]
    try:
        stop_at(session, last)
    finally:
        Recorder.take = take  # type: ignore[method-assign]


@pytest.mark.parametrize("algo", ["value-iteration", "policy-iteration", "q-learning"])
def test_a_changed_reward_is_planned_for_also_after_a_break(storage, algo):
    config = rlplay.get_default_config(algo, "gridworld").replace(
        env_config={"slip": 0.2}, total_steps=300, run_id="whole"
    )
    change_at(TrainingSession(config, storage), 50, None)
    parts = TrainingSession(config.replace(run_id="parts"), storage)
    change_at(parts, 50, 90)
    assert parts.snapshot().total_steps < 300
    stop_at(TrainingSession.resume_run("gridworld", "parts", storage), None)
    again = TrainingSession.reproduce_run("gridworld", "whole", storage)
    stop_at(again, None)
    whole = storage.load_weights("gridworld", "whole")["q"]
    for run_id in ("parts", str(again.run_id)):
        assert np.array_equal(storage.load_weights("gridworld", run_id)["q"], whole), run_id
    plain = TrainingSession(config.replace(run_id="plain"), storage)
    stop_at(plain, None)
    assert not np.array_equal(storage.load_weights("gridworld", "plain")["q"], whole)

"""Train in pieces: what the tests of resuming share, and a program for a process of its own.

python tests/training/resuming.py FOLDER STOP_AT CONFIG...   (JSON; begins, or goes on)
"""

from __future__ import annotations

import json
import sys
from typing import Any

import rlplay
from rlplay.storage.checkpoint import pack
from rlplay.training.recorder import Recorder
from rlplay.training.session import TrainingSession

#: What the clock says.
TIMES = ("steps_per_second", "elapsed", "timestamp")


def stop_at(session: TrainingSession, item: int | None) -> None:
    """Train at full speed, and stop after a number of moves and updates of the run."""
    take, items = Recorder.take, 0
    if session._goes_on:
        run = session.config.env_name, str(session.config.run_id)
        entry, _, _ = session.storage.checkpoints(*run).load()
        items = entry.items

    def counting(recorder: Recorder, something: Any) -> None:
        nonlocal items
        take(recorder, something)
        items += 1
        if items == item:
            session.stop()

    Recorder.take = counting  # type: ignore[method-assign]
    try:
        session.start(max_speed=True)
        session.wait(120)
    finally:
        Recorder.take = take  # type: ignore[method-assign]


def files_of(storage: rlplay.StorageManager, env_name: str, run_id: str) -> dict[str, Any]:
    """Give all that must be the same of two runs, in a form that can be compared."""
    lines = storage.load_metrics(env_name, run_id)
    replays = {
        shown["replay_id"]: storage.load_replay(env_name, run_id, shown["replay_id"]).to_dict()
        for shown in storage.list_replays(env_name, run_id)
    }
    weights = storage.load_weights(env_name, run_id)
    snapshots = {
        step: storage.load_snapshot(env_name, run_id, step)
        for step in storage.list_snapshots(env_name, run_id)
    }
    _, state, damaged = storage.checkpoints(env_name, run_id).load()
    assert damaged == []
    return {
        "lines": [
            {name: value for name, value in line.items() if name not in TIMES} for line in lines
        ],
        "replays": {
            name: {key: value for key, value in replay.items() if key not in ("run_id", "sha256")}
            for name, replay in replays.items()
        },
        "weights": as_bytes(weights),
        "snapshots": as_bytes(snapshots),
        "state": as_bytes(without_times(state)),
    }


def without_times(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state without what the clock says."""
    recorder = {key: value for key, value in state["recorder"].items() if key != "line_elapsed"}
    # When replays are stored depends on when a person stops; which ones does not.
    recorder["replays"] = {
        key: value
        for key, value in recorder["replays"].items()
        if key not in ("next_steps", "replaced")
    }
    sums = {key: value for key, value in state["sums"].items() if key != "elapsed"}
    return {**state, "recorder": recorder, "sums": sums}


def as_bytes(state: Any) -> tuple[str, dict[str, bytes]]:
    """A state as text and bytes."""
    packed = pack(state)
    arrays = {packed.names[name]: array.tobytes() for name, array in packed.arrays.items()}
    return json.dumps(packed.plain, sort_keys=True), arrays


def train_on(folder: str, config: dict[str, Any], ready: Any) -> None:
    """Begin a run, or go on with it, saving all the time; somebody will kill this process."""
    storage = rlplay.StorageManager(folder)
    run = rlplay.RunConfig.from_dict(config)
    if storage.get_run_path(run.env_name, str(run.run_id)).is_dir():
        session = TrainingSession.resume_run(
            run.env_name, str(run.run_id), storage, checkpoint_every=0.05
        )
    else:
        session = TrainingSession(run, storage, checkpoint_every=0.05)
    ready.set()
    rlplay.train(session, progress=False)


def main() -> None:
    """Begin the runs of some configs, or go on with them, and stop."""
    folder, item, *configs = sys.argv[1:]
    storage = rlplay.StorageManager(folder)
    for text in configs:
        config = rlplay.RunConfig.from_dict(json.loads(text))
        if storage.get_run_path(config.env_name, str(config.run_id)).is_dir():
            session = TrainingSession.resume_run(config.env_name, str(config.run_id), storage)
        else:
            session = TrainingSession(config, storage)
        stop_at(session, int(item) if item != "end" else None)


if __name__ == "__main__":
    main()

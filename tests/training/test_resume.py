"""A run goes on as if nothing had happened: the same bytes, whatever came between."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jupyter_client.manager import KernelManager
from resuming import as_bytes, files_of, stop_at, train_on, without_times
from waiting import until

import rlplay
from rlplay.envs import ENV_REGISTRY, BaseEnvironment, SnakeEnv, register_env
from rlplay.errors import (
    ConfigError,
    ContractError,
    DamagedFile,
    RunNotFound,
    SessionError,
    WeightsMismatch,
)
from rlplay.storage import files
from rlplay.storage.checkpoint import LINES as CHECKPOINT_LINES
from rlplay.storage.checkpoint import Checkpoints, pack, unpack
from rlplay.training.loop import TrainingLoop
from rlplay.training.recorder import Recorder
from rlplay.training.run import train
from rlplay.training.saver import Saver, snapshot_steps
from rlplay.training.session import TrainingSession

STEPS = 4_000

#: Every switch of DQN, and PPO with and without its limit.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("ppo", {}),
    "ppo with a limit": ("ppo", {"kl_limit": 0.005}),
    "dqn": ("dqn", {}),
    "dqn plain": ("dqn", {"double": False, "dueling": False, "num_step_returns": 1}),
    "dqn without replay": ("dqn", {"use_replay": False}),
    "dqn without target": ("dqn", {"use_target_network": False}),
    "dqn with a full buffer": ("dqn", {"replay_capacity": 400, "learning_starts": 64}),
}


def small_config(make_config, variant: str = "ppo", **changes: Any) -> rlplay.RunConfig:
    algo, hyperparams = VARIANTS[variant]
    return make_config(
        algo, hyperparams=hyperparams, total_steps=STEPS, **{"run_id": "run", **changes}
    )


def finished(config: rlplay.RunConfig, folder: Path) -> rlplay.StorageManager:
    """Train without an interruption."""
    storage = rlplay.StorageManager(folder)
    stop_at(TrainingSession(config, storage), None)
    return storage


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["lines"] == other["lines"]
    assert one["replays"] == other["replays"]
    for part in ("weights", "snapshots", "state"):
        assert one[part][0] == other[part][0], part
        assert one[part][1].keys() == other[part][1].keys(), part
        for name, data in one[part][1].items():
            assert data == other[part][1][name], (part, name)


# Exactly ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["ppo", "dqn"])
def test_three_splits_through_new_processes(make_config, tmp_path, variant):
    config = small_config(make_config, variant)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    for item in ("123", "301", "end"):  # in the middle of episodes, rollouts and updates
        subprocess.run(
            [
                sys.executable,
                str(Path(__file__).with_name("resuming.py")),
                str(tmp_path / "split"),
                item,
                json.dumps(config.to_dict()),
            ],
            check=True,
            timeout=120,
        )
    same(whole, files_of(rlplay.StorageManager(tmp_path / "split"), "snake", "run"))


class Pieces:
    """A loop and a recorder, without a thread, that can be put away and taken out again."""

    def __init__(self, config: rlplay.RunConfig, folder: Path) -> None:
        self.storage = rlplay.StorageManager(folder)
        if not self.storage.get_run_path("snake", "run").is_dir():
            self.storage.create_run(config)
        self.loop = TrainingLoop(config)
        self.recorder = Recorder(self.storage, config, self.loop.env, merge=True)

    def run(self, items: int) -> None:
        for item in self.loop.run():
            self.recorder.take(item)
            if self.loop.items == items:
                return

    def state(self) -> dict[str, Any]:
        return {"loop": self.loop.state_dict(), "recorder": self.recorder.state_dict(), "sums": {}}

    def put_away(self) -> None:
        self.recorder.store_replays()
        metrics, events = self.storage.line_bytes("snake", "run")
        self.storage.save_checkpoint(
            "snake",
            "run",
            pack(self.state()),
            step=self.loop.total_steps,
            items=self.loop.items,
            metrics_bytes=metrics,
            events_bytes=events,
        )

    @classmethod
    def taken_out(cls, config: rlplay.RunConfig, folder: Path) -> Pieces:
        pieces = cls(config.replace(seed=99), folder)  # nothing of its own may remain
        entry, state, _ = pieces.storage.checkpoints("snake", "run").load()
        pieces.storage.cut_lines("snake", "run", entry)
        pieces.loop = TrainingLoop(config)
        pieces.recorder = Recorder(pieces.storage, config, pieces.loop.env, merge=True)
        pieces.loop.load_state_dict(state["loop"])
        pieces.recorder.load_state_dict(state["recorder"])
        return pieces

    def outcome(self) -> Any:
        self.recorder.close()
        lines = self.storage.load_metrics("snake", "run")
        replays = self.storage.list_replays("snake", "run")
        times = ("steps_per_second", "elapsed", "timestamp")
        return (
            [{key: line[key] for key in line if key not in times} for line in lines],
            replays,
            as_bytes(without_times(self.state())),
        )


class WholeRuns:
    """What the variants give without an interruption; made when it is asked for."""

    def __init__(self, make_folder) -> None:
        self._made: dict[str, Any] = {}
        self._make_folder = make_folder

    def get(self, variant: str, config: rlplay.RunConfig) -> Any:
        if variant not in self._made:
            whole = Pieces(config, self._make_folder("whole"))
            whole.run(400)
            self._made[variant] = whole.outcome()
        return self._made[variant]


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory) -> WholeRuns:
    return WholeRuns(tmp_path_factory.mktemp)


@pytest.mark.parametrize(
    "examples", [10, pytest.param(300, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_any_split_gives_the_same_run(
    make_config, tmp_path_factory, monkeypatch, whole_runs, examples
):
    monkeypatch.setattr("rlplay.training.recorder._FIRST_INTERVAL", 500)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        variant=st.sampled_from(sorted(VARIANTS)),
        cuts=st.sets(st.integers(1, 390), min_size=1, max_size=3),
    )
    def check(variant: str, cuts: set[int]) -> None:
        config = small_config(make_config, variant)
        folder = tmp_path_factory.mktemp("split")
        pieces = Pieces(config, folder)
        for cut in sorted(cuts):
            pieces.run(cut)
            pieces.put_away()
            pieces.run(cut + 7)  # what a crash takes away again
            pieces = Pieces.taken_out(config, folder)
        pieces.run(400)
        assert pieces.outcome() == whole_runs.get(variant, config)

    check()


def test_a_killed_run_loses_what_came_after_the_checkpoint_and_keeps_it_in_the_trash(
    make_config, tmp_path, monkeypatch
):
    monkeypatch.setattr("rlplay.training.recorder._FIRST_INTERVAL", 500)
    config = small_config(make_config)
    pieces = Pieces(config, tmp_path)
    pieces.run(200)
    pieces.put_away()
    at_checkpoint = pieces.storage.load_metrics("snake", "run")
    pieces.run(300)
    lost = pieces.storage.load_metrics("snake", "run")[len(at_checkpoint) :]
    assert lost
    again = Pieces.taken_out(config, tmp_path)
    assert again.storage.load_metrics("snake", "run") == at_checkpoint
    (tail,) = (path for path in (tmp_path / ".trash").rglob("*") if "metrics.jsonl" in path.name)
    assert [json.loads(line) for line in tail.read_text().splitlines()] == lost


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork server")
@pytest.mark.parametrize("algo", ["ppo", "dqn"])
@pytest.mark.parametrize(
    "kills", [10, pytest.param(100, marks=pytest.mark.long)], ids=["few", "many"]
)
def test_a_run_survives_being_killed_at_any_moment(make_config, tmp_path, monkeypatch, algo, kills):
    """Killed again and again, it ends as if it had never been."""
    config = small_config(make_config, algo).replace(total_steps=400 * kills)
    # The server has imported everything, and no thread of PyTorch's runs in it.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["resuming"])
    moments = random.Random(kills)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    killed = 0
    while killed < kills:  # a run may come to its end before it was killed so often
        folder = tmp_path / f"split-{killed}"
        killed += kill_until_it_ends(context, config, folder, moments, kills - killed)
        same(whole, files_of(rlplay.StorageManager(folder), "snake", "run"))


def kill_until_it_ends(
    context: Any, config: rlplay.RunConfig, folder: Path, moments: random.Random, most: int
) -> int:
    """Train a run, kill it and go on, again and again; give how often it was killed."""
    storage = rlplay.StorageManager(folder)
    for killed in itertools.count():
        ready = context.Event()
        process = context.Process(target=train_on, args=(str(folder), config.to_dict(), ready))
        process.start()
        assert ready.wait(60)
        process.join(moments.uniform(0.0, 0.4) if killed < most else 120)
        if process.exitcode is not None:
            assert process.exitcode == 0
            return killed
        process.kill()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        if not storage.get_run_path("snake", "run").is_dir():
            continue  # killed before the run had its folder
        saved = storage.load_config("snake", "run")
        assert saved.replace(device="auto", precision="auto") == config
        for file in storage.checkpoints("snake", "run").entries():
            assert (folder / "snake/run/checkpoints" / file.file).is_file()
        if storage.weights_exist("snake", "run"):
            storage.load_weights("snake", "run")
        for shown in storage.list_replays("snake", "run"):
            assert storage.load_replay("snake", "run", shown["replay_id"]).verify()
    raise AssertionError("unreachable")


# The session ------------------------------------------------------------------------------------


def test_a_resumed_session_shows_and_keeps_what_was(make_session, storage):
    session = make_session(total_steps=40_000)
    session.update_rewards(apple=2.0)
    session.set_speed(None)
    session.start()
    session.update_hyperparams(learning_rate=2e-3)
    while session.snapshot().total_steps < 8_000:
        session.has_ended(0.01)
    session.update_rewards(step=-0.5)
    session.stop()
    session.wait(60)
    before = session.snapshot()

    again = TrainingSession.resume_run("snake", session.run_id, storage)
    assert again.state == "new"
    assert again.snapshot().total_steps == before.total_steps
    # What it trains with by now, also before it has read its checkpoint.
    assert again.config.hyperparams["learning_rate"] == 2e-3
    assert (again.rewards["apple"], again.rewards["step"]) == (2.0, -0.5)
    assert again.config.reward_config == again.rewards
    began = storage.load_config("snake", session.run_id)
    assert began.reward_config["step"] != -0.5
    fork = storage.load_config("snake", storage.fork_run("snake", session.run_id))
    assert fork.reward_config == again.rewards
    assert fork.hyperparams == again.config.hyperparams
    again.update_rewards(apple=3.0)  # before it goes on, and from then on
    again.start()
    assert again.run_id == session.run_id
    again.wait(120)
    snapshot = again.snapshot()
    assert snapshot.total_steps == 40_000
    assert snapshot.is_max_speed
    assert snapshot.episode > before.episode
    assert snapshot.best_score >= before.best_score
    assert snapshot.elapsed > before.elapsed
    assert snapshot.message == "saved"  # nothing inexact to tell of
    assert again.hyperparams["learning_rate"] == 2e-3
    assert (again.rewards["step"], again.rewards["apple"]) == (-0.5, 3.0)
    lines = storage.load_metrics("snake", session.run_id)
    episodes = [line["episode"] for line in lines]
    assert episodes == sorted(set(episodes))
    assert sum(line["episodes"] for line in lines) == snapshot.episode
    columns, count, _ = again.monitor.history()
    assert count == len(lines)
    assert columns["episode"] == episodes
    fields = [event["field"] for event in storage.load_events("snake", session.run_id)]
    assert fields.count("resume") == 1
    with pytest.raises(SessionError, match="all of its 40,000 steps"):
        TrainingSession.resume_run("snake", session.run_id, storage)


def test_another_thread_count_goes_on_and_says_so(make_config, storage):
    session = TrainingSession(small_config(make_config), storage)
    stop_at(session, 100)
    again = TrainingSession.resume_run("snake", "run", storage, num_threads=2)
    stop_at(again, 110)
    assert "No longer bit-exact: num threads 2 instead of 1" in again.snapshot().message


def test_a_damaged_checkpoint_is_refused_and_the_one_before_is_used(make_config, tmp_path):
    config = small_config(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    storage = rlplay.StorageManager(tmp_path / "split")
    stop_at(TrainingSession(config, storage), 200)
    newest, before = Checkpoints(storage.get_run_path("snake", "run")).entries()
    path = storage.get_run_path("snake", "run") / "checkpoints" / newest.file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    session = TrainingSession.resume_run("snake", "run", storage)
    stop_at(session, None)
    message = session.snapshot().message
    assert f"Checkpoint {newest.file} is damaged" in message
    assert f"Went on from the checkpoint at step {before.step:,}" in message
    same(whole, files_of(storage, "snake", "run"))


@pytest.mark.parametrize("file", ["metrics.jsonl", "events.jsonl"])
def test_a_checkpoint_whose_lines_are_missing_is_refused_and_the_one_before_is_used(
    make_config, tmp_path, monkeypatch, file
):
    monkeypatch.setattr("rlplay.training.recorder._FIRST_INTERVAL", 200)
    config = small_config(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    storage = rlplay.StorageManager(tmp_path / "split")
    stop_at(TrainingSession(config, storage), 100)
    stop_at(TrainingSession.resume_run("snake", "run", storage), 200)
    folder = storage.get_run_path("snake", "run")
    newest, before = Checkpoints(folder).entries()
    lines = folder / file
    lines.write_bytes(lines.read_bytes()[: getattr(newest, CHECKPOINT_LINES[file]) - 1])
    assert storage.list_runs()[0]["resumable"]
    session = TrainingSession.resume_run("snake", "run", storage)
    assert session.snapshot().total_steps == before.step
    stop_at(session, 150)
    message = session.snapshot().message
    assert f"checkpoint {newest.file} needs" in message
    assert f"Went on from the checkpoint at step {before.step:,}" in message
    assert any(newest.file in str(piece["name"]) for piece in storage.list_trash())
    # The refused one does not come back when the lines have grown as long again.
    assert newest.file not in {entry.file for entry in Checkpoints(folder).entries()}
    stop_at(TrainingSession.resume_run("snake", "run", storage), None)
    same(whole, files_of(storage, "snake", "run"))


def test_no_run_can_go_on_whose_lines_are_missing_for_every_checkpoint(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    folder = storage.get_run_path("snake", "run")
    (folder / "events.jsonl").write_bytes(b"")
    assert not storage.list_runs()[0]["resumable"]
    session = TrainingSession.resume_run("snake", "run", storage)
    session.start(max_speed=True)
    with pytest.raises(DamagedFile, match=r"No checkpoint .* lines are missing.*fork the run"):
        session.wait(30)


@pytest.mark.parametrize("gap", ["metrics", "file"])
def test_a_finished_run_stays_finished_while_its_weights_are_whole(make_config, storage, gap):
    stop_at(TrainingSession(small_config(make_config), storage), None)
    folder = storage.get_run_path("snake", "run")
    if gap == "metrics":
        (folder / "events.jsonl").write_bytes((folder / "events.jsonl").read_bytes()[:-3])
    else:
        (folder / "checkpoints" / Checkpoints(folder).entries()[0].file).unlink()
    before = (folder / "weights.pt").read_bytes()
    with pytest.raises(SessionError, match="done all of its"):
        TrainingSession.resume_run("snake", "run", storage)
    assert not storage.list_runs()[0]["resumable"]
    assert (folder / "weights.pt").read_bytes() == before


def test_who_cannot_go_on_writes_no_weights(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    folder = storage.get_run_path("snake", "run")
    (folder / "weights.pt").unlink()
    for path in (folder / "checkpoints").glob("*.safetensors"):
        path.write_bytes(b"")
    session = TrainingSession.resume_run("snake", "run", storage)
    session.start(max_speed=True)
    with pytest.raises(DamagedFile):
        session.wait(30)
    assert not storage.weights_exist("snake", "run")


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"format_version": 1, "checkpoints": []}'])
def test_checkpoints_are_found_without_their_index(make_config, tmp_path, content):
    config = small_config(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    storage = rlplay.StorageManager(tmp_path / "split")
    stop_at(TrainingSession(config, storage), 200)
    index = storage.get_run_path("snake", "run") / "checkpoint.json"
    before = Checkpoints(index.parent).entries()
    index.unlink() if content is None else index.write_bytes(content)
    assert Checkpoints(index.parent).entries() == before
    assert storage.list_runs()[0]["resumable"]
    session = TrainingSession.resume_run("snake", "run", storage)
    stop_at(session, None)
    damaged = "checkpoint.json is damaged" in session.snapshot().message
    assert damaged == (content is not None)
    same(whole, files_of(storage, "snake", "run"))


@pytest.mark.parametrize("also_damaged", [False, True])
@pytest.mark.parametrize(
    "harm",
    [lambda data: data[:200] + b"?" + data[201:], lambda data: data[:-2_000]],
    ids=["changed", "cut"],
)
def test_damaged_weights_of_a_finished_run_come_back_from_its_checkpoint(
    make_config, storage, harm, also_damaged
):
    stop_at(TrainingSession(small_config(make_config), storage), None)
    path = storage.get_weights_path("snake", "run")
    whole, weights = path.read_bytes(), storage.load_weights("snake", "run")
    with pytest.raises(SessionError, match="done all of its"):
        TrainingSession.resume_run("snake", "run", storage)
    path.write_bytes(harm(whole))
    with pytest.raises(DamagedFile, match="rlplay train --resume run"):
        storage.load_weights("snake", "run")
    if also_damaged:
        newest, before = storage.checkpoints("snake", "run").entries()
        (path.parent / "checkpoints" / newest.file).write_bytes(b"")
        assert before.step < STEPS
    stop_at(TrainingSession.resume_run("snake", "run", storage), None)
    again = storage.load_weights("snake", "run")
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_when_no_checkpoint_is_whole_nothing_is_touched(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    folder = storage.get_run_path("snake", "run")
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"not a checkpoint")
    metrics = (folder / "metrics.jsonl").read_bytes()
    session = TrainingSession.resume_run("snake", "run", storage)
    session.start(max_speed=True)
    with pytest.raises(DamagedFile, match="No checkpoint of this run is whole"):
        session.wait(30)
    assert (folder / "metrics.jsonl").read_bytes() == metrics


def test_weights_that_are_not_finite_never_replace_a_good_checkpoint(make_session, monkeypatch):
    loops = []
    monkeypatch.setattr(
        "rlplay.training.session.TrainingLoop",
        lambda config: loops.append(TrainingLoop(config)) or loops[0],
    )
    session = make_session(total_steps=10**9)
    session.start(max_speed=True)
    session.pause()
    while session.snapshot().saved_at is None:
        session.has_ended(0.01)
    storage, run_id = session.storage, session.run_id
    good = storage.checkpoints("snake", run_id).entries()[0]
    with torch.no_grad():
        next(iter(loops[0].agent.get_weights().values())).fill_(float("nan"))
    session.stop()
    with pytest.raises(ArithmeticError, match="not finite"):
        session.wait(30)
    assert session.state == "failed"
    assert storage.checkpoints("snake", run_id).entries()[0] == good
    assert all(
        torch.isfinite(value).all() for value in storage.load_weights("snake", run_id).values()
    )
    monkeypatch.undo()
    stop_at(TrainingSession.resume_run("snake", run_id, storage), good.items + 20)


def test_the_end_of_the_process_saves_what_was_trained(make_config, storage):
    """A kernel that is shut down ends this way; Jupyter waits for a few seconds."""
    config = make_config(run_id="run", total_steps=10**9)
    script = (
        "import json, sys, time, rlplay\n"
        "config = rlplay.RunConfig.from_dict(json.loads(sys.argv[2]))\n"
        "session = rlplay.TrainingSession(config, rlplay.StorageManager(sys.argv[1]))\n"
        "session.start(max_speed=True)\n"
        "while session.snapshot().total_steps < 500: time.sleep(0.01)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(storage.base_dir), json.dumps(config.to_dict())],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    entry = storage.checkpoints("snake", "run").entries()[0]
    assert entry.step >= 500
    stop_at(TrainingSession.resume_run("snake", "run", storage), entry.items + 10)


@pytest.mark.parametrize(
    "cell",
    [
        "pass",
        "time.sleep(600)",
        "while True:\n    try: time.sleep(600)\n    except KeyboardInterrupt: pass",
    ],
    ids=["idle", "busy", "stubborn"],
)
def test_a_kernel_that_is_shut_down_saves_what_was_trained(make_config, storage, cell):
    """Jupyter interrupts and asks, then ends it (SIGTERM), and kills one that takes seconds."""
    config = make_config(run_id="run", total_steps=10**9)
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            "import json, time, rlplay\n"
            f"config = rlplay.RunConfig.from_dict(json.loads({json.dumps(config.to_dict())!r}))\n"
            f"storage = rlplay.StorageManager({str(storage.base_dir)!r})\n"
            "session = rlplay.TrainingSession(config, storage)\n"
            "session.start(max_speed=True)\n"
            "while session.snapshot().total_steps < 500: time.sleep(0.01)\n",
            timeout=60,
        )
        client.execute(cell)
        until(lambda: client.get_iopub_msg(timeout=60)["msg_type"] == "execute_input")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert storage.load_events("snake", "run")[-1]["new"] == "finished"
    entry = storage.checkpoints("snake", "run").entries()[0]
    assert entry.step >= 500
    stop_at(TrainingSession.resume_run("snake", "run", storage), entry.items + 10)


def test_a_run_killed_after_its_last_checkpoint_has_all_of_its_lines(
    make_config, storage, tmp_path, monkeypatch
):
    config = small_config(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    saved, there = Saver.save_checkpoint, []

    def copying(saver, state, agent, **options):
        saved(saver, state, agent, **options)
        if options["is_last"]:
            saver.wait()
            shutil.copytree(storage.base_dir, tmp_path / "killed")
            there.append(options["step"])

    monkeypatch.setattr(Saver, "save_checkpoint", copying)
    stop_at(TrainingSession(config, storage), None)
    assert there == [whole["lines"][-1]["steps"]]
    killed = rlplay.StorageManager(tmp_path / "killed")
    same(whole, files_of(killed, "snake", "run"))
    with pytest.raises(SessionError, match="has done all"):
        TrainingSession.resume_run("snake", "run", killed)


def test_what_a_session_writes_last_is_on_the_disk_when_it_says_saved(
    make_config, storage, monkeypatch
):
    told = []
    for name in ("open_end", "sync_file"):
        really = getattr(files.disk, name)
        monkeypatch.setattr(
            files.disk,
            name,
            lambda path, name=name, really=really: (told.append((name, path.name)), really(path))[
                1
            ],
        )
    session = TrainingSession(small_config(make_config), storage)
    stop_at(session, 200)
    assert session.snapshot().message == "saved"
    lines = [name for name, file in told if file == "metrics.jsonl"]
    assert "open_end" in lines
    assert lines[-1] == "sync_file"


def test_a_run_killed_before_its_last_checkpoint_is_finished(make_config, storage, tmp_path):
    """A checkpoint after the last move is not the end: a line and updates may be owed."""
    config = small_config(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "snake", "run")
    items = rlplay.StorageManager(tmp_path / "whole").checkpoints("snake", "run").entries()[0].items
    stop_at(TrainingSession(config, storage), items)
    entry = storage.checkpoints("snake", "run").entries()[0]
    assert (entry.step, entry.is_last) == (whole["lines"][-1]["steps"], False)
    assert storage.list_runs()[0]["resumable"]
    stop_at(TrainingSession.resume_run("snake", "run", storage), None)
    same(whole, files_of(storage, "snake", "run"))


def test_a_checkpoint_that_holds_training_up_says_so(make_session, monkeypatch):
    monkeypatch.setattr("rlplay.training.session._HELD_UP", 0.0)
    monkeypatch.setattr("rlplay.training.session._LARGE", 0)
    session = make_session(total_steps=10**9)
    session.start(max_speed=True)
    session.pause()
    while session.snapshot().saved_at is None:
        session.has_ended(0.01)
    assert "Training stood still for" in session.snapshot().message


def test_a_run_without_a_checkpoint_that_has_trained_is_refused(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    folder = storage.get_run_path("snake", "run")
    (folder / "checkpoint.json").unlink()
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(RunNotFound, match=r"no checkpoint .* Fork it"):
        TrainingSession.resume_run("snake", "run", storage)


def test_a_checkpoint_index_of_a_newer_version_is_refused(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 20)
    path = storage.get_run_path("snake", "run") / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(OSError, match="Install the newest rlplay"):
        TrainingSession.resume_run("snake", "run", storage)
    path.write_text("{")
    for note in (path.parent / "checkpoints").glob("*.json"):
        note.unlink()
    with pytest.raises(DamagedFile, match=r"checkpoint\.json"):
        TrainingSession.resume_run("snake", "run", storage)


# Live edits are part of the record --------------------------------------------------------------


def test_a_run_is_reproduced_with_all_that_was_changed(make_session, storage, monkeypatch):
    monkeypatch.setattr("rlplay.training.recorder._FIRST_INTERVAL", 1_000)
    session = make_session("ppo", total_steps=10**9)
    session.set_speed(2_000)
    session.start()

    def reach(steps: int) -> None:
        while session.snapshot().total_steps < steps:
            assert not session.has_ended(0.005)

    reach(400)
    session.update_hyperparams(learning_rate=5e-3, num_epochs=1)
    reach(800)
    session.set_speed(None)
    reach(6_000)
    session.update_rewards(apple=5.0, step=-0.1)
    session.pause()
    session.resume()
    reach(9_000)
    session.stop()
    session.wait(60)
    resumed = TrainingSession.resume_run("snake", session.run_id, storage)
    resumed.update_hyperparams(entropy_coefficient=0.1)
    stop_at(resumed, storage.checkpoints("snake", session.run_id).entries()[0].items + 333)

    again = TrainingSession.reproduce_run("snake", session.run_id, storage)
    again.start(max_speed=True)
    again.wait(120)
    assert again.run_id != session.run_id
    one, other = (files_of(storage, "snake", run) for run in (session.run_id, again.run_id))
    assert one["lines"] == other["lines"]
    assert one["weights"] == other["weights"]
    assert one["replays"].keys() == other["replays"].keys()
    assert len({line["steps"] for line in one["lines"]}) > 10


def test_a_fork_is_reproduced_from_the_weights_that_it_began_with(make_config, storage, tmp_path):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    fork = storage.fork_run("snake", "run", total_steps=2_000)
    train(TrainingSession.resume_run("snake", fork, storage), progress=False)
    path = storage.export_run("snake", fork, tmp_path)
    other = rlplay.StorageManager(tmp_path / "elsewhere")
    for place, run_id in ((storage, fork), (other, other.import_run(path).run_id)):
        again = TrainingSession.reproduce_run("snake", run_id, place)
        again.start(max_speed=True)
        again.wait(60)
        assert again.snapshot().message == "saved"
        one, made = (
            files_of(where, "snake", str(name))
            for where, name in ((storage, fork), (place, again.run_id))
        )
        assert (one["lines"], one["weights"]) == (made["lines"], made["weights"])
        assert place.load_record("snake", str(again.run_id))["parent"]["run_id"] == "run"

    snapshot = storage.get_run_path("snake", fork) / "snapshots" / "0.safetensors"
    snapshot.unlink()
    with pytest.raises(RunNotFound, match="began with the weights of 'run'"):
        TrainingSession.reproduce_run("snake", fork, storage)


def test_a_reproduction_that_was_interrupted_goes_on(make_session, storage):
    session = make_session(total_steps=10**9)
    session.start(max_speed=True)
    while session.snapshot().total_steps < 3_000:
        assert not session.has_ended(0.005)
    session.update_rewards(apple=5.0)
    while session.snapshot().total_steps < 6_000:
        assert not session.has_ended(0.005)
    session.stop()
    session.wait(60)
    changed = storage.load_events("snake", session.run_id)[-3]["item"]

    again = TrainingSession.reproduce_run("snake", session.run_id, storage)
    stop_at(again, changed // 2)
    stop_at(TrainingSession.resume_run("snake", again.run_id, storage), None)
    one, other = (files_of(storage, "snake", run) for run in (session.run_id, again.run_id))
    assert (one["lines"], one["weights"]) == (other["lines"], other["weights"])

    on_its_own = TrainingSession.resume_run("snake", again.run_id, storage)
    items = storage.checkpoints("snake", again.run_id).entries()[0].items
    stop_at(on_its_own, items + 50)  # what it repeated is done: it trains on as any run
    assert storage.checkpoints("snake", again.run_id).entries()[0].items == items + 50


def test_an_imported_run_is_reproduced_to_where_it_ended(make_config, storage, tmp_path):
    stop_at(TrainingSession(small_config(make_config), storage), 200)
    path = storage.export_run("snake", "run", tmp_path)
    other = rlplay.StorageManager(tmp_path / "elsewhere")
    run_id = other.import_run(path).run_id
    again = TrainingSession.reproduce_run("snake", run_id, other)
    again.start(max_speed=True)
    again.wait(60)
    one, made = (
        files_of(where, "snake", str(name))
        for where, name in ((storage, "run"), (other, again.run_id))
    )
    assert (one["lines"], one["weights"]) == (made["lines"], made["weights"])

    (other.get_run_path("snake", run_id) / "events.jsonl").unlink()  # an older archive's says less
    on = TrainingSession.reproduce_run("snake", run_id, other)
    on.start(max_speed=True)
    on.wait(60)
    assert "Nothing says at which step" in on.snapshot().message
    assert on.snapshot().total_steps >= STEPS


def test_a_run_that_a_formula_paused_is_reproduced_to_its_end(make_session, storage):
    session = make_session("ppo", total_steps=4_000, reward_config={"step": "1 / (hunger - 3)"})
    session.start(max_speed=True)
    until(lambda: session.snapshot().problem)
    assert session.state == "paused"
    session.step()  # a move that has no value either
    until(lambda: session.snapshot().total_steps == 4 * 8)
    session.update_rewards(step=-0.01)
    session.resume()
    session.wait(60)

    again = TrainingSession.reproduce_run("snake", session.run_id, storage)
    again.start(max_speed=True)
    again.wait(60)
    one, other = (files_of(storage, "snake", run) for run in (session.run_id, again.run_id))
    assert one["lines"] == other["lines"]
    assert one["weights"] == other["weights"]

    changed = TrainingSession.reproduce_run("snake", session.run_id, storage)
    changed.start(max_speed=True)
    changed.update_rewards(step="1 / 0 if hunger > 2 else 0")
    until(lambda: changed.snapshot().problem or changed.has_ended())
    assert "1 / 0" in changed.snapshot().problem  # it is another run now, and stands still
    changed.stop()
    changed.wait(60)


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"step": 1, "item": 1, "field": "hyperparams.learning_rat", "old": 1, "new": 1}',
        '{"step": 1, "item": 1, "field": "rewards.apple", "old": 1, "new": "open(1)"}',
    ],
)
def test_damaged_events_are_not_done_again(make_config, storage, line):
    stop_at(TrainingSession(small_config(make_config), storage), 50)
    path = storage.get_run_path("snake", "run") / "events.jsonl"
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DamagedFile, match=r"After event \d of run 'run' one cannot be done again"):
        TrainingSession.reproduce_run("snake", "run", storage)
    assert len(storage.list_runs()) == 1


# Guests -----------------------------------------------------------------------------------------


class Walk(BaseEnvironment):
    """A walk on a line that cannot be saved; `luck` makes it forget its seed."""

    luck = False
    broken = False
    observation_space = SnakeEnv().observation_space

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        import gymnasium

        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.random = np.random.default_rng(None if self.luck else seed)
        self.place, self.steps = self.random.normal(), 0
        return self._see(), {"episode_seed": seed or 0}

    def _see(self):
        return np.tanh(np.array([self.place, self.steps / 40], np.float32))

    def step(self, action):
        self.place += self.random.normal() + 2 * action - 1
        self.steps += 1
        reward = float("nan") if self.broken else -abs(self.place)
        return self._see(), reward, False, self.steps >= 40, {}

    def render_state(self):
        return {"place": self.place, "steps": self.steps}


@pytest.fixture
def walk():
    register_env("walk", Walk)
    yield
    Walk.luck = False
    del ENV_REGISTRY["walk"]


def walking(make_config, **changes):
    return make_config(env_name="walk", env_config={}, run_id="run", total_steps=STEPS, **changes)


def test_a_world_that_cannot_be_saved_comes_back_by_its_actions(walk, make_config, tmp_path):
    config = walking(make_config)
    whole = files_of(finished(config, tmp_path / "whole"), "walk", "run")
    storage = rlplay.StorageManager(tmp_path / "split")
    stop_at(TrainingSession(config, storage), 222)
    session = TrainingSession.resume_run("walk", "run", storage)
    stop_at(session, None)
    assert session.snapshot().message == "saved"
    same(whole, files_of(storage, "walk", "run"))


def test_a_world_of_chance_says_that_its_resume_is_not_exact(walk, make_config, storage):
    Walk.luck = True
    stop_at(TrainingSession(walking(make_config), storage), 222)
    session = TrainingSession.resume_run("walk", "run", storage)
    stop_at(session, None)
    assert "'walk' did not give the same episode again" in session.snapshot().message


def test_a_number_that_is_not_finite_spoils_no_checkpoint(walk, make_config, storage, monkeypatch):
    stop_at(TrainingSession(walking(make_config), storage), 100)
    good = storage.checkpoints("walk", "run").entries()[0]
    monkeypatch.setattr(Walk, "broken", True)
    session = TrainingSession.resume_run("walk", "run", storage, checkpoint_every=1e-9)
    session.start(max_speed=True)
    with pytest.raises(ContractError, match="Walk gave a reward that is not finite on board 0"):
        session.wait(60)
    monkeypatch.undo()
    stop_at(TrainingSession.resume_run("walk", "run", storage), good.items + 50)


def test_an_agent_whose_state_cannot_be_saved_trains_and_says_so(make_session, monkeypatch):
    from rlplay.agents.ppo import PPO

    monkeypatch.setattr(PPO, "state_dict", lambda self: {"what": object()})
    session = make_session()
    session.start(max_speed=True)
    session.wait(60)
    assert "This run cannot go on after its end" in session.snapshot().message
    assert session.storage.weights_exist("snake", session.run_id)
    assert not session.storage.checkpoints("snake", session.run_id).entries()


# Clones and forks -------------------------------------------------------------------------------


def test_a_fork_begins_with_the_weights_and_a_changed_config(make_config, storage):
    session = TrainingSession(small_config(make_config), storage)
    stop_at(session, None)
    run_id = storage.fork_run("snake", "run", total_steps=2 * STEPS, name="again")
    forked = TrainingSession.resume_run("snake", run_id, storage)
    forked.step()
    forked.stop()
    forked.wait(30)
    assert forked.config.total_steps == 2 * STEPS
    record = storage.load_record("snake", run_id)
    assert record["parent"] == {"run_id": "run", "step": STEPS}
    one, other = (storage.load_weights("snake", run) for run in ("run", run_id))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_fork_that_lost_its_weights_does_not_begin_without(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 50)
    fork = storage.fork_run("snake", "run")
    storage.get_weights_path("snake", fork).unlink()
    with pytest.raises(RunNotFound, match="Fork that run again"):
        TrainingSession.resume_run("snake", fork, storage)


def test_a_fork_whose_network_does_not_fit_names_the_layer(make_config, storage):
    stop_at(TrainingSession(small_config(make_config), storage), 50)
    before = sorted(path.name for path in (storage.base_dir / "snake").iterdir())
    with pytest.raises(WeightsMismatch, match=r"layer 1 of 2.*\(16, .*needs \(32, "):
        storage.fork_run("snake", "run", network_config={"layers": [{"units": 32}]})
    with pytest.raises(WeightsMismatch, match=r"layer 2 of 3, .*\(4, 16\).*needs \(16, 16\)"):
        storage.fork_run("snake", "run", network_config={"layers": [{"units": 16}, {"units": 16}]})
    with pytest.raises(WeightsMismatch, match="layer 1 of 2"):
        storage.fork_run("snake", "run", env_config={"vision": 2})
    with pytest.raises(ConfigError, match="keeps the algorithm of its weights: 'ppo', not 'dqn'"):
        storage.fork_run("snake", "run", algo="dqn")
    assert sorted(path.name for path in (storage.base_dir / "snake").iterdir()) == before


# Snapshots of the weights -----------------------------------------------------------------------


def test_snapshots_are_kept_along_the_way(make_config, storage):
    session = TrainingSession(small_config(make_config), storage)
    stop_at(session, None)
    steps = storage.list_snapshots("snake", "run")
    assert steps[0] == 0 or steps[0] <= 8
    assert steps[-1] == STEPS
    assert 5 < len(steps) <= 20
    last = storage.load_snapshot("snake", "run", STEPS)
    final = storage.load_weights("snake", "run")
    assert last.keys() == final.keys()
    with pytest.raises(RunNotFound, match="kept no weights at step 3"):
        storage.load_snapshot("snake", "run", 3)


@pytest.mark.parametrize("total", [1, 7, 1_000, 10**6, 45_000_000, 10**12])
def test_snapshot_steps_are_few_and_spread(total):
    steps = snapshot_steps(total, 340_000)
    assert len(steps) <= 20
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, total)
    assert len(snapshot_steps(total, 30 << 20)) == 2
    if total >= 10**6:
        factors = [b / a for a, b in itertools.pairwise(steps[1:])]
        assert max(factors) < 1.1 * min(factors)


# States -----------------------------------------------------------------------------------------


def test_a_state_is_put_together_as_it_was_taken_apart():
    state = {
        "numbers": [1, 2.5, True, None, "text", float("inf"), 2**100],
        "tuple": (1, (2, "x")),
        3: {"$tensor": 1},
        "arrays": [np.arange(6, dtype=np.int8).reshape(2, 3), np.zeros(0, np.float32)],
        "tensors": (torch.ones(2, 2), torch.tensor(3), torch.ones(2, dtype=torch.bfloat16)),
        "small": np.float32(0.1),
    }
    packed = pack(state)
    again = unpack(json.loads(json.dumps(packed.plain)), packed.arrays)
    assert again.pop("small") == float(np.float32(0.1))
    state.pop("small")
    assert again["numbers"] == state["numbers"]
    assert again["tuple"] == state["tuple"]
    assert again[3] == state[3]
    for one, other in zip(again["arrays"], state["arrays"], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(again["tensors"], state["tensors"], strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    with pytest.raises(rlplay.RlplayError, match=r"deep\[1\] is object"):
        pack({"deep": [1, object()]})

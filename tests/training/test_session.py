"""The session: states, commands, events, files, and what happens when something breaks."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from waiting import until

import rlplay
from rlplay.envs import ENV_REGISTRY, SnakeEnv, register_env
from rlplay.errors import ConfigError, DeviceError, RunBusy, SessionError, StorageError
from rlplay.training.loop import TrainingLoop
from rlplay.training.session import TrainingSession

LONG = 10**9


def stable_lines(session: TrainingSession) -> list[str]:
    """The metrics lines without what the clock says."""
    lines = session.storage.load_metrics(session.config.env_name, session.run_id)
    for line in lines:
        for name in ("steps_per_second", "elapsed", "timestamp"):
            line.pop(name)
    return [json.dumps(line) for line in lines]


def events(session: TrainingSession) -> list[dict[str, Any]]:
    return session.storage.load_events(session.config.env_name, session.run_id)


def weights(session: TrainingSession) -> dict[str, torch.Tensor]:
    path = session.storage.get_weights_path(session.config.env_name, session.run_id)
    return torch.load(path, weights_only=True)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# States ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_a_run_from_start_to_end(make_session, algo):
    session = make_session(algo)
    assert session.state == "new"
    assert session.run_id is None
    session.start(max_speed=True)
    session.wait(60)
    snapshot = session.snapshot()
    assert (session.state, snapshot.state) == ("finished", "finished")
    assert snapshot.total_steps == 4_000
    lines = session.storage.load_metrics("snake", session.run_id)
    assert sum(line["episodes"] for line in lines) == snapshot.episode == lines[-1]["episode"]
    assert sum(snapshot.endings.values()) == snapshot.episode
    assert snapshot.best_score == max(line["score_max"] for line in lines)
    assert session.storage.weights_exist("snake", session.run_id)
    assert snapshot.saved_at is not None


def test_pause_stands_still_and_saves_then_resume_goes_on(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    until(lambda: session.snapshot().total_steps > 200)
    session.pause()
    until(lambda: session.state == "paused" and session.snapshot().saved_at is not None)
    assert session.storage.weights_exist("snake", session.run_id)
    before = session.snapshot().total_steps
    time.sleep(0.1)
    assert session.snapshot().total_steps == before
    session.resume()
    until(lambda: session.snapshot().total_steps > before)
    session.stop()
    session.wait(20)
    assert session.state == "finished"
    states = [(e["old"], e["new"]) for e in events(session) if e["field"] == "state"]
    assert states == [
        ("new", "running"),
        ("running", "paused"),
        ("paused", "running"),
        ("running", "stopping"),
        ("stopping", "finished"),
    ]


def test_step_does_exactly_one_move(make_session):
    session = make_session(total_steps=LONG)
    session.step()
    until(lambda: session.snapshot().total_steps == 8)
    for moves in range(2, 30):
        session.step()
        until(lambda moves=moves: session.snapshot().total_steps == 8 * moves)
    time.sleep(0.05)
    assert session.snapshot().total_steps == 8 * 29
    assert session.state == "paused"


def test_start_after_stop_makes_a_new_run(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    first = session.run_id
    session.stop()
    session.wait(20)
    session.start(max_speed=True)
    assert session.run_id != first
    session.stop()
    session.wait(20)
    assert {run["run_id"] for run in session.storage.list_runs()} == {first, session.run_id}


@pytest.mark.parametrize("call", ["pause", "resume", "stop", "wait"])
def test_a_new_session_refuses_with_one_clear_message(make_session, call):
    session = make_session()
    with pytest.raises(SessionError, match=rf"{call}\(\) needs .*; this one is new"):
        getattr(session, call)()


def test_calls_that_the_state_does_not_allow(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    for call in ("start", "step", "resume"):
        with pytest.raises(SessionError, match=rf"{call}\(\) needs"):
            getattr(session, call)()
    session.pause()
    with pytest.raises(SessionError, match=r"pause\(\) needs .*running.*paused"):
        session.pause()
    session.stop()
    with pytest.raises(SessionError, match=r"stop\(\) needs"):
        session.stop()
    session.wait(20)
    for call in ("pause", "resume", "stop", "step"):
        with pytest.raises(SessionError, match="finished"):
            getattr(session, call)()


def test_wait_times_out_and_wait_async_waits(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(TimeoutError):
        session.wait(0.05)
    session.stop()
    asyncio.run(session.wait_async())
    assert session.state == "finished"


# Speed -------------------------------------------------------------------------------------------


def test_pace_is_kept_and_changes_while_it_runs(make_session):
    session = make_session(total_steps=LONG)
    session.set_speed(20)
    session.start()
    until(lambda: session.snapshot().total_steps >= 8)
    begin, moves = time.monotonic(), session.snapshot().total_steps / 8
    time.sleep(1.0)
    rate = (session.snapshot().total_steps / 8 - moves) / (time.monotonic() - begin)
    assert rate < 30  # never faster than the pace; a busy machine may be slower
    assert not session.snapshot().is_max_speed
    session.set_speed(None)
    until(lambda: session.snapshot().total_steps > 8_000)
    assert session.snapshot().is_max_speed
    with pytest.raises(ConfigError, match="moves_per_second = 0"):
        session.set_speed(0)
    with pytest.raises(ConfigError, match="moves_per_second = 'fast'"):
        session.set_speed("fast")


def test_a_slow_pace_does_not_delay_commands(make_session):
    session = make_session(total_steps=LONG)
    session.set_speed(0.01)  # one move in a hundred seconds
    session.start()
    until(lambda: session.snapshot().total_steps == 8)
    session.stop()
    session.wait(10)
    assert session.snapshot().total_steps == 8


# A budget of seconds -----------------------------------------------------------------------------


@pytest.mark.parametrize("pace", [None, 20, 0.01])
def test_a_budget_of_seconds_ends_the_run_by_itself_saved(make_config, storage, pace):
    session = TrainingSession(make_config(total_steps=LONG), storage, seconds=0.6)
    session.set_speed(pace)
    session.start()
    session.wait(60)
    snapshot = session.snapshot()
    assert session.state == "finished"
    assert snapshot.message == "saved"
    assert 0.6 <= snapshot.elapsed < 3
    assert snapshot.time_left == 0
    assert 0 < snapshot.total_steps < LONG
    assert storage.weights_exist("snake", session.run_id)


def test_pauses_and_what_was_trained_before_are_not_counted(make_config, storage):
    session = TrainingSession(make_config(total_steps=LONG), storage, seconds=1.0)
    session.set_speed(10)
    session.start()
    until(lambda: session.snapshot().elapsed > 0.3)
    assert 0 < session.snapshot().time_left < 0.8
    session.pause()
    until(lambda: session.state == "paused")
    time.sleep(2.0)
    assert session.state == "paused"
    session.resume()
    session.wait(60)
    assert 1.0 <= session.snapshot().elapsed < 2.9
    again = TrainingSession.resume_run("snake", session.run_id, storage, seconds=0.5)
    again.start()
    again.wait(60)
    assert again.state == "finished"
    # Its own half second, after the second that the checkpoint counted at least.
    assert again.snapshot().elapsed >= 1.5


def test_what_ends_first_is_the_time_left(make_config, storage):
    steps = TrainingSession(make_config(total_steps=80), storage, seconds=1_000)
    steps.set_speed(10)
    steps.start()
    until(lambda: steps.snapshot().steps_per_second > 0)
    assert steps.snapshot().time_left < 10
    steps.wait(60)
    assert steps.snapshot().total_steps == 80


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "long"])
def test_a_budget_that_is_none_is_refused(make_config, storage, seconds):
    with pytest.raises(ConfigError, match="seconds = "):
        TrainingSession(make_config(), storage, seconds=seconds)
    with pytest.raises(ConfigError, match="seconds = "):
        rlplay.train(make_config(), seconds=seconds, storage=storage, progress=False)
    assert storage.list_runs() == []


# Live changes ------------------------------------------------------------------------------------


def test_live_changes_take_effect_and_are_written_down(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    session.update_hyperparams(entropy_coefficient=0.02)
    session.update_rewards(apple=3.0)
    session.stop()
    session.wait(20)
    changes = {event["field"]: (event["old"], event["new"]) for event in events(session)}
    assert changes["hyperparams.entropy_coefficient"][1] == 0.02
    assert changes["rewards.apple"] == (1.0, 3.0)
    assert session.hyperparams["entropy_coefficient"] == 0.02


def test_a_changed_reward_pays_differently(make_session):
    session = make_session(total_steps=LONG)
    session.step()
    until(lambda: session.snapshot().total_steps == 8)
    session.update_rewards(step=-7.0, death_wall=0.0, death_self=0.0, apple=0.0)
    until(lambda: "rewards.step" in [e["field"] for e in events(session)])
    session.set_speed(None)
    session.resume()
    until(lambda: session.snapshot().episode > 100)
    session.pause()
    until(lambda: session.state == "paused")
    newest = session.snapshot().last_episodes[-1]
    assert newest["return"] == pytest.approx(-7.0 * newest["length"], abs=0.01)


def test_a_pause_ends_with_a_checkpoint_also_when_it_ends_at_once(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    checkpoints = session.storage.checkpoints("snake", session.run_id)
    for at_once in (True, False, True):
        session.pause()
        until(lambda: session.state == "paused")
        step = session.snapshot().total_steps
        if at_once:
            session.resume()
        until(lambda step=step: [entry.step for entry in checkpoints.entries()][:1] == [step])
        if not at_once:
            session.resume()


def test_wrong_live_changes_are_refused_at_once_and_training_goes_on(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(ConfigError, match="'num_steps' cannot change"):
        session.update_hyperparams(num_steps=4)
    with pytest.raises(ConfigError, match="learning_rate"):
        session.update_hyperparams(learning_rate=5)
    with pytest.raises(ConfigError, match=r"'appel'.*'apple'"):
        session.update_rewards(appel=1)
    before = session.snapshot().total_steps
    until(lambda: session.snapshot().total_steps > before)


def test_changes_between_two_runs_hold_for_the_next_one(make_session):
    session = make_session(total_steps=400)
    session.update_hyperparams(num_steps=4)  # fixed while it runs, free before
    session.update_rewards(apple=2.0)
    session.start(max_speed=True)
    session.wait(20)
    saved = session.storage.load_config("snake", session.run_id)
    assert saved.hyperparams["num_steps"] == 4
    assert saved.reward_config["apple"] == 2.0


# Events ------------------------------------------------------------------------------------------


def test_events_arrive_on_a_thread_of_their_own_and_may_fail(make_session):
    session = make_session(total_steps=18_000)
    progress: list[dict[str, Any]] = []
    summaries: list[dict[str, Any]] = []
    threads = set()

    def broken(_: dict[str, Any]) -> None:
        raise RuntimeError("a callback of a student")

    session.on("episode_summary", broken)
    session.on("episode_summary", summaries.append)
    session.on("training_progress", lambda data: threads.add(threading.current_thread().name))
    stop = session.on("training_progress", progress.append)
    session.start()
    until(lambda: progress)
    stop()
    session.set_speed(None)
    session.wait(60)
    assert threads == {"rlplay-dispatcher"}
    assert {
        "run_id",
        "episode",
        "total_steps",
        "current_score",
        "best_score",
        "avg_score",
        "episodes_per_second",
        "steps_per_second",
        "is_max_speed",
        "game_state",
    } <= progress[0].keys()
    lines = session.storage.load_metrics("snake", session.run_id)
    assert [line["episode"] for line in summaries] == [line["episode"] for line in lines]
    assert {"run_id", "episode", "score", "reward", "length", "endings"} <= summaries[0].keys()
    assert session.state == "finished"
    with pytest.raises(ConfigError, match="episode_summary"):
        session.on("episode", print)


def test_the_history_holds_the_numbers_of_the_file(make_session):
    session = make_session(total_steps=18_000)
    session.start(max_speed=True)
    session.wait(60)
    lines = session.storage.load_metrics("snake", session.run_id)
    columns, count, _ = session.monitor.history()
    assert count == len(lines)
    for name in ("episode", "steps", "score", "score_max", "length"):
        assert columns[name] == [line[name] for line in lines]


def test_a_board_is_published_while_somebody_asks(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    until(lambda: session.snapshot().total_steps > 1_000)
    assert session.snapshot().game_state is None
    until(lambda: session.monitor.want_board() or session.snapshot().game_state)
    assert session.snapshot().game_state["grid_size"] == 5


def test_what_the_agent_sees_comes_with_the_board(make_session):
    session = make_session(total_steps=LONG)
    assert session.snapshot().observation is None
    session.monitor.want_board()
    session.step()
    until(lambda: session.snapshot().total_steps == 8)
    until(lambda: session.snapshot().observation is not None)
    snapshot = session.snapshot()
    state, seen = snapshot.game_state, snapshot.observation
    assert seen.dtype == np.float32
    loop = TrainingLoop(session.config)
    next(loop.run())
    np.testing.assert_array_equal(seen, loop.observations[0])
    assert state == loop.env.render_state(0)
    status = session.get_status()
    assert status["observation"] == seen.tolist()
    json.dumps(status)
    before = seen.copy()
    for _ in range(5):
        session.step()
    until(lambda: session.snapshot().total_steps == 48)
    np.testing.assert_array_equal(seen, before)


def test_each_shown_episode_knows_what_the_learner_said(make_session):
    session = make_session("dqn", total_steps=3_000)
    session.start(max_speed=True)
    session.wait(60)
    episodes = session.snapshot().last_episodes
    assert len(episodes) == 20
    assert all({"loss", "epsilon"} <= episode["learner"].keys() for episode in episodes)
    assert all(isinstance(value, float) for value in episodes[-1]["learner"].values())
    assert episodes[0]["learner"]["epsilon"] >= episodes[-1]["learner"]["epsilon"]


def test_live_changes_are_shown_newest_last_also_after_going_on(make_session, storage):
    session = make_session(total_steps=LONG)
    session.set_speed(None)
    session.update_rewards(apple=2.0)  # before it starts: a part of its config, no change
    session.step()
    until(lambda: session.snapshot().total_steps == 8)
    assert session.snapshot().changes == ()
    session.update_hyperparams(learning_rate=2e-3)
    session.update_rewards(apple=3.0)
    session.set_speed(50)
    session.set_speed(50)
    until(lambda: len(session.snapshot().changes) == 3)
    shown = [
        (change["field"], change["old"], change["new"]) for change in session.snapshot().changes
    ]
    assert shown == [
        ("hyperparams.learning_rate", 1e-3, 2e-3),
        ("rewards.apple", 2.0, 3.0),
        ("speed.moves_per_second", None, 50),
    ]
    assert all(change["steps"] == 8 for change in session.snapshot().changes)
    session.set_speed(None)
    session.resume()
    until(lambda: session.snapshot().total_steps > 400)
    session.update_rewards(apple=4.0)
    session.stop()
    session.wait(20)
    before = session.snapshot().changes
    assert len(before) == 5
    assert before[-1]["elapsed"] > before[0]["elapsed"] == 0
    assert session.get_status()["changes"] == list(before)

    # Files of older versions do not say when, in seconds.
    path = storage.get_run_path("snake", session.run_id) / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    again = TrainingSession.resume_run("snake", session.run_id, storage)
    again.step()
    until(lambda: len(again.snapshot().changes) == 5)
    assert again.snapshot().changes == before
    again.stop()
    again.wait(20)
    assert [line["elapsed"] for line in lines if line["field"] == "rewards.apple"][-1] == (
        before[-1]["elapsed"]
    )


# Weights for the screen --------------------------------------------------------------------------


def test_weights_are_published_while_somebody_asks_at_most_twice_a_second(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    until(lambda: session.snapshot().total_steps > 1_000)
    assert session.monitor.weights() is None
    began = time.monotonic()
    versions = {}
    while time.monotonic() - began < 1.6:
        session.monitor.want_weights()
        published = session.monitor.weights()
        if published is not None and published.version not in versions:
            versions[published.version] = (published, as_numbers(published))
        time.sleep(0.01)
    assert 2 <= len(versions) <= 4
    steps = [published.total_steps for published, _ in versions.values()]
    assert steps == sorted(set(steps))
    for published, numbers in versions.values():  # never changed afterwards
        assert as_numbers(published) == numbers
    assert as_numbers(versions[max(versions)][0]) != as_numbers(versions[min(versions)][0])


def as_numbers(published) -> dict[str, Any]:
    return {name: value.tolist() for name, value in published.weights.items()}


def test_what_updates_do_is_published_while_somebody_asks(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    until(lambda: session.snapshot().total_steps > 1_000)
    assert session.monitor.update() is None
    session.monitor.want_update()
    until(lambda: session.monitor.update() is not None)
    published = session.monitor.update()
    assert sum(published.details["ratios"]) > 0
    assert 0 < published.total_steps <= session.snapshot().total_steps

    def newer() -> bool:
        session.monitor.want_update()
        return session.monitor.update().version > published.version + 1

    until(newer)


def test_a_paused_trainer_gives_its_weights_at_once(make_session):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    until(lambda: session.snapshot().total_steps > 1_000)
    session.pause()
    until(lambda: session.state == "paused" and session.snapshot().saved_at is not None)
    time.sleep(0.1)
    assert session.monitor.weights() is None
    session.monitor.want_weights()
    asked = time.monotonic()
    until(lambda: session.monitor.weights() is not None)
    assert time.monotonic() - asked < 0.5  # about 0.1 s, on a machine that does nothing else
    published = session.monitor.weights()
    assert published.total_steps == session.snapshot().total_steps
    assert published.episode == session.snapshot().episode
    assert equal(published.weights, weights(session))
    session.monitor.want_weights()
    time.sleep(0.6)
    assert session.monitor.weights() is published  # nothing has changed


def test_a_trainer_at_a_slow_pace_gives_its_weights_at_once(make_session):
    session = make_session(total_steps=LONG)
    session.set_speed(0.01)
    session.start()
    until(lambda: session.snapshot().total_steps == 8)
    session.monitor.want_weights()
    until(lambda: session.monitor.weights() is not None, timeout=2)


def test_the_last_weights_are_published_and_forgotten_by_the_next_run(make_session):
    session = make_session(total_steps=2_000)
    session.start(max_speed=True)
    session.monitor.want_weights()
    while not session.has_ended(0.01):
        session.monitor.want_weights()
    published = session.monitor.weights()
    assert published.total_steps == 2_000
    assert equal(published.weights, weights(session))
    session.set_speed(0.01)
    session.start()
    newer = session.monitor.weights()
    assert newer is None or (newer.version > published.version and newer.total_steps < 2_000)


# Determinism -------------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_the_same_config_gives_the_same_bytes_also_beside_others(make_session, algo):
    alone = make_session(algo, total_steps=18_000)
    alone.start(max_speed=True)
    alone.wait(120)
    beside = [
        make_session(algo, total_steps=18_000),
        make_session("ppo", seed=1),
        make_session("dqn"),
    ]
    for session in beside:
        session.start(max_speed=True)
    for session in beside:
        session.wait(120)
    assert stable_lines(alone) == stable_lines(beside[0])
    assert len(stable_lines(alone)) >= 2
    assert equal(weights(alone), weights(beside[0]))
    replays = [
        [
            storage.load_replay("snake", run, row["replay_id"]).to_dict()
            | {"run_id": None, "sha256": None}
            for row in storage.list_replays("snake", run)
        ]
        for storage, run in ((s.storage, s.run_id) for s in (alone, beside[0]))
    ]
    assert replays[0] == replays[1]
    assert replays[0]


def test_pauses_and_screens_change_nothing(make_session):
    quiet = make_session(total_steps=18_000)
    quiet.start(max_speed=True)
    quiet.wait(60)
    watched = make_session(total_steps=18_000)
    watched.start(max_speed=True)
    for _ in range(3):
        watched.monitor.want_board()
        watched.monitor.want_weights()
        watched.pause()
        until(lambda: watched.state == "paused")
        watched.monitor.history()
        watched.resume()
        time.sleep(0.02)
    watched.wait(60)
    assert stable_lines(quiet) == stable_lines(watched)
    assert equal(weights(quiet), weights(watched))


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_every_replay_of_a_run_gives_what_it_claims(make_session, algo):
    session = make_session(algo, total_steps=10_000)
    session.start()
    until(lambda: session.snapshot().episode >= 5)
    session.set_speed(None)
    session.wait(120)
    rows = session.storage.list_replays("snake", session.run_id)
    assert len(rows) >= 3
    for row in rows:
        check = session.storage.load_replay("snake", session.run_id, row["replay_id"]).verify()
        assert check.ok, check


# What breaks -------------------------------------------------------------------------------------


class FaultySnake(SnakeEnv):
    """Plays for a while, then raises."""

    config_model = SnakeEnv.config_model
    reward_model = SnakeEnv.reward_model
    moves = 0

    def step(self, action: int) -> Any:
        type(self).moves += 1
        if type(self).moves > 400:
            raise ZeroDivisionError("a bug of a student")
        return super().step(action)


class HugeSnake(SnakeEnv):
    """Pays, after a while, more than can be squared."""

    moves = 0

    def step(self, action: int) -> Any:
        type(self).moves += 1
        observation, reward, *rest = super().step(action)
        return observation, 1e30 if type(self).moves > 1_000 else reward, *rest


class UnseenSnake(SnakeEnv):
    """Cannot be drawn."""

    def render_state(self) -> dict[str, Any]:
        raise KeyError("no picture")


class QuittingSnake(SnakeEnv):
    """Leaves the process."""

    def step(self, action: int) -> Any:
        raise SystemExit(3)


@pytest.fixture
def faulty_worlds():
    FaultySnake.moves = HugeSnake.moves = 0
    worlds = {
        "faulty": FaultySnake,
        "huge": HugeSnake,
        "unseen": UnseenSnake,
        "quit": QuittingSnake,
    }
    for name, world in worlds.items():
        register_env(name, world)
    yield
    for name in worlds:
        del ENV_REGISTRY[name]


def test_a_world_that_cannot_be_drawn_fails_the_session_and_wait_ends(make_session, faulty_worlds):
    session = make_session(env_name="unseen", total_steps=LONG)
    session.start(max_speed=True)
    session.monitor.want_board()
    session.pause()
    with pytest.raises(KeyError, match="no picture"):
        session.wait(30)
    assert session.snapshot().state == session.state == "failed"


def test_a_world_that_leaves_the_process_only_fails_its_session(make_session, faulty_worlds):
    session = make_session(env_name="quit", total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(SystemExit):
        session.wait(30)
    assert session.state == "failed"


def test_a_last_save_that_fails_is_not_called_saved(make_session, monkeypatch):
    session = make_session(total_steps=400)

    def full(*_: Any) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(session.storage, "save_weights", full)
    session.start(max_speed=True)
    with pytest.raises(StorageError, match="no space left"):
        session.wait(30)
    assert session.state == "failed"
    assert "no space left" in session.snapshot().message
    assert session.snapshot().saved_at is None


def test_a_run_that_fails_before_its_first_save_keeps_its_weights(make_session, faulty_worlds):
    session = make_session(env_name="faulty", total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(ZeroDivisionError):
        session.wait(30)
    assert session.storage.weights_exist("faulty", session.run_id)


def test_progress_brings_a_board_to_a_script_without_a_screen(make_session):
    session = make_session(total_steps=LONG)
    boards: list[Any] = []
    session.on("training_progress", lambda data: boards.append(data["game_state"]))
    session.start(max_speed=True)
    until(lambda: boards)
    assert boards[0]["grid_size"] == 5


def test_an_exception_in_an_environment_fails_this_session_alone(make_session, faulty_worlds):
    other = make_session(total_steps=LONG)
    other.start(max_speed=True)
    session = make_session(env_name="faulty", total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(ZeroDivisionError, match="a bug of a student"):
        session.wait(30)
    assert session.state == "failed"
    # The panel names the line that somebody wrote, and not those of the library around it.
    assert re.search(r"student \(in step, line \d+: raise Zero", session.snapshot().message)
    assert "ZeroDivisionError" in session.traceback
    assert "in step" in session.traceback
    assert "a bug of a student" in session.snapshot().message
    log = session.storage.get_run_path("faulty", session.run_id) / "log.txt"
    assert "ZeroDivisionError" in log.read_text()
    before = other.snapshot().total_steps
    until(lambda: other.snapshot().total_steps > before)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_loss_that_is_not_finite_fails_and_keeps_what_was_saved(make_session, faulty_worlds):
    session = make_session(env_name="huge", total_steps=LONG)
    session.step()
    until(lambda: session.snapshot().total_steps == 8)
    session.resume()
    session.pause()
    until(lambda: session.state == "paused" and session.snapshot().saved_at is not None)
    saved = weights(session)
    session.set_speed(None)
    session.resume()
    with pytest.raises(ArithmeticError, match="not finite"):
        session.wait(60)
    after = weights(session)
    assert equal(saved, after)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_a_failed_session_can_start_again(make_session, faulty_worlds):
    session = make_session(env_name="faulty", total_steps=800)
    session.start(max_speed=True)
    with pytest.raises(ZeroDivisionError):
        session.wait(30)
    first = session.run_id
    FaultySnake.moves = -(10**9)
    session.start(max_speed=True)
    session.wait(30)
    assert session.state == "finished"
    assert session.error is None
    assert session.run_id != first


def test_a_device_that_is_not_there_is_refused_at_start(make_session, monkeypatch):
    session = make_session()
    monkeypatch.setenv("FORCE_DEVICE", "quantum")
    with pytest.raises(DeviceError, match="quantum"):
        session.start()
    assert session.state == "new"
    assert session.storage.list_runs() == []


def test_a_models_folder_that_cannot_be_written(make_config, tmp_path):
    (tmp_path / "models").write_text("a file in the way")
    session = TrainingSession(make_config(), rlplay.StorageManager(tmp_path / "models"))
    with pytest.raises(StorageError):
        session.start()
    assert session.state == "new"


def test_a_save_that_fails_is_shown_and_harmless(make_session, monkeypatch):
    session = make_session(total_steps=LONG)

    def full(*_: Any) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(session.storage, "save_weights", full)
    session.start(max_speed=True)
    session.pause()
    until(lambda: "no space left" in session.snapshot().message)
    session.resume()
    session.update_rewards(apple=2.0)
    before = session.snapshot().total_steps
    until(lambda: session.snapshot().total_steps > before)
    assert "Not saved: no space left" in session.snapshot().message  # it still is not
    monkeypatch.undo()
    session.pause()
    until(lambda: session.snapshot().saved_at is not None)
    assert session.snapshot().message == ""


def test_a_second_session_on_a_run_is_refused(make_session, storage):
    session = make_session(total_steps=LONG)
    session.start(max_speed=True)
    with pytest.raises(RunBusy, match="a session of ppo on snake"):
        storage.claim("snake", session.run_id, "somebody else")
    session.stop()
    session.wait(20)
    storage.claim("snake", session.run_id, "somebody else")
    storage.release("snake", session.run_id)


def test_an_agent_that_gives_wrong_actions_is_named(make_session, monkeypatch):
    from rlplay.agents.ppo import PPO

    monkeypatch.setattr(PPO, "select_action", lambda self, seen, training=True: np.zeros(3))
    session = make_session()
    session.start(max_speed=True)
    with pytest.raises(rlplay.RlplayError, match=r"'ppo' gave actions of shape \(3,\)"):
        session.wait(20)


# The loop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
@pytest.mark.parametrize("cut", [3, 57, 200])
def test_a_restored_loop_goes_on_exactly(make_config, algo, cut):
    import copy

    def run(loop: TrainingLoop, count: int) -> None:
        items = loop.run()
        for _ in range(count):
            next(items)

    config = make_config(algo, total_steps=LONG)
    straight = TrainingLoop(config)
    run(straight, 400)
    first = TrainingLoop(config)
    run(first, cut)
    second = TrainingLoop(config.replace(seed=99))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(second, 400 - cut)
    one, other = straight.agent.network.state_dict(), second.agent.network.state_dict()
    assert equal(one, other)
    np.testing.assert_array_equal(straight.observations, second.observations)
    assert straight.episodes == second.episodes


# Formulas ----------------------------------------------------------------------------------------


def test_a_formula_without_a_value_pauses_the_session_until_it_is_mended(make_session):
    session = make_session(total_steps=LONG, reward_config={"step": "1 / (hunger - 3)"})
    session.start(max_speed=True)
    until(lambda: session.state == "paused")
    until(lambda: "1 / (hunger - 3)" in session.snapshot().message)
    assert "hunger = 3" in session.snapshot().message
    session.update_rewards(step="-0.001 * hunger")
    session.resume()
    before = session.snapshot().total_steps
    until(lambda: session.snapshot().total_steps > before + 1_000)
    assert session.state == "running"
    assert session.snapshot().message == ""


def test_a_pace_may_be_a_number_of_numpy(make_session):
    session = make_session(total_steps=LONG)
    session.start()
    session.set_speed(np.int64(500))
    until(lambda: session.snapshot().total_steps > 200)
    session.stop()
    session.wait(20)
    paces = [event["new"] for event in session.storage.load_events("snake", session.run_id)]
    assert 500 in paces


def test_steps_by_hand_do_not_delay_what_is_shown_later(make_session):
    session = make_session(total_steps=LONG)
    session.step()
    for _ in range(3_000):
        session.step()
    until(lambda: session.snapshot().total_steps >= 3_001 * 8)
    session.set_speed(None)
    session.resume()
    until(lambda: session.snapshot().total_steps > 3_001 * 8 + 2_000)

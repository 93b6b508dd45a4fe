"""How fast a config trains is measured without a trace."""

from __future__ import annotations

import threading

import pytest
import torch

import rlplay
from rlplay.errors import ConfigError, DeviceError
from rlplay.training import speed
from rlplay.training.loop import TrainingLoop, Update


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_it_trains_for_about_so_long_and_gives_steps_a_second(make_config, monkeypatch, algo):
    clock = [0.0]
    updates = []

    class Loop(TrainingLoop):
        """A move takes 1 s and an update 2 s."""

        def run(self):
            for item in super().run():
                clock[0] += 2 if isinstance(item, Update) else 1
                updates.append(item)
                yield item

    class Clock:
        monotonic = staticmethod(lambda: clock[0])

    monkeypatch.setattr(speed, "TrainingLoop", Loop)
    monkeypatch.setattr(speed, "time", Clock)
    measured = rlplay.measure_speed(make_config(algo, total_steps=8), "cpu", 1_000)
    # PPO: 8 moves, then 2 minibatches twice over. DQN: 1 move, then 2 minibatches.
    expected = {"ppo": 8 * 8 / (8 + 4 * 2), "dqn": 8 / (1 + 2 * 2)}[algo]
    assert measured == pytest.approx(expected)
    assert 1_000 <= clock[0] < 2_100


def test_before_it_learns_the_moves_alone_are_measured(make_config):
    config = make_config("dqn", hyperparams={"learning_starts": 10**8})
    assert rlplay.measure_speed(config, seconds=0.05) > 0


def test_it_leaves_no_trace(make_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads, before = torch.get_num_threads(), set(threading.enumerate())
    sessions = rlplay.sessions()
    state = torch.get_rng_state()
    assert rlplay.measure_speed(make_config(), seconds=0.1) > 8
    assert list(tmp_path.iterdir()) == []
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert set(threading.enumerate()) <= before
    assert rlplay.sessions() == sessions


def test_a_device_that_is_not_there_and_no_time_are_refused(make_config, monkeypatch):
    monkeypatch.delenv("FORCE_DEVICE", raising=False)
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(DeviceError, match=missing):
        rlplay.measure_speed(make_config(), missing)
    with pytest.raises(ConfigError, match="device"):
        rlplay.measure_speed(make_config(), "quantum")
    for seconds in (0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="seconds = "):
            rlplay.measure_speed(make_config(), seconds=seconds)

"""The controls, clicked without a browser."""

from __future__ import annotations

import threading
import time

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground

from .conftest import StillSession

SMALL = {"num_envs": 2, "total_steps": 10**9, "env_config": {"grid_size": 5}}


@pytest.fixture
def small() -> rlplay.RunConfig:
    return rlplay.get_default_config("dqn").replace(**SMALL)


def paint_until(painter, condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        painter.tick()
        if condition():
            return
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(0.01)


def test_start_pause_resume_stop_and_start_again(painter, small) -> None:
    panel = Playground(small)
    train = panel.controls
    painter.tick()
    assert (train.start.disabled, train.pause.disabled, train.stop.disabled) == (False, True, True)
    assert "ready" in train.status.value

    train.start.click()
    painter.tick()
    assert (train.start.disabled, train.pause.disabled, train.stop.disabled) == (True, False, False)
    session = panel.session
    assert session.config.env_config["grid_size"] == 5
    paint_until(painter, lambda: session.snapshot().total_steps > 0)
    assert "running" in train.status.value
    assert session.run_id in train.status.value

    train.pause.click()
    paint_until(painter, lambda: "paused" in train.status.value)
    assert train.pause.description == "Resume"
    steps = session.snapshot().total_steps
    time.sleep(0.05)
    assert session.snapshot().total_steps == steps

    train.pause.click()
    paint_until(painter, lambda: "running" in train.status.value)
    assert train.pause.description == "Pause"

    train.stop.click()
    paint_until(painter, lambda: "finished" in train.status.value)
    assert train.start.description == "Start again"

    train.start.click()
    painter.tick()
    again = panel.session
    assert again is not session
    assert again.run_id != session.run_id
    assert session.state == "finished"
    train.stop.click()
    paint_until(painter, lambda: "finished" in train.status.value)
    assert train.messages.value == ""


def test_what_is_chosen_is_trained(painter, small) -> None:
    panel = Playground(small)
    panel.desk.set("env_config", "grid_size", 7)
    painter.tick()
    panel.controls.start.click()
    first = panel.session
    assert first.config.env_config["grid_size"] == 7
    assert first.config.num_envs == 2
    panel.controls.stop.click()
    paint_until(painter, lambda: first.snapshot().state == "finished")

    panel.tabs.panels["Train"].algorithm.value = "ppo"
    wanted = panel.desk.draft.config
    assert (wanted.algo, wanted.env_config["grid_size"]) == ("ppo", 7)
    assert wanted.hyperparams == rlplay.get_default_config("ppo").hyperparams


def test_the_pace_can_change_while_it_runs(painter) -> None:
    session = StillSession()
    session.monitor.publish(state="running", moves_per_second=None, is_max_speed=True)
    train = Playground(session).controls
    painter.tick()
    assert train.full_speed.value
    train.pace.value = 20
    assert session.calls == [20]
    painter.tick()
    assert not train.full_speed.value
    train.full_speed.value = True
    assert session.calls == [20, None]
    train.full_speed.value = False
    assert session.calls == [20, None, 20]


def test_a_pace_that_code_set_is_shown_and_not_set_again(painter) -> None:
    session = StillSession()
    session.monitor.publish(state="running", moves_per_second=None, is_max_speed=True)
    train = Playground(session).controls
    painter.tick()
    session.monitor.publish(moves_per_second=5.0)
    painter.tick()
    assert (train.full_speed.value, train.pace.value) == (False, 5.0)
    session.monitor.publish(moves_per_second=5000.0)
    painter.tick()
    assert train.pace.value == 100
    assert session.calls == []


def test_an_error_in_a_click_is_shown_and_the_next_click_works(painter, small, monkeypatch) -> None:
    panel = Playground(small)

    def broken(*_, **__):
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", broken)
    panel.controls.start.click()
    painter.tick()
    shown = panel.controls.messages.value
    assert "RuntimeError" in shown
    assert "Traceback" in shown
    assert "<script" not in shown

    def refused(*_, **__):
        raise ConfigError("No such <b>thing</b>.")

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", refused)
    panel.controls.start.click()
    painter.tick()
    assert "No such &lt;b&gt;thing&lt;/b&gt;." in panel.controls.messages.value
    assert "Traceback" not in panel.controls.messages.value

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", TrainingSession)
    panel.controls.start.click()
    painter.tick()
    assert panel.controls.messages.value == ""
    assert panel.session.snapshot().state == "running"


def test_a_failed_training_says_why(painter) -> None:
    session = StillSession(traceback="Traceback: <i>line 1</i>")
    session.monitor.publish(state="failed", message="the <b>loss</b> is not a number", run_id="r1")
    train = Playground(session).controls
    painter.tick()
    assert "failed" in train.status.value
    assert "the &lt;b&gt;loss&lt;/b&gt; is not a number" in train.messages.value
    assert "<details>" in train.messages.value
    assert "&lt;i&gt;line 1" in train.messages.value
    assert not train.start.disabled


def test_what_the_session_says_is_shown(painter) -> None:
    session = StillSession()
    session.monitor.publish(state="running", message="compiling the rules")
    train = Playground(session).controls
    painter.tick()
    assert "compiling the rules" in train.status.value


def test_an_error_while_drawing_stops_neither_the_rest_nor_is_it_hidden(painter) -> None:
    session = StillSession()
    session.monitor.publish(state="running", run_id="r1", game_state={"grid_size": "ten"})
    panel = Playground(session)
    painter.tick()
    session.monitor.publish(episode=5)
    time.sleep(0.2)
    painter.tick()
    assert panel.numbers.widget.values["episode"] == "5"
    assert "The board cannot be shown" in panel.controls.messages.value
    session.monitor.publish(game_state=None)
    painter.tick()
    painter.tick()
    assert panel.controls.messages.value == ""


def test_callbacks_return_at_once_and_set_no_trait(painter, small) -> None:
    """A trait that a kernel's thread sets would race with the painter."""
    panel = Playground(small)
    painter.tick()
    changes: list[str] = []
    for control in (panel.controls.start, panel.controls.pause, panel.controls.stop, panel.controls.status):
        control.observe(lambda change: changes.append(change["name"]))
    began = time.monotonic()
    clicker = threading.Thread(target=panel.controls.start.click)
    clicker.start()
    clicker.join()
    panel.controls.pause.click()
    assert time.monotonic() - began < 1.0
    assert changes == []
    painter.tick()
    assert changes

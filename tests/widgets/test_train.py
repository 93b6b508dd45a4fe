"""The controls, clicked without a browser."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground
from rlplay_widgets.desk import LOOKS, look_of
from rlplay_widgets.panels.train import TrainPanel, parse_seconds, parse_steps
from rlplay_widgets.theme import number

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
    assert train.messages.texts == ()


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
    assert train.pace.value == 5000
    assert session.calls == []


def test_an_error_in_a_click_is_shown_and_the_next_click_works(painter, small, monkeypatch) -> None:
    panel = Playground(small)

    def broken(*_, **__):
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", broken)
    panel.controls.start.click()
    painter.tick()
    (shown,) = panel.controls.messages.widget.messages
    assert "RuntimeError" in shown["text"]
    assert "Traceback" in shown["details"]

    def refused(*_, **__):
        raise ConfigError("No such <b>thing</b>.")

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", refused)
    panel.controls.start.click()
    painter.tick()
    (shown,) = panel.controls.messages.widget.messages
    assert (shown["text"], shown["details"]) == ("No such <b>thing</b>.", "")

    monkeypatch.setattr("rlplay_widgets.desk.TrainingSession", TrainingSession)
    panel.controls.start.click()
    painter.tick()
    assert panel.controls.messages.texts == ()
    assert panel.session.snapshot().state == "running"


def test_a_failed_training_says_why(painter) -> None:
    session = StillSession(traceback="Traceback: <i>line 1</i>")
    session.monitor.publish(state="failed", message="the <b>loss</b> is not a number", run_id="r1")
    train = Playground(session).controls
    painter.tick()
    assert "failed" in train.status.value
    (shown,) = train.messages.widget.messages
    assert "the <b>loss</b> is not a number" in shown["text"]
    assert shown["details"] == "Traceback: <i>line 1</i>"
    assert not train.start.disabled

    # It was read, and is put away until another one fails.
    train.messages.widget._handle_custom_msg({"kind": "dismiss", "key": shown["key"]}, [])
    painter.tick()
    assert train.messages.texts == ()
    session.monitor.publish(state="running")
    painter.tick()
    session.monitor.publish(state="failed", message="once more")
    painter.tick()
    assert "once more" in train.messages.texts[0]


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
    assert "The board cannot be shown" in panel.controls.messages.texts[0]
    session.monitor.publish(game_state=None)
    painter.tick()
    painter.tick()
    assert panel.controls.messages.texts == ()


def test_callbacks_return_at_once_and_set_no_trait(painter, small) -> None:
    """A trait that a kernel's thread sets would race with the painter."""
    panel = Playground(small)
    painter.tick()
    changes: list[str] = []
    for control in (
        panel.controls.start,
        panel.controls.pause,
        panel.controls.stop,
        panel.controls.status,
    ):
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


def test_a_second_session_starts_beside_the_first(painter, small) -> None:
    panel = Playground(small)
    controls = panel.controls
    painter.tick()
    assert controls.another.disabled
    controls.start.click()
    controls.start.click()  # a double click
    first = panel.session
    painter.tick()
    assert not controls.another.disabled
    assert len(panel.desk.sessions()) == 1
    controls.another.click()
    controls.another.click()
    second = panel.session
    assert second is not first
    assert len(panel.desk.sessions()) == 2
    paint_until(painter, lambda: first.snapshot().total_steps > 0)
    paint_until(painter, lambda: second.snapshot().total_steps > 0)
    assert {first.snapshot().state, second.snapshot().state} == {"running"}
    painter.tick()
    switch = controls.sessions.widget
    keys = [session["key"] for session in switch.sessions]
    assert keys == [first.run_id, second.run_id]
    assert switch.chosen == second.run_id
    assert look_of(first) != look_of(second)
    assert second.run_id not in controls.status.value

    controls.sessions._receive(switch, {"kind": "select", "key": first.run_id}, [])
    painter.tick()
    assert panel.session is first
    assert switch.chosen == first.run_id
    controls.stop.click()
    paint_until(painter, lambda: first.snapshot().state == "finished")
    assert second.snapshot().state == "running"
    paint_until(painter, lambda: switch.sessions[0]["state"] == "finished")


def test_looks_are_told_apart_as_long_as_there_are_any(monkeypatch) -> None:
    monkeypatch.setattr("rlplay_widgets.desk._looks", weakref.WeakKeyDictionary())
    held = [StillSession() for _ in range(LOOKS)]
    assert len({look_of(session) for session in held}) == LOOKS
    gone = look_of(held.pop(2))
    gc.collect()
    assert look_of(other := StillSession()) == gone
    assert look_of(other) == gone


def form(panel: Playground) -> TrainPanel:
    found = panel.tabs.panels["Train"]
    assert isinstance(found, TrainPanel)
    return found


def test_the_form_edits_the_draft_and_follows_it(painter) -> None:
    panel = Playground()
    train = form(panel)
    painter.tick()
    assert train.preset.value == "default"
    train.preset.value = "classic"
    classic = rlplay.get_default_config("ppo", preset="classic")
    assert panel.config == classic
    train.name.value = "<script>alert(1)</script>"
    assert panel.config.name == "<script>alert(1)</script>"
    panel.desk.set("hyperparams", "learning_rate", 0.123)
    painter.tick()
    assert train.preset.value == "your own"
    train.algorithm.value = "dqn"
    painter.tick()
    assert train.preset.options == tuple(rlplay.list_presets("dqn"))
    assert train.preset.value == "default"
    assert panel.config.name == "<script>alert(1)</script>"


def test_what_the_painter_sets_is_no_wish(painter) -> None:
    """A dropdown whose options change chooses its first one by itself."""
    panel = Playground()
    painter.tick()
    panel.desk.draft.adopt(rlplay.get_default_config("ppo", preset="classic"))
    panel.desk.set("hyperparams", "learning_rate", 0.123)
    wanted = panel.config
    painter.tick()
    panel.desk.set_pace(33.0)
    painter.tick()
    assert panel.config == wanted
    assert panel.desk.pace == 33.0


def test_of_a_drag_only_the_last_pace_is_recorded(painter) -> None:
    panel = Playground()
    panel.open_tab("Watch")
    painter.tick()
    # In the browser; a game that is watched hears each, and writes down none.
    assert panel.controls.pace.recorded
    assert not panel.tabs.panels["Watch"].pace.recorded


def test_a_budget_of_steps_or_seconds(painter, monkeypatch) -> None:
    panel = Playground()
    train = form(panel)
    painter.tick()
    assert train.budget.value == number(panel.config.total_steps)
    train.budget.value = "2.5 M"
    painter.tick()
    assert panel.config.total_steps == 2_500_000
    assert train.budget.value == number(2_500_000)
    assert train.preset.value == "default"
    train.unit.value = "seconds"
    painter.tick()
    train.budget.value = "1:30"
    painter.tick()
    assert train.budget.value == "90"
    assert panel.desk.seconds == 90
    # The steps, for which the schedules are made, end it too.
    most = f"At most {number(2_500_000)} steps"
    assert train.about.value.startswith(f"<p>{most}. ")
    assert most in train.budget.tooltip
    assert "total steps at the latest" in train.unit.tooltip
    assert "seconds=90" in panel.code()
    train.budget.value = "<b>soon</b>"
    painter.tick()
    # What nobody can read stays where it was written, with the reason, and nothing begins.
    assert train.budget.value == "<b>soon</b>"
    assert "rlplay-wrong" in train.budget._dom_classes
    assert "&lt;b&gt;soon&lt;/b&gt;" in train.about.value
    assert panel.controls.messages.texts == ()
    panel.desk.set("seed", 3)
    panel.controls.start.click()
    painter.tick()
    assert panel.session is None
    assert "is no time to train" in panel.controls.messages.texts[0]
    assert panel.desk.seconds == 90
    train.unit.value = "steps"
    painter.tick()
    assert "At most" not in train.about.value
    assert "rlplay-wrong" not in train.budget._dom_classes
    assert train.budget.value == number(2_500_000)
    train.budget.value = "0"
    painter.tick()
    assert (train.budget.value, panel.config.total_steps) == ("0", 2_500_000)
    assert "&#x27;0&#x27; is not allowed: 1 to 1\u202f000" in train.about.value
    panel.desk.draft.adopt(panel.config)
    painter.tick()
    assert train.budget.value == number(2_500_000)
    assert panel.desk.seconds is None


@pytest.mark.parametrize(
    ("text", "steps"),
    [("60 000 000", 60_000_000), ("60\u202f000", 60_000), ("5k", 5_000), ("6e7", 60_000_000),
     ("1_000", 1_000), ("0.25 G", 250_000_000)],
)  # fmt: skip
def test_steps_as_people_write_them(text, steps) -> None:
    assert parse_steps(text) == steps


@pytest.mark.parametrize("text", ["2.5", "0.0001k", "0", "1e13", "-1", ""])
def test_steps_that_no_run_can_have(text) -> None:
    with pytest.raises(ConfigError):
        parse_steps(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("1.5 min", 90), ("2 h", 7200), ("1:00:05", 3605)],
)
def test_seconds_as_people_write_them(text, seconds) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "1:99", "0", "5 days"])
def test_no_time_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="Write it like"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["", "many", "-5", "1e999", "5 days"])
def test_no_count_is_refused(text) -> None:
    with pytest.raises(ConfigError, match="Write it like"):
        parse_steps(text)


def test_the_last_episodes_stand_in_a_table(painter) -> None:
    session = StillSession()

    def episodes(last: int) -> tuple[dict, ...]:
        return tuple(
            {"episode": n, "score": 1.0, "return": 0.5, "length": 9, "ending": "wall",
             "learner": {"loss": 0.25, "entropy": 0.7}}
            for n in range(last - 19, last + 1)
        )  # fmt: skip

    session.monitor.publish(state="running", run_id="r1", last_episodes=episodes(20))
    panel = Playground(session)
    train = form(panel)
    painter.tick(1.0)
    rows = train.episodes.rows
    assert len(rows) == 20
    assert rows[-1].cells == (20, 1.0, 0.5, 9, "hit the wall", 0.25, 0.7)
    headings = [column["label"] for column in train.episodes.widget.columns]
    assert headings[-2:] == ["Loss", "Entropy"]
    changes = 0
    for tick in range(30):
        session.monitor.publish(last_episodes=episodes(21 + tick))
        before = train.episodes.rows
        painter.tick(2.0 + tick / 30)
        changes += train.episodes.rows != before
    assert changes <= 2
    assert train.episodes.widget.order == [0, True]


def test_a_click_on_an_ending_opens_a_replay(painter, monkeypatch) -> None:
    panel = Playground()
    asked: list[str] = []
    monkeypatch.setattr(panel.desk, "open_replay_of", asked.append)
    endings = form(panel).endings
    endings._receive(endings.widget, {"kind": "open", "name": "self"}, [])
    assert asked == ["self"]
    monkeypatch.undo()
    endings.widget._handle_custom_msg({"kind": "open", "name": "self"}, [])
    painter.tick()
    assert "No episode was trained yet" in panel.controls.messages.texts[0]


def test_the_code_reproduces_the_settings(painter) -> None:
    panel = Playground()
    controls = panel.controls
    painter.tick()
    assert controls.code.widget.code == ""
    panel.desk.set("env_config", "grid_size", 8)
    controls.show_code.value = True
    painter.tick()
    assert controls.code.widget.code == panel.code()
    panel.desk.set("name", 'O\'Neil "<b>" \\')
    painter.tick()
    shown = controls.code.widget.code
    assert "Neil" in shown
    names: dict = {}
    exec(shown.replace("run = ", "# run = "), names)
    assert names["config"] == panel.config
    controls.show_code.value = False
    painter.tick()
    assert controls.code.widget.code == ""


def test_an_agent_or_an_environment_that_breaks_is_shown(painter, small, monkeypatch) -> None:
    panel = Playground(small)

    def broken(*_, **__):
        raise ZeroDivisionError("<i>1/0</i>")

    with monkeypatch.context() as patched:
        patched.setattr("rlplay.agents.dqn.DQN.select_action", broken)
        panel.controls.start.click()
        paint_until(painter, lambda: "failed" in panel.controls.status.value)
    (shown,) = panel.controls.messages.widget.messages
    assert "<i>1/0</i>" in shown["text"]
    assert "Traceback" in shown["details"]
    panel.controls.start.click()
    paint_until(painter, lambda: panel.session.snapshot().total_steps > 0)
    assert panel.controls.messages.texts == ()


def test_a_panel_that_breaks_stops_no_other(painter, monkeypatch) -> None:
    panel = Playground()
    painter.tick()

    def broken(frame):
        raise RuntimeError("<b>ink</b>")

    for part in (panel.numbers, panel.curve, form(panel), panel.controls.sessions):
        with monkeypatch.context() as patched:
            patched.setattr(part, "paint", broken)
            painter.tick()
            painter.tick()
            (shown,) = panel.controls.messages.texts
            assert part.title in shown
            assert "<b>ink" in shown
        painter.tick()
        painter.tick()
        assert panel.controls.messages.texts == ()


def test_a_budget_of_seconds_ends_the_run(painter, small) -> None:
    panel = Playground(small)
    form(panel).unit.value = "seconds"
    form(panel).budget.value = "0.3"
    panel.controls.start.click()
    paint_until(painter, lambda: "finished" in panel.controls.status.value)
    assert 0.25 < panel.session.snapshot().elapsed < 3
    assert panel.session.snapshot().total_steps < small.total_steps

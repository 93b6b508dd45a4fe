from __future__ import annotations

import threading
import time

import pytest

import rlplay
import rlplay_widgets.playground as playground_module
from rlplay.errors import ConfigError
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground

from .conftest import StillSession, widget_count


def test_running_the_cell_again_leaves_nothing_behind(painter) -> None:
    Playground()
    painter.tick()
    count, threads = widget_count(), threading.active_count()
    for _ in range(50):
        Playground()
        painter.tick()
    assert widget_count() == count
    assert threading.active_count() == threads
    assert len(painter.scenes) == len(playground_module._open) == 1


def test_closing_frees_every_widget(painter) -> None:
    before = widget_count()
    panel = Playground()
    painter.tick()
    assert widget_count() > before
    panel.close()
    panel.close()
    assert widget_count() == before
    assert painter.scenes == ()


def test_the_real_painter_ends_with_the_last_panel() -> None:
    panel = Playground()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("rlplay-painter") == 1
    panel.close()
    deadline = time.monotonic() + 5
    while any(thread.name == "rlplay-painter" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_running_session_is_shown_again(painter, monkeypatch) -> None:
    running = StillSession()
    running.monitor.publish(state="running", run_id="r1")
    ended = StillSession()
    ended.monitor.publish(state="finished")
    monkeypatch.setattr(playground_module, "sessions", lambda: [running, ended])
    first = Playground()
    assert first.session is running
    second = Playground()
    assert second.session is running
    assert playground_module._open == [second]


def test_the_same_cell_goes_on_with_what_it_showed(painter) -> None:
    config = rlplay.get_default_config("dqn").replace(num_envs=2)
    first = Playground(config)
    first.controls.start.click()
    session = first.session
    assert Playground(config).session is session
    session.stop()
    session.wait(20)
    again = Playground(config)
    assert again.session is session
    painter.tick()
    assert "finished" in again.controls.status.value


def test_two_cells_keep_their_panels(painter, monkeypatch) -> None:
    cells = iter(["a", "b", "b", "a"])
    monkeypatch.setattr(playground_module, "_running_cell", lambda: next(cells))
    one = Playground(rlplay.get_default_config("ppo"))
    two = Playground(rlplay.get_default_config("dqn"))
    assert playground_module._open == [one, two]
    three = Playground(rlplay.get_default_config("dqn"))
    assert playground_module._open == [one, three]
    four = Playground(rlplay.get_default_config("ppo").replace(seed=3))
    assert playground_module._open == [three, four]


def test_a_session_can_be_shown_before_it_starts(painter) -> None:
    config = rlplay.get_default_config("dqn").replace(num_envs=2, env_config={"grid_size": 6})
    session = TrainingSession(config)
    panel = Playground(session)
    painter.tick()
    assert panel.desk.draft.get("env_config", "grid_size") == 6
    panel.controls.start.click()
    assert panel.session is session
    assert session.snapshot().state == "running"


def test_anything_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="not str"):
        Playground("ppo")


def test_where_widgets_do_not_run_a_line_says_how(painter) -> None:
    session = StillSession(rlplay.get_default_config().replace(run_id="<script>alert(1)</script>"))
    panel = Playground(session)
    bundle = panel._repr_mimebundle_(include=None, exclude=None)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id
    assert "rlplay lab" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]


def test_nothing_is_painted_while_nobody_looks(painter, sent) -> None:
    session = StillSession()
    session.monitor.publish(state="running", run_id="r1", game_state={"broken": True})
    panel = Playground(session)
    sight = panel._scene.sight
    sight._receive(sight, {"kind": "report", "view": "v", "visible": False, "dark": False}, [])
    assert painter.tick() > 1.0
    assert not session.monitor.board_wanted()
    assert panel.controls.messages.value == ""
    sight._receive(sight, {"kind": "report", "view": "v", "visible": True, "dark": True}, [])
    assert painter.tick() <= 1 / 30
    assert session.monitor.board_wanted()


def test_a_browser_that_does_not_answer_gets_two_frames_a_second(painter, sent) -> None:
    session = StillSession()
    session.monitor.publish(state="running", run_id="r1")
    Playground(session)
    for tick in range(300):
        session.monitor.publish(game_state=None)
        painter.tick(tick / 30)
    frames_at_first, frames_in_all = 35, len(sent)
    assert 20 <= frames_in_all <= frames_at_first + 2 * 10 + 2

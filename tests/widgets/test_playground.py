from __future__ import annotations

import base64
import gc
import io
import itertools
import os
import re
import threading
import time

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter
from PIL import Image

import rlplay
import rlplay_widgets.playground as playground_module
from rlplay.errors import ConfigError, RunNotFound, SessionError
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground, clerk
from rlplay_widgets.painter import FULL_SPEED_FRAME
from rlplay_widgets.panels import PANELS

from .conftest import StillSession, snake, widget_count


def test_running_the_cell_again_leaves_nothing_behind(painter) -> None:
    def run_the_cell() -> None:
        panel = Playground()
        for name in PANELS:
            panel.open_tab(name)
            painter.tick()
            painter.tick()
            assert panel.tabs.bar.chosen == name
        assert panel._scene.problems == {}
        clerk.submit(lambda: None).result()  # whoever lists runs just now has a folder open

    run_the_cell()
    count, threads, files = widget_count(), threading.active_count(), len(os.listdir("/dev/fd"))
    for _ in range(50):
        run_the_cell()
    assert widget_count() == count
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) < files + 10  # a few come and go
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


def test_what_trains_can_be_reached_from_a_panel_that_does_not_show_it(
    painter, small, monkeypatch
) -> None:
    monkeypatch.setattr(playground_module, "_running_cell", lambda: "a")
    first = Playground(small)
    painter.tick()
    assert not first.controls.sessions.widget.offered
    running = first.start()
    painter.tick()
    assert not first.controls.sessions.widget.offered
    # The cell is edited and run again.
    panel = Playground(small.replace(env_config={"grid_size": 6}))
    painter.tick()
    assert (panel.session, running.state) == (None, "running")
    switch = panel.controls.sessions
    assert switch.widget.offered
    switch._receive(switch.widget, {"kind": "select", "key": running.run_id}, [])
    painter.tick()
    assert panel.session is running
    assert not switch.widget.offered
    assert not panel.controls.pause.disabled


def run_cell(monkeypatch, execution: str, cell: str | None = None) -> None:
    """Have a kernel run a cell, as the front end names it."""
    request = {
        "header": {"msg_id": execution},
        "metadata": {} if cell is None else {"cellId": cell},
    }
    monkeypatch.setattr(playground_module, "_request", lambda: request)


def leave_page(panel: Playground) -> None:
    """Show a panel on a page and take it away again."""
    sight = panel._scene.sight
    sight._receive(sight, {"kind": "report", "view": "v", "visible": True, "dark": False}, [])
    sight._receive(sight, {"kind": "gone", "view": "v"}, [])


def test_where_cells_have_no_names_panels_of_other_runs_stay(painter, small, monkeypatch) -> None:
    other = small.replace(seed=3)
    run_cell(monkeypatch, "1")
    one = Playground(small)
    run_cell(monkeypatch, "2")
    two = Playground(other)
    assert playground_module._open == [one, two]
    # A second one in one run of a cell, and what an earlier one shows.
    three = Playground(small.replace(seed=4))
    assert playground_module._open == [one, three]
    session = one.start()
    run_cell(monkeypatch, "3")
    four = Playground(session)
    assert playground_module._open == [three, four]


def test_where_cells_have_no_names_what_left_the_page_is_freed(painter, small, monkeypatch) -> None:
    for execution in range(4):
        run_cell(monkeypatch, str(execution))
        panel = Playground(small.replace(seed=execution))
        assert playground_module._open == [panel]
        leave_page(panel)


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
    with pytest.raises(ConfigError, match="not int"):
        Playground(3)
    with pytest.raises(RunNotFound, match="ppo"):
        Playground("ppo")
    with pytest.raises(RunNotFound, match="maze"):
        Playground(("maze", "ppo"))
    with pytest.raises(ConfigError, match="not both"):
        Playground(rlplay.get_default_config(), lesson="first-steps")
    assert playground_module._open == []


@pytest.mark.parametrize("size", [4, 10, 64])
def test_where_widgets_do_not_run_a_picture_says_how(painter, size) -> None:
    config = rlplay.get_default_config().replace(env_config={"grid_size": size})
    session = StillSession(config.replace(run_id="r1"))
    session.monitor.publish(state="running", run_id="r1", game_state=snake(size, size * size - 1))
    panel = Playground(session)
    bundle = panel._repr_mimebundle_(include=None, exclude=None)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id
    assert "rlplay lab" in bundle["text/plain"]
    picture = base64.b64decode(bundle["image/png"])
    assert len(picture) < 40_000
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        middle = 12 + 200 // size  # of the first cell, where the tail lies
        red, green, _ = image.convert("RGB").getpixel((middle, middle))
    assert green - red > 40


def exported(bundle: dict[str, object]) -> str:
    """A notebook with this output as a web page, as nbconvert makes it."""
    output = nbformat.v4.new_output("display_data", bundle)
    cell = nbformat.v4.new_code_cell("Playground()", outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    return page.partition("<main>")[2]


def test_an_exported_notebook_shows_the_picture_with_the_line(painter, monkeypatch) -> None:
    page = exported(Playground()._repr_mimebundle_())
    (code,) = re.findall(r'<img [^>]*src="data:image/png;base64,([^"]*)"', page)
    assert "widget" not in page  # no empty box beside it
    with Image.open(io.BytesIO(base64.b64decode(code))) as image:
        below = np.asarray(image.convert("L"))[-46:]  # two lines of words
    assert (below < 100).sum() > 500

    monkeypatch.setattr(playground_module, "still_picture", lambda *_: 1 / 0)
    page = exported(Playground()._repr_mimebundle_())
    assert "<img" not in page
    assert "start `rlplay lab`, open this notebook there, and run this cell." in page


def test_an_environment_that_cannot_draw_itself_has_a_line(painter, monkeypatch) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("no picture")

    monkeypatch.setattr(playground_module, "still_picture", broken)
    bundle = Playground()._repr_mimebundle_()
    assert "image/png" not in bundle
    assert "rlplay lab" in bundle["text/plain"]


@pytest.fixture
def at_full_speed(painter, sent, monkeypatch) -> Playground:
    """A Playground, painted as seldom as it really is while a training goes on at full speed."""
    monkeypatch.setattr("rlplay_widgets.scene.FULL_SPEED_FRAME", FULL_SPEED_FRAME)
    session = StillSession()
    session.monitor.publish(state="running", run_id="r1", is_max_speed=True, moves_per_second=None)
    return Playground(session)


def test_a_training_at_full_speed_is_painted_five_times_a_second_and_at_once_when_asked(
    painter, at_full_speed, monkeypatch
) -> None:
    panel, session = at_full_speed, at_full_speed.session
    scene = panel._scene
    painter.tick(100.0)
    # Another Playground wakes the painter thirty times a second.
    painted: set[float] = set()
    written: list[float] = []
    monkeypatch.setattr(panel.numbers, "paint", lambda frame: written.append(frame.now))
    for frame in range(1, 31):
        painter.tick(100.0 + frame / 30)
        painted.add(scene._painted_at)
    assert 5 <= len(painted) <= 7
    # Every second time, only pictures: words change half as often.
    assert 2 <= len(written) <= 4
    scene.wake()  # as a click does
    painter.tick(101.01)
    assert scene._painted_at == written[-1] == 101.01
    # What a view notices while it is painted, as its table does, waits for the next frame.
    views = scene.views

    class Wakes:
        title = "A view that wakes"

        def paint(self, frame: object) -> bool:
            scene.wake()
            return False

    scene.views = lambda: (*views(), Wakes())
    scene.wake()
    painter.tick(101.02)
    painter.tick(101.03)
    assert scene._painted_at == 101.02
    scene.views = views
    session.monitor.publish(state="paused")
    painter.tick(101.04)
    assert scene._painted_at == written[-1] == 101.04


def test_a_tab_that_is_opened_during_full_speed_is_painted_at_once(
    painter, at_full_speed, monkeypatch
) -> None:
    panel = at_full_speed
    painter.tick(100.0)
    panel.open_tab("Network")
    assert panel._scene.paint(100.01) == 0.0
    painted: list[float] = []
    network = panel.tabs.panels["Network"]
    monkeypatch.setattr(network, "paint", lambda frame: painted.append(frame.now))
    painter.tick(100.02)
    assert painted == [100.02]


def test_nothing_is_painted_while_nobody_looks(painter, sent) -> None:
    session = StillSession()
    session.monitor.publish(state="running", run_id="r1", game_state={"broken": True})
    panel = Playground(session)
    sight = panel._scene.sight
    sight._receive(sight, {"kind": "report", "view": "v", "visible": False, "dark": False}, [])
    assert painter.tick() > 1.0
    assert not session.monitor.board_wanted()
    assert panel.controls.messages.texts == ()
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


def settle(panel: Playground, painter) -> None:
    """Paint until all work is done that a tab began when it was opened, and is shown."""
    deadline = time.monotonic() + 20
    for tick in range(10):
        painter.tick(100.0 + tick)
        while panel.desk.tasks:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        clerk.submit(lambda: None).result(20)  # also what is no task that a person has to know of


def test_nothing_is_sent_while_nothing_changes(painter, told, sent) -> None:
    session = StillSession()
    episodes = [
        {"episode": 1, "score": 3.0, "return": 2.5, "length": 40, "ending": "wall"},
    ]
    session.monitor.publish(
        state="paused", run_id="r1", game_state=snake(), endings={"wall": 1},
        last_episodes=tuple(episodes), moves_per_second=3.3, message="saved",
    )  # fmt: skip
    panel = Playground(session)
    for name in PANELS:
        panel.open_tab(name)
        settle(panel, painter)
        deadline = time.monotonic() + 60
        while True:  # what other threads still had to say
            told.clear()
            sent.clear()
            time.sleep(0.3)
            painter.tick()
            if not told and not sent:
                break
            assert time.monotonic() < deadline, name
        for tick in range(30):
            painter.tick(120.0 + tick / 30)
        assert told == [], name
        assert sent == [], name


def test_attach_shows_what_runs_and_makes_no_second_panel(painter, monkeypatch) -> None:
    running = StillSession()
    running.monitor.publish(state="running", run_id="r1")
    listed: list[StillSession] = []
    monkeypatch.setattr(playground_module, "sessions", lambda: listed)
    with pytest.raises(SessionError, match="Nothing runs"):
        Playground.attach()
    listed.append(running)
    panel = Playground.attach()
    assert panel.session is running
    assert Playground.attach() is panel
    assert playground_module._open == [panel]


@pytest.fixture
def said(monkeypatch) -> dict[int, str]:
    """What stands in outputs after their panel left, by the number of the display."""
    words: dict[int, str] = {}
    numbers = itertools.count()

    class Place:
        def __init__(self) -> None:
            self.number = next(numbers)

        def update(self, bundle: dict[str, str], raw: bool) -> None:
            words[self.number] = bundle["text/plain"]

    monkeypatch.setattr(playground_module, "display", lambda *_, **__: Place())
    return words


def test_a_panel_that_is_taken_over_says_so(painter, monkeypatch, said) -> None:
    running = StillSession()
    running.monitor.publish(state="running", run_id="r1")
    for execution, cell in enumerate("abb"):
        run_cell(monkeypatch, str(execution), cell)
        Playground(running)._ipython_display_()
    assert len(playground_module._open) == 1
    # Cell a's panel says where it went; cell b's output is replaced as a whole.
    assert list(said) == [0]
    assert "newer cell" in said[0]


def test_every_output_of_a_panel_says_where_it_went(painter, monkeypatch, said) -> None:
    running = StillSession()
    running.monitor.publish(state="running", run_id="r1")
    monkeypatch.setattr(playground_module, "sessions", lambda: [running])
    run_cell(monkeypatch, "1", "a")
    Playground()._ipython_display_()
    for execution, cell in (("2", "b"), ("3", "b"), ("4", "c")):
        run_cell(monkeypatch, execution, cell)
        Playground.attach()._ipython_display_()
    run_cell(monkeypatch, "5", "a")
    Playground()._ipython_display_()
    # Cell a's output is replaced as a whole, and so was the first one of cell b.
    assert list(said) == [2, 3]


def test_the_calls_do_what_the_buttons_do(painter, small) -> None:
    panel = Playground(small)
    for call in (panel.pause, panel.resume, panel.step, panel.stop):
        with pytest.raises(SessionError, match="start"):
            call()
    assert panel.config == small
    panel.set_speed(50)
    first = panel.start()
    assert panel.session is first
    assert first.snapshot().moves_per_second == 50
    panel.pause()
    panel.step()
    panel.resume()
    panel.set_speed(None)
    assert first.snapshot().is_max_speed
    second = panel.start()
    assert second is not first
    assert (panel.session, first.state) == (second, "running")
    panel.select(first)
    assert panel.session is first
    panel.stop()
    first.wait(20)
    assert second.state == "running"
    panel.watch(None)
    panel.open_tab("Train")
    assert "rlplay.train(config)" in panel.code()


def test_what_was_changed_for_a_session_comes_back_with_it(painter, small) -> None:
    panel = Playground(small)
    first = panel.start()
    panel.desk.set("num_envs", 3)
    second = panel.start()
    panel.desk.set("num_envs", 4)
    panel.select(first)
    assert panel.config.num_envs == 2
    panel.desk.set("num_envs", 5)
    panel.select(second)
    assert panel.config.num_envs == 4
    panel.select(first)
    assert panel.config.num_envs == 5
    assert panel.desk.sessions() == [first, second]


@pytest.fixture
def small() -> rlplay.RunConfig:
    return rlplay.get_default_config("dqn").replace(num_envs=2, env_config={"grid_size": 5})


@pytest.fixture
def saved(small) -> rlplay.TrainingSession:
    return rlplay.train(small.replace(name="<b>old</b>"), steps=400, progress=False)


def test_a_run_that_has_ended_is_watched(painter, small, saved) -> None:
    panel = Playground(saved.run_id)
    assert panel.session is saved
    del saved
    panel = Playground(("snake", panel.session.run_id))
    assert panel.config == small.replace(name="<b>old</b>", total_steps=400)
    assert panel.desk.game is not None


def test_a_run_that_was_stopped_goes_on(painter, small) -> None:
    storage = rlplay.get_storage_manager()
    session = rlplay.TrainingSession(small.replace(total_steps=10**9))
    session.start(max_speed=True)
    while session.snapshot().total_steps < 100:
        time.sleep(0.01)
    session.stop()
    session.wait(20)
    run_id, steps = session.run_id, session.snapshot().total_steps
    del session
    gc.collect()
    panel = Playground(run_id)
    painter.tick()
    assert panel.controls.start.description == "Go on"
    assert panel.desk.game is not None
    panel.controls.start.click()
    assert panel.desk.game is None
    assert panel.session.run_id == run_id
    deadline = time.monotonic() + 20
    while panel.session.snapshot().total_steps <= steps:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert storage.find_run(run_id) == "snake"

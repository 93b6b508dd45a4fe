from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

import rlplay
from rlplay.errors import RlplayError
from rlplay.training.session import TrainingSession
from rlplay_widgets.painter import Painter
from rlplay_widgets.scene import SessionScene


class Counter:
    def __init__(self, wait: float = 1.0, error: Exception | None = None) -> None:
        self.wait = wait
        self.error = error
        self.count = 0
        self.threads: set[str] = set()

    def paint(self, now: float) -> float:
        self.count += 1
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        return self.wait


def eventually(condition, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_an_exception_in_one_scene_does_not_stop_the_others() -> None:
    painter = Painter(threaded=False)
    broken, well = Counter(error=ZeroDivisionError("1/0")), Counter()
    painter.add(broken)
    painter.add(well)
    painter.tick()
    painter.tick()
    assert (broken.count, well.count) == (2, 2)


def test_the_most_impatient_scene_sets_the_pace() -> None:
    painter = Painter(threaded=False)
    painter.add(Counter(wait=3.0))
    painter.add(Counter(wait=0.2))
    assert painter.tick() == 0.2


def test_the_thread_begins_with_the_first_scene_and_ends_with_the_last() -> None:
    painter = Painter()
    one, two = Counter(wait=0.01), Counter(wait=0.01)
    painter.add(one)
    painter.add(two)
    assert eventually(lambda: one.count > 2 and two.count > 2)
    assert one.threads == two.threads == {"rlplay-painter"}
    painter.remove(one)
    painter.remove(two)
    count = two.count
    assert eventually(lambda: painter._thread is None)
    assert two.count == count
    painter.add(two)
    assert eventually(lambda: two.count > count)
    painter.remove(two)
    assert eventually(lambda: painter._thread is None)


def test_it_sleeps_until_it_is_woken() -> None:
    painter = Painter()
    sleepy = Counter(wait=60.0)
    painter.add(sleepy)
    assert eventually(lambda: sleepy.count >= 1)
    time.sleep(0.1)
    before = sleepy.count
    time.sleep(0.1)
    assert sleepy.count == before
    painter.wake()
    assert eventually(lambda: sleepy.count > before)
    painter.remove(sleepy)
    assert eventually(lambda: painter._thread is None)


def test_thirty_frames_a_second_at_most() -> None:
    painter = Painter()
    hasty = Counter(wait=1 / 30)
    painter.add(hasty)
    time.sleep(0.5)
    painter.remove(hasty)
    assert hasty.count <= 17


@pytest.fixture
def own_interval() -> Iterator[float]:
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def started() -> TrainingSession:
    session = TrainingSession(rlplay.get_default_config("dqn").replace(num_envs=1))
    session.start()
    return session


def test_threads_take_turns_more_often_only_while_a_session_runs(own_interval) -> None:
    painter = Painter()
    scene = Counter(wait=0.05)  # in view, with nothing running
    painter.add(scene)
    assert eventually(lambda: scene.count > 2)
    assert sys.getswitchinterval() == own_interval
    session = started()
    assert eventually(lambda: sys.getswitchinterval() < own_interval)
    scene.wait = 5.0  # out of view
    for painted in range(scene.count + 1, scene.count + 4):
        painter.wake()
        assert eventually(lambda painted=painted: scene.count >= painted)
    assert sys.getswitchinterval() < own_interval
    session.stop()
    session.wait(20)
    scene.wait = 0.05
    painter.wake()
    assert eventually(lambda: sys.getswitchinterval() == own_interval)
    session = started()
    assert eventually(lambda: sys.getswitchinterval() < own_interval)
    painter.remove(scene)
    assert eventually(lambda: painter._thread is None)
    assert sys.getswitchinterval() == own_interval
    session.stop()
    session.wait(20)


def test_turns_that_somebody_made_shorter_stay(own_interval) -> None:
    sys.setswitchinterval(1e-4)
    painter = Painter()
    scene = Counter(wait=1 / 30)
    session = started()
    painter.add(scene)
    assert eventually(lambda: scene.count > 2)
    assert sys.getswitchinterval() <= 1.001e-4
    painter.remove(scene)
    assert eventually(lambda: painter._thread is None)
    assert sys.getswitchinterval() <= 1.001e-4
    session.stop()
    session.wait(20)


def test_a_click_that_the_session_answers_costs_no_frame_of_its_own() -> None:
    painter = Painter(threaded=False)
    scene = SessionScene(painter)
    woken = []
    painter.wake = lambda: woken.append(True)
    fails = []

    def click() -> None:
        if fails:
            raise fails.pop()

    scene.safely(click)()
    assert len(woken) == 1
    answered = scene.safely(click, answered=True)
    answered()
    assert len(woken) == 1
    # What goes wrong is said at once, and put away at once.
    fails.append(RlplayError("No."))
    answered()
    assert len(woken) == 2
    assert scene.problems["click"].text == "No."
    answered()
    assert len(woken) == 3
    assert scene.problems == {}

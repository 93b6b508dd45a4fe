from __future__ import annotations

import sys
import threading
import time

from rlplay_widgets.painter import Painter


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


def test_threads_take_turns_more_often_only_while_something_is_painted_often() -> None:
    before = sys.getswitchinterval()
    painter = Painter()
    scene = Counter(wait=1 / 30)
    try:
        painter.add(scene)
        assert eventually(lambda: sys.getswitchinterval() < before)
        scene.wait = 5.0
        painter.wake()
        assert eventually(lambda: sys.getswitchinterval() == before)
        scene.wait = 1 / 30
        painter.wake()
        assert eventually(lambda: sys.getswitchinterval() < before)
        painter.remove(scene)
        assert eventually(lambda: painter._thread is None)
        assert sys.getswitchinterval() == before
    finally:
        sys.setswitchinterval(before)


def test_turns_that_somebody_made_shorter_stay(monkeypatch) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    painter = Painter()
    scene = Counter(wait=1 / 30)
    try:
        painter.add(scene)
        assert eventually(lambda: scene.count > 2)
        assert sys.getswitchinterval() <= 1.001e-4
        painter.remove(scene)
        assert eventually(lambda: painter._thread is None)
        assert sys.getswitchinterval() <= 1.001e-4
    finally:
        sys.setswitchinterval(before)

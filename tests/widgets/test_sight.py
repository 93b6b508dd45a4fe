from __future__ import annotations

import pytest

from rlplay_widgets.sight import GONE, MOST_ON_THE_WAY, PING_EVERY, SILENCE, Sight


@pytest.fixture
def sight(monkeypatch):
    calls = []
    made = Sight(lambda: calls.append(1))
    made.pings = []
    made.calls = calls
    monkeypatch.setattr(made, "send", made.pings.append)
    return made


def report(sight, view="a", visible=True, dark=False, **more) -> None:
    sight._receive(
        sight, {"kind": "report", "view": view, "visible": visible, "dark": dark, **more}, []
    )


def echo(sight, frame, view="a", visible=True) -> None:
    content = {"kind": "echo", "view": view, "visible": visible, "dark": False, "frame": frame}
    sight._receive(sight, content, [])


def test_somebody_looks_until_it_is_known_that_nobody_does(sight) -> None:
    assert sight.look(0.0)
    report(sight, visible=False)
    assert not sight.look(0.1)
    report(sight, view="b")
    assert sight.look(0.2)
    assert sight.arrived()
    assert not sight.arrived()


def test_the_theme_is_news(sight) -> None:
    report(sight)
    sight.arrived()
    report(sight, dark=True)
    assert sight.dark
    assert sight.arrived()
    assert len(sight.calls) == 2


def test_frames_are_echoed_now_and_then(sight) -> None:
    report(sight)
    for _ in range(PING_EVERY * 2):
        sight.frame_sent(0.0)
    assert sight.pings == [{"frame": PING_EVERY}, {"frame": 2 * PING_EVERY}]
    for _ in range(MOST_ON_THE_WAY):
        sight.frame_sent(0.1)
    assert sight.full()
    echo(sight, sight.pings[-1]["frame"])
    assert not sight.full()


def test_silence_is_slow_and_never_for_ever(sight) -> None:
    report(sight)
    for _ in range(PING_EVERY):
        sight.frame_sent(0.0)
    assert not sight.slow(SILENCE)
    assert sight.slow(SILENCE + 0.1)
    pings = len(sight.pings)
    sight.frame_sent(SILENCE + 0.2)
    assert len(sight.pings) == pings + 1
    echo(sight, 8)
    assert not sight.slow(SILENCE + 0.3)


def test_a_page_that_was_closed_is_forgotten_once_another_one_answers(sight) -> None:
    sight.look(0.0)
    report(sight, view="closed")
    report(sight, view="hidden", visible=False)
    sight.look(GONE + 1.0)
    assert sight.look(GONE + 1.0)
    echo(sight, 8, view="hidden", visible=False)
    assert not sight.look(GONE + 1.1)
    echo(sight, 8, view="closed")
    assert sight.look(GONE + 1.2)


def test_a_view_that_leaves_looks_no_more(sight) -> None:
    report(sight)
    sight._receive(sight, {"kind": "gone", "view": "a"}, [])
    assert not sight.look(1.0)


def test_nonsense_from_a_page_does_no_harm(sight) -> None:
    sight._receive(sight, {"kind": "dance"}, [])
    sight._receive(sight, {}, [])
    assert sight.look(0.0)

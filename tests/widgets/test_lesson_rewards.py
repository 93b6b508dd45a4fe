from __future__ import annotations

import pytest

from rlplay.lessons.rewards import walk
from rlplay_widgets import Playground
from rlplay_widgets.lessons import strip
from rlplay_widgets.lessons.rewards import PaidAndScored

from .conftest import StillSession


@pytest.fixture
def panel(painter, monkeypatch) -> Playground:
    monkeypatch.setattr(strip, "get_painter", lambda: painter)
    return Playground(lesson="you-get-what-you-pay-for")


def point(steps: int, reward: float, score: float) -> dict[str, float]:
    return {"steps": steps, "episodes": 100.0, "reward": reward, "score": score}


def test_both_curves_follow_the_session_of_the_playground(painter, panel) -> None:
    curves = PaidAndScored(panel)
    painter.tick(1.0)
    assert curves.drawing.curves == {"steps": [], "reward": [], "score": []}
    session = StillSession(panel.config)
    session.monitor.publish(run_id="here", state="running")
    panel.select(session)
    session.monitor.add_point(point(10, 1.5, 2.0))
    session.monitor.add_point(point(20, 3.5, 1.0))
    change = {"steps": 15, "elapsed": 1.0, "field": "rewards.closer", "old": 0.0, "new": "1"}
    session.monitor.publish(changes=(change,))
    painter.tick(2.0)
    assert curves.drawing.curves == {
        "steps": [10.0, 20.0],
        "reward": [1.5, 3.5],
        "score": [2.0, 1.0],
    }
    assert [(mark["steps"], "closer" in mark["words"]) for mark in curves.drawing.changes] == [
        (15, True)
    ]
    assert curves.drawing.problem == ""


def test_a_long_history_is_thinned_out_and_keeps_its_end(painter, panel) -> None:
    curves = PaidAndScored(panel)
    session = StillSession(panel.config)
    session.monitor.publish(run_id="here", state="running")
    panel.select(session)
    for step in range(1, 1_001):
        session.monitor.add_point(point(step, float(step), 0.0))
    painter.tick(1.0)
    sent = curves.drawing.curves
    assert len(sent["steps"]) == len(sent["reward"]) == 200
    assert sent["steps"][-1] == 1_000


def test_nothing_is_sent_while_nothing_changes(painter, panel, told) -> None:
    PaidAndScored(panel)
    session = StillSession(panel.config)
    session.monitor.publish(run_id="here", state="running")
    panel.select(session)
    session.monitor.add_point(point(10, 1.5, 2.0))
    painter.tick(1.0)
    told.clear()
    painter.tick(2.0)
    assert [sender for sender, _ in told if sender == "PaidAndScoredWidget"] == []


def test_an_error_is_told_in_the_strip(painter, panel, monkeypatch) -> None:
    curves = PaidAndScored(panel)
    monkeypatch.setattr(curves, "draw", lambda session: 1 / 0)
    painter.tick(1.0)
    painter.tick(2.0)
    assert "cannot be shown" in curves.drawing.problem


def test_a_walk_says_what_happened() -> None:
    trip = walk([0, 0, 0])
    assert trip.events[:2] == (("closer",), ("apple",))
    assert trip.distances[:2] == (2, 1)
    assert trip.score == 1
    assert walk([1, 1, 1, 1]).returns_to_start
    wall = walk([0] * 10)
    assert wall.ended
    assert wall.events[-1] == ("death_wall",)
    assert len(wall.actions) == len(wall.events) == len(wall.distances) - 1

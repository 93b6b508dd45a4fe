from __future__ import annotations

import numpy as np
import pytest

from rlplay_widgets.charts import ScoreChart
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import LIGHT

from .conftest import StillSession


@pytest.fixture
def chart(monkeypatch):
    made = ScoreChart(lambda: None)
    made.sent = []
    monkeypatch.setattr(
        made.widget, "send", lambda content, buffers=(): made.sent.append((content, buffers))
    )
    made.clock = 0.0

    def paint(session) -> list:
        made.clock += 1.0
        before = len(made.sent)
        made.paint(Frame(made.clock, session, session.snapshot(), LIGHT, False, False, {}))
        return made.sent[before:]

    made.tick = paint
    return made


def add(session, steps, score) -> None:
    session.monitor.add_point(
        {
            "steps": steps,
            "elapsed": steps / 10,
            "score": score,
            "score_max": score + 1,
            "episodes": 1,
        }
    )


def table(message) -> np.ndarray:
    content, (buffer,) = message
    return np.frombuffer(buffer).reshape(len(content["columns"]), content["count"])


def test_only_new_points_travel(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0)
    add(session, 20, 2.0)
    (first,) = chart.tick(session)
    assert first[0]["reset"]
    assert table(first).tolist() == [[10, 20], [1, 2], [1, 2], [2, 3], [1, 1]]
    assert chart.tick(session) == []
    add(session, 30, 4.0)
    (second,) = chart.tick(session)
    assert not second[0]["reset"]
    assert table(second).tolist() == [[30], [3], [4], [5], [1]]


def test_a_view_that_appears_gets_the_whole_history(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0)
    chart.tick(session)
    chart._receive(chart.widget, {"kind": "need"}, [])
    (message,) = chart.tick(session)
    assert message[0] == {"reset": True, "columns": message[0]["columns"], "count": 1}


def test_merged_points_and_other_sessions_begin_again(chart) -> None:
    session = StillSession()
    for step in range(1999):
        add(session, step, 1.0)
    chart.tick(session)
    add(session, 1999, 1.0)
    (message,) = chart.tick(session)
    assert (message[0]["reset"], message[0]["count"]) == (True, 1000)
    other = StillSession()
    (message,) = chart.tick(other)
    assert (message[0]["reset"], message[0]["count"]) == (True, 0)
    session.monitor.reset_history()
    (message,) = chart.tick(session)
    assert (message[0]["reset"], message[0]["count"]) == (True, 0)


def test_a_missing_number_is_a_gap(chart) -> None:
    session = StillSession()
    session.monitor.add_point({"steps": 1, "elapsed": 0.1})
    (message,) = chart.tick(session)
    assert np.isnan(table(message)[2:]).all()

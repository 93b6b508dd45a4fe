from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rlplay_widgets.charts as charts
from rlplay_widgets.charts import ScoreChart, metrics_of, short_name
from rlplay_widgets.desk import look_of
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import LIGHT

from .conftest import StillSession


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[StillSession]:
    """The sessions of the kernel."""
    held: list[StillSession] = []
    monkeypatch.setattr(charts, "sessions", lambda: list(held))
    return held


class Watched(ScoreChart):
    """A chart whose messages are kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(lambda: None)
        self.clock = 0.0
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        monkeypatch.setattr(
            self.widget, "send", lambda content, buffers: self.sent.append((content, buffers))
        )

    def tick(self, session: StillSession, seconds: float = 1.0) -> list[Any]:
        """Paint once; gives the parts that were sent, each with its table."""
        self.clock += seconds
        before = len(self.sent)
        snapshot = session.snapshot()
        self.paint(Frame(self.clock, session, snapshot, LIGHT, False, False, {}))
        return [
            (part, np.frombuffer(buffer, np.float32).reshape(len(part["rows"]), part["count"]))
            for content, buffers in self.sent[before:]
            for part, buffer in zip(content["parts"], buffers, strict=True)
        ]


@pytest.fixture
def chart(monkeypatch: pytest.MonkeyPatch, alive: list[StillSession]) -> Watched:
    return Watched(monkeypatch)


def test_what_was_predicted_comes_with_what_was_measured(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0, predicted_return=5.0, measured_return=2.0)
    add(session, 20, 1.0)
    chart.widget.metric = "predicted_return"
    ((part, table),) = chart.tick(session)
    assert part["rows"] == ["steps", "elapsed", "episodes", "value", "measured"]
    assert table[3:, 0].tolist() == [5.0, 2.0]
    assert np.isnan(table[3:, 1]).all()
    names = [name for name, _, _ in chart.widget.metrics]
    assert {"predicted_return", "measured_return"} <= set(names)


def test_a_chart_may_begin_with_another_metric_that_is_not_there_yet() -> None:
    chart = ScoreChart(lambda: None, "predicted_return")
    assert chart.widget.metric == "predicted_return"
    assert "predicted_return" in [name for name, _, _ in chart.widget.metrics]
    assert [name for name, _, _ in ScoreChart(lambda: None).widget.metrics] == [
        "score", "reward", "length",
    ]  # fmt: skip


def add(session: StillSession, steps: int, score: float, **more: float) -> None:
    session.monitor.add_point(
        {
            "steps": steps,
            "elapsed": steps / 10,
            "score": score,
            "score_max": score + 1,
            "episodes": 1,
            **more,
        }
    )


def test_only_new_points_travel(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0)
    add(session, 20, 2.0)
    ((part, table),) = chart.tick(session)
    assert part["reset"]
    assert part["rows"] == ["steps", "elapsed", "episodes", "value", "top"]
    assert table.tolist() == [[10, 20], [1, 2], [1, 1], [1, 2], [2, 3]]
    assert chart.tick(session) == []
    add(session, 30, 4.0)
    ((part, table),) = chart.tick(session)
    assert not part["reset"]
    assert table.tolist() == [[30], [3], [1], [4], [5]]


def test_a_view_that_appears_gets_the_whole_history(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0)
    chart.tick(session)
    chart._receive(chart.widget, {"kind": "need"}, [])
    ((part, _),) = chart.tick(session, seconds=0.0)
    assert (part["reset"], part["count"]) == (True, 1)


def test_merged_points_and_other_sessions_begin_again(chart) -> None:
    session = StillSession()
    for step in range(1999):
        add(session, step, 1.0)
    chart.tick(session)
    add(session, 1999, 1.0)
    ((part, _),) = chart.tick(session)
    assert (part["reset"], part["count"]) == (True, 1000)
    other = StillSession()
    ((part, _),) = chart.tick(other, seconds=60)
    assert (part["reset"], part["count"]) == (True, 0)
    session.monitor.reset_history()
    ((part, _),) = chart.tick(session)
    assert (part["reset"], part["count"]) == (True, 0)


def test_a_missing_number_is_a_gap(chart) -> None:
    session = StillSession()
    session.monitor.add_point({"steps": 1, "elapsed": 0.1})
    ((_, table),) = chart.tick(session)
    assert np.isnan(table[2:]).all()


def test_another_metric_comes_whole_and_without_a_best(chart) -> None:
    session = StillSession()
    add(session, 10, 1.0, loss=0.5, epsilon=0.25)
    chart.tick(session)
    names = [name for name, _, _ in chart.widget.metrics]
    assert names == ["score", "reward", "length", "loss", "epsilon"]
    chart.widget.metric = "loss"
    ((part, table),) = chart.tick(session, seconds=0.0)
    assert part["reset"]
    assert part["rows"] == ["steps", "elapsed", "episodes", "value"]
    assert table.tolist() == [[10], [1], [1], [0.5]]
    assert chart.sent[-1][0]["metric"] == "loss"


def test_what_a_guests_algorithm_reports_can_be_drawn() -> None:
    assert metrics_of(["steps", "best_score", "my_number"])[-1] == ["my_number", "My number", ""]


def test_other_sessions_stand_beside_the_one_that_is_shown(chart, alive) -> None:
    shown, other, ended = StillSession(), StillSession(), StillSession()
    alive += [ended, other, shown]
    for session, state in ((shown, "running"), (other, "paused"), (ended, "finished")):
        session.monitor.publish(state=state)
        add(session, 10, 1.0)
    other.config = other.config.replace(name="<b>mine</b>")
    parts = chart.tick(shown)
    assert [part["rows"][-1] for part, _ in parts] == ["top", "value"]
    lines = chart.widget.lines
    assert [line["shown"] for line in lines] == [True, False]
    assert lines[1]["name"] == "<b>mine</b>"
    assert [line["look"] for line in lines] == [look_of(shown), look_of(other)]
    assert len({line["key"] for line in lines}) == 2
    # One that ends meanwhile stays; only its new points travel.
    add(other, 20, 3.0)
    other.monitor.publish(state="finished")
    ((part, table),) = chart.tick(shown)
    assert (part["key"], part["reset"]) == (lines[1]["key"], False)
    assert table.tolist() == [[20], [2], [1], [3]]
    assert chart.widget.lines == lines
    # Shown in its turn, it brings what is drawn of the shown one alone.
    (first, _), (second, _) = chart.tick(other)
    assert (first["key"], first["rows"][-1], first["count"]) == (lines[1]["key"], "top", 2)
    assert (second["key"], second["rows"][-1]) == (lines[0]["key"], "value")
    for session in (other, shown):  # it trained the run that goes on now
        session.config = session.config.replace(run_id="run-1")
    chart.tick(shown)
    assert [line["shown"] for line in chart.widget.lines] == [True]


def test_a_quiet_chart_sends_nothing(chart, alive) -> None:
    session = StillSession()
    alive.append(session)
    add(session, 10, 1.0)
    chart.tick(session)
    keys: list[str] = []
    chart.widget.observe(lambda change: keys.append(change["name"]))
    assert chart.tick(session) == []
    assert keys == []


def test_all_sessions_together_stay_below_five_kilobytes_a_second(chart, alive) -> None:
    alive += [StillSession() for _ in range(4)]
    for session in alive:
        session.monitor.publish(state="running")
    chart.tick(alive[0], seconds=60)
    step, before = 0, len(chart.sent)
    for _ in range(240):  # a minute of 400 points a second
        for session in alive:
            for _ in range(25):
                step += 1
                add(session, step, 1.0)
        chart.tick(alive[0], seconds=0.25)
    # The last one is paid for by waiting after it.
    paid = sum(len(buffer) for _, buffers in chart.sent[before:-1] for buffer in buffers)
    assert paid < 60 * 5_000 + charts._BYTES_AT_ONCE
    assert len(chart.sent) - before > 20


def test_a_change_leaves_a_mark_that_says_what_it_was(chart) -> None:
    changes = [
        {
            "steps": 1_200_000,
            "elapsed": 9.5,
            "field": "hyperparams.learning_rate",
            "old": 0.001,
            "new": 0.0003,
        },
        {"steps": 400, "elapsed": 1, "field": "rewards.apple", "old": 1.0, "new": "2 * score"},
        {"steps": 9, "elapsed": None, "field": "speed.moves_per_second", "old": 10.0, "new": None},
    ]
    session = StillSession()
    session.monitor.publish(changes=tuple(changes))
    chart.tick(session)
    assert chart.widget.changes == [
        {
            "steps": 1_200_000,
            "elapsed": 9.5,
            "words": "learning rate 0.001 → 0.0003 at 1.2\u202fM steps",
        },
        {"steps": 400, "elapsed": 1, "words": "reward of apple 1 → 2 * score at 400 steps"},
        {"steps": 9, "elapsed": None, "words": "pace 10 → full speed at 9 steps"},
    ]
    session.monitor.publish(changes=tuple(changes) * 100)
    chart.tick(session)
    assert len(chart.widget.changes) == charts._CHANGES


def test_a_legend_names_a_run_by_its_title_or_by_the_end_of_its_id() -> None:
    config = StillSession().config
    assert short_name(config.replace(run_id="ppo-snake-20261124-133119-0d8c")) == "PPO 0d8c"
    assert short_name(config.replace(run_id="my_run")) == "my_run"
    assert short_name(config.replace(run_id="my_run", name="wide net")) == "wide net"

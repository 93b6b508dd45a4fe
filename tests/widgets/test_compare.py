"""The Compare tab, without a browser: what is sent, and what the table says."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import rlplay
import rlplay_widgets.panels.compare as compare_module
import rlplay_widgets.panels.race as race_module
from rlplay.errors import ConfigError
from rlplay.storage import get_storage_manager
from rlplay_widgets import Playground, clerk
from rlplay_widgets.lessons.returns import race_against
from rlplay_widgets.panels.compare import MOST, ComparePanel
from rlplay_widgets.panels.race import Entrant

from .conftest import StillSession, widget_count


class Bench:
    """A panel with its Playground; what leaves it is kept."""

    def __init__(self, painter, monkeypatch) -> None:
        self.painter = painter
        self.playground = Playground()
        self.clock = 1_000.0
        self.playground.desk.open_tab("Compare")
        self.tick()
        panel = self.playground.tabs.front
        assert isinstance(panel, ComparePanel)
        self.panel = panel
        self.curves = panel.curves
        self.sent: list[tuple[dict[str, Any], np.ndarray]] = []
        monkeypatch.setattr(self.curves.chart, "send", self._keep)

    def _keep(self, content, buffers) -> None:
        for part, buffer in zip(content["parts"], buffers, strict=True):
            table = np.frombuffer(buffer, np.float32).reshape(len(part["rows"]), part["count"])
            self.sent.append((part, table))

    def tick(self, seconds: float = 5.0) -> None:
        self.clock += seconds
        self.painter.tick(self.clock)

    def settle(self) -> list[tuple[dict[str, Any], np.ndarray]]:
        """Paint until nobody works any more; gives what was sent."""
        before = len(self.sent)
        for _ in range(400):
            self.tick()
            desk = self.playground.desk
            listing = desk.library._next == float("inf")
            if not (desk.tasks or self.curves._preparing or listing):
                self.tick(0.5)
                if not desk.tasks:
                    break
            time.sleep(0.02)
        return self.sent[before:]

    def rows(self) -> dict[str, tuple]:
        return {row.key: row.cells for row in self.curves.table.rows}


@pytest.fixture
def alive(monkeypatch) -> list[StillSession]:
    held: list[StillSession] = []
    for module in (compare_module, race_module):
        monkeypatch.setattr(module, "sessions", lambda: list(held))
    return held


def save_run(run_id: str, scores, *, seed: int = 0, **changes) -> str:
    """Write a run's files: one line a score, 100 steps and 10 episodes each."""
    storage = get_storage_manager()
    config = rlplay.get_default_config().replace(run_id=run_id, seed=seed, **changes)
    storage.create_run(config)
    storage.append_metrics(
        config.env_name,
        run_id,
        [
            {
                "episode": 10 * (at + 1),
                "episodes": 10,
                "steps": 100 * (at + 1),
                "score": float(score),
                "score_max": float(score),
                "best_score": float(max(scores[: at + 1])),
                "loss": 1.0,
                "elapsed": float(at + 1),
            }
            for at, score in enumerate(scores)
        ],
    )
    return f"{config.env_name}/{run_id}"


@pytest.fixture
def bench(painter, monkeypatch, alive):
    return lambda: Bench(painter, monkeypatch)


def test_chosen_runs_are_sent_raw_and_smoothed(bench) -> None:
    first, second = save_run("first", [0, 4, 8]), save_run("second", [1, 1, 1])
    it = bench()
    it.settle()
    it.curves.choose(first, second)
    sent = it.settle()
    assert {part["key"] for part, _ in sent} <= {first, second}
    part, table = next(found for found in sent + it.sent if found[0]["key"] == first)
    assert part["rows"] == ["steps", "elapsed", "raw", "smooth"]
    assert table.tolist() == [[100, 200, 300], [1, 2, 3], [0, 4, 8], [0, 2, 4]]
    lines = it.curves.chart.lines
    assert [line["name"] for line in lines] == ["first", "second"]
    assert lines[0]["look"] != lines[1]["look"]
    # Nothing more travels while nothing changes.
    before = len(it.sent)
    it.settle()
    assert len(it.sent) == before


def test_another_smoothing_and_another_metric_send_what_changed(bench) -> None:
    key = save_run("first", [0, 4, 8])
    it = bench()
    it.curves.choose()
    it.settle()
    it.curves.choose(key)
    it.settle()
    it.curves.chart.window = 10
    ((_, table),) = it.settle()
    assert table[3].tolist() == [0, 4, 8]
    it.curves.chart.metric = "loss"
    ((_, table),) = it.settle()
    assert table[2].tolist() == [1, 1, 1]
    it.curves.chart.metric = "unknown"
    ((_, table),) = it.settle()
    assert np.isnan(table[2:]).all()


def test_a_long_run_is_thinned_out_and_keeps_its_peak(bench) -> None:
    scores = [1] * 5_000
    scores[3_210] = 77
    key = save_run("long", scores)
    it = bench()
    it.settle()
    it.curves.choose(key)
    it.settle()
    table = next(table for part, table in reversed(it.sent) if part["key"] == key)
    assert table.shape[1] <= 1_000
    assert table[2].max() == 77


def test_a_session_that_runs_sends_its_new_points_alone(bench, alive) -> None:
    session = StillSession()
    session.config = session.config.replace(run_id="live")
    session.monitor.publish(state="running", run_id="live", episode=7, best_score=5.0)
    for at in (1, 2):
        session.monitor.add_point({"steps": at, "elapsed": at, "score": at, "episodes": 1})
    alive.append(session)
    it = bench()
    it.settle()
    assert it.curves.chosen == ("snake/live",)  # what runs is chosen at first
    ((part, table),) = [found for found in it.sent if found[0]["count"]] or it.sent
    assert (part["reset"], table[2].tolist()) == (True, [1, 2])
    assert it.rows()["snake/live"][2:5] == ("live (training)", 7, 5.0)
    session.monitor.add_point({"steps": 3, "elapsed": 3, "score": 6, "episodes": 1})
    ((part, table),) = it.settle()
    assert not part["reset"]
    assert table.tolist() == [[3], [3], [6], [3]]
    before = len(it.sent)
    it.settle()
    assert len(it.sent) == before


def test_a_page_that_is_opened_gets_all_again(bench) -> None:
    key = save_run("first", [0, 4, 8])
    it = bench()
    it.settle()
    it.curves.choose(key)
    it.settle()
    it.curves._receive(None, {"kind": "need"}, [])
    ((part, table),) = it.settle()
    assert part["reset"]
    assert table.shape == (4, 3)


def test_the_table_says_what_the_files_say(bench) -> None:
    key = save_run("first", [0, 4, 8])
    other = save_run("second", [9])
    it = bench()
    it.settle()
    it.curves.choose(key)
    it.settle()
    tick, look, name, episodes, best, mean, speed, seconds, _ = it.rows()[key]
    assert (tick, name, episodes, best) == ("on", "first", 30, 8.0)
    assert (mean, speed, seconds) == (4.0, 100.0, 3.0)
    assert look == it.curves.chart.lines[0]["look"]
    assert it.rows()[other][:2] == ("off", None)


def test_while_one_trains_the_rows_of_the_others_stay(bench, alive) -> None:
    save_run("first", [0, 4, 8])
    save_run("second", [1, 1])
    session = StillSession(rlplay.get_default_config().replace(run_id="r1"))
    session.monitor.publish(state="running", run_id="r1", episode=1)
    alive.append(session)
    it = bench()
    it.settle()
    before = {row.key: row for row in it.curves.table.rows}
    assert len(before) == 3
    session.monitor.publish(episode=2)
    it.tick()
    after = {row.key: row for row in it.curves.table.rows}
    assert after["snake/r1"].cells[3] == 2
    assert after["snake/first"] is before["snake/first"]
    assert after["snake/second"] is before["snake/second"]


def test_seeds_of_one_config_become_a_band(bench) -> None:
    keys = [save_run(f"seed{seed}", [seed, seed + 2], seed=seed) for seed in (1, 2, 3)]
    slow = [save_run(f"slow{seed}", [0, 0], seed=seed, num_envs=2) for seed in (1, 2)]
    it = bench()
    it.settle()
    it.curves.choose(keys[0])
    it.settle()
    assert not it.curves.chart.groups
    it.curves.choose(*keys, *slow)
    it.settle()
    assert it.curves.chart.groups
    assert it.curves.chart.note == ""
    it.curves.chart.grouped = True
    sent = {part["key"]: (part["rows"], table) for part, table in it.settle()}
    lines = it.curves.chart.lines
    assert [line["kind"] for line in lines] == ["band", "band"]
    assert [line["name"] for line in lines] == ["PPO, 3 seeds", "PPO, 2 seeds"]
    rows, table = sent[lines[0]["key"]]
    x, middle, low, high = table
    assert rows == ["x", "middle", "low", "high"]
    assert (x[0], x[-1]) == (100, 200)
    # The scores are 1, 2, 3 at first; smoothed, they are higher by one in the end.
    np.testing.assert_allclose([middle[0], middle[-1]], [2, 3], atol=1e-6)
    np.testing.assert_allclose([low[0], high[0], low[-1], high[-1]], [1, 3, 2, 4], atol=1e-6)
    assert "with probability 1.00" in it.curves.chart.note
    # The same runs give the same band.
    it.curves._receive(None, {"kind": "need"}, [])
    again = {part["key"]: table for part, table in it.settle()}
    np.testing.assert_array_equal(again[lines[0]["key"]], table)


def test_more_runs_than_can_be_told_apart_are_not_drawn(bench) -> None:
    keys = [save_run(f"run{at}", [1]) for at in range(MOST + 2)]
    it = bench()
    it.settle()
    it.curves.choose(*keys)
    it.settle()
    assert len(it.curves.chosen) == MOST
    assert len({line["look"] for line in it.curves.chart.lines}) == MOST
    assert "curves at most" in it.curves.chart.note


def test_a_run_that_cannot_be_read_leaves_the_others(bench) -> None:
    bad, good = save_run("bad", [1]), save_run("good", [1, 2])
    it = bench()
    it.settle()
    (get_storage_manager().get_run_path("snake", "bad") / "config.json").write_text("{")
    it.curves.choose(good, bad)
    it.settle()
    assert [line["key"] for line in it.curves.chart.lines] == [good]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_figure_is_saved_and_its_path_shown(bench, kind) -> None:
    keys = [save_run(f"seed{seed}", [seed, seed + 2], seed=seed) for seed in (1, 2)]
    keys.append(save_run("other", [3, 3, 3], num_envs=2, name="costs $5 and _more"))
    it = bench()
    it.settle()
    it.curves.choose(*keys)
    it.curves.chart.grouped = True
    it.settle()
    it.curves._receive(None, {"kind": "save", "format": kind}, [])
    it.settle()
    (path,) = (get_storage_manager().base_dir / "exports").iterdir()
    assert it.curves.receipt.widget.path == str(path)
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert path.read_bytes().startswith(begins)
    # The folder of figures is no environment.
    assert {run["run_id"] for run in get_storage_manager().list_runs()} == {
        "seed1",
        "seed2",
        "other",
    }


def test_only_what_is_a_format_is_saved(bench) -> None:
    it = bench()
    it.curves._receive(None, {"kind": "save", "format": "../../evil"}, [])
    it.settle()
    assert not (get_storage_manager().base_dir / "exports").exists()


# The race ----------------------------------------------------------------------------------------


@pytest.fixture
def raced(bench, sent):
    it = bench()
    it.panel.switch.value = "Race"
    it.tick()
    it.race = it.panel.views["Race"]

    def until(true, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, it.race.foot.value
            it.tick(0.2)
            time.sleep(0.02)

    it.until = until
    yield it
    it.playground.close()
    for thread in threading.enumerate():
        if thread.name == "rlplay-player":
            thread.join(5)
            assert not thread.is_alive()


def test_a_race_of_rules_stands_at_the_start_and_is_won(raced) -> None:
    view = raced.race
    raced.until(lambda: view.race is not None and view.race.ready)
    assert [board.step for board in view.race.boards] == [0, 0]
    assert not view.head.playing
    view._receive(None, {"kind": "pace", "pace": 1_000}, [])
    assert view.race.pace == 200
    view._receive(None, {"kind": "play", "on": True}, [])
    raced.until(lambda: view.race.standing.rounds >= 1)
    assert view.head.playing
    raced.until(lambda: "won" in view.foot.value)
    steps = view.race.standing.rounds
    view._receive(None, {"kind": "begin", "seed": 5}, [])
    raced.until(lambda: view.race is not None and view.race.standing.seed == 5)
    assert view.race.standing.rounds < steps or view.race.standing.rounds == 0
    assert view.head.seed == 5


def test_lanes_come_and_go_and_each_has_a_board(raced) -> None:
    view = raced.race
    view._receive(None, {"kind": "lanes", "count": 4}, [])
    raced.until(lambda: view.race is not None and len(view.race.boards) == 4)
    raced.until(lambda: len(view._boards.children) == 4)
    view._receive(None, {"kind": "enter", "lane": 1, "key": "rule:apple", "age": None}, [])
    assert view.entrants[1] == Entrant("rule", "apple")
    view._receive(None, {"kind": "lanes", "count": 2}, [])
    raced.until(lambda: len(view._boards.children) == 2)
    with pytest.raises(ConfigError, match="A race of 1"):
        view.enter(Entrant("rule", "apple"))
    with pytest.raises(ConfigError, match="seed = -1"):
        view.begin(-1)


def test_boards_of_lanes_that_are_gone_are_closed(raced) -> None:
    view = raced.race
    raced.until(lambda: len(view._boards.children) == 2)
    before = widget_count()
    view._receive(None, {"kind": "lanes", "count": 4}, [])
    raced.until(lambda: len(view._boards.children) == 4)
    assert widget_count() > before
    view._receive(None, {"kind": "lanes", "count": 2}, [])
    raced.until(lambda: len(view._boards.children) == 2)
    assert widget_count() == before


def test_a_race_that_is_still_being_made_ends_with_its_playground(raced, monkeypatch) -> None:
    making, go_on = threading.Event(), threading.Event()
    make = race_module.Race

    def slow(*arguments, **options):
        making.set()
        assert go_on.wait(20)
        return make(*arguments, **options)

    raced.until(lambda: raced.race.race is not None)
    monkeypatch.setattr(race_module, "Race", slow)
    raced.race.begin(7)
    raced.until(making.is_set)
    raced.playground.close()
    go_on.set()
    clerk.submit(lambda: None).result(20)
    assert raced.playground.desk.player.games == ()


def first_lane(it) -> Entrant:
    """Who stands on the first lane when the race is opened."""
    it.settle()
    it.panel.turn_to("Race")
    it.tick()
    return it.panel.views["Race"].entrants[0]


def test_the_newest_run_of_the_world_races_first(bench) -> None:
    ours = save_run("ours", [1])
    save_run("newest-of-all", [1], algo="q-learning", env_name="gridworld")
    assert first_lane(bench()) == Entrant("run", ours)


def test_runs_of_other_worlds_do_not_race_unasked(bench) -> None:
    save_run("another", [1], algo="q-learning", env_name="gridworld")
    assert first_lane(bench()) == Entrant("rule", "apple")


def test_a_run_that_was_chosen_races_first(bench, alive) -> None:
    chosen = save_run("chosen", [1])
    save_run("newer", [1])
    it = bench()
    it.playground.desk.run = ("snake", "chosen")
    assert first_lane(it) == Entrant("run", chosen)


def test_a_chosen_run_that_is_gone_does_not_race(bench) -> None:
    newest = save_run("newest", [1])
    it = bench()
    it.playground.desk.run = ("snake", "gone")
    assert first_lane(it) == Entrant("run", newest)


def test_a_lesson_puts_its_sample_on_the_first_lane(bench) -> None:
    it = bench()
    race_against(it.playground, "beginner")
    save_run("newer", [1])
    save_run("newest-of-all", [1], algo="q-learning", env_name="gridworld")
    kind, _, run = first_lane(it).key.partition(":")
    assert kind == "run"
    assert it.playground.desk.storage.load_config(*run.split("/")).name == "Sample: beginner"


def test_who_is_gone_is_named(raced) -> None:
    view = raced.race
    view._receive(None, {"kind": "enter", "lane": 0, "key": "session:<i>x</i>", "age": None}, [])
    raced.until(lambda: "is not there any more" in view.foot.value)
    assert "&lt;i&gt;x" in view.foot.value
    assert "<i>" not in view.foot.value

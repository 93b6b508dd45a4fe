"""The library of runs, clicked without a browser."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.samples import sample_path
from rlplay.storage import StorageManager, get_storage_manager
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground, library, receipt
from rlplay_widgets.games import AgentGame
from rlplay_widgets.messages import with_buttons
from rlplay_widgets.panels.runs import RunsPanel

TINY = {"num_envs": 1, "total_steps": 2000, "env_config": {"grid_size": 4}}
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def storage() -> StorageManager:
    return get_storage_manager()


@pytest.fixture
def good(storage: StorageManager) -> tuple[str, str]:
    """A run that has trained."""
    made = storage.import_run(sample_path("good"))
    return made.env_name, made.run_id


class Driver:
    """A Playground at its Runs tab, painted by the test."""

    def __init__(self, painter: Any) -> None:
        self.painter = painter
        self.playground = Playground(rlplay.get_default_config("dqn").replace(**TINY))
        self.desk = self.playground.desk
        self.open("Runs")
        self.runs: RunsPanel = self.playground.tabs.panels["Runs"]
        self.until(lambda: self.desk.library.version > 0)

    def open(self, tab: str) -> Any:
        self.desk.open_tab(tab)
        self.painter.tick()
        return self.playground.tabs.panels[tab]

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.painter.tick()
            if condition():
                return
            assert time.monotonic() < deadline, f"not in time; {self.problems}"
            time.sleep(0.01)

    @property
    def problems(self) -> list[str]:
        return [problem.text for problem in self.desk.scene.problems.values()]

    def click(self, name: str) -> None:
        """Click a button that must be there for the selected run, and wait for what it starts."""
        self.painter.tick()
        button = {**self.runs.actions, **self.runs.samples}[name]
        assert not button.disabled
        button.click()
        self.until(lambda: not self.desk.tasks)

    def select(self, *runs: tuple[str, str]) -> None:
        self.until(lambda: all(run in self.desk.library.runs for run in runs))
        self.runs.table._receive(
            None, {"kind": "select", "keys": ["/".join(run) for run in runs]}, []
        )
        self.painter.tick()

    def ids(self) -> set[str]:
        return {row.key.split("/")[1] for row in self.runs.table.rows}


@pytest.fixture
def driver(painter, storage, good) -> Driver:
    return Driver(painter)


def test_the_table_shows_what_is_saved(driver: Driver, storage, good) -> None:
    driver.select(good)
    (row,) = driver.runs.table.rows
    listed = storage.list_runs()[0]
    assert row.cells[0] == listed["name"] == driver.runs.name.value
    assert row.cells[3:7] == tuple(
        listed[field] for field in ("episodes", "steps", "best_score", "avg_score")
    )
    assert row.cells[-1] == "finished"
    assert str(storage.base_dir) in driver.runs.about.value
    # It has no checkpoint: nothing can go on.
    assert driver.runs.actions["go_on"].disabled


def test_an_empty_library_says_what_to_do_and_has_samples_one_click_away(painter) -> None:
    driver = Driver(painter)
    assert driver.runs.table.rows == ()
    assert "sample" in driver.runs.table.widget.hint
    driver.click("beginner")
    driver.until(lambda: len(driver.runs.table.selected) == 1)
    assert "beginner" in driver.runs.receipt.words
    assert driver.desk.run == driver.runs.selected[0]


def test_delete_and_undo(driver: Driver, storage, good) -> None:
    driver.select(good)
    driver.click("delete")
    assert storage.list_runs() == []
    driver.until(lambda: driver.ids() == set())
    assert driver.runs.receipt.widget.undo == "Undo"
    driver.runs.receipt._receive(None, {"kind": "undo"}, [])
    driver.until(lambda: driver.runs.selected == (good,))
    assert [run["run_id"] for run in storage.list_runs()] == [good[1]]
    assert driver.runs.receipt.widget.undo == ""


def test_the_way_back_stays_for_a_while_only(driver: Driver, good, monkeypatch) -> None:
    driver.select(good)
    driver.click("delete")
    driver.painter.tick()
    now = time.monotonic()
    driver.painter.tick(now + receipt._UNDO - 1)
    assert driver.runs.receipt.widget.undo == "Undo"
    driver.painter.tick(now + receipt._UNDO + 1)
    assert driver.runs.receipt.widget.undo == ""


def test_several_are_deleted_and_brought_back_together(driver: Driver, storage, good) -> None:
    other = ("snake", storage.clone_run(*good))
    driver.desk.library.refresh()
    driver.select(good, other)
    assert driver.runs.actions["export"].disabled
    driver.click("delete")
    assert storage.list_runs() == []
    driver.runs.receipt.undo()
    driver.until(lambda: len(storage.list_runs()) == 2)


def test_a_run_that_trains_is_not_deleted(driver: Driver, storage, good) -> None:
    storage.claim(*good, "a session of a test")
    try:
        driver.select(good)
        driver.click("delete")
        driver.until(lambda: driver.problems)
        assert "not deleted" in driver.problems[0]
        assert "a session of a test" in driver.problems[0]
        assert len(storage.list_runs()) == 1
    finally:
        storage.release(*good)


def test_export_download_and_import(driver: Driver, storage, good, monkeypatch) -> None:
    monkeypatch.setattr(receipt, "_EVERY", 0.0)
    driver.select(good)
    driver.click("export")
    driver.until(lambda: driver.runs.receipt.widget.path)
    path = Path(driver.runs.receipt.widget.path)
    assert path == storage.base_dir / "exports" / f"{good[1]}.zip"

    # Into the browser, in pieces.
    pieces: list[bytes] = []
    monkeypatch.setattr(
        driver.runs.receipt.widget, "send", lambda content, buffers: pieces.extend(buffers)
    )
    while sum(map(len, pieces)) < path.stat().st_size:
        asked = len(pieces)
        ask = {"kind": "piece", "path": str(path), "at": sum(map(len, pieces))}
        driver.runs.receipt._receive(None, ask, [])
        driver.until(lambda asked=asked: len(pieces) > asked)
    assert b"".join(pieces) == path.read_bytes()
    assert max(map(len, pieces)) < 200_000

    # No other file of this machine can be asked for.
    sent = len(pieces)
    driver.runs.receipt._receive(None, {"kind": "piece", "path": __file__, "at": 0}, [])
    time.sleep(0.05)
    driver.painter.tick()
    assert len(pieces) == sent

    # And back from the browser, in pieces too.
    whole = path.read_bytes()
    half = len(whole) // 2
    upload = driver.runs.upload
    upload._receive(
        None, {"kind": "piece", "at": 0, "name": "x.zip", "last": False}, [whole[:half]]
    )
    upload._receive(
        None, {"kind": "piece", "at": half, "name": "x.zip", "last": True}, [whole[half:]]
    )
    driver.until(lambda: len(driver.ids()) == 2)
    assert "from x.zip" in driver.runs.receipt.words
    (run,) = driver.runs.selected
    assert run[1] != good[1]


def test_files_travel_whichever_tab_is_in_front(driver: Driver, good, monkeypatch) -> None:
    driver.select(good)
    driver.click("export")
    driver.until(lambda: driver.runs.receipt.widget.path)
    path = driver.runs.receipt.widget.path
    news: list[dict[str, Any]] = []
    for widget in (driver.runs.upload.widget, driver.runs.receipt.widget):
        monkeypatch.setattr(widget, "send", lambda content, *_: news.append(content))
    driver.open("Learning")
    driver.runs.upload._receive(None, {"kind": "piece", "at": 0, "name": "x.zip"}, [b"a piece"])
    driver.until(lambda: {"kind": "arrived", "at": 7} in news)
    driver.runs.receipt._receive(None, {"kind": "piece", "path": path, "at": 0}, [])
    driver.until(lambda: {"kind": "piece", "path": path, "at": 0} in news)


def test_a_file_that_cannot_travel_frees_its_button(
    driver: Driver, good, monkeypatch, tmp_path
) -> None:
    driver.select(good)
    driver.click("export")
    driver.until(lambda: driver.runs.receipt.widget.path)
    path = Path(driver.runs.receipt.widget.path)
    news: list[dict[str, Any]] = []
    for widget in (driver.runs.upload.widget, driver.runs.receipt.widget):
        monkeypatch.setattr(widget, "send", lambda content, *_: news.append(content))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    piece = {"kind": "piece", "at": 0, "name": "x.zip"}
    driver.runs.upload.widget._handle_custom_msg(piece, [b"a piece"])
    driver.painter.tick()
    assert news == [{"kind": "failed"}]
    assert "x.zip did not arrive" in driver.problems[0]
    path.unlink()
    driver.runs.receipt._receive(None, {"kind": "piece", "path": str(path), "at": 0}, [])
    driver.until(lambda: {"kind": "failed", "path": str(path)} in news)
    assert str(path) in driver.problems[0]


def test_a_file_that_is_no_run_is_refused_with_its_own_name(driver: Driver, tmp_path) -> None:
    driver.runs.upload._receive(
        None, {"kind": "piece", "at": 0, "name": "holiday.zip", "last": True}, [b"a photo"]
    )
    driver.until(lambda: driver.problems)
    assert "holiday.zip" in driver.problems[0]
    assert ".upload" not in driver.problems[0]
    assert len(driver.ids()) == 1


def test_an_upload_that_is_broken_off_leaves_nothing(driver: Driver, tmp_path, monkeypatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    piece = {"kind": "piece", "at": 0, "name": "x.zip", "last": False}
    driver.runs.upload._receive(None, piece, [b"the first half"])
    assert len(list(place.iterdir())) == 1
    driver.runs.upload._receive(None, piece, [b"begun anew"])
    assert len(list(place.iterdir())) == 1
    driver.playground.close()
    assert list(place.iterdir()) == []


def test_a_new_name_reaches_the_session_that_trains_the_run(driver: Driver, storage) -> None:
    session = TrainingSession(rlplay.get_default_config("dqn").replace(num_envs=2), storage)
    session.start()
    try:
        run = ("snake", session.run_id)
        driver.runs._library.refresh()
        driver.select(run)
        driver.runs.name.value = "  my \u202esnake "
        driver.until(lambda: session.config.name == "my snake")
        driver.until(lambda: driver.runs.table.rows[0].cells[0] == "my snake")
        assert storage.load_config(*run).name == "my snake"
        with pytest.raises(ConfigError, match="at most 200 characters"):
            session.rename("x" * 300)
        assert session.config.name == storage.load_config(*run).name == "my snake"
    finally:
        session.stop()
        session.wait()
    assert storage.load_config(*run).name == "my snake"
    driver.runs.name.value = "   "
    driver.until(lambda: storage.load_config(*run).name == "")
    driver.until(lambda: driver.runs.table.rows[0].cells[0] != "")


def test_what_cannot_be_done_says_why(driver: Driver, good) -> None:
    driver.painter.tick()
    assert driver.runs.actions["go_on"].tooltip == "Select a run in the table first"
    driver.select(good)
    assert "Fork trains its weights further" in driver.runs.actions["go_on"].tooltip
    assert "zip" in driver.runs.actions["export"].tooltip


def test_an_error_names_the_button_and_not_the_command() -> None:
    said = with_buttons(
        "No checkpoint of this run is whole. Without one, fork the run to begin with its weights: "
        "rlplay train --fork snake-1-a --steps 2000"
    )
    assert said.endswith("fork the run to begin with its weights (Runs tab: Fork).")


def test_rename_and_notes_stay_with_the_run_that_they_were_written_for(
    driver: Driver, storage, good
) -> None:
    driver.select(good)
    assert not driver.runs.notes.disabled
    driver.runs.name.value = EVIL
    driver.runs.notes.value = "plans\nahead"
    driver.until(lambda: not driver.desk.tasks)
    assert storage.load_config(*good).name == EVIL
    assert storage.load_record(*good)["notes"] == "plans\nahead"
    driver.until(lambda: driver.runs.table.rows[0].cells[0] == EVIL)
    # Another run shows its own, and painting writes nothing.
    other = ("snake", storage.clone_run(*good))
    storage.rename_run(*other, "another")
    driver.desk.library.refresh()
    driver.select(other)
    driver.until(lambda: driver.runs.name.value == "another")
    driver.select()
    driver.until(lambda: driver.runs.name.value == "")
    assert storage.load_config(*good).name == EVIL
    assert storage.load_config(*other).name == "another"
    assert storage.load_record(*good)["notes"] == "plans\nahead"
    assert driver.problems == []


def test_load_config_clone_and_fork(driver: Driver, storage, good) -> None:
    config = storage.load_config(*good)
    driver.select(good)
    # The forms hold another network: it does not take the weights, and what to do is said.
    driver.click("fork")
    driver.until(lambda: driver.problems)
    assert "Load config" in driver.problems[0]
    assert len(storage.list_runs()) == 1

    driver.click("load")
    assert driver.desk.draft.config == config.replace(run_id=None)
    driver.desk.set("hyperparams", "learning_rate", 0.0001)
    driver.click("fork")
    driver.until(lambda: len(driver.runs.selected) == 1 and driver.runs.selected[0] != good)
    fork = driver.runs.selected[0]
    assert storage.load_config(*fork).hyperparams["learning_rate"] == 0.0001
    assert storage.weights_exist(*fork)
    assert storage.load_record(*fork)["parent"]["run_id"] == good[1]

    driver.select(good)
    driver.click("clone")
    driver.until(lambda: driver.runs.selected[0] not in (good, fork))
    clone = driver.runs.selected[0]
    assert storage.load_config(*clone).hyperparams == config.hyperparams
    assert not storage.weights_exist(*clone)


def test_a_loaded_config_leaves_what_a_lesson_locks(driver: Driver, storage, good) -> None:
    config = storage.load_config(*good)
    driver.desk.draft.adopt(config.replace(run_id=None, num_envs=3, seed=config.seed + 1))
    driver.desk.draft.lock(("num_envs",))
    driver.select(good)
    driver.click("load")
    assert (driver.desk.draft.config.num_envs, driver.desk.draft.config.seed) == (3, config.seed)


def test_continue_goes_on_with_the_run_and_its_options(driver: Driver, storage) -> None:
    run_id = storage.create_run(rlplay.get_default_config("dqn").replace(**TINY, name="mine"))
    driver.desk.library.refresh()
    driver.select(("snake", run_id))
    assert driver.runs.table.rows[0].cells[-1] == "new"
    driver.click("go_on")
    session = driver.playground.session
    assert session is not None
    assert session.run_id == run_id
    assert driver.desk.draft.config.name == "mine"
    session.wait(60)


def test_watch_and_replays(driver: Driver, good) -> None:
    driver.select(good)
    driver.click("watch")
    assert isinstance(driver.desk.game, AgentGame)
    assert driver.playground.tabs.chosen == "Watch"
    driver.open("Runs")
    driver.click("replays")
    assert driver.playground.tabs.chosen == "Replays"


def test_a_broken_run_says_why_and_can_only_be_deleted(driver: Driver, storage, good) -> None:
    (storage.get_run_path(*good) / "config.json").write_text(f'{{"{EVIL}"')
    driver.desk.library.refresh()
    driver.until(lambda: driver.runs.table.rows[0].cells[-1] == "broken")
    driver.select(good)
    driver.painter.tick()
    assert driver.runs.table.rows[0].note != ""
    assert "rlplay-message" in driver.runs.about.value
    assert "<script" not in driver.runs.about.value
    allowed = {name for name, button in driver.runs.actions.items() if not button.disabled}
    assert allowed == {"replays", "delete"}


def test_what_changed_on_the_disk_appears_while_the_tab_is_in_front(
    driver: Driver, storage, good, monkeypatch
) -> None:
    monkeypatch.setattr(library, "_EVERY", 0.05)
    driver.desk.library.refresh()
    made = storage.clone_run(*good)
    driver.until(lambda: made in driver.ids(), seconds=10)


def test_a_library_that_cannot_be_read_is_said(driver: Driver, storage, monkeypatch) -> None:
    def fail(_: Any) -> None:
        raise OSError("the stick was pulled out <b>")

    monkeypatch.setattr(StorageManager, "list_runs", fail)
    driver.desk.library.refresh()
    driver.until(lambda: "pulled out &lt;b&gt;" in driver.runs.about.value)

"""A library of thousands of runs is listed at once; its folders stay the truth."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlplay.config import get_default_config
from rlplay.storage import StorageManager, files
from rlplay.storage.checkpoint import pack

LONG_AGO = 1_700_000_000

#: The files and folders that are opened; None while nobody wants to know.
_opened: list[str] | None = None


def _watch(event: str, values: tuple) -> None:
    if _opened is not None and event in ("open", "os.scandir", "os.listdir"):
        _opened.append(f"{event} {Path(str(values[0])).name}")


sys.addaudithook(_watch)  # for the rest of the process: there is no way to remove one


@contextlib.contextmanager
def opened() -> Iterator[list[str]]:
    """Tell what Python opens and lists meanwhile."""
    global _opened
    _opened = seen = []
    try:
        yield seen
    finally:
        _opened = None


def line(episode: int, **changes) -> dict:
    return {
        "episode": episode,
        "episodes": 1,
        "steps": episode * 20,
        "score": 1.0,
        "score_max": 3.0,
        "best_score": 3.0,
        "reward": 0.5,
        "endings": {"wall": 1},
    } | changes


def age(folder: Path, seconds: int = LONG_AGO) -> None:
    """Let everything in a folder be old, so that the index trusts it."""
    for path in folder.iterdir():
        os.utime(path, (seconds, seconds))


def make_runs(storage: StorageManager, count: int, megabytes: float = 0.01) -> list[str]:
    """Make runs whose metrics are one file on the disk."""
    config = get_default_config("ppo").replace(num_envs=4)
    first = storage.create_run(config.replace(run_id="run-0000"))
    record = storage.load_record("snake", first)
    block = "".join(f"{files.to_json(line(number))}\n" for number in range(1, 101))
    folder = storage.get_run_path("snake", first)
    text = block * (1 + int(megabytes * 1e6 / len(block))) + files.to_json(line(999)) + "\n"
    (folder / "metrics.jsonl").write_text(text)
    (folder / "replays").mkdir()
    age(folder)
    for number in range(1, count):
        name = f"run-{number:04}"
        other = folder.with_name(name)
        (other / "replays").mkdir(parents=True)
        sealed = files.seal({**record, "format_version": 2, "run_id": name})
        (other / "config.json").write_text(json.dumps(sealed))
        os.link(folder / "metrics.jsonl", other / "metrics.jsonl")
        age(other)
    return [f"run-{number:04}" for number in range(count)]


@pytest.fixture
def storage(tmp_path):
    return StorageManager(tmp_path / "models")


@pytest.fixture
def index(storage):
    return storage.base_dir / ".index.json"


def test_a_library_that_is_known_is_listed_without_opening_its_files(storage, index):
    names = make_runs(storage, 40)
    with opened() as first:
        before = storage.list_runs()
    assert first.count("open config.json") == first.count("open metrics.jsonl") == 40
    assert [run["run_id"] for run in before] == names[::-1]
    assert before[0]["episodes"] == 999
    with opened() as second:
        assert storage.list_runs() == before
    assert [entry for entry in second if entry.startswith("open ")] == ["open .index.json"]
    assert len(second) < 40 + 10  # one look into each run's folder


def test_only_what_changed_is_read_again(storage, index):
    make_runs(storage, 5)
    before = {run["run_id"]: run for run in storage.list_runs()}
    (storage.get_run_path("snake", "run-0003") / "metrics.jsonl").unlink()
    storage.append_metrics("snake", "run-0003", line(1000))
    storage.rename_run("snake", "run-0001", "Another title")
    storage.set_notes("snake", "run-0001", "It turns left too often.")
    storage.save_checkpoint(
        "snake", "run-0002", pack({}), step=1, items=1, metrics_bytes=0, events_bytes=0
    )
    with opened() as seen:
        after = {run["run_id"]: run for run in storage.list_runs()}
    assert seen.count("open config.json") == 3
    assert after["run-0003"]["episodes"] == 1000
    assert after["run-0001"]["name"] == "Another title"
    assert after["run-0001"]["notes"] == "It turns left too often."
    assert (before["run-0002"]["resumable"], after["run-0002"]["resumable"]) == (False, True)
    for name in ("run-0000", "run-0004"):
        assert after[name] == before[name]


def test_the_size_and_the_replays_count_the_files_below(storage, index):
    make_runs(storage, 1)
    (before,) = storage.list_runs()
    folder = storage.get_run_path("snake", "run-0000")
    (folder / "replays" / "e1.json").write_bytes(b"x" * 1000)
    (after,) = storage.list_runs()
    assert after["size"] == before["size"] + 1000
    assert (before["num_replays"], after["num_replays"]) == (0, 1)


def test_a_change_within_the_clock_s_grain_is_never_missed(storage, index):
    """As git does: what changed a moment ago may change again without its time telling."""
    make_runs(storage, 1)
    path = storage.get_run_path("snake", "run-0000") / "config.json"
    now = time.time_ns()
    storage.rename_run("snake", "run-0000", "abc")
    os.utime(path, ns=(now, now))
    assert storage.list_runs()[0]["name"] == "abc"
    storage.rename_run("snake", "run-0000", "xyz")
    os.utime(path, ns=(now, now))  # the same size and the same time
    assert storage.list_runs()[0]["name"] == "xyz"


def test_runs_come_and_go(storage, index):
    make_runs(storage, 3)
    storage.list_runs()
    storage.delete_run("snake", "run-0001")
    assert [run["run_id"] for run in storage.list_runs()] == ["run-0002", "run-0000"]
    storage.list_runs()
    assert "run-0001" not in index.read_text()
    storage.restore_run("snake", "run-0001")
    assert len(storage.list_runs()) == 3


def test_listing_one_environment_keeps_what_is_known_of_the_others(storage, index):
    make_runs(storage, 2)
    other = storage.base_dir / "other" / "run-0009"
    other.parent.mkdir()
    storage.get_run_path("snake", "run-0001").rename(other)
    everything = storage.list_runs()
    assert [run["run_id"] for run in storage.list_runs("other")] == ["run-0009"]
    assert [run["run_id"] for run in storage.list_runs("snake")] == ["run-0000"]
    with opened() as seen:
        assert storage.list_runs() == everything
    assert "open config.json" not in seen


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "{",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text[:-20],
        lambda text: text.replace("999", "998"),
        lambda text: json.dumps(files.seal({"format": "another", "runs": {}})),
        lambda text: json.dumps(files.seal({"format": "rlplay index 1", "runs": []})),
        lambda text: "\0" * len(text),
    ],
)
def test_an_index_that_is_damaged_or_foreign_is_made_anew(storage, index, damage):
    make_runs(storage, 2)
    before = storage.list_runs()
    good = index.read_text()
    index.write_text(damage(good))
    with opened() as seen:
        assert storage.list_runs() == before
    assert seen.count("open config.json") == 2
    assert index.read_text() == good


def test_an_index_may_be_thrown_away_and_may_be_moved(storage, index, tmp_path):
    make_runs(storage, 2)
    before = storage.list_runs()
    index.unlink()
    assert storage.list_runs() == before
    storage.base_dir.rename(tmp_path / "moved")
    moved = StorageManager(tmp_path / "moved")
    with opened() as seen:
        assert moved.list_runs() == [
            run | {"path": str(tmp_path / "moved" / "snake" / run["run_id"])} for run in before
        ]
    assert "open config.json" not in seen


def test_a_folder_in_place_of_the_index_costs_nothing_but_time(storage, index):
    make_runs(storage, 2)
    index.mkdir()
    assert len(storage.list_runs()) == len(storage.list_runs()) == 2


def test_listing_writes_the_index_only_when_something_is_new(storage, index):
    make_runs(storage, 2)
    storage.list_runs()
    written = index.stat().st_mtime_ns
    storage.list_runs()
    storage.append_metrics("snake", "run-0000", line(2))  # a run that trains: not settled
    storage.list_runs()
    assert index.stat().st_mtime_ns == written


BROKEN = {
    "no config": lambda run: (run / "config.json").unlink(),
    "a config of bytes": lambda run: (run / "config.json").write_bytes(b"\xff\0"),
    "a config that is a folder": lambda run: (
        (run / "config.json").unlink(),
        (run / "config.json").mkdir(),
    ),
    "a changed config": lambda run: (run / "config.json").write_text(
        (run / "config.json").read_text().replace('"num_envs": 4', '"num_envs": 5')
    ),
    "a config 900 levels deep": lambda run: (run / "config.json").write_text(
        '{"format_version": 1, "name": ' + "[" * 900 + "]" * 900 + "}"
    ),
    "a date that is a number": lambda run: edit(run, created_at=1),
    "a name that is a list": lambda run: edit(run, name=["a"]),
    "half a character": lambda run: edit(run, name="\ud800"),
    "metrics that are a folder": lambda run: (
        (run / "metrics.jsonl").unlink(),
        (run / "metrics.jsonl").mkdir(),
    ),
    "a line of another kind": lambda run: lines(run, '{"episode": "many"}'),
    "a score that is no number": lambda run: lines(run, json.dumps(line(1, score="high"))),
    "a score without end": lambda run: lines(run, json.dumps(line(1)).replace("1.0", "1e999")),
    "a best score without end": lambda run: lines(run, json.dumps(line(1)).replace("3.0", "NaN")),
    "no episodes": lambda run: lines(run, json.dumps(line(1, episodes=0))),
}


def edit(run: Path, **changes) -> None:
    path = run / "config.json"
    record = files.unseal(json.loads(path.read_text()), path)
    path.write_text(json.dumps(files.seal({**record, **changes})))


def lines(run: Path, text: str) -> None:
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").write_text(text + "\n")


def test_broken_runs_hide_no_other_and_are_looked_at_again(storage, index):
    names = make_runs(storage, len(BROKEN) + 1)
    whole = storage.list_runs()
    for name, break_it in zip(names, BROKEN.values(), strict=False):
        break_it(storage.get_run_path("snake", name))
        age(storage.get_run_path("snake", name), LONG_AGO + 1)
    for _ in range(2):
        runs = {run["run_id"]: run for run in storage.list_runs()}
        assert len(runs) == len(names)
        for name, what in zip(names, BROKEN, strict=False):
            assert runs[name]["broken"], what
        assert runs[names[-1]] == whole[0]
        json.dumps(list(runs.values()), allow_nan=False)


def test_a_run_that_vanishes_meanwhile_is_left_out(storage, index, monkeypatch):
    make_runs(storage, 3)
    from rlplay.storage import manager

    look = manager.files_state

    def delete_first(folder: str):
        if folder.endswith("run-0001"):
            StorageManager(storage.base_dir).delete_run("snake", "run-0001")
        return look(folder)

    monkeypatch.setattr(manager, "files_state", delete_first)
    assert [run["run_id"] for run in storage.list_runs()] == ["run-0002", "run-0000"]


@pytest.mark.long
def test_two_thousand_runs_are_listed_within_half_a_second(storage):
    make_runs(storage, 2_000, megabytes=5)
    assert len(storage.list_runs()) == 2_000
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        runs = storage.list_runs()
        seconds.append(time.perf_counter() - began)
        assert len(runs) == 2_000
    assert min(seconds) < 0.5

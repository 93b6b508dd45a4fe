"""Deleted is not gone; emptied is."""

from pathlib import Path

import pytest

from rlplay.config import get_default_config
from rlplay.errors import InvalidName, RunBusy, RunNotFound, StorageError
from rlplay.storage import StorageManager


@pytest.fixture(scope="module")
def config():
    return get_default_config("ppo").replace(num_envs=4)


@pytest.fixture
def storage(tmp_path, config):
    storage = StorageManager(tmp_path / "models")
    storage.create_run(config.replace(run_id="run-1"))
    storage.append_metrics("snake", "run-1", {"episode": 1})
    return storage


def ids(storage: StorageManager) -> list[str]:
    return [run["run_id"] for run in storage.list_runs()]


def test_a_deleted_run_comes_back_as_it_was(storage):
    run = storage.get_run_path("snake", "run-1")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    storage.delete_run("snake", "run-1")
    assert ids(storage) == []
    with pytest.raises(RunNotFound):
        storage.load_config("snake", "run-1")
    (entry,) = storage.list_trash()
    assert entry | {"deleted_at": "", "path": ""} == {
        "run_id": "run-1",
        "env_name": "snake",
        "name": None,
        "deleted_at": "",
        "size": sum(map(len, before.values())),
        "path": "",
    }
    assert entry["deleted_at"].endswith("+00:00")
    assert Path(entry["path"]).parent == storage.base_dir / ".trash" / "snake"
    assert storage.find_deleted_run("run-1") == "snake"
    assert storage.restore_run("snake", "run-1") == run
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert storage.list_trash() == []


def test_of_several_the_one_deleted_last_comes_back(storage, config):
    for note in ("first", "second"):
        storage.set_notes("snake", "run-1", note)
        storage.delete_run("snake", "run-1")
        storage.create_run(config.replace(run_id="run-1"))
    with pytest.raises(StorageError, match="'run-1' of 'snake' exists already"):
        storage.restore_run("snake", "run-1")
    storage.delete_run("snake", "run-1")
    notes = []
    for _ in range(3):
        storage.restore_run("snake", "run-1")
        notes.append(storage.load_record("snake", "run-1")["notes"])
        storage.get_run_path("snake", "run-1").rename(storage.base_dir / f"away-{len(notes)}")
    assert notes == ["", "second", "first"]
    with pytest.raises(RunNotFound, match="rlplay trash"):
        storage.restore_run("snake", "run-1")


def test_a_run_that_is_written_is_not_deleted(storage):
    storage.claim("snake", "run-1", "a session")
    with pytest.raises(RunBusy, match="a session"):
        storage.delete_run("snake", "run-1")
    assert ids(storage) == ["run-1"]
    storage.release("snake", "run-1")
    storage.delete_run("snake", "run-1")
    assert storage.get_holder("snake", "run-1") is None


def test_what_is_not_there(storage):
    with pytest.raises(RunNotFound, match="Did you mean 'run-1'"):
        storage.delete_run("snake", "run-2")
    storage.delete_run("snake", "run-1")
    with pytest.raises(RunNotFound, match="Did you mean 'run-1'"):
        storage.restore_run("snake", "run-2")
    with pytest.raises(RunNotFound):
        storage.restore_run("other", "run-1")
    with pytest.raises(RunNotFound):
        storage.find_deleted_run("run-2")
    (storage.base_dir / ".trash" / "other" / "run-1.20261123-143502-000000").mkdir(parents=True)
    with pytest.raises(StorageError, match="other, snake"):
        storage.find_deleted_run("run-1")


@pytest.mark.parametrize("bad", ["..", "../x", "/etc", "a\\b", "C:", "nul"])
def test_no_call_takes_a_name_that_is_a_path(storage, bad):
    for call in (
        lambda: storage.delete_run("snake", bad),
        lambda: storage.delete_run(bad, "run-1"),
        lambda: storage.restore_run("snake", bad),
        lambda: storage.find_deleted_run(bad),
        lambda: storage.to_trash("snake", bad, "metrics.jsonl"),
        lambda: storage.clone_run("snake", bad),
    ):
        with pytest.raises(InvalidName):
            call()


@pytest.mark.parametrize("bad", ["", ".", "..", "../config.json", "/etc", "a\\b", ".hidden", "A"])
def test_no_file_outside_of_a_run_goes_to_the_trash(storage, bad):
    for names in ([bad], ["replays", bad]):
        with pytest.raises(InvalidName, match="no file of a run"):
            storage.to_trash("snake", "run-1", *names)


def test_files_and_pieces_of_files_go_to_the_trash(storage):
    run = storage.get_run_path("snake", "run-1")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "500.pt").write_bytes(b"old")
    place = storage.to_trash("snake", "run-1", "checkpoints", "500.pt")
    assert place.read_bytes() == b"old"
    assert list((run / "checkpoints").iterdir()) == []
    place = storage.to_trash("snake", "run-1", "metrics.jsonl", content=b'{"episode": 2}\n')
    assert place.read_bytes() == b'{"episode": 2}\n'
    assert storage.load_metrics("snake", "run-1") == [{"episode": 1}]
    names = [(entry["run_id"], entry["name"]) for entry in storage.list_trash()]
    assert names == [("run-1", "metrics.jsonl"), ("run-1", "checkpoints-500.pt")]
    with pytest.raises(RunNotFound):  # pieces are no run
        storage.restore_run("snake", "run-1")
    with pytest.raises(StorageError, match="Cannot move"):
        storage.to_trash("snake", "run-1", "weights.pt")


def test_emptying_removes_all_and_follows_no_link(storage, tmp_path):
    assert storage.empty_trash() == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (storage.get_run_path("snake", "run-1") / "linked").symlink_to(outside)
    storage.to_trash("snake", "run-1", "metrics.jsonl")
    storage.delete_run("snake", "run-1")
    trash = storage.base_dir / ".trash"
    (trash / "snake" / "linked").symlink_to(outside)
    (trash / "elsewhere").symlink_to(outside)
    (trash / "snake" / "somebody else's").touch()
    assert [entry["name"] for entry in storage.list_trash()] == [None, "metrics.jsonl"]
    assert storage.empty_trash() == 4
    assert storage.list_trash() == []
    assert list((trash / "snake").iterdir()) == []
    assert (outside / "precious").exists()


def test_a_trash_that_is_a_link_out_of_the_library_is_not_used(storage, tmp_path):
    (tmp_path / "outside").mkdir()
    (storage.base_dir / ".trash").symlink_to(tmp_path / "outside")
    for call in (
        storage.list_trash,
        storage.empty_trash,
        lambda: storage.delete_run("snake", "run-1"),
        lambda: storage.restore_run("snake", "run-1"),
    ):
        with pytest.raises(InvalidName, match="leads out of"):
            call()
    assert ids(storage) == ["run-1"]


def test_a_broken_run_can_be_deleted(storage):
    (storage.get_run_path("snake", "run-1") / "config.json").write_text("{")
    storage.delete_run("snake", "run-1")
    assert ids(storage) == []


def test_a_clone_has_the_config_and_nothing_else(storage):
    storage.set_notes("snake", "run-1", "mine")
    clone = storage.clone_run("snake", "run-1")
    assert clone != "run-1"
    config = storage.load_config("snake", clone)
    assert config == storage.load_config("snake", "run-1").replace(run_id=clone)
    files = [path.name for path in storage.get_run_path("snake", clone).iterdir()]
    assert files == ["config.json"]
    assert storage.load_record("snake", clone)["notes"] == ""
    with pytest.raises(RunNotFound):
        storage.clone_run("snake", "other")

"""Checkpoints: whole or not there, whatever fails while one is written."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from rlplay.config import get_default_config
from rlplay.errors import DamagedFile, StorageError
from rlplay.storage import StorageManager, checkpoint, files
from rlplay.storage.checkpoint import Shadow, pack, read_arrays, write_arrays

from .faults import KINDS, Failure, FaultyDisk, assert_on_disk, fail_everywhere, recorded

RUN = ("snake", "run")


def state(step: int) -> Any:
    return {"step": step, "weights": np.full(2_000, step, np.float32), "none": np.zeros(0)}


def save(storage: StorageManager, step: int) -> None:
    metrics, events = storage.line_bytes(*RUN)
    storage.save_checkpoint(
        *RUN, pack(state(step)), step=step, items=step, metrics_bytes=metrics, events_bytes=events
    )


def loaded(storage: StorageManager) -> int:
    """The step of the newest checkpoint, which must be whole and be the one that is named."""
    entry, found, damaged = storage.checkpoints(*RUN).load()
    assert damaged == []
    assert found["step"] == entry.step
    np.testing.assert_array_equal(found["weights"], state(entry.step)["weights"])
    return entry.step


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Let an array be written in several pieces, without waiting for the real disk."""
    monkeypatch.setattr(checkpoint, "_CHUNK", 3_000)
    monkeypatch.setattr(files, "disk", FaultyDisk())


@pytest.fixture
def storage(tmp_path):
    storage = StorageManager(tmp_path / "models")
    storage.create_run(get_default_config("ppo").replace(run_id="run", num_envs=4))
    storage.append_metrics(*RUN, [{"episode": 1}])
    return storage


def test_a_checkpoint_that_fails_anywhere_leaves_the_older_ones(storage, tmp_path):
    for step in (100, 200):
        save(storage, step)
    before = tmp_path / "before"
    shutil.copytree(storage.base_dir, before)

    def prepare() -> None:
        shutil.rmtree(storage.base_dir)
        shutil.copytree(before, storage.base_dir)

    def check(failure: Failure) -> None:
        fresh = StorageManager(storage.base_dir)
        step = loaded(fresh)
        assert step == 300 if failure.error is None else step in (200, 300)
        named = fresh.checkpoints(*RUN).entries()
        assert [entry.step for entry in named] in ([200, 100], [300, 200])
        folder = fresh.get_run_path(*RUN) / "checkpoints"
        assert {entry.file for entry in named} <= {path.name for path in folder.iterdir()}
        save(fresh, 400)  # and it goes on
        assert loaded(fresh) == 400
        assert len(list(folder.iterdir())) == 4

    operations = fail_everywhere(prepare, lambda: save(storage, 300), check)
    assert operations > 12


def test_a_first_checkpoint_that_fails_anywhere_leaves_none(storage, tmp_path):
    before = tmp_path / "before"
    shutil.copytree(storage.base_dir, before)

    def prepare() -> None:
        shutil.rmtree(storage.base_dir)
        shutil.copytree(before, storage.base_dir)

    def check(failure: Failure) -> None:
        fresh = StorageManager(storage.base_dir)
        if failure.error is None or fresh.checkpoints(*RUN).entries():
            assert loaded(fresh) == 100
        save(fresh, 200)
        assert loaded(fresh) == 200

    assert fail_everywhere(prepare, lambda: save(storage, 100), check, KINDS) > 10


def test_saved_means_on_the_disk_and_its_lines_too(storage):
    save(storage, 100)
    operations = recorded(lambda: save(storage, 200))
    assert_on_disk(operations)
    names = [(operation.name, *map(str, operation.arguments)) for operation in operations]
    flushed = next(i for i, call in enumerate(names) if call[1].endswith("metrics.jsonl"))
    (named,) = (
        i
        for i, call in enumerate(names)
        if call[0] == "replace" and call[2].endswith("checkpoint.json")
    )
    assert names[flushed][0] == "sync_file"
    assert flushed < named
    assert all(call[0] not in ("replace", "rename_folder") for call in names[named + 1 :])


def test_lines_that_are_newer_are_cut_off_whole_or_not_at_all(storage, tmp_path):
    save(storage, 100)
    (entry,) = storage.checkpoints(*RUN).entries()
    storage.append_metrics(*RUN, [{"episode": 2}, {"episode": 3}])
    storage.append_event(*RUN, {"field": "speed"})
    before = tmp_path / "before"
    shutil.copytree(storage.base_dir, before)

    def prepare() -> None:
        shutil.rmtree(storage.base_dir)
        shutil.copytree(before, storage.base_dir)

    def check(failure: Failure) -> None:
        fresh = StorageManager(storage.base_dir)
        episodes = [line["episode"] for line in fresh.load_metrics(*RUN)]
        assert episodes in ([1], [1, 2, 3])
        kept = {item["name"] for item in fresh.list_trash()}
        if episodes == [1]:
            assert any(name and name.startswith("metrics.jsonl") for name in kept)
        if failure.error is None:
            assert (episodes, fresh.load_events(*RUN)) == ([1], [])
        fresh.cut_lines(*RUN, entry)
        assert fresh.load_metrics(*RUN) == [{"episode": 1}]

    assert fail_everywhere(prepare, lambda: storage.cut_lines(*RUN, entry), check) > 6


def test_lines_that_are_missing_are_a_clear_error(storage):
    storage.append_metrics(*RUN, [{"episode": 2}])
    save(storage, 100)
    (storage.get_run_path(*RUN) / "metrics.jsonl").write_text('{"episode":1}\n')
    with pytest.raises(DamagedFile, match=r"metrics\.jsonl has 14 bytes, .* needs 28"):
        storage.checkpoints(*RUN).load()


@pytest.mark.parametrize("cut", [0, 7, 8, 200, 4_000])
def test_a_file_of_arrays_that_was_cut_is_damaged(tmp_path, cut):
    path = tmp_path / "file.safetensors"
    write_arrays(path, {"a": np.arange(1_000)}, {"plain": 1})
    arrays, plain = read_arrays(path)
    assert plain == {"plain": 1}
    np.testing.assert_array_equal(arrays["a"], np.arange(1_000))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises((DamagedFile, StorageError)):
        read_arrays(path)


def test_a_shadow_takes_its_memory_once():
    shadow = Shadow()
    whole = np.arange(1_000, dtype=np.int64)
    first = shadow.copy(pack({"filled": whole[:10]}))
    room = shadow._rooms[".filled"]
    assert room.nbytes == whole.nbytes
    copied = shadow.copy(pack({"filled": whole[:900]}))
    assert shadow._rooms[".filled"] is room
    whole[:] = 0
    np.testing.assert_array_equal(copied.arrays["0"], np.arange(900))
    assert first.arrays["0"].nbytes == 80


def test_two_checkpoints_at_one_step_are_two_files(storage):
    for _ in range(4):
        save(storage, 100)
        assert loaded(storage) == 100
    entries = storage.checkpoints(*RUN).entries()
    assert len({entry.file for entry in entries}) == 2


def test_a_refused_checkpoint_takes_no_place_of_a_good_one(storage):
    for _ in range(2):
        save(storage, 100)
    checkpoints = storage.checkpoints(*RUN)
    newest, before = checkpoints.entries()
    path = storage.get_run_path(*RUN) / "checkpoints" / newest.file
    path.write_bytes(b"damaged")
    entry, _, damaged = checkpoints.load()
    assert (entry, len(damaged)) == (before, 1)
    assert checkpoints.go_on_from(entry) == [newest]
    assert checkpoints.go_on_from(entry) == []
    save(storage, 200)
    assert [each.step for each in checkpoints.entries()] == [200, 100]
    assert checkpoints.entries()[1] == before
    assert checkpoints.load()[2] == []


def test_many_checkpoints_of_one_step_are_found_without_their_index(storage):
    for _ in range(2):
        save(storage, 100)
    folder = storage.get_run_path(*RUN)
    note = next((folder / "checkpoints").glob("*.json"))
    for number in (5, 6):  # what writers left that died between the note and the index
        shutil.copy(note, note.with_name(f"100-{number}.json"))
    (folder / "checkpoint.json").write_text("{")
    save(storage, 100)
    assert loaded(storage) == 100

"""Whole files, whole lines, and names that stay inside."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlplay.errors import DamagedFile, InvalidName, StorageError
from rlplay.storage import files

# Names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "ppo-snake-20261123-143502-a1b2", "a_b", "x" * 64])
def test_plain_ids_pass(name):
    assert files.check_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../other",
        "a/b",
        "/etc",
        "a\\b",
        "c:",
        "C:\\runs",
        "a\0b",
        "a\n",
        "Upper",
        "-first",
        "_first",
        "dot.ted",
        "ünder",
        "x" * 65,
        "con",
        "nul",
        "com1",
        "lpt9",
        None,
        7,
        b"bytes",
    ],
)
def test_other_ids_are_refused_with_what_is_allowed(name):
    with pytest.raises(InvalidName) as caught:
        files.check_id(name)
    assert repr(name) in str(caught.value)
    assert "Allowed: 1 to 64 of a-z" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("snake", "snake"),
        ("gymnasium:CartPole-v1", "gymnasium-cartpole-v1"),
        ("gymnasium:ALE/Pong-v5", "gymnasium-ale-pong-v5"),
        ("My own game!", "my-own-game"),
    ],
)
def test_slug_of_a_plain_name(name, folder):
    assert files.slug(name) == folder
    assert files.slug(folder) == folder


@given(st.text(min_size=1, max_size=100))
def test_a_slug_is_a_safe_id_or_the_name_is_refused(name):
    try:
        folder = files.slug(name)
    except InvalidName:
        return
    assert files.check_id(folder) == folder
    assert files.slug(folder) == folder


def test_names_that_ascii_cannot_tell_apart_get_different_folders():
    names = ["蛇", "馬", "schlange", "schlänge", "x" * 70, "x" * 71]
    assert len({files.slug(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name",
    ["../up", "a/../b", "/etc/passwd", "a\\b", "C:\\x", "c:/x", "a\0b", "a/", "", " ", None, "con"],
)
def test_environment_names_that_look_like_paths_are_refused(name):
    with pytest.raises(InvalidName, match="Allowed"):
        files.slug(name)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(tmp_path):
    root, outside = tmp_path / "models", tmp_path / "outside"
    (root / "snake").mkdir(parents=True)
    outside.mkdir()
    (outside / "run").mkdir()
    (root / "linked").symlink_to(outside)
    (root / "snake" / "run").symlink_to("../../outside/run")
    (root / "snake" / "loop").symlink_to("loop")
    (root / "snake" / "copy").symlink_to(root / "snake")
    for names in (["linked"], ["linked", "run"], ["snake", "run"], ["snake", "run", "x.json"]):
        with pytest.raises(InvalidName, match="leads out of"):
            files.inside(root, *names)
    with pytest.raises(InvalidName):
        files.inside(root, "snake", "loop", "deeper")
    assert files.inside(root, "snake", "copy") == root / "snake" / "copy"
    assert files.inside(root, "snake", "new", "config.json")


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "models").symlink_to("real")
    assert files.inside(tmp_path / "models", "snake") == tmp_path / "models" / "snake"


# Whole files ----------------------------------------------------------------------------------


class FailingDisk(files.Disk):
    """Fails at the n-th operation, counted from 0."""

    def __init__(self, fails_at: int) -> None:
        self.operations = 0
        self.fails_at = fails_at

    def __getattribute__(self, name):
        attribute = super().__getattribute__(name)
        if name.startswith("_") or not callable(attribute):
            return attribute

        def counted(*arguments):
            self.operations += 1
            if self.operations - 1 == self.fails_at:
                raise OSError(28, "No space left on device")
            return attribute(*arguments)

        return counted


def write_with_bytes(path: Path) -> None:
    files.write_bytes(path, b"new")


def write_with_replacing(path: Path) -> None:
    with files.replacing(path) as beside:
        beside.write_bytes(b"new")


@pytest.mark.parametrize("write", [write_with_bytes, write_with_replacing])
def test_a_write_that_fails_anywhere_leaves_the_old_or_the_new_file(tmp_path, monkeypatch, write):
    path = tmp_path / "file"
    for failing in range(100):
        path.write_bytes(b"old")
        disk = FailingDisk(failing)
        monkeypatch.setattr(files, "disk", disk)
        failure = None
        try:
            write(path)
        except StorageError as error:
            failure = str(error)
        if failure is None:
            break
        assert "Free some space" in failure
        assert path.read_bytes() in (b"old", b"new")
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"
    assert 3 <= failing < 100


def test_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []

    class Watched(files.Disk):
        def __getattribute__(self, name):
            calls.append(name)
            return super().__getattribute__(name)

    monkeypatch.setattr(files, "disk", Watched())
    write_with_bytes(tmp_path / "file")
    assert calls == ["create", "write", "sync", "close", "replace", "sync_folder"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    class Slow(files.Disk):
        def write(self, descriptor, data):
            return os.write(descriptor, data[:3])

    monkeypatch.setattr(files, "disk", Slow())
    files.write_bytes(tmp_path / "file", b"0123456789")
    files.append_lines(tmp_path / "lines", ["0123456789"])
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert (tmp_path / "lines").read_bytes() == b"0123456789\n"


def test_a_value_that_is_no_json_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "file", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_damaged_json_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"config\.json is damaged"):
        files.read_json(tmp_path / "config.json")


def test_make_folders_makes_all_or_says_what_stands_in_the_way(tmp_path):
    files.make_folders(tmp_path / "a" / "b" / "c")
    files.make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="A file stands where a folder must be"):
        files.make_folders(tmp_path / "file")
    with pytest.raises(StorageError, match="A file stands where a folder must be"):
        files.make_folders(tmp_path / "file" / "below")


# Lines ----------------------------------------------------------------------------------------


def records(count: int) -> list[dict[str, int]]:
    return [{"episode": number, "steps": number * 10} for number in range(count)]


def write_records(path: Path, count: int) -> bytes:
    files.append_lines(path, [files.to_json(record) for record in records(count)])
    return path.read_bytes()


def test_a_file_cut_at_any_byte_of_its_last_line_loses_that_line_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    whole = write_records(path, 3)
    last = len(whole) - len(files.to_json(records(3)[2])) - 1
    for size in range(last, len(whole) + 1):
        path.write_bytes(whole[:size])
        read, tail = files.read_jsonl(path), files.read_last_jsonl(path, 10)
        complete = size >= len(whole) - 1  # without its line break, a line is whole
        assert read.records == tail.records == records(3 if complete else 2)
        assert read.skipped == tail.skipped == (0 if complete or size == last else 1)
        # Going on after the crash costs nothing more.
        files.append_lines(path, ['{"next":1}'])
        assert files.read_jsonl(path).records == [*read.records, {"next": 1}]


def test_a_torn_line_in_the_middle_is_skipped_and_counted(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"a":1}\n{"a":2,"b\n\n[3]\n\xff\xfe\n{"a":4}\n')
    assert files.read_jsonl(path) == ([{"a": 1}, {"a": 4}], 3)


def test_a_missing_file_has_no_lines(tmp_path):
    assert files.read_jsonl(tmp_path / "none") == ([], 0)
    assert files.read_last_jsonl(tmp_path / "none", 5) == ([], 0)


def test_a_folder_in_place_of_the_file_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="Cannot read"):
        files.read_jsonl(tmp_path)
    with pytest.raises(StorageError, match="Cannot append"):
        files.append_lines(tmp_path, ["x"])


@pytest.mark.parametrize("count", [0, 1, 2, 100, 999, 1_000, 1_001])
def test_the_last_lines_are_those_of_the_whole_file(tmp_path, count):
    path = tmp_path / "metrics.jsonl"
    write_records(path, 1_000)
    expected = records(1_000)[max(0, 1_000 - count) :]
    assert files.read_last_jsonl(path, count).records == expected


def test_reading_the_last_lines_reads_little(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"a":1}\n' * 200_000)
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda line: parsed.append(line) or loads(line))
    assert len(files.read_last_jsonl(path, 20).records) == 20
    assert len(parsed) < 2_000


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    before = write_records(path, 2)

    class Full(files.Disk):
        def write(self, descriptor, data):
            if len(data) > 5:
                return os.write(descriptor, data[:5])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "disk", Full())
    with pytest.raises(StorageError, match="No space left on device"):
        files.append_lines(path, ['{"episode":2}'])
    assert path.read_bytes() == before

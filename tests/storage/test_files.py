"""Whole files, whole lines, and names that stay inside."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlplay.errors import DamagedFile, InvalidName, StorageError
from rlplay.storage import files

from .faults import Failure, Killed, assert_on_disk, fail_everywhere, recorded

# The disk -------------------------------------------------------------------------------------


def test_what_is_written_is_flushed_with_its_folder(tmp_path, monkeypatch):
    """The other tests note that a flush was asked for; this one that the system was."""
    flushed, really = [], os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "file"
    files.write_bytes(path, b"whole")
    assert path.stat().st_ino in flushed
    assert os.name == "nt" or flushed[-1] == tmp_path.stat().st_ino
    flushed.clear()
    files.disk.sync_file(path)
    assert flushed == [path.stat().st_ino]


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


def write_with_bytes(path: Path) -> None:
    files.write_bytes(path, b"new")


def write_with_replacing(path: Path) -> None:
    with files.replacing(path) as beside:
        beside.write_bytes(b"new")


@pytest.mark.parametrize("write", [write_with_bytes, write_with_replacing])
def test_a_write_that_fails_anywhere_leaves_the_old_or_the_new_file(tmp_path, write):
    path = tmp_path / "file"

    def prepare() -> None:
        for left in tmp_path.iterdir():
            left.unlink()
        path.write_bytes(b"old")

    def check(failure: Failure) -> None:
        assert path.read_bytes() in (b"old", b"new")
        if failure.error is None:
            assert path.read_bytes() == b"new"
        if not isinstance(failure.error, Killed):
            assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
        if failure.kind == "no space":
            assert failure.error is None or "Free some space" in str(failure.error)

    assert fail_everywhere(prepare, lambda: write(path), check) >= 3


def test_content_is_on_the_disk_before_it_gets_its_name(tmp_path):
    operations = recorded(lambda: write_with_bytes(tmp_path / "file"))
    names = [operation.name for operation in operations]
    assert names == ["create", "write", "sync", "close", "replace", "sync_folder"]
    for left_out in ("sync", "sync_folder"):
        with pytest.raises(AssertionError):
            assert_on_disk([each for each in operations if each.name != left_out])
    assert_on_disk(operations)
    assert_on_disk(recorded(lambda: files.make_folders(tmp_path / "a" / "b")))


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


# Sums -----------------------------------------------------------------------------------------


def test_a_sealed_object_is_given_back_and_any_change_is_refused(tmp_path):
    value = {"b": [1, 2.5, None], "a": {"ü": "ö"}, "n": 10**30}
    sealed = files.seal(value)
    assert files.unseal(json.loads(json.dumps(sealed)), tmp_path) == value
    assert files.seal(sealed) == sealed
    assert files.seal({"n": 10**30, **value})["sha256"] == sealed["sha256"]
    for change in ({"b": [1, 2.5]}, {"c": 1}, {"sha256": "0" * 64}, {"sha256": None}):
        with pytest.raises(DamagedFile, match=r"config\.json is damaged, or was edited by hand"):
            files.unseal({**sealed, **change}, tmp_path / "config.json")


def test_an_object_without_a_sum_passes_where_none_is_required(tmp_path):
    assert files.unseal({"a": 1}, tmp_path, required=False) == {"a": 1}
    with pytest.raises(DamagedFile):
        files.unseal({"a": 1}, tmp_path)
    with pytest.raises(DamagedFile):
        files.unseal({"a": 1, "sha256": "x"}, tmp_path, required=False)


def make_zip(comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights", b"0123456789")
        archive.comment = comment
    return file.getvalue()


def test_a_sealed_zip_is_still_a_zip_and_any_change_is_refused(tmp_path):
    sealed = files.seal_zip(make_zip())
    with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
        assert archive.read("weights") == b"0123456789"
        assert archive.comment.startswith(b"rlplay sha256 ")
    files.check_zip(sealed, tmp_path)
    assert files.seal_zip(sealed) == sealed
    record = sealed.rindex(b"PK\x05\x06")
    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        # What says that there is a comment; no program for zip files takes it for one then.
        if place in (*range(record, record + 4), record + 20, record + 21):
            continue
        with pytest.raises(DamagedFile, match="is damaged"):
            files.check_zip(bytes(damaged), tmp_path)
    for size in range(record + 22, len(sealed)):
        with pytest.raises(DamagedFile, match="is damaged"):
            files.check_zip(sealed[:size], tmp_path)


@pytest.mark.parametrize("data", [b"", b"weights", make_zip(b"of somebody else")])
def test_what_is_no_plain_zip_gets_no_sum_and_passes(tmp_path, data):
    assert files.seal_zip(data) == data
    files.check_zip(data, tmp_path)


def test_a_zip_without_a_sum_passes(tmp_path):
    files.check_zip(make_zip(), tmp_path)


# Trees ----------------------------------------------------------------------------------------


def test_removing_a_tree_follows_no_link(tmp_path):
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_bytes(b"12345")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"precious")
    (tmp_path / "tree" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "tree" / "a" / "link").symlink_to(tmp_path / "outside" / "file")
    links = sum(path.lstat().st_size for path in tmp_path.rglob("*") if path.is_symlink())
    assert files.measure(tmp_path / "tree") == 5 + links
    files.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "outside" / "file").read_bytes() == b"precious"
    with pytest.raises(StorageError, match="Cannot read"):
        files.measure(tmp_path / "tree")
    with pytest.raises(StorageError, match="Cannot remove"):
        files.remove_tree(tmp_path / "tree")


# Lines ----------------------------------------------------------------------------------------


def records(count: int) -> list[dict[str, int]]:
    return [{"episode": number, "steps": number * 10} for number in range(count)]


def write_records(path: Path, count: int) -> bytes:
    files.append_lines(path, [files.to_json(record) for record in records(count)])
    return path.read_bytes()


def test_a_file_cut_at_any_byte_loses_the_line_that_is_cut_and_no_other(tmp_path):
    path = tmp_path / "metrics.jsonl"
    whole = write_records(path, 4)
    ends = [match.end() for match in re.finditer(b"\n", whole)]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        # Without its line break, a line is whole.
        complete = sum(size >= end - 1 for end in ends)
        torn = size not in (0, *ends, *(end - 1 for end in ends))
        read, tail = files.read_jsonl(path), files.read_last_jsonl(path, 10)
        assert read.records == tail.records == records(4)[:complete]
        assert read.skipped == tail.skipped == torn
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

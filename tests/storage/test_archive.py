"""Runs that are handed on: what is exported comes back, and nothing else comes in."""

import ast
import hashlib
import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch

from rlplay.agents import (
    AGENT_REGISTRY,
    Agent,
    AgentSpec,
    create_agent,
    explain_misfit,
    list_algorithms,
)
from rlplay.config import get_default_config
from rlplay.envs import BaseEnvironment, create_env, get_env_spec
from rlplay.errors import ArchiveError, StorageError
from rlplay.storage import StorageManager, archive, files
from rlplay.training.run import train
from rlplay.training.session import TrainingSession

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


# A run, its archive, and a library that takes it in --------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training with snapshots of its weights, and its archive."""
    folder = tmp_path_factory.mktemp("origin")
    storage = StorageManager(folder / "models")
    config = get_default_config("ppo").replace(
        run_id="origin-1",
        name="Für Zoë",
        num_envs=16,
        num_threads=1,
        total_steps=3_000,
        env_config={"grid_size": 5, "vision": 1},
        network_config={"layers": [{"units": 16}]},
        hyperparams={"num_steps": 8},
    )
    train(config, progress=False, storage=storage)
    storage.set_notes("snake", "origin-1", "two lines\nof notes")
    run = storage.get_run_path("snake", "origin-1")
    weights = storage.load_weights("snake", "origin-1")
    shutil.rmtree(run / "snapshots")
    (run / "snapshots").mkdir()
    for steps in (0, 1024):
        aged = {name: tensor * (steps + 1) for name, tensor in weights.items()}
        (run / "snapshots" / f"{steps}.safetensors").write_bytes(safetensors.torch.save(aged))
    (run / "log.txt").write_text("a secret path\n")
    assert (run / "checkpoint.json").is_file()
    assert list((run / "checkpoints").iterdir())
    path = storage.export_run("snake", "origin-1", folder)
    return SimpleNamespace(storage=storage, run=run, path=path, members=read_members(path))


@pytest.fixture
def library(tmp_path):
    """Somebody else's library, with a run in it."""
    storage = StorageManager(tmp_path / "library" / "models")
    storage.create_run(get_default_config("dqn").replace(run_id="already-there"))
    return storage


def read_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def listing(folder: Path) -> dict[str, bytes | None]:
    """All that a folder holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


# The way there and back ------------------------------------------------------------------------


def test_an_archive_holds_what_is_shared_and_nothing_else(trained):
    assert trained.path == trained.run.parents[2] / "origin-1.zip"
    replays = {f"replays/{path.name}" for path in (trained.run / "replays").iterdir()}
    assert len(replays) >= 3
    assert trained.members.keys() == replays | {
        "manifest.json",
        "config.json",
        "weights.safetensors",
        "metrics.jsonl",
        "events.jsonl",
        "snapshots/0.safetensors",
        "snapshots/1024.safetensors",
    }
    manifest = json.loads(trained.members["manifest.json"])
    assert manifest["format_version"] == 1
    assert manifest["rlplay_version"]
    assert manifest["created_at"].endswith("+00:00")
    assert manifest["members"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in trained.members.items()
        if name != "manifest.json"
    }


def test_what_was_exported_comes_back(trained, library):
    run = library.import_run(trained.path)
    assert run.env_name == "snake"
    assert run.run_id != "origin-1"
    there, here = trained.run, library.get_run_path(*run)
    assert {str(path.relative_to(here)) for path in here.rglob("*")} == {
        str(path.relative_to(there))
        for path in there.rglob("*")
        if path.name not in ("log.txt", "checkpoint.json") and "checkpoints" not in path.parts
    }

    origin = trained.storage
    assert library.load_config(*run) == origin.load_config("snake", "origin-1").replace(
        run_id=run.run_id
    )
    before, after = origin.load_record("snake", "origin-1"), library.load_record(*run)
    assert after == before | {"run_id": run.run_id, "imported_from": "origin-1"}

    old, new = origin.load_weights("snake", "origin-1"), library.load_weights(*run)
    assert list(new) == list(old)
    for name, tensor in old.items():
        assert new[name].dtype == tensor.dtype
        assert new[name].numpy().tobytes() == tensor.numpy().tobytes()
    for name in (
        "metrics.jsonl",
        "events.jsonl",
        "snapshots/0.safetensors",
        "snapshots/1024.safetensors",
    ):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    for path in (there / "replays").iterdir():
        replay = library.load_replay(*run, path.stem)
        assert replay.run_id == run.run_id
        assert replay == origin.load_replay("snake", "origin-1", path.stem).model_copy(
            update={"run_id": run.run_id}
        )
        assert replay.verify()
    (listed,) = [found for found in library.list_runs() if found["run_id"] == run.run_id]
    assert listed["broken"] is None
    assert listed["episodes"] > 10


def test_the_agent_plays_as_before(trained, library):
    run = library.import_run(trained.path)
    actions = []
    for storage, name in ((trained.storage, "origin-1"), (library, run.run_id)):
        config = storage.load_config("snake", name)
        agent = create_agent(config, *get_env_spec("snake").env.get_spaces(env_options(config)))
        agent.load(storage.get_weights_path("snake", name))
        generator = np.random.default_rng(1)
        observations = generator.normal(size=(64, agent.observation_size)).astype(np.float32)
        actions.append(agent.select_action(observations, training=False).tolist())
    assert actions[0] == actions[1]


def env_options(config):
    return get_env_spec(config.env_name).config_model.model_validate(config.env_config)


def test_an_imported_run_can_be_handed_on(trained, library, tmp_path):
    first = library.import_run(trained.path)
    path = library.export_run(*first, tmp_path / "again.zip")
    changed = {"manifest.json", "config.json"}
    again = read_members(path)
    assert again.keys() == trained.members.keys()
    for name in again.keys() - changed:
        if name.startswith("replays/"):
            assert json.loads(again[name]) == resealed(
                json.loads(trained.members[name]) | {"run_id": first.run_id}
            )
        else:
            assert again[name] == trained.members[name]
    second = library.import_run(path)
    assert library.load_record(*second)["imported_from"] == first.run_id


def fitting_config(algo):
    """Give an algorithm's config for snake, or for the gridworld where snake does not fit it."""
    config = get_default_config(algo)
    return get_default_config(algo, "gridworld") if explain_misfit(config) else config


@pytest.mark.parametrize("algo", list_algorithms())
def test_a_run_without_weights_or_events(library, tmp_path, algo):
    """Exports too; so does one whose network is the default one of its algorithm."""
    origin = fitting_config(algo)
    run_id = library.create_run(origin)
    run = library.import_run(library.export_run(origin.env_name, run_id, tmp_path))
    assert [path.name for path in library.get_run_path(*run).iterdir()] == ["config.json"]

    config = library.load_config(*run)
    spaces = get_env_spec(config.env_name).env.get_spaces(env_options(config))
    library.save_weights(*run, create_agent(config.replace(num_envs=2), *spaces))
    again = library.import_run(library.export_run(*run, tmp_path))
    assert library.weights_exist(*again)


def test_two_imports_at_once_give_two_runs(trained, library, monkeypatch):
    """Even where chance gives both of them the same id at first."""
    monkeypatch.setattr("rlplay.storage.manager._new_run_id", few_ids())
    imported, barrier = [], threading.Barrier(3)

    def take_in():
        barrier.wait()
        imported.append(library.import_run(trained.path))

    threads = [threading.Thread(target=take_in) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.run_id for run in imported}) == 3
    for run in imported:
        for shown in library.list_replays(*run):
            assert library.load_replay(*run, shown["replay_id"]).run_id == run.run_id
    assert not [path for path in library.base_dir.iterdir() if path.name.startswith(".import")]


def few_ids():
    """Give each id three times."""
    lock, count = threading.Lock(), [0]

    def choose(config):
        with lock:
            count[0] += 1
            return f"copy-{count[0] // 3}"

    return choose


def test_a_device_that_is_not_here_is_kept(trained, library, tmp_path):
    changed = with_config(trained, device="cuda", num_threads=256, precision="bfloat16")
    config = library.load_config(*library.import_run(write(tmp_path, changed)))
    assert (config.device, config.num_threads, config.precision) == ("cuda", 256, "bfloat16")


# Export ----------------------------------------------------------------------------------------


def test_where_an_export_goes(trained, tmp_path):
    export = trained.storage.export_run
    assert export("snake", "origin-1", tmp_path) == tmp_path / "origin-1.zip"
    named = tmp_path / "Mine.ZIP"
    named.write_text("an older one")
    assert export("snake", "origin-1", named) == named
    assert zipfile.is_zipfile(named)
    thesis = tmp_path / "thesis.docx"
    thesis.write_text("years of work")
    with pytest.raises(ArchiveError, match=r"must end in '\.zip'"):
        export("snake", "origin-1", thesis)
    assert thesis.read_text() == "years of work"
    with pytest.raises(ArchiveError, match="there is no folder"):
        export("snake", "origin-1", tmp_path / "none" / "a.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Mine.ZIP",
        "origin-1.zip",
        "thesis.docx",
    ]


def test_a_run_that_trains_exports_whole(library, tmp_path):
    config = get_default_config("ppo").replace(
        num_envs=64,
        num_threads=1,
        env_config={"grid_size": 4, "vision": 1},
        network_config={"layers": [{"units": 16}]},
        total_steps=10**9,
    )
    session = TrainingSession(config, library)
    session.start(max_speed=True)
    try:
        deadline = time.monotonic() + 60
        while len(library.list_runs()) < 2 or not library.load_metrics("snake", session.run_id):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        counts = []
        for _ in range(5):
            path = library.export_run("snake", session.run_id, tmp_path)
            run = library.import_run(path)
            counts.append(len(library.load_metrics(*run)))
            assert all(shown["broken"] is None for shown in library.list_replays(*run))
        assert counts == sorted(counts)
        assert counts[0] > 0
    finally:
        session.stop()
        session.wait()


def test_torn_lines_stay_behind(library, tmp_path):
    """What a crash tore in the middle, and what is just being written at the end."""
    run_id = library.create_run(get_default_config())
    line = {"episode": 1, "episodes": 1, "steps": 9, "score": 1.0, "best_score": 1.0}
    whole = json.dumps(line).encode() + b"\n"
    path = library.get_run_path("snake", run_id) / "metrics.jsonl"
    path.write_bytes(whole + whole[:20] + b"\n" + whole + whole[:-1])
    run = library.import_run(library.export_run("snake", run_id, tmp_path))
    assert (library.get_run_path(*run) / "metrics.jsonl").read_bytes() == whole * 2


def test_many_equal_moves_and_lines_are_no_bomb(trained, library, tmp_path):
    run_id = library.create_run(get_default_config())
    line = {"episode": 1, "episodes": 1, "steps": 9, "score": 1.0, "best_score": 1.0}
    library.append_metrics("snake", run_id, [line] * 15_000)
    (first, *_) = trained.storage.list_replays("snake", "origin-1")
    replay = trained.storage.load_replay("snake", "origin-1", first["replay_id"])
    length = 1_100_000
    library.save_replay(
        replay.model_copy(update={"run_id": run_id, "actions": (0,) * length, "length": length})
    )
    run = library.import_run(library.export_run("snake", run_id, tmp_path))
    assert library.load_replay(*run, replay.replay_id).length == length
    assert len(library.load_metrics(*run)) == 15_000


def spoil_replay(run: Path):
    next((run / "replays").iterdir()).write_text('{"format_version": 1}')


def spoil_weights(run: Path):
    weights = torch.load(run / "weights.pt", weights_only=True)
    weights["0.bias"][0] = float("nan")
    torch.save(weights, run / "weights.pt")


def spoil_lines(run: Path):
    (run / "metrics.jsonl").write_text('{"episode": "many"}\n')


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_replay, "replays/.* is damaged"),
        (spoil_weights, r"weights\.safetensors: tensor 0\.bias has numbers that are not finite"),
        (spoil_lines, r"metrics\.jsonl, line 1: a line: episode = 'many'"),
    ],
)
def test_what_no_import_would_take_is_not_exported(trained, library, tmp_path, spoil, reason):
    run = library.import_run(trained.path)
    spoil(library.get_run_path(*run))
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(ArchiveError, match=f"Cannot export run '{run.run_id}': {reason}"):
        library.export_run(*run, target)
    assert listing(target) == {}


@pytest.mark.parametrize("cap", ["_MAX_MEMBERS", "_MAX_BYTES"])
def test_a_run_that_is_too_large_for_an_import_is_not_exported(trained, tmp_path, monkeypatch, cap):
    monkeypatch.setattr(archive, cap, 4)
    with pytest.raises(ArchiveError, match=r"this run has more\. Delete some of its replays"):
        trained.storage.export_run("snake", "origin-1", tmp_path)
    assert listing(tmp_path) == {}


def test_an_export_that_fails_leaves_the_old_file(trained, tmp_path, monkeypatch):
    path = trained.storage.export_run("snake", "origin-1", tmp_path)
    before = listing(tmp_path)

    def full(self, source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Disk, "replace", full)
    with pytest.raises(StorageError, match="No space left on device"):
        trained.storage.export_run("snake", "origin-1", path)
    assert listing(tmp_path) == before


def test_a_link_out_of_the_models_folder_is_not_exported(library, tmp_path):
    run_id = library.create_run(get_default_config())
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"password": 1}\n')
    (library.get_run_path("snake", run_id) / "events.jsonl").symlink_to(secret)
    with pytest.raises(StorageError, match="leads out of"):
        library.export_run("snake", run_id, tmp_path)


# Made archives ---------------------------------------------------------------------------------


@dataclass
class Member:
    """One member of a made zip; what is None is as it should be."""

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    packed: bytes | None = None
    flags: int = 0
    size: int | None = None
    checksum: int | None = None
    attributes: int = 0o100644 << 16
    local_name: bytes | None = None
    local_size: int | None = None


def pack(data: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def make_zip(
    members,
    *,
    before=b"",
    gap=b"",
    after=b"",
    comment=b"",
    count=None,
    directory_size=None,
    zip64=False,
    large_count=None,
):
    """Write a zip, or something that is nearly one."""
    content, directory = [before], []
    place = len(before)
    for member in members:
        packed = member.packed
        if packed is None:
            packed = pack(member.data) if member.method == DEFLATED else member.data
        size = len(member.data) if member.size is None else member.size
        local_size = size if member.local_size is None else member.local_size
        checksum = zlib.crc32(member.data) if member.checksum is None else member.checksum
        local_name = member.name if member.local_name is None else member.local_name
        head = (20, member.flags, member.method, 0, 33, checksum, len(packed))
        content += [
            struct.pack("<4s5H3L2H", b"PK\3\4", *head, local_size, len(local_name), 0),
            local_name,
            packed,
        ]
        directory += [
            struct.pack(
                "<4s6H3L5H2L",
                b"PK\1\2", 0x314, *head, size, len(member.name), 0, 0, 0, 0,
                member.attributes, place,
            ),
            member.name,
        ]  # fmt: skip
        place += 30 + len(local_name) + len(packed)
    table = b"".join(directory)
    start = place + len(gap)
    count = len(members) if count is None else count
    size = len(table) if directory_size is None else directory_size
    ends = b""
    if zip64:
        whole = (count if large_count is None else large_count,) * 2
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *whole, size, start)
        ends = end64 + struct.pack("<4sLQL", b"PK\6\7", 0, start + len(table), 1)
    short = min(count, 0xFFFF)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, short, short, size, start, len(comment))
    return b"".join([*content, gap, table, ends, end, comment, after])


def seal(members: dict[str, bytes], **changes) -> dict[str, bytes]:
    """Put a fitting manifest to members, so that nothing is refused for its sum."""
    manifest = {
        "format_version": 1,
        "rlplay_version": "0.1.0",
        "created_at": "2026-01-01T00:00:00+00:00",
        "members": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in members.items()
            if name != "manifest.json"
        },
    } | changes
    return members | {"manifest.json": json.dumps(manifest).encode()}


def as_members(contents: dict[str, bytes]) -> list[Member]:
    return [Member(name.encode(), data) for name, data in contents.items()]


def event(**changes) -> bytes:
    """A line of events as rlplay writes it, with some of it changed."""
    line = {"step": 0, "item": 0, "field": "state", "old": "new", "new": "running", **changes}
    return json.dumps(line).encode() + b"\n"


def replaced(trained, name: str, data: bytes | None) -> bytes:
    contents = {**trained.members, name: data}
    return make_zip(as_members(seal({k: v for k, v in contents.items() if v is not None})))


def with_config(trained, **options) -> bytes:
    config = json.loads(trained.members["config.json"]) | options
    return replaced(trained, "config.json", json.dumps(config).encode())


def with_options(trained, **options) -> bytes:
    """The archive as if its run had played an environment of Gymnasium, made with some options."""
    return with_config(
        trained,
        env_name="gymnasium:FrozenLake-v1",
        env_config={"options": options},
        reward_config={},
    )


def with_member(trained, **options) -> bytes:
    """The archive with one member more."""
    return make_zip([*as_members(trained.members), Member(**options)])


def with_metrics(trained, **options) -> bytes:
    """The archive with its metrics announced or packed in another way."""
    made = as_members(trained.members)
    for member in made:
        if member.name == b"metrics.jsonl":
            for option, value in options.items():
                setattr(member, option, value)
    return make_zip(made)


def with_weights(trained, **tensors) -> bytes:
    weights = safetensors.torch.load(trained.members["weights.safetensors"])
    weights |= {name.replace("_", "."): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
    return replaced(trained, "weights.safetensors", safetensors.torch.save(kept))


def a_replay(trained) -> str:
    return next(name for name in sorted(trained.members) if name.startswith("replays/"))


def resealed(values: dict) -> dict:
    """Somebody who writes what is not so writes a sum that fits, too."""
    return files.seal(values)


def with_replay(trained, **values) -> bytes:
    name = a_replay(trained)
    replay = json.loads(trained.members[name]) | values
    return replaced(trained, name, json.dumps(resealed(replay)).encode())


def write(folder: Path, data: bytes) -> Path:
    path = folder / "made.zip"
    path.write_bytes(data)
    return path


def test_the_maker_of_archives_makes_good_ones(trained, library, tmp_path):
    """Else all that follows would be refused for the wrong reason."""
    for data in (
        make_zip(as_members(trained.members)),
        make_zip(as_members(trained.members), zip64=True),
        make_zip(as_members(seal(trained.members))),
        make_zip([Member(name.encode(), data, STORED) for name, data in trained.members.items()]),
    ):
        run = library.import_run(write(tmp_path, data))
        assert library.weights_exist(*run)


#: Ten gigabytes of zeros in ten megabytes: a thousand times the same megabytes.
def ten_gigabytes() -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = compressor.compress(bytes(1 << 24)) + compressor.flush(zlib.Z_FULL_FLUSH)
    part = compressor.compress(bytes(1 << 24)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return start + part * 639 + compressor.flush()


def a_million_records() -> bytes:
    """A real directory of a million members, each named "a"."""
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", *(0,) * 9, 1, *(0,) * 6) + b"a"
    table = record * 10**6
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**6, 10**6, len(table), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(table), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(table), 0, 0)
    return table + end64 + locator + end


def a_million_that_say_three() -> bytes:
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", *(0,) * 9, 1, *(0,) * 6) + b"a"
    table = record * 10**6
    return table + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 3, 3, len(table), 0, 0)


class Harmful:
    def __reduce__(self):
        return os.system, ("echo pickled > pickled",)


def deep(levels: int) -> bytes:
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


def name(text) -> dict:
    return {"name": text.encode() if isinstance(text, str) else text, "data": b"{}"}


NAN, INF = float("nan"), float("inf")

#: What is refused: how it is made of a good archive, and the reason.
REFUSED = {
    # Options of code that is not ours
    "no such map": (lambda t: with_options(t, map_name="7x7"), "cannot be made with the options"),
    "a file": (lambda t: with_options(t, xml_file="/etc/passwd"), "only letters, digits"),
    "a file's name": (lambda t: with_options(t, **{"../x": 1}), "only letters, digits"),
    "a huge number": (lambda t: with_options(t, size=10**9), "is above 10,000"),
    "a huge map": (lambda t: with_options(t, desc=["SF" * 9] * 999), "more than 10,000 characters"),
    # Names
    "absolute": (lambda t: with_member(t, **name("/etc/passwd")), "absolute path"),
    "parent": (lambda t: with_member(t, **name("replays/../../x.json")), "leads out"),
    "drive": (lambda t: with_member(t, **name("C:config.json")), "drive letter"),
    "backslash": (lambda t: with_member(t, **name("replays\\x.json")), "backslash"),
    "nul": (lambda t: with_member(t, **name("config.json\0.txt")), "NUL character"),
    "reserved": (lambda t: with_member(t, **name("replays/con.json")), "Windows reserves"),
    "reserved with end": (lambda t: with_member(t, **name("AUX .json")), "Windows reserves"),
    "folded": (lambda t: with_member(t, **name("Config.JSON")), "case does not count"),
    "folded unicode": (
        lambda t: make_zip(
            [*as_members(t.members), Member("replays/\u017f.json".encode(), flags=0x800),
             Member(b"replays/s.json")]
        ),
        "case does not count",
    ),
    "twice": (lambda t: with_member(t, **name("config.json")), "'config.json' twice"),
    "unknown": (lambda t: with_member(t, **name("setup.py")), "no archive has a member 'setup.py'"),
    "folder": (lambda t: with_member(t, **name("replays/")), "no archive has a member 'replays/'"),
    "checkpoint": (lambda t: with_member(t, **name("checkpoints/9.pt")), "no archive has a member"),
    "pickled weights": (lambda t: with_member(t, **name("weights.pt")), "no archive has a member"),
    "deeper": (lambda t: with_member(t, **name("replays/a/b.json")), "no archive has a member"),
    "snapshot's name": (
        lambda t: with_member(t, **name("snapshots/007.safetensors")), "no archive has a member"
    ),
    "long": (lambda t: with_member(t, **name("x" * 5_000)), "no archive has a member"),
    "not unicode": (lambda t: with_member(t, **name(b"\xff\xfe"), flags=0x800), "is damaged"),
    "two names": (
        lambda t: with_member(t, **name("events.json"), local_name=b"config.json"),
        "no archive has a member",
    ),
    "other name inside": (
        lambda t: with_metrics(t, local_name=b"METRICS.jsonl"), "metrics.jsonl is damaged"
    ),
    # Kinds
    "link": (lambda t: with_metrics(t, attributes=0o120777 << 16), "symbolic link"),
    "device": (lambda t: with_metrics(t, attributes=0o060644 << 16), "is no file"),
    "encrypted": (lambda t: with_metrics(t, flags=1), "is encrypted"),
    "strongly encrypted": (lambda t: with_metrics(t, flags=0x41), "is encrypted"),
    "descriptor": (lambda t: with_metrics(t, flags=8), "flags 0x8"),
    "method": (lambda t: with_metrics(t, method=99, packed=b"?"), "unknown method 99"),
    "bzip2": (lambda t: with_metrics(t, method=12, packed=b"?"), "unknown method 12"),
    # Sizes
    "size too small": (lambda t: with_metrics(t, size=10), "says"),
    "size too large": (lambda t: with_metrics(t, size=10**6), "says"),
    "size that the manifest confirms": (lambda t: lie(t, 10), "more bytes than the 10"),
    "size that the checksum confirms": (
        lambda t: lie(t, 10, checksum=zlib.crc32(t.members["metrics.jsonl"][:10])), "is damaged"
    ),
    "larger size that the manifest confirms": (lambda t: lie(t, 10**5), "fewer bytes than the"),
    "two sizes": (lambda t: with_metrics(t, local_size=10), "contradict each other"),
    "huge": (lambda t: with_metrics(t, size=2**32 - 2), "are allowed"),
    "bomb": (
        lambda t: with_metrics(t, packed=ten_gigabytes(), size=2**32 - 2), "are allowed"
    ),
    "small bomb": (lambda t: with_metrics(t, data=bytes(1 << 21)), "more than 200 times as many"),
    "bomb that lies": (
        lambda t: lie(t, 200_000, packed=ten_gigabytes()), "more bytes than the 200,000"
    ),
    "large together": (lambda t: large_together(t), "its members have"),
    "checksum": (lambda t: with_metrics(t, checksum=7), "metrics.jsonl is damaged"),
    "garbage": (lambda t: with_metrics(t, packed=b"\xff" * 50), "metrics.jsonl is damaged"),
    # The zip
    "million": (lambda t: a_million_records(), "1,000,000 members; 2,000 are allowed"),
    "million that says 3": (lambda t: a_million_that_say_three(), "directory of its zip has"),
    "million that is not": (
        lambda t: make_zip(as_members(t.members), count=10**6, zip64=True), "1,000,000 members"
    ),
    "count that lies": (lambda t: make_zip(as_members(t.members), count=3), "says 3"),
    "short directory": (
        lambda t: make_zip(as_members(t.members), directory_size=46), "not where the end"
    ),
    "two ends": (
        lambda t: make_zip(as_members(t.members), zip64=True, large_count=3), "contradict"
    ),
    "empty": (lambda t: b"", "no zip file"),
    "no zip": (lambda t: b"GIF89a" * 100, "no zip file"),
    "no members": (lambda t: make_zip([]), "manifest.json is missing"),
    "cut": (lambda t: t.path.read_bytes()[:-30], "only a part of it"),
    "cut in half": (lambda t: t.path.read_bytes()[:5_000], "only a part of it"),
    "trailing": (lambda t: make_zip(as_members(t.members), after=b"MZ"), "something follows"),
    "comment": (lambda t: make_zip(as_members(t.members), comment=b"hello"), "something follows"),
    "comment that is missing": (
        lambda t: make_zip(as_members(t.members), comment=b"hello")[:-5], "comment .* is missing"
    ),
    "prefix": (lambda t: b"#!/bin/sh\n" + t.path.read_bytes(), "not where the end"),
    "fitted prefix": (
        lambda t: make_zip(as_members(t.members), before=b"#!/bin/sh\n"), "something else lies"
    ),
    "gap": (lambda t: make_zip(as_members(t.members), gap=b"hidden"), "something else than"),
    # The manifest
    "no manifest": (
        lambda t: make_zip(as_members({k: v for k, v in t.members.items() if k[0] != "m"})),
        "manifest.json is missing",
    ),
    "newer": (
        lambda t: make_zip(as_members(seal(t.members, format_version=2))),
        "format version 2, .* Install the newest rlplay",
    ),
    "odd version": (
        lambda t: make_zip(as_members(seal(t.members, format_version="1"))), "format_version = '1'"
    ),
    "manifest with more": (lambda t: make_zip(as_members(seal(t.members, run="me"))), "'run'"),
    "manifest of a list": (
        lambda t: make_zip(as_members(t.members | {"manifest.json": b"[]"})), "a JSON object"
    ),
    "wrong sum": (
        lambda t: make_zip(as_members(t.members | {"events.jsonl": flipped(t, "events.jsonl")})),
        "events.jsonl is not what was exported",
    ),
    "member gone": (
        lambda t: make_zip(as_members({k: v for k, v in t.members.items() if k[0] != "e"})),
        "'events.jsonl' is missing",
    ),
    "member not named": (
        lambda t: make_zip(as_members(t.members | {"replays/more.json": b"{}"})),
        "does not name 'replays/more.json'",
    ),
    "no config": (lambda t: replaced(t, "config.json", None), "config.json is missing"),
    # JSON
    "deep manifest": (
        lambda t: make_zip(as_members(t.members | {"manifest.json": deep(1_000)})),
        "manifest.json: it nests deeper",
    ),
    "rather deep config": (lambda t: replaced(t, "config.json", deep(40)), "deeper than 32"),
    "deep config": (lambda t: replaced(t, "config.json", deep(1_000)), "nests deeper than 32"),
    "very deep config": (lambda t: replaced(t, "config.json", deep(10**5)), "nests deeper"),
    "deep line": (lambda t: replaced(t, "events.jsonl", deep(1_000) + b"\n"), "line 1: it nests"),
    "deep replay": (lambda t: replaced(t, a_replay(t), deep(1_000)), "nests deeper"),
    "1e999": (lambda t: replaced(t, "events.jsonl", b'{"new":1e999}\n'), "not finite"),
    "NaN": (
        lambda t: replaced(t, "events.jsonl", event() + b'{"new":[NaN]}\n'),
        "line 2: .*not finite",
    ),
    "Infinity": (lambda t: replaced(t, "config.json", b'{"seed":-Infinity}'), "not finite"),
    "many digits": (
        lambda t: replaced(t, "config.json", b'{"seed":' + b"9" * 5_000 + b"}"), "4300 digits"
    ),
    "beyond 64 bits": (lambda t: with_config(t, seed=2**64), "beyond 64 bits"),
    "key twice": (lambda t: replaced(t, "config.json", b'{"a":1,"a":2}'), "a key twice"),
    "half a pair": (lambda t: with_config(t, name="\ud800"), "surrogates not allowed"),
    "no UTF-8": (lambda t: replaced(t, "config.json", b'{"name":"\xff"}'), "config.json: .*utf-8"),
    "line of a list": (lambda t: replaced(t, "events.jsonl", b"[]\n"), "must be a JSON object"),
    "blank line": (lambda t: replaced(t, "events.jsonl", b"\n"), "line 1"),
    "long line": (
        lambda t: replaced(t, "events.jsonl", b'{"a":"' + b"x" * 70_000 + b'"}\n'), "has a line of"
    ),
    "line without end": (lambda t: replaced(t, "events.jsonl", b"{}"), "ends within a line"),
    "event of texts": (
        lambda t: replaced(t, "events.jsonl", event() + event(item="1")), "line 2: .*item = '1'"
    ),
    "event without a step": (lambda t: replaced(t, "events.jsonl", b"{}\n"), "line 1: .*step"),
    "change of nothing": (
        lambda t: replaced(t, "events.jsonl", event(field="hyperparams.learning_rat", new=1)),
        "no option 'learning_rat'",
    ),
    "change out of range": (
        lambda t: replaced(t, "events.jsonl", event(field="hyperparams.learning_rate", new=-1)),
        "learning_rate = -1",
    ),
    "reward that is code": (
        lambda t: replaced(t, "events.jsonl", event(field="rewards.apple", new="open('x')")),
        "rewards|apple",
    ),
    "pace": (
        lambda t: replaced(t, "events.jsonl", event(field="speed.moves_per_second", new=-1)),
        "a pace of -1",
    ),
    "metrics of texts": (
        lambda t: replaced(
            t, "metrics.jsonl",
            b'{"episode":1,"episodes":99,"steps":1,"score":"xxxx","best_score":1}\n',
        ),
        "line 1: .*score = 'xxxx'",
    ),
    # Config
    "environment": (
        lambda t: with_config(t, env_name="snak"), "cannot be used here. No environment 'snak'"
    ),
    "algorithm": (lambda t: with_config(t, algo="mine"), "cannot be used here. No algorithm"),
    "option": (lambda t: with_config(t, surprise=1), "no option 'surprise'"),
    "out of range": (lambda t: with_config(t, num_envs=10**9), "num_envs = 1000000000"),
    "id": (lambda t: with_config(t, run_id="../../x"), "no run id"),
    "no id": (lambda t: with_config(t, run_id=None), "no run id"),
    "newer run": (lambda t: with_config(t, format_version=9), "Install the newest rlplay"),
    "date": (lambda t: with_config(t, created_at="soon"), "created_at = 'soon'"),
    "date of a dict": (lambda t: with_config(t, created_at={}), "created_at"),
    "notes": (lambda t: with_config(t, notes="x" * 20_001), "notes"),
    "versions": (lambda t: with_config(t, versions={"torch": 2}), "versions"),
    # Weights
    "pickle": (
        lambda t: replaced(t, "weights.safetensors", pickle.dumps([Harmful(), bytes(1_800)])),
        "no safetensors file",
    ),
    "torch's file": (
        lambda t: replaced(t, "weights.safetensors", torch_file(t)), "no safetensors file"
    ),
    "shape": (
        lambda t: with_weights(t, **{"0_bias": torch.zeros(17)}),
        r"0\.bias is torch.float32 of shape \(17,\)",
    ),
    "turned shape": (
        lambda t: with_weights(
            t, **{"0_weight": torch.zeros(expected_shape(t)[::-1]).contiguous()}
        ),
        r"0\.weight is torch.float32 of shape",
    ),
    "dtype": (
        lambda t: with_weights(t, **{"0_bias": torch.zeros(16, dtype=torch.float64)}),
        r"0\.bias is torch.float64",
    ),
    "whole numbers": (
        lambda t: with_weights(t, **{"0_bias": torch.zeros(16, dtype=torch.int32)}),
        r"0\.bias is torch.int32",
    ),
    "nan": (lambda t: with_weights(t, **{"0_bias": torch.full((16,), NAN)}), "not finite"),
    "inf": (lambda t: with_weights(t, **{"0_bias": torch.full((16,), INF)}), "not finite"),
    "tensor more": (lambda t: with_weights(t, evil=torch.zeros(1)), "unknown tensor 'evil'"),
    "tensor gone": (
        lambda t: with_weights(t, **{"2_bias": None, "x": torch.zeros(4)}), r"lacks .*'2\.bias'"
    ),
    "huge network": (
        lambda t: with_config(t, network_config={"layers": [{"units": 4096}] * 16}),
        "weights of 1,0",
    ),
    "huge header": (
        lambda t: replaced(t, "weights.safetensors", b"\xff" * 8 + bytes(2_000)),
        "no safetensors file",
    ),
    "snapshot": (
        lambda t: replaced(
            t, "snapshots/5.safetensors",
            safetensors.torch.save(
                {
                    name: tensor * NAN
                    for name, tensor in safetensors.torch.load(
                        t.members["weights.safetensors"]
                    ).items()
                }
            ),
        ),
        "snapshots/5.safetensors: .*not finite",
    ),
    # Replays
    "replay of another": (lambda t: with_replay(t, replay_id="other"), "is the replay 'other'"),
    "replay's path": (lambda t: with_replay(t, replay_id="../x"), "replay"),
    "replay's environment": (lambda t: with_replay(t, env_name="chess"), "plays 'chess'"),
    "replay's options": (
        lambda t: with_replay(t, env_config={"render_mode": "rgb_array"}), "'render_mode'"
    ),
    "newer replay": (lambda t: with_replay(t, format_version=9), "Install the newest rlplay"),
    "replay with more": (lambda t: with_replay(t, surprise=1), "surprise"),
    "replay of a list": (lambda t: replaced(t, a_replay(t), b"[]"), "must be a JSON object"),
    "actions": (lambda t: with_replay(t, actions="9" * 4, length=4), "must be from 0 to 2"),
    "long replay": (
        lambda t: with_replay(t, actions="0" * (9 << 20), length=9 << 20), "8,388,608 are allowed"
    ),
}  # fmt: skip


def lie(trained, size: int, **options) -> bytes:
    """Announce a size of the metrics everywhere, in the manifest too."""
    data = trained.members["metrics.jsonl"]
    manifest = json.loads(trained.members["manifest.json"])
    manifest["members"]["metrics.jsonl"] = {
        "sha256": hashlib.sha256(data[:size]).hexdigest(),
        "size": size,
    }
    contents = trained.members | {"manifest.json": json.dumps(manifest).encode()}
    made = as_members(contents)
    for member in made:
        if member.name == b"metrics.jsonl":
            member.size = size
            for option, value in options.items():
                setattr(member, option, value)
    return make_zip(made)


def large_together(trained) -> bytes:
    """Each member small enough, and all of them three gigabytes."""
    zeros = pack(bytes(1 << 24)) * 100
    made = [
        Member(f"snapshots/{n}.safetensors".encode(), packed=zeros, size=300 << 20)
        for n in range(10, 20)
    ]
    return make_zip([*as_members(trained.members), *made])


def flipped(trained, name: str) -> bytes:
    data = trained.members[name]
    return data[:-2] + b" " + data[-2:-1] if data else b"{}\n"


def torch_file(trained) -> bytes:
    return (trained.run / "weights.pt").read_bytes()


def expected_shape(trained) -> list[int]:
    weights = safetensors.torch.load(trained.members["weights.safetensors"])
    return list(weights["0.weight"].shape)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(trained, library, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    make, reason = REFUSED[case]
    path = write(tmp_path, make(trained))
    before = listing(library.base_dir)
    fresh = StorageManager(tmp_path / "not" / "there")
    for storage in (library, fresh):
        with pytest.raises(ArchiveError, match=reason) as caught:
            storage.import_run(path)
        message = str(caught.value)
        assert message.startswith(f"Cannot import {path}: ")
        assert "Nothing was imported." in message
        assert "\n" not in message
        assert len(message) < 1_000
    assert listing(library.base_dir) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["library", "made.zip"]


def test_what_a_killed_import_left_goes_with_the_next_one(trained, library):
    left, busy = library.base_dir / ".import-0123", library.base_dir / ".import-4567"
    for folder in (left, busy):
        folder.mkdir(parents=True)
        (folder / "weights.pt").write_bytes(b"half")
    long_ago = time.time() - 2 * 3_600
    os.utime(left, (long_ago, long_ago))
    library.import_run(trained.path)
    assert not left.exists()
    assert busy.exists()


@pytest.mark.parametrize("case", ["million", "million that says 3", "million that is not"])
def test_a_large_directory_is_refused_before_it_is_read(
    trained, library, tmp_path, monkeypatch, case
):
    def read(*arguments):
        raise AssertionError("the directory was read")

    path = write(tmp_path, REFUSED[case][0](trained))
    monkeypatch.setattr(zipfile, "ZipFile", read)
    with pytest.raises(ArchiveError, match="are allowed"):
        library.import_run(path)


def test_a_bomb_is_left_after_what_it_announced(trained, library, tmp_path, monkeypatch):
    taken = []
    update = files.Disk.write
    monkeypatch.setattr(
        files.Disk,
        "write",
        lambda self, at, data: taken.append(len(data)) or update(self, at, data),
    )
    path = write(tmp_path, REFUSED["bomb that lies"][0](trained))
    with pytest.raises(ArchiveError, match="more bytes"):
        library.import_run(path)
    assert sum(taken) < 1 << 20


def test_no_network_is_built_for_a_config_that_asks_for_a_huge_one(
    trained, library, tmp_path, monkeypatch
):
    def build(*arguments, **options):
        raise AssertionError("something was built")

    monkeypatch.setattr("rlplay.agents.networks.nn.init.orthogonal_", build)
    for spec in AGENT_REGISTRY.values():
        monkeypatch.setattr(spec.agent, "__init__", build)
    monkeypatch.setattr("rlplay.envs.snake.env.Boards.__init__", build)
    library.import_run(trained.path)
    with pytest.raises(ArchiveError, match="weights of 1,0"):
        library.import_run(write(tmp_path, REFUSED["huge network"][0](trained)))


def test_what_is_no_file(library, tmp_path):
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(ArchiveError, match="there is no such file"):
            library.import_run(path)


def test_damage_anywhere_is_refused_or_harmless(trained, library, tmp_path):
    """Bytes changed, cut out and put in at random: one clear error, and nothing left behind."""
    data = trained.path.read_bytes()
    draw = random.Random(7)
    before = listing(library.base_dir)
    refused = 0
    for _ in range(200):
        made = bytearray(data)
        for _ in range(draw.choice((1, 1, 3, 20))):
            # Half of them where names, sizes and places stand.
            place = draw.choice((draw.randrange(len(made)), len(made) - draw.randrange(1, 900)))
            kind = draw.randrange(4)
            if kind == 0:
                del made[place : place + draw.randrange(1, 40)]
            elif kind == 1:
                made[place:place] = draw.randbytes(draw.randrange(1, 40))
            else:
                made[place] ^= 1 << draw.randrange(8)
        try:
            run = library.import_run(write(tmp_path, bytes(made)))
        except ArchiveError:
            refused += 1
            assert listing(library.base_dir) == before
        else:
            # A date or an attribute: what counts is as it was.
            assert library.load_config(*run).replace(run_id="x") == trained.storage.load_config(
                "snake", "origin-1"
            ).replace(run_id="x")
            before = listing(library.base_dir)
    assert refused > 150


def test_a_disk_that_fails_at_any_moment_leaves_nothing_or_a_whole_run(
    trained, library, monkeypatch
):
    class Failing(files.Disk):
        """Fails at its n-th change of the disk, apart from removals."""

        def __init__(self, left: int) -> None:
            self.left = left

        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name in ("create", "write", "sync", "sync_file", "sync_folder", "replace",
                        "rename_folder", "make_folder"):  # fmt: skip
                self.left -= 1
                if self.left == 0:
                    raise OSError(28, "No space left on device")
            return found

    before = listing(library.base_dir)
    reasons = set()
    for number in range(1, 500):
        monkeypatch.setattr(files, "disk", Failing(number))
        try:
            run = library.import_run(trained.path)
            break
        except StorageError as error:
            reasons.add("No space left on device" in str(error))
        after = listing(library.base_dir)
        if after != before:
            # Only the last act, flushing the folder around the run, comes after its move.
            new = {entry["run_id"]: entry["broken"] for entry in library.list_runs()}
            assert len(new) == 2
            assert set(new.values()) == {None}
            before = after
    assert number > 20
    assert reasons == {True}
    assert library.load_config(*run)


# What a config says of its weights -------------------------------------------------------------


def test_spaces_are_those_of_the_environment():
    for options in ({}, {"frame": "absolute", "vision": -1, "grid_size": 7}, {"seg_size": 3}):
        env = create_env("snake", **options)
        observations, actions = type(env).get_spaces(env.config)
        assert (observations, actions) == (env.observation_space, env.action_space)
        plain = BaseEnvironment.get_spaces.__func__(type(env), env.config)
        assert plain == (observations, actions)


@pytest.mark.parametrize("algo", list_algorithms())
def test_weights_are_described_as_they_are(algo):
    config = fitting_config(algo).replace(
        num_envs=2, network_config={"layers": [{"units": 7}, {"units": 5, "activation": "tanh"}]}
    )
    spaces = get_env_spec(config.env_name).env.get_spaces(env_options(config))
    agent = create_agent(config, *spaces)
    described = type(agent).describe_weights(config, *spaces)
    built = {name: torch.as_tensor(value) for name, value in agent.get_weights().items()}
    assert list(described) == list(built)
    for name, tensor in built.items():
        assert (described[name].shape, described[name].dtype) == (tensor.shape, tensor.dtype)
        assert described[name].is_meta
    dueling = config.replace(algo="dqn", hyperparams={"dueling": False})
    plain = AGENT_REGISTRY["dqn"].agent.describe_weights(dueling, *spaces)
    assert plain["4.bias"].shape == (spaces[1].n,)


class Table(Agent):
    """Keeps weights that it says nothing of."""


def test_an_algorithm_that_does_not_say_its_weights_cannot_share_them(library, tmp_path):
    AGENT_REGISTRY["table"] = AgentSpec("table", Table, "Table", "")
    try:
        run_id = library.create_run(get_default_config("table"))
        library.export_run("snake", run_id, tmp_path)
        torch.save({"table": torch.zeros(3)}, library.get_weights_path("snake", run_id))
        with pytest.raises(ArchiveError, match=r"Table does not say .* Write describe_weights"):
            library.export_run("snake", run_id, tmp_path)
    finally:
        del AGENT_REGISTRY["table"]


# Nothing is run --------------------------------------------------------------------------------

ROOT = Path(archive.__file__).parents[1]
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib",
                     "runpy", "code", "codeop"}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {"extractall", "extract", "unpack_archive", "find_class", "Unpickler"}


def violations(tree: ast.AST) -> list[str]:
    """Name what could run code that a file brings, with the line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        else:
            names = set()
        found += [(name, node.lineno) for name in names & FORBIDDEN_MODULES]
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            found.append((node.id, node.lineno))
        if isinstance(node, ast.Attribute):
            if node.attr in FORBIDDEN_METHODS:
                found.append((node.attr, node.lineno))
            if (
                node.attr == "load"
                and isinstance(node.value, ast.Name)
                and node.value.id == "torch"
            ):
                found.append(("torch.load", node.lineno))
    return found


def test_the_path_of_an_import_can_run_nothing():
    """archive.py, files.py and replay.py; of manager.py all but what loads our own weights."""
    for module in ("archive", "files", "replay", "manager"):
        tree = ast.parse((ROOT / "storage" / f"{module}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                node.body = [
                    part for part in node.body if getattr(part, "name", "") != "load_weights"
                ]
        assert violations(tree) == []
    assert "load_weights" not in {
        node.attr
        for function in ast.walk(ast.parse((ROOT / "storage" / "manager.py").read_text("utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name == "import_run"
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
    }


def test_no_source_runs_what_a_file_brings():
    """In the whole core, weights are loaded in one place, and only as weights."""
    loads = []
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        found = [name for name, _ in violations(tree)]
        loads += [path.name for name in found if name == "torch.load"]
        assert set(found) <= {"torch.load"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert "weights_only=True" in ast.unparse(node)
    assert loads == ["base.py"]


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from pickle import loads", "eval('1')", "torch.load(x)", "z.extractall()",
     "__import__('os')", "compile('1', '', 'eval')"],
)  # fmt: skip
def test_the_walk_finds_what_it_looks_for(code):
    assert violations(ast.parse(code))


WATCH = """
import json, os, sys
import rlplay
from rlplay.storage import StorageManager

archive, models, refused = sys.argv[1:]
storage = StorageManager(models)
storage.import_run(archive)  # whatever is imported or set up once, is now

seen, watching = [], True
HARMFUL = {"pickle.find_class", "marshal.loads", "exec", "compile", "subprocess.Popen",
           "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
           "ctypes.dlopen", "import", "socket.connect", "code.__new__", "function.__new__",
           "shutil.unpack_archive"}

def watch(event, values):
    if not watching:
        return
    if event in HARMFUL:
        seen.append([event, str(values[:1])])
    elif event == "open":
        path, mode, flags = values
        writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        if writes:
            inside = isinstance(path, str) and os.path.realpath(path).startswith(models + os.sep)
            seen.append(["written", str(path)] if inside else ["written outside", str(path)])
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link", "os.rmdir"):
        if not os.path.realpath(values[0]).startswith(models + os.sep):
            seen.append([event, str(values[0])])

sys.addaudithook(watch)
storage.import_run(archive)
good = list(seen)
seen.clear()
try:
    storage.import_run(refused)
except rlplay.RlplayError:
    bad = list(seen)
seen.clear()
eval("1")
open(os.path.join(os.path.dirname(models), "control"), "w").close()
import wave
control = list(seen)
watching = False
print(json.dumps({"good": good, "bad": bad, "control": control}))
"""


def test_an_import_runs_nothing(trained, tmp_path):
    """Watched by Python's own audit hook, which sees also what libraries do."""
    models = Path(os.path.realpath(tmp_path)) / "models"
    refused = write(tmp_path, REFUSED["pickle"][0](trained))
    output = subprocess.run(
        [sys.executable, "-c", WATCH, trained.path, models, refused],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = json.loads(output)
    assert {event for event, _ in found["good"]} == {"written"}
    assert {event for event, _ in found["bad"]} <= {"written"}
    assert {"compile", "exec", "written outside", "import"} <= {
        event for event, _ in found["control"]
    }
    assert not (tmp_path / "pickled").exists()

"""All or nothing: whatever fails at whatever moment, a file is the old or the new one."""

import itertools
import os
import re
import shutil
from pathlib import Path

import pytest
import torch

from rlplay.config import get_default_config
from rlplay.errors import RlplayError, StorageError
from rlplay.storage import Replay, StorageManager, files, manager

from .faults import KINDS, Failure, FaultyDisk, Killed, assert_on_disk, fail_everywhere, recorded

RUN = "run-1"
WHEN = re.compile(r"\.\d{8}-\d{6}-\d{6}")


class Agent:
    def __init__(self, value: float) -> None:
        self.value = value

    def save(self, file):
        torch.save({"weight": torch.full((3,), self.value)}, file)


def make_replay(episode: int, seed: int = 1) -> Replay:
    return Replay(
        replay_id=f"e{episode:09d}-b0",
        run_id=RUN,
        env_name="snake",
        env_config={},
        reward_config={},
        environment_version=1,
        episode_seed=seed,
        actions=(0, 1, 2),
        score=2.0,
        length=3,
        episode_return=1.5,
        ending="wall",
        death_reason="wall",
        final_hash="0" * 64,
        episode=episode,
        total_steps=10,
    )


def line(episode: int) -> dict:
    return {
        "episode": episode,
        "episodes": 1,
        "steps": episode * 20,
        "score": 1.0,
        "best_score": 3.0,
    }


@pytest.fixture(scope="module")
def config():
    return get_default_config("ppo").replace(name="First try", num_envs=4)


@pytest.fixture(scope="module")
def library(tmp_path_factory, config):
    """Make a library with a run that has everything, and another one in the trash."""
    root = tmp_path_factory.mktemp("library") / "models"
    storage = StorageManager(root)
    for name in (RUN, "run-2", "run-3"):
        storage.create_run(config.replace(run_id=name))
        storage.append_metrics("snake", name, [line(1), line(2)])
    storage.save_weights("snake", RUN, Agent(1.0))
    storage.save_replay(make_replay(1))
    storage.save_replay(make_replay(2))
    storage.save_preset("network", "mine", {"layers": [{"units": 3}]})
    storage.delete_run("snake", "run-2")
    storage.delete_run("snake", "run-3")
    storage.to_trash("snake", RUN, "metrics.jsonl", content=b"a tail")
    return root


@pytest.fixture
def storage(tmp_path):
    return StorageManager(tmp_path / "models")


@pytest.fixture(autouse=True)
def always_the_same(monkeypatch):
    """Let two tries of an act write the same bytes, without waiting for the real disk."""
    monkeypatch.setattr(manager, "_now", lambda: "2026-11-23T14:35:02.000+00:00")
    monkeypatch.setattr(manager, "_new_run_id", lambda config: "drawn")
    monkeypatch.setattr(files, "disk", FaultyDisk())


def look(root: Path) -> dict[str, bytes]:
    """Read every file that belongs to a run, to the trash, or to the presets."""
    found = {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root).as_posix()
        below = place.removeprefix(".trash/").removeprefix(".presets/")
        visible = not any(part.startswith(".") for part in below.split("/"))
        if path.is_file() and visible:
            found[WHEN.sub(".when", place)] = path.read_bytes()
    return found


class World:
    """A folder that can be put back to what a library holds."""

    def __init__(self, library: Path, root: Path) -> None:
        self.root = root
        self.tree = {
            path.relative_to(library): path.read_bytes() if path.is_file() else None
            for path in sorted(library.rglob("*"))
        }

    def put_back(self) -> None:
        self.root.mkdir(exist_ok=True)
        for path in sorted(self.root.rglob("*"), reverse=True):
            if path.relative_to(self.root) not in self.tree:
                path.rmdir() if path.is_dir() else path.unlink()
        for place, content in self.tree.items():
            path = self.root / place
            if content is None:
                path.mkdir(exist_ok=True)
            elif not path.is_file() or path.read_bytes() != content:
                path.write_bytes(content)


def leftovers(root: Path) -> list[Path]:
    return [path for path in root.rglob(".*") if ".tmp" in path.name or ".new-" in path.name]


def assert_whole(root: Path) -> None:
    """Open everything anew: what is there can be read."""
    storage = StorageManager(root)
    for run in storage.list_runs():
        assert run["broken"] is None
        name = run["run_id"]
        storage.load_config("snake", name)
        if storage.weights_exist("snake", name):
            storage.load_weights("snake", name)
        assert all(shown["broken"] is None for shown in storage.list_replays("snake", name))
        assert storage.get_holder("snake", name) is None
    for name in storage.list_presets("network"):
        storage.load_preset("network", name)


ACTS = {
    "create_run": lambda storage, config: storage.create_run(config.replace(run_id="new")),
    "create_run, claimed": lambda storage, config: (
        storage.create_run(config.replace(run_id="new"), holder="test"),
        storage.release("snake", "new"),
    ),
    "create_run, with weights": lambda storage, config: storage.create_run(
        config.replace(run_id="new"), agent=Agent(2.0)
    ),
    "clone_run": lambda storage, config: storage.clone_run("snake", RUN),
    "save_config": lambda storage, config: storage.save_config(
        config.replace(run_id=RUN, num_envs=8)
    ),
    "rename_run": lambda storage, config: storage.rename_run("snake", RUN, "Second try"),
    "set_notes": lambda storage, config: storage.set_notes("snake", RUN, "starved"),
    "save_weights": lambda storage, config: storage.save_weights("snake", RUN, Agent(2.0)),
    "save_replay, a new one": lambda storage, config: storage.save_replay(make_replay(3)),
    "save_replay, over another": lambda storage, config: storage.save_replay(make_replay(2, 9)),
    "save_preset, a new one": lambda storage, config: storage.save_preset("network", "new", {}),
    "save_preset, over another": lambda storage, config: storage.save_preset("network", "mine", {}),
    "delete_run": lambda storage, config: storage.delete_run("snake", RUN),
    "restore_run": lambda storage, config: storage.restore_run("snake", "run-2"),
    "to_trash, a file": lambda storage, config: storage.to_trash("snake", RUN, "weights.pt"),
    "to_trash, a piece": lambda storage, config: storage.to_trash(
        "snake", RUN, "events.jsonl", content=b"another tail"
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_an_act_that_fails_anywhere_is_done_whole_or_not_at_all(name, library, config, storage):
    root = storage.base_dir
    prepare = World(library, root).put_back

    def act() -> None:
        ACTS[name](StorageManager(root), config)

    prepare()
    old = look(root)
    operations = recorded(act)
    assert_on_disk(operations)
    new = look(root)
    assert new != old

    def check(failure: Failure) -> None:
        state = look(root)
        assert state in (old, new), failure
        if failure.error is None:
            assert state == new
        if not isinstance(failure.error, Killed):
            assert leftovers(root) == []
        assert_whole(root)
        if state == old:  # nothing that was left stands in the way
            act()
            assert look(root) == new

    assert fail_everywhere(prepare, act, check) == len(operations) >= 3


def test_a_first_run_makes_the_models_folder_or_leaves_none_of_it_in_the_way(storage, config):
    root = storage.base_dir

    def prepare() -> None:
        shutil.rmtree(root, ignore_errors=True)

    def act() -> None:
        StorageManager(root).create_run(config.replace(run_id="new"))

    def check(failure: Failure) -> None:
        if failure.error is not None and not StorageManager(root).list_runs():
            act()
        assert_whole(root)
        assert [run["run_id"] for run in StorageManager(root).list_runs()] == ["new"]

    prepare()
    assert_on_disk(recorded(act))
    assert fail_everywhere(prepare, act, check) > 10


def test_emptying_the_trash_removes_things_whole(library, storage):
    root = storage.base_dir
    prepare = World(library, root).put_back

    def act() -> None:
        StorageManager(root).empty_trash()

    prepare()
    entries = [Path(entry["path"]) for entry in storage.list_trash()]
    assert len(entries) == 3
    allowed = []
    for gone in itertools.chain.from_iterable(
        itertools.combinations(entries, count) for count in range(4)
    ):
        prepare()
        for path in gone:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        allowed.append(look(root))
    new = allowed[-1]

    def check(failure: Failure) -> None:
        assert look(root) in allowed
        if failure.error is None:
            assert look(root) == new
        assert_whole(root)
        act()
        assert look(root) == new
        assert [path for path in (root / ".trash").rglob("*") if path.is_file()] == []

    assert fail_everywhere(prepare, act, check) > 6


def test_lines_that_cannot_be_appended_cost_nothing_but_themselves(library, storage):
    root = storage.base_dir
    metrics = root / "snake" / RUN / "metrics.jsonl"
    before = (library / "snake" / RUN / "metrics.jsonl").read_bytes()
    old, new = [line(1), line(2)], [line(3), line(4)]

    prepare = World(library, root).put_back

    def act() -> None:
        StorageManager(root).append_metrics("snake", RUN, new)

    def check(failure: Failure) -> None:
        found = StorageManager(root).load_metrics("snake", RUN)
        if failure.error is None:
            assert found == old + new
        elif isinstance(failure.error, Killed):
            assert found in (old, [*old, new[0]], old + new)
        elif failure.number == 1:  # the write itself
            assert metrics.read_bytes() == before
        StorageManager(root).append_metrics("snake", RUN, line(5))
        assert StorageManager(root).load_metrics("snake", RUN) == [*found, line(5)]
        assert_whole(root)

    assert fail_everywhere(prepare, act, check) == 3


def test_the_index_never_makes_a_list_fail_or_lie(library, storage):
    root = storage.base_dir
    index = root / ".index.json"

    world = World(library, root)

    def prepare() -> None:
        world.put_back()
        for path in (root / "snake").rglob("*"):
            os.utime(path, (1e9, 1e9))
        index.write_text("{")

    def act() -> None:
        listed.append(StorageManager(root).list_runs())

    listed: list = []
    prepare()
    assert_on_disk(recorded(act))
    good = index.read_bytes()
    (expected,) = listed

    def check(failure: Failure) -> None:
        assert isinstance(failure.error, Killed) or listed[-1] == expected
        assert index.read_bytes() in (b"{", good)
        act()
        assert listed[-1] == expected

    assert fail_everywhere(prepare, act, check) == 6


def test_a_lock_that_cannot_be_written_is_one_clear_error(library, storage, config):
    root = storage.base_dir
    shutil.copytree(library, root)

    def act() -> None:
        storage.claim("snake", RUN, "a session")

    def check(failure: Failure) -> None:
        if isinstance(failure.error, StorageError):
            assert "RLPLAY_MODELS" in str(failure.error)
            assert failure.number != 0 or "Cannot lock" in str(failure.error)
        if failure.error is not None:
            assert storage.get_holder("snake", RUN) is None
            storage.claim("snake", RUN, "another session")
        storage.release("snake", RUN)

    assert fail_everywhere(lambda: None, act, check) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_harness_itself_notices_a_save_that_is_not_atomic(storage, config, kind):
    """Without the file beside, what is asserted above does not hold."""
    storage.create_run(config.replace(run_id=RUN))
    path = storage.get_run_path("snake", RUN) / "config.json"
    old = path.read_bytes()
    states = set()

    def write_in_place() -> None:
        descriptor = files.disk.create(path)
        try:
            files._write_all(descriptor, old.replace(b"First", b"Other"))
        except OSError as error:
            raise StorageError(str(error)) from None
        finally:
            files.disk.close(descriptor)

    fail_everywhere(
        lambda: path.write_bytes(old),
        lambda: _worded(write_in_place),
        lambda failure: states.add(path.read_bytes()),
        (kind,),
    )
    whole = {old, old.replace(b"First", b"Other")}
    assert (states <= whole) == (kind == "short write")
    with pytest.raises(AssertionError):
        assert_on_disk(recorded(write_in_place))


def _worded(act) -> None:
    try:
        act()
    except OSError as error:
        if isinstance(error, RlplayError):
            raise
        raise StorageError(str(error)) from None

"""One writer a run, in this and every other process."""

import os
import subprocess
import sys
import threading

import pytest

from rlplay.config import get_default_config
from rlplay.errors import RunBusy, StorageError
from rlplay.storage import StorageManager, files, locks

from .faults import recorded

OTHER_PROCESS = """
import os, sys
from rlplay.errors import RunBusy
from rlplay.storage import StorageManager

storage = StorageManager(sys.argv[1])
storage.claim("snake", "run-1", "the other session")
if hasattr(os, "fork") and os.fork() == 0:
    print("child sees", storage.get_holder("snake", "run-1"))
    storage.release("snake", "run-1")
    try:
        storage.claim("snake", "run-1", "the child")
        print("child is not refused", flush=True)
    except RunBusy:
        print("child is refused", flush=True)
    sys.stdin.read()
    print("child outlived it", flush=True)
    os._exit(0)
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def config():
    return get_default_config("ppo").replace(num_envs=4)


@pytest.fixture
def storage(tmp_path, config):
    storage = StorageManager(tmp_path / "models")
    for name in ("run-1", "run-2"):
        storage.create_run(config.replace(run_id=name))
    return storage


def holders(storage: StorageManager) -> dict[str, str | None]:
    return {run["run_id"]: run["holder"] for run in storage.list_runs()}


@pytest.fixture
def other(storage):
    """Start another process that claims a run, and has a forked child where there are any."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(storage.base_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_a_writer_in_another_process_is_named_and_taken_over_when_it_dies(storage, other):
    forks = hasattr(os, "fork")
    said = [other.stdout.readline().strip() for _ in range(3 if forks else 1)]
    assert "claimed" in said

    with pytest.raises(RunBusy, match="the other session") as caught:
        storage.claim("snake", "run-1", "this session")
    assert f"process {other.pid} on " in str(caught.value)
    assert "It can be read meanwhile" in str(caught.value)
    assert storage.load_config("snake", "run-1").run_id == "run-1"
    with pytest.raises(RunBusy, match="the other session"):
        storage.delete_run("snake", "run-1")
    name = storage.get_holder("snake", "run-1")
    assert name.startswith(f"the other session (process {other.pid} on ")
    assert holders(storage) == {"run-1": name, "run-2": None}

    other.kill()
    other.wait()
    # The child of a fork has the parent's open files, but not its claim; and it lives on.
    if forks:
        assert f"child sees {name}" in said
        assert "child is refused" in said
    assert holders(storage) == {"run-1": None, "run-2": None}
    storage.claim("snake", "run-1", "this session")
    assert holders(storage) == {"run-1": "this session", "run-2": None}
    storage.release("snake", "run-1")
    rest, _ = other.communicate()
    assert rest == ("child outlived it\n" if forks else "")


def test_a_claim_is_given_back_by_any_thread(storage):
    claiming = threading.Thread(target=storage.claim, args=("snake", "run-1", "a session"))
    claiming.start()
    claiming.join()
    assert storage.get_holder("snake", "run-1") == "a session"
    storage.release("snake", "run-1")
    assert storage.get_holder("snake", "run-1") is None
    storage.claim("snake", "run-1", "another")
    storage.release("snake", "run-1")


def test_who_asks_for_the_holder_does_not_keep_a_claimer_out(storage, monkeypatch):
    """Who asks has the lock for a moment; a claimer waits for longer than that."""
    assert locks._PATIENCE > 0.1
    monkeypatch.setattr(locks, "_PATIENCE", 30)
    path = storage.base_dir / ".locks" / "snake" / "run-1.lock"
    path.parent.mkdir(parents=True)
    asking = files.disk.lock(path, 0)
    answered = threading.Timer(0.1, files.disk.unlock, [asking])
    answered.start()
    storage.claim("snake", "run-1", "a session")
    storage.release("snake", "run-1")
    answered.join()


def test_a_list_asks_for_the_locks_of_held_runs_alone(storage, config):
    for number in range(20):
        storage.create_run(config.replace(run_id=f"more-{number}"))
    storage.claim("snake", "run-1", "a session")
    storage.claim("snake", "run-2", "a session")
    storage.release("snake", "run-2")
    dead = storage.base_dir / ".locks" / "snake" / "more-7.json"
    dead.write_text('{"holder": "a session that died", "pid": 1}')
    asked = [operation for operation in recorded(storage.list_runs) if operation.name == "lock"]
    assert [operation.arguments[0].name for operation in asked] == ["more-7.lock"]
    assert not dead.exists()
    assert [name for name, holder in holders(storage).items() if holder] == ["run-1"]
    storage.release("snake", "run-1")


@pytest.mark.parametrize("note", ["", "{", "[]", '{"sha256": 1}'])
def test_a_note_that_cannot_be_read_does_not_open_the_lock(storage, note):
    path = storage.base_dir / ".locks" / "snake" / "run-1"
    path.parent.mkdir(parents=True)
    lock = files.disk.lock(path.with_suffix(".lock"), 0)
    path.with_suffix(".json").write_text(note)
    with pytest.raises(RunBusy, match="being written by"):
        storage.claim("snake", "run-1", "this session")
    assert storage.get_holder("snake", "run-1") is not None
    files.disk.unlock(lock)
    assert storage.get_holder("snake", "run-1") is None


def test_a_link_to_a_run_has_the_lock_of_that_run(storage):
    (storage.base_dir / "snake" / "linked").symlink_to("run-1")
    storage.claim("snake", "linked", "a session")
    with pytest.raises(RunBusy):
        storage.claim("snake", "run-1", "another")
    assert holders(storage) == {"run-1": "a session", "linked": "a session", "run-2": None}
    storage.release("snake", "run-1")
    assert storage.get_holder("snake", "linked") is None


def test_a_claim_sweeps_what_a_dead_writer_left_half_written(storage, tmp_path):
    run = storage.get_run_path("snake", "run-1")
    (run / "replays").mkdir()
    (tmp_path / "outside").mkdir()
    (run / "linked").symlink_to(tmp_path / "outside")
    left = [run / ".weights.pt.12-34.tmp", run / "replays" / ".e1.json.12-34.tmp"]
    kept = [
        run / ".config.json.12-34.tmp",  # maybe somebody renames the run at this moment
        run / "notes.tmp",
        run / "replays" / "e1.json",
        tmp_path / "outside" / ".x.tmp",
    ]
    for path in left + kept:
        path.touch()
    storage.claim("snake", "run-1", "a session")
    assert not [path for path in left if path.exists()]
    assert [path for path in kept if path.exists()] == kept
    storage.release("snake", "run-1")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs a folder that may not be written"
)
def test_a_read_only_library_can_be_read_and_not_claimed(storage):
    folders = [storage.base_dir, *(path for path in storage.base_dir.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert holders(storage) == {"run-1": None, "run-2": None}
        with pytest.raises(StorageError, match="Check that you may write there"):
            storage.claim("snake", "run-1", "a session")
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_the_folder_of_a_locked_run_holds_no_lock(storage):
    """So that it can be moved to the trash while it is locked, on Windows too."""
    storage.claim("snake", "run-1", "a session")
    run = storage.get_run_path("snake", "run-1")
    assert [path.name for path in run.iterdir()] == ["config.json"]
    storage.release("snake", "run-1")
    assert list((storage.base_dir / ".locks").rglob("*.json")) == []

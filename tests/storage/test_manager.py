"""The library of runs."""

import json
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from rlplay.config import RunConfig, get_default_config
from rlplay.errors import (
    ConfigError,
    DamagedFile,
    InvalidName,
    RunBusy,
    RunNotFound,
    StorageError,
    UnknownPreset,
)
from rlplay.storage import Replay, StorageManager, files, find_root, get_storage_manager
from rlplay.storage.checkpoint import pack
from rlplay.storage.manager import MARKER


@pytest.fixture(scope="module")
def config():
    return get_default_config("ppo").replace(name="First try", seed=3, num_envs=4)


@pytest.fixture
def storage(tmp_path):
    return StorageManager(tmp_path / "models")


@pytest.fixture
def run_id(storage, config):
    return storage.create_run(config)


def line(episode: int, **changes):
    return {
        "episode": episode,
        "episodes": 1,
        "steps": episode * 20,
        "score": float(episode % 4),
        "score_max": 3.0,
        "best_score": 3.0,
        "reward": 0.5,
        "length": 20.0,
        "endings": {"wall": 1},
    } | changes


def make_replay(run_id: str, episode: int = 1) -> Replay:
    return Replay(
        replay_id=f"e{episode:09d}-b0",
        run_id=run_id,
        env_name="snake",
        env_config={},
        reward_config={},
        environment_version=1,
        episode_seed=1,
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


def edit_config(storage: StorageManager, run_id: str, **changes) -> None:
    """Write another config, as a program that knows the format would."""
    path = storage.get_run_path("snake", run_id) / "config.json"
    record = files.unseal(json.loads(path.read_text()), path)
    path.write_text(json.dumps(files.seal({**record, **changes})))


def damaged(whole: bytes) -> Iterator[bytes]:
    """Change one bit in every seventh byte of a file, and in each byte at its end."""
    for place in [*range(0, len(whole), 7), *range(len(whole) - 110, len(whole))]:
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def refusal(call: Callable[[], object]) -> StorageError | None:
    """Give the error that a call ends with, if it does."""
    try:
        call()
    except StorageError as error:
        return error
    return None


# The models folder ----------------------------------------------------------------------------


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "elsewhere"))
    assert find_root() == tmp_path / "elsewhere"
    assert get_storage_manager().base_dir == tmp_path / "elsewhere"


def test_the_nearest_marked_folder_is_found_from_below(tmp_path, monkeypatch, config):
    monkeypatch.delenv("RLPLAY_MODELS", raising=False)
    below = tmp_path / "course" / "notebooks"
    (below / "models").mkdir(parents=True)  # somebody else's: it has no marker
    monkeypatch.chdir(tmp_path / "course")
    get_storage_manager().create_run(config)
    assert (tmp_path / "course" / "models" / MARKER).is_file()
    monkeypatch.chdir(below)
    assert find_root() == tmp_path / "course" / "models"


def test_without_any_the_folder_is_here_and_made_with_the_first_run(tmp_path, monkeypatch, config):
    monkeypatch.delenv("RLPLAY_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    storage = get_storage_manager()
    assert storage.list_runs() == []
    assert list(tmp_path.iterdir()) == []
    storage.create_run(config)
    assert (tmp_path / "models" / MARKER).is_file()


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, config, below):
    (tmp_path / "models").write_text("a file, not a folder")
    storage = StorageManager(tmp_path / "models" / below)
    with pytest.raises(StorageError, match=r"models is a file, .*RLPLAY_MODELS"):
        storage.list_runs()
    with pytest.raises(StorageError, match=r"A file stands .*RLPLAY_MODELS"):
        storage.create_run(config)


# Runs -----------------------------------------------------------------------------------------


def test_a_new_run_has_a_readable_id_and_its_config(storage, config):
    run_id = storage.create_run(config)
    assert re.fullmatch(r"ppo-snake-\d{8}-\d{6}-[0-9a-f]{4}", run_id)
    assert storage.load_config("snake", run_id) == config.replace(run_id=run_id)
    record = storage.load_record("snake", run_id)
    assert record["format_version"] == 2
    assert isinstance(record["environment_version"], int)
    assert {"python", "torch", "numpy", "numba", "gymnasium"} <= record["versions"].keys()
    assert record["created_at"].endswith("+00:00")
    assert record["notes"] == ""
    assert [path.name for path in storage.get_run_path("snake", run_id).iterdir()] == [
        "config.json"
    ]


def test_a_chosen_id_is_taken_once(storage, config):
    assert storage.create_run(config.replace(run_id="mine")) == "mine"
    with pytest.raises(StorageError, match="'mine' of 'snake' exists already"):
        storage.create_run(config.replace(run_id="mine"))
    with pytest.raises(InvalidName):
        storage.create_run(config.replace(run_id="../mine"))


def test_many_threads_get_runs_of_their_own(storage, config, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", FewTokens())
    created: list[str] = []
    threads = [
        threading.Thread(target=lambda: created.append(storage.create_run(config)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(created)) == 8
    assert {run["run_id"] for run in storage.list_runs()} == set(created)
    assert not [path for path in (storage.base_dir / "snake").iterdir() if path.name[0] == "."]


class FewTokens:
    """Draws ids from so few that they collide; the names of temporary folders never do."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, size: int) -> str:
        with self.lock:
            self.count += 1
            return f"{self.count % 10:04x}" if size == 2 else f"{self.count:08x}"


def test_a_run_that_cannot_be_made_leaves_nothing(storage, config, monkeypatch):
    storage.create_run(config)

    def full(path, value):
        raise StorageError("No space left on device")

    monkeypatch.setattr("rlplay.storage.files.write_json", full)
    with pytest.raises(StorageError, match="No space left"):
        storage.create_run(config)
    assert len(list((storage.base_dir / "snake").iterdir())) == 1


def test_renaming_changes_the_title_alone(storage, run_id, config):
    before = storage.load_record("snake", run_id)
    storage.rename_run("snake", run_id, "Ein Titel, zweite Fassung")
    after = storage.load_record("snake", run_id)
    assert after == before | {"name": "Ein Titel, zweite Fassung"}
    with pytest.raises(ConfigError, match="name"):
        storage.rename_run("snake", run_id, "x" * 201)
    with pytest.raises(RunNotFound):
        storage.rename_run("snake", "other", "x")


def test_notes_are_kept_when_the_config_is_saved_again(storage, run_id, config):
    storage.set_notes("snake", run_id, "starved a lot")
    storage.save_config(config.replace(run_id=run_id, num_envs=8))
    record = storage.load_record("snake", run_id)
    assert (record["notes"], record["num_envs"]) == ("starved a lot", 8)
    with pytest.raises(StorageError, match="20000 are allowed"):
        storage.set_notes("snake", run_id, "x" * 20_001)
    for notes in (None, 5, "\ud800"):
        with pytest.raises(StorageError, match="Notes are a text"):
            storage.set_notes("snake", run_id, notes)
    assert storage.load_record("snake", run_id)["notes"] == "starved a lot"


def test_a_missing_run_is_named_with_the_nearest(storage, run_id):
    with pytest.raises(RunNotFound, match=f"Did you mean '{run_id}'"):
        storage.load_config("snake", run_id[:-1])
    with pytest.raises(RunNotFound):
        storage.append_metrics("snake", "other", line(1))
    with pytest.raises(RunNotFound):
        storage.load_metrics("other-game", run_id)


@pytest.mark.parametrize("bad", ["..", "../x", "/etc", "a\\b", "C:", "nul", "a\0"])
def test_no_call_takes_a_name_that_is_a_path(storage, run_id, bad):
    calls = [
        lambda: storage.load_config("snake", bad),
        lambda: storage.get_weights_path("snake", bad),
        lambda: storage.load_metrics("snake", bad),
        lambda: storage.append_event("snake", bad, {}),
        lambda: storage.load_replay("snake", run_id, bad),
        lambda: storage.delete_replay("snake", run_id, bad),
        lambda: storage.claim("snake", bad, "x"),
        lambda: storage.find_run(bad),
        lambda: storage.list_runs(bad),
        lambda: storage.get_run_path(bad, run_id),
    ]
    for call in calls:
        with pytest.raises(InvalidName):
            call()


def test_links_out_of_the_folder_are_refused(storage, run_id, tmp_path):
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"password": 1}\n')
    (storage.get_run_path("snake", run_id) / "metrics.jsonl").symlink_to(secret)
    with pytest.raises(InvalidName):
        storage.load_metrics("snake", run_id)
    with pytest.raises(InvalidName):
        storage.append_metrics("snake", run_id, line(1))
    assert secret.read_text() == '{"password": 1}\n'


def test_find_run(storage, run_id, config):
    assert storage.find_run(run_id) == "snake"
    with pytest.raises(RunNotFound, match="Did you mean"):
        storage.find_run(run_id[:-1])
    (storage.base_dir / "other" / run_id).mkdir(parents=True)
    with pytest.raises(StorageError, match="other, snake"):
        storage.find_run(run_id)


# Lists ----------------------------------------------------------------------------------------


def test_the_mean_of_a_list_is_that_of_the_last_episodes(storage, run_id):
    lines = [
        line(at, episodes=50, score=score) for at, score in ((50, 1.0), (100, 4.0), (150, 6.0))
    ]
    storage.append_metrics("snake", run_id, lines)
    assert storage.list_runs()[0]["avg_score"] == 5.0
    storage.append_metrics("snake", run_id, [line(1_150, episodes=1_000, score=8.0)])
    assert storage.list_runs()[0]["avg_score"] == 8.0


def test_a_list_tells_what_the_files_say(storage, run_id, config):
    storage.append_metrics(
        "snake", run_id, [line(1, score=1.0), line(5, episodes=4, score=2.0, steps=100)]
    )
    (run,) = storage.list_runs()
    assert run["size"] > 0
    assert run | {"size": 0} == {
        "run_id": run_id,
        "name": "First try",
        "notes": "",
        "algo": "ppo",
        "env_name": "snake",
        "created_at": storage.load_record("snake", run_id)["created_at"],
        "episodes": 5,
        "steps": 100,
        "total_steps": config.total_steps,
        "best_score": 3.0,
        "avg_score": 1.8,
        "size": 0,
        "num_replays": 0,
        "resumable": False,
        "path": str(storage.base_dir / "snake" / run_id),
        "holder": None,
        "broken": None,
    }
    assert storage.list_runs("snake") == [run]
    assert storage.list_runs("other") == []
    for step, is_last in ((100, False), (config.total_steps, False), (config.total_steps, True)):
        storage.save_checkpoint(
            "snake",
            run_id,
            pack({}),
            step=step,
            items=1,
            metrics_bytes=0,
            events_bytes=0,
            is_last=is_last,
        )
        assert storage.list_runs()[0]["resumable"] is not is_last
    (storage.get_run_path("snake", run_id) / "checkpoint.json").write_text("{}")
    assert storage.list_runs()[0]["resumable"] is False


def test_a_run_without_an_episode_is_listed(storage, run_id):
    (run,) = storage.list_runs()
    assert (run["episodes"], run["best_score"], run["avg_score"]) == (0, None, None)
    assert run["broken"] is None


def test_the_newest_run_comes_first(storage, config):
    ids = [storage.create_run(config.replace(run_id=f"run-{number}")) for number in range(3)]
    for number, name in enumerate(ids):
        edit_config(storage, name, created_at=f"2026-01-0{number + 1}")
    assert [run["run_id"] for run in storage.list_runs()] == ids[::-1]


def test_broken_runs_are_listed_and_hide_no_other(storage, run_id, tmp_path):
    snake = storage.base_dir / "snake"
    (snake / "empty").mkdir()
    (snake / "no-json").mkdir()
    (snake / "no-json" / "config.json").write_text("{")
    (snake / "newer").mkdir()
    (snake / "newer" / "config.json").write_text('{"format_version": 99}')
    (snake / "alien").mkdir()
    (snake / "alien" / "config.json").write_text("{}")
    (snake / "odd-lines").mkdir()
    (snake / "odd-lines" / "config.json").write_text('{"format_version": 1}')
    (snake / "odd-lines" / "metrics.jsonl").write_text('{"episode": 1}\n')
    (tmp_path / "outside").mkdir()
    (snake / "linked").symlink_to(tmp_path / "outside")
    (snake / ".hidden").mkdir()
    (snake / "a file").touch()
    runs = {run["run_id"]: run["broken"] for run in storage.list_runs()}
    assert runs.pop(run_id) is None
    assert "has no config.json" in runs.pop("empty")
    assert "is damaged" in runs.pop("no-json")
    assert "Install the newest rlplay" in runs.pop("newer")
    assert "no format version" in runs.pop("alien")
    assert "not what rlplay writes" in runs.pop("odd-lines")
    assert "leads out of" in runs.pop("linked")
    assert runs == {}


def test_a_config_of_another_kind_is_refused(storage, run_id):
    edit_config(storage, run_id, surprise=1)
    with pytest.raises(ConfigError, match="surprise"):
        storage.load_config("snake", run_id)
    (storage.get_run_path("snake", run_id) / "config.json").write_text("[]")
    with pytest.raises(DamagedFile):
        storage.load_config("snake", run_id)


def test_a_config_says_what_it_is_first_and_carries_its_sum_last(storage, run_id):
    path = storage.get_run_path("snake", run_id) / "config.json"
    for change in (lambda: None, lambda: storage.set_notes("snake", run_id, "starved")):
        change()
        fields = list(json.loads(path.read_text()))
        assert (fields[0], fields[-1]) == ("format_version", "sha256")
    assert "sha256" not in storage.load_record("snake", run_id)


def test_a_config_in_which_any_byte_is_changed_is_refused_or_says_the_same(storage, run_id):
    path = storage.get_run_path("snake", run_id) / "config.json"
    record = storage.load_record("snake", run_id)
    refused = 0
    damaged_files = list(damaged(path.read_bytes()))
    for content in damaged_files:
        path.write_bytes(content)
        error = refusal(lambda: storage.load_record("snake", run_id))
        if error is None:  # a space between two fields
            assert storage.load_record("snake", run_id) == record
        else:
            refused += 1
            assert isinstance(error, DamagedFile) or "Install the newest rlplay" in str(error)
    assert refused > len(damaged_files) / 2


def test_a_config_of_the_first_format_opens_and_gets_a_sum_when_it_is_saved(storage, run_id):
    path = storage.get_run_path("snake", run_id) / "config.json"
    old = {**storage.load_record("snake", run_id), "format_version": 1}
    path.write_text(json.dumps(old))
    assert storage.load_record("snake", run_id) == old
    assert storage.list_runs()[0]["broken"] is None
    storage.set_notes("snake", run_id, "starved")
    assert storage.load_record("snake", run_id) == old | {"format_version": 2, "notes": "starved"}
    path.write_text(json.dumps({**old, "format_version": 2}))
    with pytest.raises(DamagedFile, match="edited by hand"):
        storage.load_record("snake", run_id)


# Lines ----------------------------------------------------------------------------------------


def test_metrics_come_back_in_order_and_by_their_end(storage, run_id):
    lines = [line(number) for number in range(1, 51)]
    storage.append_metrics("snake", run_id, lines[0])
    storage.append_metrics("snake", run_id, lines[1:])
    assert storage.load_metrics("snake", run_id) == lines
    assert storage.load_metrics("snake", run_id, limit=7) == lines[-7:]
    assert storage.load_metrics("snake", run_id, limit=0) == []
    with pytest.raises(StorageError, match="0 or more"):
        storage.load_metrics("snake", run_id, limit=-1)


def test_metrics_cut_at_any_byte_of_the_last_line(storage, run_id):
    storage.append_metrics("snake", run_id, [line(1), line(2)])
    path = storage.get_run_path("snake", run_id) / "metrics.jsonl"
    whole = path.read_bytes()
    for size in range(whole.index(b"\n") + 1, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert storage.load_metrics("snake", run_id) == [line(1)]
        (run,) = storage.list_runs()
        assert (run["episodes"], run["broken"]) == (1, None)


def test_death_stats_count_every_line(storage, run_id):
    storage.append_metrics(
        "snake", run_id, [line(1), line(4, endings={"self": 2, "wall": 1}), {"endings": None}]
    )
    assert storage.get_death_stats("snake", run_id) == {"wall": 2, "self": 2}


def test_events_and_log(storage, run_id):
    event = {"step": 10, "field": "hyperparams.learning_rate", "old": 0.1, "new": 0.2}
    storage.append_event("snake", run_id, event)
    storage.append_event("snake", run_id, {"step": 20, "field": "state", "new": "paused"})
    assert storage.load_events("snake", run_id)[0] == event
    assert len(storage.load_events("snake", run_id)) == 2
    storage.append_log("snake", run_id, "Traceback:\n  line 1\n")
    log = (storage.get_run_path("snake", run_id) / "log.txt").read_text()
    assert log.endswith("Traceback:\n  line 1\n")


# Weights --------------------------------------------------------------------------------------


class Agent:
    """Saves one tensor, or fails on the way."""

    def __init__(self, value: float = 1.0, error: Exception | None = None) -> None:
        self.value, self.error = value, error

    def save(self, file):
        torch.save({"weight": torch.full((3,), self.value)}, file)
        if self.error is not None:
            raise self.error


def test_weights_come_back(storage, run_id):
    assert not storage.weights_exist("snake", run_id)
    with pytest.raises(RunNotFound, match="no weights yet"):
        storage.load_weights("snake", run_id)
    path = storage.save_weights("snake", run_id, Agent(2.0))
    assert path == storage.get_weights_path("snake", run_id)
    assert storage.weights_exist("snake", run_id)
    assert storage.load_weights("snake", run_id)["weight"].tolist() == [2.0] * 3


def test_the_same_weights_are_the_same_bytes(storage, config):
    paths = [storage.save_weights("snake", storage.create_run(config), Agent()) for _ in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_agent_that_fails_to_save_keeps_the_old_weights(storage, run_id):
    storage.save_weights("snake", run_id, Agent(1.0))
    with pytest.raises(KeyError):
        storage.save_weights("snake", run_id, Agent(2.0, KeyError("x")))
    assert storage.load_weights("snake", run_id)["weight"].tolist() == [1.0] * 3
    names = {path.name for path in storage.get_run_path("snake", run_id).iterdir()}
    assert names == {"config.json", "weights.pt"}


def test_weights_in_which_any_byte_is_changed_are_refused_or_the_same(storage, run_id):
    path = storage.save_weights("snake", run_id, Agent(2.0))
    whole = path.read_bytes()
    cut = [whole[:size] for size in range(0, len(whole), 50)]
    for content in [*damaged(whole), *cut]:
        path.write_bytes(content)
        error = refusal(lambda: storage.load_weights("snake", run_id))
        if error is None:  # in the six bytes that say that there is a sum
            assert storage.load_weights("snake", run_id)["weight"].tolist() == [2.0] * 3
            assert content not in cut
        else:
            assert isinstance(error, DamagedFile)
            assert str(path) in str(error)
    path.write_bytes(bytes([whole[0], whole[1] ^ 1]) + whole[2:])
    with pytest.raises(DamagedFile, match="SHA-256"):
        storage.load_weights("snake", run_id)


def test_weights_without_a_sum_are_of_an_older_rlplay_and_open(storage, run_id):
    torch.save({"weight": torch.ones(3)}, storage.get_weights_path("snake", run_id))
    assert storage.load_weights("snake", run_id)["weight"].tolist() == [1.0] * 3


def test_pytorch_opens_saved_weights_by_itself(storage, run_id):
    path = storage.save_weights("snake", run_id, Agent(2.0))
    assert torch.load(path, weights_only=True)["weight"].tolist() == [2.0] * 3


def test_a_file_that_holds_code_is_refused_and_not_run(storage, run_id, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    storage.get_weights_path("snake", run_id).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DamagedFile, match="does not hold weights"):
        storage.load_weights("snake", run_id)
    torch.save([1], storage.get_weights_path("snake", run_id))
    with pytest.raises(DamagedFile, match="list"):
        storage.load_weights("snake", run_id)
    assert not (tmp_path / "ran").exists()


# Replays --------------------------------------------------------------------------------------


def test_replays_are_saved_listed_and_deleted(storage, run_id):
    assert storage.list_replays("snake", run_id) == []
    replays = [make_replay(run_id, episode) for episode in (20, 3)]
    for replay in replays:
        storage.save_replay(replay)
    assert storage.load_replay("snake", run_id, "e000000020-b0") == replays[0]
    listed = storage.list_replays("snake", run_id)
    assert [entry["episode"] for entry in listed] == [3, 20]
    assert listed[0] == {
        "replay_id": "e000000003-b0",
        "episode": 3,
        "score": 2.0,
        "length": 3,
        "episode_return": 1.5,
        "ending": "wall",
        "death_reason": "wall",
        "total_steps": 10,
        "broken": None,
    }
    storage.delete_replay("snake", run_id, "e000000020-b0")
    assert len(storage.list_replays("snake", run_id)) == 1
    with pytest.raises(RunNotFound, match="no replay 'e000000020-b0'"):
        storage.load_replay("snake", run_id, "e000000020-b0")
    with pytest.raises(RunNotFound):
        storage.delete_replay("snake", run_id, "e000000020-b0")


def test_a_broken_replay_hides_no_other(storage, run_id):
    path = storage.save_replay(make_replay(run_id, 1))
    storage.save_replay(make_replay(run_id, 2))
    path.write_text("{")
    broken, good = storage.list_replays("snake", run_id)
    assert "is damaged" in broken["broken"]
    assert good["broken"] is None


# One writer -----------------------------------------------------------------------------------


def test_a_second_writer_is_refused_by_name_of_the_first(storage, run_id, tmp_path):
    storage.claim("snake", run_id, "<the first session>")
    with pytest.raises(RunBusy, match="<the first session>"):
        storage.claim("snake", run_id, "another")
    (tmp_path / "same").symlink_to(storage.base_dir)
    with pytest.raises(RunBusy):
        StorageManager(tmp_path / "same").claim("snake", run_id, "another")
    assert storage.get_holder("snake", run_id) == "<the first session>"
    assert storage.list_runs()[0]["holder"] == "<the first session>"
    assert storage.load_metrics("snake", run_id) == []
    storage.release("snake", run_id)
    storage.release("snake", run_id)
    storage.claim("snake", run_id, "another")
    storage.release("snake", run_id)


def test_creating_claims_at_once(storage, config):
    run_id = storage.create_run(config, holder="creator")
    with pytest.raises(RunBusy, match="creator"):
        storage.claim("snake", run_id, "another")
    storage.release("snake", run_id)


def test_of_many_threads_one_gets_the_run(storage, run_id):
    won = []

    def claim(number: int) -> None:
        try:
            storage.claim("snake", run_id, number)
            won.append(number)
        except RunBusy:
            pass

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    storage.release("snake", run_id)


# Presets --------------------------------------------------------------------------------------

NETWORK = {"layers": [{"type": "dense", "units": 12, "activation": "tanh"}]}
OPTIONS = {"algo": "dqn", "num_envs": 5, "hyperparams": {"double": False}}


@pytest.mark.parametrize(("kind", "values"), [("network", NETWORK), ("config", OPTIONS)])
def test_presets_are_kept_listed_loaded_replaced_and_deleted(storage, config, kind, values):
    assert storage.list_presets(kind) == []
    assert not storage.base_dir.exists()
    path = storage.save_preset(kind, "small", values)
    storage.save_preset(kind, "a-2", values)
    assert storage.list_presets(kind) == ["a-2", "small"]
    assert storage.load_preset(kind, "small") == values
    assert json.loads(path.read_text())["values"] == values
    other = {"network": {"layers": []}, "config": {"seed": 4}}[kind]
    storage.save_preset(kind, "small", other)
    assert StorageManager(storage.base_dir).load_preset(kind, "small") == other
    assert storage.list_runs() == []
    storage.create_run(config)
    assert [run["env_name"] for run in storage.list_runs()] == ["snake"]
    storage.delete_preset(kind, "small")
    assert storage.list_presets(kind) == ["a-2"]
    with pytest.raises(UnknownPreset, match=r"No preset 'smal'.*Available: a-2"):
        storage.load_preset(kind, "smal")
    with pytest.raises(UnknownPreset, match="'small'"):
        storage.delete_preset(kind, "small")


def test_a_preset_makes_a_config(storage, config):
    storage.save_preset("config", "mine", config.to_dict())
    storage.save_preset("network", "mine", NETWORK)
    assert RunConfig.from_dict(storage.load_preset("config", "mine")) == config
    network = storage.load_preset("network", "mine")
    assert config.replace(network_config=network).network_config == NETWORK


@pytest.mark.parametrize(
    "bad", ["", "..", "../x", "a/b", "Upper", ".hidden", "con", "x" * 65, None]
)
def test_a_preset_s_name_is_no_path(storage, bad):
    for call in (
        lambda: storage.save_preset("network", bad, NETWORK),
        lambda: storage.load_preset("network", bad),
        lambda: storage.delete_preset("network", bad),
    ):
        with pytest.raises(InvalidName, match="is no preset name"):
            call()
    assert not storage.base_dir.exists()


def test_presets_that_no_run_can_have_are_refused(storage):
    for kind, values, words in [
        ("network", {"layers": [{"units": 0}]}, "layer 1 of 1"),
        ("network", {"layer": []}, "'layers'"),
        ("config", {"num_envs": 0}, "num_envs"),
        ("config", {"algo": "ppo", "hyperparams": {"double": True}}, "'double'"),
        ("config", [1], "must be a JSON object"),
        ("networks", NETWORK, "Did you mean 'network'"),
    ]:
        with pytest.raises(ConfigError, match=words):
            storage.save_preset(kind, "mine", values)
    assert storage.list_presets("network") == storage.list_presets("config") == []


def test_a_preset_whose_file_is_damaged_is_refused_and_hides_no_other(storage):
    path = storage.save_preset("network", "mine", NETWORK)
    storage.save_preset("network", "other", NETWORK)
    for text, words, error in [
        ("{", "is damaged", DamagedFile),
        ("{}", "no preset of kind 'network'", DamagedFile),
        ('{"format_version": 1, "kind": "config", "values": {}}', "no preset of", DamagedFile),
        ('{"format_version": 9, "kind": "network"}', "Install the newest", StorageError),
    ]:
        path.write_text(text)
        with pytest.raises(error, match=words):
            storage.load_preset("network", "mine")
    assert storage.list_presets("network") == ["mine", "other"]
    assert storage.load_preset("network", "other") == NETWORK


def test_a_preset_that_cannot_be_written_leaves_the_old_one(storage, monkeypatch):
    storage.save_preset("network", "mine", NETWORK)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.disk, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        storage.save_preset("network", "mine", {"layers": []})
    monkeypatch.undo()
    assert storage.load_preset("network", "mine") == NETWORK

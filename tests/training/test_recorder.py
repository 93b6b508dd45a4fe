"""What the disk receives of a training."""

import itertools
import json
import random

import gymnasium
import numpy as np
import pytest
import torch

from rlplay.config import get_default_config
from rlplay.envs import ENV_REGISTRY, BaseEnvironment, create_vector_env, register_env
from rlplay.errors import StorageError
from rlplay.storage import StorageManager
from rlplay.training import recorder as recorder_module
from rlplay.training.loop import Episodes, Move, TrainingLoop, Update
from rlplay.training.recorder import ActionLog, Recorder, merge_interval

NOT_REPRODUCIBLE = {"steps_per_second", "elapsed", "timestamp"}


class Stream:
    """Random play: the items of a training, without an agent."""

    def __init__(self, config, seed=0):
        self.config = config
        self.env = create_vector_env(
            config.env_name, config.num_envs, config.reward_config, **config.env_config
        )
        self.env.reset(seed=seed)
        self.generator = np.random.default_rng(seed)
        self.returns = np.zeros(config.num_envs)
        self.steps = self.episodes = 0

    def moves(self, count):
        for _ in range(count):
            actions = self.generator.choice(3, self.config.num_envs, p=[0.7, 0.15, 0.15])
            _, rewards, _, _, infos = self.env.step(actions)
            self.returns += rewards
            self.steps += self.config.num_envs
            mask = infos.get("_final_obs")
            yield Move(self.steps, actions, None if mask is None else self.close(mask, infos))

    def close(self, mask, infos):
        boards, final = np.flatnonzero(mask), infos["final_info"]
        self.episodes += len(boards)
        returns, self.returns[boards] = self.returns[boards], 0.0
        return Episodes(
            last=self.episodes,
            boards=boards,
            scores=final["score"][boards].astype(np.float64),
            returns=returns,
            lengths=final["steps"][boards].astype(np.int64),
            endings=final["ending"][boards].astype(np.int64),
            seeds=final["episode_seed"][boards].astype(np.int64),
        )


@pytest.fixture
def storage(tmp_path):
    return StorageManager(tmp_path / "models")


@pytest.fixture
def short_lines(monkeypatch):
    """Merged lines of 512 steps instead of 16 384, so that short runs have many."""
    monkeypatch.setattr(recorder_module, "_FIRST_INTERVAL", 512)


def make_config(storage, num_envs=16, run_id="run", **changes):
    config = get_default_config("ppo").replace(
        num_envs=num_envs,
        run_id=run_id,
        env_config={"grid_size": 6, "starvation_limit": 12},
        **changes,
    )
    storage.create_run(config)
    return config


def record(storage, config, moves, merge, **options):
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env, merge=merge, **options)
    items = list(stream.moves(moves))
    for item in items:
        recorder.take(item)
    recorder.close()
    assert recorder.problem is None
    return items


def metrics(storage, run_id="run"):
    return storage.load_metrics("snake", run_id)


def reproducible(line):
    return {name: value for name, value in line.items() if name not in NOT_REPRODUCIBLE}


def totals(lines):
    """Sums that must not depend on merging."""
    endings = {}
    for line in lines:
        for name, count in line["endings"].items():
            endings[name] = endings.get(name, 0) + count
    return {
        "episodes": sum(line["episodes"] for line in lines),
        "last": lines[-1]["episode"],
        "score": sum(round(line["score"] * line["episodes"], 6) for line in lines),
        "score_max": max(line["score_max"] for line in lines),
        "best_score": lines[-1]["best_score"],
        "length": sum(round(line["length"] * line["episodes"], 6) for line in lines),
        "reward": pytest.approx(sum(line["reward"] * line["episodes"] for line in lines)),
        "endings": endings,
    }


# Lines ----------------------------------------------------------------------------------------


def test_at_watching_speed_each_line_is_one_episode(storage):
    config = make_config(storage)
    moves = record(storage, config, 200, merge=False)
    lines = metrics(storage)
    assert [line["episode"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["episodes"] for line in lines} == {1}
    expected = [
        (move.total_steps, score, float(length))
        for move in moves
        if move.ended is not None
        for score, length in zip(
            move.ended.scores.tolist(), move.ended.lengths.tolist(), strict=True
        )
    ]
    assert [(line["steps"], line["score"], line["length"]) for line in lines] == expected


def test_merged_lines_have_the_totals_of_single_ones(storage, short_lines):
    single, merged = make_config(storage, run_id="single"), make_config(storage, run_id="merged")
    record(storage, single, 300, merge=False)
    record(storage, merged, 300, merge=True)
    few, many = metrics(storage, "merged"), metrics(storage, "single")
    assert 5 < len(few) < len(many) / 5
    assert totals(few) == totals(many)
    assert storage.get_death_stats("snake", "merged") == storage.get_death_stats("snake", "single")


def test_merged_lines_come_by_steps(storage, short_lines):
    record(storage, make_config(storage), 300, merge=True)
    steps = [line["steps"] for line in metrics(storage)]
    gaps = np.diff(steps[:-1])
    assert steps[0] >= 512
    assert gaps.min() >= 512
    assert gaps.max() < 512 + 16 * 20


def test_the_same_run_gives_the_same_lines_and_replays(storage, short_lines):
    for run_id in ("one", "two"):
        record(storage, make_config(storage, run_id=run_id), 400, merge=True)
    one, two = metrics(storage, "one"), metrics(storage, "two")
    assert [*map(reproducible, one)] == [*map(reproducible, two)]
    assert [list(line) for line in one] == [list(line) for line in two]
    assert storage.list_replays("snake", "one") == storage.list_replays("snake", "two")


def test_the_totals_stay_exact_when_the_speed_changes(storage, short_lines):
    config = make_config(storage)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env, merge=True)
    switch = itertools.cycle([True] * 40 + [False] * 20)
    for move in stream.moves(300):
        recorder.merge = next(switch)
        recorder.take(move)
    recorder.close()
    reference = make_config(storage, run_id="single")
    record(storage, reference, 300, merge=False)
    lines = metrics(storage)
    assert totals(lines) == totals(metrics(storage, "single"))
    assert {line["episodes"] == 1 for line in lines} == {True, False}
    assert [line["steps"] for line in lines] == sorted(line["steps"] for line in lines)


def test_an_hour_at_full_speed_stays_under_20_megabytes():
    for speed in (200_000, 1_000_000):
        steps = lines = 0
        while steps < speed * 3_600:
            steps += merge_interval(steps, 512)
            lines += 1
        assert lines * 700 < 20e6  # a line of ten learner metrics has 600 bytes


def test_while_watching_many_boards_the_file_stays_small(storage, monkeypatch):
    monkeypatch.setattr(recorder_module, "_SINGLE_LINES", 40)
    config = make_config(storage, num_envs=64)
    record(storage, config, 300, merge=False)
    lines = metrics(storage)
    assert [line["episodes"] for line in lines[:20]] == [1] * 20
    assert len(lines) < 300 + 2 * 40
    record(storage, make_config(storage, num_envs=64, run_id="merged"), 300, merge=True)
    assert totals(lines) == totals(metrics(storage, "merged"))


def test_learner_metrics_are_means_over_the_updates_since_the_last_line(storage):
    config = make_config(storage, num_envs=1)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)
    updates = itertools.count()
    expected, since = [], []
    for move in stream.moves(200):
        recorder.take(move)
        if move.ended is not None:
            expected.append(sum(since) / len(since) if since else None)
            since = []
        value = float(next(updates))
        since.append(value)
        recorder.take(Update(move.total_steps, {"loss": value}))
    recorder.close()
    assert [line.get("loss") for line in metrics(storage)] == [
        None if value is None else pytest.approx(value, rel=1e-5) for value in expected
    ]


def test_numbers_that_are_not_finite_do_not_break_the_file(storage):
    config = make_config(storage, num_envs=1)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)
    recorder.take(Update(0, {"loss": float("nan"), "big": float("inf")}))
    for move in stream.moves(60):
        recorder.take(move)
    recorder.close()
    assert metrics(storage)[0]["loss"] is None
    assert storage.list_runs()[0]["broken"] is None


def test_the_screen_gets_what_the_file_says(storage):
    seen = []
    record(storage, make_config(storage), 60, merge=False, on_line=seen.append)
    assert seen == metrics(storage)


def test_times_come_from_the_session(storage):
    clock = itertools.count(1)
    config = make_config(storage, num_envs=1)
    record(storage, config, 100, merge=False, elapsed=lambda: float(next(clock)))
    lines = metrics(storage)
    assert [line["elapsed"] for line in lines] == [float(n + 1) for n in range(len(lines))]
    steps = [0, *(line["steps"] for line in lines)]
    assert [line["steps_per_second"] for line in lines] == np.diff(steps).tolist()


def test_events_are_written_at_once(storage):
    config = make_config(storage)
    recorder = Recorder(storage, config, Stream(config).env, elapsed=lambda: 12.34567)
    written = recorder.event(640, 15, "hyperparams.learning_rate", 0.1, 0.2)
    (event,) = storage.load_events("snake", "run")
    assert event == written
    assert event.pop("timestamp") > 0
    assert event == {
        "step": 640,
        "item": 15,
        "field": "hyperparams.learning_rate",
        "old": 0.1,
        "new": 0.2,
        "elapsed": 12.346,
    }


# A disk that refuses --------------------------------------------------------------------------


def test_what_the_disk_refuses_is_kept_and_written_later(storage, monkeypatch):
    config = make_config(storage)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)

    def refuse(*_):
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        for call in ("append_metrics", "append_event", "save_replay"):
            broken.setattr(storage, call, refuse)
        for move in stream.moves(100):
            recorder.take(move)
        recorder.event(1, 1, "speed", 1, 2)
        assert recorder.problem == "the disk is full"
        with pytest.raises(StorageError, match="the disk is full"):
            recorder.close()
    assert metrics(storage) == []
    for move in stream.moves(100):
        recorder.take(move)
    recorder.close()
    assert recorder.problem is None
    assert [line["episode"] for line in metrics(storage)] == list(range(1, stream.episodes + 1))
    assert len(storage.load_events("snake", "run")) == 1
    assert all(replay["broken"] is None for replay in storage.list_replays("snake", "run"))


# Replays --------------------------------------------------------------------------------------


def load_replays(storage, run_id="run", env_name="snake"):
    return [
        storage.load_replay(env_name, run_id, entry["replay_id"])
        for entry in storage.list_replays(env_name, run_id)
    ]


def ended_episodes(items):
    """All episodes of a run, by number: (board, seed, score, length, ending's code)."""
    episodes = {}
    for item in items:
        if isinstance(item, Move) and item.ended is not None:
            ended = item.ended
            first = ended.last - len(ended.boards) + 1
            for index in range(len(ended.boards)):
                episodes[first + index] = (
                    int(ended.boards[index]),
                    int(ended.seeds[index]),
                    float(ended.scores[index]),
                    int(ended.lengths[index]),
                    int(ended.endings[index]),
                )
    return episodes


def check_replays(replays, items, names):
    """Each replay is the episode that it says it is, and gives it again."""
    episodes = ended_episodes(items)
    for replay in replays:
        board, seed, score, length, ending = episodes[replay.episode]
        assert replay.replay_id == f"e{replay.episode:09d}-b{board}"
        assert (replay.episode_seed, replay.score, replay.length) == (seed, score, length)
        assert replay.ending == names[ending]
        assert replay.verify().differences == ()
        assert replay.frames()[-1]["score"] == score
    kept = {replay.episode for replay in replays}
    best = max(score for _, _, score, _, _ in episodes.values())
    assert min(n for n, episode in episodes.items() if episode[2] == best) in kept
    for code in {episode[4] for episode in episodes.values()}:
        assert max(n for n, episode in episodes.items() if episode[4] == code) in kept


@pytest.mark.parametrize("merge", [False, True], ids=["watching", "full speed"])
@pytest.mark.parametrize("num_envs", [1, 16])
def test_every_replay_of_random_play_gives_the_same_episode(storage, short_lines, merge, num_envs):
    config = make_config(storage, num_envs=num_envs)
    moves = record(storage, config, 2_400 // num_envs, merge=merge)
    replays = load_replays(storage)
    assert len({replay.ending for replay in replays}) >= 2
    check_replays(replays, moves, Stream(config).env.ending_names)


@pytest.fixture
def one_thread():
    """Small networks are quicker so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_every_replay_of_a_training_gives_the_same_episode(storage, short_lines, one_thread, algo):
    config = get_default_config(algo).replace(
        run_id="run",
        num_envs=8,
        total_steps=2_000,
        seed=4,
        env_config={"grid_size": 5},
        network_config={"layers": [{"type": "dense", "units": 16}]},
    )
    storage.create_run(config)
    loop = TrainingLoop(config)
    recorder = Recorder(storage, config, loop.env)
    items = []
    for number, item in enumerate(loop.run()):
        recorder.merge = number % 100 < 50
        recorder.take(item)
        items.append(item)
    recorder.close()
    replays = load_replays(storage)
    assert len(replays) > 5
    check_replays(replays, items, loop.env.ending_names)
    assert sum(line["episodes"] for line in metrics(storage)) == loop.episodes


def test_while_watching_about_a_tenth_is_sampled(storage):
    config = make_config(storage, num_envs=2)
    moves = record(storage, config, 1_500, merge=False)
    episodes = len(ended_episodes(moves))
    assert 0.06 * episodes < len(load_replays(storage)) < 0.16 * episodes + 8


def test_many_watched_boards_are_sampled_less(storage):
    config = make_config(storage, num_envs=128)
    moves = record(storage, config, 60, merge=False)
    assert len(ended_episodes(moves)) > 1_200
    assert len(load_replays(storage)) < 50 + 60 // 16 + 8


def test_the_folder_stays_bounded(storage, monkeypatch, short_lines):
    monkeypatch.setattr(recorder_module, "_MAX_SAMPLES", 20)
    config = make_config(storage, num_envs=8)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)
    folder = storage.get_run_path("snake", "run") / "replays"
    most = 0
    for move in stream.moves(800):
        recorder.take(move)
        most = max(most, len(list(folder.glob("*"))))
    recorder.close()
    assert stream.episodes > 400
    assert most < 20 + 20
    assert len(load_replays(storage)) <= 20 + 6
    assert len([path for path in folder.iterdir() if path.suffix != ".json"]) == 0


def test_at_full_speed_a_long_run_has_about_fifty_samples():
    steps = samples = 0
    while steps < 10**9:
        steps += max(16_384, steps // 4)
        samples += 1
    assert samples < 60


def test_waiting_replays_are_stored_when_asked_for(storage, short_lines):
    config = make_config(storage)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env, merge=True)
    for move in stream.moves(600):
        recorder.take(move)
    recorder.store_replays()
    newest = max(replay.episode for replay in load_replays(storage))
    assert newest == metrics(storage)[-1]["episode"]


def test_a_deleted_replay_does_not_disturb(storage):
    config = make_config(storage)
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)
    for move in stream.moves(300):
        recorder.take(move)
        for entry in storage.list_replays("snake", "run"):
            storage.delete_replay("snake", "run", entry["replay_id"])
    recorder.close()
    assert recorder.problem is None


class Dice(BaseEnvironment):
    """Ends by chance; fair dice draw from the episode's generator, loaded ones elsewhere."""

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.steps = 0

    def draw(self):
        return float(self.np_random.random())

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {"death_reason": None}

    def step(self, action):
        self.steps += 1
        over = self.draw() < 0.1
        return np.zeros(1, np.float32), 1.0, over, self.steps >= 20, {"death_reason": None}

    def render_state(self):
        return {"steps": self.steps}


class LoadedDice(Dice):
    loads = random.Random(0)

    def draw(self):
        return self.loads.random()


@pytest.fixture
def dice():
    register_env("dice", Dice)
    register_env("loaded-dice", LoadedDice)
    yield
    for name in ("dice", "loaded-dice"):
        del ENV_REGISTRY[name]


def dice_config(storage, name):
    config = get_default_config("ppo").replace(env_name=name, num_envs=4, run_id="run")
    storage.create_run(config)
    return config


def test_replays_of_a_guests_environment(storage, dice):
    config = dice_config(storage, "dice")
    assert play_dice(storage, config) is None
    replays = load_replays(storage, env_name="dice")
    assert {replay.ending for replay in replays} == {"terminated", "truncated"}
    assert all(replay.verify() for replay in replays)
    assert max(replay.length for replay in replays) == 20


def play_dice(storage, config):
    stream = Stream(config)
    recorder = Recorder(storage, config, stream.env)
    for move in stream.moves(200):
        recorder.take(move)
    recorder.close()
    return recorder.problem


def test_an_environment_that_is_not_deterministic_has_no_replays_and_says_so(storage, dice):
    problem = play_dice(storage, dice_config(storage, "loaded-dice"))
    assert problem.startswith("No replays are kept")
    assert "reset(seed=...)" in problem
    assert len(load_replays(storage, env_name="loaded-dice")) <= 1
    assert len(storage.load_metrics("loaded-dice", "run")) > 10


# The log of actions ---------------------------------------------------------------------------


def test_the_log_gives_back_what_was_done():
    generator = np.random.default_rng(0)
    log = ActionLog(3, gymnasium.spaces.Discrete(5))
    done = generator.integers(0, 5, (5_000, 3))
    for number, row in enumerate(done, start=1):
        log.append(row)
        if number % 700 == 0:
            log.forget(number - 1_500)
    assert log.actions(1, 5_000, 1_500).tolist() == done[3_500:, 1].tolist()
    assert log.actions(2, 4_000, 10).tolist() == done[3_990:4_000, 2].tolist()


def test_a_log_that_may_not_grow_forgets_the_oldest():
    log = ActionLog(2, gymnasium.spaces.Discrete(300, start=-7), max_bytes=1)
    for number in range(3_000):
        log.append(np.array([number % 300 - 7, 0]))
    assert log.first == 3_000 - 1_024
    assert log.actions(0, 3_000, 1_024).tolist() == [
        number % 300 - 7 for number in range(3_000 - 1_024, 3_000)
    ]


def test_episodes_longer_than_the_log_have_no_replay(storage, monkeypatch):
    monkeypatch.setattr(recorder_module, "_LOG_ROWS", 8)
    monkeypatch.setattr(ActionLog.__init__, "__defaults__", (1,))
    config = make_config(storage)
    moves = record(storage, config, 300, merge=False)
    replays = load_replays(storage)
    assert replays
    assert max(replay.length for replay in replays) <= 8
    assert max(length for _, _, _, length, _ in ended_episodes(moves).values()) > 8
    assert all(replay.verify() for replay in replays)


def test_a_line_is_plain_json(storage):
    record(storage, make_config(storage), 50, merge=False)
    text = (storage.get_run_path("snake", "run") / "metrics.jsonl").read_text()
    assert all(
        list(json.loads(line))[:3] == ["episode", "episodes", "steps"] for line in text.splitlines()
    )

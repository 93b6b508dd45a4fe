"""Seed and actions give exactly the same episode again."""

import itertools
import json
from collections import Counter
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlplay.config import RunConfig
from rlplay.envs import ENV_REGISTRY, BaseEnvironment, create_env, register_env
from rlplay.envs.snake import SnakeEnv
from rlplay.errors import ConfigError, ContractError, DamagedFile, StorageError, UnknownEnvironment
from rlplay.storage import Replay
from rlplay.storage.replay import play, replay_id, state_hash

ENV_CONFIG = {"grid_size": 6}
GOLDEN = sorted(Path(__file__).with_name("golden").glob("*.json"))


def make_replay(seed: int = 5, **changes) -> Replay:
    """Play one random episode and describe it."""
    env = create_env("snake", **ENV_CONFIG)
    env.reset(seed=seed)
    generator = np.random.default_rng(seed)
    actions, ended, episode_return = [], False, 0.0
    while not ended:
        action = int(generator.choice(3, p=[0.6, 0.2, 0.2]))
        _, reward, terminated, truncated, info = env.step(action)
        actions.append(action)
        episode_return += reward
        ended = terminated or truncated
    values = {
        "replay_id": replay_id(12, 3),
        "run_id": "run-1",
        "env_name": "snake",
        "env_config": ENV_CONFIG,
        "reward_config": {},
        "environment_version": play("snake", ENV_CONFIG, {}, seed, actions).environment_version,
        "episode_seed": seed,
        "actions": tuple(actions),
        "score": float(info["score"]),
        "length": len(actions),
        "episode_return": episode_return,
        "ending": info["death_reason"],
        "death_reason": info["death_reason"],
        "final_hash": state_hash(env.render_state()),
        "episode": 12,
        "total_steps": 400,
    }
    return Replay(**values | changes)


@pytest.fixture(scope="module")
def replay() -> Replay:
    return make_replay()


def golden(name: str) -> Replay:
    path = Path(__file__).with_name("golden") / f"{name}.json"
    return Replay.from_dict(json.loads(path.read_text()))


def states(replay: Replay) -> list[dict]:
    """Play an episode once, from its beginning to its end."""
    env = create_env(replay.env_name, replay.reward_config, **replay.env_config)
    env.reset(seed=replay.episode_seed)
    played = [env.render_state()]
    for action in replay.actions:
        env.step(action)
        played.append(env.render_state())
    return played


class Stairs(BaseEnvironment):
    """Climb a stair with each action 1, which has no score and cannot save its state."""

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.height = np.zeros(1, np.int64)
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        self.height[:] = seed % 3
        self.steps = 0
        return np.zeros(1, np.float32), {"episode_seed": seed}

    def step(self, action):
        self.height += [0, 1][action]
        self.steps += 1
        return np.zeros(1, np.float32), 1.0, self.steps == 100, False, {}

    def render_state(self):
        return {"height": int(self.height[0]), "steps": self.steps}


class SavedStairs(Stairs):
    """Goes on in the very arrays that it is given, and counts what it plays."""

    steps_played = 0

    def get_state(self):
        return {"height": self.height.copy(), "steps": self.steps}

    def set_state(self, state):
        self.height, self.steps = state["height"], state["steps"]

    def step(self, action):
        type(self).steps_played += 1
        return super().step(action)


@pytest.fixture
def stairs():
    """Register the environments, and take them back afterwards."""
    before = dict(ENV_REGISTRY), dict(gymnasium.registry)
    register_env("stairs", Stairs)
    register_env("saved-stairs", SavedStairs)
    SavedStairs.steps_played = 0

    def climb(env_name: str) -> Replay:
        actions = tuple(number * number % 7 % 2 for number in range(100))
        outcome = play(env_name, {}, {}, 4, actions)
        changes = {
            "env_name": env_name,
            "env_config": {},
            "environment_version": 0,
            "episode_seed": 4,
            "actions": actions,
            "score": 100.0,
            "length": 100,
            "ending": "terminated",
            "death_reason": None,
            "final_hash": outcome.final_hash,
        }
        return make_replay(**changes)

    yield climb
    for table, entries in zip((ENV_REGISTRY, gymnasium.registry), before, strict=True):
        table.clear()
        table.update(entries)


# What a replay claims -------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_replays_verify_everywhere_and_for_ever(path):
    replay = Replay.from_dict(json.loads(path.read_text()))
    assert str(replay.verify()) == "ok"
    assert replay.verify().ok
    assert states(replay)[-1]["score"] == replay.score


def test_golden_replays_cover_sizes_frames_and_endings():
    replays = [Replay.from_dict(json.loads(path.read_text())) for path in GOLDEN]
    assert {replay.ending for replay in replays} == {
        "wall", "self", "starvation", "won", "truncated"
    }  # fmt: skip
    sizes = {replay.env_config.get("grid_size", 10) for replay in replays}
    assert {4, 5, 10, 64} <= sizes
    frames = {replay.env_config.get("frame", "egocentric") for replay in replays}
    assert frames == {"absolute", "egocentric"}
    assert max(replay.length for replay in replays) > 5_000


def test_a_true_replay_verifies(replay):
    check = replay.verify()
    assert check
    assert check.ok
    assert check.differences == ()
    assert str(check) == "ok"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"score": 17.0}, "score: "),
        ({"ending": "won"}, "ending: "),
        ({"death_reason": "starvation"}, "death reason: "),
        ({"final_hash": "0" * 64}, "last board"),
        ({"episode_seed": 99}, "last board"),
        ({"env_config": {"grid_size": 7}}, "last board"),
        ({"env_config": {"grid_size": 3}}, "cannot be played: ConfigError: "),
        ({"env_config": {"gird": 6}}, "cannot be played: ConfigError: "),
    ],
)
def test_verify_says_what_differs(replay, change, named):
    check = replay.model_copy(update=change).verify()
    assert not check
    assert named in str(check)


@pytest.mark.parametrize("step", [0, -1])
def test_verify_finds_a_changed_action(replay, step):
    actions = list(replay.actions)
    actions[step] = (actions[step] + 1) % 3
    assert not replay.model_copy(update={"actions": tuple(actions)}).verify()


def test_verify_finds_an_action_that_does_not_exist(replay):
    changed = replay.model_copy(update={"actions": (7, *replay.actions[1:])})
    assert "cannot be played: ContractError: Action 7" in str(changed.verify())


def test_another_version_of_the_environment_is_not_judged(replay):
    """It says so, whether the episode is the same there or not."""
    older = replay.model_copy(update={"environment_version": 12_345})
    check = older.verify()
    assert not check.ok
    assert not check.same_version
    assert check.differences == ()
    assert str(check) == (
        "it was made with version 12345 of environment 'snake' and cannot be judged with version "
        "0, which gives all that it claims"
    )
    check = older.model_copy(update={"score": 17.0}).verify()
    assert not check.ok
    assert "cannot be judged with version 0, which gives another episode (score: " in str(check)


def test_an_environment_that_is_not_here_cannot_verify(replay):
    with pytest.raises(UnknownEnvironment):
        replay.model_copy(update={"env_name": "labyrinth"}).verify()


def test_actions_left_over_after_the_end_are_found(replay):
    longer = replay.model_copy(
        update={"actions": (*replay.actions, 0), "length": replay.length + 1}
    )
    assert f"length: {replay.length} steps, not {replay.length + 1}" in str(longer.verify())
    with pytest.raises(DamagedFile, match=f"ends after {replay.length} steps"):
        longer.frames()[-1]


def test_actions_that_do_not_reach_the_end_are_found(replay):
    shorter = replay.model_copy(
        update={"actions": replay.actions[:-1], "length": replay.length - 1}
    )
    assert "ending: unfinished" in str(shorter.verify())


def test_an_early_end_is_no_damage_with_another_version(replay):
    longer = replay.model_copy(
        update={
            "actions": (*replay.actions, 0),
            "length": replay.length + 1,
            "environment_version": 12_345,
        }
    )
    with pytest.raises(StorageError, match="made with version 12345") as caught:
        longer.frames()[-1]
    assert not isinstance(caught.value, DamagedFile)


# Frames ---------------------------------------------------------------------------------------


def test_frames_are_the_states_of_the_episode(replay):
    expected, frames = states(replay), replay.frames()
    assert len(frames) == replay.length + 1
    assert list(frames) == expected
    for index in (-1, 0, replay.length, 2, 1, -2, replay.length // 2):
        assert frames[index] == expected[index]
    assert frames[1:4] == expected[1:4]
    assert list(reversed(frames)) == expected[::-1]
    assert frames[-1]["game_over"]
    for index in (len(frames), -len(frames) - 1):
        with pytest.raises(IndexError, match="has frames 0 to"):
            frames[index]


@pytest.mark.parametrize(
    "name", ["won-6-absolute", "starvation-8-egocentric", "truncated-20-absolute"]
)
@pytest.mark.parametrize("order", ["forwards", "backwards", "shuffled"])
def test_every_step_is_the_same_in_any_order(name, order):
    replay = golden(name)
    expected, frames = states(replay), replay.frames()
    steps = np.arange(len(expected))
    if order == "backwards":
        steps = steps[::-1]
    elif order == "shuffled":
        steps = np.random.default_rng(3).permutation(np.repeat(steps, 2))
    for step in steps.tolist():
        assert frames[step] == expected[step]


@pytest.mark.parametrize("env_name", ["stairs", "saved-stairs"])
def test_a_guest_is_played_in_any_order_with_and_without_a_state_to_save(stairs, env_name):
    replay = stairs(env_name)
    expected, frames = states(replay), replay.frames()
    for step in np.random.default_rng(5).permutation(np.repeat(np.arange(101), 3)).tolist():
        assert frames[step] == expected[step]


@pytest.mark.parametrize("env_name", ["snake", "stairs", "saved-stairs"])
def test_a_fork_goes_on_from_a_frame_and_leaves_the_replay_alone(stairs, replay, env_name):
    chosen = replay if env_name == "snake" else stairs(env_name)
    expected, frames = states(chosen), chosen.frames()
    for index in (chosen.length // 2, 0, chosen.length - 1, -2, chosen.length):
        env = frames.fork(index)
        position = range(len(frames))[index]
        assert env.render_state() == expected[index]
        for action, state in zip(chosen.actions[position:], expected[position + 1 :], strict=True):
            env.step(action)
            assert env.render_state() == state
        assert frames[index] == expected[index]
    one, other = frames.fork(0), frames.fork(0)
    one.step(1)
    assert other.render_state() == expected[0]
    assert one.render_state() != expected[0]
    with pytest.raises(IndexError, match="has frames 0 to"):
        frames.fork(chosen.length + 1)


def test_a_fork_draws_and_pays_as_the_replay_does(replay):
    env = replay.model_copy(update={"reward_config": {"step": 7.0}}).frames().fork(1)
    assert env.render().shape == (96, 96, 3)
    _, reward, *_ = env.step(0)
    assert reward >= 5


# Games of a person ----------------------------------------------------------------------------


def test_a_game_that_a_person_played_is_a_replay(replay, tmp_path):
    config = RunConfig(env_config=ENV_CONFIG)
    actions = [np.int64(action) for action in replay.actions]
    played = Replay.record(config, replay.episode_seed, [*actions, 0, 0])
    assert str(played.verify()) == "ok"
    assert played.actions == replay.actions
    for field in ("score", "length", "ending", "death_reason", "final_hash"):
        assert getattr(played, field) == getattr(replay, field), field
    assert played.episode_return == pytest.approx(replay.episode_return)
    assert list(played.frames()) == states(replay)
    assert Replay.from_dict(json.loads(json.dumps(played.to_dict()))) == played
    assert Replay.record(config, replay.episode_seed, actions) == played
    assert Replay.record(config, replay.episode_seed, actions[:-1]).replay_id != played.replay_id
    played.save_gif(tmp_path / "game.gif")
    played.save_html(tmp_path / "game.html")
    assert (tmp_path / "game.gif").stat().st_size > 100


def test_a_game_may_be_left_unfinished(replay, tmp_path):
    played = Replay.record(RunConfig(env_config=ENV_CONFIG), replay.episode_seed, [0, 1])
    assert (played.ending, played.death_reason, played.length) == ("unfinished", None, 2)
    assert played.verify().ok
    assert not played.frames()[-1]["game_over"]
    played.save_html(tmp_path / "game.html")
    assert "not finished" in (tmp_path / "game.html").read_text()
    claimed = played.model_copy(update={"ending": "wall"})
    assert "ending: unfinished, not wall" in str(claimed.verify())


def test_a_game_without_a_score_has_its_return_for_one(stairs):
    played = Replay.record(RunConfig(env_name="stairs"), 1, [1, 0, 1])
    assert (played.score, played.episode_return) == (3.0, 3.0)
    assert played.verify()


def test_a_game_that_is_none_is_refused():
    config = RunConfig(env_config=ENV_CONFIG)
    with pytest.raises(ConfigError, match="at least one action"):
        Replay.record(config, 1, [])
    with pytest.raises(ConfigError, match="seed = -1"):
        Replay.record(config, -1, [0])
    with pytest.raises(ContractError, match="9"):
        Replay.record(config, 1, [9])


def test_no_step_is_far_from_a_kept_state(stairs):
    frames = stairs("saved-stairs").frames()
    frames[-1]
    played = []
    for step in np.random.default_rng(5).permutation(101).tolist():
        SavedStairs.steps_played = 0
        frames[step]
        played.append(SavedStairs.steps_played)
    assert max(played) < 16


def test_seeking_in_a_long_episode_plays_a_few_steps_and_keeps_few_states(monkeypatch):
    replay = golden("won-12-long")
    frames = replay.frames()
    counts = Counter()

    def count(name):
        call = getattr(SnakeEnv, name)

        def counted(env, *arguments):
            counts[name] += 1
            return call(env, *arguments)

        monkeypatch.setattr(SnakeEnv, name, counted)

    count("step")
    count("get_state")
    frames[-1]
    assert counts["step"] == replay.length > 5_000
    assert counts["get_state"] <= 256
    most = 0
    for step in np.random.default_rng(1).integers(0, replay.length, 300).tolist():
        counts["step"] = 0
        assert frames[step]["steps"] == step
        most = max(most, counts["step"])
    assert most < 22


def test_apples_are_the_steps_at_which_the_score_grew():
    replay = golden("won-6-absolute")
    scores = [state["score"] for state in states(replay)]
    frames = replay.frames()
    frames[7]
    assert frames.scores() == scores
    assert frames[7]["steps"] == 7
    apples = frames.apple_steps()
    assert len(apples) == replay.score
    assert apples == [
        step for step, (one, two) in enumerate(itertools.pairwise(scores), 1) if two > one
    ]


def test_an_environment_without_a_score_has_no_apples(stairs):
    frames = stairs("stairs").frames()
    assert frames.apple_steps() == []
    assert frames.scores() == [None] * 101


def test_a_step_is_drawn_by_its_environment(replay):
    env = create_env("snake", render_mode="rgb_array", **ENV_CONFIG)
    env.reset(seed=replay.episode_seed)
    env.step(replay.actions[0])
    frames = replay.frames()
    assert np.array_equal(frames.render(1), env.render())
    assert not np.array_equal(frames.render(0), env.render())


def test_an_environment_that_draws_no_picture_is_named(stairs):
    with pytest.raises(ContractError, match="'stairs' draws no picture"):
        stairs("stairs").frames().render(0)


# The file -------------------------------------------------------------------------------------


def test_json_and_back_is_the_same_replay(replay):
    values = json.loads(json.dumps(replay.to_dict()))
    assert set(values["actions"]) <= set("012")
    assert Replay.from_dict(values) == replay


def test_many_actions_are_a_list_of_numbers(replay):
    many = replay.model_copy(update={"actions": (11,) * replay.length})
    values = json.loads(json.dumps(many.to_dict()))
    assert values["actions"] == [11] * replay.length
    assert Replay.from_dict(values) == many


def resealed(values: dict) -> dict:
    """Put a true sum under a content that was changed."""
    rest = {name: value for name, value in values.items() if name != "sha256"}
    return {**rest, "sha256": state_hash(rest)}


@pytest.mark.parametrize(
    "change",
    [
        {"actions": "01²"},
        {"actions": "01x"},
        {"actions": "0"},
        {"actions": [0.5]},
        {"actions": None},
        {"replay_id": "../../x"},
        {"run_id": "a/b"},
        {"episode_seed": -1},
        {"episode_seed": 2**63},
        {"score": "9"},
        {"length": 0},
        {"final_hash": "abc"},
        {"final_hash": "0" * 64 + "\n"},
        {"format_version": 0},
        {"format_version": True},
        {"format_version": "2"},
        {"unknown": 1},
    ],
)
def test_a_made_up_replay_is_refused_even_with_a_true_sum(replay, change):
    with pytest.raises(DamagedFile, match="is damaged"):
        Replay.from_dict(resealed(replay.to_dict() | change))


@pytest.mark.parametrize("field", make_replay().to_dict())
def test_a_replay_without_a_field_is_refused(replay, field):
    values = replay.to_dict()
    del values[field]
    with pytest.raises(DamagedFile, match="SHA-256" if field == "sha256" else field):
        Replay.from_dict(resealed(values) if field != "sha256" else values)


def test_the_sum_finds_every_changed_byte(replay):
    data = json.dumps(replay.to_dict()).encode()
    refused = 0
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            values = json.loads(changed)
        except ValueError:
            continue
        if values == replay.to_dict():
            continue  # the last digit of a number may be another one of the same number
        with pytest.raises(StorageError):
            Replay.from_dict(values)
        refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", 7.0),
        ("episode_return", 0.25),
        ("total_steps", 401),
        ("run_id", "run-2"),
        ("env_config", {"grid_size": 6, "vision": 3}),
        ("sha256", "0" * 64),
        ("sha256", None),
        ("score", float("nan")),
    ],
)
def test_a_change_that_could_be_true_is_found_by_the_sum(replay, field, value):
    with pytest.raises(DamagedFile, match=r"'e000000012-b3' is damaged: .*(SHA-256|JSON)"):
        Replay.from_dict(replay.to_dict() | {field: value})


def test_a_file_of_format_1_opens_without_a_sum(replay):
    values = replay.to_dict() | {"format_version": 1}
    del values["sha256"]
    assert Replay.from_dict(values) == replay
    assert Replay.from_dict(values).to_dict()["format_version"] == 2


def test_a_newer_format_is_refused(replay):
    with pytest.raises(StorageError, match="Install the newest rlplay"):
        Replay.from_dict(replay.to_dict() | {"format_version": 3})


def test_ids_are_in_the_order_of_episodes():
    ids = [replay_id(episode, 511) for episode in (1, 9, 10, 99_999, 1_000_000)]
    assert ids == sorted(ids)
    assert ids[0] == "e000000001-b511"

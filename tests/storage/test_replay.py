"""Seed and actions give exactly the same episode again."""

import json

import numpy as np
import pytest

from rlplay.envs import create_env
from rlplay.errors import DamagedFile, StorageError
from rlplay.storage import Replay
from rlplay.storage.replay import play, replay_id, state_hash

ENV_CONFIG = {"grid_size": 6}


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
    ],
)
def test_verify_says_what_differs(replay, change, named):
    check = replay.model_copy(update=change).verify()
    assert not check
    assert named in str(check)


def test_verify_names_another_version_of_the_environment(replay):
    changed = replay.model_copy(update={"score": 17.0, "environment_version": 12_345})
    assert "12345" in str(changed.verify())


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
    assert "ending: none" in str(shorter.verify())


def test_frames_are_the_states_of_the_episode(replay):
    env = create_env("snake", **ENV_CONFIG)
    env.reset(seed=replay.episode_seed)
    expected = [env.render_state()]
    for action in replay.actions:
        env.step(action)
        expected.append(env.render_state())
    frames = replay.frames()
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


def test_json_and_back_is_the_same_replay(replay):
    values = json.loads(json.dumps(replay.to_dict()))
    assert set(values["actions"]) <= set("012")
    assert Replay.from_dict(values) == replay


def test_many_actions_are_a_list_of_numbers(replay):
    many = replay.model_copy(update={"actions": (11,) * replay.length})
    values = json.loads(json.dumps(many.to_dict()))
    assert values["actions"] == [11] * replay.length
    assert Replay.from_dict(values) == many


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
        {"unknown": 1},
    ],
)
def test_a_damaged_replay_is_refused(replay, change):
    with pytest.raises(DamagedFile, match="is damaged"):
        Replay.from_dict(replay.to_dict() | change)


def test_a_replay_without_a_field_is_refused(replay):
    values = replay.to_dict()
    del values["episode_seed"]
    with pytest.raises(DamagedFile, match="episode_seed"):
        Replay.from_dict(values)


def test_a_newer_format_is_refused(replay):
    with pytest.raises(StorageError, match="Install the newest rlplay"):
        Replay.from_dict(replay.to_dict() | {"format_version": 2})


def test_ids_are_in_the_order_of_episodes():
    ids = [replay_id(episode, 511) for episode in (1, 9, 10, 99_999, 1_000_000)]
    assert ids == sorted(ids)
    assert ids[0] == "e000000001-b511"

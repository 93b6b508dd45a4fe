"""Reward functions and observation blocks of a person's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import rlplay
from rlplay.envs import ENV_REGISTRY, OBSERVATION_REGISTRY, REWARD_REGISTRY, get_env_spec
from rlplay.envs.base import BaseEnvironment
from rlplay.envs.vector import Vectorised
from rlplay.errors import ConfigError, ContractError, UnknownObservation, UnknownReward


@pytest.fixture(autouse=True)
def own() -> Any:
    """Two functions of somebody's own; nothing that a test registers is left behind."""
    kept = [(registry, dict(registry)) for registry in (OBSERVATION_REGISTRY, REWARD_REGISTRY)]
    environments = set(ENV_REGISTRY)

    @rlplay.register_observation("compass", size=2, envs="snake")
    def compass(facts):
        """Where the food lies."""
        return np.sign(facts["food"] - facts["head"])

    @rlplay.register_reward("potential")
    def potential(t):
        """Pays for coming closer, and takes it back."""

        def phi(facts):
            return -np.abs(facts["food"] - facts["head"]).sum(axis=1)

        return t.rewards + 0.99 * phi(t.next_facts) * ~t.terminated - phi(t.facts)

    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)
    for name in set(ENV_REGISTRY) - environments:
        del ENV_REGISTRY[name]


class Walk(BaseEnvironment):
    """A walk on a line of nine places; it has facts, and no vector form."""

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = seed % 3, 0
        return self._see(), {"episode_seed": seed}

    def step(self, action):
        self.place += 2 * int(action) - 1
        self.steps += 1
        return self._see(), 0.5, abs(self.place) > 3, self.steps == 6, {}

    def _see(self):
        return np.array([np.clip(self.place / 4, -1, 1)], np.float32)

    def get_facts(self):
        return {"place": self.place}

    def render_state(self):
        return {"place": self.place}


@pytest.fixture
def walk():
    rlplay.register_env("walk", Walk)
    rlplay.register_observation("far", lambda facts: abs(facts["place"]) / 9, size=1, low=0)
    rlplay.register_reward("out", lambda t: t.rewards + t.next_facts["place"] - t.facts["place"])


SNAKE = {"grid_size": 6, "max_steps": 20}


def test_the_blocks_stand_behind_what_the_environment_shows():
    env = rlplay.create_env("snake", **SNAKE, blocks=["compass"])
    plain = rlplay.create_env("snake", **SNAKE)
    shown, _ = env.reset(seed=5)
    expected, _ = plain.reset(seed=5)
    state = env.render_state()
    food, head = state["food_position"], state["snake_position"][0]
    compass = np.sign([food["x"] - head["x"], food["y"] - head["y"]])
    assert shown.dtype == np.float32
    assert shown.tolist() == [*expected.tolist(), *compass.tolist()]
    assert env.observation_space.contains(shown)
    row = env.get_metadata()["observation"][-1]
    assert row["name"] == "compass"
    assert row["start"] == len(expected)
    assert row["meaning"] == "Where the food lies."
    assert row["labels"] == ["compass 0", "compass 1"]
    assert env.get_metadata()["observation_size"] == len(shown)
    # What else the board can do, it can still do.
    assert env.action_for_direction("up") == plain.action_for_direction("up")


def play(vector: Any, boards: list[Any], actions: Any) -> int:
    """Play many boards and single ones side by side; they must give the same. Counts endings."""
    observations, infos = vector.reset(seed=3)
    for board, env in enumerate(boards):
        assert np.array_equal(env.reset(seed=3 + board)[0], observations[board])
    ended_count = 0
    for step in actions:
        observations, rewards, terminated, truncated, infos = vector.step(step)
        assert rewards.dtype == np.float32
        for board, env in enumerate(boards):
            seen, reward, over, cut, _ = env.step(int(step[board]))
            assert (reward, over, cut) == (rewards[board], terminated[board], truncated[board])
            if over or cut:
                ended_count += 1
                assert np.array_equal(infos["final_obs"][board], seen)
                assert infos["_final_obs"][board]
                seen, _ = env.reset(seed=int(infos["episode_seed"][board]))
            assert np.array_equal(seen, observations[board])
    return ended_count


def test_many_compiled_boards_give_the_same_as_one():
    options = {"reward_config": {"function": "potential", "apple": 2}, **SNAKE}
    vector = rlplay.create_vector_env("snake", 4, **options, blocks=["compass"])
    boards = [rlplay.create_env("snake", **options, blocks=["compass"]) for _ in range(4)]
    actions = np.random.default_rng(0).choice(3, (400, 4), p=(0.6, 0.2, 0.2))
    assert play(vector, boards, actions) > 50


def test_boards_without_a_vector_form_give_the_same_as_one(walk):
    options = {"reward_config": {"function": "out"}, "blocks": ["far"]}
    vector = rlplay.create_vector_env("walk", 3, **options)
    boards = [rlplay.create_env("walk", **options) for _ in range(3)]
    actions = np.random.default_rng(0).integers(2, size=(200, 3))
    assert play(vector, boards, actions) > 30


def test_a_vector_form_that_does_not_know_of_them_makes_place(walk):
    class Other(Vectorised):
        pass

    rlplay.register_env("walk", Walk, vector_env=lambda n, c, r: Other(Walk, n, c, r))
    assert isinstance(rlplay.create_vector_env("walk", 2), Other)
    vector = rlplay.create_vector_env("walk", 2, {"function": "out"})
    assert not isinstance(vector, Other)
    vector.reset(seed=0)
    assert vector.step([1, 0])[1].tolist() == [1.5, -0.5]


def test_with_neither_nothing_lies_around_the_board():
    spec = get_env_spec("snake")
    assert type(rlplay.create_env("snake")) is spec.env
    vector = rlplay.create_vector_env("snake", 2)
    assert vector._parts is None
    assert vector._boards.step  # the compiled call resets by itself
    config = rlplay.get_default_config()
    assert config.env_config["blocks"] == []
    assert config.reward_config["function"] is None


def test_the_facts_of_snake():
    env = rlplay.create_env("snake", **SNAKE)
    env.reset(seed=1)
    for action in (0, 1, 0, 2):
        env.step(action)
    facts, state = env.get_facts(), env.render_state()
    assert facts["head"].tolist() == list(state["snake_position"][0].values())
    assert facts["food"].tolist() == list(state["food_position"].values())
    assert facts["direction"].tolist() == state["direction"]
    assert (facts["length"], facts["steps"]) == (len(state["snake_position"]), state["steps"])
    assert (facts["grid_size"], facts["starvation_limit"]) == (6, 36)
    # A snake that fills a row: its cells become free one after the other, the tail first.
    config = rlplay.create_env("snake", grid_size=6)
    config.reset(seed=0)
    body = config.get_facts()["body"]
    assert body.shape == (6, 6)
    head = config.get_facts()["head"]
    assert body[head[1], head[0]] == 1
    assert body.sum() == 1


def test_the_body_says_when_a_cell_becomes_free():
    env = rlplay.create_env("snake", grid_size=6, max_steps=None)
    env.reset(seed=0)
    grown = False
    for _ in range(600):
        state = env.render_state()
        head, food = state["snake_position"][0], state["food_position"]
        step = [np.sign(food["x"] - head["x"]), np.sign(food["y"] - head["y"])]
        names = {(0, -1): "up", (1, 0): "right", (0, 1): "down", (-1, 0): "left"}
        wish = names[(int(step[0]), 0)] if step[0] else names[(0, int(step[1]))]
        _, _, ended, _, _ = env.step(env.action_for_direction(wish))
        if ended:
            env.reset()
            continue
        cells = env.render_state()["snake_position"]
        body = env.get_facts()["body"]
        expected = np.zeros((6, 6), int)
        for index, cell in enumerate(cells):
            expected[cell["y"], cell["x"]] = len(cells) - index
        assert np.array_equal(body, expected)
        grown |= len(cells) > 4
    assert grown


def test_shaping_by_a_potential_adds_up_to_the_potential_of_the_start():
    env = rlplay.create_env("snake", {"function": "potential"}, grid_size=6)
    plain = rlplay.create_env("snake", grid_size=6)
    env.reset(seed=2), plain.reset(seed=2)
    facts = env.get_facts()
    start = np.abs(facts["food"] - facts["head"]).sum()
    generator, total, discount = np.random.default_rng(1), 0.0, 1.0
    for _ in range(500):
        action = int(generator.choice(3, p=(0.8, 0.1, 0.1)))
        _, shaped, ended, _, _ = env.step(action)
        total += discount * (shaped - plain.step(action)[1])
        discount *= 0.99
        if ended:
            break
    assert ended
    assert total == pytest.approx(start, abs=1e-4)


@pytest.mark.parametrize("name", ["snake", "walk"])
def test_a_saved_state_goes_on_with_them(name, walk):
    options = {"reward_config": {"function": "potential" if name == "snake" else "out"}}
    options |= SNAKE if name == "snake" else {}
    blocks = ["compass"] if name == "snake" else ["far"]
    one = rlplay.create_vector_env(name, 3, **options, blocks=blocks)
    two = rlplay.create_vector_env(name, 3, **options, blocks=blocks)
    one.reset(seed=4)
    actions = np.random.default_rng(2).integers(2, size=(60, 3))
    for step in actions[:30]:
        one.step(step)
    two.reset(seed=99)
    two.set_state(one.get_state())
    for step in actions[30:]:
        for mine, its in zip(one.step(step)[:4], two.step(step)[:4], strict=True):
            assert np.array_equal(mine, its)


def test_a_run_names_them_in_its_config_and_trains(tmp_path: Path):
    config = rlplay.get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 5, "vision": 1, "blocks": ["compass"]},
        reward_config={"function": "potential"},
        network_config={"layers": [{"units": 8}]},
        num_envs=8,
        num_threads=1,
        total_steps=2_000,
        hyperparams={"num_steps": 16, "num_minibatches": 2},
    )
    storage = rlplay.StorageManager(tmp_path)
    run = rlplay.train(config, storage=storage)
    saved = json.loads(next(tmp_path.rglob("config.json")).read_text())
    assert saved["env_config"]["blocks"] == ["compass"]
    assert saved["reward_config"]["function"] == "potential"
    result = rlplay.evaluate(run.run_id, episodes=2, storage=storage)
    assert len(result.scores) == 2
    listed = storage.list_replays("snake", run.run_id)
    replay = storage.load_replay("snake", run.run_id, listed[0]["replay_id"])
    assert len(list(replay.frames())) > 1
    # In another kernel, where the cell was not run.
    del OBSERVATION_REGISTRY["compass"]
    assert storage.load_config("snake", run.run_id).env_config["blocks"] == ["compass"]
    with pytest.raises(UnknownObservation, match=r"@rlplay.register_observation\('compass', ...\)"):
        rlplay.evaluate(run.run_id, episodes=2, storage=storage)
    rlplay.register_observation("compass", lambda facts: facts["head"] * 0, size=2)
    del REWARD_REGISTRY["potential"]
    with pytest.raises(UnknownReward, match=r"@rlplay.register_reward\('potential'\)"):
        rlplay.evaluate(run.run_id, episodes=2, storage=storage)


def test_defining_it_again_is_for_the_next_board():
    rlplay.register_reward("constant", lambda t: t.rewards * 0 + 1)
    old = rlplay.create_vector_env("snake", 2, {"function": "constant"})
    rlplay.register_reward("constant", lambda t: t.rewards * 0 + 2)
    new = rlplay.create_vector_env("snake", 2, {"function": "constant"})
    old.reset(seed=0), new.reset(seed=0)
    old.set_rewards({"apple": 3})
    assert old.step([0, 0])[1].tolist() == [1, 1]
    assert new.step([0, 0])[1].tolist() == [2, 2]


def test_the_function_stays_while_a_session_runs(tmp_path: Path):
    config = rlplay.get_default_config("ppo", "snake").replace(
        num_envs=4, num_threads=1, network_config={"layers": [{"units": 8}]}
    )
    session = rlplay.TrainingSession(config, rlplay.StorageManager(tmp_path))
    session.update_rewards(function="potential")  # before it runs, it may
    session.start()
    try:
        session.update_rewards(apple=2, function="potential")
        with pytest.raises(ConfigError, match="start a new run"):
            session.update_rewards(function=None)
    finally:
        session.stop()
        session.wait(30)
    assert session.config.reward_config["function"] == "potential"


def test_a_run_with_them_is_stopped_and_goes_on(tmp_path: Path):
    storage = rlplay.StorageManager(tmp_path)
    config = rlplay.get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 5, "vision": 1, "blocks": ["compass"]},
        reward_config={"function": "potential"},
        network_config={"layers": [{"units": 8}]},
        num_envs=4,
        num_threads=1,
        total_steps=2_000,
        hyperparams={"num_steps": 16, "num_minibatches": 2},
    )
    whole = rlplay.train(config, storage=storage)
    session = rlplay.TrainingSession(config, storage)
    session.start()
    session.pause()
    session.step()
    session.stop()
    session.wait(60)
    again = rlplay.TrainingSession.resume_run("snake", session.run_id, storage)
    again.start()
    again.wait(60)
    assert again.snapshot().total_steps == 2_000
    assert again.config.reward_config["function"] == "potential"
    weights = [
        rlplay.load_agent(run_id, storage=storage).get_weights()
        for run_id in (whole.run_id, session.run_id)
    ]
    for name, tensor in weights[0].items():
        assert np.array_equal(tensor.numpy(), weights[1][name].numpy()), name


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda t: 1.0, "one number for each board: (2,). One number for all boards"),
        (lambda t: None, "is there a return at its end?"),
        (lambda t: t.rewards[:, None], "an array of shape (2, 1)"),
        (lambda t: 1.0 if t.terminated else 0.0, "write np.where(condition, a, b) in place of if"),
        (lambda t: t.rewards / 0 * 0, "gave nan on board 0, not a finite number"),
        (lambda t: t.facts["aple"], "There is no fact 'aple'."),
        (lambda: 0, "takes one argument (t)"),
        (lambda t: "much", "gave str, not numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_wrong_reward_says_what_is_wrong_with_it(function, words):
    rlplay.register_reward("wrong", function)
    vector = rlplay.create_vector_env("snake", 2, {"function": "wrong"})
    vector.reset(seed=0)
    with pytest.raises(ContractError) as caught:
        vector.step([0, 0])
    assert words in str(caught.value)
    assert str(caught.value).startswith("Reward 'wrong' ")


def test_what_comes_in_cannot_be_changed():
    def greedy(t):
        t.rewards[:] = 5
        return t.rewards

    rlplay.register_reward("greedy", greedy)
    env = rlplay.create_env("snake", {"function": "greedy"})
    env.reset(seed=0)
    with pytest.raises(
        ContractError, match=r"in the line `t.rewards\[:\] = 5`.*compute a new array"
    ):
        env.step(0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "size = 0 is not allowed"),
        ({"size": True}, "size = True is not allowed"),
        ({"size": 2, "labels": ["one"]}, "2 numbers and 1 labels"),
        ({"size": 1, "low": 2}, "is no range"),
    ],
)
def test_a_block_that_cannot_be_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        rlplay.register_observation("block", lambda facts: 0, **options)


def test_names_are_of_any_script():
    rlplay.register_reward("награда", lambda t: t.rewards)
    rlplay.register_observation("奖励", lambda facts: facts["hunger"], size=1)
    assert rlplay.create_env("snake", {"function": "награда"}, blocks=["奖励"]).get_metadata()


def test_a_block_needs_a_name_of_its_own():
    rlplay.register_observation("food", lambda facts: facts["hunger"], size=1)
    with pytest.raises(ConfigError, match="has a block 'food' of its own"):
        rlplay.create_env("snake", blocks=["food"])
    with pytest.raises(ConfigError, match="names one twice"):
        rlplay.create_env("snake", blocks=["compass", "compass"])
    with pytest.raises(ContractError, match=r'write @register_reward\("mine"\) above def mine'):

        @rlplay.register_reward
        def mine(t):
            return t.rewards


def test_blocks_are_named_on_the_command_line_too():
    config = rlplay.get_default_config().replace(env_config={"blocks": "compass, other"})
    assert config.env_config["blocks"] == ["compass", "other"]


def test_only_an_environment_with_facts_allows_blocks():
    class Mute(Walk):
        get_facts = BaseEnvironment.get_facts

    rlplay.register_env("mute", Mute)
    with pytest.raises(ConfigError, match="no option 'blocks'"):
        rlplay.create_env("mute", blocks=["compass"])
    # A reward function sees what everybody sees.
    rlplay.register_reward("up", lambda t: t.next_observations[:, 0] - t.observations[:, 0])
    env = rlplay.create_env("mute", {"function": "up"})
    env.reset(seed=0)
    assert env.step(1)[1] == 0.25


def test_they_are_listed_for_the_environment_that_they_are_for():
    rlplay.register_reward("walks", lambda t: t.rewards, envs=["walk"])
    assert rlplay.list_rewards("snake") == ["potential"]
    assert rlplay.list_rewards("walk") == ["potential", "walks"]
    assert rlplay.list_observations("snake") == ["compass"]
    assert rlplay.list_observations("walk") == []
    assert rlplay.list_observations() == ["compass"]

"""The registry of environments, and the contract that every registered one keeps."""

import json
import re

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from pydantic import BaseModel, ConfigDict, Field

from rlplay.agents import register_agent
from rlplay.envs import (
    ENV_REGISTRY,
    BaseEnvironment,
    check_environment,
    create_env,
    create_vector_env,
    get_env_spec,
    list_environments,
    register_env,
)
from rlplay.envs.snake import SnakeEnv, SnakeVectorEnv
from rlplay.envs.vector import Vectorised
from rlplay.errors import ConfigError, ContractError, UnknownEnvironment

NAMES = sorted(ENV_REGISTRY)


class CoinConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    throws: int = Field(5, ge=1, le=100)


class CoinRewards(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    right: float = 1.0


class Coin(BaseEnvironment):
    """Guess a coin
    that is thrown.

    More about it.
    """

    config_model = CoinConfig
    reward_model = CoinRewards

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        super().reset(seed=seed)
        self.left = self.config.throws
        return np.zeros(1, np.float32), {"episode_seed": seed}

    def step(self, action):
        self.left -= 1
        side = int(self.np_random.integers(2))
        reward = self.rewards.right if action == side else 0.0
        return np.array([side], np.float32), reward, self.left == 0, False, {}

    def render_state(self):
        return {"left": self.left}


@pytest.fixture
def registry():
    """Undo what a test registers."""
    before = dict(ENV_REGISTRY)
    yield ENV_REGISTRY
    for name in set(ENV_REGISTRY) - set(before):
        gymnasium.registry.pop(ENV_REGISTRY[name].gymnasium_id, None)
    ENV_REGISTRY.clear()
    ENV_REGISTRY.update(before)


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_passes_gymnasiums_check(name):
    check_env(create_env(name, render_mode="rgb_array"), skip_render_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_keeps_our_contract(name):
    report = check_environment(name, num_steps=1_200)  # an episode of the bandit has 1 000
    assert report, report
    assert "the same seed and actions give the same episodes" in report.kept
    assert "final_obs is one dense array with the mask _final_obs" in report.kept


@pytest.mark.parametrize("name", NAMES)
def test_a_state_from_before_the_first_reset_needs_a_reset_elsewhere_too(name):
    fresh, other = create_env(name), create_env(name)
    other.reset(seed=0)
    other.set_state(fresh.get_state())
    with pytest.raises(ContractError, match="reset"):
        other.step(0)


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_makes_every_environment(name):
    spec = get_env_spec(name)
    env = gymnasium.make(spec.gymnasium_id)
    assert isinstance(env.unwrapped, spec.env)
    env.reset(seed=0)
    assert len(env.step(env.action_space.sample())) == 5
    many = gymnasium.make_vec(spec.gymnasium_id, num_envs=3)
    assert many.reset(seed=0)[0].shape == (3, *env.observation_space.shape)
    assert many.step(many.action_space.sample())[1].shape == (3,)


def test_gymnasium_passes_options_on():
    env = gymnasium.make("rlplay/Snake-v0", grid_size=6, reward_config={"apple": 3})
    assert env.unwrapped.config.grid_size == 6
    assert env.unwrapped.rewards.apple == 3
    many = gymnasium.make_vec("rlplay/Snake-v0", num_envs=2, grid_size=6)
    assert isinstance(many.unwrapped, SnakeVectorEnv)
    assert many.unwrapped.config.grid_size == 6
    with pytest.raises(ConfigError, match="grid_size"):
        gymnasium.make("rlplay/Snake-v0", grid_size=2)


def test_environments_are_listed_for_people_and_forms():
    listed = {entry["name"]: entry for entry in list_environments()}
    assert {name for name in listed if not name.startswith("gymnasium:")} == set(NAMES)
    assert json.loads(json.dumps(listed, allow_nan=False)) == listed
    assert listed["snake"]["title"] == "Snake"
    assert listed["snake"]["metadata"]["options"]["grid_size"]["maximum"] == 64


def test_an_environment_is_registered_by_a_call_and_trains_in_our_vectoriser(registry):
    assert register_env("coin toss", Coin, title="Coin") is Coin
    spec = get_env_spec("coin toss")
    assert spec.description == "Guess a coin that is thrown."
    assert spec.plain_models == (CoinConfig, CoinRewards)
    assert spec.config_model is CoinConfig
    assert issubclass(spec.reward_model, CoinRewards)
    assert spec.gymnasium_id == "rlplay/CoinToss-v0"
    env = create_vector_env("coin toss", 4, {"right": 2}, throws=3)
    assert isinstance(env, Vectorised)
    env.reset(seed=0)
    for _ in range(3):
        infos = env.step(np.zeros(4, np.int64))[-1]
    assert infos["_final_info"].all()
    assert set(infos["final_info"]["score"].tolist()) <= {0.0, 2.0, 4.0, 6.0}
    assert [env.ending_names[code] for code in infos["final_info"]["ending"]] == ["terminated"] * 4
    assert str(check_environment("coin toss")) == "Environment 'coin toss' keeps its contract."
    check_env(gymnasium.make("rlplay/CoinToss-v0").unwrapped, skip_render_check=True)


def test_registering_again_replaces(registry):
    @register_env("coin")
    class First(Coin):
        pass

    @register_env("coin", version=2)
    class Second(Coin):
        pass

    assert isinstance(create_env("coin"), Second)
    assert get_env_spec("coin").version == 2
    assert issubclass(First, Coin)


@pytest.mark.parametrize("name", ["", "!?", " ", None, 5, "x" * 65, "a\nb"])
def test_a_name_needs_a_letter(registry, name):
    with pytest.raises(ConfigError, match="An environment cannot be named"):
        register_env(name, Coin)
    with pytest.raises(ConfigError, match="An algorithm cannot be named"):
        register_agent(name)


def test_a_folder_needs_a_latin_letter(registry):
    with pytest.raises(ConfigError, match="its runs are kept in a folder of that name"):
        register_env("змея", Coin)


def test_only_environments_can_be_registered(registry):
    with pytest.raises(ContractError, match="BaseEnvironment"):
        register_env("thing", gymnasium.Env)
    assert "thing" not in registry


@pytest.mark.parametrize("name", ["snake", "gridworld", "gymnasium:CartPole-v1"])
def test_what_rlplay_brings_is_not_replaced(registry, name):
    before = dict(registry)
    with pytest.raises(ConfigError, match="is an environment of rlplay's own"):
        register_env(name, Coin)
    assert registry == before


def test_the_decorator_needs_brackets(registry):
    with pytest.raises(ContractError, match=r'write @register_env\("coin"\) above class Coin'):
        register_env(Coin)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(UnknownEnvironment, match=r"'snke'.*Did you mean 'snake'.*Available: "):
        create_env("snke")
    with pytest.raises(UnknownEnvironment, match="Available"):
        create_vector_env(["snake"], 2)


@pytest.mark.parametrize("num_envs", [0, -1, 1.5, True, "2"])
def test_impossible_numbers_of_boards_are_refused(num_envs):
    with pytest.raises(ConfigError, match="num_envs"):
        create_vector_env("snake", num_envs)


class Sleepwalker(Coin):
    """Draws from a generator that no seed reaches."""

    hidden = np.random.default_rng(0)

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, float(self.hidden.random()), *rest


class Liar(Coin):
    """Leaves its observation space."""

    def step(self, action):
        return np.array([2.0], np.float32), *super().step(action)[1:]


class Forgetful(Coin):
    """Does not say which episode it plays."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {}


class Mute(Coin):
    """Has a state that JSON cannot hold."""

    def render_state(self):
        return {"left": np.int64(self.left)}


class Amnesiac(Coin):
    """Restores the count, but not the generator."""

    def get_state(self):
        return {"left": self.left}

    def set_state(self, state):
        self.left = state["left"]


class Nan(Coin):
    """Pays what is no number."""

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, float("nan"), *rest


class Boaster(Coin):
    """Promises another observation than it gives."""

    @classmethod
    def get_spaces(cls, config):
        return gymnasium.spaces.Box(0, 1, (99,), np.float32), gymnasium.spaces.Discrete(2)


class Storyteller(Coin):
    """Tells of another game than it is."""

    @classmethod
    def describe(cls, config):
        return super().describe(config) | {"actions": ["heads", "tails", "edge"]}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Sleepwalker, "two different episodes"),
        (Liar, "outside the observation_space"),
        (Forgetful, "episode_seed"),
        (Mute, "render_state.* not JSON-serialisable"),
        (Amnesiac, "did not continue exactly"),
        (Nan, "not a finite number"),
        (Boaster, "get_spaces gave other spaces"),
        (Storyteller, "describe gave other metadata"),
    ],
)
def test_broken_promises_are_named(env, message):
    report = check_environment(env)
    assert not report
    assert re.search(message, str(report))
    assert str(report).startswith(f"Environment {env.__name__} has 1 problem:\n1. ")
    assert report == check_environment(env())


def test_a_kept_contract_is_reported():
    report = check_environment(SnakeEnv())
    assert report.ok
    assert "set_state continues exactly where get_state was called" in report.kept
    assert "get_spaces gives the spaces that an environment of these options has" in report.kept
    assert "describe gives the metadata that an environment of these options has" in report.kept
    assert len(report.kept) == len(set(report.kept))

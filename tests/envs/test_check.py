"""What the checks say of typical mistakes in somebody's own environment, block or reward."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import rlplay
from rlplay.envs import OBSERVATION_REGISTRY, REWARD_REGISTRY
from rlplay.envs.base import BaseEnvironment


@pytest.fixture(autouse=True)
def clean() -> Any:
    kept = [(registry, dict(registry)) for registry in (OBSERVATION_REGISTRY, REWARD_REGISTRY)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


class Line(BaseEnvironment):
    """A walk on a line, as it should be."""

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.board = np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.board[:] = 0.1 * self.np_random.integers(3), 0
        return self.see(), {"episode_seed": seed}

    def step(self, action):
        self.board[0] += 0.1 if action else -0.1
        self.board[1] += 0.05
        ended = bool(abs(self.board[0]) > 0.9)
        return self.see(), float(self.board[0]), ended, bool(self.board[1] > 0.9), {}

    def see(self):
        return self.board.copy()

    def render_state(self):
        return {"place": float(self.board[0])}


class SameObject(Line):
    def see(self):
        return self.board


class ArrayReward(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class OldApi(Line):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated or truncated, info


class OnlyObservation(Line):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class Forgot(Line):
    def step(self, action):
        super().step(action)


class WrongDtype(Line):
    def see(self):
        return self.board.astype(np.float64)


class WrongShape(Line):
    def see(self):
        return self.board[None].copy()


class AList(Line):
    def see(self):
        return self.board.tolist()


class TooFar(Line):
    def see(self):
        return self.board * 20


class NotANumber(Line):
    def see(self):
        return np.full(2, np.nan, np.float32)


class NumberAsFlag(Line):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, int(terminated), truncated, info


class GlobalChance(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + random.random(), *rest


class NumpyChance(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + np.random.rand(), *rest  # noqa: NPY002


class Leftover(Line):
    games = 0

    def reset(self, *, seed=None, options=None):
        self.games += 1
        observation, info = super().reset(seed=seed)
        return (observation + np.float32(0.001 * self.games)).astype(np.float32), info


class SharedState(Line):
    history: list[int] = []  # noqa: RUF012 (that is the mistake)

    def reset(self, *, seed=None, options=None):
        self.history.clear()
        return super().reset(seed=seed)

    def step(self, action):
        self.history.append(action)
        observation, _, *rest = super().step(action)
        return observation, float(len(self.history)), *rest


class NoSpace(Line):
    def __init__(self, config=None, rewards=None, *, render_mode=None):
        BaseEnvironment.__init__(self, config, rewards, render_mode=render_mode)
        self.action_space = spaces.Discrete(2)


class Crash(Line):
    def step(self, action):
        return self.bord


class NumpyState(Line):
    def render_state(self):
        return {"place": self.board}


class NoSeed(Line):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {}


class Growing(Line):
    def get_facts(self):
        return {"past": np.arange(int(self.board[1] * 20))}


class Amnesia(Line):
    def get_state(self):
        return {"board": self.board}

    def set_state(self, state):
        self.board[:] = state["board"]


class TextScore(Line):
    score: Any = "a"

    def step(self, action):
        return *super().step(action)[:4], {"score": self.score}


class NanScore(TextScore):
    score = float("nan")


class NumberedReason(Line):
    def step(self, action):
        return *super().step(action)[:4], {"death_reason": 5}


MISTAKES = [
    (TextScore, "info[\"score\"] = 'a', not a finite number"),
    (NanScore, 'info["score"] = nan, not a finite number'),
    (NumberedReason, 'info["death_reason"] = 5: give a word, such as "wall", or None'),
    (
        SameObject,
        "the old observation object again and changed it: what was [0.2 0. ] became [0.3",
    ),
    (ArrayReward, "a reward that is an array of shape (1,)"),
    (OldApi, "step gave a tuple of 4"),
    (OnlyObservation, "reset gave ndarray, not (observation, info)"),
    (Forgot, "step gave None, not (observation, reward"),
    (WrongDtype, "it is float64, and the space float32: write np.array(..., np.float32)"),
    (WrongShape, "it has the shape (1, 2), and the space (2,)"),
    (AList, "list, not an array: return np.array(..., np.float32)"),
    (TooFar, "and the space goes from -1 to 1 there: scale it, or widen the space"),
    (NotANumber, "it holds NaN"),
    (NumberAsFlag, "step gave terminated = 0 (int), not True or False: write bool(...)"),
    (GlobalChance, "the code draws from np.random or random, the generators of the whole kernel"),
    (NumpyChance, "the code draws from np.random or random, the generators of the whole kernel"),
    (Leftover, "something is left over from the episode before"),
    (SharedState, "boards share state. Likely a list or an array stands in the class body"),
    (NoSpace, "self.observation_space is None, not a gymnasium space: set it in __init__"),
    (Crash, "AttributeError: 'Crash' object has no attribute 'bord' (in the line `return self.bor"),
    (NumpyState, "render_state() is not JSON-serialisable"),
    (NoSeed, """reported info["episode_seed"] = None: return the seed in the info"""),
    (Growing, "get_facts gave other names or shapes at another time"),
    (Amnesia, "or gives an array that the game goes on changing (copy it)"),
]


@pytest.mark.parametrize(("env", "words"), MISTAKES, ids=[env.__name__ for env, _ in MISTAKES])
def test_a_mistake_in_an_environment_is_named(env, words):
    report = rlplay.check_environment(env)
    assert not report.ok
    assert words in str(report)
    assert len(report.problems) == 1
    assert str(report).startswith(f"Environment {env.__name__} has 1 problem:\n1. ")
    assert str(report) == str(rlplay.check_environment(env()))


def test_a_good_environment_prints_one_line():
    report = rlplay.check_environment(Line)
    assert report
    assert repr(report) == "Environment Line keeps its contract."
    assert "boards do not disturb each other" in report.kept


class Endless(Line):
    def step(self, action):
        observation, reward, *_ = super().step(action)
        self.board[1] = 0
        return np.clip(observation, -1, 1), reward, False, False, {}


class Fell(Line):
    def step(self, action):
        *result, ended, truncated, _ = super().step(action)
        return *result, ended, truncated, {"death_reason": "fell" if ended else None}


class Thrust(Line):
    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)

    def step(self, action):
        return super().step(action[0] > 0)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (Endless, "no episode ended in 200 random steps. One that never ends is never counted"),
        (Fell, "an episode ended by 'fell', which is not in ending_names"),
        (Thrust, "use spaces.Discrete to train it"),
    ],
)
def test_what_is_no_mistake_is_a_note(env, words):
    report = rlplay.check_environment(env)
    assert report.ok, report
    (remark,) = report.remarks
    assert words in remark
    assert f"Note: {remark}" in str(report)


@pytest.mark.parametrize("thing", [int, spaces.Discrete(2), None])
def test_what_is_no_environment_is_no_exception(thing):
    assert "does not derive from rlplay.BaseEnvironment" in str(rlplay.check_environment(thing))


def test_the_mistake_is_found_by_name_too():
    rlplay.register_env("crash", Crash)
    try:
        assert "has no attribute 'bord'" in str(rlplay.check_environment("crash"))
    finally:
        del rlplay.ENV_REGISTRY["crash"]


# Functions ---------------------------------------------------------------------------------------

_memory = [0.0]


def remembers(argument: Any) -> Any:
    _memory[0] += 1
    count = len(argument["observation"] if isinstance(argument, dict) else argument.rewards)
    return np.full(count, _memory[0] / 1e6)


BLOCKS = [
    (lambda f: f["length"], {"size": 1}, "and it is registered to go from -1 to 1: scale it"),
    (lambda f: f["head"], {"size": 3}, "(4, 2); it must give its size for each board: (4, 3)"),
    (lambda f: f["lenght"], {"size": 1}, "no fact 'lenght'. Did you mean 'length'?"),
    (lambda f: f["length"] / f["length"].max(), {"size": 1}, "Likely a sum, mean or maximum"),
    (lambda f: np.random.rand(len(f["length"])), {"size": 1}, "it draws random numbers"),  # noqa: NPY002
    (remembers, {"size": 1}, "or remembers something from call to call"),
    (lambda f: None, {"size": 1}, "is there a return at its end?"),
    (lambda f: 1 if f["length"] > 2 else 0, {"size": 1}, "np.where(condition, a, b)"),
    (lambda f: np.log(f["length"] - 1.0), {"size": 1}, "not a finite number"),
]


@pytest.mark.parametrize(("function", "options", "words"), BLOCKS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_mistake_in_a_block_is_named(function, options, words):
    rlplay.register_observation("mine", function, **options)
    report = rlplay.check_observation("mine", num_steps=60)
    assert not report
    assert words in str(report)
    assert len(report.problems) == 1


REWARDS = [
    (lambda t: t.rewards.sum(), "did you sum over all boards? Sum over axis=1"),
    (lambda t: t.rewards - t.rewards.mean(), "boards are mixed"),
    (lambda t: t.rewards + np.random.rand(len(t.rewards)), "it draws random numbers"),  # noqa: NPY002
    (remembers, "or remembers something from call to call"),
    (lambda t: -1 if t.terminated else 0, "write np.where(condition, a, b) in place of if"),
    (lambda t: t.reward, "'Transition' object has no attribute 'reward'"),
    (
        lambda t: t.rewards[:2],
        "an array of shape (2,); it must give one number for each board: (4,)",
    ),
]


@pytest.mark.parametrize(("function", "words"), REWARDS)
def test_a_mistake_in_a_reward_is_named(function, words):
    rlplay.register_reward("mine", function)
    report = rlplay.check_reward(function, num_steps=60)
    assert not report
    assert words in str(report)
    assert len(report.problems) == 1


@pytest.mark.parametrize("function", [lambda t: t.rewards, lambda t: t.terminated])
def test_a_reward_may_be_what_came_in(function):
    rlplay.register_reward("mine", function)
    assert rlplay.check_reward(function, num_steps=60)


def test_good_functions_print_one_line():
    @rlplay.register_observation("near", size=1, low=0)
    def near(facts):
        return np.abs(facts["food"] - facts["head"]).sum(axis=1) / (2 * facts["grid_size"])

    @rlplay.register_reward("even")
    def even(t):
        return np.where(t.next_facts["length"] > t.facts["length"], 2.0, -0.01)

    assert str(rlplay.check_observation(near)) == "Observation block near keeps its contract."
    assert str(rlplay.check_observation("near")) == "Observation block 'near' keeps its contract."
    assert str(rlplay.check_reward("even")) == "Reward 'even' keeps its contract."
    rlplay.register_reward("even", lambda t: t.rewards * 0)
    assert "Note: it paid 0 on every board" in str(rlplay.check_reward("even"))


def test_what_is_not_registered_says_so():
    report = rlplay.check_observation(lambda facts: facts)
    assert "put @rlplay.register_observation(...) above the function" in str(report)
    assert "It is not registered" in str(rlplay.check_reward("nothing"))

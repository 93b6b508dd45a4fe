from __future__ import annotations

import base64
import io

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from PIL import Image

import rlplay
from rlplay.agents.planning import policy_iteration, value_iteration
from rlplay.envs import ENV_REGISTRY
from rlplay.envs.gridworld import MAPS, MOVES
from rlplay.envs.onehot import OneHot
from rlplay.errors import ConfigError, ContractError


class Draws:
    """A generator that gives what the test says."""

    def __init__(self, value: float):
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.mark.parametrize("name", MAPS)
def test_every_map_keeps_the_contract(name):
    env = rlplay.create_env("gridworld", map=name, slip=0.2)
    report = rlplay.check_environment(env)
    assert report, report
    assert len(report.kept) >= 14
    check_env(rlplay.create_env("gridworld", map=name), skip_render_check=True)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == (24 * len(env.rows), 24 * len(env.rows[0]), 3)


def test_the_registered_name_keeps_the_contract_also_with_many_boards():
    report = rlplay.check_environment("gridworld")
    assert report, report
    assert "final_obs is one dense array with the mask _final_obs" in report.kept


@pytest.mark.parametrize("name", MAPS)
def test_the_model_says_what_steps_do(name):
    slip = 0.3
    env = rlplay.create_env("gridworld", {"step": -0.5, "cells": {"1,0": 2.5}}, map=name, slip=slip)
    model = env.get_model()
    assert model.cells[model.start] == env._start
    shares = ((0.05, slip / 2), (0.2, slip / 2), (0.9, 1 - slip))  # a draw in each range
    for state, cell in enumerate(model.cells):
        if model.terminal[state]:
            assert not model.probabilities[state].any()
            continue
        for action in range(len(MOVES)):
            seen = np.zeros(len(model.cells))
            paid = np.zeros(len(model.cells))
            for draw, share in shares:
                env.reset(seed=0)
                env._at, env._generator = cell, Draws(draw)
                observation, reward, terminated, _, _ = env.step(action)
                following = int(observation.argmax())
                seen[following] += share
                paid[following] += share * reward
                assert terminated == model.terminal[following]
            np.testing.assert_allclose(model.probabilities[state, action], seen, atol=1e-12)
            expected = model.probabilities[state, action] * model.rewards[state, action]
            np.testing.assert_allclose(expected, paid, atol=1e-12)


def test_the_outcomes_of_an_action_are_those_of_the_model():
    env = rlplay.create_env("gridworld", {"step": -0.5}, map="cliff", slip=0.2)
    model = env.get_model()
    outcomes = model.outcomes(model.start, 1)
    assert outcomes == [
        (pytest.approx(0.1), model.cells.index((0, 2)), -0.5),
        (pytest.approx(0.9), model.start, pytest.approx((0.8 * -100.5 + 0.1 * -0.5) / 0.9)),
    ]
    assert all(type(part) in (int, float) for outcome in outcomes for part in outcome)
    assert model.outcomes(int(model.terminal.argmax()), 0) == []


def test_the_values_of_russell_and_norvig():
    env = rlplay.create_env("gridworld", {"step": -0.04}, map="classic", slip=0.2)
    *_, last = value_iteration(env.get_model(), 1.0)
    found = dict(zip(env.cells, last.values, strict=True))
    book = {
        (0, 0): 0.812, (1, 0): 0.868, (2, 0): 0.918,
        (0, 1): 0.762, (2, 1): 0.660,
        (0, 2): 0.705, (1, 2): 0.655, (2, 2): 0.611, (3, 2): 0.388,
    }  # fmt: skip
    for cell, value in book.items():
        assert found[cell] == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("slip", [0.0, 0.1])
def test_both_planners_find_the_same_values(name, slip):
    model = rlplay.create_env("gridworld", {"step": -0.01}, map=name, slip=slip).get_model()
    sweeps = list(value_iteration(model, 0.9))
    *_, other = policy_iteration(model, 0.9)
    last = sweeps[-1]
    np.testing.assert_allclose(last.values, other.values, atol=1e-7)
    # The fixed point of Bellman's equation, computed once more by loops.
    for state in range(len(last.values)):
        backed_up = max(
            sum(
                model.probabilities[state, action, following]
                * (model.rewards[state, action, following] + 0.9 * last.values[following])
                for following in range(len(last.values))
            )
            for action in range(len(MOVES))
        )
        assert last.values[state] == pytest.approx(backed_up, abs=1e-8)
    assert [sweep.number for sweep in sweeps] == list(range(1, len(sweeps) + 1))
    assert [sweep.is_stable for sweep in sweeps] == [False] * (len(sweeps) - 1) + [True]


def test_values_that_grow_for_ever_end():
    model = rlplay.create_env("gridworld", {"step": 1.0}, map="empty").get_model()
    sweeps = list(value_iteration(model, 1.0, max_sweeps=50))
    assert len(sweeps) == 50
    assert not sweeps[-1].is_stable
    with pytest.raises(ConfigError, match=r"discount = 1\.5 is not allowed"):
        next(value_iteration(model, 1.5))


def test_the_cliff_takes_back_to_the_start():
    env = rlplay.create_env("gridworld", {"step": -1.0}, map="cliff")
    env.reset(seed=0)
    observation, reward, terminated, _, _ = env.step(1)
    assert (reward, terminated) == (-101.0, False)
    assert env.render_state()["agent"] == {"x": 0, "y": 3}
    assert observation[env.get_model().start] == 1.0


def test_walls_and_edges_hold():
    env = rlplay.create_env("gridworld", map="classic")
    env.reset(seed=0)
    for action in (3, 2):  # left and down of the corner
        env.step(action)
        assert env.render_state()["agent"] == {"x": 0, "y": 2}
    env.step(0)
    env.step(1)  # the wall
    assert env.render_state()["agent"] == {"x": 0, "y": 1}


def test_a_cells_reward_can_change_while_it_is_played():
    env = rlplay.create_env("gridworld", map="empty")
    env.reset(seed=0)
    assert env.step(1)[1] == 0.0
    env.set_rewards({"cells": {"2,3": -5.0}})
    assert env.step(1)[1] == -5.0


def test_a_map_of_one_row_may_end_with_its_line():
    assert rlplay.create_env("gridworld", map="S.G\n").rows == ("S.G",)


def test_an_episode_is_cut_after_its_steps_and_then_over():
    env = rlplay.create_env("gridworld", map="empty", max_steps=2)
    with pytest.raises(ContractError, match="No episode is running"):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[2:4] == (False, False)
    assert env.step(0)[2:4] == (False, True)
    with pytest.raises(ContractError, match="No episode is running"):
        env.step(0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clasic", "Did you mean 'classic'"),
        ("S.\n...", "Row 2 of the map has 3 characters"),
        ("SS.", "The map has 2 starts"),
        ("...", "The map has 0 starts"),
        ("S.?\n...", r"Row 1 of the map has '\?'"),
        ("S" + "." * 40, "1 to 32 characters"),
    ],
)
def test_a_map_that_cannot_be_played_is_refused(text, reason):
    with pytest.raises(ConfigError, match=reason):
        rlplay.create_env("gridworld", map=text)


@pytest.mark.parametrize("place", ["3", "a,b", "1,-1", "1,2,3"])
def test_a_cell_that_is_no_place_is_refused(place):
    with pytest.raises(ConfigError, match="column,row"):
        rlplay.create_env("gridworld", {"cells": {place: 1.0}})


def test_one_hot_holds_one_state():
    space = OneHot(3)
    assert space.contains(np.array([0, 1, 0], np.float32))
    assert not space.contains(np.array([0.5, 0.5, 0], np.float32))
    assert not space.contains(np.array([1, 1, 0], np.float32))
    space.seed(3)
    assert space.contains(space.sample())
    assert space == OneHot(3) != OneHot(4)


# The bandit --------------------------------------------------------------------------------------


def test_the_bandit_keeps_the_contract():
    report = rlplay.check_environment("bandit")
    assert report, report
    assert "the same seed and actions give the same episodes" in report.kept
    check_env(rlplay.create_env("bandit", drift=0.1), skip_render_check=True)


def test_the_bandit_counts_regret_and_best_pulls():
    env = rlplay.create_env("bandit", arms=3, arms_seed=5, noise=0.0)
    env.reset(seed=1)
    means = env.means
    best, worst = int(means.argmax()), int(means.argmin())
    *_, info = env.step(best)
    assert (info["score"], info["regret"]) == (1, 0.0)
    _, reward, _, _, info = env.step(worst)
    assert reward == means[worst]
    assert info["regret"] == means[best] - means[worst]
    assert info["score"] == 1


def test_arms_stay_with_their_seed_and_drift_where_they_shall():
    fixed = [rlplay.create_env("bandit", arms_seed=7).reset(seed=seed) for seed in range(2)]
    assert len(fixed) == 2
    one, other = (rlplay.create_env("bandit", arms_seed=7) for _ in range(2))
    one.reset(seed=1)
    other.reset(seed=2)
    assert (one.means == other.means).all()
    fresh = rlplay.create_env("bandit", arms_seed=None)
    fresh.reset(seed=1)
    first = fresh.means
    fresh.reset(seed=2)
    assert (first != fresh.means).all()
    drifting = rlplay.create_env("bandit", drift=0.5)
    drifting.reset(seed=1)
    before = drifting.means
    drifting.step(0)
    assert (before != drifting.means).all()


# Gymnasium's own ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Taxi-v4", "Acrobot-v1"])
def test_environments_of_gymnasium_keep_the_contract(name):
    report = rlplay.check_environment(f"gymnasium:{name}")
    assert report, report
    assert "the same seed and actions give the same episodes" in report.kept


def test_a_discrete_observation_is_a_row_of_a_table():
    env = rlplay.create_env("gymnasium:FrozenLake-v1", options={"is_slippery": False})
    assert env.observation_space == OneHot(16)
    observation, _ = env.reset(seed=0)
    assert observation.argmax() == 0
    observation, *_ = env.step(1)
    assert observation.argmax() == 4


def test_where_no_picture_can_be_drawn_the_state_says_why(monkeypatch):
    env = rlplay.create_env("gymnasium:CartPole-v1")
    env.reset(seed=0)

    def fail():
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed")

    monkeypatch.setattr(env.inner, "render", fail)
    state = env.render_state()
    assert "rlplay[gymnasium-classic]" in state["text"]
    assert len(state["observation"]) == 4


class Steps(gymnasium.Env):
    """An environment of somebody's own, as short as it can be."""

    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.at, {}

    def step(self, action):
        self.at += int(action)
        return self.at, 1.0, self.at == 2, False, {}


class TakesTheMode(Steps):
    def __init__(self, render_mode=None):
        self.render_mode = render_mode


class Undrawn(TakesTheMode):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as Gymnasium's own have it


class Drawn(Undrawn):
    def render(self):
        assert self.render_mode == "rgb_array"
        picture = np.zeros((400, 640, 3), np.uint8)
        picture[..., 0] = 50 * self.at
        return picture


@pytest.fixture
def registered():
    """Register an environment with Gymnasium, as long as the test lasts."""
    names = []

    def register(entry_point):
        names.append(f"Mine{len(names)}-v0")
        gymnasium.register(names[-1], entry_point=entry_point, max_episode_steps=20)
        return f"gymnasium:{names[-1]}"

    yield register
    for name in names:
        gymnasium.registry.pop(name, None)
        ENV_REGISTRY.pop(f"gymnasium:{name}", None)


@pytest.mark.parametrize(
    "own",
    [Steps, TakesTheMode, Undrawn, lambda: Steps()],
    ids=["no render_mode", "no metadata", "no render", "a function"],
)
def test_what_cannot_be_drawn_trains_and_says_why(registered, own):
    name = registered(own)
    env = rlplay.create_env(name)
    env.reset(seed=0)
    env.step(1)
    state = env.render_state()
    assert "draws no picture. For one, its __init__ takes render_mode" in state["text"]
    assert state["observation"] == [0, 1, 0]
    config = rlplay.get_default_config("q-learning", name).replace(num_envs=2)
    assert rlplay.train(config, steps=40, progress=False).state is rlplay.SessionState.FINISHED


def test_one_that_gymnasium_has_no_more_hides_none_of_the_others(registered):
    name = registered(Steps)
    rlplay.create_env(name)
    assert name in {entry["name"] for entry in rlplay.list_environments()}
    del gymnasium.registry[name.removeprefix("gymnasium:")]
    listed = {entry["name"] for entry in rlplay.list_environments()}
    assert name not in listed
    assert "snake" in listed


def test_the_picture_of_an_environment_is_its_own(registered):
    env = rlplay.create_env(registered(Drawn))
    env.reset(seed=0)
    env.step(1)
    assert env.render()[0, 0].tolist() == [50, 0, 0]
    state = env.render_state()
    picture = Image.open(io.BytesIO(base64.b64decode(state["png"])))
    assert picture.size == (320, 200)
    assert picture.getpixel((0, 0)) == (50, 0, 0)


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1"])
def test_networks_train_on_environments_of_gymnasium(algo, name):
    config = rlplay.get_default_config(algo, f"gymnasium:{name}")
    short = {"dqn": {"learning_starts": 64, "batch_size": 16}, "ppo": {"num_steps": 32}}
    config = config.replace(num_envs=4, hyperparams=short[algo])
    session = rlplay.train(config, steps=512, progress=False)
    assert session.state is rlplay.SessionState.FINISHED
    snapshot = session.snapshot()
    assert snapshot.total_steps >= 512
    columns, _, _ = session.monitor.history()
    assert np.isfinite(columns["loss"][-1])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gymnasium:CartPol-v1", "Did you mean 'CartPole-v1'"),
        ("gymnasium:os:CartPole-v1", "no module"),
        ("gymnasium:", "no module"),
        ("gymnasium:../x", "Gymnasium has"),
    ],
)
def test_what_gymnasium_does_not_have_is_refused(name, reason):
    with pytest.raises(rlplay.RlplayError, match=reason):
        rlplay.create_env(name)


def test_what_agents_here_cannot_do_is_refused():
    with pytest.raises(ContractError, match="Discrete"):
        rlplay.create_env("gymnasium:Pendulum-v1")
    with pytest.raises(ConfigError, match="Gymnasium cannot make"):
        rlplay.create_env("gymnasium:FrozenLake-v1", options={"nothing": 1})

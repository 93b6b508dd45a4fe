"""Our own vectoriser against boards that are stepped by hand, and against the native one."""

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from rlplay.envs import BaseEnvironment
from rlplay.envs.snake import SnakeConfig, SnakeEnv, SnakeRewards, SnakeVectorEnv
from rlplay.envs.vector import Vectorised
from rlplay.errors import ConfigError, ContractError
from rlplay.seeding import splitmix64


class Corridor(BaseEnvironment):
    """Walk right to reach the end; a random length; the time limit cuts, the wind may end."""

    ending_names = ("truncated", "terminated")

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 20, (2,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(3, 9))
        self.place = self.time = 0
        return self.observe(), {"episode_seed": seed, "place": 0}

    def step(self, action):
        self.time += 1
        self.place = max(0, self.place + (1 if action else -1))
        blown = self.np_random.random() < 0.05
        info = {"place": self.place}
        if blown:
            info["death_reason"] = "wind"
        elif self.place == self.length:
            info["won"] = True
        terminated = blown or self.place == self.length
        return self.observe(), 0.5 * self.place, terminated, self.time >= 10, info

    def observe(self):
        return np.array([self.place, self.length], np.float32)

    def render_state(self):
        return {"place": self.place}


class HandStepped:
    """One board of the vectoriser, spelled out."""

    def __init__(self, seed):
        self.env, self.stream = Corridor(), seed
        self.start(seed)

    def start(self, seed):
        self.seed, self.steps, self.total = seed, 0, 0.0
        self.observation, _ = self.env.reset(seed=seed)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        self.total += reward
        final = None
        self.observation = observation
        if terminated or truncated:
            ending = info.get("death_reason") or ("won" if info.get("won") else "truncated")
            final = (observation, ending, self.steps, self.total, self.seed, info["place"])
            self.stream, number = splitmix64(self.stream)
            self.start(number >> 33)
        return reward, terminated, truncated, final


def test_the_vectoriser_equals_boards_stepped_by_hand():
    env = Vectorised(Corridor, 5)
    boards = [HandStepped(40 + i) for i in range(5)]
    observations, infos = env.reset(seed=40)
    assert infos["episode_seed"].tolist() == [40, 41, 42, 43, 44]
    generator = np.random.default_rng(0)
    endings = set()
    for _ in range(120):
        np.testing.assert_array_equal(observations, [board.observation for board in boards])
        actions = (generator.random(5) < 0.75).astype(np.int64)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        results = [board.step(int(a)) for board, a in zip(boards, actions, strict=True)]
        assert rewards.tolist() == [result[0] for result in results]
        assert terminated.tolist() == [result[1] for result in results]
        assert truncated.tolist() == [result[2] for result in results]
        assert infos["episode_seed"].tolist() == [board.seed for board in boards]
        assert infos["steps"].tolist() == [board.steps for board in boards]
        assert infos["score"].tolist() == [board.total for board in boards]
        ended = [result[3] is not None for result in results]
        assert ("final_obs" in infos) == any(ended)
        if not any(ended):
            continue
        assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == ended
        final_info = infos["final_info"]
        for i, (_, _, _, final) in enumerate(results):
            if final is None:
                assert not infos["final_obs"][i].any()
                assert final_info["ending"][i] == -1
                continue
            observation, ending, steps, total, seed, place = final
            endings.add(ending)
            np.testing.assert_array_equal(infos["final_obs"][i], observation)
            assert env.ending_names[final_info["ending"][i]] == ending
            assert final_info["death_reason"][i] == ("wind" if ending == "wind" else None)
            assert final_info["won"][i] == (ending == "won")
            assert final_info["steps"][i] == steps
            assert final_info["score"][i] == total
            assert final_info["episode_seed"][i] == seed
            assert final_info["place"][i] == place
    assert endings == {"wind", "won", "truncated"}
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP


def test_the_vectoriser_equals_the_native_vector_form():
    config, rewards = SnakeConfig(grid_size=6, max_steps=40), SnakeRewards(closer=0.1)
    ours, native = Vectorised(SnakeEnv, 6, config, rewards), SnakeVectorEnv(6, config, rewards)
    assert ours.ending_names == native.ending_names
    assert ours.observation_space == native.observation_space
    assert ours.action_space == native.action_space
    np.testing.assert_array_equal(ours.reset(seed=8)[0], native.reset(seed=8)[0])
    generator = np.random.default_rng(0)
    endings = 0
    for _ in range(300):
        actions = generator.choice(3, size=6, p=[0.7, 0.15, 0.15])
        one, other = ours.step(actions), native.step(actions)
        for mine, its in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(mine, its)
        assert ours.render_state(3) == native.render_state(3)
        for name in ("score", "length", "hunger", "steps", "episode_seed"):
            np.testing.assert_array_equal(one[4][name], other[4][name])
        assert ("final_info" in one[4]) == ("final_info" in other[4])
        if "final_info" not in one[4]:
            continue
        np.testing.assert_array_equal(one[4]["final_obs"], other[4]["final_obs"])
        for name, values in other[4]["final_info"].items():
            mine = one[4]["final_info"][name]
            mask = other[4]["_final_info"]
            np.testing.assert_array_equal(mine[mask], values[mask], err_msg=name)
            endings += mask.sum()
    assert endings > 100


def test_a_restored_vectoriser_goes_on_exactly():
    config = SnakeConfig(grid_size=5)
    env, other = Vectorised(SnakeEnv, 3, config), Vectorised(SnakeEnv, 3, config)
    env.reset(seed=1)
    actions = np.random.default_rng(0).integers(3, size=(200, 3))
    for row in actions[:40]:
        env.step(row)
    other.set_state(env.get_state())
    for row in actions[40:]:
        ours, theirs = env.step(row), other.step(row)
        for mine, its in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_array_equal(mine, its)
        for name in ("score", "steps", "episode_seed"):
            np.testing.assert_array_equal(ours[4][name], theirs[4][name])
    np.testing.assert_array_equal(env.reset()[0], other.reset()[0])
    with pytest.raises(ConfigError, match="3 boards"):
        Vectorised(SnakeEnv, 2, config).set_state(env.get_state())


def test_a_game_that_cannot_be_saved_comes_back_by_its_actions():
    env, again = Vectorised(Corridor, 2), Vectorised(Corridor, 2)
    env.reset(seed=0)
    for _ in range(3):
        env.step([1, 0])
    state = env.get_state()
    again.reset(seed=9)
    again.set_state(state)
    assert again.restores_exactly
    for one, other in zip(env.step([1, 1])[:4], again.step([1, 1])[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    state["envs"][1]["seen"] += 1
    again.set_state(state)
    assert not again.restores_exactly


def test_rewards_of_every_board_change():
    env = Vectorised(SnakeEnv, 2, SnakeConfig(grid_size=64))
    env.reset(seed=0)
    env.set_rewards({"step": 0.25})
    assert env.step([0, 0])[1].tolist() == pytest.approx([0.25, 0.25])


class Misfit(Corridor):
    """Gives observations of another shape than it promised."""

    def observe(self):
        return np.zeros(3, np.float32)


def test_misuse_is_named():
    env = Vectorised(Corridor, 2)
    with pytest.raises(ContractError, match="reset"):
        env.step([0, 0])
    env.reset(seed=0)
    with pytest.raises(ContractError, match=r"shape \(2, …\)"):
        env.step([0, 0, 0])
    with pytest.raises(ConfigError, match="3 seeds for 2 boards"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(ContractError, match=r"Misfit gave an observation of shape \(3,\)"):
        Vectorised(Misfit, 2).reset(seed=0)

"""What events pay: numbers by one look-up, formulas on top, on one board and on many."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from gymnasium import spaces
from pydantic import BaseModel, ConfigDict, Field
from reference import ReferenceSnake

from rlplay.config import RunConfig, get_default_config
from rlplay.envs import BaseEnvironment, create_env, create_vector_env
from rlplay.envs.rewards import NumberOrFormula
from rlplay.envs.snake import SnakeConfig, SnakeEnv, SnakeRewards, SnakeVectorEnv
from rlplay.envs.snake.config import EVENTS, REWARD_VARIABLES
from rlplay.envs.vector import Vectorised
from rlplay.errors import ConfigError, ContractError, FormulaError
from rlplay.training.session import TrainingSession

NOTHING = dict.fromkeys((*EVENTS, "step"), 0.0)
SHAPED = {
    "apple": "1 + snake_length / grid_size",
    "win": 7.0,
    "death_wall": "-1 - score",
    "death_self": -2.0,
    "death_starv": "-hunger / starvation_limit",
    "step": "-0.01 * (1 - free_cells / grid_size ** 2)",
    "closer": "0.1 if distance_to_food < 3 else 0.05",
    "farther": "-(distance_to_food - previous_distance_to_food) * 0.125 / max(steps, 1)",
}


def actions_of(num_moves, num_boards, seed=0):
    """Mostly straight on, so that snakes live for a while."""
    draw = np.random.default_rng(seed)
    return draw.choice(3, size=(num_moves, num_boards), p=[0.7, 0.15, 0.15])


def play(env, actions, seed=3):
    """Give the observations (T, N, D) and the rewards (T, N) of a whole play."""
    env.reset(seed=seed)
    observations, paid = [], []
    for row in actions:
        step = env.step(row)
        observations.append(step[0].copy())
        paid.append(step[1].copy())
    return np.array(observations), np.array(paid)


# Numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "digest"),
    [
        ({}, "8a6f50e779fd242e821883666792a3cb41154f98982318c3ec7843816fd4c15f"),
        (
            {"apple": 1.5, "win": 7.0, "death_self": -2.0, "death_starv": -0.25, "step": -0.01,
             "closer": 0.125, "farther": -0.0625, "step_times_hunger": True},
            "13d9a0d27542292f0dfa01080cace09913d638fff765f7b2a104579c8be3d2df",
        ),
    ],
    ids=["default", "changed"],
)  # fmt: skip
def test_numbers_pay_to_the_byte_what_they_always_paid(rewards, digest):
    env = SnakeVectorEnv(64, SnakeConfig(grid_size=6, starvation_limit=15), SnakeRewards(**rewards))
    env.reset(seed=5)
    boards, paid = np.arange(64), hashlib.sha256()
    for move in range(300):
        turns = (17 * boards + 31 * move) // 5 % 11 // 7 * (1 + move % 2)
        paid.update(env.step(turns)[1].astype("<f4").tobytes())
    assert paid.hexdigest() == digest


@pytest.mark.parametrize(("text", "number"), [("2", 2.0), (" -1e-3 ", -0.001), (".5", 0.5)])
def test_a_text_that_is_a_number_becomes_one(text, number):
    rewards = SnakeRewards(apple=text)
    assert rewards.apple == number
    assert type(rewards.apple) is float
    assert rewards == SnakeRewards(apple=number)


@pytest.mark.parametrize("value", [1000.5, "1000.5", "-1e9", "inf", "nan", [1], None])
def test_impossible_numbers_are_refused(value):
    with pytest.raises(ConfigError, match=r"apple = .*Allowed: >= -1000 and <= 1000"):
        create_env("snake", {"apple": value})


# Formulas in a config ----------------------------------------------------------------------------


def test_a_formula_is_kept_as_its_text_through_every_config():
    config = get_default_config("ppo", "snake").replace(reward_config={"step": " -0.01 * hunger "})
    assert config.reward_config["step"] == "-0.01 * hunger"
    assert config.reward_config["apple"] == 1.0
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    events = {name: config.reward_config[name] for name in SnakeRewards.model_fields}
    assert SnakeRewards(**events).model_dump(mode="json") == events


def ways_to_set(rewards):
    """Name all that takes rewards from a person."""
    one, many = create_env("snake"), create_vector_env("snake", 2)
    config = get_default_config("ppo", "snake")
    return {
        "create_env": lambda: create_env("snake", rewards),
        "create_vector_env": lambda: create_vector_env("snake", 2, rewards),
        "set_rewards of one": lambda: one.set_rewards(rewards),
        "set_rewards of many": lambda: many.set_rewards(rewards),
        "a config": lambda: config.replace(reward_config=rewards),
        "update_rewards": lambda: TrainingSession(config).update_rewards(**rewards),
    }


@pytest.mark.parametrize("way", ways_to_set({}))
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scor * 2", r"^Reward 'closer': The formula 'scor \* 2'.*Did you mean 'score'"),
        ("score.real", "'.'"),
        ("10**400", "exponent"),
        ("\u0661", "ARABIC-INDIC DIGIT ONE"),
        ("1" * 201, "201 characters"),
        ("", "empty"),
    ],
)
def test_a_formula_that_cannot_be_used_is_refused_by_name_wherever_it_is_set(way, text, message):
    with pytest.raises(FormulaError, match=message):
        ways_to_set({"closer": text})[way]()


def test_the_documentation_explains_every_variable():
    page = (Path(__file__).parents[2] / "docs" / "extend.md").read_text("utf-8")
    for name, meaning in REWARD_VARIABLES.items():
        assert f"| `{name}` | {meaning} |" in page


def test_forms_find_the_variables_and_the_kinds_of_a_value():
    metadata = json.loads(json.dumps(create_env("snake").get_metadata(), allow_nan=False))
    assert metadata["reward_variables"] == REWARD_VARIABLES
    assert all(metadata["reward_variables"].values())
    apple = metadata["rewards"]["apple"]
    assert apple["type"] == ["number", "string"]
    assert (apple["minimum"], apple["maximum"], apple["maxLength"]) == (-1000, 1000, 200)
    assert (apple["default"], apple["unit"]) == (1.0, "reward")
    assert metadata["rewards"]["step_times_hunger"]["type"] == "boolean"


# What formulas pay -------------------------------------------------------------------------------


def plain_reward(board, before, happened, *, times_hunger):
    """Compute `SHAPED` in plain Python, from a board of the reference after its step."""
    food, head = before
    length, size = len(board.body), board.size
    now = board.distance(board.body[0], food)
    previous = board.distance(head, food)
    worth = {
        "apple": 1 + length / size,
        "win": 7.0,
        "death_wall": -1 - (length - 1),
        "death_self": -2.0,
        "death_starv": -board.hunger / board.limit,
        "closer": 0.1 if now < 3 else 0.05,
        "farther": -(now - previous) * 0.125 / max(board.steps, 1),
    }
    step = -0.01 * (1 - (size**2 - length) / size**2)
    return step * (board.hunger + 1 if times_hunger else 1) + sum(worth[name] for name in happened)


@pytest.mark.parametrize(
    ("starvation_limit", "times_hunger", "rare"), [(14, False, "win"), (4, True, "death_starv")]
)
def test_formulas_pay_what_plain_python_pays(starvation_limit, times_hunger, rare):
    config = SnakeConfig(grid_size=4, starvation_limit=starvation_limit)
    rewards = SnakeRewards(**SHAPED, step_times_hunger=times_hunger)
    env = SnakeVectorEnv(6, config, rewards)
    boards = [ReferenceSnake(config, SnakeRewards(**NOTHING), seed) for seed in range(6)]
    env.reset(seed=0)
    draw, seen = np.random.default_rng(0), set()
    for _ in range(600):
        actions = [board.sensible_action(draw) for board in boards]
        before = [(board.food, board.body[0]) for board in boards]
        scores = [len(board.body) for board in boards]
        expected = []
        for board, action, old, length in zip(boards, actions, before, scores, strict=True):
            board.step(action)
            happened = {"wall": ["death_wall"], "self": ["death_self"], "won": ["win"]}.get(
                board.ending, []
            )
            if len(board.body) > length:
                happened = ["apple", *happened]
            elif board.hunger >= board.limit:
                happened = ["death_starv"]
            elif not happened:
                nearer = board.distance(board.body[0], old[0]) < board.distance(old[1], old[0])
                happened = ["closer" if nearer else "farther"]
            seen.update(happened)
            expected.append(plain_reward(board, old, happened, times_hunger=times_hunger))
        paid = env.step(actions)[1]
        np.testing.assert_allclose(paid, expected, rtol=1e-6)
        for board in boards:
            if board.ending:
                board.start_next()
    assert seen >= {*EVENTS} - {"win", "death_starv"} | {rare}
    assert env.take_reward_problem() is None


def test_one_board_is_paid_to_the_bit_like_the_same_board_among_many():
    config, rewards = SnakeConfig(grid_size=5, starvation_limit=20), SnakeRewards(**SHAPED)
    actions = actions_of(400, 7)
    many = SnakeVectorEnv(7, config, rewards)
    ours = Vectorised(SnakeEnv, 7, config, rewards)
    observations, paid = play(many, actions)
    again, paid_by_ours = play(ours, actions)
    np.testing.assert_array_equal(observations, again)
    assert paid.tobytes() == paid_by_ours.tobytes()
    assert len(np.unique(paid)) > 20

    one = SnakeEnv(config, rewards)
    one.reset(seed=3 + 4)
    for move, action in enumerate(actions[:, 4]):
        _, reward, terminated, truncated, _ = one.step(int(action))
        assert reward == paid[move, 4]
        if terminated or truncated:
            one.reset()


def test_a_changed_formula_changes_the_reward_of_a_recorded_transition():
    config, actions = SnakeConfig(grid_size=6), actions_of(60, 4)
    one = play(SnakeVectorEnv(4, config, SnakeRewards(closer="0.1 * distance_to_food")), actions)
    other = play(SnakeVectorEnv(4, config, SnakeRewards(closer="0.2 * distance_to_food")), actions)
    np.testing.assert_array_equal(one[0], other[0])
    assert (one[1] != other[1]).any()

    env = SnakeVectorEnv(4, SnakeConfig(grid_size=64), SnakeRewards(**NOTHING))
    env.reset(seed=3)
    env.step(actions[0])
    state = env.get_state()
    paid = {}
    for text in ("steps", "steps * 2", 0.0, "steps"):
        env.set_state(state)
        env.set_rewards({"step": text})
        paid[text] = env.step(actions[1])[1].tolist()
    assert paid == {"steps": [2.0] * 4, "steps * 2": [4.0] * 4, 0.0: [0.0] * 4}


def test_potential_based_shaping_telescopes_until_the_snake_eats():
    """With gamma = 1, gamma * phi(next) - phi(previous) adds up to phi(last) - phi(first)."""
    shaping = "-(distance_to_food / grid_size) - -(previous_distance_to_food / grid_size)"
    env = SnakeEnv(SnakeConfig(grid_size=12), SnakeRewards(**{**NOTHING, "step": shaping}))
    draw, parts = np.random.default_rng(0), 0

    def distance():
        state = env.render_state()
        head, food = state["snake_position"][0], state["food_position"]
        return abs(head["x"] - food["x"]) + abs(head["y"] - food["y"])

    for seed in range(40):
        env.reset(seed=seed)
        first, total, moves, ended = distance(), 0.0, 0, False
        while not ended:
            score = env.render_state()["score"]
            _, reward, terminated, truncated, info = env.step(int(draw.integers(3)))
            total, moves, ended = total + reward, moves + 1, terminated or truncated
            if info["score"] > score:
                # The food was reached: nothing is left of the potential.
                assert total == pytest.approx(first / 12, abs=1e-5)
                first, total = distance(), 0.0
                continue
            assert total == pytest.approx((first - distance()) / 12, abs=1e-5)
        parts += moves > 4
    assert parts > 10


def cycle(x, y):
    """Walk through all cells of a 4 x 4 board: up the first column, down in serpentines."""
    path = [(0, row) for row in reversed(range(4))]
    for row in range(4):
        path += [(column, row) for column in (range(1, 4) if row % 2 == 0 else range(3, 0, -1))]
    next_x, next_y = path[(path.index((x, y)) + 1) % 16]
    return {(0, -1): "up", (1, 0): "right", (0, 1): "down", (-1, 0): "left"}[next_x - x, next_y - y]


def test_both_distances_exist_on_eating_on_dying_and_on_a_full_board():
    rewards = {**NOTHING, "apple": "100 + 10 * distance_to_food + previous_distance_to_food",
               "death_wall": "100 + distance_to_food - previous_distance_to_food",
               "win": "200 + distance_to_food + free_cells"}  # fmt: skip
    env = SnakeEnv(SnakeConfig(grid_size=4), SnakeRewards(**rewards))
    wins = 0
    for seed in range(20):
        env.reset(seed=seed)
        ended = False
        while not ended:
            head = env.render_state()["snake_position"][0]
            action = env.action_for_direction(cycle(head["x"], head["y"]))
            _, reward, ended, _, info = env.step(action)
            assert reward in (0.0, 100.0, 101.0, 301.0)  # a win, on top of the last apple
            wins += reward == 301.0
            assert (reward == 301.0) == info["won"]
    assert wins > 5
    assert env.take_reward_problem() is None


# What has no value -------------------------------------------------------------------------------


def test_a_formula_without_a_value_pays_nothing_there_and_says_so_once():
    rewards = SnakeRewards(**{**NOTHING, "step": "1 / ((hunger - 2) * (hunger - 3))"})
    env = SnakeVectorEnv(3, SnakeConfig(grid_size=64), rewards)
    env.reset(seed=0)
    assert env.step([0, 0, 0])[1].tolist() == [0.5] * 3
    assert env.take_reward_problem() is None
    for reward in (0.0, 0.0, 0.5):  # it goes on, and what is told is how it began
        assert env.step([0, 0, 0])[1].tolist() == [reward] * 3
    assert env.take_reward_problem() == (
        "Reward 'step': '1 / ((hunger - 2) * (hunger - 3))' divides by zero where hunger = 2, and "
        "so paid 0 there."
    )
    assert env.take_reward_problem() is None


def test_only_the_board_without_a_value_goes_unpaid():
    config = SnakeConfig(grid_size=64)
    far = SnakeVectorEnv(8, config, SnakeRewards(**{**NOTHING, "step": "distance_to_food"}))
    distances = play(far, [[0] * 8], seed=1)[1][0]
    assert min(distances) < 30 < max(distances)

    rewards = {**NOTHING, "step": "(distance_to_food - 30) ** 0.5", "closer": 4.0, "farther": 4.0}
    env = SnakeVectorEnv(8, config, SnakeRewards(**rewards))
    paid = play(env, [[0] * 8], seed=1)[1][0]
    expected = [4 + (distance - 30) ** 0.5 if distance >= 30 else 4.0 for distance in distances]
    np.testing.assert_allclose(paid, expected, rtol=1e-6)
    first = next(int(distance) for distance in distances if distance < 30)
    assert f"where distance_to_food = {first}, and so" in env.take_reward_problem()


def test_an_event_that_did_not_happen_cannot_fail():
    """Without a value wherever the snake went away, or did not die."""
    closer = "1 / (distance_to_food - previous_distance_to_food - 1)"
    rewards = SnakeRewards(**{**NOTHING, "closer": closer, "death_wall": "1 / 0"})
    env = SnakeVectorEnv(8, SnakeConfig(grid_size=64), rewards)
    assert set(play(env, [[0] * 8], seed=1)[1][0].tolist()) == {-0.5, 0.0}
    assert env.take_reward_problem() is None


def test_set_rewards_forgets_the_problem():
    for env in (create_env("snake"), create_vector_env("snake", 2), Vectorised(SnakeEnv, 2)):
        env.set_rewards({"step": "1 / (steps - 1)"})
        env.reset(seed=0)
        env.step(1 if isinstance(env, SnakeEnv) else [1, 1])
        env.set_rewards({"step": 0.5})
        assert env.take_reward_problem() is None


def test_every_kind_of_environment_keeps_the_problem_until_it_is_taken():
    for env in (create_env("snake"), create_vector_env("snake", 2), Vectorised(SnakeEnv, 2)):
        env.set_rewards({"step": "(steps - 9) ** 0.5"})
        env.reset(seed=0)
        reward = env.step(1 if isinstance(env, SnakeEnv) else [1, 1])[1]
        assert np.isfinite(reward).all()
        assert env.take_reward_problem() == (
            "Reward 'step': '(steps - 9) ** 0.5' takes the square root of a negative number where "
            "steps = 1, and so paid 0 there."
        )
        assert env.take_reward_problem() is None


def test_the_largest_results_together_are_still_a_number():
    rewards = SnakeRewards(**dict.fromkeys((*EVENTS, "step"), "1e30 * 1"), step_times_hunger=True)
    env = SnakeVectorEnv(16, SnakeConfig(grid_size=4), rewards)
    paid = play(env, actions_of(100, 16))[1]
    assert np.isfinite(paid).all()
    assert paid.max() > 2e30
    assert env.take_reward_problem() is None


# An environment of one's own ---------------------------------------------------------------------


class DartRewards(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    hit: Annotated[
        float | str, NumberOrFormula({"distance": "cm from the middle", "throws": "so far"})
    ] = Field(1.0, description="the dart sticks")
    miss: float = Field(-1.0, description="it does not")
    step: Annotated[float | str, NumberOrFormula({"throws": "so far"}, ge=-1, le=1)] = 0.0


class Darts(BaseEnvironment):
    """Throw at a board."""

    reward_model = DartRewards
    event_names = ("hit", "miss")

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 9, (1,), np.float32)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.throws = 0
        return np.zeros(1, np.float32), {"episode_seed": seed}

    def step(self, action):
        self.throws += 1
        event = "hit" if action < 2 else "miss"
        reward = self.pay(event, distance=float(action), throws=self.throws)
        return np.zeros(1, np.float32), reward, self.throws == 3, False, {}

    def render_state(self):
        return {"throws": self.throws}


def test_an_environment_of_ones_own_pays_formulas():
    env = Vectorised(Darts, 3)
    env.reset(seed=0)
    assert env.step([0, 1, 2])[1].tolist() == [1.0, 1.0, -1.0]
    env.set_rewards({"hit": "throws / distance", "step": "-0.5 * throws"})
    assert env.step([0, 1, 2])[1].tolist() == [-1.0, 1.0, -2.0]
    assert env.take_reward_problem() == (
        "Reward 'hit': 'throws / distance' divides by zero where throws = 2, distance = 0, and so "
        "paid 0 there."
    )
    metadata = Darts().get_metadata()
    assert metadata["reward_variables"] == {"distance": "cm from the middle", "throws": "so far"}
    with pytest.raises(ConfigError, match=r"step = 2 .*>= -1 and <= 1"):
        env.set_rewards({"step": 2})
    with pytest.raises(FormulaError, match=r"no variable 'distance'.* Variables: throws\."):
        env.set_rewards({"step": "distance"})


def test_paying_for_what_does_not_exist_is_named():
    env = Darts()
    with pytest.raises(ContractError, match=r"no event 'hitt'.*Did you mean 'hit'.*hit, miss"):
        env.pay("hitt")
    env.set_rewards({"hit": "distance + throws"})
    with pytest.raises(ContractError, match="depend on throws, which was not given"):
        env.pay("hit", distance=1.0)

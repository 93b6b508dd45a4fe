"""The compiled snake against the plain one, and what snake promises on top."""

import itertools
import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from reference import ReferenceSnake

from rlplay.envs import create_env, create_vector_env
from rlplay.envs.compiled import compiled
from rlplay.envs.snake import SnakeConfig, SnakeEnv, SnakeRewards, SnakeVectorEnv
from rlplay.envs.snake.config import CLASSIC, EVENTS
from rlplay.envs.snake.env import Boards
from rlplay.errors import ConfigError, ContractError

NUMBERS = ("score", "length", "hunger", "steps", "episode_seed")
DEATHS = ("wall", "self", "starvation")
VALUES = {
    "apple": 1.5,
    "win": 7.0,
    "death_wall": -1.0,
    "death_self": -2.0,
    "death_starv": -0.25,
    "step": -0.01,
    "closer": 0.125,
    "farther": -0.0625,
}


def covering_configs():
    """Every combination of what shapes the window, with the other options in turn."""
    generator = np.random.default_rng(0)
    sizes = [4, 5, 6, 7, 8, 9, 10, 11, 12]
    configs = []
    for frame in ("absolute", "egocentric"):
        for vision in (-1, 0, 1, 2, 5):
            for danger in ("off", "binary", "lifetime"):
                for body in ("off", "occupied", "lifetime"):
                    food, direction, hunger, length, wall = (
                        generator.integers(2, size=5) > 0
                    ).tolist()
                    seen = body != "off" or danger != "off"
                    shown = ("off", "own", "mixed") if seen else ("off", "own")
                    food_channel = shown[generator.integers(len(shown))]
                    configs.append(
                        SnakeConfig(
                            grid_size=sizes[len(configs) % len(sizes)],
                            starvation_limit=(None, 12, 30)[len(configs) % 3],
                            max_steps=(None, None, None, 40)[len(configs) % 4],
                            frame=frame,
                            vision=vision,
                            danger=danger,
                            body=body,
                            seg_size=(0, 1, 3, 5)[len(configs) // 2 % 4],
                            food=food,
                            direction=direction,
                            hunger=hunger,
                            length=length or not food,
                            wall=wall,
                            food_channel=food_channel,
                        )
                    )
    return configs


def hold_against_reference(config, rewards, *, num_boards, num_steps, seed):
    """Play both and compare every array of every step; returns the endings that occurred."""
    env = SnakeVectorEnv(num_boards, config, rewards)
    boards = [ReferenceSnake(config, rewards, seed + i) for i in range(num_boards)]
    generator = np.random.default_rng(seed)
    observations, infos = env.reset(seed=seed)
    np.testing.assert_array_equal(observations, [board.observation() for board in boards])
    assert env.single_observation_space.contains(observations[0])
    endings = set()
    for _ in range(num_steps):
        actions = [board.sensible_action(generator) for board in boards]
        expected_rewards = [
            board.step(action) for board, action in zip(boards, actions, strict=True)
        ]
        ended = np.array([board.ending is not None for board in boards])
        finals = [
            (board.observation(), board.numbers(), board.ending) if board.ending else None
            for board in boards
        ]
        for board in boards:
            if board.ending:
                board.start_next()
        observations, rewards_, terminated, truncated, infos = env.step(np.array(actions))

        np.testing.assert_array_equal(observations, [board.observation() for board in boards])
        assert env.observation_space.contains(observations)
        np.testing.assert_allclose(rewards_, expected_rewards, rtol=1e-6)
        np.testing.assert_array_equal(terminated | truncated, ended)
        for name in NUMBERS:
            assert infos[name].tolist() == [board.numbers()[name] for board in boards], name
        assert [env.render_state(i) for i in range(num_boards)] == [
            board.render_state() for board in boards
        ]
        assert ("final_obs" in infos) == ended.any()
        if not ended.any():
            continue
        np.testing.assert_array_equal(infos["_final_obs"], ended)
        np.testing.assert_array_equal(infos["_final_info"], ended)
        final_info = infos["final_info"]
        for i, final in enumerate(finals):
            if final is None:
                assert not infos["final_obs"][i].any()
                assert final_info["ending"][i] == -1
                assert final_info["death_reason"][i] is None
                continue
            observation, numbers, ending = final
            endings.add(ending)
            np.testing.assert_array_equal(infos["final_obs"][i], observation)
            assert {name: final_info[name][i] for name in NUMBERS} == numbers
            assert env.ending_names[final_info["ending"][i]] == ending
            assert final_info["won"][i] == (ending == "won")
            assert final_info["death_reason"][i] == (ending if ending in DEATHS else None)
            assert truncated[i] == (ending == "truncated")
    return endings


def test_kernels_equal_the_reference_with_every_observation_option():
    endings = set()
    for index, config in enumerate(covering_configs()):
        rewards = SnakeRewards(**VALUES, step_times_hunger=index % 2 == 1)
        endings |= hold_against_reference(config, rewards, num_boards=3, num_steps=70, seed=index)
    assert endings >= {"wall", "self", "starvation", "truncated"}


@pytest.mark.parametrize("size", range(4, 13))
def test_kernels_equal_the_reference_over_long_episodes(size):
    config = SnakeConfig(grid_size=size, vision=2, seg_size=4, danger="lifetime")
    # Long enough for the trail to go round, which has room for the whole board once.
    hold_against_reference(
        config, SnakeRewards(**VALUES), num_boards=2, num_steps=2 * size * size, seed=size
    )


def cycle_direction(x, y, size, *, backwards):
    """Give the direction of a walk through all cells of an even board, from a cell onwards."""
    path = [(0, row) for row in range(size)]
    for row in reversed(range(size)):
        columns = range(1, size)
        path += [(column, row) for column in (columns if row % 2 else reversed(columns))]
    if backwards:
        path.reverse()
    next_x, next_y = path[(path.index((x, y)) + 1) % len(path)]
    return {(0, -1): "up", (1, 0): "right", (0, 1): "down", (-1, 0): "left"}[next_x - x, next_y - y]


@pytest.mark.parametrize("vision", [-1, 1])
def test_every_4x4_board_can_be_filled(vision):
    env = SnakeEnv(SnakeConfig(grid_size=4, vision=vision), SnakeRewards(**VALUES))
    starts = set()
    for seed in range(200):
        env.reset(seed=seed)
        state = env.render_state()
        head = state["snake_position"][0]
        starts.add((head["x"], head["y"]))
        # The snake heads right; whoever would have to go left at once walks the other way round.
        backwards = cycle_direction(head["x"], head["y"], 4, backwards=False) == "left"
        for _ in range(16 * 16):
            head = env.render_state()["snake_position"][0]
            direction = cycle_direction(head["x"], head["y"], 4, backwards=backwards)
            _, reward, terminated, truncated, info = env.step(env.action_for_direction(direction))
            if terminated or truncated:
                break
        assert terminated
        assert not truncated
        assert info["won"]
        assert info["death_reason"] is None
        assert info["length"] == 16
        assert reward == pytest.approx(VALUES["apple"] + VALUES["win"] + VALUES["step"])
        state = env.render_state()
        assert state["food_position"] is None
        assert state["won"]
        assert state["game_over"]
        assert len({(cell["x"], cell["y"]) for cell in state["snake_position"]}) == 16
    assert len(starts) == 16


@pytest.mark.parametrize(
    ("size", "start", "longest"),
    [(4, 2, None), (4, 15, None), (5, 24, None), (5, 1, 20), (6, 1, 35), (7, 3, 48), (8, 1, 2)],
)
def test_kernels_equal_the_reference_with_long_start_snakes(size, start, longest):
    config = SnakeConfig(grid_size=size, start_length=start, max_start_length=longest, seg_size=3)
    hold_against_reference(
        config, SnakeRewards(**VALUES), num_boards=16, num_steps=150, seed=100 * size
    )


@pytest.mark.parametrize("size", [6, 7])
def test_a_long_start_snake_lies_in_one_piece_with_a_free_cell_ahead(size):
    env = SnakeEnv(SnakeConfig(grid_size=size, start_length=2, max_start_length=size**2 - 1))
    lengths, heads = set(), set()
    for seed in range(600):
        _, info = env.reset(seed=seed)
        state = env.render_state()
        cells = [(cell["x"], cell["y"]) for cell in state["snake_position"]]
        assert info["score"] == state["score"] == 0
        assert info["length"] == len(set(cells)) == len(cells)
        for (x, y), (next_x, next_y) in itertools.pairwise(cells):
            assert abs(x - next_x) + abs(y - next_y) == 1
        assert state["direction"] == [a - b for a, b in zip(cells[0], cells[1], strict=True)]
        assert tuple(state["food_position"].values()) not in cells
        lengths.add(len(cells))
        heads.add(cells[0])
        saved, deadly = env.get_state(), []
        for action in range(3):
            env.set_state(saved)
            deadly.append(env.step(action)[-1]["death_reason"] is not None)
        assert not all(deadly)
    assert lengths == set(range(2, size**2))
    assert len(heads) > size**2 / 2


def test_the_next_cell_of_a_snake_that_nearly_fills_the_board_wins():
    env = SnakeEnv(SnakeConfig(grid_size=4, start_length=15))
    for seed in range(50):
        env.reset(seed=seed)
        saved, infos = env.get_state(), []
        for action in range(3):  # one cell is free, the next one of the cycle
            env.set_state(saved)
            infos.append(env.step(action)[-1])
        best = max(infos, key=lambda info: info["score"])
        assert (best["won"], best["score"], best["length"]) == (True, 1, 16)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"start_length": 16}, "at most 15"),
        ({"max_start_length": 16}, "at most 15"),
        ({"start_length": 5, "max_start_length": 4}, "below start_length"),
        ({"start_length": 0}, "Allowed: >= 1"),
    ],
)
def test_start_lengths_that_no_board_has_are_refused(options, reason):
    with pytest.raises(ConfigError, match=reason):
        create_env("snake", grid_size=4, **options)


@pytest.mark.parametrize("start", [{}, {"start_length": 2, "max_start_length": 9}])
def test_one_board_plays_the_same_episode_as_the_same_board_among_many(start):
    config = SnakeConfig(grid_size=6, max_steps=60, **start)
    rewards = SnakeRewards(**VALUES)
    many, one = SnakeVectorEnv(4, config, rewards), SnakeEnv(config, rewards)
    observations, infos = many.reset(seed=[31, 5, 77, 31])
    observation, info = one.reset(seed=77)
    generator = np.random.default_rng(0)
    episodes = 0
    for _ in range(400):
        np.testing.assert_array_equal(observations[2], observation)
        assert {name: infos[name][2] for name in NUMBERS} == {name: info[name] for name in NUMBERS}
        actions = generator.integers(3, size=4)
        actions[3] = actions[0]
        observations, rewards_, terminated, truncated, infos = many.step(actions)
        np.testing.assert_array_equal(observations[0], observations[3])
        observation, reward, one_terminated, one_truncated, info = one.step(int(actions[2]))
        assert (rewards_[2], terminated[2], truncated[2]) == (reward, one_terminated, one_truncated)
        if one_terminated or one_truncated:
            episodes += 1
            np.testing.assert_array_equal(infos["final_obs"][2], observation)
            final = {name: values[2] for name, values in infos["final_info"].items()}
            assert (final["death_reason"], final["won"]) == (info["death_reason"], info["won"])
            observation, info = one.reset()
    assert episodes > 10


PINNED_START = ([{"x": 3, "y": 2}], {"x": 3, "y": 3})
PINNED_SEEDS = [1517178346, 2097225332, 1846110600]


def test_an_episode_is_fixed_by_config_seed_and_actions():
    env = SnakeVectorEnv(1, SnakeConfig(grid_size=7))
    env.reset(seed=123)
    state = env.render_state()
    # These numbers may only change together with the version of the environment.
    assert (state["snake_position"], state["food_position"]) == PINNED_START
    generator = np.random.default_rng(1)
    seeds = []
    for action in generator.choice(3, size=100, p=[0.6, 0.2, 0.2]):
        infos = env.step([action])[-1]
        if "final_info" in infos:
            seeds.append(int(infos["episode_seed"][0]))
    assert seeds[:3] == PINNED_SEEDS


def test_reset_without_a_seed_draws_new_episodes_that_can_be_played_again():
    env = SnakeVectorEnv(3)
    seeds = {tuple(env.reset()[1]["episode_seed"].tolist()) for _ in range(3)}
    assert len(seeds) == 3
    observations, infos = env.reset()
    again, _ = SnakeVectorEnv(3).reset(seed=infos["episode_seed"].tolist())
    np.testing.assert_array_equal(observations, again)

    one = SnakeEnv()
    first, second = one.reset()[1]["episode_seed"], one.reset()[1]["episode_seed"]
    assert first != second


def test_the_arrays_of_a_step_last_for_one_more_step():
    env = SnakeVectorEnv(8)
    env.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(50):
        result = env.step(generator.integers(3, size=8))
        arrays = [*result[:4], *(v for v in result[4].values() if isinstance(v, np.ndarray))]
        copies = [array.copy() for array in arrays]
        env.step(generator.integers(3, size=8))
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


def plain(value):
    """Tell whether a state is made of plain arrays, numbers and strings only."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return isinstance(value, (bool, int, float, str))


def test_a_restored_vector_env_goes_on_exactly():
    config = SnakeConfig(grid_size=5, vision=2, seg_size=2)
    env = SnakeVectorEnv(16, config)
    env.reset(seed=4)
    actions = np.random.default_rng(0).choice(3, size=(300, 16), p=[0.6, 0.2, 0.2])
    for row in actions[:100]:
        env.step(row)
    state = env.get_state()
    assert plain(state)

    other = SnakeVectorEnv(16, config)
    other.reset(seed=99)
    other.step(actions[0])
    other.set_state(state)
    for row in actions[100:]:
        ours, theirs = env.step(row), other.step(row)
        for mine, its in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_array_equal(mine, its)
        for name, values in ours[4].items():
            if name == "final_info":
                for key, numbers in values.items():
                    np.testing.assert_array_equal(numbers, theirs[4][name][key])
            else:
                np.testing.assert_array_equal(values, theirs[4][name])
    np.testing.assert_array_equal(env.reset()[0], other.reset()[0])


def test_a_restored_board_goes_on_exactly():
    env, other = SnakeEnv(SnakeConfig(grid_size=5)), SnakeEnv(SnakeConfig(grid_size=5))
    env.reset(seed=0)
    assert not env.step(1)[2]
    state = env.get_state()
    assert plain(state)
    other.set_state(state)
    generator = np.random.default_rng(0)
    for _ in range(200):
        action = int(generator.integers(3))
        ours, theirs = env.step(action), other.step(action)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1:] == theirs[1:]
        assert env.render_state() == other.render_state()
        if ours[2] or ours[3]:
            assert env.reset()[1] == other.reset()[1]


def test_a_state_of_other_boards_is_refused():
    env = SnakeVectorEnv(3)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="number of boards"):
        SnakeVectorEnv(4).set_state(env.get_state())


def test_events_and_facts_are_reported_for_whoever_pays():
    config, rewards = SnakeConfig(grid_size=5, max_steps=30), SnakeRewards(**VALUES)
    boards = Boards(4, config, rewards)
    references = [ReferenceSnake(config, rewards, seed) for seed in range(4)]
    boards.start(np.arange(4), reseed=True)
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        actions = [reference.sensible_action(generator) for reference in references]
        outputs = boards.step(actions, autoreset=True)
        for i, reference in enumerate(references):
            food, head = reference.food, reference.body[0]
            reward = reference.step(actions[i])
            happened = [name for bit, name in enumerate(EVENTS) if outputs.events[i] >> bit & 1]
            seen.update(happened)
            assert rewards.step + sum(VALUES[name] for name in happened) == pytest.approx(reward)
            facts = {name: int(values[i]) for name, values in outputs.facts.items()}
            # Both distances are to the food that lay there when the step began.
            assert facts.pop("previous_distance") == reference.distance(head, food)
            assert facts.pop("distance") == reference.distance(reference.body[0], food)
            assert facts == {name: reference.numbers()[name] for name in facts}
            if reference.ending:
                reference.start_next()
    assert seen >= {"apple", "death_wall", "death_self", "closer", "farther"}


def test_rewards_change_between_two_steps():
    env = SnakeVectorEnv(2, SnakeConfig(grid_size=64))
    env.reset(seed=0)
    assert env.step([0, 0])[1].tolist() == pytest.approx([-0.001, -0.001])
    env.set_rewards({"step": 0.25})
    assert env.step([0, 0])[1].tolist() == pytest.approx([0.25, 0.25])
    assert env.rewards.apple == 1.0
    with pytest.raises(ConfigError, match=r"'aple'.*Did you mean 'apple'"):
        env.set_rewards({"aple": 1})


def test_classic_gives_fifteen_numbers_in_the_documented_order():
    env = create_env("snake", **CLASSIC)
    blocks = env.get_metadata()["observation"]
    assert [(block["name"], block["start"], block["size"]) for block in blocks] == [
        ("food", 0, 2),
        ("direction", 2, 2),
        ("hunger", 4, 1),
        ("segments", 5, 6),
        ("danger", 11, 4),
    ]
    assert env.observation_space.shape == (15,)
    assert blocks[-1]["labels"] == [
        "danger: 1 up", "danger: 1 down", "danger: 1 left", "danger: 1 right",
    ]  # fmt: skip


@pytest.mark.parametrize("frame", ["absolute", "egocentric"])
@pytest.mark.parametrize("vision", [-1, 0, 3])
def test_metadata_describes_every_number_of_the_observation(frame, vision):
    env = create_env("snake", grid_size=5, frame=frame, vision=vision, danger="lifetime")
    metadata = json.loads(json.dumps(env.get_metadata(), allow_nan=False))
    assert metadata["observation_size"] == env.observation_space.shape[0]
    end = 0
    for block in metadata["observation"]:
        assert block["start"] == end
        assert block["size"] == len(block["labels"]) == len(set(block["labels"]))
        end += block["size"]
    assert end == metadata["observation_size"]
    for field in (*metadata["options"].values(), *metadata["rewards"].values()):
        assert field["description"]
        assert "unit" in field
        assert "group" in field


def test_directions_translate_into_actions_and_reversing_is_ignored():
    env = SnakeEnv()
    env.reset(seed=0)  # heads right
    assert [env.action_for_direction(name) for name in ("right", "down", "up", "left")] == [
        0, 1, 2, 0,
    ]  # fmt: skip
    with pytest.raises(ContractError, match="'north'"):
        env.action_for_direction("north")


@pytest.mark.parametrize("actions", [[0, 3], [-1, 0], [0], [0.0, 1.0], [[0, 1]]])
def test_actions_that_do_not_exist_are_refused_and_move_nothing(actions):
    env = SnakeVectorEnv(2)
    env.reset(seed=0)
    before = [env.render_state(board) for board in range(2)]
    with pytest.raises(ContractError, match=r"[Aa]ction"):
        env.step(np.array(actions))
    assert [env.render_state(board) for board in range(2)] == before


def test_a_refused_action_leaves_what_the_last_step_returned():
    env = SnakeVectorEnv(2)
    observations, _ = env.reset(seed=0)
    before = observations.copy()
    with pytest.raises(ContractError):
        env.step([0, 9])
    env.step([0, 0])
    np.testing.assert_array_equal(observations, before)


def test_steps_need_a_running_episode():
    with pytest.raises(ContractError, match="reset"):
        SnakeVectorEnv(2).step([0, 0])
    env = SnakeEnv(SnakeConfig(max_steps=1))
    with pytest.raises(ContractError, match="reset"):
        env.step(0)
    env.reset(seed=0)
    assert env.step(1)[2:4] in [(True, False), (False, True)]
    with pytest.raises(ContractError, match="reset"):
        env.step(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid_size": 3}, r"grid_size = 3 .*>= 4 and <= 64"),
        ({"grid_size": "big"}, "grid_size = 'big'"),
        ({"vison": 1}, r"'vison'.*Did you mean 'vision'"),
        ({"frame": "sideways"}, r"frame = 'sideways'.*absolute"),
        ({"starvation_limit": 0}, r"starvation_limit = 0 .*>= 1"),
        (
            {"food": False, "hunger": False, "length": False, "danger": "off",
             "food_channel": "off"},
            "sees nothing",
        ),
    ],
)  # fmt: skip
def test_impossible_options_are_refused_by_name_and_range(options, message):
    with pytest.raises(ConfigError, match=message):
        create_vector_env("snake", 2, **options)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True, 2**63])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(ConfigError, match="seed"):
        SnakeEnv().reset(seed=seed)
    with pytest.raises(ConfigError, match="seed"):
        SnakeVectorEnv(2).reset(seed=[0, seed])


def test_render_draws_food_head_and_body_where_they_are():
    env = create_env("snake", render_mode="rgb_array", grid_size=6)
    env.reset(seed=0)
    image, state = env.render(), env.render_state()
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    head, food = state["snake_position"][0], state["food_position"]
    assert image[16 * food["y"] + 8, 16 * food["x"] + 8].argmax() == 0  # red
    assert image[16 * head["y"] + 8, 16 * head["x"] + 8].argmax() == 1  # green
    assert create_env("snake").render() is None
    with pytest.raises(ConfigError, match="'human'"):
        create_env("snake", render_mode="human")


def test_importing_the_environments_imports_no_compiler():
    code = "import sys, rlplay.envs; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_boards_of_two_threads_come_at_the_same_time():
    # While one is in the middle of importing the compiler, the other one needs it too.
    code = """
import os, sys, threading, time
from rlplay.envs import create_env, get_env_spec

def second():
    while "numba.core" not in sys.modules:
        time.sleep(0)
    get_env_spec("snake").env.prepare(print)

threads = [
    threading.Thread(target=target, daemon=True) for target in (lambda: create_env("snake"), second)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
os._exit(any(thread.is_alive() for thread in threads))
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.long
def test_a_cold_cache_is_told_from_a_warm_one(tmp_path):
    code = (
        "from rlplay.envs.snake import cache_is_warm, warmup\n"
        "first = cache_is_warm(); warmup(); print(first, cache_is_warm())"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert printed == [["False", "True"], ["True", "True"]]


def test_kernels_compile_where_no_folder_can_be_written(monkeypatch):
    compile_for_real = numba.njit

    def refuse_to_cache(function, *, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_for_real(function, **options)

    monkeypatch.setattr(numba, "njit", refuse_to_cache)
    assert compiled(lambda x: x + 1)(1) == 2

from __future__ import annotations

import itertools
from typing import Any

import ipycanvas
import numpy as np
import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay_widgets.board import PIXELS, Picture, draw_snake
from rlplay_widgets.overlays import (
    NOWHERE,
    Choices,
    Inputs,
    action_shares,
    draw_actions,
    draw_mattered,
    draw_seen,
    draw_window,
    input_places,
    inputs_of,
    window_places,
)
from rlplay_widgets.theme import DARK, LIGHT

from .conftest import snake

SIGHTS = [
    {"vision": 0, "frame": "egocentric"},
    {"vision": 0, "frame": "absolute"},
    {"vision": 2, "frame": "egocentric"},
    {"vision": 5, "frame": "absolute", "seg_size": 2},
    {"vision": 5, "frame": "egocentric"},
    {"vision": -1, "frame": "absolute"},
]


def played(steps: int = 40, seed: int = 3, **options: Any) -> tuple[Any, Any, Any]:
    """A game some way on: the environment, what it shows to the agent, and its state."""
    env = rlplay.create_env("snake", grid_size=8, **options)
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(steps):
        head = env.render_state()["snake_position"][0]
        food = env.render_state()["food_position"]
        # Towards the food, so that there is a body to see; a step aside where that would kill.
        wanted = "right" if food["x"] > head["x"] else "left"
        if food["x"] == head["x"]:
            wanted = "down" if food["y"] > head["y"] else "up"
        before = env.get_state()
        for action in [env.action_for_direction(wanted), *rng.permutation(3)]:
            observation, _, terminated, _, _ = env.step(int(action))
            if not terminated:
                break
            env.set_state(before)
        else:
            break
    return env, observation, env.render_state()


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: f"{sight['frame']} {sight['vision']}")
@pytest.mark.parametrize(("seed", "steps"), [(1, 7), (3, 40), (5, 90), (8, 150)])
def test_numbers_land_on_the_cells_that_they_stand_for(sight, seed, steps) -> None:
    options = {**sight, "danger": "binary", "wall": True, "body": "occupied", "food_channel": "own"}
    env, observation, state = played(steps, seed, **options)
    blocks = env.get_metadata()["observation"]
    places = input_places(blocks, options | {"grid_size": 8}, state)
    assert places.shape == (len(observation), 2)
    body = {(part["x"], part["y"]) for part in state["snake_position"]}
    food = (state["food_position"]["x"], state["food_position"]["y"])
    at = tuple(state["snake_position"][0].values())
    on_board = set(itertools.product(range(8), range(8)))
    for block in blocks:
        numbers = slice(block["start"], block["start"] + block["size"])
        if not block["channel"]:
            assert (places[numbers] == NOWHERE).all()
            continue
        window = {tuple(place) for place in places[numbers].tolist()}
        marked = {
            tuple(place)
            for place, value in zip(places[numbers].tolist(), observation[numbers], strict=True)
            if value
        }
        truth = {
            "head": {at},
            "danger": window & body | window - on_board,
            "wall": window - on_board,
            "body": window & body,
            "food_channel": window & {food},
        }[block["name"]]
        assert marked == truth
    assert state["score"] > 0


def test_ahead_and_right_turn_with_the_snake() -> None:
    state = {"grid_size": 8, "snake_position": [{"x": 4, "y": 4}], "direction": [0, 1]}
    places = window_places({"vision": 0}, state)
    assert places.tolist() == [[4, 5], [3, 4], [5, 4]]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: f"{sight['frame']} {sight['vision']}")
def test_the_window_is_a_small_addition(sent, sight, palette) -> None:
    _, _, state = played(**sight)
    picture = draw_snake(state, palette)
    before = picture.nbytes
    draw_window(picture, sight | {"grid_size": 8}, state, palette)
    assert picture.nbytes - before < 1_000


def rectangles(picture: Picture) -> list[tuple[float, ...]]:
    """Left, top, width and height of all rectangles in a picture."""
    found = []

    class Canvas:
        def fill_styled_rects(self, x, y, width, height, *_) -> None:
            found.extend(zip(x, y, width, height, strict=True))

        def __getattr__(self, name):
            return lambda *_: None

    for call in picture._calls:
        call(Canvas())
    return found


def test_the_fog_covers_exactly_what_is_not_seen() -> None:
    state = {"grid_size": 8, "snake_position": [{"x": 1, "y": 6}], "direction": [1, 0]}
    picture = Picture()
    draw_window(picture, {"grid_size": 8, "vision": 2}, state, LIGHT)
    cell = PIXELS / 8
    covered = np.zeros((8, 8), bool)
    for x, y, width, height in rectangles(picture):
        left, top = round(x / cell), round(y / cell)
        covered[top : top + round(height / cell), left : left + round(width / cell)] = True
    seen = np.zeros((8, 8), bool)
    seen[4:, :4] = True
    assert (covered == ~seen).all()


@pytest.mark.parametrize("vision", [2, 8, -1])  # the larger ones end at the board's edge
def test_an_outline_has_no_fog(vision) -> None:
    state = {"grid_size": 8, "snake_position": [{"x": 1, "y": 6}], "direction": [1, 0]}
    picture = Picture()
    draw_window(picture, {"grid_size": 8, "vision": vision}, state, LIGHT, fog=False)
    assert list(rectangles(picture)) == []
    assert picture.nbytes > Picture().nbytes


def test_who_sees_only_numbers_sees_no_cell() -> None:
    state = {"grid_size": 8, "snake_position": [{"x": 1, "y": 6}], "direction": [1, 0]}
    picture = Picture()
    config = {"grid_size": 8, "danger": "off", "food_channel": "off"}
    draw_window(picture, config, state, LIGHT)
    assert sum(width * height for _, _, width, height in rectangles(picture)) == PIXELS**2


def inputs_and_game(steps: int = 40, **options: Any) -> tuple[Inputs, dict[str, Any], Any, Any]:
    env, observation, state = played(steps, **options)
    metadata = env.get_metadata()
    inputs = Inputs(tuple(metadata["observation"]), tuple(metadata["actions"]))
    return inputs, options | {"grid_size": 8}, observation, state


def test_blocked_cells_have_squares_that_grow_with_their_lifetime() -> None:
    inputs, config, observation, state = inputs_and_game(steps=150, vision=3)
    picture = Picture()
    draw_seen(picture, inputs, config, state, observation, LIGHT)
    cell = PIXELS / 8
    squares = {}
    for x, y, width, height in rectangles(picture):
        if width == height:
            place = int((x + width / 2) // cell), int((y + height / 2) // cell)
            squares[place] = float(width)  # the last one lies on top
    body = [(part["x"], part["y"]) for part in state["snake_position"]]
    seen = {tuple(place) for place in window_places(config, state).tolist()}
    told = [place for place in body[1:] if place in seen]
    assert set(squares) == set(told)
    sizes = [squares[place] for place in told]
    assert len(sizes) > 1
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_wall_beyond_the_edge_is_a_bar_along_it() -> None:
    config = {"grid_size": 8, "vision": 1, "danger": "binary"}
    env = rlplay.create_env("snake", **config)
    observation, _ = env.reset(seed=0)
    while env.render_state()["snake_position"][0]["x"] < 7:
        observation, *_ = env.step(env.action_for_direction("right"))
    state = env.render_state()
    metadata = env.get_metadata()
    inputs = Inputs(tuple(metadata["observation"]), tuple(metadata["actions"]))
    picture = Picture()
    draw_seen(picture, inputs, config, state, observation, LIGHT)
    bars = [(x, y, w, h) for x, y, w, h in rectangles(picture) if w < h]
    y = state["snake_position"][0]["y"]
    assert 1 < y < 6
    cell = PIXELS / 8
    assert sorted(round(top / cell) for _, top, _, _ in bars) == [y - 1, y, y + 1]
    assert all(x + width == PIXELS for x, _, width, _ in bars)


def test_what_mattered_is_tinted_where_it_lies() -> None:
    inputs, config, observation, state = inputs_and_game(vision=2, wall=True)
    places = input_places(inputs.blocks, config, state)
    on_board = np.all((places >= 0) & (places < 8), axis=1)
    first, second = np.flatnonzero(on_board)[[0, 5]]
    saliency = np.zeros(len(observation), np.float32)
    saliency[first], saliency[second] = 1.0, -0.5
    picture = Picture()
    draw_mattered(picture, inputs, config, state, saliency, LIGHT)
    cell = PIXELS / 8
    tinted = {(round(x / cell), round(y / cell)) for x, y, _, _ in rectangles(picture)}
    assert tinted == {tuple(places[first]), tuple(places[second])}
    empty = Picture()
    draw_mattered(empty, inputs, config, state, 0 * saliency, LIGHT)
    assert empty._calls == []


@pytest.mark.parametrize("options", [{"grid_size": 10}, {"grid_size": 10, "vision": 20}])
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_a_window_of_many_cells_stays_small(sent, options, palette) -> None:
    env = rlplay.create_env("snake", **options)
    observation, _ = env.reset(seed=4)
    state = snake(10, 60)
    metadata = env.get_metadata()
    inputs = Inputs(tuple(metadata["observation"]), tuple(metadata["actions"]))
    rng = np.random.default_rng(0)
    observation = rng.uniform(0.3, 1, len(observation)).astype(np.float32)
    saliency = rng.normal(size=len(observation)).astype(np.float32)
    picture = draw_snake(state, palette)
    draw_window(picture, options, state, palette)
    draw_seen(picture, inputs, options, state, observation, palette)
    draw_mattered(picture, inputs, options, state, saliency, palette)
    draw_actions(picture, state, {"probabilities": [0.9, 0.06, 0.04]}, palette)
    picture.play(ipycanvas.Canvas(width=PIXELS, height=PIXELS))
    (_, buffers) = sent[0]
    nbytes = sum(memoryview(buffer).nbytes for buffer in buffers)
    assert nbytes <= picture.nbytes < 16_000


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize("at", [(0, 0), (9, 9), (4, 5)])
def test_arrows_point_where_the_actions_lead_and_stay_on_the_board(direction, at) -> None:
    state = {
        "grid_size": 10,
        "snake_position": [{"x": at[0], "y": at[1]}],
        "direction": list(direction),
    }
    shapes = []

    class Canvas:
        def fill_styled_polygons(self, points, *_) -> None:
            shapes.append(np.asarray(points, float).reshape(-1, 2))

        def __getattr__(self, name):
            return lambda *_: None

    picture = Picture()
    draw_actions(picture, state, {"probabilities": [0.6, 0.3, 0.1]}, LIGHT)
    for call in picture._calls:
        call(Canvas())
    least, middle, most = shapes
    ahead = np.array(direction)
    for shape, way in (
        (most, ahead),
        (middle, (-ahead[1], ahead[0])),
        (least, (ahead[1], -ahead[0])),
    ):
        tip, base = shape[3], (shape[0] + shape[6]) / 2
        assert np.allclose((tip - base) / np.linalg.norm(tip - base), way, atol=0.05)
        assert (shape >= 0).all()
        assert (shape <= PIXELS).all()

    def width(shape) -> float:
        return float(np.linalg.norm(shape[0] - shape[6]))

    assert width(most) > width(middle) > width(least)


def test_how_much_it_is_for_each_action() -> None:
    shares, words = action_shares({"probabilities": [0.998, 0.002, 0.0]})
    assert shares.tolist() == pytest.approx([0.998, 0.002, 0.0])
    assert words == (">99\u202f%", "<1\u202f%", "0\u202f%")
    shares, words = action_shares({"q_values": [1.0, -1.0, 0.5]})
    assert shares.tolist() == pytest.approx([1.0, 0.0, 0.75])
    assert words == ("1.00", "\u22121.00", "0.50")
    assert action_shares({"q_values": [2.0, 2.0]})[0].tolist() == [0.5, 0.5]
    assert action_shares({"value": 1.0}) is None


def test_choices_count_their_changes_and_refuse_what_is_not_there() -> None:
    choices = Choices()
    choices.switch(thinks=True, sees=True)
    assert list(choices) == ["sees", "thinks"]
    version = choices.version
    choices.switch(sees=True)
    assert choices.version == version
    choices.all_off()
    assert list(choices) == []
    assert choices.version == version + 1
    with pytest.raises(ConfigError, match="thoughts"):
        choices.switch(thoughts=True)


def test_what_inputs_stand_for_is_read_by_the_clerk(monkeypatch) -> None:
    jobs: list[Any] = []
    monkeypatch.setattr("rlplay_widgets.overlays.clerk.submit", jobs.append)
    config = {"grid_size": 11, "vision": 1}
    known: list[bool] = []
    for _ in range(2):
        assert inputs_of("snake", config, lambda: known.append(True)) is None
    (job,) = jobs
    job()
    assert known == [True]
    inputs = inputs_of("snake", config, lambda: None)
    env = rlplay.create_env("snake", **config)
    assert inputs.size == env.observation_space.shape[0]
    assert inputs.actions == ("straight", "turn right", "turn left")
    assert inputs_of("nowhere", {}, lambda: None) == Inputs()

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import rlplay
from rlplay_widgets.board import PIXELS, Picture, draw_snake
from rlplay_widgets.overlays import NOWHERE, draw_window, input_places, window_places
from rlplay_widgets.theme import DARK, LIGHT

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


def test_who_sees_only_numbers_sees_no_cell() -> None:
    state = {"grid_size": 8, "snake_position": [{"x": 1, "y": 6}], "direction": [1, 0]}
    picture = Picture()
    config = {"grid_size": 8, "danger": "off", "food_channel": "off"}
    draw_window(picture, config, state, LIGHT)
    assert sum(width * height for _, _, width, height in rectangles(picture)) == PIXELS**2

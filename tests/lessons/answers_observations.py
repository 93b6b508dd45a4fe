"""Answers to lesson 5, right ones and typical wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlplay.lessons import observations as lesson

TURNS = {"up": 0, "right": 1, "down": 2, "left": 3}


def one_hot_list(index, size):
    return [1.0 if place == index else 0.0 for place in range(size)]


def one_hot_eye(index, size):
    return np.eye(size)[index]


def one_hot_from_one(index, size):
    return np.roll(np.eye(size)[index], 1)


def one_hot_full(index, size):
    return np.full(size, index)


def one_hot_zeros(index, size):
    return np.zeros(size)


def one_hot_inverted(index, size):
    return 1 - np.eye(size)[index]


def one_hot_short(index, size):
    return np.eye(size + 1)[index]


def food_ahead_turns(head, food, heading, size):
    x, y = food[0] - head[0], food[1] - head[1]
    for _ in range(TURNS[heading]):
        x, y = y, -x
    return [x / size, y / size]


def food_upright(head, food, heading, size):
    return np.array([food[0] - head[0], food[1] - head[1]]) / size


def food_in_cells(head, food, heading, size):
    return lesson.food_ahead(head, food, heading, 1)


def food_backwards(head, food, heading, size):
    return -lesson.food_ahead(head, food, heading, size)


def food_swapped(head, food, heading, size):
    return lesson.food_ahead(head, food, heading, size)[::-1]


def food_sign(head, food, heading, size):
    return lesson.food_ahead(head, food, heading, size) * [1, -1]


def food_turned_wrong(head, food, heading, size):
    x, y = food[0] - head[0], food[1] - head[1]
    for _ in range(TURNS[heading]):
        x, y = -y, x
    return [x / size, y / size]


def count_loop(inputs, hidden, outputs):
    total = 0
    for units in [*hidden, outputs]:
        total += (inputs + 1) * units
        inputs = units
    return total


def count_without_biases(inputs, hidden, outputs):
    total = 0
    for units in [*hidden, outputs]:
        total += inputs * units
        inputs = units
    return total


def count_other_biases(inputs, hidden, outputs):
    total = 0
    for units in [*hidden, outputs]:
        total += inputs * (units + 1)
        inputs = units
    return total


def count_without_the_end(inputs, hidden, outputs):
    return count_loop(inputs, hidden[:-1], hidden[-1]) if hidden else 0


def count_units(inputs, hidden, outputs):
    return inputs + sum(hidden) + outputs


def find_twins() -> tuple[Any, Any]:
    """Do what the lesson asks for: remember boards by what is seen of them."""
    seen: dict[bytes, Any] = {}
    for board in lesson.random_boards(2_000, lesson.NO_FOOD):
        key = lesson.see(board, lesson.NO_FOOD).tobytes()
        best = lesson.best_actions(board, lesson.NO_FOOD)
        if key in seen and not best & lesson.best_actions(seen[key], lesson.NO_FOOD):
            return seen[key], board
        seen.setdefault(key, board)
    raise AssertionError("no two boards look the same")


TWINS = find_twins()


def same_view_same_best() -> tuple[Any, Any]:
    """Two boards that look the same and are."""
    seen: dict[bytes, Any] = {}
    for board in lesson.random_boards(200, lesson.NO_FOOD):
        key = lesson.see(board, lesson.NO_FOOD).tobytes()
        if key in seen and lesson.best_actions(board, lesson.NO_FOOD) & lesson.best_actions(
            seen[key], lesson.NO_FOOD
        ):
            return seen[key], board
        seen[key] = board
    raise AssertionError("no two boards look the same")


RIGHT: dict[str, list[Any]] = {
    "one_hot": [lesson.one_hot, one_hot_list, one_hot_eye],
    "food_ahead": [lesson.food_ahead, food_ahead_turns],
    "count_parameters": [lesson.count_parameters, count_loop],
    "aliased_boards": [TWINS, list(TWINS)[::-1]],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "one_hot": [
        (one_hot_from_one, "one place too late: Python"),
        (lambda index, size: np.eye(size)[index - 1], "one place too early: Python"),
        (one_hot_full, "the number itself, repeated"),
        (one_hot_zeros, "There is no 1 yet"),
        (one_hot_inverted, "the others are 0"),
        (one_hot_short, "shape"),
        (lambda index, size: np.arange(size) == index, "not True or False"),
        (3, "Give the function itself"),
    ],
    "food_ahead": [
        (food_upright, "turn it so that the snake's heading is ahead"),
        (food_in_cells, "divide them by the grid size"),
        (food_backwards, "food minus head"),
        (food_swapped, "the other way round"),
        (food_sign, "behind, not ahead"),
        (
            lambda head, food, heading, size: food_sign(head, food, heading, size) * -1,
            "to the right, not to the left",
        ),
        (food_turned_wrong, "Turned the wrong way round"),
        (lambda head, food, heading, size: 0.5, "numbers of shape"),
        ("ahead", "Give the function itself"),
    ],
    "count_parameters": [
        (count_without_biases, "The biases are missing"),
        (count_other_biases, "each unit that receives"),
        (count_without_the_end, "The last layer"),
        (count_units, "count the connections"),
        ([15, 64], "Give the function itself"),
    ],
    "aliased_boards": [
        ((TWINS[0], TWINS[0]), "the same board twice"),
        (((0, []), (1, [])), "can tell them apart"),
        (same_view_same_best(), "one action is best on both"),
        (((0, [0] * 50), TWINS[0]), "is over after"),
        (((0, [7]), TWINS[0]), "An action is 0"),
        ("two boards", "Give two boards"),
        (((0, 1), 3), "Give two boards"),
    ],
}

"""Answers to the exercises of lesson 10: right ones, and wrong ones with the hint that they get."""

import numpy as np

from rlplay.config import get_default_config
from rlplay.lessons.autopsy import (
    BEYOND,
    CHALLENGE,
    CHALLENGE_SEED,
    find_way,
    follow_cycle,
    load_case,
    play_policy,
    towards_the_apple,
)
from rlplay.storage import Replay


def how_it_ended(last, limit):
    if last["food_position"] is None:
        return "won"
    if last["hunger"] >= limit:
        return "starvation"
    head, (dx, dy) = last["snake_position"][0], last["direction"]
    ahead = (head["x"] + dx, head["y"] + dy)
    inside = all(0 <= place < last["grid_size"] for place in ahead)
    return "self" if inside else "wall"


def how_it_ended_by_counting(last, limit):
    size = last["grid_size"]
    head, (dx, dy) = last["snake_position"][0], last["direction"]
    if len(last["snake_position"]) == size * size:
        return "won"
    if last["hunger"] == limit:
        return "starvation"
    if head["x"] + dx not in range(size) or head["y"] + dy not in range(size):
        return "wall"
    return "self"


def how_it_ended_wall_first(last, limit):
    without_hunger = how_it_ended({**last, "hunger": 0}, limit)
    return without_hunger if without_hunger == "wall" else how_it_ended(last, limit)


def always(word):
    def how_it_ended(last, limit):
        return word

    return how_it_ended


def rescue(back, extra=0):
    """The patient, saved so many steps before its death."""
    patient = load_case("patient")
    step = patient.length - back
    way = find_way(patient.frames().fork(step), back + BEYOND + extra)
    config = get_default_config("ppo", "snake").replace(env_config=patient.env_config)
    return Replay.record(config, patient.episode_seed, patient.actions[:step] + way)


def with_seed(replay, seed):
    config = get_default_config("ppo", "snake").replace(env_config=replay.env_config)
    return Replay.record(config, seed, replay.actions)


def next_cell(x, y, size):
    if x == 0 and y > 0:
        return 0, y - 1
    if y % 2 == 0:
        return (x + 1, y) if x < size - 1 else (x, y + 1)
    if x > 1 or y == size - 1:
        return x - 1, y
    return x, y + 1


def next_cell_by_columns(x, y, size):
    across, down = next_cell(y, x, size)
    return [down, across]


def row_by_row(x, y, size):
    return ((x + 1) % size, y if x < size - 1 else (y + 1) % size)


def around(x, y, size):
    if y == 0 and x < size - 1:
        return x + 1, y
    if x == size - 1 and y < size - 1:
        return x, y + 1
    if y == size - 1 and x > 0:
        return x - 1, y
    return x, y - 1


PATIENT = load_case("patient")
WON = play_policy(follow_cycle(next_cell, 6), CHALLENGE, CHALLENGE_SEED)
SMALL = CHALLENGE.replace(env_config={"grid_size": 4})

RIGHT = {
    "how_it_ended": [how_it_ended, how_it_ended_by_counting],
    "last_way_out": [rescue(3), rescue(3, extra=5)],
    "next_cell": [
        next_cell,
        next_cell_by_columns,
        lambda x, y, size: np.array(next_cell(x, y, size)),
    ],
    "beat_the_score": [WON],
}

WRONG = {
    "how_it_ended": [
        (always("wall"), "should be 'self', not 'wall'"),
        (always("self"), "should be 'wall', not 'self'"),
        (always("dead"), "is no ending here"),
        (always(3), "should be a word"),
        (lambda last, limit: last["death_reason"], "raised KeyError"),
        (
            lambda last, limit: "won" if last["won"] else "self",
            "raised KeyError",
        ),
        (
            lambda last, limit: "wall" if how_it_ended(last, 10_000) == "wall" else "self",
            "should be 'starvation'",
        ),
        (how_it_ended_wall_first, "ask for its hunger before the wall"),
        ("self", "Give the function itself"),
    ],
    "last_way_out": [
        (PATIENT, "That is the patient itself"),
        (load_case("wall"), "That is another game"),
        (with_seed(PATIENT, 5), "That is another game"),
        (rescue(40), "there is a later way out"),
        (rescue(3, extra=-10), "should be alive 20 steps after"),
        (PATIENT.model_copy(update={"score": 99.0}), "does not verify"),
        (1124, "Give a replay"),
    ],
    "next_cell": [
        (row_by_row, "it jumps to"),
        (around, "a Hamiltonian cycle has all 16"),
        (lambda x, y, size: (x + 1, y), "beyond a board"),
        (lambda x, y, size: (x, y), "it jumps to"),
        (lambda x, y, size: x + 1, "a pair of whole numbers"),
        (lambda x, y, size: (x + 0.5, y), "a pair of whole numbers"),
        ([(0, 0), (1, 0)], "Give the function itself"),
    ],
    "beat_the_score": [
        (play_policy(towards_the_apple, CHALLENGE, 7), "That is the episode of seed 7"),
        (play_policy(follow_cycle(next_cell, 4), SMALL, CHALLENGE_SEED), "another board"),
        (play_policy(towards_the_apple, CHALLENGE, CHALLENGE_SEED), "It eats 13 apples; more than"),
        (Replay.record(CHALLENGE, CHALLENGE_SEED, [0]), "apples; more than"),
        (WON.model_copy(update={"score": 99.0}), "does not verify"),
        (99, "Give a replay"),
    ],
}

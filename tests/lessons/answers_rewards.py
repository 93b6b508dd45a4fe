"""Answers to the exercises of lesson 7, right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def event_return(events, rewards):
    total = 0.0
    for step in events:
        total += rewards["step"]
        for event in step:
            total += rewards[event]
    return total


def shaped_reward(reward, phi, next_phi, gamma, terminated):
    return reward + gamma * (0.0 if terminated else next_phi) - phi


def shaped_reward_by_product(reward, phi, next_phi, gamma, terminated):
    return reward + gamma * (not terminated) * next_phi - phi


def telescoped_sum(potentials, gamma):
    return gamma ** (len(potentials) - 1) * potentials[-1] - potentials[0]


def telescoped_sum_step_by_step(potentials, gamma):
    total = 0.0
    for t in range(len(potentials) - 1):
        total += gamma**t * (gamma * potentials[t + 1] - potentials[t])
    return total


# From (2, 2), heading right, with the apple at (4, 2).
CIRCLE = [1, 1, 1, 1]

RIGHT: dict[str, list[Any]] = {
    "event_return": [
        event_return,
        lambda events, rewards: sum(
            rewards["step"] + sum(map(rewards.get, step)) for step in events
        ),
    ],
    "loop_that_pays": [CIRCLE * 6, tuple([2] * 24), np.array(CIRCLE * 5)],
    "shaped_reward": [shaped_reward, shaped_reward_by_product],
    "telescoped_sum": [telescoped_sum, telescoped_sum_step_by_step],
    "farther_formula": [
        "-4 / previous_distance_to_food ** 2",
        "0 - 4 * previous_distance_to_food ** -2",
        "-4 / (distance_to_food - 1) ** 2",
    ],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "event_return": [
        (7.0, "Give the function itself"),
        (
            lambda events, rewards: sum(rewards[e] for step in events for e in step),
            "Every step also pays",
        ),
        (
            lambda events, rewards: (
                rewards["step"] + sum(rewards[e] for step in events for e in step)
            ),
            "in every step, not once",
        ),
        (
            lambda events, rewards: sum(rewards["step"] + rewards[step[0]] for step in events),
            "several events",
        ),
        (
            lambda events, rewards: sum(
                rewards["step"] + rewards[e] for step in events for e in step
            ),
            "not once for each event",
        ),
        (lambda events, rewards: event_return(events[-1:], rewards), "add all of them up"),
        (lambda events, rewards: None, "gives None"),
    ],
    "loop_that_pays": [
        ("1111", "Give a list of actions"),
        ([1, 1, 1, 3], "Each action is"),
        ([1.0, 1.0], "Each action is"),
        (CIRCLE * 7, "at most 24"),
        ([0, 0], "eats an apple"),
        ([0, 0, 0, 0], "dies at step"),
        ([1, 1, 1], "must end in the cell"),
        ([1, 1, 1, 1, 1], "must end in the cell"),
        (CIRCLE, "not yet 10"),
        ([], "not yet 10"),
    ],
    "shaped_reward": [
        (0.5, "Give the function itself"),
        (lambda r, p, q, g, ended: r + g * q - p, "no state follows"),
        (lambda r, p, q, g, ended: r + (0 if ended else q) - p, "Where is gamma"),
        (lambda r, p, q, g, ended: r + p - g * (0 if ended else q), "signs are turned"),
        (lambda r, p, q, g, ended: r + g * ((0 if ended else q) - p), "not to the difference"),
        (lambda r, p, q, g, ended: g * (0 if ended else q) - p, "That is F alone"),
        (lambda r, p, q, g, ended: r + g * (0 if ended else q), "leaves this state's"),
        (lambda r, p, q, g, ended: r + (0 if ended else q) - g * p, "not to this one"),
    ],
    "telescoped_sum": [
        (1.0, "Give the function itself"),
        (lambda phis, gamma: phis[-1] - phis[0], "gamma ** T"),
        (lambda phis, gamma: gamma ** len(phis) * phis[-1] - phis[0], "one step fewer"),
        (lambda phis, gamma: gamma * phis[-1] - phis[0], "not gamma: each step"),
        (lambda phis, gamma: phis[0] - gamma ** (len(phis) - 1) * phis[-1], "signs are turned"),
        (
            lambda phis, gamma: sum(gamma * phis[t + 1] - phis[t] for t in range(len(phis) - 1)),
            "without discounting",
        ),
    ],
    "farther_formula": [
        (-4.0, "as a text"),
        ("-4 / previous_distance", "no variable"),
        ("4 / previous_distance_to_food ** 2", "The sign"),
        ("-4 / distance_to_food ** 2", "where it left"),
        ("-4", "right for one distance only"),
        ("0", "takes back nothing"),
        ("-4 / previous_distance_to_food", "squared"),
        ("-4 / previous_distance_to_food ** 3", "going back must pay"),
        ("-3 / previous_distance_to_food ** 2", "going back must pay"),
    ],
}

"""Answers to the exercises of lesson 3, right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def action_value(outcomes, values, gamma):
    return sum(p * (reward + gamma * values[after]) for p, after, reward in outcomes)


def action_value_loop(outcomes, values, gamma):
    total = 0.0
    for p, after, reward in outcomes:
        total += p * reward
        total += p * gamma * values[after]
    return total


def greedy_policy(rules, values, gamma):
    policy = []
    for actions in rules:
        q_values = [action_value(outcomes, values, gamma) for outcomes in actions]
        policy.append(q_values.index(max(q_values)))
    return policy


def greedy_policy_array(rules, values, gamma):
    table = np.array([[action_value(o, values, gamma) for o in actions] for actions in rules])
    return table.argmax(axis=1)


def worst_policy(rules, values, gamma):
    table = np.array([[action_value(o, values, gamma) for o in actions] for actions in rules])
    return table.argmin(axis=1)


def values_for_actions(rules, values, gamma):
    return [max(action_value(o, values, gamma) for o in actions) for actions in rules]


def value_iteration(rules, gamma):
    values, change = [0.0] * len(rules), 1.0
    while change > 1e-12:
        new = [max(action_value(o, values, gamma) for o in actions) for actions in rules]
        change = max(abs(a - b) for a, b in zip(new, values, strict=True))
        values = new
    return values


def value_iteration_in_place(rules, gamma):
    values = np.zeros(len(rules))
    while True:
        change = 0.0
        for state, actions in enumerate(rules):
            new = max(action_value(outcomes, values, gamma) for outcomes in actions)
            change = max(change, abs(new - values[state]))
            values[state] = new
        if change < 1e-12:
            return values


def sweeps(count, choose=max):
    """Value iteration that stops after so many sweeps, or takes something else than the best."""

    def iterate(rules, gamma):
        values = [0.0] * len(rules)
        for _ in range(count):
            values = [choose([action_value(o, values, gamma) for o in a]) for a in rules]
        return values

    return iterate


def mean(numbers):
    return sum(numbers) / len(numbers)


def changes_its_input(outcomes, values, gamma):
    values[0] = 0.0
    return action_value(outcomes, values, gamma)


def open_answer(*_):
    """What the student's notebook holds before anything is written."""


RIGHT: dict[str, list[Any]] = {
    "action_value": [action_value, action_value_loop],
    "greedy_policy": [greedy_policy, greedy_policy_array],
    "value_iteration": [value_iteration, value_iteration_in_place],
    "way_a": [(0.3, 0.0, 0.0), [0.5, -5, 0.1]],
    "way_b": [(0.2, 0.0, 0.2), (0.3, -0.5, 0.1)],
    "way_c": [(0.7, 0.0, 0.1), (0.9, -2.0, 0.2)],
    "way_d": ["not possible", "Not possible"],
    "bridge_a": [(0.9, 0, 0), (0.95, 0.0, 0.01)],
    "bridge_b": ["not possible"],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "action_value": [
        (lambda o, v, gamma: sum(p * gamma * v[s] for p, s, r in o), "The reward is missing"),
        (lambda o, v, gamma: sum(p * (r + v[s]) for p, s, r in o), "Where is gamma?"),
        (lambda o, v, gamma: sum(p * gamma * (r + v[s]) for p, s, r in o), "not discounted"),
        (lambda o, v, gamma: sum(p * r for p, s, r in o), "That is the reward alone"),
        (lambda o, v, gamma: sum(r + gamma * v[s] for p, s, r in o), "by its probability"),
        (
            lambda o, v, gamma: mean([r + gamma * v[s] for p, s, r in o]) if o else 0.0,
            "its own probability",
        ),
        (
            lambda o, v, gamma: max((r + gamma * v[s] for p, s, r in o), default=0.0),
            "not the agent",
        ),
        (
            lambda o, v, gamma: max((p, r + gamma * v[s]) for p, s, r in o)[1] if o else 0.0,
            "the likeliest outcome alone",
        ),
        (lambda o, v, gamma: sum(p * r + gamma * v[s] for p, s, r in o), "p * (r + gamma * V)"),
        (changes_its_input, "changes what it was given"),
        (lambda o, v, gamma: 1 / 0, "raised ZeroDivisionError"),
        (lambda o, v, gamma: "7", "should be a number"),
        (open_answer, "replace the dots"),
        (12, "Give the function itself"),
    ],
    "greedy_policy": [
        (worst_policy, "the worst action"),
        (values_for_actions, "the number of an action"),
        (lambda rules, values, gamma: [0] * len(rules), "not up (0)"),
        (lambda rules, values, gamma: [0], "one action each"),
        (lambda rules, values, gamma: [7] * len(rules), "There is no action 7"),
        (lambda rules, values, gamma: 0, "A policy is a list"),
        (open_answer, "replace the dots"),
    ],
    "value_iteration": [
        (sweeps(1), "V after 1 sweep"),
        (sweeps(2), "V after 2 sweeps"),
        (sweeps(20), "V after 20 sweeps"),
        (sweeps(0), "All values are still 0"),
        (sweeps(400, min), "the worst action"),
        (sweeps(2_000, mean), "walking at random"),
        (lambda rules, gamma: dict(enumerate(value_iteration(rules, gamma))), "as a list"),
        (lambda rules, gamma: 0.5, "should be numbers of shape"),
        (open_answer, "replace the dots"),
    ],
    "way_a": [
        ((0.9, 0.0, 0.0), "to the far end, along the pits"),
        ((0.2, 0.0, 0.2), "to the near end, round the top"),
        ((0.9, 20.0, 0.0), "step is 20"),
        ((0.9, 1.0, 0.0), "Wanted: to the near end, along the pits"),
        ("not possible", "It is possible"),
        ("no", "Answer with three numbers"),
        (0.9, "Answer with three numbers"),
        (..., "Not answered yet"),
    ],
    "way_b": [
        ((0.3, 0.0, 0.0), "along the pits. Wanted: to the near end, round the top"),
        ((0.9, 0.0, 0.2), "to the far end, round the top"),
        ((1.0, 1.0, 0.2), "grows for ever"),
        ("not possible", "It is possible"),
        ((0.2, 0.0), "Answer with three numbers"),
    ],
    "way_c": [
        ((0.9, 0.0, 0.0), "slip is 0; in this question it is from 0.1 to 1"),
        ((0.9, 0.0, 0.2), "round the top"),
        ((0.3, 0.0, 0.1), "to the near end"),
        ("not possible", "It is possible"),
        (None, "Not answered yet"),
    ],
    "way_d": [
        ((0.2, 0.0, 0.2), "slip is 0.2; in this question it is 0"),
        ((0.3, 0.0, 0.0), "can any numbers do it?"),
        ((1.0, 0.0, 0.0), "can any numbers do it?"),
        ((0.9, 5.0, 0.0), "not decided"),
        ("maybe", "Answer with three numbers"),
        ({}, "Answer with three numbers"),
    ],
    "bridge_a": [
        ((0.9, 0.0, 0.2), "back to the near end"),
        ((0.2, 0.0, 0.0), "back to the near end"),
        ((0.9, -1.0, 0.0), "step is -1; in this question it is 0"),
        ("not possible", "It is possible"),
        (("a", "b", "c"), "Answer with three numbers"),
    ],
    "bridge_b": [
        ((0.9, 0.0, 0.1), "can any numbers do it?"),
        ((1.0, 0.0, 0.1), "can any numbers do it?"),
        ((0.9, 0.0, 0.0), "slip is 0; in this question it is 0.1"),
        ("yes", "Answer with three numbers"),
    ],
}

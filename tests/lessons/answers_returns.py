"""Answers to the exercises of lesson 1, right and wrong."""

from __future__ import annotations

import numpy as np


def discounted(rewards, gamma):
    return sum(gamma**step * reward for step, reward in enumerate(rewards))


def backwards(rewards, gamma):
    total = 0.0
    for reward in rewards[::-1]:
        total = reward + gamma * total
    return total


def from_each_step(rewards, gamma):
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
        returns.insert(0, total)
    return returns


def from_each_step_array(rewards, gamma):
    return np.array([discounted(rewards[step:], gamma) for step in range(len(rewards))])


def looks_back(rewards, gamma):
    total = 0.0
    for reward in rewards:
        total = reward + gamma * total
    return total


def each_looks_back(rewards, gamma):
    returns, total = [], 0.0
    for reward in rewards:
        total = reward + gamma * total
        returns.append(total)
    return returns


def greedy(head, direction, food):
    (x, y), (dx, dy) = head, direction
    ahead = [(x + dx, y + dy), (x - dy, y + dx), (x + dy, y - dx)]
    far = [abs(a - food[0]) + abs(b - food[1]) for a, b in ahead]
    return far.index(min(far))


def greedy_last(head, direction, food):
    (x, y), (dx, dy) = head, direction
    cells = np.array([(x + dx, y + dy), (x - dy, y + dx), (x + dy, y - dx)])
    far = np.abs(cells - np.array(food)).sum(axis=1)
    return 2 - np.argmin(far[::-1])


def goes_on(head, direction, food):
    behind = sum((f - h) * d for h, d, f in zip(head, direction, food, strict=True)) < 0
    return 0 if behind else greedy(head, direction, food)


def turned(head, direction, food):
    return {0: 0, 1: 2, 2: 1}[greedy(head, direction, food)]


RIGHT = {
    "discounted_return": [discounted, backwards],
    "returns_from_each_step": [from_each_step, from_each_step_array],
    "two_gammas": [(0.5, 0.95), [0, 1], (np.float64(0.1), 0.8), np.array([0.5, 0.95])],
    "greedy_action": [greedy, greedy_last],
    "three_apples": [[2, 2, 0, 0, 1, 1, 1, 0], (2, 2, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)],
}
WRONG = {
    "discounted_return": [
        (lambda rewards, gamma: sum(rewards), "without gamma"),
        (looks_back, "looks back"),
        (lambda rewards, gamma: gamma * discounted(rewards, gamma), "not discounted"),
        (lambda rewards, gamma: [gamma**t * r for t, r in enumerate(rewards)], "a number"),
        (lambda rewards, gamma: print, "a number"),
        (3.0, "function itself"),
        (None, "Not answered yet"),
    ],
    "returns_from_each_step": [
        (each_looks_back, "looks back"),
        (lambda r, gamma: from_each_step(r, gamma)[::-1], "wrong way round"),
        (lambda r, gamma: [gamma**t * x for t, x in enumerate(r)], "each by itself"),
        (lambda r, gamma: [sum(r[t:]) for t in range(len(r))], "without gamma"),
        (lambda r, gamma: discounted(r, gamma), "numbers of shape (3,)"),
        (lambda r, gamma: "high", "numbers of shape (3,)"),
        ("a word", "function itself"),
    ],
    "two_gammas": [
        ((0.9, 0.95), "would not take 1 now"),
        ((0.5, 0.6), "would not take 2 later"),
        ((0.95, 0.5), "would not take 1 now"),
        ((0.5, 1.5), "from 0 to 1"),
        ((0.5, float("nan")), "from 0 to 1"),
        ((..., ...), "impatient is not answered yet"),
        ((0.5, ...), "patient is not answered yet"),
        ((0.5, "much"), "should be a number"),
        (0.5, "Give two numbers"),
    ],
    "greedy_action": [
        (turned, "turn away from it"),
        (goes_on, "The food is behind, and to the left of a snake that goes left, and you give 0"),
        (lambda head, direction, food: 0, "Compare the three distances"),
        (lambda head, direction, food: (1, 0), "number of the action"),
        (lambda head, direction, food: 3, "no action"),
        (lambda head, direction, food: "right", "number of the action"),
        (2, "function itself"),
    ],
    "three_apples": [
        ([0, 0, 0, 0, 0, 0, 0, 0], "at the wall"),
        ([2, 2, 0, 0], "of 3 apples"),
        ([], "is empty"),
        ([0, 5], "Only 0"),
        ([0.0, 1.0], "whole number"),
        ("0011", "list of your actions"),
        (..., "Not answered yet"),
    ],
}

"""Answers to the exercises of lesson 2, right and wrong."""

from __future__ import annotations

import math

import numpy as np


def updated(mean, count, reward):
    return mean + (reward - mean) / count


def updated_sum(mean, count, reward):
    return ((count - 1) * mean + reward) / count


def choose(values, epsilon, luck, other):
    if luck < epsilon:
        return other
    return int(np.argmax(values))


def choose_list(values, epsilon, luck, other):
    return values.index(max(values)) if luck >= epsilon else other


def ucb(values, counts, pull, width):
    return values + width * np.sqrt(np.log(pull) / counts)


def ucb_list(values, counts, pull, width):
    return [
        value + width * math.sqrt(math.log(pull) / count)
        for value, count in zip(values, counts, strict=True)
    ]


def regret(means, arms):
    return np.cumsum(max(means) - means[arms])


def regret_list(means, arms):
    total, totals = 0.0, []
    for arm in arms:
        total += max(means) - means[arm]
        totals.append(total)
    return totals


RIGHT = {
    "updated_mean": [updated, updated_sum],
    "choose_arm": [choose, choose_list],
    "ucb_scores": [ucb, ucb_list],
    "cumulative_regret": [regret, regret_list],
}
WRONG = {
    "updated_mean": [
        (lambda mean, count, reward: mean + (reward - mean) / (count + 1), "not by count + 1"),
        (lambda mean, count, reward: mean - (reward - mean) / count, "away from it"),
        (lambda mean, count, reward: (mean + reward) / 2, "only two numbers"),
        (lambda mean, count, reward: 0.0, "should be 4"),
        (lambda mean, count, reward: updated(mean, 1, reward), "only the new reward"),
        (lambda mean, count, reward: mean + reward / count, "whole reward"),
        (lambda mean, count, reward: (reward - mean) / count, "That is the change"),
        (lambda mean, count, reward: "five", "a number"),
        (0.5, "function itself"),
    ],
    "choose_arm": [
        (lambda v, epsilon, luck, other: int(np.argmax(v)), "luck is below epsilon"),
        (lambda v, epsilon, luck, other: other, "luck is not below epsilon"),
        (lambda v, epsilon, luck, other: other if luck <= epsilon else choose(v, 0, luck, 0), "<="),
        (lambda v, e, luck, other: other if luck < e else int(np.argmin(v)), "not argmin"),
        (lambda v, epsilon, luck, other: max(v), "number of an arm"),
        (lambda v, epsilon, luck, other: "arm 1", "number of an arm"),
        ([1], "function itself"),
    ],
    "ucb_scores": [
        (lambda v, n, t, c: v + c * np.log(t) / n, "root is missing"),
        (lambda v, n, t, c: v + c * np.sqrt(t / n), "logarithm is missing"),
        (lambda v, n, t, c: v + c * np.sqrt(np.log10(t) / n), "natural logarithm"),
        (lambda v, n, t, c: v + c * np.sqrt(np.log(t)) / n, "whole fraction"),
        (lambda v, n, t, c: c * np.sqrt(np.log(t) / n), "bonus alone"),
        (lambda v, n, t, c: v + np.sqrt(np.log(t) / n), "Where is width"),
        (lambda v, n, t, c: v - c * np.sqrt(np.log(t) / n), "looks better"),
        (lambda v, n, t, c: int(np.argmax(ucb(v, n, t, c))), "numbers of shape (3,)"),
        (1.0, "function itself"),
    ],
    "cumulative_regret": [
        (lambda means, arms: means.max() - means[arms], "np.cumsum"),
        (lambda means, arms: np.sum(means.max() - means[arms]), "one number for each pull"),
        (lambda means, arms: np.cumsum(means[arms]), "what was missed"),
        (lambda means, arms: np.cumsum(means[arms] - means.max()), "other sign"),
        (lambda means, arms: np.cumsum(means[arms].max() - means[arms]), "best arm that there is"),
        (lambda means, arms: "none", "one number for each pull"),
        ({}, "function itself"),
    ],
}

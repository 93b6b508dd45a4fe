"""Answers to the exercises of lesson 8, right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


def score_function(logits, action):
    gradient = -softmax(logits)
    gradient[action] += 1
    return gradient


def returns_of(rewards, gamma):
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
        returns.insert(0, total)
    return returns


def advantages_to_go(rewards, values, gamma):
    return [g - v for g, v in zip(returns_of(rewards, gamma), values, strict=True)]


def advantages_by_powers(rewards, values, gamma):
    steps = np.arange(len(rewards))
    return np.array(
        [
            (gamma ** (steps[t:] - t) * np.array(rewards[t:])).sum() - values[t]
            for t in range(len(rewards))
        ]
    )


def gae(rewards, values, last_value, gamma, lam):
    following = [*values[1:], last_value]
    advantages, advantage = [0.0] * len(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * following[t] - values[t]
        advantage = delta + gamma * lam * advantage
        advantages[t] = advantage
    return advantages


def gae_with(delta_gamma=None, keep=lambda gamma, lam: gamma * lam, last=None):
    """GAE with a mistake in one of its parts."""

    def answer(rewards, values, last_value, gamma, lam):
        following = [*values[1:], last_value if last is None else last]
        advantages, advantage = [], 0.0
        for reward, after, value in zip(rewards[::-1], following[::-1], values[::-1], strict=True):
            delta = reward + (gamma if delta_gamma is None else delta_gamma) * after - value
            advantage = delta + keep(gamma, lam) * advantage
            advantages.insert(0, advantage)
        return advantages

    return answer


def clipped_objective(ratio, advantage, clip):
    bounded = min(max(ratio, 1 - clip), 1 + clip)
    return min(ratio * advantage, bounded * advantage)


def clipped_by_cases(ratio, advantage, clip):
    if advantage >= 0:
        return min(ratio, 1 + clip) * advantage
    return max(ratio, 1 - clip) * advantage


RIGHT: dict[str, list[Any]] = {
    "softmax": [softmax, lambda z: np.exp(z - np.logaddexp.reduce(z))],
    "score_function": [
        score_function,
        lambda logits, action: (np.eye(len(logits))[action] - softmax(logits)).tolist(),
    ],
    "advantages_to_go": [advantages_to_go, advantages_by_powers],
    "gae": [gae, gae_with()],
    "clipped_objective": [clipped_objective, clipped_by_cases],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "softmax": [
        (0.5, "Give the function itself"),
        (lambda z: np.exp(z), "divide by their sum"),
        (lambda z: z / z.sum(), "take e^z"),
        (lambda z: np.eye(len(z))[int(np.argmax(z))], "argmax"),
        (lambda z: np.exp(z) / np.exp(z).sum(), "too large"),
        (lambda z: float(softmax(z)[0]), "numbers of shape"),
        (lambda z: "half", "numbers of shape"),
    ],
    "score_function": [
        ([0.5, -0.5], "Give the function itself"),
        (lambda z, a: -score_function(z, a), "signs are turned"),
        (lambda z, a: softmax(z)[a] * score_function(z, a), "of log pi"),
        (lambda z, a: np.eye(len(z))[a] * score_function(z, a), "lose their own share"),
        (lambda z, a: softmax(z)[::1], "These are the shares"),
        (lambda z, a: 1 - softmax(z), "belongs to the chosen one alone"),
        (lambda z, a: score_function(z, a)[a], "numbers of shape"),
    ],
    "advantages_to_go": [
        ([1.0], "Give the function itself"),
        (
            lambda r, v, g: [returns_of(r, g)[0] - value for value in v],
            "return of the whole episode",
        ),
        (lambda r, v, g: [-a for a in advantages_to_go(r, v, g)], "signs are turned"),
        (lambda r, v, g: advantages_to_go(r, v, 1.0), "Where is gamma"),
        (lambda r, v, g: returns_of(r, g), "take the baseline of each step off"),
        (
            lambda r, v, g: [a - b for a, b in zip(r, v, strict=True)],
            "what comes later",
        ),
        (
            lambda r, v, g: [a + g * c - b for a, b, c in zip(r, v, [*v[1:], 0.0], strict=True)],
            "That is the TD error",
        ),
        (lambda r, v, g: sum(advantages_to_go(r, v, g)), "numbers of shape"),
        (lambda r, v, g: r.reverse() or advantages_to_go(r, v, g), "changes what it was given"),
    ],
    "gae": [
        (0.95, "Give the function itself"),
        (lambda r, v, last, g, lam: gae(r, v, last, g, 0.0), "deltas alone"),
        (lambda r, v, last, g, lam: gae(r, v, last, g, 1.0), "Where is lambda"),
        (gae_with(last=0.0), "comes last_value"),
        (gae_with(keep=lambda gamma, lam: lam), "not lambda alone"),
        (gae_with(delta_gamma=1.0), "Delta has gamma"),
        (
            lambda r, v, last, g, lam: [-a for a in gae(r, v, last, g, lam)],
            "The signs are turned",
        ),
        (
            lambda r, v, last, g, lam: list(np.array(gae(r, v, last, g, lam)) + v),
            "advantages plus values",
        ),
    ],
    "clipped_objective": [
        (1.2, "Give the function itself"),
        (
            lambda r, a, c: max(r * a, min(max(r, 1 - c), 1 + c) * a),
            "That is max",
        ),
        (lambda r, a, c: min(max(r, 1 - c), 1 + c) * a, "clips always"),
        (lambda r, a, c: min(r, min(max(r, 1 - c), 1 + c)) * a, "the smaller ratio, times"),
        (lambda r, a, c: r * a, "not clipped at all"),
        (lambda r, a, c: min(max(r, 1 - c), 1 + c), "multiply by the advantage"),
        (lambda r, a, c: -clipped_objective(r, a, c), "no minus"),
        (lambda r, a, c: min(r * a, min(max(r, -c), c) * a), "The band goes"),
    ],
}

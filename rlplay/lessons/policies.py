"""Lesson 8, nudging a policy: from the gradient of a softmax to PPO's clipped objective.

All in float64 with NumPy, so that everybody gets the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rlplay.lessons.checking import Hint, call, exercise, expect

__all__ = ["Pulls", "pull_two_arms"]

Numbers = NDArray[np.float64]

#: What the two arms pay on average, and how far single payments lie around it.
ARMS: Final = (10.0, 11.0)
NOISE: Final = 1.0


def _softmax(logits: Sequence[float] | Numbers) -> Numbers:
    """The share of each action; the largest logit is taken off first, so that nothing overflows."""
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits))
    return np.asarray(powers / powers.sum(), np.float64)


@dataclass(frozen=True)
class Pulls:
    """Many pulls of a two-armed bandit by one policy, and the nudge that each suggests.

    Attributes:
        actions: (N,) which arm.
        rewards: (N,) what it paid.
        nudges: (N, 2) for each pull (reward - baseline) times the gradient of log pi.
    """

    actions: NDArray[np.int64]
    rewards: Numbers
    nudges: Numbers

    @property
    def mean(self) -> Numbers:
        """(2,) the mean nudge: where the logits should go."""
        return np.asarray(self.nudges.mean(axis=0), np.float64)

    @property
    def spread(self) -> Numbers:
        """(2,) the standard deviation of a single nudge: how noisy the advice is."""
        return np.asarray(self.nudges.std(axis=0), np.float64)


def pull_two_arms(
    logits: Sequence[float] = (0.0, 0.0), baseline: float = 0.0, pulls: int = 1_000, seed: int = 0
) -> Pulls:
    """Pull a bandit's two arms, which pay 10 and 11 on average; the same seed, the same pulls.

    Args:
        logits: The policy's two logits.
        baseline: What is taken off every reward.
        pulls: How many.
        seed: The seed.

    Returns:
        The pulls and their nudges.
    """
    generator = np.random.default_rng(seed)
    shares = _softmax(logits)
    actions = (generator.random(pulls) >= shares[0]).astype(np.int64)
    rewards = np.asarray(ARMS)[actions] + NOISE * generator.standard_normal(pulls)
    scores = np.eye(2)[actions] - shares
    return Pulls(actions, rewards, (rewards - baseline)[:, None] * scores)


# Exercises ---------------------------------------------------------------------------------------


@exercise("softmax", parts=3)
def _check_softmax(answer: Callable[[Numbers], Any]) -> Iterator[None]:
    for logits in ([2.0, 1.0, -1.0], [0.5, 0.5]):
        array = np.array(logits)
        powers = np.exp(array)
        expect(
            call(answer, array),
            _softmax(array),
            {
                "These are the powers e^z, and they do not add up to 1: divide by their sum.": (
                    powers
                ),
                "That shares out the logits themselves; take e^z of each first: np.exp(logits).": (
                    array / array.sum()
                ),
                "The largest gets everything: that is argmax. Softmax leaves the others a share.": (
                    np.eye(len(array))[int(array.argmax())]
                ),
            },
            what=f"The softmax of {logits}",
        )
        yield
    large = np.array([1000.0, 1001.0])
    with np.errstate(all="ignore"):
        got = call(answer, large)
    if isinstance(got, np.ndarray) and not np.isfinite(got).all():
        raise Hint(
            "For large logits e^z is too large for a number. Take the largest logit off all of "
            "them first: the shares stay the same."
        )
    expect(got, _softmax(large), what="The softmax of [1000, 1001]")
    yield


@exercise("score_function", parts=3)
def _check_score(answer: Callable[[Numbers, int], Any]) -> Iterator[None]:
    for logits, action in (([1.0, -1.0], 1), ([0.0, 0.0], 0), ([0.5, 2.0, 1.0], 1)):
        array = np.array(logits)
        shares = _softmax(array)
        chosen = np.eye(len(array))[action]
        true = chosen - shares
        expect(
            call(answer, array, action),
            true,
            {
                "The signs are turned: the chosen action's number goes up, the others go down.": (
                    -true
                ),
                "That is the gradient of pi; of log pi it is that divided by pi(a).": (
                    shares[action] * true
                ),
                "Only the chosen action's number is there. The others lose their own share, so "
                "that all add up to 0.": chosen * true,
                "These are the shares. The chosen action has 1 - its share, each other - its "
                "share.": shares,
                "That is 1 - the share for every action; the 1 belongs to the chosen one alone.": (
                    1.0 - shares
                ),
            },
            what=f"The gradient for logits {logits} and action {action}",
        )
        yield


def _to_go(rewards: Sequence[float], gamma: float) -> Numbers:
    """G_t of each step."""
    returns, total = np.zeros(len(rewards)), 0.0
    for step in reversed(range(len(rewards))):
        returns[step] = total = rewards[step] + gamma * total
    return returns


@exercise("advantages_to_go", parts=3)
def _check_to_go(
    answer: Callable[[list[float], list[float], float], Any],
) -> Iterator[None]:
    cases = (
        ([0.0, 0.0, 8.0], [1.0, 2.0, 3.0], 0.9),
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0], 0.5),
        ([2.0, -1.0, 0.5, 4.0], [0.5, 0.0, -0.5, 1.0], 0.99),
    )
    for rewards, values, gamma in cases:
        returns, baseline = _to_go(rewards, gamma), np.array(values)
        whole = np.full(len(rewards), returns[0])
        expect(
            call(answer, rewards, values, gamma),
            returns - baseline,
            {
                "Every step has the return of the whole episode. What came before an action is not "
                "its merit: sum from this step on.": whole - baseline,
                "These are the returns; take the baseline of each step off.": returns,
                "The signs are turned: return minus baseline.": baseline - returns,
                "Where is gamma?": _to_go(rewards, 1.0) - baseline,
                "These are reward minus baseline: what comes later belongs to G too.": (
                    np.array(rewards) - baseline
                ),
                "That is the TD error, one reward and the next state's value. Here all rewards "
                "from this step on are summed.": _gae(rewards, values, 0.0, gamma, 0.0),
            },
            what=f"For rewards {rewards}, the result",
        )
        yield


def _gae(
    rewards: Sequence[float], values: Sequence[float], last_value: float, gamma: float, lam: float
) -> Numbers:
    """The sum of (gamma lambda)^k delta_(t+k) (Schulman et al. 2016, equation 16)."""
    following = [*values[1:], last_value]
    deltas = [
        reward + gamma * after - value
        for reward, after, value in zip(rewards, following, values, strict=True)
    ]
    return _to_go(deltas, gamma * lam)


@exercise("gae", parts=4)
def _check_gae(
    answer: Callable[[list[float], list[float], float, float, float], Any],
) -> Iterator[None]:
    rewards, values, last = [1.0, 0.0, 2.0], [0.5, 1.0, 1.5], 3.0
    for gamma, lam in ((0.9, 0.0), (0.9, 1.0), (0.99, 0.95), (0.5, 0.5)):
        true = _gae(rewards, values, last, gamma, lam)
        expect(
            call(answer, rewards, values, last, gamma, lam),
            true,
            {
                "These are the deltas alone (lambda = 0). Add gamma * lambda times the advantage "
                "of the next step.": _gae(rewards, values, last, gamma, 0.0),
                "Where is lambda? The advantage of the next step counts gamma * lambda.": (
                    _gae(rewards, values, last, gamma, 1.0)
                ),
                "After the last step comes last_value, not 0: the episode goes on there.": (
                    _gae(rewards, values, 0.0, gamma, lam)
                ),
                "The advantage of the next step counts gamma * lambda, not lambda alone.": (
                    _to_go(list(_gae(rewards, values, last, gamma, 0.0)), lam)
                ),
                "Delta has gamma before the value of the next state.": _to_go(
                    list(_gae(rewards, values, last, 1.0, 0.0)), gamma * lam
                ),
                "The signs are turned: delta = reward + gamma * next value - value.": -true,
                "These are advantages plus values: the returns that V learns from.": (
                    true + np.array(values)
                ),
            },
            what=f"With gamma {gamma} and lambda {lam}, the result",
        )
        yield


@exercise("clipped_objective", parts=3)
def _check_clipped(answer: Callable[[float, float, float], Any]) -> Iterator[None]:
    # Two ratios together, one on each side of the band: a single one fits several mistakes.
    ratios = np.array([1.5, 0.5])
    for advantage, clip in ((2.0, 0.2), (-1.0, 0.2), (3.0, 0.3)):
        bounded = ratios.clip(1.0 - clip, 1.0 + clip)
        free, held = ratios * advantage, bounded * advantage
        larger = (
            "That is max; PPO takes the smaller of the two, so that it never hopes too much."
            if advantage > 0
            else "That is the smaller ratio, times the advantage. Multiply first and compare then: "
            "with a negative advantage, the larger ratio gives the smaller product."
        )
        expect(
            [call(answer, ratio, advantage, clip) for ratio in ratios.tolist()],
            np.minimum(free, held),
            {
                larger: np.maximum(free, held),
                "That clips always. Where the ratio has gone the wrong way, the smaller of both "
                "lets the gradient bring it back: min(r A, clip(r) A).": held,
                "That is r A, not clipped at all.": free,
                "That is the clipped ratio; multiply by the advantage.": bounded,
                "That is a loss, to be made small. The objective is made large: no minus.": (
                    -np.minimum(free, held)
                ),
                "The band goes from 1 - clip to 1 + clip, not from -clip to clip.": (
                    np.minimum(free, ratios.clip(-clip, clip) * advantage)
                ),
            },
            what=f"For the ratios 1.5 and 0.5 with advantage {advantage} and clip {clip}, the "
            "objective",
        )
        yield

"""Lesson 2, explore or exploit: estimates, choices and regret on a bandit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = ["choose_arm", "cumulative_regret", "ucb_scores", "updated_mean"]


def updated_mean(mean: float, count: int, reward: float) -> float:
    """Give the mean with one more reward (Sutton and Barto, equation 2.3).

    Args:
        mean: Of the rewards before.
        count: How many rewards there are, with the new one.
        reward: The new one.
    """
    return mean + (reward - mean) / count


@exercise("updated_mean", parts=3)
def _updated_mean(answer: Callable[[float, int, float], float]) -> Iterator[None]:
    for mean, count, reward in ((3.0, 4, 7.0), (0.0, 1, 5.0), (-1.5, 10, 0.5)):
        expect(
            call(answer, mean, count, reward),
            updated_mean(mean, count, reward),
            {
                "That is only the new reward: it moves the mean by a part of the error.": reward,
                "count holds the new reward already: divide by count, not by count + 1.": mean
                + (reward - mean) / (count + 1),
                "The error is reward - mean: it points to the new reward, not away from it.": mean
                - (reward - mean) / count,
                "That is the mean of only two numbers: the step is 1 / count, and not 1 / 2.": (
                    mean + reward
                )
                / 2,
                "You add the whole reward; add (reward - mean) / count.": mean + reward / count,
                "That is the change. Give the new mean: mean + change.": (reward - mean) / count,
            },
            what=f"The mean after {count} rewards (it was {mean:g}, then came {reward:g})",
        )
        yield


def choose_arm(values: Sequence[float], epsilon: float, luck: float, other: int) -> int:
    """Choose any arm with probability epsilon, else the one with the highest estimate.

    Args:
        values: The estimate of each arm.
        epsilon: How often to explore, from 0 to 1.
        luck: A random number from 0 up to 1, and never 1.
        other: An arm that was drawn by chance.
    """
    return other if luck < epsilon else int(np.argmax(values))


@exercise("choose_arm", parts=4)
def _choose_arm(answer: Callable[[list[float], float, float, int], int]) -> Iterator[None]:
    values = [0.2, 1.5, -0.3, 0.9]
    cases = (
        (0.1, 0.7, 3, "luck is not below epsilon, so take the arm with the highest estimate"),
        (0.1, 0.05, 3, "luck is below epsilon, so take the arm that was drawn"),
        (0.0, 0.0, 0, "with epsilon 0 there is no exploring: compare with <, not with <="),
        (1.0, 0.99, 2, "with epsilon 1 each choice is by chance"),
    )
    for epsilon, luck, other, why in cases:
        got = call(answer, values, epsilon, luck, other)
        need(
            isinstance(got, int | np.integer) and not isinstance(got, bool),
            "Give the number of an arm, a whole number. max(values) is a value; "
            "np.argmax(values) is its place.",
        )
        expect(
            int(got),
            choose_arm(values, epsilon, luck, other),
            {
                "That is the arm with the lowest estimate: argmax, not argmin.": 2
                if luck >= epsilon
                else -1,
            },
            what=f"With epsilon {epsilon:g} and luck {luck:g} ({why}) the arm",
        )
        yield


def ucb_scores(
    values: npt.ArrayLike, counts: npt.ArrayLike, pull: int, width: float
) -> npt.NDArray[np.float64]:
    """Give each arm's estimate with a bonus for what is little known (equation 2.10).

    Args:
        values: The estimate of each arm.
        counts: How often each was pulled, at least once.
        pull: The number of this pull, from 1.
        width: How much the bonus counts.

    Returns:
        (k,) value + width * sqrt(ln(pull) / count).
    """
    scores: npt.NDArray[np.float64] = np.asarray(values) + width * np.sqrt(
        np.log(pull) / np.asarray(counts)
    )
    return scores


@exercise("ucb_scores", parts=3)
def _ucb_scores(answer: Callable[..., np.ndarray]) -> Iterator[None]:
    cases = (
        (np.array([1.0, 0.5, 0.0]), np.array([4, 1, 2]), 8, 2.0),
        (np.array([0.3, -0.2]), np.array([10, 5]), 16, 1.0),
        (np.array([0.0, 2.0, 1.0, -1.0]), np.array([1, 1, 3, 2]), 7, 0.0),
    )
    for values, counts, pull, width in cases:
        expect(
            call(answer, values, counts, pull, width),
            ucb_scores(values, counts, pull, width),
            {
                "The root is missing: np.sqrt(np.log(pull) / counts).": values
                + width * np.log(pull) / counts,
                "The logarithm is missing: np.log(pull) under the root.": values
                + width * np.sqrt(pull / counts),
                "The natural logarithm is meant: np.log, not np.log10.": values
                + width * np.sqrt(np.log10(pull) / counts),
                "The root is over the whole fraction, counts too.": values
                + width * np.sqrt(np.log(pull)) / counts,
                "That is the bonus alone: add it to the values.": width
                * np.sqrt(np.log(pull) / counts),
                "Where is width? It says how much the bonus counts.": values
                + np.sqrt(np.log(pull) / counts),
                "The bonus is added, so that what is little known looks better.": values
                - width * np.sqrt(np.log(pull) / counts),
            },
            what=f"The scores for values {values.tolist()} and counts {counts.tolist()}",
        )
        yield


def cumulative_regret(means: npt.ArrayLike, arms: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Add up what the best arm would have paid more, on average, after each pull.

    Args:
        means: The true mean of each arm.
        arms: The arms that were pulled.

    Returns:
        (pulls,) the regret so far.
    """
    true = np.asarray(means, np.float64)
    return np.cumsum(true.max() - true[np.asarray(arms, np.intp)])


@exercise("cumulative_regret", parts=3)
def _cumulative_regret(answer: Callable[..., np.ndarray]) -> Iterator[None]:
    cases = (
        (np.array([1.0, 0.0, 3.0]), np.array([0, 1, 0, 0])),
        (np.array([-1.0, -2.0]), np.array([1, 1, 0])),
        (np.array([0.5, 0.5, 0.1]), np.array([0, 1, 1])),
    )
    for means, arms in cases:
        lost = means.max() - means[arms]
        got = call(answer, means, arms)
        if np.shape(got) == ():
            raise Hint("Give one number for each pull: np.cumsum, and not np.sum.")
        expect(
            got,
            cumulative_regret(means, arms),
            {
                "That is the loss of each pull by itself: add up with np.cumsum.": lost,
                "Those are sums of what was paid. Regret is what was missed: best - means[arms].": (
                    np.cumsum(means[arms])
                ),
                "Regret is best - paid, so it never falls; yours has the other sign.": np.cumsum(
                    -lost
                ),
                "Compare with the best arm that there is, not with the best one pulled.": np.cumsum(
                    means[arms].max() - means[arms]
                ),
            },
            what=f"The regret for means {means.tolist()} and arms {arms.tolist()}",
        )
        yield

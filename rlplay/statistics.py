"""How sure is a comparison of a few runs? Robust means, and intervals that say what seeds can do.

A single run says little: another seed gives another curve. Agarwal et al. 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice" (NeurIPS), advise to show the interquartile mean
over the seeds with a bootstrap interval, and the probability that one algorithm beats another.
"""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay.errors import ConfigError

__all__ = [
    "bootstrap_interval",
    "difference_interval",
    "interquartile_mean",
    "probability_of_improvement",
]

#: Resamples of which the statistic is computed at once, to bound the memory.
_BATCH = 250


def _numbers(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Read numbers.

    Raises:
        ConfigError: For anything else, and for NaN.
    """
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(
            f"Statistics need numbers, not {reprlib.repr(values)}. Give scores as a list or an "
            "array, with a row for each seed."
        ) from None
    if np.isnan(numbers).any():
        raise ConfigError("A value is NaN. Leave out what has no score.")
    return numbers


def interquartile_mean(values: npt.ArrayLike, axis: int = 0) -> Any:
    """Give the mean of the middle half: the lowest and the highest quarter do not count.

    It is less shaken by a single bad seed than the mean, and uses more of the data than the median.
    A quarter that is not a whole number of values is rounded down, so that of fewer than 4 values
    all count.

    Args:
        values: Numbers; at least one along the axis.
        axis: The axis of the seeds.

    Returns:
        A float for one row of values, else an array without the axis.

    Raises:
        ConfigError: When there are no values, or something is no number.
    """
    from scipy.stats import trim_mean

    numbers = _numbers(values)
    if numbers.ndim == 0 or numbers.shape[axis] == 0:
        raise ConfigError("An interquartile mean needs at least 1 value along the axis.")
    mean = trim_mean(numbers, 0.25, axis=axis)
    return float(mean) if np.ndim(mean) == 0 else mean


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
    axis: int = 0,
) -> tuple[Any, Any]:
    """Say between which bounds the interquartile mean would lie with other seeds.

    The seeds are drawn again, with replacement, and the interval holds the middle of what comes out
    (the percentile bootstrap). Every other axis is drawn alike: the curve of a seed stays whole.

    Args:
        values: Numbers; at least two along the axis.
        confidence: Share of the resamples within the interval, above 0 and below 1.
        resamples: How often the seeds are drawn.
        seed: Of the drawing: the same arguments give the same interval.
        axis: The axis of the seeds.

    Returns:
        Lower and upper bound: floats for one row of values, else arrays without the axis.

    Raises:
        ConfigError: For fewer than two values, what is no number, or a number out of range.
    """
    from scipy.stats import bootstrap

    numbers = _numbers(values)
    if numbers.ndim == 0 or numbers.shape[axis] < 2:
        raise ConfigError("A bootstrap interval needs at least 2 values along the axis.")
    _check_drawing(confidence, resamples)
    found = bootstrap(
        (numbers,),
        interquartile_mean,
        axis=axis,
        n_resamples=resamples,
        batch=_BATCH,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    if numbers.ndim == 1:
        return float(found.low), float(found.high)
    return found.low, found.high


def difference_interval(
    ours: npt.ArrayLike,
    theirs: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Say between which bounds the interquartile means would differ with other seeds.

    Both rows are drawn again, each from itself (the percentile bootstrap of the difference). Where
    the interval holds 0, the seeds do not show which one is better.

    Args:
        ours: (N,) numbers, such as the scores of the seeds of one learner; at least two.
        theirs: (M,) numbers of the other one; at least two.
        confidence: Share of the resamples within the interval, above 0 and below 1.
        resamples: How often the seeds are drawn.
        seed: Of the drawing: the same arguments give the same interval.

    Returns:
        Lower and upper bound of ours minus theirs.

    Raises:
        ConfigError: For fewer than two values, what is no number, or a number out of range.
    """
    from scipy.stats import bootstrap

    rows = tuple(_numbers(row).ravel() for row in (ours, theirs))
    if min(map(len, rows)) < 2:
        raise ConfigError("A bootstrap interval needs at least 2 values on either side.")
    _check_drawing(confidence, resamples)

    def difference(first: Any, second: Any, axis: int) -> Any:
        return interquartile_mean(first, axis) - interquartile_mean(second, axis)

    found = bootstrap(
        rows,
        difference,
        n_resamples=resamples,
        batch=_BATCH,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _check_drawing(confidence: float, resamples: int) -> None:
    """Refuse what no bootstrap can be drawn with."""
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence = {confidence!r} is not allowed: above 0 and below 1.")
    if resamples < 1:
        raise ConfigError(f"resamples = {resamples!r} is not allowed: 1 or more.")


def probability_of_improvement(better: npt.ArrayLike, worse: npt.ArrayLike) -> float:
    """Say how likely a value of the first row is higher than one of the second.

    It is the share of all pairs in which it is, where a tie counts half: the statistic of the test
    of Mann and Whitney over the number of pairs.

    Args:
        better: (N,) numbers, such as the scores of one agent.
        worse: (M,) numbers of the other one.

    Returns:
        From 0 to 1; 0.5 when neither is better.

    Raises:
        ConfigError: When one of them has no values.
    """
    from scipy.stats import rankdata

    first, second = (_numbers(row).ravel() for row in (better, worse))
    if not len(first) or not len(second):
        raise ConfigError("A probability of improvement needs at least 1 value on either side.")
    ranks = rankdata(np.concatenate([first, second]))[: len(first)]
    wins = ranks.sum() - len(first) * (len(first) + 1) / 2
    return float(wins / (len(first) * len(second)))

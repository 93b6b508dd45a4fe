"""Lesson 9, was it luck: robust means, bootstrap intervals, and what a few seeds can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from rlplay.lessons.checking import Hint, call, exercise, expect, need
from rlplay.samples.seeds import load_seeds
from rlplay.statistics import difference_interval, probability_of_improvement

__all__ = ["COMPARISONS", "VERDICTS", "compare"]

#: What a comparison can say.
VERDICTS: Final = ("better", "worse", "not shown")
#: The comparisons of the exercise: the learner that is held against "plain", and the seeds of each.
COMPARISONS: Final = {
    "idea, 5 seeds": ("idea", 5),
    "idea, 20 seeds": ("idea", 20),
    "window, 5 seeds": ("window", 5),
    "window, 20 seeds": ("window", 20),
}

_SCORES: Final = (
    [5.0, 1.0, 9.0, 3.0],
    [20.0, 18.0, 2.0, 19.0, 21.0, 17.0, 40.0, 20.0],
    [7.0, 5.0, 0.0],
    [3.0, 8.0, 6.0, 1.0, 12.0, 9.0],
)


def compare(comparison: str) -> tuple[float, float]:
    """Give the interval of 95 % of one of `COMPARISONS`: the learner's IQM minus that of "plain".

    Args:
        comparison: Its name.

    Returns:
        Lower and upper bound.
    """
    name, count = COMPARISONS[comparison]
    ours, theirs = load_seeds(name).scores[:count], load_seeds("plain").scores[:count]
    return difference_interval(ours, theirs)


def _trimmed(values: list[float], cut: int) -> float:
    middle = values[cut : len(values) - cut]
    return float(np.mean(middle)) if middle else float("inf")


@exercise("interquartile_mean", parts=4)
def _interquartile_mean(answer: Callable[[list[float]], float]) -> Iterator[None]:
    for values in _SCORES:
        cut, ordered = len(values) // 4, sorted(values)
        empty = (
            f"With {len(values)} values no quarter is cut off, and values[0:-0] is empty: count "
            "the end from the front, values[cut : len(values) - cut]."
        )
        try:
            got = call(answer, values)
        except Hint as hint:  # it divided by the length of nothing
            need(cut > 0 or hint.__cause__ is None, empty)
            raise
        need(
            cut > 0 or not (isinstance(got, float | np.floating) and (got == 0 or np.isnan(got))),
            empty,
        )
        expect(
            got,
            _trimmed(ordered, cut),
            {
                "Round a quarter of the values down: len(values) // 4.": _trimmed(
                    ordered, -(-len(values) // 4)
                ),
                "Sort the values first: the quarters are of the lowest and the highest, not of the "
                "first and the last.": _trimmed(values, cut),
                "That is the mean of all. Leave out the lowest and the highest quarter.": float(
                    np.mean(values)
                ),
                "That is the median: keep the middle half, not only the middle.": float(
                    np.median(values)
                ),
                "Only the lowest quarter is left out; the highest goes too.": float(
                    np.mean(ordered[cut:])
                ),
            },
            what=f"The interquartile mean of {values}",
        )
        yield


def _means_of_resamples(values: list[float], seed: int, resamples: int, size: int) -> Any:
    generator = np.random.default_rng(seed)
    drawn = np.sort(np.array(values)[generator.integers(0, len(values), (resamples, size))])
    cut = size // 4
    return drawn[:, cut : size - cut].mean(axis=1), drawn.mean(axis=1)


@exercise("bootstrap_interval", parts=3)
def _bootstrap_interval(answer: Callable[..., tuple[float, float]]) -> Iterator[None]:
    for values, seed, resamples in (
        ([3.0, 8.0, 6.0, 1.0, 12.0, 9.0, 7.0, 4.0], 1, 200),
        ([5.0, 9.0, 7.0, 8.0, 1.0], 2, 500),
        (load_seeds("plain").scores.tolist(), 3, 300),
    ):
        middle, mean = _means_of_resamples(values, seed, resamples, len(values))
        got = call(answer, values, np.random.default_rng(seed), resamples)
        pair = np.asarray(got, dtype=object)
        need(
            pair.shape == (2,),
            "Give two numbers, the lower and the upper bound: return low, high.",
        )
        low, high = (float(bound) if _is_number(bound) else np.nan for bound in pair)
        need(not np.isnan([low, high]).any(), "Both bounds should be numbers.")
        need(
            low != high,
            "Both bounds are equal: is each resample a shuffle of the same values? Draw with "
            "replacement, so that a seed can come twice and another not at all.",
        )
        need(low < high, "The lower bound comes first: return low, high.")
        whole = np.array(values)
        spread = whole.std() / np.sqrt(len(whole))
        expect(
            got,
            np.quantile(middle, [0.025, 0.975]),
            {
                "That is the interval of the mean. Give the one of the interquartile mean.": (
                    np.quantile(mean, [0.025, 0.975])
                ),
                "That holds 90 % of the resamples: leave out 2.5 % on each side.": np.quantile(
                    middle, [0.05, 0.95]
                ),
                "Leave out 2.5 % on each side, not 25 %: the quantiles 0.025 and 0.975.": (
                    np.quantile(middle, [0.25, 0.75])
                ),
                "That is the lowest and the highest resample. Take the quantiles 0.025, 0.975.": (
                    np.array([middle.min(), middle.max()])
                ),
                "That is the range of the values themselves. Take the quantiles of the "
                "interquartile means of the resamples.": np.quantile(whole, [0.025, 0.975]),
                "That is the mean with two standard errors. Draw the seeds again instead.": (
                    whole.mean() + np.array([-2, 2]) * spread
                ),
            },
            what=f"The interval of {len(values)} values, with seed {seed}",
        )
        yield


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


@exercise("probability_of_improvement", parts=4)
def _improvement(answer: Callable[[list[float], list[float]], float]) -> Iterator[None]:
    for ours, theirs in (
        ([3.0, 5.0], [1.0, 4.0]),
        ([2.0, 2.0, 7.0], [2.0, 9.0, 1.0]),
        ([6.0], [1.0, 2.0, 3.0, 8.0]),
        ([4.0, 4.0], [4.0, 4.0]),
    ):
        pairs = [(x, y) for x in ours for y in theirs]
        wins, ties = sum(x > y for x, y in pairs), sum(x == y for x, y in pairs)
        side_by_side = list(zip(ours, theirs, strict=False))
        expect(
            call(answer, ours, theirs),
            probability_of_improvement(ours, theirs),
            {
                "A tie counts half: it speaks for neither.": wins / len(pairs),
                "A tie counts half, not whole.": (wins + ties) / len(pairs),
                "Compare each of ours with each of theirs, not only those at the same place.": sum(
                    (x > y) + 0.5 * (x == y) for x, y in side_by_side
                )
                / len(side_by_side),
                "That is how often theirs is higher; ours comes first.": probability_of_improvement(
                    theirs, ours
                ),
                "Divide by the number of pairs.": wins + 0.5 * ties,
            },
            what=f"The probability that {ours} is above {theirs}",
        )
        yield


@exercise("verdicts", parts=4)
def _verdicts(answer: dict[str, Any]) -> Iterator[None]:
    need(isinstance(answer, dict), "Give a dict: a word for each comparison.")
    for comparison, (name, count) in COMPARISONS.items():
        need(comparison in answer, f"{comparison!r} is missing.")
        word = answer[comparison]
        need(word is not Ellipsis, f"{comparison!r} is not answered yet.")
        need(
            isinstance(word, str) and word in VERDICTS,
            f"{comparison!r}: write 'better', 'worse' or 'not shown'.",
        )
        low, high = compare(comparison)
        true = "better" if low > 0 else "worse" if high < 0 else "not shown"
        ours, theirs = load_seeds(name).scores[:count], load_seeds("plain").scores[:count]
        looks = "better" if ours.mean() > theirs.mean() else "worse"
        if word == true:
            yield
            continue
        need(
            not (true == "not shown" and word == looks),
            f"{comparison!r}: the means look like it, but the interval of the difference holds 0, "
            "so other seeds may turn it round.",
        )
        need(
            true == "not shown",
            f"{comparison!r}: look again on which side of 0 the whole interval lies.",
        )
        need(False, f"{comparison!r}: neither the means nor the interval say that.")

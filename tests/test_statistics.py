"""The statistics of comparisons, against numbers that were worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rlplay.errors import ConfigError
from rlplay.statistics import (
    bootstrap_interval,
    difference_interval,
    interquartile_mean,
    probability_of_improvement,
)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([7], 7.0),
        ([1, 4], 2.5),
        ([0, 0, 9], 3.0),  # fewer than four: all count
        ([100, 1, 2, -50], 1.5),  # the middle half: 1 and 2
        ([5, 1, 2, 3, 90], 10 / 3),  # a quarter of 5 is one value: 2, 3, 5
        ([0, 0, 10, 20, 30, 40, 1000, 1000], 25.0),  # 10, 20, 30, 40
    ],
)
def test_the_interquartile_mean_of_the_middle_half(values, mean) -> None:
    assert interquartile_mean(values) == pytest.approx(mean, abs=1e-12)


def test_curves_are_averaged_point_by_point() -> None:
    seeds = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0], [90.0, 1.0]])  # 4 seeds, 2 points
    assert interquartile_mean(seeds).tolist() == [3.0, 1.0]
    assert interquartile_mean(seeds.T, axis=1).tolist() == [3.0, 1.0]


def test_a_bootstrap_of_three_values() -> None:
    """27 equally likely draws of 0, 3, 6.

    Their means are 0 (1 of 27), 1 (3), 2 (6), 3 (7), 4 (6), 5 (3) and 6 (1). Below 0 lie 3.7 %:
    an interval of 95 % begins at 0, one of 90 % at 1, one of 50 % at 2.
    """
    assert bootstrap_interval([0, 3, 6], resamples=20_000) == (0.0, 6.0)
    assert bootstrap_interval([0, 3, 6], resamples=20_000, confidence=0.9) == (1.0, 5.0)
    assert bootstrap_interval([0, 3, 6], resamples=20_000, confidence=0.5) == (2.0, 4.0)


def test_a_bootstrap_depends_on_its_seed_alone() -> None:
    values = np.random.default_rng(1).normal(size=9)
    once = bootstrap_interval(values, resamples=200, seed=4)
    assert once == bootstrap_interval(values, resamples=200, seed=4)
    assert once != bootstrap_interval(values, resamples=200, seed=5)
    low, high = once
    assert low < interquartile_mean(values) < high


def test_a_band_holds_each_seeds_curve_together() -> None:
    seeds = np.array([[0.0, 0.0], [3.0, 30.0], [6.0, 60.0]])
    low, high = bootstrap_interval(seeds, resamples=2_000, confidence=0.9)
    assert low.tolist() == [1.0, 10.0]
    assert high.tolist() == [5.0, 50.0]
    assert (10 * low[0], 10 * high[0]) == (low[1], high[1])


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ([2], [1], 1.0),
        ([1], [1], 0.5),
        ([1, 2], [3], 0.0),
        ([1, 2, 3], [2, 2], 0.5),  # 0 + 2 ties + 2 wins: 3 of 6
        ([5, 1], [0, 2, 5], 3.5 / 6),  # 5: 2 wins and a tie; 1: a win
    ],
)
def test_the_share_of_pairs_that_are_better(first, second, share) -> None:
    assert probability_of_improvement(first, second) == pytest.approx(share, abs=1e-12)
    assert probability_of_improvement(second, first) == pytest.approx(1 - share, abs=1e-12)


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 value"):
        interquartile_mean([])
    with pytest.raises(ConfigError, match="at least 2 values"):
        bootstrap_interval([1.0])
    with pytest.raises(ConfigError, match="confidence = 1"):
        bootstrap_interval([1.0, 2.0], confidence=1)
    with pytest.raises(ConfigError, match="resamples = 0"):
        bootstrap_interval([1.0, 2.0], resamples=0)
    with pytest.raises(ConfigError, match="either side"):
        probability_of_improvement([], [1.0])


def test_opening_rlplay_does_not_load_scipy() -> None:
    code = "import sys, rlplay, rlplay.statistics; sys.exit('scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_interval_of_a_difference() -> None:
    ours, theirs = [10.0, 12.0, 14.0, 11.0, 13.0], [1.0, 2.0, 3.0, 2.0, 1.0]
    low, high = difference_interval(ours, theirs)
    assert 0 < low < interquartile_mean(ours) - interquartile_mean(theirs) < high
    assert difference_interval(ours, ours)[0] < 0 < difference_interval(ours, ours)[1]
    assert difference_interval(ours, theirs, seed=3) == difference_interval(ours, theirs, seed=3)
    assert difference_interval([0, 0], [1, 1, 1]) == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "reason"),
    [
        ([1], [1, 2], {}, "at least 2 values on either side"),
        ([1, 2], [], {}, "at least 2 values on either side"),
        ([1, 2], ["a", "b"], {}, "need numbers, not \\['a', 'b'\\]"),
        ([1, [2, 3]], [1, 2], {}, "need numbers"),
        ([1, None], [1, 2], {}, "is NaN"),
        ([1, 2], [1, 2], {"confidence": 1}, "confidence"),
        ([1, 2], [1, 2], {"resamples": 0}, "resamples"),
    ],
)
def test_differences_that_cannot_be_drawn_are_refused(ours, theirs, options, reason) -> None:
    with pytest.raises(ConfigError, match=reason):
        difference_interval(ours, theirs, **options)


def test_what_is_no_number_is_refused() -> None:
    for values in ("a", ["a"], {}, [object()]):
        with pytest.raises(ConfigError, match="need numbers"):
            interquartile_mean(values)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="NaN"):
        probability_of_improvement([1.0], [float("nan")])

"""Answers to the exercises of lesson 9: right ones, and wrong ones with the hint that they get."""

import numpy as np

from rlplay.lessons.seeds import COMPARISONS, compare


def iqm(values):
    ordered = sorted(values)
    cut = len(ordered) // 4
    return sum(ordered[cut : len(ordered) - cut]) / (len(ordered) - 2 * cut)


def iqm_array(values):
    array = np.sort(np.asarray(values))
    cut = int(0.25 * array.size)
    return array[cut : array.size - cut].mean()


def iqm_unsorted(values):
    cut = len(values) // 4
    return np.mean(values[cut : len(values) - cut])


def iqm_negative_slice(values):
    cut = len(values) // 4
    middle = sorted(values)[cut:-cut]
    return sum(middle) / len(middle)


def iqm_only_low(values):
    return np.mean(sorted(values)[len(values) // 4 :])


def iqm_rounds_up(values):
    cut = -(-len(values) // 4)
    return np.mean(sorted(values)[cut : len(values) - cut])


def iqm_sorts_in_place(values):
    values.sort()
    return iqm(values)


def bootstrap(values, generator, resamples):
    means = []
    for _ in range(resamples):
        drawn = generator.choice(values, size=len(values))
        means.append(iqm(drawn))
    return np.quantile(means, 0.025), np.quantile(means, 0.975)


def bootstrap_at_once(values, generator, resamples):
    places = generator.integers(0, len(values), size=(resamples, len(values)))
    means = [iqm(row) for row in np.array(values)[places]]
    return np.percentile(means, [2.5, 97.5])


def bootstrap_like(statistic, low, high, replace=True):
    def bootstrap_interval(values, generator, resamples):
        means = [
            statistic(generator.choice(values, size=len(values), replace=replace))
            for _ in range(resamples)
        ]
        return np.quantile(means, low), np.quantile(means, high)

    return bootstrap_interval


def two_errors(values, generator, resamples):
    error = np.std(values) / np.sqrt(len(values))
    return np.mean(values) - 2 * error, np.mean(values) + 2 * error


def improvement(ours, theirs):
    wins = sum((x > y) + (x == y) / 2 for x in ours for y in theirs)
    return wins / (len(ours) * len(theirs))


def improvement_array(ours, theirs):
    difference = np.subtract.outer(ours, theirs)
    return (difference > 0).mean() + (difference == 0).mean() / 2


VERDICTS = {
    name: "better" if compare(name)[0] > 0 else "worse" if compare(name)[1] < 0 else "not shown"
    for name in COMPARISONS
}

RIGHT = {
    "interquartile_mean": [iqm, iqm_array],
    "bootstrap_interval": [bootstrap, bootstrap_at_once],
    "probability_of_improvement": [improvement, improvement_array],
    "verdicts": [VERDICTS, dict(reversed(VERDICTS.items()))],
}

WRONG = {
    "interquartile_mean": [
        (np.mean, "the mean of all"),
        (np.median, "the median"),
        (iqm_unsorted, "Sort the values first"),
        (iqm_negative_slice, "values[0:-0]"),
        (lambda values: np.mean(sorted(values)[len(values) // 4 : -(len(values) // 4)]), "[0:-0]"),
        (iqm_only_low, "the highest goes too"),
        (iqm_rounds_up, "Round a quarter of the values down"),
        (iqm_sorts_in_place, "changes what it was given"),
        (lambda values: "12", "should be a number"),
        (lambda values: None, "end with return"),
        (12.5, "Give the function itself"),
    ],
    "bootstrap_interval": [
        (bootstrap_like(np.mean, 0.025, 0.975), "the interval of the mean"),
        (bootstrap_like(iqm, 0.05, 0.95), "90 %"),
        (bootstrap_like(iqm, 0.25, 0.75), "not 25 %"),
        (bootstrap_like(iqm, 0, 1), "the lowest and the highest resample"),
        (bootstrap_like(iqm, 0.025, 0.975, replace=False), "with replacement"),
        (bootstrap_like(iqm, 0.975, 0.025), "The lower bound comes first"),
        (lambda values, generator, resamples: np.quantile(values, [0.025, 0.975]), "themselves"),
        (two_errors, "two standard errors"),
        (lambda values, generator, resamples: iqm(values), "Give two numbers"),
        (lambda values, generator, resamples: ("low", "high"), "should be numbers"),
        ((1.0, 2.0), "Give the function itself"),
    ],
    "probability_of_improvement": [
        (
            lambda ours, theirs: np.mean([x > y for x in ours for y in theirs]),
            "A tie counts half: it speaks for neither",
        ),
        (
            lambda ours, theirs: np.mean([x >= y for x in ours for y in theirs]),
            "A tie counts half, not whole",
        ),
        (
            lambda ours, theirs: np.mean(
                [(x > y) + (x == y) / 2 for x, y in zip(ours, theirs, strict=False)]
            ),
            "not only those at the same place",
        ),
        (lambda ours, theirs: improvement(theirs, ours), "ours comes first"),
        (
            lambda ours, theirs: improvement(ours, theirs) * len(ours) * len(theirs),
            "Divide by the number of pairs",
        ),
        (lambda ours, theirs: "often", "should be a number"),
        ("0.75", "Give the function itself"),
    ],
    "verdicts": [
        (VERDICTS | {"idea, 20 seeds": "better"}, "the interval of the difference holds 0"),
        (VERDICTS | {"idea, 20 seeds": "worse"}, "neither the means nor the interval"),
        (VERDICTS | {"window, 5 seeds": "better"}, "other seeds may turn it round"),
        (VERDICTS | {"idea, 5 seeds": "maybe"}, "write 'better', 'worse' or 'not shown'"),
        (VERDICTS | {"idea, 5 seeds": ...}, "not answered yet"),
        (VERDICTS | {"window, 20 seeds": "not shown"}, "on which side of 0"),
        ({}, "is missing"),
        ("not shown", "Give a dict"),
    ],
}

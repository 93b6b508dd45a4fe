"""A run's metrics as curves: read, smoothed, thinned out for the screen, put together by config.

Only NumPy: no widget, no thread, no file.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay.config import RunConfig
from rlplay.statistics import bootstrap_interval, interquartile_mean

__all__ = [
    "POINTS",
    "Band",
    "Metrics",
    "band_of",
    "decimate",
    "recent_mean",
    "same_but_for_the_seed",
    "smooth",
]

Numbers = npt.NDArray[np.float64]

#: Points of a curve that are sent to the screen, at most.
POINTS = 1_000
#: Points of the curve of a group.
GROUP_POINTS = 200


@dataclass(frozen=True)
class Metrics:
    """The metrics lines of a run, as columns.

    Attributes:
        columns: (P,) by name, one number a line; NaN where a line has none. `steps`, `elapsed`
            and `episodes` are always there.
    """

    columns: dict[str, Numbers]

    @classmethod
    def of_lines(cls, lines: Sequence[Mapping[str, Any]]) -> Metrics:
        """Read what `StorageManager.load_metrics` gave."""
        names = {
            name
            for line in lines
            for name, value in line.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        return cls.of_columns({name: [line.get(name) for line in lines] for name in names})

    @classmethod
    def of_columns(cls, columns: Mapping[str, Sequence[float | None]]) -> Metrics:
        """Read what `Monitor.history` gave."""
        size = max(map(len, columns.values()), default=0)
        table = {name: np.array(column, np.float64) for name, column in columns.items()}
        for name in ("steps", "elapsed", "episodes"):
            table.setdefault(name, np.ones(size) if name == "episodes" else np.zeros(size))
        return cls(table)

    def __len__(self) -> int:
        return len(self.columns["steps"])

    def get(self, name: str) -> Numbers:
        """Give a column; NaN where the run does not have it."""
        return self.columns.get(name, np.full(len(self), np.nan))


def smooth(values: Numbers, episodes: Numbers, window: int) -> Numbers:
    """Give at each line the mean of the last episodes, as many lines as the window needs.

    A line that stands for more episodes than the window is taken whole. Lines without a value do
    not count.

    Args:
        values: (P,) means of the lines.
        episodes: (P,) episodes of each line.
        window: Episodes, 1 or more.

    Returns:
        (P,) floats; NaN before the first value.
    """
    there = np.isfinite(values)
    weights = np.where(there, np.nan_to_num(episodes, nan=1.0), 0.0)
    counts = np.concatenate([[0.0], np.cumsum(weights)])
    sums = np.concatenate([[0.0], np.cumsum(np.where(there, values, 0.0) * weights)])
    # The last line from which on there are enough episodes.
    first = np.searchsorted(counts, counts[1:] - window, side="right") - 1
    first = np.clip(first, 0, np.arange(len(values)))
    held = counts[1:] - counts[first]
    total = sums[1:] - sums[first]
    return np.divide(total, held, out=np.full(len(values), np.nan), where=held > 0)


def recent_mean(metrics: Metrics, name: str, episodes: int = 1_000) -> float | None:
    """Give the mean of a column over the last episodes of a run; None where it has no value."""
    means = smooth(metrics.get(name), metrics.get("episodes"), episodes)
    return float(means[-1]) if len(means) and np.isfinite(means[-1]) else None


def decimate(values: Numbers, points: int = POINTS) -> npt.NDArray[np.intp]:
    """Choose lines such that a curve looks as with all of them: no peak is lost.

    Of each stretch of lines stay the lowest and the highest, and the first and last line of all.

    Args:
        values: (P,) the curve.
        points: How many lines stay at most, 4 or more.

    Returns:
        Their places, ascending.
    """
    size = len(values)
    if size <= points:
        return np.arange(size)
    edges = np.linspace(1, size - 1, (points - 2) // 2 + 1).astype(np.intp)
    low = np.where(np.isfinite(values), values, np.inf)
    high = np.where(np.isfinite(values), values, -np.inf)
    chosen = [0, size - 1]
    for start, end in itertools.pairwise(edges):
        if end > start:
            chosen += [start + int(low[start:end].argmin()), start + int(high[start:end].argmax())]
    return np.unique(chosen)


@dataclass(frozen=True)
class Band:
    """What the seeds of one config have in common: (G,) arrays over a grid of the axis.

    Attributes:
        x: Steps or seconds.
        middle: The interquartile mean over the seeds.
        low: Lower bound of its bootstrap interval.
        high: Upper bound.
    """

    x: Numbers
    middle: Numbers
    low: Numbers
    high: Numbers


def band_of(curves: Sequence[tuple[Numbers, Numbers]], seed: int = 0) -> Band | None:
    """Put the curves of several seeds together.

    The band goes as far as all of them do: beyond, fewer seeds would speak for all.

    Args:
        curves: x and value of each seed, x ascending.
        seed: Of the bootstrap.

    Returns:
        The band; None where there are fewer than two curves with values, or they do not overlap.
    """
    clean = [(x[there], y[there]) for x, y in curves if (there := np.isfinite(y)).any()]
    if len(clean) < 2:
        return None
    begin, end = max(x[0] for x, _ in clean), min(x[-1] for x, _ in clean)
    if end < begin:
        return None
    grid = np.linspace(begin, end, GROUP_POINTS)
    table = np.array([np.interp(grid, x, y) for x, y in clean])  # (seeds, points)
    low, high = bootstrap_interval(table, seed=seed)
    return Band(grid, interquartile_mean(table), low, high)


#: What tells two runs of one config apart without making them another experiment.
_OWN = {"run_id", "name", "seed", "device", "precision", "num_threads"}


def same_but_for_the_seed(configs: Mapping[str, RunConfig]) -> list[tuple[str, ...]]:
    """Group runs that share their config apart from the seed.

    Args:
        configs: The config of each run, by its key.

    Returns:
        Keys of each group of two or more seeds, in the order of their first run.
    """
    groups: dict[str, list[str]] = {}
    for key, config in configs.items():
        shared = {name: part for name, part in config.to_dict().items() if name not in _OWN}
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(key)
    return [tuple(keys) for keys in groups.values() if len({configs[key].seed for key in keys}) > 1]

"""Lesson 9: add seeds one by one, and see the interval shrink; or show the best seed alone."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t
from IPython.display import Image

from rlplay.errors import ConfigError
from rlplay.samples.seeds import RecordedSeeds
from rlplay.statistics import bootstrap_interval, difference_interval, interquartile_mean
from rlplay_widgets.figures import Line, lines_of_seeds, show_figure
from rlplay_widgets.theme import script, static

__all__ = ["SeedFan", "show_seeds"]

#: For the bands behind the curves, of which only the look matters.
_BAND_RESAMPLES = 400


class SeedFan(anywidget.AnyWidget):
    """The runs of two learners, seed by seed: curves, scores, and what they show together.

    Attributes:
        count: How many seeds of each are shown.
        best: Whether a poster is shown that knows the best seed alone.

    Args:
        theirs: The learner that was there before.
        ours: The one that shall be better.
        count: How many seeds are shown at first.

    Raises:
        ConfigError: For a count that the runs do not have.
    """

    _esm = script("keep_keys.js", "parts.js", "seed_fan.js")
    _css = static("seed_fan.css")

    learners = t.List().tag(sync=True)
    #: The interval of the difference, ours minus theirs, by the number of seeds; None for one.
    differences = t.List().tag(sync=True)
    most = t.Int().tag(sync=True)
    count = t.Int(3).tag(sync=True)
    best = t.Bool(False).tag(sync=True)

    def __init__(self, theirs: RecordedSeeds, ours: RecordedSeeds, *, count: int = 3) -> None:
        most = min(len(theirs.seeds), len(ours.seeds))
        if not 1 <= count <= most:
            raise ConfigError(f"count = {count!r} is not allowed: from 1 to {most}.")
        differences = [
            difference_interval(ours.scores[:seeds], theirs.scores[:seeds])
            for seeds in range(2, most + 1)
        ]
        super().__init__(
            learners=[_described(runs, most) for runs in (theirs, ours)],
            differences=[None, *differences],
            most=most,
            count=count,
        )

    def __repr__(self) -> str:
        return f"SeedFan(count={self.count})"


def _described(runs: RecordedSeeds, most: int) -> dict[str, Any]:
    """A learner for the page, with its statistics for each number of seeds."""
    parts = [(runs.curves[:count], runs.scores[:count]) for count in range(1, most + 1)]
    bands = [bootstrap_interval(curves, resamples=_BAND_RESAMPLES) for curves, _ in parts[1:]]
    return {
        "name": runs.name,
        "seeds": runs.seeds.tolist(),
        "steps": runs.steps.tolist(),
        "curves": runs.curves.tolist(),
        "scores": runs.scores.tolist(),
        "means": [interquartile_mean(scores) for _, scores in parts],
        "intervals": [None, *(bootstrap_interval(scores) for _, scores in parts[1:])],
        "middles": [interquartile_mean(curves).tolist() for curves, _ in parts],
        "bands": [None, *([low.tolist(), high.tolist()] for low, high in bands)],
    }


def show_seeds(*learners: RecordedSeeds, single: bool = False) -> Image:
    """Draw the curves of some learners, as the Compare tab draws them.

    Args:
        *learners: Their runs; `RecordedSeeds.part` takes some of them.
        single: Draw each seed by itself, in place of the interquartile mean in its interval.

    Returns:
        The picture.
    """
    lines: list[Line] = []
    for number, runs in enumerate(learners, start=1):
        look = len(lines) + 1 if single else number
        lines += lines_of_seeds(runs.name, look, runs.steps, runs.curves, single=single)
    note = "Interquartile mean of the seeds, with its bootstrap interval of 95 %."
    return show_figure(lines, note="Each line is one run." if single else note)

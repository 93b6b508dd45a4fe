"""Lesson 9: add seeds one by one, and see the interval shrink; or show the best seed alone."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t
from IPython.display import Image

from rlplay.errors import ConfigError
from rlplay.samples.seeds import RecordedSeeds
from rlplay_widgets.figures import Line, lines_of_seeds, show_figure
from rlplay_widgets.theme import static

__all__ = ["SeedFan", "show_seeds"]


class SeedFan(anywidget.AnyWidget):
    """The runs of two learners, seed by seed; all is computed in the page.

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

    _esm = static("parts.js") + static("seed_fan.js")
    _css = static("seed_fan.css")

    learners = t.List().tag(sync=True)
    most = t.Int().tag(sync=True)
    count = t.Int(3).tag(sync=True)
    best = t.Bool(False).tag(sync=True)

    def __init__(self, theirs: RecordedSeeds, ours: RecordedSeeds, *, count: int = 3) -> None:
        most = min(len(theirs.seeds), len(ours.seeds))
        if not 1 <= count <= most:
            raise ConfigError(f"count = {count!r} is not allowed: from 1 to {most}.")
        super().__init__(
            learners=[_described(theirs), _described(ours)], most=most, count=count
        )

    def __repr__(self) -> str:
        return f"SeedFan(count={self.count})"


def _described(runs: RecordedSeeds) -> dict[str, Any]:
    return {
        "name": runs.name,
        "about": runs.about,
        "seeds": runs.seeds.tolist(),
        "steps": runs.steps.tolist(),
        "curves": runs.curves.tolist(),
        "scores": runs.scores.tolist(),
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

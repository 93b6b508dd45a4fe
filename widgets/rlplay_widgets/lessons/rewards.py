"""Lesson 7: what a session is paid, and what it should achieve, as two curves."""

from __future__ import annotations

import numpy as np
import traitlets as t

from rlplay.training.session import TrainingSession
from rlplay_widgets.charts import changes_of, plot_script
from rlplay_widgets.curves import Metrics, smooth
from rlplay_widgets.lessons.strip import Strip, StripWidget
from rlplay_widgets.playground import Playground
from rlplay_widgets.scene import assign

__all__ = ["PaidAndScored"]

#: Points of a curve, at most, and the episodes that each looks back over.
POINTS = 200
WINDOW = 100


class PaidAndScoredWidget(StripWidget):
    """Two charts over the same steps."""

    _esm = plot_script("keep_keys.js", "paid_and_scored.js")

    #: `steps`, `reward` and `score`: numbers of equal length; None where there is none.
    curves = t.Dict({"steps": [], "reward": [], "score": []}).tag(sync=True)
    #: What was changed meanwhile: steps and words of each.
    changes = t.List().tag(sync=True)


class PaidAndScored(Strip):
    """Return beside score: what is paid, and what was meant.

    Args:
        panel: The Playground whose session is followed.
    """

    title = "The curves of return and score"
    every = 0.5

    def __init__(self, panel: Playground) -> None:
        self._seen: tuple[object, ...] = ()
        super().__init__(panel, PaidAndScoredWidget())

    def draw(self, session: TrainingSession | None) -> None:
        """Send the curves again when there are new points."""
        if session is None:
            return
        columns, reached, generation = session.monitor.history(0)
        seen = (session.run_id, reached, generation)
        if seen != self._seen:
            self._seen = seen
            assign(self.drawing, curves=_curves(Metrics.of_columns(columns)))
        assign(self.drawing, changes=changes_of(session.snapshot()))


def _curves(metrics: Metrics) -> dict[str, list[float | None]]:
    """The means of the last episodes, at so many points."""
    chosen = np.unique(np.linspace(0, max(0, len(metrics) - 1), POINTS).astype(np.intp))
    curves: dict[str, list[float | None]] = {"steps": metrics.get("steps")[chosen].tolist()}
    for name in ("reward", "score"):
        means = smooth(metrics.get(name), metrics.get("episodes"), WINDOW)[chosen]
        curves[name] = [round(mean, 4) if np.isfinite(mean) else None for mean in means.tolist()]
    return curves

"""Lesson 4: what two agents learned on the cliff, side by side."""

from __future__ import annotations

import anywidget
import numpy as np
import traitlets as t

from rlplay.lessons.tables import Learned
from rlplay_widgets.curves import smooth
from rlplay_widgets.lessons.worlds import describe
from rlplay_widgets.theme import script, static

__all__ = ["TwoWays"]

_NAMES = {"q-learning": "Q-learning", "sarsa": "SARSA"}
_WINDOW = 50


class TwoWays(anywidget.AnyWidget):
    """Two boards with values, arrows and the greedy path; a slider goes through the episodes.

    Attributes:
        moment: Which copy of the tables is shown, from 0.

    Args:
        first: What one agent learned; see `rlplay.lessons.tables.learn_on_the_cliff`.
        second: What another one learned in as many episodes.
    """

    _esm = script("keep_keys.js", "parts.js", "grid.js", "two_ways.js")
    _css = static("grid.css")

    world = t.Dict().tag(sync=True)
    runs = t.List().tag(sync=True)
    episodes = t.List().tag(sync=True)
    scale = t.Float(1.0).tag(sync=True)
    moment = t.Int(0, min=0).tag(sync=True)

    def __init__(self, first: Learned, second: Learned) -> None:
        runs = [
            {
                "name": _NAMES.get(run.algo, run.algo),
                # To a hundredth of a millionth: equal actions stay equal, the message small.
                "tables": np.round(run.tables, 8).tolist(),
                "smooth": smooth(run.returns, np.ones(len(run.returns)), _WINDOW).round(2).tolist(),
            }
            for run in (first, second)
        ]
        values = np.concatenate([first.tables[-1].max(axis=1), second.tables[-1].max(axis=1)])
        super().__init__(
            world=describe("cliff", goal=0.0),
            runs=runs,
            episodes=first.episodes.tolist(),
            scale=float(np.abs(values).max()) or 1.0,
            moment=len(first.episodes) - 1,
        )

    def __repr__(self) -> str:
        return f"TwoWays(moment={self.moment})"

"""Lesson 3: value iteration, sweep by sweep, and under knobs that can be dragged.

All is computed in the page, by the same rules as `rlplay.agents.planning`; a test compares both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets as t

from rlplay.errors import ConfigError, nearest
from rlplay_widgets.lessons.worlds import describe
from rlplay_widgets.theme import script, static

__all__ = ["LookingAhead"]

KNOBS = ("gamma", "step", "slip")


class LookingAhead(anywidget.AnyWidget):
    """A map whose values and arrows follow its knobs.

    Attributes:
        gamma: The discount.
        step: What every step pays.
        slip: The probability to slide to one of the two sides.
        sweeps: How many sweeps are shown; -1 shows V as it is when nothing changes any more.
        picked: The state whose look ahead is written out.

    Args:
        map: A name or the rows of a map.
        gamma: The discount.
        step: What every step pays.
        slip: The probability to slide.
        knobs: The sliders that are shown.
        sweeps: How many sweeps are shown at first; -1 for stable values.
        rewards: What cells pay: ``goal``, ``treasure``, ``pit``, ``cliff``.

    Raises:
        ConfigError: For a map, a reward or a knob that does not exist.
    """

    _esm = script("keep_keys.js", "parts.js", "grid.js", "looking_ahead.js")
    _css = static("grid.css")

    world = t.Dict().tag(sync=True)
    knobs = t.List().tag(sync=True)
    gamma = t.Float(0.9, min=0.0, max=1.0).tag(sync=True)
    step = t.Float(0.0).tag(sync=True)
    slip = t.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    sweeps = t.Int(-1, min=-1).tag(sync=True)
    picked = t.Int(0).tag(sync=True)

    def __init__(
        self,
        map: str = "classic",
        *,
        gamma: float = 0.9,
        step: float = 0.0,
        slip: float = 0.0,
        knobs: Sequence[str] = KNOBS,
        sweeps: int = -1,
        **rewards: Any,
    ) -> None:
        for knob in knobs:
            if knob not in KNOBS:
                raise ConfigError(
                    f"No knob {knob!r}.{nearest(knob, KNOBS)} Available: {', '.join(KNOBS)}."
                )
        world = describe(map, **rewards)
        super().__init__(
            world=world,
            knobs=list(knobs),
            gamma=gamma,
            step=step,
            slip=slip,
            sweeps=sweeps,
            picked=world["start"],
        )

    def __repr__(self) -> str:
        return f"LookingAhead(gamma={self.gamma:g}, step={self.step:g}, slip={self.slip:g})"

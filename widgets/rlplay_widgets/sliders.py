"""Sliders that say in words where they stand, on the screen and to a screen reader."""

from __future__ import annotations

import anywidget
import traitlets as t

from rlplay_widgets.theme import script

__all__ = ["Ages", "Pace"]


class Pace(anywidget.AnyWidget):
    """Moves a second: a slider over the usual paces, and a field for any other.

    Args:
        value: Moves a second.
        low: Where the slider begins.
        high: Where the slider ends; faster paces can be typed.
        hint: What it sets.
        recorded: Whether each value is written down, so that only where the slider rests is set.
    """

    _esm = script("pace.js")

    value = t.Float(10.0).tag(sync=True)
    low = t.Float(1.0).tag(sync=True)
    high = t.Float(100.0).tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
    hint = t.Unicode().tag(sync=True)
    recorded = t.Bool(False).tag(sync=True)


class Ages(anywidget.AnyWidget):
    """A slider over the ages at which weights were kept.

    Args:
        options: Words and environment steps of each age, the youngest first.
        value: The steps of the one that is chosen.
    """

    _esm = script("ages.js")

    options = t.List().tag(sync=True)
    value = t.Int(-1).tag(sync=True)

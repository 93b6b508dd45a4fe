"""A pace in moves a second, as a slider and a number."""

from __future__ import annotations

import anywidget
import traitlets as t

from rlplay_widgets.theme import static

__all__ = ["Pace"]


class Pace(anywidget.AnyWidget):
    """A slider over the usual paces, and a field for any other.

    Args:
        value: Moves a second.
        low: Where the slider begins.
        high: Where the slider ends; faster paces can be typed.
        hint: What it sets.
    """

    _esm = static("pace.js")

    value = t.Float(10.0).tag(sync=True)
    low = t.Float(1.0).tag(sync=True)
    high = t.Float(100.0).tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
    hint = t.Unicode().tag(sync=True)

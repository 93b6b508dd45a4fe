"""Schedules: from the number of environment steps to a value.

A schedule never looks at the clock, so that a run is the same on a slow machine, and holds its
last value once it has ended.
"""

from __future__ import annotations

__all__ = ["linear"]


def linear(start: float, end: float, steps: float, now: float) -> float:
    """Move in a straight line from one value to another.

    Args:
        start: The value at step 0.
        end: The value from step `steps` on.
        steps: How long the way is, in steps; 0 means that it is over.
        now: The present step, 0 or more.

    Returns:
        The value now.
    """
    if now >= steps:
        return end
    return start + (end - start) * (now / steps)

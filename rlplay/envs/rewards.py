"""From what happened to what it pays.

The rules report events, one bit each, and know nothing of their worth. What a step pays is a table
with a number for each combination of events, so that paying is one look-up and the numbers can
change between two steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

__all__ = ["HUNGER_VALUE", "event_values"]

#: At most this many events, so that a combination of them is a byte.
MAX_EVENTS: Final = 8
#: Where the table says what a step pays for each step without an apple.
HUNGER_VALUE: Final = 1 << MAX_EVENTS


def event_values(event_names: Sequence[str], rewards: BaseModel) -> NDArray[np.float64]:
    """Add up every combination of events once.

    Args:
        event_names: The events in the order of their bits, at most eight.
        rewards: Has a field for each event; `step` is paid in every step; where
            `step_times_hunger` is true, a step pays `step` times hunger + 1, with the hunger after
            the step.

    Returns:
        (257,) the reward of each combination of events; then, what to add for each unit of hunger.
    """
    step = float(getattr(rewards, "step", 0.0))
    worth = [float(getattr(rewards, name)) for name in event_names]
    if len(worth) > MAX_EVENTS:
        raise ValueError(f"{len(worth)} events; at most {MAX_EVENTS} fit into a byte")
    values = np.zeros(HUNGER_VALUE + 1)
    for happened in range(1 << len(worth)):
        values[happened] = step + sum(
            value for bit, value in enumerate(worth) if happened >> bit & 1
        )
    values[HUNGER_VALUE] = step if getattr(rewards, "step_times_hunger", False) else 0.0
    return values

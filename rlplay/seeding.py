"""One seed, separate generators: who draws more never changes what another one sees.

A run's seed is split by NumPy's `SeedSequence` into one seed for each part, so that a change
in the agent's appetite for random numbers leaves the boards as they were, and the other way
round. Nothing in rlplay seeds or draws from a process-global generator.

Episode seeds come from SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom
number generators"), whose whole state is one integer: a board can be reseeded in one line,
saved in eight bytes, and computed identically in Python and in compiled code.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["EPISODE_SEED_BITS", "Seeds", "split_seed", "splitmix64"]

#: Episode seeds are 31-bit, so that they are exact in JSON, JavaScript and int32 arrays.
EPISODE_SEED_BITS = 31

_MASK = (1 << 64) - 1


class Seeds(NamedTuple):
    """The seeds of a run's parts, each in [0, 2**31)."""

    environments: int
    agent: int
    torch: int
    evaluation: int


def split_seed(seed: int) -> Seeds:
    """Split a run's seed into independent seeds for its parts.

    Args:
        seed: The run's seed, 0 or more.

    Returns:
        One 31-bit seed for each part.
    """
    words = np.random.SeedSequence(seed).generate_state(len(Seeds._fields), np.uint64)
    return Seeds(*(int(word >> np.uint64(64 - EPISODE_SEED_BITS)) for word in words))


def splitmix64(state: int) -> tuple[int, int]:
    """Advance a SplitMix64 generator.

    Args:
        state: The generator's state, a 64-bit unsigned integer.

    Returns:
        The next state and the number drawn, both 64-bit unsigned integers.
    """
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    mixed = state
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, mixed ^ (mixed >> 31)

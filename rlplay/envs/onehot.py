"""Observations that are one of n states, written as n numbers of which one is 1."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

__all__ = ["OneHot"]


class OneHot(spaces.Box):
    """A flat float32 box that holds one state of `n`: what a table and a network can both read.

    Args:
        n: How many states there are.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        super().__init__(0.0, 1.0, (n,), np.float32)

    def sample(self, mask: None = None, probability: None = None) -> NDArray[np.float32]:
        """Draw a state."""
        seen = np.zeros(self.n, np.float32)
        seen[self.np_random.integers(self.n)] = 1.0
        return seen

    def contains(self, x: object) -> bool:
        """Whether something is one state."""
        return bool(super().contains(x) and np.sum(x) == 1.0 and np.max(x) == 1.0)  # type: ignore[call-overload]

    def __repr__(self) -> str:
        """Name the number of states."""
        return f"OneHot({self.n})"

    def __eq__(self, other: object) -> bool:
        """Whether the other holds as many states."""
        return isinstance(other, OneHot) and other.n == self.n

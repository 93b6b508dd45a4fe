"""What an agent predicted when an episode began, beside what the episode then brought."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["ReturnMeter"]

#: Episodes that the means reach back over.
_EPISODES: Final = 100
#: Share of later rewards that a cut episode may miss and still count as measured.
_MISSED: Final = 0.01


class ReturnMeter:
    """Compares the Q-value of an episode's first action with the return that followed it.

    The return is discounted by the agent's own gamma, so both are about the same thing; the random
    actions of the exploration are in it. An episode that was cut (truncated) counts only where
    gamma has made what it misses too small to matter.
    """

    def __init__(self, num_envs: int) -> None:
        """Begin with an episode that opens on each of N environments."""
        self._opens = np.ones(num_envs, np.bool_)
        self._predicted = np.zeros(num_envs, np.float64)
        self._returns = np.zeros(num_envs, np.float64)
        self._discounts = np.ones(num_envs, np.float64)
        self._pairs: deque[tuple[float, float]] = deque(maxlen=_EPISODES)
        self._metrics: dict[str, float] = {}

    @property
    def opens(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, where the next move is the first of an episode."""
        return self._opens

    def predict(self, q_values: npt.NDArray[np.float32]) -> None:
        """Take in what is predicted where an episode opens.

        Args:
            q_values: The Q-value of the action that is taken, one for each place in `opens`.
        """
        self._predicted[self._opens] = q_values

    def measure(
        self,
        rewards: npt.NDArray[np.float32],
        discount: float,
        terminated: npt.NDArray[np.bool_],
        truncated: npt.NDArray[np.bool_],
    ) -> None:
        """Take in the rewards of one vector step; arguments as in `Agent.store_transition`."""
        self._returns += self._discounts * rewards
        self._discounts *= discount
        self._opens = np.logical_or(terminated, truncated)
        if not self._opens.any():
            return
        whole = self._opens & (np.asarray(terminated) | (self._discounts < _MISSED))
        self._pairs.extend(
            zip(self._predicted[whole].tolist(), self._returns[whole].tolist(), strict=True)
        )
        self._returns[self._opens] = 0.0
        self._discounts[self._opens] = 1.0
        self._sum_up()

    def _sum_up(self) -> None:
        if self._pairs:
            predicted, measured = np.mean(self._pairs, axis=0).tolist()
            self._metrics = {"predicted_return": predicted, "measured_return": measured}

    def metrics(self) -> dict[str, float]:
        """Give the means over the last episodes; nothing before the first has ended."""
        return self._metrics

    def state_dict(self) -> dict[str, Any]:
        """Everything, as arrays and plain values."""
        return {
            "opens": self._opens.copy(),
            "predicted": self._predicted.copy(),
            "returns": self._returns.copy(),
            "discounts": self._discounts.copy(),
            "pairs": list(self._pairs),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._opens = np.array(state["opens"], np.bool_)
        self._predicted[:] = state["predicted"]
        self._returns[:] = state["returns"]
        self._discounts[:] = state["discounts"]
        self._pairs = deque(map(tuple, state["pairs"]), maxlen=_EPISODES)
        self._sum_up()

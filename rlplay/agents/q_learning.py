"""Q-learning: learn from every single step what the best way on is worth.

Source:
    Watkins and Dayan 1992, "Q-learning", Machine Learning 8. Sutton and Barto, "Reinforcement
    Learning", section 6.5.

After each step from s by a to s' with the reward r,
    Q(s, a) <- Q(s, a) + alpha [ r + gamma max_b Q(s', b) - Q(s, a) ],
and nothing follows a terminated step. The maximum makes it off-policy: it learns of the best way
while it explores another.

Differs from the sources:
    1. Where several boards are played side by side, their steps are learned one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Observations, Rewards
from rlplay.agents.tabular import PRESETS, TabularAgent

__all__ = ["QLearning"]


@register_agent("q-learning", title="Q-learning", presets=PRESETS)
class QLearning(TabularAgent):
    """A table of action values, learned off-policy from single steps."""

    _steps: list[tuple[int, int, float, int, bool]]

    def __init__(self, *arguments: Any) -> None:
        """Make the table."""
        super().__init__(*arguments)
        self._steps = []  # (s, a, r, s', terminated) to learn from

    @property
    def updates_due(self) -> int:
        """One, for all steps of the last move."""
        return int(bool(self._steps))

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Note the steps of one move."""
        self.steps += len(actions)
        self._steps = list(
            zip(
                observations.argmax(axis=1).tolist(),
                actions.tolist(),
                rewards.tolist(),
                next_observations.argmax(axis=1).tolist(),
                terminated.tolist(),
                strict=True,
            )
        )

    def train_step(self) -> dict[str, float]:
        """Learn from the steps of the last move."""
        if not self._steps:
            return {}
        errors = []
        for state, action, reward, following, terminated in self._steps:
            worth = 0.0 if terminated else self.hyperparams.discount * self.q[following].max()
            errors.append(self._move_towards(state, action, reward + worth))
        self._steps = []
        return {"loss": float(np.square(errors).mean()), "epsilon": self.epsilon}

    def state_dict(self) -> dict[str, Any]:
        """The table's, and the steps that were not learned from yet."""
        return {**super().state_dict(), "waiting": [list(step) for step in self._steps]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self._steps = [
            (int(s), int(a), float(r), int(f), bool(t)) for s, a, r, f, t in state["waiting"]
        ]

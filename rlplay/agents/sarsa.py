"""SARSA: learn from every step what the way is worth that the agent really goes.

Source:
    Rummery and Niranjan 1994, "On-line Q-learning using connectionist systems". Sutton and Barto,
    "Reinforcement Learning", section 6.4.

After each step from s by a to s' with the reward r, once the next action a' is chosen,
    Q(s, a) <- Q(s, a) + alpha [ r + gamma Q(s', a') - Q(s, a) ],
and nothing follows a terminated step. It is on-policy: where exploring is dangerous, as on the
cliff, it learns to keep away.

Differs from the sources:
    1. A step that was cut (truncated) has no next action; the mean over the policy stands in for
       it, as in expected SARSA (section 6.6).
    2. Where several boards are played side by side, their steps are learned one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Observations, Rewards
from rlplay.agents.tabular import PRESETS, TabularAgent

__all__ = ["Sarsa"]


@register_agent("sarsa", title="SARSA", presets=PRESETS)
class Sarsa(TabularAgent):
    """A table of action values, learned on-policy from single steps."""

    def __init__(self, *arguments: Any) -> None:
        """Make the table."""
        super().__init__(*arguments)
        # For each board the last step (s, a, r), which waits for the next action.
        self._last: list[tuple[int, int, float] | None] = [None] * self.num_envs
        # (s, a, r, what follows: the state, and the action or -1) to learn from; state -1 is none.
        self._ready: list[tuple[int, int, float, int, int]] = []

    @property
    def updates_due(self) -> int:
        """One, for all steps whose next action is known."""
        return int(bool(self._ready))

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Note one move: its actions are what the steps before it waited for."""
        self.steps += len(actions)
        following = next_observations.argmax(axis=1)
        for board, state in enumerate(observations.argmax(axis=1).tolist()):
            action, reward = int(actions[board]), float(rewards[board])
            if (last := self._last[board]) is not None:
                self._ready.append((*last, state, action))
            self._last[board] = None
            if terminated[board]:
                self._ready.append((state, action, reward, -1, -1))
            elif truncated[board]:
                self._ready.append((state, action, reward, int(following[board]), -1))
            else:
                self._last[board] = (state, action, reward)

    def train_step(self) -> dict[str, float]:
        """Learn from the steps whose next action is known."""
        if not self._ready:
            return {}
        errors = []
        for state, action, reward, following, chosen in self._ready:
            worth = 0.0
            if chosen >= 0:
                worth = self.q[following, chosen]
            elif following >= 0:
                worth = float(self.policy(following) @ self.q[following])
            target = reward + self.hyperparams.discount * worth
            errors.append(self._move_towards(state, action, target))
        self._ready = []
        return {"loss": float(np.square(errors).mean()), "epsilon": self.epsilon}

    def state_dict(self) -> dict[str, Any]:
        """The table's, and the steps that wait."""
        return {
            **super().state_dict(),
            "last": [None if step is None else list(step) for step in self._last],
            "ready": [list(step) for step in self._ready],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self._last = [
            None if step is None else (int(step[0]), int(step[1]), float(step[2]))
            for step in state["last"]
        ]
        self._ready = [
            (int(s), int(a), float(r), int(f), int(b)) for s, a, r, f, b in state["ready"]
        ]

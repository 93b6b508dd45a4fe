"""Monte Carlo control: play the episode to its end, then learn from what it really paid.

Source:
    Sutton and Barto, "Reinforcement Learning", sections 5.4 and 6.1 (constant alpha).

At the end of an episode, for each step t of it,
    Q(s_t, a_t) <- Q(s_t, a_t) + alpha [ G_t - Q(s_t, a_t) ],  G_t = r_(t+1) + gamma G_(t+1).

Differs from the sources:
    1. Every visit counts, not only the first one.
    2. An episode that was cut (truncated) goes on with the best value of its last state, since
       nobody knows what it would have paid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Observations, Rewards
from rlplay.agents.tabular import PRESETS, TabularAgent

__all__ = ["MonteCarlo"]


@register_agent("monte-carlo", title="Monte Carlo", presets=PRESETS)
class MonteCarlo(TabularAgent):
    """A table of action values, learned on-policy from whole episodes."""

    def __init__(self, *arguments: Any) -> None:
        """Make the table."""
        super().__init__(*arguments)
        # For each board the steps (s, a, r) of its episode so far.
        self._open: list[list[tuple[int, int, float]]] = [[] for _ in range(self.num_envs)]
        # Episodes to learn from, each with the state it was cut in, or -1.
        self._ended: list[tuple[list[tuple[int, int, float]], int]] = []

    @property
    def updates_due(self) -> int:
        """One for each episode that ended."""
        return len(self._ended)

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Note one move."""
        self.steps += len(actions)
        following = next_observations.argmax(axis=1)
        for board, state in enumerate(observations.argmax(axis=1).tolist()):
            episode = self._open[board]
            episode.append((state, int(actions[board]), float(rewards[board])))
            if terminated[board] or truncated[board]:
                cut_in = -1 if terminated[board] else int(following[board])
                self._ended.append((episode, cut_in))
                self._open[board] = []

    def train_step(self) -> dict[str, float]:
        """Learn from one episode, from its end to its begin."""
        if not self._ended:
            return {}
        episode, cut_in = self._ended.pop(0)
        earned = 0.0 if cut_in < 0 else float(self.q[cut_in].max())
        errors = []
        for state, action, reward in reversed(episode):
            earned = reward + self.hyperparams.discount * earned
            errors.append(self._move_towards(state, action, earned))
        return {"loss": float(np.square(errors).mean()), "epsilon": self.epsilon}

    def state_dict(self) -> dict[str, Any]:
        """The table's, and the episodes that go on or wait."""
        return {
            **super().state_dict(),
            "open": [[list(step) for step in episode] for episode in self._open],
            "ended": [[[list(step) for step in episode], cut] for episode, cut in self._ended],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)

        def read(episode: list[list[Any]]) -> list[tuple[int, int, float]]:
            return [(int(s), int(a), float(r)) for s, a, r in episode]

        self._open = [read(episode) for episode in state["open"]]
        self._ended = [(read(episode), int(cut)) for episode, cut in state["ended"]]

"""Memory of the agents: fixed arrays, allocated once.

`RolloutBuffer` holds the last few vector steps for an on-policy algorithm; `ReplayBuffer` holds
as many transitions as fit into its budget for an off-policy one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rlplay.errors import ConfigError

__all__ = [
    "ReplayBuffer",
    "RolloutBuffer",
    "Transitions",
    "generalized_advantage_estimation",
]

_TRANSITIONS_FOR_FINAL = 16

Float = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


def generalized_advantage_estimation(
    rewards: Float,
    values: Float,
    next_values: Float,
    terminated: Bool,
    truncated: Bool,
    discount: float,
    gae_lambda: float,
) -> Float:
    """Estimate advantages as an exponentially weighted sum of TD errors.

    Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
    estimation", arXiv:1506.02438, equation 16. A terminated step does not bootstrap; a
    truncated one does, from the value of its own last observation, and in both the sum ends.

    Args:
        rewards: (T, N) float32.
        values: (T, N) float32, value of the observation at each step.
        next_values: (T, N) float32, value of the observation that followed in the same episode.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        discount: Gamma, in [0, 1].
        gae_lambda: Lambda, in [0, 1].

    Returns:
        (T, N) float32.
    """
    deltas = rewards + np.float32(discount) * next_values * ~terminated - values
    carry = np.float32(discount * gae_lambda) * ~(terminated | truncated)
    advantages = np.empty_like(deltas)
    following = np.zeros(deltas.shape[1], np.float32)
    for step in range(len(deltas) - 1, -1, -1):
        following = deltas[step] + carry[step] * following
        advantages[step] = following
    return advantages


class RolloutBuffer:
    """The last T vector steps of N environments.

    Attributes:
        observations: (T, N, D) float32.
        actions: (T, N) int64.
        log_probabilities: (T, N) float32, of the actions when they were chosen.
        rewards: (T, N) float32.
        values: (T, N) float32.
        final_values: (T, N) float32, value of the last observation where truncated.
        terminated: (T, N) bool.
        truncated: (T, N) bool.
        length: Vector steps stored, 0 to T.
    """

    _ARRAYS = (
        "observations",
        "actions",
        "log_probabilities",
        "rewards",
        "values",
        "final_values",
        "terminated",
        "truncated",
    )

    def __init__(self, num_steps: int, num_envs: int, observation_size: int) -> None:
        """Allocate the arrays."""
        shape = (num_steps, num_envs)
        self.observations = np.zeros((*shape, observation_size), np.float32)
        self.actions = np.zeros(shape, np.int64)
        self.log_probabilities = np.zeros(shape, np.float32)
        self.rewards = np.zeros(shape, np.float32)
        self.values = np.zeros(shape, np.float32)
        self.final_values = np.zeros(shape, np.float32)
        self.terminated = np.zeros(shape, np.bool_)
        self.truncated = np.zeros(shape, np.bool_)
        self.length = 0

    @property
    def is_full(self) -> bool:
        """Whether T vector steps are stored."""
        return self.length == len(self.rewards)

    def next_values(self, last_values: Float) -> Float:
        """Give the value of what followed each step in its own episode.

        Args:
            last_values: (N,) float32, value of the observation after the last step.

        Returns:
            (T, N) float32.
        """
        following = np.concatenate([self.values[1:], last_values[None]])
        return np.where(self.truncated, self.final_values, following).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Give the filled part of the arrays, not copies, and the cursor."""
        filled = slice(self.length)
        return {name: getattr(self, name)[filled] for name in self._ARRAYS} | {
            "length": self.length
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy the arrays in."""
        self.length = int(state["length"])
        for name in self._ARRAYS:
            np.copyto(getattr(self, name)[: self.length], state[name])


class Transitions(NamedTuple):
    """A batch of n-step transitions.

    Attributes:
        observations: (B, D) float32.
        actions: (B,) int64.
        returns: (B,) float32, discounted sum of the n rewards, fewer where the episode ended.
        next_observations: (B, D) float32, after the last of them.
        discounts: (B,) float32, what the value of the next observation is multiplied with:
            gamma to the number of rewards summed, 0 where the episode terminated.
    """

    observations: Float
    actions: Int
    returns: Float
    next_observations: Float
    discounts: Float


class ReplayBuffer:
    """A ring of vector steps, from which n-step transitions are drawn.

    An observation is stored once: what followed a step is the next row of the ring. Only where
    an episode was truncated, its last observation (which the ring would otherwise not hold,
    because the next row opens the next episode) goes to a side table.

    Attributes:
        num_rows: Vector steps that fit in.
        num_envs: N.
    """

    _ROWS = ("observations", "actions", "rewards", "terminated", "truncated", "final_row")
    _FINALS = ("finals", "final_owner")

    def __init__(
        self, capacity: int, num_envs: int, observation_size: int, memory_mb: float = 128.0
    ) -> None:
        """Allocate the arrays.

        Args:
            capacity: Transitions wanted.
            num_envs: N.
            observation_size: D.
            memory_mb: Upper limit in MB of 10**6 bytes; fewer transitions are kept where
                `capacity` would need more.

        Raises:
            ConfigError: When not even two vector steps fit in.
        """
        # One final observation for 16 transitions: where games are cut more often than that,
        # what lies before the oldest cut that is still known is not drawn any more.
        row = num_envs * (observation_size * 4 + 8 + 4 + 1 + 1 + 8)
        finals = math.ceil(num_envs / _TRANSITIONS_FOR_FINAL) * (observation_size * 4 + 8)
        budget = int(memory_mb * 1e6 / (row + finals))
        self.num_rows = min(-(-capacity // num_envs) + 1, budget)
        if self.num_rows < 2:
            raise ConfigError(
                f"A replay buffer of {capacity} transitions and {memory_mb:g} MB holds no two "
                f"moves of {num_envs} boards with {observation_size} numbers each. Allow it more "
                "memory, or play fewer boards."
            )
        self.num_envs = num_envs
        shape = (self.num_rows, num_envs)
        self.observations = np.zeros((*shape, observation_size), np.float32)
        self.actions = np.zeros(shape, np.int64)
        self.rewards = np.zeros(shape, np.float32)
        self.terminated = np.zeros(shape, np.bool_)
        self.truncated = np.zeros(shape, np.bool_)
        self.final_row = np.full(shape, -1, np.int64)
        num_finals = self.num_rows * math.ceil(num_envs / _TRANSITIONS_FOR_FINAL)
        self.finals = np.zeros((num_finals, observation_size), np.float32)
        self.final_owner = np.full(num_finals, -1, np.int64)  # counted in all rows written
        self._final_cursor = 0
        self._rows_written = 0
        self._forgotten = 0

    def __len__(self) -> int:
        """Count the transitions stored."""
        return min(self._rows_written, self.num_rows) * self.num_envs

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in (*self._ROWS, *self._FINALS))

    def append(
        self,
        observations: Float,
        actions: Int,
        rewards: Float,
        next_observations: Float,
        terminated: Bool,
        truncated: Bool,
    ) -> None:
        """Store one vector step; arguments as in `Agent.store_transition`."""
        row = self._rows_written % self.num_rows
        self.observations[row] = observations
        self.actions[row] = actions
        self.rewards[row] = rewards
        self.terminated[row] = terminated
        # Where both are said, the world ended: what follows a terminated step is nothing.
        np.logical_and(truncated, ~np.asarray(terminated), out=self.truncated[row])
        self.final_row[row] = -1
        for env in np.flatnonzero(self.truncated[row]):
            slot = self._final_cursor % len(self.finals)
            self._forgotten = max(self._forgotten, int(self.final_owner[slot]) + 1)
            self.finals[slot] = next_observations[env]
            self.final_owner[slot] = self._rows_written
            self.final_row[row, env] = slot
            self._final_cursor += 1
        self._rows_written += 1

    @property
    def _oldest(self) -> int:
        """The oldest row that may be drawn, counted in all rows written."""
        return max(self._forgotten, self._rows_written - self.num_rows)

    def num_starts(self, num_steps: int) -> int:
        """Count the transitions from which `num_steps` rewards and what follows are known."""
        return max(0, self._rows_written - self._oldest - num_steps) * self.num_envs

    def sample(
        self, batch_size: int, num_steps: int, discount: float, generator: np.random.Generator
    ) -> Transitions:
        """Draw transitions uniformly, with replacement.

        Args:
            batch_size: B.
            num_steps: n, rewards to sum.
            discount: Gamma.
            generator: Draws.

        Returns:
            The batch.
        """
        return self._gather(
            generator.integers(0, self.num_starts(num_steps), batch_size), num_steps, discount
        )

    def latest(self, batch_size: int, num_steps: int, discount: float) -> Transitions:
        """Give the newest transitions in the order in which they came: life without replay."""
        count = self.num_starts(num_steps)
        return self._gather(np.arange(max(0, count - batch_size), count), num_steps, discount)

    def _gather(self, starts: Int, num_steps: int, discount: float) -> Transitions:
        """Sum n rewards from each start, given as an index counted from the oldest."""
        rows, envs = np.divmod(starts, self.num_envs)
        rows = rows + self._oldest
        returns = np.zeros(len(starts), np.float32)
        discounts = np.ones(len(starts), np.float32)
        alive = np.ones(len(starts), np.bool_)
        final_rows = np.full(len(starts), -1, np.int64)
        for step in range(num_steps):
            row = (rows + step) % self.num_rows
            returns += discounts * alive * self.rewards[row, envs]
            discounts[alive] *= np.float32(discount)
            cut = alive & self.truncated[row, envs]
            final_rows[cut] = self.final_row[row, envs][cut]
            died = alive & self.terminated[row, envs]
            discounts[died] = 0.0
            alive &= ~(cut | died)
        next_observations = self.observations[(rows + num_steps) % self.num_rows, envs]
        was_cut = final_rows >= 0
        if was_cut.any():
            next_observations[was_cut] = self.finals[final_rows[was_cut]]
        first = rows % self.num_rows
        return Transitions(
            self.observations[first, envs],
            self.actions[first, envs],
            returns,
            next_observations,
            discounts,
        )

    def state_dict(self) -> dict[str, Any]:
        """Give the filled part of the arrays, not copies, and the cursors."""
        return {
            "rows_written": self._rows_written,
            "final_cursor": self._final_cursor,
            "forgotten": self._forgotten,
            **{name: getattr(self, name)[filled] for name, filled in self._filled()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy the arrays in."""
        self._rows_written = int(state["rows_written"])
        self._final_cursor = int(state["final_cursor"])
        self._forgotten = int(state["forgotten"])
        for name, filled in self._filled():
            np.copyto(getattr(self, name)[filled], state[name])

    def _filled(self) -> Iterator[tuple[str, slice]]:
        """Name each array, with the part of it that was ever written."""
        for names, count in ((self._ROWS, self._rows_written), (self._FINALS, self._final_cursor)):
            for name in names:
                yield name, slice(min(count, len(getattr(self, name))))

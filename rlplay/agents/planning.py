"""Planning: with the rules of a world in hand, compute the best policy without a single step.

Sources:
    Bellman 1957, "Dynamic Programming". Howard 1960, "Dynamic Programming and Markov Processes".
    Sutton and Barto, "Reinforcement Learning", sections 4.3 and 4.4.

Both functions are generators and yield after each sweep, so that a person can watch the values flow
back from the goal. The agents of the same names do one sweep after each move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from pydantic import Field

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Hyperparameters, Observations, Rewards
from rlplay.agents.tabular import TabularAgent
from rlplay.config import RunConfig
from rlplay.envs import create_env, get_env_spec
from rlplay.envs.gridworld import TransitionModel
from rlplay.errors import ConfigError, ContractError

__all__ = ["Sweep", "policy_iteration", "value_iteration"]

#: A sweep after each move, so a few hundred moves are enough for any map.
_PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "*": {
        "default": {
            "description": "One sweep over all states after each move, until nothing changes.",
            "num_envs": 1,
            "num_threads": 1,
            "total_steps": 2_000,
        }
    }
}


class Sweep(NamedTuple):
    """Where planning stands after one pass over all states.

    Attributes:
        number: Counted from 1.
        values: (S,) float64, V: what each state is worth.
        q_values: (S, A) float64, Q: what each action in it is worth, given V.
        policy: (S,) int64, the best action by Q, the first of equals.
        change: By how much V changed at most.
        is_stable: Whether the next sweep would change nothing any more.
    """

    number: int
    values: npt.NDArray[np.float64]
    q_values: npt.NDArray[np.float64]
    policy: npt.NDArray[np.int64]
    change: float
    is_stable: bool


def look_ahead(
    model: TransitionModel, values: npt.NDArray[np.float64], discount: float
) -> npt.NDArray[np.float64]:
    """Q(s, a) = sum over s' of P(s' | s, a) [ R(s, a, s') + gamma V(s') ].

    Args:
        model: The rules.
        values: (S,) V.
        discount: gamma.

    Returns:
        (S, A) Q; 0 in states where the episode has ended.
    """
    worth = model.rewards + discount * values
    q_values: npt.NDArray[np.float64] = (model.probabilities * worth).sum(axis=2)
    return q_values


def value_iteration(
    model: TransitionModel,
    discount: float,
    *,
    tolerance: float = 1e-9,
    max_sweeps: int = 10_000,
) -> Iterator[Sweep]:
    """V(s) <- max_a Q(s, a), for all states at once, until nothing changes.

    Args:
        model: The rules; see `GridworldEnv.get_model`.
        discount: gamma, from 0 to 1.
        tolerance: A change of at most this is none.
        max_sweeps: When to give up: with gamma 1 and a reward that can be had for ever, V grows
            for ever.

    Yields:
        One `Sweep` after each pass.

    Raises:
        ConfigError: For a discount out of range.
    """
    _check(discount)
    values = np.zeros(len(model.terminal))
    for number in range(1, max_sweeps + 1):
        updated = look_ahead(model, values, discount).max(axis=1)
        change = float(np.abs(updated - values).max())
        values = updated
        q_values = look_ahead(model, values, discount)
        stable = change <= tolerance
        yield Sweep(number, values.copy(), q_values, q_values.argmax(axis=1), change, stable)
        if stable:
            return


def policy_iteration(
    model: TransitionModel,
    discount: float,
    *,
    tolerance: float = 1e-9,
    max_sweeps: int = 10_000,
) -> Iterator[Sweep]:
    """Evaluate a policy until its V is known, make it greedy, and again, until it stays.

    Args:
        model: The rules; see `GridworldEnv.get_model`.
        discount: gamma, from 0 to 1.
        tolerance: A change of at most this is none.
        max_sweeps: When to give up: a policy that walks in circles with gamma 1 has no V.

    Yields:
        One `Sweep` after each pass; its `policy` is the one that is evaluated, and in the last
        sweep of each evaluation the improved one.

    Raises:
        ConfigError: For a discount out of range.
    """
    _check(discount)
    values = np.zeros(len(model.terminal))
    states = np.arange(len(values))
    policy = np.zeros(len(values), np.int64)
    for number in range(1, max_sweeps + 1):
        updated = look_ahead(model, values, discount)[states, policy]
        change = float(np.abs(updated - values).max())
        values = updated
        q_values = look_ahead(model, values, discount)
        stable = False
        if change <= tolerance:
            # Only a really better action replaces the old one: equals would swap for ever.
            better = q_values.max(axis=1) > q_values[states, policy] + max(tolerance, 1e-12)
            stable = not better.any()
            policy = np.where(better, q_values.argmax(axis=1), policy)
        yield Sweep(number, values.copy(), q_values, policy.copy(), change, stable)
        if stable:
            return


def _check(discount: float) -> None:
    if not 0 <= discount <= 1:
        raise ConfigError(f"discount = {discount!r} is not allowed: 0 to 1.")


class PlannerHyperparameters(Hyperparameters):
    """The options of a planner."""

    discount: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="gamma: worth of a reward one step later; a new one plans on from where V is",
        json_schema_extra={"group": "planning", "live": True},
    )


class _Planner(TabularAgent):
    """Sweeps once after each move, and walks by what it knows so far."""

    Hyperparameters = PlannerHyperparameters

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Ask the world for its rules."""
        super().__init__(config, observation_space, action_space)
        self._world = create_env(config.env_name, config.reward_config, **config.env_config)
        self.model = self._ask_rules()
        self.values = np.zeros(len(self.q))
        self._due = 1

    @classmethod
    def check_fit(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Refuse a world that does not tell its rules."""
        super().check_fit(config, observation_space, action_space)
        if not hasattr(get_env_spec(config.env_name).env, "get_model"):
            raise ContractError(
                f"{config.algo!r} plans with the rules of the world, and {config.env_name!r} has "
                "no get_model that tells them. Choose gridworld, or an algorithm that learns."
            )

    @property
    def epsilon(self) -> float:
        """A planner does not explore."""
        return 0.0

    @property
    def updates_due(self) -> int:
        """One sweep for each move."""
        return self._due

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Learn nothing from it: all is known; the next sweep is due."""
        self.steps += len(actions)
        self._due = 1

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Plan on with other rewards, from where V is."""
        self._world.set_rewards(reward_config)
        self.model = self._ask_rules()

    def _ask_rules(self) -> TransitionModel:
        ask: Callable[[], TransitionModel] = getattr(self._world, "get_model")  # noqa: B009
        return ask()

    def train_step(self) -> dict[str, float]:
        """Sweep over all states once."""
        if not self._due:
            return {}
        self._due = 0
        updated = self._backed_up()
        change = float(np.abs(updated - self.values).max())
        self.values = updated
        self.q = look_ahead(self.model, self.values, self.hyperparams.discount)
        self._improve(change)
        return {"change": change}

    def _backed_up(self) -> npt.NDArray[np.float64]:
        raise NotImplementedError

    def _improve(self, change: float) -> None:
        """After a sweep."""

    def state_dict(self) -> dict[str, Any]:
        """The table's, and V."""
        return {**super().state_dict(), "values": self.values.copy(), "due": self._due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self.values = np.array(state["values"], np.float64)
        self._due = int(state["due"])


@register_agent("value-iteration", title="Value iteration", presets=_PRESETS)
class ValueIteration(_Planner):
    """Plans by the known rules: each state's value is its best action's."""

    def _backed_up(self) -> npt.NDArray[np.float64]:
        best: npt.NDArray[np.float64] = look_ahead(
            self.model, self.values, self.hyperparams.discount
        ).max(axis=1)
        return best


@register_agent("policy-iteration", title="Policy iteration", presets=_PRESETS)
class PolicyIteration(_Planner):
    """Plans by the known rules: evaluates a policy, then improves it."""

    def __init__(self, *arguments: Any) -> None:
        """Begin with a policy that always takes the first action."""
        super().__init__(*arguments)
        self.chosen = np.zeros(len(self.q), np.int64)

    def _backed_up(self) -> npt.NDArray[np.float64]:
        ahead = look_ahead(self.model, self.values, self.hyperparams.discount)
        followed: npt.NDArray[np.float64] = ahead[np.arange(len(ahead)), self.chosen]
        return followed

    def _improve(self, change: float) -> None:
        if change <= 1e-9:
            states = np.arange(len(self.q))
            better = self.q.max(axis=1) > self.q[states, self.chosen] + 1e-9
            self.chosen = np.where(better, self.q.argmax(axis=1), self.chosen)

    def state_dict(self) -> dict[str, Any]:
        """The planner's, and the policy."""
        return {**super().state_dict(), "chosen": self.chosen.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self.chosen = np.array(state["chosen"], np.int64)

"""What the agents with a table share: one row a state, one column an action, and epsilon-greedy.

A table can be read from end to end; that is why the lessons begin with it. It needs a world whose
observation is `OneHot`, such as the gridworld, the bandit, or any Gymnasium environment with a
discrete observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, JsonValue

from rlplay.agents.base import Actions, Agent, Hyperparameters, Observations
from rlplay.agents.schedules import linear
from rlplay.config import RunConfig
from rlplay.envs.onehot import OneHot
from rlplay.errors import ContractError, TrainingDiverged, WeightsMismatch
from rlplay.seeding import split_seed

__all__ = ["PRESETS", "TableHyperparameters", "TabularAgent"]

_LEARNING: Final[dict[str, JsonValue]] = {"group": "learning", "live": True}
_EXPLORATION: Final[dict[str, JsonValue]] = {"group": "exploration", "live": True}

#: One board, one thread: a table learns step by step.
PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "*": {
        "default": {
            "description": "One board, and a table that is read from end to end.",
            "num_envs": 1,
            "num_threads": 1,
            "total_steps": 50_000,
        }
    },
    "gridworld": {
        "default": {
            "description": "Finds the shortest way over the built-in maps; one step in five is "
            "a random one, so that it goes on exploring.",
            "total_steps": 20_000,
        }
    },
    "bandit": {
        "default": {
            "description": "One pull in ten is a random one; no later reward hangs on a pull, so "
            "gamma is 0.",
            "total_steps": 20_000,
            "hyperparams": {"discount": 0.0, "epsilon": 0.1, "final_epsilon": 0.1},
        }
    },
}


class TableHyperparameters(Hyperparameters):
    """The options of all agents with a table."""

    learning_rate: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="alpha: share of the way to the target that an update goes",
        json_schema_extra=_LEARNING,
    )
    discount: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="gamma: worth of a reward one step later",
        json_schema_extra=_LEARNING,
    )
    initial_value: float = Field(
        default=0.0,
        ge=-1e6,
        le=1e6,
        description="what every entry of the table begins with; a high one makes curious",
        json_schema_extra={"group": "learning", "live": False},
    )
    epsilon: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of random actions at the start",
        json_schema_extra=_EXPLORATION,
    )
    final_epsilon: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of random actions in the end",
        json_schema_extra=_EXPLORATION,
    )
    epsilon_steps: int = Field(
        default=0,
        ge=0,
        le=10**12,
        description="environment steps until the final epsilon is reached",
        json_schema_extra=_EXPLORATION | {"unit": "steps"},
    )


class TabularAgent(Agent):
    """A table of action values, and epsilon-greedy actions.

    Attributes:
        q: (S, A) float64, the table.
        generator: The agent's own generator, for exploring and for ties.
    """

    Hyperparameters: ClassVar[type[Hyperparameters]] = TableHyperparameters

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Make the table."""
        super().__init__(config, observation_space, action_space)
        num_states, num_actions = table_shape(config, observation_space, action_space)
        self.q: npt.NDArray[np.float64] = np.full(
            (num_states, num_actions), float(getattr(self.hyperparams, "initial_value", 0.0))
        )
        self.generator = np.random.default_rng(split_seed(config.seed).agent)

    @property
    def epsilon(self) -> float:
        """Share of random actions now."""
        options = self.hyperparams
        return linear(options.epsilon, options.final_epsilon, options.epsilon_steps, self.steps)

    def select_action(self, observations: Observations, training: bool = True) -> Actions:
        """Choose the best action of each state's row, ties at random; sometimes any."""
        states = observations.argmax(axis=1)
        count = len(states)
        values = self.q[states]
        greedy: Actions = values.argmax(axis=1)
        if not training:
            return greedy
        tied = values == values.max(axis=1, keepdims=True)
        best = np.where(tied, self.generator.random(values.shape), -1.0).argmax(axis=1)
        explores = self.generator.random(count) < self.epsilon
        return np.where(explores, self.generator.integers(self.q.shape[1], size=count), best)

    def policy(self, state: int) -> npt.NDArray[np.float64]:
        """Give the probability of each action in a state, (A,): epsilon-greedy, ties shared."""
        best = self.q[state] == self.q[state].max()
        epsilon = self.epsilon
        chances: npt.NDArray[np.float64] = epsilon / len(best) + (1 - epsilon) * best / best.sum()
        return chances

    def explain(self, observation: Observations, saliency: bool = False) -> dict[str, Any]:
        """Give the row of the table."""
        row = self.q[int(np.argmax(observation))]
        return {"q_values": row.tolist(), "value": float(row.max()), "activations": []}

    def _move_towards(self, state: int, action: int, target: float) -> float:
        """Q(s, a) <- Q(s, a) + alpha (target - Q(s, a)); gives the error before.

        Raises:
            TrainingDiverged: For a target that is not finite; the table stays as it was.
        """
        error = float(target - self.q[state, action])
        if not np.isfinite(error):
            raise TrainingDiverged(
                f"After {self.steps} steps a target of the table is {target}: not finite. Look at "
                "the rewards: are they huge or NaN?"
            )
        self.q[state, action] += self.hyperparams.learning_rate * error
        return error

    # Saving --------------------------------------------------------------------------------------

    def get_weights(self) -> dict[str, Any]:
        """Give the table."""
        return {"q": self.q}

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over a table of the same shape."""
        table = np.asarray(weights.get("q", np.zeros(0)), np.float64)
        if set(weights) != {"q"} or table.shape != self.q.shape:
            raise WeightsMismatch(
                f"These weights are no table of this world: {sorted(weights)} of shape "
                f"{table.shape}, and it needs 'q' of shape {self.q.shape}. Take the world and the "
                "algorithm of the run that they come from."
            )
        self.q = table.copy()

    @classmethod
    def check_fit(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Refuse a world without numbered states."""
        table_shape(config, observation_space, action_space)

    @classmethod
    def describe_weights(
        cls,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> dict[str, torch.Tensor]:
        """Say the table's shape."""
        shape = table_shape(config, observation_space, action_space)
        return {"q": torch.empty(shape, dtype=torch.float64, device="meta")}

    def state_dict(self) -> dict[str, Any]:
        """Table, counter, options and generator."""
        return {
            "q": self.q.copy(),
            "steps": self.steps,
            "hyperparams": self.hyperparams.model_dump(),
            "generator": self.generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.q = np.array(state["q"], np.float64)
        self.steps = int(state["steps"])
        self.hyperparams = self.Hyperparameters(**state["hyperparams"])
        self.generator.bit_generator.state = state["generator"]


def table_shape(
    config: RunConfig,
    observation_space: gymnasium.Space[Any],
    action_space: gymnasium.Space[Any],
) -> tuple[int, int]:
    """Give the numbers of states and actions.

    Raises:
        ContractError: For a world that no table can hold.
    """
    if not isinstance(observation_space, OneHot):
        raise ContractError(
            f"{config.algo!r} keeps a table with a row for each state, and {config.env_name!r} has "
            f"no numbered states but observations of {observation_space.shape}. Choose gridworld "
            "or bandit, or an algorithm with a network: dqn, ppo."
        )
    if not isinstance(action_space, gymnasium.spaces.Discrete):
        raise ContractError(f"{config.algo!r} needs a Discrete action space, not {action_space}.")
    return observation_space.n, int(action_space.n)

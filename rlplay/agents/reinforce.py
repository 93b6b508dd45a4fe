"""REINFORCE with a baseline: make each action more likely by how much better than expected it was.

Source:
    Williams 1992, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", Machine Learning 8. Sutton and Barto, "Reinforcement Learning",
    section 13.4.

When enough episodes have ended, one step up the gradient of the mean over all their steps of
    [ G_t - V(s_t) ] log pi(a_t | s_t),        G_t = r_(t+1) + gamma G_(t+1),
while V, the baseline, moves towards G. It is PPO without the trust region, the minibatches and the
estimate of advantages: each episode is learned from once, and then forgotten.

Differs from the sources:
    1. No factor gamma^t before the gradient, as in nearly all that is written since.
    2. One update for several episodes at once, with Adam, a bonus for entropy, and advantages that
       may be brought to mean 0 and deviation 1.
    3. An episode that was cut (truncated) goes on with V of its last state.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
import torch
from pydantic import Field, JsonValue
from torch.nn import functional

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Hyperparameters, Observations, Rewards, TorchAgent
from rlplay.agents.networks import build_network
from rlplay.config import RunConfig

__all__ = ["Reinforce", "ReinforceHyperparameters"]

_LEARNING: Final[dict[str, JsonValue]] = {"group": "learning", "live": True}

_PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "*": {
        "default": {
            "description": "Works for small environments with short episodes.",
            "num_envs": 16,
            "num_threads": 1,
            "total_steps": 200_000,
        }
    },
    "gridworld": {
        "default": {
            "description": "A small network finds the way within seconds.",
            "total_steps": 100_000,
            "network_config": {"layers": [{"units": 64}]},
            "hyperparams": {"learning_rate": 5e-3, "discount": 0.9},
        }
    },
    "gymnasium:CartPole-v1": {
        "default": {
            "description": "For a world of few numbers: a small network.",
            "total_steps": 400_000,
            "network_config": {"layers": [{"units": 64}]},
            "hyperparams": {"learning_rate": 5e-3},
        }
    },
}


class ReinforceHyperparameters(Hyperparameters):
    """The options of REINFORCE."""

    learning_rate: float = Field(
        default=2e-3, gt=0, le=1, description="step size of Adam", json_schema_extra=_LEARNING
    )
    discount: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="gamma: worth of a reward one step later",
        json_schema_extra=_LEARNING,
    )
    num_episodes: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="episodes between two updates",
        json_schema_extra=_LEARNING | {"unit": "episodes"},
    )
    use_baseline: bool = Field(
        default=True,
        description="subtract V of the state from the return: the same mean, less noise",
        json_schema_extra=_LEARNING,
    )
    normalize_advantages: bool = Field(
        default=True,
        description="bring what is left of the returns to mean 0 and deviation 1",
        json_schema_extra=_LEARNING,
    )
    value_coefficient: float = Field(
        default=0.5,
        ge=0,
        le=100,
        description="weight of the baseline's loss",
        json_schema_extra=_LEARNING,
    )
    entropy_coefficient: float = Field(
        default=0.01,
        ge=0,
        le=10,
        description="reward for undecided policies, which keeps them exploring",
        json_schema_extra=_LEARNING,
    )
    max_gradient_norm: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="where the gradient is clipped",
        json_schema_extra=_LEARNING,
    )


@register_agent("reinforce", title="REINFORCE", presets=_PRESETS)
class Reinforce(TorchAgent):
    """Monte Carlo policy gradient with a learned baseline."""

    Hyperparameters = ReinforceHyperparameters

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Build the network: one logit for each action, and the baseline."""
        super().__init__(config, observation_space, action_space)
        network = build_network(
            self.observation_size, self.num_outputs, config.network_config, self.weights_generator
        )
        self.network = network.to(self.device)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.hyperparams.learning_rate, eps=1e-5, fused=True
        )
        # For each board its episode so far: observations (T, D), actions (T,), rewards (T,).
        self._open: list[tuple[list[Any], list[int], list[float]]] = [
            ([], [], []) for _ in range(self.num_envs)
        ]
        # Episodes to learn from: observations, actions, rewards, and what followed the last step.
        self._ended: list[tuple[Any, Any, Any, Any]] = []

    @classmethod
    def count_outputs(cls, config: RunConfig, num_actions: int) -> int:
        """One logit for each action, and the baseline."""
        return num_actions + 1

    @property
    def updates_due(self) -> int:
        """One as soon as enough episodes have ended."""
        return int(len(self._ended) >= self.hyperparams.num_episodes)

    def select_action(self, observations: Observations, training: bool = True) -> Actions:
        """Draw from the policy; when not training, take the most likely action."""
        with torch.no_grad(), self._autocast():
            output = self.network(self._to_device(observations)).float().cpu()
        logits = output[:, :-1]
        if training:
            chances = torch.softmax(logits, dim=1)
            chosen = torch.multinomial(chances, 1, generator=self.generator)[:, 0]
        else:
            chosen = logits.argmax(dim=1)
        actions: Actions = chosen.numpy()
        return actions

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Note one move; episodes that ended wait for the update."""
        self.steps += len(actions)
        for board, (seen, done, paid) in enumerate(self._open):
            seen.append(np.array(observations[board]))
            done.append(int(actions[board]))
            paid.append(float(rewards[board]))
            if terminated[board] or truncated[board]:
                last = None if terminated[board] else np.array(next_observations[board])
                self._ended.append((np.stack(seen), np.array(done), np.array(paid), last))
                self._open[board] = ([], [], [])

    def train_step(self) -> dict[str, float]:
        """Take one step up the gradient of all episodes that wait."""
        if not self.updates_due:
            return {}
        options = self.hyperparams
        self._set_learning_rate(options.learning_rate)
        observations = self._to_device(np.concatenate([episode[0] for episode in self._ended]))
        actions = self._to_device(np.concatenate([episode[1] for episode in self._ended]))
        returns = self._to_device(
            np.concatenate([self._returns(paid, last) for _, _, paid, last in self._ended])
        )
        self._ended = []
        with self._autocast():
            output = self.network(observations)
        logits, values = output[:, :-1].float(), output[:, -1].float()
        log_policy = functional.log_softmax(logits, dim=1)
        advantages = returns - values.detach() if options.use_baseline else returns
        if options.normalize_advantages and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        chosen = log_policy.gather(1, actions[:, None])[:, 0]
        policy_loss = -(advantages * chosen).mean()
        value_loss = functional.mse_loss(values, returns)
        entropy = -(log_policy.exp() * log_policy).sum(dim=1).mean()
        loss = (
            policy_loss
            + options.value_coefficient * value_loss
            - options.entropy_coefficient * entropy
        )
        norm = self._descend(loss, options.max_gradient_norm)
        return {
            "loss": float(loss.detach()),
            "policy_loss": float(policy_loss.detach()),
            "value_loss": float(value_loss.detach()),
            "entropy": float(entropy.detach()),
            "gradient_norm": norm,
        }

    def _returns(self, paid: Any, last: Any) -> Any:
        """G_t of each step of an episode, (T,) float32."""
        earned = 0.0
        if last is not None:
            with torch.no_grad():
                earned = float(self.network(self._to_device(last[None]))[0, -1])
        returns = np.zeros(len(paid), np.float32)
        for step in reversed(range(len(paid))):
            earned = paid[step] + self.hyperparams.discount * earned
            returns[step] = earned
        return returns

    def explain(self, observation: Observations, saliency: bool = False) -> dict[str, Any]:
        """Give the action probabilities, the baseline and the activations of one observation."""
        output, activations = self._activations(observation)
        return {
            "probabilities": torch.softmax(output[:-1], dim=0).tolist(),
            "value": float(output[-1]),
            "activations": activations,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything: network, optimizer, episodes that go on or wait, generator."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "hyperparams": self.hyperparams.model_dump(),
            "steps": self.steps,
            "open": [
                [np.array(seen, np.float32), list(done), list(paid)]
                for seen, done, paid in self._open
            ],
            "ended": [list(episode) for episode in self._ended],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.hyperparams = self.Hyperparameters(**state["hyperparams"])
        self.steps = int(state["steps"])
        self._open = [
            (list(np.array(seen)), list(done), list(paid)) for seen, done, paid in state["open"]
        ]
        self._ended = [
            (
                np.array(seen),
                np.array(done),
                np.array(paid),
                None if last is None else np.array(last),
            )
            for seen, done, paid, last in state["ended"]
        ]

"""Deep Q-network, with double, dueling and n-step targets.

Sources:
    Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518.
    van Hasselt, Guez and Silver 2016, "Deep reinforcement learning with double Q-learning",
    arXiv:1509.06461.
    Wang et al. 2016, "Dueling network architectures", arXiv:1511.06581, equation 9.
    Hessel et al. 2018, "Rainbow", arXiv:1710.02298 (n-step targets).

After each vector step, minibatches from the replay buffer go down the Huber loss of
    Q(s, a)  -  [ r_1 + gamma r_2 + ... + gamma^(n-1) r_n + gamma^n Q'(s_n, argmax_b Q(s_n, b)) ],
where Q' is the target network, and nothing follows a terminated step.

Differs from the papers:
    1. Many boards are played side by side; epsilon is a function of environment steps.
    2. Adam instead of RMSprop, and the gradient's norm is clipped instead of the TD error
       alone (the Huber loss clips that already).
    3. No prioritized replay, no frame stacking, no reward clipping.
    4. Target network and replay can be switched off, also while training runs: then the
       online network judges itself, or only the newest transitions are learned from.
    5. The n-step returns are not corrected for the exploration within them, as in Rainbow.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, JsonValue
from torch.nn import functional

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Hyperparameters, Observations, Rewards, TorchAgent
from rlplay.agents.buffers import ReplayBuffer
from rlplay.agents.networks import build_network
from rlplay.agents.predictions import ReturnMeter
from rlplay.agents.schedules import linear
from rlplay.config import RunConfig
from rlplay.device import explain_out_of_memory
from rlplay.envs.snake.config import CLASSIC
from rlplay.errors import ConfigError
from rlplay.seeding import split_seed

__all__ = ["DQN", "DQNHyperparameters"]

_LEARNING: Final[dict[str, JsonValue]] = {"group": "learning", "live": True}
_EXPLORATION: Final[dict[str, JsonValue]] = {"group": "exploration", "live": True}
_TARGET: Final[dict[str, JsonValue]] = {"group": "target", "live": True}
_FIXED_TARGET: Final[dict[str, JsonValue]] = {"group": "target", "live": False}
_REPLAY: Final[dict[str, JsonValue]] = {"group": "replay", "live": False}


class DQNHyperparameters(Hyperparameters):
    """The options of DQN."""

    learning_rate: float = Field(
        default=5e-4,
        gt=0,
        le=1,
        description="step size of Adam",
        json_schema_extra=_LEARNING,
    )
    final_learning_rate_fraction: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of the learning rate that is left at the end of the run; 1 keeps it",
        json_schema_extra=_LEARNING,
    )
    discount: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description="gamma: worth of a reward one step later",
        json_schema_extra=_LEARNING,
    )
    batch_size: int = Field(
        default=512,
        ge=1,
        le=65_536,
        description="transitions in a minibatch",
        json_schema_extra=_LEARNING | {"unit": "transitions"},
    )
    train_every: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="vector steps between two rounds of updates",
        json_schema_extra=_LEARNING | {"unit": "steps"},
    )
    updates_per_round: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="minibatches in a round",
        json_schema_extra=_LEARNING,
    )
    max_gradient_norm: float = Field(
        default=10.0,
        gt=0,
        le=1e6,
        description="where the gradient is clipped",
        json_schema_extra=_LEARNING,
    )
    epsilon: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of random actions at the start",
        json_schema_extra=_EXPLORATION,
    )
    final_epsilon: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of random actions in the end",
        json_schema_extra=_EXPLORATION,
    )
    epsilon_steps: int = Field(
        default=100_000,
        ge=0,
        le=10**12,
        description="environment steps until the final epsilon is reached",
        json_schema_extra=_EXPLORATION | {"unit": "steps"},
    )
    double: bool = Field(
        default=True,
        description="the online network chooses the next action, the target network judges it",
        json_schema_extra=_FIXED_TARGET,
    )
    dueling: bool = Field(
        default=True,
        description="Q is the state's value plus the action's advantage",
        json_schema_extra=_FIXED_TARGET,
    )
    num_step_returns: int = Field(
        default=3,
        ge=1,
        le=100,
        description="n: rewards summed before the network is asked",
        json_schema_extra=_FIXED_TARGET | {"unit": "steps"},
    )
    use_target_network: bool = Field(
        default=True, description="judge by an older copy of the network", json_schema_extra=_TARGET
    )
    target_update_interval: int = Field(
        default=500,
        ge=1,
        le=10**7,
        description="updates between two copies of the network to the target network",
        json_schema_extra=_TARGET | {"unit": "updates"},
    )
    use_replay: bool = Field(
        default=True,
        description="learn from the whole buffer, not only from the newest transitions",
        json_schema_extra={"group": "replay", "live": True},
    )
    replay_capacity: int = Field(
        default=500_000,
        ge=1,
        le=10**9,
        description="transitions kept, as far as the memory limit allows",
        json_schema_extra=_REPLAY | {"unit": "transitions"},
    )
    replay_memory_mb: float = Field(
        title="Replay memory",
        default=128.0,
        gt=0,
        le=1e6,
        description="upper limit of the replay buffer's arrays",
        json_schema_extra=_REPLAY | {"unit": "MB"},
    )
    learning_starts: int = Field(
        default=2_000,
        ge=0,
        le=10**9,
        description="environment steps before the first update",
        json_schema_extra=_REPLAY | {"unit": "steps"},
    )


_PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "*": {
        "default": {
            "description": "Works for most small environments.",
            "num_envs": 16,
            "total_steps": 1_000_000,
            "num_threads": 1,
        }
    },
    "gridworld": {
        "default": {
            "description": "A small network finds the way, within a minute on a slow machine.",
            "num_envs": 8,
            "total_steps": 12_000,
            "network_config": {"layers": [{"units": 64}]},
            "hyperparams": {
                "learning_rate": 1e-3,
                "discount": 0.9,
                "batch_size": 64,
                "final_epsilon": 0.1,
                "epsilon_steps": 6_000,
                "replay_capacity": 20_000,
                "learning_starts": 500,
                "target_update_interval": 200,
            },
        }
    },
    "gymnasium:CartPole-v1": {
        "default": {
            "description": "For a world of few numbers: a small network and minibatches.",
            "num_envs": 8,
            "total_steps": 120_000,
            "network_config": {"layers": [{"units": 128}, {"units": 128}]},
            "hyperparams": {
                "learning_rate": 1e-3,
                "final_learning_rate_fraction": 0.05,
                "batch_size": 128,
                "final_epsilon": 0.02,
                "epsilon_steps": 20_000,
                "replay_capacity": 50_000,
                "learning_starts": 1_000,
            },
        }
    },
    "snake": {
        "default": {
            "description": "The balanced choice: many boards and a large replay buffer.",
            "num_envs": 128,
            "total_steps": 4_000_000,
            # Two channels, wall and body: with PPO's one channel of all that blocks, it learned
            # less in a minute (mean score 24 instead of 27).
            "env_config": {"danger": "off", "wall": True, "body": "lifetime"},
            # Many small minibatches: after 30 s it scored 26, and with 512 transitions, which are
            # half as many updates, 13.
            "hyperparams": {"batch_size": 256, "learning_rate": 7e-4, "epsilon_steps": 50_000},
        },
        "fast": {
            "description": "A small network that sees little learns to find apples within seconds, "
            "also on an old machine, and does not get as far.",
            "num_envs": 32,
            "total_steps": 1_000_000,
            "env_config": {"vision": 2},
            "network_config": {"layers": [{"units": 64}, {"units": 64}]},
            "hyperparams": {
                "learning_rate": 1e-3,
                "batch_size": 128,
                "epsilon_steps": 20_000,
                "learning_starts": 1_000,
                "replay_capacity": 100_000,
                "replay_memory_mb": 32.0,
            },
        },
        "stable": {
            "description": "A lower learning rate that falls, larger minibatches and a target "
            "network that moves seldom: slower, and less a matter of luck.",
            "total_steps": 8_000_000,
            "hyperparams": {
                "learning_rate": 2e-4,
                "final_learning_rate_fraction": 0.1,
                "batch_size": 1024,
                "epsilon_steps": 100_000,
                "target_update_interval": 1_000,
            },
        },
        "best": {
            "description": "Aims at the highest score in the end: a larger network and replay "
            "buffer, a learning rate that falls, and five times as many steps.",
            "total_steps": 20_000_000,
            "network_config": {"layers": [{"units": 256}, {"units": 256}]},
            "hyperparams": {
                "final_learning_rate_fraction": 0.05,
                "epsilon_steps": 200_000,
                "final_epsilon": 0.002,
                "replay_capacity": 1_000_000,
                "replay_memory_mb": 512.0,
            },
        },
        "classic": {
            "description": "The fifteen numbers of many tutorials: danger beside the head, food, "
            "direction, hunger and three body segments.",
            "num_envs": 16,
            "total_steps": 1_000_000,
            "env_config": CLASSIC,
            "hyperparams": {"batch_size": 128, "num_step_returns": 1, "dueling": False},
        },
    },
}


@register_agent("dqn", title="DQN", presets=_PRESETS)
class DQN(TorchAgent):
    """Deep Q-network: learns the worth of each action from remembered transitions."""

    Hyperparameters = DQNHyperparameters
    shares_threads = True

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Build both networks, the optimizer and the replay buffer."""
        super().__init__(config, observation_space, action_space)
        options = self.hyperparams
        with explain_out_of_memory(config):
            self.network = build_network(
                self.observation_size,
                self.num_outputs,
                config.network_config,
                self.weights_generator,
            ).to(self.device)
            self.target_network = copy.deepcopy(self.network).requires_grad_(False)
            self.optimizer = torch.optim.Adam(
                self.network.parameters(), lr=options.learning_rate, eps=1e-5, fused=True
            )
            self.replay = ReplayBuffer(
                options.replay_capacity,
                self.num_envs,
                self.observation_size,
                options.replay_memory_mb,
            )
        if self.replay.num_rows <= options.num_step_returns:
            raise ConfigError(
                f"The replay buffer holds {self.replay.num_rows} moves of {self.num_envs} boards, "
                f"too few for {options.num_step_returns}-step returns. Raise replay_capacity or "
                "replay_memory_mb, or play fewer boards."
            )
        self._explorer = np.random.default_rng(split_seed(config.seed).agent)
        self._meter = ReturnMeter(self.num_envs)
        self._moves = 0
        self._updates = 0
        self._due = 0

    @classmethod
    def describe_outputs(cls, config: RunConfig, num_actions: int) -> dict[str, int]:
        """The Q-values; where the network is dueling the advantages, then the value."""
        if config.hyperparams["dueling"]:
            return {"action advantages": num_actions, "value": 1}
        return {"Q-values": num_actions}

    # Acting ------------------------------------------------------------------------------------

    def _q_values(self, network: torch.nn.Module, observations: torch.Tensor) -> torch.Tensor:
        """Give (batch, actions) float32."""
        with self._autocast():
            output = network(observations)
        output = output.float()
        return self._combine(output)

    def _combine(self, output: torch.Tensor) -> torch.Tensor:
        """Put value and advantages together, where the network is dueling."""
        if not self.hyperparams.dueling:
            return output
        advantages, value = output[..., :-1], output[..., -1:]
        return value + advantages - advantages.mean(dim=-1, keepdim=True)

    @property
    def epsilon(self) -> float:
        """The present share of random actions."""
        options = self.hyperparams
        return linear(options.epsilon, options.final_epsilon, options.epsilon_steps, self.steps)

    @torch.no_grad()
    def select_action(self, observations: Observations, training: bool = True) -> Actions:
        """Take the action of highest Q, or with probability epsilon a random one."""
        q_values = self._q_values(self.network, self._to_device(observations))
        actions: Actions = q_values.argmax(dim=1).cpu().numpy()
        if training:
            random = self._explorer.random(len(actions)) < self.epsilon
            anything = self._explorer.integers(0, self.num_actions, len(actions))
            actions = np.where(random, anything, actions)
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
        """Put one vector step into the replay buffer."""
        self.replay.append(observations, actions, rewards, next_observations, terminated, truncated)
        opens = self._meter.opens
        if opens.any():
            self._meter.predict(self._q_values_of(observations[opens], actions[opens]))
        self._meter.measure(rewards, self.hyperparams.discount, terminated, truncated)
        self.steps += self.num_envs
        self._moves += 1
        options = self.hyperparams
        if (
            self.steps >= options.learning_starts
            and self._moves % options.train_every == 0
            and self.replay.num_starts(options.num_step_returns) > 0
        ):
            self._due = int(options.updates_per_round)

    @torch.no_grad()
    def _q_values_of(self, observations: Observations, actions: Actions) -> npt.NDArray[np.float32]:
        """Give the Q-values of actions, one for each observation."""
        q_values = self._q_values(self.network, self._to_device(observations))
        chosen: npt.NDArray[np.float32] = (
            q_values.gather(1, self._to_device(actions)[:, None])[:, 0].cpu().numpy()
        )
        return chosen

    # Learning ----------------------------------------------------------------------------------

    @property
    def updates_due(self) -> int:
        """Minibatches left in this round."""
        return self._due

    @torch.no_grad()
    def _targets(
        self, returns: torch.Tensor, next_observations: torch.Tensor, discounts: torch.Tensor
    ) -> torch.Tensor:
        """Give the n-step TD targets, (batch,) float32."""
        judge = self.target_network if self.hyperparams.use_target_network else self.network
        judged = self._q_values(judge, next_observations)
        if self.hyperparams.double:
            chooser = (
                judged if judge is self.network else self._q_values(self.network, next_observations)
            )
            best = judged.gather(1, chooser.argmax(dim=1, keepdim=True))[:, 0]
        else:
            best = judged.max(dim=1).values
        return returns + discounts * best

    def train_step(self) -> dict[str, float]:
        """Learn from one minibatch."""
        if not self._due:
            return {}
        options = self.hyperparams
        if options.use_replay:
            batch = self.replay.sample(
                options.batch_size, options.num_step_returns, options.discount, self._explorer
            )
        else:
            batch = self.replay.latest(
                options.batch_size, options.num_step_returns, options.discount
            )
        tensors = tuple(self._to_device(array) for array in batch)
        rate = options.learning_rate
        rate = linear(
            rate,
            rate * options.final_learning_rate_fraction,
            self.config.total_steps,
            self.steps,
        )
        self._set_learning_rate(rate)
        count = len(tensors[0])
        parameters = self._parameters

        def learn(rows: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
            """Give some rows' share of the gradients, and of loss, Q-value and target."""
            observations, actions, returns, next_observations, discounts = (
                tensor.index_select(0, rows) for tensor in tensors
            )
            targets = self._targets(returns, next_observations, discounts)
            q_values = self._q_values(self.network, observations).gather(1, actions[:, None])[:, 0]
            loss = functional.smooth_l1_loss(q_values, targets, reduction="sum") / count
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                return gradients, torch.stack([loss, q_values.sum() / count, targets.sum() / count])

        with explain_out_of_memory(self.config):
            gradients, (loss, q_value, target) = self.workers.add_up(
                learn, torch.arange(count, device=self.device)
            )
        gradient_norm = self._step(gradients, loss, options.max_gradient_norm)
        self._due -= 1
        self._updates += 1
        if self._updates % options.target_update_interval == 0:
            self.target_network.load_state_dict(self.network.state_dict())
        return {
            "loss": loss,
            "q_value": q_value,
            "target": target,
            "epsilon": self.epsilon,
            "gradient_norm": gradient_norm,
            "learning_rate": rate,
            **self._meter.metrics(),
        }

    # Looking inside and files ------------------------------------------------------------------

    def set_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over the weights, in the target network too."""
        super().set_weights(weights)
        self.target_network.load_state_dict(self.network.state_dict())

    def explain(self, observation: Observations, saliency: bool = False) -> dict[str, Any]:
        """Give the Q-values, the value and the activations of one observation.

        The saliency is that of the largest Q-value; see `Agent.explain`.
        """
        output, activations = self._activations(observation)
        q_values = self._combine(output)
        explained = {
            "q_values": q_values.tolist(),
            "value": float(q_values.max()),
            "activations": activations,
        }
        if saliency:
            explained["saliency"] = self._saliency(
                observation, lambda output: self._combine(output).max()
            )
        return explained

    def state_dict(self) -> dict[str, Any]:
        """Everything: both networks, optimizer, replay buffer, counters, generator."""
        return {
            "network": self.network.state_dict(),
            "target_network": self.target_network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "replay": self.replay.state_dict(),
            "explorer": self._explorer.bit_generator.state,
            "hyperparams": self.hyperparams.model_dump(),
            "steps": self.steps,
            "meter": self._meter.state_dict(),
            "moves": self._moves,
            "updates": self._updates,
            "due": self._due,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.target_network.load_state_dict(state["target_network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.replay.load_state_dict(state["replay"])
        self._explorer.bit_generator.state = state["explorer"]
        self.hyperparams = self.Hyperparameters(**state["hyperparams"])
        if "meter" in state:  # older checkpoints have none
            self._meter.load_state_dict(state["meter"])
        self.steps = int(state["steps"])
        self._moves = int(state["moves"])
        self._updates = int(state["updates"])
        self._due = int(state["due"])

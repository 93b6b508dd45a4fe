"""Proximal policy optimization.

Sources:
    Schulman et al. 2017, "Proximal policy optimization algorithms", arXiv:1707.06347.
    Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
    estimation", arXiv:1506.02438.
    Huang et al. 2022, "The 37 implementation details of proximal policy optimization",
    ICLR blog track.

One update phase, after T vector steps of N boards, with the ratio
r = pi(a|s) / pi_old(a|s) and the advantage A, goes up
    E[ min(r A, clip(r, 1 - eps, 1 + eps) A) ] - c_v (V(s) - R)^2 / 2 + c_e H(pi(.|s)).

Differs from the papers:
    1. Policy and value share one network; its last layer gives the logits and the value.
    2. Advantages are normalized within each minibatch (37 details, 7).
    3. The value loss is neither clipped nor rescaled: it is in the units of the returns.
    4. The learning rate and the entropy coefficient may move in a line over the run.
    5. The update phase ends early, whole, where the policy has moved further from the old one
       than `kl_limit` (estimator k3 of Schulman 2020, "Approximating KL divergence").
    6. Each call of `train_step` is one minibatch, so that a pause never waits for a phase. On the
       CPU its rows are shared out among threads, whose gradients are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import gymnasium
import numpy as np
import torch
from pydantic import Field, JsonValue

from rlplay.agents import register_agent
from rlplay.agents.base import Actions, Flags, Hyperparameters, Observations, Rewards, TorchAgent
from rlplay.agents.buffers import RolloutBuffer, generalized_advantage_estimation
from rlplay.agents.networks import build_network
from rlplay.agents.schedules import linear
from rlplay.config import RunConfig
from rlplay.device import explain_out_of_memory
from rlplay.envs.snake.config import CLASSIC

__all__ = ["PPO", "RATIOS_TO", "RATIO_BINS", "PPOHyperparameters"]

#: The histogram of the ratios goes from 0 to this; what lies beyond is in its last bin.
RATIOS_TO: Final = 2.0
#: How many bins it has.
RATIO_BINS: Final = 80

_LEARNING: Final[dict[str, JsonValue]] = {"group": "learning", "live": True}
_ROLLOUT: Final[dict[str, JsonValue]] = {"group": "rollout", "live": False}
_POLICY: Final[dict[str, JsonValue]] = {"group": "policy", "live": True}


class PPOHyperparameters(Hyperparameters):
    """The options of PPO."""

    learning_rate: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="step size of Adam",
        json_schema_extra=_LEARNING,
    )
    final_learning_rate_fraction: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of the learning rate that is left after the annealing; 1 keeps it",
        json_schema_extra=_LEARNING,
    )
    annealing_fraction: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the run after which the learning rate and the entropy coefficient "
        "have arrived at their final values, and stay there",
        json_schema_extra=_LEARNING,
    )
    discount: float = Field(
        default=0.997,
        ge=0,
        le=1,
        description="gamma: worth of a reward one step later",
        json_schema_extra=_LEARNING,
    )
    gae_lambda: float = Field(
        title="GAE lambda",
        default=0.95,
        ge=0,
        le=1,
        description="lambda: 0 trusts the value of the next step, 1 the whole return",
        json_schema_extra=_LEARNING,
    )
    num_steps: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="vector steps between two update phases",
        json_schema_extra=_ROLLOUT | {"unit": "steps"},
    )
    num_minibatches: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="parts that the rollout is cut into for each pass",
        json_schema_extra=_ROLLOUT,
    )
    num_epochs: int = Field(
        default=3,
        ge=1,
        le=100,
        description="passes over the rollout",
        json_schema_extra=_LEARNING,
    )
    clip: float = Field(
        default=0.2,
        gt=0,
        le=10,
        description="epsilon: how far the probability ratio may move and still be paid",
        json_schema_extra=_POLICY,
    )
    entropy_coefficient: float = Field(
        default=0.003,
        ge=0,
        le=1,
        description="pay for staying random, at the start",
        json_schema_extra=_POLICY,
    )
    final_entropy_coefficient: float = Field(
        default=0.003,
        ge=0,
        le=1,
        description="the same after the annealing",
        json_schema_extra=_POLICY,
    )
    value_coefficient: float = Field(
        default=0.5,
        ge=0,
        le=100,
        description="weight of the value loss",
        json_schema_extra=_LEARNING,
    )
    max_gradient_norm: float = Field(
        default=0.5,
        gt=0,
        le=1e6,
        description="where the gradient is clipped",
        json_schema_extra=_LEARNING,
    )
    kl_limit: float | None = Field(
        title="KL limit",
        default=None,
        gt=0,
        le=10,
        description="end the update phase where the policy has moved this far; none never does",
        json_schema_extra=_POLICY | {"unit": "nats", "none": "never"},
    )


_PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "*": {
        "default": {
            "description": "Works for most small environments.",
            "num_envs": 64,
            "num_threads": 1,
            "total_steps": 2_000_000,
        }
    },
    "gridworld": {
        "default": {
            "description": "A small network finds the way within seconds.",
            "num_envs": 16,
            "total_steps": 60_000,
            "network_config": {"layers": [{"units": 64}]},
            "hyperparams": {"learning_rate": 3e-3, "discount": 0.9, "entropy_coefficient": 0.01},
        }
    },
    "gymnasium:CartPole-v1": {
        "default": {
            "description": "For a world of few numbers: a small network, and long looks ahead.",
            "num_envs": 16,
            "total_steps": 200_000,
            "network_config": {"layers": [{"units": 64}, {"units": 64}]},
            "hyperparams": {"discount": 0.99, "num_steps": 64, "num_epochs": 8},
        }
    },
    "snake": {
        "default": {
            "description": "The balanced choice: given the time, it learns to fill the board.",
            "num_envs": 512,
            "total_steps": 60_000_000,
            "hyperparams": {
                "annealing_fraction": 0.75,
                "discount": 0.9997,
                "num_minibatches": 20,
                "num_epochs": 1,
                "entropy_coefficient": 0.008,
                "final_entropy_coefficient": 0.001,
                "value_coefficient": 0.05,
            },
        },
        "fast": {
            "description": "A small network that sees little learns to find apples within seconds, "
            "also on an old machine, and does not get as far.",
            "num_envs": 64,
            "total_steps": 3_000_000,
            "env_config": {"vision": 2},
            "network_config": {"layers": [{"units": 64}, {"units": 64}]},
            "hyperparams": {
                "discount": 0.99,
                "num_minibatches": 8,
                "num_epochs": 2,
                "entropy_coefficient": 0.01,
                "value_coefficient": 0.5,
            },
        },
        "stable": {
            "description": "Takes smaller, well measured steps from twice as many boards: slower, "
            "and less a matter of luck.",
            "num_envs": 1024,
            "hyperparams": {
                "learning_rate": 5e-4,
                "clip": 0.1,
                "kl_limit": 0.02,
                "max_gradient_norm": 0.3,
            },
        },
        "best": {
            "description": "Aims at the highest score in the end: more updates from each rollout, "
            "and more than three times as many steps.",
            "total_steps": 200_000_000,
            "hyperparams": {"num_minibatches": 32},
        },
        "classic": {
            "description": "The fifteen numbers of many tutorials: danger beside the head, food, "
            "direction, hunger and three body segments.",
            "num_envs": 64,
            "total_steps": 5_000_000,
            "env_config": CLASSIC,
            "hyperparams": {"discount": 0.99, "entropy_coefficient": 0.01},
        },
    },
}


@register_agent("ppo", title="PPO", presets=_PRESETS)
class PPO(TorchAgent):
    """Proximal policy optimization: many boards, small trusted steps of the policy."""

    Hyperparameters = PPOHyperparameters
    shares_threads = True

    def __init__(
        self,
        config: RunConfig,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
    ) -> None:
        """Build the network, the optimizer and the rollout buffer."""
        super().__init__(config, observation_space, action_space)
        with explain_out_of_memory(config):
            network = build_network(
                self.observation_size,
                self.num_outputs,
                config.network_config,
                self.weights_generator,
            )
            with torch.no_grad():
                # Nearly uniform at first, whatever the observation (37 details, 2).
                network[-1].get_parameter("weight")[: self.num_actions] *= 0.01
            self.network = network.to(self.device)
            self.optimizer = torch.optim.Adam(
                self.network.parameters(), lr=self.hyperparams.learning_rate, eps=1e-5, fused=True
            )
            self.rollout = RolloutBuffer(
                self.hyperparams.num_steps, self.num_envs, self.observation_size
            )
        size = self.hyperparams.num_steps * self.num_envs
        self._minibatch_size: int = math.ceil(size / self.hyperparams.num_minibatches)
        # What select_action found out and store_transition keeps.
        self._log_probabilities = np.zeros(self.num_envs, np.float32)
        self._values = np.zeros(self.num_envs, np.float32)
        # The place within the update phase.
        self._epoch = 0
        self._minibatch = 0
        self._order = torch.zeros(size, dtype=torch.int64)
        self._advantages = torch.zeros(size)
        self._returns = torch.zeros(size)
        self._explained_variance = 0.0
        self._batch: tuple[torch.Tensor, ...] | None = None
        # What the newest minibatch did, and the last one of the newest phase.
        self._minibatch_did: dict[str, Any] = {}
        self._phase_did: dict[str, Any] = {}

    @classmethod
    def describe_outputs(cls, config: RunConfig, num_actions: int) -> dict[str, int]:
        """The logits, then the value."""
        return {"action logits": num_actions, "value": 1}

    # Acting ------------------------------------------------------------------------------------

    def _forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits (batch, actions) and values (batch,), both float32."""
        with self._autocast():
            output = self.network(observations)
        output = output.float()
        return output[:, :-1], output[:, -1]

    def _act(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits (batch, actions) and values (batch,) on the CPU, with no gradient."""

        def forward(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.no_grad():
                return self._forward(rows)

        logits, values = zip(*self.workers.map(forward, observations), strict=True)
        return torch.cat(logits).cpu(), torch.cat(values).cpu()

    @torch.no_grad()
    def select_action(self, observations: Observations, training: bool = True) -> Actions:
        """Sample from the policy, or take its most probable action."""
        logits, values = self._act(self._to_device(observations))
        if not training:
            return logits.argmax(dim=1).numpy()
        log_probabilities = torch.log_softmax(logits, dim=1)
        # Inverse of the cumulative distribution at one uniform number for each board.
        uniform = torch.rand(len(logits), 1, generator=self.generator)
        cumulative = log_probabilities.exp().cumsum(dim=1)[:, :-1]
        actions = (uniform > cumulative).sum(dim=1)
        if len(observations) == self.num_envs:
            chosen = log_probabilities.gather(1, actions[:, None])[:, 0]
            self._log_probabilities, self._values = chosen.numpy(), values.numpy()
        return actions.numpy()

    def _value(self, observations: Observations) -> Any:
        return self._act(self._to_device(observations))[1].numpy()

    def store_transition(
        self,
        observations: Observations,
        actions: Actions,
        rewards: Rewards,
        next_observations: Observations,
        terminated: Flags,
        truncated: Flags,
    ) -> None:
        """Store one vector step; after the last one of a rollout, prepare the update phase."""
        rollout, step = self.rollout, self.rollout.length
        rollout.observations[step] = observations
        rollout.actions[step] = actions
        rollout.log_probabilities[step] = self._log_probabilities
        rollout.values[step] = self._values
        rollout.rewards[step] = rewards
        rollout.terminated[step] = terminated
        rollout.truncated[step] = truncated
        cut = np.flatnonzero(truncated & ~terminated)
        if len(cut):
            rollout.final_values[step, cut] = self._value(next_observations[cut])
        rollout.length += 1
        self.steps += self.num_envs
        if rollout.is_full:
            self._begin_updates(self._value(next_observations))

    # Learning ----------------------------------------------------------------------------------

    @property
    def updates_due(self) -> int:
        """Minibatches left in this update phase."""
        if not self.rollout.is_full:
            return 0
        left = int(self.hyperparams.num_epochs) - self._epoch
        return left * self._num_minibatches - self._minibatch

    @property
    def _num_minibatches(self) -> int:
        return math.ceil(len(self._order) / self._minibatch_size)

    def _begin_updates(self, last_values: Any) -> None:
        """Compute advantages and returns of the whole rollout."""
        rollout = self.rollout
        advantages = generalized_advantage_estimation(
            rollout.rewards,
            rollout.values,
            rollout.next_values(last_values),
            rollout.terminated,
            rollout.truncated,
            self.hyperparams.discount,
            self.hyperparams.gae_lambda,
        )
        returns = advantages + rollout.values
        spread = float(returns.var())
        self._explained_variance = 1.0 - float(advantages.var()) / spread if spread > 0 else 0.0
        self._advantages = torch.from_numpy(advantages.reshape(-1))
        self._returns = torch.from_numpy(returns.reshape(-1))
        self._epoch = self._minibatch = 0

    def _rollout_tensors(self) -> tuple[torch.Tensor, ...]:
        """The rollout on the device, flat: (T * N, ...)."""
        if self._batch is None:
            rollout = self.rollout
            stored = (rollout.observations, rollout.actions, rollout.log_probabilities)
            self._batch = (
                *(self._to_device(array.reshape(-1, *array.shape[2:])) for array in stored),
                self._advantages.to(self.device),
                self._returns.to(self.device),
            )
        return self._batch

    def _part_of(
        self, minibatch: torch.Tensor, entropy_coefficient: float
    ) -> Callable[[torch.Tensor], tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
        """Prepare to learn from parts of a minibatch.

        Args:
            minibatch: (B,) int64, its rows of the rollout.
            entropy_coefficient: Pay for staying random.

        Returns:
            A function from some of the rows to their share of the gradients, and of (6,) loss,
            policy loss, value loss, entropy, KL and clip fraction; while somebody watches, the
            ratios of each bin follow, (6 + `RATIO_BINS`,).
        """
        options, count, watched = self.hyperparams, len(minibatch), self.is_watched
        tensors = self._rollout_tensors()
        chosen = tensors[3].index_select(0, minibatch)
        # A minibatch of one has no spread.
        mean, spread = chosen.mean(), chosen.std() + 1e-8 if count > 1 else torch.tensor(1.0)
        parameters = self._parameters

        def learn(rows: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
            observations, actions, old_log_probabilities, advantages, returns = (
                tensor.index_select(0, rows) for tensor in tensors
            )
            if count > 1:
                advantages = (advantages - mean) / spread
            logits, values = self._forward(observations)
            log_probabilities = torch.log_softmax(logits, dim=1)
            log_ratio = log_probabilities.gather(1, actions[:, None])[:, 0] - old_log_probabilities
            ratio = log_ratio.exp()
            clipped = ratio.clamp(1.0 - options.clip, 1.0 + options.clip)
            policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).sum() / count
            value_loss = 0.5 * (values - returns).square().sum() / count
            entropy = -(log_probabilities.exp() * log_probabilities).sum() / count
            loss = (
                policy_loss + options.value_coefficient * value_loss - entropy_coefficient * entropy
            )
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                kl = (ratio - 1.0 - log_ratio).sum() / count
                clip_fraction = ((ratio - 1.0).abs() > options.clip).sum() / count
                sums = torch.stack([loss, policy_loss, value_loss, entropy, kl, clip_fraction])
                if watched:
                    within = ratio.clamp(max=RATIOS_TO)
                    sums = torch.cat([sums, within.histc(RATIO_BINS, min=0.0, max=RATIOS_TO)])
                return gradients, sums

        return learn

    def train_step(self) -> dict[str, float]:
        """Learn from one minibatch."""
        if not self.updates_due:
            return {}
        options = self.hyperparams
        if self._minibatch == 0:
            self._order = torch.randperm(len(self._order), generator=self.generator)
        start = self._minibatch * self._minibatch_size
        index = self._order[start : start + self._minibatch_size].to(self.device)
        annealing = math.ceil(self.config.total_steps * options.annealing_fraction)
        progress = {"steps": annealing, "now": self.steps}
        rate = options.learning_rate
        rate = linear(rate, rate * options.final_learning_rate_fraction, **progress)
        entropy_coefficient = linear(
            options.entropy_coefficient, options.final_entropy_coefficient, **progress
        )
        self._set_learning_rate(rate)
        with explain_out_of_memory(self.config):
            gradients, sums = self.workers.add_up(self._part_of(index, entropy_coefficient), index)
        loss, policy_loss, value_loss, entropy, kl, clip_fraction, *ratios = sums
        self._minibatch_did = (
            {
                "ratios": [int(number) for number in ratios],
                "clip": options.clip,
                "clip_fraction": clip_fraction,
                "entropy": entropy,
                "kl": kl,
            }
            if ratios
            else {}
        )
        if options.kl_limit is not None and kl > options.kl_limit:
            self._end_updates()
            return {"kl": kl, "clip_fraction": clip_fraction}
        gradient_norm = self._step(gradients, loss, options.max_gradient_norm)
        self._advance()
        return {
            "loss": loss,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": entropy,
            "kl": kl,
            "clip_fraction": clip_fraction,
            "explained_variance": self._explained_variance,
            "gradient_norm": gradient_norm,
            "learning_rate": rate,
        }

    def _advance(self) -> None:
        """Go on to the next minibatch, or end the update phase."""
        self._minibatch += 1
        if self._minibatch == self._num_minibatches:
            self._minibatch = 0
            self._epoch += 1
        if self._epoch >= self.hyperparams.num_epochs:
            self._end_updates()

    def _end_updates(self) -> None:
        """Give the rollout up, and make room for the next one."""
        self._epoch = self._minibatch = 0
        self._batch = None
        self.rollout.length = 0
        self._phase_did, self._minibatch_did = self._minibatch_did, {}

    def update_hyperparams(self, **changes: Any) -> None:
        """Change live options between two updates; see `Agent.update_hyperparams`."""
        super().update_hyperparams(**changes)
        if self.rollout.is_full and self._epoch >= self.hyperparams.num_epochs:
            self._end_updates()

    # Looking inside and files ------------------------------------------------------------------

    def describe_update(self) -> dict[str, Any]:
        """Say what the last minibatch of the newest update phase did; see `Agent`.

        Returns:
            ``ratios``: how many there are in each of `RATIO_BINS` bins from 0 to `RATIOS_TO`;
            ``clip``, ``clip_fraction``, ``entropy`` and ``kl``. Empty where nobody watched.
        """
        return self._phase_did

    def explain(self, observation: Observations, saliency: bool = False) -> dict[str, Any]:
        """Give the action probabilities, the value and the activations of one observation.

        The saliency is that of the most probable action's logit; see `Agent.explain`.
        """
        output, activations = self._activations(observation)
        explained = {
            "probabilities": torch.softmax(output[:-1], dim=0).tolist(),
            "value": float(output[-1]),
            "activations": activations,
        }
        if saliency:
            explained["saliency"] = self._saliency(observation, lambda output: output[:-1].max())
        return explained

    def state_dict(self) -> dict[str, Any]:
        """Everything: network, optimizer, rollout, place in the update phase, generator."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rollout": self.rollout.state_dict(),
            "generator": self.generator.get_state(),
            "hyperparams": self.hyperparams.model_dump(),
            "steps": self.steps,
            "log_probabilities": self._log_probabilities,
            "values": self._values,
            "epoch": self._epoch,
            "minibatch": self._minibatch,
            "order": self._order,
            "advantages": self._advantages,
            "returns": self._returns,
            "explained_variance": self._explained_variance,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rollout.load_state_dict(state["rollout"])
        self.generator.set_state(state["generator"])
        self.hyperparams = self.Hyperparameters(**state["hyperparams"])
        self.steps = int(state["steps"])
        self._log_probabilities = np.array(state["log_probabilities"], np.float32)
        self._values = np.array(state["values"], np.float32)
        self._epoch, self._minibatch = int(state["epoch"]), int(state["minibatch"])
        self._order = state["order"].clone()
        self._advantages, self._returns = state["advantages"].clone(), state["returns"].clone()
        self._explained_variance = float(state["explained_variance"])
        self._batch = None

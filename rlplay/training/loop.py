"""The training loop: a generator that knows no thread, no widget and no disk.

Whoever pulls from it decides the pace: pausing means not pulling. Between two items everything
is at rest, so that options may change and state may be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay.agents import create_agent, get_agent_spec
from rlplay.config import RunConfig
from rlplay.device import choose_num_threads, choose_precision, get_device
from rlplay.envs import create_vector_env
from rlplay.errors import ContractError, TrainingDiverged
from rlplay.seeding import split_seed

__all__ = ["Episodes", "Move", "TrainingLoop", "Update", "num_torch_threads", "resolved"]


def resolved(config: RunConfig) -> RunConfig:
    """Settle what a config leaves to the machine: device, precision and threads.

    Raises:
        DeviceError: When the config asks for a device that is not here.
    """
    device = get_device(config.device)
    return config.replace(
        device=device.type,
        precision=choose_precision(config.precision, device),
        num_threads=choose_num_threads(config.num_threads),
    )


def num_torch_threads(config: RunConfig) -> int:
    """Say how many threads PyTorch's operations should have in a thread that trains.

    Args:
        config: As `resolved` gives it.
    """
    if get_agent_spec(config.algo).agent.shares_threads:
        return 1
    return config.num_threads or 1


@dataclass(frozen=True, slots=True)
class Episodes:
    """The episodes that ended in one vector step; arrays over the E boards concerned.

    Attributes:
        last: Number of the last of them, counted from 1 over the whole run.
        boards: (E,) int64, which board.
        scores: (E,) float64; the return, where the environment counts no score.
        returns: (E,) float64, sum of rewards.
        lengths: (E,) int64, steps.
        endings: (E,) int64, codes into the environment's `ending_names`.
        seeds: (E,) int64, episode seeds.
    """

    last: int
    boards: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    endings: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Move:
    """One vector step.

    Attributes:
        total_steps: Environment steps so far, this vector step included.
        actions: (N,) int64.
        ended: The episodes that ended, if any.
    """

    total_steps: int
    actions: npt.NDArray[np.int64]
    ended: Episodes | None


@dataclass(frozen=True, slots=True)
class Update:
    """One update of the agent.

    Attributes:
        total_steps: Environment steps so far.
        metrics: What the agent says of it.
    """

    total_steps: int
    metrics: dict[str, float]


class TrainingLoop:
    """An agent and its environments, at work.

    Attributes:
        config: The run's config.
        env: The vector environment.
        agent: The agent.
        total_steps: Environment steps so far, over all boards.
        items: Moves and updates so far.
        episodes: Episodes ended so far.
        observations: (N, D) float32, what the agent sees next.
        current_score: Score of the running episode on board 0; its return, where the
            environment counts no score.
    """

    def __init__(self, config: RunConfig) -> None:
        """Build environments and agent, and open the first episodes."""
        self.config = config
        self.env = create_vector_env(
            config.env_name, config.num_envs, config.reward_config, **config.env_config
        )
        self.agent = create_agent(
            config, self.env.single_observation_space, self.env.single_action_space
        )
        self.total_steps = 0
        self.items = 0
        self.episodes = 0
        self.current_score = 0.0
        self._returns = np.zeros(config.num_envs, np.float64)
        self.observations, _ = self.env.reset(seed=split_seed(config.seed).environments)

    def run(self) -> Iterator[Move | Update]:
        """Play and learn until `total_steps` of the config is reached.

        Yields:
            A `Move` for each vector step, an `Update` for each update.
        """
        while True:
            item: Move | Update
            if self.agent.updates_due > 0:
                item = Update(self.total_steps, self._train_step())
            elif self.total_steps < self.config.total_steps:
                item = self._move()
            else:
                return
            self.items += 1
            yield item

    def _train_step(self) -> dict[str, float]:
        """Have the agent do one update.

        Raises:
            ContractError: For a metric that is no number.
            TrainingDiverged: For a loss that is no finite number.
        """
        metrics: Any = self.agent.train_step()
        if not isinstance(metrics, dict):
            raise ContractError(
                f"train_step gave {type(metrics).__name__}, not a dict of metrics: end it with "
                "return {'loss': float(loss)}, and with return {} when nothing is due."
            )
        for name, value in metrics.items():
            try:
                finite = math.isfinite(value)
            except (TypeError, ValueError, OverflowError, RuntimeError):
                raise ContractError(
                    f"train_step gave {name} as {type(value).__name__}, not one number: write "
                    "float(...) around it."
                ) from None
            if not finite and "loss" in name:
                raise TrainingDiverged(
                    f"The {name} is {value} after {self.total_steps:,} steps: learning has gone "
                    "astray. Lower the learning rate, or check what the agent computes: "
                    f'rlplay.check_agent("{self.config.algo}").'
                )
        return metrics

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on, and tell the agent.

        Args:
            reward_config: Fields of the environment's reward model; those left out keep theirs.
        """
        self.env.set_rewards(reward_config)
        self.agent.set_rewards(reward_config)

    def _move(self) -> Move:
        """Do one vector step."""
        observations = self.observations
        actions = self.agent.select_action(observations)
        if actions.shape != (self.config.num_envs,):
            raise ContractError(
                f"select_action of {self.config.algo!r} gave actions of shape {actions.shape}; "
                f"it must give one action for each environment: ({self.config.num_envs},)."
            )
        following, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = infos.get("_final_obs")
        self.agent.store_transition(
            observations,
            actions,
            rewards,
            following if ended is None else np.where(ended[:, None], infos["final_obs"], following),
            terminated,
            truncated,
        )
        self.observations = following
        self.total_steps += self.config.num_envs
        self._returns += rewards
        closed = None if ended is None else self._close(ended, infos)
        self.current_score = float(infos["score"][0] if "score" in infos else self._returns[0])
        return Move(self.total_steps, actions, closed)

    def _close(self, ended: npt.NDArray[np.bool_], infos: dict[str, Any]) -> Episodes:
        """Sum the ended episodes up."""
        boards = np.flatnonzero(ended)
        final = infos["final_info"]
        returns = self._returns[boards]
        self._returns[boards] = 0.0
        self.episodes += len(boards)
        scores = final["score"][boards] if "score" in final else returns
        return Episodes(
            last=self.episodes,
            boards=boards,
            scores=np.asarray(scores, np.float64),
            returns=returns,
            lengths=np.asarray(final["steps"][boards], np.int64),
            endings=np.asarray(final["ending"][boards], np.int64),
            seeds=np.asarray(final["episode_seed"][boards], np.int64),
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the loop needs to go on exactly, agent and environments included."""
        return {
            "total_steps": self.total_steps,
            "items": self.items,
            "episodes": self.episodes,
            "current_score": self.current_score,
            "returns": self._returns.copy(),
            "observations": np.array(self.observations),
            "env": self.env.get_state(),
            "agent": self.agent.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.total_steps = int(state["total_steps"])
        self.items = int(state["items"])
        self.episodes = int(state["episodes"])
        self.current_score = float(state["current_score"])
        self._returns[:] = state["returns"]
        self.observations = np.array(state["observations"], np.float32)
        self.env.set_state(state["env"])
        self.agent.load_state_dict(state["agent"])

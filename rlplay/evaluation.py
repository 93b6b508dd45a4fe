"""Evaluation: how good is an agent, on episodes that it did not train on?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay.agents import Agent, create_agent
from rlplay.config import RunConfig
from rlplay.envs import create_vector_env
from rlplay.errors import ConfigError
from rlplay.seeding import EPISODE_SEED_BITS, split_seed
from rlplay.storage import StorageManager, get_storage_manager

__all__ = ["EvaluationResult", "evaluate", "load_agent"]

#: Boards played side by side.
_BOARDS = 256


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The episodes of an evaluation; arrays over the E episodes, in the order of the seeds.

    Attributes:
        seeds: (E,) int64, episode seeds.
        scores: (E,) float64.
        returns: (E,) float64.
        lengths: (E,) int64, steps.
        endings: How each ended; "unfinished" where the limit of steps came first.
    """

    seeds: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    returns: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    endings: tuple[str, ...]

    def mean(self) -> float:
        """Mean score."""
        return float(self.scores.mean())

    def ending_counts(self) -> dict[str, int]:
        """How many episodes ended how, the most frequent first."""
        return dict(Counter(self.endings).most_common())


def load_agent(
    run_id: str, env_name: str | None = None, storage: StorageManager | None = None
) -> Agent:
    """Load a saved run's agent, with its weights.

    Args:
        run_id: The run's folder name.
        env_name: Its environment; without it, every environment is searched.
        storage: The library of runs; without one, the models folder of this place.

    Returns:
        The agent, ready to act.

    Raises:
        RunNotFound: When there is no such run, or it has no weights yet.
        DamagedFile: When its files cannot be read.
    """
    storage = storage or get_storage_manager()
    env_name = env_name or storage.find_run(run_id)
    config = storage.load_config(env_name, run_id)
    weights = storage.check_weights(env_name, run_id)
    agent = _create(config.replace(device="auto", precision="float32"))
    agent.load(weights)
    # Schedules, such as epsilon, stand where training left them.
    lines = storage.load_metrics(env_name, run_id, limit=1)
    agent.steps = int(lines[-1]["steps"]) if lines else 0
    return agent


def _create(config: RunConfig) -> Agent:
    """An agent with room for evaluation alone."""
    env = create_vector_env(config.env_name, 1, config.reward_config, **config.env_config)
    small = config.replace(num_envs=1)
    return create_agent(small, env.single_observation_space, env.single_action_space)


def evaluate(
    run_or_agent: str | Agent,
    seeds: Iterable[int] | None = None,
    episodes: int = 100,
    greedy: bool = True,
    *,
    max_steps: int = 100_000,
    storage: StorageManager | None = None,
) -> EvaluationResult:
    """Play whole episodes in environments of their own, many boards side by side.

    The agent is copied, so that one that is in training goes on undisturbed. The same arguments
    give the same result.

    Args:
        run_or_agent: A run id, or an agent.
        seeds: Episode seeds, each in [0, 2**31); without them, `episodes` seeds that depend on
            the run's seed alone and that training does not begin with.
        episodes: How many, where no seeds are given; 1 or more.
        greedy: Choose what looks best; otherwise explore as in training.
        max_steps: Where an episode that does not end is given up.
        storage: The library of runs, where a run id is given.

    Returns:
        Scores, returns, lengths and endings, one for each seed.

    Raises:
        ConfigError: For seeds or episodes out of range.
        RunNotFound: When there is no such run.
    """
    if isinstance(run_or_agent, str):
        agent = load_agent(run_or_agent, storage=storage)
    elif isinstance(run_or_agent, Agent):
        agent = _copy(run_or_agent)
    else:
        raise ConfigError(f"{run_or_agent!r} cannot play. Give a run's id, or an agent.")
    config = agent.config
    if seeds is None:
        if episodes < 1:
            raise ConfigError(f"episodes = {episodes!r} is not allowed: 1 or more.")
        generator = np.random.default_rng(split_seed(config.seed).evaluation)
        chosen = generator.integers(0, 2**EPISODE_SEED_BITS, episodes).tolist()
    else:
        chosen = [int(seed) for seed in seeds]
        if not chosen or min(chosen) < 0 or max(chosen) >= 2**EPISODE_SEED_BITS:
            raise ConfigError(
                "seeds must be at least one whole number, each from 0 to "
                f"{2**EPISODE_SEED_BITS - 1}."
            )
    parts = [
        _play(agent, config, chosen[first : first + _BOARDS], greedy, max_steps)
        for first in range(0, len(chosen), _BOARDS)
    ]
    scores, returns, lengths = (np.concatenate([part[i] for part in parts]) for i in range(3))
    endings = tuple(name for part in parts for name in part[3])
    return EvaluationResult(np.array(chosen, np.int64), scores, returns, lengths, endings)


def _copy(agent: Agent) -> Agent:
    """The same weights in another agent."""
    copy = _create(agent.config)
    copy.set_weights(agent.get_weights())
    copy.steps, copy.hyperparams = agent.steps, agent.hyperparams
    return copy


def _play(
    agent: Agent, config: RunConfig, seeds: list[int], greedy: bool, max_steps: int
) -> tuple[Any, Any, Any, list[str]]:
    """Play one episode for each seed."""
    env = create_vector_env(config.env_name, len(seeds), config.reward_config, **config.env_config)
    observations, _ = env.reset(seed=seeds)
    scores = np.zeros(len(seeds), np.float64)
    returns = np.zeros(len(seeds), np.float64)
    lengths = np.zeros(len(seeds), np.int64)
    endings = ["unfinished"] * len(seeds)
    open_ = np.ones(len(seeds), np.bool_)
    for _ in range(max_steps):
        actions = agent.select_action(observations, training=not greedy)
        observations, rewards, _, _, infos = env.step(actions)
        returns[open_] += rewards[open_]
        lengths[open_] += 1
        if "_final_obs" not in infos:
            continue
        final = infos["final_info"]
        for board in np.flatnonzero(infos["_final_obs"] & open_):
            scores[board] = final["score"][board] if "score" in final else returns[board]
            endings[board] = env.ending_names[int(final["ending"][board])]
        open_ &= ~infos["_final_obs"]
        if not open_.any():
            break
    scores[open_] = infos["score"][open_] if "score" in infos else returns[open_]
    env.close()
    return scores, returns, lengths, endings

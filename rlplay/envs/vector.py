"""Many boards of an environment that has no vector form of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel

from rlplay.envs.base import BaseEnvironment, VectorEnvironment
from rlplay.errors import ConfigError, ContractError
from rlplay.seeding import EPISODE_SEED_BITS, splitmix64

__all__ = ["Vectorised", "checked_num_envs", "checked_seed", "episode_seeds"]

_SEED_LIMIT: Final = 2**63


def checked_num_envs(num_envs: Any) -> int:
    """Refuse a number of boards that cannot be.

    Args:
        num_envs: What came.

    Returns:
        The number.

    Raises:
        ConfigError: When it is no whole number from 1.
    """
    if isinstance(num_envs, bool) or not isinstance(num_envs, (int, np.integer)) or num_envs < 1:
        raise ConfigError(f"num_envs = {num_envs!r} is not allowed. Allowed: a whole number >= 1.")
    return int(num_envs)


def checked_seed(seed: Any, count: int = 1) -> int:
    """Refuse a seed from which no episode can begin.

    Args:
        seed: What came.
        count: How many seeds in a row begin here.

    Returns:
        The seed.

    Raises:
        ConfigError: When it is no whole number, negative, or too large for 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ConfigError(f"seed = {seed!r} is not allowed. Allowed: a whole number >= 0 or None.")
    if not 0 <= seed <= _SEED_LIMIT - count:
        raise ConfigError(f"seed = {seed} is not allowed. Allowed: 0 <= seed < 2**63.")
    return int(seed)


def episode_seeds(
    seed: int | Sequence[int] | NDArray[np.int64] | None,
    num_envs: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Turn the seed of a vector reset into one episode seed for each board.

    Args:
        seed: Board i gets seed + i, or the i-th of a list; None draws them.
        num_envs: How many boards.
        generator: What None draws from.

    Returns:
        (N,) the seeds.

    Raises:
        ConfigError: For a seed from which no episode can begin, or a list of another length.
    """
    if seed is None:
        return generator.integers(1 << EPISODE_SEED_BITS, size=num_envs, dtype=np.int64)
    if isinstance(seed, (Sequence, np.ndarray)):
        if len(seed) != num_envs:
            raise ConfigError(f"{len(seed)} seeds for {num_envs} boards. Give one for each.")
        return np.array([checked_seed(value) for value in seed], np.int64)
    return checked_seed(seed, num_envs) + np.arange(num_envs, dtype=np.int64)


class Vectorised(VectorEnvironment):
    """Steps boards one by one and gives what a native vector environment gives.

    A board whose episode ends begins the next one in the same step, with a seed from a stream that
    its first episode seed begins. All arrays are new at each step.

    Args:
        env: The class of one board, or what makes one of a config and rewards.
        num_envs: How many boards.
        config: The options; defaults when left out.
        rewards: The values of the events; defaults when left out.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        env: Callable[..., BaseEnvironment],
        num_envs: int,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.envs = [env(config, rewards) for _ in range(num_envs)]
        first = self.envs[0]
        self.event_names = first.event_names
        self._ending_names = list(first.ending_names)
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._streams = [0] * num_envs
        self._seeds = np.zeros(num_envs, np.int64)
        self._steps = np.zeros(num_envs, np.int32)
        self._returns = np.zeros(num_envs, np.float64)
        self._infos: list[dict[str, Any]] = [{} for _ in self.envs]
        self._running = False
        # A board that cannot be saved comes back by its seed and its actions.
        self._saves_state = first.saves_state
        self._actions: list[list[Any]] = [[] for _ in self.envs]
        self._seen = [0] * num_envs  # checksums of what these boards showed in their episode

    @property
    def ending_names(self) -> tuple[str, ...]:
        """How episodes can end; grows when an episode ends in a way not named before."""
        return tuple(self._ending_names)

    def _new_observations(self) -> NDArray[Any]:
        space = self.single_observation_space
        return np.zeros((self.num_envs, *(space.shape or ())), space.dtype)

    def _put(self, observations: NDArray[Any], board: int, observation: Any) -> None:
        """Store one board's observation, or say why it does not fit."""
        if np.shape(observation) != observations.shape[1:]:
            raise ContractError(
                f"{type(self.envs[board]).__name__} gave an observation of shape "
                f"{np.shape(observation)}; its observation_space has {observations.shape[1:]}."
            )
        observations[board] = observation

    def _see(self, board: int, observation: Any) -> None:
        """Add what a board shows to the checksum of its episode."""
        self._seen[board] = zlib.crc32(np.asarray(observation).tobytes(), self._seen[board])

    def _require_finite(self, what: str, values: NDArray[Any]) -> None:
        """Refuse numbers that would spoil all that is learned from them."""
        if not np.isfinite(values).all():
            board = int(np.argwhere(~np.isfinite(values))[0][0])
            raise ContractError(
                f"{type(self.envs[board]).__name__} gave {what} that is not finite on board "
                f"{board}: {values[board]}. Look at what it computes there: is something divided "
                "by zero?"
            )

    def _start(self, board: int, seed: int) -> Any:
        """Begin an episode on one board and give its first observation."""
        observation, self._infos[board] = self.envs[board].reset(seed=seed)
        self._seeds[board] = seed
        self._steps[board] = 0
        self._returns[board] = 0.0
        self._actions[board], self._seen[board] = [], 0
        return observation

    def _numbers(self) -> dict[str, NDArray[Any]]:
        """Give the infos as dense arrays; 0 where a board reports no such number."""
        names = {
            name: None
            for info in self._infos
            for name, value in info.items()
            if isinstance(value, (bool, int, float, np.number, np.bool_)) and name != "won"
        }
        numbers = {name: np.array([info.get(name, 0) for info in self._infos]) for name in names}
        numbers.setdefault("score", self._returns.copy())
        numbers["steps"] = self._steps.copy()
        numbers["episode_seed"] = self._seeds.copy()
        return numbers

    def _ending(self, board: int, truncated: bool) -> int:
        """Name how a board's episode ended."""
        info = self._infos[board]
        if info.get("death_reason"):
            name = str(info["death_reason"])
        elif info.get("won"):
            name = "won"
        else:
            name = "truncated" if truncated else "terminated"
        if name not in self._ending_names:
            self._ending_names.append(name)
        return self._ending_names.index(name)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode on every board.

        Args:
            seed: Board i's episode seed is seed + i, or the i-th of a list; None draws them.
            options: Not used.

        Returns:
            (N, …) observations, and infos: (N,) for each number in the boards' infos, and always
            score (the return so far where an environment reports none), steps and episode_seed.

        Raises:
            ConfigError: For a seed from which no episode can begin, or a list of another length.
        """
        seeds = episode_seeds(seed, self.num_envs, self.np_random)
        super().reset(seed=None if seed is None else int(seeds[0]))
        observations = self._new_observations()
        for board in range(self.num_envs):
            self._streams[board] = int(seeds[board])
            self._put(observations, board, self._start(board, int(seeds[board])))
        self._running = True
        return observations, self._numbers()

    def step(
        self, actions: ArrayLike
    ) -> tuple[
        NDArray[Any],
        NDArray[np.float32],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Step every board; a board whose episode ends shows the first observation of the next.

        Args:
            actions: (N, …) one action for each board.

        Returns:
            (N, …) observations; (N,) float32 rewards; (N,) bool terminated and truncated; infos
            as `reset` gives them. Where any episode ended, infos also has `final_obs` (N, …) with
            the mask `_final_obs` (zeros outside the mask), and `final_info` with the mask
            `_final_info`: the numbers at the end of the step, ending (int8 code of
            `ending_names`, -1 where none), won, and death_reason (None where none).

        Raises:
            ContractError: For the wrong number of actions, before the first reset, or when an
                observation does not fit its space; and for a reward or an observation that is not
                finite.
        """
        if not self._running:
            raise ContractError("No episode is running. Call reset() before step().")
        actions = np.asarray(actions)
        if actions.shape[:1] != (self.num_envs,):
            raise ContractError(
                f"Actions must be an array of shape ({self.num_envs}, …), not {actions.shape}."
            )
        count = self.num_envs
        observations, final_observations = self._new_observations(), self._new_observations()
        rewards = np.zeros(count, np.float32)
        terminated, truncated = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        endings = np.full(count, -1, np.int8)
        stepped = []
        for board, env in enumerate(self.envs):
            action = actions[board].item() if actions.ndim == 1 else actions[board]
            observation, reward, terminated[board], truncated[board], info = env.step(action)
            if not self._saves_state:
                self._actions[board].append(action)
                self._see(board, observation)
            stepped.append(observation)
            self._infos[board] = info
            rewards[board] = reward
            self._steps[board] += 1
            self._returns[board] += float(reward)
            if terminated[board] or truncated[board]:
                endings[board] = self._ending(board, not terminated[board])

        ended = endings >= 0
        final_info = self._numbers()
        final_info["ending"] = endings
        reasons = [
            info.get("death_reason") if over else None
            for info, over in zip(self._infos, ended, strict=True)
        ]
        won = [bool(info.get("won")) for info in self._infos]
        for board, observation in enumerate(stepped):
            if ended[board]:
                self._put(final_observations, board, observation)
                self._streams[board], number = splitmix64(self._streams[board])
                observation = self._start(board, number >> (64 - EPISODE_SEED_BITS))
            self._put(observations, board, observation)
        self._require_finite("a reward", rewards)
        for seen in (observations, final_observations):
            self._require_finite("an observation", seen)

        infos: dict[str, Any] = self._numbers()
        if ended.any():
            final_info["death_reason"] = np.array(reasons, dtype=object)
            final_info["won"] = np.array(won) & ended
            infos["final_obs"], infos["_final_obs"] = final_observations, ended
            infos["final_info"], infos["_final_info"] = final_info, ended.copy()
        return observations, rewards, terminated, truncated, infos

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on; see `BaseEnvironment.set_rewards`."""
        for env in self.envs:
            env.set_rewards(reward_config)

    def take_reward_problem(self) -> str | None:
        """Say why a reward formula had no value; see `BaseEnvironment.take_reward_problem`."""
        problems = [env.take_reward_problem() for env in self.envs]
        return next((problem for problem in problems if problem), None)

    def render_state(self, board: int = 0) -> dict[str, Any]:
        """Give all that is drawn of one board, JSON-serialisable."""
        return self.envs[board].render_state()

    def get_metadata(self) -> dict[str, Any]:
        """Describe options, observation, actions and events, JSON-serialisable."""
        return self.envs[0].get_metadata()

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs.

        Of boards without a `get_state` that is the actions of the running episode, and a checksum
        of the observations that they led to.
        """
        if self._saves_state:
            boards = [env.get_state() for env in self.envs]
        else:
            boards = [
                {"actions": list(actions), "seen": seen}
                for actions, seen in zip(self._actions, self._seen, strict=True)
            ]
        return {
            "envs": boards,
            "infos": [dict(info) for info in self._infos],
            "streams": list(self._streams),
            "seeds": self._seeds.copy(),
            "steps": self._steps.copy(),
            "returns": self._returns.copy(),
            "ending_names": list(self._ending_names),
            "np_random": self.np_random.bit_generator.state,
            "running": self._running,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called.

        Boards without a `set_state` play their episode again; `restores_exactly` is False when one
        of them shows something else then.

        Args:
            state: What `get_state` gave, of an environment with the same options and boards.

        Raises:
            ConfigError: When the state is of another number of boards.
        """
        if len(state["envs"]) != self.num_envs:
            raise ConfigError(
                f"The saved state has {len(state['envs'])} boards, this environment "
                f"{self.num_envs}. Make it with as many."
            )
        self.restores_exactly = True
        for board, saved in enumerate(state["envs"]):
            if self._saves_state:
                self.envs[board].set_state(saved)
            else:
                self._play_again(board, int(state["seeds"][board]), saved)
        self._infos = [dict(info) for info in state["infos"]]
        self._streams = [int(stream) for stream in state["streams"]]
        self._seeds[:] = state["seeds"]
        self._steps[:] = state["steps"]
        self._returns[:] = state["returns"]
        self._ending_names = list(state["ending_names"])
        self.np_random.bit_generator.state = state["np_random"]
        self._running = bool(state["running"])

    def _play_again(self, board: int, seed: int, saved: dict[str, Any]) -> None:
        """Bring a board back by the seed and the actions of its episode."""
        env = self.envs[board]
        env.reset(seed=seed)
        self._actions[board], self._seen[board] = list(saved["actions"]), 0
        for action in saved["actions"]:
            observation, _, terminated, truncated, _ = env.step(action)
            self._see(board, observation)
            self.restores_exactly &= not (terminated or truncated)
        self.restores_exactly &= self._seen[board] == saved.get("seen")  # older states lack it

    def close_extras(self, **kwargs: Any) -> None:
        """Close every board."""
        for env in self.envs:
            env.close()

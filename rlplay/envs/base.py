"""The contract of one game."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rlplay.config import validated
from rlplay.envs.rewards import EventRewards, reward_variables
from rlplay.errors import ConfigError, ContractError

__all__ = ["BaseEnvironment", "NoOptions", "VectorEnvironment", "check_environment"]


class NoOptions(BaseModel):
    """The options of an environment that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseEnvironment(gymnasium.Env[Any, Any]):
    """One game on one board: a `gymnasium.Env` that can also be drawn, described and saved.

    A subclass sets `observation_space` and `action_space` in its constructor and writes `reset`,
    `step` and `render_state`. `reset(seed=s)` plays exactly the episode of seed s and reports it
    as ``info["episode_seed"]``; without a seed the episode's seed is drawn.

    Args:
        config: The options, an instance of the registered config model; defaults when left out.
        rewards: The values of the events, an instance of the registered reward model.
        render_mode: None or "rgb_array".
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]
    config_model: ClassVar[type[BaseModel]] = NoOptions
    reward_model: ClassVar[type[BaseModel]] = NoOptions
    #: What can happen in a step and be worth a reward.
    event_names: ClassVar[tuple[str, ...]] = ()
    #: How an episode can end.
    ending_names: ClassVar[tuple[str, ...]] = ("terminated", "truncated")
    #: Whether the world moves on while a person who plays thinks, as a snake does.
    goes_on: ClassVar[bool] = True

    def __init__(
        self,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(
                f"render_mode = {render_mode!r} is not allowed. "
                f"Allowed: None, {', '.join(map(repr, self.metadata['render_modes']))}."
            )
        self.config = self.config_model() if config is None else config
        self.rewards = self.reward_model() if rewards is None else rewards
        self.render_mode = render_mode
        self._event_rewards: EventRewards | None = None
        self._reward_variables: dict[str, float] = {}

    @classmethod
    def prepare(cls, say: Callable[[str], None]) -> None:
        """Do what takes long before the first board of this process, such as compiling.

        Args:
            say: Called with what a person should know while it takes; not called otherwise.
        """

    @classmethod
    def get_spaces(cls, config: BaseModel) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """Give the spaces of observations and actions that an environment of these options has.

        An environment that takes long to make, or compiles, answers without being made.

        Args:
            config: The options, an instance of the registered config model.

        Returns:
            The space of observations and that of actions.
        """
        env = cls(config)
        env.close()
        return env.observation_space, env.action_space

    @classmethod
    def with_rewards(cls, state: dict[str, Any], rewards: BaseModel) -> dict[str, Any]:
        """Give a `render_state` as it is with other rewards, where the picture shows them.

        Args:
            state: What `render_state` gave.
            rewards: An instance of the registered reward model.
        """
        return state

    @classmethod
    def describe(cls, config: BaseModel) -> dict[str, Any]:
        """Give the metadata that an environment of these options has; see `get_metadata`.

        An environment that takes long to make, or compiles, answers without being made.

        Args:
            config: The options, an instance of the registered config model.
        """
        env = cls(config)
        env.close()
        return env.get_metadata()

    @abstractmethod
    def render_state(self) -> dict[str, Any]:
        """Give all that a board needs to draw one frame, JSON-serialisable."""

    def get_observation_space(self) -> spaces.Space[NDArray[np.float32]]:
        """Give the space of observations."""
        return self.observation_space

    def get_action_space(self) -> spaces.Space[Any]:
        """Give the space of actions."""
        return self.action_space

    def get_metadata(self) -> dict[str, Any]:
        """Describe options, observation, actions and events, JSON-serialisable."""
        return {
            "options": self.config_model.model_json_schema()["properties"]
            if self.config_model.model_fields
            else {},
            "rewards": self.reward_model.model_json_schema()["properties"]
            if self.reward_model.model_fields
            else {},
            "reward_variables": reward_variables(self.reward_model),
            "observation": [],
            "actions": [],
            "events": list(self.event_names),
            "endings": list(self.ending_names),
        }

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on; values left out keep theirs.

        Args:
            reward_config: Fields of the reward model.

        Raises:
            ConfigError: For an unknown event, a value out of range, or a formula that cannot be
                used (`FormulaError`).
        """
        changed = {**self.rewards.model_dump(), **reward_config}
        self.rewards = validated(self.reward_model, changed, f"Rewards of {type(self).__name__}")
        self._event_rewards = None

    def pay(self, *events: str, **variables: float) -> float:
        """Add up what a step pays: its `step`, if it has one, and each event that happened in it.

        Args:
            *events: Names out of `event_names`.
            **variables: After the step, each of the variables that the reward model declares for
                formulas; and `hunger`, where it has `step_times_hunger`.

        Returns:
            The reward. An event whose formula has no value pays 0; see `take_reward_problem`.

        Raises:
            ContractError: For an event that does not exist, or a variable that is not given.
        """
        if self._event_rewards is None:
            self._event_rewards = EventRewards(self.event_names, self.rewards)
        self._reward_variables = {name: float(value) for name, value in variables.items()}
        return self._event_rewards.pay(events, variables)

    def get_reward_variables(self) -> dict[str, float]:
        """Give what reward formulas saw in the last step: a number for each variable.

        Returns:
            The numbers by name; empty before the first step.
        """
        return dict(self._reward_variables)

    def take_reward_problem(self) -> str | None:
        """Say why a reward formula had no value since this was last called, and forget it.

        Returns:
            One sentence about the first time, with the formula and its variables on that board;
            None when every formula had a value.
        """
        return None if self._event_rewards is None else self._event_rewards.take_problem()

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs: plain arrays, numbers and strings.

        Raises:
            ContractError: When the environment cannot be saved.
        """
        raise ContractError(
            f"{type(self).__name__} cannot save its state. Write get_state and set_state to allow "
            "an exact continuation."
        )

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called.

        Args:
            state: What `get_state` gave, of an environment with the same options.

        Raises:
            ContractError: When the environment cannot be restored.
        """
        raise ContractError(
            f"{type(self).__name__} cannot restore a state. Write get_state and set_state to allow "
            "an exact continuation."
        )


class VectorEnvironment(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Many boards of one game, stepped together: a `gymnasium.vector.VectorEnv` with more to tell.

    A board whose episode ends begins the next one in the same step. The observations it ended with
    come as ``infos["final_obs"]``, one dense (N, ...) array with the mask ``infos["_final_obs"]``,
    and ``infos["final_info"]`` holds an array of N for each number of a board's info.
    """

    #: What can happen in a step and be worth a reward.
    event_names: tuple[str, ...] = ()
    #: False after a `set_state` that could not bring every board back as it was.
    restores_exactly: bool = True

    @property
    def ending_names(self) -> tuple[str, ...]:
        """How episodes can end; ``infos["final_info"]["ending"]`` counts in it."""
        raise NotImplementedError

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode on every board: board i with seed + i, or with the i-th of a list."""
        first = seed if seed is None or isinstance(seed, int) else int(seed[0])
        return super().reset(seed=first, options=options)  # seeds np_random, and no more

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on; see `BaseEnvironment.set_rewards`."""
        raise NotImplementedError

    def take_reward_problem(self) -> str | None:
        """Say why a reward formula had no value; see `BaseEnvironment.take_reward_problem`."""
        return None

    def render_state(self, board: int = 0) -> dict[str, Any]:
        """Give all that is needed to draw one board, JSON-serialisable."""
        raise NotImplementedError

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs; see `BaseEnvironment.get_state`."""
        raise NotImplementedError

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called."""
        raise NotImplementedError


def check_environment(environment: BaseEnvironment | str, *, num_steps: int = 200) -> list[str]:
    """Run the contract of an environment and say in plain words what holds.

    Args:
        environment: A registered name, which also checks the vector form, or an environment.
        num_steps: How many random steps to play.

    Returns:
        One sentence for each promise that holds.

    Raises:
        ContractError: With one line for each promise that is broken.
        UnknownEnvironment: When nobody registered that name.
    """
    from rlplay.envs import create_env, create_vector_env

    env = create_env(environment) if isinstance(environment, str) else environment
    check = _Check()
    check.single(env, num_steps)
    if isinstance(environment, str) and not check.broken:
        check.vector(create_vector_env(environment, 3), num_steps)
    if check.broken:
        raise ContractError(
            f"{type(env).__name__} breaks the contract of an environment:\n"
            + "\n".join(f"- {line}" for line in check.broken)
        )
    return check.kept


class _Check:
    """Collects which promises an environment keeps and which it breaks."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.broken: list[str] = []

    def promise(self, holds: bool, sentence: str, otherwise: str) -> bool:
        """Note a promise: the sentence where it holds, otherwise what came instead."""
        if holds:
            if sentence not in self.kept:
                self.kept.append(sentence)
        elif otherwise not in self.broken:
            self.broken.append(otherwise)
        return holds

    def single(self, env: BaseEnvironment, num_steps: int) -> None:
        """Check one board."""
        if not self.promise(
            isinstance(env, BaseEnvironment),
            "derives from BaseEnvironment",
            f"{type(env).__name__} does not derive from rlplay.envs.BaseEnvironment",
        ):
            return
        for name in ("observation_space", "action_space"):
            space = getattr(env, name, None)
            if not self.promise(
                isinstance(space, spaces.Space),
                f"has an {name}",
                f"{name} is {space!r}; set a gymnasium space in the constructor",
            ):
                return
        if _owner(env, "get_spaces") is not BaseEnvironment:
            self.promise(
                type(env).get_spaces(env.config) == (env.observation_space, env.action_space),
                "get_spaces gives the spaces that an environment of these options has",
                "get_spaces gave other spaces than an environment of these options has",
            )
        if _owner(env, "describe") is not BaseEnvironment:
            self.promise(
                type(env).describe(env.config) == env.get_metadata(),
                "describe gives the metadata that an environment of these options has",
                "describe gave other metadata than an environment of these options has",
            )
        try:
            first = self._play(env, 7, num_steps)
            again = self._play(env, 7, num_steps)
        except _Broken:
            return
        self.promise(
            first == again,
            "the same seed and actions give the same episodes",
            "the same seed and actions gave two different episodes; draw only from a generator "
            "that reset(seed=...) seeds",
        )
        self._is_json("render_state()", env.render_state())
        self._is_json("get_metadata()", env.get_metadata())
        if type(env).get_state is not BaseEnvironment.get_state:
            self._state(env, num_steps)

    def _play(self, env: BaseEnvironment, seed: int, num_steps: int) -> list[bytes]:
        """Play from a seed with fixed actions, check each step, and give what came."""
        env.action_space.seed(seed)
        observation = self._reset(env, seed)
        trace = [observation.tobytes()]
        episode = 0
        for _ in range(num_steps):
            observation, ended = self._step(env, trace)
            if ended:
                episode += 1
                observation = self._reset(env, seed + episode)
                trace.append(observation.tobytes())
        return trace

    def _reset(self, env: BaseEnvironment, seed: int) -> NDArray[np.float32]:
        result: Any = env.reset(seed=seed)
        self._need(
            isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict),
            "reset gives (observation, info)",
            f"reset gave {type(result).__name__}, not (observation, info)",
        )
        observation: NDArray[np.float32] = result[0]
        info: dict[str, Any] = result[1]
        self._observation(env, observation, "reset")
        self.promise(
            info.get("episode_seed") == seed,
            'reset(seed=s) reports info["episode_seed"] == s',
            f'reset(seed={seed}) reported info["episode_seed"] = {info.get("episode_seed")!r}',
        )
        return observation

    def _step(self, env: BaseEnvironment, trace: list[bytes]) -> tuple[NDArray[np.float32], bool]:
        result: Any = env.step(env.action_space.sample())
        self._need(
            isinstance(result, tuple) and len(result) == 5,
            "step gives (observation, reward, terminated, truncated, info)",
            "step gave something other than (observation, reward, terminated, truncated, info)",
        )
        observation, reward, terminated, truncated, info = result
        self._observation(env, observation, "step")
        self._need(
            isinstance(reward, (int, float, np.number)) and bool(np.isfinite(reward)),
            "rewards are finite numbers",
            f"step gave the reward {reward!r}, not a finite number",
        )
        for name, value in (("terminated", terminated), ("truncated", truncated)):
            self._need(
                isinstance(value, (bool, np.bool_)),
                "terminated and truncated are True or False",
                f"step gave {name} = {value!r}, not True or False",
            )
        self._need(
            isinstance(info, dict), "info is a dict", f"step gave an info of {type(info).__name__}"
        )
        trace += [observation.tobytes(), repr((float(reward), terminated, truncated)).encode()]
        return observation, bool(terminated or truncated)

    def _observation(self, env: BaseEnvironment, observation: Any, where: str) -> None:
        self._need(
            isinstance(observation, np.ndarray) and env.observation_space.contains(observation),
            "observations lie in the observation_space",
            f"{where} gave an observation outside the observation_space {env.observation_space}: "
            f"{getattr(observation, 'dtype', type(observation).__name__)} of shape "
            f"{np.shape(observation)}",
        )

    def _need(self, holds: bool, sentence: str, otherwise: str) -> None:
        """Note a promise without which the rest cannot be checked."""
        if not self.promise(holds, sentence, otherwise):
            raise _Broken

    def _is_json(self, what: str, value: Any) -> None:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            self.promise(False, "", f"{what} is not JSON-serialisable: {error}")
        else:
            self.promise(
                isinstance(value, dict),
                f"{what} is JSON-serialisable",
                f"{what} gave {type(value).__name__}, not a dict",
            )

    def _state(self, env: BaseEnvironment, num_steps: int) -> None:
        """Check that a restored board goes on exactly as the saved one did."""
        env.reset(seed=11)
        state = env.get_state()
        env.action_space.seed(11)
        actions = [env.action_space.sample() for _ in range(num_steps)]

        def go_on() -> list[bytes]:
            trace = []
            for action in actions:
                observation, reward, terminated, truncated, _ = env.step(action)
                trace += [observation.tobytes(), repr(float(reward)).encode()]
                if terminated or truncated:
                    trace.append(env.reset()[0].tobytes())
            return trace

        first = go_on()
        env.set_state(state)
        self.promise(
            first == go_on(),
            "set_state continues exactly where get_state was called",
            "set_state did not continue exactly where get_state was called",
        )

    def vector(self, env: VectorEnvironment, num_steps: int) -> None:
        """Check many boards."""
        mode = env.metadata.get("autoreset_mode")
        self.promise(
            mode == AutoresetMode.SAME_STEP,
            "the vector form begins the next episode in the same step",
            f"the vector form has autoreset_mode {mode!r}, not AutoresetMode.SAME_STEP",
        )
        observations, infos = env.reset(seed=5)
        seeds = np.asarray(infos.get("episode_seed"))
        self.promise(
            seeds.shape == (env.num_envs,) and bool((seeds == 5 + np.arange(env.num_envs)).all()),
            "reset(seed=s) of the vector form begins board i with the episode seed s + i",
            f"reset(seed=5) of the vector form reported episode seeds {infos.get('episode_seed')}",
        )
        self.promise(
            env.observation_space.contains(observations),
            "observations of the vector form lie in its space",
            "reset of the vector form gave observations outside its observation_space",
        )
        env.action_space.seed(5)
        for _ in range(num_steps):
            observations, _, terminated, truncated, infos = env.step(env.action_space.sample())
            ended = terminated | truncated
            if not ended.any():
                continue
            final = infos.get("final_obs")
            self.promise(
                isinstance(final, np.ndarray)
                and final.shape == observations.shape
                and np.array_equal(np.asarray(infos.get("_final_obs")), ended)
                and "final_info" in infos,
                "final_obs is one dense array with the mask _final_obs",
                "after an ending, infos lack a dense final_obs, its mask _final_obs or final_info",
            )


def _owner(env: BaseEnvironment, name: str) -> type:
    """Give the class that an environment has a method from."""
    return next(cls for cls in type(env).__mro__ if name in vars(cls))


class _Broken(Exception):
    """A promise is broken without which the rest cannot be checked; never leaves this module."""

"""The contract of one game."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rlplay.config import validated
from rlplay.envs.rewards import EventRewards, reward_variables
from rlplay.errors import ConfigError, ContractError

__all__ = ["BaseEnvironment", "NoOptions", "VectorEnvironment", "is_built_in", "need_name"]


_LONGEST_NAME = 64  # characters


def is_built_in(cls: type[Any]) -> bool:
    """Say whether rlplay itself brings a class, and not a person."""
    return cls.__module__.partition(".")[0] == "rlplay"


def need_name(kind: str, decorator: str, name: Any) -> None:
    """Refuse what is no name for something that is registered.

    Args:
        kind: What is named, as the message begins.
        decorator: What registers it.
        name: What came as its name.

    Raises:
        ContractError: For a class or a function: the decorator was written without brackets.
        ConfigError: For anything else that is no name.
    """
    if callable(name):
        word = getattr(name, "__name__", "mine").lower()
        raise ContractError(
            f'@{decorator} needs a name: write @{decorator}("{word}") above '
            f"{'class' if isinstance(name, type) else 'def'} {getattr(name, '__name__', '')}."
        )
    if not (
        isinstance(name, str)
        and any(map(str.isalnum, name))
        and len(name) <= _LONGEST_NAME
        and name.isprintable()
    ):
        raise ConfigError(
            f"{kind} cannot be named {name!r}. Allowed: text of 1 to {_LONGEST_NAME} characters "
            "with a letter or digit, such as 'my_idea'."
        )


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

    def get_facts(self) -> dict[str, Any]:
        """Say what is true of the board, by name: numbers, or arrays that always have one shape.

        This is what reward functions and observation blocks of somebody's own look at (see
        `register_reward` and `register_observation`). An environment that writes it allows such
        blocks. It depends on nothing but the state, and is only asked for where they are used.
        """
        return {}

    @property
    def saves_state(self) -> bool:
        """Whether the environment can be saved: it has `get_state` and `set_state`."""
        return type(self).get_state is not BaseEnvironment.get_state

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
    #: Whether its maker takes, as a fourth argument, a reward function and observation blocks of
    #: somebody's own; without it, rlplay's own vectoriser steps the boards where they are used.
    takes_parts: bool = False
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

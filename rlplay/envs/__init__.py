"""The registry of environments, and the one way to make them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, overload

import gymnasium
from pydantic import BaseModel

from rlplay.config import validated
from rlplay.envs.bandit import BanditEnv
from rlplay.envs.base import BaseEnvironment, VectorEnvironment, is_built_in, need_name
from rlplay.envs.gridworld import GridworldEnv
from rlplay.envs.gymnasium_env import PREFIX, gymnasium_class
from rlplay.envs.own import (
    OBSERVATION_REGISTRY,
    REWARD_REGISTRY,
    Facts,
    OwnBoard,
    OwnParts,
    Transition,
    list_observations,
    list_rewards,
    parts_of,
    plain,
    register_observation,
    register_reward,
    with_blocks,
    with_function,
)
from rlplay.envs.snake import SnakeEnv, SnakeVectorEnv
from rlplay.envs.vector import Vectorised, checked_num_envs
from rlplay.errors import ConfigError, ContractError, UnknownEnvironment, nearest

__all__ = [
    "ENV_REGISTRY",
    "OBSERVATION_REGISTRY",
    "REWARD_REGISTRY",
    "BaseEnvironment",
    "EnvSpec",
    "Facts",
    "Transition",
    "VectorEnvironment",
    "check_environment",
    "check_observation",
    "check_reward",
    "create_env",
    "create_vector_env",
    "get_env_spec",
    "list_environments",
    "list_observations",
    "list_rewards",
    "register_env",
    "register_observation",
    "register_reward",
]

EnvironmentT = TypeVar("EnvironmentT", bound=type[BaseEnvironment])
VectorEnvFactory: TypeAlias = Callable[..., VectorEnvironment]


@dataclass(frozen=True)
class EnvSpec:
    """What is registered of an environment.

    Attributes:
        name: What `create_env` knows it by.
        title: What a person reads.
        description: One paragraph, from the class's docstring.
        config_model: The model of its options, with `blocks` where it allows such.
        reward_model: The model of its rewards, with `function`.
        env: The class of one board.
        vector_env: The class of many boards, or None for rlplay's own vectoriser.
        version: Grows whenever the same options and seeds give other episodes.
    """

    name: str
    title: str
    description: str
    config_model: type[BaseModel]
    reward_model: type[BaseModel]
    env: type[BaseEnvironment]
    vector_env: VectorEnvFactory | None
    version: int
    #: Both models as the environment itself declares them.
    plain_models: tuple[type[BaseModel], type[BaseModel]] = field(init=False)

    def __post_init__(self) -> None:
        """Add the options that name what is somebody's own."""
        object.__setattr__(self, "plain_models", (self.config_model, self.reward_model))
        object.__setattr__(self, "reward_model", with_function(self.reward_model))
        if self.allows_blocks:
            object.__setattr__(self, "config_model", with_blocks(self.config_model))

    @property
    def allows_blocks(self) -> bool:
        """Whether observation blocks of somebody's own may be added to what the agent sees."""
        return self.env.get_facts is not BaseEnvironment.get_facts

    def get_spaces(self, config: BaseModel) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
        """Give the spaces of observations and actions that these options lead to.

        Args:
            config: The options, an instance of `config_model`.

        Raises:
            UnknownObservation: When they name a block that is not registered here.
        """
        observations, actions = self.env.get_spaces(plain(config, self.plain_models[0]))
        return parts_of(config).extend_space(observations), actions

    def describe(self, config: BaseModel) -> dict[str, Any]:
        """Give the metadata that these options lead to; see `BaseEnvironment.get_metadata`.

        Args:
            config: The options, an instance of `config_model`.

        Raises:
            UnknownObservation: When they name a block that is not registered here.
        """
        own, options = parts_of(config), plain(config, self.plain_models[0])
        metadata = self.env.describe(options)
        if not own:
            return metadata
        return own.extend_metadata(metadata, self.env.get_spaces(options)[0])

    def make_many(
        self,
        num_envs: int,
        own: OwnParts,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
    ) -> VectorEnvironment:
        """Make many boards, in the environment's own vector form or in ours.

        Args:
            num_envs: How many.
            own: A reward function and observation blocks to lay around them.
            config: The options, as the environment itself declares them.
            rewards: The values of the events, likewise.
        """
        config = self.plain_models[0]() if config is None else config
        rewards = self.plain_models[1]() if rewards is None else rewards
        if not own:
            if self.vector_env is not None:
                return self.vector_env(num_envs, config, rewards)
            return Vectorised(self.env, num_envs, config, rewards)
        if self.vector_env is not None and getattr(self.vector_env, "takes_parts", False):
            return self.vector_env(num_envs, config, rewards, own)

        def make(config: BaseModel | None, rewards: BaseModel | None) -> BaseEnvironment:
            return OwnBoard(self.env(config, rewards), own)

        return Vectorised(make, num_envs, config, rewards)

    @property
    def gymnasium_id(self) -> str:
        """The id under which `gymnasium.make` and `gymnasium.make_vec` find it."""
        words = re.findall(r"[A-Za-z0-9]+", self.name)
        return f"rlplay/{''.join(word[0].upper() + word[1:] for word in words)}-v{self.version}"

    def board_options(self) -> set[str]:
        """Name the options that are rules of the world, not a way to see it: those grouped so."""
        return {
            name
            for name, option in self.config_model.model_fields.items()
            if isinstance(option.json_schema_extra, dict)
            and option.json_schema_extra.get("group") == "board"
        }


ENV_REGISTRY: dict[str, EnvSpec] = {}


def _is_environment(candidate: Any) -> bool:
    """Tell whether something is a class of environments."""
    return isinstance(candidate, type) and issubclass(candidate, BaseEnvironment)


@overload
def register_env(
    name: str,
    env: None = None,
    *,
    config_model: type[BaseModel] | None = None,
    reward_model: type[BaseModel] | None = None,
    vector_env: VectorEnvFactory | None = None,
    version: int = 0,
    title: str | None = None,
    description: str | None = None,
) -> Callable[[EnvironmentT], EnvironmentT]: ...


@overload
def register_env(
    name: str,
    env: EnvironmentT,
    *,
    config_model: type[BaseModel] | None = None,
    reward_model: type[BaseModel] | None = None,
    vector_env: VectorEnvFactory | None = None,
    version: int = 0,
    title: str | None = None,
    description: str | None = None,
) -> EnvironmentT: ...


def register_env(
    name: str,
    env: EnvironmentT | None = None,
    *,
    config_model: type[BaseModel] | None = None,
    reward_model: type[BaseModel] | None = None,
    vector_env: VectorEnvFactory | None = None,
    version: int = 0,
    title: str | None = None,
    description: str | None = None,
) -> EnvironmentT | Callable[[EnvironmentT], EnvironmentT]:
    """Register an environment, here and with Gymnasium; registering a name again replaces it.

    Use it as a decorator of the class, or call it with the class::

        @register_env("maze", title="Maze")
        class Maze(BaseEnvironment): ...

        register_env("maze", Maze, title="Maze")

    Args:
        name: What `create_env` shall know it by; has a letter or digit.
        env: The class of one board; left out when used as a decorator.
        config_model: The model of its options; by default the class's own.
        reward_model: The model of its rewards; by default the class's own.
        vector_env: Called with (num_envs, config, rewards), gives many boards; without it,
            rlplay's own vectoriser steps many boards of `env`.
        version: Let it grow whenever the same options and seeds give other episodes.
        title: What a person reads; by default the name.
        description: One paragraph; by default the first one of the class's docstring.

    Returns:
        The class, or the decorator.

    Raises:
        ConfigError: For what is no name, or one of rlplay's own.
        ContractError: For something that is no `BaseEnvironment`.
    """
    need_name("An environment", "register_env", name)
    if not re.search(r"[A-Za-z0-9]", name):
        raise ConfigError(
            f"An environment cannot be named {name!r}: its runs are kept in a folder of that name. "
            "Allowed: text with a letter from A to Z or a digit; `title` takes any."
        )

    def register(cls: EnvironmentT) -> EnvironmentT:
        if not _is_environment(cls):
            raise ContractError(
                f"{cls!r} is no subclass of rlplay.envs.BaseEnvironment. Derive the class from it."
            )
        built_in = name in ENV_REGISTRY and is_built_in(ENV_REGISTRY[name].env)
        if (built_in or name.startswith(PREFIX)) and not is_built_in(cls):
            raise ConfigError(f"{name!r} is an environment of rlplay's own. Take another name.")
        paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
        spec = EnvSpec(
            name=name,
            title=title or name,
            description=description or " ".join(paragraphs[0].split()),
            config_model=config_model or cls.config_model,
            reward_model=reward_model or cls.reward_model,
            env=cls,
            vector_env=vector_env,
            version=version,
        )
        ENV_REGISTRY[name] = spec
        gymnasium.registry.pop(spec.gymnasium_id, None)
        gymnasium.register(
            id=spec.gymnasium_id,
            entry_point="rlplay.envs:create_env",
            vector_entry_point="rlplay.envs:create_vector_env",
            kwargs={"name": name},
        )
        return cls

    return register if env is None else register(env)


def get_env_spec(name: str) -> EnvSpec:
    """Look up what is registered under a name.

    Args:
        name: A registered name, or ``gymnasium:`` and the name of an environment of Gymnasium,
            which is registered then.

    Returns:
        The registration.

    Raises:
        UnknownEnvironment: When nobody registered that name.
    """
    if str(name).startswith(PREFIX) and name not in ENV_REGISTRY:
        env = gymnasium_class(name)
        ENV_REGISTRY[name] = EnvSpec(
            name=name,
            title=env.gymnasium_name,
            description=str(env.__doc__),
            config_model=env.config_model,
            reward_model=env.reward_model,
            env=env,
            vector_env=None,
            version=0,
        )
    try:
        return ENV_REGISTRY[name]
    except (KeyError, TypeError):
        raise UnknownEnvironment(
            f"No environment {name!r}.{nearest(name, ENV_REGISTRY)} "
            f"Available: {', '.join(sorted(ENV_REGISTRY))}."
        ) from None


def _options(
    spec: EnvSpec, env_config: dict[str, Any], reward_config: dict[str, Any] | None
) -> tuple[BaseModel, BaseModel, OwnParts]:
    """Validate the options and rewards of an environment, and look up what they name."""
    config = validated(spec.config_model, env_config, f"Environment {spec.name!r}")
    rewards = validated(spec.reward_model, reward_config or {}, f"Rewards of {spec.name!r}")
    own = parts_of(config, rewards)
    return plain(config, spec.plain_models[0]), plain(rewards, spec.plain_models[1]), own


def create_env(
    name: str,
    reward_config: dict[str, Any] | None = None,
    *,
    render_mode: str | None = None,
    **env_config: Any,
) -> BaseEnvironment:
    """Make one board.

    Args:
        name: A registered name.
        reward_config: Values of events; those left out get their defaults.
        render_mode: None or "rgb_array".
        **env_config: Options of the environment; those left out get their defaults.

    Returns:
        The environment.

    Raises:
        UnknownEnvironment: When nobody registered that name.
        UnknownReward: When nobody registered the reward function here.
        UnknownObservation: When nobody registered an observation block here.
        ConfigError: For an unknown option or a value out of range.
    """
    spec = get_env_spec(name)
    config, rewards, own = _options(spec, env_config, reward_config)
    env = spec.env(config, rewards, render_mode=render_mode)
    return OwnBoard(env, own) if own else env


def create_vector_env(
    name: str,
    num_envs: int,
    reward_config: dict[str, Any] | None = None,
    **env_config: Any,
) -> VectorEnvironment:
    """Make many boards that are stepped together, in the environment's own vector form or in ours.

    Args:
        name: A registered name.
        num_envs: How many boards.
        reward_config: Values of events; those left out get their defaults.
        **env_config: Options of the environment; those left out get their defaults.

    Returns:
        The vector environment; a board whose episode ends begins the next one in the same step.

    Raises:
        UnknownEnvironment: When nobody registered that name.
        UnknownReward: When nobody registered the reward function here.
        UnknownObservation: When nobody registered an observation block here.
        ConfigError: For an unknown option or a value out of range.
    """
    num_envs = checked_num_envs(num_envs)
    spec = get_env_spec(name)
    config, rewards, own = _options(spec, env_config, reward_config)
    return spec.make_many(num_envs, own, config, rewards)


def list_environments() -> list[dict[str, Any]]:
    """Describe every registered environment, JSON-serialisable.

    Returns:
        For each, by name: name, title, description, version, and the metadata that it gives with
        its default options. Environments of Gymnasium that an agent here cannot play, or that
        Gymnasium cannot make, are left out, though somebody asked for them.
    """
    listed = []
    for name, spec in sorted(ENV_REGISTRY.items()):
        try:
            metadata = spec.describe(spec.config_model())
        except (ConfigError, ContractError):
            if name.startswith(PREFIX):
                continue
            raise
        listed.append(
            {
                "name": spec.name,
                "title": spec.title,
                "description": spec.description,
                "version": spec.version,
                "metadata": metadata,
            }
        )
    return listed


register_env("snake", SnakeEnv, vector_env=SnakeVectorEnv, title="Snake")
register_env("gridworld", GridworldEnv, title="Gridworld")
register_env("bandit", BanditEnv, title="Bandit")

# It needs all of the above.
from rlplay.envs.check import (  # noqa: E402
    check_environment,
    check_observation,
    check_reward,
)

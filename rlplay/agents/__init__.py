"""The algorithms, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from rlplay.agents.base import Agent, Hyperparameters, unknown_name
from rlplay.agents.networks import build_network, count_parameters, register_activation
from rlplay.config import RunConfig, get_default_config
from rlplay.envs import get_env_spec
from rlplay.envs.base import is_built_in, need_name
from rlplay.errors import ConfigError, ContractError, UnknownAlgorithm

__all__ = [
    "AGENT_REGISTRY",
    "Agent",
    "AgentSpec",
    "Hyperparameters",
    "build_network",
    "count_parameters",
    "create_agent",
    "explain_misfit",
    "get_agent_spec",
    "get_default_config",
    "list_algorithms",
    "register_activation",
    "register_agent",
]


@dataclass(frozen=True)
class AgentSpec:
    """A registered algorithm.

    Attributes:
        name: How configs ask for it.
        agent: The class.
        title: Its name for people.
        description: One sentence.
        presets: Partial configs by environment and preset name, each with its "description" for
            people; those of "*", of which only "default" counts, lie under every environment's.
    """

    name: str
    agent: type[Agent]
    title: str
    description: str
    presets: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> type[Hyperparameters]:
        """The model that declares the algorithm's options."""
        return self.agent.Hyperparameters


AGENT_REGISTRY: dict[str, AgentSpec] = {}


def register_agent(
    name: str,
    *,
    title: str | None = None,
    presets: dict[str, dict[str, dict[str, Any]]] | None = None,
) -> Callable[[type[Agent]], type[Agent]]:
    """Register an algorithm, as a decorator of its class; registering again replaces it.

    Args:
        name: How configs ask for it.
        title: Its name for people.
        presets: Partial configs by environment and preset name; "default" is what
            `get_default_config` starts from, that of "*" for every environment. The key
            "description" of each is one sentence for people; see `describe_preset`.

    Returns:
        The decorator.

    Raises:
        ContractError: When the class is not an `Agent`.
        ConfigError: For what is no name, or that of one of rlplay's own algorithms.
    """
    need_name("An algorithm", "register_agent", name)

    def register(agent: Any) -> type[Agent]:
        if not (inspect.isclass(agent) and issubclass(agent, Agent)):
            raise ContractError(f"{agent!r} is not a subclass of rlplay.Agent.")
        built_in = name in AGENT_REGISTRY and is_built_in(AGENT_REGISTRY[name].agent)
        if built_in and not is_built_in(agent):
            raise ConfigError(f"{name!r} is an algorithm of rlplay's own. Take another name.")
        description = (agent.__doc__ or "").strip().partition("\n")[0]
        AGENT_REGISTRY[name] = AgentSpec(name, agent, title or name, description, presets or {})
        return agent

    return register


def get_agent_spec(name: str) -> AgentSpec:
    """Look an algorithm up.

    Raises:
        UnknownAlgorithm: When nobody registered it.
    """
    try:
        return AGENT_REGISTRY[name]
    except (KeyError, TypeError):
        raise UnknownAlgorithm(unknown_name("algorithm", name, list(AGENT_REGISTRY))) from None


def create_agent(
    config: RunConfig,
    observation_space: gymnasium.Space[Any],
    action_space: gymnasium.Space[Any],
) -> Agent:
    """Create the agent that a config describes.

    Args:
        config: The run's config.
        observation_space: Space of one environment's observation.
        action_space: Space of one environment's action.

    Returns:
        An agent that has learned nothing yet.

    Raises:
        ContractError: When the algorithm does not fit the world; see `explain_misfit`.
    """
    agent = get_agent_spec(config.algo).agent
    agent.check_fit(config, observation_space, action_space)
    return agent(config, observation_space, action_space)


def explain_misfit(config: RunConfig) -> str | None:
    """Say why a config's algorithm cannot learn its world.

    Args:
        config: The run's config; nothing is trained.

    Returns:
        What the algorithm needs and what the world has; None when they fit.
    """
    world = get_env_spec(config.env_name)
    spaces = world.env.get_spaces(world.config_model.model_validate(config.env_config))
    try:
        get_agent_spec(config.algo).agent.check_fit(config, *spaces)
    except ContractError as error:
        return str(error)
    return None


def list_algorithms() -> list[str]:
    """Name the registered algorithms."""
    return sorted(AGENT_REGISTRY)


# Each registers itself.
from rlplay.agents import dqn as _dqn  # noqa: E402, F401
from rlplay.agents import monte_carlo as _monte_carlo  # noqa: E402, F401
from rlplay.agents import planning as _planning  # noqa: E402, F401
from rlplay.agents import ppo as _ppo  # noqa: E402, F401
from rlplay.agents import q_learning as _q_learning  # noqa: E402, F401
from rlplay.agents import reinforce as _reinforce  # noqa: E402, F401
from rlplay.agents import sarsa as _sarsa  # noqa: E402, F401

"""rlplay: reinforcement learning that you can see, touch and trust.

Importing opens no file, starts no thread and touches no GPU.
"""

import os

# A trap of shared machines: by default OpenMP's threads wait for each other by spinning, and where
# a browser or another program takes one of their cores for a moment, all the others burn theirs.
# Measured on two busy cores, training was ten times slower. Read once, when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from rlplay.agents import (
    AGENT_REGISTRY,
    Agent,
    create_agent,
    list_algorithms,
    register_activation,
    register_agent,
)
from rlplay.agents.check import check_agent
from rlplay.agents.networks import build_network, count_parameters
from rlplay.config import RunConfig, describe_preset, get_default_config, list_presets
from rlplay.device import get_device, get_device_info, get_global_device, set_global_device
from rlplay.envs import (
    ENV_REGISTRY,
    OBSERVATION_REGISTRY,
    REWARD_REGISTRY,
    BaseEnvironment,
    Transition,
    check_environment,
    check_observation,
    check_reward,
    create_env,
    create_vector_env,
    list_environments,
    list_observations,
    list_rewards,
    register_env,
    register_observation,
    register_reward,
)
from rlplay.errors import RlplayError
from rlplay.evaluation import EvaluationResult, evaluate, load_agent
from rlplay.report import CheckReport
from rlplay.storage import Replay, StorageManager, get_storage_manager
from rlplay.training.run import train
from rlplay.training.session import SessionState, TrainingSession, sessions
from rlplay.training.speed import measure_speed

__version__ = "0.1.0"

__all__ = [
    "AGENT_REGISTRY",
    "ENV_REGISTRY",
    "OBSERVATION_REGISTRY",
    "REWARD_REGISTRY",
    "Agent",
    "BaseEnvironment",
    "CheckReport",
    "EvaluationResult",
    "Replay",
    "RlplayError",
    "RunConfig",
    "SessionState",
    "StorageManager",
    "TrainingSession",
    "Transition",
    "build_network",
    "check_agent",
    "check_environment",
    "check_observation",
    "check_reward",
    "count_parameters",
    "create_agent",
    "create_env",
    "create_vector_env",
    "describe_preset",
    "evaluate",
    "get_default_config",
    "get_device",
    "get_device_info",
    "get_global_device",
    "get_storage_manager",
    "list_algorithms",
    "list_environments",
    "list_observations",
    "list_presets",
    "list_rewards",
    "load_agent",
    "measure_speed",
    "register_activation",
    "register_agent",
    "register_env",
    "register_observation",
    "register_reward",
    "sessions",
    "set_global_device",
    "train",
]

"""Tiny worlds whose right answers are known by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from pydantic import BaseModel, ConfigDict

from rlplay.envs import ENV_REGISTRY, BaseEnvironment, register_env


class IdentityWorld(BaseEnvironment):
    """Sees one of three flags, is paid for naming it; ten steps an episode."""

    def __init__(self, config: Any = None, rewards: Any = None, *, render_mode: Any = None) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0.0, 1.0, (3,), np.float32)
        self.action_space = spaces.Discrete(3)

    def _see(self) -> np.ndarray:
        self.flag = int(self.draw.integers(3))
        return np.eye(3, dtype=np.float32)[self.flag]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.draw = np.random.default_rng(seed)
        self.count = 0
        return self._see(), {"episode_seed": seed}

    def step(self, action: int) -> Any:
        reward = float(action == self.flag)
        self.count += 1
        return self._see(), reward, self.count == 10, False, {}

    def render_state(self) -> dict[str, Any]:
        return {"flag": self.flag}


class TwoStepConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    truncate: bool = False


class TwoStepWorld(BaseEnvironment):
    """A, then B, then over: each step pays 1, whatever is done.

    Where the end is a termination, V(B) = 1 and V(A) = 1 + gamma. Where it is a truncation, the
    last observation is B again, so that V(B) = 1 + gamma V(B) = 1 / (1 - gamma) = V(A).
    """

    config_model = TwoStepConfig

    def __init__(self, config: Any = None, rewards: Any = None, *, render_mode: Any = None) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.second = False
        return np.array([1, 0], np.float32), {"episode_seed": 0 if seed is None else seed}

    def step(self, action: int) -> Any:
        over, self.second = self.second, True
        truncated = over and self.config.truncate
        return np.array([0, 1], np.float32), 1.0, over and not truncated, truncated, {}

    def render_state(self) -> dict[str, Any]:
        return {"second": self.second}


@pytest.fixture(autouse=True)
def worlds() -> Iterator[None]:
    register_env("identity", IdentityWorld)
    register_env("two-step", TwoStepWorld)
    yield
    del ENV_REGISTRY["identity"], ENV_REGISTRY["two-step"]


@pytest.fixture
def small_network() -> dict[str, Any]:
    return {"layers": [{"type": "dense", "units": 32, "activation": "tanh"}]}

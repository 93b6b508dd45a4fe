"""The k-armed bandit: one state, and the question whether to explore or to exploit.

Sutton and Barto, "Reinforcement Learning", chapter 2: each arm pays a normal reward around a mean
of its own, the means are normal too, and they may drift.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rlplay.envs.base import BaseEnvironment, NoOptions
from rlplay.envs.onehot import OneHot
from rlplay.errors import ContractError
from rlplay.seeding import EPISODE_SEED_BITS

__all__ = ["BanditConfig", "BanditEnv"]


class BanditConfig(BaseModel):
    """Options of the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    arms: int = Field(
        default=10, ge=2, le=64, description="how many arms", json_schema_extra={"unit": "arms"}
    )
    arms_seed: int | None = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="fixes the arms' means for all episodes; none draws new ones for each episode",
    )
    spread: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="standard deviation of the arms' means",
        json_schema_extra={"unit": "reward"},
    )
    noise: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="standard deviation of a reward around its arm's mean",
        json_schema_extra={"unit": "reward"},
    )
    drift: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="standard deviation of what each pull adds to every arm's mean",
        json_schema_extra={"unit": "reward"},
    )
    pulls: int = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="pulls in an episode, which is cut then (truncated, not ended)",
        json_schema_extra={"unit": "steps"},
    )


class BanditEnv(BaseEnvironment):
    """Pull one of k arms, again and again; one of them pays best.

    The score is the number of pulls of the arm that was best at that moment; `info["regret"]` is
    what a player who knows the means would have earned more so far, on average.
    """

    config_model = BanditConfig
    config: BanditConfig
    _means: NDArray[np.float64]
    reward_model = NoOptions
    ending_names = ("truncated",)
    goes_on = False

    def __init__(
        self,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = OneHot(1)
        self.action_space = spaces.Discrete(self.config.arms)
        self._generator = np.random.default_rng(0)
        self._is_running = False
        self._begin()

    @classmethod
    def get_spaces(cls, config: BaseModel) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """Give the spaces for a config, without making a machine."""
        return OneHot(1), spaces.Discrete(getattr(config, "arms"))  # noqa: B009 - a BaseModel

    def _begin(self) -> None:
        seed = self.config.arms_seed
        source = self._generator if seed is None else np.random.default_rng(seed)
        self._means = source.normal(0.0, self.config.spread, self.config.arms)
        self._pulls = np.zeros(self.config.arms, np.int64)
        self._sums = np.zeros(self.config.arms)
        self._steps = self._score = 0
        self._regret = self._return = 0.0
        self._last: int | None = None
        self._reward = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; its seed fixes every reward and every drift."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(1 << EPISODE_SEED_BITS))
        self._generator = np.random.default_rng(seed)
        self._begin()
        self._is_running = True
        return np.ones(1, np.float32), {"episode_seed": seed, **self._info()}

    def _info(self) -> dict[str, Any]:
        return {"steps": self._steps, "score": self._score, "regret": self._regret}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Pull an arm.

        Raises:
            ContractError: When no episode is running.
            gymnasium.error.InvalidAction: For an arm that does not exist.
        """
        if not self._is_running:
            raise ContractError("No episode is running. Call reset() before step().")
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(
                f"{action!r} is no arm. Allowed: 0 to {self.config.arms - 1}."
            )
        arm = int(action)
        best = float(self._means.max())
        self._reward = float(self._generator.normal(self._means[arm], self.config.noise))
        self._regret += best - float(self._means[arm])
        self._score += int(self._means[arm] == best)
        self._pulls[arm] += 1
        self._sums[arm] += self._reward
        self._return += self._reward
        self._steps += 1
        self._last = arm
        if self.config.drift:
            self._means += self._generator.normal(0.0, self.config.drift, self.config.arms)
        truncated = self._steps == self.config.pulls
        self._is_running = not truncated
        return np.ones(1, np.float32), self._reward, False, truncated, self._info()

    @property
    def means(self) -> NDArray[np.float64]:
        """The true mean of each arm now, (k,): what a player does not know."""
        return self._means.copy()

    def render_state(self) -> dict[str, Any]:
        """Give the arms: true means, pulls, and the mean of what each has paid."""
        paid = [
            float(total / count) if count else None
            for total, count in zip(self._sums, self._pulls, strict=True)
        ]
        return {
            "means": self._means.tolist(),
            "pulls": self._pulls.tolist(),
            "paid": paid,
            "last": self._last,
            "reward": self._reward,
            "noise": self.config.noise,
            "spread": self.config.spread,
            "steps": self._steps,
            "score": self._score,
            "return": self._return,
            "regret": self._regret,
        }

    def render(self) -> NDArray[np.uint8]:
        """Draw each arm's mean as a bar, the last one pulled dark, (height, width, 3) uint8."""
        count, size = self.config.arms, 16
        height = 160
        picture = np.full((height, count * size, 3), 245, np.uint8)
        reach = 1.1 * max(3.0 * self.config.spread, float(np.abs(self._means).max()), 1e-9)
        middle = height // 2
        picture[middle] = 160
        for arm, mean in enumerate(self._means):
            end = middle - round(float(mean) / reach * middle)
            low, high = sorted((middle, end))
            color = (213, 94, 0) if arm == self._last else (86, 180, 233)
            picture[low : high + 1, arm * size + 3 : (arm + 1) * size - 3] = color
        return picture

    def get_metadata(self) -> dict[str, Any]:
        """Name the arms, and the one input that never changes."""
        block = {
            "name": "constant",
            "start": 0,
            "size": 1,
            "meaning": "always 1: there is only one state",
            "low": 0.0,
            "high": 1.0,
            "channel": False,
            "labels": ["the machine"],
        }
        arms = [f"arm {arm + 1}" for arm in range(self.config.arms)]
        return {**super().get_metadata(), "observation": [block], "actions": arms}

    _STATE = ("_steps", "_score", "_regret", "_return", "_last", "_reward")

    def get_state(self) -> dict[str, Any]:
        """Give means, sums, counters and generators."""
        return {
            **{name: getattr(self, name) for name in self._STATE},
            "means": self._means.copy(),
            "pulls": self._pulls.copy(),
            "sums": self._sums.copy(),
            "running": self._is_running,
            "generator": self._generator.bit_generator.state,
            "np_random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        for name in self._STATE:
            setattr(self, name, state[name])
        older = self._steps < self.config.pulls  # what older states leave to be told
        self._is_running = bool(state.get("running", older))
        self._means = np.array(state["means"], np.float64)
        self._pulls = np.array(state["pulls"], np.int64)
        self._sums = np.array(state["sums"], np.float64)
        self._generator.bit_generator.state = state["generator"]
        self.np_random.bit_generator.state = state["np_random"]

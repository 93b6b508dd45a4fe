"""One episode on one board, with the way it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from rlplay.config import RunConfig
from rlplay.envs import BaseEnvironment, create_env
from rlplay.errors import ContractError
from rlplay.seeding import EPISODE_SEED_BITS, splitmix64
from rlplay.storage.replay import Replay, ending_name
from rlplay_widgets.player import Shown

__all__ = ["Episode", "Seeds", "Step", "make_env"]


class Step(NamedTuple):
    """One row of a trajectory.

    Attributes:
        step: Its number, from 1.
        action: What was done.
        words: That in words.
        reward: What it paid.
        total: Sum of the rewards so far.
        score: Score so far.
    """

    step: int
    action: int
    words: str
    reward: float
    total: float
    score: float


class Seeds:
    """The seeds of one episode after the other; the same first one gives the same others.

    Args:
        first: The seed of the first episode; without one, one that nobody chose.
    """

    def __init__(self, first: int | None = None) -> None:
        if first is None:
            first = int(np.random.default_rng().integers(1 << EPISODE_SEED_BITS))
        self.seed = first
        self._state = first

    def next(self) -> int:
        """Go on to the next seed, and give it."""
        self._state, number = splitmix64(self._state)
        self.seed = number >> (64 - EPISODE_SEED_BITS)
        return self.seed


def make_env(config: RunConfig) -> BaseEnvironment:
    """Make one board of a run's environment."""
    return create_env(config.env_name, config.reward_config, **config.env_config)


class Episode:
    """An episode from its reset on, or from where somebody else left a board.

    Attributes:
        env: The board.
        seed: The episode's seed; None where nobody knows it.
        names: The actions in words.
        actions: What was done since the reset.
        steps: The trajectory.
        observation: (D,) what an agent sees now; None where nobody knows.
        state: `render_state` now.
        score: Score so far.
        ending: How it ended; None while it goes on.

    Args:
        config: Environment and rewards.
        env: Its board.
        seed: The episode's seed. None takes the board as it is.
        actions: What was done before. With ``taken_over`` they have led to where the board is;
            otherwise they are done now.
        taken_over: Whether the board is in the middle of this episode already.
    """

    def __init__(
        self,
        config: RunConfig,
        env: BaseEnvironment,
        seed: int | None,
        actions: Sequence[int] = (),
        *,
        taken_over: bool = False,
    ) -> None:
        self.config, self.env, self.seed = config, env, seed
        self.actions: list[int] = []
        self.steps: list[Step] = []
        self.observation: npt.NDArray[np.float32] | None = None
        self.ending: str | None = None
        self._return = 0.0
        self.names = _action_names(env)
        if taken_over:
            self.actions = list(actions)
        else:
            self.observation, _ = env.reset(seed=seed)
        self.state = env.render_state()
        self.score = float(self.state.get("score", 0.0))
        if not taken_over:
            for action in actions:
                self._do(action)
            self.state = env.render_state()

    def step(self, action: int) -> None:
        """Do one step."""
        self._do(action)
        self.state = self.env.render_state()

    def _do(self, action: int) -> None:
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        self.actions.append(action)
        self._return += float(reward)
        score = info.get("score")
        self.score = self._return if score is None else float(score)
        if terminated or truncated:
            self.ending = ending_name(info, bool(terminated))
        words = self.names[action]
        row = Step(len(self.actions), action, words, float(reward), self._return, self.score)
        self.steps.append(row)

    def shown(self, words: str, thoughts: dict[str, Any] | None = None) -> Shown:
        """Give what a board shows of it now."""
        return Shown(
            env_name=self.config.env_name,
            state=self.state,
            words=words,
            step=len(self.actions),
            score=self.score,
            ending=self.ending,
            env_config=self.config.env_config,
            observation=self.observation,
            thoughts=thoughts,
        )

    def replay(self) -> Replay:
        """Make a replay of what was played so far, from the reset on.

        Raises:
            ContractError: When the episode's beginning is not known, or nothing was played yet.
        """
        if self.seed is None:
            raise ContractError(
                "This game began on a board that somebody else played; its seed is not known, so "
                "it cannot be played again. Start a new game to keep it as a replay."
            )
        if not self.actions:
            raise ContractError("Nothing was played yet. Play a move, then save the replay.")
        return Replay.record(self.config, self.seed, tuple(self.actions))


def _action_names(env: BaseEnvironment) -> list[str]:
    """Give the actions in words: the environment's own, or their numbers."""
    space = env.action_space
    if not isinstance(space, spaces.Discrete):
        raise ContractError(
            f"{type(env).__name__} has the actions {space}; only a Discrete space can be played."
        )
    names = list(env.get_metadata().get("actions", ()))
    return [
        str(names[number]) if number < len(names) else f"action {number}"
        for number in range(int(space.n))
    ]

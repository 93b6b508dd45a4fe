"""Lesson 1: a person's own games as data, and a return under a slider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import anywidget
import traitlets as t

import rlplay
from rlplay.config import RunConfig
from rlplay.errors import ConfigError
from rlplay.samples import sample_path
from rlplay.storage import Replay
from rlplay_widgets.games import PersonGame
from rlplay_widgets.games.episode import Episode, Step, make_env
from rlplay_widgets.playground import Playground
from rlplay_widgets.theme import script, static

__all__ = ["MyGames", "Played", "ReturnView", "bring_sample", "race_against"]

#: Games that somebody played, for whoever has not played yet: seeds and actions, 6 x 6 board.
_RECORDED: Final = (
    (7, "2200111020002000200002000020002000020002000200201010110"),
    (1, "020011000020020000200022001010202002000020020001101"),
    (2, "20020000200020000200220001001001001010000"),
)
_RECORDED_SIZE: Final = 6

#: Bars that can be told apart, at most.
_MOST_REWARDS: Final = 400


@dataclass(frozen=True)
class Played:
    """A game that is over.

    Attributes:
        seed: The seed of its board.
        steps: The trajectory, one row a step.
        ending: How it ended: "wall", "self", ...
        replay: What plays it again.
    """

    seed: int
    steps: tuple[Step, ...]
    ending: str
    replay: Replay

    @property
    def rewards(self) -> list[float]:
        """What each step paid."""
        return [step.reward for step in self.steps]

    @property
    def actions(self) -> list[int]:
        """What was done in each step."""
        return [step.action for step in self.steps]

    @property
    def score(self) -> float:
        """Apples eaten."""
        return self.steps[-1].score


class MyGames(PersonGame):
    """A person plays one game after the other, and each that has ended is kept.

    Args:
        config: Environment and rewards.
        seed: Of the first game; the same one gives the same boards to everybody.
        pace: Moves a second.
    """

    def __init__(self, config: RunConfig, *, seed: int = 7, pace: float = 3.0) -> None:
        super().__init__(config, seed=seed, pace=pace)
        self._over: list[Played] = []

    def move(self) -> bool:
        """Do the step that a person wants, and keep a game that ends with it."""
        was_over = self.ended
        goes_on = super().move()
        if self.ended and not was_over and self._episode is not None:
            self._over.append(_kept(self._episode))
        return goes_on

    @property
    def own(self) -> bool:
        """Whether at least one game of the person has ended."""
        return bool(self._over)

    def games(self) -> list[Played]:
        """Give the games that have ended; before the first one, three that somebody recorded."""
        return list(self._over) or recorded_games(self.config)


def recorded_games(config: RunConfig) -> list[Played]:
    """Play the recorded games again.

    Args:
        config: What was played on: snake on a board of 6.

    Raises:
        ConfigError: For another world.
    """
    if config.env_name != "snake" or config.env_config.get("grid_size") != _RECORDED_SIZE:
        raise ConfigError(
            f"Games are recorded for snake with grid_size {_RECORDED_SIZE} only. Play a game to "
            "its end, then call games() again."
        )
    played = []
    for seed, actions in _RECORDED:
        env = make_env(config)
        try:
            played.append(_kept(Episode(config, env, seed, [int(action) for action in actions])))
        finally:
            env.close()
    return played


def _kept(episode: Episode) -> Played:
    """Keep an episode that has ended."""
    assert episode.seed is not None
    assert episode.ending is not None
    return Played(episode.seed, tuple(episode.steps), episode.ending, episode.replay())


def bring_sample(name: str) -> str:
    """Put a sample run among the saved runs, where it is not there yet.

    Args:
        name: "beginner", "good" or "champion".

    Returns:
        The run's id.

    Raises:
        UnknownName: For any other name.
    """
    path = sample_path(name)
    storage = rlplay.get_storage_manager()
    for run in storage.list_runs("snake"):
        if run["name"] == f"Sample: {name}":
            return str(run["run_id"])
    _, run_id = storage.import_run(path)
    return run_id


def race_against(panel: Playground, name: str) -> None:
    """Open the Compare tab; the race that is begun there has a sample run on its first lane.

    Args:
        panel: The Playground.
        name: "beginner", "good" or "champion".

    Raises:
        UnknownName: For any other name.
    """
    panel.desk.run = ("snake", bring_sample(name))
    panel.open_tab("Compare")


class ReturnView(anywidget.AnyWidget):
    """Rewards as bars, the same after discounting, and their sum, under a slider of gamma.

    The page computes by itself; `gamma` follows the slider.

    Args:
        rewards: What each step paid; the first of them where there are too many for bars.
        gamma: Where the slider stands, from 0 to 1.

    Raises:
        ConfigError: When there are no rewards, or gamma is out of range.
    """

    _esm = script("keep_keys.js", "lessons/parts.js", "lessons/returns.js")
    _css = static("lessons/lesson.css")

    rewards = t.List(t.Float()).tag(sync=True)
    gamma = t.Float(0.9).tag(sync=True)

    def __init__(self, rewards: Sequence[float], gamma: float = 0.9, **options: Any) -> None:
        if not len(rewards):
            raise ConfigError("There is no reward to show. Play a game to its end first.")
        if not 0 <= gamma <= 1:
            raise ConfigError(f"gamma = {gamma!r} is not allowed: 0 to 1.")
        values = [float(reward) for reward in rewards[:_MOST_REWARDS]]
        super().__init__(rewards=values, gamma=float(gamma), **options)

    @property
    def value(self) -> float:
        """The return that is shown."""
        return sum(self.gamma**step * reward for step, reward in enumerate(self.rewards))

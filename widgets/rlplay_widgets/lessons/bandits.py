"""Lesson 2: a bandit to watch, and a schedule of epsilon to draw, with its regret.

All luck is drawn here, once, and the page uses the same numbers: what it draws and what NumPy
computes is the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets as t

from rlplay.envs import create_env
from rlplay.envs.bandit import BanditEnv
from rlplay.errors import ConfigError
from rlplay_widgets.theme import script, static

__all__ = ["Arms", "BanditView", "ScheduleView", "greedy_play"]

Numbers = npt.NDArray[np.float64]

#: Pulls that a machine on the screen has luck for.
_SCREEN_PULLS: Final = 3_000
#: Machines to switch between on the screen.
_MACHINES: Final = 8
#: Points of a schedule that is drawn by hand.
_POINTS: Final = 6


@dataclass(frozen=True)
class Arms:
    """Machines, and all the luck that their players will have; S machines, k arms, T pulls.

    Attributes:
        means: (S, k) what each arm pays on average.
        noise: (S, T) what chance adds to the reward of a pull, whichever arm it is.
        luck: (S, T) numbers from 0 up to 1, to decide whether to explore.
        other: (S, T) an arm by chance, for who explores.
    """

    means: Numbers
    noise: Numbers
    luck: Numbers
    other: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, seeds: Iterable[int], *, arms: int = 10, pulls: int = 1_000) -> Self:
        """Draw machines: those of the environment `bandit` with these `arms_seed`.

        Args:
            seeds: One for each machine.
            arms: How many arms each has.
            pulls: How many pulls there is luck for.
        """
        means, noise, luck, other = [], [], [], []
        for seed in seeds:
            env = create_env("bandit", arms=arms, arms_seed=seed)
            assert isinstance(env, BanditEnv)
            means.append(env.means)
            generator = np.random.default_rng((seed, 1))
            noise.append(generator.normal(size=pulls))
            luck.append(generator.random(pulls, np.float32))
            other.append(generator.integers(arms, size=pulls))
        # In single precision, as the page gets them.
        single = (np.array(part, np.float32).astype(np.float64) for part in (means, noise, luck))
        return cls(*single, np.array(other, np.int64))

    def __len__(self) -> int:
        return len(self.means)

    @property
    def pulls(self) -> int:
        """T."""
        return self.noise.shape[1]

    def luck_of(self, machine: int) -> Iterator[tuple[float, float, int]]:
        """Give what a player of one machine gets pull by pull: noise, luck and another arm."""
        columns = (part[machine].tolist() for part in (self.noise, self.luck, self.other))
        yield from zip(*columns, strict=True)

    def packed(self) -> bytes:
        """Everything as float32, for the page: means, noise, luck, other."""
        parts = (self.means, self.noise, self.luck, self.other)
        return b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts)


def greedy_play(
    arms: Arms, epsilon: Sequence[float] | Numbers | float, start: float = 0.0
) -> Numbers:
    """Play epsilon-greedy on all machines at once.

    Args:
        arms: The machines and the luck.
        epsilon: How often to explore: one number, or one for each pull.
        start: The estimate that each arm begins with.

    Returns:
        (S, T) the regret so far after each pull.
    """
    size, pulls = arms.noise.shape
    wanted = np.broadcast_to(np.asarray(epsilon, np.float64), (pulls,))
    values = np.full(arms.means.shape, float(start))
    counts = np.zeros(arms.means.shape, np.int64)
    rows, best = np.arange(size), arms.means.max(axis=1)
    lost = np.empty((size, pulls))
    for pull in range(pulls):
        explore = arms.luck[:, pull] < wanted[pull]
        chosen = np.where(explore, arms.other[:, pull], values.argmax(axis=1))
        reward = arms.means[rows, chosen] + arms.noise[:, pull]
        counts[rows, chosen] += 1
        values[rows, chosen] += (reward - values[rows, chosen]) / counts[rows, chosen]
        lost[:, pull] = best - arms.means[rows, chosen]
    return np.cumsum(lost, axis=1)


class BanditView(anywidget.AnyWidget):
    """One machine whose arms are pulled before one's eyes.

    The page plays by itself, at a pace for the eye or a thousand pulls at once.

    Args:
        epsilon: How often to explore, from 0 to 1.
        start: The estimate that each arm begins with; a high one makes a player who is never
            content before every arm was tried.
        arms: How many arms each machine has.

    Raises:
        ConfigError: For an epsilon out of range.
    """

    _esm = script("keep_keys.js", "lessons/parts.js", "lessons/bandit.js")
    _css = static("lessons/lesson.css")

    machines = t.List().tag(sync=True)
    luck = t.Bytes().tag(sync=True)
    epsilon = t.Float().tag(sync=True)
    start = t.Float().tag(sync=True)

    def __init__(
        self, epsilon: float = 0.0, start: float = 0.0, *, arms: int = 5, **options: Any
    ) -> None:
        _check_epsilon(epsilon)
        drawn = Arms.draw(range(_MACHINES), arms=arms, pulls=_SCREEN_PULLS)
        parts = (drawn.noise[0], drawn.luck[0], drawn.other[0])
        super().__init__(
            machines=drawn.means.tolist(),
            luck=b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts),
            epsilon=float(epsilon),
            start=float(start),
            **options,
        )


class ScheduleView(anywidget.AnyWidget):
    """A schedule of epsilon to draw by hand, and its regret against others on the same luck.

    The page computes by itself; `points` follow what is drawn.

    Args:
        arms: The machines and the luck.
        points: Epsilon at equal distances, from the first pull to the last.

    Raises:
        ConfigError: For an epsilon out of range, or fewer than two points.
    """

    _esm = script("keep_keys.js", "lessons/parts.js", "lessons/schedule.js")
    _css = static("lessons/lesson.css")

    size = t.List().tag(sync=True)
    packed = t.Bytes().tag(sync=True)
    points = t.List(t.Float()).tag(sync=True)

    def __init__(
        self, arms: Arms, points: Sequence[float] = (0.5,) * _POINTS, **options: Any
    ) -> None:
        if len(points) < 2:
            raise ConfigError(f"{len(points)} points make no schedule: at least 2.")
        for point in points:
            _check_epsilon(point)
        self._arms = arms
        super().__init__(
            size=[len(arms), arms.pulls, arms.means.shape[1]],
            packed=arms.packed(),
            points=[float(point) for point in points],
            **options,
        )

    @property
    def schedule(self) -> Callable[[int], float]:
        """What was drawn, as a function: the number of a pull, from 0, to epsilon."""
        places = np.linspace(0, self._arms.pulls - 1, len(self.points))
        points = tuple(self.points)
        return lambda pull: float(np.interp(pull, places, points))

    def regret(self) -> Numbers:
        """Play what was drawn in NumPy: (S, T) the regret so far after each pull."""
        epsilon = [self.schedule(pull) for pull in range(self._arms.pulls)]
        return greedy_play(self._arms, epsilon)


def _check_epsilon(epsilon: float) -> None:
    """Refuse what is no probability.

    Raises:
        ConfigError: When it is not from 0 to 1.
    """
    if not 0 <= epsilon <= 1:
        raise ConfigError(f"epsilon = {epsilon!r} is not allowed: 0 to 1.")

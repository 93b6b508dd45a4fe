"""A race: agents side by side, each on its own board, on the same episodes, move by move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlplay.config import RunConfig
from rlplay.envs import get_env_spec
from rlplay.errors import ConfigError
from rlplay.statistics import probability_of_improvement
from rlplay_widgets.games.episode import Episode, Seeds, make_env
from rlplay_widgets.player import Game, Shown

__all__ = ["MOST_LANES", "RULES", "Race", "Rule", "RuleGame", "Standing"]

#: Agents in a race, at most.
MOST_LANES = 4
#: Seconds that the last boards of an episode stay.
_HOLD = 1.5
#: Seconds after which nobody looks any more, and between two looks whether somebody does.
_INTEREST = 1.0
_WAIT = 0.2
#: Rounds before anything is said of who is better.
_FEW = 5


@dataclass(frozen=True)
class Rule:
    """A way to play that nobody had to learn.

    Attributes:
        words: What it is called.
        choose: Takes the episode and a generator, gives the action.
        env_name: The environment that it knows; None for all.
    """

    words: str
    choose: Callable[[Episode, np.random.Generator], int]
    env_name: str | None = None


def _random(episode: Episode, generator: np.random.Generator) -> int:
    """Any action."""
    return int(generator.integers(len(episode.names)))


def _to_the_apple(episode: Episode, _: np.random.Generator) -> int:
    """The move that ends nearest to the apple, among those that do not end the game at once."""
    state = episode.state
    size = state["grid_size"]
    body = [(part["x"], part["y"]) for part in state["snake_position"]]
    (x, y), (dx, dy) = body[0], state["direction"]
    food = state["food_position"] or state["snake_position"][0]
    # The cell that the tail leaves in this very move is free.
    blocked = set(body[:-1])
    # Straight, right, left.
    ahead = [(x + dx, y + dy), (x - dy, y + dx), (x + dy, y - dx)]
    free = [
        action
        for action, cell in enumerate(ahead)
        if 0 <= cell[0] < size and 0 <= cell[1] < size and cell not in blocked
    ]

    def distance(action: int) -> int:
        return abs(ahead[action][0] - food["x"]) + abs(ahead[action][1] - food["y"])

    return min(free, key=distance, default=0)


#: Players without learning, by name: what an agent should at least be better than.
RULES = {
    "random": Rule("random moves", _random),
    "apple": Rule("straight to the apple", _to_the_apple, "snake"),
}


class RuleGame(Game):
    """A rule plays one episode after the other.

    Args:
        rule: How it plays.
        config: Environment and rewards.
        seed: Seed of the first episode; the same one gives the same games.
    """

    def __init__(self, rule: Rule, config: RunConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self._rule, self._config, self._seeds = rule, config, Seeds(seed)
        self._episode: Episode | None = None
        self._env: Any = None
        self._generator = np.random.default_rng(self._seeds.seed)

    def open(self) -> None:
        """Make the board.

        Raises:
            ConfigError: When the rule does not know the environment.
        """
        known = self._rule.env_name
        if known not in (None, self._config.env_name):
            raise ConfigError(
                f"{self._rule.words!r} knows {known!r} and not {self._config.env_name!r}. Let "
                "another player race."
            )
        get_env_spec(self._config.env_name).env.prepare(lambda words: self.show(Shown(words=words)))
        self._env = make_env(self._config)

    def move(self) -> bool:
        """Do what the rule says; after an end, begin the next episode."""
        episode = self._episode
        if episode is None or episode.ending is not None:
            seed = self._seeds.seed if episode is None else self._seeds.next()
            self._generator = np.random.default_rng(seed)
            episode = self._episode = Episode(self._config, self._env, seed)
        else:
            episode.step(self._rule.choose(episode, self._generator))
        self.show(episode.shown(self._rule.words))
        return True

    def close(self) -> None:
        """Close the board."""
        if self._env is not None:
            self._env.close()


@dataclass(frozen=True)
class Standing:
    """How a race stands; one entry a lane.

    Attributes:
        seed: Seed of the episode that is played.
        scores: Score of each round that has ended, on each lane.
        wins: Rounds with the highest score alone.
        ties: Rounds in which that was shared.
        better: Of two lanes, the probability that the first one's score is the higher one, over
            all pairs of rounds; None before enough of them.
    """

    seed: int
    scores: tuple[tuple[float, ...], ...]
    wins: tuple[int, ...]
    ties: int = 0
    better: float | None = None

    @property
    def rounds(self) -> int:
        """Rounds that have ended."""
        return len(self.scores[0])


class Race(Game):
    """Games that go on together, one move each, on the same seeds.

    A lane whose episode has ended waits for the others; when all have, the next seed begins. It
    moves only while somebody looks: call `look` with every frame.

    Args:
        lanes: Makes each lane's game from the seed of its first episode: an `AgentGame` or a
            `RuleGame`.
        seed: Of the first episode; the same one gives the same race.
        pace: Moves a second.

    Raises:
        ConfigError: For fewer than two lanes, or too many.
    """

    keys = ""

    def __init__(
        self, lanes: Sequence[Callable[[int], Game]], *, seed: int = 0, pace: float = 10.0
    ) -> None:
        super().__init__(pace)
        if not 2 <= len(lanes) <= MOST_LANES:
            raise ConfigError(f"A race of {len(lanes)} is not allowed: 2 to {MOST_LANES} agents.")
        self.lanes = tuple(make(seed) for make in lanes)
        self._seeds = Seeds(seed)
        nothing: tuple[float, ...] = ()
        self._standing = Standing(seed, (nothing,) * len(lanes), (0,) * len(lanes))
        self._boards = tuple(lane.shown() for lane in self.lanes)
        self._looked_at = time.monotonic()
        self._began = False  # whether all lanes stand at the start, on boards of one size
        self._over = False

    @property
    def boards(self) -> tuple[Shown, ...]:
        """What each lane shows, all after the same number of moves."""
        return self._boards

    @property
    def ready(self) -> bool:
        """Whether all lanes stand at the start, or are under way."""
        return self._began

    @property
    def standing(self) -> Standing:
        """Who has won how often."""
        return self._standing

    def look(self) -> None:
        """Say that somebody looks; any thread."""
        self._looked_at = time.monotonic()

    # The player's thread -------------------------------------------------------------------------

    def open(self) -> None:
        """Open every lane."""
        for lane in self.lanes:
            lane.open()

    def move(self) -> bool:
        """Do one move on every lane whose episode goes on."""
        # Who asks for the start until it is there may have asked once more.
        if not self._watched or (self._began and not self.playing):
            return True
        if self._over:
            self._over = False
            self._standing = _next(self._standing, self._seeds.next())
            moving = self.lanes
        elif not self._began:
            # Weights may take a moment to come; nobody starts before.
            moving = tuple(lane for lane in self.lanes if lane.shown().state is None)
        else:
            moving = tuple(lane for lane in self.lanes if lane.shown().ending is None)
        for lane in moving:
            lane.move()
        boards = tuple(lane.shown() for lane in self.lanes)
        if not self._began and all(board.state is not None for board in boards):
            _check_same_world(boards)
            self._began = True
        if self._began and all(board.ending is not None for board in boards):
            self._over = True
            self._standing = _counted(self._standing, [board.score for board in boards])
        self._boards = boards
        self.show(Shown(env_name=boards[0].env_name, words="a race"))
        return True

    @property
    def _watched(self) -> bool:
        return time.monotonic() - self._looked_at < _INTEREST

    def rest(self) -> float:
        """Hold the last boards of a round."""
        if self._over:
            return max(_HOLD, 1 / self.pace)
        return 1 / self.pace if self._began and self._watched else max(_WAIT, 1 / self.pace)

    def close(self) -> None:
        """Close every lane."""
        for lane in self.lanes:
            lane.close()


def _counted(standing: Standing, ended: Sequence[float]) -> Standing:
    """Count a round that has ended."""
    scores = tuple((*row, score) for row, score in zip(standing.scores, ended, strict=True))
    best = max(ended)
    winners = [lane for lane, score in enumerate(ended) if score == best]
    alone = winners[0] if len(winners) == 1 else None
    wins = tuple(count + (lane == alone) for lane, count in enumerate(standing.wins))
    two = len(scores) == 2 and len(scores[0]) >= _FEW
    better = probability_of_improvement(*scores) if two else None
    return Standing(standing.seed, scores, wins, standing.ties + (alone is None), better)


def _next(standing: Standing, seed: int) -> Standing:
    return Standing(seed, standing.scores, standing.wins, standing.ties, standing.better)


def _check_same_world(boards: Sequence[Shown]) -> None:
    """Refuse a race on boards that are not alike; how they are observed may differ.

    Raises:
        ConfigError: Names what differs.
    """
    first = boards[0]
    fields = get_env_spec(first.env_name).config_model.model_fields
    # What is marked as an option of the board; of an environment that marks none, every option.
    world = [
        name
        for name, field in fields.items()
        if isinstance(field.json_schema_extra, dict)
        and field.json_schema_extra.get("group") == "board"
    ] or list(fields)
    for number, other in enumerate(boards[1:], start=2):
        if other.env_name != first.env_name:
            raise ConfigError(
                f"Agent 1 plays {first.env_name!r} and agent {number} {other.env_name!r}. Choose "
                "agents of one environment."
            )
        for name in world:
            values = first.env_config.get(name), other.env_config.get(name)
            if values[0] != values[1]:
                raise ConfigError(
                    f"Agent 1 plays with {name} = {values[0]} and agent {number} with {values[1]}. "
                    "Choose agents whose boards are alike."
                )

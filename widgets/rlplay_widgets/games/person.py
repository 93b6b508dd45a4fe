"""A person plays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

from rlplay.config import RunConfig
from rlplay.envs import BaseEnvironment, get_env_spec
from rlplay.errors import ContractError
from rlplay.storage import Replay
from rlplay_widgets.games.episode import Episode, Seeds, Step, make_env
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.theme import number

__all__ = ["DIRECTIONS", "PersonGame"]

DIRECTIONS = ("up", "down", "left", "right")

#: Turns that are kept for the next moves, where keys come faster than moves.
_AHEAD = 3


class PersonGame(Game):
    """A person plays one episode after the other.

    Where the environment has an `action_for_direction`, the arrows steer and the game goes on at
    its pace, or one step with each key where the world waits for it. Elsewhere each press of a
    button, or of its digit, is one step.

    Attributes:
        steers: Whether the arrows steer.
        waits: Whether the world always waits for a key.
        actions: The names of the environment's actions, once the board is there.

    Args:
        config: Environment and rewards.
        seed: Seed of the first episode; the same one gives the same boards.
        env: A board to take over where it is; without one, an episode begins.
        actions: What was done since the episode's reset: done before a person takes over, or, with
            a board, what has led to where it is.
        pace: Moves a second, where the arrows steer.
        stepwise: Whether the game waits for a key before each step.
        words: What this is, for people.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        seed: int | None = None,
        env: BaseEnvironment | None = None,
        actions: Sequence[int] = (),
        pace: float = 5.0,
        stepwise: bool = False,
        words: str = "you play",
    ) -> None:
        super().__init__(pace)
        self.playing = False
        world = get_env_spec(config.env_name).env
        self.steers = hasattr(world, "action_for_direction")
        self.waits = not world.goes_on
        self.actions: tuple[str, ...] = ()
        self._config, self._env, self._words = config, env, words
        self._stepwise = stepwise
        # The seed of a board that was given is known only where it was told.
        self._known = seed is not None or env is None
        self._seeds = Seeds(seed)
        self._before = tuple(actions)
        self._pressed: deque[str | int] = deque()
        self._pressing = threading.Lock()
        self._direction: str | None = None
        self._new = False
        self._episode: Episode | None = None

    @classmethod
    def take_over(cls, replay: Replay, step: int, **options: Any) -> Self:
        """Go on with a replay from a step on.

        Args:
            replay: The replay.
            step: How many of its steps are played before.
            **options: Those of `PersonGame`.
        """
        config = RunConfig(
            env_name=replay.env_name,
            env_config=replay.env_config,
            reward_config=replay.reward_config,
        )
        words = f"you play on from step {number(step)}"
        return cls(
            config,
            seed=replay.episode_seed,
            actions=replay.actions[:step],
            **{"words": words, **options},
        )

    @property
    def config(self) -> RunConfig:
        """What is played."""
        return self._config

    @property
    def stepwise(self) -> bool:
        """Whether the game waits for a key before each step; anybody may set it."""
        return self._stepwise

    @stepwise.setter
    def stepwise(self, stepwise: bool) -> None:
        self._stepwise = stepwise
        self.playing = False
        self.stale = True

    @property
    def paced(self) -> bool:
        """Whether the game goes on by itself."""
        return self.steers and not self._stepwise and not self.waits

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self._episode is not None and self._episode.ending is not None

    @property
    def begun(self) -> bool:
        """Whether a person has begun to steer."""
        return self._direction is not None or bool(self._pressed)

    @property
    def keys(self) -> str:  # type: ignore[override]
        """What the keys do."""
        if self.ended:
            return "Space begins the next game. Escape leaves the board."
        if self.paced and not self.begun:
            return "The first arrow begins the game. Escape leaves the board."
        if self.paced:
            return "The arrows steer. Space pauses and goes on. Escape leaves the board."
        if self.steers:
            return "Each arrow is one step. Escape leaves the board."
        return "Each button, or its digit, is one step; an arrow does the action of its name."

    @property
    def digits(self) -> int:  # type: ignore[override]
        """How many digits do an action."""
        return 0 if self.steers else min(len(self.actions), 10)

    @property
    def trajectory(self) -> tuple[Step, ...]:
        """The steps so far."""
        episode = self._episode
        return () if episode is None else tuple(episode.steps)

    def replay(self) -> Replay:
        """Make a replay of the episode, as far as it was played.

        Raises:
            ContractError: When nothing was played yet, or the episode's beginning is not known.
        """
        if self._episode is None:
            raise ContractError("Nothing was played yet. Play a move, then save the replay.")
        return self._episode.replay()

    def press(self, key: str) -> None:
        """Take a key, or a button of that name; any thread. Wake the player afterwards.

        Args:
            key: "up", "down", "left", "right", "space", "escape", or a digit: 1 is the first
                action, 0 the tenth.
        """
        if key == "space":
            if self.ended:
                self.new()
            elif self.paced and self.begun:
                self.playing = not self.playing
        elif key == "escape":
            self.playing = False
        elif key in DIRECTIONS and not self.ended:
            if self.steers:
                self._note(key)
                self.playing = self.paced
            elif (action := self._action_named(key)) is not None:
                self._note(action)
        elif key.isdecimal() and not self.steers:
            self.act((int(key) - 1) % 10)

    def act(self, action: int) -> None:
        """Do an action by its number; any thread. Wake the player afterwards."""
        if not self.ended and 0 <= action < len(self.actions):
            self._note(action)
            self.playing = self.paced

    def new(self) -> None:
        """Begin the next game; any thread. Wake the player afterwards."""
        self._new = True
        self.playing = False

    def _note(self, what: str | int) -> None:
        with self._pressing:
            waits = self._pressed[-1] if self._pressed else None
            if len(self._pressed) < _AHEAD and not (self.paced and what == waits):
                self._pressed.append(what)

    def _action_named(self, direction: str) -> int | None:
        """Find the one action whose name speaks of a direction."""
        found = [
            number
            for number, name in enumerate(self.actions)
            if direction in name.lower().replace("_", " ").split()
        ]
        return found[0] if len(found) == 1 else None

    # The player's thread -------------------------------------------------------------------------

    def due(self, now: float) -> float:
        """The first board is due at once, a step when a key was pressed or the clock says so."""
        if self._new or not (self._opened or self.shown().problem):
            return 0.0
        if not self.paced and self._pressed and not self.ended:
            return 0.0
        return super().due(now)

    def open(self) -> None:
        """Make the board, and compile its rules where they are not yet."""
        config = self._config
        self._new = False
        get_env_spec(config.env_name).env.prepare(
            lambda words: self.show(Shown(env_name=config.env_name, words=words))
        )
        given, self._env = self._env, self._env or make_env(config)
        seed = self._seeds.seed if self._known else None
        self._episode = Episode(config, self._env, seed, self._before, taken_over=given is not None)
        self.actions = tuple(self._episode.names)

    def move(self) -> bool:
        """Do the step that a person wants, if any."""
        episode = self._episode
        assert episode is not None
        assert self._env is not None
        if self._new:
            self._new = False
            self._begin()
        elif (action := self._next_action()) is not None and episode.ending is None:
            episode.step(action)
        self.refresh()
        return not self.ended

    def _begin(self) -> None:
        """Begin the next episode."""
        with self._pressing:
            self._pressed.clear()
        self._direction = None
        assert self._env is not None
        self._episode = Episode(self._config, self._env, self._seeds.next())

    def _next_action(self) -> int | None:
        """Translate what was pressed; without it, the game goes on as before or waits."""
        with self._pressing:
            pressed = self._pressed.popleft() if self._pressed else None
        if isinstance(pressed, int):
            return pressed
        if pressed is not None:
            self._direction = pressed
        if self._direction is None or (pressed is None and not self.playing):
            return None
        return int(self._env.action_for_direction(self._direction))  # type: ignore[union-attr]

    def refresh(self) -> None:
        """Show the board."""
        if self._episode is not None:
            self.show(self._episode.shown(self._words))

    def close(self) -> None:
        """Close the board."""
        if self._env is not None:
            self._env.close()

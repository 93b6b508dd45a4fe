"""The one thread that plays what is watched but not trained.

A game is anything that goes on move by move for the eye: the present weights, weights of an age, a
replay, a person. The player moves each at its pace; the painter reads what it shows.
"""

from __future__ import annotations

import abc
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rlplay.errors import RlplayError

__all__ = ["Game", "Player", "Shown", "get_player"]


@dataclass(frozen=True)
class Shown:
    """What a board shows at one moment, and what is known of it.

    Attributes:
        env_name: The environment.
        state: `render_state` of the board; None before there is one.
        words: What this is, for people: "as it played at 10 000 steps".
        step: Steps since the episode began.
        score: Score so far.
        ending: How the episode ended; None while it goes on.
        env_config: The environment's options, for drawing what the agent sees.
        observation: (D,) what the agent sees; None where nobody knows.
        thoughts: What `Agent.explain` gave for it; None where nobody asked.
        table: (S, A) what the agent's table says of all states; None where nobody asked, or the
            agent keeps none.
        version: Grows whenever anything else here changes.
        problem: What went wrong in the game, for people.
        details: Its traceback.
    """

    env_name: str = ""
    state: dict[str, Any] | None = None
    words: str = ""
    step: int = 0
    score: float = 0.0
    ending: str | None = None
    env_config: dict[str, Any] = field(default_factory=dict)
    observation: npt.NDArray[np.float32] | None = None
    thoughts: dict[str, Any] | None = None
    table: npt.NDArray[np.float64] | None = None
    version: int = 0
    problem: str = ""
    details: str = ""


class Game(abc.ABC):
    """Something that is played for the eye. Only the player's thread calls `move` and `open`.

    Attributes:
        pace: Moves a second; anybody may set it, and wakes the player afterwards.
        playing: Whether the player moves it on; anybody may set it.
        thinking: Whether somebody wants to see what the agent thinks.
        stale: Whether to `refresh` without a move; anybody may set it.
        on_move: Called whenever it shows something else, to wake the painter.
    """

    #: What the keys do while it is shown, for people; a game that takes none says nothing.
    keys = "Space pauses and goes on, the right arrow does one move."
    #: So many digits mean something to it: 1 is the first, 0 the tenth.
    digits = 0

    def __init__(self, pace: float = 10.0) -> None:
        self.pace = pace
        self.playing = True
        self._thinking = False
        self.stale = False
        self.on_move: Callable[[], None] = lambda: None
        self._asking = threading.Lock()
        self._steps_asked = 0
        self._moved_at = float("-inf")  # when the last move was due, or done where it was late
        self._shown = Shown()
        self._opened = False

    @property
    def thinking(self) -> bool:
        """Whether somebody wants to see what the agent thinks."""
        return self._thinking

    @thinking.setter
    def thinking(self, thinking: bool) -> None:
        self.stale |= thinking and not self._thinking
        self._thinking = thinking

    def open(self) -> None:  # noqa: B027 - most games need nothing
        """Do what takes long before the first move, such as compiling."""

    @abc.abstractmethod
    def move(self) -> bool:
        """Do one move and `show` it.

        Returns:
            Whether there is another one; after the last the game stands still.
        """

    def refresh(self) -> None:  # noqa: B027 - most games need nothing
        """Show again where it stands, since what shall be shown of it changed."""

    def close(self) -> None:  # noqa: B027 - most games need nothing
        """Free what the game holds; called once, when nobody moves it any more."""

    def rest(self) -> float:
        """Seconds between the last move and the next one."""
        return 1 / self.pace

    def press(self, key: str) -> None:
        """Take a key that was pressed on the board; any thread. Wake the player afterwards.

        Args:
            key: "up", "down", "left", "right", "space", "escape", or a digit.
        """
        if key == "space":
            self.playing = not self.playing
        elif key == "right":
            self.playing = False
            self.step()

    def shown(self) -> Shown:
        """Give what the board shows now; any thread."""
        return self._shown

    def show(self, shown: Shown) -> None:
        """Show something else from now on; the version is filled in."""
        self._shown = replace(shown, version=self._shown.version + 1)
        self.on_move()

    def step(self) -> None:
        """Do one move, also while it stands still; any thread. Wake the player afterwards."""
        with self._asking:
            self._steps_asked += 1

    def due(self, now: float) -> float:
        """Seconds until the next move, 0 or less when it is due; infinity while it stands still.

        Args:
            now: Seconds of the monotonic clock.
        """
        if self._steps_asked:
            return 0.0
        return self._moved_at + self.rest() - now if self.playing else float("inf")

    def begin_move(self, now: float) -> None:
        """Count a move that begins now. The player's alone."""
        with self._asking:
            self._steps_asked = max(0, self._steps_asked - 1)
        # In step with the clock; behind by more than a move, it does not chase what is lost.
        late = now - self._moved_at - self.rest()
        self._moved_at = now - late if 0 <= late < self.rest() else now


class Player:
    """Moves games on, each at its pace, in a thread of its own.

    Args:
        threaded: Whether to start the thread; without it, call `tick`.
    """

    def __init__(self, threaded: bool = True) -> None:
        self._threaded = threaded
        self._games: list[Game] = []
        self._moved: Game | None = None  # the game that is being moved
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._lock = threading.Lock()  # never held while a game moves

    @property
    def games(self) -> tuple[Game, ...]:
        """The games that are played."""
        with self._lock:
            return tuple(self._games)

    def add(self, game: Game) -> None:
        """Play a game from now on."""
        with self._lock:
            self._games.append(game)
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rlplay-player", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, game: Game) -> None:
        """Play a game no more; returns at once, also while it does a move that takes long."""
        with self._lock:
            if game not in self._games:
                return
            self._games.remove(game)
            busy = game is self._moved  # then the player closes it after its move
        if not busy:
            _close(game)
        self._wake.set()

    def wake(self) -> None:
        """Look at the games now; returns at once."""
        self._wake.set()

    def tick(self, now: float | None = None) -> float:
        """Move every game that is due.

        Args:
            now: Seconds of the monotonic clock; read when left out.

        Returns:
            Seconds until the next game is due.
        """
        for game in self.games:
            moment = time.monotonic() if now is None else now
            if game.due(moment) <= 0:
                self._handle(game, partial(self._move, game, moment))
            elif game.stale and game._opened:
                self._handle(game, game.refresh)
        moment = time.monotonic() if now is None else now
        return max(0.0, min((game.due(moment) for game in self.games), default=60.0))

    def _move(self, game: Game, now: float) -> None:
        """Do one move of a game."""
        game.begin_move(now)
        if not game._opened:
            game.open()
            game._opened = True
        if not game.move():
            game.playing = False

    def _handle(self, game: Game, do: Callable[[], None]) -> None:
        """Do something with a game that is still played, and close it where it is not after that.

        An error in it stands on its board, and harms nobody else.
        """
        with self._lock:
            if game not in self._games:
                return
            self._moved = game
        game.stale = False
        try:
            do()
        except Exception as error:
            game.playing = False
            known = isinstance(error, RlplayError)
            text = str(error) if known else f"{type(error).__name__}: {error}"
            details = "" if known else traceback.format_exc()
            game.show(replace(game.shown(), problem=text, details=details))
        with self._lock:
            self._moved = None
            gone = game not in self._games
        if gone:
            _close(game)

    def _run(self) -> None:
        # What is watched takes no cores from what is trained.
        torch.set_num_threads(1)
        while True:
            self._wake.clear()
            wait = self.tick()
            with self._lock:
                if not self._games:
                    self._thread = None
                    return
            self._wake.wait(min(wait, 60.0))


def _close(game: Game) -> None:
    """Free what a game holds; nobody is left to be told that this went wrong."""
    with suppress(Exception):
        game.close()


_player = Player()


def get_player() -> Player:
    """Give the player of this kernel."""
    return _player

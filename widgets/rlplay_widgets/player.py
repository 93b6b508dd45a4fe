"""The one thread that plays what is watched but not trained.

A game is anything that goes on move by move for the eye: the present weights, weights of an age, a
replay, a person. The player moves each at its pace; the painter reads what it shows.
"""

from __future__ import annotations

import abc
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

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
    version: int = 0
    problem: str = ""
    details: str = ""


class Game(abc.ABC):
    """Something that is played for the eye. Only the player's thread calls `move` and `open`.

    Attributes:
        pace: Moves a second.
        playing: Whether the player moves it on; anybody may set it.
        thinking: Whether somebody wants to see what the agent thinks.
        on_move: Called by the player after every move, to wake the painter.
    """

    def __init__(self, pace: float = 10.0) -> None:
        self.pace = pace
        self.playing = True
        self.thinking = False
        self.on_move: Any = lambda: None
        self.due = 0.0
        self._steps_asked = 0
        self._shown = Shown()
        self._opened = False

    def open(self) -> None:  # noqa: B027 - most games need nothing
        """Do what takes long before the first move, such as compiling."""

    @abc.abstractmethod
    def move(self) -> bool:
        """Do one move and `show` it.

        Returns:
            Whether there is another one; after the last the game stands still.
        """

    def close(self) -> None:  # noqa: B027 - most games need nothing
        """Free what the game holds; called once, by whoever removes it."""

    def shown(self) -> Shown:
        """Give what the board shows now; any thread."""
        return self._shown

    def show(self, shown: Shown) -> None:
        """Show something else from now on; the version is filled in."""
        self._shown = replace(shown, version=self._shown.version + 1)

    def step(self) -> None:
        """Do one move, also while it stands still; any thread. Wake the player afterwards."""
        self._steps_asked += 1


class Player:
    """Moves games on, each at its pace, in a thread of its own.

    Args:
        threaded: Whether to start the thread; without it, call `tick`.
    """

    def __init__(self, threaded: bool = True) -> None:
        self._threaded = threaded
        self._games: list[Game] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._moving = threading.RLock()

    @property
    def games(self) -> tuple[Game, ...]:
        """The games that are played."""
        with self._moving:
            return tuple(self._games)

    def add(self, game: Game) -> None:
        """Play a game from now on."""
        with self._moving:
            self._games.append(game)
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rlplay-player", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, game: Game) -> None:
        """Play a game no more."""
        with self._moving:
            if game in self._games:
                self._games.remove(game)
                game.close()
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
        moment = time.monotonic() if now is None else now
        wait = 60.0
        for game in self.games:
            if game._steps_asked or (game.playing and game.due <= moment):
                with self._moving:
                    if game in self._games:
                        self._move(game, moment)
            if game._steps_asked:
                wait = 0.0
            elif game.playing:
                wait = min(wait, game.due - moment)
        return max(0.0, wait)

    def _move(self, game: Game, now: float) -> None:
        game._steps_asked = max(0, game._steps_asked - 1)
        try:
            if not game._opened:
                game._opened = True
                game.open()
            if not game.move():
                game.playing = False
        except Exception as error:
            game.playing = False
            text = (
                str(error) if isinstance(error, RlplayError) else f"{type(error).__name__}: {error}"
            )
            old = vars(game.shown())
            details = "" if isinstance(error, RlplayError) else traceback.format_exc()
            game.show(Shown(**{**old, "problem": text, "details": details}))
        # Behind by more than a move: do not chase what is lost.
        game.due = max(game.due + 1 / game.pace, now)
        game.on_move()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            wait = self.tick()
            with self._moving:
                if not self._games:
                    self._thread = None
                    return
            self._wake.wait(wait)


_player = Player()


def get_player() -> Player:
    """Give the player of this kernel."""
    return _player

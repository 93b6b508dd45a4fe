"""A replay is played: forwards, by steps, or from wherever a person drags it to."""

from __future__ import annotations

import threading
from contextlib import suppress

from rlplay.envs import get_env_spec
from rlplay.errors import StorageError
from rlplay.storage.replay import Frames, Replay
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.theme import number

__all__ = ["MOVES_PER_SECOND", "RATES", "ReplayGame"]

#: Moves a second at the rate 1.
MOVES_PER_SECOND = 8.0
#: How many times as fast a replay can be played.
RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class ReplayGame(Game):
    """Plays a replay to its end and stands there; any thread may pause it, step it and seek in it.

    Attributes:
        replay: The replay.
        position: Steps that are played of what is shown.
        apple_steps: The steps at which the score grew; empty until the game was opened.

    Args:
        replay: The replay.
        at: Steps that are played at the beginning.
        rate: How many times as fast as 8 moves a second.
        title: What people call its run; without one, the run's id.
    """

    keys = "Space plays and pauses, the left and right arrows go back and forth by a step."

    def __init__(self, replay: Replay, at: int = 0, rate: float = 1.0, *, title: str = "") -> None:
        super().__init__(pace=MOVES_PER_SECOND * rate)
        self.replay = replay
        self.position = 0
        self.apple_steps: tuple[int, ...] = ()
        self._wishing = threading.Lock()
        self._wish: int | None = None
        self._frames: Frames | None = None
        self._scores: tuple[float | None, ...] = ()
        self._words = f"episode {number(replay.episode)} of {title or f'run {replay.run_id}'}"
        if not replay.is_of_a_run:
            self._words = "a replay of a game"
        self.seek(at)

    # What anybody may ask; wake the player afterwards --------------------------------------------

    @property
    def rate(self) -> float:
        """How many times as fast as 8 moves a second."""
        return self.pace / MOVES_PER_SECOND

    @rate.setter
    def rate(self, rate: float) -> None:
        self.pace = MOVES_PER_SECOND * rate

    @property
    def length(self) -> int:
        """Steps of the whole episode."""
        return self.replay.length

    def seek(self, position: int) -> None:
        """Go to the board after so many steps; of several wishes only the newest is played."""
        with self._wishing:
            waits = self._wish is not None
            self._wish = self._clamped(position)
        if not waits:
            super().step()

    def step(self, by: int = 1) -> None:
        """Stand still, and go forth or back."""
        self.playing = False
        self.seek(self.heading + by)

    def play(self) -> None:
        """Play on; from the beginning where it stands at the end."""
        if self.heading == self.length:
            self.seek(0)
        self.playing = True

    def pause(self) -> None:
        """Stand still."""
        self.playing = False

    def press(self, key: str) -> None:
        """Take a key that was pressed on the board."""
        if key == "space":
            if self.playing:
                self.pause()
            else:
                self.play()
        elif key in ("left", "right"):
            self.step(1 if key == "right" else -1)

    @property
    def heading(self) -> int:
        """Where it will stand when the newest wish is played."""
        wish = self._wish
        return self.position if wish is None else wish

    def _clamped(self, position: int) -> int:
        return max(0, min(self.replay.length, position))

    # The player's thread -------------------------------------------------------------------------

    def open(self) -> None:
        """Play the episode once, unseen, so that any step is near a kept state."""
        env_name = self.replay.env_name
        get_env_spec(env_name).env.prepare(
            lambda words: self.show(Shown(env_name=env_name, words=words))
        )
        frames = self.replay.frames()
        # What ends too early is shown as far as it goes.
        with suppress(StorageError):
            self.apple_steps = tuple(frames.apple_steps())
            self._scores = tuple(frames.scores())
        self._frames = frames

    def move(self) -> bool:
        """Show the step that is wished for, or the next one."""
        with self._wishing:
            wish, self._wish = self._wish, None
        position = self._clamped(self.position + 1) if wish is None else wish
        frames, replay = self._frames, self.replay
        assert frames is not None
        state = frames[position]
        self.position = position
        ended = position == replay.length
        score = self._scores[position] if self._scores else state.get("score")
        self.show(
            Shown(
                env_name=replay.env_name,
                state=state,
                words=self._words,
                step=position,
                score=float(score or 0.0),
                ending=replay.ending if ended else None,
                env_config=replay.env_config,
            )
        )
        return not ended

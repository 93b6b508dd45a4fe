"""The one thread that paints.

While something runs, nobody else uses ipycanvas (its command cache is one global without a lock)
or sets a widget's traits. The kernel's own threads only change what shall be shown and call
`Painter.wake`. The thread starts with the first scene and ends with the last.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol

from rlplay.training.session import sessions

__all__ = ["FRAME", "FULL_SPEED_FRAME", "Painter", "Scene", "get_painter"]

#: Seconds between two frames, at the fastest.
FRAME = 1 / 30
#: The same of a training at full speed: its board is wholly another one from frame to frame, and an
#: eye makes no more of thirty of them than of five. Each takes its core from the training.
FULL_SPEED_FRAME = 1 / 5
#: Seconds after which Python takes the interpreter from a thread that does not give it up, while
#: sessions run. At Python's own 5 ms, a trainer in plain Python holds a click up for some 30 ms.
SWITCH_INTERVAL = 0.0005


class Scene(Protocol):
    """Something that can be painted."""

    def paint(self, now: float) -> float:
        """Paint what changed.

        Args:
            now: Seconds of the monotonic clock.

        Returns:
            Seconds until it wants to be painted again, if nobody wakes the painter before.
        """
        ...


class Painter:
    """Paints scenes, up to 30 times a second, in a thread of its own.

    Args:
        threaded: Whether to start the thread; without it, call `tick`.
    """

    def __init__(self, threaded: bool = True) -> None:
        self._threaded = threaded
        self._scenes: list[Scene] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._own_interval: float | None = None
        # Held during a tick: a scene that was removed is not painted any more.
        self._painting = threading.RLock()

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes that are painted."""
        with self._painting:
            return tuple(self._scenes)

    def add(self, scene: Scene) -> None:
        """Paint a scene from now on."""
        with self._painting:
            self._scenes.append(scene)
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="rlplay-painter", daemon=True
                )
                self._thread.start()
        self._wake.set()

    def remove(self, scene: Scene) -> None:
        """Paint a scene no more; when this returns, it is not being painted."""
        with self._painting:
            if scene in self._scenes:
                self._scenes.remove(scene)
        self._wake.set()

    def wake(self) -> None:
        """Look at the scenes now; returns at once."""
        self._wake.set()

    def tick(self, now: float | None = None) -> float:
        """Paint every scene once.

        Args:
            now: Seconds of the monotonic clock; read when left out.

        Returns:
            Seconds until the next scene wants to be painted.
        """
        moment = time.monotonic() if now is None else now
        wait = 60.0
        with self._painting:
            for scene in tuple(self._scenes):
                try:
                    wait = min(wait, scene.paint(moment))
                except Exception:
                    # A scene reports its own parts' errors. Whatever else goes wrong in it, the
                    # other scenes are painted, and this one is tried again.
                    wait = min(wait, 0.5)
        return wait

    def _take_turns(self, often: bool) -> None:
        """Have threads take turns more often, or as they did before."""
        if often and self._own_interval is None:
            self._own_interval = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_INTERVAL, self._own_interval))
        elif not often and self._own_interval is not None:
            sys.setswitchinterval(self._own_interval)
            self._own_interval = None

    def _run(self) -> None:
        while True:
            self._wake.clear()
            began = time.monotonic()
            wait = self.tick(began)
            with self._painting:
                if not self._scenes:
                    self._take_turns(often=False)
                    self._thread = None
                    return
            self._take_turns(often=not all(session.has_ended() for session in sessions()))
            self._wake.wait(max(0.0, began + wait - time.monotonic()))
            # However often it is woken, the painter leaves the trainers their share of Python.
            time.sleep(max(0.0, began + FRAME / 4 - time.monotonic()))


_painter = Painter()


def get_painter() -> Painter:
    """Give the painter of this kernel."""
    return _painter

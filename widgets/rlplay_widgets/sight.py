"""Who looks: a small invisible widget that reports theme and visibility, and echoes frames.

It also keeps the keys that are pressed in its panel from the notebook around it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anywidget

from rlplay_widgets.theme import script, styles

__all__ = ["Sight"]

#: A frame is sent with the request to echo it, once in so many frames.
PING_EVERY = 8
#: Frames on the way, at most: beyond, frames are dropped.
MOST_ON_THE_WAY = 24
#: Seconds without an echo after which the browser counts as slow.
SILENCE = 1.0
#: Seconds after which a view that says nothing counts as gone, once another one has answered (a
#: page that was closed says nothing; neither does anybody while the kernel does not listen).
GONE = 10.0


class Sight(anywidget.AnyWidget):
    """Reports from the browser, about the panel that contains it.

    The browser's reports arrive in the kernel's threads and are only noted down; the painter
    reads them.

    Args:
        on_change: Called, in a thread of the kernel, when there is news.
    """

    _esm = script("keep_keys.js", "sight.js")
    _css = styles()

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._news = threading.Lock()
        self._views: dict[str, bool] = {}  # view -> whether it can be seen
        self._heard: dict[str, float] = {}  # view -> when it last said something
        self._introduced = False  # whether any view has ever reported
        self._arrived = False
        self._dark = False
        self._sent = 0
        self._echoed = 0
        self._asked_at: float | None = None  # when the oldest frame not echoed was sent
        self._now = 0.0
        self.on_msg(self._receive)

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        return self._dark

    @property
    def gone(self) -> bool:
        """Whether the panel was on a page, and is on none any more."""
        with self._news:
            return self._introduced and not self._views

    def look(self, now: float) -> bool:
        """Note the time, and tell whether anybody can see the panel.

        Before the first report, somebody is taken to look.
        """
        with self._news:
            self._now = now
            return any(self._views.values()) or not self._introduced

    def arrived(self) -> bool:
        """Whether a view or a theme is new since the last call: all has to be painted again."""
        with self._news:
            arrived, self._arrived = self._arrived, False
            return arrived

    def slow(self, now: float) -> bool:
        """Whether the browser has not echoed a frame for a second."""
        asked = self._asked_at
        return asked is not None and now - asked > SILENCE

    def full(self) -> bool:
        """Whether as many frames as are allowed are on the way."""
        return self._sent - self._echoed >= MOST_ON_THE_WAY

    def frame_sent(self, now: float) -> None:
        """Count a frame, and ask for an echo when one is due."""
        with self._news:
            self._sent += 1
            due = self._sent % PING_EVERY == 0 or self.slow(now)
            if due and self._asked_at is None:
                self._asked_at = now
        if due:
            self.send({"frame": self._sent})

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        view = str(content.get("view", ""))[:64]
        kind = content.get("kind")
        changed = True
        with self._news:
            if kind == "gone":
                self._views.pop(view, None)
                self._heard.pop(view, None)
            elif kind in ("report", "echo"):
                seen, dark = bool(content.get("visible")), bool(content.get("dark"))
                changed = self._views.get(view) != seen or self._dark != dark
                self._arrived |= changed and seen
                self._views[view], self._dark = seen, dark
                self._heard[view], self._introduced = self._now, True
                if kind == "echo":
                    for other in [
                        name for name, at in self._heard.items() if self._now - at > GONE
                    ]:
                        del self._views[other], self._heard[other]
                    # Numbers from another page of the same kernel may be older, never newer.
                    frame = min(int(content.get("frame", 0)), self._sent)
                    self._echoed = max(self._echoed, frame)
                else:
                    self._echoed = self._sent
                self._asked_at = None
        if changed:
            self._on_change()

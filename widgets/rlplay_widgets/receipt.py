"""What was done, in a line: with the file that came of it, or a way back.

The file is handed to the browser in pieces when a person asks for it, so that it can be saved
wherever the notebook's server stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from rlplay.errors import StorageError
from rlplay_widgets import clerk
from rlplay_widgets.scene import assign
from rlplay_widgets.theme import script

__all__ = ["Receipt"]

#: Bytes of a file in one message, and seconds until the next: a notebook server passes on a million
#: bytes a second, and curves and boards need their share.
_PIECE = 128 * 1024
_EVERY = 0.25
#: Seconds for which a way back is offered.
_UNDO = 20.0


class ReceiptWidget(anywidget.AnyWidget):
    """The line in the browser."""

    _esm = script("receipt.js")

    words = t.Unicode().tag(sync=True)
    path = t.Unicode().tag(sync=True)
    size = t.Int().tag(sync=True)
    undo = t.Unicode().tag(sync=True)


class Receipt:
    """Says what was done last; any thread may.

    Attributes:
        widget: The line.

    Args:
        safely: Wraps callbacks, as `SessionScene.safely` does.
        wake: Has the line painted.
    """

    def __init__(
        self, safely: Callable[..., Callable[..., None]], wake: Callable[[], None]
    ) -> None:
        self._safely, self._wake = safely, wake
        self._lock = threading.Lock()
        self._words, self._path, self._size = "", "", 0
        self._undo: Callable[[], None] | None = None
        self._undo_words = ""
        self._until = float("inf")
        self._lasting = False
        self._piece: tuple[dict[str, Any], bytes] | None = None
        self._next = float("-inf")
        self.widget = ReceiptWidget()
        self.widget.on_msg(safely(self._receive))

    @property
    def words(self) -> str:
        """What it says."""
        return self._words

    def say(self, words: str, file: Path | None = None) -> None:
        """Say what was done, and offer the file that came of it."""
        with self._lock:
            self._words = words
            self._path = "" if file is None else str(file)
            self._size = 0 if file is None else file.stat().st_size
            self._undo, self._undo_words, self._lasting = None, "", False
            self._until = float("inf")
        self._wake()

    def offer_undo(self, words: str, undo: Callable[[], None], label: str = "Undo") -> None:
        """Say what was done, and offer a way back for a while, until something else is said."""
        self.say(words)
        with self._lock:
            self._undo, self._undo_words, self._lasting = undo, label, True
        self._wake()

    def clear(self) -> None:
        """Say nothing any more."""
        if self._words:
            self.say("")

    def undo(self) -> None:
        """Go the way back that is offered, if any."""
        with self._lock:
            undo, self._undo, self._undo_words = self._undo, None, ""
        if undo is not None:
            undo()

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "undo":
            self.undo()
        elif content.get("kind") == "away":
            self.clear()
        elif content.get("kind") == "piece" and content.get("path") == self._path:
            path, at = Path(self._path), int(content["at"])
            clerk.submit(lambda: self._safely(self._read)(path, at))

    def _read(self, path: Path, at: int) -> None:
        try:
            with path.open("rb") as file:
                file.seek(at)
                self._piece = {"kind": "piece", "path": str(path), "at": at}, file.read(_PIECE)
        except OSError as error:
            self._piece = {"kind": "failed", "path": str(path)}, b""
            raise StorageError(f"Cannot read {path}: {error.strerror or error}.") from error
        self._wake()

    def paint(self, now: float, tasks: Sequence[str] = ()) -> None:
        """Show what is said.

        Args:
            now: Seconds of the monotonic clock.
            tasks: What is being done right now, in words; stands in the line meanwhile.
        """
        with self._lock:
            if self._lasting:
                self._lasting, self._until = False, now + _UNDO
            if now > self._until:
                self._words, self._undo, self._undo_words = "", None, ""
                self._until = float("inf")
            words, path, size, undo = self._words, self._path, self._size, self._undo_words
        if tasks:
            words, path, size, undo = f"{tasks[-1][:1].upper()}{tasks[-1][1:]} …", "", 0, ""
        assign(self.widget, words=words, path=path, size=size, undo=undo)

    def hand_on(self, now: float) -> None:
        """Send the piece of the file that was asked for; the painter's alone.

        Args:
            now: Seconds of the monotonic clock.
        """
        if self._piece is not None and now >= self._next:
            (content, piece), self._piece = self._piece, None
            self._next = now + _EVERY
            self.widget.send(content, [piece])

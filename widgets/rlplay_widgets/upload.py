"""Files that a person gives to the notebook's machine, from the browser, in pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from rlplay.errors import StorageError
from rlplay_widgets.theme import script

__all__ = ["Upload"]


class UploadWidget(anywidget.AnyWidget):
    """A button that opens the browser's file dialog, and a place to drop files on."""

    _esm = script("upload.js")

    label = t.Unicode().tag(sync=True)
    hint = t.Unicode().tag(sync=True)
    accept = t.Unicode().tag(sync=True)


class Upload:
    """Takes files in, one after the other, each whole before anybody is told.

    A notebook server closes a connection whose message is too large, so files come in pieces, and
    the next one when the last has arrived.

    Attributes:
        widget: The button.

    Args:
        label: What the button says.
        take: Called with a whole file and the name that it had; who takes it also removes it.
        safely: Wraps callbacks, as `SessionScene.safely` does.
        wake: Has the button painted.
        accept: Endings of the files that are offered: ".zip".
        hint: What happens, in a sentence.
    """

    def __init__(
        self,
        label: str,
        take: Callable[[Path, str], None],
        safely: Callable[..., Callable[..., None]],
        wake: Callable[[], None],
        *,
        accept: str,
        hint: str = "",
    ) -> None:
        self._take, self._wake = take, wake
        self._file: Any = None
        self._news: dict[str, Any] | None = None  # what the browser is told next
        self.widget = UploadWidget(label=label, accept=accept, hint=hint)
        self.widget.on_msg(safely(self._receive))

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") != "piece":
            return
        at, name = int(content["at"]), str(content.get("name", ""))
        try:
            path = self._write(at, buffers[0], last=bool(content.get("last")))
        except OSError as error:
            self._news = {"kind": "failed"}
            self.close()
            raise StorageError(
                f"{name} did not arrive, since it cannot be written: {error.strerror or error}. "
                f"Make room in {tempfile.gettempdir()}, then choose it again."
            ) from error
        if path is not None:
            self._take(path, name)
        self._wake()

    def _write(self, at: int, piece: bytes, *, last: bool) -> Path | None:
        """Write a piece to where it belongs; give the file when it is whole."""
        if at == 0:
            self.close()
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it outlives this call
                prefix="rlplay-", suffix=".upload", delete=False
            )
        file = self._file
        if file is None or file.tell() != at:
            return None  # of a file that was given up
        file.write(piece)
        arrived = file.tell()
        path = None
        if last:
            file.close()
            path, self._file = Path(file.name), None
        self._news = {"kind": "arrived", "at": arrived}
        return path

    def hand_on(self, now: float) -> None:
        """Ask for the next piece when one has arrived, or give up; the painter's alone.

        Args:
            now: Seconds of the monotonic clock.
        """
        if self._news is not None:
            news, self._news = self._news, None
            self.widget.send(news)

    def close(self) -> None:
        """Give up the file that is on its way, if any."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what is left of it is written here, or cannot be
                file.close()
            Path(file.name).unlink(missing_ok=True)

"""Files that a person gives to the notebook's machine, from the browser, in pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.theme import static

__all__ = ["Upload"]


class UploadWidget(anywidget.AnyWidget):
    """A button that opens the browser's file dialog, and a place to drop files on."""

    _esm = static("upload.js")

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
        self._arrived: int | None = None
        self.widget = UploadWidget(label=label, accept=accept, hint=hint)
        self.widget.on_msg(safely(self._receive))

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") != "piece":
            return
        at = int(content["at"])
        if at == 0:
            self.close()
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - it outlives this call
                prefix="rlplay-", suffix=".upload", delete=False
            )
        if self._file is None or self._file.tell() != at:
            return  # of a file that was given up
        self._file.write(buffers[0])
        self._arrived = self._file.tell()
        if content.get("last"):
            self._file.close()
            path, self._file = Path(self._file.name), None
            self._take(path, str(content.get("name", "")))
        self._wake()

    def paint(self) -> None:
        """Ask for the next piece, when one has arrived; the painter's alone."""
        if self._arrived is not None:
            arrived, self._arrived = self._arrived, None
            self.widget.send({"kind": "arrived", "at": arrived})

    def close(self) -> None:
        """Give up the file that is on its way, if any."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None

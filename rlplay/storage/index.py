"""What was known of the runs when they were last listed, so that thousands are listed at once.

The index is one file. For each run it holds what its files said, and the state that they were in:
names, times of change and sizes. The folders stay the truth: a run in another state is read again,
an index that is missing, damaged or foreign is made anew, and one that cannot be written costs
nothing but time. It may be thrown away.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rlplay.errors import StorageError
from rlplay.storage import files

__all__ = ["RunIndex", "files_state"]

#: Version of the index; one of another version is made anew. Changes with what a run's facts are.
_FORMAT: Final = "rlplay index 3"

#: Nanoseconds after which a change of a file surely gets another time of change than the one
#: before it, on all file systems.
_SETTLED: Final = 2_000_000_000


def files_state(folder: str) -> str | None:
    """Describe the state of the files in a folder.

    Args:
        folder: A run's folder.

    Returns:
        A text that changes when a file does; None where that is not certain, since something
        changed a moment ago or is a link.

    Raises:
        OSError: When the folder cannot be read.
    """
    parts = []
    newest = 0
    before = time.time_ns() - _SETTLED
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                return None
            newest = max(newest, status.st_mtime_ns)
            if newest > before or entry.is_symlink():
                return None
            # Files in a folder are replaced and never changed, and that changes the folder's time.
            size = "" if entry.is_dir() else status.st_size
            parts.append(f"{entry.name}:{status.st_mtime_ns}:{size}")
    return " ".join(sorted(parts))


class RunIndex:
    """The index of one models folder, for one listing."""

    def __init__(self, path: Path) -> None:
        """Read the index.

        Args:
            path: Its file, which may be missing.
        """
        self._path = path
        self._before: dict[str, Any] = _load(path)
        self._now: dict[str, Any] = {}

    def find(self, name: str, state: str | None) -> dict[str, Any] | None:
        """Give what is known of a run, if its files are still in the state that it was read in.

        Args:
            name: The run's place, as in "snake/run-1"; the index keeps only places asked for.
            state: What `files_state` said.
        """
        entry = self._before.get(name)
        if entry is None:
            return None
        self._now[name] = entry
        return dict(entry["facts"]) if entry["state"] == state else None

    def put(self, name: str, state: str | None, facts: dict[str, Any]) -> None:
        """Keep what is known of a run.

        Args:
            name: The run's place.
            state: What `files_state` said before its files were read.
            facts: What they said, as JSON has it.
        """
        if state is not None:
            self._now[name] = {"state": state, "facts": facts}

    def save(self, environment: str | None) -> None:
        """Write the index, if it has changed.

        Args:
            environment: The folder that was listed, if not all were.
        """
        others = {
            name: entry
            for name, entry in self._before.items()
            if environment is not None and not name.startswith(f"{environment}/")
        }
        runs = {**others, **self._now}
        if runs != self._before:
            text = json.dumps(files.seal({"format": _FORMAT, "runs": runs}), separators=(",", ":"))
            with suppress(StorageError):
                files.write_bytes(self._path, text.encode())


def _load(path: Path) -> dict[str, Any]:
    try:
        index = files.unseal(files.read_json(path), path)
    except StorageError:
        return {}
    runs = index.get("runs")
    return runs if index.get("format") == _FORMAT and isinstance(runs, dict) else {}

"""One writer a run, among all threads and processes that share a models folder.

What decides is a lock of the operating system on an empty file, ``<environment>/<run_id>.lock`` in
a folder of its own, so that a run's folder can be moved while it is locked. The lock ends with its
process, however that ends, and a forked child does not have it. The JSON file beside it tells
others who the holder is; it decides nothing, and what a dead process left of it is swept away.
"""

from __future__ import annotations

import datetime
import os
import platform
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import BaseFileLock, Timeout

from rlplay.errors import RunBusy, StorageError
from rlplay.storage import files

__all__ = ["LOCK_SUFFIX", "claim", "get_holder", "list_noted", "release"]

#: How the name of a lock file ends.
LOCK_SUFFIX = ".lock"
_NOTE_SUFFIX = ".json"

#: Seconds until a lock counts as taken: longer than somebody needs to ask whether it is.
_PATIENCE = 0.25

_SOMEBODY = "another session"


class _Held(NamedTuple):
    lock: BaseFileLock
    holder: object


_guard = threading.Lock()
#: The locks of this process, by the path of their files.
_held: dict[Path, _Held] = {}


def _forget() -> None:
    """A forked child has no locks: filelock has closed its files."""
    global _guard
    _guard = threading.Lock()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def claim(path: Path, run_id: str, holder: object) -> None:
    """Take the lock of a run.

    Args:
        path: The lock file; it and its folder are made if missing.
        run_id: The run's id, for the message.
        holder: Who takes it; its text names it to others.

    Raises:
        RunBusy: When somebody else has it; named in the message.
        StorageError: When the lock cannot be written.
    """
    held = _held.get(path)
    if held is not None:
        raise _busy(run_id, str(held.holder))
    files.make_folders(path.parent)
    with files.explained("lock", path):
        try:
            lock = files.disk.lock(path, _PATIENCE)
        except Timeout:
            raise _busy(run_id, get_holder(path) or _SOMEBODY) from None
    try:
        files.write_json(_note(path), _description(holder))
        with _guard:
            _held[path] = _Held(lock, holder)
    except BaseException:
        files.disk.unlock(lock)
        raise


def release(path: Path) -> None:
    """Give the lock of a run back; nothing happens when this process does not have it.

    Raises:
        StorageError: When the system does not take it back.
    """
    with _guard:
        held = _held.pop(path, None)
    if held is None:
        return
    with suppress(StorageError):
        files.remove(_note(path))
    with files.explained("unlock", path):
        files.disk.unlock(held.lock)


def get_holder(path: Path) -> str | None:
    """Name who has the lock of a run; None when nobody has it.

    Args:
        path: The lock file.
    """
    held = _held.get(path)
    if held is not None:
        return str(held.holder)
    note = _note(path)
    try:
        words = _words(files.read_json(note))
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        words = _SOMEBODY
    try:
        lock = files.disk.lock(path, 0)
    except OSError:
        return words  # somebody has it, or it cannot be asked here, as in a read-only folder
    # Nobody has the lock: the note is that of a process that died.
    try:
        with suppress(StorageError):
            files.remove(note)
    finally:
        files.disk.unlock(lock)
    return None


def list_noted(folder: Path) -> set[str]:
    """Name the runs that somebody seems to write, without asking for a single lock.

    Args:
        folder: The folder of an environment's lock files.

    Returns:
        The ids of all runs that are being written, and of those whose writer died.
    """
    try:
        return {
            name.removesuffix(_NOTE_SUFFIX)
            for name in os.listdir(folder)
            if name.endswith(_NOTE_SUFFIX) and not name.startswith(".")
        }
    except OSError:
        return set()


def _note(path: Path) -> Path:
    return path.with_suffix(_NOTE_SUFFIX)


def _busy(run_id: str, holder: str) -> RunBusy:
    return RunBusy(
        f"Run {run_id!r} is being written by {holder}. It can be read meanwhile; stop that "
        "session to write it, or start a new run."
    )


def _description(holder: object) -> dict[str, Any]:
    return {
        "holder": holder if isinstance(holder, str) else type(holder).__name__,
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
    }


def _words(description: dict[str, Any]) -> str:
    """Say who has a lock in another process."""
    holder, pid, host, since = (
        str(description.get(field, "?")) for field in ("holder", "pid", "host", "since")
    )
    return f"{holder} (process {pid} on {host}, since {since})"

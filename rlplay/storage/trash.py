"""The trash of a models folder: what was deleted, until it is emptied.

It holds one folder an environment, and in it ``<run_id>.<when>``, a run's folder as it was, or
``<run_id>.<when>.<name>``, a file that was taken out of a run. A point is part of no id.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rlplay.storage import files

__all__ = ["Deleted", "choose_place", "empty", "list_deleted", "move"]

_WHEN = "%Y%m%d-%H%M%S-%f"  # sorts by time


class Deleted(NamedTuple):
    """Something in the trash.

    Attributes:
        deleted_at: When it was deleted, ISO 8601, UTC.
        environment: The environment's folder.
        run_id: The run that it is, or belonged to.
        name: Its name in the run; None for a whole run.
        path: Where it is now.
    """

    deleted_at: str
    environment: str
    run_id: str
    name: str | None
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it, with its size in bytes."""
        return {
            "run_id": self.run_id,
            "env_name": self.environment,
            "name": self.name,
            "deleted_at": self.deleted_at,
            "size": files.measure(self.path),
            "path": str(self.path),
        }


def choose_place(folder: Path, run_id: str, name: str | None = None) -> Path:
    """Choose where something deleted now goes, and make the folder around that place.

    Args:
        folder: The environment's folder in the trash.
        run_id: The run that it belongs to.
        name: Its name in the run; None for the run itself.

    Raises:
        StorageError: When the folder cannot be made.
    """
    files.make_folders(folder)
    when = datetime.datetime.now(datetime.UTC).strftime(_WHEN)
    return folder / ".".join([run_id, when] if name is None else [run_id, when, name])


def move(source: Path, target: Path) -> None:
    """Move a file or folder into the trash or out of it, in one rename.

    Raises:
        StorageError: When it cannot be moved.
    """
    with files.explained("move", source):
        files.disk.rename_folder(source, target)
        files.disk.sync_folder(target.parent)
        files.disk.sync_folder(source.parent)


def list_deleted(trash: Path) -> list[Deleted]:
    """List what is in the trash, what was deleted last first; what is not ours is left out.

    Raises:
        StorageError: When the trash cannot be read.
    """
    found = (_read_name(environment.name, entry) for environment, entry in _entries(trash))
    return sorted(
        (deleted for deleted in found if deleted is not None),
        key=lambda deleted: (deleted.deleted_at, deleted.path),
        reverse=True,
    )


def empty(trash: Path) -> int:
    """Remove all that is in the trash, for good.

    A run gets a hidden name before its first file goes: half of it is never seen again.

    Returns:
        How many things were in it.

    Raises:
        StorageError: When something cannot be removed; the rest can be removed later.
    """
    count = 0
    for environment, entry in _entries(trash):
        visible = not entry.name.startswith(".")
        count += visible
        if entry.is_symlink() or not entry.is_dir():
            files.remove(entry)
            continue
        doomed = environment / f".{entry.name}" if visible else entry
        if visible:
            with files.explained("remove", entry):
                files.disk.rename_folder(entry, doomed)
                files.disk.sync_folder(environment)
        files.remove_tree(doomed)
    return count


def _entries(trash: Path) -> Iterator[tuple[Path, Path]]:
    """Give (environment's folder, what is in it)."""
    for environment in _children(trash):
        if environment.is_dir() and not environment.is_symlink():
            for entry in _children(environment):
                yield environment, entry


def _children(folder: Path) -> list[Path]:
    with files.explained("read", folder):
        try:
            return [folder / name for name in sorted(os.listdir(folder))]
        except FileNotFoundError:
            return []


def _read_name(environment: str, path: Path) -> Deleted | None:
    run_id, _, rest = path.name.partition(".")
    when, _, name = rest.partition(".")
    try:
        files.check_id(run_id)
        moment = datetime.datetime.strptime(when, _WHEN)
    except ValueError:
        return None
    deleted_at = moment.replace(tzinfo=datetime.UTC).isoformat(timespec="microseconds")
    return Deleted(deleted_at, environment, run_id, name or None, path)

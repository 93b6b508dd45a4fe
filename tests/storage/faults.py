"""A disk that fails: the n-th file operation of an act, in every way in which disks fail.

`fail_everywhere` does an act again and again, and lets a later operation fail each time, until the
act succeeds whole. `recorded` tells in which order an act did its operations, and
`assert_on_disk` whether what it did would survive a power cut.
"""

import contextlib
import errno
import itertools
from collections.abc import Callable, Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any, NamedTuple

from rlplay.errors import StorageError
from rlplay.storage import files, locks

#: How an operation can fail. A short write is none yet: the system took a part of the bytes, and
#: the rest must follow. A torn one took a part and then failed.
KINDS = ("no space", "no permission", "I/O error", "torn write", "short write", "killed")

_ERRORS = {
    "no space": errno.ENOSPC,
    "no permission": errno.EACCES,
    "I/O error": errno.EIO,
    "torn write": errno.EIO,
}


class Killed(BaseException):
    """The process is no more: nothing that it would still do happens."""


class Operation(NamedTuple):
    """One call of the disk: its method, its arguments and what it gave."""

    name: str
    arguments: tuple[Any, ...]
    result: Any


class FaultyDisk(files.Disk):
    """Fails at one operation, and records them all. Does not wait for the real disk."""

    def __init__(self, fails_at: int | None = None, kind: str = KINDS[0]) -> None:
        self.fails_at = fails_at
        self.kind = kind
        self.operations: list[Operation] = []
        self.failed = False
        self.dead = False
        self._locks: list[Any] = []

    def _do(self, name: str, *arguments: Any) -> Any:
        if self.dead:
            if name == "close":
                super().close(*arguments)
            raise Killed
        fails = len(self.operations) == self.fails_at
        self.operations.append(Operation(name, arguments, None))
        result = self._fail(name, *arguments) if fails else self._really(name, *arguments)
        self.operations[-1] = Operation(name, arguments, result)
        return result

    def _really(self, name: str, *arguments: Any) -> Any:
        if name.startswith("sync"):
            return None
        result = getattr(files.Disk, name)(self, *arguments)
        if name == "lock":
            self._locks.append(result)
        return result

    def _fail(self, name: str, *arguments: Any) -> Any:
        self.failed = True
        if name == "write" and self.kind in ("torn write", "short write", "killed"):
            descriptor, data = arguments
            taken = super().write(descriptor, data[: max(1, len(data) // 2)])
            if self.kind == "short write":
                return taken
        if self.kind == "short write":
            return self._really(name, *arguments)
        if name in ("close", "unlock"):  # the system closes also what it complains about
            self._really(name, *arguments)
        if self.kind == "killed":
            self.dead = True
            raise Killed
        raise OSError(_ERRORS[self.kind], self.kind)

    def bury(self) -> None:
        """What the system does after a process: end its locks."""
        for lock in [*self._locks, *(held.lock for held in locks._held.values())]:
            lock.release(force=True)
        locks._held.clear()


for _name in [name for name in vars(files.Disk) if not name.startswith("_")]:
    setattr(FaultyDisk, _name, partialmethod(FaultyDisk._do, _name))


@contextlib.contextmanager
def failing_disk(fails_at: int | None, kind: str) -> Iterator[FaultyDisk]:
    """Let one operation of the disk fail.

    Args:
        fails_at: The number of the operation, from 0; None for none.
        kind: One of `KINDS`.
    """
    real, faulty = files.disk, FaultyDisk(fails_at, kind)
    files.disk = faulty
    try:
        yield faulty
    finally:
        files.disk = real
        if faulty.dead:
            faulty.bury()


def recorded(act: Callable[[], object]) -> list[Operation]:
    """Do an act, and tell its operations in order."""
    with failing_disk(None, KINDS[0]) as disk:
        act()
    return disk.operations


class Failure(NamedTuple):
    """An act of which one operation failed.

    Attributes:
        kind: One of `KINDS`.
        number: The number of the operation, from 0.
        error: What the act raised; None when it reported success.
    """

    kind: str
    number: int
    error: BaseException | None


def fail_everywhere(
    prepare: Callable[[], object],
    act: Callable[[], object],
    check: Callable[[Failure], object],
    kinds: tuple[str, ...] = KINDS,
) -> int:
    """Do an act with each of its operations failing, in each way.

    Args:
        prepare: Makes the world as it is before the act.
        act: The act; it may raise `StorageError`.
        check: Looks at the world afterwards, with a disk that works.
        kinds: The ways.

    Returns:
        How many operations the act has when nothing fails.
    """
    count = 0
    for kind in kinds:
        for number in itertools.count():
            prepare()
            error = None
            with failing_disk(number, kind) as disk:
                try:
                    act()
                except (StorageError, Killed) as caught:
                    error = caught
            check(Failure(kind, number, error))
            if not disk.failed:
                assert error is None
                count = number
                break
    return count


def assert_on_disk(operations: list[Operation]) -> None:
    """Check that all that an act wrote and named was flushed before it ended.

    Content must be on the disk before it gets its name, and every name before the act ends.
    """
    open_files: dict[int, Path] = {}
    unflushed: set[Path] = set()
    unnamed: set[Path] = set()
    for operation in operations:
        match operation.name, operation.arguments:
            case "create" | "open_end", (path,):
                open_files[operation.result] = path
                unnamed.add(path.parent)
            case "write" | "truncate", (descriptor, _):
                unflushed.add(open_files[descriptor])
            case "sync", (descriptor,):
                unflushed.discard(open_files[descriptor])
            case "sync_file", (path,):
                unflushed.discard(path)
            case "sync_folder", (folder,):
                unnamed.discard(folder)
            case "make_folder", (folder,):
                unnamed.add(folder.parent)
            case "replace" | "rename_folder", (source, target):
                for path in unflushed | unnamed:
                    assert path != source, f"{path} gets its name before its content is flushed"
                    assert source not in path.parents, f"{path} is moved before it is flushed"
                unnamed |= {source.parent, target.parent}
    assert not unflushed
    assert not unnamed

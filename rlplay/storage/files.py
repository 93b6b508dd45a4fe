"""Files that are whole or absent, lines that are whole or skipped, names that stay inside.

Everything that changes the models folder goes through `disk`, one operation a method: what a
crash may interrupt can be counted there, and made to fail there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import BaseFileLock, FileLock

from rlplay.errors import DamagedFile, InvalidName, StorageError

__all__ = [
    "Disk",
    "JsonLines",
    "append_lines",
    "check_file_name",
    "check_id",
    "check_zip",
    "creating",
    "cut",
    "disk",
    "explained",
    "inside",
    "is_reserved",
    "json_sum",
    "make_folders",
    "measure",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_jsonl",
    "read_last_jsonl",
    "remove",
    "remove_tree",
    "replacing",
    "seal",
    "seal_zip",
    "slug",
    "to_json",
    "unseal",
    "write_bytes",
    "write_json",
    "writing",
]

#: Seconds between two tries where another program holds a file open for a moment.
_RETRY_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4) if sys.platform == "win32" else ()

#: Seconds between two tries to get a lock.
_LOCK_PAUSE = 0.02

#: What Windows calls a junction: a folder's name that leads to another folder.
_JUNCTION = 0xA0000003

_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class Disk:
    """The operations that change files, one method each.

    Descriptors are the operating system's, so that nothing is buffered behind our back.
    """

    def create(self, path: Path) -> int:
        """Open a file for writing from its beginning, and give its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY | _NO_LINKS, 0o666)

    def open_end(self, path: Path) -> int:
        """Open a file for appending, made if missing, and give its descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o666)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write, and give the number of bytes that were taken."""
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file to a size in bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until a file's content is on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def sync_file(self, path: Path) -> None:
        """Wait until the content of a file that somebody else wrote is on the disk."""
        descriptor = os.open(path, os.O_RDWR | _BINARY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Wait until a folder's entries are on the disk (Windows does so by itself)."""
        if sys.platform != "win32":
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Move a file into place over what was there; all or nothing."""
        _patiently(os.replace, source, target)

    def rename_folder(self, source: Path, target: Path) -> None:
        """Move a folder, or a file, to a name where nothing stands; all or nothing."""
        _patiently(os.rename, source, target)

    def make_folder(self, folder: Path) -> None:
        """Make one folder, which must not exist."""
        os.mkdir(folder)

    def remove(self, path: Path) -> None:
        """Remove a file, or a link to anything."""
        _patiently(os.unlink, path)

    def remove_folder(self, folder: Path) -> None:
        """Remove an empty folder."""
        _patiently(os.rmdir, folder)

    def lock(self, path: Path, seconds: float) -> BaseFileLock:
        """Lock a file, made if missing, against every other thread and process.

        Raises:
            filelock.Timeout: When somebody else still has it after so many seconds.
        """
        lock = FileLock(path, thread_local=False)
        lock.acquire(timeout=seconds, poll_interval=_LOCK_PAUSE)
        return lock

    def unlock(self, lock: BaseFileLock) -> None:
        """Give a lock back."""
        lock.release(force=True)


def _patiently(operation: Callable[..., None], *paths: Path) -> None:
    for pause in _RETRY_PAUSES:
        try:
            operation(*paths)
            return
        except PermissionError:
            time.sleep(pause)
    operation(*paths)


#: The disk that this module writes to.
disk = Disk()


# Errors ---------------------------------------------------------------------------------------

_ELSEWHERE = "or choose another folder (for runs: set RLPLAY_MODELS)."
_ADVICE = {
    errno.ENOSPC: f"Free some space on this disk, {_ELSEWHERE}",
    errno.ENOTDIR: f"A file stands where a folder must be: move it away, {_ELSEWHERE}",
    errno.EEXIST: f"A file stands where a folder must be: move it away, {_ELSEWHERE}",
    errno.EISDIR: "A folder stands where a file must be: choose another name.",
    errno.ENOENT: "Check the name, and that its folder is there.",
}
_GENERAL_ADVICE = f"Check that you may write there, {_ELSEWHERE}"
_PUT_BACK = "Put back a copy of it, or delete it."


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Turn an operating system's error into a `StorageError` that says what to do.

    Args:
        doing: What was tried, as in "write".
        path: The file or folder concerned.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, _GENERAL_ADVICE)
        raise StorageError(f"Cannot {doing} {path}: {error.strerror or error}. {advice}") from error


# Names ----------------------------------------------------------------------------------------

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MAX_ID = 64
_FILE_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,99}")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_ALLOWED = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or a digit"


def check_id(value: object, what: str = "run id") -> str:
    """Let a name pass that is safe as a file's or folder's name on every system.

    Args:
        value: What came.
        what: What it names, for the message.

    Returns:
        The name, unchanged.

    Raises:
        InvalidName: For anything else.
    """
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidName(
            f"{value!r} is no {what}. Allowed: {_ALLOWED}. `rlplay runs` lists what there is."
        )
    if is_reserved(value):
        raise InvalidName(
            f"{value!r} is no {what}: Windows reserves this name for a device. Allowed: "
            f"{_ALLOWED}, as in {value + '-1'!r}."
        )
    return value


def is_reserved(name: str) -> bool:
    """Whether Windows takes a file's name for a device, as in "nul", "COM1.txt" and "aux "."""
    return name.partition(".")[0].strip().lower() in _DEVICES


def check_file_name(value: str) -> str:
    """Let the name of a file or folder in a run's folder pass, as in "metrics.jsonl".

    Returns:
        The name, unchanged.

    Raises:
        InvalidName: For anything else.
    """
    if not _FILE_NAME.fullmatch(value):
        raise InvalidName(
            f"{value!r} is no file of a run. Allowed: 1 to 100 of a-z, 0-9, '-', '_' and '.', not "
            "beginning with '.' or '-'."
        )
    return value


def slug(env_name: object) -> str:
    """Give the folder of an environment's runs, as in "gymnasium-cartpole-v1".

    Names that differ in more than case and punctuation get different folders.

    Args:
        env_name: A registered name, as in "gymnasium:CartPole-v1", or its slug.

    Returns:
        A name that `check_id` lets pass.

    Raises:
        InvalidName: For a name that looks like a path.
    """
    if not isinstance(env_name, str) or not env_name.strip():
        raise InvalidName(
            f"{env_name!r} is no environment's name. Allowed: a text such as 'snake'. "
            "`rlplay.list_environments()` lists what there is."
        )
    parts = env_name.split("/")
    if (
        any(part.strip() in ("", ".", "..") for part in parts)
        or "\\" in env_name
        or re.match(r"[A-Za-z]:", env_name)
        or any(unicodedata.category(character) == "Cc" for character in env_name)
    ):
        raise InvalidName(
            f"{env_name!r} is no environment's name but looks like a path. Allowed: a name such "
            "as 'snake' or 'gymnasium:ALE/Pong-v5', without '..', '\\', a drive letter or an "
            "absolute path. `rlplay.list_environments()` lists what there is."
        )
    ascii_name = unicodedata.normalize("NFKD", env_name).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_]+", "-", ascii_name).strip("-_")
    if not env_name.isascii() or len(name) > _MAX_ID or not name:
        digest = hashlib.sha256(env_name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{name[: _MAX_ID - 9].rstrip('-_') or 'env'}-{digest}"
    return check_id(name, "environment's folder")


def inside(root: Path, *names: str) -> Path:
    """Give the path of a file below a folder, unless a symbolic link leads out of that folder.

    Args:
        root: The folder; it may itself be a link.
        *names: Checked names, from the folder down.

    Returns:
        The path below ``root``; whether something is there is not asked.

    Raises:
        InvalidName: When the path leads out of the folder.
    """
    path = root.joinpath(*names)
    below = [root.joinpath(*names[:depth]) for depth in range(1, len(names) + 1)]
    # Windows knows other links too, so there every path is resolved.
    if sys.platform != "win32" and not any(map(os.path.islink, below)):
        return path
    try:
        stays = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        stays = False
    if not stays:
        raise InvalidName(
            f"{path} is a link that leads out of {root}. Only files inside the models folder are "
            "used: put a copy there instead of the link."
        )
    return path


# Whole files ----------------------------------------------------------------------------------


def to_json(value: Any) -> str:
    """Spell a value as one line of JSON.

    Raises:
        ValueError: For a number that is not finite: JSON has none.
        TypeError: For what JSON cannot hold.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file by new content, or leave the old one: never anything between.

    When this returns, content and name are on the disk.

    Args:
        path: The file; its folder must exist.
        data: The whole content.

    Raises:
        StorageError: When it cannot be written; the old file is as it was.
    """
    with writing(path) as write:
        write(data)


@contextmanager
def writing(path: Path) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Replace a file by content that comes in pieces, or leave the old one.

    When the block has ended, content and name are on the disk.

    Args:
        path: The file; its folder must exist.

    Yields:
        What takes the next piece.

    Raises:
        StorageError: When it cannot be written; the old file is as it was.
    """
    # One name for each writer, so that two of them never write into the same file.
    beside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with explained("write", path), _removed_on_error(beside):
        with _pieces(beside) as write:
            yield write
        disk.replace(beside, path)
        disk.sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for eyes and programs, like `write_bytes`."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    write_bytes(path, text.encode() + b"\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Let somebody else write a file, and move it into place when it is whole.

    The name that is given depends on ``path`` alone, since some formats store it.

    Args:
        path: The file to replace; its folder must exist, and only one may write it at a time.

    Yields:
        Where to write.

    Raises:
        StorageError: When it cannot be written; the old file is as it was.
    """
    beside = path.with_name(f".{path.name}.tmp")
    with explained("write", path), _removed_on_error(beside):
        yield beside
        disk.sync_file(beside)
        disk.replace(beside, path)
        disk.sync_folder(path.parent)


@contextmanager
def creating(path: Path) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Write a file piece by piece, in a folder that comes into place when all of it is whole.

    Its content is on the disk when the block ends.

    Args:
        path: The file; its folder must exist.

    Yields:
        What takes the next piece.

    Raises:
        StorageError: When it cannot be written.
    """
    with explained("write", path), _pieces(path) as write:
        yield write


@contextmanager
def _pieces(path: Path) -> Iterator[Callable[[bytes | memoryview], None]]:
    """Give what writes into a file, whose content is on the disk when the block ends."""
    descriptor = disk.create(path)
    try:
        yield lambda data: _write_all(descriptor, data)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


@contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    """Leave nothing half-written behind."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            disk.remove(path)
        raise


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, also where the system takes it in pieces."""
    rest = memoryview(data)
    while rest:
        written = disk.write(descriptor, rest)
        if written <= 0:
            raise OSError(errno.EIO, "the disk took no more bytes")
        rest = rest[written:]


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        StorageError: When it cannot be made.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for child in reversed(missing):
        with explained("make the folder", child):
            try:
                disk.make_folder(child)
            except FileExistsError:
                if not child.is_dir():
                    raise
            disk.sync_folder(child.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StorageError: When it cannot be removed.
    """
    with explained("remove", path), suppress(FileNotFoundError):
        disk.remove(path)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it; what a link leads to stays.

    Raises:
        StorageError: When something cannot be removed.
    """
    with explained("remove", folder):
        _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        tag = getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0)
        if entry.is_dir(follow_symlinks=False) and tag != _JUNCTION:
            _remove_tree(Path(entry.path))
        else:
            disk.remove(Path(entry.path))
    disk.remove_folder(folder)


def measure(path: Path) -> int:
    """Sum the sizes of a file, or of the files in a folder and below, in bytes.

    Links are not followed; what vanishes meanwhile is not counted.

    Raises:
        StorageError: When it cannot be read.
    """
    with explained("read", path):
        if path.is_dir() and not path.is_symlink():
            return _measure(path)
        return path.lstat().st_size


def _measure(folder: str | Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    total += _measure(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def read_bytes(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        StorageError: When it cannot be read.
    """
    with explained("read", path):
        return path.read_bytes()


#: How deep the JSON of our files may nest; what is deeper trips programs that walk it.
_MAX_DEPTH = 32


def parse_json(data: bytes) -> Any:
    """Read JSON that anybody may have made: what it gives can be walked, stored and reckoned with.

    Args:
        data: The whole text, in UTF-8.

    Returns:
        The value.

    Raises:
        ValueError: For anything but JSON, a key that comes twice, nesting deeper than 32 levels,
            a number that is not finite or beyond 64 bits, and text that no file can hold.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError(f"it nests deeper than {_MAX_DEPTH} levels") from None
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            item.encode()  # half a surrogate pair is a ValueError
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise ValueError(f"it has the number {item}, which is not finite")
        elif isinstance(item, int):
            if not -(2**63) <= item < 2**64:
                raise ValueError("it has a whole number beyond 64 bits")
        elif isinstance(item, dict | list):
            if depth > _MAX_DEPTH:
                raise ValueError(f"it nests deeper than {_MAX_DEPTH} levels")
            below = item if isinstance(item, list) else (*item.keys(), *item.values())
            waiting += [(part, depth + 1) for part in below]
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ on which of two equal keys counts, so that a check may see another value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        StorageError: When it cannot be read.
        DamagedFile: When it holds something else.
    """
    data = read_bytes(path)
    try:
        value = parse_json(data)
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged: {error}. {_PUT_BACK}") from error
    if not isinstance(value, dict):
        raise DamagedFile(
            f"{path} is damaged: it must hold a JSON object, not {type(value).__name__}. "
            f"{_PUT_BACK}"
        )
    return value


# Sums -----------------------------------------------------------------------------------------

_SUM = "sha256"


def seal(value: dict[str, Any]) -> dict[str, Any]:
    """Add the SHA-256 sum of a JSON object to it, as its field ``sha256``.

    The sum is that of the other fields as canonical JSON: keys sorted, no spaces, ASCII.
    """
    return {**value, _SUM: json_sum(value)}


def unseal(value: dict[str, Any], path: Path, required: bool = True) -> dict[str, Any]:
    """Check a JSON object that `seal` gave, and give it without its sum.

    Args:
        value: What stands in the file.
        path: The file, for the message.
        required: Whether an object without a sum is refused too.

    Raises:
        DamagedFile: When it is not what was sealed.
    """
    content = {key: field for key, field in value.items() if key != _SUM}
    if _SUM not in value and not required:
        return content
    try:
        whole = value.get(_SUM) == json_sum(content)
    except RecursionError:
        whole = False
    if not whole:
        raise DamagedFile(
            f"{path} is damaged, or was edited by hand: its content does not have the SHA-256 sum "
            f"that it names. {_PUT_BACK}"
        )
    return content


def json_sum(value: dict[str, Any]) -> str:
    """SHA-256 of a JSON object without its sum, spelled canonically: keys sorted, no spaces."""
    content = {key: field for key, field in value.items() if key != _SUM}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


_ZIP_BEGIN = b"PK\x03\x04"  # begins a zip file that holds anything
_ZIP_END = b"PK\x05\x06"  # begins the last record of a zip file
_ZIP_RECORD = 22  # its bytes without the comment, the last two of which are the comment's length
_ZIP_SUM = b"rlplay sha256 "  # begins our comment
_ZIP_LENGTH = (len(_ZIP_SUM) + 2 * hashlib.sha256().digest_size).to_bytes(2, "little")


def seal_zip(data: bytes) -> bytes:
    """Write the SHA-256 sum of a zip file, such as PyTorch makes, into its comment.

    So file and sum are one, and any program for zip files, PyTorch too, opens it as before.

    Args:
        data: The file; one that is no zip, or has a comment, is given back as it is.
    """
    record = data[-_ZIP_RECORD:]
    if not record.startswith(_ZIP_END) or record[-2:] != b"\0\0":
        return data
    content = data[:-2] + _ZIP_LENGTH
    return content + _zip_comment(content)


def check_zip(data: bytes, path: Path) -> None:
    """Compare a file with the sum that `seal_zip` gave it; one without a sum passes if it is whole.

    Args:
        data: The file's content.
        path: The file, for the message.

    Raises:
        DamagedFile: When it is not what was sealed.
    """
    longest = _ZIP_RECORD + int.from_bytes(_ZIP_LENGTH, "little")
    end = data.rfind(_ZIP_END, max(0, len(data) - longest)) + _ZIP_RECORD
    content, comment = data[:end], data[end:]
    if end < _ZIP_RECORD:
        if data.startswith(_ZIP_BEGIN):
            raise DamagedFile(
                f"{path} is damaged: its end is missing. Put back a copy of it, or train again."
            )
    elif content.endswith(_ZIP_LENGTH) and comment != _zip_comment(content):
        raise DamagedFile(
            f"{path} is damaged: its content does not have the SHA-256 sum that it names. Put back "
            "a copy of it, or train again."
        )


def _zip_comment(content: bytes) -> bytes:
    return _ZIP_SUM + hashlib.sha256(content).hexdigest().encode()


# Files of lines -------------------------------------------------------------------------------


class JsonLines(NamedTuple):
    """What could be read of a file of JSON lines.

    Attributes:
        records: The whole lines, in order.
        skipped: How many lines were torn or damaged.
    """

    records: list[dict[str, Any]]
    skipped: int


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append whole lines in one write; after a failure the file is as it was.

    The lines survive a crash of this process at once, and one of the machine as soon as the
    system has written them out.

    Args:
        path: The file, made if missing.
        lines: Texts without line breaks.

    Raises:
        StorageError: When they cannot be written.
    """
    if not lines:
        return
    data = "".join(f"{line}\n" for line in lines).encode()
    with explained("append to", path):
        descriptor = disk.open_end(path)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            if size and _last_byte(descriptor, size) != b"\n":
                # A crash tore the last line: end it, so that it costs nothing but itself.
                data = b"\n" + data
            try:
                _write_all(descriptor, data)
            except BaseException:
                with suppress(OSError):
                    disk.truncate(descriptor, size)
                raise
        finally:
            disk.close(descriptor)


def _last_byte(descriptor: int, size: int) -> bytes:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def cut(path: Path, size: int) -> None:
    """Cut a file to its first bytes.

    Args:
        path: The file.
        size: Bytes that stay.

    Raises:
        StorageError: When it cannot be cut.
    """
    with explained("cut", path):
        descriptor = disk.open_end(path)
        try:
            disk.truncate(descriptor, size)
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)


def read_jsonl(path: Path, size: int | None = None) -> JsonLines:
    """Read a file of JSON objects, one a line; a torn line costs that line alone.

    Args:
        path: The file; a missing one holds no lines.
        size: How many bytes of it; all without one.

    Returns:
        The whole lines and the number of the others.

    Raises:
        StorageError: When it cannot be read.
    """
    try:
        data = read_bytes(path)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return JsonLines([], 0)
        raise
    return _parse_lines(data[:size].split(b"\n"))


def read_last_jsonl(path: Path, count: int) -> JsonLines:
    """Read the last lines of a file of JSON objects, without reading the rest.

    Args:
        path: The file; a missing one holds no lines.
        count: How many lines, 0 or more.

    Returns:
        At most ``count`` whole lines, and the number of torn ones that were met.

    Raises:
        StorageError: When it cannot be read.
    """
    block = 4_096
    with explained("read", path):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return JsonLines([], 0)
        with file:
            start = size = file.seek(0, os.SEEK_END)
            lines: list[bytes] = []
            while True:
                if start == 0 or len(lines) >= count:
                    found = _parse_last(lines, count)
                    if start == 0 or len(found.records) >= count:
                        return found
                start = max(0, start - block)
                file.seek(start)
                lines = file.read(size - start).split(b"\n")
                if start > 0:
                    del lines[0]  # it may have begun before what was read
                block *= 4


def _parse_last(lines: Sequence[bytes], count: int) -> JsonLines:
    """Parse lines from the last one back, until there are enough records."""
    records: list[dict[str, Any]] = []
    skipped = 0
    for line in reversed(lines):
        if len(records) >= count:
            break
        found = _parse_lines([line])
        records += found.records
        skipped += found.skipped
    return JsonLines(records[::-1], skipped)


def _parse_lines(lines: Iterable[bytes]) -> JsonLines:
    records: list[dict[str, Any]] = []
    skipped = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append(record)
        else:
            skipped += 1
    return JsonLines(records, skipped)

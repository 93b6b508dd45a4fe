"""Checkpoints: all that a run needs to go on as if nothing had happened.

A checkpoint is one safetensors file: the arrays of a state, and in its header, as JSON, the
plain values around them. Nothing in it is ever run, and it is read back equal to the last bit.
``checkpoint.json`` says which checkpoints are good, with the SHA-256 of each; it is moved into
place last, so that a crash at any moment leaves the checkpoints that it names untouched. What it
says of a checkpoint stands beside that file too, so that no damaged file costs more than itself.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open

from rlplay.errors import ContractError, DamagedFile, RunNotFound, StorageError
from rlplay.storage import files

__all__ = [
    "LINES",
    "Checkpoints",
    "Entry",
    "Packed",
    "Shadow",
    "pack",
    "read_arrays",
    "write_arrays",
]

#: Version of the layout of ``checkpoint.json`` and of the files that it names.
FORMAT_VERSION: Final = 1

#: Checkpoints that are kept: the newest, and the one to fall back on.
KEPT: Final = 2

#: Files of a run that grow by lines, and the field of `Entry` that says how far a checkpoint goes.
LINES: Final = {"metrics.jsonl": "metrics_bytes", "events.jsonl": "events_bytes"}

_INDEX: Final = "checkpoint.json"
_FOLDER: Final = "checkpoints"
_STATE: Final = "state"

_CHUNK = 4 << 20  # bytes that are hashed and written at once

_SAFE_NAMES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}

Arrays = dict[str, npt.NDArray[Any]]


# States as trees ------------------------------------------------------------------------------


class Packed(NamedTuple):
    """A state, taken apart.

    Attributes:
        plain: The state as JSON can hold it, with names in place of arrays.
        arrays: The arrays by name; they share their memory with the state.
        names: For each array its place in the state, as in "agent.network.0.weight".
    """

    plain: Any
    arrays: Arrays
    names: dict[str, str]


def pack(state: Any) -> Packed:
    """Take a state apart into plain values and arrays.

    Args:
        state: Dicts, lists, tuples, tensors, arrays, numbers, texts, booleans and None.

    Returns:
        Its parts, of which `unpack` makes an equal state.

    Raises:
        ContractError: For anything else in it, named by its place.
    """
    arrays: Arrays = {}
    names: dict[str, str] = {}

    def hold(array: npt.NDArray[Any], place: str) -> str:
        name = str(len(arrays))
        arrays[name], names[name] = array, place
        return name

    def take(value: Any, place: str) -> Any:
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, torch.Tensor):
            tensor = value.detach().cpu()
            if tensor.dtype == torch.bfloat16:
                return {"$tensor": hold(tensor.view(torch.int16).numpy(), place), "$as": "bfloat16"}
            return {"$tensor": hold(tensor.numpy(), place)}
        if isinstance(value, np.ndarray) and value.dtype.name in _SAFE_NAMES:
            return {"$array": hold(value, place)}
        if isinstance(value, np.generic):
            return take(value.item(), place)
        if isinstance(value, tuple):
            return {"$tuple": [take(item, f"{place}[{i}]") for i, item in enumerate(value)]}
        if isinstance(value, list):
            return [take(item, f"{place}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, Mapping):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: take(item, f"{place}.{key}") for key, item in value.items()}
            return {
                "$dict": [
                    [take(key, place), take(item, f"{place}[{key!r}]")]
                    for key, item in value.items()
                ]
            }
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise ContractError(
            f"The state cannot be saved: {place.lstrip('.') or 'it'} is {kind}. Allowed are "
            "dicts, lists, tuples, tensors, arrays of numbers, numbers, texts and None."
        )

    return Packed(take(state, ""), arrays, names)


def unpack(plain: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Put a state together that `pack` took apart."""
    if isinstance(plain, list):
        return [unpack(item, arrays) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "$tensor" in plain:
        tensor = torch.from_numpy(arrays[plain["$tensor"]])
        return tensor.view(torch.bfloat16) if plain.get("$as") == "bfloat16" else tensor
    if "$array" in plain:
        return arrays[plain["$array"]]
    if "$float" in plain:
        return float(plain["$float"])
    if "$tuple" in plain:
        return tuple(unpack(item, arrays) for item in plain["$tuple"])
    if "$dict" in plain:
        return {unpack(key, arrays): unpack(item, arrays) for key, item in plain["$dict"]}
    return {key: unpack(item, arrays) for key, item in plain.items()}


class Shadow:
    """Copies of arrays, in memory that is taken once.

    What trains goes on as soon as its arrays are copied, while another thread writes the copy.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, npt.NDArray[np.uint8]] = {}

    def copy(self, packed: Packed) -> Packed:
        """Copy the arrays; the last copy is overwritten.

        Args:
            packed: What to copy.

        Returns:
            The same, in memory of its own.
        """
        return packed._replace(
            arrays={
                name: self._copied(packed.names[name], array)
                for name, array in packed.arrays.items()
            }
        )

    def _copied(self, place: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        # By its place: the number of an array changes when others come before it.
        room = self._rooms.get(place)
        if room is None or room.nbytes < array.nbytes:
            # The filled part of a buffer will grow to the whole of it.
            whole = array.base if isinstance(array.base, np.ndarray) else array
            # Written once, so that the system hands the memory out now and not while training.
            room = self._rooms[place] = np.ones(max(array.nbytes, whole.nbytes), np.uint8)
        copy: npt.NDArray[Any] = room[: array.nbytes].view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        return copy


# Files of arrays --------------------------------------------------------------------------------


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], plain: Any = None) -> str:
    """Write arrays as a safetensors file: when this returns, it is on the disk.

    Written in pieces straight from the arrays, so that other threads go on meanwhile.

    Args:
        path: The file; it is the old or the new one, whatever happens.
        arrays: Arrays by name.
        plain: What JSON can hold, to go with them.

    Returns:
        The file's SHA-256.

    Raises:
        StorageError: When it cannot be written; the old file is as it was.
    """
    # The largest items first, so that every array lies where its type wants it.
    order = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    header: dict[str, Any] = {
        "__metadata__": {"format": f"rlplay {FORMAT_VERSION}", _STATE: files.to_json(plain)}
    }
    begin = 0
    for name in order:
        array = arrays[name]
        header[name] = {
            "dtype": _SAFE_NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, begin + array.nbytes],
        }
        begin += array.nbytes
    text = files.to_json(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with files.writing(path) as write:
        head = np.frombuffer(len(text).to_bytes(8, "little") + text, np.uint8)
        for array in (head, *(arrays[name] for name in order)):
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            for start in range(0, len(data), _CHUNK):
                piece = data[start : start + _CHUNK].data
                digest.update(piece)
                write(piece)
    return digest.hexdigest()


def read_arrays(path: Path) -> tuple[Arrays, Any]:
    """Read what `write_arrays` wrote.

    Raises:
        DamagedFile: When the file holds something else.
        StorageError: When it cannot be read.
    """
    with files.explained("read", path):
        try:
            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
            return arrays, json.loads(metadata.get(_STATE, "null"))
        except (SafetensorError, ValueError, RecursionError) as error:
            raise DamagedFile(
                f"{path} is damaged: {error}. Delete it, or put back a copy of it."
            ) from error


def _sha256(path: Path) -> str:
    with files.explained("read", path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# The checkpoints of a run -----------------------------------------------------------------------


class Entry(BaseModel):
    """One good checkpoint, as ``checkpoint.json`` names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: int = Field(ge=0, description="environment steps of the run")
    items: int = Field(ge=0, description="moves and updates of the run")
    file: str = Field(pattern=r"^[0-9]+(-[0-9]+)?\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    metrics_bytes: int = Field(ge=0, description="length of metrics.jsonl at that moment")
    events_bytes: int = Field(ge=0, description="length of events.jsonl at that moment")
    saved_at: float = Field(description="seconds since 1970")
    is_last: bool | None = Field(
        default=None,
        description="whether the run had done all it had to; None in older files",
    )

    def ends(self, total_steps: int) -> bool:
        """Whether a run of so many steps has nothing more to do, or to write, than this."""
        return self.step >= total_steps if self.is_last is None else self.is_last


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._index = folder / _INDEX
        self._fork = f"fork the run to begin with its weights: rlplay train --fork {folder.name}"

    def entries(self) -> list[Entry]:
        """Name the good checkpoints, the newest first; none where there never was one.

        Raises:
            DamagedFile: When ``checkpoint.json`` cannot be read, nor what stands beside them.
            StorageError: When a newer rlplay wrote it.
        """
        return self._named()[0]

    def usable(self) -> list[Entry]:
        """Name the good checkpoints whose file and lines are there, without reading them.

        Raises:
            DamagedFile: When ``checkpoint.json`` cannot be read, nor what stands beside them.
            StorageError: When a newer rlplay wrote it.
        """
        return [entry for entry in self.entries() if self._find_gap(entry) is None]

    def go_on_from(self, entry: Entry) -> list[Entry]:
        """Name no checkpoint any more that is newer than the one a run goes on from.

        Args:
            entry: The one that was loaded.

        Returns:
            Those that were refused; their files are where they were.

        Raises:
            StorageError: When the index cannot be written; it is as it was.
        """
        named, problems = self._named()
        place = named.index(entry)
        refused, kept = named[:place], named[place:]
        if refused or problems:
            _write_names(self._index, {"checkpoints": [one.model_dump() for one in kept[:KEPT]]})
        for one in refused:
            files.remove(self._folder / _note(one))
        return refused

    def _named(self) -> tuple[list[Entry], list[str]]:
        """Give `entries`, and where ``checkpoint.json`` is damaged a sentence that says so."""
        with files.explained("read", self._index):
            there = self._index.is_file()
        if not there:
            return self._noted(), []
        try:
            index = self._read(self._index)
            return [self._entry(entry, self._index) for entry in index["checkpoints"]], []
        except DamagedFile as error:
            found = self._noted()
            if not found:
                raise DamagedFile(
                    f"{self._index} is damaged. Put back a copy of it; without one, {self._fork}"
                ) from error
            return found, [f"{self._index.name} is damaged; the checkpoints were found without it."]

    def _noted(self) -> list[Entry]:
        """Name the checkpoints by what stands beside them, the newest first."""
        found = []
        for path in self._folder.glob("*.json"):
            with suppress(DamagedFile):
                found.append(self._entry(self._read(path)["checkpoint"], path))
        return sorted(found, key=lambda entry: (entry.step, entry.saved_at), reverse=True)

    def _read(self, path: Path) -> dict[str, Any]:
        """Read what names checkpoints."""
        values = files.read_json(path)
        version = values.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise StorageError(
                f"{path} has format version {version}; this rlplay reads versions up to "
                f"{FORMAT_VERSION}. Install the newest rlplay to go on with this run."
            )
        return files.unseal(values, path)

    @staticmethod
    def _entry(values: Any, path: Path) -> Entry:
        try:
            return Entry.model_validate(values)
        except ValidationError as error:
            raise DamagedFile(f"{path} is damaged: {error}.") from error

    def _find_gap(self, entry: Entry) -> str | None:
        """Say what a checkpoint lacks that can be seen without reading it; None for nothing."""
        with files.explained("read", self._folder):
            if not (self._folder / entry.file).is_file():
                return f"Checkpoint {entry.file} is missing."
            for name, field in LINES.items():
                path, needed = self._folder.parent / name, getattr(entry, field)
                size = path.stat().st_size if path.is_file() else 0
                if size < needed:
                    return (
                        f"{name} has {size} bytes, and checkpoint {entry.file} needs {needed}: "
                        "lines are missing."
                    )
        return None

    def save(
        self,
        packed: Packed,
        *,
        step: int,
        items: int,
        metrics_bytes: int,
        events_bytes: int,
        is_last: bool = False,
        before_naming: Callable[[], None] = lambda: None,
    ) -> Entry:
        """Write a checkpoint, then name it, then remove what is too old.

        Args:
            packed: The state.
            step: Environment steps of the run.
            items: Moves and updates of the run.
            metrics_bytes: Length of the metrics that belong to it.
            events_bytes: Length of the events that belong to it.
            is_last: Whether the run has done all that it had to.
            before_naming: Called when the state is on the disk, before it counts.

        Returns:
            The new entry, good by then.

        Raises:
            StorageError: When it cannot be written; the older checkpoints are as they were.
        """
        if not self._folder.is_dir():
            files.make_folders(self._folder)
        try:
            named = self.entries()
        except DamagedFile:
            named = []
        kept = named[: KEPT - 1]
        taken = {entry.file for entry in named}
        names = (f"{step}{f'-{n}' if n else ''}.safetensors" for n in itertools.count())
        name = next(name for name in names if name not in taken)
        sha256 = write_arrays(self._folder / name, packed.arrays, packed.plain)
        before_naming()
        entry = Entry(
            step=step,
            items=items,
            file=name,
            sha256=sha256,
            metrics_bytes=metrics_bytes,
            events_bytes=events_bytes,
            saved_at=round(time.time(), 3),
            is_last=is_last,
        )
        good = [entry, *kept]
        _write_names(self._folder / _note(entry), {"checkpoint": entry.model_dump()})
        _write_names(self._index, {"checkpoints": [one.model_dump() for one in good]})
        current = {name for one in good for name in (one.file, _note(one))}
        for path in self._folder.iterdir():
            if path.name not in current:
                files.remove(path)
        return entry

    def load(self) -> tuple[Entry, Any, list[str]]:
        """Load the newest checkpoint that is whole.

        Returns:
            Its entry, the state, and a sentence for each thing that is damaged and newer.

        Raises:
            RunNotFound: When there is none at all.
            DamagedFile: When none of them is whole.
        """
        entries, damaged = self._named()
        if not entries:
            raise RunNotFound(
                f"{self._folder.parent} has no checkpoint to go on from; {self._fork}"
            )
        for entry in entries:
            path = self._folder / entry.file
            try:
                if gap := self._find_gap(entry):
                    raise DamagedFile(gap)
                if _sha256(path) != entry.sha256:
                    raise DamagedFile(
                        f"Checkpoint {entry.file} is damaged: its content does not have the "
                        "SHA-256 sum that was saved."
                    )
                arrays, plain = read_arrays(path)
                return entry, unpack(plain, arrays), damaged
            except StorageError as error:
                damaged.append(str(error))
        raise DamagedFile(
            f"No checkpoint of this run is whole. {' '.join(damaged)} Put back a copy of what is "
            f"missing; without one, {self._fork}"
        )


def _note(entry: Entry) -> str:
    """Name the file that stands beside a checkpoint and says of it what the index says."""
    return entry.file.removesuffix(".safetensors") + ".json"


def _write_names(path: Path, names: dict[str, Any]) -> None:
    files.write_json(path, files.seal({"format_version": FORMAT_VERSION, **names}))

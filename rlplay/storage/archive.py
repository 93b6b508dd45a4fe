"""Archives: a run as one zip, handed from one person to another who need not trust each other.

An archive holds ``manifest.json`` (the version of its format, and size and SHA-256 of each other
member), ``config.json`` as in the run's folder and, where the run has them,
``weights.safetensors``, ``metrics.jsonl``, ``events.jsonl``, ``replays/<replay_id>.json`` and
``snapshots/<steps>.safetensors``.

Whoever opens one believes nothing: the end of the file says how large its directory is before the
directory is read, the directory says what the members are before one is read, and each member is
read piece by piece, no further than it was announced. Only a name as above becomes a path. JSON
and safetensors are data; nothing that could run code is read. What export writes passes the same
checks as what import reads.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import gymnasium
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field

from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.envs.gymnasium_env import PREFIX
from rlplay.errors import ArchiveError, RlplayError, UnknownName
from rlplay.storage import files
from rlplay.storage.checkpoint import LINES
from rlplay.storage.events import ChangeChecker, Event, read_event
from rlplay.storage.files import explained, inside, is_reserved, parse_json
from rlplay.storage.replay import Replay

__all__ = ["FORMAT_VERSION", "Archive", "open_archive", "refusing", "write_archive"]

#: Version of the archive's layout.
FORMAT_VERSION: Final = 1

_MANIFEST, _CONFIG, _WEIGHTS = "manifest.json", "config.json", "weights.safetensors"
_METRICS, _EVENTS = LINES
_REPLAYS, _SNAPSHOTS = "replays", "snapshots"

_MB: Final = 1 << 20
#: The members that there may be, with the most bytes of each.
_LIMITS: Final = (
    (re.compile(re.escape(_MANIFEST)), _MB),
    (re.compile(re.escape(_CONFIG)), _MB // 4),
    (re.compile(re.escape(_WEIGHTS)), 512 * _MB),
    (re.compile(re.escape(_METRICS)), 256 * _MB),
    (re.compile(re.escape(_EVENTS)), 16 * _MB),
    (re.compile(rf"{_REPLAYS}/[a-z0-9][a-z0-9_-]{{0,63}}\.json"), 8 * _MB),
    (re.compile(rf"{_SNAPSHOTS}/(0|[1-9][0-9]{{0,15}})\.safetensors"), 512 * _MB),
)
_MAX_MEMBERS: Final = 2_000
_MAX_BYTES: Final = 2_048 * _MB  # of all members together
_MAX_DIRECTORY: Final = 256 * _MAX_MEMBERS  # bytes; a record of ours has less than 150
_MAX_LINE: Final = 65_536  # bytes
#: How many times larger than its compressed form a member may be, as soon as it has a megabyte.
_MAX_RATIO: Final = 200
_MAX_HEADER: Final = _MB  # bytes of a safetensors file beside its numbers
_CHUNK: Final = 1 << 18  # bytes
#: What the options of an environment that is not ours may be, since its code makes of them what it
#: wants: characters in all, the largest whole number, and texts.
_MAX_ARGUMENTS: Final = 10_000
_MAX_ARGUMENT: Final = 10_000
_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_-]{0,64}")
_MAX_REASON: Final = 500  # characters


class _Refused(Exception):
    """Something of a run or an archive that is not taken; never leaves this module."""


def _limit(name: str) -> int | None:
    """Give the most bytes of a member; None for one that there may not be."""
    return next((limit for pattern, limit in _LIMITS if pattern.fullmatch(name)), None)


def _shown(name: str) -> str:
    """Quote a name that may be anything."""
    return repr(name if len(name) <= 80 else f"{name[:80]}…")


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Refuse an archive or a run where the block finds something that is not as it should be.

    Args:
        what: Where it was found.
    """
    try:
        yield
    except UnknownName as error:
        raise _Refused(
            f"the run cannot be used here. {error} Register first what it was made with"
        ) from error
    except (RlplayError, ValueError) as error:
        raise _Refused(f"{what}: {error}") from error


def _archive_error(doing: str, refused: _Refused, advice: str) -> ArchiveError:
    reason = str(refused)
    if len(reason) > _MAX_REASON:
        reason = f"{reason[:_MAX_REASON]}…"
    return ArchiveError(f"{doing}: {reason.rstrip('.')}. {advice}")


# What a run's members must be, on the way out as on the way in ----------------------------------


class _MetricsLine(BaseModel):
    """What everybody who reads a metrics line reckons with."""

    model_config = ConfigDict(strict=True)

    episode: int = Field(ge=1)
    episodes: int = Field(ge=1)
    steps: int = Field(ge=0)
    score: float | None
    best_score: float | None
    endings: dict[str, int] = Field(default_factory=dict)


def _check_line(name: str, record: object) -> Event | None:
    """Let a line of metrics or events pass.

    Returns:
        The event, where it is one.

    Raises:
        ValueError: For anything else.
    """
    if name == _EVENTS:
        return read_event(record)
    if not isinstance(record, dict):
        raise ValueError(f"a line must be a JSON object, not {type(record).__name__}")
    validated(_MetricsLine, record, "a line")
    return None


def _check_lines(name: str, chunks: Iterable[bytes], config: RunConfig) -> Iterator[bytes]:
    """Pass whole lines on as they come, each of them checked."""
    number, rest = 0, b""
    checker = ChangeChecker(config)
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if max(map(len, (*lines, rest))) > _MAX_LINE:
            raise _Refused(f"{name} has a line of more than {_MAX_LINE:,} bytes")
        for line in lines:
            number += 1
            with refusing(f"{name}, line {number:,}"):
                if (event := _check_line(name, parse_json(line))) is not None:
                    checker.take(event)
        yield b"".join(line + b"\n" for line in lines)
    with refusing(f"{name}, line {number:,}"):
        checker.finish()
    if rest:
        raise _Refused(f"{name} ends within a line")


def _spaces(config: RunConfig) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Give the spaces of the run's environment."""
    spec = get_env_spec(config.env_name)
    options = validated(spec.config_model, config.env_config, f"Environment {spec.name!r}")
    if spec.name.startswith(PREFIX):  # its code is not ours, and has to be made for this
        _check_arguments(config.env_config.get("options", {}))
    try:
        return spec.get_spaces(options)
    except RlplayError:
        raise
    except Exception as error:
        raise _Refused(
            f"environment {spec.name!r} cannot be made with the options of the run: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_arguments(values: Any) -> None:
    """Let arguments pass of which no environment makes a file's name or something huge.

    Raises:
        ValueError: For anything else.
    """
    if len(json.dumps(values)) > _MAX_ARGUMENTS:
        raise ValueError(f"options of the environment have more than {_MAX_ARGUMENTS:,} characters")
    rest = [values]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, int) and abs(value) > _MAX_ARGUMENT:
            raise ValueError(f"an option of the environment is above {_MAX_ARGUMENT:,}: {value}")
        elif isinstance(value, str) and not _ARGUMENT.fullmatch(value):
            raise ValueError(
                f"an option of the environment is {_shown(value)}; of an archive only letters, "
                "digits, - and _ are taken there"
            )


def _expected_weights(config: RunConfig) -> dict[str, torch.Tensor]:
    """Say which weights the run has, without making any."""
    return get_agent_spec(config.algo).agent.describe_weights(config, *_spaces(config))


def _check_weights(
    name: str, weights: Mapping[str, Any], expected: Mapping[str, torch.Tensor]
) -> None:
    """Let weights pass that fit the network, all of them finite."""
    for wrong, found in (
        ("lacks", expected.keys() - weights.keys()),
        ("has an unknown", weights.keys() - expected.keys()),
    ):
        if found:
            raise _Refused(f"{name} {wrong} tensor {_shown(min(map(str, found)))}")
    for key, like in expected.items():
        tensor = weights[key]
        if not isinstance(tensor, torch.Tensor):
            raise _Refused(f"{name}: {key} is no tensor but {type(tensor).__name__}")
        if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            raise _Refused(
                f"{name}: tensor {key} is {tensor.dtype} of shape {tuple(tensor.shape)}; the "
                f"network of {_CONFIG} has {like.dtype} of shape {tuple(like.shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise _Refused(f"{name}: tensor {key} has numbers that are not finite")


def _parse_weights(
    name: str, data: bytes, expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Read a safetensors file."""
    try:
        weights = safetensors.torch.load(data)
    except Exception as error:  # the library promises no family of errors
        raise _Refused(f"{name} is no safetensors file: {error}") from error
    _check_weights(name, weights, expected)
    return {key: weights[key] for key in expected}


def _allowed_actions(config: RunConfig) -> range | None:
    """Give the actions of the run's environment; None where they are no plain numbers."""
    _, space = _spaces(config)
    if not isinstance(space, gymnasium.spaces.Discrete):
        return None
    return range(int(space.start), int(space.start + space.n))


def _check_replay(name: str, data: bytes, config: RunConfig, allowed: range | None) -> Replay:
    """Read a replay that can be played in the run's environment."""
    with refusing(name):
        values = parse_json(data)
        if not isinstance(values, dict):
            raise ValueError(f"it must be a JSON object, not {type(values).__name__}")
        replay = Replay.from_dict(values)
        if name != f"{_REPLAYS}/{replay.replay_id}.json":
            raise ValueError(f"it is the replay {replay.replay_id!r}")
        if replay.env_name != config.env_name:
            raise ValueError(f"it plays {_shown(replay.env_name)}, the run {config.env_name!r}")
        config.replace(env_config=replay.env_config, reward_config=replay.reward_config)
        if allowed and not all(action in allowed for action in {*replay.actions}):
            raise ValueError(f"its actions must be from {allowed[0]} to {allowed[-1]}")
    return replay


# Export ---------------------------------------------------------------------------------------


def write_archive(
    path: Path,
    folder: Path,
    config: RunConfig,
    record: Mapping[str, Any],
    weights: Mapping[str, Any] | None,
) -> None:
    """Write a run as an archive; the file is whole or as it was before.

    Args:
        path: The file, whose name ends in ".zip".
        folder: The run's folder.
        config: The run's config.
        record: All of its ``config.json``.
        weights: Its state dict, if it has one.

    Raises:
        ArchiveError: When the run has something that no import would take.
        StorageError: When a file cannot be read or written.
    """
    doing = f"Cannot export run {config.run_id!r}"
    if path.suffix.lower() != ".zip":
        raise ArchiveError(f"{doing} to {path}: an archive's name must end in '.zip'.")
    if not path.parent.is_dir():
        raise ArchiveError(f"{doing} to {path}: there is no folder {path.parent}. Make it first.")
    try:
        with files.replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
            writer = _Writer(archive)
            writer.add(_CONFIG, [json.dumps(record, ensure_ascii=False, indent=2).encode()])
            _export_weights(writer, folder, config, weights)
            with refusing("the environment"):
                allowed = _allowed_actions(config)
            for file in _listed(folder, _REPLAYS, ".json"):
                if (data := _read_file(file)) is not None:
                    name = f"{_REPLAYS}/{file.name}"
                    _check_replay(name, data, config, allowed)
                    writer.add(name, [data], shrink=_may_shrink([data]))
            for name in (_METRICS, _EVENTS):
                if (file := inside(folder, name)).is_file():
                    shrink = _may_shrink(_pieces(file))
                    writer.add(name, _whole_lines(name, file), shrink=shrink)
            writer.finish()
    except _Refused as refused:
        raise _archive_error(doing, refused, "Nothing was written.") from refused


def _export_weights(
    writer: _Writer, folder: Path, config: RunConfig, weights: Mapping[str, Any] | None
) -> None:
    """Write the weights and their snapshots."""
    snapshots = _listed(folder, _SNAPSHOTS, ".safetensors")
    if weights is None and not snapshots:
        return
    with refusing("the weights"):
        expected = _expected_weights(config)
    if weights is not None:
        _check_weights(_WEIGHTS, weights, expected)
        tensors = {key: weights[key].contiguous() for key in expected}
        writer.add(_WEIGHTS, [safetensors.torch.save(tensors)], shrink=False)
    for file in snapshots:
        if (data := _read_file(file)) is not None:
            name = f"{_SNAPSHOTS}/{file.name}"
            _parse_weights(name, data, expected)
            writer.add(name, [data], shrink=False)


class _Writer:
    """Puts members into a zip and keeps the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: dict[str, dict[str, Any]] = {}
        self._size = 0

    def add(self, name: str, chunks: Iterable[bytes], *, shrink: bool = True) -> None:
        """Write a member piece by piece, compressed or as it is."""
        limit = _limit(name)
        if limit is None:
            raise _Refused(f"{name} is no name of a file that goes into an archive")
        info = zipfile.ZipInfo(name)  # with a fixed date: the same run gives the same bytes
        info.create_system = 3
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        info.compress_type = zipfile.ZIP_DEFLATED if shrink else zipfile.ZIP_STORED
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w") as member:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise _Refused(f"{name} has more than {limit:,} bytes")
                digest.update(chunk)
                member.write(chunk)
        self._size += size
        self._members[name] = {"sha256": digest.hexdigest(), "size": size}
        if len(self._members) > _MAX_MEMBERS or self._size > _MAX_BYTES:
            raise _Refused(
                f"an archive takes {_MAX_MEMBERS:,} files and {_MAX_BYTES:,} bytes, and this run "
                "has more. Delete some of its replays"
            )

    def finish(self) -> None:
        """Write the manifest."""
        manifest = {
            "format_version": FORMAT_VERSION,
            "rlplay_version": _rlplay_version(),
            "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "members": dict(self._members),
        }
        self.add(_MANIFEST, [json.dumps(manifest, indent=2).encode()])


def _rlplay_version() -> str:
    try:
        return metadata.version("rlplay")
    except metadata.PackageNotFoundError:
        return "unknown"


def _listed(folder: Path, name: str, suffix: str) -> list[Path]:
    """List the files of a folder of the run; a missing folder has none."""
    found = inside(folder, name)
    with explained("read", found):
        if not found.is_dir():
            return []
        return sorted(
            inside(folder, name, entry)
            for entry in os.listdir(found)
            if entry.endswith(suffix) and _limit(f"{name}/{entry}") is not None
        )


def _read_file(file: Path) -> bytes | None:
    """Read a file; None where a training that goes on has just replaced it by another one."""
    with explained("read", file):
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None


def _pieces(file: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with explained("read", file), file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            yield chunk


def _may_shrink(chunks: Iterable[bytes]) -> bool:
    """Whether something may be compressed: many equal moves or lines would look like a bomb.

    Half of what an import takes leaves room for what a file grows by meanwhile.
    """
    compressor = zlib.compressobj()
    size = packed = 0
    for chunk in chunks:
        size += len(chunk)
        packed += len(compressor.compress(chunk))
    packed += len(compressor.flush())
    return 2 * size <= _MB or 2 * size <= _MAX_RATIO * packed


def _whole_lines(name: str, file: Path) -> Iterator[bytes]:
    """Read the lines that a file of lines has now, without those that a crash tore."""
    with explained("read", file), file.open("rb") as lines:
        end = os.fstat(lines.fileno()).st_size
        number = 0
        while lines.tell() < end and (line := lines.readline()).endswith(b"\n"):
            number += 1
            try:
                record = parse_json(line)
            except ValueError:
                continue
            if len(line) > _MAX_LINE:
                raise _Refused(f"{name} has a line of more than {_MAX_LINE:,} bytes")
            with refusing(f"{name}, line {number:,}"):
                _check_line(name, record)
            yield line


# Import ---------------------------------------------------------------------------------------


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open somebody's archive; what is refused of it within the block is one clear error.

    Args:
        path: The file.

    Yields:
        The archive, its members named and announced as they may be, its config read.

    Raises:
        ArchiveError: When it is refused, with the reason.
        StorageError: When the file cannot be read.
    """
    if not path.is_file():
        raise ArchiveError(
            f"Cannot import {path}: there is no such file. Give the path of an archive that "
            "`rlplay export` wrote."
        )
    with explained("read", path):
        file = path.open("rb")
    with file:
        try:
            yield Archive(file, path)
        except _Refused as refused:
            raise _archive_error(
                f"Cannot import {path}",
                refused,
                "Nothing was imported. `rlplay export` writes an archive that can be.",
            ) from refused


class _Claim(BaseModel):
    """What a manifest says of a member."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format_version: int = Field(ge=1)
    rlplay_version: str
    created_at: str
    members: dict[str, _Claim]


class Archive:
    """An archive that is being read; see `open_archive`.

    Attributes:
        record: What ``config.json`` holds, a JSON object of anything.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        with explained("read", path):
            self._zip, self._infos = _open_zip(file)
        #: As the directory announces them.
        self._sizes = {name: info.file_size for name, info in self._infos.items()}
        self._claims: dict[str, _Claim] = {}
        self._claims = self._read_claims()
        self.record: dict[str, Any] = self._read_object(_CONFIG)

    def _read_claims(self) -> dict[str, _Claim]:
        """Read the manifest, and compare its members with the archive's."""
        values = self._read_object(_MANIFEST)
        version = values.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise _Refused(
                f"it has format version {version}, and this rlplay reads versions up to "
                f"{FORMAT_VERSION}. Install the newest rlplay"
            )
        with refusing(_MANIFEST):
            claims = validated(_Manifest, values, "The manifest").members
        if _CONFIG not in claims:
            raise _Refused(f"{_CONFIG} is missing")
        names = self._infos.keys() - {_MANIFEST}
        if missing := claims.keys() - names:
            raise _Refused(f"{_shown(min(missing))} is missing, which the manifest names")
        if others := names - claims.keys():
            raise _Refused(f"the manifest does not name {_shown(min(others))}")
        return claims

    # Members -----------------------------------------------------------------------------------

    def _chunks(self, name: str) -> Iterator[bytes]:
        """Read a member piece by piece, no further than it was announced, and check its sum."""
        announced, claim = self._sizes[name], self._claims.get(name)
        if claim is not None and claim.size != announced:
            raise _Refused(f"{name} has {announced:,} bytes; the manifest says {claim.size:,}")
        info = self._infos[name]
        # zipfile would end a member where its announced size does, and hide what follows.
        info.file_size = announced + 2 * _CHUNK
        digest, size = hashlib.sha256(), 0
        with explained("read", self._path), _refusing_damage(name), self._zip.open(info) as member:
            while chunk := member.read(_CHUNK):
                size += len(chunk)
                if size > announced:
                    break
                digest.update(chunk)
                yield chunk
        if size != announced:
            more = "more" if size > announced else "fewer"
            raise _Refused(f"{name} has {more} bytes than the {announced:,} that were announced")
        if claim is not None and digest.hexdigest() != claim.sha256:
            raise _Refused(f"{name} is not what was exported: its SHA-256 is another one")

    def _read(self, name: str) -> bytes:
        return b"".join(self._chunks(name))

    def _read_object(self, name: str) -> dict[str, Any]:
        if name not in self._infos:
            raise _Refused(f"{name} is missing")
        data = self._read(name)
        with refusing(name):
            value = parse_json(data)
        if not isinstance(value, dict):
            raise _Refused(f"{name} must be a JSON object, not {type(value).__name__}")
        return value

    def _read_weights(self, name: str, expected: Mapping[str, torch.Tensor]) -> bytes:
        """Read a safetensors file that can hold what is expected, and hardly more."""
        size = self._sizes[name]
        wanted = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
        if not wanted <= size <= wanted + _MAX_HEADER:
            raise _Refused(
                f"{name} has {size:,} bytes; the network of {_CONFIG} has weights of {wanted:,}"
            )
        return self._read(name)

    def unpack(self, folder: Path, config: RunConfig) -> dict[str, torch.Tensor] | None:
        """Write metrics, events, replays and snapshots of the weights, each of them checked.

        Args:
            folder: An empty folder.
            config: The run's config with its fresh id, which the replays get too.

        Returns:
            The weights by name, if the archive has them; they are not written.
        """
        members = sorted(self._claims)
        expected: dict[str, torch.Tensor] = {}
        if any(name.endswith(".safetensors") for name in members):
            with refusing("the weights"):
                expected = _expected_weights(config)
        weights = None
        with refusing("the environment"):
            allowed = _allowed_actions(config)
        folders = {folder.joinpath(*name.split("/")[:-1]) for name in members} - {folder}
        for below in folders:
            files.make_folders(below)
        for name in members:
            target = folder / name
            if name in (_METRICS, _EVENTS):
                with files.creating(target) as write:
                    for lines in _check_lines(name, self._chunks(name), config):
                        write(lines)
            elif name == _WEIGHTS:
                weights = _parse_weights(name, self._read_weights(name, expected), expected)
            elif name.startswith(f"{_SNAPSHOTS}/"):
                data = self._read_weights(name, expected)
                _parse_weights(name, data, expected)
                with files.creating(target) as write:
                    write(data)
            elif name.startswith(f"{_REPLAYS}/"):
                replay = _check_replay(name, self._read(name), config, allowed)
                own = replay.model_copy(update={"run_id": config.run_id})
                with files.creating(target) as write:
                    write(files.to_json(own.to_dict()).encode() + b"\n")
        for below in folders:
            with explained("write", below):
                files.disk.sync_folder(below)
        return weights


# The zip --------------------------------------------------------------------------------------

_END: Final = struct.Struct("<4s4H2LH")
_END64_PLACE: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_HEADER: Final = struct.Struct("<4s5H3L2H")
_FULL32: Final = 0xFFFFFFFF
#: What the fields of `_END` say where only those of `_END64` have room.
_FULL: Final = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, _FULL32, _FULL32)

#: What a member's flags may say: UTF-8, and how hard the compressor tried.
_FLAGS: Final = 0x806
_ENCRYPTED: Final = 0x2041


class _Directory(NamedTuple):
    """Where the directory of a zip is, by the end of the file.

    Attributes:
        start: Its first byte.
        num_members: How many members it has.
    """

    start: int
    num_members: int


def _read_at(file: BinaryIO, place: int, form: struct.Struct, signature: bytes) -> Any:
    """Read a record; None when there is no such record at this place."""
    if place < 0:
        return None
    file.seek(place)
    data = file.read(form.size)
    if len(data) < form.size or not data.startswith(signature):
        return None
    return form.unpack(data)


def _find_directory(file: BinaryIO) -> _Directory:
    """Read the records at the end of a zip, and nothing else.

    An archive is nothing but a zip: its directory ends where these records begin, and they end
    where the file ends. Readers of zips differ on what else they find in a file.
    """
    end = file.seek(0, os.SEEK_END)
    place = end - _END.size
    record = _read_at(file, place, _END, b"PK\x05\x06")
    if record is None:
        file.seek(max(0, end - 66_000))
        if b"PK\x05\x06" in file.read():
            raise _Refused("something follows the end of the zip")
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            raise _Refused("it is a zip without an end: only a part of it came through")
        raise _Refused("it is no zip file")
    _, disk, start_disk, here, count, size, start, comment = record
    if comment:
        raise _Refused("the comment that should follow the end of the zip is missing")
    locator = _read_at(file, place - _END64_PLACE.size, _END64_PLACE, b"PK\x06\x07")
    if locator is not None:
        place -= _END64_PLACE.size + _END64.size
        large = _read_at(file, place, _END64, b"PK\x06\x06")
        if large is None or locator[1:] != (0, place, 1) or large[1] != _END64.size - 12:
            raise _Refused("the two ends of its zip contradict each other")
        for short, whole, full in zip(record[1:7], large[4:], _FULL, strict=True):
            if short not in (whole, full):
                raise _Refused("the two ends of its zip contradict each other")
        disk, start_disk, here, count, size, start = large[4:]
    if disk or start_disk or here != count:
        raise _Refused("it is one part of a zip of several")
    if count > _MAX_MEMBERS:
        raise _Refused(f"it has {count:,} members; {_MAX_MEMBERS:,} are allowed")
    if size > _MAX_DIRECTORY:
        raise _Refused(
            f"the directory of its zip has {size:,} bytes; {_MAX_DIRECTORY:,} are allowed"
        )
    if start + size != place:
        raise _Refused("the directory of its zip is not where the end of the file says")
    return _Directory(start, count)


def _open_zip(file: BinaryIO) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """Open a zip whose members have names and sizes that they may have; none is read."""
    directory = _find_directory(file)
    with _refusing_damage("its directory"):
        archive = zipfile.ZipFile(file)
    members = archive.infolist()
    if len(members) != directory.num_members:
        raise _Refused(
            f"its directory has {len(members):,} members; the end of the zip says "
            f"{directory.num_members:,}"
        )
    _check_names([info.orig_filename for info in members])
    for info in members:
        _check_member(info)
    if (total := sum(info.file_size for info in members)) > _MAX_BYTES:
        raise _Refused(f"its members have {total:,} bytes; {_MAX_BYTES:,} are allowed")
    _check_places(file, members, directory.start)
    return archive, {info.filename: info for info in members}


@contextmanager
def _refusing_damage(what: str) -> Iterator[None]:
    """Refuse what zipfile cannot read."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error) as e:
        raise _Refused(f"{what} is damaged: {str(e) or type(e).__name__}") from e


def _check_names(names: list[str]) -> None:
    """Refuse names that no archive has, with the reason of each kind."""
    for name in names:
        if problem := _name_problem(name):
            raise _Refused(f"the name {_shown(name)} of a member {problem}")
    seen: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if seen.get(folded) == name:
            raise _Refused(f"it has the member {_shown(name)} twice")
        if folded in seen:
            raise _Refused(
                f"{_shown(seen[folded])} and {_shown(name)} would be one file on systems where "
                "case does not count"
            )
        seen[folded] = name
    for name in names:
        if _limit(name) is None:
            raise _Refused(f"no archive has a member {_shown(name)}")


def _name_problem(name: str) -> str | None:
    """Say what is wrong with a name as a path; None where nothing is."""
    parts = name.split("/")
    if "\0" in name:
        return "holds a NUL character"
    if "\\" in name:
        return "holds a backslash"
    if name.startswith("/"):
        return "is an absolute path"
    if re.match(r"[A-Za-z]:", name):
        return "begins with a drive letter"
    if ".." in parts:
        return "leads out of the archive's folder"
    if any(map(is_reserved, parts)):
        return "is one that Windows reserves for a device"
    return None


def _check_member(info: zipfile.ZipInfo) -> None:
    """Let what the directory says of a member pass, if it is a file that it may be."""
    name = info.orig_filename
    mode = info.external_attr >> 16
    limit = _limit(name) or 0
    if info.filename != name:
        raise _Refused(f"{name} has a second name, {_shown(info.filename)}")
    if info.flag_bits & _ENCRYPTED:
        raise _Refused(f"{name} is encrypted")
    if info.flag_bits & ~_FLAGS:
        raise _Refused(f"{name} has the flags {info.flag_bits:#x}, which no archive needs")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused(f"{name} is compressed by the unknown method {info.compress_type}")
    if stat.S_ISLNK(mode):
        raise _Refused(f"{name} is a symbolic link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _Refused(f"{name} is no file")
    if info.file_size > limit:
        raise _Refused(f"{name} has {info.file_size:,} bytes; {limit:,} are allowed")
    if info.file_size > _MB and info.file_size > _MAX_RATIO * info.compress_size:
        raise _Refused(
            f"{name} is {info.file_size:,} bytes made of {info.compress_size:,}, more than "
            f"{_MAX_RATIO} times as many"
        )


def _check_places(file: BinaryIO, members: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse a zip whose members do not follow one another from its first byte on.

    What lies before, between or behind them would be seen by other readers; members that overlap
    make many large files of one small one.
    """
    place = 0
    for info in sorted(members, key=lambda info: info.header_offset):
        header = _read_at(file, info.header_offset, _HEADER, b"PK\x03\x04")
        if header is None or info.header_offset != place:
            raise _Refused(
                f"{info.filename} is not where it should be: something else lies in the zip too"
            )
        _, _, flags, method, _, _, checksum, packed, size, *lengths = header
        if (
            (flags, method, checksum) != (info.flag_bits, info.compress_type, info.CRC)
            or packed not in (info.compress_size, _FULL32)
            or size not in (info.file_size, _FULL32)
        ):
            raise _Refused(f"the two headers of {info.filename} contradict each other")
        place += _HEADER.size + sum(lengths) + info.compress_size
    if place != end:
        raise _Refused("something else than its members lies in the zip too")

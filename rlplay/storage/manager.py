"""StorageManager: the library of runs.

A run is a folder, ``<models>/<environment>/<run_id>/``; docs/design.md lists its files.
Nothing is kept in memory but which runs this process writes, so that any number of managers, in any
number of programs, show the same library.
"""

from __future__ import annotations

import datetime
import io
import math
import os
import platform
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from types import NoneType
from typing import IO, Annotated, Any, Final, NamedTuple, Protocol

from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import (
    ConfigError,
    DamagedFile,
    InvalidName,
    RunBusy,
    RunNotFound,
    StorageError,
    UnknownPreset,
    nearest,
)
from rlplay.storage import files, locks, trash
from rlplay.storage.archive import open_archive, refusing, write_archive
from rlplay.storage.checkpoint import (
    LINES,
    Checkpoints,
    Entry,
    Packed,
    read_arrays,
    write_arrays,
)
from rlplay.storage.events import with_changes
from rlplay.storage.files import check_id, explained, inside, slug
from rlplay.storage.index import RunIndex, files_state
from rlplay.storage.replay import Replay

__all__ = [
    "FORMAT_VERSION",
    "MARKER",
    "ImportedRun",
    "StorageManager",
    "find_root",
    "get_storage_manager",
]

#: Version of the layout of a run's folder, written into its ``config.json``. Since version 2 that
#: file carries a SHA-256 sum.
FORMAT_VERSION = 2

#: The file that says: this is a models folder of rlplay.
MARKER = ".rlplay-models"

_MARKER_TEXT = b"The runs of rlplay: one folder an environment, one folder a run.\n"
_CONFIG, _WEIGHTS = "config.json", "weights.pt"
_METRICS, _EVENTS = LINES
_LOG = "log.txt"
_REPLAYS = "replays"
_SNAPSHOTS = "snapshots"

#: Beside the environments' folders. No id begins with a point.
_LOCKS, _TRASH, _INDEX = ".locks", ".trash", ".index.json"
_IMPORT = ".import-"
_IMPORT_LASTS = 3_600.0  # seconds after which an import's folder belongs to nobody
_PRESETS = ".presets"

#: What a person can keep as a preset.
_PRESET_KINDS = ("network", "config")
_PRESET_FORMAT = 1

#: Last metrics lines that `list_runs` reads, and episodes, at least, of its mean score.
_LISTED_LINES, _LISTED_EPISODES = 100, 100

#: What ``config.json`` holds beside the fields of `RunConfig`.
_RECORD_FIELDS = (
    "format_version",
    "environment_version",
    "versions",
    "created_at",
    "notes",
    "parent",
    "imported_from",
)
_LIBRARIES = ("rlplay", "torch", "numpy", "numba", "gymnasium")

#: What `list_runs` reads from a run's files.
_FACTS: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,),
    "notes": (str,),
    "algo": (str,),
    "env_name": (str,),
    "created_at": (str,),
    "episodes": (int,),
    "steps": (int,),
    "total_steps": (int,),
    "best_score": (int, float, NoneType),
    "avg_score": (int, float, NoneType),
    "size": (int,),
    "num_replays": (int,),
    "resumable": (bool,),
}

_MAX_NOTES = 20_000  # characters

_lock = threading.RLock()


class SavesWeights(Protocol):
    """Whoever can write their weights to a binary file: every `Agent`."""

    def save(self, file: IO[bytes], /) -> None:
        """Write the weights."""


class ImportedRun(NamedTuple):
    """Where an imported run is: what every other call takes.

    Attributes:
        env_name: Its environment.
        run_id: Its fresh id.
    """

    env_name: str
    run_id: str


def find_root() -> Path:
    """Say where the models folder is, without making it.

    ``RLPLAY_MODELS``, else the nearest ``models`` folder with our marker file in the current
    folder or above, else ``models`` in the current folder.

    Returns:
        An absolute path; the folder may not exist yet.
    """
    if chosen := os.environ.get("RLPLAY_MODELS"):
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "models" / MARKER).is_file():
            return folder / "models"
    return here / "models"


def get_storage_manager() -> StorageManager:
    """Give the library of runs that belongs to the current folder; see `find_root`."""
    return StorageManager(find_root())


def _versions() -> dict[str, str]:
    """The versions that a run depends on."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


class StorageManager:
    """The library of runs in one models folder.

    Making one touches no file; the folder is made with the first run.

    Attributes:
        base_dir: The models folder, an absolute path.
    """

    def __init__(self, base_dir: str | Path) -> None:
        self.base_dir = Path(base_dir).expanduser().absolute()

    def __repr__(self) -> str:
        return f"StorageManager({str(self.base_dir)!r})"

    # Paths -------------------------------------------------------------------------------------

    def get_run_path(self, env_name: str, run_id: str) -> Path:
        """Give a run's folder, whether it exists or not.

        Args:
            env_name: The environment's name, or its folder's.
            run_id: The run's id.

        Raises:
            InvalidName: For a name that is none, or leads out of the models folder.
        """
        return inside(self.base_dir, slug(env_name), check_id(run_id))

    def get_weights_path(self, env_name: str, run_id: str) -> Path:
        """Give the path of a run's weights, whether they exist or not."""
        return self._file(env_name, run_id, _WEIGHTS)

    def weights_exist(self, env_name: str, run_id: str) -> bool:
        """Whether a run has saved weights."""
        return self.get_weights_path(env_name, run_id).is_file()

    def _file(self, env_name: str, run_id: str, *names: str) -> Path:
        return inside(self.base_dir, slug(env_name), check_id(run_id), *names)

    def _existing_run(self, env_name: str, run_id: str) -> Path:
        """Give the folder of a run that exists.

        Raises:
            RunNotFound: When there is none.
        """
        path = self.get_run_path(env_name, run_id)
        if not path.is_dir():
            known = [name for folder, name in self._run_folders() if folder == slug(env_name)]
            raise RunNotFound(
                f"No run {run_id!r} of {env_name!r} in {self.base_dir}.{nearest(run_id, known)} "
                "`rlplay runs` lists what is there."
            )
        return path

    def _run_folders(self) -> Iterator[tuple[str, str]]:
        """List (environment's folder, run's folder), in the order of their names."""
        for environment in _folders(self.base_dir):
            for run in _folders(self.base_dir / environment):
                yield environment, run

    def find_run(self, run_id: str) -> str:
        """Find the environment of a run.

        Args:
            run_id: The run's id.

        Returns:
            The environment's folder, which stands for its name in every other call.

        Raises:
            RunNotFound: When no environment has such a run.
            StorageError: When several have one.
        """
        check_id(run_id)
        folders = list(self._run_folders())
        found = [environment for environment, name in folders if name == run_id]
        if not found:
            raise RunNotFound(
                f"No run {run_id!r} in {self.base_dir}."
                f"{nearest(run_id, [name for _, name in folders])} `rlplay runs` lists what is "
                "there."
            )
        return _only(found, run_id)

    # One writer a run --------------------------------------------------------------------------

    def claim(self, env_name: str, run_id: str, holder: object) -> None:
        """Become the one writer of a run, among all threads and processes.

        The claim ends with `release`, or with this process; a forked child does not have it.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            holder: Who claims it; its text names it to others.

        Raises:
            RunBusy: When somebody else holds the run; the message names them.
            StorageError: When the models folder cannot be written.
        """
        locks.claim(self._lock_path(env_name, run_id), run_id, holder)
        path = self.get_run_path(env_name, run_id)
        try:
            _sweep(path)
        except BaseException:
            self.release(env_name, run_id)
            raise

    def release(self, env_name: str, run_id: str) -> None:
        """Give a claimed run back; nothing happens when this process does not hold it."""
        locks.release(self._lock_path(env_name, run_id))

    def get_holder(self, env_name: str, run_id: str) -> str | None:
        """Name who writes a run, in this or another process; None when nobody does."""
        return locks.get_holder(self._lock_path(env_name, run_id))

    @contextmanager
    def _claimed(self, env_name: str, run_id: str, holder: object) -> Iterator[None]:
        self.claim(env_name, run_id, holder)
        try:
            yield
        finally:
            self.release(env_name, run_id)

    def _lock_path(self, env_name: str, run_id: str) -> Path:
        """Give the lock file of a run, the same one for all links that lead to it."""
        base = self.base_dir.resolve()
        *above, name = self.get_run_path(env_name, run_id).resolve().relative_to(base).parts
        return inside(base, _LOCKS, *above, name + locks.LOCK_SUFFIX)

    # Runs --------------------------------------------------------------------------------------

    def create_run(
        self,
        config: RunConfig,
        holder: object | None = None,
        parent: Mapping[str, Any] | None = None,
        agent: SavesWeights | None = None,
    ) -> str:
        """Make a run's folder, with its config: all of it or nothing.

        Args:
            config: What the run is; with a `run_id`, that one is taken.
            holder: Who claims the run at once, if anybody.
            parent: The run whose weights it begins with, if any: its run_id and step.
            agent: Whose weights it has from the start, if any; see `save_weights`.

        Returns:
            The run's id, as in "ppo-snake-20261123-143502-a1b2".

        Raises:
            RunBusy: When somebody else just makes or moves a run of the chosen id.
            StorageError: When the models folder cannot be written, or has such a run already.
        """
        chosen = None if config.run_id is None else check_id(config.run_id)
        self._make_base_dir()
        files.make_folders(inside(self.base_dir, slug(config.env_name)))
        while True:
            run_id = chosen or _new_run_id(config)
            try:
                if self._create(config.replace(run_id=run_id), run_id, holder, parent, agent):
                    return run_id
            except RunBusy:
                if chosen is not None:
                    raise
            if chosen is not None:
                raise self._exists(config.env_name, run_id)

    def _create(
        self,
        config: RunConfig,
        run_id: str,
        holder: object | None,
        parent: Mapping[str, Any] | None,
        agent: SavesWeights | None,
    ) -> bool:
        """Make a run, claimed before anybody can see it; False when the id is taken."""
        path = self.get_run_path(config.env_name, run_id)
        if path.exists():
            return False
        if holder is not None:
            self.claim(config.env_name, run_id, holder)
        placed = False
        try:
            placed = _place(path, config, {"parent": parent}, agent)
        finally:
            if holder is not None and not placed:
                self.release(config.env_name, run_id)
        return placed

    def _exists(self, env_name: str, run_id: str) -> StorageError:
        return StorageError(
            f"Run {run_id!r} of {env_name!r} exists already in {self.base_dir}. Choose another "
            "run_id, or leave it out to get a new one."
        )

    def clone_run(self, env_name: str, run_id: str) -> str:
        """Make a new run with the config of another one, and nothing else of it.

        Args:
            env_name: The environment's name.
            run_id: The other run's id.

        Returns:
            The new run's id.

        Raises:
            RunNotFound: When there is no such run.
            StorageError: When its config cannot be read, or the models folder cannot be written.
        """
        return self.create_run(self.load_config(env_name, run_id).replace(run_id=None))

    def _make_base_dir(self) -> None:
        """Make the models folder and its marker, if missing."""
        files.make_folders(self.base_dir)
        if not (self.base_dir / MARKER).exists():
            files.write_bytes(self.base_dir / MARKER, _MARKER_TEXT)

    def save_config(self, config: RunConfig) -> None:
        """Replace the config of a run; its date, notes and versions stay.

        Args:
            config: The config, with its `run_id`.

        Raises:
            RunNotFound: When there is no such run.
        """
        with _lock:
            path = self._existing_run(config.env_name, check_id(config.run_id))
            record = self.load_record(config.env_name, check_id(config.run_id))
            _write_config(path, config, record)

    def load_config(self, env_name: str, run_id: str) -> RunConfig:
        """Load a run's config.

        Raises:
            RunNotFound: When there is no such run.
            DamagedFile: When its config cannot be read.
            ConfigError: When this rlplay lacks one of its options, its algorithm or environment.
            StorageError: When a newer rlplay wrote it.
        """
        return _config_of(self.load_record(env_name, run_id), f"The config of run {run_id!r}")

    def load_present_config(
        self, env_name: str, run_id: str, events_bytes: int | None = None
    ) -> RunConfig:
        """Load a run's config as it is after what was changed while it trained.

        Changes that are not allowed any more, such as those of an environment that was registered
        anew with other ranges, leave the config as it began.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            events_bytes: Length of the events that count, such as those of a checkpoint; all
                without one.

        Raises:
            RunNotFound: When there is no such run.
            StorageError: When its files cannot be read.
            ConfigError: When this rlplay lacks one of its options, its algorithm or environment.
        """
        config = self.load_config(env_name, run_id)
        lines = files.read_jsonl(self._file(env_name, run_id, _EVENTS), events_bytes)
        with suppress(ConfigError):
            return with_changes(config, lines.records)
        return config

    def load_record(self, env_name: str, run_id: str) -> dict[str, Any]:
        """Load all of a run's ``config.json``.

        Returns:
            The fields of `RunConfig`, and format_version, environment_version, versions (of
            libraries, by name), created_at (ISO 8601, UTC), notes; of a fork its parent (run_id,
            step), and of an imported run imported_from: its id where it was exported.

        Raises:
            RunNotFound: When there is no such run.
            DamagedFile: When the file cannot be read.
            StorageError: When a newer rlplay wrote it.
        """
        self._existing_run(env_name, run_id)
        return _read_record(self._file(env_name, run_id, _CONFIG), run_id)

    def rename_run(self, env_name: str, run_id: str, name: str) -> None:
        """Give a run another title; its id and folder stay.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            name: The title, up to 200 characters; empty for none. Where a session trains the run,
                its `TrainingSession.rename` tells it too.

        Raises:
            RunNotFound: When there is no such run.
            ConfigError: For a title that is too long.
        """
        with _lock:
            self.save_config(self.load_config(env_name, run_id).replace(name=name))

    def set_notes(self, env_name: str, run_id: str, notes: str) -> None:
        """Keep a person's notes with a run.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            notes: Any text, up to 20 000 characters.

        Raises:
            RunNotFound: When there is no such run.
            StorageError: For a text that is too long, or none.
        """
        try:
            notes.encode()  # half a surrogate pair is no text
        except (AttributeError, UnicodeEncodeError):
            raise StorageError(
                f"Notes are a text; {notes!r} is none. Give a str of up to {_MAX_NOTES:,} "
                "characters."
            ) from None
        if len(notes) > _MAX_NOTES:
            raise StorageError(
                f"These notes have {len(notes)} characters; {_MAX_NOTES} are allowed. Shorten them."
            )
        with _lock:
            record = self.load_record(env_name, run_id)
            _write_record(self._file(env_name, run_id, _CONFIG), {**record, "notes": notes})

    def list_runs(self, env_name: str | None = None) -> list[dict[str, Any]]:
        """List the runs, the newest first.

        What was read once is kept in an index, a file that may be thrown away: only runs whose
        files have changed since are read again, and of those only the ends.

        Args:
            env_name: Only the runs of this environment.

        Returns:
            For each run: run_id, name, notes, algo, env_name, created_at, episodes, steps,
            total_steps (of the whole run, as planned), best_score, avg_score (of the last 100
            episodes, or of as many more as one metrics line covers; both None before the first
            episode), size (bytes), num_replays,
            resumable (whether it has a checkpoint to go on from), path, holder (who writes it
            now, in any process, or None), and broken: None, or why it cannot be opened; its other
            fields are then None where they are not known.

        Raises:
            StorageError: When the models folder is none, or cannot be read.
        """
        with explained("read", self.base_dir):
            above = (self.base_dir, *self.base_dir.parents)
            there = next((path for path in above if path.exists()), None)
            if there is not None and not there.is_dir():
                raise StorageError(
                    f"{there} is a file, where the models folder {self.base_dir} needs a folder. "
                    "Move it away, or set RLPLAY_MODELS to another folder."
                )
        only = None if env_name is None else slug(env_name)
        index = RunIndex(self.base_dir / _INDEX)
        runs = []
        for environment in _folders(self.base_dir) if only is None else [only]:
            noted = locks.list_noted(self.base_dir / _LOCKS / environment)
            folder = self.base_dir / environment
            all_linked = os.path.islink(folder)
            for run_id in _folders(folder):
                path = os.path.join(folder, run_id)
                linked = all_linked or os.path.islink(path)
                run = self._describe(environment, run_id, path, linked, index)
                if run is not None:
                    if run_id in noted or linked:
                        with suppress(StorageError):
                            run["holder"] = self.get_holder(environment, run_id)
                    runs.append(run)
        index.save(only)
        return sorted(runs, key=lambda run: (run["created_at"] or "", run["run_id"]), reverse=True)

    def _describe(
        self, environment: str, run_id: str, path: str, linked: bool, index: RunIndex
    ) -> dict[str, Any] | None:
        """Say of a run what its files tell at their ends; None when it has vanished meanwhile."""
        run: dict[str, Any] = {
            "run_id": run_id,
            "name": None,
            "notes": None,
            "algo": None,
            "env_name": environment,
            "created_at": None,
            "episodes": 0,
            "steps": 0,
            "total_steps": None,
            "best_score": None,
            "avg_score": None,
            "size": 0,
            "num_replays": 0,
            "resumable": False,
            "path": path,
            "holder": None,
            "broken": None,
        }
        place = f"{environment}/{run_id}"
        try:
            state = None if linked else files_state(path)
            known = index.find(place, state)
            if known is None:
                self._read_facts(environment, run_id, run)
                index.put(place, state, {fact: run[fact] for fact in _FACTS})
            else:
                run |= known
        except StorageError as error:
            run["broken"] = str(error)
        except Exception as error:  # one broken run never hides the others
            run["broken"] = (
                f"The files of run {run_id!r} are not what rlplay writes ({error!r}). Put back a "
                "copy of them, or delete the folder."
            )
        return run if run["broken"] is None or os.path.isdir(path) else None

    def _read_facts(self, environment: str, run_id: str, run: dict[str, Any]) -> None:
        """Read the config and the end of the metrics, and write what they say into ``run``."""
        path = self.get_run_path(environment, run_id)
        run["size"] = files.measure(path)
        run["num_replays"] = len(_replay_ids(path / _REPLAYS))
        record = _read_record(self._file(environment, run_id, _CONFIG), run_id)
        facts: dict[str, Any] = {
            field: record.get(field)
            for field in ("name", "algo", "env_name", "created_at", "total_steps")
        }
        facts["notes"] = record.get("notes", "")  # a config that a person wrote may have none
        facts["steps"] = 0
        with suppress(StorageError):  # a run whose checkpoint is damaged can still be forked
            checkpoints = Checkpoints(path)
            for newest in checkpoints.entries()[:1]:
                # Its last line is older, where no episode has ended since.
                facts["steps"] = newest.step
                has_ended = newest.ends(record["total_steps"])
                facts["resumable"] = not has_ended and bool(checkpoints.usable())
        lines = files.read_last_jsonl(
            self._file(environment, run_id, _METRICS), _LISTED_LINES
        ).records
        if lines:
            facts["episodes"] = lines[-1]["episode"]
            facts["steps"] = max(facts["steps"], lines[-1]["steps"])
            facts["best_score"] = lines[-1]["best_score"]
            facts["avg_score"] = _last_mean(lines)
        for fact, value in facts.items():
            _check_fact(fact, value)
            run[fact] = value

    # Trash -------------------------------------------------------------------------------------

    def delete_run(self, env_name: str, run_id: str) -> None:
        """Move a run to the trash, from where `restore_run` brings it back.

        Args:
            env_name: The environment's name.
            run_id: The run's id.

        Raises:
            RunNotFound: When there is no such run.
            RunBusy: When it is being written.
            StorageError: When it cannot be moved.
        """
        path = self._existing_run(env_name, run_id)
        with self._claimed(env_name, run_id, "somebody who deletes it"):
            trash.move(path, self._place_in_trash(env_name, run_id))

    def restore_run(self, env_name: str, run_id: str) -> Path:
        """Bring a run back from the trash; of several of this id, the one deleted last.

        Args:
            env_name: The environment's name.
            run_id: The run's id.

        Returns:
            The run's folder.

        Raises:
            RunNotFound: When the trash has no such run.
            StorageError: When there is a run of this id again, or it cannot be moved.
        """
        path = self.get_run_path(env_name, run_id)
        last = self._find_deleted_runs(run_id, slug(env_name))[0]
        files.make_folders(path.parent)
        with self._claimed(env_name, run_id, "somebody who restores it"):
            if path.exists():
                raise self._exists(env_name, run_id)
            trash.move(last.path, path)
        return path

    def find_deleted_run(self, run_id: str) -> str:
        """Find the environment of a run in the trash.

        Args:
            run_id: The run's id.

        Returns:
            The environment's folder, which stands for its name in every other call.

        Raises:
            RunNotFound: When the trash has no such run.
            StorageError: When it has one of several environments.
        """
        return _only({run.environment for run in self._find_deleted_runs(run_id)}, run_id)

    def _find_deleted_runs(
        self, run_id: str, environment: str | None = None
    ) -> list[trash.Deleted]:
        """Find what the trash has of a run, what was deleted last first."""
        check_id(run_id)
        everything = [
            deleted
            for deleted in trash.list_deleted(self._trash_folder())
            if environment in (None, deleted.environment)
        ]
        runs = [deleted for deleted in everything if deleted.name is None]
        found = [run for run in runs if run.run_id == run_id]
        pieces = [piece for piece in everything if piece.run_id == run_id]
        if not found and pieces:
            raise RunNotFound(
                f"The trash of {self.base_dir} has no run {run_id!r}, only what was taken out of "
                f"it: {', '.join(str(piece.path) for piece in pieces)}."
            )
        if not found:
            raise RunNotFound(
                f"No run {run_id!r} in the trash of {self.base_dir}."
                f"{nearest(run_id, [run.run_id for run in runs])} `rlplay trash` lists what is "
                "there."
            )
        return found

    def to_trash(
        self, env_name: str, run_id: str, *names: str, content: bytes | None = None
    ) -> Path:
        """Move a file of a run to the trash; or keep a piece that was cut off one there.

        Who calls this is the run's one writer.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            *names: The file, from the run's folder down, as in ``"checkpoints", "500.pt"``.
            content: The piece, where the file itself stays.

        Returns:
            Where it is in the trash, and on the disk by then.

        Raises:
            StorageError: When there is no such file, or it cannot be moved.
        """
        source = self._file(env_name, run_id, *map(files.check_file_name, names))
        place = self._place_in_trash(env_name, run_id, "-".join(names))
        if content is None:
            trash.move(source, place)
        else:
            files.write_bytes(place, content)
        return place

    def list_trash(self) -> list[dict[str, Any]]:
        """List what was deleted, the last first.

        Returns:
            For each: run_id, env_name (the environment's folder), name (of a file that was taken
            out of the run; None for a whole run), deleted_at (ISO 8601, UTC), size (bytes), path.
        """
        return [deleted.to_dict() for deleted in trash.list_deleted(self._trash_folder())]

    def empty_trash(self) -> int:
        """Remove all that is in the trash, for good.

        Returns:
            How many things were in it.

        Raises:
            StorageError: When something cannot be removed; the rest can be removed later.
        """
        return trash.empty(self._trash_folder())

    def _trash_folder(self) -> Path:
        return inside(self.base_dir, _TRASH)

    def _place_in_trash(self, env_name: str, run_id: str, name: str | None = None) -> Path:
        folder = inside(self.base_dir, _TRASH, slug(env_name))
        return trash.choose_place(folder, check_id(run_id), name)

    # Weights -----------------------------------------------------------------------------------

    def save_weights(self, env_name: str, run_id: str, agent: SavesWeights) -> Path:
        """Save an agent's weights: the file is the old or the new one, whatever happens.

        The SHA-256 sum of the file stands in the file itself, as a comment that PyTorch does not
        look at, so that there is no moment at which the two do not match. An agent that writes
        something else than a PyTorch or zip file gets no sum.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            agent: Whose `save` is called with a binary file.

        Returns:
            Where they are, and on the disk by then.

        Raises:
            StorageError: When they cannot be written; the old file is as it was.
        """
        self._existing_run(env_name, run_id)
        path = self.get_weights_path(env_name, run_id)
        _write_weights(path, agent.save)
        return path

    def check_weights(self, env_name: str, run_id: str) -> Path:
        """Compare a run's weights with their SHA-256 sum.

        Returns:
            Where they are.

        Raises:
            RunNotFound: When there is no such run, or it has no weights yet.
            DamagedFile: When they are not what was saved.
        """
        self._existing_run(env_name, run_id)
        path = self.get_weights_path(env_name, run_id)
        if not path.is_file():
            raise RunNotFound(
                f"Run {run_id!r} has no weights yet. Let it train a while and pause it."
            )
        try:
            _check_sum(path)
        except DamagedFile as error:
            raise DamagedFile(f"{error}{self._offer_checkpoint(env_name, run_id)}") from error
        return path

    def weights_are_whole(self, env_name: str, run_id: str) -> bool:
        """Whether a run has saved weights, and they are what was saved."""
        path = self.get_weights_path(env_name, run_id)
        if not path.is_file():
            return False
        try:
            _check_sum(path)
            if path.stat().st_size:
                return True
            # Nothing: right only for an agent that has none.
            kept = self.list_snapshots(env_name, run_id)[:1]
            return not any(self.load_snapshot(env_name, run_id, step) for step in kept)
        except DamagedFile:
            return False

    def _offer_checkpoint(self, env_name: str, run_id: str) -> str:
        """Say how lost weights come back, where there is a checkpoint that has them."""
        with suppress(StorageError):
            self.checkpoints(env_name, run_id).load()
            return (
                " Or let the run go on from its last checkpoint, which writes them anew: "
                f"rlplay train --resume {run_id}"
            )
        return ""

    def load_weights(self, env_name: str, run_id: str) -> dict[str, Any]:
        """Load a run's weights to the CPU; no code in the file is ever run.

        Returns:
            The state dict: tensors by name.

        Raises:
            RunNotFound: When there is no such run, or it has no weights yet.
            DamagedFile: When the file does not hold weights, or not those that were saved.
        """
        from rlplay.agents.base import read_weights

        return read_weights(self.check_weights(env_name, run_id))

    # Going on ----------------------------------------------------------------------------------

    def fork_run(self, env_name: str, run_id: str, /, **changes: Any) -> str:
        """Make a new run that begins with this one's weights, and with a changed config.

        What was changed live while this one trained is part of what the new one begins with.
        Nothing is trained yet: `TrainingSession.resume_run` begins it.

        Args:
            env_name: The environment's name.
            run_id: The run whose weights are taken.
            **changes: Fields of `RunConfig`, as `RunConfig.replace` takes them.

        Returns:
            The new run's id.

        Raises:
            RunNotFound: When there is no such run, or it has no weights yet.
            WeightsMismatch: When the changed network cannot take the weights: names the layer.
            ConfigError: For anything that a run cannot have, and for another algorithm, whose
                weights would mean something else.
        """
        from rlplay.agents import create_agent
        from rlplay.envs import create_vector_env

        before = self.load_present_config(env_name, run_id)
        algo = changes.get("algo", before.algo)
        if algo != before.algo:
            raise ConfigError(
                f"A fork keeps the algorithm of its weights: {before.algo!r}, not {algo!r}. "
                "Leave algo out; or begin a new run for the other algorithm."
            )
        config = before.replace(**{"run_id": None, **changes})
        weights = self.check_weights(env_name, run_id)
        env = create_vector_env(config.env_name, 1, config.reward_config, **config.env_config)
        agent = create_agent(
            config.replace(num_envs=1, device="cpu", precision="float32"),
            env.single_observation_space,
            env.single_action_space,
        )
        agent.load(weights)
        lines = self.load_metrics(env_name, run_id, limit=1)
        parent = {"run_id": run_id, "step": lines[-1]["steps"] if lines else 0}
        return self.create_run(config, parent=parent, agent=agent)

    def checkpoints(self, env_name: str, run_id: str) -> Checkpoints:
        """Give the checkpoints of a run.

        Raises:
            RunNotFound: When there is no such run.
        """
        self._existing_run(env_name, run_id)
        return Checkpoints(self._file(env_name, run_id))

    def save_checkpoint(
        self,
        env_name: str,
        run_id: str,
        packed: Packed,
        *,
        step: int,
        items: int,
        metrics_bytes: int,
        events_bytes: int,
        is_last: bool = False,
    ) -> Entry:
        """Save a checkpoint; when this returns it is on the disk, and so are its lines.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            packed: The state.
            step: Environment steps of the run.
            items: Moves and updates of the run.
            metrics_bytes: Length of the metrics that belong to it; see `line_bytes`.
            events_bytes: Length of the events that belong to it.
            is_last: Whether the run has done all that it had to.

        Raises:
            StorageError: When it cannot be written; the older checkpoints are as they were.
        """
        return self.checkpoints(env_name, run_id).save(
            packed,
            step=step,
            items=items,
            metrics_bytes=metrics_bytes,
            events_bytes=events_bytes,
            is_last=is_last,
            before_naming=lambda: self.sync_lines(env_name, run_id),
        )

    def sync_lines(self, env_name: str, run_id: str) -> None:
        """Have the metrics and events that were appended on the disk when this returns.

        Raises:
            StorageError: When they cannot be written.
        """
        for name in LINES:
            path = self._file(env_name, run_id, name)
            if path.exists():
                with explained("write", path):
                    files.disk.sync_file(path)

    def line_bytes(self, env_name: str, run_id: str) -> tuple[int, int]:
        """Give the lengths of a run's metrics and of its events, in bytes."""
        metrics, events = (
            path.stat().st_size if path.exists() else 0
            for path in (self._file(env_name, run_id, name) for name in LINES)
        )
        return metrics, events

    def cut_lines(self, env_name: str, run_id: str, entry: Entry) -> int:
        """Cut off the metrics and events that are newer than a checkpoint, into the trash.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            entry: The checkpoint.

        Returns:
            How many bytes were cut off.

        Raises:
            StorageError: When the files cannot be changed.
        """
        cut = 0
        for name, field in LINES.items():
            path, size = self._file(env_name, run_id, name), getattr(entry, field)
            data = files.read_bytes(path) if path.exists() else b""
            if len(data) > size:
                self.to_trash(env_name, run_id, f"{name}-from-{size}", content=data[size:])
                files.cut(path, size)
                cut += len(data) - size
        return cut

    def save_snapshot(
        self, env_name: str, run_id: str, step: int, weights: Mapping[str, NDArray[Any]]
    ) -> None:
        """Keep weights as they are at an age of the run.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            step: Environment steps of the run, 0 or more.
            weights: Arrays by name.

        Raises:
            StorageError: When they cannot be written.
        """
        folder = self._existing_run(env_name, run_id) / _SNAPSHOTS
        if not folder.is_dir():
            files.make_folders(folder)
        write_arrays(self._file(env_name, run_id, _SNAPSHOTS, f"{step}.safetensors"), weights)

    def list_snapshots(self, env_name: str, run_id: str) -> list[int]:
        """Name the ages at which weights were kept, in environment steps, the youngest first."""
        folder = self._existing_run(env_name, run_id) / _SNAPSHOTS
        found = (path.stem for path in folder.glob("*.safetensors"))
        return sorted(int(name) for name in found if name.isascii() and name.isdecimal())

    def load_snapshot(self, env_name: str, run_id: str, step: int) -> dict[str, NDArray[Any]]:
        """Load the weights of an age.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            step: One of `list_snapshots`.

        Returns:
            Arrays by name, for an agent's `set_weights`.

        Raises:
            RunNotFound: When there is no such run, or none was kept at this age.
            DamagedFile: When the file does not hold weights.
        """
        known = self.list_snapshots(env_name, run_id)
        if step not in known:
            raise RunNotFound(
                f"Run {run_id!r} kept no weights at step {step}. It kept them at: "
                f"{', '.join(map(str, known)) or 'none'}."
            )
        return read_arrays(self._file(env_name, run_id, _SNAPSHOTS, f"{step}.safetensors"))[0]

    def delete_snapshot(self, env_name: str, run_id: str, step: int) -> None:
        """Delete the weights of an age.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            step: One of `list_snapshots`; nothing happens where there is none.

        Raises:
            StorageError: When they cannot be deleted.
        """
        files.remove(self._file(env_name, run_id, _SNAPSHOTS, f"{int(step)}.safetensors"))

    # Lines -------------------------------------------------------------------------------------

    def append_metrics(
        self, env_name: str, run_id: str, lines: Mapping[str, Any] | Iterable[Mapping[str, Any]]
    ) -> None:
        """Append metrics lines, in one write.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            lines: One line or several; numbers must be finite.

        Raises:
            StorageError: When they cannot be written; the file is then as it was.
        """
        several = [lines] if isinstance(lines, Mapping) else list(lines)
        self._append(env_name, run_id, _METRICS, several)

    def load_metrics(
        self, env_name: str, run_id: str, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Load metrics lines; a torn line costs that line alone.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            limit: Only so many of the last lines, without reading the others.

        Raises:
            RunNotFound: When there is no such run.
        """
        self._existing_run(env_name, run_id)
        path = self._file(env_name, run_id, _METRICS)
        if limit is None:
            return files.read_jsonl(path).records
        if limit < 0:
            raise StorageError(f"limit = {limit} is not allowed: 0 or more, or None for all.")
        return files.read_last_jsonl(path, limit).records

    def append_event(self, env_name: str, run_id: str, event: Mapping[str, Any]) -> None:
        """Append what a person did while the run trained.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            event: step, field, old, new and whatever else JSON can hold.

        Raises:
            StorageError: When it cannot be written.
        """
        self._append(env_name, run_id, _EVENTS, [event])

    def load_events(self, env_name: str, run_id: str) -> list[dict[str, Any]]:
        """Load what a person did while the run trained, in order.

        Raises:
            RunNotFound: When there is no such run.
        """
        self._existing_run(env_name, run_id)
        return files.read_jsonl(self._file(env_name, run_id, _EVENTS)).records

    def append_log(self, env_name: str, run_id: str, text: str) -> None:
        """Append a text for people, such as a traceback, to the run's log.

        Raises:
            StorageError: When it cannot be written.
        """
        self._existing_run(env_name, run_id)
        lines = [f"[{_now()}]", *text.rstrip().splitlines()]
        files.append_lines(self._file(env_name, run_id, _LOG), lines)

    def _append(
        self, env_name: str, run_id: str, file: str, records: Iterable[Mapping[str, Any]]
    ) -> None:
        self._existing_run(env_name, run_id)
        lines = [files.to_json(record) for record in records]
        files.append_lines(self._file(env_name, run_id, file), lines)

    def get_death_stats(self, env_name: str, run_id: str) -> dict[str, int]:
        """Count how the run's episodes ended.

        Returns:
            Episodes by ending, the most frequent first.

        Raises:
            RunNotFound: When there is no such run.
        """
        counts: Counter[str] = Counter()
        for line in self.load_metrics(env_name, run_id):
            endings = line.get("endings")
            if isinstance(endings, dict):
                counts.update(endings)
        return dict(counts.most_common())

    # Replays -----------------------------------------------------------------------------------

    def save_replay(self, replay: Replay) -> Path:
        """Save a replay with its run.

        Args:
            replay: The replay; it names its environment and run.

        Returns:
            Where it is.

        Raises:
            StorageError: When it cannot be written.
        """
        path = self._existing_run(replay.env_name, replay.run_id) / _REPLAYS
        if not path.is_dir():
            files.make_folders(path)
        path = self._replay_path(replay.env_name, replay.run_id, replay.replay_id)
        files.write_bytes(path, files.to_json(replay.to_dict()).encode() + b"\n")
        return path

    def load_replay(self, env_name: str, run_id: str, replay_id: str) -> Replay:
        """Load a replay.

        Raises:
            RunNotFound: When there is no such run, or it has no such replay.
            DamagedFile: When its file cannot be read.
        """
        path = self._existing_replay(env_name, run_id, replay_id)
        return Replay.from_dict(files.read_json(path))

    def list_replays(self, env_name: str, run_id: str) -> list[dict[str, Any]]:
        """List the replays of a run, in the order of their episodes.

        Returns:
            For each replay: replay_id, episode, score, length, episode_return, ending,
            death_reason, total_steps, and broken: None, or why it cannot be read (the others are
            then None).

        Raises:
            RunNotFound: When there is no such run.
        """
        self._existing_run(env_name, run_id)
        names = _replay_ids(self._file(env_name, run_id, _REPLAYS))
        return [self._describe_replay(env_name, run_id, name) for name in names]

    def _describe_replay(self, env_name: str, run_id: str, replay_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"replay_id": replay_id}
        fields = (
            "episode",
            "score",
            "length",
            "episode_return",
            "ending",
            "death_reason",
            "total_steps",
        )
        try:
            replay = self.load_replay(env_name, run_id, replay_id)
        except StorageError as error:
            return shown | dict.fromkeys(fields) | {"broken": str(error)}
        return shown | {field: getattr(replay, field) for field in fields} | {"broken": None}

    def delete_replay(self, env_name: str, run_id: str, replay_id: str) -> None:
        """Delete a replay.

        Raises:
            RunNotFound: When there is no such run, or it has no such replay.
        """
        files.remove(self._existing_replay(env_name, run_id, replay_id))

    def _replay_path(self, env_name: str, run_id: str, replay_id: str) -> Path:
        return self._file(env_name, run_id, _REPLAYS, f"{check_id(replay_id, 'replay id')}.json")

    def _existing_replay(self, env_name: str, run_id: str, replay_id: str) -> Path:
        self._existing_run(env_name, run_id)
        path = self._replay_path(env_name, run_id, replay_id)
        if not path.is_file():
            known = [file.stem for file in path.parent.glob("*.json")]
            raise RunNotFound(
                f"Run {run_id!r} has no replay {replay_id!r}.{nearest(replay_id, known)} "
                f"It has {len(known)}; list_replays names them."
            )
        return path

    # Presets -----------------------------------------------------------------------------------

    def save_preset(self, kind: str, name: str, values: Mapping[str, Any]) -> Path:
        """Keep options under a name, for other runs; an old preset of this name is replaced.

        Args:
            kind: "network" for a `network_config`, "config" for fields of `RunConfig`, all of
                them or some.
            name: As a run's id is: lower-case letters, digits, - and _.
            values: What is to be kept, as JSON has it.

        Returns:
            The file, a JSON file that a person can read and change.

        Raises:
            ConfigError: For options that no run can have, or another kind.
            InvalidName: For a name that is none.
            StorageError: When it cannot be written; an old one is as it was.
        """
        path = self._preset_path(kind, name)
        _check_preset(kind, values, f"The preset {name!r}")
        self._make_base_dir()
        files.make_folders(path.parent)
        record = {"format_version": _PRESET_FORMAT, "kind": kind, "values": dict(values)}
        files.write_json(path, record)
        return path

    def list_presets(self, kind: str) -> list[str]:
        """Name the presets that were kept, in the order of their names.

        Args:
            kind: "network" or "config".

        Raises:
            ConfigError: For another kind.
        """
        folder = self._preset_place(kind)
        return sorted(path.stem for path in folder.glob("*.json") if _is_id(path.stem))

    def load_preset(self, kind: str, name: str) -> dict[str, Any]:
        """Give the options of a preset, for `RunConfig.replace`.

        Args:
            kind: "network" or "config".
            name: One of `list_presets`.

        Raises:
            UnknownPreset: When there is none of this name.
            DamagedFile: When its file cannot be read.
            ConfigError: When it has options that this rlplay lacks; or for another kind.
            StorageError: When a newer rlplay wrote it.
        """
        path = self._existing_preset(kind, name)
        record = files.read_json(path)
        version, values = record.get("format_version"), record.get("values")
        if isinstance(version, int) and version > _PRESET_FORMAT:
            raise StorageError(
                f"{path} has format version {version}; this rlplay reads versions up to "
                f"{_PRESET_FORMAT}. Install the newest rlplay to use it."
            )
        if version != _PRESET_FORMAT or record.get("kind") != kind or not isinstance(values, dict):
            raise DamagedFile(
                f"{path} is no preset of kind {kind!r}. Put back a copy of it, or delete it."
            )
        _check_preset(kind, values, f"The preset {name!r}")
        return values

    def delete_preset(self, kind: str, name: str) -> None:
        """Delete a preset.

        Args:
            kind: "network" or "config".
            name: One of `list_presets`.

        Raises:
            UnknownPreset: When there is none of this name.
            ConfigError: For another kind.
            StorageError: When it cannot be deleted.
        """
        files.remove(self._existing_preset(kind, name))

    def _preset_place(self, kind: str, *names: str) -> Path:
        """Give the folder of a kind of presets, or a file in it."""
        if kind not in _PRESET_KINDS:
            raise ConfigError(
                f"No kind of preset {kind!r}.{nearest(kind, _PRESET_KINDS)} "
                f"Available: {', '.join(_PRESET_KINDS)}."
            )
        return inside(self.base_dir, _PRESETS, kind, *names)

    def _preset_path(self, kind: str, name: str) -> Path:
        return self._preset_place(kind, f"{check_id(name, 'preset name')}.json")

    def _existing_preset(self, kind: str, name: str) -> Path:
        path = self._preset_path(kind, name)
        if not path.is_file():
            known = self.list_presets(kind)
            raise UnknownPreset(
                f"No preset {name!r} of kind {kind!r} in {self.base_dir}.{nearest(name, known)} "
                f"Available: {', '.join(known) or 'none'}."
            )
        return path

    # Sharing -----------------------------------------------------------------------------------

    def export_run(self, env_name: str, run_id: str, path: str | Path) -> Path:
        """Write a run as one zip, which `import_run` takes in anywhere.

        It holds the config with its notes, the weights and their snapshots, metrics, events and
        replays; no checkpoint and no log. A run that trains meanwhile goes on undisturbed.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            path: A file's name that ends in ".zip", which is replaced if it is there; or a
                folder, where the file gets the run's id for its name.

        Returns:
            The file, whole and on the disk.

        Raises:
            RunNotFound: When there is no such run.
            UnknownName: When its environment or algorithm is not registered here.
            ArchiveError: When the run has something that no import would take.
            StorageError: When the file cannot be written; nothing is left of it then.
        """
        folder = self._existing_run(env_name, run_id)
        target = Path(path).expanduser().absolute()
        if target.is_dir():
            target /= f"{run_id}.zip"
        record = self.load_record(env_name, run_id)
        config, _ = _admitted(record)
        weights = None
        if self.weights_exist(env_name, run_id):
            weights = self.load_weights(env_name, run_id)
        write_archive(target, folder, config, record, weights)
        return target

    def import_run(self, path: str | Path) -> ImportedRun:
        """Take in a run that somebody exported, as a run of its own with a fresh id.

        Nothing in the file is trusted and nothing in it is run. Its old id stays in the record as
        ``imported_from``.

        Args:
            path: The zip that `export_run` wrote.

        Returns:
            The environment and the fresh id.

        Raises:
            ArchiveError: When the file is no such zip, or its run cannot be used here; the models
                folder is then as it was.
            StorageError: When the run cannot be written.
        """
        import torch

        with open_archive(Path(path).expanduser()) as archive:
            with refusing(_CONFIG):
                config, record = _admitted(archive.record)
            while True:
                run_id = _new_run_id(config)
                config = config.replace(run_id=run_id)
                target = self.get_run_path(config.env_name, run_id)
                with self._import_folder() as folder:
                    weights = archive.unpack(folder, config)
                    if weights is not None:
                        _write_weights(folder / _WEIGHTS, partial(torch.save, weights))
                    _write_config(folder, config, record)
                    self._make_base_dir()
                    files.make_folders(target.parent)
                    if _move(folder, target):
                        return ImportedRun(config.env_name, run_id)

    @contextmanager
    def _import_folder(self) -> Iterator[Path]:
        """Give a folder to fill; what is not moved out of it leaves no trace."""
        missing = [path for path in (self.base_dir, *self.base_dir.parents) if not path.exists()]
        folder = self.base_dir / f"{_IMPORT}{secrets.token_hex(8)}"
        _sweep_imports(self.base_dir)
        try:
            files.make_folders(folder)
            yield folder
        finally:
            with suppress(StorageError):
                files.remove_tree(folder)
            for path in missing:
                with suppress(OSError):  # not empty: it has come to use
                    files.disk.remove_folder(path)


def _only(environments: Iterable[str], run_id: str) -> str:
    """Give the one environment that has a run of this id.

    Raises:
        StorageError: When there are several.
    """
    first, *others = sorted(environments)
    if others:
        raise StorageError(
            f"Several environments have a run {run_id!r}: {', '.join([first, *others])}. Say which "
            "one you mean."
        )
    return first


def _is_id(name: str) -> bool:
    try:
        check_id(name)
    except InvalidName:
        return False
    return True


def _folders(folder: Path) -> list[str]:
    """Name the folders of a folder that could be ours; a missing folder has none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if _is_id(entry.name) and entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(
            f"Cannot read {folder}: {error.strerror}. Check that you may read it, or set "
            "RLPLAY_MODELS to another folder."
        ) from error


def _replay_ids(folder: Path) -> list[str]:
    """Name the replays in a folder; a missing one has none."""
    return sorted(path.stem for path in folder.glob("*.json") if _is_id(path.stem))


def _last_mean(lines: list[dict[str, Any]]) -> float | None:
    """Give the mean score of the last episodes; a line is taken whole."""
    scored = [line for line in lines if line["score"] is not None]
    total, episodes = 0.0, 0
    for line in reversed(scored):
        if episodes < _LISTED_EPISODES:
            total += line["score"] * line["episodes"]
            episodes += line["episodes"]
    return total / episodes if scored else None


def _check_fact(fact: str, value: Any) -> None:
    """Refuse what would break the list of all runs.

    Raises:
        ValueError: For a value that rlplay does not write.
    """
    if not isinstance(value, _FACTS[fact]) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise ValueError(f"{fact} = {value!r}")
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is no text


def _check_preset(kind: str, values: Mapping[str, Any], what: str) -> None:
    """Refuse options that no run can have.

    Raises:
        ConfigError: For the first of them.
    """
    from rlplay.agents.networks import NetworkConfig

    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{what} must be a JSON object (a dict) of options, not {type(values).__name__}."
        )
    validated(NetworkConfig if kind == "network" else RunConfig, dict(values), what)


def _sweep(folder: Path) -> None:
    """Remove what writers that died left half-written in the folder of a run.

    Its config is left out: it may be written by others than the run's one writer.
    """
    with suppress(OSError):  # it is in nobody's way
        below = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
        for path in [file for each in (folder, *below) for file in each.glob(".*.tmp")]:
            if not path.name.startswith(f".{_CONFIG}."):
                files.remove(path)


def _sweep_imports(base_dir: Path) -> None:
    """Remove what imports left that were killed; one that goes on now is younger."""
    with suppress(OSError, StorageError):  # it is in nobody's way
        for folder in base_dir.glob(f"{_IMPORT}*"):
            if time.time() - folder.stat().st_mtime > _IMPORT_LASTS:
                files.remove_tree(folder)


def _place(
    path: Path, config: RunConfig, record: Mapping[str, Any], agent: SavesWeights | None
) -> bool:
    """Make a run's folder beside, and move it to its name when it is whole.

    Returns:
        False when the name is taken; nothing is left then.
    """
    beside = path.with_name(f".new-{path.name}-{secrets.token_hex(4)}")
    try:
        with explained("make the folder", beside):
            files.disk.make_folder(beside)
        if agent is not None:
            _write_weights(beside / _WEIGHTS, agent.save)
        _write_config(beside, config, record)
        return _move(beside, path)
    finally:
        with suppress(StorageError):
            files.remove_tree(beside)


def _move(beside: Path, path: Path) -> bool:
    """Move a run's folder to its name.

    Returns:
        False when the name is taken; the folder is where it was then.
    """
    if path.exists():
        return False
    try:
        with explained("make the folder", path):
            files.disk.rename_folder(beside, path)
            files.disk.sync_folder(path.parent)
    except StorageError:
        if beside.exists() and path.exists():
            return False  # somebody else was faster
        raise
    finally:
        with suppress(StorageError):
            files.remove_tree(beside)
    return True


def _check_sum(path: Path) -> None:
    """Compare weights with their sum.

    Raises:
        DamagedFile: When they are not what was saved.
    """
    files.check_zip(files.read_bytes(path), path)


def _write_weights(path: Path, save: Callable[[IO[bytes]], None]) -> None:
    """Have weights written, with their sum, and moved into place when they are whole.

    Raises:
        StorageError: When they cannot be written; the old file is as it was.
    """
    with io.BytesIO() as file:
        save(file)
        files.write_bytes(path, files.seal_zip(file.getvalue()))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _new_run_id(config: RunConfig) -> str:
    """Choose an id that a person can read and nobody else has."""
    moment = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    algo = slug(config.algo)[:16].rstrip("-_")
    environment = slug(config.env_name)[:24].rstrip("-_")
    return check_id(f"{algo}-{environment}-{moment}-{secrets.token_hex(2)}")


def _read_record(path: Path, run_id: str) -> dict[str, Any]:
    """Read a run's ``config.json``, of a version that is known."""
    if not path.is_file():
        raise DamagedFile(
            f"Run {run_id!r} has no {_CONFIG}. Put back a copy of it, or delete {path.parent}."
        )
    record = files.read_json(path)
    _check_version(record, str(path), f"Run {run_id!r}")
    return files.unseal(record, path, required=record["format_version"] > 1)


def _check_version(record: Mapping[str, Any], file: str, run: str) -> None:
    """Let the config of a run pass whose format is known."""
    version = record.get("format_version")
    if not isinstance(version, int):
        raise DamagedFile(
            f"{file} names no format version, so it is no config of a run. Put back a copy of it, "
            "or delete the folder around it."
        )
    if version > FORMAT_VERSION:
        raise StorageError(
            f"{run} has format version {version}; this rlplay reads versions up to "
            f"{FORMAT_VERSION}. Install the newest rlplay to open it."
        )


def _config_of(record: Mapping[str, Any], what: str) -> RunConfig:
    """Take the config out of all that ``config.json`` holds."""
    values = {key: value for key, value in record.items() if key not in _RECORD_FIELDS}
    return validated(RunConfig, values, what)


def _is_moment(text: str) -> str:
    if datetime.datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a date without a time zone")
    return text


class _Parent(BaseModel):
    """The run that somebody else's run begins with the weights of."""

    model_config = ConfigDict(strict=True)

    run_id: Annotated[str, AfterValidator(check_id)]
    step: int = Field(ge=0)


class _Record(BaseModel):
    """What a run that somebody else made keeps in ``config.json`` beside its config."""

    model_config = ConfigDict(strict=True)

    environment_version: int = Field(ge=0)
    versions: dict[str, str]
    created_at: Annotated[str, AfterValidator(_is_moment)]
    notes: str = Field("", max_length=_MAX_NOTES)
    parent: _Parent | None = None


def _admitted(record: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Any]]:
    """Check what somebody else wrote into a ``config.json``.

    Returns:
        The config, and the record to keep beside it.

    Raises:
        RlplayError: For what no run can have, or none here.
    """
    _check_version(record, _CONFIG, "The run")
    config = _config_of(record, "The run's config")
    others = {key: record[key] for key in _Record.model_fields if key in record}
    kept = validated(_Record, others, "The run's record").model_dump()
    return config, {**kept, "imported_from": check_id(config.run_id)}


def _write_config(folder: Path, config: RunConfig, record: Mapping[str, Any]) -> None:
    """Write ``config.json``; what is known of the run from before stays."""
    _write_record(
        folder / _CONFIG,
        {
            **config.to_dict(),
            "environment_version": record.get(
                "environment_version", get_env_spec(config.env_name).version
            ),
            "versions": record.get("versions") or _versions(),
            "created_at": record.get("created_at") or _now(),
            "notes": record.get("notes", ""),
            **{name: record[name] for name in ("parent", "imported_from") if record.get(name)},
        },
    )


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write ``config.json`` in the newest format, with its sum."""
    rest = {field: value for field, value in record.items() if field != "format_version"}
    files.write_json(path, files.seal({"format_version": FORMAT_VERSION, **rest}))

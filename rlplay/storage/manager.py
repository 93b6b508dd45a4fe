"""StorageManager: the library of runs.

A run is a folder, ``<models>/<environment>/<run_id>/``; docs/design.md lists its files.
Nothing is kept in memory but who writes which run, so that any number of managers, in any number
of programs, show the same library.
"""

from __future__ import annotations

import datetime
import io
import os
import platform
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol

from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import (
    DamagedFile,
    InvalidName,
    RunBusy,
    RunNotFound,
    StorageError,
    nearest,
)
from rlplay.storage import files
from rlplay.storage.archive import open_archive, refusing, write_archive
from rlplay.storage.checkpoint import Checkpoints, Entry, Packed, read_arrays, write_arrays
from rlplay.storage.files import check_id, explained, inside, slug
from rlplay.storage.replay import Replay

__all__ = [
    "FORMAT_VERSION",
    "MARKER",
    "ImportedRun",
    "StorageManager",
    "find_root",
    "get_storage_manager",
]

#: Version of the layout of a run's folder, written into its ``config.json``.
FORMAT_VERSION = 1

#: The file that says: this is a models folder of rlplay.
MARKER = ".rlplay-models"

_MARKER_TEXT = b"The runs of rlplay: one folder an environment, one folder a run.\n"
_CONFIG, _WEIGHTS = "config.json", "weights.pt"
_METRICS, _EVENTS, _LOG = "metrics.jsonl", "events.jsonl", "log.txt"
_REPLAYS = "replays"
_SNAPSHOTS = "snapshots"

#: Metrics lines over whose episodes `list_runs` takes the mean score.
_LISTED_LINES = 100

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

_MAX_NOTES = 20_000  # characters

_lock = threading.RLock()
#: Who writes which run's folder, in this process.
_holders: dict[Path, object] = {}


class SavesWeights(Protocol):
    """Whoever can write their weights to a path: every `Agent`."""

    def save(self, path: Path, /) -> None:
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
        if len(found) > 1:
            raise StorageError(
                f"Several environments have a run {run_id!r}: {', '.join(found)}. Say which one "
                "you mean."
            )
        return found[0]

    # One writer a run --------------------------------------------------------------------------

    def claim(self, env_name: str, run_id: str, holder: object) -> None:
        """Become the one writer of a run in this process.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            holder: Who claims it; its text names it to others.

        Raises:
            RunBusy: When somebody else holds the run.
        """
        path = self.get_run_path(env_name, run_id).resolve()
        with _lock:
            if path in _holders:
                raise RunBusy(
                    f"Run {run_id!r} is being written by {_holders[path]}. It can be read "
                    "meanwhile; stop that session to write it, or start a new run."
                )
            _holders[path] = holder

    def release(self, env_name: str, run_id: str) -> None:
        """Give a claimed run back; nothing happens when nobody holds it."""
        path = self.get_run_path(env_name, run_id).resolve()
        with _lock:
            _holders.pop(path, None)

    def get_holder(self, env_name: str, run_id: str) -> str | None:
        """Name who writes a run in this process; None when nobody does."""
        holder = _holders.get(self.get_run_path(env_name, run_id).resolve())
        return None if holder is None else str(holder)

    # Runs --------------------------------------------------------------------------------------

    def create_run(
        self,
        config: RunConfig,
        holder: object | None = None,
        parent: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a run's folder, with its config.

        Args:
            config: What the run is; with a `run_id`, that one is taken.
            holder: Who claims the run at once, if anybody.
            parent: The run whose weights it begins with, if any: its run_id and step.

        Returns:
            The run's id, as in "ppo-snake-20261123-143502-a1b2".

        Raises:
            StorageError: When the models folder cannot be written, or has such a run already.
        """
        chosen = None if config.run_id is None else check_id(config.run_id)
        environment = slug(config.env_name)
        self._make_base_dir()
        files.make_folders(inside(self.base_dir, environment))
        while True:
            run_id = chosen or _new_run_id(config)
            path = self.get_run_path(config.env_name, run_id)
            if _place(path, config.replace(run_id=run_id), {"parent": parent}):
                break
            if chosen is not None:
                raise StorageError(
                    f"Run {run_id!r} of {config.env_name!r} exists already in {self.base_dir}. "
                    "Choose another run_id, or leave it out to get a new one."
                )
        if holder is not None:
            self.claim(config.env_name, run_id, holder)
        return run_id

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

    def load_record(self, env_name: str, run_id: str) -> dict[str, Any]:
        """Load all of a run's ``config.json``.

        Returns:
            The fields of `RunConfig`, and format_version, environment_version, versions (of
            libraries, by name), created_at (ISO 8601, UTC), notes and, of an imported run,
            imported_from: its id where it was exported.

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
            name: The title, up to 200 characters.

        Raises:
            RunNotFound: When there is no such run.
            ConfigError: For a name that is too long.
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
            StorageError: For a text that is too long.
        """
        if len(notes) > _MAX_NOTES:
            raise StorageError(
                f"These notes have {len(notes)} characters; {_MAX_NOTES} are allowed. Shorten them."
            )
        with _lock:
            record = self.load_record(env_name, run_id)
            files.write_json(self._file(env_name, run_id, _CONFIG), {**record, "notes": notes})

    def list_runs(self, env_name: str | None = None) -> list[dict[str, Any]]:
        """List the runs, the newest first, without reading whole files.

        Args:
            env_name: Only the runs of this environment.

        Returns:
            For each run: run_id, name, algo, env_name, created_at, episodes, steps, total_steps
            (of the whole run, as planned), best_score, avg_score (over the last metrics lines;
            both None before the first episode), size (bytes), path, holder (who writes it in this
            process, or None), and broken: None, or why it cannot be opened; its other fields are
            then None where they are not known.
        """
        only = None if env_name is None else slug(env_name)
        runs = [
            self._describe(environment, run_id)
            for environment, run_id in self._run_folders()
            if only is None or environment == only
        ]
        return sorted(runs, key=lambda run: (run["created_at"] or "", run["run_id"]), reverse=True)

    def _describe(self, environment: str, run_id: str) -> dict[str, Any]:
        """Say of a run what its files tell at their ends."""
        run: dict[str, Any] = {
            "run_id": run_id,
            "name": None,
            "algo": None,
            "env_name": environment,
            "created_at": None,
            "episodes": 0,
            "steps": 0,
            "total_steps": None,
            "best_score": None,
            "avg_score": None,
            "size": 0,
            "path": str(self.base_dir / environment / run_id),
            "holder": None,
            "broken": None,
        }
        try:
            path = self.get_run_path(environment, run_id)
            run["holder"] = self.get_holder(environment, run_id)
            run["size"] = _size(path)
            record = _read_record(self._file(environment, run_id, _CONFIG), run_id)
            for field in ("name", "algo", "env_name", "created_at", "total_steps"):
                run[field] = record.get(field)
            lines = files.read_last_jsonl(
                self._file(environment, run_id, _METRICS), _LISTED_LINES
            ).records
            if lines:
                run["episodes"] = lines[-1]["episode"]
                run["steps"] = lines[-1]["steps"]
                run["best_score"] = lines[-1]["best_score"]
                scored = [line for line in lines if line["score"] is not None]
                if scored:
                    run["avg_score"] = sum(
                        line["score"] * line["episodes"] for line in scored
                    ) / sum(line["episodes"] for line in scored)
        except StorageError as error:
            run["broken"] = str(error)
        except (KeyError, TypeError, ZeroDivisionError, OSError) as error:
            run["broken"] = (
                f"The files of run {run_id!r} are not what rlplay writes ({error!r}). Put back a "
                "copy of them, or delete the folder."
            )
        return run

    # Weights -----------------------------------------------------------------------------------

    def save_weights(self, env_name: str, run_id: str, agent: SavesWeights) -> Path:
        """Save an agent's weights: the file is the old or the new one, whatever happens.

        Args:
            env_name: The environment's name.
            run_id: The run's id.
            agent: Whose `save` is called with a path.

        Returns:
            Where they are, and on the disk by then.

        Raises:
            StorageError: When they cannot be written; the old file is as it was.
        """
        self._existing_run(env_name, run_id)
        path = self.get_weights_path(env_name, run_id)
        _write_weights(path, agent.save)
        return path

    def load_weights(self, env_name: str, run_id: str) -> dict[str, Any]:
        """Load a run's weights to the CPU; no code in the file is ever run.

        Returns:
            The state dict: tensors by name.

        Raises:
            RunNotFound: When there is no such run, or it has no weights yet.
            DamagedFile: When the file does not hold weights.
        """
        self._existing_run(env_name, run_id)
        path = self.get_weights_path(env_name, run_id)
        if not path.is_file():
            raise RunNotFound(
                f"Run {run_id!r} has no weights yet. Let it train a while and pause it."
            )
        import torch

        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise DamagedFile(
                f"{path} does not hold weights: {error}. Put back a copy of it, or train again."
            ) from error
        if not isinstance(weights, dict):
            raise DamagedFile(
                f"{path} does not hold weights but {type(weights).__name__}. Put back a copy of "
                "it, or train again."
            )
        return weights

    def write_weights(self, env_name: str, run_id: str, data: bytes) -> None:
        """Replace a run's weights by what an agent's `save` wrote into memory.

        Raises:
            StorageError: When they cannot be written; the old file is as it was.
        """
        self._existing_run(env_name, run_id)
        files.write_bytes(self.get_weights_path(env_name, run_id), data)

    # Going on ----------------------------------------------------------------------------------

    def fork_run(self, env_name: str, run_id: str, **changes: Any) -> str:
        """Make a new run that begins with this one's weights, and with a changed config.

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
            ConfigError: For anything that a run cannot have.
        """
        from rlplay.agents import create_agent
        from rlplay.envs import create_vector_env

        config = self.load_config(env_name, run_id).replace(**{"run_id": None, **changes})
        weights = self.load_weights(env_name, run_id)
        env = create_vector_env(config.env_name, 1, config.reward_config, **config.env_config)
        agent = create_agent(
            config.replace(num_envs=1, device="cpu", precision="float32"),
            env.single_observation_space,
            env.single_action_space,
        )
        agent.set_weights(weights)
        lines = self.load_metrics(env_name, run_id, limit=1)
        parent = {"run_id": run_id, "step": lines[-1]["steps"] if lines else 0}
        fork = self.create_run(config, parent=parent)
        buffer = io.BytesIO()
        agent.save(buffer)
        self.write_weights(config.env_name, fork, buffer.getvalue())
        return fork

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

        Raises:
            StorageError: When it cannot be written; the older checkpoints are as they were.
        """

        def sync_lines() -> None:
            for name in (_METRICS, _EVENTS):
                path = self._file(env_name, run_id, name)
                if path.exists():
                    with explained("write", path):
                        files.disk.sync_file(path)

        return self.checkpoints(env_name, run_id).save(
            packed,
            step=step,
            items=items,
            metrics_bytes=metrics_bytes,
            events_bytes=events_bytes,
            before_naming=sync_lines,
        )

    def line_bytes(self, env_name: str, run_id: str) -> tuple[int, int]:
        """Give the lengths of a run's metrics and of its events, in bytes."""
        metrics, events = (
            path.stat().st_size if path.exists() else 0
            for path in (self._file(env_name, run_id, name) for name in (_METRICS, _EVENTS))
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
            DamagedFile: When lines are missing that belong to the checkpoint.
            StorageError: When the files cannot be changed.
        """
        cut = 0
        for name, size in ((_METRICS, entry.metrics_bytes), (_EVENTS, entry.events_bytes)):
            path = self._file(env_name, run_id, name)
            data = files.read_bytes(path) if path.exists() else b""
            if len(data) < size:
                raise DamagedFile(
                    f"{path} has {len(data)} bytes, and the checkpoint needs {size}: lines are "
                    "missing. Put back a copy of it, or fork the run to begin with its weights."
                )
            if len(data) > size:
                self._to_trash(env_name, run_id, f"{name}-from-{size}", data[size:])
                files.cut(path, size)
                cut += len(data) - size
        return cut

    def _to_trash(self, env_name: str, run_id: str, name: str, data: bytes) -> None:
        folder = inside(self.base_dir, ".trash")
        files.make_folders(folder)
        files.write_bytes(folder / f"{run_id}.{secrets.token_hex(4)}.{name}", data)

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

    def cut_snapshots(self, env_name: str, run_id: str, step: int) -> None:
        """Remove the snapshots that are older than a step: they will be taken again."""
        for age in self.list_snapshots(env_name, run_id):
            if age > step:
                files.remove(self._file(env_name, run_id, _SNAPSHOTS, f"{age}.safetensors"))

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
        folder = self._file(env_name, run_id, _REPLAYS)
        return [
            self._describe_replay(env_name, run_id, path.stem)
            for path in sorted(folder.glob("*.json"))
            if _is_id(path.stem)
        ]

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
        folder = self.base_dir / f".import-{secrets.token_hex(8)}"
        try:
            files.make_folders(folder)
            yield folder
        finally:
            _discard(folder)
            for path in missing:
                with suppress(OSError):  # not empty: it has come to use
                    files.disk.remove_folder(path)


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


def _size(folder: Path) -> int:
    """Sum the sizes of the files in a folder and below, in bytes; links are not followed."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _size(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _place(path: Path, config: RunConfig, record: Mapping[str, Any]) -> bool:
    """Make a run's folder beside, and move it to its name when it is whole.

    Returns:
        False when the name is taken; nothing is left then.
    """
    beside = path.with_name(f".new-{path.name}-{secrets.token_hex(4)}")
    try:
        with explained("make the folder", beside):
            files.disk.make_folder(beside)
        _write_config(beside, config, record)
        return _move(beside, path)
    finally:
        _discard(beside)


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
    return True


def _discard(folder: Path) -> None:
    """Remove a run's folder that did not come into place, with all that is in it."""
    try:
        for path in folder.iterdir():
            if path.is_dir():
                _discard(path)
            else:
                files.disk.remove(path)
        files.disk.remove_folder(folder)
    except OSError:
        return


def _write_weights(path: Path, save: Callable[[Path], None]) -> None:
    """Have weights written, and moved into place when they are whole.

    Raises:
        StorageError: When they cannot be written; the old file is as it was.
    """
    with files.replacing(path) as beside:
        try:
            save(beside)
        except RuntimeError as error:
            # PyTorch's writer reports a full disk this way.
            raise StorageError(
                f"Cannot write {path}: {error}. Free some space on this disk, or set "
                "RLPLAY_MODELS to another folder."
            ) from error


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
    return record


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


class _Record(BaseModel):
    """What a run that somebody else made keeps in ``config.json`` beside its config."""

    model_config = ConfigDict(strict=True)

    environment_version: int = Field(ge=0)
    versions: dict[str, str]
    created_at: Annotated[str, AfterValidator(_is_moment)]
    notes: str = Field("", max_length=_MAX_NOTES)


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
    files.write_json(
        folder / _CONFIG,
        {
            "format_version": FORMAT_VERSION,
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

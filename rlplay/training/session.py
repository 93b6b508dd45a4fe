"""TrainingSession: the thread around the loop, its states and its command queue.

::

    new ──start──▶ running ◀──resume── paused        step() does one move from new or paused
                     │ └────pause────────▶│
                     ├──stop──▶ stopping ─┴──▶ finished ──start──▶ running (a new run)
                     └──an exception──▶ failed ──start──▶ running (a new run)

Every call only puts a command on a queue; the trainer thread takes it between two moves or
updates. The trainer never prints and never touches a widget: it publishes into the monitor.

A pause, a stop, an end and every half minute write a checkpoint, from which `resume_run` goes on
as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import enum
import functools
import logging
import math
import os
import queue
import signal
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch

from rlplay.agents import AgentSpec, explain_misfit, get_agent_spec
from rlplay.config import RunConfig, validated
from rlplay.device import (
    available_devices,
    cpu_name,
    explain_out_of_memory,
    keep_freed_memory,
)
from rlplay.envs import EnvSpec, get_env_spec
from rlplay.envs.own import FUNCTION, parts_of
from rlplay.errors import (
    ConfigError,
    ContractError,
    DamagedFile,
    RlplayError,
    RunNotFound,
    SessionError,
    StorageError,
)
from rlplay.storage import StorageManager, get_storage_manager
from rlplay.storage.checkpoint import Packed, pack
from rlplay.storage.events import ChangeChecker, Event, is_change, read_event
from rlplay.training.loop import Episodes, Move, TrainingLoop, num_torch_threads, resolved
from rlplay.training.monitor import Monitor, Snapshot
from rlplay.training.recorder import Recorder
from rlplay.training.saver import Saver, check_finite, snapshot_steps

__all__ = ["SessionState", "TrainingSession", "sessions"]

_log = logging.getLogger(__name__)

#: Moves of each board in a second, until somebody sets another pace.
DEFAULT_MOVES_PER_SECOND = 10.0
#: Seconds between two checkpoints.
CHECKPOINT_EVERY = 30.0
_HELD_UP = 0.05  # seconds; a checkpoint that holds training up for longer says so,
_LARGE = 8_000_000  # bytes: of a smaller one it was the machine that had other things to do
_PUBLISH_EVERY = 1 / 30  # seconds
#: Seconds between a pause and its checkpoint: writing takes a core, and a person wants to see first
#: that the click has worked.
_SCREEN_FIRST = 0.15
_PROGRESS_EVERY = 0.5  # seconds, at full speed
_SPEED_WINDOW = 2.0  # seconds over which steps/s are measured
_RECENT = 100  # episodes of the running mean
_SHOWN_EPISODES = 20
_SHOWN_CHANGES = 200
_WEIGHTS_EVERY = 0.5  # seconds between two publications of the weights
#: Seconds to save in when the process ends: Jupyter kills a kernel that takes longer.
_PATIENCE = 2.5
_MAX_UNHEARD = 10  # news that wait for a slow listener
_EVENTS = ("training_progress", "episode_summary")
#: Where code lies that is no person's own: rlplay's, and Python's.
_NOT_THEIRS = tuple(
    f"{folder}{os.sep}" for folder in (Path(__file__).parents[1], Path(threading.__file__).parent)
)


class SessionState(enum.StrEnum):
    """Where a session stands."""

    NEW = "new"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"


_ENDED = (SessionState.FINISHED, SessionState.FAILED)
_alive: weakref.WeakSet[TrainingSession] = weakref.WeakSet()


def sessions() -> list[TrainingSession]:
    """List the sessions of this process that were started and are still held, newest last."""
    return sorted(_alive.copy(), key=lambda session: session.started_at)


class TrainingSession:
    """A live training.

    Attributes:
        config: The run's config; the run id is filled in by `start`.
        monitor: What a screen may read at any time.
        error: The exception of a failed session, else None.
        traceback: Its traceback as text, else None.
        started_at: When it was started last, seconds since 1970.
    """

    def __init__(
        self,
        config: RunConfig,
        storage: StorageManager | None = None,
        *,
        seconds: float | None = None,
        checkpoint_every: float = CHECKPOINT_EVERY,
    ) -> None:
        """Prepare a session; nothing runs and nothing is written before `start`.

        Args:
            config: What to train.
            storage: The library of runs; without one, the models folder of this place.
            seconds: The budget of training; see `seconds`.
            checkpoint_every: Seconds between two checkpoints, above 0.

        Raises:
            ConfigError: For seconds that are not above 0.
        """
        if not checkpoint_every > 0:
            raise ConfigError(f"checkpoint_every = {checkpoint_every!r} is not allowed: above 0 s.")
        self.checkpoint_every = checkpoint_every
        self.seconds = seconds
        self.config = config
        self.error: BaseException | None = None
        self.traceback: str | None = None
        self.started_at = 0.0
        self.monitor = Monitor(
            wake=self._wake,
            algo=config.algo,
            env_name=config.env_name,
            target_steps=config.total_steps,
            moves_per_second=DEFAULT_MOVES_PER_SECOND,
        )
        self._storage = storage
        self._lock = threading.Lock()
        self._intent = SessionState.NEW
        self._state = SessionState.NEW
        self._commands: queue.SimpleQueue[Callable[[_Trainer], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._dispatcher = _Dispatcher()
        self._moves_per_second: float | None = DEFAULT_MOVES_PER_SECOND
        self._hyperparams = dict(config.hyperparams)
        self._rewards = dict(config.reward_config)
        self._started_with: tuple[AgentSpec, EnvSpec] | None = None
        self._goes_on = False  # the next start goes on with the run instead of making one
        self._began: RunConfig | None = None  # what that run began with, and
        self._resumed: RunConfig | None = None  # what it has by now
        self._script: _Script | None = None
        self._paced = False  # a person has set the pace since

    @classmethod
    def resume_run(
        cls,
        env_name: str,
        run_id: str,
        storage: StorageManager | None = None,
        *,
        device: str | None = None,
        num_threads: int | None = None,
        seconds: float | None = None,
        checkpoint_every: float = CHECKPOINT_EVERY,
    ) -> TrainingSession:
        """Prepare a session whose `start` goes on with a saved run, from its last checkpoint.

        What was written after the checkpoint is cut off and kept in the trash. On the same device,
        with the same number of threads, the same versions and the same type of CPU, the run
        becomes what it would have become without the interruption, byte for byte; otherwise it
        goes on too, and its snapshot says what is different. A run that never trained begins, with
        its weights where it has some. One that has ended but whose weights are damaged gets them
        again, from its last checkpoint that is whole.

        Args:
            env_name: The run's environment.
            run_id: The run.
            storage: The library of runs; without one, the models folder of this place.
            device: Another device than the run's own.
            num_threads: Another number of threads than the run's own.
            seconds: The budget of training from here on; see `seconds`.
            checkpoint_every: Seconds between two checkpoints, above 0.

        Returns:
            A session in state new.

        Raises:
            RunNotFound: When there is no such run, or it trained and has no checkpoint, or is a
                fork that never trained and whose weights are missing.
            SessionError: When it has done all of its steps.
            ConfigError: For seconds that are not above 0.
            DamagedFile: When its config or the names of its checkpoints cannot be read.
            StorageError: When a newer rlplay wrote it.
        """
        storage = storage or get_storage_manager()
        config = storage.load_config(env_name, run_id)
        checkpoints = storage.checkpoints(env_name, run_id)
        entries = checkpoints.entries()
        if not entries and storage.load_metrics(env_name, run_id, limit=1):
            raise RunNotFound(
                f"Run {run_id!r} has no checkpoint to go on from. Fork it to begin a new run with "
                f"its weights: rlplay train --fork {run_id}"
            )
        parent = None if entries else storage.load_record(env_name, run_id).get("parent")
        if parent and not storage.weights_exist(env_name, run_id):
            raise RunNotFound(
                f"Run {run_id!r} begins with the weights of {parent['run_id']!r}, and they are "
                f"missing. Fork that run again: rlplay train --fork {parent['run_id']}"
            )
        # Of one that has ended, all is there as long as its weights are.
        has_ended = bool(entries) and entries[0].ends(config.total_steps)
        if has_ended and storage.weights_are_whole(env_name, run_id):
            raise SessionError(
                f"Run {run_id!r} has done all of its {config.total_steps:,} steps. Fork it to "
                f"train its weights further: rlplay train --fork {run_id} --steps "
                f"{config.total_steps}"
            )
        usable = checkpoints.usable()
        wanted = device or (config.device if config.device in available_devices() else "auto")
        here = {"device": wanted, "num_threads": num_threads or config.num_threads}
        began = present = config.replace(**here)
        if usable:
            present = storage.load_present_config(env_name, run_id, usable[0].events_bytes)
            present = present.replace(**here)
        session = cls(present, storage, seconds=seconds, checkpoint_every=checkpoint_every)
        session._goes_on = True
        if usable:
            session._began, session._resumed = began, present
            session.monitor.publish(run_id=run_id, total_steps=usable[0].step)
        return session

    @classmethod
    def reproduce_run(
        cls,
        env_name: str,
        run_id: str,
        storage: StorageManager | None = None,
        *,
        checkpoint_every: float = CHECKPOINT_EVERY,
    ) -> TrainingSession:
        """Prepare a session that does a saved run again, with all that was changed while it ran.

        Each live change takes effect at the same step again, and the new run ends where the old
        one stands, as fast as it goes; a fork begins with the weights that it began with. On the
        same device, number of threads, versions and type of CPU its metrics are the same, apart
        from the times. Where an imported run does not say at which step it ended, the new one does
        all of its steps, and its snapshot says so.

        Args:
            env_name: The run's environment.
            run_id: The run.
            storage: The library of runs; without one, the models folder of this place.
            checkpoint_every: Seconds between two checkpoints, above 0.

        Returns:
            A session in state new.

        Raises:
            RunNotFound: When there is no such run, or it is a fork whose first weights are missing.
            DamagedFile: When its files cannot be read.
        """
        storage = storage or get_storage_manager()
        config = storage.load_config(env_name, run_id)
        title = f"{config.name or run_id} reproduced"[:200]
        session = cls(
            config.replace(run_id=None, name=title), storage, checkpoint_every=checkpoint_every
        )
        session._script = _Script.read(storage, config)
        return session

    # What it is --------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def run_id(self) -> str | None:
        """The run's folder name; None before the first start."""
        return self.config.run_id

    @property
    def storage(self) -> StorageManager:
        """The library that the run is written to."""
        if self._storage is None:
            self._storage = get_storage_manager()
        return self._storage

    @property
    def seconds(self) -> float | None:
        """Seconds of training after which a run stops by itself, saved; None for no such end.

        What takes time before the first move, such as compiling, is not counted, nor are pauses,
        nor what a run that goes on had trained before. Another value counts from the next start on.
        """
        return self._seconds

    @seconds.setter
    def seconds(self, value: float | None) -> None:
        try:
            allowed = value is None or (value > 0 and math.isfinite(value))
        except TypeError:
            allowed = False
        if not allowed:
            raise ConfigError(
                f"seconds = {value!r} is not allowed: a number above 0, or None for no such end."
            )
        self._seconds = value

    @property
    def hyperparams(self) -> dict[str, Any]:
        """The algorithm's options, live changes included."""
        return dict(self._hyperparams)

    @property
    def rewards(self) -> dict[str, Any]:
        """The value of each event, live changes included."""
        return dict(self._rewards)

    def snapshot(self) -> Snapshot:
        """Give the latest snapshot."""
        return self.monitor.snapshot()

    def get_status(self) -> dict[str, Any]:
        """Give the latest snapshot as a JSON-serialisable dict."""
        snapshot = self.monitor.snapshot()
        status = {name: getattr(snapshot, name) for name in snapshot.__slots__}
        status["last_episodes"] = list(snapshot.last_episodes)
        status["changes"] = list(snapshot.changes)
        seen = snapshot.observation
        status["observation"] = None if seen is None else seen.tolist()
        status["error"] = None if self.error is None else str(self.error)
        return status

    def on(self, event: str, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call back on news, from a thread of its own.

        Args:
            event: "training_progress" or "episode_summary".
            callback: Takes a dict; an exception in it is logged and never fatal.

        Returns:
            A function that ends the calls.

        Raises:
            ConfigError: For an event that does not exist.
        """
        if event not in _EVENTS:
            raise ConfigError(f"No event {event!r}. Available: {', '.join(_EVENTS)}.")
        return self._dispatcher.subscribe(event, callback)

    # Commands ----------------------------------------------------------------------------------

    def start(self, max_speed: bool = False) -> None:
        """Begin to train; after an end, begin a new run with the same config.

        Args:
            max_speed: As fast as it goes, instead of at the pace that is set.

        Raises:
            SessionError: When it already runs.
            ContractError: When the algorithm does not fit the world; nothing is written then.
            UnknownName: When its observation block or reward function is not registered here;
                nothing is written then.
            DeviceError: When the config asks for a device that is not here.
            StorageError: When the models folder cannot be written.
        """
        if max_speed:
            self._require("start", SessionState.NEW, *_ENDED)
            self.set_speed(None)
        self._launch("start", SessionState.RUNNING)

    def pause(self) -> None:
        """Stand still after the present move or minibatch, and save.

        Raises:
            SessionError: When it does not run.
        """
        self._command("pause", SessionState.PAUSED, _Trainer.pause, SessionState.RUNNING)

    def resume(self) -> None:
        """Go on after a pause.

        Raises:
            SessionError: When it is not paused.
        """
        self._command("resume", SessionState.RUNNING, _Trainer.resume, SessionState.PAUSED)

    def step(self) -> None:
        """Do one move and the updates that are due before it, then stand still.

        Raises:
            SessionError: When it runs, or has ended.
        """
        if self._intent is SessionState.NEW:
            self._launch("step", SessionState.PAUSED)
        self._command("step", SessionState.PAUSED, _Trainer.step, SessionState.PAUSED)

    def stop(self) -> None:
        """End the run after the present move or minibatch, and save.

        Raises:
            SessionError: When it was not started, or has ended.
        """
        self._command(
            "stop",
            SessionState.STOPPING,
            _Trainer.stop,
            SessionState.RUNNING,
            SessionState.PAUSED,
        )

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: When it has not ended by then.
            SessionError: When it was not started.
            Exception: What the session failed with.
        """
        self._require("wait", *(state for state in SessionState if state is not SessionState.NEW))
        if not self._ended.wait(timeout):
            raise TimeoutError(f"The session has not ended within {timeout} s: {self.state}.")
        if self.error is not None:
            raise self.error

    def has_ended(self, timeout: float | None = 0.0) -> bool:
        """Tell whether the session has ended, well or not.

        Args:
            timeout: Seconds to wait for it; None waits for ever.

        Returns:
            True once it is finished or failed.
        """
        return self._ended.wait(timeout)

    async def wait_async(self) -> None:
        """Wait for the end in a notebook cell, while the kernel stays responsive."""
        self._require("wait", *(state for state in SessionState if state is not SessionState.NEW))
        while not self._ended.is_set():
            await asyncio.sleep(0.05)
        if self.error is not None:
            raise self.error

    def set_speed(self, moves_per_second: float | None) -> None:
        """Set the pace of each board; allowed at any time.

        Args:
            moves_per_second: Greater than 0; None is as fast as it goes.

        Raises:
            ConfigError: For anything else.
        """
        moves_per_second = _plain(moves_per_second)
        try:
            allowed = moves_per_second is None or 0 < moves_per_second <= 1e6
        except TypeError:
            allowed = False
        if not allowed:
            raise ConfigError(
                f"moves_per_second = {moves_per_second!r} is not allowed: a number above 0 and up "
                "to 1e6, or None for as fast as it goes."
            )
        with self._lock:
            old, self._moves_per_second = self._moves_per_second, moves_per_second
            self._paced = True
            if self._running:
                self._commands.put(lambda trainer: trainer.change_speed(old, moves_per_second))
        self.monitor.publish(
            moves_per_second=moves_per_second, is_max_speed=moves_per_second is None
        )

    def update_hyperparams(self, **changes: Any) -> None:
        """Change live options of the algorithm between two updates.

        Args:
            **changes: Options by name.

        Raises:
            ConfigError: For an unknown option, one that is not live while it runs, or a value
                out of range; nothing is changed then.
        """
        with self._lock:
            model = self._declared()[0].hyperparameters
            if self._running or self._goes_on:
                model.check_live(self.config.algo, changes)
            merged = validated(
                model, {**self._hyperparams, **changes}, f"Algorithm {self.config.algo!r}"
            )
            self._change("hyperparams", self._hyperparams, merged.model_dump(mode="json"))

    def update_rewards(self, **changes: Any) -> None:
        """Change what events are worth, from the next move on.

        Args:
            **changes: Values by event name.

        Raises:
            ConfigError: For an unknown event, a value out of range, or another reward function
                while it runs; nothing is changed then.
        """
        with self._lock:
            spec = self._declared()[1]
            merged = validated(
                spec.reward_model, {**self._rewards, **changes}, f"Rewards of {spec.name!r}"
            )
            name = getattr(merged, "function", None)
            if (self._running or self._goes_on) and name != self._rewards.get("function"):
                raise ConfigError(
                    "The reward function cannot change while training runs; start a new run for "
                    "it. The values of events can."
                )
            self._change("rewards", self._rewards, merged.model_dump(mode="json"))

    def _change(self, part: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Adopt new options, in the trainer if one runs, else in the config of the next run."""
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        if not changed:
            return
        setattr(self, f"_{part}", new)
        if self._running:
            previous = {name: old.get(name) for name in changed}
            self._commands.put(lambda trainer: trainer.change(part, previous, changed))
        field = {"hyperparams": "hyperparams", "rewards": "reward_config"}[part]
        # Not validated again: what is registered under its names may be something else by now.
        self.config = self.config.model_copy(update={field: new})

    def rename(self, name: str) -> None:
        """Give the run another title, also the one that is saved; allowed at any time.

        Args:
            name: The title, up to 200 characters; empty for none.

        Raises:
            ConfigError: For a title that is too long.
            StorageError: When it cannot be saved; it is as it was.
        """
        with self._lock:
            config = self.config.replace(name=name)
            if config.run_id is not None:
                self.storage.rename_run(config.env_name, config.run_id, config.name)
            self.config = self.config.model_copy(update={"name": config.name})

    def _declared(self) -> tuple[AgentSpec, EnvSpec]:
        """Give algorithm and environment: while it runs, those that it started with."""
        if self._started_with is None or not self._running:
            return get_agent_spec(self.config.algo), get_env_spec(self.config.env_name)
        return self._started_with

    # Machinery ---------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Have a trainer that waits look up."""
        if self._running:
            self._commands.put(lambda trainer: None)

    @property
    def _running(self) -> bool:
        return self._intent in (SessionState.RUNNING, SessionState.PAUSED)

    def _require(self, call: str, *allowed: SessionState) -> None:
        if self._intent not in allowed:
            names = ", ".join(allowed)
            raise SessionError(
                f"{call}() needs a session that is {names}; this one is {self._intent}."
            )

    def _command(
        self,
        call: str,
        intent: SessionState,
        command: Callable[[_Trainer], None],
        *allowed: SessionState,
    ) -> None:
        with self._lock:
            self._require(call, *allowed)
            self._intent = intent
            self._commands.put(command)

    def _launch(self, call: str, intent: SessionState) -> None:
        """Create the run and start the trainer."""
        with self._lock:
            self._require(call, SessionState.NEW, *_ENDED)
            goes_on, again = self._goes_on, self._intent in _ENDED
            config = self.config.replace(
                run_id=None if again else self.config.run_id,
                hyperparams=self._hyperparams,
                reward_config=self._rewards,
            )
            here = resolved(config)
            _refuse_misfit(here)
            if goes_on:
                run_id = str(config.run_id)
                self.storage.claim(config.env_name, run_id, self)
            else:
                parent = self._script.parent if self._script else None
                run_id = self.storage.create_run(here, holder=self, parent=parent)
            self.config = config.replace(run_id=run_id)
            self._started_with = get_agent_spec(config.algo), get_env_spec(config.env_name)
            if goes_on and self._began is not None:
                here = resolved(self._began)  # its checkpoint says what was changed since
            trainer = _Trainer(self, here.replace(run_id=run_id), intent, goes_on)
            self._goes_on = False
            self.error = self.traceback = None
            self.started_at = time.time()
            self._commands = queue.SimpleQueue()
            self._ended.clear()
            self._intent = intent
            self._state = intent
            self.monitor.reset_history()
            self.monitor.forget_weights()
            self.monitor.forget_update()
            self.monitor.publish(**_blank(here, run_id, intent))
            self._thread = threading.Thread(
                target=trainer.main, name=f"rlplay-trainer-{run_id}", daemon=True
            )
            _alive.add(self)
            _stop_at_exit()
            self._thread.start()

    def _finish(self, state: SessionState, error: BaseException | None, text: str | None) -> None:
        """Called by the trainer as its last act."""
        with self._lock:
            self.error, self.traceback = error, text
            self._intent = self._state = state
            self._ended.set()

    def __str__(self) -> str:
        """Name the session to people."""
        return f"a session of {self.config.algo} on {self.config.env_name} in this process"

    def __repr__(self) -> str:
        """Name the run, the algorithm and the state."""
        return (
            f"<TrainingSession {self.run_id or 'without a run'}: {self.config.algo} on "
            f"{self.config.env_name}, {self.state}>"
        )


def _refuse_misfit(config: RunConfig) -> None:
    """Refuse an algorithm that cannot learn its world, and names that nothing is registered for."""
    try:
        spec = get_env_spec(config.env_name)
        parts_of(
            spec.config_model.model_validate(config.env_config),
            spec.reward_model.model_validate(config.reward_config),
        )
        reason = explain_misfit(config)
    except RlplayError:
        raise
    except Exception:  # a world that cannot even be made: training says why
        return
    if reason is not None:
        raise ContractError(reason)


def _blank(config: RunConfig, run_id: str, state: SessionState) -> dict[str, Any]:
    """The snapshot of a run that has not moved yet."""
    return {
        "run_id": run_id,
        "algo": config.algo,
        "env_name": config.env_name,
        "state": state.value,
        "message": "",
        "problem": "",
        "total_steps": 0,
        "target_steps": config.total_steps,
        "episode": 0,
        "current_score": 0.0,
        "best_score": None,
        "avg_score": None,
        "steps_per_second": 0.0,
        "elapsed": 0.0,
        "time_left": None,
        "endings": {},
        "device": config.device,
        "precision": config.precision,
        "saved_at": None,
        "learner": {},
        "last_episodes": (),
        "changes": (),
        "game_state": None,
        "observation": None,
    }


class _Change(NamedTuple):
    """Something that was changed live, to be changed again."""

    item: int  # moves and updates of the run when it took effect
    part: str
    name: str
    old: Any
    new: Any


class _Script(NamedTuple):
    """What a run began with, what was changed while it trained, and where it stands."""

    changes: tuple[_Change, ...]
    end: int | None  # moves and updates; None where nothing says it
    reached: int  # moves and updates that the run is known to have done
    parent: dict[str, Any] | None  # the run whose weights it began with, and
    weights: Mapping[str, Any] | None  # those weights

    @classmethod
    def read(cls, storage: StorageManager, config: RunConfig) -> _Script:
        """Read what was done with a run.

        Raises:
            RunNotFound: When it began with weights that are missing.
            DamagedFile: When its events are not what rlplay writes.
        """
        run = config.env_name, str(config.run_id)
        parent, weights = storage.load_record(*run).get("parent"), None
        if parent:
            if 0 not in storage.list_snapshots(*run):
                raise RunNotFound(
                    f"Run {run[1]!r} began with the weights of {parent['run_id']!r}, and has no "
                    "snapshot of them any more. Put back a copy of its snapshots/0.safetensors."
                )
            weights = storage.load_snapshot(*run, 0)
        checkpoints = storage.checkpoints(*run).entries()
        events: list[Event] = []
        checker = ChangeChecker(config)
        try:
            for record in storage.load_events(*run):
                event = read_event(record)
                checker.take(event)
                events.append(event)
            checker.finish()
        except RlplayError as error:
            raise DamagedFile(
                f"After event {len(events)} of run {run[1]!r} one cannot be done again: "
                f"{str(error).rstrip('.')}. Put back a copy of its events.jsonl; without one, "
                "clone the run to train it without what was changed."
            ) from error
        changes = []
        for event in events:
            if is_change(event.field):
                part, _, name = event.field.partition(".")
                changes.append(_Change(event.item, part, name, event.old, event.new))
        last = next((event for event in reversed(events) if not is_change(event.field)), None)
        end: int | None = None
        if checkpoints:
            end = checkpoints[0].items
        elif last is not None and last.new == SessionState.FINISHED.value:  # of an archive
            end = last.item
        reached = max([end or 0, *(event.item for event in events)])
        return cls(tuple(changes), end, reached, parent, weights)


def _shown_change(event: dict[str, Any]) -> dict[str, Any]:
    """Say of an event what the screen shows of a live change."""
    return {
        "steps": event["step"],
        "elapsed": event.get("elapsed"),  # older files do not say
        "field": event["field"],
        "old": event["old"],
        "new": event["new"],
    }


class _Trainer:
    """The trainer thread of one run. Only this thread touches the loop and the recorder."""

    def __init__(
        self, session: TrainingSession, config: RunConfig, state: SessionState, goes_on: bool
    ) -> None:
        self._session = session
        self._monitor = session.monitor
        self._config = config
        self._state = state
        self._goes_on = goes_on
        self._is_restored = not goes_on  # what the agent knows is this run's
        self._script = script = None if goes_on else session._script
        self._changes = collections.deque(script.changes if script else ())
        self._end = script.end if script else None
        self._reached = script.reached if script else 0  # until there, a person went on
        self._is_done = False  # all moves and updates
        self._seconds = session.seconds
        self._trained_before = 0.0  # seconds that the run had trained when this began
        self._moves_left = 0  # moves to do while paused
        self._moves_per_second = session._moves_per_second
        self._next_move = 0.0
        self._finished = False
        self._loop: TrainingLoop
        self._recorder: Recorder
        self._saver: Saver
        self._checkpointed = 0.0  # when the last checkpoint was taken
        self._save_error: BaseException | None = None  # of the last checkpoint
        self._snapshots: list[int] = []  # steps at which weights are still to be kept
        self._live_rewards = dict(config.reward_config)
        self._problem = ""  # why training stands still, where it is not a person's wish
        self._notes = ""  # what a person should know for as long as the run lasts
        # Sums for the screen.
        self._scores: collections.deque[float] = collections.deque(maxlen=_RECENT)
        self._shown: collections.deque[tuple[Episodes, dict[str, float]]] = collections.deque(
            maxlen=_SHOWN_EPISODES
        )  # each with the learner's metrics of that moment
        self._changed: collections.deque[dict[str, Any]] = collections.deque(maxlen=_SHOWN_CHANGES)
        self._weights_at = -1  # items of the loop when the weights were published last
        self._weights_published = float("-inf")
        self._update: dict[str, Any] = {}  # what was published last of the updates
        self._best: float | None = None
        self._endings: dict[str, int] = {}
        self._learner: dict[str, float] = {}
        self._active = 0.0  # seconds of training before the present stretch
        self._since: float | None = None  # when the present stretch began
        self._pace: collections.deque[tuple[float, int, int]] = collections.deque()
        self._saved_at: float | None = None
        self._save_due: float | None = None  # when the checkpoint of a pause is
        self._last_words = ""  # what came of it, once it has ended
        self._held_up = ""  # that the last checkpoint took long
        self._publish_at = 0.0  # when the next snapshot is due
        self._unseen = True  # something happened since it was published

    # The thread --------------------------------------------------------------------------------

    def main(self) -> None:
        """Run to the end; whatever happens, the session ends in a state of its own."""
        error: BaseException | None = None
        text: str | None = None
        try:
            self._prepare()
            with explain_out_of_memory(self._config):
                self._train()
            self._save_at_end()
        except BaseException as exception:  # a training failure never harms the kernel
            error, text = exception, traceback.format_exc()
            self._rescue()
        for close in (self._close_saver, self._close_recorder, self._write_log, self._release):
            try:
                close(text)
            except Exception as exception:
                if error is None:
                    error, text = exception, traceback.format_exc()
        self._state = SessionState.FINISHED if error is None else SessionState.FAILED
        self._last_words = "saved" if error is None else _words(error)
        if error is None and self._notes:
            self._last_words = f"saved. {self._notes}"
        self._session._dispatcher.close_run()
        try:
            self._publish(time.monotonic(), board=True)
            if error is None and self._weights_owed():
                self._publish_weights()
        except Exception:  # an environment that cannot even be drawn any more
            self._monitor.publish(state=self._state.value, message=self._last_words)
        finally:
            self._session._finish(self._state, error, text)

    def _rescue(self) -> None:
        """Of a run that fails before it was ever saved, keep what it has learned, if it can be."""
        storage, run = self._session.storage, (self._config.env_name, str(self._config.run_id))
        with suppress(Exception):
            trained = self._is_restored and hasattr(self, "_saver") and self._loop.total_steps
            if trained and not storage.weights_exist(*run):
                check_finite(self._loop.agent, self._loop.total_steps)
                storage.save_weights(*run, self._loop.agent)
                self._saved_at = time.time()

    def _close_saver(self, _: str | None) -> None:
        """Let what was handed in come to the disk."""
        if hasattr(self, "_saver"):
            self._saver.close()

    def _close_recorder(self, text: str | None) -> None:
        """Write what the recorder still holds."""
        if hasattr(self, "_recorder"):
            self._recorder.close(keep_replaced=text is not None)

    def _write_log(self, text: str | None) -> None:
        if text is not None:
            self._session.storage.append_log(self._config.env_name, str(self._config.run_id), text)

    def _release(self, _: str | None) -> None:
        """Give the run back."""
        self._session.storage.release(self._config.env_name, str(self._config.run_id))

    def _prepare(self) -> None:
        """Everything that takes time, in this thread."""
        keep_freed_memory()
        torch.set_num_threads(num_torch_threads(self._config))
        # Numbers too small to be written normally cost a hundred times as much, and mean nothing.
        torch.set_flush_denormal(True)

        def say(message: str) -> None:
            self._monitor.publish(message=message)

        get_env_spec(self._config.env_name).env.prepare(say)
        self._loop = TrainingLoop(self._config)
        self._recorder = Recorder(
            self._session.storage,
            self._config,
            self._loop.env,
            on_line=self._take_line,
            elapsed=lambda: self._elapsed(time.monotonic()),
            merge=self._moves_per_second is None,
        )
        self._saver = Saver(self._session.storage, self._config)
        weights = self._loop.agent.get_weights().values()
        size = sum(torch.as_tensor(value).nbytes for value in weights)
        self._snapshots = snapshot_steps(self._config.total_steps, size)
        if self._goes_on:
            self._go_on(say)
        elif self._script is not None:
            self._begin_as(self._script)
        if self._loop.items == 0:
            self._take_snapshot()
        say(self._notes)
        if self._loop.items == 0:
            self._event("state", "new", self._state.value)
            self._event("speed.moves_per_second", self._moves_per_second, self._moves_per_second)
        # From now on there is something to go on from, and the memory for copies is taken.
        self._take_checkpoint(with_weights=False)
        if self._state is SessionState.RUNNING:
            self._begin_stretch()

    # Going on ------------------------------------------------------------------------------------

    def _begin_as(self, script: _Script) -> None:
        """Begin as the run began that is done again."""
        if script.weights is not None:
            self._loop.agent.set_weights(script.weights)
        if script.end is None:
            self._notes = (
                "Nothing says at which step the run ended that is done again: this one does all of "
                "its steps."
            )

    def _go_on(self, say: Callable[[str], None]) -> None:
        """Put everything back as the last good checkpoint says, or begin with the weights."""
        storage = self._session.storage
        env_name, run_id = self._config.env_name, str(self._config.run_id)
        checkpoints = storage.checkpoints(env_name, run_id)
        if not checkpoints.entries():
            storage.save_config(self._config)
            if storage.weights_exist(env_name, run_id):
                self._loop.agent.load(storage.check_weights(env_name, run_id))
            self._is_restored = True
            return
        say("reading the last checkpoint")
        entry, state, damaged = checkpoints.load()
        for refused in checkpoints.go_on_from(entry):
            with suppress(StorageError):  # it may be missing, which is why it was refused
                storage.to_trash(env_name, run_id, "checkpoints", refused.file)
        storage.cut_lines(env_name, run_id, entry)
        for step in storage.list_snapshots(env_name, run_id):
            if step > entry.step:  # will be taken again
                storage.delete_snapshot(env_name, run_id, step)
        self._loop.load_state_dict(state["loop"])
        self._recorder.load_state_dict(state["recorder"])
        self._load_sums(state["sums"])
        self._load_script(state.get("script"))
        for event in storage.load_events(env_name, run_id):
            if is_change(str(event.get("field"))) and event["old"] != event["new"]:
                self._changed.append(_shown_change(event))
        self._monitor.publish(changes=tuple(self._changed))
        for line in storage.load_metrics(env_name, run_id):
            self._monitor.add_point(_numbers(line))
        self._snapshots = [step for step in self._snapshots if step > entry.step]
        differences = _differences(state["made_with"], self._made_with())
        if not self._loop.env.restores_exactly:
            differences.append(f"{env_name!r} did not give the same episode again")
        notes = [*damaged]
        if damaged:
            notes.append(f"Went on from the checkpoint at step {entry.step:,}.")
        if differences:
            notes.append(f"No longer bit-exact: {'; '.join(differences)}.")
        self._notes = " ".join(notes)
        self._event("resume", entry.step, self._notes or "exact")
        self._trained_before = self._active
        self._is_restored = True
        self._go_on_live(state["live"])

    def _go_on_live(self, saved: dict[str, Any]) -> None:
        """Go on with what was changed live; what a person set meanwhile comes on top."""
        session = self._session
        self._moves_per_second = saved["moves_per_second"]
        self._live_rewards = dict(saved["rewards"])
        events = {name: value for name, value in self._live_rewards.items() if name != FUNCTION}
        self._loop.set_rewards(events)
        self._recorder.merge = self._moves_per_second is None
        agent = self._loop.agent
        agent.update_hyperparams(
            **{name: saved["hyperparams"][name] for name in agent.hyperparams.live_names()}
        )
        with session._lock:
            set_since = {"hyperparams": session._hyperparams, "rewards": session._rewards}
            resumed = session._resumed or self._config
            at_first = {"hyperparams": resumed.hyperparams, "rewards": resumed.reward_config}
            session._hyperparams, session._rewards = saved["hyperparams"], saved["rewards"]
            session.config = session.config.model_copy(
                update={"hyperparams": saved["hyperparams"], "reward_config": saved["rewards"]}
            )
            for part, values in set_since.items():
                session._change(
                    part,
                    dict(saved[part]),
                    {
                        name: value if at_first[part].get(name) != value else saved[part].get(name)
                        for name, value in values.items()
                    },
                )
            if session._paced:
                old, new = self._moves_per_second, session._moves_per_second
                if old != new:
                    session._commands.put(lambda trainer: trainer.change_speed(old, new))
            else:
                session._moves_per_second = self._moves_per_second
            pace = session._moves_per_second
        self._monitor.publish(moves_per_second=pace, is_max_speed=pace is None)

    def _state_dict(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {
            "loop": self._loop.state_dict(),
            "recorder": self._recorder.state_dict(),
            "sums": self._sums(),
            "live": {
                "hyperparams": self._loop.agent.hyperparams.model_dump(mode="json"),
                "rewards": dict(self._live_rewards),
                "moves_per_second": self._moves_per_second,
            },
            "made_with": self._made_with(),
            "script": {
                "changes": [list(change) for change in self._changes],
                "end": self._end,
                "reached": self._reached,
            },
        }

    def _load_script(self, script: Mapping[str, Any] | None) -> None:
        """Go on with doing a run again; older checkpoints say nothing of it."""
        if script is not None:
            self._changes.extend(_Change(*change) for change in script["changes"])
            self._reached = script["reached"]
            if script["end"] != self._loop.items:  # else it is done, and this is a run of its own
                self._end = script["end"]

    def _made_with(self) -> dict[str, Any]:
        """What the bytes of a run depend on, beside its config."""
        return {
            "device": self._config.device,
            "precision": self._config.precision,
            "num_threads": self._config.num_threads,
            "cpu": cpu_name(),
            **{name: metadata.version(name) for name in ("torch", "numpy", "numba")},
        }

    def _sums(self) -> dict[str, Any]:
        return {
            "scores": list(self._scores),
            "shown": [
                {**episodes.to_dict(), "learner": dict(learner)}
                for episodes, learner in self._shown
            ],
            "best": self._best,
            "endings": dict(self._endings),
            "learner": dict(self._learner),
            "elapsed": self._elapsed(time.monotonic()),
        }

    def _load_sums(self, sums: dict[str, Any]) -> None:
        self._scores.extend(sums["scores"])
        for shown in sums["shown"]:
            episodes = dict(shown)
            learner = episodes.pop("learner", {})  # older checkpoints have none
            self._shown.append((Episodes(**episodes), learner))
        self._best = sums["best"]
        self._endings, self._learner = dict(sums["endings"]), dict(sums["learner"])
        self._active = sums["elapsed"]

    def _train(self) -> None:
        items = self._loop.run()
        self._publish_at = progressed = time.monotonic()
        while self._obey():
            if (item := next(items, None)) is None:
                self._is_done = True
                return
            self._recorder.take(item)
            if isinstance(item, Move):
                self._count(item)
                if (problem := self._loop.env.take_reward_problem()) is not None:
                    self._stand_still(problem)
                if self._snapshots and item.total_steps >= self._snapshots[0]:
                    self._take_snapshot()
            else:
                self._learner = item.metrics or self._learner
            self._unseen = True
            now = time.monotonic()
            if now >= self._publish_at - _PUBLISH_EVERY / 4:  # no move is left out for coming early
                self._hear_saver()
                self._publish(now)
                self._offer_weights()
                self._offer_update()
                if self._moves_per_second is not None or now - progressed >= _PROGRESS_EVERY:
                    self._tell_progress()
                    progressed = now
            due = now - self._checkpointed >= self._session.checkpoint_every
            if due and not self._saver.is_busy:
                self._save()

    def _obey(self) -> bool:
        """Take the commands that wait; while paused or ahead of the pace, wait for more.

        Returns:
            Whether to go on; False after a stop.
        """
        self._repeat_changes()
        while True:
            try:
                self._session._commands.get_nowait()(self)
                continue
            except queue.Empty:
                pass
            if self._finished or self._loop.items == self._end:
                return False
            left = self._seconds_left()
            if left is not None and left <= 0 and self._state is SessionState.RUNNING:
                return False
            if self._loop.agent.updates_due and (
                self._state is SessionState.RUNNING or self._moves_left
            ):
                return True
            if self._state is SessionState.PAUSED:
                if self._moves_left:
                    self._moves_left -= 1
                    return True
                self._show()
                self._await_command(self._save_of_pause())
                continue
            wait = self._next_move - time.monotonic() if self._moves_per_second else 0.0
            if wait <= 0:
                return True
            if wait > _PUBLISH_EVERY:
                self._show()
            self._await_command(wait if left is None else min(wait, left))

    def _save_of_pause(self) -> float | None:
        """Have the checkpoint of a pause written when it is due, and say what became of it.

        Returns:
            Seconds until there is more to do; None when there is not.
        """
        if self._save_due is not None:
            wait = self._save_due - time.monotonic()
            if wait > 0:
                return wait
            self._save_due = None
            self._recorder.store_replays()
            self._save()
        if self._saver.is_busy:
            return _PUBLISH_EVERY
        if self._hear_saver():
            self._publish(time.monotonic(), board=True)
        return None

    def _await_command(self, seconds: float | None) -> None:
        """Wait for a command and obey it; meanwhile, give weights to whoever asks.

        Args:
            seconds: For how long at most; None is for ever.
        """
        due = self._offer_weights()
        timeout = min((limit for limit in (seconds, due) if limit is not None), default=None)
        try:
            command = self._session._commands.get(timeout=timeout)
        except queue.Empty:
            return
        command(self)

    # Commands, between two items -----------------------------------------------------------------

    def pause(self) -> None:
        """Stand still, and save a moment later."""
        self._end_stretch()
        self._set_state(SessionState.PAUSED)
        self._save_due = time.monotonic() + _SCREEN_FIRST

    def _stand_still(self, problem: str) -> None:
        """Pause by ourselves, until a person has mended what is wrong."""
        if self._loop.items <= self._reached:
            return  # the run that is done again stood here too; what mended it is done again
        self._problem = problem
        self._moves_left = 0
        with self._session._lock:
            if self._session._intent is not SessionState.RUNNING:
                return
            self._session._intent = SessionState.PAUSED
        self.pause()

    def _message(self) -> str:
        """What a person should know: what came of the run, or all that holds for it now."""
        if self._last_words:
            return self._last_words
        parts = []
        if self._problem:
            parts.append(
                f"Paused, since a reward has no value. {self._problem} Change it, then resume."
            )
        if self._save_error is not None:
            parts.append(f"Not saved: {self._save_error}")
        if hasattr(self, "_recorder"):
            parts.append(self._recorder.problem or "")
        if not self._problem:
            parts.append(self._held_up)
        parts.append(self._notes)
        return " ".join(part for part in parts if part)

    def resume(self) -> None:
        """Go on."""
        if self._save_due is not None:
            self._save_due = None
            self._save()
        self._problem = ""
        self._moves_left = 0
        self._begin_stretch()
        self._set_state(SessionState.RUNNING)

    def step(self) -> None:
        """Do one move."""
        self._moves_left += 1

    def stop(self) -> None:
        """End the run."""
        self._finished = True
        self._set_state(SessionState.STOPPING)

    def change_speed(self, old: float | None, new: float | None) -> None:
        """Keep another pace."""
        self._moves_per_second = new
        self._next_move = time.monotonic()
        self._recorder.merge = new is None
        self._record("speed", {"moves_per_second": old}, {"moves_per_second": new})

    def change(self, part: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Change options of the agent or the rewards, as a person wants it."""
        self._reached = 0  # from here on it is another run than the one that is done again
        self._apply(part, old, new)

    def _apply(self, part: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        if part == "hyperparams":
            self._loop.agent.update_hyperparams(**new)
        else:
            self._problem = ""
            self._live_rewards |= new
            self._loop.set_rewards(new)
        self._record(part, old, new)

    def _repeat_changes(self) -> None:
        """Change again what was changed at this item in the run that is reproduced."""
        while self._changes and self._changes[0].item <= self._loop.items:
            change = self._changes.popleft()
            if change.part == "speed":
                # How lines are merged follows the old pace; nobody has to wait for it.
                self._recorder.merge = change.new is None
                self._record("speed", {change.name: change.old}, {change.name: change.new})
            else:
                self._apply(change.part, {change.name: change.old}, {change.name: change.new})

    def _record(self, part: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        for name, value in new.items():
            event = self._event(f"{part}.{name}", old.get(name), value)
            if event["old"] != event["new"]:
                self._changed.append(_shown_change(event))
        self._monitor.publish(changes=tuple(self._changed))

    def _event(self, field: str, old: Any, new: Any) -> dict[str, Any]:
        return self._recorder.event(self._loop.total_steps, self._loop.items, field, old, new)

    # Helpers -------------------------------------------------------------------------------------

    def _set_state(self, state: SessionState) -> None:
        self._event("state", self._state.value, state.value)
        self._state = self._session._state = state
        self._publish(time.monotonic(), board=True)

    def _begin_stretch(self) -> None:
        self._since = self._next_move = time.monotonic()
        self._pace.clear()

    def _end_stretch(self) -> None:
        if self._since is not None:
            self._active += time.monotonic() - self._since
            self._since = None

    def _show(self) -> None:
        """Publish the last move before a long wait, unless that was done."""
        if self._unseen:
            self._publish(time.monotonic(), board=True)
            self._tell_progress()

    def _elapsed(self, now: float) -> float:
        return self._active + (0.0 if self._since is None else now - self._since)

    def _seconds_left(self) -> float | None:
        """Seconds left of the budget; None where there is none."""
        if self._seconds is None:
            return None
        return self._seconds - (self._elapsed(time.monotonic()) - self._trained_before)

    def _count(self, move: Move) -> None:
        """Keep the sums for the screen, and the pace."""
        if move.ended is not None:
            ended = move.ended
            self._scores.extend(ended.scores[-_RECENT:].tolist())
            best = float(ended.scores.max())
            self._best = best if self._best is None else max(self._best, best)
            self._shown.append((ended, self._learner))
            names = self._loop.env.ending_names
            for code in ended.endings.tolist():
                name = names[code]
                self._endings[name] = self._endings.get(name, 0) + 1
        if self._moves_per_second is not None:
            # Behind by more than a move: do not chase what is lost.
            now = time.monotonic()
            self._next_move = max(self._next_move + 1 / self._moves_per_second, now - 0.05)

    def _publish(self, now: float, board: bool = False) -> None:
        """Put the present into the monitor."""
        fields: dict[str, Any] = {
            "state": self._state.value,
            "elapsed": self._elapsed(now),
            "message": self._message(),
            "problem": self._problem,
            "saved_at": self._saved_at,
        }
        if hasattr(self, "_loop"):
            loop = self._loop
            speed = self._speed(now, loop.total_steps)
            left = self._config.total_steps - loop.total_steps
            ends = [] if speed <= 0 else [left / speed]
            if (budget := self._seconds_left()) is not None:
                ends.append(budget)
            fields |= {
                "total_steps": loop.total_steps,
                "episode": loop.episodes,
                "best_score": self._best,
                "avg_score": sum(self._scores) / len(self._scores) if self._scores else None,
                "steps_per_second": speed,
                "time_left": max(0.0, min(ends)) if ends else None,
                "endings": dict(self._endings),
                "learner": dict(self._learner),
                "last_episodes": self._last_episodes(),
                "current_score": loop.current_score,
            }
            told = self._session._dispatcher.listens("training_progress")
            if board or told or self._monitor.board_wanted():
                fields["game_state"] = loop.env.render_state(0)
                fields["observation"] = np.array(loop.observations[0], np.float32)
        self._monitor.publish(**fields)
        # Thirty times a second on average, so that at thirty moves a second each one is seen.
        due = max(self._publish_at + _PUBLISH_EVERY, now + _PUBLISH_EVERY / 2)
        self._publish_at = min(due, now + 1.25 * _PUBLISH_EVERY)
        self._unseen = False

    def _weights_owed(self) -> bool:
        """Whether somebody asks for weights that are newer than the published ones."""
        return self._loop.items != self._weights_at and self._monitor.weights_wanted()

    def _offer_weights(self) -> float | None:
        """Publish the weights, if somebody asks for them and it is time to.

        Returns:
            Seconds until it is time to; None when nothing is owed.
        """
        if not self._weights_owed():
            return None
        wait = self._weights_published + _WEIGHTS_EVERY - time.monotonic()
        if wait > 0:
            return wait
        self._publish_weights()
        return None

    def _publish_weights(self) -> None:
        copies = {name: _copied(value) for name, value in self._loop.agent.get_weights().items()}
        self._monitor.publish_weights(self._loop.total_steps, self._loop.episodes, copies)
        self._weights_at, self._weights_published = self._loop.items, time.monotonic()

    def _offer_update(self) -> None:
        """Publish what the newest update did, while somebody asks."""
        agent = self._loop.agent
        agent.is_watched = self._monitor.update_wanted()
        details = agent.describe_update() if agent.is_watched else {}
        if details and details is not self._update:
            self._monitor.publish_update(self._loop.total_steps, details)
            self._update = details

    def _speed(self, now: float, total_steps: int) -> float:
        """Environment steps a second over the last seconds; 0 while nothing moves."""
        if self._since is None:
            return 0.0
        self._pace.append((now, total_steps, self._loop.episodes))
        while len(self._pace) > 2 and now - self._pace[0][0] > _SPEED_WINDOW:
            self._pace.popleft()
        seconds = now - self._pace[0][0]
        return (total_steps - self._pace[0][1]) / seconds if seconds > 0 else 0.0

    def _episode_rate(self) -> float:
        if len(self._pace) < 2:
            return 0.0
        (begin, _, before), (end, _, after) = self._pace[0], self._pace[-1]
        return (after - before) / (end - begin) if end > begin else 0.0

    def _last_episodes(self) -> tuple[dict[str, Any], ...]:
        names = self._loop.env.ending_names
        rows: list[dict[str, Any]] = []
        for batch, learner in reversed(self._shown):
            for index in reversed(range(len(batch.boards))):
                if len(rows) == _SHOWN_EPISODES:
                    return tuple(reversed(rows))
                rows.append(
                    {
                        "episode": batch.last - (len(batch.boards) - 1 - index),
                        "score": float(batch.scores[index]),
                        "return": float(batch.returns[index]),
                        "length": int(batch.lengths[index]),
                        "ending": names[int(batch.endings[index])],
                        "learner": learner,
                    }
                )
        return tuple(reversed(rows))

    def _take_line(self, line: dict[str, Any]) -> None:
        """The recorder wrote a metrics line: the screen shows the same numbers."""
        self._monitor.add_point(_numbers(line))
        self._session._dispatcher.tell("episode_summary", {"run_id": self._config.run_id, **line})

    def _tell_progress(self) -> None:
        snapshot = self._monitor.snapshot()
        self._session._dispatcher.tell(
            "training_progress",
            {
                "run_id": snapshot.run_id,
                "episode": snapshot.episode,
                "total_steps": snapshot.total_steps,
                "current_score": snapshot.current_score,
                "best_score": snapshot.best_score,
                "avg_score": snapshot.avg_score,
                "episodes_per_second": self._episode_rate(),
                "steps_per_second": snapshot.steps_per_second,
                "is_max_speed": snapshot.is_max_speed,
                "game_state": snapshot.game_state,
            },
        )

    def _save(self) -> None:
        """Have a checkpoint written; a failure is shown and training goes on.

        The replays that wait are part of it; playing them here would hold training up.
        """
        self._take_checkpoint()
        self._hear_saver()
        self._publish(time.monotonic())

    def _take_checkpoint(self, with_weights: bool = True) -> None:
        """Hand the present state to the saver; of a guest that has none, the weights alone."""
        began = time.monotonic()
        state: Packed | None = None
        try:
            state = pack(self._state_dict())
        except Exception as error:
            self._notes = f"This run cannot go on after its end: {_words(error)}"
        self._saver.wait()
        self._hear_saver()
        self._recorder.hold_replays()
        self._saver.save_checkpoint(
            state,
            self._loop.agent,
            step=self._loop.total_steps,
            items=self._loop.items,
            is_last=self._is_done,
            with_weights=with_weights,
            began=began,
        )
        self._checkpointed = time.monotonic()

    def _take_snapshot(self) -> None:
        """Keep the weights as they are now."""
        self._saver.save_snapshot(self._loop.agent, self._loop.total_steps)
        self._snapshots = [step for step in self._snapshots if step > self._loop.total_steps]

    def _hear_saver(self) -> bool:
        """Learn what became of the last checkpoints, and whether there was something to learn."""
        outcomes = self._saver.outcomes()
        for outcome in outcomes:
            if outcome.is_checkpoint:
                self._recorder.release_replays(landed=outcome.error is None)
            self._save_error = outcome.error
            if outcome.error is not None:
                continue
            if outcome.with_weights:
                self._saved_at = time.time()
            self._held_up = ""
            if outcome.held_up > _HELD_UP and outcome.size > _LARGE:
                self._held_up = (
                    f"Training stood still for {1000 * outcome.held_up:.0f} ms, to save a "
                    f"checkpoint of {outcome.size / 1e6:.0f} MB."
                )
        return bool(outcomes)

    def _save_at_end(self) -> None:
        """Save all that a person needs to go on, and wait until it is on the disk.

        Raises:
            Exception: When it could not be saved.
        """
        self._event("state", self._state.value, SessionState.FINISHED.value)
        if self._is_done:  # no line goes on: all of them belong to the last checkpoint
            self._recorder.finish()
        else:
            self._recorder.store_replays()
        self._take_checkpoint()
        self._saver.wait()
        self._hear_saver()
        if self._save_error is not None:
            raise self._save_error


def _plain(value: Any) -> Any:
    """Give a number of NumPy's as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value


def _copied(weights: Any) -> Any:
    """Copy one of an agent's weights to the CPU: a tensor, or an array."""
    if isinstance(weights, torch.Tensor):
        return weights.detach().to("cpu", copy=True)
    return np.array(weights)


def _words(error: BaseException) -> str:
    """Say what happened, in one line, and where in a person's own code.

    Our own errors are worded already.
    """
    if isinstance(error, RlplayError):
        return str(error)
    said = f"{type(error).__name__}: {error}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_THEIRS) and "site-packages" not in frame.filename
    ]
    if not own:
        return said
    return f"{said} (in {own[-1].name}, line {own[-1].lineno}: {own[-1].line})"


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    """Give what a metrics line adds to the curves."""
    return {
        name: float(value)
        for name, value in line.items()
        if isinstance(value, int | float) and name != "timestamp"
    }


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what is different from when a checkpoint was made."""
    return [
        f"{name.replace('_', ' ')} {now.get(name)} instead of {value}"
        for name, value in then.items()
        if now.get(name) != value
    ]


class _Dispatcher:
    """Calls the subscribers back on a thread of its own, started with the first one."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[str, Callable[[dict[str, Any]], None]]] = []
        self._queue: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def subscribe(
        self, event: str, callback: Callable[[dict[str, Any]], None]
    ) -> Callable[[], None]:
        entry = (event, callback)
        with self._lock:
            self._subscribers.append(entry)

        def unsubscribe() -> None:
            with self._lock:
                if entry in self._subscribers:
                    self._subscribers.remove(entry)

        return unsubscribe

    def listens(self, event: str) -> bool:
        """Whether anybody wants to hear of an event."""
        return any(name == event for name, _ in tuple(self._subscribers))

    def tell(self, event: str, data: dict[str, Any]) -> None:
        with self._lock:
            if not self.listens(event):
                return
            if event == "training_progress" and self._queue.qsize() > _MAX_UNHEARD:
                return  # a slow listener hears of less, and not of ever older news
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._main, name="rlplay-dispatcher", daemon=True
                )
                self._thread.start()
            self._queue.put((event, data))

    def close_run(self) -> None:
        """End the thread after what was told so far, and wait until it was heard."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join(timeout=2.0)

    def _main(self) -> None:
        while (told := self._queue.get()) is not None:
            event, data = told
            with self._lock:
                callbacks = [callback for name, callback in self._subscribers if name == event]
            for callback in callbacks:
                try:
                    callback(data)
                except Exception:
                    _log.exception("A callback on %r failed; training goes on.", event)


_exit_registered = False


def _stop_at_exit() -> None:
    """Have the sessions stopped, and so saved, when the process ends or is told to."""
    global _exit_registered
    if not _exit_registered:
        _exit_registered = True
        atexit.register(_stop_all)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, functools.partial(_stop_and_end, os.getpid()))


def _stop_and_end(process: int, number: int, frame: FrameType | None) -> None:
    """Save, then end as the signal does by itself.

    Jupyter ends a kernel this way whose cell still runs; what `atexit` would do is left out then.
    """
    if os.getpid() == process:  # a fork of it has the handler, and not the trainers
        # Not in this thread, which may have been interrupted while it held a session's lock.
        saving = threading.Thread(target=_stop_all, name="rlplay-end", daemon=True)
        saving.start()
        saving.join(_PATIENCE)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _stop_all() -> None:
    running = sessions()
    for session in running:
        try:
            session.stop()
        except SessionError:
            continue
    deadline = time.monotonic() + _PATIENCE
    for session in running:
        session._ended.wait(max(0.0, deadline - time.monotonic()))

"""TrainingSession: the thread around the loop, its states and its command queue.

::

    new ──start──▶ running ◀──resume── paused        step() does one move from new or paused
                     │ └────pause────────▶│
                     ├──stop──▶ stopping ─┴──▶ finished ──start──▶ running (a new run)
                     └──an exception──▶ failed ──start──▶ running (a new run)

Every call only puts a command on a queue; the trainer thread takes it between two moves or
updates. The trainer never prints and never touches a widget: it publishes into the monitor.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import enum
import logging
import queue
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from rlplay.config import RunConfig, validated
from rlplay.device import (
    choose_num_threads,
    choose_precision,
    explain_out_of_memory,
    get_device,
    keep_freed_memory,
)
from rlplay.envs import get_env_spec
from rlplay.errors import ConfigError, RlplayError, SessionError
from rlplay.storage import StorageManager, get_storage_manager
from rlplay.training.loop import Episodes, Move, TrainingLoop
from rlplay.training.monitor import Monitor, Snapshot
from rlplay.training.recorder import Recorder

__all__ = ["SessionState", "TrainingSession", "sessions"]

_log = logging.getLogger(__name__)

#: Moves of each board in a second, until somebody sets another pace.
DEFAULT_MOVES_PER_SECOND = 10.0
_SAVE_EVERY = 30.0  # seconds
_PUBLISH_EVERY = 1 / 30  # seconds
_PROGRESS_EVERY = 0.5  # seconds, at full speed
_SPEED_WINDOW = 2.0  # seconds over which steps/s are measured
_RECENT = 100  # episodes of the running mean
_SHOWN_EPISODES = 20
_MAX_UNHEARD = 10  # news that wait for a slow listener
_EVENTS = ("training_progress", "episode_summary")


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

    def __init__(self, config: RunConfig, storage: StorageManager | None = None) -> None:
        """Prepare a session; nothing runs and nothing is written before `start`.

        Args:
            config: What to train.
            storage: The library of runs; without one, the models folder of this place.
        """
        self.config = config
        self.error: BaseException | None = None
        self.traceback: str | None = None
        self.started_at = 0.0
        self.monitor = Monitor(
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
        from rlplay.agents import get_agent_spec

        model = get_agent_spec(self.config.algo).hyperparameters
        with self._lock:
            if self._running:
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
            ConfigError: For an unknown event or a value out of range; nothing is changed then.
        """
        spec = get_env_spec(self.config.env_name)
        with self._lock:
            merged = validated(
                spec.reward_model, {**self._rewards, **changes}, f"Rewards of {spec.name!r}"
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
        self.config = self.config.replace(**{field: new})

    # Machinery ---------------------------------------------------------------------------------

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
            again = self._intent in _ENDED
            device = get_device(self.config.device)
            config = self.config.replace(
                run_id=None if again else self.config.run_id,
                hyperparams=self._hyperparams,
                reward_config=self._rewards,
            )
            resolved = config.replace(
                device=device.type,
                precision=choose_precision(config.precision, device),
                num_threads=choose_num_threads(config.num_threads),
            )
            run_id = self.storage.create_run(resolved, holder=self)
            self.config = config.replace(run_id=run_id)
            trainer = _Trainer(self, resolved.replace(run_id=run_id), intent)
            self.error = self.traceback = None
            self.started_at = time.time()
            self._commands = queue.SimpleQueue()
            self._ended.clear()
            self._intent = intent
            self._state = intent
            self.monitor.reset_history()
            self.monitor.publish(**_blank(resolved, run_id, intent))
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

    def __repr__(self) -> str:
        """Name the run, the algorithm and the state."""
        return (
            f"<TrainingSession {self.run_id or 'without a run'}: {self.config.algo} on "
            f"{self.config.env_name}, {self.state}>"
        )


def _blank(config: RunConfig, run_id: str, state: SessionState) -> dict[str, Any]:
    """The snapshot of a run that has not moved yet."""
    return {
        "run_id": run_id,
        "algo": config.algo,
        "env_name": config.env_name,
        "state": state.value,
        "message": "",
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
        "game_state": None,
    }


class _Trainer:
    """The trainer thread of one run. Only this thread touches the loop and the recorder."""

    def __init__(self, session: TrainingSession, config: RunConfig, state: SessionState) -> None:
        self._session = session
        self._monitor = session.monitor
        self._config = config
        self._state = state
        self._moves_left = 0  # moves to do while paused
        self._moves_per_second = session._moves_per_second
        self._next_move = 0.0
        self._finished = False
        self._loop: TrainingLoop
        self._recorder: Recorder
        # Sums for the screen.
        self._scores: collections.deque[float] = collections.deque(maxlen=_RECENT)
        self._shown: collections.deque[Episodes] = collections.deque(maxlen=_SHOWN_EPISODES)
        self._best: float | None = None
        self._endings: dict[str, int] = {}
        self._learner: dict[str, float] = {}
        self._active = 0.0  # seconds of training before the present stretch
        self._since: float | None = None  # when the present stretch began
        self._pace: collections.deque[tuple[float, int, int]] = collections.deque()
        self._saved_at: float | None = None
        self._message = ""
        self._published = 0.0
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
            self._recorder.save_weights(self._loop.agent)
            self._saved_at = time.time()
        except BaseException as exception:  # a training failure never harms the kernel
            error, text = exception, traceback.format_exc()
            self._rescue()
        for close in (self._close_recorder, self._write_log, self._release):
            try:
                close(text)
            except Exception as exception:
                if error is None:
                    error, text = exception, traceback.format_exc()
        self._state = SessionState.FINISHED if error is None else SessionState.FAILED
        self._message = "saved" if error is None else _words(error)
        self._session._dispatcher.close_run()
        try:
            self._publish(time.monotonic(), board=True)
        except Exception:  # an environment that cannot even be drawn any more
            self._monitor.publish(state=self._state.value, message=self._message)
        finally:
            self._session._finish(self._state, error, text)

    def _rescue(self) -> None:
        """Of a run that fails before it was ever saved, keep what it has learned, if it can be."""
        if self._saved_at is None and hasattr(self, "_recorder"):
            with suppress(Exception):
                self._recorder.save_weights(self._loop.agent)
                self._saved_at = time.time()

    def _close_recorder(self, _: str | None) -> None:
        """Write what the recorder still holds."""
        if hasattr(self, "_recorder"):
            self._recorder.close()

    def _write_log(self, text: str | None) -> None:
        if text is not None:
            self._session.storage.append_log(self._config.env_name, str(self._config.run_id), text)

    def _release(self, _: str | None) -> None:
        """Give the run back."""
        self._session.storage.release(self._config.env_name, str(self._config.run_id))

    def _prepare(self) -> None:
        """Everything that takes time, in this thread."""
        keep_freed_memory()
        torch.set_num_threads(self._config.num_threads or 1)
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
        self._recorder.event(0, "state", "new", self._state.value)
        say("")
        if self._state is SessionState.RUNNING:
            self._begin_stretch()

    def _train(self) -> None:
        items = self._loop.run()
        saved = self._published = progressed = time.monotonic()
        while self._obey() and (item := next(items, None)) is not None:
            self._recorder.take(item)
            if isinstance(item, Move):
                self._count(item)
            else:
                self._learner = item.metrics or self._learner
            self._unseen = True
            now = time.monotonic()
            if now - self._published >= _PUBLISH_EVERY:
                self._publish(now)
                if self._moves_per_second is not None or now - progressed >= _PROGRESS_EVERY:
                    self._tell_progress()
                    progressed = now
            if now - saved >= _SAVE_EVERY:
                self._save()
                saved = now

    def _obey(self) -> bool:
        """Take the commands that wait; while paused or ahead of the pace, wait for more.

        Returns:
            Whether to go on; False after a stop.
        """
        while True:
            try:
                self._session._commands.get_nowait()(self)
                continue
            except queue.Empty:
                pass
            if self._finished:
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
                self._session._commands.get()(self)
                continue
            wait = self._next_move - time.monotonic() if self._moves_per_second else 0.0
            if wait <= 0:
                return True
            if wait > _PUBLISH_EVERY:
                self._show()
            try:
                self._session._commands.get(timeout=wait)(self)
            except queue.Empty:
                return True

    # Commands, between two items -----------------------------------------------------------------

    def pause(self) -> None:
        """Stand still, and save."""
        self._end_stretch()
        self._set_state(SessionState.PAUSED)
        self._save()

    def resume(self) -> None:
        """Go on."""
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
        """Change options of the agent or the rewards."""
        if part == "hyperparams":
            self._loop.agent.update_hyperparams(**new)
        else:
            self._loop.env.set_rewards(self._session.rewards)
        self._record(part, old, new)

    def _record(self, part: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        for name, value in new.items():
            self._recorder.event(self._loop.total_steps, f"{part}.{name}", old.get(name), value)

    # Helpers -------------------------------------------------------------------------------------

    def _set_state(self, state: SessionState) -> None:
        self._recorder.event(self._loop.total_steps, "state", self._state.value, state.value)
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

    def _count(self, move: Move) -> None:
        """Keep the sums for the screen, and the pace."""
        if move.ended is not None:
            ended = move.ended
            self._scores.extend(ended.scores[-_RECENT:].tolist())
            best = float(ended.scores.max())
            self._best = best if self._best is None else max(self._best, best)
            self._shown.append(ended)
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
            "message": self._message,
            "saved_at": self._saved_at,
        }
        if hasattr(self, "_recorder") and self._recorder.problem and not self._message:
            fields["message"] = self._recorder.problem
        if hasattr(self, "_loop"):
            loop = self._loop
            speed = self._speed(now, loop.total_steps)
            left = self._config.total_steps - loop.total_steps
            fields |= {
                "total_steps": loop.total_steps,
                "episode": loop.episodes,
                "best_score": self._best,
                "avg_score": sum(self._scores) / len(self._scores) if self._scores else None,
                "steps_per_second": speed,
                "time_left": max(0.0, left / speed) if speed > 0 else None,
                "endings": dict(self._endings),
                "learner": dict(self._learner),
                "last_episodes": self._last_episodes(),
                "current_score": loop.current_score,
            }
            told = self._session._dispatcher.listens("training_progress")
            if board or told or self._monitor.board_wanted():
                fields["game_state"] = loop.env.render_state(0)
        self._monitor.publish(**fields)
        self._published, self._unseen = now, False

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
        for batch in reversed(self._shown):
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
                    }
                )
        return tuple(reversed(rows))

    def _take_line(self, line: dict[str, Any]) -> None:
        """The recorder wrote a metrics line: the screen shows the same numbers."""
        numbers = {
            name: float(value)
            for name, value in line.items()
            if isinstance(value, int | float) and name != "timestamp"
        }
        self._monitor.add_point(numbers)
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
        """Save the weights; a failure is shown and training goes on."""
        try:
            self._recorder.save_weights(self._loop.agent)
            self._saved_at = time.time()
            self._message = ""
        except OSError as error:
            self._message = f"Not saved: {error}"
        self._publish(time.monotonic())


def _words(error: BaseException) -> str:
    """Say what happened, in one line; our own errors are worded already."""
    return str(error) if isinstance(error, RlplayError) else f"{type(error).__name__}: {error}"


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
    """Have the sessions stopped, and so saved, when the process ends."""
    global _exit_registered
    if not _exit_registered:
        _exit_registered = True
        atexit.register(_stop_all)


def _stop_all() -> None:
    running = sessions()
    for session in running:
        try:
            session.stop()
        except SessionError:
            continue
    deadline = time.monotonic() + 2.5
    for session in running:
        session._ended.wait(max(0.0, deadline - time.monotonic()))

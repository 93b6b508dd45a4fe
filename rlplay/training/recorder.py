"""What the disk receives of a training: metrics lines, replays, events and weights.

The recorder belongs to the trainer thread. Which lines and which replays a run ends with depends
on its steps and episodes alone, never on the clock or on chance: the same run gives the same
files, apart from ``steps_per_second``, ``elapsed`` and ``timestamp``.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypedDict

import gymnasium
import numpy as np
import numpy.typing as npt

from rlplay.config import RunConfig
from rlplay.envs import get_env_spec
from rlplay.errors import RunNotFound, StorageError
from rlplay.seeding import splitmix64
from rlplay.storage.checkpoint import KEPT as _KEPT_CHECKPOINTS
from rlplay.storage.manager import StorageManager
from rlplay.storage.replay import Replay, play, replay_id
from rlplay.training.loop import Episodes, Move, Update

__all__ = ["ActionLog", "Recorder", "merge_interval"]

_log = logging.getLogger(__name__)

#: Steps of a merged metrics line, at first and as a share of the steps so far. An hour at a
#: million steps/s has 20 000 lines by this, which is about 10 MB.
_FIRST_INTERVAL = 16_384
#: Few boards make few steps a second: at first, a line covers so many moves of each.
_FIRST_MOVES = 256
_INTERVAL_SHARE = 4_096

#: While watching, each line is one episode until so many lines were written faster than one a
#: move; from then on, the episodes of one move share a line, so that the file stays small.
_SINGLE_LINES = 20_000

#: Lines and events that are kept for later while the disk refuses them.
_MAX_UNWRITTEN = 10_000

_LOG_BYTES = 32 << 20
_LOG_ROWS = 1_024

#: One of so many episodes is sampled while watching, but no more than these at once and then one
#: in so many moves, which matters where many boards are played. Each sample at full speed comes
#: after a quarter more steps than the one before.
_SAMPLE_EVERY = 10
_SAMPLES_AT_ONCE = 50
_SAMPLE_MOVES = 16
_SAMPLE_GROWTH = 4
_MAX_SAMPLES = 400

#: A replay is played once before it is stored, which costs its steps and, for the file, as much
#: as so many more. At full speed, that many steps are trained for each of them; while watching,
#: one replay is stored after so many moves, so that the board does not falter.
_STEPS_FOR_FILE = 1_000
_STEPS_FOR_ONE_PLAYED = 200
_WATCHED_MOVES = 8

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def merge_interval(total_steps: int, num_envs: int) -> int:
    """Give the steps that a merged metrics line covers.

    Args:
        total_steps: Environment steps of the run at its beginning.
        num_envs: Boards that are played side by side.

    Returns:
        Environment steps.
    """
    first = min(_FIRST_INTERVAL, _FIRST_MOVES * num_envs)
    return max(first, total_steps // _INTERVAL_SHARE)


class _Ended(NamedTuple):
    """Ended episodes, oldest first; arrays over the E episodes."""

    episodes: Integers  # number in the run, from 1
    ends: Integers  # moves logged when it ended
    steps: Integers  # environment steps of the run when it ended
    boards: Integers
    scores: Floats
    returns: Floats
    lengths: Integers
    endings: Integers
    seeds: Integers


def _joined(pending: Sequence[tuple[int, int, Episodes]]) -> _Ended:
    """Join what several moves ended."""
    ended = [episodes for _, _, episodes in pending]
    counts = [len(episodes.boards) for episodes in ended]
    return _Ended(
        episodes=np.concatenate(
            [np.arange(e.last - len(e.boards) + 1, e.last + 1, dtype=np.int64) for e in ended]
        ),
        ends=np.repeat(np.array([end for end, _, _ in pending], np.int64), counts),
        steps=np.repeat(np.array([steps for _, steps, _ in pending], np.int64), counts),
        boards=np.concatenate([e.boards for e in ended]),
        scores=np.concatenate([e.scores for e in ended]),
        returns=np.concatenate([e.returns for e in ended]),
        lengths=np.concatenate([e.lengths for e in ended]),
        endings=np.concatenate([e.endings for e in ended]),
        seeds=np.concatenate([e.seeds for e in ended]),
    )


class ActionLog:
    """The latest actions of every board: a ring of one row a move, that grows when it must.

    Args:
        num_boards: N.
        space: The space of one board's action.
        max_bytes: Where growing ends; what is older is forgotten then.
    """

    def __init__(
        self, num_boards: int, space: gymnasium.spaces.Discrete, max_bytes: int = _LOG_BYTES
    ) -> None:
        small = space.start >= 0 and space.start + space.n <= 256
        self._rows = np.zeros((_LOG_ROWS, num_boards), np.uint8 if small else np.int64)
        self._max_bytes = max_bytes
        self.count = 0  # moves so far
        self.first = 0  # the oldest move that is held

    def append(self, actions: npt.NDArray[Any]) -> None:
        """Take in one move.

        Args:
            actions: (N,) integers.
        """
        if self.count - self.first >= len(self._rows):
            self._make_room()
        self._rows[self.count % len(self._rows)] = actions
        self.count += 1

    def _make_room(self) -> None:
        if 2 * self._rows.nbytes > self._max_bytes:
            self.first = self.count - len(self._rows) + 1
            return
        rows = np.zeros((2 * len(self._rows), self._rows.shape[1]), self._rows.dtype)
        held = np.arange(self.first, self.count)
        rows[held % len(rows)] = self._rows[held % len(self._rows)]
        self._rows = rows

    def forget(self, before: int) -> None:
        """Say that moves before this one are not needed any more."""
        self.first = max(self.first, before)

    def actions(self, board: int, end: int, length: int) -> npt.NDArray[Any]:
        """Give the last actions of a board up to a move.

        Args:
            board: Which board.
            end: Moves so far when the last of them was done.
            length: How many; all of them must be held.

        Returns:
            (length,) integers, a copy.
        """
        rows = np.arange(end - length, end) % len(self._rows)
        held: npt.NDArray[Any] = self._rows[rows, board]
        return held

    def state_dict(self) -> dict[str, Any]:
        """Give the moves that are held, as (moves, N) integers, oldest first."""
        rows = np.arange(self.first, self.count) % len(self._rows)
        return {"rows": self._rows[rows], "size": len(self._rows), "first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        held = state["rows"]
        self.first, self.count = int(state["first"]), int(state["first"]) + len(held)
        self._rows = np.zeros((int(state["size"]), held.shape[1]), self._rows.dtype)
        self._rows[np.arange(self.first, self.count) % len(self._rows)] = held


class _Candidate(TypedDict):
    """An episode that is to be stored, with its actions."""

    episode: int
    board: int
    total_steps: int
    score: float
    episode_return: float
    length: int
    ending: str
    seed: int
    actions: npt.NDArray[Any]


class _Replays:
    """Chooses the replays of a run: the best, the newest of each ending, and a sample.

    Each has a slot, "best", "newest-wall", "sample-123"; a slot's new replay replaces its old
    one. Candidates wait in memory until it is time to play them once and to store them.
    """

    _STATE = (
        "stored",
        "replaced",
        "best",
        "next_sample",
        "credit",
        "sampled_at",
        "next_steps",
        "next_moves",
        "exact",
    )

    def __init__(self, storage: StorageManager, config: RunConfig, log: ActionLog) -> None:
        self._storage = storage
        self._config = config
        self._actions = log
        self._starts = np.zeros(config.num_envs, np.int64)  # first move of the running episodes
        self._waiting: dict[str, _Candidate] = {}
        self._stored: dict[str, str] = {}  # slot: replay id
        self._replaced: list[str] = []  # ids of replays that lost their slot
        self._held: list[set[str]] = []  # for each of the last checkpoints, what it needs
        self._best: float | None = None
        self._samples: list[str] = []  # slots, oldest first
        self._sample_seed = splitmix64(config.seed)[1]
        self._next_sample = 0  # steps
        self._credit = _SAMPLES_AT_ONCE * _SAMPLE_MOVES  # moves not yet used for a sample
        self._sampled_at = 0  # moves
        self._next_steps = 0  # when to store at full speed
        self._next_moves = 0  # when to store while watching
        self._exact = True
        self.problem: str | None = None

    def consider(self, ended: _Ended, ending_names: Sequence[str], sampled: Sequence[int]) -> None:
        """Choose among ended episodes.

        Args:
            ended: The episodes since the last call.
            ending_names: Names of the endings' codes.
            sampled: Which of them are wanted for the sample, as indices.
        """
        if self._exact:
            held = (ended.ends - ended.lengths >= self._actions.first) & (ended.seeds >= 0)
            held &= np.isfinite(ended.scores) & np.isfinite(ended.returns)
            playable = np.flatnonzero(held)
            if len(playable):
                best = int(playable[np.argmax(ended.scores[playable])])
                if self._best is None or ended.scores[best] > self._best:
                    self._best = float(ended.scores[best])
                    self._want("best", ended, best, ending_names)
                endings = ended.endings[playable]
                for code in np.unique(endings).tolist():
                    newest = int(playable[np.flatnonzero(endings == code)[-1]])
                    self._want(f"newest-{ending_names[code]}", ended, newest, ending_names)
                for index in sampled:
                    if held[index]:
                        self._sample(ended, index, ending_names)
        np.maximum.at(self._starts, ended.boards, ended.ends)
        self._actions.forget(int(self._starts.min()))

    def watched_sample(self, ended: _Ended) -> list[int]:
        """Sample one of ten episodes, as long as that many can be stored."""
        since, self._sampled_at = self._actions.count - self._sampled_at, self._actions.count
        self._credit = min(self._credit + since, _SAMPLES_AT_ONCE * _SAMPLE_MOVES)
        chosen = [
            index
            for index, episode in enumerate(ended.episodes.tolist())
            if splitmix64(self._sample_seed + episode)[1] % _SAMPLE_EVERY == 0
        ][: self._credit // _SAMPLE_MOVES]
        self._credit -= _SAMPLE_MOVES * len(chosen)
        return chosen

    def full_speed_sample(self, ended: _Ended) -> list[int]:
        """Sample one episode after each quarter more steps."""
        steps = int(ended.steps[-1])
        if steps < self._next_sample:
            return []
        self._next_sample = steps + max(_FIRST_INTERVAL, steps // _SAMPLE_GROWTH)
        number = splitmix64(self._sample_seed + int(ended.episodes[-1]))[1]
        return [number % len(ended.episodes)]

    def _sample(self, ended: _Ended, index: int, ending_names: Sequence[str]) -> None:
        slot = f"sample-{int(ended.episodes[index])}"
        self._want(slot, ended, index, ending_names)
        self._samples.append(slot)
        if len(self._samples) > _MAX_SAMPLES:
            # Thin out the older half: what is long ago needs fewer witnesses.
            for old in self._samples[1 : _MAX_SAMPLES // 2 : 2]:
                self._samples.remove(old)
                self._waiting.pop(old, None)
                self._free(old)

    def _want(self, slot: str, ended: _Ended, index: int, ending_names: Sequence[str]) -> None:
        board, end = int(ended.boards[index]), int(ended.ends[index])
        length = int(ended.lengths[index])
        self._waiting[slot] = {
            "episode": int(ended.episodes[index]),
            "board": board,
            "total_steps": int(ended.steps[index]),
            "score": float(ended.scores[index]),
            "episode_return": float(ended.returns[index]),
            "length": length,
            "ending": ending_names[int(ended.endings[index])],
            "seed": int(ended.seeds[index]),
            "actions": self._actions.actions(board, end, length),
        }

    def store_due(self, watching: bool, total_steps: int) -> None:
        """Store what waits, when it is time to."""
        if watching:
            if self._waiting and self._actions.count >= self._next_moves:
                self._next_moves = self._actions.count + _WATCHED_MOVES
                self.store(total_steps, most=1)
        elif total_steps >= self._next_steps:
            self.store(total_steps)

    def store(self, total_steps: int, most: int | None = None) -> None:
        """Store what waits; what the disk refuses goes on waiting.

        Args:
            total_steps: Environment steps of the run so far.
            most: How many files are written at most; the longest waiting come first.
        """
        if not self._waiting and not self._replaced:
            return
        played = written = 0
        try:
            for slot, candidate in list(self._waiting.items()):
                name = replay_id(candidate["episode"], candidate["board"])
                if name not in self._stored.values():
                    if written == most:
                        continue
                    replay = self._make(name, candidate)
                    played += candidate["length"]
                    if replay is None:
                        return
                    self._storage.save_replay(replay)
                    written += 1
                self._free(slot)
                self._stored[slot] = name
                del self._waiting[slot]
            self.delete_replaced()
            self.problem = None
        except StorageError as error:
            self.problem = str(error)
        finally:
            cost = played + _STEPS_FOR_FILE * written
            self._next_steps = total_steps + _STEPS_FOR_ONE_PLAYED * cost

    def _free(self, slot: str) -> None:
        """Empty a slot; its replay is deleted when no checkpoint needs it any more."""
        name = self._stored.pop(slot, None)
        if name is not None and name not in (*self._stored.values(), *self._replaced):
            self._replaced.append(name)

    def hold(self) -> None:
        """Keep what is stored now, for a checkpoint that is being written."""
        self._held.append(set(self._stored.values()))

    def release(self, landed: bool) -> None:
        """Keep what the last two good checkpoints need, and delete the rest of the replaced.

        Args:
            landed: Whether the checkpoint of the last `hold` is on the disk.
        """
        if landed:
            del self._held[:-_KEPT_CHECKPOINTS]
        else:
            self._held.pop()
        self.delete_replaced()

    def delete_replaced(self, held: bool = False) -> None:
        """Delete the replays that have no slot any more.

        Args:
            held: Also those that a checkpoint needs.
        """
        kept = set(self._stored.values()).union(*([] if held else self._held))
        for name in [name for name in self._replaced if name not in kept]:
            with suppress(RunNotFound):  # a person was faster
                env_name, run_id = self._config.env_name, str(self._config.run_id)
                self._storage.delete_replay(env_name, run_id, name)
            self._replaced.remove(name)

    def match_disk(self) -> None:
        """Delete what was stored after the checkpoint; forget what is not there any more."""
        env_name, run_id = self._config.env_name, str(self._config.run_id)
        there = {shown["replay_id"] for shown in self._storage.list_replays(env_name, run_id)}
        self._stored = {slot: name for slot, name in self._stored.items() if name in there}
        self._replaced = [name for name in self._replaced if name in there]
        self._held = [set(self._stored.values())]
        for name in there - {*self._stored.values(), *self._replaced}:
            with suppress(RunNotFound):
                self._storage.delete_replay(env_name, run_id, name)

    def _make(self, name: str, candidate: _Candidate) -> Replay | None:
        """Play an episode once more; None when it is another one then."""
        config = self._config
        actions = tuple(candidate["actions"].tolist())
        try:
            outcome = play(
                config.env_name,
                config.env_config,
                config.reward_config,
                candidate["seed"],
                actions,
            )
        except Exception as error:  # a guest's environment must not end the training
            self._give_up(f"{type(error).__name__}: {error}")
            return None
        differences = outcome.differences(
            candidate["score"], candidate["length"], candidate["ending"]
        )
        if differences:
            self._give_up("; ".join(differences))
            return None
        return Replay(
            replay_id=name,
            run_id=str(config.run_id),
            env_name=config.env_name,
            env_config=config.env_config,
            reward_config=config.reward_config,
            environment_version=get_env_spec(config.env_name).version,
            episode_seed=candidate["seed"],
            actions=actions,
            score=candidate["score"],
            length=candidate["length"],
            episode_return=candidate["episode_return"],
            ending=candidate["ending"],
            death_reason=outcome.death_reason,
            final_hash=outcome.final_hash,
            episode=candidate["episode"],
            total_steps=candidate["total_steps"],
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides which replays the run ends with."""
        return {
            "starts": self._starts,
            "waiting": {slot: dict(candidate) for slot, candidate in self._waiting.items()},
            "samples": list(self._samples),
            **{name: getattr(self, f"_{name}") for name in self._STATE},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._starts[:] = state["starts"]
        self._waiting = dict(state["waiting"])
        self._samples = list(state["samples"])
        for name in self._STATE:
            setattr(self, f"_{name}", state[name])
        self._stored, self._replaced = dict(self._stored), list(self._replaced)

    def _give_up(self, reason: str) -> None:
        """Keep no replays of an environment that does not give the same episode twice."""
        self._exact = False
        self._waiting.clear()
        self.problem = (
            f"No replays are kept: an episode of {self._config.env_name!r}, played again from its "
            f"seed and actions, was another one ({reason}). Let reset(seed=...) fix everything "
            "that the environment draws."
        )
        _log.warning(self.problem)


class Recorder:
    """Writes one run's files; used by the trainer thread alone.

    A disk that refuses a line, an event or a replay does not stop the training: it is kept in
    memory and tried again, and `problem` says so.

    Args:
        storage: The library of runs.
        config: The run's config, with its `run_id`.
        env: The vector environment that is trained in.
        on_line: Called with each metrics line, in the trainer thread.
        elapsed: Gives the seconds of training so far, pauses not counted; without it, the
            seconds since the recorder was made.
        merge: Whether metrics lines are merged, as at full speed; otherwise each is one episode.

    Attributes:
        merge: Whether metrics lines are merged; may change between two items.
    """

    def __init__(
        self,
        storage: StorageManager,
        config: RunConfig,
        env: gymnasium.vector.VectorEnv[Any, Any, Any],
        *,
        on_line: Callable[[dict[str, Any]], None] | None = None,
        elapsed: Callable[[], float] | None = None,
        merge: bool = False,
    ) -> None:
        self._storage = storage
        self._config = config
        self._env: Any = env
        self._on_line = on_line
        began = time.monotonic()
        self._elapsed = elapsed or (lambda: time.monotonic() - began)
        self.merge = merge

        space = env.single_action_space
        self._actions: ActionLog | None = None
        self._replays: _Replays | None = None
        if isinstance(space, gymnasium.spaces.Discrete):
            self._actions = ActionLog(config.num_envs, space)
            self._replays = _Replays(storage, config, self._actions)

        self._steps = 0
        self._pending: list[tuple[int, int, Episodes]] = []  # moves, steps, what ended
        self._best: float | None = None
        self._learner: dict[str, list[float]] = {}  # sum and count since the last line
        self._line_steps = 0
        self._line_elapsed = 0.0
        self._next_line = merge_interval(0, config.num_envs)
        self._single_lines = _SINGLE_LINES
        self._unwritten_lines: list[dict[str, Any]] = []
        self._unwritten_events: list[dict[str, Any]] = []
        self._disk_problem: str | None = None

    @property
    def problem(self) -> str | None:
        """What could not be written or kept, in words; None when all is well."""
        return self._disk_problem or (self._replays.problem if self._replays else None)

    # Items -------------------------------------------------------------------------------------

    def take(self, item: Move | Update) -> None:
        """Take in one item of the training loop."""
        if isinstance(item, Move):
            self._take_move(item)
        else:
            for name, value in item.metrics.items():
                entry = self._learner.setdefault(name, [0.0, 0])
                entry[0] += float(value)
                entry[1] += 1

    def _take_move(self, move: Move) -> None:
        if not self.merge and self._pending:  # from full speed, a moment ago
            self._write_merged()
        self._steps = move.total_steps
        if self._actions is not None:
            self._actions.append(move.actions)
        if move.ended is not None and len(move.ended.boards):
            count = 0 if self._actions is None else self._actions.count
            self._pending.append((count, move.total_steps, move.ended))
        if self.merge:
            if self._pending and move.total_steps >= self._next_line:
                self._write_merged()
                self._store_due()
        else:
            self._single_lines = min(_SINGLE_LINES, self._single_lines + 1)
            if self._pending:
                self._write_single()
            self._store_due()

    def _store_due(self) -> None:
        if self._replays is not None:
            self._replays.store_due(not self.merge, self._steps)

    # Lines -------------------------------------------------------------------------------------

    def _write_merged(self) -> None:
        """Write one line for all episodes since the last one."""
        ended = self._take_pending()
        if self._replays is not None:
            sampled = self._replays.full_speed_sample(ended)
            self._replays.consider(ended, self._env.ending_names, sampled)
        self._write_lines([self._line(ended, slice(None), *self._measure())])

    def _write_single(self) -> None:
        """Write one line for each episode of this move."""
        ended = self._take_pending()
        if self._replays is not None:
            sampled = self._replays.watched_sample(ended)
            self._replays.consider(ended, self._env.ending_names, sampled)
        measured = self._measure()
        count = len(ended.boards)
        if count > self._single_lines:
            self._single_lines -= 1
            self._write_lines([self._line(ended, slice(None), *measured)])
            return
        self._single_lines -= count
        self._write_lines(
            [self._line(ended, slice(index, index + 1), *measured) for index in range(count)]
        )

    def _take_pending(self) -> _Ended:
        ended = _joined(self._pending)
        self._pending = []
        return ended

    def _measure(self) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Close the span since the last line: the learner's means, and the times."""
        learner = {
            name: _rounded(total / count, 6) for name, (total, count) in self._learner.items()
        }
        self._learner = {}
        elapsed = self._elapsed()
        seconds = elapsed - self._line_elapsed
        speed = (self._steps - self._line_steps) / seconds if seconds > 0 else None
        self._line_steps, self._line_elapsed = self._steps, elapsed
        self._next_line = self._steps + merge_interval(self._steps, self._config.num_envs)
        times = {
            "steps_per_second": None if speed is None else round(speed, 1),
            "elapsed": round(elapsed, 3),
            "timestamp": round(time.time(), 3),
        }
        return learner, times

    def _line(
        self,
        ended: _Ended,
        part: slice,
        learner: dict[str, float | None],
        times: dict[str, float | None],
    ) -> dict[str, Any]:
        """Sum episodes up; means are exact, so that the totals can be had back."""
        scores, endings = ended.scores[part], ended.endings[part]
        count = len(scores)
        top = float(scores.max())
        if self._best is None or top > self._best:
            self._best = top
        names = self._env.ending_names
        numbers = np.bincount(endings, minlength=len(names)).tolist()
        return {
            "episode": int(ended.episodes[part][-1]),
            "episodes": count,
            "steps": self._steps,
            "score": _finite(float(scores.sum()) / count),
            "score_max": _finite(top),
            "best_score": _finite(self._best),
            "reward": _finite(float(ended.returns[part].sum()) / count),
            "length": int(ended.lengths[part].sum()) / count,
            "endings": {
                name: number for name, number in zip(names, numbers, strict=True) if number
            },
            **learner,
            **times,
        }

    def _write_lines(self, lines: list[dict[str, Any]]) -> None:
        self._unwritten_lines += lines
        self._write_down()
        if self._on_line is not None:
            for line in lines:
                self._on_line(line)

    def _write_down(self) -> None:
        """Append what is not yet on the disk; what the disk refuses is kept."""
        env_name, run_id = self._config.env_name, str(self._config.run_id)
        try:
            if self._unwritten_lines:
                self._storage.append_metrics(env_name, run_id, self._unwritten_lines)
                self._unwritten_lines = []
            for event in list(self._unwritten_events):
                self._storage.append_event(env_name, run_id, event)
                self._unwritten_events.remove(event)
            self._disk_problem = None
        except StorageError as error:
            self._disk_problem = str(error)
            self._unwritten_lines = self._unwritten_lines[-_MAX_UNWRITTEN:]
            self._unwritten_events = self._unwritten_events[-_MAX_UNWRITTEN:]

    # What the session asks for -----------------------------------------------------------------

    def event(self, total_steps: int, items: int, field: str, old: Any, new: Any) -> dict[str, Any]:
        """Write down what a person did.

        Args:
            total_steps: Environment steps of the run when it took effect.
            items: Moves and updates of the run when it took effect.
            field: What was changed, as in "hyperparams.learning_rate".
            old: Its value before.
            new: Its value from then on.

        Returns:
            The event, as it is in the file.
        """
        event = {
            "step": total_steps,
            "item": items,
            "field": field,
            "old": old,
            "new": new,
            "elapsed": round(self._elapsed(), 3),
            "timestamp": round(time.time(), 3),
        }
        self._unwritten_events.append(event)
        self._write_down()
        return event

    def store_replays(self) -> None:
        """Store the replays that wait in memory."""
        if self._replays is not None:
            self._replays.store(self._steps)

    def hold_replays(self) -> None:
        """Keep the replays that are stored now, for a checkpoint that is being written."""
        if self._replays is not None:
            self._replays.hold()

    def release_replays(self, landed: bool) -> None:
        """Say what became of the checkpoint of the last `hold_replays`."""
        if self._replays is not None:
            self._replays.release(landed)

    def finish(self) -> None:
        """Write all that is held: the half-merged line and the waiting replays."""
        if self._pending:
            self._write_merged()
        self._write_down()
        self.store_replays()

    def close(self, keep_replaced: bool = False) -> None:
        """Write all that is held, and have it on the disk.

        Args:
            keep_replaced: Keep the replays that made place for others, because the last good
                checkpoint may still name them.

        Raises:
            StorageError: When something cannot be written.
        """
        self.finish()
        if self._replays is not None and not keep_replaced:
            self._replays.delete_replaced(held=True)
        if self._disk_problem is not None:
            raise StorageError(self._disk_problem)
        self._storage.sync_lines(self._config.env_name, str(self._config.run_id))

    # Going on ----------------------------------------------------------------------------------

    _STATE = (
        "steps",
        "best",
        "line_steps",
        "line_elapsed",
        "next_line",
        "single_lines",
        "unwritten_lines",
        "unwritten_events",
    )

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides what the run's files will hold: open episodes included."""
        return {
            "merge": self.merge,
            **{name: getattr(self, f"_{name}") for name in self._STATE},
            "pending": [
                (moves, steps, episodes.to_dict()) for moves, steps, episodes in self._pending
            ],
            "learner": {name: list(sums) for name, sums in self._learner.items()},
            "actions": None if self._actions is None else self._actions.state_dict(),
            "replays": None if self._replays is None else self._replays.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; replays that it does not name are deleted."""
        self.merge = state["merge"]
        for name in self._STATE:
            setattr(self, f"_{name}", state[name])
        self._pending = [
            (moves, steps, Episodes(**episodes)) for moves, steps, episodes in state["pending"]
        ]
        self._learner = {name: list(sums) for name, sums in state["learner"].items()}
        if self._actions is not None and self._replays is not None:
            self._actions.load_state_dict(state["actions"])
            self._replays.load_state_dict(state["replays"])
            self._replays.match_disk()


def _finite(value: float) -> float | None:
    """JSON has no number that is not finite."""
    return value if math.isfinite(value) else None


def _rounded(value: float, digits: int) -> float | None:
    """Round to significant digits."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None

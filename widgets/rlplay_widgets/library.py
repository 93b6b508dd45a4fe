"""The saved runs as they were listed last, for all panels of one Playground."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from rlplay.storage import StorageManager
from rlplay_widgets import clerk

__all__ = ["Library", "SavedRun", "moment", "short_title", "title"]

#: Seconds after which runs are listed again while somebody looks, at least.
_EVERY = 3.0
#: Listing takes at most one part in so many of the time.
_SHARE = 20
#: The end of an id that was not chosen by a person: date, time and four characters.
_GIVEN_ID = re.compile(r"-\d{8}-\d{6}-(\w{4})$")

#: A run's environment, as its folder names it, and its id: what every call of the storage takes.
SavedRun = tuple[str, str]


class Library:
    """What `StorageManager.list_runs` said last. Any thread may call.

    Attributes:
        runs: The runs by environment and id, the newest first.
        version: Grows when they change; 0 before they were listed for the first time.
        problem: Why they cannot be listed; empty when they were.

    Args:
        storage: Gives the library of runs.
        wake: Has the panels painted.
    """

    def __init__(self, storage: Callable[[], StorageManager], wake: Callable[[], None]) -> None:
        self._storage, self._wake = storage, wake
        self._lock = threading.Lock()
        self._waiting = False
        self._next = float("-inf")
        self.runs: dict[SavedRun, dict[str, Any]] = {}
        self.version = 0
        self.problem = ""

    def look(self, now: float) -> None:
        """Have the runs listed again, when it is time; a panel in front calls this.

        Args:
            now: Seconds of the monotonic clock.
        """
        if now >= self._next:
            self.refresh()

    def refresh(self) -> None:
        """Have the runs listed again; returns at once."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
            self._next = float("inf")
        clerk.submit(self.list)

    def list(self) -> None:
        """List the runs; the clerk's thread calls this."""
        with self._lock:
            self._waiting = False
        began = time.monotonic()
        problem = ""
        runs = self.runs
        try:
            listed = self._storage().list_runs()
            runs = {(Path(run["path"]).parent.name, run["run_id"]): run for run in listed}
        except Exception as error:  # the panel says it, and the next look tries again
            problem = f"The runs cannot be listed: {error}"
        now = time.monotonic()
        self._next = now + max(_EVERY, _SHARE * (now - began))
        if self.version == 0 or (runs, problem) != (self.runs, self.problem):
            self.runs, self.problem = runs, problem
            self.version += 1
            self._wake()


def short_title(name: str | None, algo: str | None, run_id: str) -> str:
    """Name a run for people: by its title, or by its algorithm and the end of its id."""
    end = _GIVEN_ID.search(run_id)
    return name or (f"{algo.upper()} {end[1]}" if end and algo else run_id)


def title(run: dict[str, Any]) -> str:
    """Name a listed run for people."""
    return short_title(run["name"], run["algo"], str(run["run_id"]))


def moment(text: str | None) -> float | None:
    """Read a date that a run has, as seconds since 1970; None where it has none."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None

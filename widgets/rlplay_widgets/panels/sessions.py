"""Which session is in sight: those of this kernel, with their colours."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets as t

from rlplay.training.session import TrainingSession
from rlplay_widgets.charts import short_name
from rlplay_widgets.desk import Desk, look_of
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import STATES, script

__all__ = ["SessionsPanel"]

#: Seconds between two looks at the other sessions.
_EVERY = 0.25


class SessionsWidget(anywidget.AnyWidget):
    """A row of choices in the browser, hidden where only what is in sight could be chosen."""

    _esm = script("sessions.js")

    sessions = t.List().tag(sync=True)
    chosen = t.Unicode().tag(sync=True)
    #: Whether there is one to choose that is not in sight.
    offered = t.Bool(False).tag(sync=True)


class SessionsPanel:
    """Switches between the sessions of this kernel.

    Args:
        desk: Whose session is shown.
    """

    title = "The list of sessions"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._next = float("-inf")
        self._shown: TrainingSession | None = None
        self.widget = SessionsWidget()
        self.widget.on_msg(desk.scene.safely(self._receive))

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") != "select":
            return
        for session in self._desk.sessions():
            if _key(session) == content.get("key"):
                self._desk.select(session)

    def paint(self, frame: Frame) -> bool:
        """List the sessions, where one is new or stands elsewhere."""
        if frame.now < self._next and not frame.fresh and frame.session is self._shown:
            return False
        self._next, self._shown = frame.now + _EVERY, frame.session
        listed = self._desk.sessions()
        assign(
            self.widget,
            sessions=[_described(session) for session in listed],
            chosen="" if frame.session is None else _key(frame.session),
            offered=any(session is not frame.session for session in listed),
        )
        return False


def _key(session: TrainingSession) -> str:
    return session.run_id or "new"


def _described(session: TrainingSession) -> dict[str, Any]:
    """What the browser shows of a session."""
    snapshot = session.snapshot()
    sign, words = STATES[snapshot.state]
    algo, run_id = session.config.algo.upper(), session.run_id
    facts = (algo, session.config.env_name, words, f"run {run_id}" if run_id else "")
    return {
        "key": _key(session),
        "name": short_name(session.config),
        "look": look_of(session),
        "sign": sign,
        "state": words,
        "hint": " · ".join(fact for fact in facts if fact),
    }

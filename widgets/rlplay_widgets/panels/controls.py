"""Start, pause, stop and pace trainings; what they say, and what went wrong."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import ipywidgets as ipw

from rlplay.errors import SessionError
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession
from rlplay_widgets.desk import Desk
from rlplay_widgets.messages import Message, Messages
from rlplay_widgets.panels.code import CodePanel
from rlplay_widgets.panels.sessions import SessionsPanel
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.sliders import Pace
from rlplay_widgets.theme import escape, state_html

__all__ = ["ControlsPanel"]

#: What somebody else set is shown, unless a person moved the slider within so many seconds.
_HANDS_OFF = 1.0
#: Two clicks on "Start another" within so many seconds start one session.
_TWICE = 0.6
#: What the message of a failed training is put away by.
_FAILURE = "training"


class ControlsPanel:
    """Start, pause, stop, one move, and the pace; always in sight.

    Attributes:
        widget: The row of what a person sets.
        line: The session's state, and the other sessions of this kernel.
        messages: What went wrong.

    Args:
        desk: Whose session it controls.
    """

    title = "The controls"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._paced_at = self._started_at = float("-inf")
        self._put_away: TrainingSession | None = None  # whose failure was read, and put away

        self.start = ipw.Button(
            description="Start", icon="play", tooltip="Begin a new run", button_style="primary"
        )
        self.another = ipw.Button(
            description="Start another",
            icon="plus",
            tooltip="Begin another run beside this one, with what the tabs say now",
            disabled=True,
        )
        self.pause = ipw.Button(description="Pause", icon="pause", tooltip="Stand still, and save")
        self.stop = ipw.Button(description="Stop", icon="stop", tooltip="End this run, and save")
        self.move = ipw.Button(
            description="Move", icon="step-forward", tooltip="Do one move, then stand still"
        )
        self.full_speed = ipw.ToggleButton(
            value=True,
            description="Full speed",
            icon="forward",
            tooltip="Train as fast as this machine can, or at the pace of the slider",
        )
        self.pace = Pace(hint="Moves of each board in a second", recorded=True)
        self.show_code = ipw.ToggleButton(
            description="Code", icon="code", tooltip="Show these settings as a few lines of Python"
        )
        self.status = ipw.HTML()
        self.sessions = SessionsPanel(desk)
        self.code = CodePanel(desk)

        safely = desk.scene.safely
        self.messages = Messages(self._dismiss, safely)
        self.start.on_click(safely(lambda _: self._start()))
        self.another.on_click(safely(lambda _: self._start_another()))
        self.pause.on_click(safely(lambda _: self._pause_or_resume(), answered=True))
        self.stop.on_click(safely(lambda _: self._stop(), answered=True))
        self.move.on_click(safely(lambda _: self._move()))
        self.full_speed.observe(safely(self._full_speed_changed), names="value")
        self.pace.observe(safely(self._pace_changed), names="value")
        self.show_code.observe(safely(self._code_wanted), names="value")

        self.widget = ipw.Box(
            [
                ipw.HBox([self.start, self.pause, self.stop, self.move]),
                ipw.HBox([self.full_speed, self.pace]),
                ipw.HBox([self.another, self.show_code]),
            ]
        )
        self.widget.add_class("rlplay-controls")
        for part, name in zip(self.widget.children, ("buttons", "speed", "more"), strict=True):
            part.add_class(f"rlplay-{name}")
        self.line = ipw.Box([self.status, self.sessions.widget])
        self.line.add_class("rlplay-line")
        self.status.add_class("rlplay-status")

        if desk.session is not None:
            desk.set_pace_shown(desk.session.snapshot().moves_per_second)

    # Callbacks: in the kernel's threads, only hand on and return ---------------------------------

    def _start(self) -> None:
        with self._lock:
            # A second click that came before the painter has disabled the button means nothing.
            if not self._desk.scene.live:
                self._desk.start()

    def _start_another(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._desk.scene.live and now - self._started_at > _TWICE:
                self._started_at = now
                self._desk.start()

    def _pause_or_resume(self) -> None:
        session = self._desk.session
        if session is None:
            return
        # A second click that came too late means nothing; the state is on the screen.
        with contextlib.suppress(SessionError):
            if session.snapshot().state == "paused":
                session.resume()
            else:
                session.pause()

    def _stop(self) -> None:
        session = self._desk.session
        if session is not None:
            with contextlib.suppress(SessionError):
                session.stop()

    def _move(self) -> None:
        session = self._desk.session
        if session is not None:
            self._desk.watch(None)  # a move is made to be seen
            with contextlib.suppress(SessionError):
                session.step()

    def _full_speed_changed(self, change: dict[str, Any]) -> None:
        self._set_pace(None if change["new"] else self.pace.value)

    def _pace_changed(self, change: dict[str, Any]) -> None:
        self._set_pace(change["new"])

    def _dismiss(self, key: str) -> None:
        if key == _FAILURE:
            self._put_away = self._desk.session
        else:
            self._desk.scene.dismiss(key)

    def _code_wanted(self, change: dict[str, Any]) -> None:
        self.code.wanted = change["new"]

    def _set_pace(self, pace: float | None) -> None:
        self._paced_at = time.monotonic()
        self._desk.set_pace(pace)

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Bring controls, status and messages to where the session stands."""
        snapshot = frame.snapshot
        state = snapshot.state
        live = state in LIVE
        paused = state == "paused"
        goes_on = state == "new" and snapshot.run_id is not None
        alone = len(self._desk.sessions()) < 2
        # First of all, since it is what answers a click.
        assign(self.status, value=_status_html(snapshot, self._desk.tasks, alone))
        assign(
            self.start,
            disabled=live,
            description="Start again" if _ended(state) else "Go on" if goes_on else "Start",
            tooltip="Go on with this run" if goes_on else "Begin a new run",
        )
        assign(self.another, disabled=not live)
        assign(
            self.pause,
            disabled=state not in ("running", "paused"),
            description="Resume" if paused else "Pause",
            icon="play" if paused else "pause",
            button_style="primary" if paused else "",
            tooltip="Go on" if paused else "Stand still, and save",
        )
        assign(self.stop, disabled=state not in ("running", "paused"))
        assign(self.move, disabled=not paused)
        self._paint_pace(snapshot)
        self.messages.show(self._list_messages(frame))
        return False

    def _paint_pace(self, snapshot: Snapshot) -> None:
        """Show the pace that is set, by whomever."""
        if snapshot.state in LIVE and time.monotonic() - self._paced_at > _HANDS_OFF:
            self._desk.set_pace_shown(snapshot.moves_per_second)
        pace = self._desk.pace
        assign(self.full_speed, value=pace is None)
        if pace is not None:
            assign(self.pace, value=pace)

    def _list_messages(self, frame: Frame) -> list[Message]:
        messages = [
            Message(where, problem.text, problem.details)
            for where, problem in frame.problems.items()
        ]
        session = frame.session
        if frame.snapshot.state != "failed":
            self._put_away = None
        elif session is not self._put_away:
            details = (session.traceback if session is not None else None) or ""
            text = f"Training failed. {frame.snapshot.message}"
            messages.insert(0, Message(_FAILURE, text, details))
        return messages


def _ended(state: str) -> bool:
    return state in ("finished", "failed")


def _status_html(snapshot: Snapshot, tasks: tuple[str, ...], alone: bool) -> str:
    """The state, what is said of it, what else is done, and which run this is."""
    message = "" if snapshot.state == "failed" else snapshot.message
    parts = [state_html(snapshot.state, message)]
    parts += [f'<span class="rlplay-task">{escape(task)} …</span>' for task in tasks]
    if snapshot.run_id is not None and alone:  # with several sessions, their names stand here
        facts = [snapshot.algo.upper(), snapshot.device, snapshot.precision]
        about = " · ".join(escape(fact) for fact in facts if fact)
        run = f"run <code>{escape(snapshot.run_id)}</code>"
        parts.append(f'<span class="rlplay-run">{about} · {run}</span>')
    return "".join(parts)

"""What one Playground shows: a session, who looks at it, and what went wrong on the way."""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import ipywidgets as ipw

from rlplay.errors import RlplayError
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession
from rlplay_widgets.painter import FRAME, FULL_SPEED_FRAME, Painter
from rlplay_widgets.sight import Sight
from rlplay_widgets.theme import DARK, LIGHT, Palette

__all__ = ["LIVE", "Frame", "Problem", "SessionScene", "View", "assign", "free", "mark"]

#: States in which a session has work before it.
LIVE = ("running", "paused", "stopping")


@dataclass(frozen=True)
class Problem:
    """An error on the way to the screen, or in a click.

    Attributes:
        text: What happened, for people.
        details: The traceback; empty where the message says all.
    """

    text: str
    details: str = ""


@dataclass(frozen=True)
class Frame:
    """What there is to paint at one moment.

    Attributes:
        now: Seconds of the monotonic clock.
        session: The session that is shown, if any.
        snapshot: Its latest snapshot.
        palette: The colours of boards.
        fresh: Paint everything again: a view, a theme or a session is new.
        crowded: Too many frames are on the way; leave out what can wait.
        problems: What went wrong, by where.
        owed: A view that leaves out what is new adds the seconds until it can paint it.
    """

    now: float
    session: TrainingSession | None
    snapshot: Snapshot
    palette: Palette
    fresh: bool
    crowded: bool
    problems: dict[str, Problem]
    owed: list[float] = field(default_factory=list)


class View(Protocol):
    """One part of the screen, painted by the painter alone."""

    #: What a person calls it, in an error message.
    title: str

    def paint(self, frame: Frame) -> bool:
        """Paint what changed.

        Returns:
            Whether a picture was sent (numbers and words do not count).
        """
        ...


class SessionScene:
    """The stage of one Playground.

    Args:
        painter: Who paints it.
        session: The session to show.
    """

    def __init__(self, painter: Painter, session: TrainingSession | None = None) -> None:
        self.sight = Sight(self.wake)
        #: Gives the views, in the order in which they are painted; and those of them that are
        #: painted half as often while a training goes on at full speed and nobody asks for more.
        self.views: Callable[[], Iterable[View]] = tuple
        self.slow_views: Callable[[], Iterable[View]] = tuple
        self._painter = painter
        self._lock = threading.Lock()
        self._session = session
        self._fresh = True
        self._problems: dict[str, Problem] = {}
        self._painted_at = self._all_painted_at = float("-inf")
        self._painted_by: int | None = None  # the thread, while it paints
        self._asked = False  # whether a frame of this very scene is wanted now
        self._standing: tuple[Any, ...] = ()  # what the last frame said of the training
        self._steady = False  # whether it goes on at full speed, and nobody asks for a frame
        if session is not None:
            session.monitor.on_change(painter.wake)

    @property
    def session(self) -> TrainingSession | None:
        """The session that is shown."""
        return self._session

    @property
    def live(self) -> bool:
        """Whether the session that is shown has work before it."""
        return self._session is not None and self._session.snapshot().state in LIVE

    @property
    def problems(self) -> dict[str, Problem]:
        """What went wrong, by where; a thing that works again is no problem any more."""
        with self._lock:
            return dict(self._problems)

    def show(self, session: TrainingSession) -> None:
        """Show another session from the next frame on."""
        with self._lock:
            self._session = session
            self._fresh = True
        session.monitor.on_change(self._painter.wake)
        self.wake()

    def wake(self) -> None:
        """Have this scene painted now; returns at once.

        What a view notices while it is painted waits for the next frame.
        """
        if self._painted_by != threading.get_ident():
            self._asked = True
        self._painter.wake()

    def safely(
        self, callback: Callable[..., None], *, answered: bool = False
    ) -> Callable[..., None]:
        """Wrap a widget's callback: what it raises is shown in the panel.

        The kernel shows errors of callbacks nowhere, and they run in its threads: they must
        return at once and touch no widget. What the painter sets is no wish of a person: the
        observers that it triggers are not called.

        Args:
            callback: What a click or the like does.
            answered: Whether only the session's answer is to be seen. It wakes the painter; a
                frame before it would hold it up.
        """

        @functools.wraps(callback)
        def wrapped(*args: Any) -> None:
            if self._painted_by == threading.get_ident():
                return
            problem = None
            try:
                callback(*args)
            except RlplayError as error:
                problem = Problem(str(error))
            except Exception as error:
                text = f"That did not work: {_said(error)}"
                problem = Problem(text, traceback.format_exc())
            if self._report("click", problem) or not answered:
                self.wake()

        return wrapped

    def dismiss(self, where: str) -> None:
        """Put a problem away; what still goes wrong comes back."""
        with self._lock:
            self._problems.pop(where, None)
        self.wake()

    def paint(self, now: float) -> float:
        """Paint the views; the painter calls this.

        Args:
            now: Seconds of the monotonic clock.

        Returns:
            Seconds until the next frame.
        """
        sight = self.sight
        if not sight.look(now):
            return 5.0
        slow = sight.slow(now)
        arrived = sight.arrived()
        if slow and not arrived and now - self._painted_at < 0.5:
            return 0.5 - (now - self._painted_at)
        if not arrived and (rest := self._rest(now)) > 0.0:
            return rest
        self._painted_at = now
        with self._lock:
            fresh, self._fresh = self._fresh or arrived, False
        frame = self.frame(now, fresh=fresh, crowded=sight.full() and not slow)
        snapshot = frame.snapshot
        if frame.session is not None and snapshot.state in LIVE:
            frame.session.monitor.want_board()
        self._painted_by = threading.get_ident()
        try:
            pictures = [self._paint_view(view, frame) for view in self._due(frame)]
        finally:
            self._painted_by = None
        if any(pictures):
            sight.frame_sent(now)
        if slow:
            return 0.5
        if snapshot.state not in ("running", "stopping"):
            wait = 0.2
        else:
            wait = FULL_SPEED_FRAME if snapshot.is_max_speed else FRAME
        if frame.owed:
            self._asked = True
        return min([wait, *frame.owed])

    def _due(self, frame: Frame) -> list[View]:
        """Give what this frame paints."""
        views = list(self.views())
        wait = 1.9 * FULL_SPEED_FRAME
        if self._steady and not frame.fresh and frame.now < self._all_painted_at + wait:
            slow = list(self.slow_views())
            return [view for view in views if view not in slow]
        self._all_painted_at = frame.now
        return views

    def _rest(self, now: float) -> float:
        """Give the seconds that a training at full speed leaves until its next frame.

        The painter was woken for another Playground then.
        """
        session = self._session
        snapshot = Snapshot() if session is None else session.snapshot()
        standing = (session, snapshot.state, snapshot.message, snapshot.moves_per_second)
        old, self._standing = self._standing, standing
        asked, self._asked = self._asked, False
        full_speed = snapshot.state in ("running", "stopping") and snapshot.is_max_speed
        self._steady = full_speed and not (asked or self._fresh or standing != old)
        if not self._steady:
            return 0.0
        return self._painted_at + 0.95 * FULL_SPEED_FRAME - now

    def frame(self, now: float, *, fresh: bool = False, crowded: bool = False) -> Frame:
        """Give what there is to paint.

        Args:
            now: Seconds of the monotonic clock.
            fresh: Whether everything is painted again.
            crowded: Whether too many frames are on the way.
        """
        session = self._session
        snapshot = Snapshot() if session is None else session.snapshot()
        palette = DARK if self.sight.dark else LIGHT
        return Frame(now, session, snapshot, palette, fresh, crowded, self.problems)

    def _paint_view(self, view: View, frame: Frame) -> bool:
        """Paint one view; an error in it stops neither the others nor the training."""
        try:
            picture = view.paint(frame)
        except Exception as error:
            text = f"{view.title} cannot be shown: {_said(error)} Training is not affected."
            self._report(view.title, Problem(text, traceback.format_exc()))
            return False
        self._report(view.title, None)
        return picture

    def _report(self, where: str, problem: Problem | None) -> bool:
        """Note down what went wrong, if anything did; returns whether that is news."""
        with self._lock:
            news = problem != self._problems.get(where)
            if problem is None:
                self._problems.pop(where, None)
            else:
                self._problems[where] = problem
        return news


def _said(error: Exception) -> str:
    """What an error says, as a sentence."""
    text = f"{type(error).__name__}: {error}".rstrip(": \n")
    return text if text.endswith((".", "!", "?")) else f"{text}."


def mark(widget: ipw.DOMWidget, wrong: bool) -> None:
    """Have a control show whether its value is allowed. The painter's alone."""
    if wrong != ("rlplay-wrong" in widget._dom_classes):
        (widget.add_class if wrong else widget.remove_class)("rlplay-wrong")


def assign(widget: ipw.Widget, **traits: Any) -> None:
    """Set the traits that differ, in one message. The painter's alone."""
    changed = {name: value for name, value in traits.items() if getattr(widget, name) != value}
    if not changed:
        return
    with widget.hold_sync():
        for name, value in changed.items():
            setattr(widget, name, value)


def free(widget: ipw.Widget) -> None:
    """Close a widget and all that belongs to it: children, layouts and styles."""
    for child in getattr(widget, "children", ()):
        free(child)
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if isinstance(part, ipw.Widget):
            part.close()
    widget.close()

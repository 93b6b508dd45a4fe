"""Arranges the panels: what notebooks import."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as ipw
from IPython import get_ipython
from IPython.display import display

from rlplay.config import RunConfig, get_default_config
from rlplay.errors import ConfigError, RunNotFound, SessionError
from rlplay.storage import get_storage_manager
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.board import Board, Picture
from rlplay_widgets.caption import Caption
from rlplay_widgets.charts import ScoreChart
from rlplay_widgets.code import code_for
from rlplay_widgets.desk import Desk
from rlplay_widgets.draft import default_config
from rlplay_widgets.games import AgentGame
from rlplay_widgets.keys import Keys
from rlplay_widgets.lesson import LessonPreset, load_lesson, option_places
from rlplay_widgets.looks import LooksBar
from rlplay_widgets.overlays import Overlay
from rlplay_widgets.painter import get_painter
from rlplay_widgets.panels import PANELS
from rlplay_widgets.panels.controls import ControlsPanel
from rlplay_widgets.panels.numbers import NumbersPanel
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.preview import draw_preview, preview
from rlplay_widgets.scene import LIVE, Frame, View, free
from rlplay_widgets.still import still_picture
from rlplay_widgets.tabs import Panel, Tabs
from rlplay_widgets.theme import escape

__all__ = ["Playground"]

#: What stands where widgets do not run.
_HOW_TO = (
    "The rlplay Playground is alive in JupyterLab:\n"
    "start `rlplay lab`, open this notebook there, and run this cell."
)

_open: list[Playground] = []
_opening = threading.RLock()


class Playground:
    """Configure, train, watch, look inside and compare, in one panel.

    A session goes on when its panel goes away, and a new panel shows it again: running the cell
    a second time closes the old panel and attaches to what runs.

    Attributes:
        widget: What is shown.
        desk: What the panels share, for whoever extends them.

    ``Playground(env_name="gridworld", algo="q-learning")`` begins with the default config of both.

    Args:
        what: A `RunConfig` to train; a `TrainingSession` to show; a saved run by its id, or by
            environment and id, to watch and to go on with; or nothing: then the newest session
            that runs is shown, or else Start trains the default config.
        lesson: A lesson by its name, its file or its content, instead of `what`.
        env_name: The world whose default config Start trains, instead of `what`.
        algo: The algorithm whose default config Start trains, instead of `what`; by itself, on
            Snake. Without it, one that fits the world.

    Raises:
        ConfigError: For anything else.
        ContractError: When the algorithm does not fit the world.
        RunNotFound: When there is no such run.
    """

    def __init__(
        self,
        what: RunConfig | TrainingSession | str | tuple[str, str] | None = None,
        *,
        lesson: str | Path | dict[str, Any] | LessonPreset | None = None,
        env_name: str | None = None,
        algo: str | None = None,
    ) -> None:
        named = env_name is not None or algo is not None
        if (what is not None) + (lesson is not None) + named > 1:
            raise ConfigError("Give a lesson, or something to show, or names, not both.")
        if named:
            what = default_config(env_name or "snake", algo)
        self.lesson = None if lesson is None else load_lesson(lesson)
        run = _named_run(what)
        if run is None and not isinstance(what, RunConfig | TrainingSession | None):
            raise ConfigError(
                f"Playground takes a RunConfig, a TrainingSession, a run's id or nothing, "
                f"not {type(what).__name__}."
            )
        asked: Any = what if self.lesson is None else self.lesson
        with _opening:
            cell, execution = _running_cell(), _running_execution()
            session = _session_of_run(*run) if run else _session_for(asked, cell)
            if session is not None:
                config = session.config
            elif run is not None:
                config = get_storage_manager().load_present_config(*run)
            elif self.lesson is not None:
                config = self.lesson.run_config()
            else:
                config = what if isinstance(what, RunConfig) else get_default_config()
            for other in tuple(_open):
                if _replaces(other, session, cell, execution):
                    other._leave(cell)
            self._asked, self._cell, self._execution = asked, cell, execution
            self._places: list[tuple[str | None, Any]] = []  # each output, with its cell
            self._painter = get_painter()
            self.desk = Desk(self._painter, config.replace(run_id=None), session)
            self._scene = self.desk.scene
            self._build()
            self._scene.views, self._scene.slow_views = self._views, self._words
            self._painter.add(self._scene)
            _open.append(self)
        watched = run if run is not None and not self._scene.live else None
        if watched is None and self.lesson is not None and self.lesson.watch is not None:
            watched = _named_run(self.lesson.watch)
        if watched is not None:
            self.watch(watched)

    @classmethod
    def attach(cls) -> Playground:
        """Show the newest session that runs; a panel that shows it already is shown again.

        Raises:
            SessionError: When nothing runs in this kernel.
        """
        session = _newest_live()
        if session is None:
            raise SessionError(
                "Nothing runs in this kernel. Playground() opens a panel; press Start there."
            )
        for panel in _open:
            if panel.session is session:
                return panel
        return cls(session)

    def _build(self) -> None:
        """Make the parts."""
        self.controls = ControlsPanel(self.desk)
        self.overlay = Overlay(
            self.desk,
            in_front=lambda: self.tabs.chosen == "Inside",
            on_change=lambda: self.board.repaint(),
        )
        self.looks = LooksBar(
            self.desk, partial(preview, self.desk), on_change=lambda: self.board.repaint()
        )
        self.board = Board(partial(preview, self.desk), self._draw_over)
        self.keys = Keys(self.desk)
        self.caption = Caption(self.desk, partial(preview, self.desk))
        self.numbers = NumbersPanel()
        drawn = "score" if self.lesson is None else self.lesson.curve
        self.curve = ScoreChart(self._scene.wake, drawn)
        names = (self.lesson.tabs if self.lesson is not None else []) or list(PANELS)
        panels: dict[str, Callable[[], Panel]] = {
            name: partial(PANELS[name], self.desk) for name in names
        }
        if self.lesson is not None:
            self.desk.draft.lock(*option_places(self.lesson.locked))
            self.desk.draft.show_only(*option_places(self.lesson.knobs))
        self.tabs = Tabs(panels, self._scene.safely, self._scene.wake)
        self.files = _Files(self.desk)
        self.desk.open_tab = self.tabs.choose
        self.desk.chosen_tab = lambda: self.tabs.chosen
        self.widget = self._arrange()

    def _draw_over(self, frame: Frame, shown: Shown, picture: Picture) -> None:
        """What lies over the board: what the agent would see of it, or sees and thinks."""
        draw_preview(self.desk, frame, shown, picture)
        self.looks.draw(frame, shown, picture)
        self.overlay.draw(frame, shown, picture)

    def _views(self) -> Iterator[View]:
        """What is painted, one after the other; of the tabs the one in front."""
        yield from (self.controls, self.controls.sessions, self.controls.code)
        yield from (self.overlay, self.looks, self.board, self.keys, self.caption)
        yield from (self.numbers, self.curve, self.files, self.tabs, self.tabs.front)

    def _words(self) -> Iterator[View]:
        """What is words and numbers: faster than twice a second, nobody reads them."""
        yield from (self.controls, self.controls.sessions, self.controls.code)
        yield from (self.caption, self.numbers, self.curve, self.tabs, self.tabs.front)

    def _arrange(self) -> ipw.VBox:
        """Board and numbers on the left, curve and tabs on the right; the CSS finds the places."""
        self.board.widget.children += (self.keys.widget,)
        watch = ipw.VBox([self.board.widget, self.looks.widget, self.caption.widget])
        places = {
            "watch": watch,
            "curve": self.curve.widget,
            "facts": self.numbers.widget,
            "tabs": self.tabs.widget,
        }
        for name, part in places.items():
            part.add_class(f"rlplay-place-{name}")
        stage = ipw.Box(list(places.values()))
        stage.add_class("rlplay-stage")
        controls = self.controls
        parts = [
            controls.widget,
            controls.line,
            controls.messages.widget,
            controls.code.widget,
            stage,
        ]
        if self.lesson is not None:
            words = ipw.HTML(
                f"<h3>{escape(self.lesson.title)}</h3><p>{escape(self.lesson.text)}</p>"
            )
            words.add_class("rlplay-lesson")
            parts.insert(0, words)
        panel = ipw.VBox([*parts, self._scene.sight])
        panel.add_class("rlplay-playground")
        return panel

    @property
    def session(self) -> TrainingSession | None:
        """The session that is shown; None before the first start."""
        return self._scene.session

    @property
    def config(self) -> RunConfig:
        """What Start trains: the config as the tabs say it now."""
        return self.desk.draft.config

    # What the buttons do, as calls ---------------------------------------------------------------

    def start(self, *, seconds: float | None = None) -> TrainingSession:
        """Train the config as the tabs say it, and show that session; another one runs on.

        Args:
            seconds: The budget; without one, what the Train tab says.

        Raises:
            SessionError: When the tabs hold a value that is not allowed.
            RlplayError: When it cannot start.
        """
        return self.desk.start(seconds=seconds)

    def pause(self) -> None:
        """Have the session stand still after the present move or minibatch, and save."""
        self._shown("pause").pause()

    def resume(self) -> None:
        """Have the session go on after a pause."""
        self._shown("resume").resume()

    def step(self) -> None:
        """Have the session do one move, then stand still."""
        self._shown("step").step()

    def stop(self) -> None:
        """End the session after the present move or minibatch, and save."""
        self._shown("stop").stop()

    def set_speed(self, moves_per_second: float | None) -> None:
        """Train at another pace, now and with the next start.

        Args:
            moves_per_second: Moves of each board in a second; None is as fast as it goes.
        """
        self.desk.set_pace(moves_per_second)

    def select(self, session: TrainingSession) -> None:
        """Show another session, with its config in the tabs."""
        self.desk.select(session)

    def watch(self, what: Game | str | tuple[str, str] | None = None) -> None:
        """Show something on the board.

        Args:
            what: A game; a saved run by its id, or by environment and id, which then plays; or
                None, which shows the training board again.

        Raises:
            RunNotFound: When there is no such run.
        """
        run = _named_run(what)
        self.desk.watch(AgentGame.of_run(*run) if run is not None else what)

    def open_tab(self, name: str) -> None:
        """Bring a tab to the front."""
        self.tabs.choose(name)

    def code(self) -> str:
        """Write the few lines of Python that reproduce what the tabs say."""
        return code_for(self.config, self.desk.seconds)

    def _shown(self, call: str) -> TrainingSession:
        session = self.session
        if session is None:
            raise SessionError(f"{call}() needs a session; none was started. Call start() first.")
        return session

    # Where it is shown ---------------------------------------------------------------------------

    def close(self) -> None:
        """Take the panel away and free its widgets; a session that runs goes on."""
        with _opening:
            if self not in _open:
                return
            _open.remove(self)
            self._painter.remove(self._scene)
            self.desk.close()
            free(self.widget)

    def _leave(self, cell: str | None) -> None:
        """Close for a panel that takes its place; in every other cell, a line says where it went.

        Args:
            cell: The cell that runs, whose own output is replaced as a whole.
        """
        self.close()
        words = "This Playground is shown further on: a newer cell has taken it over."
        for shown_in, place in self._places:
            if cell is None or cell != shown_in:
                place.update({"text/plain": words}, raw=True)

    def _ipython_display_(self) -> None:
        """Show the panel in a way that can be changed when it is taken over."""
        cell = _running_cell()
        place = display(self._repr_mimebundle_(), raw=True, display_id=True)
        # What the cell showed before is gone with its output.
        others = [shown for shown in self._places if cell is None or cell != shown[0]]
        self._places = [*others, (cell, place)]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show the panel; where widgets do not run, a picture with a line that says how to."""
        shown = preview(self.desk, self._scene.frame(0.0))
        bundle = dict(self.widget._repr_mimebundle_() or {})
        bundle["text/plain"] = f"{self!r}\n{_HOW_TO}"
        with suppress(Exception):  # an environment that cannot draw itself has no picture
            picture = still_picture(shown.env_name, shown.env_config, shown.state, _HOW_TO)
            bundle["image/png"] = b64encode(picture).decode()
        return bundle

    def __repr__(self) -> str:
        """Name the session."""
        return f"<Playground of {self.session or 'no session yet'}>"


class _Files:
    """Files on their way to or from the browser; they travel whichever tab is in front."""

    title = "A file on its way"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def paint(self, frame: Frame) -> bool:
        """Hand on the next pieces."""
        self._desk.hand_on(frame.now)
        return False


def _running_cell() -> str | None:
    """Name the notebook cell that runs; None where the kernel was not told."""
    return _request().get("metadata", {}).get("cellId")


def _running_execution() -> str | None:
    """Name this one run of whatever cell runs; None outside a kernel."""
    return _request().get("header", {}).get("msg_id")


def _request() -> dict[str, Any]:
    """Give the message that had the kernel run what runs; an empty one outside a kernel."""
    kernel = getattr(get_ipython(), "kernel", None)
    return {} if kernel is None else kernel.get_parent()


def _newest_live() -> TrainingSession | None:
    """Find the newest session that runs."""
    live = [session for session in sessions() if session.snapshot().state in LIVE]
    return live[-1] if live else None


def _named_run(what: Any) -> tuple[str, str] | None:
    """Give environment and id of a run that somebody named; None for anything else."""
    match what:
        case str(run_id):
            return get_storage_manager().find_run(run_id), run_id
        case (str(env_name), str(run_id)):
            return env_name, run_id
    return None


def _session_of_run(env_name: str, run_id: str) -> TrainingSession | None:
    """Find the session of a run: one that holds it, or one that goes on with it."""
    for session in reversed(sessions()):
        if session.run_id == run_id and session.config.env_name == env_name:
            return session
    try:
        session = TrainingSession.resume_run(env_name, run_id)
        session.set_speed(None)
        return session
    except SessionError:  # it has done all of its steps
        return None
    except RunNotFound:
        get_storage_manager().load_config(env_name, run_id)  # says so where there is none
        return None


def _session_for(what: Any, cell: str | None) -> TrainingSession | None:
    """Find the session that a new panel shows."""
    if isinstance(what, TrainingSession):
        return what
    if what is None and (session := _newest_live()) is not None:
        return session
    # The same cell once more: go on with what its panel showed.
    for other in reversed(_open):
        if other._asked == what and other._cell == cell and other.session is not None:
            return other.session
    return None


def _replaces(
    other: Playground, session: TrainingSession | None, cell: str | None, execution: str | None
) -> bool:
    """Whether a new panel takes the place of an older one.

    Not every front end names its cells. Without names, two runs cannot be told to be of one cell:
    then an older panel makes room within the same run, or when the page does not have it any more.
    """
    if session is not None and other.session is session:
        return True
    if cell is not None:
        return other._cell == cell
    in_the_way = other._execution == execution or other._scene.sight.gone
    return in_the_way and not other._scene.live

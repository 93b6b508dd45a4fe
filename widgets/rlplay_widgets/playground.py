"""Arranges the panels: what notebooks import."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import ipywidgets as ipw
from IPython import get_ipython

from rlplay.config import RunConfig, get_default_config
from rlplay.errors import ConfigError
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.board import Board
from rlplay_widgets.charts import ScoreChart
from rlplay_widgets.desk import Desk
from rlplay_widgets.painter import get_painter
from rlplay_widgets.panels import PANELS
from rlplay_widgets.panels.controls import ControlsPanel
from rlplay_widgets.panels.numbers import NumbersPanel
from rlplay_widgets.preview import draw_preview, preview
from rlplay_widgets.scene import LIVE, View
from rlplay_widgets.tabs import Panel, Tabs
from rlplay_widgets.theme import escape

__all__ = ["Playground"]

_open: list[Playground] = []
_opening = threading.RLock()


class Playground:
    """Train an agent and watch it learn: the controls, the board, the numbers and the curve.

    A session goes on when its panel goes away, and a new panel shows it again: running the cell
    a second time closes the old panel and attaches to what runs.

    Args:
        what: A `RunConfig` to train, a `TrainingSession` to show, or nothing: then the newest
            session that runs is shown, or else Start trains the default config.

    Raises:
        ConfigError: For anything else.
    """

    def __init__(self, what: RunConfig | TrainingSession | None = None) -> None:
        if not isinstance(what, RunConfig | TrainingSession | None):
            raise ConfigError(
                f"Playground takes a RunConfig, a TrainingSession or nothing, "
                f"not {type(what).__name__}."
            )
        with _opening:
            cell = _running_cell()
            session = _session_for(what, cell)
            if session is not None:
                config = session.config
            else:
                config = what if isinstance(what, RunConfig) else get_default_config()
            for other in tuple(_open):
                if _replaces(other, session, cell):
                    other.close()
            self._asked, self._cell = what, cell
            self._painter = get_painter()
            self.desk = Desk(self._painter, config.replace(run_id=None), session)
            self._scene = self.desk.scene
            self.controls = ControlsPanel(self.desk)
            self.board = Board(partial(preview, self.desk), partial(draw_preview, self.desk))
            self.numbers = NumbersPanel()
            self.curve = ScoreChart(self._painter.wake)
            panels: dict[str, Callable[[], Panel]] = {
                name: partial(build, self.desk) for name, build in PANELS.items()
            }
            self.tabs = Tabs(panels, self._scene.safely, self._painter.wake)
            self.desk.open_tab = self.tabs.choose
            self.desk.chosen_tab = lambda: self.tabs.chosen
            self.widget = self._arrange()
            self._scene.views = self._views
            self._painter.add(self._scene)
            _open.append(self)

    def _views(self) -> Iterator[View]:
        """What is painted, one after the other; of the tabs the one in front."""
        yield from (self.controls, self.board, self.numbers, self.curve, self.tabs)
        yield self.tabs.front

    def _arrange(self) -> ipw.VBox:
        """Board on the left; numbers, curve and tabs on the right; board and curve always there."""
        watch = ipw.VBox([self.board.widget])
        watch.add_class("rlplay-watch")
        facts = ipw.VBox([self.numbers.widget, self.curve.widget])
        facts.add_class("rlplay-facts")
        stage = ipw.Box([watch, facts, self.tabs.widget])
        stage.add_class("rlplay-stage")
        panel = ipw.VBox([self.controls.widget, self.controls.messages, stage, self._scene.sight])
        panel.add_class("rlplay-playground")
        return panel

    @property
    def session(self) -> TrainingSession | None:
        """The session that is shown; None before the first start."""
        return self._scene.session

    def close(self) -> None:
        """Take the panel away and free its widgets; a session that runs goes on."""
        with _opening:
            if self not in _open:
                return
            _open.remove(self)
            self._painter.remove(self._scene)
            self.desk.close()
            _free(self.widget)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show the panel; where widgets do not run, one line that says how to."""
        session = self.session
        about = "" if session is None else f" It showed run {escape(session.run_id)}."
        bundle = dict(self.widget._repr_mimebundle_() or {})
        bundle["text/plain"] = repr(self)
        bundle["text/html"] = (
            "<p><b>rlplay Playground.</b> This panel is alive in JupyterLab: open the notebook "
            f"with <code>rlplay lab</code> and run this cell.{about}</p>"
        )
        return bundle

    def __repr__(self) -> str:
        """Name the session."""
        return f"<Playground of {self.session or 'no session yet'}>"


def _running_cell() -> str | None:
    """Name the notebook cell that runs; None where the kernel was not told."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return None
    return kernel.get_parent().get("metadata", {}).get("cellId")


def _session_for(
    what: RunConfig | TrainingSession | None, cell: str | None
) -> TrainingSession | None:
    """Find the session that a new panel shows."""
    if isinstance(what, TrainingSession):
        return what
    if what is None:
        live = [session for session in sessions() if session.snapshot().state in LIVE]
        if live:
            return live[-1]
    # The same cell once more: go on with what its panel showed.
    for other in reversed(_open):
        if other._asked == what and other._cell == cell and other.session is not None:
            return other.session
    return None


def _replaces(other: Playground, session: TrainingSession | None, cell: str | None) -> bool:
    """Whether a new panel takes the place of an older one."""
    if session is not None and other.session is session:
        return True
    return other._cell == cell if cell is not None else not other._scene.live


def _free(widget: ipw.Widget) -> None:
    """Close a widget and all that belongs to it: children, layouts and styles."""
    for child in getattr(widget, "children", ()):
        _free(child)
    for name in ("layout", "style"):
        part = getattr(widget, name, None)
        if isinstance(part, ipw.Widget):
            part.close()
    widget.close()

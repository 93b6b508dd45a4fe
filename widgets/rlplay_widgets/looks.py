"""Ways to look at the board of a small world, and changing what a cell of it pays: below the board.

What stands in an agent's table comes from the weights that a session publishes, or from the agent
that plays; here nobody computes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets as ipw
import numpy as np
import numpy.typing as npt
import traitlets as t

from rlplay.errors import ConfigError, RlplayError
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession
from rlplay_widgets import banditboard, clerk, gridboard
from rlplay_widgets.board import Picture
from rlplay_widgets.chips import Chips
from rlplay_widgets.gridboard import GridLayout, draw_chosen, draw_table, pays
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import script

if TYPE_CHECKING:
    from rlplay_widgets.desk import Desk

__all__ = ["LOOKS", "Looks", "LooksBar", "TableReader"]

#: Ways to look at a board, by environment: a word and its meaning; the first one adds nothing.
LOOKS: dict[str, Mapping[str, str]] = {
    "gridworld": gridboard.LOOKS,
    "bandit": banditboard.LOOKS,
}
_GRID = "gridworld"
_KINDS = {
    ".": "A free cell",
    "S": "The start",
    "G": "The goal",
    "T": "The treasure",
    "P": "A pit",
    "C": "The cliff",
}

Table = npt.NDArray[np.float64]


class Looks:
    """How boards are looked at. Any thread may call.

    Attributes:
        cell: The cell whose reward a person edits; None while nobody does.
        version: Grows with every change.
    """

    def __init__(self) -> None:
        self._chosen = {name: next(iter(looks)) for name, looks in LOOKS.items()}
        self._cell: tuple[int, int] | None = None
        self.version = 0

    @property
    def cell(self) -> tuple[int, int] | None:
        """Column and row of the cell whose reward a person edits."""
        return self._cell

    @cell.setter
    def cell(self, cell: tuple[int, int] | None) -> None:
        self._cell = cell
        self.version += 1

    def get(self, env_name: str) -> str:
        """Say how an environment's board is looked at; empty where there is only one way."""
        return self._chosen.get(env_name, "")

    def choose(self, env_name: str, look: str) -> None:
        """Look at an environment's board in another way.

        Raises:
            ConfigError: When there is no such way.
        """
        if look not in LOOKS.get(env_name, ()):
            known = ", ".join(LOOKS.get(env_name, ())) or "none"
            raise ConfigError(f"No way to look at {env_name!r} is {look!r}. Available: {known}.")
        self._chosen[env_name] = look
        self.version += 1

    def wants_table(self, env_name: str) -> bool:
        """Whether what stands in the agent's table is drawn on such a board."""
        return env_name == _GRID and self.get(env_name) != "Off"


class TableReader:
    """Reads the table of a session's agent, as the session publishes it.

    Args:
        wake: Has everything painted, once a table was read from the disk.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._read: dict[tuple[str, int], Table | None] = {}

    def look(self, session: TrainingSession, snapshot: Snapshot) -> Table | None:
        """Ask for the newest table, and give the one that is there; the painter's alone.

        Returns:
            (S, A); None where there is none yet, or the agent keeps no table.
        """
        session.monitor.want_weights()
        found = session.monitor.weights()
        ended = snapshot.state == "finished" and snapshot.run_id is not None
        if found is not None and not (ended and found.total_steps != snapshot.total_steps):
            return table_in(found.weights)
        if not ended:
            return None
        # The disk has what it ended with, also where nobody asked before.
        key = (str(snapshot.run_id), snapshot.total_steps)
        if key not in self._read:
            self._read = {key: None}
            clerk.submit(partial(self._load, key, session, snapshot.env_name))
        return self._read[key]

    def _load(self, key: tuple[str, int], session: TrainingSession, env_name: str) -> None:
        try:
            self._read = {key: table_in(session.storage.load_weights(env_name, key[0]))}
        except RlplayError:  # deleted meanwhile
            return
        self._wake()


def table_in(weights: Mapping[str, Any]) -> Table | None:
    """Give the table of an agent whose weights are one; None for a network's."""
    return np.asarray(weights["q"], np.float64) if set(weights) == {"q"} else None


class CellWidget(anywidget.AnyWidget):
    """The form of one cell's reward, in the browser."""

    _esm = script("cell.js")

    cell = t.Dict().tag(sync=True)


class LooksBar:
    """Switches how the board is looked at, and edits what a cell pays.

    Args:
        desk: Whose board it is.
        source: Gives what the board shows.
        on_change: Has the board drawn again.
    """

    title = "The ways to look at the board"

    def __init__(
        self, desk: Desk, source: Callable[[Frame], Shown], on_change: Callable[[], None]
    ) -> None:
        self._desk = desk
        self._source = source
        self._on_change = on_change
        self._state: dict[str, Any] | None = None  # of the gridworld that is shown
        self._env_name = ""
        self._options: dict[str, Any] = {}
        self._version = 0
        self._focus = False
        safely = desk.scene.safely
        self.chips = Chips("What is drawn on the board", self._choose, safely)
        self.cell = CellWidget(cell={})
        self.cell.on_msg(safely(self._receive))
        self.note = ipw.HTML()
        self.widget = ipw.Box(
            [self.chips.widget, self.cell, self.note], layout=ipw.Layout(display="none")
        )
        self.widget.add_class("rlplay-looks")
        desk.on_point = self.point

    # Callbacks: in the kernel's threads ----------------------------------------------------------

    def _choose(self, look: str) -> None:
        self._desk.looks.choose(self._env_name, look)
        self._desk.wake()

    def point(self, x: float, y: float) -> None:
        """Choose the cell at a point of the board, to change what it pays.

        Args:
            x: Share of the board's width, from the left.
            y: Share of the board's height, from the top.
        """
        if self._state is None or not self._can_edit:
            return
        found = GridLayout(self._state).find(x, y)
        self._desk.looks.cell = None if found == self._desk.looks.cell else found
        self._focus = self._desk.looks.cell is not None
        self._desk.wake()

    @property
    def _can_edit(self) -> bool:
        """Whether the board is that of the config under edit: another map has other cells."""
        config = self._desk.draft.config
        return self._env_name == _GRID == config.env_name and self._options == config.env_config

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        looks, state, kind = self._desk.looks, self._state, content.get("kind")
        if kind == "close":
            looks.cell = None
        elif kind == "cell" and state is not None:
            cell = (int(content["column"]), int(content["row"]))
            if cell not in GridLayout(state).states:
                raise ConfigError(f"Column {cell[0]}, row {cell[1]} is no cell of this map to pay.")
            looks.cell = cell
        elif kind == "pay" and looks.cell is not None:
            self.pay(looks.cell, content.get("value"))
        self._desk.wake()

    def pay(self, cell: tuple[int, int], value: float | None) -> None:
        """Have a cell pay something on top, now and with the next start.

        Args:
            cell: Column and row, from 0.
            value: What entering it pays on top; None or 0 puts it back.

        Raises:
            ConfigError: For a value that is not allowed, or where a lesson keeps the rewards.
        """
        cells = dict(self._desk.draft.config.reward_config["cells"])
        place = f"{cell[0]},{cell[1]}"
        cells.pop(place, None)
        if value:
            cells[place] = value
        if not self._desk.set("reward_config", "cells", cells):
            error = self._desk.draft.error("reward_config", "cells")
            # What was typed here is not kept in the World tab's form.
            self._desk.draft.forget("reward_config", "cells")
            raise ConfigError(str(error))

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show what there is to choose for the board that is shown."""
        looks, shown = self._desk.looks, self._source(frame)
        self._env_name, self._options = shown.env_name, shown.env_config
        self._state = shown.state if shown.env_name == _GRID else None
        if self._version != looks.version:
            self._version = looks.version
            self._on_change()
        known = LOOKS.get(shown.env_name)
        assign(self.widget.layout, display="none" if known is None else None)
        if known is None:
            return False
        self.chips.show(known.items(), looks.get(shown.env_name))
        assign(self.cell, cell=self._cell_facts())
        if self._focus:
            self._focus = False
            self.cell.send({"kind": "focus"})
        assign(self.note, value=self._note(shown))
        return False

    def _cell_facts(self) -> dict[str, Any]:
        """What the form says of the cell that is chosen; empty hides it."""
        cell, state = self._desk.looks.cell, self._state
        if cell is None or state is None or not self._can_edit:
            return {}
        if cell not in GridLayout(state).states:
            return {}
        x, y = cell
        return {
            "column": x,
            "row": y,
            "columns": len(state["rows"][0]),
            "rows": len(state["rows"]),
            "kind": _KINDS[state["rows"][y][x]],
            "extra": float(state["cells"].get(f"{x},{y}", 0.0)),
            "pays": float(pays(state, cell) or 0.0),
            "locked": self._desk.draft.is_locked("reward_config", "cells"),
        }

    def _note(self, shown: Shown) -> str:
        """Why nothing is drawn where something was asked for."""
        if not self._desk.looks.wants_table(shown.env_name) or shown.table is not None:
            return ""
        if shown.state is None or self._desk.session is None:
            return "<p>What the agent knows appears here when it learns: press Start.</p>"
        return "<p>There is no table to draw: none has come yet, or the agent has a network.</p>"

    # Over the board ------------------------------------------------------------------------------

    def draw(self, frame: Frame, shown: Shown, picture: Picture) -> None:
        """Add to a board's picture what is switched on."""
        looks, state = self._desk.looks, shown.state
        look = looks.get(shown.env_name)
        if state is None or not look:
            return
        if shown.env_name == "bandit":
            if look == "Truth":
                banditboard.draw_truth(picture, state, frame.palette)
            return
        if shown.table is not None and look != "Off":
            draw_table(picture, state, shown.table, look, frame.palette)
        cell = looks.cell
        if cell is not None and self._can_edit and cell in GridLayout(state).states:
            draw_chosen(picture, state, cell, frame.palette)

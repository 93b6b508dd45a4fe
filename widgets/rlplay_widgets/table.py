"""A table in the browser that stays quick with thousands of rows: sorted, filtered, by keyboard.

The browser sorts, filters and formats, and holds only the rows in sight as elements. The kernel
sends every row once, and from then on what has changed.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.theme import script

__all__ = ["Column", "Row", "Table"]

#: A message holds so many bytes of rows, about, and the next one comes so many seconds later: a
#: notebook server passes on a million bytes a second, and curves and boards need their share.
_BYTES = 100_000
_EVERY = 0.2

Cell = str | float | None


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        label: Its heading.
        kind: What its cells are: "text"; "number"; "count" (large ones in thousands and millions);
            "size" (bytes); "when" (seconds since 1970); "tag" (a key of `tags`); "look" (a colour
            of the charts, from 1).
        width: As CSS's grid has it: "84px", "minmax(120px, 2fr)".
        least: Pixels that the table must be wide, for the column to be shown.
        hint: What it means, in a sentence.
        digits: Digits behind the point, of a number.
        tags: The sign and the words of each tag, and what it means.
    """

    label: str
    kind: str = "text"
    width: str = "minmax(0, 1fr)"
    hint: str = ""
    digits: int = 0
    least: int = 0
    tags: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        key: Tells it from the others, and stays.
        cells: One value a column; None where there is none.
        note: What is wrong with it, for people; such a row looks muted.
    """

    key: str
    cells: tuple[Cell, ...]
    note: str = ""


class TableWidget(anywidget.AnyWidget):
    """The table in the browser; rows and selection travel as messages."""

    _esm = script("table.js")

    label = t.Unicode().tag(sync=True)
    columns = t.List().tag(sync=True)
    order = t.List().tag(sync=True)
    several = t.Bool().tag(sync=True)
    toggles = t.Bool().tag(sync=True)
    hint = t.Unicode().tag(sync=True)


class Table:
    """Rows of which a person sorts, filters and selects.

    Any thread may set `rows` and call `select`; only the painter calls `paint`.

    Attributes:
        widget: What is shown.
        on_select: Called with the keys of the selected rows when a person selects.
        on_open: Called with a row's key when a person opens it, by double click or Enter.

    Args:
        columns: The columns, from the left.
        label: What the table is, for a screen reader: "Saved runs".
        safely: Wraps callbacks, as `SessionScene.safely` does.
        wake: Has the table painted.
        order: The column that it is sorted by at first, and whether the highest comes first.
        several: Whether several rows can be selected.
        toggles: Whether a click adds a row to the selection or takes it out, as in a list of
            things to tick; otherwise it selects that row alone, and with Ctrl held it adds.
        hint: What stands in an empty table.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        label: str,
        safely: Callable[..., Callable[..., None]],
        wake: Callable[[], None],
        *,
        order: tuple[int, bool] = (0, False),
        several: bool = False,
        toggles: bool = False,
        hint: str = "Nothing here yet.",
    ) -> None:
        self._wake = wake
        self._lock = threading.RLock()
        self._rows: dict[str, Row] = {}
        self._sent: dict[str, Row] = {}
        self._version = 0
        self._anew = False
        self._changed = False
        self._next = float("-inf")
        self._selected: tuple[str, ...] = ()
        self._tell_selected = False
        self.on_select: Callable[[tuple[str, ...]], None] = lambda keys: None
        self.on_open: Callable[[str], None] = lambda key: None
        self.widget = TableWidget(
            label=label,
            columns=[asdict(column) for column in columns],
            order=list(order),
            several=several,
            toggles=toggles,
            hint=hint,
        )
        self.widget.on_msg(safely(self._receive))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows; whoever sets them wakes nobody where nothing changed."""
        return tuple(self._rows.values())

    @rows.setter
    def rows(self, rows: Iterable[Row]) -> None:
        new = {row.key: row for row in rows}
        with self._lock:
            if new == self._rows:
                return
            self._rows = new
            self._changed = True
            kept = tuple(key for key in self._selected if key in new)
            gone, self._selected = kept != self._selected, kept
        if gone:
            self.on_select(kept)
        self._wake()

    @property
    def selected(self) -> tuple[str, ...]:
        """Keys of the selected rows."""
        return self._selected

    def select(self, *keys: str) -> None:
        """Select rows, as a person would; keys of no row are left out."""
        with self._lock:
            self._selected = tuple(key for key in keys if key in self._rows)
            self._tell_selected = True
        self.on_select(self._selected)
        self._wake()

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "rows":
            # A page that was opened or reloaded, or one that missed a message.
            with self._lock:
                self._anew = self._changed = self._tell_selected = True
        elif kind == "select":
            with self._lock:
                self._selected = tuple(key for key in content["keys"] if key in self._rows)
            self.on_select(self._selected)
        elif kind == "open" and content["key"] in self._rows:
            self.on_open(content["key"])

    def paint(self, now: float) -> None:
        """Send what changed, in pieces; the painter's alone.

        Args:
            now: Seconds of the monotonic clock.
        """
        if not (self._changed or self._tell_selected) or now < self._next:
            return
        with self._lock:
            if self._changed:
                self.widget.send(self._difference())
                self._next = now + _EVERY
            if self._tell_selected and not self._changed:
                self._tell_selected = False
                self.widget.send({"kind": "selected", "keys": list(self._selected)})

    def _difference(self) -> dict[str, Any]:
        """Take the next piece of what the browser does not have yet."""
        first = self._anew
        if first:
            self._sent, self._anew = {}, False
        gone = [key for key in self._sent if key not in self._rows]
        for key in gone:
            del self._sent[key]
        put: list[Any] = []
        room = _BYTES
        self._changed = False
        for key, row in self._rows.items():
            if self._sent.get(key) == row:
                continue
            if room < 0:
                self._changed = True
                break
            sent = [key, [_cell(cell) for cell in row.cells], row.note]
            room -= len(json.dumps(sent))
            put.append(sent)
            self._sent[key] = row
        before, self._version = self._version, self._version + 1
        return {
            "kind": "rows",
            "after": None if first else before,
            "version": self._version,
            "put": put,
            "gone": gone,
            "whole": len(self._rows),
        }


def _cell(value: Cell) -> Cell:
    """What JSON can hold of a cell."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The table: what it sends, and what a person's clicks tell it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlplay_widgets.table import Column, Row, Table

COLUMNS = [Column("Name"), Column("Best", "number", digits=1)]


class Seen:
    """A table, and what a browser that is told everything would show of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.woken = 0
        self.table = Table(COLUMNS, "Runs", lambda callback: callback, self._wake, **options)
        self.messages: list[dict[str, Any]] = []
        self.rows: dict[str, list[Any]] = {}
        self.version: int | None = None
        self.now = 0.0
        monkeypatch.setattr(self.table.widget, "send", self._take)
        self.tell(kind="rows")

    def _wake(self) -> None:
        self.woken += 1

    def _take(self, message: dict[str, Any]) -> None:
        json.dumps(message, allow_nan=False)
        self.messages.append(message)
        if message["kind"] != "rows":
            return
        if message["after"] is None:
            self.rows.clear()
        else:
            assert message["after"] == self.version
        self.version = message["version"]
        for key in message["gone"]:
            del self.rows[key]
        for key, cells, note in message["put"]:
            self.rows[key] = [*cells, note]

    def tell(self, **content: Any) -> None:
        self.table._receive(None, content, [])

    def paint(self) -> int:
        """Paint until nothing is left; returns how many messages were sent."""
        before = len(self.messages)
        for _ in range(200):
            self.now += 1.0
            self.table.paint(self.now)
        return len(self.messages) - before


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(monkeypatch)


def rows(count: int) -> list[Row]:
    return [Row(f"run-{i:04d}", (f"run {i}" + 40 * ".", i / 3)) for i in range(count)]


def test_thousands_of_rows_are_sent_once_in_pieces_and_then_only_what_changed(seen: Seen) -> None:
    library = rows(5000)
    seen.table.rows = library
    pieces = seen.paint()
    assert pieces > 2
    assert max(len(json.dumps(message)) for message in seen.messages) < 150_000
    assert list(seen.rows) == [row.key for row in library]
    assert seen.rows["run-0004"][1] == 4 / 3

    # Nothing changed: nothing is sent, and nobody is woken.
    woken = seen.woken
    seen.table.rows = rows(5000)
    assert (seen.paint(), seen.woken) == (0, woken)

    # One is new, one is gone, one is another: three rows travel, in one message.
    library[7] = Row("run-0007", ("renamed", 1.0), "why it is broken")
    seen.table.rows = [*library[:-1], Row("newest", ("n", None))]
    assert seen.paint() == 1
    last = seen.messages[-1]
    assert (len(last["put"]), last["gone"], last["whole"]) == (2, ["run-4999"], 5000)
    assert seen.rows["run-0007"] == ["renamed", 1.0, "why it is broken"]
    assert "run-4999" not in seen.rows


def test_pieces_leave_others_their_share_of_the_line(seen: Seen) -> None:
    seen.table.rows = rows(5000)
    for tenth in range(10):
        seen.table.paint(0.01 * tenth)
    assert len(seen.messages) == 1


def test_a_reloaded_page_gets_everything_and_the_selection_after_it(seen: Seen) -> None:
    seen.table.rows = rows(3)
    seen.tell(kind="select", keys=["run-0001"])
    seen.paint()
    seen.rows.clear()
    seen.tell(kind="rows")
    seen.paint()
    assert len(seen.rows) == 3
    assert seen.messages[-1] == {"kind": "selected", "keys": ["run-0001"]}


def test_a_person_selects_and_opens(seen: Seen) -> None:
    told: list[Any] = []
    seen.table.on_select = told.append
    seen.table.on_open = told.append
    seen.table.rows = rows(3)
    seen.tell(kind="select", keys=["run-0002", "of another table"])
    seen.tell(kind="open", key="run-0002")
    seen.tell(kind="open", key="of another table")
    assert told == [("run-0002",), "run-0002"]
    # What the person selected is not sent back.
    seen.paint()
    seen.tell(kind="select", keys=["run-0001"])
    assert seen.paint() == 0
    seen.table.select("run-0000", "run-0001")
    seen.paint()
    assert seen.messages[-1]["keys"] == ["run-0000", "run-0001"] == list(seen.table.selected)


def test_a_row_that_vanished_is_selected_no_more(seen: Seen) -> None:
    told: list[Any] = []
    seen.table.rows = rows(3)
    seen.tell(kind="select", keys=["run-0002"])
    seen.table.on_select = told.append
    seen.table.rows = rows(2)
    assert (seen.table.selected, told) == ((), [()])


def test_what_json_cannot_hold_is_no_number(seen: Seen) -> None:
    seen.table.rows = [Row("odd", ("<script>", float("nan")))]
    seen.paint()
    assert seen.rows["odd"] == ["<script>", None, ""]

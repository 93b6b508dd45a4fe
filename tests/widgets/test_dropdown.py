"""A dropdown's options change while the page says what a person chose."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from rlplay_widgets.dropdown import Dropdown


def elsewhere(action: Callable[..., None], *arguments: Any) -> tuple[Thread, list[BaseException]]:
    """Do something in a thread of its own, and wait a moment for it; the thread, what it raised."""
    raised: list[BaseException] = []

    def act() -> None:
        try:
            action(*arguments)
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=act)
    thread.start()
    thread.join(0.2)
    return thread, raised


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    messages: list[dict] = []

    def note(self: Dropdown, key: object = None) -> None:
        messages.append(self.get_state(key=key))

    monkeypatch.setattr(Dropdown, "send_state", note)
    return messages


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_choice_that_waited_for_other_options_is_none(sent, index) -> None:
    dropdown = Dropdown(options=["a", "b", "c"], value="c")
    pages: list[tuple[Thread, list[BaseException]]] = []

    # Between the new options and the choice among them.
    def choose(_: Any) -> None:
        pages.append(elsewhere(dropdown.set_state, {"index": index}))

    dropdown.observe(choose, names="_options_labels")
    dropdown.offer(["x", "y"], "y")
    ((page, raised),) = pages
    page.join()
    assert raised == []
    assert (dropdown.value, dropdown.label) == ("y", "y")
    assert sent[-1] == {"index": 1}  # the page is told what is chosen


@pytest.mark.parametrize("options", [["a", "b", "c"], ["new", "a", "b", "c"]])
def test_the_painter_does_not_undo_a_choice_that_it_waited_for(sent, options) -> None:
    dropdown = Dropdown(options=["a", "b", "c"], value="a")
    painters: list[tuple[Thread, list[BaseException]]] = []

    def paint(change: dict[str, Any]) -> None:
        if not painters:
            painters.append(elsewhere(dropdown.offer, options, "a"))

    dropdown.observe(paint, names="value")
    dropdown.set_state({"index": 2})
    ((painter, raised),) = painters
    painter.join()
    assert raised == []
    assert dropdown.value == "c"
    assert dropdown.options == tuple(options)


def test_a_choice_among_options_that_are_gone_is_put_right_on_the_page(sent) -> None:
    dropdown = Dropdown(options=["a", "b", "c"], value="c")
    dropdown.offer(["x", "y"], "y")
    sent.clear()
    dropdown.set_state({"index": 2})
    assert dropdown.value == "y"
    assert sent == [{"index": 1}]


def test_options_and_choice_travel_in_one_message(sent) -> None:
    dropdown = Dropdown(options=["a"], value="a")
    sent.clear()
    dropdown.offer([("X", 1), ("Y", 2)], 2)
    assert [(state["_options_labels"], state["index"]) for state in sent] == [(("X", "Y"), 1)]
    dropdown.offer([("X", 1), ("Y", 2)], 2)
    assert len(sent) == 1


def test_where_no_option_has_the_value_other_options_begin_with_the_first(sent) -> None:
    dropdown = Dropdown(options=["a", "b"], value="b")
    dropdown.offer(["x", "y"], "z")
    assert dropdown.value == "x"
    empty = Dropdown()
    empty.offer(["x", "y"], None)
    assert empty.value is None
    empty.offer(["x", "y"], "y")
    assert empty.value == "y"

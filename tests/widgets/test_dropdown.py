"""A dropdown's options change while the page says what a person chose."""

from __future__ import annotations

import threading

import pytest

from rlplay_widgets.dropdown import Dropdown


def send_from_the_page(dropdown: Dropdown, index: int) -> list[BaseException]:
    """Have a choice arrive in a thread of its own, and wait a moment for it; what it raised."""
    raised: list[BaseException] = []

    def arrive() -> None:
        try:
            dropdown.set_state({"index": index})
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=arrive, name="page")
    thread.start()
    thread.join(0.2)
    return raised


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    messages: list[dict] = []

    def note(self: Dropdown, key: object = None) -> None:
        messages.append(self.get_state(key=key))

    monkeypatch.setattr(Dropdown, "send_state", note)
    return messages


@pytest.mark.parametrize(("index", "value"), [(0, "x"), (1, "y"), (2, "y")])
def test_a_choice_that_arrives_while_the_options_change_waits(sent, index, value) -> None:
    dropdown = Dropdown(options=["a", "b", "c"], value="c")
    seen: list[object] = []
    dropdown.observe(lambda change: seen.append(change["new"]), names="value")
    raised: list[list[BaseException]] = []
    # Between the new options and the choice among them.
    dropdown.observe(
        lambda _: raised.append(send_from_the_page(dropdown, index)), names="_options_labels"
    )
    dropdown.offer(["x", "y"], "y")
    for thread in threading.enumerate():
        if thread.name == "page":
            thread.join()
    assert raised == [[]]
    assert dropdown.value == value
    assert dropdown.label == value
    assert seen[-1] == value


def test_a_choice_among_options_that_are_gone_is_put_right_on_the_page(sent) -> None:
    dropdown = Dropdown(options=["a", "b", "c"], value="c")
    dropdown.offer(["x", "y"], "y")
    sent.clear()
    assert send_from_the_page(dropdown, 2) == []
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

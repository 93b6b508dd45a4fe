"""What went wrong, in sight until it is mended or put away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import anywidget
import traitlets as t

from rlplay_widgets.scene import assign
from rlplay_widgets.theme import script

__all__ = ["Message", "Messages", "with_buttons"]

#: How an error names a command of the terminal, and the button that does the same.
_COMMAND = re.compile(r": rlplay train --(fork|resume) \S+(?: --steps \S+)?\.?")
_BUTTONS = {"fork": "Fork", "resume": "Continue"}


class Message(NamedTuple):
    """One thing that went wrong.

    Attributes:
        key: What it is put away by.
        text: What happened, for people.
        details: A traceback, or nothing.
    """

    key: str
    text: str
    details: str = ""


class MessagesWidget(anywidget.AnyWidget):
    """The messages in the browser."""

    _esm = script("messages.js")

    messages = t.List().tag(sync=True)


class Messages:
    """Shows what went wrong.

    Attributes:
        widget: The messages, one below the other.

    Args:
        on_dismiss: Called with the key of a message that was put away, in a thread of the kernel.
        safely: Wraps callbacks.
    """

    def __init__(
        self, on_dismiss: Callable[[str], None], safely: Callable[..., Callable[..., None]]
    ) -> None:
        self._on_dismiss = on_dismiss
        self.widget = MessagesWidget()
        self.widget.on_msg(safely(self._receive))

    @property
    def texts(self) -> tuple[str, ...]:
        """What they say."""
        return tuple(message["text"] for message in self.widget.messages)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "dismiss":
            self._on_dismiss(str(content.get("key")))

    def show(self, messages: Iterable[Message]) -> None:
        """Show these messages and no others; the painter's alone."""
        shown = [
            message._replace(text=with_buttons(message.text))._asdict() for message in messages
        ]
        assign(self.widget, messages=shown)


def with_buttons(text: str) -> str:
    """Name the button of the Runs tab where an error names a command of the terminal."""
    return _COMMAND.sub(lambda found: f" (Runs tab: {_BUTTONS[found[1]]}).", text)

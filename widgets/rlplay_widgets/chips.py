"""A row of small buttons of which at most one is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anywidget
import traitlets as t

from rlplay_widgets.scene import assign
from rlplay_widgets.theme import script

__all__ = ["Chips"]


class ChipsWidget(anywidget.AnyWidget):
    """The row in the browser."""

    _esm = script("chips.js")

    title = t.Unicode().tag(sync=True)
    chips = t.List().tag(sync=True)
    chosen = t.Unicode().tag(sync=True)


class Chips:
    """A choice among a few words.

    Attributes:
        widget: The row.

    Args:
        title: What a screen reader calls it.
        on_choose: Called with the key of a button that was clicked, in a thread of the kernel.
        safely: Wraps callbacks.
    """

    def __init__(
        self,
        title: str,
        on_choose: Callable[[str], None],
        safely: Callable[..., Callable[..., None]],
    ) -> None:
        self._on_choose = on_choose
        self.widget = ChipsWidget(title=title)
        self.widget.on_msg(safely(self._receive))

    def click(self, key: str) -> None:
        """Choose as a click does."""
        if any(chip["key"] == key for chip in self.widget.chips):
            self._on_choose(key)

    def show(self, chips: Iterable[tuple[str, str]], chosen: str) -> None:
        """Show these buttons, each with its explanation; the painter's alone.

        Args:
            chips: Word and explanation of each.
            chosen: The one that is chosen; empty for none.
        """
        shown = [{"key": key, "label": key, "about": about} for key, about in chips]
        assign(self.widget, chips=shown, chosen=chosen)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "choose":
            self.click(str(content.get("key")))

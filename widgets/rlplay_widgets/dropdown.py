"""A dropdown whose options may change while a person chooses."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets as ipw

__all__ = ["Dropdown"]


class Dropdown(ipw.Dropdown):
    """A dropdown whose options may change while a person chooses.

    The page names a choice by its number among the options, in a thread of the kernel. What it
    chose while the painter changes them, in another thread, waits until that is done; a choice
    among options that are gone is none.

    Args:
        **traits: As of ipywidgets' dropdown.
    """

    def __init__(self, **traits: Any) -> None:
        self._turn = threading.RLock()
        super().__init__(**traits)

    def offer(self, options: Iterable[Any], value: Any) -> None:
        """Show these options, and which one is chosen, in one message. The painter's alone.

        Args:
            options: Values, or pairs of words and value.
            value: The one that is chosen. Where none of the options has it, it is as ipywidgets
                has it: other options begin with the first, or with none where none was chosen.
        """
        options = tuple(options)
        with self._turn:
            if self.options == options and self.value == value:
                return
            with self.hold_sync():
                if self.options != options:
                    self.options = options
                if value in self._options_values:
                    self.value = value

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what the page chose."""
        with self._turn:
            index = sync_data.get("index")
            if index is None or index < len(self._options_labels):
                super().set_state(sync_data)
            else:
                self.send_state("index")

"""A dropdown whose options may change while a person chooses."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets as ipw

__all__ = ["Dropdown"]


class Dropdown(ipw.Dropdown):
    """A dropdown whose options may change while a person chooses.

    The page names a choice by its number among the options, in a thread of the kernel, while the
    painter may change them in another. Each waits for the other; a choice that waited for other
    options is none, and what is chosen stands on the page again. (A choice that was on its way to
    the kernel meanwhile cannot be told from one among the new options.)

    Args:
        **traits: As of ipywidgets' dropdown.
    """

    def __init__(self, **traits: Any) -> None:
        self._turn = threading.RLock()
        self._offers = self._choices = 0  # of other options, and among them, that are done
        super().__init__(**traits)

    def offer(self, options: Iterable[Any], value: Any) -> None:
        """Show these options, and which one is chosen, in one message. The painter's alone.

        Args:
            options: Values, or pairs of words and value.
            value: The one that is chosen. Where none of the options has it, it is as ipywidgets
                has it: other options begin with the first, or with none where none was chosen.
        """
        options = tuple(options)
        choices = self._choices
        with self._turn:
            if choices != self._choices:  # `value` is older than what a person chose
                value = self.value
            if self.options == options and self.value == value:
                return
            others = self.options != options
            with self.hold_sync():
                if others:
                    self.options = options
                if value in self._options_values:
                    self.value = value
            self._offers += others

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what the page chose."""
        offers = self._offers
        with self._turn:
            index = sync_data.get("index")
            if index is None:
                super().set_state(sync_data)
            elif offers == self._offers and index < len(self._options_labels):
                super().set_state(sync_data)
                self._choices += 1
            else:
                self.send_state("index")

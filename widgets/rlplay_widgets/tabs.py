"""A row of tabs; each one's panel is built when it is opened for the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import anywidget
import ipywidgets as ipw
import traitlets as t

from rlplay_widgets.scene import Frame, View
from rlplay_widgets.theme import script

__all__ = ["Panel", "Tabs"]


class Panel(View, Protocol):
    """A view with a widget of its own."""

    widget: ipw.DOMWidget


class TabBar(anywidget.AnyWidget):
    """The row of tabs in the browser."""

    _esm = script("tabs.js")

    names = t.List().tag(sync=True)
    chosen = t.Unicode().tag(sync=True)


class Tabs:
    """Panels of which one is in sight.

    Args:
        panels: What builds each panel, by the tab's name.
        safely: Wraps callbacks.
        wake: Has the tabs painted.
    """

    title = "The tabs"

    def __init__(
        self,
        panels: Mapping[str, Callable[[], Panel]],
        safely: Callable[..., Callable[..., None]],
        wake: Callable[[], None],
    ) -> None:
        self._builders = dict(panels)
        self._wake = wake
        self._wanted = next(iter(self._builders))
        self.panels: dict[str, Panel] = {}
        self.bar = TabBar(names=list(self._builders), chosen=self._wanted)
        self.bar.on_msg(safely(self._receive))
        self._stack = ipw.Box()
        self._stack.add_class("rlplay-panels")
        self.widget = ipw.VBox([self.bar, self._stack])
        self.widget.add_class("rlplay-tabs")
        self._open(self._wanted)

    @property
    def chosen(self) -> str:
        """The name of the tab in sight."""
        return self._wanted

    def choose(self, name: str) -> None:
        """Bring a tab to the front with the next frame."""
        if name in self._builders:
            self._wanted = name
            self._wake()

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "choose":
            self.choose(str(content.get("name")))

    def _open(self, name: str) -> bool:
        """Bring a panel to the front, built where it is new; whether it was."""
        new = name not in self.panels
        if new:
            panel = self._builders[name]()
            panel.widget.add_class("rlplay-panel")
            self.panels[name] = panel
            self._stack.children = (*self._stack.children, panel.widget)
        for other, panel in self.panels.items():
            display = None if other == name else "none"
            if panel.widget.layout.display != display:
                panel.widget.layout.display = display
        if self.bar.chosen != name:
            self.bar.chosen = name
        return new

    def paint(self, frame: Frame) -> bool:
        """Open the tab that was chosen; its panel is painted with the next frame, at once."""
        if self._wanted != self.bar.chosen:
            self._open(self._wanted)
            frame.owed.append(0.0)
        return False

    @property
    def front(self) -> View:
        """The panel in sight."""
        return self.panels[self.bar.chosen]

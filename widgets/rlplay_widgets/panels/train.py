"""What learns, for how long, and how its episodes ended."""

from __future__ import annotations

import ipywidgets as ipw

from rlplay.agents import AGENT_REGISTRY
from rlplay_widgets.desk import Desk
from rlplay_widgets.panels.endings import EndingsPanel
from rlplay_widgets.scene import Frame, assign

__all__ = ["TrainPanel"]


class TrainPanel:
    """The algorithm, and how episodes ended.

    Args:
        desk: Whose draft it edits.
    """

    title = "The training panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.algorithm = ipw.Dropdown(
            options=[(spec.title, name) for name, spec in sorted(AGENT_REGISTRY.items())],
            value=desk.draft.get("algo"),
            description="Algorithm",
            tooltip="Who learns; takes effect with the next start",
        )
        self.endings = EndingsPanel()
        self.widget = ipw.VBox([self.algorithm, self.endings.widget])
        self.algorithm.observe(
            desk.scene.safely(lambda change: self._choose(change["new"])), names="value"
        )

    def _choose(self, algo: str) -> None:
        if algo != self._desk.draft.get("algo"):
            self._desk.set("algo", algo)

    def paint(self, frame: Frame) -> bool:
        """Show what the draft says, and how episodes ended."""
        assign(self.algorithm, value=self._desk.draft.get("algo"))
        return self.endings.paint(frame)

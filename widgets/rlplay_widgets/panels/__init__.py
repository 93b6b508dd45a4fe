"""The panels: one class, one file. Each is built when its tab is opened for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlplay_widgets.panels.compare import ComparePanel
from rlplay_widgets.panels.device import DevicePanel
from rlplay_widgets.panels.inside import InsidePanel
from rlplay_widgets.panels.learning import LearningPanel
from rlplay_widgets.panels.network import NetworkPanel
from rlplay_widgets.panels.replays import ReplaysPanel
from rlplay_widgets.panels.runs import RunsPanel
from rlplay_widgets.panels.train import TrainPanel
from rlplay_widgets.panels.watch import WatchPanel
from rlplay_widgets.panels.world import WorldPanel

__all__ = ["PANELS"]

#: What builds the panel of each tab from the desk, in the order of the tabs.
PANELS: dict[str, Callable[..., Any]] = {
    "Train": TrainPanel,
    "World": WorldPanel,
    "Network": NetworkPanel,
    "Learning": LearningPanel,
    "Runs": RunsPanel,
    "Replays": ReplaysPanel,
    "Compare": ComparePanel,
    "Watch": WatchPanel,
    "Inside": InsidePanel,
    "Device": DevicePanel,
}

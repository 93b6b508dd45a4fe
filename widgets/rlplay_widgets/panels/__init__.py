"""The panels: one class, one file. Each is built when its tab is opened for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlplay_widgets.panels.compare import ComparePanel
from rlplay_widgets.panels.train import TrainPanel

__all__ = ["PANELS"]

#: What builds the panel of each tab from the desk, in the order of the tabs.
PANELS: dict[str, Callable[..., Any]] = {
    "Train": TrainPanel,
    "Compare": ComparePanel,
}

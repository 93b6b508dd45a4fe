"""What must survive a restart: the library of runs."""

from rlplay.storage.manager import (
    ImportedRun,
    StorageManager,
    find_root,
    get_storage_manager,
)
from rlplay.storage.replay import Frames, Replay, ReplayCheck

__all__ = [
    "Frames",
    "ImportedRun",
    "Replay",
    "ReplayCheck",
    "StorageManager",
    "find_root",
    "get_storage_manager",
]

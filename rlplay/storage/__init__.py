"""What must survive a restart: the library of runs."""

from rlplay.storage.manager import StorageManager, find_root, get_storage_manager
from rlplay.storage.replay import Frames, Replay, ReplayCheck

__all__ = [
    "Frames",
    "Replay",
    "ReplayCheck",
    "StorageManager",
    "find_root",
    "get_storage_manager",
]

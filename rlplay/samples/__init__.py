"""Sample runs: agents that have trained already, so that the first minute needs no training.

Each is an export like any other (see `StorageManager.import_run`), with weights at several ages
and replays. ``python -m rlplay.samples.make`` made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rlplay.errors import UnknownName, nearest

__all__ = ["SAMPLES", "sample_path"]

#: The sample runs, the least experienced first.
SAMPLES: Final[dict[str, str]] = {
    "beginner": "has just found out that apples are good, and dies at the next wall",
    "good": "finds apple after apple, until its own body shuts it in",
    "champion": "plans around its own tail, and mostly fills the whole board",
}


def sample_path(name: str) -> Path:
    """Give the file of a sample run, for `StorageManager.import_run`.

    Args:
        name: One of `SAMPLES`.

    Raises:
        UnknownName: For any other name.
    """
    if name not in SAMPLES:
        raise UnknownName(
            f"No sample run {name!r}.{nearest(name, SAMPLES)} Available: {', '.join(SAMPLES)}."
        )
    return Path(__file__).with_name(f"{name}.zip")

"""What the board shows before there is a first move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlplay_widgets.desk import Desk
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import LIVE, Frame

__all__ = ["preview"]


def preview(desk: Desk, frame: Frame) -> Shown:
    """Give what the board shows: what is watched, or an example of the board that Start opens."""
    shown = desk.shown(frame)
    config = desk.draft.config
    if desk.game is not None or frame.snapshot.state in LIVE:
        return shown
    session = frame.session
    if session is not None and session.config.env_config == config.env_config:
        return shown
    size = config.env_config.get("grid_size")
    if config.env_name != "snake" or size is None:
        return replace(shown, env_name=config.env_name, state=None) if session is None else shown
    return Shown(
        env_name="snake", state=_still_life(size), words="an example", env_config=config.env_config
    )


def _still_life(size: int) -> dict[str, Any]:
    """A snake that waits on a board of this size."""
    middle = size // 2
    head = (min(size - 2, middle), middle)
    path = [(0, 0), (-1, 0), (-1, 1), (-2, 1)] if size < 6 else [
        (0, 0), (-1, 0), (-2, 0), (-2, 1), (-2, 2), (-1, 2)
    ]  # fmt: skip
    return {
        "grid_size": size,
        "snake_position": [{"x": head[0] + x, "y": head[1] + y} for x, y in path],
        "food_position": {"x": min(size - 1, head[0] + 2), "y": max(0, middle - 2)},
        "direction": [1, 0],
    }

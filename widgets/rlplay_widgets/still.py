"""A still picture of the board, for places where widgets do not run."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rlplay.envs import create_env
from rlplay.envs.snake.picture import draw

__all__ = ["still_picture"]

#: Width of the picture, in pixels.
_WIDTH = 400
_MARGIN = 12
_LINE = 20


def still_picture(env_name: str, env_config: dict[str, Any], state: Any, words: str) -> bytes:
    """Draw a board as the environment draws itself, with a line below.

    Args:
        env_name: The environment.
        env_config: Its options.
        state: What its `render_state` gives; None draws the board of a first move.
        words: The lines below, parted by newlines.

    Returns:
        A PNG, small since it has few colours.
    """
    board = Image.fromarray(_pixels(env_name, env_config, state))
    height = round(board.height * _WIDTH / board.width)
    how = Image.Resampling.NEAREST if board.width < _WIDTH else Image.Resampling.LANCZOS
    board = board.resize((_WIDTH, height), how)
    lines = words.splitlines()
    page = Image.new(
        "RGB", (_WIDTH + 2 * _MARGIN, height + 2 * _MARGIN + _LINE * len(lines) + 6), "white"
    )
    page.paste(board, (_MARGIN, _MARGIN))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=14)
    for i, line in enumerate(lines):
        place = (_MARGIN, height + _MARGIN + 8 + i * _LINE)
        pen.text(place, line, fill=(60, 66, 60), font=font)
    file = io.BytesIO()
    page.quantize(48, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _opening(size: int) -> dict[str, Any]:
    """A snake's board before the first move, as `render_state` gives it."""
    middle = size // 2
    return {
        "grid_size": size,
        "snake_position": [{"x": middle - 1, "y": middle}],
        "food_position": {"x": size - 2, "y": middle - 1},
        "direction": [1, 0],
    }


def _pixels(env_name: str, env_config: dict[str, Any], state: Any) -> np.ndarray:
    """The board as the environment draws it."""
    if env_name == "snake":
        size = int(env_config.get("grid_size", 10))
        # No board is made for it: the first one of a kernel waits a second for its compiled rules.
        return draw({"death_reason": None, **(_opening(size) if state is None else state)})
    if isinstance(state, dict) and "rgb_array" in state:
        return np.asarray(state["rgb_array"], np.uint8)
    env = create_env(env_name, render_mode="rgb_array", **env_config)
    try:
        env.reset(seed=0)
        return np.asarray(env.render(), np.uint8)
    finally:
        env.close()

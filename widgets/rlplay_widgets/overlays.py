"""What the agent sees and thinks, over the board.

Where a number of the observation lies on the board follows from the environment's own table of
observation blocks; everything is computed as arrays and added to the board's one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlplay.envs.snake.config import SnakeConfig
from rlplay_widgets.board import PIXELS, Picture
from rlplay_widgets.theme import RGB, Palette

__all__ = ["NOWHERE", "draw_window", "input_places", "window_places"]

Cells = npt.NDArray[np.int64]

#: Where an input lies that stands for no cell.
NOWHERE = np.iinfo(np.int64).min


@dataclass(frozen=True)
class _Inks:
    """Colours of what lies over a board."""

    window: RGB
    fog: RGB
    fog_alpha: float


_LIGHT = _Inks(window=(0, 92, 150), fog=(214, 219, 212), fog_alpha=0.66)
_DARK = _Inks(window=(116, 196, 242), fog=(8, 11, 13), fog_alpha=0.6)


def _inks(palette: Palette) -> _Inks:
    return _DARK if sum(palette.ground) < 3 * 128 else _LIGHT


# Where the inputs lie --------------------------------------------------------------------------


def window_places(env_config: dict[str, Any], state: dict[str, Any]) -> Cells:
    """Find the window's cells on the board.

    Args:
        env_config: The options of snake.
        state: What the environment's `render_state` gives.

    Returns:
        (num_cells, 2) x and y of each cell, in the order of every channel; a cell outside the
        board has a place outside it.
    """
    from rlplay.envs.snake.observation import window_cells

    config = SnakeConfig(**env_config)
    cells = np.array(window_cells(config), np.int64).reshape(-1, 2)
    if config.vision == -1:
        return cells
    ahead = np.array(state["direction"] if config.frame == "egocentric" else (0, -1))
    right = np.array([-ahead[1], ahead[0]])
    head = state["snake_position"][0]
    return np.array([head["x"], head["y"]]) + cells[:, :1] * right - cells[:, 1:] * ahead


def input_places(
    blocks: Sequence[dict[str, Any]], env_config: dict[str, Any], state: dict[str, Any]
) -> Cells:
    """Find the cell that each number of an observation stands for.

    Args:
        blocks: The table of observation blocks: "observation" of the environment's metadata.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.

    Returns:
        (D, 2) x and y of each number's cell; `NOWHERE` for one that stands for no cell.
    """
    count = sum(block["size"] for block in blocks)
    places = np.full((count, 2), NOWHERE, np.int64)
    window = window_places(env_config, state)
    for block in blocks:
        if block["channel"]:
            places[block["start"] : block["start"] + block["size"]] = window
    return places


def _inside(places: Cells, size: int) -> npt.NDArray[np.bool_]:
    """Which places lie on the board."""
    return np.all((places >= 0) & (places < size), axis=1)


# What it sees ----------------------------------------------------------------------------------


def draw_window(
    picture: Picture, env_config: dict[str, Any], state: dict[str, Any], palette: Palette
) -> None:
    """Draw which cells of a snake's board the agent sees: the others lie in a fog.

    Where the agent sees no cells, only numbers, everything lies in the fog.

    Args:
        picture: What it is added to.
        env_config: The options of snake.
        state: What the environment's `render_state` gives.
        palette: The colours of the board.
    """
    from rlplay.envs.snake.observation import observation_blocks

    inks = _inks(palette)
    size = int(state["grid_size"])
    seen = np.zeros((size, size), bool)
    if any(block.channel for block in observation_blocks(SnakeConfig(**env_config))):
        places = window_places(env_config, state)
        x, y = places[_inside(places, size)].T
        seen[y, x] = True
        head = state["snake_position"][0]
        # The window leaves the head's own cell out; a hole there would say nothing.
        seen[head["y"], head["x"]] = True
    _draw_fog(picture, seen, inks)
    _draw_rim(picture, seen, inks)


def _draw_fog(picture: Picture, seen: npt.NDArray[np.bool_], inks: _Inks) -> None:
    """Cover the cells that are not seen, each row's neighbours as one."""
    size = len(seen)
    cell = PIXELS / size
    rows, starts, ends = _runs(~seen)
    if len(rows):
        x, width = starts * cell, (ends - starts) * cell
        picture.rects(x, rows * cell, width, cell, [inks.fog], inks.fog_alpha)


def _draw_rim(picture: Picture, seen: npt.NDArray[np.bool_], inks: _Inks) -> None:
    """Draw lines between cells that are seen and cells that are not."""
    cell = PIXELS / len(seen)
    points = []
    for turned in (False, True):
        cells = seen.T if turned else seen
        rows, starts, ends = _runs(cells[1:] != cells[:-1])
        lines = np.stack([starts, rows + 1, ends, rows + 1], axis=1).reshape(-1, 2) * cell
        points.append(lines[:, ::-1] if turned else lines)
    ends_of_lines = np.concatenate(points)
    if len(ends_of_lines):
        count = len(ends_of_lines) // 2
        picture.lines(ends_of_lines, [2] * count, [inks.window], 5)


def _runs(marks: npt.NDArray[np.bool_]) -> tuple[Cells, Cells, Cells]:
    """Find neighbours in rows that are marked: row, first column, column after the last."""
    padded = np.zeros((marks.shape[0], marks.shape[1] + 2), np.int8)
    padded[:, 1:-1] = marks
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows, starts, ends

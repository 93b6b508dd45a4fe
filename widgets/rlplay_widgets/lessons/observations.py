"""Lesson 5: boards side by side, with what is best on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt

from rlplay.envs.snake.picture import draw
from rlplay.lessons.observations import best_actions, play_board, see

__all__ = ["show_boards"]

_WORDS = ("straight on", "turn right", "turn left")


def show_boards(boards: Sequence[tuple[int, Sequence[int]]], env_config: dict[str, Any]) -> None:
    """Show boards side by side; above each, what pays most there.

    Args:
        boards: Each as the seed of its episode, and the actions from there.
        env_config: Options of snake, by which the agent sees.

    Raises:
        ConfigError: When an episode ends before its last action.
    """
    figure, row = plt.subplots(
        1, len(boards), figsize=(3.2 * len(boards), 3.5), layout="constrained", squeeze=False
    )
    views = [see(board, env_config) for board in boards]
    same = all((view == views[0]).all() for view in views)
    figure.suptitle("what is seen is the same" if same else "what is seen differs", fontsize=11)
    for axes, board in zip(row[0], boards, strict=True):
        env, _ = play_board(board, env_config)
        best = sorted(best_actions(board, env_config))
        axes.imshow(draw(env.render_state()))
        axes.set_title("best: " + " or ".join(_WORDS[action] for action in best), fontsize=10)
        axes.set_axis_off()
    plt.show()

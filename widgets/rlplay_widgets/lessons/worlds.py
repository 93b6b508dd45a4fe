"""A gridworld as the drawings of the lessons need it."""

from __future__ import annotations

from typing import Any

from rlplay.envs import create_env
from rlplay.envs.gridworld import GridworldEnv

__all__ = ["describe"]


def describe(map: str, **rewards: Any) -> dict[str, Any]:
    """Give a world without slip and without a reward of every step.

    The page adds both: who slips does the action to the right or to the left of the chosen one.

    Args:
        map: A name or the rows of a map.
        rewards: What cells pay: ``goal``, ``treasure``, ``pit``, ``cliff``, ``cells``.

    Returns:
        Only lists and numbers; see `static/grid.js`.

    Raises:
        ConfigError: For a map or a reward that is not allowed.
    """
    env = create_env("gridworld", {**rewards, "step": 0.0}, map=map, slip=0.0)
    assert isinstance(env, GridworldEnv)
    model = env.get_model()
    state = env.render_state()
    after = model.probabilities.argmax(axis=2)  # (S, A): one outcome each
    pays = model.rewards.sum(axis=2)
    return {
        "rows": state["rows"],
        "cells": [list(cell) for cell in model.cells],
        "start": model.start,
        "terminal": model.terminal.tolist(),
        "moves": after.tolist(),
        "pays": pays.tolist(),
        "worth": state["worth"],
    }

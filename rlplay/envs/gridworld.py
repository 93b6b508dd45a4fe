"""Gridworld: a small world whose every state can be written into a table.

The maps follow the ones that most courses use: the 4 x 3 world of Russell and Norvig ("Artificial
Intelligence: A Modern Approach", chapter on making complex decisions), the bridge and the discount
grid of Berkeley's CS188, and the cliff of Sutton and Barto ("Reinforcement Learning", example 6.6).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, Self

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlplay.envs.base import BaseEnvironment
from rlplay.envs.onehot import OneHot
from rlplay.errors import ConfigError, ContractError, nearest
from rlplay.seeding import EPISODE_SEED_BITS

__all__ = ["MAPS", "GridworldConfig", "GridworldEnv", "GridworldRewards", "TransitionModel"]

#: What a character of a map means; each of the last four has a value in `GridworldRewards`.
LEGEND: Final = {
    ".": "free",
    "#": "wall",
    "S": "start",
    "G": "goal: ends the episode",
    "T": "treasure: ends the episode",
    "P": "pit: ends the episode",
    "C": "cliff: back to the start",
}
#: Maps by name.
MAPS: Final[dict[str, str]] = {
    "classic": "...G\n.#.P\nS...",
    "empty": "....\n....\n....\nS..G",
    "bridge": "#PPPPP#\nGS....T\n#PPPPP#",
    "discount": ".....\n.#...\n.#G#T\nS....\nPPPPP",
    "cliff": "............\n............\n............\nSCCCCCCCCCCG",
    "maze": "S.#....\n.##.##.\n....#..\n.##...#\n...#..G",
}
#: Up, right, down, left: (x, y), y growing downwards.
MOVES: Final = ((0, -1), (1, 0), (0, 1), (-1, 0))
ACTIONS: Final = ("up", "right", "down", "left")
_EVENTS: Final = {"G": "goal", "T": "treasure", "P": "pit", "C": "cliff"}
_EXITS: Final = ("G", "T", "P")
_LARGEST: Final = 32


def read_map(text: str) -> tuple[str, ...]:
    """Read a map, or look a name up.

    Args:
        text: A name out of `MAPS`, or rows of the characters of `LEGEND`, one S among them.

    Returns:
        The rows, all of one length.

    Raises:
        ConfigError: For a map that cannot be played.
    """
    rows = tuple(row.strip() for row in MAPS.get(text, text).strip().split("\n"))
    if text not in MAPS and len(rows) == 1 and not set(rows[0]) <= set(LEGEND):
        raise ConfigError(
            f"No map {text!r}.{nearest(text, MAPS)} Available: {', '.join(MAPS)}; or rows of the "
            f"characters {' '.join(LEGEND)}."
        )
    if not 1 <= len(rows) <= _LARGEST or not 1 <= len(rows[0]) <= _LARGEST:
        raise ConfigError(f"A map has 1 to {_LARGEST} rows of 1 to {_LARGEST} characters.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ConfigError(
                f"Row {number} of the map has {len(row)} characters and row 1 has {len(rows[0])}. "
                "Make all rows equally long."
            )
        if unknown := sorted(set(row) - set(LEGEND)):
            words = ", ".join(f"{character} {meaning}" for character, meaning in LEGEND.items())
            raise ConfigError(f"Row {number} of the map has {unknown[0]!r}. Allowed: {words}.")
    starts = sum(row.count("S") for row in rows)
    if starts != 1:
        raise ConfigError(f"The map has {starts} starts. Put exactly one S into it.")
    return rows


class GridworldConfig(BaseModel):
    """Options of the world."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    map: str = Field(
        default="classic",
        max_length=_LARGEST * (_LARGEST + 1),
        description="a name ("
        + ", ".join(MAPS)
        + ") or rows of text: "
        + ", ".join(f"{character} {meaning}" for character, meaning in LEGEND.items()),
        json_schema_extra={"group": "board"},
    )
    slip: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability to slide to one of the two sides instead, half of it to each",
        json_schema_extra={"unit": "probability", "group": "board"},
    )
    max_steps: int | None = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="steps after which an episode is cut (truncated, not ended); none means never",
        json_schema_extra={"unit": "steps", "group": "board"},
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        read_map(self.map)
        return self


Worth = Annotated[float, Field(ge=-1000, le=1000)]


class GridworldRewards(BaseModel):
    """What a step pays: `step`, plus the value of the cell that it leads to."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    goal: Worth = Field(1.0, description="reaching G", json_schema_extra={"group": "cells"})
    treasure: Worth = Field(10.0, description="reaching T", json_schema_extra={"group": "cells"})
    pit: Worth = Field(-1.0, description="falling into P", json_schema_extra={"group": "cells"})
    cliff: Worth = Field(
        -100.0, description="falling off C, back to the start", json_schema_extra={"group": "cells"}
    )
    step: Worth = Field(0.0, description="every step", json_schema_extra={"group": "steps"})
    cells: dict[str, Worth] = Field(
        default_factory=dict,
        max_length=_LARGEST * _LARGEST,
        description='entering a cell, on top: {"3,1": -5} is column 3, row 1, counted from 0',
        json_schema_extra={"group": "cells"},
    )

    @model_validator(mode="after")
    def _cells_are_places(self) -> Self:
        for place in self.cells:
            x, comma, y = place.partition(",")
            if not (comma and x.isdecimal() and y.isdecimal() and place.isascii()):
                raise ValueError(
                    f"cells has {place!r}; write a cell as 'column,row', counted from 0: '3,1'"
                )
        return self


class TransitionModel(NamedTuple):
    """All that can happen; S states, A actions.

    Attributes:
        probabilities: (S, A, S) float64, from state by action to state.
        rewards: (S, A, S) float64, what the step pays; 0 where it cannot happen.
        terminal: (S,) bool, states in which an episode has ended; they have no way on.
        start: The state in which episodes begin.
        cells: (x, y) of each state.
    """

    probabilities: NDArray[np.float64]
    rewards: NDArray[np.float64]
    terminal: NDArray[np.bool_]
    start: int
    cells: tuple[tuple[int, int], ...]

    def outcomes(self, state: int, action: int) -> list[tuple[float, int, float]]:
        """List what can happen: (probability, next state, reward) each.

        Args:
            state: Where the agent is.
            action: What it tries.

        Returns:
            The outcomes; none where the episode has ended.
        """
        chances = self.probabilities[state, action]
        return [
            (float(chances[after]), int(after), float(self.rewards[state, action, after]))
            for after in np.flatnonzero(chances)
        ]


class GridworldEnv(BaseEnvironment):
    """Walk over a small map; every cell is a state.

    Actions are up, right, down and left; a wall and the edge leave the agent where it is. The
    observation is one-hot over the cells: a table's row, and as good an input for a network.

    Attributes:
        rows: The map.
        cells: (x, y) of each state, row by row, walls left out.
    """

    config_model = GridworldConfig
    reward_model = GridworldRewards
    config: GridworldConfig
    rewards: GridworldRewards
    event_names = tuple(_EVENTS.values())
    ending_names = ("goal", "treasure", "pit", "truncated")
    goes_on = False

    def __init__(
        self,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self.rows = read_map(self.config.map)
        self.cells = tuple(
            (x, y) for y, row in enumerate(self.rows) for x, cell in enumerate(row) if cell != "#"
        )
        self._index = {cell: index for index, cell in enumerate(self.cells)}
        self._start = next(cell for cell in self.cells if self._character(cell) == "S")
        self.observation_space = OneHot(len(self.cells))
        self.action_space = spaces.Discrete(len(MOVES))
        self._at = self._start
        self._steps = 0
        self._return = 0.0
        self._ending: str | None = None
        self._is_running = False
        self._generator = np.random.default_rng(0)

    @classmethod
    def get_spaces(cls, config: BaseModel) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """Give the spaces for a config, without making a board."""
        rows = read_map(getattr(config, "map"))  # noqa: B009 - a BaseModel to the type checker
        free = sum(cell != "#" for row in rows for cell in row)
        return OneHot(free), spaces.Discrete(len(MOVES))

    # The game ------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin at S; the seed fixes where the agent slips."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(1 << EPISODE_SEED_BITS))
        self._generator = np.random.default_rng(seed)
        self._at, self._steps, self._return, self._ending = self._start, 0, 0.0, None
        self._is_running = True
        return self._observe(), {"episode_seed": seed, "steps": 0}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Walk one cell.

        Raises:
            ContractError: When no episode is running.
            gymnasium.error.InvalidAction: For an action that does not exist.
        """
        if not self._is_running:
            raise ContractError("No episode is running. Call reset() before step().")
        if not self.action_space.contains(action):
            raise gymnasium.error.InvalidAction(
                f"{action!r} is no action. Allowed: 0 up, 1 right, 2 down, 3 left."
            )
        draw = self._generator.random()
        slip = self.config.slip
        turn = 0 if draw >= slip else 1 if draw < slip / 2 else -1
        landed = self._neighbour(self._at, (int(action) + turn) % len(MOVES))
        reward = self._reward(landed)
        character = self._character(landed)
        self._at = self._start if character == "C" else landed
        self._steps += 1
        self._return += reward
        terminated = character in _EXITS
        truncated = not terminated and self._steps == self.config.max_steps
        if terminated or truncated:
            self._ending = _EVENTS[character] if terminated else "truncated"
            self._is_running = False
        info: dict[str, Any] = {"steps": self._steps}
        if terminated:
            info["death_reason"] = self._ending
        return self._observe(), reward, terminated, truncated, info

    def _character(self, cell: tuple[int, int]) -> str:
        return self.rows[cell[1]][cell[0]]

    def _neighbour(self, cell: tuple[int, int], action: int) -> tuple[int, int]:
        """The cell that a step leads to, before a cliff takes the agent back."""
        there = cell[0] + MOVES[action][0], cell[1] + MOVES[action][1]
        return there if there in self._index else cell

    def _reward(self, landed: tuple[int, int]) -> float:
        event = _EVENTS.get(self._character(landed))
        extra = self.rewards.cells.get(f"{landed[0]},{landed[1]}", 0.0)
        return self.pay(*([event] if event else [])) + float(extra)

    def _observe(self) -> NDArray[np.float32]:
        seen = np.zeros(len(self.cells), np.float32)
        seen[self._index[self._at]] = 1.0
        return seen

    # What can be known ---------------------------------------------------------------------------

    def get_model(self) -> TransitionModel:
        """Give the transition model: what a planner knows and a learner has to find out.

        Returns:
            Every state, action and outcome, with the rewards as they are now.
        """
        count = len(self.cells)
        probabilities = np.zeros((count, len(MOVES), count))
        rewards = np.zeros((count, len(MOVES), count))
        terminal = np.array([self._character(cell) in _EXITS for cell in self.cells])
        slip = self.config.slip
        for state, cell in enumerate(self.cells):
            if terminal[state]:
                continue
            for action in range(len(MOVES)):
                for turn, share in ((0, 1.0 - slip), (1, slip / 2), (-1, slip / 2)):
                    if share == 0.0:
                        continue
                    landed = self._neighbour(cell, (action + turn) % len(MOVES))
                    reward = self._reward(landed)
                    at = self._start if self._character(landed) == "C" else landed
                    following = self._index[at]
                    # Two ways to one state, such as a cliff and the start itself, pay their mean.
                    known = probabilities[state, action, following]
                    rewards[state, action, following] = (
                        known * rewards[state, action, following] + share * reward
                    ) / (known + share)
                    probabilities[state, action, following] = known + share
        return TransitionModel(
            probabilities, rewards, terminal, self._index[self._start], self.cells
        )

    def action_for_direction(self, direction: str) -> int:
        """Give the action of a person's arrow key: up, right, down or left."""
        return ACTIONS.index(direction)

    def render_state(self) -> dict[str, Any]:
        """Give the map, where the agent is, and what cells pay."""
        state = {
            "rows": list(self.rows),
            "agent": {"x": self._at[0], "y": self._at[1]},
            "steps": self._steps,
            "return": self._return,
            "ending": self._ending,
        }
        return self.with_rewards(state, self.rewards)

    @classmethod
    def with_rewards(cls, state: dict[str, Any], rewards: BaseModel) -> dict[str, Any]:
        """Give a `render_state` as it is with other rewards: "worth" of the signs, and "cells"."""
        values = rewards.model_dump()
        worth = {character: float(values[event]) for character, event in _EVENTS.items()}
        return {**state, "worth": worth, "cells": values["cells"]}

    def render(self) -> NDArray[np.uint8]:
        """Draw the map as an array of pixels, (height, width, 3) uint8."""
        colors = {".": 245, "#": 96, "S": 245, "G": 245, "T": 245, "P": 245, "C": 245}
        tints = {
            "G": (0, 158, 115), "T": (0, 114, 178), "P": (213, 94, 0), "C": (204, 121, 167)
        }  # fmt: skip
        size = 24
        picture = np.full((len(self.rows) * size, len(self.rows[0]) * size, 3), 210, np.uint8)
        for y, row in enumerate(self.rows):
            for x, cell in enumerate(row):
                inner = picture[
                    y * size + 1 : (y + 1) * size - 1, x * size + 1 : (x + 1) * size - 1
                ]
                inner[:] = tints.get(cell, (colors[cell],) * 3)
        x, y = self._at
        ys, xs = np.mgrid[0:size, 0:size] - (size - 1) / 2
        disc = ys**2 + xs**2 <= (0.34 * size) ** 2
        picture[y * size : (y + 1) * size, x * size : (x + 1) * size][disc] = (32, 40, 48)
        return picture

    def get_metadata(self) -> dict[str, Any]:
        """Describe the observation too: one number a cell."""
        labels = [f"column {x}, row {y}" for x, y in self.cells]
        block = {
            "name": "cell",
            "start": 0,
            "size": len(labels),
            "meaning": "1 for the cell where the agent is",
            "low": 0.0,
            "high": 1.0,
            "channel": False,
            "labels": labels,
        }
        return {**super().get_metadata(), "observation": [block], "actions": list(ACTIONS)}

    # Saving --------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """Give place, counters and generator."""
        return {
            "at": list(self._at),
            "steps": self._steps,
            "return": self._return,
            "ending": self._ending,
            "running": self._is_running,
            "generator": self._generator.bit_generator.state,
            "np_random": self.np_random.bit_generator.state,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called."""
        self._at = (int(state["at"][0]), int(state["at"][1]))
        self._steps, self._return = int(state["steps"]), float(state["return"])
        self._ending = state["ending"]
        self._is_running = bool(state.get("running", self._ending is None))  # older ones lack it
        self._generator.bit_generator.state = state["generator"]
        self.np_random.bit_generator.state = state["np_random"]

"""Snake: one board (`SnakeEnv`) and many (`SnakeVectorEnv`), on the same compiled kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel

from rlplay.config import validated
from rlplay.envs.base import BaseEnvironment, VectorEnvironment
from rlplay.envs.own import Transition, make_facts
from rlplay.envs.rewards import EventRewards
from rlplay.envs.snake.config import (
    ENDINGS,
    EVENTS,
    REWARD_VARIABLES,
    SnakeConfig,
    SnakeRewards,
)
from rlplay.envs.snake.picture import draw
from rlplay.envs.vector import checked_num_envs, checked_seed, episode_seeds
from rlplay.errors import ConfigError, ContractError
from rlplay.seeding import EPISODE_SEED_BITS, splitmix64

if TYPE_CHECKING:
    from rlplay.envs.own import OwnParts
    from rlplay.envs.snake.observation import Block

__all__ = ["ACTION_NAMES", "DIRECTIONS", "SnakeEnv", "SnakeVectorEnv"]

ACTION_NAMES: Final = ("straight", "turn right", "turn left")
#: In the order of the codes: a turn to the right adds one.
DIRECTIONS: Final = ("up", "right", "down", "left")

#: `death_reason` of each ending's code; the last row answers code -1, not ended.
_DEATH_REASONS: Final = np.array(
    [ending if ending in ("wall", "self", "starvation") else None for ending in ENDINGS] + [None],
    dtype=object,
)
_DX: Final = (0, 1, 0, -1)
_DY: Final = (-1, 0, 1, 0)


class Outputs:
    """The arrays that one vector step fills, and what is made of them for the caller."""

    def __init__(self, num_boards: int, observation_size: int) -> None:
        from rlplay.envs.snake import kernels

        self.observations = np.zeros((num_boards, observation_size), np.float32)
        self.final_observations = np.zeros((num_boards, observation_size), np.float32)
        self.numbers = np.zeros((kernels.AT_END + len(kernels.NUMBER_ROWS), num_boards), np.int32)
        self.longs = np.zeros((3, num_boards), np.int64)
        self.codes = np.zeros((6, num_boards), np.int8)
        self.rewards = np.zeros(num_boards, np.float32)
        self.num_ended = 0
        #: The order in which the kernels take them.
        self.of_start = (self.observations.reshape(-1), self.numbers, self.longs)
        self.of_step = (*self.of_start, self.final_observations.reshape(-1), self.codes)
        self.death_reasons = np.full(num_boards, None, dtype=object)
        self.ending_indices = self.longs[kernels.ENDING_INDEX]

        flags = self.codes.view(np.bool_)
        self.terminated, self.truncated = flags[kernels.TERMINATED], flags[kernels.TRUNCATED]
        self.ended = flags[kernels.ENDED]
        #: What happened, one bit for each of `EVENTS`.
        self.events = self.codes[kernels.EVENTS].view(np.uint8)
        names = kernels.NUMBER_ROWS
        #: What a reward may look at, as it stood at the end of the step.
        self.facts = dict(zip(names, self.numbers[kernels.AT_END :], strict=True))
        self.infos = dict(zip(names[:4], self.numbers[kernels.NOW : 4], strict=True))
        self.infos["episode_seed"] = self.longs[kernels.SEED_NOW]
        self.final_infos: dict[str, Any] = {name: self.facts[name] for name in names[:4]}
        self.final_infos["episode_seed"] = self.longs[kernels.SEED_AT_END]
        self.final_infos["won"] = flags[kernels.WON]
        self.final_infos["ending"] = self.codes[kernels.ENDING]
        self.final_infos["death_reason"] = self.death_reasons


class Boards:
    """Many boards of the same options: their arrays, and the compiled calls on them.

    Args:
        num_boards: How many.
        config: The options of snake.
        rewards: The values of the events.
    """

    def __init__(self, num_boards: int, config: SnakeConfig, rewards: SnakeRewards) -> None:
        from rlplay.envs.compiled import machine_code
        from rlplay.envs.snake import kernels, observation, rules

        self.config = config
        self._shape = (num_boards,)
        size, pad = config.grid_size, max(config.vision, 1)
        # Neighbouring rows share the wall between them, and so do neighbouring boards.
        stride = size + pad
        # A power of two that holds a snake which fills the board, and one move more.
        trail_size = 1 << (size * size).bit_length()
        self._stride, self._trail_size = stride, trail_size

        self.records = np.zeros(num_boards, rules.BOARD)
        self.records["food_x"] = self.records["food_y"] = rules.NOWHERE
        first = pad * stride + pad
        self.grids = np.full(num_boards * stride * stride + first, rules.WALL, np.int32)
        cells = self.grids[first:].reshape(num_boards, stride, stride)
        cells[:, :size, :size] = 0
        self._cells = cells[:, :size, :size]
        self.trails = np.zeros(num_boards * trail_size, np.int32)
        index = np.arange(num_boards)
        self.records["grid_start"] = first + index * stride * stride
        self.records["trail_start"] = index * trail_size

        settings = np.zeros(1, rules.RULES)
        settings["grid_size"] = size
        settings["stride"] = stride
        settings["starvation_limit"] = config.resolved_starvation_limit
        settings["max_steps"] = config.max_steps or 0
        settings["start_length"] = config.start_length
        settings["max_start_length"] = config.resolved_max_start_length
        settings["trail_mask"] = trail_size - 1
        layout, self.observation_size = observation.make_layout(config)
        offsets = observation.window_offsets(config, stride)
        self.blocks: tuple[Block, ...] = observation.observation_blocks(config)
        stamps = np.zeros(offsets.shape[1], np.int32)
        self._arrays = (self.records, self.grids, self.trails, settings, layout, offsets, stamps)
        # Two sets in turn: what a step returned stays as it is during the next step.
        self._outputs = [Outputs(num_boards, self.observation_size) for _ in range(2)]
        self.set_rewards(rewards)

        outputs = self._outputs[0]
        numbers = np.zeros(num_boards, np.int64)
        self._start_boards = machine_code(
            kernels.start_boards, numbers, True, *self._arrays, *outputs.of_start
        )
        self._step_boards = machine_code(
            kernels.step_boards,
            numbers,
            True,
            *self._arrays,
            *outputs.of_step,
            self.rewards.numbers,
            outputs.rewards,
        )

    def set_rewards(self, rewards: SnakeRewards) -> None:
        """Change what events pay from the next step on."""
        self.rewards = EventRewards(EVENTS, rewards)

    def start(self, episode_seeds: NDArray[np.int64], *, reseed: bool) -> Outputs:
        """Begin an episode on every board.

        Args:
            episode_seeds: (N,) one seed for each board.
            reseed: Whether the seeds also begin the boards' streams of later episode seeds.

        Returns:
            The arrays, with the first observations.
        """
        outputs = self._outputs[-1]
        self._start_boards(episode_seeds, reseed, *self._arrays, *outputs.of_start)
        self._outputs.reverse()
        return outputs

    def step(self, actions: ArrayLike, autoreset: bool) -> Outputs:
        """Step every board.

        Args:
            actions: (N,) one action for each board, whole numbers.
            autoreset: Whether an episode that ends makes place for the next one at once.

        Returns:
            The arrays.

        Raises:
            ContractError: For an action that does not exist; nothing has moved then.
        """
        array = np.asarray(actions)
        if array.shape != self._shape or array.dtype.kind not in "iu":
            raise ContractError(
                f"Actions must be whole numbers in an array of shape {self._shape}, not "
                f"{array.dtype} of shape {array.shape}."
            )
        array = np.ascontiguousarray(array, np.int64)
        outputs = self._outputs[-1]
        num_ended = self._step_boards(
            array,
            autoreset,
            *self._arrays,
            *outputs.of_step,
            self.rewards.numbers,
            outputs.rewards,
        )
        if num_ended < 0:
            board = -1 - num_ended
            raise ContractError(
                f"Action {array[board]} of board {board} does not exist. "
                "Allowed: 0 (straight), 1 (turn right), 2 (turn left)."
            )
        self._outputs.reverse()
        outputs.num_ended = num_ended
        if self.rewards.has_formulas:
            self.rewards.add_formulas(outputs.rewards, outputs.events, self.variables(outputs))
        return outputs

    def variables(self, outputs: Outputs) -> dict[str, ArrayLike]:
        """Give `REWARD_VARIABLES` as they stood at the end of the step."""
        facts, config = outputs.facts, self.config
        return {
            "snake_length": facts["length"],
            "score": facts["score"],
            "hunger": facts["hunger"],
            "starvation_limit": config.resolved_starvation_limit,
            "grid_size": config.grid_size,
            "distance_to_food": facts["distance"],
            "previous_distance_to_food": facts["previous_distance"],
            "steps": facts["steps"],
            "free_cells": config.grid_size**2 - facts["length"],
        }

    def facts(self) -> dict[str, NDArray[Any]]:
        """Say what is true of the boards, as they stand; see `SnakeEnv.get_facts`."""
        records, size = self.records, self.config.grid_size
        direction = records["direction"]
        until_free = self._cells - (records["clock"] - records["length"])[:, None, None]
        is_body = self._cells > 0
        return {
            "head": np.stack([records["x"], records["y"]], axis=1),
            "food": np.stack([records["food_x"], records["food_y"]], axis=1),
            "direction": np.stack([np.take(_DX, direction), np.take(_DY, direction)], axis=1),
            "body": np.where(is_body, np.maximum(until_free, 0), 0),
            "length": records["length"].copy(),
            "hunger": records["hunger"].copy(),
            "steps": records["steps"].copy(),
            "grid_size": np.full(self._shape, size),
            "starvation_limit": np.full(self._shape, self.config.resolved_starvation_limit),
        }

    def restart(self, outputs: Outputs) -> NDArray[np.int64]:
        """Begin the next episode on the boards whose episode ended in a step without autoreset.

        Args:
            outputs: What the step gave; the boards' first observations and numbers replace there
                what stood for now.

        Returns:
            Which boards.
        """
        from rlplay.envs.snake import kernels

        boards = np.flatnonzero(outputs.ended)
        records = self.records[boards]
        seeds = np.zeros(len(boards), np.int64)
        for i, state in enumerate(records["seed_generator"].tolist()):
            records["seed_generator"][i], number = splitmix64(state)
            seeds[i] = number >> (64 - EPISODE_SEED_BITS)
        begun = Outputs(len(boards), self.observation_size)
        self._start_boards(seeds, False, records, *self._arrays[1:], *begun.of_start)
        self.records[boards] = records
        now = slice(kernels.NOW, kernels.AT_END)
        outputs.observations[boards] = begun.observations
        outputs.numbers[now, boards] = begun.numbers[now]
        outputs.longs[kernels.SEED_NOW, boards] = begun.longs[kernels.SEED_NOW]
        return boards

    def body(self, board: int) -> list[tuple[int, int]]:
        """List the (x, y) of a snake's cells, head first."""
        record = self.records[board]
        clock, length = int(record["clock"]), int(record["length"])
        trail = self.trails[int(record["trail_start"]) :][: self._trail_size]
        places = (int(trail[tick % trail.size]) for tick in range(clock, clock - length, -1))
        return [(place % self._stride, place // self._stride) for place in places]

    def render_state(self, board: int) -> dict[str, Any]:
        """Give all that is drawn of one board, JSON-serialisable."""
        record = self.records[board]
        direction, ending = int(record["direction"]), int(record["ending"])
        food = {"x": int(record["food_x"]), "y": int(record["food_y"])}
        return {
            "grid_size": self.config.grid_size,
            "snake_position": [{"x": x, "y": y} for x, y in self.body(board)],
            "food_position": food if food["x"] >= 0 else None,
            "direction": [_DX[direction], _DY[direction]],
            "score": score_of(record),
            "hunger": int(record["hunger"]),
            "steps": int(record["steps"]),
            "game_over": ending >= 0,
            "death_reason": _DEATH_REASONS[ending],
            "won": ending >= 0 and ENDINGS[ending] == "won",
        }

    def get_state(self) -> dict[str, Any]:
        """Give the boards as plain arrays, one for each field."""
        names = self.records.dtype.names or ()
        return {
            "records": {name: self.records[name].copy() for name in names},
            "grids": self.grids.copy(),
            "trails": self.trails.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Put the boards into a state that `get_state` gave.

        Raises:
            ConfigError: When the state is of other boards.
        """
        for name, own in (("grids", self.grids), ("trails", self.trails)):
            if state[name].shape != own.shape:
                raise ConfigError(
                    f"The saved state has {name} of shape {state[name].shape}, this environment "
                    f"{own.shape}. Make it with the options and the number of boards of the one "
                    "that was saved."
                )
        for name, values in state["records"].items():
            self.records[name] = values
        self.grids[:] = state["grids"]
        self.trails[:] = state["trails"]


def score_of(record: Any) -> int:
    """Count the apples that the snake of a record of `BOARD` has eaten."""
    return int(record["length"]) - 1 - int(record["head_start"])


def _observation_space(blocks: tuple[Block, ...]) -> spaces.Box:
    """Give the space of one board's observation."""
    low = np.concatenate([np.full(block.size, block.low) for block in blocks])
    high = np.concatenate([np.full(block.size, block.high) for block in blocks])
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def _describe(config: SnakeConfig, blocks: tuple[Block, ...]) -> dict[str, Any]:
    """Describe snake, JSON-serialisable."""
    observation, start = [], 0
    for block in blocks:
        observation.append(block.describe(start))
        start += block.size
    return {
        "options": SnakeConfig.model_json_schema()["properties"],
        "rewards": SnakeRewards.model_json_schema()["properties"],
        "reward_variables": dict(REWARD_VARIABLES),
        "config": config.model_dump(mode="json"),
        "observation": observation,
        "observation_size": start,
        "actions": list(ACTION_NAMES),
        "directions": list(DIRECTIONS),
        "events": list(EVENTS),
        "endings": list(ENDINGS),
    }


class SnakeEnv(BaseEnvironment):
    """Snake on one board.

    A snake starts with length 1, heading right, on a random cell (or with a `start_length`, along a
    path through all cells). It grows by one with each apple, dies when it leaves the board, runs
    into itself or starves, and wins when it fills the board.
    Actions: 0 straight, 1 turn right, 2 turn left.

    Args:
        config: The options; defaults when left out.
        rewards: The values of the events; defaults when left out.
        render_mode: None or "rgb_array".
    """

    config_model: ClassVar[type[BaseModel]] = SnakeConfig
    reward_model: ClassVar[type[BaseModel]] = SnakeRewards
    event_names: ClassVar[tuple[str, ...]] = EVENTS
    ending_names: ClassVar[tuple[str, ...]] = ENDINGS
    config: SnakeConfig
    rewards: SnakeRewards

    def __init__(
        self,
        config: SnakeConfig | None = None,
        rewards: SnakeRewards | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self._boards = Boards(1, self.config, self.rewards)
        self._has_stream = False
        self._last_step: Outputs | None = None
        self.observation_space = _observation_space(self._boards.blocks)
        self.action_space = spaces.Discrete(len(ACTION_NAMES))

    @classmethod
    def get_spaces(cls, config: BaseModel) -> tuple[spaces.Box, spaces.Discrete]:
        """Give the spaces without compiling a board; see `BaseEnvironment.get_spaces`."""
        from rlplay.envs.snake.observation import observation_blocks

        blocks = observation_blocks(validated(SnakeConfig, config, "Environment 'snake'"))
        return _observation_space(blocks), spaces.Discrete(len(ACTION_NAMES))

    @classmethod
    def describe(cls, config: BaseModel) -> dict[str, Any]:
        """Give the metadata without compiling a board; see `BaseEnvironment.describe`."""
        from rlplay.envs.snake.observation import observation_blocks

        options = validated(SnakeConfig, config, "Environment 'snake'")
        return _describe(options, observation_blocks(options))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: The episode's seed, which also begins the stream of later episode seeds; without
                one, the next seed of that stream, or a drawn one where no stream has begun.
            options: Not used.

        Returns:
            The (D,) observation and the info.

        Raises:
            ConfigError: For a negative seed or one that is no whole number.
        """
        checked = None if seed is None else checked_seed(seed)
        super().reset(seed=checked, options=options)
        reseed = checked is not None or not self._has_stream
        if checked is None:
            checked = self._draw_seed() if reseed else self._next_seed()
        outputs = self._boards.start(np.array([checked], np.int64), reseed=reseed)
        self._has_stream = True
        return outputs.observations[0].copy(), self._info()

    def _draw_seed(self) -> int:
        return int(self.np_random.integers(1 << EPISODE_SEED_BITS))

    def _next_seed(self) -> int:
        """Draw from the board's stream, exactly as an autoreset does."""
        records = self._boards.records
        state, number = splitmix64(int(records["seed_generator"][0]))
        records["seed_generator"][0] = state
        return number >> (64 - EPISODE_SEED_BITS)

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Turn, move, then judge.

        Args:
            action: 0 straight, 1 turn right, 2 turn left.

        Returns:
            The (D,) observation, the reward, terminated, truncated, and the info.

        Raises:
            ContractError: For an action that does not exist, or when no episode is running.
        """
        if not self._has_stream or self._boards.records["ending"][0] >= 0:
            raise ContractError("No episode is running. Call reset() before step().")
        outputs = self._boards.step([action], autoreset=False)
        self._last_step = outputs
        return (
            outputs.observations[0].copy(),
            float(outputs.rewards[0]),
            bool(outputs.terminated[0]),
            bool(outputs.truncated[0]),
            self._info(),
        )

    def _info(self) -> dict[str, Any]:
        record = self._boards.records[0]
        ending = int(record["ending"])
        return {
            "score": score_of(record),
            "length": int(record["length"]),
            "hunger": int(record["hunger"]),
            "steps": int(record["steps"]),
            "death_reason": _DEATH_REASONS[ending],
            "won": ending >= 0 and ENDINGS[ending] == "won",
            "episode_seed": int(record["episode_seed"]),
        }

    def action_for_direction(self, direction: str) -> int:
        """Translate a direction on the board, as a person means it, into an action.

        Args:
            direction: "up", "right", "down" or "left".

        Returns:
            The action that heads there; straight on where that would reverse into the own neck.

        Raises:
            ContractError: For a direction that does not exist.
        """
        if direction not in DIRECTIONS:
            raise ContractError(
                f"No direction {direction!r}. Allowed: {', '.join(map(repr, DIRECTIONS))}."
            )
        turns = (DIRECTIONS.index(direction) - int(self._boards.records["direction"][0])) % 4
        return {0: 0, 1: 1, 2: 0, 3: 2}[turns]

    @classmethod
    def prepare(cls, say: Callable[[str], None]) -> None:
        """Compile the kernels where they are not in the cache yet; see `BaseEnvironment`."""
        from rlplay.envs.snake import cache_is_warm, warmup

        if not cache_is_warm():
            say("Compiling the snake's rules, once on this machine: some seconds")
            warmup()

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on; see `BaseEnvironment.set_rewards`."""
        super().set_rewards(reward_config)
        self._boards.set_rewards(self.rewards)

    def get_facts(self) -> dict[str, Any]:
        """Say what is true of the board; see `BaseEnvironment.get_facts`.

        Returns:
            head and food: (2,) x and y, from 0 at the left and the top; food is (-1, -1) where
            there is none. direction: (2,) the step that the snake takes when it goes straight.
            body: (grid_size, grid_size), by row and column, in how many moves the cell becomes
            free; 0 where it is. length, hunger, steps, grid_size, starvation_limit: numbers.
        """
        return {name: values[0] for name, values in self._boards.facts().items()}

    def take_reward_problem(self) -> str | None:
        """Say why a reward formula had no value; see `BaseEnvironment.take_reward_problem`."""
        return self._boards.rewards.take_problem()

    def get_reward_variables(self) -> dict[str, float]:
        """Give what formulas saw in the last step; see `BaseEnvironment`."""
        if self._last_step is None:
            return {}
        numbers = self._boards.variables(self._last_step)
        return {name: float(np.ravel(number)[0]) for name, number in numbers.items()}

    def render_state(self) -> dict[str, Any]:
        """Give all that a board needs to draw one frame, JSON-serialisable."""
        return self._boards.render_state(0)

    def render(self) -> NDArray[np.uint8] | None:
        """Draw the board.

        Returns:
            (16 * grid_size, 16 * grid_size, 3) uint8 where render_mode is "rgb_array", else None.
        """
        return None if self.render_mode is None else draw(self._boards.render_state(0))

    def get_metadata(self) -> dict[str, Any]:
        """Describe options, observation, actions and events, JSON-serialisable."""
        return _describe(self.config, self._boards.blocks)

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs: plain arrays, numbers and strings."""
        return {
            **self._boards.get_state(),
            "np_random": self.np_random.bit_generator.state,
            "has_stream": self._has_stream,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called; see `BaseEnvironment.set_state`."""
        self._boards.set_state(state)
        self.np_random.bit_generator.state = state["np_random"]
        self._has_stream = bool(state["has_stream"])


class SnakeVectorEnv(VectorEnvironment):
    """Snake on many boards, stepped by one compiled call; a board that ends begins anew at once.

    The arrays that a step returns, those in its infos included, stay as they are during the next
    step and are overwritten by the one after it; copy what must last longer.

    Args:
        num_envs: How many boards.
        config: The options; defaults when left out.
        rewards: The values of the events; defaults when left out.
        parts: A reward function and observation blocks of somebody's own.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }
    event_names = EVENTS
    takes_parts = True

    def __init__(
        self,
        num_envs: int,
        config: SnakeConfig | None = None,
        rewards: SnakeRewards | None = None,
        parts: OwnParts | None = None,
    ) -> None:
        self.num_envs = num_envs = checked_num_envs(num_envs)
        self.config = SnakeConfig() if config is None else config
        self.rewards = SnakeRewards() if rewards is None else rewards
        self._boards = Boards(num_envs, self.config, self.rewards)
        self._running = False
        self.single_observation_space: spaces.Space[Any] = _observation_space(self._boards.blocks)
        self._parts = parts or None
        if self._parts is not None:
            self.get_metadata()  # refuses blocks that are named like one of snake's
            self.single_observation_space = self._parts.extend_space(self.single_observation_space)
        self.single_action_space = spaces.Discrete(len(ACTION_NAMES))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode on every board.

        Args:
            seed: Board i's episode seed is seed + i, or the i-th of a list; None draws them. Each
                board's later episode seeds come from a stream that its first seed begins.
            options: Not used.

        Returns:
            (N, D) float32 observations, and infos: (N,) score, length, hunger, steps (int32) and
            episode_seed (int64).

        Raises:
            ConfigError: For a seed that is negative or no whole number, or a list of another
                length.
        """
        seeds = episode_seeds(seed, self.num_envs, self.np_random)
        super().reset(seed=None if seed is None else int(seeds[0]))
        outputs = self._boards.start(seeds, reseed=True)
        self._running = True
        if self._parts is not None:
            self._look(outputs.observations)
            return self._seen, outputs.infos.copy()
        return outputs.observations, outputs.infos.copy()

    def _look(self, observations: NDArray[np.float32]) -> None:
        """Take in the facts, and what the agent sees of them."""
        assert self._parts is not None
        # What the kernels wrote is overwritten by the step after the next one.
        self._facts = make_facts(self._boards.facts(), observations.copy())
        self._seen = self._parts.extend(self._facts)

    def _step_with_parts(
        self, parts: OwnParts, actions: ArrayLike
    ) -> tuple[Outputs, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
        """Step every board, and look at each ending before its board begins anew.

        Returns:
            The arrays; what the agent sees now; the rewards; and the last observations of the
            episodes that ended, if any.
        """
        seen, facts = self._seen, self._facts
        outputs = self._boards.step(actions, False)
        self._look(outputs.observations)
        rewards, final = outputs.rewards, None
        if parts.reward is not None:
            rewards = parts.reward.pay(
                Transition.read_only(
                    seen,
                    np.asarray(actions, np.int64),
                    rewards,
                    self._seen,
                    outputs.terminated,
                    outputs.truncated,
                    facts,
                    self._facts,
                )
            )
        if outputs.num_ended:
            final = np.where(outputs.ended[:, None], self._seen, np.float32(0))
            self._boards.restart(outputs)
            self._look(outputs.observations)
        return outputs, self._seen, rewards, final

    def step(
        self, actions: ArrayLike
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Step every board; a board whose episode ends shows the first observation of the next.

        Args:
            actions: (N,) whole numbers: 0 straight, 1 turn right, 2 turn left.

        Returns:
            (N, D) float32 observations; (N,) float32 rewards; (N,) bool terminated and truncated;
            infos as `reset` gives them. Where any episode ended, infos also has `final_obs`
            (N, D) with the mask `_final_obs` (zeros outside the mask), and `final_info` with the
            mask `_final_info`: (N,) score, length, hunger, steps, episode_seed, won, ending (int8
            code of `ending_names`, -1 where none) and death_reason (None where none). Outside the
            mask the numbers are those of the running episode.

        Raises:
            ContractError: For an action that does not exist, or before the first reset.
        """
        if not self._running:
            raise ContractError("No episode is running. Call reset() before step().")
        if self._parts is None:
            outputs = self._boards.step(actions, True)
            observations, rewards = outputs.observations, outputs.rewards
            final: NDArray[np.float32] | None = outputs.final_observations
        else:
            outputs, observations, rewards, final = self._step_with_parts(self._parts, actions)
        infos: dict[str, Any] = outputs.infos.copy()
        if outputs.num_ended:
            # mode="wrap" takes the index -1 (not ended) for the last row, which holds None.
            _DEATH_REASONS.take(outputs.ending_indices, out=outputs.death_reasons, mode="wrap")
            infos["final_obs"] = final
            infos["_final_obs"] = outputs.ended
            infos["final_info"] = outputs.final_infos.copy()
            infos["_final_info"] = outputs.ended
        return observations, rewards, outputs.terminated, outputs.truncated, infos

    @property
    def ending_names(self) -> tuple[str, ...]:
        """How an episode can end."""
        return ENDINGS

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay from the next step on; values left out keep theirs.

        Args:
            reward_config: Fields of `SnakeRewards`.

        Raises:
            ConfigError: For an unknown event, a value out of range, or a formula that cannot be
                used (`FormulaError`).
        """
        changed = {**self.rewards.model_dump(), **reward_config}
        self.rewards = validated(SnakeRewards, changed, "Rewards of snake")
        self._boards.set_rewards(self.rewards)

    def take_reward_problem(self) -> str | None:
        """Say why a reward formula had no value; see `BaseEnvironment.take_reward_problem`."""
        return self._boards.rewards.take_problem()

    def render_state(self, board: int = 0) -> dict[str, Any]:
        """Give all that is drawn of one board, JSON-serialisable."""
        return self._boards.render_state(board)

    def get_metadata(self) -> dict[str, Any]:
        """Describe options, observation, actions and events, JSON-serialisable."""
        metadata = _describe(self.config, self._boards.blocks)
        if self._parts is None:
            return metadata
        return self._parts.extend_metadata(metadata, _observation_space(self._boards.blocks))

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs: plain arrays, numbers and strings."""
        return {
            **self._boards.get_state(),
            "np_random": self.np_random.bit_generator.state,
            "running": self._running,
            **({} if self._parts is None else {"shown": self._facts["observation"].copy()}),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called.

        Args:
            state: What `get_state` gave, of an environment with the same options and boards.

        Raises:
            ConfigError: When the state is of other boards.
        """
        self._boards.set_state(state)
        self.np_random.bit_generator.state = state["np_random"]
        self._running = bool(state["running"])
        if self._parts is not None:
            self._look(state["shown"])

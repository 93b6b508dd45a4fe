"""Every option of snake, declared once: the board and what is seen of it, and the rewards."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlplay.envs.rewards import NumberOrFormula

__all__ = ["CLASSIC", "ENDINGS", "EVENTS", "REWARD_VARIABLES", "SnakeConfig", "SnakeRewards"]

#: How an episode can end; the order gives the codes.
ENDINGS: Final = ("wall", "self", "starvation", "won", "truncated")
#: What can happen in a step; each has a value in `SnakeRewards`.
EVENTS: Final = ("apple", "death_wall", "death_self", "death_starv", "win", "closer", "farther")
#: What a reward may depend on, as it stands after the step, with its meaning. Both distances are to
#: the food that lay there when the step began, so they always exist: eating, also the last apple,
#: leaves a distance of 0, and who dies has not moved.
REWARD_VARIABLES: Final = {
    "snake_length": "length of the snake, in cells",
    "score": "apples eaten in this episode",
    "hunger": "steps since the last apple, 0 on eating",
    "starvation_limit": "hunger at which the snake starves, in steps",
    "grid_size": "width and height of the board, in cells",
    "distance_to_food": "moves from the head to the food after the step, as if nothing were in the "
    "way; 0 on eating",
    "previous_distance_to_food": "moves from the head to the same food before the step",
    "steps": "steps since the episode began",
    "free_cells": "cells of the board that the snake does not cover",
}


class SnakeConfig(BaseModel):
    """Options of the board and of its observation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    grid_size: int = Field(
        default=10,
        ge=4,
        le=64,
        description="width and height of the board",
        json_schema_extra={"unit": "cells", "group": "board"},
    )
    start_length: int = Field(
        default=1,
        ge=1,
        le=4_095,
        description="length of the snake when an episode begins; a longer one than 1 lies along a "
        "path through all cells, with a free cell ahead",
        json_schema_extra={"unit": "cells", "group": "board"},
    )
    max_start_length: int | None = Field(
        default=None,
        ge=1,
        le=4_095,
        description="with a number, each episode draws its start length anew, from start_length "
        "to this; none means always start_length",
        json_schema_extra={"unit": "cells", "group": "board", "none": "always start_length"},
    )
    starvation_limit: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="steps without an apple after which the snake starves; "
        "none means as many as the board has cells",
        json_schema_extra={"unit": "steps", "group": "board", "none": "one per cell"},
    )
    max_steps: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="steps after which an episode is cut (truncated, not ended); none means never",
        json_schema_extra={"unit": "steps", "group": "board", "none": "never"},
    )
    frame: Literal["absolute", "egocentric"] = Field(
        default="egocentric",
        description="absolute keeps the board upright; egocentric turns all that is seen so that "
        "forward is up, a symmetry that the network need not learn",
        json_schema_extra={"unit": "", "group": "numbers"},
    )
    food: bool = Field(
        default=True,
        description="see where the food lies, relative to the head",
        json_schema_extra={"unit": "", "group": "numbers"},
    )
    direction: bool = Field(
        default=True,
        description="see which way the snake heads; left out when egocentric",
        json_schema_extra={"unit": "", "group": "numbers"},
    )
    hunger: bool = Field(
        default=True,
        description="see the steps since the last apple, over the starvation limit",
        json_schema_extra={"unit": "", "group": "numbers"},
    )
    length: bool = Field(
        default=True,
        description="see the snake's length, over the number of cells",
        json_schema_extra={"unit": "", "group": "numbers"},
    )
    seg_size: int = Field(
        title="Segments",
        default=0,
        ge=0,
        le=64,
        description="see this many body segments, spread evenly behind the head, the tail last; "
        "0 sees none",
        json_schema_extra={"unit": "segments", "group": "numbers"},
    )
    vision: int = Field(
        default=5,
        ge=-1,
        le=20,
        description="which cells the channels show: 0 the neighbours, k the square that reaches k "
        "cells around the head, -1 the whole board",
        json_schema_extra={"unit": "cells", "group": "window"},
    )
    danger: Literal["off", "binary", "lifetime"] = Field(
        default="lifetime",
        description="channel of all that blocks: binary is 1 for wall and body; lifetime is 1 for "
        "wall and, for body, 0.3 to 1 with the moves until the cell is free over the length",
        json_schema_extra={"unit": "", "group": "window"},
    )
    wall: bool = Field(
        default=False,
        description="channel of the cells outside the board",
        json_schema_extra={"unit": "", "group": "window"},
    )
    body: Literal["off", "occupied", "lifetime"] = Field(
        default="off",
        description="channel of the snake's body: occupied is 0 or 1; lifetime is the moves until "
        "the cell is free over the length, which lets an agent plan around its own tail",
        json_schema_extra={"unit": "", "group": "window"},
    )
    food_channel: Literal["off", "own", "mixed"] = Field(
        default="mixed",
        description="the food in the window: own is a channel with 1 for the food; mixed puts it "
        "as -1 into the channel of the body, or of danger where the body has none, which spares "
        "the network a channel",
        json_schema_extra={"unit": "", "group": "window"},
    )

    @model_validator(mode="after")
    def _must_have_room(self) -> Self:
        """Refuse a start length that leaves no place for the food, or a range that is none."""
        if self.resolved_max_start_length < self.start_length:
            raise ValueError(
                f"max_start_length = {self.max_start_length} is below start_length = "
                f"{self.start_length}; give the longer one as max_start_length"
            )
        if self.resolved_max_start_length >= self.grid_size**2:
            raise ValueError(
                f"a snake of {self.resolved_max_start_length} cells leaves no place for the food "
                f"on a board of {self.grid_size**2}; start with at most {self.grid_size**2 - 1}"
            )
        return self

    @model_validator(mode="after")
    def _must_see_something(self) -> Self:
        """Refuse an observation without a single number."""
        numbers = self.food or self.hunger or self.length or self.seg_size
        direction = self.direction and self.frame == "absolute"
        if self.food_channel == "mixed" and self.body == "off" and self.danger == "off":
            raise ValueError(
                "food_channel = 'mixed' needs a channel of the body or of danger; switch one on, "
                "or set food_channel to 'own' or 'off'"
            )
        channels = (
            self.danger != "off" or self.wall or self.body != "off" or self.food_channel == "own"
        )
        if not (numbers or direction or channels or self.vision == -1):
            raise ValueError("the snake sees nothing; switch on at least one of food or wall")
        return self

    @property
    def resolved_starvation_limit(self) -> int:
        """The starvation limit in steps, with the default filled in."""
        return self.grid_size**2 if self.starvation_limit is None else self.starvation_limit

    @property
    def resolved_max_start_length(self) -> int:
        """The longest start length, with the default filled in."""
        return self.start_length if self.max_start_length is None else self.max_start_length


#: Fifteen numbers, as snake was mostly taught: food, direction, hunger, three segments, and the
#: danger on the four neighbours.
CLASSIC: Final[dict[str, Any]] = {
    "frame": "absolute",
    "vision": 0,
    "danger": "binary",
    "wall": False,
    "body": "off",
    "food_channel": "off",
    "length": False,
    "seg_size": 3,
}


Worth: TypeAlias = Annotated[float | str, NumberOrFormula(REWARD_VARIABLES)]


class SnakeRewards(BaseModel):
    """What a step pays: `step`, plus the value of each event that happened in it.

    A value is a number or a formula over `REWARD_VARIABLES`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    apple: Worth = Field(
        default=1.0,
        description="eating an apple",
        json_schema_extra={"unit": "reward", "group": "goals"},
    )
    win: Worth = Field(
        default=5.0,
        description="filling the whole board, on top of the last apple",
        json_schema_extra={"unit": "reward", "group": "goals"},
    )
    death_wall: Worth = Field(
        default=-1.0,
        description="leaving the board",
        json_schema_extra={"unit": "reward", "group": "deaths"},
    )
    death_self: Worth = Field(
        default=-1.0,
        description="running into the own body",
        json_schema_extra={"unit": "reward", "group": "deaths"},
    )
    death_starv: Worth = Field(
        default=-0.5,
        description="starving",
        json_schema_extra={"unit": "reward", "group": "deaths"},
    )
    step: Worth = Field(
        default=-0.001,
        description="every step",
        json_schema_extra={"unit": "reward", "group": "steps"},
    )
    step_times_hunger: bool = Field(
        default=False,
        description="multiply the value of a step by hunger + 1",
        json_schema_extra={"unit": "", "group": "steps"},
    )
    closer: Worth = Field(
        default=0.0,
        description="coming closer to the food (not paid on eating or dying)",
        json_schema_extra={"unit": "reward", "group": "steps"},
    )
    farther: Worth = Field(
        default=0.0,
        description="moving away from the food (not paid on eating or dying)",
        json_schema_extra={"unit": "reward", "group": "steps"},
    )

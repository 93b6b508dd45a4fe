"""A lesson's preset: a small JSON file that shows part of the Playground, with words above it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rlplay.agents import explain_misfit, get_agent_spec
from rlplay.config import RunConfig, get_default_config, validated
from rlplay.errors import ConfigError, nearest
from rlplay_widgets.charts import METRICS
from rlplay_widgets.draft import Place, look_up
from rlplay_widgets.panels import PANELS

__all__ = ["LessonPreset", "list_lessons", "load_lesson", "option_places"]


class LessonPreset(BaseModel):
    """What a lesson shows, and what it keeps as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("", max_length=200, description="stands above the panel")
    text: str = Field("", max_length=4000, description="what to do and to look at")
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="part of a run's config, laid over the algorithm's default",
    )
    tabs: list[str] = Field(
        default_factory=list, description="the tabs that are shown; none means all"
    )
    knobs: list[str] = Field(
        default_factory=list,
        description="the options that the World and Learning tabs show: "
        '"hyperparams.learning_rate", or "reward_config" for all of them; none means all',
    )
    locked: list[str] = Field(
        default_factory=list,
        description='options that stay as they are: "algo", "env_config.grid_size"',
    )
    curve: str = Field("score", description="the column of the metrics that is drawn at first")
    watch: str | None = Field(
        None, description="a saved run whose play the board shows; none shows the training"
    )

    @field_validator("tabs")
    @classmethod
    def _known(cls, tabs: list[str]) -> list[str]:
        for tab in tabs:
            if tab not in PANELS:
                raise ConfigError(
                    f"No tab {tab!r}.{nearest(tab, PANELS)} Available: {', '.join(PANELS)}."
                )
        return tabs

    def run_config(self) -> RunConfig:
        """Make the config that Start trains.

        Raises:
            ConfigError: For anything that a run cannot have, for an algorithm that does not fit
                the world, and for options to lock or to show, or a curve, that it has not.
        """
        named = {"algo": "ppo", "env_name": "snake"} | {
            name: self.config[name] for name in ("algo", "env_name") if name in self.config
        }
        config = get_default_config(**named).replace(**self.config)
        for place in (*option_places(self.locked), *option_places(self.knobs)):
            try:
                look_up(config.to_dict(), place)
            except LookupError:
                raise ConfigError(f"A run has no option {'.'.join(map(str, place))!r}.") from None
        reason = explain_misfit(config)
        if reason is not None:
            raise ConfigError(reason)
        # What an algorithm of somebody's own measures is known only when it trains.
        ours = get_agent_spec(config.algo).agent.__module__.startswith("rlplay.")
        if ours and self.curve not in METRICS:
            raise ConfigError(
                f"No curve {self.curve!r}.{nearest(self.curve, METRICS)} "
                f"Available: {', '.join(METRICS)}."
            )
        return config


def option_places(options: list[str]) -> list[Place]:
    """Give the places in a config that options are named by."""
    return [tuple(option.split(".")) for option in options]


def list_lessons() -> list[str]:
    """Name the lessons that ship with the package."""
    folder = files("rlplay_widgets") / "lessons"
    return sorted(
        path.name.removesuffix(".json") for path in folder.iterdir() if path.name.endswith(".json")
    )


def load_lesson(what: str | Path | dict[str, Any] | LessonPreset) -> LessonPreset:
    """Give a lesson by its name, its file or its content.

    Args:
        what: One of `list_lessons`, the path of a JSON file, a dict, or a lesson.

    Returns:
        The lesson; its config is valid.

    Raises:
        ConfigError: When there is no such lesson, or it does not say what a lesson says.
    """
    if isinstance(what, str) and not what.endswith(".json"):
        if what not in list_lessons():
            raise ConfigError(
                f"No lesson {what!r}.{nearest(what, list_lessons())} "
                f"Available: {', '.join(list_lessons())}; or give the path of a .json file."
            )
        source = files("rlplay_widgets") / "lessons" / f"{what}.json"
        values, name = json.loads(source.read_text(encoding="utf-8")), what
    elif isinstance(what, str | Path):
        values, name = _read(Path(what)), Path(what).name
    else:
        values, name = what, "of this name"
    lesson = validated(LessonPreset, values, f"Lesson {name!r}")
    lesson.run_config()
    return lesson


def _read(path: Path) -> Any:
    """Read a lesson's file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The lesson {str(path)!r} cannot be read: {error}.") from None

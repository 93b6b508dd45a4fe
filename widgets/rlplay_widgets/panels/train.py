"""What learns and for how long, how its episodes ended, and the last of them."""

from __future__ import annotations

import re
from typing import Any

import ipywidgets as ipw

import rlplay
from rlplay.agents import AGENT_REGISTRY
from rlplay.config import RunConfig
from rlplay.errors import ConfigError
from rlplay_widgets.desk import Desk
from rlplay_widgets.dropdown import Dropdown
from rlplay_widgets.fits import list_fitting
from rlplay_widgets.panels.endings import EndingsPanel
from rlplay_widgets.scene import Frame, assign, free, mark
from rlplay_widgets.table import Column, Row, Table
from rlplay_widgets.theme import ENDINGS, escape, number

__all__ = ["TrainPanel"]

#: Seconds between two changes of the last episodes.
_EVERY = 0.5
#: What stands for options that are no preset's.
_OWN = "your own"
#: Metrics of the learner that stand beside an episode, where the algorithm has them.
_LEARNER = (("loss", "Loss", 4), ("epsilon", "Epsilon", 3), ("entropy", "Entropy", 3))
#: Where the draft has the budget, in whichever unit a person writes it.
_BUDGET = ("total_steps",)
#: The longest budget that a config takes.
_MOST_STEPS = next(
    bound.le
    for bound in RunConfig.model_fields["total_steps"].metadata
    if getattr(bound, "le", None) is not None
)
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_COLUMNS = (
    Column("Episode", "number", "84px"),
    Column("Score", "number", "60px", "What the episode reached"),
    Column("Return", "number", "70px", "The sum of the episode's rewards", 2),
    Column("Length", "number", "66px", "Steps of the episode"),
    Column("It ended", "text", "minmax(90px, 1fr)", "How the episode ended"),
)


class TrainPanel:
    """The algorithm with its preset, the run's name and budget, and how its episodes ended.

    Args:
        desk: Whose draft it edits.
    """

    title = "The training panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._drawn: tuple[Any, ...] | None = None
        self._learner: tuple[str, ...] | None = None
        self._next = float("-inf")
        self.algorithm = Dropdown(
            description="Algorithm",
            tooltip="Who learns, of those that can learn this world; for the next start",
        )
        self.preset = Dropdown(
            description="Preset", tooltip="Options that go well together, for the next start"
        )
        self.name = ipw.Text(
            description="Name",
            placeholder="of the next run",
            continuous_update=False,
            tooltip="A title for the next run",
        )
        self.budget = ipw.Text(description="Train for", continuous_update=False)
        self.unit = ipw.Dropdown(
            options=["steps", "seconds"],
            layout=self.algorithm.layout,
            tooltip="Whether the run ends after so many steps of the environment, or after so much "
            "time and at its total steps at the latest",
        )
        self.about = ipw.HTML()
        self.endings = EndingsPanel(desk.scene.safely, lambda ending: desk.open_replay_of(ending))
        self.episodes = self._make_table(())
        self._controls = ipw.Box(
            [self.algorithm, self.preset, self.name, self.budget, self.unit, self.about]
        )
        self._controls.add_class("rlplay-train-form")
        self._table = ipw.Box([self.episodes.widget])
        self._table.add_class("rlplay-episodes")
        self.widget = ipw.VBox([self._controls, self.endings.widget, self._table])

        for control, callback in (
            (self.algorithm, self._choose_algorithm),
            (self.preset, self._choose_preset),
            (self.name, self._choose_name),
            (self.budget, self._choose_budget),
            (self.unit, self._choose_unit),
        ):
            control.observe(desk.scene.safely(callback), names="value")

    # Callbacks: in the kernel's threads ----------------------------------------------------------

    def _choose_algorithm(self, change: dict[str, Any]) -> None:
        self._desk.set("algo", change["new"])

    def _choose_preset(self, change: dict[str, Any]) -> None:
        if change["new"] != _OWN:
            self._desk.choose_preset(change["new"])

    def _choose_name(self, change: dict[str, Any]) -> None:
        self._desk.set("name", change["new"])

    def _choose_budget(self, change: dict[str, Any]) -> None:
        draft, text = self._desk.draft, change["new"]
        self._drawn = None
        try:
            if self.unit.value == "seconds":
                self._desk.seconds = parse_seconds(text)
                draft.forget(*_BUDGET)
            else:
                self._desk.seconds = None
                self._desk.set(*_BUDGET, parse_steps(text))
        except ConfigError as error:
            if draft.is_locked(*_BUDGET):
                raise
            draft.refuse(*_BUDGET, text, error)

    def _choose_unit(self, change: dict[str, Any]) -> None:
        self._desk.draft.forget(*_BUDGET)
        if change["new"] == "seconds" and self._desk.seconds is None:
            self._desk.seconds = 60.0
        elif change["new"] == "steps":
            self._desk.seconds = None

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show what the draft says, how episodes ended, and the last of them."""
        self._paint_form()
        self.endings.paint(frame)
        if frame.fresh or frame.now >= self._next:
            self._next = frame.now + _EVERY
            self._paint_episodes(frame.snapshot.last_episodes)
        self.episodes.paint(frame.now)
        return False

    def _paint_form(self) -> None:
        draft, seconds = self._desk.draft, self._desk.seconds
        # An algorithm that a config brought along stands there too, whatever it can do.
        algo = draft.config.algo
        names = sorted({*list_fitting(draft.config.env_name, self._desk.wake), algo})
        titles = tuple((AGENT_REGISTRY[name].title, name) for name in names)
        now = (draft.version, seconds, titles)
        if now == self._drawn:
            return
        config, preset = draft.config, draft.preset
        presets = rlplay.list_presets(config.algo, config.env_name)
        self.algorithm.offer(titles, config.algo)
        assign(self.algorithm, disabled=draft.is_locked("algo"))
        self.preset.offer(presets if preset else [*presets, _OWN], preset or _OWN)
        assign(self.preset.layout, display=None if draft.offers_presets else "none")
        assign(self.name, value=str(draft.get("name")), disabled=draft.is_locked("name"))
        assign(self.unit, value="steps" if seconds is None else "seconds")
        locked = draft.is_locked("total_steps")
        assign(self.budget, value=self._budget_as_text(), disabled=locked, tooltip=self._hint())
        assign(self.unit, disabled=locked)
        mark(self.budget, _BUDGET in draft.problems)
        mark(self.name, ("name",) in draft.problems)
        about = ""
        if preset is not None and draft.offers_presets:
            about = rlplay.describe_preset(config.algo, config.env_name, preset)
        wrong = " ".join(draft.problems.get(place, "") for place in (_BUDGET, ("name",), ("algo",)))
        most = "" if seconds is None else f"{self._most()}. "
        words = escape(most + (draft.notice or about))
        if wrong.strip():
            words = f'<span class="rlplay-wrong-reason" role="alert">{escape(wrong)}</span>'
        assign(self.about, value=f"<p>{words}</p>")
        self._drawn = now

    def _hint(self) -> str:
        if self._desk.seconds is None:
            return "Steps of the environment, on all boards; such as 60 000 000 or 60 M"
        return (
            "Seconds of training, pauses not counted; such as 90 or 1:30. "
            f"{self._most()}: its schedules are made for them"
        )

    def _most(self) -> str:
        """Where a budget of time ends at the latest."""
        return f"At most {number(self._desk.draft.config.total_steps)} steps"

    def _budget_as_text(self) -> str:
        """The budget as it stands in its field, also one that is not allowed."""
        draft, seconds = self._desk.draft, self._desk.seconds
        if _BUDGET in draft.problems:
            return str(draft.get(*_BUDGET))
        if seconds is not None:
            return f"{seconds:g}"
        return number(draft.config.total_steps)

    def _paint_episodes(self, episodes: tuple[dict[str, Any], ...]) -> None:
        """Hand the last episodes to the table; it sends what changed."""
        known = set().union(*(episode.get("learner", ()) for episode in episodes))
        learner = tuple(name for name, _, _ in _LEARNER if name in known)
        if episodes and learner != self._learner:
            self._learner = learner
            self._change_columns(learner)
        self.episodes.rows = [_row(episode, self._learner or ()) for episode in episodes]

    def _change_columns(self, learner: tuple[str, ...]) -> None:
        """Have the columns of what this algorithm measures."""
        old, self.episodes = self.episodes, self._make_table(learner)
        self._table.children = (self.episodes.widget,)
        free(old.widget)

    def _make_table(self, learner: tuple[str, ...]) -> Table:
        columns = [
            Column(words, "number", "76px", "Of the learner, when the episode ended", digits)
            for name, words, digits in _LEARNER
            if name in learner
        ]
        return Table(
            [*_COLUMNS, *columns],
            "The last episodes",
            self._desk.scene.safely,
            self._desk.wake,
            order=(0, True),
            hint="The last episodes appear here.",
        )


def _row(episode: dict[str, Any], learner: tuple[str, ...]) -> Row:
    """An episode as a row of the table."""
    ending = episode["ending"]
    measured = episode.get("learner", {})
    return Row(
        str(episode["episode"]),
        (
            episode["episode"],
            episode["score"],
            episode["return"],
            episode["length"],
            ENDINGS[ending][0] if ending in ENDINGS else ending,
            *(measured.get(name) for name in learner),
        ),
    )


def parse_steps(text: str) -> int:
    """Read a count of steps as a person writes it: 60 000 000, 60_000_000, 60 M, 6e7.

    Raises:
        ConfigError: For anything else, and for more or fewer than a run can have.
    """
    plain = re.sub(r"[\s_\u202f]", "", text).lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d{1,2})?)([kmg]?)", plain)
    if match is None:
        raise ConfigError(f"{text!r} is no count of steps. Write it like 60 000 000, 60 M or 6e7.")
    count = float(match[1]) * _SUFFIXES[match[2]]
    steps = round(count)
    if abs(count - steps) > 1e-6 * max(1.0, count):
        raise ConfigError(f"{text!r} is no whole number of steps.")
    if not 1 <= steps <= _MOST_STEPS:
        raise ConfigError(f"{text!r} is not allowed: 1 to {number(_MOST_STEPS)} steps.")
    return steps


def parse_seconds(text: str) -> float:
    """Read a time as a person writes it: 90, 90 s, 1:30, 1.5 min, 2 h.

    Raises:
        ConfigError: For anything else, and for no time at all.
    """
    plain = re.sub(r"[\s\u202f]", "", text).lower()
    clock = re.fullmatch(r"(?:(\d+):)?(\d+):([0-5]?\d)", plain)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|sec|seconds|m|min|minutes|h)?", plain)
    if clock is not None:
        seconds = 3600.0 * int(clock[1] or 0) + 60.0 * int(clock[2]) + int(clock[3])
    elif match is not None:
        seconds = float(match[1]) * {"m": 60, "h": 3600}.get((match[2] or "s")[0], 1)
    else:
        seconds = 0.0
    if seconds <= 0:
        raise ConfigError(f"{text!r} is no time to train. Write it like 90, 1:30 or 5 min.")
    return seconds

"""What the board shows: the training, the present weights, those of an age, or a person's game."""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets as ipw

from rlplay.errors import RlplayError, SessionError
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage import StorageManager
from rlplay.storage.files import slug
from rlplay_widgets import clerk
from rlplay_widgets.desk import Desk
from rlplay_widgets.dropdown import Dropdown
from rlplay_widgets.games import AgentGame, PersonGame
from rlplay_widgets.games.agent import SavedWeights, SnapshotWeights
from rlplay_widgets.games.episode import Step
from rlplay_widgets.library import SavedRun, title
from rlplay_widgets.player import Game
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.sliders import Ages, Pace
from rlplay_widgets.table import Column, Row, Table
from rlplay_widgets.theme import count, escape, number

__all__ = ["WatchPanel"]

#: What can be watched: what a person reads, and what it means.
KINDS = {
    "training": ("Training", "The first board of the training"),
    "present": (
        "Present weights",
        "A game with the newest weights, at a pace for the eye; the training keeps its own",
    ),
    "age": ("An age", "A game with the weights of an age: as it played after so many steps"),
    "you": ("You play", "Play yourself: with the arrow keys, or the buttons below the board"),
}
#: The slowest and the fastest pace, moves a second.
PACES = (0.5, 60.0)
#: Runs that can be chosen here, the newest; the Runs tab has them all.
_MOST_RUNS = 50
#: The sample run that is offered first.
_BEST = next(reversed(SAMPLES))
#: Seconds between two looks at the ages that were kept.
_EVERY = 2.0
#: Seconds between two changes of the trajectory.
_ROWS_EVERY = 0.25

_COLUMNS = (
    Column("Step", "number", "64px", "Number of the step in the episode"),
    Column("Action", "text", "minmax(90px, 1fr)", "What was done"),
    Column("Reward", "number", "90px", "What the step paid", digits=3),
    Column("Return", "number", "90px", "Sum of the rewards so far", digits=3),
    Column("Score", "number", "70px", "Score so far"),
)

#: Whose weights play: the session's, those of a sample by its name, or of a saved run.
Choice = str | SavedRun
_SESSION = "session"


class Place(NamedTuple):
    """Where a run is saved.

    Attributes:
        storage: The library.
        env_name: Its environment.
        run_id: The run.
    """

    storage: StorageManager
    env_name: str
    run_id: str


class WatchPanel:
    """Chooses what the board shows, and shows the trajectory of what is played there.

    Args:
        desk: Whose board it is.
    """

    title = "The watch panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._paces = {"agent": 10.0, "you": 5.0}
        self._greedy = True
        self._stepwise = False
        self._choice: Choice | None = None  # whose weights a person wants
        self._session: Any = None
        self._samples: dict[str, Place] = {}
        self._ages: tuple[int, ...] = ()
        self._ages_of: Place | None = None
        self._age: int | None = None
        self._listing = False
        self._look_at = float("-inf")
        self._problem = ""  # why the ages cannot be listed
        self._rows: list[Row] = []
        self._rows_at = float("-inf")
        self._table_of: Game | None = None
        self._first: Step | None = None  # the first step of the episode in the table
        self._game: Game | None = None
        self._painting: int | None = None  # the thread that sets controls now

        safely = desk.scene.safely
        self.kind = ipw.ToggleButtons(
            options=[(words, name) for name, (words, _) in KINDS.items()],
            tooltips=[about for _, about in KINDS.values()],
        )
        self.run = Dropdown(description="Run", tooltip="Whose weights play")
        self.greedy = ipw.ToggleButtons(
            options=[("Greedy", True), ("Sampled", False)],
            tooltips=[
                "It does what looks best",
                "It chooses as in training: by chance, where the algorithm explores",
            ],
        )
        self.age = Ages()
        self.pace = Pace(
            value=self._paces["agent"],
            low=PACES[0],
            high=PACES[1],
            hint="Moves of this game in a second; the training keeps its own pace",
        )
        self.stepwise = ipw.Checkbox(
            description="Step by step",
            indent=False,
            tooltip="The game waits for an arrow before each step",
        )
        self.pause = ipw.Button(description="Pause", icon="pause", tooltip="Hold this game")
        self.move = ipw.Button(
            description="Move", icon="step-forward", tooltip="Do one move, then stand still"
        )
        self.new = ipw.Button(
            description="New game", icon="refresh", tooltip="Begin the next episode"
        )
        self.keep = ipw.Button(
            description="Open as replay",
            icon="film",
            tooltip="The game so far: seek in it, and save it as a picture or a page",
        )
        self.note = ipw.HTML()
        self.table = Table(
            _COLUMNS,
            "The trajectory",
            safely,
            desk.wake,
            order=(0, True),
            hint="Each step of the game will stand here.",
        )
        self._weights_row = _row(self.run, self.greedy)
        self._age_row = _row(self.age)
        self._game_row = _row(self.pace, self.stepwise, self.pause, self.move, self.new)
        rows = (_row(self.kind, self.keep), self._weights_row, self._age_row, self._game_row)
        self.widget = ipw.VBox([*rows, self.note, self.table.widget])
        self.widget.add_class("rlplay-watching")

        self.kind.observe(self._wish(self._kind_wanted), names="value")
        self.run.observe(self._wish(self._run_wanted), names="value")
        self.greedy.observe(self._wish(self._greedy_wanted), names="value")
        self.age.observe(self._wish(self._age_wanted), names="value")
        self.pace.observe(self._wish(self._pace_wanted), names="value")
        self.stepwise.observe(self._wish(self._stepwise_wanted), names="value")
        self.pause.on_click(safely(lambda _: desk.press("space")))
        self.move.on_click(safely(lambda _: desk.press("right")))
        self.new.on_click(safely(lambda _: self._new_game()))
        self.keep.on_click(safely(lambda _: self._open_as_replay()))
        desk.library.refresh()

    # What a person wants: in the kernel's threads ------------------------------------------------

    def watch(self, kind: str, choice: Choice | None = None) -> None:
        """Show something else on the board.

        Args:
            kind: "training", "present", "age" or "you".
            choice: Whose weights: "session", the name of a sample run, or a saved run's
                environment and id; by default those that are chosen.

        Raises:
            SessionError: When there are no such weights yet.
        """
        desk = self._desk
        if kind == "training":
            desk.watch(None)
            return
        if kind == "you":
            config = desk.draft.config
            desk.watch(PersonGame(config, pace=self._paces["you"], stepwise=self._stepwise))
            return
        chosen = choice or self._chosen(desk.game)
        if chosen == _SESSION:
            self._watch_weights(kind, None)
        elif isinstance(chosen, tuple):
            self._watch_weights(kind, Place(desk.storage, *chosen))
        elif chosen in self._samples:
            self._watch_weights(kind, self._samples[chosen])
        else:
            desk.work(
                f"opening the sample run {chosen}",
                lambda: self._unpack(chosen),
                lambda place: self._watch_weights(kind, place),
            )

    def _watch_weights(self, kind: str, place: Place | None) -> None:
        """Watch the weights of a saved run, or of the session."""
        desk = self._desk
        session, old = desk.session, desk.game
        options: dict[str, Any] = {"greedy": self._greedy, "pace": self._paces["agent"]}
        if isinstance(old, AgentGame):
            # The same board again, so that ages can be compared.
            options["seed"] = old.seed
        if kind == "present" and place is None and session is not None:
            desk.watch(AgentGame.of_session(session, **options))
            return
        if place is None:
            if session is None or session.run_id is None:
                raise SessionError("There are no weights yet. Press Start, or choose another run.")
            place = Place(session.storage, session.config.env_name, session.run_id)
        age = None
        if kind == "age":
            ages = place.storage.list_snapshots(place.env_name, place.run_id)
            if not ages:
                raise SessionError(
                    "No weights were kept yet. The first are kept a moment after the start."
                )
            age = self._age if self._age in ages else ages[0]
            self._ages, self._ages_of = tuple(ages), place
        desk.watch(
            AgentGame.of_run(place.env_name, place.run_id, place.storage, age=age, **options)
        )

    def _unpack(self, name: str) -> Place:
        """Unpack a sample run, where the library of runs stays as it is; the clerk's thread."""
        folder = tempfile.TemporaryDirectory(prefix="rlplay-sample-", ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        storage = StorageManager(folder.name)
        self._samples[name] = place = Place(storage, *storage.import_run(sample_path(name)))
        return place

    def _wish(self, callback: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
        """Wrap what a person sets; what the painter sets is no wish."""
        safe = self._desk.scene.safely(callback)

        def changed(change: dict[str, Any]) -> None:
            if self._painting != threading.get_ident():
                safe(change["new"])

        return changed

    def _kind_wanted(self, kind: str | None) -> None:
        if kind is not None and kind != _kind_of(self._desk.game):
            self.watch(kind)

    def _run_wanted(self, choice: Choice | None) -> None:
        if choice is not None and choice != self._chosen(self._desk.game):
            self._choice = choice
            kind = _kind_of(self._desk.game)
            self.watch("age" if kind == "age" else "present", choice)

    def _age_wanted(self, age: int) -> None:
        if age != self._age and _kind_of(self._desk.game) == "age":
            self._age = age
            self.watch("age")

    def _greedy_wanted(self, greedy: bool) -> None:
        self._greedy = greedy
        game = self._desk.game
        if isinstance(game, AgentGame):
            game.greedy = greedy
            self._desk.player.wake()

    def _pace_wanted(self, pace: float) -> None:
        game = self._desk.game
        self._paces["you" if isinstance(game, PersonGame) else "agent"] = pace
        if isinstance(game, AgentGame | PersonGame):
            game.pace = pace
            self._desk.player.wake()

    def _stepwise_wanted(self, stepwise: bool) -> None:
        self._stepwise = stepwise
        game = self._desk.game
        if isinstance(game, PersonGame):
            game.stepwise = stepwise
            self._desk.player.wake()

    def _new_game(self) -> None:
        game = self._desk.game
        if isinstance(game, AgentGame | PersonGame):
            game.new()
            self._desk.player.wake()

    def _open_as_replay(self) -> None:
        game = self._desk.game
        if isinstance(game, AgentGame | PersonGame):
            self._desk.work("making the replay", game.replay, self._desk.open_replay)

    # What is chosen ------------------------------------------------------------------------------

    def _chosen(self, game: Game | None) -> Choice:
        """Whose weights play, or would play."""
        session = self._desk.session
        place = _place_of(game)
        if place is None:
            if isinstance(game, AgentGame) and session is not None:
                return _SESSION
            first = next((run for run, about in self._runs().items() if about["steps"]), _BEST)
            return self._choice or (_SESSION if session is not None else first)
        for name, sample in self._samples.items():
            if sample == place:
                return name
        if session is not None and session.run_id == place.run_id:
            return _SESSION
        return slug(place.env_name), place.run_id

    def _runs(self) -> dict[SavedRun, dict[str, Any]]:
        """The saved runs that have learned something, the newest first, without the session's."""
        session = self._desk.session
        own = None if session is None else session.run_id
        found = {
            run: about
            for run, about in self._desk.library.runs.items()
            if about["steps"] and not about["broken"] and about["run_id"] != own
        }
        return dict(list(found.items())[:_MOST_RUNS])

    def _list_ages(self, place: Place) -> None:
        """List the ages at which a run's weights were kept; the clerk's thread."""
        try:
            ages = tuple(place.storage.list_snapshots(place.env_name, place.run_id))
            if _place_of(self._desk.game) == place:
                self._ages, self._ages_of = ages, place
            self._problem = ""
        except RlplayError as error:  # of a run that was deleted meanwhile
            self._problem = str(error)
        finally:
            self._listing = False
            self._desk.wake()

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Bring the controls to what the board shows."""
        self._painting = threading.get_ident()
        try:
            self._paint(frame, self._desk.game)
        finally:
            self._painting = None
        return False

    def _paint(self, frame: Frame, game: Game | None) -> None:
        kind = _kind_of(game)
        if game is not self._game:
            self._game, self._problem = game, ""
            if isinstance(game, AgentGame):
                self._greedy = game.greedy
        if frame.session is not self._session:
            # Who starts a training wants to see that one.
            self._session, self._choice = frame.session, None
        weights = kind in ("present", "age")
        played = weights or kind == "you"
        _show(self._weights_row, weights or kind == "training")
        _show(self._age_row, kind == "age")
        _show(self.greedy, weights)
        for part in (self._game_row, self.keep, self.table.widget):
            _show(part, played)
        assign(self.kind, value=kind)
        assign(self.greedy, value=self._greedy)
        self._desk.library.look(frame.now)
        self._paint_runs(game)
        if isinstance(game, AgentGame) and isinstance(game.source, SnapshotWeights):
            self._paint_ages(frame, game, game.source.age)
        if isinstance(game, AgentGame | PersonGame):
            self._paint_game(game)
            self._paint_rows(frame, game)
        assign(self.note, value=self._note_html(game))
        self.table.paint(frame.now)

    def _paint_game(self, game: AgentGame | PersonGame) -> None:
        """The pace and the buttons of a game."""
        person = game if isinstance(game, PersonGame) else None
        paced = person is None or person.paced
        goes = paced and (person is None or (person.begun and not person.ended))
        assign(self.pace, value=game.pace, disabled=not paced)
        _show(self.stepwise, person is not None and person.steers and not person.waits)
        assign(self.stepwise, value=person.stepwise if person is not None else self._stepwise)
        assign(
            self.pause,
            description="Pause" if game.playing else "Go on",
            icon="pause" if game.playing else "play",
            disabled=not goes,
        )
        _show(self.move, person is None)
        assign(self.keep, disabled=not game.trajectory)

    def _paint_runs(self, game: Game | None) -> None:
        """List whose weights can play, and show whose do."""
        options: list[tuple[str, Choice]] = []
        if self._desk.session is not None:
            options.append(("the training", _SESSION))
        for run, about in self._runs().items():
            facts = [title(about), f"{count(about['steps'])} steps"]
            if about["best_score"] is not None:
                facts.append(f"best {number(about['best_score'])}")
            options.append((" · ".join(facts), run))
        options += [(f"sample: {name}, {SAMPLES[name]}", name) for name in reversed(SAMPLES)]
        chosen = self._chosen(game)
        if chosen not in [choice for _, choice in options]:
            options.append((chosen[1] if isinstance(chosen, tuple) else chosen, chosen))
        self.run.offer(options, chosen)

    def _paint_ages(self, frame: Frame, game: AgentGame, age: int) -> None:
        """Look for new ages while a run trains, and show them on the slider."""
        place = _place_of(game)
        if place is not None and frame.now >= self._look_at and not self._listing:
            self._look_at, self._listing = frame.now + _EVERY, True
            clerk.submit(lambda: self._list_ages(place))
        self._age = age
        ages = {*(self._ages if self._ages_of == place else ()), age}
        options = [(f"{count(each)} steps", each) for each in sorted(ages)]
        assign(self.age, options=options, value=age)

    def _note_html(self, game: Game | None) -> str:
        words = self._problem
        if not words and game is None and self._desk.session is None:
            words = "Press Start to train, choose a run to watch, or play yourself."
        elif not words and game is None:
            words = "The board shows the first board of the training."
        elif not words and _kind_of(game) is None:
            words = f"The board shows {game.shown().words}." if game.shown().words else ""
        return f'<p class="rlplay-watching-note">{escape(words)}</p>' if words else ""

    def _paint_rows(self, frame: Frame, game: AgentGame | PersonGame) -> None:
        """Add the steps that are new, a few times a second."""
        new = game is not self._table_of
        if frame.now < self._rows_at and not new:
            return
        steps = game.trajectory
        first = steps[0] if steps else None
        if new or first is not self._first:
            self._rows, self._first, self._table_of = [], first, game
        if len(steps) > len(self._rows):
            self._rows_at = frame.now + _ROWS_EVERY
        for step in steps[len(self._rows) :]:
            cells = (step.step, step.words, step.reward, step.total, step.score)
            self._rows.append(Row(str(step.step), cells))
        self.table.rows = self._rows


def _kind_of(game: Game | None) -> str | None:
    """What the board shows, of `KINDS`; None for a game of another panel."""
    if game is None:
        return "training"
    if isinstance(game, PersonGame):
        return "you"
    if isinstance(game, AgentGame):
        return "age" if isinstance(game.source, SnapshotWeights) else "present"
    return None


def _place_of(game: Game | None) -> Place | None:
    """The saved run whose weights play, if any do."""
    source = game.source if isinstance(game, AgentGame) else None
    if isinstance(source, SavedWeights | SnapshotWeights):
        return Place(source.storage, source.env_name, source.run_id)
    return None


def _row(*widgets: ipw.Widget) -> ipw.HBox:
    """A row of controls."""
    row = ipw.HBox(list(widgets))
    row.add_class("rlplay-watching-row")
    return row


def _show(widget: ipw.DOMWidget, wanted: bool) -> None:
    """Show or hide a control."""
    assign(widget.layout, display=None if wanted else "none")

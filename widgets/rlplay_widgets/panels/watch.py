"""What the board shows: the training, the present weights, those of an age, or a person's game."""

from __future__ import annotations

import atexit
import math
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import ipywidgets as ipw

from rlplay.envs import get_env_spec
from rlplay.errors import RlplayError, SessionError
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage import Replay, StorageManager
from rlplay_widgets import clerk
from rlplay_widgets.desk import Desk
from rlplay_widgets.games import AgentGame, PersonGame
from rlplay_widgets.games.agent import SavedWeights, SnapshotWeights
from rlplay_widgets.games.episode import Step
from rlplay_widgets.player import Game
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.table import Column, Row, Table
from rlplay_widgets.theme import count, escape, number

__all__ = ["WatchPanel"]

ResultT = TypeVar("ResultT")

#: What can be watched, and what a person reads.
KINDS = {
    "training": "Training",
    "present": "Present weights",
    "age": "An age",
    "you": "You play",
}
#: The slowest and the fastest pace, moves a second.
PACES = (0.5, 60.0)
#: The sample run that is offered first.
_BEST = next(reversed(SAMPLES))
#: Runs that can be chosen here, the newest; the Runs tab has them all.
_MOST_RUNS = 50
#: Seconds between two looks at the ages that were kept.
_EVERY = 2.0
#: Seconds between two rows of the trajectory that travel.
_ROWS_EVERY = 0.25

COLUMNS = (
    Column("Step", "number", "64px", "Number of the step in the episode"),
    Column("Action", "text", "minmax(90px, 1fr)", "What was done"),
    Column("Reward", "number", "90px", "What the step paid", digits=3),
    Column("Return", "number", "90px", "Sum of the rewards so far", digits=3),
    Column("Score", "number", "70px", "Score so far"),
)


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
        self._choice: str | None = None  # what a person chose of `_choices`
        self._choices: dict[str, Place] = {}
        self._labels: tuple[tuple[str, str], ...] = ()
        self._samples: dict[str, Place] = {}
        self._ages: tuple[int, ...] = ()
        self._age: int | None = None
        self._ages_of: tuple[Any, ...] | None = None
        self._look_at = float("-inf")
        self._listed: tuple[Any, ...] | None = None  # what the list of runs was made for
        self._busy: set[str] = set()
        self._note = ""
        self._saved: Replay | None = None
        self._rows: list[Row] = []
        self._table_of: Game | None = None
        self._first: Step | None = None  # the first step of the episode in the table
        self._rows_at = float("-inf")
        self._game: Game | None = None
        self._painting: int | None = None  # the thread that sets controls now

        safely = desk.scene.safely
        wanted = self._wanted
        self.kind = ipw.ToggleButtons(
            options=[(words, name) for name, words in KINDS.items()],
            tooltips=[
                "The first board of the training",
                "A game by the newest weights, while the training goes on at its own pace",
                "A game by the weights of any age: as it played after so many steps",
                "Play yourself: arrow keys, or the buttons below the board",
            ],
        )
        self.run = ipw.Dropdown(description="Run", tooltip="Whose weights play")
        self.greedy = ipw.ToggleButtons(
            options=[("Greedy", True), ("Sampled", False)],
            tooltips=[
                "It does what looks best",
                "It chooses as in training: by chance, where the algorithm explores",
            ],
        )
        self.age = ipw.SelectionSlider(
            options=[("", None)],
            description="Age",
            tooltip="Environment steps that the weights were trained for",
        )
        self.pace = ipw.FloatLogSlider(
            value=self._paces["agent"],
            min=math.log10(PACES[0]),
            max=math.log10(PACES[1]),
            step=0.02,
            description="Moves/s",
            readout_format=".1f",
            tooltip="Moves of this game in a second; the training keeps its own pace",
        )
        self.stepwise = ipw.Checkbox(
            description="One step per key",
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
        self.save = ipw.Button(
            description="Save as replay",
            icon="download",
            tooltip="Save the episode so far as a page and a GIF, in the models folder",
        )
        self.note = ipw.HTML()
        self.table = Table(
            COLUMNS,
            "The trajectory",
            safely,
            desk.wake,
            order=(0, True),
            hint="Each step of the game will stand here.",
        )
        self._rows_box = {
            "weights": _row(self.run, self.greedy),
            "age": _row(self.age),
            "pace": _row(self.pace, self.stepwise),
            "game": _row(self.pause, self.move, self.new, self.save),
        }
        self.widget = ipw.VBox([self.kind, *self._rows_box.values(), self.note, self.table.widget])
        self.widget.add_class("rlplay-watching")

        self.kind.observe(wanted(self._kind_wanted), names="value")
        self.run.observe(wanted(self._run_wanted), names="value")
        self.greedy.observe(wanted(self._greedy_wanted), names="value")
        self.age.observe(wanted(self._age_wanted), names="value")
        self.pace.observe(wanted(self._pace_wanted), names="value")
        self.stepwise.observe(wanted(self._stepwise_wanted), names="value")
        self.pause.on_click(safely(lambda _: self._pause_or_go_on()))
        self.move.on_click(safely(lambda _: self._move()))
        self.new.on_click(safely(lambda _: self._new_game()))
        self.save.on_click(safely(lambda _: self._save()))

    # What a person wants: in the kernel's threads ------------------------------------------------

    def watch(self, kind: str, choice: str | None = None) -> None:
        """Show something else on the board.

        Args:
            kind: "training", "present", "age" or "you".
            choice: Whose weights: a value of `run`; by default those that are chosen.

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
        if chosen in SAMPLES and chosen not in self._samples:
            desk.work(
                f"opening the sample run {chosen}",
                lambda: self._unpack(chosen),
                lambda place: self._watch_weights(kind, place),
            )
        elif chosen == "session":
            self._watch_weights(kind, None)
        else:
            self._watch_weights(kind, self._samples.get(chosen) or self._choices[chosen])

    def _watch_weights(self, kind: str, place: Place | None) -> None:
        """Watch the weights of a saved run, or of the session."""
        desk = self._desk
        session, old = desk.session, desk.game
        options: dict[str, Any] = {"greedy": self._greedy, "pace": self._paces["agent"]}
        if isinstance(old, AgentGame):
            # The same board again, so that ages can be compared.
            options["seed"] = old.seed
        if kind == "present":
            if place is None and session is not None:
                desk.watch(AgentGame.of_session(session, **options))
                return
            age = None
        place = place or self._place_of_session()
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

    def _place_of_session(self) -> Place:
        session = self._desk.session
        if session is None or session.run_id is None:
            raise SessionError("There are no weights yet. Press Start, or choose another run.")
        return Place(session.storage, session.config.env_name, session.run_id)

    def _wanted(self, callback: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
        """Wrap what a person sets; what the painter sets is no wish."""

        safe = self._desk.scene.safely(callback)

        def changed(change: dict[str, Any]) -> None:
            if self._painting != threading.get_ident():
                safe(change["new"])

        return changed

    def _kind_wanted(self, value: Any) -> None:
        if value is not None and value != _kind_of(self._desk.game):
            self.watch(value)

    def _run_wanted(self, choice: Any) -> None:
        if choice is None or choice == self._chosen(self._desk.game):
            return
        self._choice = choice
        self.watch("age" if _kind_of(self._desk.game) == "age" else "present", choice)

    def _greedy_wanted(self, value: Any) -> None:
        self._greedy = value
        game = self._desk.game
        if isinstance(game, AgentGame) and game.greedy != value:
            game.greedy = value
            self._desk.player.wake()

    def _age_wanted(self, age: Any) -> None:
        if age is None or age == self._age or _kind_of(self._desk.game) != "age":
            return
        self._age = age
        self.watch("age")

    def _pace_wanted(self, value: Any) -> None:
        game = self._desk.game
        self._paces["you" if isinstance(game, PersonGame) else "agent"] = value
        if game is not None and game.pace != value:
            game.pace = value
            self._desk.player.wake()

    def _stepwise_wanted(self, value: Any) -> None:
        self._stepwise = value
        game = self._desk.game
        if isinstance(game, PersonGame) and game.stepwise != value:
            game.stepwise = value
            self._desk.player.wake()

    def _pause_or_go_on(self) -> None:
        self._desk.press("space")

    def _move(self) -> None:
        self._desk.press("right")

    def _new_game(self) -> None:
        game = self._desk.game
        if isinstance(game, AgentGame | PersonGame):
            game.new()
            self._note = ""
            self._desk.player.wake()

    def _save(self) -> None:
        game = self._desk.game
        if isinstance(game, AgentGame | PersonGame):
            self._desk.work("saving the replay", lambda: self._export(game), self._exported)

    # What takes long: in the clerk's thread ------------------------------------------------------

    def _export(self, game: AgentGame | PersonGame) -> tuple[Replay, list[Path]]:
        """Save the episode so far."""
        replay = game.replay()
        return replay, export(replay, self._desk.storage.base_dir / "exports")

    def _exported(self, result: tuple[Replay, list[Path]]) -> None:
        replay, paths = result
        saved = ", ".join(f"<code>{escape(path)}</code>" for path in paths)
        self._note = f"Saved: {saved}"
        self._saved = replay

    def _unpack(self, name: str) -> Place:
        """Unpack a sample run, where the library of runs stays as it is."""
        folder = tempfile.TemporaryDirectory(prefix="rlplay-sample-", ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        storage = StorageManager(folder.name)
        place = Place(storage, *storage.import_run(sample_path(name)))
        self._samples[name] = place
        return place

    def _list_runs(self) -> None:
        """List the runs with weights, the newest first."""
        storage = self._desk.storage
        found: list[tuple[str, str]] = []
        choices: dict[str, Place] = {}
        for run in storage.list_runs():
            if run["broken"] or not run["steps"]:
                continue
            facts = [run["name"] or run["run_id"], f"{count(run['steps'])} steps"]
            if run["best_score"] is not None:
                facts.append(f"best {number(run['best_score'])}")
            key = f"{run['env_name']}/{run['run_id']}"
            choices[key] = Place(storage, run["env_name"], run["run_id"])
            found.append((" · ".join(facts), key))
            if len(found) == _MOST_RUNS:
                break
        self._choices, self._labels = choices, tuple(found)

    def _list_ages(self, place: Place) -> None:
        """List the ages at which a run's weights were kept."""
        ages = tuple(place.storage.list_snapshots(place.env_name, place.run_id))
        if _place_of(self._desk.game) == place:
            self._ages, self._ages_of = ages, place

    def _look(self, what: str, job: Callable[[], None]) -> None:
        """Look at the disk, unless that goes on already; what goes wrong stands in the note."""
        if what in self._busy:
            return
        self._busy.add(what)

        def look() -> None:
            try:
                job()
            except RlplayError as error:
                self._note = escape(error)
            finally:
                self._busy.discard(what)
                self._desk.wake()

        clerk.submit(look)

    # What is so ----------------------------------------------------------------------------------

    def _chosen(self, game: Game | None) -> str:
        """The key of the run that plays, or that would play."""
        session = self._desk.session
        place = _place_of(game)
        if place is None:
            first = "session" if session is not None else next(iter(self._choices), _BEST)
            return self._choice or first
        for name, sample in self._samples.items():
            if sample == place:
                return name
        if session is not None and session.run_id == place.run_id:
            return "session"
        key = f"{place.env_name}/{place.run_id}"
        self._choices.setdefault(key, place)
        return key

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
            self._game = game
            self._note = ""
            if isinstance(game, AgentGame):
                self._greedy = game.greedy
        weights = kind in ("present", "age")
        shown = {
            "weights": weights or kind == "training",
            "age": kind == "age",
            "pace": weights or kind == "you",
            "game": weights or kind == "you",
        }
        for name, box in self._rows_box.items():
            assign(box.layout, display=None if shown[name] else "none")
        assign(self.table.widget.layout, display=None if shown["game"] else "none")
        assign(self.kind, value=kind)
        assign(self.greedy, value=self._greedy)
        assign(self.greedy.layout, display=None if weights else "none")
        self._paint_runs(frame, game)
        if isinstance(game, AgentGame) and isinstance(game.source, SnapshotWeights):
            self._paint_ages(frame, game, game.source.age)
        if isinstance(game, AgentGame | PersonGame):
            self._paint_game(game)
        assign(self.note, value=self._note_html(game))
        self._paint_table(frame, game)

    def _paint_game(self, game: AgentGame | PersonGame) -> None:
        """The pace and the buttons of a game."""
        person = game if isinstance(game, PersonGame) else None
        paced = person is None or person.paced
        assign(self.pace, value=min(max(game.pace, PACES[0]), PACES[1]), disabled=not paced)
        steers = person is not None and person.steers
        assign(self.stepwise.layout, display=None if steers else "none")
        assign(self.stepwise, value=self._stepwise)
        assign(
            self.pause,
            description="Pause" if game.playing else "Go on",
            icon="pause" if game.playing else "play",
            disabled=not paced or (person is not None and person.ended),
        )
        assign(self.move.layout, display=None if person is None else "none")
        assign(self.save, disabled=not self._rows)

    def _paint_runs(self, frame: Frame, game: Game | None) -> None:
        """List the runs anew where one began or ended, and show which one is chosen."""
        state = (frame.session, frame.snapshot.state, frame.snapshot.run_id)
        if state != self._listed or frame.fresh:
            if self._listed is not None and state[0] is not self._listed[0]:
                self._choice = None
            self._listed = state
            self._look("runs", self._list_runs)
        options: list[tuple[str, str]] = []
        session = frame.session
        if session is not None:
            options.append(("the training", "session"))
        options += [entry for entry in self._labels if not _is_of(entry[1], session)]
        options += [(f"sample: {name}, {SAMPLES[name]}", name) for name in reversed(SAMPLES)]
        chosen = self._chosen(game)
        if chosen not in [key for _, key in options]:
            options.append((chosen.rpartition("/")[2], chosen))
        if tuple(options) != tuple(self.run.options):
            with self.run.hold_sync():
                self.run.options = options
                self.run.value = chosen
        assign(self.run, value=chosen)

    def _paint_ages(self, frame: Frame, game: AgentGame, age: int) -> None:
        """Look for new ages while a run trains, and show them on the slider."""
        place = _place_of(game)
        assert place is not None
        if frame.now >= self._look_at:
            self._look_at = frame.now + _EVERY
            self._look("ages", lambda: self._list_ages(place))
        self._age = age
        ages = {*(self._ages if self._ages_of == place else ()), age}
        options = tuple((f"{count(each)} steps", each) for each in sorted(ages))
        if options != tuple(self.age.options):
            with self.age.hold_sync():
                self.age.options = options
                self.age.value = age
        assign(self.age, value=age)

    def _note_html(self, game: Game | None) -> str:
        if self._note:
            return f'<p class="rlplay-watching-note">{self._note}</p>'
        if game is None:
            words = "The board shows the first board of the training."
            if self._desk.session is None:
                words = "Press Start to train, watch a sample run, or play yourself."
            return f'<p class="rlplay-watching-note">{words}</p>'
        return ""

    def _paint_table(self, frame: Frame, game: Game | None) -> None:
        """Send the steps that are new, a few times a second."""
        new = game is not self._table_of
        if isinstance(game, AgentGame | PersonGame) and (new or frame.now >= self._rows_at):
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
        self.table.paint(frame.now)


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


def export(replay: Replay, folder: Path) -> list[Path]:
    """Save a replay as a page that plays in any browser, and as a GIF.

    Args:
        replay: The replay.
        folder: Where; it is made where it is missing.

    Returns:
        The files.

    Raises:
        ContractError: When the environment draws no picture.
        StorageError: When a file cannot be written.
    """
    title = get_env_spec(replay.env_name).title
    slug = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
    name = f"{slug}-{replay.episode_seed}-{replay.length}-steps"
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / f"{name}.html", folder / f"{name}.gif"
    replay.save_html(page)
    replay.save_gif(picture, every=max(1, replay.length // 400))
    return [page, picture]


def _row(*widgets: ipw.Widget) -> ipw.HBox:
    """A row of controls."""
    row = ipw.HBox(list(widgets))
    row.add_class("rlplay-watching-row")
    return row


def _is_of(key: str, session: Any) -> bool:
    """Whether a key of the list is the run of the session, which stands above already."""
    return session is not None and key == f"{session.config.env_name}/{session.run_id}"

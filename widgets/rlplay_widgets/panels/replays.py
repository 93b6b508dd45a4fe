"""Stored episodes: play them, seek in them, keep them as files, and take them over."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as ipw
import traitlets as t

from rlplay.config import RunConfig, validated
from rlplay.envs import get_env_spec
from rlplay.errors import RlplayError, SessionError
from rlplay.storage import Replay
from rlplay.storage.files import slug
from rlplay_widgets import clerk
from rlplay_widgets.desk import Desk
from rlplay_widgets.dropdown import Dropdown
from rlplay_widgets.games import AgentGame, PersonGame, ReplayGame
from rlplay_widgets.games.replay import MOVES_PER_SECOND, RATES
from rlplay_widgets.library import SavedRun, title
from rlplay_widgets.panels.runs import exports_folder
from rlplay_widgets.receipt import Receipt
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.table import Column, Row, Table
from rlplay_widgets.theme import ENDINGS, escape, number, script

__all__ = ["ReplaysPanel", "taking_over"]

#: Runs that can be chosen here, the newest; the Runs tab has them all.
_MOST_RUNS = 50
#: What is offered where nothing is.
_NOBODY = (("", None),)
#: Seconds between two looks at the replays of a run that goes on.
_EVERY = 2.0
#: Pictures a second in a file, at most.
_FPS = 25

_COLUMNS = (
    Column("Score", "number", "64px", "Apples eaten in the episode"),
    Column("Length", "number", "70px", "Steps of the episode"),
    Column("Ending", width="minmax(90px, 1fr)", hint="How the episode ended"),
    Column("Episode", "number", "84px", "Which episode of the run it was: the later, the newer"),
    Column("Trained", "count", "74px", "Environment steps of the run by then"),
    Column("When", "when", "80px", "When its file was written here"),
)

_FORMATS: dict[str, tuple[str, str, Callable[..., None]]] = {
    "gif": ("GIF", "A moving picture, at the speed that is chosen", Replay.save_gif),
    "mp4": (
        "MP4",
        "A video, at the speed that is chosen; needs the package imageio-ffmpeg",
        Replay.save_mp4,
    ),
    "html": ("HTML page", "One page that plays it in any browser, offline", Replay.save_html),
}


class ReplayBar(anywidget.AnyWidget):
    """Play, step and seek, in the browser."""

    _esm = script("replay_bar.js")

    rates = t.List(list(RATES)).tag(sync=True)
    length = t.Int().tag(sync=True)
    position = t.Int().tag(sync=True)
    playing = t.Bool().tag(sync=True)
    rate = t.Float(1.0).tag(sync=True)
    score = t.Float().tag(sync=True)
    apples = t.List().tag(sync=True)
    ending = t.Dict().tag(sync=True)


class ReplaysPanel:
    """The replays of a run, and the one that is played.

    Args:
        desk: Whose board shows it.
    """

    title = "The replays"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._run: SavedRun | None = None  # whose replays are listed
        self._chosen: SavedRun | None = None  # the run that was chosen last
        self._listing = False
        self._listed: dict[str, tuple[int, int]] | None = None  # the files that the rows are of
        self._next = float("-inf")
        self._game: ReplayGame | None = None
        self._wants: str | None = None  # a replay that is being opened
        self._takers: tuple[SavedRun, ...] = ()
        self._takers_of: Any = None
        self._asked_takers: Any = None
        self._taker: SavedRun | None = None
        self._verdict: tuple[ReplayGame, str, bool] | None = None
        self._painted_runs: Any = None
        safely = desk.scene.safely
        self.runs = Dropdown(description="Run", tooltip="Whose replays are listed")
        self.runs.observe(desk.scene.safely(self._run_chosen), names="value")
        self.table = Table(
            _COLUMNS,
            "Replays",
            safely,
            desk.wake,
            order=(0, True),
            hint="No replays yet: a run keeps its best ones, the newest of each ending and some "
            "others while it trains.",
        )
        self.table.on_select = self._select
        self.bar = ReplayBar()
        self.bar.on_msg(safely(self._receive))
        self.words = ipw.HTML()
        self.receipt = Receipt(safely, desk.wake)
        desk.carry(self.receipt.hand_on)
        layout, style = ipw.Layout(), ipw.ButtonStyle()

        def button(words: str, hint: str, do: Callable[[], None]) -> ipw.Button:
            made = ipw.Button(
                description=words, tooltip=hint, layout=layout, style=style, disabled=True
            )
            made.on_click(safely(lambda _: do()))
            return made

        self.saves = {
            name: button(words, hint, self._saves(name))
            for name, (words, hint, _) in _FORMATS.items()
        }
        self.take_over = button(
            "Take over", "Play on yourself from this step, with the arrow keys", self.play_on
        )
        self.taker = Dropdown(tooltip="The agent that plays on", options=_NOBODY)
        self.taker.observe(desk.scene.safely(self._taker_chosen), names="value")
        self.let = button("Let it play on", "This agent plays on from this step", self.let_play_on)
        save = ipw.HBox([ipw.Label("Save as"), *self.saves.values()])
        takes = ipw.HBox([self.take_over, self.taker, self.let])
        acts = ipw.Box([save, takes])
        self.widget = ipw.VBox(
            [self.runs, self.table.widget, self.bar, self.words, acts, self.receipt.widget]
        )
        self.widget.add_class("rlplay-replays")
        for part, name in (
            (self.runs, "run"),
            (self.words, "words"),
            (acts, "acts"),
        ):
            part.add_class(f"rlplay-replays-{name}")
        self._desk.library.refresh()

    # What a person does --------------------------------------------------------------------------

    def _run_chosen(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            self.choose(change["new"])

    def choose(self, run: SavedRun) -> None:
        """List the replays of a run."""
        self._desk.run = run
        self._desk.wake()

    def _select(self, keys: tuple[str, ...]) -> None:
        playing = self._game.replay.replay_id if self._game is not None else None
        if len(keys) == 1 and self._run is not None and keys[0] not in (playing, self._wants):
            self.open(self._run, keys[0])

    def open(self, run: SavedRun, replay_id: str) -> None:
        """Play a stored replay."""
        self._wants = replay_id

        def load() -> Replay | None:
            # Of several that were clicked one after the other, the last is opened.
            if self._wants != replay_id:
                return None
            return self._desk.storage.load_replay(*run, replay_id)

        def show(replay: Replay | None) -> None:
            if replay is not None:
                self._desk.open_replay(replay)

        self._desk.work("opening the replay", load, show, quiet=True)

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        game = self._game
        if game is None:
            return
        if self._desk.game is not game:
            # Somebody watches something else meanwhile; who moves the replay wants it back.
            self._desk.watch(self._again(game))
            game = self._game
            assert game is not None
        match content:
            case {"kind": "seek", "to": int(to)}:
                game.seek(to)
            case {"kind": "back"}:
                game.step(-1)
            case {"kind": "forth"}:
                game.step(1)
            case {"kind": "play"}:
                game.press("space")
                self._desk.wake()
            case {"kind": "rate", "rate": int() | float() as rate} if rate in RATES:
                game.rate = float(rate)
                self._desk.wake()
        self._desk.player.wake()

    def _again(self, game: ReplayGame) -> ReplayGame:
        """Make a game that goes on where one stands that was taken from the board."""
        self._game = again = ReplayGame(game.replay, game.position, game.rate)
        again.playing = False
        if self._verdict is not None and self._verdict[0] is game:
            self._verdict = (again, *self._verdict[1:])
        return again

    def _taker_chosen(self, change: dict[str, Any]) -> None:
        self._taker = change["new"]

    def _shown(self) -> ReplayGame:
        if self._game is None:
            raise SessionError("Choose a replay in the table first.")
        return self._game

    def play_on(self) -> None:
        """Let a person play on from the step that is shown."""
        game = self._shown()
        self._desk.watch(PersonGame.take_over(game.replay, _before_the_end(game)))

    def let_play_on(self) -> None:
        """Let the chosen agent play on from the step that is shown."""
        game, run = self._shown(), self._taker
        if run is None:
            raise SessionError("Choose the agent that plays on first.")
        storage, step = self._desk.storage, _before_the_end(game)
        name = self._name(run)

        def make() -> AgentGame:
            config = taking_over(storage.load_config(*run), game.replay)
            if config is None:
                raise SessionError(f"{name} sees another board, so it cannot play on this one.")
            return AgentGame.of_run(
                *run,
                storage,
                config=config,
                seed=game.replay.episode_seed,
                actions=game.replay.actions[:step],
                words=f"{name} plays on from step {number(step)}",
            )

        self._desk.work("letting an agent take over", make, self._desk.watch)

    def save(self, kind: str) -> None:
        """Save the replay that is shown as a file.

        Args:
            kind: "gif", "mp4" or "html".
        """
        game = self._shown()
        replay, pace = game.replay, MOVES_PER_SECOND * game.rate
        words, _, write = _FORMATS[kind]
        # Faster than eyes and files can follow, only each n-th step is shown.
        every = math.ceil(pace / _FPS)
        speed = {} if kind == "html" else {"fps": pace / every, "every": every}

        def save() -> Path:
            folder = exports_folder(self._desk.storage.base_dir)
            path = folder / f"{replay.run_id}-{replay.replay_id}.{kind}"
            write(replay, path, **speed)
            return path

        self._desk.work(
            f"saving the replay as {words}",
            save,
            lambda path: self.receipt.say(f"Saved as {words}.", path),
            export=True,
        )

    def _name(self, run: SavedRun) -> str:
        """Name a run for people."""
        listed = self._desk.library.runs.get(run)
        return run[1] if listed is None else title(listed)

    def _saves(self, kind: str) -> Callable[[], None]:
        return lambda: self.save(kind)

    # What is listed ------------------------------------------------------------------------------

    def _follow(self, frame: Frame) -> None:
        """Turn to the run that was chosen in the library; before that, to the session's."""
        self._chosen = self._desk.run or self._chosen
        session = frame.session
        run_id = None if session is None else session.run_id
        if self._chosen is not None:
            self._turn_to(self._chosen)
        elif session is not None and run_id is not None:
            self._turn_to((slug(session.config.env_name), run_id))

    def _turn_to(self, run: SavedRun) -> None:
        if run != self._run:
            self._run, self._listing, self._next = run, False, float("-inf")
            self._listed = None
            self.table.rows = ()

    def _list(self, run: SavedRun) -> None:
        """List the replays of a run where its files changed; the clerk's thread calls this."""
        try:
            files = self._files(run)
            same = files is not None and files == self._listed
            listed = [] if same else self._desk.storage.list_replays(*run)
        except RlplayError:
            files, same, listed = None, False, []  # of a run that was deleted meanwhile
        if run == self._run:
            self._listing = False
            if not same:
                self._listed = files
                self.table.rows = [_row(replay, files or {}) for replay in listed]
            self._desk.wake()

    def _files(self, run: SavedRun) -> dict[str, tuple[int, int]] | None:
        """Say when each stored replay was written, and its size, by id; None where nobody knows."""
        folder = self._desk.storage.get_run_path(*run) / "replays"
        try:
            with os.scandir(folder) as entries:
                stats = {Path(entry.name).stem: entry.stat() for entry in entries}
        except OSError:
            return None
        return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}

    def _look_for_takers(self, replay: Replay) -> None:
        """Have the agents found that can play on, where there are others than before."""
        env_name = slug(replay.env_name)
        trained = tuple(
            place
            for place, run in self._desk.library.runs.items()
            if place[0] == env_name and run["steps"] and not run["broken"]
        )
        if self._asked_takers != (replay, trained):
            self._asked_takers = replay, trained
            clerk.submit(lambda: self._find_takers(replay, trained))

    def _find_takers(self, replay: Replay, trained: tuple[SavedRun, ...]) -> None:
        """Find the agents that can play on; the clerk's thread calls this."""
        found: list[SavedRun] = []
        for place in trained:
            try:
                config = self._desk.storage.load_config(*place)
                if taking_over(config, replay) is not None:
                    found.append(place)
            except RlplayError:
                continue  # a run of which a part is not registered here
            if len(found) == _MOST_RUNS:
                break
        self._takers = tuple(found)
        if self._taker not in found:
            self._taker = found[0] if found else None
        self._desk.wake()

    def _verify(self, game: ReplayGame) -> None:
        """Play the replay once and compare; the clerk's thread calls this."""
        try:
            check = game.replay.verify()
            self._verdict = game, str(check), bool(check)
        except RlplayError as error:
            self._verdict = game, str(error), False
        self._desk.wake()

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show the list of the chosen run, and where the replay stands."""
        desk = self._desk
        if isinstance(desk.game, ReplayGame) and desk.game is not self._game:
            self._take(desk.game)
        self._follow(frame)
        desk.library.look(frame.now)
        if self._run is not None and not self._listing and frame.now >= self._next:
            self._listing, self._next = True, frame.now + _EVERY
            run = self._run
            clerk.submit(lambda: self._list(run))
        self.table.paint(frame.now)
        self.receipt.paint(frame.now, self._desk.tasks)
        self._paint_bar()
        self._paint_choices(frame)
        return False

    def _take(self, game: ReplayGame) -> None:
        """Control another replay, whoever opened it."""
        self._game = game
        replay = game.replay
        run = (slug(replay.env_name), replay.run_id)
        if run in self._desk.library.runs:
            self._chosen = self._desk.run = run
        clerk.submit(lambda: self._verify(game))

    def _paint_bar(self) -> None:
        game = self._game
        if game is None:
            return
        replay, on_board = game.replay, self._desk.game is game
        shown = game.shown()
        words, look = ENDINGS.get(replay.ending, (replay.ending, "other-1"))
        assign(
            self.bar,
            length=replay.length,
            apples=list(game.apple_steps),
            ending={"words": f"The end: {words}", "look": look},
            position=shown.step,
            score=shown.score,
            playing=game.playing and on_board,
            rate=game.rate,
        )
        assign(self.words, value=self._words_html(game, words))
        if self.table.selected != (replay.replay_id,) and self._lists(game):
            self.table.select(replay.replay_id)

    def _lists(self, game: ReplayGame) -> bool:
        """Whether the table has a replay that is not selected in it, and none is being opened."""
        if self._wants is not None and self._wants != game.replay.replay_id:
            return False
        self._wants = None
        return any(row.key == game.replay.replay_id for row in self.table.rows)

    def _words_html(self, game: ReplayGame, ending: str) -> str:
        """How it ended, and whether it is what was played in training."""
        replay = game.replay
        about = (
            f"<b>{escape(ending)}</b> after {number(replay.length)} steps "
            f"with score {replay.score:g}"
        )
        if game.apple_steps:
            about += f" · {len(game.apple_steps)} apples marked"
        if self._verdict is None or self._verdict[0] is not game:
            return about
        _, words, good = self._verdict
        if good:
            return f'{about} · <span class="rlplay-verified">✓ verified</span>'
        return (
            f'{about}<div class="rlplay-message rlplay-message-error" role="alert"><p>This replay '
            f"is not what was played: {escape(words)}</p></div>"
        )

    def _paint_choices(self, frame: Frame) -> None:
        game, runs = self._game, self._desk.library.runs
        version = self._desk.library.version
        if game is not None and self._takers_of != (version, game.replay):
            self._takers_of = version, game.replay
            self._look_for_takers(game.replay)
        look = (version, game, self._run, self._takers, self._taker, frame.fresh)
        if look == self._painted_runs:
            return
        self._painted_runs = look
        places = list(runs)[:_MOST_RUNS]
        if self._run is not None and self._run not in places:
            places.insert(0, self._run)
        self.runs.offer([(self._name(place), place) for place in places] or _NOBODY, self._run)
        takers = [(self._name(place), place) for place in self._takers]
        self.taker.offer(takers or _NOBODY, self._taker)
        for button in (*self.saves.values(), self.take_over):
            assign(button, disabled=game is None)
        assign(self.let, disabled=game is None or self._taker is None)


def taking_over(config: RunConfig, replay: Replay) -> RunConfig | None:
    """Say how an agent plays on a replay's board, with its own eyes.

    Args:
        config: The agent's run.
        replay: The replay.

    Returns:
        The config with the rules of the replay's board; None where the agent's network does not
        fit what there is to see.
    """
    spec = get_env_spec(replay.env_name)
    # An option that is younger than the replay stands at its default there.
    played = validated(spec.config_model, replay.env_config, f"Environment {spec.name!r}")
    board = played.model_dump(mode="json")
    if rules := spec.board_options():
        board = {**config.env_config, **{name: board[name] for name in rules}}
    spaces = [
        spec.get_spaces(validated(spec.config_model, options, f"Environment {spec.name!r}"))
        for options in (config.env_config, board)
    ]
    if config.env_name != replay.env_name or spaces[0] != spaces[1]:
        return None
    return config.replace(env_config=board, reward_config=replay.reward_config)


def _before_the_end(game: ReplayGame) -> int:
    """The step that is shown; where the episode is over, the last one that can be played on."""
    return min(game.position, game.length - 1)


def _row(replay: dict[str, Any], files: dict[str, tuple[int, int]]) -> Row:
    written = files.get(replay["replay_id"])
    ending = replay["ending"]
    words = ENDINGS[ending][0] if ending in ENDINGS else ending
    if replay["broken"]:
        words = "damaged"
    cells = (
        replay["score"],
        replay["length"],
        words,
        replay["episode"],
        replay["total_steps"],
        None if written is None else written[0] / 1e9,
    )
    return Row(replay["replay_id"], cells, replay["broken"] or "")

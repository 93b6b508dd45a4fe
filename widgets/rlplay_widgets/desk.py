"""What the panels of one Playground share: the session, the draft, what the board shows."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from rlplay.agents import get_agent_spec
from rlplay.config import RunConfig
from rlplay.envs.own import FUNCTION
from rlplay.errors import RlplayError, SessionError
from rlplay.storage import Replay, StorageManager, get_storage_manager
from rlplay.storage.files import slug
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets import clerk
from rlplay_widgets.draft import Draft, rebuilt
from rlplay_widgets.games import AgentGame, LiveWeights, PersonGame, ReplayGame, Thinker
from rlplay_widgets.library import Library, SavedRun, title
from rlplay_widgets.looks import Looks, TableReader
from rlplay_widgets.overlays import Choices
from rlplay_widgets.painter import Painter
from rlplay_widgets.player import Game, Shown, get_player
from rlplay_widgets.scene import LIVE, Frame, SessionScene
from rlplay_widgets.theme import ENDINGS

__all__ = ["Desk", "look_of", "run_of"]

ResultT = TypeVar("ResultT")

#: Colours that sessions and runs have in the charts: `--rlplay-look-1` and on, in CSS.
LOOKS = 6
_looks: weakref.WeakKeyDictionary[TrainingSession, int] = weakref.WeakKeyDictionary()


#: Sessions that are listed, besides those that run.
LISTED = 6
#: Sessions that were started from a panel stay in the list when they have ended.
_started: deque[TrainingSession] = deque(maxlen=LISTED)


def look_of(session: TrainingSession) -> int:
    """Give a session's colour in charts and lists, from 1 to `LOOKS`; it keeps it.

    Who goes on with a run has the colour that the run had.
    """
    if session not in _looks:
        before = [
            look
            for other, look in _looks.items()
            if session.run_id is not None and run_of(other) == run_of(session)
        ]
        taken = list(_looks.values())
        free = min(range(1, LOOKS + 1), key=taken.count)
        _looks[session] = before[-1] if before else free
    return _looks[session]


def run_of(session: TrainingSession) -> tuple[str, str | None]:
    """Give a session's run by its environment's folder and its id, as the library lists it."""
    return slug(session.config.env_name), session.run_id


def _live_rewards(reward_config: dict[str, Any]) -> dict[str, Any]:
    """Give what can change while training runs: all but a reward function of one's own."""
    return {name: value for name, value in reward_config.items() if name != FUNCTION}


class Desk:
    """The middle of one Playground. Any thread may call; nothing here touches a widget.

    Attributes:
        scene: The stage: session, sight, problems, `safely` for callbacks.
        draft: The config that Start will train.
        player: Who plays what is watched.
        choices: Which ways of looking inside are switched on.
        looks: How the boards of small worlds are looked at.
        looking_inside: Whether a view wants to know what the agent sees and thinks.
        seconds: Budget of the next session; None trains all steps of the draft.
        library: The saved runs, as they were listed last.
        run: The saved run that is chosen; None while none is.

    Args:
        painter: Who paints.
        config: What the draft begins with.
        session: The session to show.
        storage: The library of runs; without one, the models folder of this place.
    """

    def __init__(
        self,
        painter: Painter,
        config: RunConfig,
        session: TrainingSession | None = None,
        storage: StorageManager | None = None,
    ) -> None:
        self.scene = SessionScene(painter, session)
        self.draft = Draft(config)
        self.player = get_player()
        self.choices = Choices()
        self.looks = Looks()
        self.looking_inside = False
        self.seconds: float | None = None
        self.library = Library(lambda: self.storage, self.scene.wake)
        self.run: SavedRun | None = None
        self._storage = storage
        self._lock = threading.RLock()
        self._game: Game | None = None
        self._thinker: Thinker | None = None
        self._tables = TableReader(self.scene.wake)
        # What the board showed of a training: the session, its board, thoughts, table and problem.
        self._sight: tuple[Any, ...] = (None, None, None, None, None)
        self._version = 0
        self._last = Shown()  # the picture that was shown last
        self._pace: float | None = None
        self._drafts: weakref.WeakKeyDictionary[TrainingSession, RunConfig] = (
            weakref.WeakKeyDictionary()
        )
        self._tasks: list[str] = []
        self._closing: list[Callable[[], None]] = []
        self._carriers: list[Callable[[float], None]] = []
        #: Opens a tab by its name, and names the one in front; the Playground fills both in.
        self.open_tab: Callable[[str], None] = lambda name: None
        self.chosen_tab: Callable[[], str] = lambda: ""
        #: Takes a point of the board that was clicked, in shares of its width and height.
        self.on_point: Callable[[float, float], None] = lambda x, y: None

    @property
    def storage(self) -> StorageManager:
        """The library of runs."""
        session = self.scene.session
        if self._storage is None:
            self._storage = session.storage if session is not None else get_storage_manager()
        return self._storage

    def wake(self) -> None:
        """Have everything painted now; returns at once."""
        self.scene.wake()

    # Training ------------------------------------------------------------------------------------

    @property
    def session(self) -> TrainingSession | None:
        """The session that is shown."""
        return self.scene.session

    def sessions(self) -> list[TrainingSession]:
        """List the sessions to switch between: what runs, and what ran last; the newest last."""
        known = sessions()
        live = [session for session in known if session.snapshot().state in LIVE]
        ended = [session for session in known if session not in live and session in _started]
        shown = self.session
        if shown is not None and shown not in live and shown not in ended:
            ended.append(shown)
        return sorted([*ended[-LISTED:], *live], key=lambda session: session.started_at)

    def select(self, session: TrainingSession) -> None:
        """Show another session, with its config in the forms.

        What was changed in the forms since comes back with the session that it was changed for.
        """
        with self._lock:
            old = self.session
            if session is old:
                return
            if old is not None:
                self._drafts[old] = self.draft.config
            own = rebuilt(session.config).replace(run_id=None)
            self.draft.adopt(self._drafts.get(session, own))
            self._pace = session.snapshot().moves_per_second
            self._show(session)

    def adopt(self, config: RunConfig) -> None:
        """Take another config into the draft, and into the session what can change live there."""
        with self._lock:
            self.draft.adopt(config.replace(run_id=None), keep_locked=True)
            self._change_live()

    def choose_preset(self, name: str) -> None:
        """Take a preset into the draft, and into the session what can change live there.

        Raises:
            UnknownPreset: When the draft's algorithm has none of this name for its environment.
        """
        with self._lock:
            self.draft.choose_preset(name)
            self._change_live()

    def _change_live(self) -> None:
        """Have the session that runs take from the draft all that can change live."""
        session, config = self.session, self.draft.config
        if session is None or not self.scene.live:
            return
        running = session.config
        if running.algo == config.algo:
            live = get_agent_spec(running.algo).hyperparameters.live_names()
            session.update_hyperparams(**{name: config.hyperparams[name] for name in live})
        if running.env_name == config.env_name:
            session.update_rewards(**_live_rewards(config.reward_config))

    def set(self, *place_and_value: Any) -> bool:
        """Change an option of the draft, and of the session that runs where it can change live.

        Returns:
            Whether the value is allowed; `draft.problems` says why not.
        """
        *place, value = place_and_value
        with self._lock:
            if not self.draft.set(*place, value):
                return False
            session = self.session
            if session is None or not self.scene.live or len(place) != 2:
                return True
            part, name = place
            running, wanted = session.config, self.draft.config
            live = get_agent_spec(running.algo).hyperparameters.live_names()
            if part == "reward_config" and running.env_name == wanted.env_name:
                session.update_rewards(**_live_rewards({name: value}))
            elif part == "hyperparams" and running.algo == wanted.algo and name in live:
                session.update_hyperparams(**{name: value})
            return True

    def start(
        self, session: TrainingSession | None = None, *, seconds: float | None = None
    ) -> TrainingSession:
        """Start a prepared session or the draft, and show it.

        Args:
            session: A session in state new, such as one that goes on with a run. Without one, the
                session that is shown is started if it is new and the draft still says the same;
                otherwise a new session of the draft.
            seconds: The budget of training from here on; without it, the one that is set for
                sessions of the draft.

        Raises:
            SessionError: When the draft holds values that are not allowed.
            RlplayError: When it cannot start.
        """
        with self._lock:
            if session is None:
                problems = self.draft.problems
                if problems:
                    raise SessionError(
                        "Not started, since a value is not allowed: " + " ".join(problems.values())
                    )
                session = self._prepared()
                if session is None:
                    config = self.draft.config.replace(run_id=None)
                    session = TrainingSession(config, self.storage)
                seconds = self.seconds if seconds is None else seconds
            if seconds is not None:
                session.seconds = seconds
            session.set_speed(self._pace)
            session.start()
            _started.append(session)
            self._show(session, begins=True)
            return session

    def _prepared(self) -> TrainingSession | None:
        """Give the session that is shown, where it is what Start should begin."""
        session = self.session
        if session is None or session.state != "new":
            return None
        try:
            same = session.config.replace(run_id=None) == self.draft.config
        except RlplayError:  # what it was made of was registered anew, with other options
            return None
        return session if same else None

    def _show(self, session: TrainingSession, *, begins: bool = False) -> None:
        """Show a session, on the board too.

        Who watched the weights of the one before watches this one's. Who plays, plays on, until a
        training begins.
        """
        before, game = self.session, self._game
        self.scene.show(session)
        if isinstance(game, AgentGame) and isinstance(game.source, LiveWeights):
            if game.source.session is before and before is not session:
                self.watch(AgentGame.of_session(session, greedy=game.greedy, pace=game.pace))
        elif begins or not isinstance(game, PersonGame):
            self.watch(None)

    @property
    def pace(self) -> float | None:
        """Moves a second that the next session starts with; None is as fast as it goes."""
        return self._pace

    def set_pace(self, pace: float | None) -> None:
        """Train at another pace, the session that is shown and the next one."""
        self._pace = pace
        session = self.session
        if session is not None and session.snapshot().state in ("new", *LIVE):
            session.set_speed(pace)

    def set_pace_shown(self, pace: float | None) -> None:
        """Adopt the pace that the session has, whoever set it."""
        self._pace = pace

    # Watching ------------------------------------------------------------------------------------

    @property
    def game(self) -> Game | None:
        """The game that the board shows; None while it shows the training board."""
        return self._game

    def watch(self, game: Game | None) -> None:
        """Show a game on the board; None shows the training board again."""
        with self._lock:
            if game is not None and game is self._game:
                return
            old, self._game = self._game, game
            if old is not None:
                self.player.remove(old)
            if game is not None:
                game.thinking = self.looking_inside
                game.on_move = self.wake
                self.player.add(game)
        self.wake()

    def open_replay(self, replay: Replay, at: int = 0) -> ReplayGame:
        """Show a replay on the board, with its controls in front.

        Args:
            replay: The replay.
            at: The step that it begins with.
        """
        listed = self.library.runs.get((slug(replay.env_name), replay.run_id))
        game = ReplayGame(replay, at, title="" if listed is None else title(listed))
        self.watch(game)
        self.open_tab("Replays")
        return game

    def open_replay_of(self, ending: str) -> None:
        """Show the newest replay of the session's run whose episode ended in this way."""
        session = self.session
        run_id = None if session is None else session.run_id
        if session is None or run_id is None:
            raise SessionError("No episode was trained yet. Press Start first.")
        env_name, storage = session.config.env_name, session.storage

        def load() -> Replay:
            for listed in reversed(storage.list_replays(env_name, run_id)):
                if listed["ending"] == ending:
                    return storage.load_replay(env_name, run_id, listed["replay_id"])
            words = ENDINGS[ending][0] if ending in ENDINGS else ending
            raise SessionError(
                f"No replay is kept yet of an episode that ended so: {words}. A run keeps its "
                "best replays, the newest of each ending and some others; try again in a moment."
            )

        self.run = (slug(env_name), run_id)
        self.work("opening the replay", load, self.open_replay)

    def press(self, key: str) -> None:
        """Hand a key to the game that is shown; see `Game.press`."""
        game = self._game
        if game is not None:
            game.press(key)
            self.player.wake()
            self.wake()

    def look_inside(self, wanted: bool) -> None:
        """Say whether a view wants to know what the agent sees and thinks."""
        self.looking_inside = wanted
        if self._game is not None:
            self._game.thinking = wanted
        self.player.wake()
        self.wake()

    def shown(self, frame: Frame) -> Shown:
        """Give what the board shows now; the painter's alone."""
        session = frame.session
        thinker = self._think_about(session)
        game = self._game
        if game is not None:
            shown = game.shown()
            if shown.state is None and not shown.problem:
                # The picture stays until the first board of the game is there.
                return replace(self._last, words=shown.words or "one moment", step=0, score=0.0)
            self._last = replace(shown, ending=None, observation=None, thoughts=None, table=None)
            return shown
        snapshot, thoughts, table, failed = frame.snapshot, None, None, Shown()
        if thinker is not None:
            failed, thought = thinker.shown(), thinker.look()
            # Whoever cannot think does not hold up the board.
            if thought is not None and not failed.problem:
                snapshot, thoughts = thought
        if session is not None and self.looks.wants_table(snapshot.env_name):
            table = self._tables.look(session, frame.snapshot)
        sight = (session, snapshot.board_version, thoughts, table, failed.problem)
        if any(new is not old for new, old in zip(sight, self._sight, strict=True)):
            self._sight = sight
            self._version += 1
        last = snapshot.last_episodes[-1]["ending"] if snapshot.last_episodes else None
        shown = Shown(
            env_name=snapshot.env_name or self.draft.config.env_name,
            state=snapshot.game_state,
            words="training",
            score=snapshot.current_score,
            ending=last if snapshot.state in ("finished", "failed") else None,
            env_config=session.config.env_config if session is not None else {},
            observation=snapshot.observation,
            thoughts=thoughts,
            table=table,
            version=self._version,
            problem=failed.problem and f"Nobody can look inside this agent: {failed.problem}",
            details=failed.details,
        )
        self._last = replace(shown, ending=None, observation=None, thoughts=None, table=None)
        return shown

    def _think_about(self, session: TrainingSession | None) -> Thinker | None:
        """Have somebody think about the training board, while a view looks inside and sees it."""
        wanted = session if self.looking_inside and self._game is None else None
        with self._lock:
            thinker = self._thinker
            if thinker is not None and thinker.session is wanted:
                return thinker
            if thinker is not None:
                self.player.remove(thinker)
            self._thinker = None if wanted is None else Thinker(wanted)
            if self._thinker is not None:
                self._thinker.on_move = self.wake
                self.player.add(self._thinker)
            return self._thinker

    # What takes long -----------------------------------------------------------------------------

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is being done for this Playground, in words."""
        return tuple(self._tasks)

    def work(
        self,
        what: str,
        job: Callable[[], ResultT],
        then: Callable[[ResultT], None] | None = None,
        *,
        quiet: bool = False,
        export: bool = False,
    ) -> None:
        """Have something done that takes long; what it raises is shown as a click's error is.

        Args:
            what: In words: "exporting the run".
            job: Runs in the clerk's thread.
            then: Called there with the result.
            quiet: Whether it is no task that a person has to know of.
            export: Whether it writes a file for elsewhere; other jobs do not wait for it.
        """

        def do() -> None:
            result = job()
            if then is not None:
                then(result)

        safe = self.scene.safely(do)

        def all_of_it() -> None:
            try:
                safe()
            finally:
                if not quiet:
                    self._tasks.remove(what)
                self.wake()

        if not quiet:
            self._tasks.append(what)
        clerk.submit(all_of_it, export=export)
        self.wake()

    def carry(self, call: Callable[[float], None]) -> None:
        """Have something called at every frame, whichever tab is in front.

        Args:
            call: Hands on the next piece of a file, if there is one; takes seconds of the
                monotonic clock.
        """
        self._carriers.append(call)

    def hand_on(self, now: float) -> None:
        """Hand on the next pieces of files; the painter's alone."""
        for call in self._carriers:
            call(now)

    def at_close(self, call: Callable[[], None]) -> None:
        """Have something called when the Playground is closed, such as what ends a game."""
        self._closing.append(call)

    def close(self) -> None:
        """Stop watching."""
        self.watch(None)
        self.looking_inside = False
        self._think_about(None)
        while self._closing:
            self._closing.pop()()

"""The race of the Compare tab: who races, the boards, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anywidget
import ipywidgets as ipw
import traitlets as t

from rlplay.config import RunConfig
from rlplay.errors import ConfigError, RlplayError
from rlplay.seeding import EPISODE_SEED_BITS
from rlplay.storage.files import slug
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.board import Board
from rlplay_widgets.charts import short_name
from rlplay_widgets.desk import Desk
from rlplay_widgets.games.agent import AgentGame
from rlplay_widgets.games.race import MOST_LANES, RULES, Race, RuleGame, Standing
from rlplay_widgets.library import title
from rlplay_widgets.player import Game, Shown
from rlplay_widgets.scene import LIVE, Frame, assign, free
from rlplay_widgets.theme import ENDINGS, count, escape, number, script

__all__ = ["Entrant", "RaceView"]

#: Seconds between two pictures of the boards: several boards share what one alone may take.
_EVERY = 0.1
#: Seconds between two looks whether all lanes stand at the start.
_ASK = 0.3
#: Moves a second, at the fastest.
_FASTEST = 200.0
#: Saved runs that are offered, the newest.
_RUNS = 60


@dataclass(frozen=True)
class Entrant:
    """Who races on one lane.

    Attributes:
        kind: "session" (its present weights), "run" (saved weights) or "rule" (nothing learned).
        name: Run id of the session; "<environment's folder>/<run id>"; or a name in `RULES`.
        age: Of a run: the steps at which the weights were kept; None for those of its end.
    """

    kind: str
    name: str
    age: int | None = None

    @property
    def key(self) -> str:
        """What the browser calls it, its age left out."""
        return f"{self.kind}:{self.name}"


class RaceWidget(anywidget.AnyWidget):
    """What a person sets of a race."""

    _esm = script("parts.js", "race.js")

    #: Who can race: key, words and group of each.
    offers = t.List().tag(sync=True)
    #: Who does: key, age, and the ages that can be chosen.
    lanes = t.List().tag(sync=True)
    playing = t.Bool().tag(sync=True)
    pace = t.Float(10.0).tag(sync=True)
    fastest = t.Float(_FASTEST).tag(sync=True)
    most = t.Int(MOST_LANES).tag(sync=True)
    seed = t.Int().tag(sync=True)


class RaceView:
    """Two to four agents side by side on the same episodes.

    Args:
        desk: Whose runs and sessions race.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._entrants = self._first()
        self._ages: dict[str, list[int]] = {}
        self._seed = 0
        self._pace = 10.0
        self._playing = False
        self._race: Race | None = None
        self._problem = ""
        self._built: tuple[Any, ...] | None = None  # what the race was made of
        self._building = False
        self._next = float("-inf")
        self._asked = float("-inf")  # when the lanes were last asked to come to the start
        self.head = RaceWidget()
        self.head.on_msg(desk.scene.safely(self._receive))
        self._boards = ipw.Box()
        self._boards.add_class("rlplay-race-boards")
        self._lanes: list[Board] = []
        self.foot = ipw.HTML()
        self.foot.add_class("rlplay-race-foot")
        self.widget = ipw.VBox([self.head, self._boards, self.foot])
        self.widget.add_class("rlplay-race")
        self._closed = False
        desk.at_close(self._close)

    # Who races -----------------------------------------------------------------------------------

    @property
    def race(self) -> Race | None:
        """The race that is on; None until it is made."""
        return self._race

    @property
    def entrants(self) -> tuple[Entrant, ...]:
        """Who races, lane by lane."""
        return self._entrants

    def enter(self, *entrants: Entrant) -> None:
        """Choose who races; the race begins anew.

        Raises:
            ConfigError: For fewer than two, or too many.
        """
        if not 2 <= len(entrants) <= MOST_LANES:
            raise ConfigError(
                f"A race of {len(entrants)} is not allowed: 2 to {MOST_LANES} agents."
            )
        self._entrants = entrants
        for entrant in entrants:
            if entrant.kind == "run" and entrant.name not in self._ages:
                self._ages[entrant.name] = []
                self._desk.work("reading the ages", partial(self._read_ages, entrant.name))
        self._desk.wake()

    def play(self, playing: bool) -> None:
        """Let it go on, or stand still."""
        self._playing = playing
        if self._race is not None:
            self._race.playing = playing
            self._desk.player.wake()
        self._desk.wake()

    def set_pace(self, pace: float) -> None:
        """Set the moves a second."""
        self._pace = min(max(pace, 1.0), _FASTEST)
        if self._race is not None:
            self._race.pace = self._pace
            self._desk.player.wake()
        self._desk.wake()

    def begin(self, seed: int) -> None:
        """Begin anew, with this seed for the first episode.

        Raises:
            ConfigError: For a seed out of range.
        """
        if not 0 <= seed < 1 << EPISODE_SEED_BITS:
            raise ConfigError(f"seed = {seed} is not allowed: 0 to {(1 << EPISODE_SEED_BITS) - 1}.")
        self._seed, self._built = seed, None
        self._desk.wake()

    def _first(self) -> tuple[Entrant, ...]:
        """Who races before anybody chose: the run that is, or what is shown, against a rule."""
        desk, session = self._desk, self._desk.session
        apple, random = Entrant("rule", "apple"), Entrant("rule", "random")
        shown = None if session is None else session.run_id
        chosen = desk.run
        if chosen is not None and chosen[1] != shown:
            listed = desk.library.runs.get(chosen)
            if _can_race(listed) if listed else not desk.library.version:
                return (Entrant("run", "/".join(chosen)), apple)
        if shown is not None:
            return (Entrant("session", shown), apple)
        world = slug(desk.draft.config.env_name)
        for run, listed in desk.library.runs.items():
            if run[0] == world and _can_race(listed):
                return (Entrant("run", "/".join(run)), apple)
        return (apple, random)

    @staticmethod
    def _sessions() -> dict[str, TrainingSession]:
        return {str(session.run_id): session for session in sessions() if session.run_id}

    def _offers(self) -> list[list[str]]:
        """Who can race: what runs, what was saved, and rules."""
        offers = [
            [Entrant("session", run_id).key, f"{short_name(session.config)}, now", "Training"]
            for run_id, session in self._sessions().items()
            if session.snapshot().state in LIVE or Entrant("session", run_id) in self._entrants
        ]
        live = {run_id for run_id, session in self._sessions().items() if _live(session)}
        for run, listed in list(self._desk.library.runs.items())[:_RUNS]:
            if _can_race(listed) and run[1] not in live:
                offers.append([Entrant("run", "/".join(run)).key, title(listed), "Saved"])
        offers += [
            [Entrant("rule", name).key, rule.words, "Nothing learned"]
            for name, rule in RULES.items()
        ]
        return offers

    # The clerk's thread --------------------------------------------------------------------------

    def _read_ages(self, name: str) -> None:
        environment, _, run_id = name.partition("/")
        self._ages[name] = self._desk.storage.list_snapshots(environment, run_id)
        self._desk.wake()

    def _build(self) -> None:
        """Make the race that is wished, and have it played."""
        try:
            self._end()
            built = (self._entrants, self._seed)
            self._built, self._problem = built, ""
            try:
                race = Race(
                    [self._maker(entrant) for entrant in built[0]], seed=built[1], pace=self._pace
                )
            except RlplayError as error:
                self._problem = str(error)
                return
            race.playing = self._playing
            race.on_move = self._desk.wake
            self._race = race
            self._desk.player.add(race)
            if self._closed:  # meanwhile
                self._end()
        finally:
            self._building = False
            self._desk.wake()

    def _maker(self, entrant: Entrant) -> Callable[[int], Game]:
        """Say how to make a lane's game from its first seed."""
        if entrant.kind == "session":
            session = self._sessions().get(entrant.name)
            if session is None:
                raise ConfigError(
                    f"Session {entrant.name!r} is not there any more. Choose its saved run."
                )
            return lambda seed: AgentGame.of_session(session, seed=seed)
        if entrant.kind == "run":
            environment, _, run_id = entrant.name.partition("/")
            storage = self._desk.storage
            return lambda seed: AgentGame.of_run(
                environment, run_id, storage, age=entrant.age, seed=seed
            )
        rule, config = RULES[entrant.name], self._world()
        return lambda seed: RuleGame(rule, config, seed=seed)

    def _world(self) -> RunConfig:
        """The config of the boards that the rules play on: the first agent's."""
        for entrant in self._entrants:
            if entrant.kind == "run":
                environment, _, run_id = entrant.name.partition("/")
                return self._desk.storage.load_config(environment, run_id)
            if entrant.kind == "session" and entrant.name in self._sessions():
                return self._sessions()[entrant.name].config
        return self._desk.draft.config

    def _close(self) -> None:
        self._closed = True
        self._end()

    def _end(self) -> None:
        race, self._race = self._race, None
        if race is not None:
            self._desk.player.remove(race)

    # Callbacks -----------------------------------------------------------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "play":
            self.play(bool(content["on"]))
        elif kind == "pace":
            self.set_pace(float(content["pace"]))
        elif kind == "begin":
            self.begin(int(content["seed"]))
        elif kind == "enter":
            lane, entrants = int(content["lane"]), list(self._entrants)
            what, _, name = str(content["key"]).partition(":")
            age = content.get("age")
            new = Entrant(what, name, None if age is None else int(age))
            entrants[lane : lane + 1] = [new]
            self.enter(*entrants)
        elif kind == "lanes":
            more = [Entrant("rule", "random")] * MOST_LANES
            self.enter(*[*self._entrants, *more][: int(content["count"])])

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Paint boards, scores and controls."""
        self._desk.library.look(frame.now)
        if self._built != (self._entrants, self._seed) and not self._building:
            self._building = True
            self._desk.work("opening the race", self._build)
        race = self._race
        if race is not None:
            race.look()
            if not race.ready and frame.now >= self._asked + _ASK:
                self._asked = frame.now
                race.step()
                self._desk.player.wake()
        if not frame.fresh and frame.now < self._next:
            return False
        self._next = frame.now + _EVERY
        self._arrange(len(self._entrants))
        assign(
            self.head,
            offers=self._offers(),
            lanes=[
                {
                    "key": entrant.key,
                    "age": entrant.age,
                    "ages": [[age, f"{count(age)} steps"] for age in self._ages_of(entrant)],
                }
                for entrant in self._entrants
            ],
            playing=self._playing,
            pace=self._pace,
            seed=self._seed,
        )
        assign(self.foot, value=self._foot_html(race))
        pictures = [board.paint(frame) for board in self._lanes]
        return any(pictures)

    def _ages_of(self, entrant: Entrant) -> list[int]:
        return self._ages.get(entrant.name, []) if entrant.kind == "run" else []

    def _arrange(self, lanes: int) -> None:
        """Have as many boards as agents."""
        while len(self._lanes) < lanes:
            self._lanes.append(Board(partial(self._board, len(self._lanes))))
        left, self._lanes = self._lanes[lanes:], self._lanes[:lanes]
        children = tuple(board.widget for board in self._lanes)
        if self._boards.children != children:
            self._boards.children = children
            for board in left:
                free(board.widget)
            for number in range(2, MOST_LANES + 1):
                self.widget.remove_class(f"rlplay-lanes-{number}")
            self.widget.add_class(f"rlplay-lanes-{lanes}")

    def _board(self, lane: int, frame: Frame) -> Shown:
        race = self._race
        if race is None or lane >= len(race.boards):
            return Shown()
        # Moves of the lane and moves of the race count apart: a race that is new begins again.
        board = race.boards[lane]
        return replace(board, version=0)

    def _foot_html(self, race: Race | None) -> str:
        """The score below each board, and how the race stands."""
        problem = self._problem or ("" if race is None else race.shown().problem)
        if problem:
            return f'<p class="rlplay-race-problem" role="alert">{escape(problem)}</p>'
        if race is None:
            return '<p class="rlplay-race-words">The race is being prepared.</p>'
        standing = race.standing
        lanes = "".join(_lane_html(board, lane, standing) for lane, board in enumerate(race.boards))
        return (
            f'<div class="rlplay-race-scores">{lanes}</div>'
            f'<p class="rlplay-race-words">{escape(_words(standing))}</p>'
        )


def _can_race(listed: dict[str, Any]) -> bool:
    """Whether a listed run has weights that play."""
    return bool(listed["broken"] is None and listed["episodes"])


def _live(session: TrainingSession) -> bool:
    return session.snapshot().state in LIVE


def _lane_html(board: Shown, lane: int, standing: Standing) -> str:
    """Score and ending of a lane, and what it won."""
    if board.state is None:
        now = escape(board.words or "getting ready")
    else:
        ending = board.ending
        words = "" if ending is None else ENDINGS[ending][0] if ending in ENDINGS else ending
        now = f"<b>{escape(number(board.score))}</b> {escape(words)}"
    wins, scores = standing.wins[lane], standing.scores[lane]
    won = f"{wins} won" if standing.rounds else ""
    if scores:
        won += f", mean {number(sum(scores) / len(scores), 1)}"
    first = " rlplay-race-first" if standing.rounds and wins == max(standing.wins) > 0 else ""
    return (
        f'<div class="rlplay-race-score{first}"><div>{now}</div><small>{escape(won)}</small></div>'
    )


def _words(standing: Standing) -> str:
    """How a race stands, in a sentence."""
    parts = [f"Episode {standing.rounds + 1}, seed {standing.seed}."]
    if standing.ties:
        parts.append(f"{standing.ties} shared.")
    if standing.better is not None:
        parts.append(
            f"The left one scores higher with probability {standing.better:.2f} "
            f"(all pairs of {standing.rounds} episodes)."
        )
    return " ".join(parts)

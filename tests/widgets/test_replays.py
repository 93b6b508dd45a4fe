"""Replays: played, dragged through, kept as files and taken over, without a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import rlplay
from rlplay.samples import sample_path
from rlplay.storage import Replay, StorageManager, get_storage_manager
from rlplay_widgets import Playground
from rlplay_widgets.games import AgentGame, PersonGame, ReplayGame
from rlplay_widgets.panels.replays import ReplaysPanel, taking_over
from rlplay_widgets.player import Player

from .conftest import StillSession


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> StorageManager:
    storage = StorageManager(tmp_path_factory.mktemp("library"))
    storage.import_run(sample_path("good"))
    return storage


@pytest.fixture(scope="module")
def replay(library: StorageManager) -> Replay:
    """The best replay of a run that has trained."""
    (run,) = library.list_runs()
    place = run["env_name"], run["run_id"]
    best = max(library.list_replays(*place), key=lambda listed: listed["score"])
    return library.load_replay(*place, best["replay_id"])


# The game -------------------------------------------------------------------------------------


def play(game: ReplayGame, player: Player, moves: int = 1, start: float = 0.0) -> None:
    for move in range(moves):
        player.tick(start + move)


@pytest.fixture
def player() -> Player:
    return Player(threaded=False)


def test_it_plays_to_the_end_and_stands(replay: Replay, player: Player) -> None:
    game = ReplayGame(replay)
    player.add(game)
    frames = replay.frames()
    for step in range(replay.length + 1):
        player.tick(float(step))
        shown = game.shown()
        assert (shown.step, shown.state) == (step, frames[step])
        assert shown.ending == (replay.ending if step == replay.length else None)
    assert shown.score == replay.score
    assert not game.playing
    player.tick(1e6)
    assert game.shown() is shown
    # Play begins again.
    game.play()
    play(game, player, start=2e6)
    assert game.shown().step == 0
    assert list(game.apple_steps) == frames.apple_steps()


def test_seeking_and_steps_both_ways(replay: Replay, player: Player) -> None:
    game = ReplayGame(replay, at=10)
    player.add(game)
    frames = replay.frames()
    play(game, player)
    assert game.shown().step == 10
    for do, step in (
        (lambda: game.step(-1), 9),
        (lambda: game.step(), 10),
        (lambda: game.press("left"), 9),
        (lambda: game.seek(replay.length), replay.length),
        (lambda: game.step(), replay.length),
        (lambda: game.seek(-5), 0),
        (lambda: game.step(-1), 0),
    ):
        do()
        play(game, player)
        assert (game.shown().step, game.shown().state) == (step, frames[step])
    assert not game.playing


def test_of_many_wishes_only_the_newest_is_played(replay: Replay, player: Player) -> None:
    game = ReplayGame(replay)
    game.pause()
    player.add(game)
    play(game, player)
    before = game.shown().version
    for step in range(1, 50):
        game.seek(step)
    player.tick(1.0)
    player.tick(2.0)
    assert game.shown().step == 49
    assert game.shown().version == before + 1


def test_the_rate_is_that_of_eight_moves_a_second(replay: Replay, player: Player) -> None:
    game = ReplayGame(replay)
    game.rate = 16.0
    assert game.pace == 128.0
    game.rate = 0.5
    player.add(game)
    player.tick(0.0)
    player.tick(0.2)
    assert game.shown().step == 0
    player.tick(0.26)
    assert game.shown().step == 1


def test_a_replay_that_ends_too_early_is_shown_as_far_as_it_goes(replay, player: Player) -> None:
    longer = replay.model_copy(
        update={"actions": (*replay.actions, 0, 0), "length": replay.length + 2}
    )
    game = ReplayGame(longer, at=3)
    player.add(game)
    play(game, player)
    assert (game.shown().step, game.shown().problem) == (3, "")
    game.seek(longer.length)
    play(game, player, start=10.0)
    assert "ends after" in game.shown().problem


def test_any_step_of_a_long_episode_comes_at_once(player: Player) -> None:
    """Not a measurement: only far from what a person would feel as slow."""
    config = {**rlplay.get_default_config().env_config, "starvation_limit": 1_000_000}
    env = rlplay.create_env("snake", **config)
    env.reset(seed=1)
    actions = tuple([1] * 5000)  # round and round
    for action in actions:
        _, _, terminated, _, _ = env.step(action)
        assert not terminated
    long = Replay(
        replay_id="long",
        run_id="run",
        env_name="snake",
        env_config=config,
        reward_config=rlplay.get_default_config().reward_config,
        environment_version=1,
        episode_seed=1,
        actions=actions,
        score=0.0,
        length=5000,
        episode_return=0.0,
        ending="truncated",
        death_reason=None,
        final_hash="0" * 64,
        episode=1,
        total_steps=5000,
    )
    game = ReplayGame(long)
    game.pause()
    player.add(game)
    play(game, player)
    took = []
    for step in (4999, 3, 2500, 4321, 0, 1234):
        began = time.perf_counter()
        game.seek(step)
        player.tick(float(step))
        took.append(time.perf_counter() - began)
        assert game.shown().step == step
    assert sorted(took)[len(took) // 2] < 0.05


# The panel ------------------------------------------------------------------------------------


class Driver:
    """A Playground at its Replays tab, painted by the test."""

    def __init__(self, painter: Any, session: Any = None) -> None:
        self.painter = painter
        self.playground = Playground(session)
        self.desk = self.playground.desk
        self.desk.open_tab("Replays")
        painter.tick()
        self.panel: ReplaysPanel = self.playground.tabs.panels["Replays"]

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.painter.tick()
            if condition():
                return
            assert time.monotonic() < deadline, f"not in time; {self.problems}"
            time.sleep(0.01)

    @property
    def problems(self) -> list[str]:
        return [problem.text for problem in self.desk.scene.problems.values()]

    def tell(self, **content: Any) -> None:
        self.panel._receive(None, content, [])


@pytest.fixture
def run(library: StorageManager, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("RLPLAY_MODELS", str(library.base_dir))
    (listed,) = [run for run in library.list_runs() if run["name"] == "Sample: good"]
    return listed["env_name"], listed["run_id"]


@pytest.fixture
def driver(painter, run) -> Driver:
    driver = Driver(painter)
    driver.desk.run = run
    driver.until(lambda: driver.panel.table.rows)
    return driver


def open_best(driver: Driver, replay: Replay) -> ReplayGame:
    driver.panel.table._receive(None, {"kind": "select", "keys": [replay.replay_id]}, [])
    driver.until(lambda: isinstance(driver.desk.game, ReplayGame))
    driver.until(lambda: driver.panel.bar.length == replay.length)
    return driver.desk.game


def test_the_replays_of_the_chosen_run_are_listed(driver: Driver, library, run) -> None:
    listed = library.list_replays(*run)
    rows = driver.panel.table.rows
    assert [row.cells[:2] for row in rows] == [(each["score"], each["length"]) for each in listed]
    assert driver.panel.runs.value == run


def test_replays_are_listed_again_only_when_a_file_changed(
    driver: Driver, library, run, replay: Replay, monkeypatch
) -> None:
    def look() -> int:
        driver.panel._next = float("-inf")
        driver.painter.tick()
        driver.until(lambda: not driver.panel._listing)
        return len(listings)

    listings: list[tuple[str, ...]] = []
    list_replays = StorageManager.list_replays
    monkeypatch.setattr(
        StorageManager,
        "list_replays",
        lambda self, *place: listings.append(place) or list_replays(self, *place),
    )
    assert [look(), look()] == [0, 0]
    copy = replay.model_copy(update={"replay_id": "another"})
    path = library.save_replay(copy)
    try:
        assert [look(), look()] == [1, 1]
        row = next(row for row in driver.panel.table.rows if row.key == "another")
        assert row.cells[-1] == pytest.approx(path.stat().st_mtime)
    finally:
        path.unlink()
    assert look() == 2
    assert all(row.key != "another" for row in driver.panel.table.rows)


def test_a_replay_is_opened_dragged_and_verified(driver: Driver, replay: Replay) -> None:
    game = open_best(driver, replay)
    driver.until(lambda: driver.panel.bar.apples)
    assert driver.panel.bar.apples == replay.frames().apple_steps()
    driver.until(lambda: "verified" in driver.panel.words.value)
    driver.tell(kind="rate", rate=16)
    driver.tell(kind="rate", rate=1e9)
    assert game.rate == 16.0
    game.pause()
    driver.tell(kind="seek", to=20)
    driver.until(lambda: driver.panel.bar.position == 20)
    driver.tell(kind="forth")
    driver.until(lambda: driver.panel.bar.position == 21)
    driver.tell(kind="back")
    driver.until(lambda: driver.panel.bar.position == 20)
    shown = driver.desk.shown(driver_frame(driver))
    assert shown.state == replay.frames()[20]
    driver.tell(kind="play")
    driver.until(lambda: driver.panel.bar.playing and driver.panel.bar.position > 22)


def driver_frame(driver: Driver) -> Any:
    from rlplay.training.monitor import Snapshot
    from rlplay_widgets.scene import Frame
    from rlplay_widgets.theme import LIGHT

    return Frame(0.0, None, Snapshot(), LIGHT, False, False, {})


def test_a_replay_that_is_not_what_was_played_says_so(driver: Driver, replay: Replay) -> None:
    liar = replay.model_copy(update={"score": 77.0, "ending": "<b>bold</b>"})
    driver.desk.open_replay(liar)
    driver.until(lambda: "not what was played" in driver.panel.words.value)
    assert "77" in driver.panel.words.value
    assert "<b>bold" not in driver.panel.words.value


@pytest.mark.parametrize("kind", ["gif", "html", "mp4"])
def test_it_is_saved_as_a_file(driver: Driver, library, replay: Replay, kind: str) -> None:
    short = replay.model_copy(update={"actions": replay.actions[:30], "length": 30})
    driver.desk.open_replay(short)
    driver.until(lambda: not driver.panel.saves[kind].disabled)
    driver.panel.saves[kind].click()
    driver.until(lambda: driver.panel.receipt.widget.path)
    path = library.base_dir / "exports" / f"{short.run_id}-{short.replay_id}.{kind}"
    assert driver.panel.receipt.widget.path == str(path)
    at, magic = {"gif": (0, b"gif89a"), "html": (0, b"<!doctype html>"), "mp4": (4, b"ftyp")}[kind]
    assert path.read_bytes()[at : at + len(magic)].lower() == magic


def test_without_its_extra_a_video_says_how_to_get_it(driver, replay, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    driver.desk.open_replay(replay)
    driver.until(lambda: not driver.panel.saves["mp4"].disabled)
    driver.panel.saves["mp4"].click()
    driver.until(lambda: driver.problems)
    assert "pip install imageio-ffmpeg" in driver.problems[0]


def test_a_person_takes_over_where_the_replay_stands(driver: Driver, replay: Replay) -> None:
    game = open_best(driver, replay)
    game.pause()
    driver.tell(kind="seek", to=25)
    driver.until(lambda: driver.panel.bar.position == 25)
    driver.panel.take_over.click()
    person = driver.desk.game
    assert isinstance(person, PersonGame)
    driver.until(lambda: person.shown().state is not None)
    assert person.shown().state == replay.frames()[25]
    # Who moves the slider has the replay back.
    driver.tell(kind="seek", to=7)
    driver.until(lambda: isinstance(driver.desk.game, ReplayGame))
    driver.until(lambda: driver.panel.bar.position == 7)


def test_an_agent_takes_over_where_the_replay_stands(driver: Driver, run, replay: Replay) -> None:
    game = open_best(driver, replay)
    game.pause()
    driver.tell(kind="seek", to=30)
    driver.until(lambda: driver.panel.bar.position == 30 and driver.panel.taker.value == run)
    driver.panel.let.click()
    driver.until(lambda: isinstance(driver.desk.game, AgentGame))
    agent = driver.desk.game
    driver.until(lambda: agent.shown().step > 30)
    assert [step.action for step in agent.trajectory[:30]] == list(replay.actions[:30])
    assert agent.seed == replay.episode_seed


def test_only_agents_that_see_what_they_know_can_take_over(library, run, replay: Replay) -> None:
    config = library.load_config(*run)
    same = taking_over(config, replay)
    assert same is not None
    larger = replay.model_copy(update={"env_config": {**replay.env_config, "grid_size": 12}})
    taken = taking_over(config, larger)
    assert taken is not None
    assert taken.env_config["grid_size"] == 12
    whole = config.replace(env_config={**config.env_config, "vision": -1})
    assert taking_over(whole, larger) is None


def test_the_newest_replay_of_an_ending_is_opened(painter, library, run, monkeypatch) -> None:
    session = StillSession(library.load_config(*run))
    session.monitor.publish(run_id=run[1], env_name="snake", state="finished")
    driver = Driver(painter, session)
    driver.until(lambda: driver.panel.table.rows)
    listed = library.list_replays(*run)
    ending = listed[0]["ending"]
    newest = [each for each in listed if each["ending"] == ending][-1]
    driver.desk.open_replay_of(ending)
    driver.until(lambda: isinstance(driver.desk.game, ReplayGame))
    assert driver.desk.game.replay.replay_id == newest["replay_id"]
    driver.until(lambda: driver.panel.table.selected == (newest["replay_id"],))
    driver.desk.open_replay_of("struck by lightning")
    driver.until(lambda: driver.problems)
    assert "struck by lightning" in driver.problems[0]


def test_clicking_through_many_opens_the_last(driver: Driver, library, run) -> None:
    keys = [each["replay_id"] for each in library.list_replays(*run)]
    held = threading.Event()
    from rlplay_widgets import clerk

    clerk.submit(held.wait)
    for key in keys:
        driver.panel.table._receive(None, {"kind": "select", "keys": [key]}, [])
    opened: list[str] = []
    real = driver.desk.open_replay
    driver.desk.open_replay = lambda replay: (opened.append(replay.replay_id), real(replay))
    held.set()
    driver.until(lambda: isinstance(driver.desk.game, ReplayGame))
    driver.until(lambda: driver.panel.table.selected == (keys[-1],))
    assert opened == [keys[-1]]


def test_a_live_session_is_followed_until_a_run_is_chosen(painter, run) -> None:
    assert get_storage_manager().list_runs()
    driver = Driver(painter)
    assert driver.panel.table.rows == ()
    driver.desk.run = run
    driver.until(lambda: driver.panel.table.rows)

"""The Watch tab, the line below the board, and the keys; without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rlplay
from rlplay.envs import ENV_REGISTRY, create_env, register_env
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage import get_storage_manager
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground
from rlplay_widgets.games import AgentGame, LiveWeights, PersonGame, ReplayGame
from rlplay_widgets.games.agent import SnapshotWeights
from rlplay_widgets.games.episode import Seeds
from rlplay_widgets.panels.watch import WatchPanel

from .conftest import StillSession
from .test_games import Corridor, weights_that_choose


class Driver:
    """A Playground at its Watch tab, painted by the test."""

    def __init__(self, painter: Any, session: Any = None) -> None:
        self.painter = painter
        self.playground = Playground(session)
        self.desk = self.playground.desk
        self.desk.open_tab("Watch")
        painter.tick()
        self.panel: WatchPanel = self.playground.tabs.panels["Watch"]
        painter.tick()

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.painter.tick()
            if condition():
                return
            assert time.monotonic() < deadline, f"not in time; {self.problems}; {self.line}"
            time.sleep(0.01)

    @property
    def problems(self) -> list[str]:
        return [problem.text for problem in self.desk.scene.problems.values()]

    @property
    def line(self) -> dict[str, Any]:
        return self.playground.caption.widget.line

    @property
    def pad(self) -> dict[str, Any]:
        return self.playground.caption.widget.pad

    def says(self, words: str) -> bool:
        return words in str(self.line.get("words", "")).replace("\u202f", " ")


@pytest.fixture
def driver(painter, monkeypatch) -> Driver:
    # In a game whose seed nobody chose, the snake begins where it can go up three times.
    monkeypatch.setattr(
        "rlplay_widgets.games.person.Seeds", lambda seed: Seeds(0 if seed is None else seed)
    )
    return Driver(painter)


def config(**changes: Any) -> rlplay.RunConfig:
    small = rlplay.get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 6, "vision": 1},
        network_config={"layers": [{"units": 16}]},
        num_envs=16,
        num_threads=1,
    )
    return small.replace(**changes)


def seen(control: Any) -> bool:
    return control.layout.display != "none"


def test_it_begins_with_the_training_board(driver: Driver) -> None:
    panel = driver.panel
    assert panel.kind.value == "training"
    assert not any(map(seen, (panel.greedy, panel._age_row, panel._game_row, panel.keep)))
    assert "Press Start" in panel.note.value
    assert driver.line["numbers"] == ""
    # Nobody trained yet: the samples are there to be watched.
    assert [value for _, value in panel.run.options] == list(reversed(SAMPLES))


def test_a_person_plays_with_keys_and_buttons(driver: Driver) -> None:
    keys, panel = driver.playground.keys, driver.panel
    assert not keys.widget.active
    keys._receive(None, {"kind": "key", "key": "space"}, [])  # nothing is played: nothing happens
    panel.kind.value = "you"
    driver.until(lambda: driver.line["numbers"] == "step 0 · score 0")
    assert driver.says("you play")
    assert keys.widget.active
    assert "first arrow" in keys.widget.label
    assert keys.widget.digits == 0  # they are the notebook's, where no digit does anything
    assert driver.pad == {"arrows": True, "actions": [], "go": ""}
    assert panel.pause.disabled
    assert panel.keep.disabled
    panel.pace.value = 2.0
    assert driver.desk.game.pace == 2.0
    keys._receive(None, {"kind": "key", "key": "Tab"}, [])
    keys._receive(None, {"kind": "key", "key": "up"}, [])
    driver.until(lambda: driver.desk.game.trajectory)
    driver.until(lambda: panel.table.rows)
    driver.until(lambda: driver.pad["go"] in ("Pause", "Next game"))
    driver.until(lambda: driver.desk.game.ended, seconds=60)
    driver.until(lambda: driver.line["ending"] == "hit the wall" and driver.pad["go"] != "Pause")
    assert driver.line["look"] == "wall"
    assert driver.pad["go"] == "Next game"
    driver.until(lambda: len(panel.table.rows) == len(driver.desk.game.trajectory))
    last = panel.table.rows[-1]
    assert last.cells[0] == len(panel.table.rows)
    assert last.cells[2] < -0.9  # what death costs
    ended = driver.desk.game.trajectory
    driver.playground.caption._receive(None, {"kind": "press", "key": "space"}, [])
    driver.until(lambda: driver.line["ending"] == "" and not panel.table.rows)
    assert len(ended) > 0
    assert driver.problems == []


def test_step_by_step(driver: Driver) -> None:
    driver.panel.stepwise.value = True
    driver.panel.kind.value = "you"
    driver.until(lambda: driver.line["numbers"] == "step 0 · score 0")
    assert driver.panel.stepwise.value
    assert driver.panel.pace.disabled
    driver.desk.press("up")
    driver.until(lambda: driver.line["numbers"].startswith("step 1 "))
    time.sleep(0.5)
    driver.painter.tick()
    assert driver.line["numbers"].startswith("step 1 ")
    driver.panel.stepwise.value = False
    driver.desk.press("up")
    driver.until(lambda: not driver.line["numbers"].startswith("step 1 "))


def test_what_was_played_opens_as_a_replay(driver: Driver) -> None:
    driver.panel.stepwise.value = True
    driver.panel.kind.value = "you"
    for _ in range(2):
        driver.desk.press("up")
    game = driver.desk.game
    # A snake that begins beside the wall has met it with the first step.
    driver.until(
        lambda: (
            (len(game.trajectory) == 2 or (game.trajectory and driver.line["ending"]))
            and not driver.panel.keep.disabled
        )
    )
    actions = [step.action for step in game.trajectory]
    driver.panel.keep.click()
    driver.until(lambda: isinstance(driver.desk.game, ReplayGame))
    replay = driver.desk.game.replay
    assert replay.verify()
    assert list(replay.actions) == actions
    assert driver.playground.tabs.chosen == "Replays"
    # The Watch tab says what is there, and whose it is.
    driver.desk.open_tab("Watch")
    driver.until(lambda: driver.panel.kind.value is None)
    assert "replay" in driver.panel.note.value


def test_buttons_of_another_environment(painter) -> None:
    register_env("corridor", Corridor)
    try:
        driver = Driver(painter, rlplay.get_default_config("ppo", "corridor"))
        driver.panel.kind.value = "you"
        driver.until(lambda: driver.pad.get("actions"))
        assert driver.pad == {"arrows": False, "actions": list(Corridor.action_names), "go": ""}
        caption = driver.playground.caption
        for action in (2, 9, 1):
            caption._receive(None, {"kind": "act", "action": action}, [])
        driver.until(lambda: len(driver.panel.table.rows) == 2)
        assert [row.cells[1] for row in driver.panel.table.rows] == ["walk right", "wait"]
        assert not seen(driver.panel.stepwise)
        # An error in the environment stands below the board, and harms nothing.
        for _ in range(4):
            caption._receive(None, {"kind": "act", "action": 0}, [])
            time.sleep(0.05)
        driver.until(lambda: driver.line["problem"])
        assert driver.line["problem"] == "RuntimeError: <fell> off the corridor"
        assert "Traceback" in driver.line["details"]
        assert driver.problems == []
        driver.panel.new.click()
        driver.until(lambda: driver.line["problem"] == "" and driver.says("you play"))
    finally:
        del ENV_REGISTRY["corridor"]


def test_a_sample_plays_and_leaves_the_library_alone(driver: Driver) -> None:
    panel = driver.panel
    panel.run.value = "beginner"
    driver.until(lambda: isinstance(driver.desk.game, AgentGame))
    driver.until(lambda: driver.line["numbers"].startswith("step ") and panel.table.rows)
    assert (panel.kind.value, panel.run.value) == ("present", "beginner")
    assert driver.says("Sample: beginner at")
    assert driver.says("greedy")
    assert get_storage_manager().list_runs() == []
    panel.greedy.value = False
    driver.until(lambda: driver.says("sampled"))
    panel.pause.click()
    driver.until(lambda: panel.pause.description == "Go on")
    step = driver.desk.game.shown().step
    panel.move.click()
    driver.until(lambda: driver.desk.game.shown().step == step + 1)
    seed = driver.desk.game.seed
    panel.new.click()
    driver.until(lambda: driver.desk.game.seed != seed)
    # The sample opens once.
    panel.run.value = "good"
    driver.until(lambda: driver.says("Sample: good at"))
    panel.run.value = "beginner"
    driver.until(lambda: driver.says("Sample: beginner at"))
    assert len(panel._samples) == 2


def test_ages_of_a_saved_run_on_the_same_board(painter) -> None:
    storage = get_storage_manager()
    env_name, run_id = storage.import_run(sample_path("good"))
    ages = storage.list_snapshots(env_name, run_id)
    driver = Driver(painter)
    panel = driver.panel
    driver.until(lambda: (env_name, run_id) in [value for _, value in panel.run.options])
    # The newest run is what is offered first.
    assert panel.run.value == (env_name, run_id)
    panel.kind.value = "age"
    driver.until(lambda: [value for _, value in panel.age.options] == ages)
    driver.until(lambda: driver.says(f"as it played at {ages[0]} steps"))
    assert isinstance(driver.desk.game.source, SnapshotWeights)
    seed = driver.desk.game.seed
    panel.age.value = ages[-1]
    driver.until(lambda: driver.says(f"as it played at {ages[-1]:_} steps".replace("_", " ")))
    assert driver.desk.game.seed == seed
    assert panel.age.value == ages[-1]
    assert driver.problems == []


def test_what_is_not_there_is_said_and_taken_back(painter) -> None:
    driver = Driver(painter, StillSession(config()))
    driver.panel.kind.value = "age"
    assert "no weights yet" in driver.problems[0]
    driver.painter.tick()
    assert driver.panel.kind.value == "training"
    # Painting is no click: what a click said stays until the next one.
    for _ in range(3):
        driver.painter.tick()
    assert "no weights yet" in driver.problems[0]
    driver.panel.kind.value = "you"
    assert driver.problems == []


def test_a_session_is_watched_while_it_trains(painter) -> None:
    session = TrainingSession(config())
    session.start(max_speed=True)
    driver = Driver(painter, session)
    panel = driver.panel
    panel.kind.value = "present"
    driver.until(lambda: driver.says("the weights at") and panel.table.rows)
    assert panel.run.value == "session"
    first = driver.line["words"]
    steps = session.snapshot().total_steps
    driver.until(lambda: driver.line["words"] != first)
    assert session.snapshot().total_steps > steps
    # The ages that were kept so far, and those that come.
    panel.kind.value = "age"
    driver.until(lambda: len(panel.age.options) > 1)
    known = len(panel.age.options)
    driver.until(lambda: len(panel.age.options) > known, seconds=60)
    assert panel.run.value == "session"
    session.stop()
    session.wait(30)
    # After the end, the weights that it ended with.
    panel.kind.value = "present"
    ended = f"the weights at {session.snapshot().total_steps:_} steps".replace("_", " ")
    driver.until(lambda: driver.says(ended))
    assert driver.problems == []


def test_another_session_is_followed(painter) -> None:
    first, second = StillSession(config()), StillSession(config())
    for session, action in ((first, 1), (second, 2)):
        session.monitor.publish(state="running", run_id=f"r{action}")
        weights = weights_that_choose(action, session.config)
        session.monitor.publish_weights(10**action, 0, weights)
    driver = Driver(painter, first)
    driver.panel.kind.value = "present"
    driver.panel.greedy.value = False
    driver.panel.pace.value = 30.0
    driver.until(lambda: driver.says("the weights at 10 steps, sampled"))
    driver.desk.select(second)
    driver.until(lambda: driver.says("the weights at 100 steps, sampled"))
    game = driver.desk.game
    assert isinstance(game.source, LiveWeights)
    assert game.pace == pytest.approx(30.0)


def test_a_game_of_another_panel_is_shown_with_its_settings(painter) -> None:
    storage = get_storage_manager()
    run = storage.import_run(sample_path("beginner"))
    driver = Driver(painter)
    driver.desk.watch(AgentGame.of_run(*run, storage, greedy=False, pace=33.0))
    driver.until(lambda: driver.panel.kind.value == "present")
    assert driver.panel.run.value == tuple(run)
    assert driver.panel.greedy.value is False
    assert driver.panel.pace.value == 33.0
    driver.panel.kind.value = "age"
    driver.until(lambda: driver.says("as it played at"))
    assert driver.desk.game.source.run_id == run.run_id
    assert driver.desk.game.greedy is False


def test_the_picture_stays_until_the_next_game_has_one(driver: Driver) -> None:
    driver.panel.kind.value = "you"
    driver.until(lambda: driver.line["numbers"])
    state = driver.desk.game.shown().state
    waiting = AgentGame.of_session(StillSession(config()))
    driver.desk.watch(waiting)
    driver.until(lambda: driver.says("waiting for the first weights"))
    assert waiting.shown().state is None
    assert driver.desk.shown(driver_frame(driver)).state == state


def driver_frame(driver: Driver) -> Any:
    from rlplay.training.monitor import Snapshot
    from rlplay_widgets.scene import Frame
    from rlplay_widgets.theme import LIGHT

    return Frame(0.0, driver.desk.session, Snapshot(), LIGHT, False, False, {})


@pytest.fixture
def thoughtful(painter) -> Iterator[Driver]:
    session = StillSession(config())
    env = create_env("snake", **session.config.env_config)
    observation, _ = env.reset(seed=1)
    session.monitor.publish(
        state="running",
        run_id="r1",
        env_name="snake",
        game_state=env.render_state(),
        observation=observation,
    )
    session.monitor.publish_weights(5, 0, weights_that_choose(2, session.config))
    yield Driver(painter, session)
    env.close()


def test_thoughts_about_the_training_board_only_while_somebody_looks(thoughtful: Driver) -> None:
    desk, session = thoughtful.desk, thoughtful.desk.session

    def thoughts() -> Any:
        frame = driver_frame(thoughtful)
        return desk.shown(type(frame)(**{**vars(frame), "snapshot": session.snapshot()}))

    thoughtful.painter.tick()
    assert thoughts().thoughts is None
    assert desk.player.games == ()
    assert not session.monitor.weights_wanted()
    before = thoughts().version
    desk.choices.switch(thinks=True)
    thoughtful.until(lambda: thoughts().thoughts is not None)
    shown = thoughts()
    assert shown.version > before  # the same board is drawn again, now with thoughts
    assert int(np.argmax(shown.thoughts["probabilities"])) == 2
    assert shown.state == session.snapshot().game_state
    assert shown.observation is session.snapshot().observation
    # A game thinks for itself.
    thoughtful.panel.kind.value = "present"
    thoughtful.until(lambda: desk.game.shown().thoughts is not None)
    assert desk.player.games == (desk.game,)
    desk.watch(None)
    thoughtful.until(lambda: len(desk.player.games) == 1)
    desk.choices.switch(thinks=False)
    thoughtful.until(lambda: desk.player.games == ())
    assert thoughts().thoughts is None


def test_the_person_is_given_the_focus_once(driver: Driver, monkeypatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(
        driver.playground.keys.widget, "send", lambda content, buffers=None: sent.append(content)
    )
    driver.panel.kind.value = "you"
    for _ in range(3):
        driver.painter.tick()
    assert sent == [{"kind": "focus"}]
    assert isinstance(driver.desk.game, PersonGame)


def test_nothing_is_sent_while_nothing_changes(driver: Driver, monkeypatch) -> None:
    driver.panel.kind.value = "you"
    driver.until(lambda: driver.line["numbers"])
    driver.until(lambda: not driver.desk.library._waiting)
    driver.painter.tick()
    sent: list[Any] = []
    controls = [driver.panel.kind, driver.panel.run, driver.panel.age, driver.panel.pace]
    controls += [driver.panel.table.widget, driver.panel.note, driver.panel.pause]
    controls += [driver.playground.caption.widget, driver.playground.keys.widget]
    for control in controls:
        monkeypatch.setattr(control, "send_state", lambda key=None: sent.append(key))
        monkeypatch.setattr(control, "send", lambda *content: sent.append(content))
    for _ in range(20):
        driver.painter.tick()
    assert sent == []

"""Games of an agent and of a person, and the player that moves them; without a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from gymnasium import spaces

import rlplay
from rlplay.envs import ENV_REGISTRY, BaseEnvironment, create_env, register_env
from rlplay.errors import ContractError
from rlplay.samples import sample_path
from rlplay.storage import StorageManager, get_storage_manager
from rlplay_widgets.games import AgentGame, PersonGame, Thinker
from rlplay_widgets.games.agent import make_agent
from rlplay_widgets.player import Game, Player, Shown

from .conftest import StillSession


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> StorageManager:
    storage = StorageManager(tmp_path_factory.mktemp("library"))
    storage.import_run(sample_path("good"))
    return storage


@pytest.fixture(scope="module")
def run(library: StorageManager) -> tuple[str, str]:
    (listed,) = library.list_runs()
    return listed["env_name"], listed["run_id"]


@pytest.fixture
def player() -> Player:
    return Player(threaded=False)


class Clock:
    """Moves a player's games through time, without waiting."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.now = 0.0

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            wait = self.player.tick(self.now)
            if self.now + wait > end:
                self.now = end
                return
            self.now += wait


@pytest.fixture
def clock(player: Player) -> Clock:
    return Clock(player)


def config(**changes: Any) -> rlplay.RunConfig:
    small = rlplay.get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 6, "vision": 1}, network_config={"layers": [{"units": 8}]}
    )
    return small.replace(**changes)


def weights_that_choose(action: int, chosen: rlplay.RunConfig) -> dict[str, torch.Tensor]:
    """Weights with which one action looks best, whatever the agent sees."""
    weights = {name: torch.zeros_like(w) for name, w in make_agent(chosen).get_weights().items()}
    *_, bias = (name for name in weights if name.endswith("bias"))
    weights[bias][action] = 5.0
    return weights


# The player -----------------------------------------------------------------------------------


class Counting(Game):
    """Counts its moves."""

    def __init__(self, pace: float = 10.0) -> None:
        super().__init__(pace)
        self.moves = 0
        self.closed = 0

    def move(self) -> bool:
        self.moves += 1
        self.show(Shown(step=self.moves))
        return True

    def close(self) -> None:
        self.closed += 1


def test_a_game_keeps_its_pace_and_takes_another_at_once(player: Player, clock: Clock) -> None:
    game = Counting(pace=0.5)
    player.add(game)
    clock.pass_by(10.5)
    assert game.moves == 6  # at 0, 2, 4, 6, 8 and 10 seconds
    game.pace = 10.0
    clock.pass_by(0.5)
    # The next move is due a tenth of a second after the last one, and not after two seconds.
    assert 11 <= game.moves <= 12


def test_a_late_player_does_not_chase_what_is_lost(player: Player) -> None:
    game = Counting(pace=10.0)
    player.add(game)
    player.tick(0.0)
    for _ in range(5):
        player.tick(100.0)
    assert game.moves == 2


def test_a_step_moves_a_game_that_stands(player: Player, clock: Clock) -> None:
    game = Counting()
    game.playing = False
    player.add(game)
    clock.pass_by(3)
    assert game.moves == 0
    game.step()
    game.step()
    clock.pass_by(3)
    assert game.moves == 2
    game.press("space")
    clock.pass_by(1.05)
    assert game.moves > 10
    game.press("right")
    moves = game.moves
    clock.pass_by(3)
    assert (game.moves, game.playing) == (moves + 1, False)


def test_taking_a_game_away_waits_for_no_move() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Counting):
        def open(self) -> None:
            begun.set()
            assert go_on.wait(20)

    player, game, other = Player(), Slow(), Counting(pace=60)
    player.add(game)
    assert begun.wait(20)
    before = time.monotonic()
    player.remove(game)
    assert time.monotonic() - before < 1.0
    assert game.closed == 0
    player.add(other)
    go_on.set()
    deadline = time.monotonic() + 20
    while not (game.closed and other.moves):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    player.remove(other)
    assert (game.closed, other.closed) == (1, 1)
    while any(thread.name == "rlplay-player" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_whoever_looks_is_woken_by_what_is_new(player: Player, clock: Clock) -> None:
    woken: list[int] = []
    game = Counting(pace=10)
    game.on_move = lambda: woken.append(game.shown().step)
    player.add(game)
    clock.pass_by(0.45)
    assert woken == [1, 2, 3, 4, 5]


# An agent -------------------------------------------------------------------------------------


def states(game: Game, player: Player, moves: int) -> list[Any]:
    seen = []
    for move in range(moves):
        player.tick(2.0 * move)
        seen.append((game.shown().state, game.shown().step, game.shown().ending))
    return seen


@pytest.mark.parametrize("greedy", [True, False])
def test_the_same_seed_gives_the_same_games(library, run, player: Player, greedy: bool) -> None:
    def games(seed: int) -> list[Any]:
        game = AgentGame.of_run(*run, library, age=0, seed=seed, greedy=greedy)
        player.add(game)
        seen = states(game, player, 400)
        player.remove(game)
        assert not game.shown().problem
        return seen

    first = games(3)
    # More than one episode, so that the seeds of later ones are the same too.
    assert any(ending for _, _, ending in first)
    assert games(3) == first
    assert games(4) != first


def test_a_game_is_a_replay_that_verifies(library, run, player: Player) -> None:
    game = AgentGame.of_run(*run, library, seed=1)
    player.add(game)
    states(game, player, 60)
    replay = game.replay()
    assert replay.verify()
    assert replay.length == len(game.trajectory) == game.shown().step
    assert replay.frames()[-1] == game.shown().state
    assert replay.episode_seed == game.seed == 1


def test_the_last_board_stays_for_a_second(player: Player, clock: Clock) -> None:
    session = StillSession(config())
    session.monitor.publish_weights(7, 0, weights_that_choose(0, session.config))
    game = AgentGame.of_session(session, pace=20, seed=5)
    player.add(game)
    while game.shown().ending is None:
        clock.pass_by(0.05)
    assert game.shown().ending == "wall"
    over = game.shown()
    clock.pass_by(0.9)
    assert game.shown() is over
    clock.pass_by(0.11)
    assert (game.shown().step, game.shown().ending) == (0, None)
    assert game.seed != 5


def test_weights_change_while_it_plays(player: Player, clock: Clock) -> None:
    session = StillSession(config(env_config={"grid_size": 20}))
    game = AgentGame.of_session(session, pace=10, seed=1)
    player.add(game)
    clock.pass_by(1)
    assert session.monitor.weights_wanted()
    assert (game.shown().state, game.shown().words) == (None, "waiting for the first weights")
    for steps, action, words in ((1_200, 1, "turn right"), (3_400_000, 2, "turn left")):
        session.monitor.publish_weights(steps, 3, weights_that_choose(action, session.config))
        clock.pass_by(1.05)
        assert {step.words for step in game.trajectory[-5:]} == {words}
        shown = game.shown().words.replace("\u202f", " ")
        assert shown == f"the weights at {steps:_} steps, greedy".replace("_", " ")


def test_sampled_explores_as_training_does(player: Player, clock: Clock) -> None:
    chosen = rlplay.get_default_config("dqn", "snake").replace(
        env_config={"grid_size": 20},
        network_config={"layers": [{"units": 8}]},
        hyperparams={"epsilon": 1.0, "final_epsilon": 0.0, "epsilon_steps": 1000},
    )
    session = StillSession(chosen)
    game = AgentGame.of_session(session, greedy=False, pace=10, seed=2)
    player.add(game)
    session.monitor.publish_weights(0, 0, weights_that_choose(1, chosen))
    clock.pass_by(2)
    assert {step.action for step in game.trajectory} == {0, 1, 2}
    assert game.shown().words.endswith("sampled")
    # So late in the schedule nothing is left to chance.
    session.monitor.publish_weights(5000, 0, weights_that_choose(1, chosen))
    clock.pass_by(1)
    assert {step.action for step in game.trajectory[-5:]} == {1}
    # A person turned the knob.
    session._hyperparams |= {"final_epsilon": 1.0}
    session.monitor.publish_weights(5001, 0, weights_that_choose(1, chosen))
    clock.pass_by(3)
    assert len({step.action for step in game.trajectory[-15:]}) > 1
    game.greedy = True
    clock.pass_by(1)
    assert {step.action for step in game.trajectory[-5:]} == {1}
    assert game.shown().words.endswith("greedy")


def test_a_session_that_ended_before_anybody_asked(player: Player, clock: Clock) -> None:
    storage = get_storage_manager()
    env_name, run_id = storage.import_run(sample_path("good"))
    session = StillSession(storage.load_config(env_name, run_id))
    session.monitor.publish(
        run_id=run_id, env_name=env_name, state="finished", total_steps=1_000_000
    )
    game = AgentGame.of_session(session)
    player.add(game)
    clock.pass_by(3)
    assert game.shown().words.replace("\u202f", " ") == "the weights at 1 000 000 steps, greedy"
    assert game.shown().step > 20


def test_an_age_says_so_and_an_age_that_is_not_there_too(library, run, player, clock) -> None:
    ages = library.list_snapshots(*run)
    game = AgentGame.of_run(*run, library, age=ages[0])
    other = AgentGame.of_run(*run, library, age=12345)
    for each in (game, other):
        player.add(each)
    clock.pass_by(1)
    assert game.shown().words == f"as it played at {ages[0]} steps, greedy"
    assert "kept no weights at step 12345" in other.shown().problem
    assert (other.shown().details, other.playing) == ("", False)


def test_thoughts_come_only_to_whoever_wants_them(library, run, player, clock) -> None:
    game = AgentGame.of_run(*run, library)
    player.add(game)
    clock.pass_by(1)
    assert game.shown().thoughts is None
    game.playing = False
    step = game.shown().step
    game.thinking = True
    clock.pass_by(1)
    thoughts = game.shown().thoughts
    assert game.shown().step == step
    assert len(thoughts["probabilities"]) == 3
    assert len(thoughts["saliency"]) == len(game.shown().observation)
    # They are of the board that is shown: its best action is what comes next.
    game.step()
    clock.pass_by(0.5)
    assert game.trajectory[-1].action == int(np.argmax(thoughts["probabilities"]))


def test_thinking_about_the_training_board(player: Player, clock: Clock) -> None:
    session = StillSession(config())
    thinker = Thinker(session)
    player.add(thinker)
    clock.pass_by(0.5)
    assert thinker.look() is None
    session.monitor.publish_weights(10, 0, weights_that_choose(2, session.config))
    env = create_env("snake", **session.config.env_config)
    observation, _ = env.reset(seed=1)
    session.monitor.publish(game_state=env.render_state(), observation=observation)
    clock.pass_by(0.5)
    snapshot, thoughts = thinker.look()
    assert snapshot is session.snapshot()
    assert int(np.argmax(thoughts["probabilities"])) == 2
    clock.pass_by(0.5)
    assert thinker.look()[1] is thoughts  # the same board is thought about once
    session.monitor.publish(game_state=env.render_state(), observation=observation)
    clock.pass_by(0.5)
    assert thinker.look()[1] is not thoughts


def test_thinking_keeps_up_with_a_training_at_watching_speed(player: Player, clock: Clock) -> None:
    session = StillSession(config())
    session.monitor.publish_weights(10, 0, weights_that_choose(2, session.config))
    env = create_env("snake", **session.config.env_config)
    observation, _ = env.reset(seed=1)
    thoughts = []
    thinker = Thinker(session)
    thinker.on_move = lambda: thoughts.append(clock.now)
    player.add(thinker)
    for full_speed, counted in ((False, range(28, 32)), (True, range(9, 12))):
        session.monitor.publish(is_max_speed=full_speed)
        thoughts.clear()
        for _ in range(100):
            session.monitor.publish(game_state=env.render_state(), observation=observation)
            thinker.look()
            clock.pass_by(0.01)
        assert len(thoughts) in counted


def test_an_agent_that_watches_is_small() -> None:
    agent = make_agent(rlplay.get_default_config("dqn", "snake").replace(device="cpu"))
    assert agent.num_envs == 1
    assert (agent.workers.count, agent.precision, agent.device.type) == (1, "float32", "cpu")


# A person -------------------------------------------------------------------------------------


def person(player: Player, **options: Any) -> PersonGame:
    game = PersonGame(config(env_config={"grid_size": 10}), **{"seed": 3, "pace": 10, **options})
    player.add(game)
    player.tick(0.0)
    return game


def head(game: Game) -> tuple[int, int]:
    place = game.shown().state["snake_position"][0]
    return place["x"], place["y"]


def test_nothing_moves_before_the_first_arrow(player: Player, clock: Clock) -> None:
    game = person(player)
    first = head(game)
    game.press("space")
    clock.pass_by(3)
    assert (head(game), game.shown().step, game.trajectory) == (first, 0, ())
    game.press("up")
    clock.pass_by(0.25)
    assert head(game) == (first[0], first[1] - game.shown().step)
    assert 2 <= game.shown().step <= 4


def test_turns_that_come_fast_are_done_one_after_the_other(player: Player, clock: Clock) -> None:
    game = person(player, seed=5)
    x, y = head(game)
    for key in ("up", "left", "down"):
        game.press(key)
    clock.pass_by(0.35)
    assert game.shown().step == 3
    assert head(game) == (x - 1, y)
    assert [step.words for step in game.trajectory] == ["turn left"] * 3
    # Straight back into the own neck is ignored.
    game.press("up")
    clock.pass_by(0.1)
    assert head(game) == (x - 1, y + 1)


def test_space_pauses_escape_too_and_an_arrow_goes_on(player: Player, clock: Clock) -> None:
    game = person(player, pace=2)
    game.press("up")
    clock.pass_by(0.6)
    assert game.shown().step == 1
    for key in ("space", "escape"):
        game.press(key)
        step = game.shown().step
        clock.pass_by(5)
        assert game.shown().step == step
        game.press("up")
        clock.pass_by(0.1)
        assert game.shown().step == step + 1


def test_one_step_for_each_key(player: Player, clock: Clock) -> None:
    game = person(player, stepwise=True)
    x, y = head(game)
    clock.pass_by(5)
    for steps, key in enumerate(("up", "left", "left"), 1):
        game.press(key)
        clock.pass_by(2)
        assert game.shown().step == steps
    assert head(game) == (x - 2, y - 1)


def test_a_trajectory_is_a_replay_that_verifies(player: Player, clock: Clock) -> None:
    game = person(player)
    with pytest.raises(ContractError, match="Nothing was played"):
        game.replay()
    game.press("down")
    clock.pass_by(0.15)
    unfinished = game.replay()
    assert unfinished.verify()
    assert unfinished.length == game.shown().step
    game.press("left")
    clock.pass_by(5)
    assert (game.ended, game.playing, game.shown().ending) == (True, False, "wall")
    replay, rows = game.replay(), game.trajectory
    assert replay.verify()
    assert replay.ending == "wall"
    assert replay.frames()[-1] == game.shown().state
    assert [row.action for row in rows] == list(replay.actions)
    assert [row.step for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1].total == pytest.approx(sum(row.reward for row in rows))
    assert rows[-1].total == pytest.approx(replay.episode_return)
    assert rows[-1].score == replay.score == game.shown().score
    # Arrows mean nothing now, space begins the next game on another board.
    game.press("up")
    clock.pass_by(1)
    assert game.shown().ending == "wall"
    game.press("space")
    clock.pass_by(1)
    assert (game.shown().ending, game.shown().step, game.trajectory) == (None, 0, ())
    assert game.shown().state != replay.frames()[0]


def test_taking_over_a_replay(library, run, player: Player, clock: Clock) -> None:
    listed = max(library.list_replays(*run), key=lambda replay: replay["length"])
    replay = library.load_replay(*run, listed["replay_id"])
    game = PersonGame.take_over(replay, 20, stepwise=True)
    player.add(game)
    clock.pass_by(1)
    assert game.shown().state == replay.frames()[20]
    assert game.shown().step == 20
    for key in ("up", "right", "down"):
        game.press(key)
        clock.pass_by(0.1)
    taken = game.replay()
    assert taken.verify()
    assert taken.actions[:20] == replay.actions[:20]
    assert taken.length == game.shown().step


def test_a_board_in_the_middle_of_a_game(library, run, player: Player, clock: Clock) -> None:
    listed = max(library.list_replays(*run), key=lambda replay: replay["length"])
    replay = library.load_replay(*run, listed["replay_id"])
    chosen = config(env_config=replay.env_config, reward_config=replay.reward_config)
    unknown = PersonGame(chosen, env=replay.frames().fork(20), stepwise=True)
    known = PersonGame(
        chosen,
        env=replay.frames().fork(20),
        seed=replay.episode_seed,
        actions=replay.actions[:20],
        stepwise=True,
    )
    for game in (unknown, known):
        player.add(game)
        clock.pass_by(0.1)
        assert game.shown().state == replay.frames()[20]
        for key in ("up", "right", "down"):
            game.press(key)
            clock.pass_by(0.1)
    assert unknown.shown().state == known.shown().state
    assert known.replay().verify()
    with pytest.raises(ContractError, match="seed is not known"):
        unknown.replay()


# Other environments ----------------------------------------------------------------------------


class Corridor(BaseEnvironment):
    """Walk right three times; waiting is allowed, and the third left is an error."""

    action_names: ClassVar[tuple[str, ...]] = ("walk left", "wait", "walk right")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.observation_space = spaces.Box(-9.0, 9.0, (1,), np.float32)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.at = 0
        return self._observation(), {"episode_seed": seed}

    def step(self, action: int) -> Any:
        self.at += action - 1
        if self.at < -2:
            raise RuntimeError("<fell> off the corridor")
        return self._observation(), float(self.at), self.at == 3, False, {}

    def _observation(self) -> Any:
        return np.array([self.at], np.float32)

    def render_state(self) -> dict[str, Any]:
        return {"at": self.at}

    def get_metadata(self) -> dict[str, Any]:
        return {**super().get_metadata(), "actions": list(self.action_names)}


@pytest.fixture
def corridor() -> Iterator[rlplay.RunConfig]:
    register_env("corridor", Corridor)
    yield rlplay.get_default_config("ppo", "corridor")
    del ENV_REGISTRY["corridor"]


def test_buttons_of_any_environment(corridor, player: Player, clock: Clock) -> None:
    game = PersonGame(corridor, seed=1)
    player.add(game)
    clock.pass_by(2)
    assert (game.steers, game.actions) == (False, Corridor.action_names)
    assert game.shown().state == {"at": 0}
    game.act(2)
    game.act(7)  # there is no such button
    clock.pass_by(2)
    game.press("right")
    clock.pass_by(2)
    game.press("up")  # no action is named so
    clock.pass_by(2)
    assert [step.words for step in game.trajectory] == ["walk right", "walk right"]
    game.act(2)
    clock.pass_by(2)
    assert (game.shown().ending, game.shown().score) == ("terminated", 6.0)
    assert game.replay().verify()
    game.act(2)
    game.press("space")
    clock.pass_by(2)
    assert (game.shown().step, game.shown().ending) == (0, None)


def test_an_error_in_an_environment_harms_nothing(corridor, player: Player, clock: Clock) -> None:
    game, other = PersonGame(corridor, seed=1), Counting()
    for each in (game, other):
        player.add(each)
    clock.pass_by(1)
    for _ in range(3):
        game.act(0)
        clock.pass_by(1)
    assert game.shown().problem == "RuntimeError: <fell> off the corridor"
    assert "Traceback" in game.shown().details
    assert game.shown().step == 2
    moves = other.moves
    clock.pass_by(2)
    assert other.moves > moves
    # The next game has forgotten it.
    game.new()
    clock.pass_by(1)
    assert (game.shown().problem, game.shown().step) == ("", 0)


def test_an_environment_that_cannot_be_made_says_so_once(player: Player, clock: Clock) -> None:
    made = []

    class Broken(Corridor):
        def reset(self, **options: Any) -> Any:
            made.append(1)
            raise ContractError("no corridor today")

    register_env("broken", Broken)
    try:
        game = PersonGame(rlplay.get_default_config("ppo", "broken"))
        player.add(game)
        clock.pass_by(5)
    finally:
        del ENV_REGISTRY["broken"]
    assert (game.shown().problem, game.shown().details, made) == ("no corridor today", "", [1])

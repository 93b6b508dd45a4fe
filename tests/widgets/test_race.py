"""Races: the same seeds, one move each, and who wins."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.evaluation import evaluate
from rlplay.storage import get_storage_manager
from rlplay_widgets.games.agent import AgentGame
from rlplay_widgets.games.race import RULES, Race, Rule, RuleGame
from rlplay_widgets.player import Player

SMALL = {"grid_size": 5}


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two saved runs that have hardly learned."""
    config = rlplay.get_default_config().replace(
        env_config=SMALL, num_envs=4, total_steps=512, network_config={"layers": []}
    )
    return [rlplay.train(config.replace(seed=seed)).run_id for seed in (1, 2)]


def config(**env_config) -> rlplay.RunConfig:
    return rlplay.get_default_config().replace(env_config={**SMALL, **env_config})


def rule(name: str, **env_config):
    return lambda seed: RuleGame(RULES[name], config(**env_config), seed=seed)


def run(race: Race, moves: int) -> list[tuple]:
    """Play for so many moves; gives what the lanes showed after each."""
    player = Player(threaded=False)
    player.add(race)
    shown = []
    now = 100.0
    for _ in range(moves):
        race.look()
        now += 10
        player.tick(now)
        shown.append(race.boards)
    assert race.shown().problem == ""
    player.remove(race)
    return shown


def test_a_race_that_was_asked_to_its_start_twice_stands_there() -> None:
    race = Race([rule("apple"), rule("random")])
    race.playing = False
    race.step()
    race.step()
    run(race, 3)
    assert race.ready
    assert [board.step for board in race.boards] == [0, 0]


def test_the_same_seed_gives_the_same_race(runs) -> None:
    def play(seed: int):
        lanes = [partial(AgentGame.of_run, "snake", run_id) for run_id in runs]
        race = Race([lambda seed, lane=lane: lane(seed=seed) for lane in lanes], seed=seed)
        boards = run(race, 120)
        return [[board.state for board in pair] for pair in boards], race.standing

    first, second, other = play(7), play(7), play(8)
    assert first == second
    assert first[1].rounds > 1
    assert first != other


def test_the_scores_are_those_of_an_evaluation_on_the_same_seeds(runs) -> None:
    def lane(run_id):
        return lambda seed: AgentGame.of_run("snake", run_id, seed=seed)

    race = Race([lane(run_id) for run_id in runs], seed=3)
    player, seeds, now = Player(threaded=False), [], 0.0
    player.add(race)
    while race.standing.rounds < 4:
        race.look()
        now += 10
        player.tick(now)
        if race.standing.seed not in seeds:
            seeds.append(race.standing.seed)
    player.remove(race)
    for run_id, scores in zip(runs, race.standing.scores, strict=True):
        found = evaluate(run_id, seeds=seeds[:4], storage=get_storage_manager())
        assert scores == tuple(found.scores)


def test_lanes_go_on_move_by_move_and_wait_for_the_last() -> None:
    race = Race([rule("apple"), rule("random")], seed=1)
    ended_at = [None, None]
    for move, boards in enumerate(run(race, 400)):
        for lane, board in enumerate(boards):
            if board.ending is None:
                assert board.step == move
            elif ended_at[lane] is None:
                ended_at[lane] = move
            assert board.step == (move if board.ending is None else ended_at[lane])
        if all(board.ending is not None for board in boards):
            break
    assert min(ended_at) < max(ended_at)


def test_both_lanes_begin_alike_with_every_seed() -> None:
    race = Race([rule("apple"), rule("random")], seed=1)
    starts = [boards for boards in run(race, 300) if all(board.step == 0 for board in boards)]
    assert len(starts) > 2
    for first, second in starts:
        assert first.state == second.state
    assert len({str(first.state) for first, _ in starts}) == len(starts)


def test_wins_and_ties_are_counted() -> None:
    race = Race([rule("apple"), rule("random")], seed=1)
    run(race, 900)
    standing = race.standing
    pairs = list(zip(*standing.scores, strict=True))
    assert standing.rounds == len(pairs) > 5
    assert standing.wins == (sum(a > b for a, b in pairs), sum(b > a for a, b in pairs))
    assert standing.ties == sum(a == b for a, b in pairs)
    ours, theirs = standing.scores
    better = [(a > b) + (a == b) / 2 for a in ours for b in theirs]
    assert standing.better == pytest.approx(sum(better) / len(better))
    assert standing.better > 0.9


def test_the_rule_takes_the_nearest_way_and_avoids_what_ends_the_game() -> None:
    game = RuleGame(RULES["apple"], config(), seed=2)
    game.open()
    game.move()
    state = game.shown().state
    head, food = state["snake_position"][0], state["food_position"]
    far = abs(head["x"] - food["x"]) + abs(head["y"] - food["y"])
    # The first apple may lie behind; turning costs two moves more at most.
    for _ in range(far + 2):
        game.move()
    assert game.shown().score >= 1
    game.close()


def test_it_stands_still_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    race = Race([rule("apple"), rule("random")], seed=1)
    run(race, 3)
    before = race.boards
    race._looked_at -= 60
    assert race.move()
    assert race.boards is before
    assert race.rest() > 0.1


def test_boards_must_be_alike_but_may_be_seen_differently() -> None:
    seen = Race([rule("apple", vision=1), rule("apple", vision=0)], seed=1)
    run(seen, 3)
    other = Race([rule("apple"), rule("apple", grid_size=6)], seed=1)
    player = Player(threaded=False)
    player.add(other)
    other.look()
    player.tick(10.0)
    assert "grid_size = 5 and agent 2 with 6" in other.shown().problem


def test_what_cannot_race_is_refused() -> None:
    with pytest.raises(ConfigError, match="A race of 1 is not allowed: 2 to 4"):
        Race([rule("apple")])
    stranger = RuleGame(Rule("knows chess", lambda *_: 0, "chess"), config(), seed=1)
    with pytest.raises(ConfigError, match="knows 'chess' and not 'snake'"):
        stranger.open()

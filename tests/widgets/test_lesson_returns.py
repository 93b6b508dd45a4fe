"""Lesson 1: a person's games as data, and the return under a slider."""

from __future__ import annotations

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.lessons.returns import discounted_return
from rlplay_widgets.lesson import load_lesson
from rlplay_widgets.lessons.returns import MyGames, ReturnView, bring_sample, recorded_games


@pytest.fixture
def config() -> rlplay.RunConfig:
    return load_lesson("play-it-yourself").run_config()


def play(game: MyGames, *actions: int) -> None:
    for action in actions:
        game.act(action)
        game.move()


def test_a_game_that_has_ended_is_kept_with_its_trajectory(config: rlplay.RunConfig) -> None:
    game = MyGames(config, seed=7)
    game.open()
    play(game, *[2, 2, 0, 0, 1, 1, 1, 0])
    assert not game.own
    play(game, *[0] * 6)
    assert game.own
    (played,) = game.games()
    assert (played.seed, played.score, played.ending) == (7, 3.0, "wall")
    assert played.actions[:8] == [2, 2, 0, 0, 1, 1, 1, 0]
    assert played.rewards[-1] == pytest.approx(-1.001)
    assert played.replay.verify()
    game.press("space")
    game.move()
    play(game, *[0] * 6)
    first, second = game.games()
    assert first == played
    assert second.seed != first.seed
    game.close()


def test_a_game_that_is_over_is_kept_once(config: rlplay.RunConfig) -> None:
    game = MyGames(config, seed=7)
    game.open()
    play(game, *[0] * 6)
    for _ in range(3):
        game.move()
    assert len(game.games()) == 1
    game.close()


def test_recorded_games_stand_in_and_end(config: rlplay.RunConfig) -> None:
    game = MyGames(config)
    games = game.games()
    assert not game.own
    assert [played.seed for played in games] == [7, 1, 2]
    assert all(played.ending in ("wall", "self") for played in games)
    assert [played.score for played in games] == [10, 10, 7]
    assert games == recorded_games(config)


def test_no_recorded_games_of_another_world() -> None:
    with pytest.raises(ConfigError, match="grid_size 6"):
        recorded_games(rlplay.get_default_config("ppo", "snake"))


def test_the_view_holds_the_return_of_its_gamma() -> None:
    rewards = [0.0, 1.0, -0.5]
    view = ReturnView(rewards, gamma=0.5)
    assert view.value == pytest.approx(discounted_return(rewards, 0.5))
    view.gamma = 1.0
    assert view.value == pytest.approx(0.5)


@pytest.mark.parametrize(("rewards", "gamma"), [([], 0.9), ([1.0], 1.1), ([1.0], -0.1)])
def test_the_view_refuses_what_it_cannot_show(rewards: list[float], gamma: float) -> None:
    with pytest.raises(ConfigError):
        ReturnView(rewards, gamma)


def test_a_sample_is_brought_once() -> None:
    run_id = bring_sample("beginner")
    assert bring_sample("beginner") == run_id
    (run,) = rlplay.get_storage_manager().list_runs("snake")
    assert (run["run_id"], run["name"]) == (run_id, "Sample: beginner")

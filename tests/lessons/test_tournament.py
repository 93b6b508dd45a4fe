"""A tournament: who plays what, and what is kept of it."""

import json

import pytest

import rlplay
from rlplay.errors import ConfigError
from rlplay.lessons.autopsy import follow_cycle, towards_the_apple
from rlplay.lessons.tournament import play_tournament
from rlplay.samples import sample_path
from rlplay.storage import Replay

SEEDS = [3, 1, 4]
SMALL = rlplay.get_default_config("ppo", "snake").replace(env_config={"grid_size": 4})


def cell_after(x, y, size):
    if x == 0 and y > 0:
        return x, y - 1
    if y % 2 == 0:
        return (x + 1, y) if x < size - 1 else (x, y + 1)
    return (x - 1, y) if x > 1 or y == size - 1 else (x, y + 1)


def test_the_best_stands_first_and_every_game_is_kept(tmp_path) -> None:
    players = {
        "rule": towards_the_apple,
        "<b>cycle</b>": follow_cycle(cell_after, 4),
        "broken": lambda state: state["nothing"],
    }
    result = play_tournament(players, SEEDS, config=SMALL, folder=tmp_path)
    assert [entry.name for entry in result.entries] == ["<b>cycle</b>", "rule", "broken"]
    best, rule, broken = result.entries
    assert best.scores == (15.0, 15.0, 15.0)
    assert broken.problem == "KeyError: 'nothing'"
    assert [replay.episode_seed for replay in rule.replays] == SEEDS
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == 6
    for file in files:
        replay = Replay.from_dict(json.loads(file.read_text()))
        assert replay.verify()
        assert replay in best.replays + rule.replays
    first = result.rows()[0]
    assert first[:6] == ("1", "<b>cycle</b>", "15.0", "15.0 to 15.0", "15", "1.00")
    assert "&lt;b&gt;cycle" in result._repr_html_()
    assert "<b>cycle" in str(result)


def test_a_run_plays_on_the_board_of_the_tournament_with_its_own_eyes() -> None:
    storage = rlplay.get_storage_manager()
    _, run_id = storage.import_run(sample_path("beginner"))
    config = SMALL.replace(env_config={"vision": 1})
    result = play_tournament({"sample": run_id}, SEEDS, config=config, max_steps=300)
    (entry,) = result.entries
    assert entry.problem == ""
    for replay in entry.replays:
        assert replay.env_config["grid_size"] == 4
        assert replay.env_config["vision"] == 5
    again = play_tournament({"sample": run_id}, SEEDS, config=config, max_steps=300)
    assert again == result


def test_a_game_without_end_is_cut() -> None:
    result = play_tournament({"round": lambda _: 1}, [1], config=SMALL, max_steps=5)
    assert result.entries[0].replays[0].length == 5


@pytest.mark.parametrize(("players", "seeds"), [({}, [1]), ({"rule": towards_the_apple}, [])])
def test_nobody_and_nothing_are_refused(players, seeds) -> None:
    with pytest.raises(ConfigError, match="at least 1 player and at least 1 seed"):
        play_tournament(players, seeds)

"""A tournament: agents on the same hidden seeds, each game kept as a replay and verified.

Students hand in a run or a policy; nobody but the teacher knows the seeds::

    table = play_tournament({"Ada": "run-id", "Ben": my_policy}, seeds=[31, 5, 77])
    print(table)
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rlplay.agents import Agent
from rlplay.config import RunConfig, get_default_config
from rlplay.envs import create_env, get_env_spec
from rlplay.errors import ConfigError, ContractError
from rlplay.evaluation import load_agent
from rlplay.statistics import (
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
)
from rlplay.storage import Replay, StorageManager
from rlplay.storage.files import slug, write_bytes

__all__ = ["Entry", "Policy", "Tournament", "play_tournament"]

#: What may play: a run's id, an agent, or a function from `render_state` to an action.
Policy = str | Agent | Callable[[dict[str, Any]], int]

_COLUMNS: Final = ("place", "name", "score", "interval of 95 %", "best", "above the next", "games")


@dataclass(frozen=True)
class Entry:
    """What one player did.

    Attributes:
        name: The player.
        scores: Score of each game, in the order of the seeds.
        replays: The games.
        problem: Why there are no games, or why they do not count; empty when all is well.
    """

    name: str
    scores: tuple[float, ...]
    replays: tuple[Replay, ...]
    problem: str = ""


@dataclass(frozen=True)
class Tournament:
    """The result; as the last line of a cell it is shown as a table.

    Attributes:
        entries: The players, the best interquartile mean first, those with a problem last.
    """

    entries: tuple[Entry, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """Give the table in words: `_COLUMNS` of each player."""
        rows: list[tuple[str, ...]] = []
        for place, entry in enumerate(self.entries, start=1):
            if entry.problem:
                rows.append(("-", entry.name, entry.problem, "", "", "", ""))
                continue
            mean = interquartile_mean(entry.scores)
            interval = ""
            if len(entry.scores) > 1:
                low, high = bootstrap_interval(entry.scores)
                interval = f"{low:.1f} to {high:.1f}"
            below = self.entries[place : place + 1]
            above = ""
            if below and not below[0].problem:
                above = f"{probability_of_improvement(entry.scores, below[0].scores):.2f}"
            games = f"{len(entry.replays)} verified"
            best = f"{max(entry.scores):g}"
            rows.append((str(place), entry.name, f"{mean:.1f}", interval, best, above, games))
        return rows

    def __str__(self) -> str:
        table = [_COLUMNS, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in _COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
            for row in self.rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def play_tournament(
    players: Mapping[str, Policy],
    seeds: Iterable[int],
    *,
    config: RunConfig | None = None,
    folder: str | os.PathLike[str] | None = None,
    max_steps: int = 10_000,
    storage: StorageManager | None = None,
) -> Tournament:
    """Let agents and functions play the same episodes, and verify each game by its replay.

    A player that fails is named with its reason, and the others play on.

    Args:
        players: Who plays, by name.
        seeds: Seed of each game, at least one; players do not learn them.
        config: Names the environment with its options; by default Snake. An agent may see the
            board in its own way, but plays on this one.
        folder: Where the replays are written, one file a game; without it, they are not.
        max_steps: Where a game that does not end is cut; what was eaten until then counts.
        storage: The library of runs, where a run's id is given.

    Returns:
        The table, and all games.

    Raises:
        ConfigError: For no players or no seeds.
    """
    games = [int(seed) for seed in seeds]
    if not players or not games:
        raise ConfigError("A tournament needs at least 1 player and at least 1 seed.")
    board = config or get_default_config("ppo", "snake")
    entries = []
    for name, player in players.items():
        try:
            replays = tuple(_play(player, board, seed, max_steps, storage) for seed in games)
            refused = [str(check) for replay in replays if not (check := replay.verify())]
            problem = f"not verified: {refused[0]}" if refused else ""
        except Exception as error:  # whatever a student's code raises
            replays, problem = (), f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        entries.append(Entry(name, tuple(replay.score for replay in replays), replays, problem))
        if folder is not None:
            _save(Path(folder), name, replays)
    entries.sort(key=lambda entry: _rank(entry))
    return Tournament(tuple(entries))


def _rank(entry: Entry) -> tuple[bool, float, str]:
    mean = 0.0 if entry.problem else interquartile_mean(entry.scores)
    return bool(entry.problem), -mean, entry.name


def _play(
    player: Policy, board: RunConfig, seed: int, max_steps: int, storage: StorageManager | None
) -> Replay:
    """Play one game, and keep it."""
    agent = load_agent(player, storage=storage) if isinstance(player, str) else player
    config = _board_of(agent, board) if isinstance(agent, Agent) else board
    env = create_env(config.env_name, config.reward_config, **config.env_config)
    observation, _ = env.reset(seed=seed)
    actions: list[int] = []
    for _ in range(max_steps):
        if isinstance(agent, Agent):
            action = int(agent.select_action(observation[None], training=False)[0])
        else:
            action = int(agent(env.render_state()))
        actions.append(action)
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    env.close()
    return Replay.record(config, seed, actions)


def _board_of(agent: Agent, board: RunConfig) -> RunConfig:
    """The board of the tournament, seen as the agent learned to see it."""
    own = agent.config
    if own.env_name != board.env_name:
        raise ContractError(f"it plays {own.env_name!r}, and this is {board.env_name!r}")
    rules = get_env_spec(board.env_name).board_options() or board.env_config.keys()
    options = {name: board.env_config[name] for name in rules}
    return board.replace(env_config={**own.env_config, **options})


def _save(folder: Path, name: str, replays: tuple[Replay, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for replay in replays:
        path = folder / f"{slug(name)}-{replay.episode_seed}.json"
        write_bytes(path, json.dumps(replay.to_dict(), indent=1).encode())

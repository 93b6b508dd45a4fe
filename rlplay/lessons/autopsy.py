"""Lesson 10, autopsy: how episodes end, the last way out, and snakes that never die."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from rlplay.config import RunConfig, get_default_config
from rlplay.envs import BaseEnvironment, create_env, get_env_spec
from rlplay.errors import UnknownName, nearest
from rlplay.lessons.checking import call, exercise, expect, need
from rlplay.samples import sample_path
from rlplay.storage import Replay

__all__ = [
    "BEYOND",
    "CASES",
    "CHALLENGE",
    "CHALLENGE_SEED",
    "GOAL",
    "find_way",
    "follow_cycle",
    "last_way_out",
    "load_case",
    "play_policy",
    "towards_the_apple",
]

#: Episodes to look into: the sample run, and the replay within.
CASES: Final = {
    "patient": ("good", "e000010797-b434"),
    "wall": ("good", "e000010722-b370"),
    "starved": ("good", "e000009731-b21"),
    "won": ("champion", "e000044274-b48"),
}
_ACTIONS: Final = (0, 1, 2)
#: Whoever is saved lives on for so many steps after the moment of the old death.
BEYOND: Final = 20
#: The challenge: the board, the seed of the episode, and the score to beat, which is what
#: `towards_the_apple` reaches there.
CHALLENGE: Final = get_default_config("ppo", "snake").replace(env_config={"grid_size": 6})
CHALLENGE_SEED: Final = 2024
GOAL: Final = 13


def load_case(name: str) -> Replay:
    """Give an episode of a sample run.

    Args:
        name: One of `CASES`.

    Raises:
        UnknownName: For any other name.
    """
    if name not in CASES:
        raise UnknownName(f"No case {name!r}.{nearest(name, CASES)} Available: {', '.join(CASES)}.")
    sample, replay = CASES[name]
    with zipfile.ZipFile(sample_path(sample)) as archive:
        return Replay.from_dict(json.loads(archive.read(f"replays/{replay}.json")))


def find_way(env: BaseEnvironment, steps: int) -> tuple[int, ...] | None:
    """Find actions that keep an episode alive for so many steps, or win it.

    It tries all actions in turn, depth first, and goes back where none is left. The environment is
    left anywhere.

    Args:
        env: The environment, such as `Frames.fork` gives; it must know `get_state`.
        steps: How many steps.

    Returns:
        The actions; None where every way ends too early.
    """
    if steps <= 0:
        return ()
    saved = env.get_state()
    for action in _ACTIONS:
        env.set_state(saved)
        _, _, terminated, truncated, info = env.step(action)
        if info.get("won"):
            return (action,)
        if not (terminated or truncated):
            way = find_way(env, steps - 1)
            if way is not None:
                return (action, *way)
    return None


def last_way_out(replay: Replay) -> int:
    """Find the last step before which another action would have saved the snake.

    Args:
        replay: An episode that ended in a death.

    Returns:
        How many steps the two lives have in common; -1 where nothing would have helped.
    """
    frames = replay.frames()
    for step in reversed(range(replay.length)):
        if find_way(frames.fork(step), replay.length + BEYOND - step) is not None:
            return step
    return -1


def towards_the_apple(state: dict[str, Any]) -> int:
    """Go towards the apple where nothing is in the way; a policy that plans nothing."""
    head, food, body = state["snake_position"][0], state["food_position"], state["snake_position"]
    best = (state["grid_size"] * 2, 0)
    for action, (dx, dy) in enumerate(_moves(state)):
        x, y = head["x"] + dx, head["y"] + dy
        inside = 0 <= x < state["grid_size"] and 0 <= y < state["grid_size"]
        if inside and {"x": x, "y": y} not in body[:-1]:
            best = min(best, (abs(x - food["x"]) + abs(y - food["y"]), action))
    return best[1]


def _moves(state: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """Where straight on, a turn to the right and one to the left lead; y grows downwards."""
    dx, dy = state["direction"]
    return (dx, dy), (-dy, dx), (dy, -dx)


def play_policy(
    policy: Callable[[dict[str, Any]], int], config: RunConfig, seed: int, max_steps: int = 100_000
) -> Replay:
    """Play an episode with a function that looks at the board.

    Args:
        policy: Gets `render_state`, gives an action: 0 straight, 1 turn right, 2 turn left.
        config: Names the environment with its options.
        seed: The episode's seed.
        max_steps: Where an episode that does not end is given up.

    Returns:
        The episode as a replay, which verifies.
    """
    env = create_env(config.env_name, config.reward_config, **config.env_config)
    env.reset(seed=seed)
    actions: list[int] = []
    for _ in range(max_steps):
        actions.append(int(policy(env.render_state())))
        _, _, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            break
    return Replay.record(config, seed, actions)


def _is_replay(answer: Any) -> Replay:
    need(
        isinstance(answer, Replay),
        "Give a replay: what Replay.record(...) or panel.desk.game.replay() gives.",
    )
    found: Replay = answer
    check = found.verify()
    need(check.ok, f"The replay does not verify: {check}. Make it with Replay.record.")
    return found


def _board(replay: Replay) -> tuple[str, dict[str, Any]]:
    """The world of a replay; an option that is younger than the replay stands at its default."""
    spec = get_env_spec(replay.env_name)
    options = spec.config_model.model_validate(replay.env_config)
    return replay.env_name, {name: getattr(options, name) for name in spec.board_options()}


def _starved_at_a_wall() -> Replay:
    """A short game whose snake looks at a wall when it starves."""
    config = get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 6, "starvation_limit": 10}
    )
    return Replay.record(config, 7, [2, 1, 2, 2, 1, 2, 2, 0, 0, 0])


@exercise("how_it_ended", parts=4)
def _how_it_ended(answer: Callable[[dict[str, Any], int], str]) -> Iterator[None]:
    for name in ("wall", "patient", "starved", "won"):
        _check_ending(answer, load_case(name))
        if name == "starved":
            _check_ending(answer, _starved_at_a_wall())
        yield


def _check_ending(answer: Callable[[dict[str, Any], int], str], replay: Replay) -> None:
    """Check what an answer says of the last state of a game."""
    limit = replay.env_config["starvation_limit"] or replay.env_config["grid_size"] ** 2
    last = {
        key: value
        for key, value in replay.frames()[-1].items()
        if key not in ("death_reason", "won", "game_over")
    }
    got = call(answer, last, limit)
    if isinstance(got, str):
        need(
            got in ("wall", "self", "starvation", "won"),
            f"{got!r} is no ending here: write 'wall', 'self', 'starvation' or 'won'.",
        )
    need(
        not (replay.ending == "starvation" and isinstance(got, str) and got == "wall"),
        "This snake starved, whatever lies before it: ask for its hunger before the wall.",
    )
    expect(got, replay.ending, what=f"The ending of an episode of {replay.length} steps")


@exercise("last_way_out", parts=3)
def _last_way_out(answer: Replay) -> Iterator[None]:
    patient = load_case("patient")
    rescue = _is_replay(answer)
    need(
        (_board(rescue), rescue.episode_seed) == (_board(patient), patient.episode_seed),
        "That is another game. Take over the patient's own: its env_config and episode_seed.",
    )
    need(
        rescue.actions != patient.actions,
        "That is the patient itself, which dies. Another action is needed somewhere.",
    )
    yield
    alive = rescue.ending == "won" or (
        rescue.length >= patient.length + BEYOND
        and (rescue.ending == "unfinished" or rescue.length > patient.length + BEYOND)
    )
    need(
        alive,
        f"The snake should be alive {BEYOND} steps after its old death in step {patient.length}; "
        f"this life ends in step {rescue.length} ({rescue.ending}).",
    )
    yield
    pairs = zip(patient.actions, rescue.actions, strict=False)
    shared = next(step for step, (old, new) in enumerate(pairs) if old != new)
    need(
        shared >= last_way_out(patient),
        f"It lives! But you left the old life {patient.length - shared} steps before the death: "
        "there is a later way out.",
    )
    yield


def _is_pair(value: Any) -> bool:
    """Whether a value is two whole numbers."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(part, int | np.integer) for part in value)
    )


@exercise("next_cell", parts=4)
def _next_cell(answer: Callable[[int, int, int], tuple[int, int]]) -> Iterator[None]:
    for size in (4, 6, 10):
        seen: dict[tuple[int, int], int] = {}
        x, y = 0, 0
        while (x, y) not in seen:
            seen[x, y] = len(seen)
            came = call(answer, x, y, size)
            need(
                _is_pair(came),
                f"next_cell({x}, {y}, {size}) should be a pair of whole numbers, (x, y).",
            )
            to = int(came[0]), int(came[1])
            need(
                0 <= to[0] < size and 0 <= to[1] < size,
                f"From ({x}, {y}) it goes to {to}, beyond a board with {size} columns: "
                f"the last is {size - 1}.",
            )
            need(
                abs(to[0] - x) + abs(to[1] - y) == 1,
                f"From ({x}, {y}) it jumps to {to}: a snake moves to one of the 4 neighbours.",
            )
            x, y = to
        need(
            (x, y) == (0, 0) and len(seen) == size * size,
            f"On a board with side {size} the walk comes back to ({x}, {y}) after "
            f"{len(seen) - seen[x, y]} cells; a Hamiltonian cycle has all {size * size}.",
        )
        yield
    for seed in (1, 2, 3):
        config = CHALLENGE.replace(env_config={"grid_size": 4})
        replay = play_policy(follow_cycle(answer, 4), config, seed, max_steps=1_000)
        need(
            replay.ending == "won",
            f"On seed {seed} the snake should fill the board, and it ended so: {replay.ending}.",
        )
    yield


@exercise("beat_the_score", parts=2)
def _beat_the_score(answer: Replay) -> Iterator[None]:
    replay = _is_replay(answer)
    need(
        replay.episode_seed == CHALLENGE_SEED,
        f"That is the episode of seed {replay.episode_seed}; the challenge has {CHALLENGE_SEED}.",
    )
    need(
        _board(replay) == _board(play_policy(lambda _: 0, CHALLENGE, CHALLENGE_SEED)),
        "That is another board. Use the config of the challenge.",
    )
    yield
    need(
        replay.score > GOAL,
        f"It eats {replay.score:g} apples; more than {GOAL} are wanted.",
    )
    yield


def follow_cycle(
    next_cell: Callable[[int, int, int], tuple[int, int]], size: int
) -> Callable[[dict[str, Any]], int]:
    """Make a policy of a walk through all cells.

    A snake cannot turn round: one that would have to, when the episode begins, walks the cycle the
    other way.

    Args:
        next_cell: Gives the cell after (x, y) on a board of a size.
        size: The board's side.

    Returns:
        A policy, as `play_policy` takes it.
    """
    ahead: dict[tuple[int, int], tuple[int, int]] = {}
    for y in range(size):
        for x in range(size):
            to_x, to_y = next_cell(x, y, size)
            ahead[x, y] = to_x, to_y
    behind = {to: cell for cell, to in ahead.items()}
    way = ahead

    def policy(state: dict[str, Any]) -> int:
        nonlocal way
        head = state["snake_position"][0]
        x, y = head["x"], head["y"]
        dx, dy = state["direction"]
        if state["steps"] == 0:
            way = behind if ahead[x, y] == (x - dx, y - dy) else ahead
        to_x, to_y = way[x, y]
        return _moves(state).index((to_x - x, to_y - y))

    return policy

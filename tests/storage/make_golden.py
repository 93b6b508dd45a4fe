"""Make the golden replays: `python tests/storage/make_golden.py`.

They must verify on every platform and with every later version. When snake's rules change on
purpose, and with them the environment's version, make them anew and say so in the changelog; at
any other time a golden replay that does not verify has found a bug.

The players are scripts without chance: one follows a cycle through all cells, which fills the
board; one walks straight to the apple until it dies; one turns in circles until it starves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlplay.envs import create_env, get_env_spec
from rlplay.storage.replay import Replay, ending_name, state_hash

FOLDER = Path(__file__).with_name("golden")

Player = Callable[[dict[str, Any]], str | None]


def follow_cycle(state: dict[str, Any]) -> str:
    """Go up the first column, then down in serpentines; the board has an even size."""
    size, head = state["grid_size"], state["snake_position"][0]
    x, y = head["x"], head["y"]
    if x == 0:
        return "right" if y == 0 else "up"
    if y % 2 == 0:
        return "down" if x == size - 1 else "right"
    if x > 1:
        return "left"
    return "left" if y == size - 1 else "down"


def to_the_apple(state: dict[str, Any]) -> str:
    """Walk straight to the apple, whatever is in the way."""
    head, food = state["snake_position"][0], state["food_position"]
    if food["x"] != head["x"]:
        return "right" if food["x"] > head["x"] else "left"
    return "down" if food["y"] > head["y"] else "up"


def to_the_wall(state: dict[str, Any]) -> str | None:
    """Walk to three apples, then straight on."""
    return to_the_apple(state) if state["score"] < 3 else None


def in_circles(state: dict[str, Any]) -> str:
    """Walk to three apples, then turn right for ever."""
    if state["score"] < 3:
        return to_the_apple(state)
    return {(0, -1): "right", (1, 0): "down", (0, 1): "left", (-1, 0): "up"}[
        tuple(state["direction"])
    ]


#: Name, player, ending, options; the first seed that gives this ending with a score is taken.
GOLDEN: list[tuple[str, Player, str, dict[str, Any]]] = [
    ("won-4-egocentric", follow_cycle, "won", {"grid_size": 4}),
    ("won-6-absolute", follow_cycle, "won", {"grid_size": 6, "frame": "absolute", "vision": 0}),
    ("won-12-long", follow_cycle, "won", {"grid_size": 12}),
    ("wall-5-absolute", to_the_wall, "wall", {"grid_size": 5, "frame": "absolute", "vision": -1}),
    ("self-10-egocentric", to_the_apple, "self", {}),
    ("self-31-absolute", to_the_apple, "self", {"grid_size": 31, "frame": "absolute"}),
    ("self-64-egocentric", to_the_apple, "self", {"grid_size": 64, "starvation_limit": 500}),
    ("starvation-8-egocentric", in_circles, "starvation", {"grid_size": 8}),
    ("truncated-20-absolute", follow_cycle, "truncated", {"grid_size": 20, "max_steps": 300}),
]


def play(name: str, player: Player, seed: int, options: dict[str, Any]) -> Replay:
    """Play one episode to its end."""
    env = create_env("snake", **options)
    env.reset(seed=seed)
    actions: list[int] = []
    episode_return, ended = 0.0, False
    while not ended:
        direction = player(env.render_state())
        action = env.action_for_direction(direction) if direction else 0
        _, reward, terminated, truncated, info = env.step(action)
        actions.append(action)
        episode_return += reward
        ended = terminated or truncated
    return Replay(
        replay_id=name,
        run_id="golden",
        env_name="snake",
        env_config=options,
        reward_config={},
        environment_version=get_env_spec("snake").version,
        episode_seed=seed,
        actions=tuple(actions),
        score=float(info["score"]),
        length=len(actions),
        episode_return=round(episode_return, 6),
        ending=ending_name(info, terminated),
        death_reason=info["death_reason"],
        final_hash=state_hash(env.render_state()),
        episode=1,
        total_steps=len(actions),
    )


def make(name: str, player: Player, ending: str, options: dict[str, Any]) -> Replay:
    """Try seeds until an episode ends as wanted."""
    for seed in range(1000):
        replay = play(name, player, seed, options)
        if replay.ending == ending and replay.score > 0:
            return replay
    raise RuntimeError(f"No seed below 1000 gives {name}.")


def main() -> None:
    replays = [make(*entry) for entry in GOLDEN]
    for replay in replays:
        write(replay.replay_id, replay.to_dict())
        print(f"{replay.replay_id}: score {replay.score:g}, {replay.length} steps")
    # As rlplay wrote them before replays had a sum.
    older = replays[0].to_dict() | {"format_version": 1}
    del older["sha256"]
    write("format-1", older)


def write(name: str, values: dict[str, Any]) -> None:
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

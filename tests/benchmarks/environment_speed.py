"""How fast boards step: `python tests/benchmarks/environment_speed.py`.

One thread steps `SnakeVectorEnv` (rules, rewards, new episodes, observations and infos), on a
10 x 10 board, egocentric, seeing wall, body lifetime and food in the window, and food, hunger and
length as numbers. Random play dies young; the long snakes of a trained agent are played by walking
a cycle through all cells until every snake covers half of the board.

Each figure is the median of the repeats. `wall clock` is what a training gets; `thread time` leaves
out what other programs of a shared machine took. `length` is the snakes' mean length at the end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
from machine import describe_machine
from numpy.typing import NDArray

from rlplay.envs.snake import SnakeConfig, SnakeVectorEnv

SIZE = 10


def cycle_directions() -> NDArray[np.int64]:
    """Lay a walk through all cells that ends where it began.

    Returns:
        (SIZE, SIZE) for each row and column, the direction to go on.
    """
    path = [(0, y) for y in reversed(range(SIZE))]  # up the first column, then down in serpentines
    for y in range(SIZE):
        path += [(x, y) for x in (range(1, SIZE) if y % 2 == 0 else range(SIZE - 1, 0, -1))]
    directions = np.empty((SIZE, SIZE), np.int64)
    for (x, y), (next_x, next_y) in zip(path, path[1:] + path[:1], strict=True):
        directions[y, x] = {(0, -1): 0, (1, 0): 1, (0, 1): 2, (-1, 0): 3}[next_x - x, next_y - y]
    return directions


def long_snakes(env: SnakeVectorEnv, num_moves: int) -> NDArray[np.int64]:
    """Walk the cycle until half of the snakes cover half of the board.

    Args:
        env: The boards; they stand at the end where the actions begin.
        num_moves: How many moves to give.

    Returns:
        (num_moves, N) actions that walk on.
    """
    directions = cycle_directions()
    turns_to_actions = np.array([0, 1, 1, 2])  # who has to turn back does so in two moves

    def follow() -> NDArray[np.int64]:
        boards = env.get_state()["records"]
        wanted = directions[boards["y"], boards["x"]]
        return turns_to_actions[(wanted - boards["direction"]) % 4]

    env.reset(seed=0)
    lengths = np.ones(env.num_envs)
    while np.median(lengths) < SIZE * SIZE / 2:
        lengths = env.step(follow())[-1]["length"]
    state = env.get_state()
    actions = []
    for _ in range(num_moves):
        actions.append(follow())
        env.step(actions[-1])
    env.set_state(state)
    return np.array(actions)


def measure(
    env: SnakeVectorEnv, actions: NDArray[np.int64], repeats: int
) -> tuple[float, float, float]:
    """Time rounds of actions.

    Args:
        env: The boards.
        actions: (T, N) actions; each repeat steps all of them.
        repeats: How many times.

    Returns:
        Steps per second by the wall clock and by thread time, and the mean length of the snakes.
    """
    state = env.get_state()
    wall, thread = [], []
    for _ in range(repeats):
        env.set_state(state)
        started, thread_started = time.perf_counter(), time.thread_time()
        for row in actions:
            infos = env.step(row)[-1]
        thread.append(actions.size / (time.thread_time() - thread_started))
        wall.append(actions.size / (time.perf_counter() - started))
    return statistics.median(wall), statistics.median(thread), float(infos["length"].mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=256, help="boards side by side")
    parser.add_argument("--repeats", type=int, default=15, help="repeats of each measurement")
    arguments = parser.parse_args()

    print(describe_machine())
    print(f"{SIZE} x {SIZE}, {arguments.boards} boards, one thread, million steps/s\n")
    print("| play | vision | numbers | length | wall clock | thread time |")
    print("|---|---:|---:|---:|---:|---:|")
    for vision in (1, 5):
        for play in ("random", "long snakes"):
            config = SnakeConfig(
                grid_size=SIZE,
                vision=vision,
                danger="off",
                wall=True,
                body="lifetime",
                food_channel="own",
            )
            env = SnakeVectorEnv(arguments.boards, config)
            if play == "random":
                env.reset(seed=0)
                generator = np.random.default_rng(0)
                actions = generator.integers(3, size=(1000, arguments.boards))
                for row in actions:
                    env.step(row)
            else:
                actions = long_snakes(env, 300)
            wall, thread, length = measure(env, actions, arguments.repeats)
            size = env.single_observation_space.shape
            print(
                f"| {play} | {vision} | {size[0] if size else 0} | {length:.1f} "
                f"| {wall / 1e6:.1f} | {thread / 1e6:.1f} |"
            )


if __name__ == "__main__":
    sys.exit(main())

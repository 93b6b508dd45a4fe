"""Do long start snakes help? Trains with and without, plays both from length 1, prints a table.

Each learner is PPO on an 8 x 8 board with a small network, once for each seed. What it has learned
is measured on 256 new games that begin with length 1, whatever it trained on: the mean score, and
the share of games that filled the board, of the action that looks best and of drawn ones.

    python tests/benchmarks/start_length.py --longest 1 20 40 --seeds 1 2 3 4 5 6 7 8
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import numpy as np
from machine import describe_machine

import rlplay
from rlplay.evaluation import load_agent
from rlplay.statistics import bootstrap_interval, interquartile_mean, probability_of_improvement

GAMES = 256


def run(longest: int, seed: int, steps: int) -> dict[str, float]:
    """Train once, and play from length 1."""
    start: dict[str, Any] = {"start_length": 1, "max_start_length": None}
    config = rlplay.get_default_config("ppo", "snake").replace(
        env_config={"grid_size": 8, **start, "max_start_length": longest},
        network_config={"layers": [{"units": 64}]},
        num_envs=64,
        total_steps=steps,
        seed=seed,
        num_threads=1,
        device="cpu",
        precision="float32",
    )
    with tempfile.TemporaryDirectory() as folder:
        storage = rlplay.StorageManager(folder)
        session = rlplay.train(config, progress=False, storage=storage)
        agent = load_agent(str(session.run_id), storage=storage)
    agent.config = agent.config.replace(env_config=start)
    found = {}
    for name, greedy in (("best", True), ("drawn", False)):
        result = rlplay.evaluate(agent, episodes=GAMES, greedy=greedy)
        found[name] = result.mean()
        found[f"{name} full"] = result.endings.count("won") / GAMES
    return found


def main() -> None:
    """Print the table, one line for each run and one for each learner."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--longest", type=int, nargs="+", default=[1, 20, 40])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--steps", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(describe_machine())
    table: dict[int, list[dict[str, float]]] = {longest: [] for longest in arguments.longest}
    for seed in arguments.seeds:
        for longest, runs in table.items():
            runs.append(run(longest, seed, arguments.steps))
            print(f"start 1 to {longest}, seed {seed}: {runs[-1]}", flush=True)
    plain = table[arguments.longest[0]]
    for longest, runs in table.items():
        for name in runs[0]:
            values = [found[name] for found in runs]
            low, high = bootstrap_interval(values) if len(values) > 1 else (np.nan, np.nan)
            better = probability_of_improvement(values, [found[name] for found in plain])
            print(
                f"start 1 to {longest}, {name}: {interquartile_mean(values):.2f} "
                f"[{low:.2f}, {high:.2f}], P(better than the first) {better:.2f}"
            )


if __name__ == "__main__":
    main()

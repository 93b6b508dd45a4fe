"""How fast and how well do the default configs learn Snake? Prints a table.

One run for each seed, of the unchanged default config, through a whole `TrainingSession` with its
files. Time counts from the first move, after compilation. The score is the mean over the newest
metrics lines that cover at least 1 000 episodes, "full" the share of them that filled the board.

    python tests/benchmarks/learning.py --algo ppo --seconds 300 --seeds 0 1 2
    python tests/benchmarks/learning.py --algo dqn --seconds 60 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import collections
import statistics
import tempfile
from typing import Any

from machine import describe_machine

import rlplay

MARKS = (15, 30, 60, 120, 180, 240, 300, 600)


def newest(lines: list[dict[str, Any]], episodes: int = 1_000) -> tuple[float, float, float]:
    """Mean score, share of full boards and best score of the newest lines."""
    count = score = won = 0.0
    best = 0.0
    for line in reversed(lines):
        count += line["episodes"]
        score += line["score"] * line["episodes"]
        won += line["endings"].get("won", 0)
        best = max(best, line["score_max"])
        if count >= episodes:
            break
    return score / count, won / count, best


def run(algo: str, seed: int, seconds: float, preset: str) -> dict[int, tuple[float, ...]]:
    """Train once; give steps, score, share of full boards and best score at each mark."""
    marks = [mark for mark in MARKS if mark <= seconds]
    lines: collections.deque[dict[str, Any]] = collections.deque(maxlen=5_000)
    found: dict[int, tuple[float, ...]] = {}

    def take(line: dict[str, Any]) -> None:
        lines.append(line)
        if marks and line["elapsed"] >= marks[0]:
            found[marks.pop(0)] = (line["steps"], *newest(list(lines)))

    with tempfile.TemporaryDirectory() as folder:
        config = rlplay.get_default_config(algo, "snake", preset).replace(seed=seed)
        session = rlplay.TrainingSession(config, rlplay.StorageManager(folder))
        session.on("episode_summary", take)
        session.start(max_speed=True)
        while True:
            try:
                session.wait(0.2)
                break
            except TimeoutError:
                if session.snapshot().elapsed > seconds + 1:
                    session.stop()
                    session.wait()
                    break
    return found


def main() -> None:
    """Run every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--algo", default="ppo", choices=rlplay.list_algorithms())
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    print(describe_machine())
    print(f"{arguments.algo}, preset {arguments.preset}, snake 10 x 10, one run for each seed\n")
    print("| seed | after | steps | steps/s | mean score | full boards | best |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    results = []
    for seed in arguments.seeds:
        found = run(arguments.algo, seed, arguments.seconds, arguments.preset)
        results.append(found)
        for mark, (steps, score, won, best) in found.items():
            print(
                f"| {seed} | {mark} s | {steps / 1e6:.1f} M | {steps / mark / 1e3:.0f} 000 "
                f"| {score:.1f} | {100 * won:.0f} % | {best:.0f} |",
                flush=True,
            )
    print("\nover the seeds:")
    for mark in sorted(set.intersection(*(set(found) for found in results))):
        scores = [found[mark][1] for found in results]
        print(f"after {mark} s: lowest {min(scores):.1f}, median {statistics.median(scores):.1f}")


if __name__ == "__main__":
    main()

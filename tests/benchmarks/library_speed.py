"""How fast a library is listed: `python tests/benchmarks/library_speed.py`.

Makes runs with full files (metrics of 5 MB and 20 replays each, hard links of one file, so that
they need no space), and lists them: the first time, when nothing is known of them; again, when
nothing has changed; and while one of them is being written.

Each figure is the median of the repeats, in seconds, with everything in the system's file cache.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import describe_machine

import rlplay

LINE = {
    "episode": 1,
    "episodes": 12,
    "steps": 20_000,
    "score": 21.5,
    "score_max": 40.0,
    "best_score": 40.0,
    "reward": 20.25,
    "length": 180.5,
    "endings": {"wall": 4, "self": 8},
    "loss": 0.012345,
    "entropy": 0.54321,
    "steps_per_second": 150_000.0,
    "elapsed": 12.345,
    "timestamp": 1_790_000_000.123,
}


def make_runs(storage: rlplay.StorageManager, count: int, megabytes: float, replays: int) -> None:
    """Fill a library.

    Args:
        storage: An empty one.
        count: How many runs.
        megabytes: Size of the metrics of each.
        replays: How many of each.
    """
    config = rlplay.get_default_config("ppo")
    metrics = storage.base_dir / "metrics"
    storage.base_dir.mkdir()
    metrics.write_text((rlplay.storage.files.to_json(LINE) + "\n") * int(megabytes * 1e6 / 300))
    for number in range(count):
        run_id = storage.create_run(config.replace(run_id=f"run-{number:05}"))
        folder = storage.get_run_path("snake", run_id)
        (folder / "replays").mkdir()
        os.link(metrics, folder / "metrics.jsonl")
        for replay in range(replays):
            os.link(folder / "config.json", folder / "replays" / f"e{replay:09}-b0.json")
    time.sleep(2.5)  # what changed a moment ago is not trusted to the index


def measure(act: Callable[[], object], repeats: int) -> float:
    """Give the median of the seconds that an act takes."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000, help="how many")
    parser.add_argument("--megabytes", type=float, default=5.0, help="of the metrics of each")
    parser.add_argument("--replays", type=int, default=20, help="of each")
    parser.add_argument("--repeats", type=int, default=9, help="repeats of each measurement")
    arguments = parser.parse_args()

    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        storage = rlplay.StorageManager(Path(folder) / "models")
        make_runs(storage, arguments.runs, arguments.megabytes, arguments.replays)
        print(f"{arguments.runs:,} runs, metrics of {arguments.megabytes:g} MB each\n")
        print("| list_runs | seconds |")
        print("|---|---:|")
        print(f"| the first time | {measure(storage.list_runs, 1):.3f} |")
        print(f"| again | {measure(storage.list_runs, arguments.repeats):.3f} |")
        storage.claim("snake", "run-00000", "the benchmark")
        (storage.get_run_path("snake", "run-00000") / "metrics.jsonl").unlink()

        def write_and_list() -> None:
            storage.append_metrics("snake", "run-00000", LINE)
            storage.list_runs()

        print(f"| while one is written | {measure(write_and_list, arguments.repeats):.3f} |")
        storage.release("snake", "run-00000")


if __name__ == "__main__":
    sys.exit(main())

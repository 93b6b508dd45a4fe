"""How fast does a whole session train, files and all? Prints a table.

python tests/benchmarks/training_speed.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

from machine import describe_machine

import rlplay


def speed(algo: str, preset: str, seconds: float) -> float:
    """Environment steps a second of the default config, after a warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        config = rlplay.get_default_config(algo, "snake", preset)
        session = rlplay.TrainingSession(config, rlplay.StorageManager(folder))
        session.start(max_speed=True)
        while session.snapshot().elapsed < 2.0:
            time.sleep(0.05)
        begin = session.snapshot()
        time.sleep(seconds)
        end = session.snapshot()
        session.stop()
        session.wait()
    return (end.total_steps - begin.total_steps) / (end.elapsed - begin.elapsed)


def import_seconds() -> float:
    """Seconds that a fresh interpreter needs for ``import rlplay``."""
    code = "import time; t = time.perf_counter(); import rlplay; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(describe_machine())
    print("| what | median | lowest | highest |")
    print("|---|---:|---:|---:|")
    for algo, preset in (("ppo", "default"), ("dqn", "default"), ("ppo", "classic")):
        found = [speed(algo, preset, arguments.seconds) for _ in range(arguments.repeats)]
        print(
            f"| {algo}, {preset} | {statistics.median(found):,.0f} steps/s "
            f"| {min(found):,.0f} | {max(found):,.0f} |",
            flush=True,
        )
    found = [import_seconds() for _ in range(arguments.repeats + 1)][1:]
    print(
        f"| import rlplay | {statistics.median(found):.2f} s | {min(found):.2f} "
        f"| {max(found):.2f} |"
    )


if __name__ == "__main__":
    main()

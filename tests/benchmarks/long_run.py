"""Does an hour at full speed stay small? Prints file sizes and the slope of the memory.

python tests/benchmarks/long_run.py --minutes 10
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import psutil
from machine import describe_machine

import rlplay


def main() -> None:
    """Train at full speed and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--algo", default="ppo", choices=rlplay.list_algorithms())
    arguments = parser.parse_args()
    seconds = 60 * arguments.minutes
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        storage = rlplay.StorageManager(folder)
        config = rlplay.get_default_config(arguments.algo).replace(total_steps=10**12)
        session = rlplay.TrainingSession(config, storage)
        session.start(max_speed=True)
        times, sizes = [], []
        while session.snapshot().elapsed < seconds:
            time.sleep(1.0)
            times.append(session.snapshot().elapsed)
            sizes.append(process.memory_info().rss / 1e6)
        session.stop()
        session.wait()
        path = storage.get_run_path("snake", session.run_id)
        metrics = (path / "metrics.jsonl").stat().st_size / 1e6
        whole = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        steps = session.snapshot().total_steps
    late = [index for index, moment in enumerate(times) if moment >= seconds / 2]
    slope = np.polyfit([times[i] / 60 for i in late], [sizes[i] for i in late], 1)[0]
    print(describe_machine())
    print(f"{arguments.algo}: {steps:,} steps in {seconds:.0f} s")
    print(f"metrics {metrics:.2f} MB, which is {metrics * 3600 / seconds:.1f} MB an hour")
    print(f"the whole run {whole:.2f} MB")
    print(f"memory {sizes[-1]:.0f} MB, slope over the second half {slope:+.2f} MB a minute")


if __name__ == "__main__":
    main()

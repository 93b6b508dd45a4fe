"""How long a replay takes to reach a step: `python tests/benchmarks/replay_seek.py`.

Reads every step of a golden replay of more than 5 000 steps, on a 12 x 12 board that is full in the
end: forwards for the first time, then forwards, backwards and in random order. A step is timed
until its state is there, `render_state` included. `wall clock` is what a screen waits for; `thread
time` leaves out what other programs of a shared machine took.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from machine import describe_machine
from numpy.typing import NDArray

from rlplay.storage import Frames, Replay

GOLDEN = Path(__file__).parents[1] / "storage" / "golden" / "won-12-long.json"


def seek(frames: Frames, steps: Iterable[int]) -> NDArray[np.float64]:
    """Time each step.

    Returns:
        (2, steps) milliseconds of wall clock and of thread time.
    """
    times = []
    for step in steps:
        wall, thread = time.perf_counter(), time.thread_time()
        frames[step]
        times.append((time.perf_counter() - wall, time.thread_time() - thread))
    return 1000 * np.array(times).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=GOLDEN, help="a replay's file")
    replay = Replay.from_dict(json.loads(parser.parse_args().path.read_text(encoding="utf-8")))
    replay.frames()[1]  # compiles what is not compiled yet
    frames, steps = replay.frames(), range(replay.length + 1)
    orders = {
        "first pass": steps,
        "forwards": steps,
        "backwards": reversed(steps),
        "random": np.random.default_rng(0).permutation(len(steps)).tolist(),
    }
    print(describe_machine())
    print(f"{replay.length:,} steps of {replay.env_name}, milliseconds for one step")
    print(f"{'':12}{'wall clock':>30}{'thread time':>30}")
    print(f"{'':12}" + f"{'median':>10}{'99 %':>10}{'longest':>10}" * 2)
    for name, order in orders.items():
        figures = np.percentile(seek(frames, order), [50, 99, 100], axis=1).T.ravel()
        print(f"{name:12}" + "".join(f"{figure:10.3f}" for figure in figures))


if __name__ == "__main__":
    main()

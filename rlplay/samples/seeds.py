"""Sixty recorded runs: three learners with twenty seeds each, for what seeds can do to a result.

``python -m rlplay.samples.seeds [NAME...]`` trained them and wrote ``seeds.json``; it takes about
ten minutes on one core. Read it with `load_seeds`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rlplay.errors import UnknownName, nearest

__all__ = ["LEARNERS", "RecordedSeeds", "load_seeds", "make"]

_FILE: Final = Path(__file__).with_name("seeds.json")
_SEEDS: Final = tuple(range(1, 21))
#: Points of a curve.
_POINTS: Final = 24
_BASE: Final[dict[str, Any]] = {
    "env_config": {"grid_size": 8},
    "network_config": {"layers": [{"units": 64}]},
    "num_envs": 64,
    "total_steps": 300_000,
    "num_threads": 1,
    "device": "cpu",
    "precision": "float32",
}
#: The learners, with what each is and what differs from the first one.
LEARNERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "plain": ("PPO on an 8 x 8 board, with a small network", {}),
    "idea": ("the same with GAE lambda 0.9 in place of 0.95", {"hyperparams": {"gae_lambda": 0.9}}),
    "window": ("the same, but the snake sees 2 cells far, not 5", {"env_config": {"vision": 2}}),
}


@dataclass(frozen=True)
class RecordedSeeds:
    """The runs of one learner.

    Attributes:
        name: One of `LEARNERS`, or the name of a part of its runs.
        about: What it is.
        seeds: (S,) seed of each run.
        steps: (P,) where the curves have their points.
        curves: (S, P) mean score of the games that ended about there.
    """

    name: str
    about: str
    seeds: npt.NDArray[np.int64]
    steps: npt.NDArray[np.float64]
    curves: npt.NDArray[np.float64]

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """(S,) mean score of each run at the end of its training, where its curve ends."""
        return self.curves[:, -1]

    def part(self, start: int, stop: int, name: str | None = None) -> RecordedSeeds:
        """Take some of the runs, by their places from 0, under a name of their own."""
        taken = slice(start, stop)
        return RecordedSeeds(
            name or self.name,
            self.about,
            self.seeds[taken],
            self.steps,
            self.curves[taken],
        )


def load_seeds(name: str) -> RecordedSeeds:
    """Read the recorded runs of a learner.

    Args:
        name: "plain", "idea" or "window".

    Raises:
        UnknownName: For any other name.
    """
    if name not in LEARNERS:
        raise UnknownName(
            f"No learner {name!r}.{nearest(name, LEARNERS)} Available: {', '.join(LEARNERS)}."
        )
    content = json.loads(_FILE.read_text(encoding="utf-8"))[name]
    return RecordedSeeds(
        name,
        LEARNERS[name][0],
        np.array(content["seeds"], np.int64),
        np.array(content["steps"], np.float64),
        np.array(content["curves"], np.float64),
    )


def make(name: str) -> dict[str, Any]:
    """Train a learner with every seed.

    Args:
        name: One of `LEARNERS`.

    Returns:
        Seeds, steps and curves, as `load_seeds` reads them.
    """
    from rlplay.config import get_default_config
    from rlplay.storage import StorageManager
    from rlplay.training.run import train

    total = _BASE["total_steps"]
    grid = np.linspace(total / _POINTS, total, _POINTS)
    curves = []
    for seed in _SEEDS:
        config = get_default_config("ppo", "snake").replace(**_BASE).replace(seed=seed)
        config = config.replace(**LEARNERS[name][1])
        with tempfile.TemporaryDirectory() as folder:
            storage = StorageManager(folder)
            session = train(config, progress=False, storage=storage)
            lines = storage.load_metrics(config.env_name, str(session.run_id))
        steps, values = ([line[key] for line in lines] for key in ("steps", "score"))
        curves.append([round(value, 2) for value in np.interp(grid, steps, values).tolist()])
        print(f"{name}, seed {seed}: {curves[-1][-1]}", flush=True)
    return {
        "seeds": list(_SEEDS),
        "steps": grid.astype(int).tolist(),
        "curves": curves,
    }


def main() -> None:
    """Train the learners that are named, or all, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(LEARNERS))
    for name in parser.parse_args().names or LEARNERS:
        made = make(name)
        content = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
        text = json.dumps(content | {name: made}, separators=(",", ":"))
        _FILE.write_text(text.replace("],", "],\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

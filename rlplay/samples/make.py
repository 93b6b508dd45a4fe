"""Train the sample runs again, and write their files: ``python -m rlplay.samples.make [NAME...]``.

Takes some minutes on two cores. Each file stays below a megabyte: small networks, weights at a
few ages, a few replays.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from rlplay.config import get_default_config
from rlplay.errors import StorageError
from rlplay.samples import SAMPLES, sample_path
from rlplay.storage import StorageManager
from rlplay.training.run import train

__all__ = ["make"]

T = TypeVar("T")

_MAX_BYTES: Final = 1_000_000
_SMALL: Final = {
    "network_config": {"layers": [{"units": 64}, {"units": 64}]},
    "hyperparams": {"annealing_fraction": 1.0},
}
_REPLAYS: Final = 12

#: What differs from the default config, the seconds to train, and the ages that are kept.
_PLANS: Final[dict[str, tuple[dict[str, Any], float | None, int]]] = {
    "beginner": ({**_SMALL, "total_steps": 400_000}, None, 6),
    "good": ({**_SMALL, "total_steps": 5_000_000}, None, 6),
    "champion": ({}, 300.0, 1),
}


def make(name: str) -> None:
    """Train one sample run, and write its file.

    Args:
        name: One of `SAMPLES`.

    Raises:
        StorageError: When the file would be too large.
    """
    changes, seconds, num_ages = _PLANS[name]
    config = get_default_config("ppo", "snake").replace(
        name=f"Sample: {name}",
        run_id=f"sample-{name}",
        **changes,
    )
    with tempfile.TemporaryDirectory() as folder:
        storage = StorageManager(folder)
        session = train(config, seconds=seconds, storage=storage)
        run = config.env_name, str(session.run_id)
        storage.set_notes(*run, f"A sample run that {SAMPLES[name]}.")
        _thin_out(storage, *run, num_ages)
        path = storage.export_run(*run, sample_path(name))
    size = path.stat().st_size
    snapshot = session.snapshot()
    print(f"{name}: mean score {snapshot.avg_score}, {size / 1e3:.0f} kB, {path}")
    if size > _MAX_BYTES:
        raise StorageError(f"{path} has {size} bytes; {_MAX_BYTES} are allowed. Keep less of it.")


def _thin_out(storage: StorageManager, env_name: str, run_id: str, num_ages: int) -> None:
    """Keep a few ages and a few replays, spread over the run, the best one among them."""
    ages = storage.list_snapshots(env_name, run_id)
    for age in set(ages) - set(_spread(ages, num_ages)):
        storage.delete_snapshot(env_name, run_id, age)
    replays = sorted(storage.list_replays(env_name, run_id), key=lambda shown: shown["score"])
    kept = {shown["replay_id"] for shown in _spread(replays, _REPLAYS)}
    for shown in replays:
        if shown["replay_id"] not in kept:
            storage.delete_replay(env_name, run_id, shown["replay_id"])


def _spread(items: Sequence[T], count: int) -> Sequence[T]:
    """Choose some items at even distances, first and last among them; if one, the middle."""
    if len(items) <= count:
        return items
    if count == 1:
        return [items[len(items) // 2]]
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]


def main() -> None:
    """Make the samples that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SAMPLES))
    for name in parser.parse_args().names or SAMPLES:
        make(name)


if __name__ == "__main__":
    main()

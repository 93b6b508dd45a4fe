"""How fast does this config train on this machine?"""

from __future__ import annotations

import math
import time

import torch

from rlplay.config import RunConfig
from rlplay.device import explain_out_of_memory, keep_freed_memory
from rlplay.envs import get_env_spec
from rlplay.errors import ConfigError
from rlplay.training.loop import TrainingLoop, Update, num_torch_threads, resolved

__all__ = ["measure_speed"]

#: So many times the seconds asked for, the first phase of updates is waited for, and the last one.
_PATIENCE = 2.0
#: No run is that long, so that none ends while it is measured.
_ENDLESS = 10**12


def measure_speed(config: RunConfig, device: str | None = None, seconds: float = 2.0) -> float:
    """Measure how many environment steps a second a config trains on a device.

    It trains in memory, in the thread that calls: nothing is written. Compiling and the first
    phase of updates are not counted, and only whole phases are, moves and the updates that follow.

    Args:
        config: Exactly what to train.
        device: Another device than the config's own.
        seconds: How long to measure, above 0; until a phase is over, it may take a few times as
            long.

    Returns:
        Environment steps a second.

    Raises:
        ConfigError: For seconds that are not above 0.
        DeviceError: When the device is not here, or has too little memory.
    """
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ConfigError(f"seconds = {seconds!r} is not allowed: a number above 0.")
    chosen = config if device is None else config.replace(device=device)
    here = resolved(chosen.replace(total_steps=_ENDLESS))
    keep_freed_memory()
    get_env_spec(here.env_name).env.prepare(lambda message: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(num_torch_threads(here))
    try:
        with explain_out_of_memory(here):
            loop = TrainingLoop(here)
            try:
                return _measure(loop, seconds)
            finally:
                loop.env.close()
    finally:
        torch.set_num_threads(threads)


def _measure(loop: TrainingLoop, seconds: float) -> float:
    """Train, and divide steps by seconds between the ends of two phases of updates."""
    items = loop.run()
    began = time.monotonic()
    # Where no update comes in time, such as before DQN begins to learn, moves alone are measured.
    first, before = began, 0
    while time.monotonic() - began < _PATIENCE * seconds:
        ends_phase = isinstance(next(items), Update) and not loop.agent.updates_due
        first, before = time.monotonic(), loop.total_steps
        if ends_phase:
            break
    while True:
        ends_phase = isinstance(next(items), Update) and not loop.agent.updates_due
        spent = time.monotonic() - first
        if spent >= seconds and (ends_phase or spent >= _PATIENCE * seconds):
            return (loop.total_steps - before) / spent

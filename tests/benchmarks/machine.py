"""What a figure was measured on."""

from __future__ import annotations

import platform

import torch

from rlplay.device import available_cores, get_device_info


def describe_machine() -> str:
    """Name processor, cores and versions, in one line."""
    name = get_device_info("cpu")["name"]
    return (
        f"{name}, {available_cores()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__.partition('+')[0]}"
    )

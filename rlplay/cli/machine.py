"""``rlplay device``, ``doctor`` and ``warmup``: is this machine ready, and what can it do?"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from typing import Final, Literal, NamedTuple

import rlplay
from rlplay.cli.words import Commands, add_command
from rlplay.device import (
    available_cores,
    available_devices,
    choose_num_threads,
    choose_precision,
    get_device,
    get_device_info,
)
from rlplay.envs import ENV_REGISTRY, get_env_spec
from rlplay.envs.snake import cache_is_warm
from rlplay.errors import RlplayError
from rlplay.storage import get_storage_manager

__all__ = ["add_commands"]

_WIDTH: Final = 96  # characters of a line that doctor prints


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    device = add_command(
        commands, "device", _device, "Say where networks compute here, and who decided that."
    )
    device.add_argument(
        "--device", default="auto", help="as if a run asked for this one: auto, cpu, cuda, mps"
    )
    device.add_argument("--json", action="store_true", help="print JSON, one line")
    add_command(
        commands, "doctor", _doctor, "Say whether this machine is ready; exit code 1 if it is not."
    )
    add_command(
        commands,
        "warmup",
        _warmup,
        "Compile the environments' rules now, so that the first game starts fast.",
    )


def _device(arguments: argparse.Namespace) -> int:
    info = get_device_info(arguments.device)
    if arguments.json:
        print(json.dumps(info))
        return 0
    said = {
        "FORCE_DEVICE": "FORCE_DEVICE in the environment",
        "config": "--device",
        "global": "set_global_device",
        "automatic": "the machine: MPS, then CUDA, then the CPU",
    }
    memory = "" if info["memory"] is None else f", {info['memory'] / 2**30:.1f} GB"
    device = get_device(arguments.device)
    print(f"device     {info['device']} ({info['name']}{memory})")
    print(f"chosen by  {said[info['source']]}")
    print(f"available  {', '.join(available_devices())}")
    print(f"precision  {choose_precision('auto', device)}")
    print(
        f"threads    {choose_num_threads()} (cores that this process may use: {available_cores()})"
    )
    return 0


class _Finding(NamedTuple):
    """One line of `rlplay doctor`."""

    mark: Literal["ok", "note", "MISSING"]
    text: str


def _doctor(arguments: argparse.Namespace) -> int:
    findings = [
        _Finding(
            "ok",
            f"rlplay {rlplay.__version__}, Python {platform.python_version()} at {sys.executable}",
        ),
        _Finding("ok", platform.platform()),
        *_examine_libraries(),
        *_examine_device(),
        _examine_models(),
        _examine_kernel(),
        _examine_cache(),
    ]
    for mark, text in findings:
        lines = textwrap.wrap(text, _WIDTH - 9, break_long_words=False, break_on_hyphens=False)
        print(f"{mark:8} " + "\n         ".join(lines))
    marks = Counter(finding.mark for finding in findings)
    if marks["MISSING"]:
        print(f"\nNot ready: {marks['MISSING']} missing, see above.")
        return 1
    print("\nReady.")
    return 0


def _examine_libraries() -> Iterator[_Finding]:
    """Compare what is installed with what pyproject.toml asks for."""
    from packaging.requirements import Requirement

    good = []
    for line in metadata.requires("rlplay") or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not any(
            marker.evaluate({"extra": extra}) for extra in ("", "lab")
        ):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield _Finding("MISSING", f"{requirement.name}: pip install 'rlplay[lab]'")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            good.append(f"{requirement.name} {version}")
        else:
            wanted = f"{requirement.name}{requirement.specifier}"
            yield _Finding(
                "MISSING", f"{wanted}, found {version}: pip install --upgrade '{wanted}'"
            )
    yield _Finding("ok", ", ".join(good))


def _examine_device() -> Iterator[_Finding]:
    try:
        info = get_device_info()
    except RlplayError as error:
        yield _Finding("MISSING", str(error))
        return
    memory = "" if info["memory"] is None else f", {info['memory'] / 2**30:.1f} GB"
    precision = choose_precision("auto", get_device())
    yield _Finding(
        "ok",
        f"device {info['device']} ({info['name']}{memory}), chosen by {info['source']}, "
        f"available: {', '.join(available_devices())}; networks in {precision}",
    )
    yield _Finding("ok", f"{available_cores()} cores, {choose_num_threads()} threads")


def _examine_models() -> _Finding:
    """Try to write where the runs go, and leave nothing behind."""
    folder = get_storage_manager().base_dir
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return _Finding(
            "MISSING",
            f"models folder {folder} cannot be written ({error.strerror}): set RLPLAY_MODELS to a "
            "folder of yours",
        )
    state = "writable" if there == folder else "made with the first run"
    free = shutil.disk_usage(there).free / 1e9
    mark: Literal["ok", "note"] = "ok" if free >= 1 else "note"
    return _Finding(mark, f"models folder {folder} ({state}, {free:.0f} GB free)")


def _examine_kernel() -> _Finding:
    """Ask Jupyter, in a process of its own: this package imports nothing of it."""
    listing = subprocess.run(
        [sys.executable, "-m", "jupyter_client.kernelspecapp", "list", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        kernel = json.loads(listing.stdout)["kernelspecs"]["python3"]
    except (ValueError, KeyError):
        return _Finding("MISSING", "kernel python3: pip install --force-reinstall ipykernel")
    return _Finding("ok", f"kernel python3 at {kernel['resource_dir']}")


def _examine_cache() -> _Finding:
    if cache_is_warm():
        return _Finding("ok", "snake's rules are compiled")
    return _Finding("note", "snake's rules compile at the first game: `rlplay warmup` does it now")


def _warmup(arguments: argparse.Namespace) -> int:
    started = time.perf_counter()
    for name in sorted(ENV_REGISTRY):
        get_env_spec(name).env.prepare(lambda message: print(f"{message}.", flush=True))
    print(f"Ready to play, after {time.perf_counter() - started:.1f} s.")
    return 0

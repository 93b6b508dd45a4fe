"""Where the networks compute: choose a device, say who chose it, never silently take another.

The first that speaks decides:

1. ``FORCE_DEVICE`` (cpu, cuda or mps) in the environment of the process,
2. the run's own ``device``, unless it is ``"auto"``,
3. `set_global_device`, for everything in this process that says ``"auto"``,
4. the machine: MPS, then CUDA, then the CPU.

A device that was asked for and is not there is an error that names the ones that are: a student
who asks for a GPU and gets a CPU would wait ten times as long and never learn why.

Beside the device stand the other choices that depend on the machine alone: how many cores this
process may use, and whether the processor multiplies matrices in bfloat16.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypedDict

import torch

from rlplay.errors import ConfigError, DeviceError, OutOfMemory, nearest

if TYPE_CHECKING:
    from rlplay.config import RunConfig

__all__ = [
    "DEVICE_TYPES",
    "DeviceChoice",
    "DeviceInfo",
    "Precision",
    "available_cores",
    "available_devices",
    "choose_device",
    "choose_num_threads",
    "choose_precision",
    "cpu_name",
    "describe_device",
    "explain_out_of_memory",
    "get_device",
    "get_device_info",
    "get_global_device",
    "has_native_bfloat16",
    "keep_freed_memory",
    "set_global_device",
]

#: Every device type that rlplay runs on, the one that it prefers first.
DEVICE_TYPES: Final = ("mps", "cuda", "cpu")

Precision = Literal["float32", "bfloat16"]
Source = Literal["FORCE_DEVICE", "config", "global", "automatic"]

_NAMES: Final = {"mps": "Apple GPU (MPS)", "cuda": "NVIDIA or AMD GPU (CUDA)", "cpu": "CPU"}

#: The options that make a batch, and with it the need for memory, large.
_BATCH_OPTIONS: Final = (
    "batch_size",
    "num_envs",
    "num_steps",
    "num_minibatches",
    "replay_capacity",
    "replay_memory_mb",
)

_global_device: str | None = None


class DeviceChoice(NamedTuple):
    """A device, and who chose it."""

    device: torch.device
    source: Source


class DeviceInfo(TypedDict):
    """What a person may want to know about a device."""

    device: str
    """As PyTorch spells it, such as ``"cuda"``."""
    type: str
    """One of `DEVICE_TYPES`."""
    name: str
    """The maker's name of the chip."""
    memory: int | None
    """Bytes that it has in all; None where the system does not say."""
    source: Source
    """Who chose it."""


def available_devices() -> tuple[str, ...]:
    """List the device types of this machine, the preferred one first.

    Returns:
        At least ``("cpu",)``.
    """
    there = {
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available(),
        "cpu": True,
    }
    return tuple(name for name in DEVICE_TYPES if there[name])


def choose_device(requested: str | torch.device = "auto") -> DeviceChoice:
    """Choose where to compute, and say who chose.

    Args:
        requested: ``"auto"``, or one of `DEVICE_TYPES`.

    Returns:
        The device and what decided it.

    Raises:
        DeviceError: The device that was asked for is not on this machine, or is no device.
    """
    wanted = _device_type(requested, "device", allow_auto=True)
    forced = os.environ.get("FORCE_DEVICE", "").strip()
    if forced:
        return DeviceChoice(
            _checked(_device_type(forced, "FORCE_DEVICE"), "FORCE_DEVICE"), "FORCE_DEVICE"
        )
    if wanted != "auto":
        return DeviceChoice(_checked(wanted, "device"), "config")
    if _global_device is not None:
        return DeviceChoice(_checked(_global_device, "set_global_device"), "global")
    return DeviceChoice(torch.device(available_devices()[0]), "automatic")


def get_device(requested: str | torch.device = "auto") -> torch.device:
    """Choose where to compute.

    Args:
        requested: ``"auto"``, or one of `DEVICE_TYPES`.

    Returns:
        The device.

    Raises:
        DeviceError: The device that was asked for is not on this machine, or is no device.
    """
    return choose_device(requested).device


def get_device_info(requested: str | torch.device = "auto") -> DeviceInfo:
    """Describe the device that `choose_device` chooses.

    Args:
        requested: ``"auto"``, or one of `DEVICE_TYPES`.

    Returns:
        Its spelling, type, name, memory in bytes, and who chose it.

    Raises:
        DeviceError: The device that was asked for is not on this machine, or is no device.
    """
    device, source = choose_device(requested)
    name, memory = describe_device(device)
    return {
        "device": str(device),
        "type": device.type,
        "name": name,
        "memory": memory,
        "source": source,
    }


def describe_device(device: torch.device) -> tuple[str, int | None]:
    """Describe a device of this machine, whether it is chosen or not.

    Args:
        device: One that is there.

    Returns:
        The maker's name of the chip, and the bytes of memory that it has in all; None where the
        system does not say.
    """
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return str(properties.name), int(properties.total_memory)
    if device.type == "mps":
        return cpu_name(), int(torch.mps.recommended_max_memory())
    return cpu_name(), _physical_memory()


def set_global_device(device: str | torch.device | None) -> None:
    """Set the device of everything in this process whose config says ``"auto"``.

    Sessions that train already keep theirs.

    Args:
        device: One of `DEVICE_TYPES`; None or ``"auto"`` leaves it to the machine again.

    Raises:
        DeviceError: The device is not on this machine, or is no device.
    """
    global _global_device
    wanted = _device_type("auto" if device is None else device, "device", allow_auto=True)
    _global_device = None if wanted == "auto" else _checked(wanted, "device").type


def get_global_device() -> torch.device:
    """Tell which device a config gets that says ``"auto"``.

    Returns:
        The device: from ``FORCE_DEVICE``, else `set_global_device`, else the machine's best.

    Raises:
        DeviceError: ``FORCE_DEVICE`` names a device that is not on this machine.
    """
    return choose_device("auto").device


def _device_type(value: str | torch.device, what: str, *, allow_auto: bool = False) -> str:
    """Read a device's name, or say which names there are."""
    name = str(value.type if isinstance(value, torch.device) else value).strip().lower()
    if name in DEVICE_TYPES or (allow_auto and name == "auto"):
        return name
    known = (*(["auto"] if allow_auto else []), *sorted(DEVICE_TYPES))
    # The nearest word to "gpu" is "cpu", which is the opposite of what is meant.
    meant = nearest(name, known) if name != "gpu" else " A GPU is cuda (NVIDIA) or mps (Apple)."
    raise DeviceError(
        f"{what}={str(value)!r} is no device. Known: {', '.join(known)}.{meant} On this machine: "
        f"{', '.join(available_devices())}."
    )


def _checked(name: str, what: str) -> torch.device:
    """Turn a known name into a device that is there."""
    there = available_devices()
    if name not in there:
        others = " or ".join(f"{what}={other}" for other in there)
        if what == "set_global_device":
            others = " or ".join(f"set_global_device({other!r})" for other in there)
        raise DeviceError(
            f"{what} asks for {name}, and this machine has no {_NAMES[name]} that this PyTorch "
            f"({torch.__version__}) can use. Available: {', '.join(there)}. Use {others}."
        )
    return torch.device(name)


def cpu_name() -> str:
    """Name the processor as its maker does, or as closely as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return str(_cpu_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def _cpu_capabilities() -> dict[str, object]:
    """Tell what the processor can do; empty before PyTorch 2.11, which first tells."""
    query = getattr(torch.cpu, "get_capabilities", None)
    return dict(query()) if query is not None else {}


def _physical_memory() -> int | None:
    """Count the bytes of memory of this machine."""
    if sys.platform == "win32":
        import ctypes

        class MemoryStatus(ctypes.Structure):
            _fields_ = (
                ("length", ctypes.c_ulong),
                ("load", ctypes.c_ulong),
                ("total_physical", ctypes.c_ulonglong),
                ("others", ctypes.c_ulonglong * 6),
            )

        status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return int(status.total_physical)
    else:  # noqa: RET505, so that type checkers know which system this is for
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):
            return None


# Cores and threads


def available_cores() -> int:
    """Count the cores that this process may use.

    A container or a batch system often grants fewer than the machine has: the affinity mask and
    the CPU quota of the control groups are respected.

    Returns:
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _cgroup_quota(Path("/"))
    # Rounded down: a thread beyond the quota makes all of them wait.
    return max(1, cores if quota is None else min(cores, int(quota)))


def choose_num_threads(requested: int | None = None) -> int:
    """Choose how many threads PyTorch computes with on the CPU.

    Args:
        requested: The run's own number, or None for automatic.

    Returns:
        The number requested, else `available_cores`, but no more than ``OMP_NUM_THREADS`` or
        than the processor has physical cores.

    Raises:
        ConfigError: The number is below 1.
    """
    if requested is not None:
        if requested < 1:
            raise ConfigError(
                f"num_threads={requested} is too few. Allowed: 1 or more, or None for automatic "
                f"({choose_num_threads()} on this machine)."
            )
        return requested
    threads = available_cores()
    physical = _cpu_capabilities().get("num_physical_cores")
    if isinstance(physical, int) and physical > 0:
        threads = min(threads, physical)
    environment = os.environ.get("OMP_NUM_THREADS", "").strip()
    if environment.isdecimal() and int(environment) > 0:
        threads = min(threads, int(environment))
    return threads


def _cgroup_quota(root: Path) -> float | None:
    """Read the CPU quota of this process's control groups, versions 1 and 2.

    Args:
        root: The file system's root.

    Returns:
        The tightest quota, in cores; None where there is none.
    """
    try:
        memberships = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = []
    for line in memberships:
        _, controllers, group = line.split(":", 2)
        if not controllers:  # version 2: one hierarchy
            mounts, read = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, read = [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"], _quota_v1
        else:
            continue
        for mount in mounts:
            # A parent's quota holds for its children. Inside a container the group's path may be
            # the host's, and the container's own group is then mounted at the top.
            folder = root / mount / group.strip("/")
            while True:
                quota = read(folder)
                if quota is not None:
                    quotas.append(quota)
                if folder == root / mount:
                    break
                folder = folder.parent
    return min(quotas, default=None)


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def keep_freed_memory() -> None:
    """Have this process keep the memory that training frees and asks for again.

    A minibatch frees and allocates the same few megabytes thousands of times. glibc hands each of
    them back to the system, which then has to clear the pages again: measured, a quarter of an
    update. Where the C library is another one, nothing happens.
    """
    if sys.platform != "linux":
        return
    import ctypes

    # From malloc.h: below this size memory comes from the heap, and the heap's end is kept.
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 << 20)
        mallopt(trim_threshold, 256 << 20)
        mallopt(top_pad, 16 << 20)


# Precision


def has_native_bfloat16(device: torch.device) -> bool:
    """Tell whether matrix products in bfloat16 are fast on a device.

    PyTorch computes them everywhere, but a processor without the instructions emulates them, and
    takes about thirty times as long as in float32.

    Args:
        device: The device that is asked about.

    Returns:
        True if the hardware itself multiplies matrices in bfloat16, and PyTorch uses it.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    capabilities = _cpu_capabilities()
    if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
        return True
    # On ARM only the Arm Compute Library uses the instructions.
    return bool(capabilities.get("bf16") and torch.backends.mkldnn.is_acl_available())


def choose_precision(requested: str, device: torch.device) -> Precision:
    """Choose in what precision the networks multiply; the losses are always float32.

    Args:
        requested: ``"auto"``, ``"float32"`` or ``"bfloat16"``.
        device: Where they compute.

    Returns:
        What was requested; for ``"auto"`` bfloat16 where the hardware has it, else float32.

    Raises:
        ConfigError: No such precision.
    """
    if requested == "auto":
        return "bfloat16" if has_native_bfloat16(device) else "float32"
    if requested == "float32":
        return "float32"
    if requested == "bfloat16":
        return "bfloat16"
    known = ("auto", "float32", "bfloat16")
    raise ConfigError(
        f"precision={requested!r} is unknown. Allowed: {', '.join(known)}."
        f"{nearest(requested, known)}"
    )


# Out of memory


@contextmanager
def explain_out_of_memory(config: RunConfig) -> Iterator[None]:
    """Turn any library's report of a full memory into one that says what to change.

    Args:
        config: The run whose network computes in the block.

    Yields:
        Nothing.

    Raises:
        OutOfMemory: The block ran out of memory; other exceptions pass unchanged.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemory) or not _is_out_of_memory(error):
            raise
        device = get_device(config.device).type
        options = {"num_envs": config.num_envs, **config.hyperparams}
        sizes = ", ".join(f"{name}={options[name]}" for name in _BATCH_OPTIONS if name in options)
        layers = config.network_config.get("layers", ())
        network = "-".join(str(layer.get("units", "?")) for layer in layers) or "no hidden layer"
        if device == "cpu":
            hint = "FORCE_DEVICE=cpu cannot help here: the run is on the CPU already."
        else:
            hint = "Or compute on the CPU, with the main memory: set FORCE_DEVICE=cpu."
        raise OutOfMemory(
            f"Out of memory on {device}, with a batch size from {sizes} and a network size of "
            f"{network} units. Make the batches or the network smaller, or close other programs. "
            f"{hint}"
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    # Only CUDA raises a type of its own; MPS and the CPU's allocator raise plain RuntimeErrors.
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return any(
        sign in text for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )

"""Where the networks compute, in what precision, on how many threads; and what is fastest here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import anywidget
import torch
import traitlets as t

from rlplay import measure_speed
from rlplay.config import RunConfig
from rlplay.device import (
    available_cores,
    available_devices,
    choose_device,
    choose_num_threads,
    choose_precision,
    describe_device,
    has_native_bfloat16,
)
from rlplay.errors import ConfigError, RlplayError
from rlplay.training.session import sessions
from rlplay_widgets.desk import Desk
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.theme import number, script

__all__ = ["DevicePanel"]

#: Seconds for which each choice is measured.
SECONDS = 2.0
#: Up to so many numbers of threads are all measured; of more, the powers of two.
FEW_THREADS = 8
#: Seconds after which it is looked again who chooses the device.
LOOK_AGAIN = 2.0

TITLES = {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "Apple GPU (MPS)"}
#: The options that this panel sets; a measurement answers for one of them.
OPTIONS = ("device", "precision", "num_threads")
#: Fields of a config that say nothing about its speed.
_UNTIMED = ("run_id", "name", "seed", "total_steps")


class DeviceWidget(anywidget.AnyWidget):
    """Choices and bars in the browser; wishes come up as messages."""

    _esm = script("device.js")

    state = t.Dict().tag(sync=True)


@dataclass(frozen=True)
class _Machine:
    """What there is on this machine.

    Attributes:
        devices: Name and memory of each device that is there, the preferred one first.
        bfloat16: The devices that multiply matrices in bfloat16 themselves.
        cores: Cores that this process may use.
        threads: What automatic threads mean.
    """

    devices: dict[str, tuple[str, int | None]]
    bfloat16: tuple[str, ...]
    cores: int
    threads: int


@dataclass
class _Bar:
    """One choice that is measured.

    Attributes:
        label: What a person reads.
        change: The options that make it.
        speed: Steps a second, once measured.
        reason: Why it could not be measured.
    """

    label: str
    change: dict[str, Any]
    speed: float | None = None
    reason: str = ""


@dataclass
class _Measurement:
    """Choices that are measured one after the other.

    Attributes:
        kind: "devices", "threads" or "precisions".
        config: What each choice changes.
        bars: The choices.
        disturbed: Whether a session trained meanwhile.
        cancelled: Whether a person has had enough.
    """

    kind: str
    config: RunConfig
    bars: list[_Bar] = field(default_factory=list)
    disturbed: bool = False
    cancelled: bool = False

    @property
    def next(self) -> _Bar | None:
        """The choice to measure next."""
        left = [bar for bar in self.bars if bar.speed is None and not bar.reason]
        return left[0] if left and not self.cancelled else None

    @property
    def best(self) -> _Bar | None:
        """The fastest choice, when all are measured."""
        measured = [bar for bar in self.bars if bar.speed is not None]
        if self.next is not None or not measured:
            return None
        return max(measured, key=lambda bar: bar.speed or 0.0)

    def is_of(self, config: RunConfig) -> bool:
        """Whether it answers for a config, whatever that chooses among the bars."""
        varied = {name for bar in self.bars for name in bar.change}
        asked, own = config.to_dict(), self.config.to_dict()
        return all(asked[key] == own[key] for key in own if key not in (*varied, *_UNTIMED))


class DevicePanel:
    """Device, precision and threads of the draft; and "which is fastest?".

    Args:
        desk: Whose draft it edits.
    """

    title = "The device panel"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._version = 0
        self._stamp: tuple[Any, ...] = ()
        self._machine: _Machine | None = None
        self._measurement: _Measurement | None = None
        self.widget = DeviceWidget()
        self.widget.on_msg(desk.scene.safely(self._receive))
        desk.work("looking at this machine", _look_at_machine, self._take_machine)

    def _take_machine(self, machine: _Machine) -> None:
        self._machine = machine
        self._version += 1

    # Callbacks: in the kernel's threads, only hand on and return ---------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "set" and content.get("option") in OPTIONS:
            self._desk.set(content["option"], content.get("value"))
            self._version += 1
        elif kind == "measure":
            self.measure(str(content.get("what")))
        elif kind == "adopt":
            self.adopt(int(content.get("bar", -1)))
        elif kind == "cancel" and self._measurement is not None:
            self._measurement.cancelled = True
            self._version += 1

    def measure(self, kind: str) -> None:
        """Measure the draft's config on each choice of a kind, one after the other.

        Args:
            kind: "devices", "threads" or "precisions".

        Raises:
            ConfigError: For a kind that there is nothing to choose of.
        """
        machine, config = self._machine, self._desk.draft.config
        if machine is None or (self._measurement and self._measurement.next):
            return
        bars = {what: bars for what, _, bars in _comparisons(machine, config)}
        if kind not in bars:
            raise ConfigError(
                f"Nothing to compare among {kind!r} here. Available: {', '.join(bars) or 'none'}."
            )
        self._measurement = _Measurement(kind, config, bars[kind])
        self._go_on(self._measurement)

    def adopt(self, index: int) -> None:
        """Put a measured choice into the draft.

        Args:
            index: Which bar.
        """
        bars = self._measurement.bars if self._measurement else []
        if not 0 <= index < len(bars):
            raise ConfigError(f"There is no choice {index}. Measure first.")
        for option, value in bars[index].change.items():
            self._desk.set(option, value)
        self._version += 1

    # The clerk -----------------------------------------------------------------------------------

    def _go_on(self, measurement: _Measurement) -> None:
        """Measure the next choice; what else the clerk has to do comes in between."""
        bar = measurement.next
        self._version += 1
        if bar is None:
            return

        def measure() -> None:
            disturbed = _training()
            try:
                speed = measure_speed(measurement.config.replace(**bar.change), seconds=SECONDS)
            except RlplayError as error:
                bar.reason = str(error)
            except Exception as error:
                bar.reason = f"{type(error).__name__}: {error}"
            else:
                bar.speed = speed
            measurement.disturbed |= disturbed or _training()

        self._desk.work("measuring the speed", measure, lambda _: self._go_on(measurement))

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Show the draft's choices, what they mean here, and what was measured."""
        draft, machine = self._desk.draft, self._machine
        live = frame.session is not None and frame.snapshot.state in LIVE
        running = (frame.snapshot.device, frame.snapshot.precision) if live else ()
        forced = os.environ.get("FORCE_DEVICE", "")
        stamp = (draft.version, self._version, running, forced, int(frame.now / LOOK_AGAIN))
        if machine is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        config = draft.config
        device, spoke = _chosen(config)
        on_cpu = device in (None, "cpu")
        choices = {
            "device": (_devices(machine, config, device), spoke),
            "precision": (_precisions(machine, device), ""),
            "num_threads": (
                _threads(machine, draft.get("num_threads")),
                "" if on_cpu else "Threads count on the CPU only.",
            ),
        }
        state = {
            option: {
                "value": draft.get(option),
                "choices": found,
                "problem": draft.problems.get((option,), ""),
                "about": about,
                "locked": draft.is_locked(option),
            }
            for option, (found, about) in choices.items()
        } | {
            "note": _note(running),
            "comparisons": [
                {"what": what, "words": words} for what, words, _ in _comparisons(machine, config)
            ],
            "measurement": self._bars(config),
        }
        assign(self.widget, state=state)
        return False

    def _bars(self, config: RunConfig) -> dict[str, Any]:
        """Give the bars, and what is to be said of them; nothing before the first measurement."""
        measurement = self._measurement
        if measurement is None:
            return {}
        fastest = max((bar.speed or 0.0 for bar in measurement.bars), default=0.0)
        turn, best = measurement.next, measurement.best
        is_current = measurement.is_of(config)
        values = config.to_dict()
        notes = []
        if measurement.disturbed:
            notes.append(
                "A session trained meanwhile and took its part of the machine: the figures are "
                "lower than alone, and their order may differ. Pause it and measure again."
            )
        if not is_current:
            notes.append("Measured with another config than the one that stands here now.")
        if measurement.cancelled:
            notes.append("Cancelled.")
        return {
            "kind": measurement.kind,
            "running": turn is not None,
            "notes": notes,
            "bars": [
                {
                    "label": bar.label,
                    "share": (bar.speed or 0.0) / fastest if fastest else 0.0,
                    "speed": "" if bar.speed is None else f"{number(bar.speed)} steps/s",
                    "measuring": bar is turn,
                    "reason": bar.reason,
                    "best": bar is best and len(measurement.bars) > 1,
                    "used": all(values[name] == value for name, value in bar.change.items()),
                }
                for bar in measurement.bars
            ],
        }


def _look_at_machine() -> _Machine:
    """Find out what there is; some libraries take their time to say."""
    devices = available_devices()
    return _Machine(
        devices={name: describe_device(torch.device(name)) for name in devices},
        bfloat16=tuple(name for name in devices if has_native_bfloat16(torch.device(name))),
        cores=available_cores(),
        threads=choose_num_threads(),
    )


def _training() -> bool:
    """Whether any session of this process trains now."""
    return any(session.snapshot().state in ("running", "stopping") for session in sessions())


def _chosen(config: RunConfig) -> tuple[str | None, str]:
    """Give the device that the config gets, and who chose it; None where it gets none."""
    try:
        device, source = choose_device(config.device)
    except RlplayError as error:
        return None, str(error)
    name = TITLES[device.type]
    said = {
        "FORCE_DEVICE": f"FORCE_DEVICE={device.type} is set for this process, and beats what is "
        "chosen here.",
        "config": f"{name}, since the config says so.",
        "global": f"{name}, since set_global_device says so.",
        "automatic": f"{name}: of MPS, CUDA and CPU the first that this machine has.",
    }
    return device.type, said[source]


def _devices(machine: _Machine, config: RunConfig, chosen: str | None) -> list[dict[str, Any]]:
    """List what can be chosen: automatic, what is there, and what the config says besides."""
    automatic = next(iter(machine.devices)) if config.device != "auto" else chosen
    choices = [_choice("auto", TITLES["auto"], f"{TITLES[automatic]} here" if automatic else "")]
    for device, (name, memory) in machine.devices.items():
        size = "" if memory is None else f"{memory / 2**30:.0f} GB"
        choices.append(_choice(device, TITLES[device], ", ".join(filter(None, (name, size)))))
    if config.device not in ("auto", *machine.devices):
        choices.append(_choice(config.device, TITLES[config.device], "not on this machine"))
    return choices


def _precisions(machine: _Machine, device: str | None) -> list[dict[str, Any]]:
    """List the precisions, and what each one means on the device."""
    automatic = float32 = bfloat16 = ""
    if device is not None:
        native = device in machine.bfloat16
        automatic = f"{choose_precision('auto', torch.device(device))} here"
        float32 = "7 digits"
        bfloat16 = "2 to 3 digits, "
        bfloat16 += "which this hardware multiplies itself" if native else "emulated here: slow"
    return [
        _choice("auto", "Automatic", automatic),
        _choice("float32", "float32", float32),
        _choice("bfloat16", "bfloat16", bfloat16),
    ]


def _threads(machine: _Machine, value: Any) -> list[dict[str, Any]]:
    """List the numbers of threads, up to the cores that there are."""
    cores = machine.cores
    choices = [_choice(None, "Automatic", f"{machine.threads} of {_count(cores, 'core')}")]
    choices += [_choice(count, _count(count, "thread"), "") for count in range(1, cores + 1)]
    if isinstance(value, int) and value > cores:
        choices.append(_choice(value, _count(value, "thread"), f"on {_count(cores, 'core')}"))
    return choices


def _choice(value: Any, label: str, words: str) -> dict[str, Any]:
    return {"value": value, "label": label, "words": words}


def _count(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _note(running: tuple[Any, ...]) -> str:
    """Say that what runs keeps its device."""
    if not running:
        return ""
    where = " in ".join(str(part) for part in running if part)
    return f"Training runs on {where}. A change here counts from the next start on."


def _comparisons(machine: _Machine, config: RunConfig) -> list[tuple[str, str, list[_Bar]]]:
    """List what can be compared on this machine: its kind, words for it, and its choices."""
    device, _ = _chosen(config)
    forced = bool(os.environ.get("FORCE_DEVICE", "").strip())
    found = []
    if len(machine.devices) > 1 and not forced:
        devices = [_Bar(TITLES[name], {"device": name}) for name in machine.devices]
        found.append(("devices", " or ".join(bar.label for bar in devices), devices))
    if device == "cpu" and machine.cores > 1:
        counts = _thread_counts(machine.cores)
        threads = [_Bar(_count(count, "thread"), {"num_threads": count}) for count in counts]
        found.append(("threads", f"1 to {machine.cores} threads", threads))
    if device is not None:
        precisions = [_Bar(name, {"precision": name}) for name in ("float32", "bfloat16")]
        found.append(("precisions", "float32 or bfloat16", precisions))
    return found


def _thread_counts(cores: int) -> list[int]:
    """Choose which numbers of threads to measure."""
    if cores <= FEW_THREADS:
        return list(range(1, cores + 1))
    powers = [1 << power for power in range(cores.bit_length()) if 1 << power < cores]
    return [*powers, cores]

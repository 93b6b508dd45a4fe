"""The one exception family of rlplay.

Every message says what came, what is allowed, and what to do next::

    RlplayError
    ├── ConfigError (ValueError)            an option or a value that a run cannot have
    │   ├── NetworkConfigError              a layer that cannot be built: names its index and field
    │   ├── WeightsMismatch                 weights of another network: names the layer
    │   └── FormulaError                    a reward formula that cannot be used
    ├── UnknownName (LookupError)           a name that nobody registered
    │   ├── UnknownEnvironment
    │   ├── UnknownAlgorithm
    │   ├── UnknownReward
    │   ├── UnknownObservation
    │   └── UnknownPreset
    ├── DeviceError (RuntimeError)          a device that is not there
    │   └── OutOfMemory                     a device that is full
    ├── ContractError (TypeError)           an environment or agent that breaks its contract
    ├── SessionError (RuntimeError)         a call that the session's present state does not allow
    ├── TrainingDiverged (ArithmeticError)  a loss or weight that is no longer a finite number
    └── StorageError (OSError)              a file that cannot be read or written
        ├── InvalidName                     an id or path that could leave the models folder
        ├── RunNotFound
        ├── RunBusy                         another session writes this run
        ├── ArchiveError                    a run that cannot be exported or imported
        └── DamagedFile                     a file whose content is not what was saved
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "ArchiveError",
    "ConfigError",
    "ContractError",
    "DamagedFile",
    "DeviceError",
    "FormulaError",
    "InvalidName",
    "LayerProblem",
    "NetworkConfigError",
    "OutOfMemory",
    "RlplayError",
    "RunBusy",
    "RunNotFound",
    "SessionError",
    "StorageError",
    "TrainingDiverged",
    "UnknownAlgorithm",
    "UnknownEnvironment",
    "UnknownName",
    "UnknownObservation",
    "UnknownPreset",
    "UnknownReward",
    "WeightsMismatch",
    "nearest",
]


class RlplayError(Exception):
    """Base of everything that rlplay raises on purpose."""


class ConfigError(RlplayError, ValueError):
    """An option or a value that a run cannot have."""


class LayerProblem(NamedTuple):
    """A value that a layer cannot have.

    Attributes:
        layer: Index of the layer, from the input side.
        field: The field that holds the value.
        reason: What is allowed.
    """

    layer: int
    field: str
    reason: str


class NetworkConfigError(ConfigError):
    """A layer that cannot be built; the message names its place, counted from 1, and the field.

    Attributes:
        problems: Each value that is not allowed; empty where no single one is to blame.
    """

    def __init__(self, message: str, problems: Iterable[LayerProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class WeightsMismatch(ConfigError):
    """Weights of another network; the message names the layer."""


class FormulaError(ConfigError):
    """A reward formula that cannot be used; the message says what came and what is allowed."""


class UnknownName(RlplayError, LookupError):
    """A name that nobody registered."""


class UnknownEnvironment(UnknownName):
    """No environment is registered under this name."""


class UnknownAlgorithm(UnknownName):
    """No algorithm is registered under this name."""


class UnknownReward(UnknownName):
    """No reward function is registered under this name, in this kernel."""


class UnknownObservation(UnknownName):
    """No observation block is registered under this name, in this kernel."""


class UnknownPreset(UnknownName):
    """No preset of this name: of an algorithm for an environment, or kept by a person."""


class DeviceError(RlplayError, RuntimeError):
    """The device that was asked for is not on this machine."""


class OutOfMemory(DeviceError):
    """The device has no memory left for this network and batch size."""


class ContractError(RlplayError, TypeError):
    """An environment or agent that breaks its contract."""


class SessionError(RlplayError, RuntimeError):
    """A call that the session's present state does not allow."""


class TrainingDiverged(RlplayError, ArithmeticError):
    """A loss or weight that is no longer a finite number."""


class StorageError(RlplayError, OSError):
    """A file that cannot be read or written."""


class InvalidName(StorageError, ValueError):
    """An id or path that could leave the models folder."""


class RunNotFound(StorageError, LookupError):
    """No run of this id in the models folder."""


class RunBusy(StorageError):
    """Another session writes this run."""


class ArchiveError(StorageError):
    """A run that cannot be exported, or an archive that cannot be imported."""


class DamagedFile(StorageError):
    """A file whose content is not what was saved."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the closest known spelling, as the end of an error message.

    Args:
        name: What came.
        known: What is allowed.

    Returns:
        `` Did you mean 'x'?`` with a leading space, or an empty string.
    """
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""

"""What a check of somebody's own code found, in a student's words."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from rlplay.errors import ContractError

__all__ = ["CheckReport", "Checker", "explain_failure"]


@dataclass(frozen=True)
class CheckReport:
    """What a check found; print it, or let it be the last line of a cell.

    It counts as true where every promise that could be checked is kept.

    Attributes:
        what: What was checked, such as ``Environment 'catch'``.
        kept: One sentence for each promise that is kept.
        problems: For each one that is broken: what came, and the likely mistake.
        remarks: What is no mistake, and worth to know; also what could not be checked.
    """

    what: str
    kept: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no promise is broken."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.ok:
            lines = [f"{self.what} keeps its contract."]
        else:
            count = len(self.problems)
            lines = [f"{self.what} has {count} problem{'s' if count > 1 else ''}:"]
            lines += [f"{number}. {text}" for number, text in enumerate(self.problems, 1)]
        return "\n".join([*lines, *(f"Note: {remark}" for remark in self.remarks)])

    __repr__ = __str__


class Broken(Exception):
    """A promise is broken without which the rest cannot be checked; never leaves a check."""


class Checker:
    """Collects which promises are kept and which are broken.

    Args:
        what: What is checked.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.kept: dict[str, None] = {}
        self.problems: dict[str, str] = {}
        self.remarks: dict[str, None] = {}

    def promise(self, holds: bool, sentence: str, otherwise: str) -> bool:
        """Note a promise: the sentence where it holds, otherwise what came instead.

        What came first is told, however often a promise is broken.
        """
        if holds:
            self.kept[sentence] = None
        else:
            self.problems.setdefault(sentence or otherwise, otherwise)
        return holds

    def need(self, holds: bool, sentence: str, otherwise: str) -> None:
        """Note a promise without which the rest cannot be checked.

        Raises:
            Broken: When it does not hold.
        """
        if not self.promise(holds, sentence, otherwise):
            raise Broken

    def fail(self, otherwise: str) -> NoReturn:
        """Note what is wrong, without which the rest cannot be checked.

        Raises:
            Broken: Always.
        """
        self.problems.setdefault(otherwise, otherwise)
        raise Broken

    def remark(self, text: str) -> None:
        """Note what is no mistake."""
        self.remarks[text] = None

    def call(self, what: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call somebody's code; what it raises is a problem.

        Args:
            what: What is called, as the problem begins.
            function: The code.
            *arguments: For it.
            **named: For it.

        Raises:
            Broken: When it fails.
        """
        try:
            return function(*arguments, **named)
        except ContractError as error:
            self.fail(str(error))
        except Exception as error:
            self.fail(f"{what} failed: {explain_failure(error, function)}")

    def report(self) -> CheckReport:
        """Give what was found."""
        kept = tuple(sentence for sentence in self.kept if sentence not in self.problems)
        return CheckReport(self.what, kept, tuple(self.problems.values()), tuple(self.remarks))


def explain_failure(error: Exception, function: Callable[..., Any] | type | None = None) -> str:
    """Say in a student's words what went wrong in their code, where, and the likely mistake.

    Args:
        error: What was raised.
        function: The code; without it, the place is not said.
    """
    line = None
    code = getattr(function, "__code__", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if code is not None and frame.filename == code.co_filename:
            line = frame.line
    text = str(error).rstrip(".") or "no message"
    name = "" if isinstance(error, ContractError) else f"{type(error).__name__}: "
    where = f" (in the line `{line}`)" if line else ""
    likely = _likely(error)
    return f"{name}{text}{where}." + (f" {likely}" if likely else "")


def _likely(error: Exception) -> str:
    """Name the likely mistake behind an error; empty where there is no telling."""
    text = str(error)
    if "truth value of an array" in text:
        return (
            "The values are arrays with one entry for each board: write "
            "np.where(condition, a, b) in place of if, and & and | in place of and and or."
        )
    if "read-only" in text:
        return "What comes in is not yours to change: compute a new array, such as a = a + 1."
    if "only length-1 arrays" in text or "only 0-dimensional arrays" in text:
        return (
            "int(), float() and math take one number, and the values are arrays with one entry "
            "for each board: use NumPy's functions, such as np.abs and np.exp."
        )
    if isinstance(error, TypeError) and "positional argument" in text:
        return "A reward function takes one argument (t), an observation block one (facts)."
    if "could not be broadcast" in text:
        return "Print the shapes: the first axis of every array counts the boards."
    return ""

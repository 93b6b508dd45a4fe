"""How exercises are declared and checked.

An exercise is a generator that looks at one answer, part by part::

    @exercise("discounted_return", parts=3)
    def _discounted_return(answer):
        for rewards, gamma in CASES:
            got = call(answer, rewards, gamma)
            expect(got, discounted_return(rewards, gamma), {sum(rewards): "Where is gamma?"})
            yield

Each ``yield`` is a part that is right. What is wrong raises `Hint`, with words that help: `call` and
`expect` do it for the mistakes that any exercise meets (no answer yet, a wrong type or shape, an
exception, a loop without end, inputs that were changed).
"""

from __future__ import annotations

import copy
import importlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Final, TypeVar

import numpy as np

from rlplay.errors import RlplayError, UnknownName, nearest

__all__ = [
    "Exercise",
    "Hint",
    "WrongAnswer",
    "call",
    "check",
    "exercise",
    "expect",
    "find_exercise",
    "list_exercises",
    "need",
]

Looks = Callable[[Any], Iterator[None]]
L = TypeVar("L", bound=Looks)

#: The modules that declare exercises, one for each lesson, in the order of the lessons.
_LESSONS: Final = ("returns", "bandits", "planning", "tables", "observations", "dqn", "rewards", "policies", "seeds", "autopsy")
#: Seconds after which an answer that has not come to an end is given up.
_PATIENCE: Final = 10
#: Two numbers are equal up to this, relative to the larger one where it is above 1.
_TOLERANCE: Final = 1e-9


class Hint(Exception):  # noqa: N818 - what a student reads, not an error of the program
    """What is wrong with an answer, in words that help to mend it."""


class WrongAnswer(RlplayError):
    """An answer is not right; raised only where nbgrader grades, elsewhere a line is printed."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: What `check` is called with.
        lesson: The module that declares it: ``returns``, ``bandits``, ...
        parts: How many parts an answer has.
        look: Looks at an answer, and yields once for each part that is right.
    """

    name: str
    lesson: str
    parts: int
    look: Looks


_EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, parts: int) -> Callable[[L], L]:
    """Declare an exercise.

    Args:
        name: What `check` is called with.
        parts: How often the generator yields for a right answer.

    Returns:
        A decorator for a generator that takes the answer.
    """

    def declare(look: L) -> L:
        lesson = look.__module__.rpartition(".")[2]
        _EXERCISES[name] = Exercise(name, lesson, parts, look)
        return look

    return declare


def list_exercises() -> list[Exercise]:
    """List all exercises in the order of the lessons."""
    for lesson in _LESSONS:
        importlib.import_module(f"rlplay.lessons.{lesson}")
    return list(_EXERCISES.values())


def find_exercise(name: str) -> Exercise:
    """Give an exercise by its name.

    Raises:
        UnknownName: When there is none of this name.
    """
    known = {exercise.name: exercise for exercise in list_exercises()}
    if name not in known:
        raise UnknownName(
            f"No exercise {name!r}.{nearest(name, known)} Available: {', '.join(known)}."
        )
    return known[name]


def check(name: str, answer: Any) -> None:
    """Look at an answer, and print one line about it.

    Args:
        name: The exercise, as its cell names it.
        answer: Whatever the exercise asks for: a function, a number, a run, a replay.

    Raises:
        UnknownName: For an exercise that does not exist.
        WrongAnswer: Where nbgrader grades (it looks for an exception), when something is wrong.
    """
    exercise = find_exercise(name)
    right = 0
    try:
        _is_there(answer)
        with _patience():
            for _ in exercise.look(copy.copy(answer) if isinstance(answer, list) else answer):
                right += 1
    except Hint as hint:
        line = f"{right}/{exercise.parts}: {hint}"
        print(line)
        if os.environ.get("NBGRADER_EXECUTION"):
            raise WrongAnswer(line) from None
        return
    print(f"ok {right}/{exercise.parts}")


# What exercises are looked at with -------------------------------------------------------------


def need(condition: bool, hint: str) -> None:
    """Raise a hint where a condition does not hold."""
    if not condition:
        raise Hint(hint)


def call(answer: Callable[..., Any], *arguments: Any) -> Any:
    """Call a student's function with copies of some inputs.

    Args:
        answer: The function.
        arguments: Its inputs; it must leave them as they are.

    Returns:
        What it gives; never None or an ellipsis.

    Raises:
        Hint: When it is no function, does not take these inputs, raises, gives nothing, or
            changes what it was given.
    """
    need(callable(answer), f"Give the function itself, not {_say(answer)}.")
    name = getattr(answer, "__name__", "the function")
    given = copy.deepcopy(arguments)
    shown = f"{name}({', '.join(_say(value) for value in arguments)})"
    try:
        got = answer(*given)
    except Hint:
        raise
    except NotImplementedError:
        raise Hint("Not written yet: put your lines where the dots are.") from None
    except Exception as error:
        what = " ".join(str(error).split())[:200]
        raise Hint(f"{shown} raised {type(error).__name__}: {what}") from None
    need(
        not isinstance(got, EllipsisType),
        "Not written yet: put your lines where the dots are.",
    )
    need(got is not None, f"{shown} gives None: replace the dots, and end with return.")
    need(
        _same(given, arguments),
        f"{shown} changes what it was given: work on a copy, or make something new.",
    )
    return got


def expect(
    got: Any, true: Any, mistakes: Mapping[str, Any] | None = None, *, what: str = "The result"
) -> None:
    """Compare a number, an array, a bool or a word with the right one.

    Args:
        got: What came.
        true: What is right: numbers are compared to 1e-9, the rest exactly.
        mistakes: Hints, and the value that each mistake gives.
        what: What it is, to begin a sentence with.

    Raises:
        Hint: When it is something else; the hint of a mistake that gives just this value, or both
            values.
    """
    if isinstance(true, str | bool | np.bool_):
        fits: Callable[[Any], bool] = lambda value: type(got) is type(value) and got == value  # noqa: E731
        need(
            isinstance(got, str if isinstance(true, str) else bool | np.bool_),
            f"{what} should be {'a word' if isinstance(true, str) else 'True or False'}, "
            f"not {_say(got)}.",
        )
        if not isinstance(true, str):
            got, true = bool(got), bool(true)
    else:
        array = _numbers(got, np.shape(true), what)
        fits = lambda value: np.shape(value) == array.shape and _close(array, value)  # noqa: E731
    if fits(true):
        return
    for hint, value in (mistakes or {}).items():
        if fits(value):
            raise Hint(hint)
    raise Hint(f"{what} should be {_say(true)}, not {_say(got)}.")


def _numbers(got: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Read numbers of a shape."""
    kind = "a number" if shape == () else f"numbers of shape {shape}"
    if hasattr(got, "detach"):
        got = got.detach().cpu().numpy()
    try:
        array = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        raise Hint(f"{what} should be {kind}, not {_say(got)}.") from None
    need(not isinstance(got, str), f"{what} should be {kind}, not {_say(got)}.")
    if shape == () and array.shape == (1,):
        raise Hint(f"{what} is an array with one number; give the number: float(...).")
    need(array.shape == shape, f"{what} should be {kind}, not of shape {array.shape}.")
    need(not np.isnan(array).any(), f"{what} is not a number (NaN): what was divided by zero?")
    return array


def _close(one: np.ndarray, other: Any) -> bool:
    return bool(np.allclose(one, np.asarray(other, np.float64), rtol=_TOLERANCE, atol=_TOLERANCE))


def _same(one: Any, other: Any) -> bool:
    """Whether two inputs are equal; what cannot be compared counts as equal."""
    if isinstance(one, np.ndarray):
        return one.shape == np.shape(other) and bool(np.array_equal(one, other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, int | float | str | bool | None):
        return bool(one == other)
    return True


def _say(value: Any) -> str:
    """A value in a few characters; never an address, so that the line is the same each time."""
    if callable(value):
        return f"the function {getattr(value, '__name__', 'without a name')}"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"[{', '.join(_say(part) for part in value[:8])}{', ...' if len(value) > 8 else ''}]"
    if isinstance(value, np.generic | np.ndarray):
        return _say(value.item())
    if isinstance(value, list | tuple) and len(value) <= 8:
        inner = ", ".join(_say(part) for part in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, str | int | bool | dict | list | tuple | None):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"a {type(value).__name__}"


def _is_there(answer: Any) -> None:
    need(
        not (answer is None or isinstance(answer, EllipsisType)),
        "Not answered yet: put your answer where the dots are.",
    )


@contextmanager
def _patience() -> Iterator[None]:
    """Give an answer up that does not come to an end, where the system can do that."""
    can = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not can:
        yield
        return

    def give_up(*_: Any) -> None:
        raise Hint(
            f"No end after {_PATIENCE} seconds: is there a loop whose condition never changes?"
        )

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

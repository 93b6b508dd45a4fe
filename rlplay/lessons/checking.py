"""How exercises are declared and checked.

An exercise is a generator that looks at one answer, part by part::

    @exercise("discounted_return", parts=3)
    def _discounted_return(answer):
        for rewards, gamma in CASES:
            got = call(answer, rewards, gamma)
            expect(got, discounted_return(rewards, gamma), {"Where is gamma?": sum(rewards)})
            yield  # one more part is right

What is wrong raises `Hint`, with words that help: `call` and `expect` do it for the mistakes that
any exercise meets (no answer yet, a wrong type or shape, an exception, inputs that were changed),
and `check` for a loop without end. A look never trusts the type of an answer; where it did all the
same, `check` says that this is not what was asked for.
"""

from __future__ import annotations

import copy
import ctypes
import importlib
import io
import os
import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
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
_LESSONS: Final = (
    "returns",
    "bandits",
    "planning",
    "tables",
    "observations",
    "dqn",
    "rewards",
    "policies",
    "seeds",
    "autopsy",
)
#: Seconds after which an answer that has not come to an end is given up; a check takes under 10.
_PATIENCE: Final = 8.0
#: Two numbers are equal up to this, relative to the larger one where it is above 1.
_TOLERANCE: Final = 1e-9


class Hint(Exception):
    """What is wrong with an answer, in words that help to mend it."""


class _TooLong(BaseException):
    """Raised into an answer that does not come to an end; no ``except Exception`` keeps it."""


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
    """List all exercises in the order of the lessons; a teacher's own ones come last."""
    for lesson in _LESSONS:
        importlib.import_module(f"rlplay.lessons.{lesson}")
    places = {lesson: place for place, lesson in enumerate(_LESSONS)}
    return sorted(_EXERCISES.values(), key=lambda known: places.get(known.lesson, len(places)))


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
        with _quiet(), _patience():
            for _ in exercise.look(answer):
                right += 1
    except Hint as hint:
        line = f"{right}/{exercise.parts}: {hint}"
    except _TooLong:
        line = (
            f"{right}/{exercise.parts}: No end after {_PATIENCE:g} seconds: is there a loop whose "
            "condition never changes?"
        )
    except Exception as error:
        line = (
            f"{right}/{exercise.parts}: {_say(answer)} is not what this exercise asks for "
            f"({_reason(error)})."
        )
    else:
        print(f"ok {right}/{exercise.parts}")
        return
    print(line)
    if os.environ.get("NBGRADER_EXECUTION"):
        raise WrongAnswer(line)


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
        Hint: When it is no function, does not take these inputs, raises (the exception is the
            hint's cause), gives nothing, or changes what it was given.
    """
    need(callable(answer), f"Give the function itself, not {_say(answer)}.")
    name = getattr(answer, "__name__", "the function")
    given = copy.deepcopy(arguments)
    shown = f"{name}({', '.join(_brief(_say(value)) for value in arguments)})"
    try:
        got = answer(*given)
    except Hint:  # what it was given has something to say
        raise
    except NotImplementedError:
        raise Hint("Not written yet: put your lines where the dots are.") from None
    except (Exception, SystemExit) as error:
        raise Hint(f"{shown} raised {_reason(error)}") from error
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
            values, or the difference where both would read the same.
    """
    array: np.ndarray | None = None
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
        array = numbers = _numbers(got, np.shape(true), what)
        fits = lambda value: np.shape(value) == numbers.shape and _close(numbers, value)  # noqa: E731
    if fits(true):
        return
    for hint, value in (mistakes or {}).items():
        if fits(value):
            raise Hint(hint)
    wanted, came = _say(true), _say(array if hasattr(got, "detach") else got)
    if array is not None and wanted.strip("[()]") == came.strip("[()]"):
        raise Hint(_where_they_differ(array, np.asarray(true, np.float64), what))
    raise Hint(f"{what} should be {wanted}, not {came}.")


def _where_they_differ(got: np.ndarray, true: np.ndarray, what: str) -> str:
    """Say what is different where a few digits, or the first few numbers, are the same."""
    apart = np.abs(got - true)
    place = np.unravel_index(apart.argmax(), apart.shape)
    wanted, came = _say(true[place]), _say(got[place])
    if wanted != came:
        return f"{what} should be {wanted} at the place {_say([*place])}, not {came}."
    return (
        f"{what} is nearly right, and off by {apart[place]:.1g}: are these numbers of 32 bits, or "
        "rounded ones? Compute in float64."
    )


def _numbers(got: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Read numbers of a shape."""
    kind = "a number" if shape == () else f"numbers of shape {shape}"
    refused = Hint(f"{what} should be {kind}, not {_say(got)}.")
    try:
        found = np.asarray(got.detach().cpu() if hasattr(got, "detach") else got)
    except Exception:  # whatever an object of the answer's own does there
        raise refused from None
    if found.dtype.kind == "b":
        raise Hint(f"{what} should be {kind}, not True or False: float(...) or .astype(float).")
    if found.dtype.kind not in "iuf":
        raise refused
    array = found.astype(np.float64)
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
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
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
    if isinstance(value, list | tuple):
        inner = ", ".join([_say(part) for part in value[:8]] + ["..."] * (len(value) > 8))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        inner = ", ".join(f"{_say(key)}: {_say(value[key])}" for key in list(value)[:8])
        return f"{{{inner}{', ...' if len(value) > 8 else ''}}}"
    if isinstance(value, str | int | None):
        return _brief(repr(value))
    kind = type(value).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _brief(text: str) -> str:
    """The beginning of a long text: a hint stands in one line."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def _reason(error: BaseException) -> str:
    """What an exception says, in one line that is the same each time."""
    words = re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _is_there(answer: Any) -> None:
    need(
        not (answer is None or isinstance(answer, EllipsisType)),
        "Not answered yet: put your answer where the dots are.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what an answer prints or warns of out of the one line."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _patience() -> Iterator[None]:
    """Raise `_TooLong` into what does not come to an end, also where signals cannot (Windows)."""
    here = threading.get_ident()
    caller = ctypes.c_ulong(here)
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    ended, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        wait = _PATIENCE
        while not ended.wait(wait):
            with lock:
                if not ended.is_set():
                    raise_in(caller, ctypes.py_object(_TooLong))
                    if wakes:
                        signal.pthread_kill(here, signal.SIGALRM)
            wait = 0.5  # an answer with a bare `except:` in its loop kept it

    # What sleeps looks up at a signal alone, which only the main thread can get.
    wakes = hasattr(signal, "pthread_kill") and here == threading.main_thread().ident
    before = signal.signal(signal.SIGALRM, lambda *_: None) if wakes else None
    watcher = threading.Thread(target=watch, name="rlplay-patience", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            ended.set()
            raise_in(caller, None)  # one that was raised, and did not arrive yet
        watcher.join()
        if wakes:
            signal.signal(signal.SIGALRM, before)

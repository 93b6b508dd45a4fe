"""The engine of the exercises: every mistake that any exercise meets, and its words."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from rlplay.errors import UnknownName
from rlplay.lessons import WrongAnswer, check, checking, list_exercises
from rlplay.lessons.checking import call, exercise, expect, find_exercise, need

pytestmark = pytest.mark.usefixtures("own_exercises")


@pytest.fixture
def line(capsys, monkeypatch):
    """What a check prints of an answer, looked at by some function."""
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)

    def of(look, answer, parts=1):
        exercise("mine", parts=parts)(look)
        check("mine", answer)
        return capsys.readouterr().out.rstrip("\n")

    return of


def doubles(answer):
    """An exercise: a function that doubles a list."""
    for numbers in ([1.0, 2.0], [0.5]):
        given = call(answer, numbers)
        expect(given, [2 * n for n in numbers], {"That is the list itself.": numbers})
        yield


def test_parts_are_counted(line):
    assert line(doubles, lambda numbers: [2 * n for n in numbers], parts=2) == "ok 2/2"
    half = lambda numbers: [2 * n if n >= 1 else n for n in numbers]  # noqa: E731
    assert line(doubles, half, parts=2) == "1/2: That is the list itself."


def raises(numbers):
    raise ValueError(f"odd\n  thing {object()}")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (None, "Not answered yet"),
        (..., "Not answered yet"),
        (3, "Give the function itself, not 3."),
        ([1, 2], "Give the function itself, not [1, 2]."),
        (lambda numbers: None, "gives None: replace the dots, and end with return."),
        (lambda numbers: ..., "Not written yet"),
        (lambda numbers: [...], "should be numbers of shape (2,), not"),
        (lambda: 3, "raised TypeError"),
        (raises, "raises([1, 2]) raised ValueError: odd thing <object object>"),
        (lambda numbers: exit(1), "raised SystemExit"),
        (lambda numbers: numbers.append(1) or [2.0, 4.0], "changes what it was given"),
        (lambda numbers: numbers, "That is the list itself."),
        (lambda numbers: [1.0], "should be numbers of shape (2,), not of shape (1,)."),
        (lambda numbers: [[1.0], [2.0, 3.0]], "should be numbers of shape (2,), not [[1], [2, 3]]"),
        (lambda numbers: ["2", "4"], "should be numbers of shape (2,), not ['2', '4']."),
        (
            lambda numbers: [True, False],
            "(2,), not True or False: float(...) or .astype(float).",
        ),
        (lambda numbers: [2j, 4j], "should be numbers"),
        (lambda numbers: [np.nan, 4.0], "is not a number (NaN)"),
        (lambda numbers: [2.0, 5.0], "The result should be [2, 4], not [2, 5]."),
        (lambda numbers: object(), "not an object."),
    ],
)
def test_every_mistake_has_its_words(line, answer, hint):
    assert hint in line(doubles, answer, parts=2)


def not_implemented(numbers):
    raise NotImplementedError


def test_what_is_not_written_yet_is_no_mistake(line):
    assert line(doubles, not_implemented) == (
        "0/1: Not written yet: put your lines where the dots are."
    )


@pytest.mark.parametrize(
    ("got", "true", "fits"),
    [
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.0 + 1e-7, False),
        (1e12 + 1, 1e12, True),
        (np.float32(0.5), 0.5, True),
        (np.array(0.5), 0.5, True),
        (2, 2.0, True),
        (True, 1, False),
        (torch.tensor([1.0, 2.0], requires_grad=True), [1.0, 2.0], True),
        ((1, 2), [1, 2], True),
        (np.float64("inf"), np.inf, True),
        (True, True, True),
        (np.True_, True, True),
        (1, True, False),
        ("A", "A", True),
        ("a", "A", False),
        (3, "A", False),
        ("3", 3, False),
    ],
)
def test_values_are_compared_by_kind_and_to_1e9(line, got, true, fits):
    def look(answer):
        expect(answer, true)
        yield

    assert (line(look, got) == "ok 1/1") is fits


@pytest.mark.parametrize(
    ("got", "true", "words"),
    [
        ("no", True, "The result should be True or False, not 'no'."),
        (3, "A", "The result should be a word, not 3."),
        (np.array([2.0]), 2.0, "is an array with one number; give the number: float(...)."),
        ([1, 2], 2.0, "should be a number, not of shape (2,)."),
        ("2", 2.0, "should be a number, not '2'."),
    ],
)
def test_a_wrong_type_is_named(line, got, true, words):
    def look(answer):
        expect(answer, true)
        yield

    assert words in line(look, got)


@pytest.mark.parametrize(
    ("got", "true"),
    [
        (np.float32(6.48), 6.48),
        (np.array([1.0, 6.48], np.float32), (1.0, 6.48)),
        (torch.tensor([1.0, 6.48]), [1.0, 6.48]),
        (round(2 / 3, 7), 2 / 3),
    ],
)
def test_where_both_look_alike_the_difference_is_said(line, got, true):
    def look(answer):
        expect(answer, true)
        yield

    said = line(look, got)
    assert re.fullmatch(
        r"0/1: The result is nearly right, and off by \de-0\d: .* Compute in float64\.", said
    )
    assert "should be" not in said


def test_a_difference_far_back_is_pointed_at(line):
    def look(answer):
        expect(answer, np.eye(12))
        yield

    assert line(look, np.eye(12) + np.eye(12, k=-9)) == (
        "0/1: The result should be 0 at the place [9, 0], not 1."
    )


def test_a_look_that_trusts_a_type_ends_in_words(line):
    def look(answer):
        need(answer["steps"] > 3, "Too few steps.")
        yield

    assert line(look, {"steps": 2}) == "0/1: Too few steps."
    assert line(look, {"steps": 4}) == "ok 1/1"
    assert line(look, [1]).startswith("0/1: [1] is not what this exercise asks for (TypeError:")


def test_only_the_line_is_printed(line):
    def look(answer):
        expect(call(answer, 2.0), 4.0)
        yield

    def talks(number):
        print("here", number)
        warnings.warn("there", stacklevel=1)
        return float(np.float64(2 * number) + 0 * np.log(np.float64(0)) if number < 0 else 4.0)

    assert line(look, talks) == "ok 1/1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows wakes nobody who sleeps")
def test_an_answer_that_waits_is_given_up(line, monkeypatch):
    monkeypatch.setattr(checking, "_PATIENCE", 0.2)
    before = signal.getsignal(signal.SIGALRM)

    def look(answer):
        call(answer, 1)
        yield

    begin = time.monotonic()
    assert line(look, lambda _: time.sleep(600)).startswith("0/1: No end after 0.2 seconds")
    assert time.monotonic() - begin < 300
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_answer_without_an_end_leaves_room_below_10_seconds():
    assert checking._PATIENCE <= 8


@pytest.mark.parametrize("keeps", [False, True], ids=["plain", "bare except"])
def test_a_loop_without_end_is_given_up(line, monkeypatch, keeps):
    monkeypatch.setattr(checking, "_PATIENCE", 0.2)
    kept = []

    def for_ever(number):
        while True:
            try:
                while True:
                    number += 1
            except:  # noqa: E722 - just what a student may write
                kept.append(number)
                if not keeps or len(kept) > 1:
                    raise

    def look(answer):
        call(answer, 1)
        yield

    assert line(look, for_ever) == (
        "0/1: No end after 0.2 seconds: is there a loop whose condition never changes?"
    )
    assert len(kept) == 1 + keeps
    assert not [t for t in threading.enumerate() if t.name == "rlplay-patience"]
    time.sleep(0.6)  # nothing is raised later


def test_where_nbgrader_grades_a_wrong_answer_raises(monkeypatch, capsys):
    exercise("mine", parts=2)(doubles)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    check("mine", lambda numbers: [2 * n for n in numbers])
    with pytest.raises(WrongAnswer, match=r"^0/2: That is the list itself\.$"):
        check("mine", lambda numbers: numbers)
    with pytest.raises(WrongAnswer, match=r"^0/2: Not answered yet"):
        check("mine", ...)
    assert capsys.readouterr().out.count("\n") == 3


def test_the_nearest_name_is_offered():
    with pytest.raises(UnknownName, match="Did you mean 'discounted_return'"):
        check("discounted_returns", None)


def test_exercises_of_ones_own_come_last():
    exercise("mine", parts=1)(doubles)
    assert list_exercises()[-1] is find_exercise("mine")
    assert list_exercises()[0].lesson == "returns"


def test_long_values_are_cut(line):
    def look(answer):
        expect(answer, 1.0)
        yield

    assert line(look, list(range(20))).endswith("not of shape (20,).")
    assert line(look, dict.fromkeys(range(20), "x" * 99)).count("x") < 8 * 60
    assert "..." in line(look, "x" * 99)

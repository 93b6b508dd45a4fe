"""Every exercise takes right answers, and says of typical wrong ones what the mistake is.

The answers stand in ``answers_<lesson>.py`` beside this file: `RIGHT` and `WRONG` by exercise.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import rlplay.lessons
from rlplay.lessons import WrongAnswer, check, list_exercises
from rlplay.lessons.checking import expect

HERE = Path(__file__).parent
LESSONS = Path(rlplay.lessons.__file__).parent

EXERCISES = {exercise.name: exercise for exercise in list_exercises()}
RIGHT: dict[str, list] = {}
WRONG: dict[str, list] = {}
for path in sorted(HERE.glob("answers_*.py")):
    answers = runpy.run_path(str(path))
    for ours, theirs in ((RIGHT, answers["RIGHT"]), (WRONG, answers["WRONG"])):
        assert not ours.keys() & theirs.keys(), path.name
        ours.update(theirs)

MANY_RIGHT = [
    pytest.param(name, answer, id=f"{name}-{place}")
    for name, some in RIGHT.items()
    for place, answer in enumerate(some)
]
MANY_WRONG = [
    pytest.param(name, answer, hint, id=f"{name}-{place}")
    for name, some in WRONG.items()
    for place, (answer, hint) in enumerate(some)
]


class Strange:
    """An object that answers nothing of what an answer is asked."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __len__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


#: Nobody's right answer.
ODD = {
    "nothing": None,
    "dots": ...,
    "whole number": -987_654_321,
    "number": -9.87654321e-300,
    "not a number": float("nan"),
    "text": "-987654321",
    "empty list": [],
    "list of words": ["up", None, {}],
    "dict": {"a": object()},
    "object": object(),
    "strange": Strange(),
    "class": Strange,
    "array": np.full((3, 0, 2), np.nan),
    "objects in an array": np.array([None, "x"], dtype=object),
    "function of nothing": lambda: None,
    "function that gives nothing": lambda *_, **__: None,
    "function that gives dots": lambda *_, **__: ...,
    "function that gives a word": lambda *_, **__: "-987654321",
    "function that gives an object": lambda *_, **__: Strange(),
    "function that ends Python": lambda *_, **__: sys.exit(0),
    "generator": (i for i in range(3)),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("an exercise asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


@pytest.fixture
def line(capsys):
    """What a check prints: one line, and nothing else."""

    def of(name, answer):
        check(name, answer)
        out, err = capsys.readouterr()
        assert err == ""
        assert out.endswith("\n")
        assert out.count("\n") == 1
        return out.rstrip()

    return of


def test_every_exercise_has_answers():
    assert RIGHT.keys() == WRONG.keys() == EXERCISES.keys()
    for name in EXERCISES:
        assert RIGHT[name], name
        assert len(WRONG[name]) >= 3, name


@pytest.mark.parametrize(("name", "answer"), MANY_RIGHT)
def test_a_right_answer_is_taken(line, name, answer):
    parts = EXERCISES[name].parts
    assert line(name, answer) == f"ok {parts}/{parts}"
    began = time.process_time()
    assert line(name, answer) == f"ok {parts}/{parts}"
    assert time.process_time() - began < 3  # of a processor, however busy the machine is


@pytest.mark.parametrize(("name", "answer", "hint"), MANY_WRONG)
def test_a_wrong_answer_gets_its_hint(line, monkeypatch, name, answer, hint):
    said = line(name, answer)
    assert hint in said
    assert said.startswith(tuple("0123456789"))
    assert " at 0x" not in said
    assert line(name, answer) == said
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(WrongAnswer) as graded:
        check(name, answer)
    assert str(graded.value) == said


def test_every_prepared_hint_is_given_to_some_wrong_answer(line, monkeypatch):
    prepared = set()

    def collect(got, true, mistakes=None, **words):
        prepared.update((current, normal(hint)) for hint in mistakes or {})
        expect(got, true, mistakes, **words)

    def normal(text):
        return re.sub(r"after \d+ sweeps?", "after some sweeps", text)

    for lesson in {exercise.lesson for exercise in EXERCISES.values()}:
        module = importlib.import_module(f"rlplay.lessons.{lesson}")
        monkeypatch.setattr(module, "expect", collect, raising=False)
    given = {}
    for current in EXERCISES:
        line(current, RIGHT[current][0])
        given[current] = normal("\n".join(line(current, answer) for answer, _ in WRONG[current]))
    assert prepared
    assert {(name, hint) for name, hint in prepared if hint not in given[name]} == set()


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_answer_gets_a_hint(line, kind):
    for name, exercise in EXERCISES.items():
        said = line(name, ODD[kind])
        right, _, rest = said.partition(f"/{exercise.parts}: ")
        assert right.isdigit(), (name, said)
        assert int(right) < exercise.parts
        assert rest, (name, said)
        assert " at 0x" not in said


def test_the_order_does_not_matter(line):
    forward = {name: line(name, RIGHT[name][0]) for name in EXERCISES}
    backward = {name: line(name, WRONG[name][0][0]) for name in reversed(EXERCISES)}
    assert {name: line(name, RIGHT[name][0]) for name in reversed(EXERCISES)} == forward
    assert {name: line(name, WRONG[name][0][0]) for name in EXERCISES} == backward


MEASURE = """
import resource, runpy, sys
from pathlib import Path
from rlplay.lessons import check
RIGHT = {{}}
for path in sorted(Path({here!r}).glob("answers_*.py")):
    RIGHT.update(runpy.run_path(str(path))["RIGHT"])
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
before = peak()
for name, answers in RIGHT.items():
    check(name, answers[0])
    assert peak() - before < 500e6, (name, peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no peak of memory like this")
def test_all_exercises_fit_in_500_megabytes():
    """In a process of their own, whose peak nothing else has raised."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(here=str(HERE))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "RLPLAY_CI": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parts = [EXERCISES[name].parts for name in RIGHT]
    assert done.stdout.splitlines() == [f"ok {number}/{number}" for number in parts]


@pytest.mark.parametrize("path", sorted(LESSONS.glob("*.py")), ids=lambda path: path.name)
def test_no_text_is_run_and_nothing_reaches_out(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"exec", "eval", "compile", "__import__"}
    imported = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not imported & {"socket", "urllib", "http", "requests", "httpx", "subprocess"}

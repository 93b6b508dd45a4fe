"""What all tests of the lessons share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rlplay.lessons import checking

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """The script that makes the notebooks."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def own_exercises() -> Iterator[None]:
    """Take back the exercises that a test declares."""
    checking.list_exercises()
    before = dict(checking._EXERCISES)
    yield
    checking._EXERCISES.clear()
    checking._EXERCISES.update(before)

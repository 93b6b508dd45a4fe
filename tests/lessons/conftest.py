"""What all tests of the lessons share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from rlplay.lessons import checking

ROOT = Path(__file__).parents[2]

TINY = '''\
# %% [markdown]
# # A lesson
#
# The return is $G = r_1 + \\gamma r_2 + \\dots$

# %%
from rlplay.lessons import check

# %%
def discounted_return(rewards, gamma):
    """Add the rewards up."""
    ### BEGIN SOLUTION
    return sum(gamma**k * reward for k, reward in enumerate(rewards))
    ### END SOLUTION


gamma = ...  # your answer
### BEGIN SOLUTION
gamma = 0.9
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("discounted_return", discounted_return)

# %% picture="panel.png"
import os

import ipywidgets as ipw

print("a panel", os.environ["RLPLAY_CI"])
ipw.Button(description="Start")

# %%
# NBVAL_CHECK_OUTPUT
print(3)
"four"
'''


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


@pytest.fixture
def tiny_source(tmp_path):
    """Write the source of a tiny lesson, with some of it replaced."""
    pictures = tmp_path / "source" / "pictures"
    pictures.mkdir(parents=True)
    Image.new("RGB", (4, 4), "red").save(pictures / "panel.png")

    def write(old="", new=""):
        assert old in TINY
        path = tmp_path / "source" / "11_tiny.py"
        path.write_text(TINY.replace(old, new) if old else TINY)
        return path

    return write

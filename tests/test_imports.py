"""Imports run one way only, the front door is what it says, and opening it costs little."""

import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlplay

ROOT = Path(__file__).parents[1]

#: Whoever stands further down may import whoever stands above, and its own line.
LAYERS = (
    ("errors", "report", "seeding", "statistics"),
    ("config", "device"),
    ("envs",),
    ("agents", "storage"),
    ("evaluation", "training"),
    ("samples",),
    ("lessons",),
    ("cli", "__main__"),
)

#: The core is true without a screen.
SCREEN = {
    "rlplay_widgets",
    "IPython",
    "anywidget",
    "ipycanvas",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "jupyter_core",
    "jupyterlab",
    "notebook",
    "traitlets",
}
#: Files, not code.
NEVER_IMPORTED = {"tests", "notebooks", "models", "docs"}

MODULES = sorted(info.name for info in pkgutil.walk_packages(rlplay.__path__, "rlplay."))


def module_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(nodes: list[ast.stmt] | ast.AST) -> Iterator[str]:
    """Name the modules that statements import, as full dotted names."""
    for node in nodes if isinstance(nodes, list) else ast.walk(nodes):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", module_files("rlplay"), ids=lambda path: path.stem)
def test_the_core_knows_no_screen(path):
    names = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
    assert not names & (SCREEN | NEVER_IMPORTED)


@pytest.mark.parametrize("path", module_files("widgets"), ids=lambda path: path.stem)
def test_the_screen_imports_no_tests_and_no_files(path):
    names = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
    assert not names & NEVER_IMPORTED


@pytest.mark.parametrize("path", module_files("rlplay"), ids=lambda path: path.stem)
def test_imports_run_one_way_only(path):
    """Holds for what a module imports when it is imported itself."""
    parts = path.relative_to(ROOT / "rlplay").with_suffix("").parts
    if parts == ("__init__",):
        return
    rank = {name: index for index, layer in enumerate(LAYERS) for name in layer}
    tree = ast.parse(path.read_text("utf-8"))
    for name in imported(tree.body):
        package, _, rest = name.partition(".")
        if package != "rlplay":
            continue
        if not rest:
            assert parts[0] == "cli", "only the command line goes through the front door"
            continue
        other = rest.partition(".")[0]
        if other in rank:
            assert rank[other] <= rank[parts[0]], f"{'.'.join(parts)} imports {name}"


@pytest.mark.parametrize("name", ["rlplay", *MODULES])
def test_what_a_module_exports_is_there(name):
    if name.endswith("__main__"):
        return
    module = importlib.import_module(name)
    for member in getattr(module, "__all__", ()):
        assert hasattr(module, member), member


def test_the_front_door_is_what_it_says():
    public = {
        name
        for name, value in vars(rlplay).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert sorted(rlplay.__all__) == sorted(public)
    assert len(set(rlplay.__all__)) == len(rlplay.__all__)


def test_every_public_name_is_documented():
    undocumented = [
        name
        for name in rlplay.__all__
        if callable(getattr(rlplay, name)) and not getattr(rlplay, name).__doc__
    ]
    assert undocumented == []


IMPORT = """
import json, sys
import torch  # what PyTorch does when it is imported is its own affair
opened, started = [], []
def watch(event, values):
    if event == "open" and isinstance(values[1], str) and set(values[1]) & set("wax+"):
        opened.append(str(values[0]))
    elif event in ("subprocess.Popen", "socket.connect", "os.mkdir"):
        started.append(event)
sys.addaudithook(watch)
import threading, time
before = time.process_time()
import rlplay
seconds = time.process_time() - before
print(json.dumps({
    "opened": opened,
    "started": started,
    "threads": [thread.name for thread in threading.enumerate()],
    "gpu": torch.cuda.is_initialized(),
    "seconds": seconds,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""


def test_importing_touches_nothing_and_is_cheap(tmp_path):
    output = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = json.loads(output)
    assert found["opened"] == []
    assert found["started"] == []
    assert found["threads"] == ["MainThread"]
    assert not found["gpu"]
    assert not set(found["modules"]) & (SCREEN | {"matplotlib", "numba"})
    # Of the processor, so that a busy machine does not matter, and on top of PyTorch's own.
    assert found["seconds"] < 1.5
    assert list(tmp_path.iterdir()) == []

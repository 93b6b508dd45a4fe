"""``rlplay lab``: JupyterLab on the first notebook, also from an installation without a clone."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import rlplay
from rlplay.cli.words import Commands, add_command
from rlplay.errors import ConfigError, StorageError
from rlplay.storage import get_storage_manager

__all__ = ["add_commands", "copy_notebooks", "jupyter_settings", "trust_notebooks"]

_FIRST_NOTEBOOK: Final = "00_quickstart.ipynb"
_COPIES: Final = ".rlplay-notebooks.json"
#: Output of these types can do nothing to a page.
_HARMLESS: Final = frozenset({"text/plain", "image/png"})


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    lab = add_command(commands, "lab", _lab, "Open JupyterLab on the first notebook.")
    lab.epilog = "All other options go to JupyterLab, such as --no-browser or --port 8889."
    lab.add_argument(
        "--dir",
        type=Path,
        help="where the notebooks are copied to (default: ./rlplay-notebooks; in a clone of the "
        "project its own notebooks are opened instead); what you edited there stays as it is",
    )


def _lab(arguments: argparse.Namespace) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigError("JupyterLab is not installed. Next: pip install 'rlplay[lab]'")
    source, is_clone = _shipped_notebooks()
    if is_clone and arguments.dir is None:
        folder = source
    else:
        folder = (arguments.dir or Path("rlplay-notebooks")).expanduser().absolute()
        for line in copy_notebooks(source, folder):
            print(line)
    trust_notebooks(folder)
    os.environ |= jupyter_settings()
    # Notebooks and command line share the runs of the folder that this was typed in.
    models = os.environ.setdefault("RLPLAY_MODELS", str(get_storage_manager().base_dir))
    print(f"Notebooks: {folder}\nRuns are saved in: {models}", flush=True)
    command = [sys.executable, "-m", "jupyterlab", str(folder / _FIRST_NOTEBOOK)]
    return _become([*command, *arguments.others])


def _become(command: list[str]) -> int:
    """Let a program take this one's place, with its terminal and its signals."""
    if os.name == "posix":
        os.execv(command[0], command)
    with subprocess.Popen(command) as process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
        return process.wait()


def _shipped_notebooks() -> tuple[Path, bool]:
    """Find the notebooks of this installation, and whether it is a clone of the project."""
    package = Path(rlplay.__file__).parent
    for folder, is_clone in ((package / "notebooks", False), (package.parent / "notebooks", True)):
        if (folder / _FIRST_NOTEBOOK).is_file():
            return folder, is_clone
    raise StorageError(
        f"This installation of rlplay at {package} has no notebooks. Next: pip install "
        "--force-reinstall 'rlplay[lab]'"
    )


def copy_notebooks(source: Path, folder: Path) -> list[str]:
    """Copy the notebooks out of the package; what a person edited stays as it is.

    Args:
        source: The folder of the package's notebooks.
        folder: Where to; made if missing.

    Returns:
        What a person should know, one line each.

    Raises:
        StorageError: The folder cannot be written.
    """
    lines = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / _COPIES
        copied = _read_copies(record)
        for path in sorted(source.glob("*.ipynb")):
            name = path.name
            target = folder / name
            new = _digest(path)
            old = _digest(target) if target.is_file() else None
            if old not in (None, new, copied.get(name)):
                lines.append(f"Kept your own {name}.")
                continue
            if old != new:
                shutil.copyfile(path, target)
            copied[name] = new
        record.write_text(json.dumps(copied, indent=1), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"Cannot write the notebooks to {folder}: {error.strerror}. Name another folder: "
            "rlplay lab --dir FOLDER"
        ) from None
    return lines


def trust_notebooks(folder: Path) -> list[str]:
    """Have Jupyter trust the notebooks that hold nothing but text and pictures.

    Jupyter shows a panel again after the page was reloaded only in a notebook that it trusts, and
    one that came with saved pictures it does not.

    Args:
        folder: Where the notebooks are.

    Returns:
        Names of those that are trusted now.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    trusted = []
    for path in sorted(folder.glob("*.ipynb")):
        try:
            notebook = nbformat.read(path, as_version=4)
        except (OSError, ValueError):
            continue  # JupyterLab says what is wrong with it
        outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
        if all(_HARMLESS.issuperset(output.get("data", ())) for output in outputs):
            notary.sign(notebook)
            trusted.append(path.name)
    return trusted


def jupyter_settings() -> dict[str, str]:
    """Give the environment variables by which Jupyter finds our kernel, and how it is to send."""
    widgets = importlib.util.find_spec("rlplay_widgets")
    assert widgets is not None, "it is of the same distribution"
    ours = str(Path(str(widgets.origin)).with_name("jupyter"))
    return {
        name: os.pathsep.join(filter(None, [ours, os.environ.get(name)]))
        for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_copies(record: Path) -> dict[str, str]:
    """What was copied earlier, name -> SHA-256; without a record, every file is the person's."""
    try:
        copies = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return copies if isinstance(copies, dict) else {}

"""Open a lesson in JupyterLab or Notebook 7 as a student does, and run it from top to bottom."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test_quickstart import command, open_notebook

if TYPE_CHECKING:
    from conftest import Lab, Window

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def open_lesson(window: Window, lab: Lab, name: str, seconds: float = 90) -> None:
    """Open a notebook, run all of its cells, and see that none of them failed.

    Args:
        window: Where to.
        lab: The JupyterLab, or Notebook 7.
        name: The notebook: "03_looking_ahead".
        seconds: How long it may take.
    """
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", lab.folder / f"{name}.ipynb")
    open_notebook(window, lab, f"{name}.ipynb")
    command(window, "notebook:clear-all-cell-outputs")
    command(window, "notebook:run-all-cells")
    window.until(
        """() => {
          const { sessionContext, model } = window.jupyterapp.shell.currentWidget;
          const code = [...model.sharedModel.cells].filter(cell => cell.cell_type === 'code');
          return sessionContext.session?.kernel?.status === 'idle'
            && code.every(cell => cell.execution_count || !cell.getSource().trim());
        }""",
        seconds=seconds,
    )
    assert failures(window) == []


def failures(window: Window) -> list[Any]:
    """What cells say of exceptions, and what they wrote to stderr."""
    return window.page.evaluate(
        """() => {
          const { cells } = window.jupyterapp.shell.currentWidget.model.sharedModel;
          const outputs = [...cells].flatMap(cell => cell.toJSON().outputs ?? []);
          return outputs.filter(o => o.output_type === 'error' || o.name === 'stderr');
        }"""
    )

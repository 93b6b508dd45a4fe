"""A cell that sleeps or waits, and buttons that work meanwhile.

They do with ipykernel 7.3.0, and not with 7.4.0, where a click waits for the cell: constraints.txt
holds the one that does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import CELL, notebook
from test_quickstart import (
    board_moves,
    button,
    command,
    open_notebook,
    run_first_code_cell,
    state,
    until,
)

if TYPE_CHECKING:
    from conftest import Lab, Window

CELLS = (CELL, "import time\ntime.sleep(60)", "await panel.session.wait_async()")


def prompt(window: Window, cell: int, words: str) -> None:
    """Wait until a cell's number stands as a pattern says: a star while it runs."""
    until(
        window,
        """([cell, words]) => {
          const { widgets } = window.jupyterapp.shell.currentWidget.content;
          return new RegExp(words).test(widgets[cell].promptNode.innerText);
        }""",
        [cell, words],
    )


def busy(window: Window, cell: int) -> bool:
    return window.page.locator(".jp-CodeCell .jp-InputPrompt").nth(cell).inner_text() == "[*]:"


def begin(window: Window, cell: int) -> None:
    window.page.locator(".jp-CodeCell .cm-content").nth(cell).click()
    window.page.keyboard.press("Control+Enter")
    prompt(window, cell, r"\*")


def test_clicks_work_while_a_cell_is_busy(window: Window, lab: Lab) -> None:
    content = notebook(CELL)
    content["cells"] = [
        notebook(source)["cells"][0] | {"id": f"cell-{i}"} for i, source in enumerate(CELLS)
    ]
    (lab.folder / "busy.ipynb").write_text(json.dumps(content))
    open_notebook(window, lab, "busy.ipynb")
    run_first_code_cell(window)
    button(window, "Start").click()
    state(window, "running")
    board_moves(window)

    # Asleep.
    begin(window, 1)
    button(window, "Pause").click()
    state(window, "paused")
    assert busy(window, 1)
    button(window, "Resume").click()
    state(window, "running")
    board_moves(window)
    assert busy(window, 1)
    command(window, "notebook:interrupt-kernel")
    prompt(window, 1, r"\d")

    # Waiting for the end of the training, which a click brings.
    begin(window, 2)
    button(window, "Pause").click()
    state(window, "paused")
    assert busy(window, 2)
    button(window, "Resume").click()
    state(window, "running")
    assert busy(window, 2)
    button(window, "Stop").click()
    state(window, "finished")
    prompt(window, 2, r"\d")
    assert window.complaints == []

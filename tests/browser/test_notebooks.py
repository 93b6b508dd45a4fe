"""Every notebook runs in a real JupyterLab and Notebook 7, with its widgets alive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from lessons import NOTEBOOKS, open_lesson

if TYPE_CHECKING:
    from conftest import Lab, Window

#: The others wait for `make test-long`: a minute each.
FIRST = {
    ("00_quickstart", "JupyterLab"),
    ("04_learning_by_bumping", "JupyterLab"),
    ("03_looking_ahead", "Notebook 7"),
}

#: What Notebook 7.6 says of its own settings, commands and fonts, whatever is opened.
NOTEBOOK_7_ITSELF = re.compile(
    r"reading 'schema'|'filebrowser:open-path' not registered|/static/notebook/\w+\.woff2?\)"
)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param(
            path.stem, place, marks=[] if (path.stem, place) in FIRST else [pytest.mark.long]
        )
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        for place in ("JupyterLab", "Notebook 7")
    ],
)
def test_a_notebook_runs_from_top_to_bottom(
    window: Window, lab: Lab, name: str, place: str
) -> None:
    page = window.page
    open_lesson(window, lab, name, in_notebook_7=place == "Notebook 7")
    # Down to its end, so that all that is drawn only when it is seen is drawn.
    cells = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    for cell in range(cells):
        page.evaluate(
            """cell => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.scrollToItem(cell, 'start').catch(() => {});
            }""",
            cell,
        )
        page.wait_for_timeout(150)
        window.screenshot(f"{name}-{place}-{cell:02}")
    assert [
        words
        for words in window.complaints
        if place == "JupyterLab" or not NOTEBOOK_7_ITSELF.search(words)
    ] == []

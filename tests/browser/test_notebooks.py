"""Every notebook runs in a real JupyterLab and Notebook 7, with its widgets alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lessons import NOTEBOOKS, open_lesson

if TYPE_CHECKING:
    from conftest import Window

#: The others wait for `make test-long`: a minute each.
FIRST = {
    ("00_quickstart", "lab"),
    ("04_learning_by_bumping", "lab"),
    ("03_looking_ahead", "notebook_7"),
}

#: What Notebook 7.6 says of its own settings and commands, whatever is opened.
NOTEBOOK_7_ITSELF = ("reading 'schema'", "'filebrowser:open-path' not registered")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param(
            path.stem, place, marks=[] if (path.stem, place) in FIRST else [pytest.mark.long]
        )
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        for place in ("lab", "notebook_7")
    ],
)
def test_a_notebook_runs_from_top_to_bottom(
    window: Window, request: pytest.FixtureRequest, name: str, place: str
) -> None:
    page = window.page
    server = request.getfixturevalue(place)
    log_begins = server.log.stat().st_size
    open_lesson(window, server, name)
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
    own = NOTEBOOK_7_ITSELF if place == "notebook_7" else ()
    assert [said for said in window.complaints if not any(words in said for words in own)] == []
    assert server.complaints(log_begins) == []

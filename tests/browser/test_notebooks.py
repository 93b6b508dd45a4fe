"""Every notebook runs in a real JupyterLab, with its widgets alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lessons import NOTEBOOKS, open_lesson

if TYPE_CHECKING:
    from conftest import Lab, Window

#: The others wait for `make test-long`: a minute each.
FIRST = ("00_quickstart", "04_learning_by_bumping")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[] if path.stem in FIRST else [pytest.mark.long])
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    ],
)
def test_a_notebook_runs_from_top_to_bottom(window: Window, lab: Lab, name: str) -> None:
    page = window.page
    open_lesson(window, lab, name)
    # Down to its end, so that all that is drawn only when it is seen is drawn.
    places = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length")
    for place in range(places):
        page.evaluate(
            """place => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.scrollToItem(place, 'start').catch(() => {});
            }""",
            place,
        )
        page.wait_for_timeout(150)
        window.screenshot(f"{name}-{place:02}")
    assert window.complaints == []

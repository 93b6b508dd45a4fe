"""Two notebooks that train side by side; one is closed, and opened again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import CELL, notebook
from test_quickstart import command, open_notebook

if TYPE_CHECKING:
    from conftest import Lab, Window

# In the notebook that is in front, and nowhere else.
FRONT = "window.jupyterapp.shell.currentWidget.node"
CANVAS = f"{FRONT}.querySelector('.rlplay-board canvas')"


def go_to(window: Window, name: str) -> None:
    """Open a notebook, or bring it to the front where it is open."""
    command(window, "docmanager:open", path=name)
    window.until(
        """name => {
          const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
          return context.path === name && context.isReady
            && sessionContext.session?.kernel?.connectionStatus === 'connected'
            && sessionContext.session.kernel.status === 'idle';
        }""",
        name,
        seconds=60,
    )


def click(window: Window, words: str) -> None:
    handle = window.page.wait_for_function(
        f"""words => [...{FRONT}.querySelectorAll('.rlplay-buttons button')]
          .find(button => button.innerText.trim() === words && !button.disabled)""",
        arg=words,
    )
    handle.as_element().click()


def state(window: Window, words: str) -> None:
    window.until(
        f"words => {FRONT}.querySelector('.rlplay-state')?.innerText.includes(words)",
        words,
        seconds=60,
    )


def steps(window: Window) -> str:
    return window.page.evaluate(
        f"() => {FRONT}.querySelector('.rlplay-numbers [data-key=steps] dd').innerText"
    )


def plays(window: Window) -> None:
    """The board in front moves, and the count of its steps too."""
    picture = window.until(f"() => {CANVAS}?.toDataURL()")
    window.until(f"before => {CANVAS}?.toDataURL() !== before", picture)
    count = steps(window)
    window.until(
        f"""before => {FRONT}.querySelector('.rlplay-numbers [data-key=steps] dd').innerText
          !== before""",
        count,
    )


def curve(window: Window) -> Any:
    """How far the curve in front has come, as its label says."""
    return window.until(
        f"() => {FRONT}.querySelector('.rlplay-plot')?.getAttribute('aria-label')?.match(/\\d/)"
    )


def test_two_notebooks_train_side_by_side(window: Window, lab: Lab) -> None:
    names = ("left.ipynb", "right.ipynb")
    for name in names:
        (lab.folder / name).write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, names[0])
    for name in names:
        go_to(window, name)
        command(window, "notebook:run-all-cells")
        window.until(f"() => {CANVAS}", seconds=60)
        click(window, "Start")
        state(window, "running")
        plays(window)
        curve(window)

    # Each shows its own, whichever is in front.
    runs = []
    for name in names:
        go_to(window, name)
        plays(window)
        runs.append(
            window.page.evaluate(f"() => {FRONT}.querySelector('.rlplay-run code').innerText")
        )
        command(window, "docmanager:save")
    assert len(set(runs)) == 2
    window.screenshot("two-notebooks")

    # Closed, it trains on; opened again, it shows where it stands, and still obeys.
    go_to(window, names[0])
    before = steps(window)
    command(window, "application:close")
    window.until("name => window.jupyterapp.shell.currentWidget.context?.path === name", names[1])
    plays(window)
    go_to(window, names[0])
    state(window, "running")
    plays(window)
    curve(window)
    assert steps(window) != before
    window.screenshot("opened-again")
    click(window, "Pause")
    state(window, "paused")
    click(window, "Resume")
    state(window, "running")
    plays(window)

    # What one of them does is nothing to the other.
    click(window, "Stop")
    state(window, "finished")
    go_to(window, names[1])
    plays(window)
    click(window, "Stop")
    state(window, "finished")
    # JupyterLab says this of a notebook that is closed while it asks for the debugger's state.
    closed = "Could not restore the debugger state: Canceled future"
    assert [words for words in window.complaints if not words.startswith(closed)] == []

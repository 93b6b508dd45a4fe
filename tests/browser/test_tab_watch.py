"""Watching and playing, driven as a person does it: keys, buttons, a sample, a replay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import CELL, notebook
from test_quickstart import fits, open_notebook, pixels, run_first_code_cell
from test_tab_runs import tab

if TYPE_CHECKING:
    from conftest import Lab, Window

BOARD = ".rlplay-board"
LINE = ".rlplay-caption-line"


def choose(window: Window, words: str) -> None:
    buttons = window.page.locator(".rlplay-watching .widget-toggle-button")
    buttons.filter(has_text=words).first.click()


def says(window: Window, words: str, seconds: float = 30) -> None:
    window.until(
        """([line, words]) => document.querySelector(line).innerText
          .replace(/\\s+/g, ' ').toLowerCase().includes(words)""",
        [LINE, words],
        seconds,
    )


def ending(window: Window) -> str:
    return window.page.locator(".rlplay-caption-ending").inner_text()


def focused(window: Window) -> str:
    return window.page.evaluate("() => document.activeElement.className")


def notebook_state(window: Window) -> Any:
    """What JupyterLab's own keys would change: the mode, the active cell, the number of cells."""
    return window.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          return [content.mode, content.activeCellIndex, content.widgets.length];
        }"""
    )


def test_a_person_plays_and_watches(window: Window, lab: Lab) -> None:
    page = window.page
    content = notebook(CELL)
    content["cells"].append(notebook("1 + 1")["cells"][0] | {"id": "another"})
    (lab.folder / "watch.ipynb").write_text(json.dumps(content))
    open_notebook(window, lab, "watch.ipynb")
    run_first_code_cell(window)
    tab(window, "Watch")
    choose(window, "You play")
    says(window, "you play step 0 · score 0", seconds=90)
    fits(window)

    # The board has the focus, visibly, and one step follows each arrow.
    page.locator(".rlplay-watching .widget-checkbox input").check()
    page.locator(BOARD).click()
    assert "rlplay-board" in focused(window)
    ring = page.evaluate(f"() => getComputedStyle(document.querySelector('{BOARD}')).outlineStyle")
    assert ring == "solid"
    assert page.locator(BOARD).get_attribute("role") == "application"
    before = notebook_state(window)
    assert before == ["command", 0, 2]
    step, moved = 0, 0
    for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"):
        picture = pixels(window)
        page.keyboard.press(key)
        step += 1
        says(window, f"step {step} ")
        if ending(window):  # it began beside a wall
            page.keyboard.press("Space")
            says(window, "step 0 ")
            step = 0
        else:
            window.until(
                f"before => document.querySelector('{BOARD} canvas').toDataURL() !== before",
                picture,
            )
            moved += 1
    assert moved > 0
    # Neither these keys nor others reach the notebook meanwhile.
    for key in ("b", "a", "Enter", "Space"):
        page.keyboard.press(key)
    assert notebook_state(window) == before
    assert "rlplay-board" in focused(window)
    window.screenshot("watch-you")

    # Tab leaves the board for its buttons, and Shift+Tab comes back.
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('.rlplay-pad') !== null")
    page.keyboard.press("Shift+Tab")
    assert "rlplay-board" in focused(window)
    # Escape gives the keys back to the notebook.
    page.keyboard.press("Escape")
    assert "rlplay-board" not in focused(window)
    page.keyboard.press("ArrowDown")
    assert notebook_state(window) == ["command", 1, 2]

    # At its pace: a button steers too, and who looks elsewhere does not go on.
    page.locator(".rlplay-watching .widget-checkbox input").uncheck()
    page.get_by_role("button", name="New game").click()
    says(window, "step 0 ")
    page.locator(".rlplay-pad [data-key=up]").click()
    assert "rlplay-board" in focused(window)
    window.until(f"() => !document.querySelector('{LINE}').innerText.includes('step 0 ')")
    tab(window, "Watch")
    window.until(
        """() => ['Go on', 'Next game'].includes(
          document.querySelector('.rlplay-pad [data-key=space]').innerText)"""
    )
    page.wait_for_timeout(300)
    still = pixels(window)
    page.wait_for_timeout(600)
    assert pixels(window) == still

    # A sample run plays, faster and faster, and what it played opens as a replay.
    page.locator(".rlplay-watching select").wait_for(state="hidden")
    choose(window, "Training")
    runs = page.locator(".rlplay-watching select")
    sample = runs.locator("option", has_text="sample: good,")
    runs.select_option(value=sample.get_attribute("value"))
    says(window, "sample: good at", seconds=60)
    page.locator(".rlplay-watching").get_by_label("Moves a second, slider").press("End")
    rows = ".rlplay-watching [role=grid]"
    window.until(f"() => Number(document.querySelector('{rows}').ariaRowCount) > 60")
    fits(window)
    window.screenshot("watch-sample")
    page.get_by_role("button", name="Open as replay").click()
    says(window, "a replay of a game")
    window.until("() => document.querySelector('.rlplay-replays').innerText.includes('verified')")
    assert window.complaints == []

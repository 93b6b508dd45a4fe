"""The Playground by keyboard alone: every control has a name, is reached, and keeps its keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import CELL, notebook
from test_quickstart import PANEL, open_notebook, run_first_code_cell
from test_tab_runs import tab
from test_tab_train import NAMELESS

if TYPE_CHECKING:
    from conftest import Lab, Window

#: A measurement lasts until the test is over.
SLOW = f"import rlplay_widgets.panels.device as d; d.SECONDS = 60\n{CELL}"
#: A control of each make, by its tab.
CONTROLS = (
    ("Train", ".rlplay-train-form select"),
    ("Train", ".rlplay-place-curve select"),
    ("Train", ".rlplay-buttons button"),
    ("Train", ".rlplay-playground input[type=range]"),
    ("Train", ".rlplay-tab-bar [aria-selected=true]"),
    ("Device", ".rlplay-device input[type=radio]:checked"),
    ("Watch", ".rlplay-watching .widget-toggle-button"),
    ("Runs", ".rlplay-runs [role=grid]"),
)
#: What the Tab key has to reach in the Train tab.
MAIN = {"Start", "Full speed", "Moves/s", "What the curve shows", "Train"}
MAIN |= {"Algorithm", "Preset", "Name", "Train for", "The last episodes"}
#: Each of them does something to a notebook whose cell has the focus.
KEYS = ("ArrowDown", "r", "m", "d", "d", "b", "Shift+M")
#: The control that has the focus, in a word of its own.
FOCUSED = f"""() => {{
  const e = document.activeElement;
  if (!e.closest('{PANEL}')) return null;
  return e.getAttribute('aria-label') || e.labels?.[0]?.innerText.trim()
    || e.closest('.widget-inline-hbox')?.querySelector('label')?.innerText.trim()
    || e.innerText.trim();
}}"""
PANEL_IN_SIGHT = """() => [...document.querySelectorAll('.rlplay-panel')]
  .find(panel => panel.offsetParent && panel.innerText.trim())"""
MOVING = f"""() => document.getAnimations()
  .map(({{ effect }}) => effect.target).filter(e => e?.closest('{PANEL}')).length"""


def cells(window: Window) -> Any:
    """What JupyterLab's keys would change: the mode, the active cell, each cell's type."""
    return window.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          return [content.mode, content.activeCellIndex, content.widgets.map(c => c.model.type)];
        }"""
    )


def test_by_keyboard_and_by_name(window: Window, lab: Lab) -> None:
    page = window.page
    content = notebook(SLOW)
    content["cells"].append(notebook("1 + 1")["cells"][0] | {"id": "another"})
    (lab.folder / "access.ipynb").write_text(json.dumps(content))
    open_notebook(window, lab, "access.ipynb")
    run_first_code_cell(window)

    # Tab leads through the Train tab, past all that is needed there, and out again.
    page.locator(f"{PANEL} button").first.focus()
    reached = []
    while (name := page.evaluate(FOCUSED)) is not None:
        reached.append(name)
        assert len(reached) < 80, reached
        page.keyboard.press("Tab")
    missing = MAIN - set(reached)
    assert not missing, " | ".join(reached)

    # What is pressed on a control is not meant for the notebook.
    before = cells(window)
    assert before == ["command", 0, ["code", "code"]]
    for name, control in CONTROLS:
        tab(window, name)
        place = page.locator(f"{control} >> visible=true").first
        place.focus()
        for key in KEYS:
            page.keyboard.press(key)
            assert cells(window) == before, (control, key)
        page.keyboard.press("Tab")
        assert not place.evaluate("place => place === document.activeElement"), control
    # Saving is.
    place.focus()
    page.keyboard.press("Control+s")
    window.until("() => document.querySelector('.jp-mod-dirty') === null")

    # Every control of every tab has a name.
    for name in page.locator(".rlplay-tab-bar button").all_inner_texts():
        page.evaluate(f"() => {{ window.before = ({PANEL_IN_SIGHT})(); }}")
        tab(window, name)
        window.until(f"() => ![undefined, window.before].includes(({PANEL_IN_SIGHT})())")
        page.wait_for_timeout(200)
        assert page.evaluate(NAMELESS) == [], name

    # What moves to show that something goes on stands still for whom that disturbs.
    tab(window, "Device")
    page.locator(".rlplay-device-buttons button").last.click()
    window.until(f"() => document.querySelector('.rlplay-device-busy') && ({MOVING})()")
    page.emulate_media(reduced_motion="reduce")
    moving = window.until(f"() => document.querySelector('.rlplay-device-busy') && [({MOVING})()]")
    assert moving == [0]
    assert window.complaints == []

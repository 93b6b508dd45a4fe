"""The Train tab, several sessions, the code and a second cell, as a person meets them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import notebook
from test_quickstart import PANEL, button, fits, open_notebook, run_first_code_cell, state, until

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """import rlplay
from rlplay_widgets import Playground
Playground(rlplay.get_default_config("dqn").replace(env_config={"grid_size": 6}))
"""
CONTROLS = f"{PANEL} :is(button, input, select, textarea, summary, [tabindex])"
NAMELESS = f"""() => [...document.querySelectorAll('{CONTROLS}')]
  .filter(e => e.offsetParent !== null && getComputedStyle(e).visibility === 'visible')
  .filter(e => !(e.getAttribute('aria-label') || e.title || e.innerText.trim()
                 || e.labels?.[0]?.innerText.trim() || e.closest('label')
                 || e.closest('.widget-inline-hbox')?.querySelector('label')?.innerText.trim()))
  .map(e => e.outerHTML.slice(0, 200))"""


def field(window: Window, label: str) -> Any:
    row = window.page.locator(".rlplay-train-form > div").filter(has_text=label).first
    return row.locator("input, select")


def chips(window: Window) -> Any:
    return window.page.get_by_role("radio")


def test_a_person_trains_two_agents(window: Window, lab: Lab) -> None:
    first = notebook(CELL)
    second = notebook("Playground.attach()")["cells"][0] | {"id": "again"}
    third = notebook("Playground()")["cells"][0] | {"id": "taken"}
    first["cells"] += [second, third]
    (lab.folder / "train.ipynb").write_text(json.dumps(first))
    open_notebook(window, lab, "train.ipynb")
    run_first_code_cell(window)
    state(window, "ready")
    assert window.page.evaluate(NAMELESS) == []

    # A budget, a name, and a start.
    field(window, "Name").fill("<b>first</b>")
    field(window, "Train for").fill("2 M")
    field(window, "Train for").press("Enter")
    until(
        window,
        """() => document.querySelectorAll('.rlplay-train-form input')[1].value
          .replace(/\\s/g, '') === '2000000'""",
    )
    button(window, "Start").click()
    state(window, "running")
    assert chips(window).count() == 0

    # Another one beside it, for two seconds, with another algorithm.
    field(window, "Algorithm").select_option("PPO")
    window.page.get_by_text("steps", exact=True).first.wait_for()
    window.page.locator(".rlplay-train-form select").nth(2).select_option("seconds")
    until(window, "() => document.querySelectorAll('.rlplay-train-form input')[1].value === '60'")
    field(window, "Train for").fill("2")
    field(window, "Train for").press("Enter")
    window.page.locator(".rlplay-more button").filter(has_text="Start another").click()
    until(window, "() => document.querySelectorAll('.rlplay-sessions button').length === 2")
    until(
        window,
        """() => document.querySelector('.rlplay-sessions [aria-checked=true]')
          ?.getAttribute('aria-label').startsWith('<b>first</b>, finished')""",
        seconds=60,
    )
    state(window, "finished")

    # How it ended, with the last episodes.
    until(window, "() => document.querySelectorAll('.rlplay-episodes [role=row]').length > 3")
    words = window.page.locator(".rlplay-endings li button").first.get_attribute("aria-label")
    assert "show a replay" in words
    fits(window)
    window.screenshot("train-two")

    # Back to the first by keyboard, which runs on.
    chips(window).nth(1).press("ArrowLeft")
    until(
        window,
        """() => document.querySelector('.rlplay-sessions button')
          .getAttribute('aria-checked') === 'true'""",
    )
    state(window, "running")
    assert window.page.evaluate(NAMELESS) == []

    # The code, and its copy.
    window.page.locator(".rlplay-more button").filter(has_text="Code").click()
    code = window.page.locator(".rlplay-code pre")
    code.wait_for()
    assert 'rlplay.get_default_config("dqn", "snake")' in code.inner_text()
    window.page.locator(".rlplay-code button").filter(has_text="Copy").click()
    until(
        window,
        """() => /Copied|Selected/.test(
          document.querySelector('.rlplay-code [role=status]').innerText)""",
    )
    window.page.locator(".rlplay-more button").filter(has_text="Code").click()
    code.wait_for(state="hidden")

    # In another cell: the same panel once more, both alive; then a new one takes over.
    cells = window.page.locator(".jp-CodeCell .cm-content")
    cells.nth(1).click()
    window.page.keyboard.press("Control+Enter")
    until(window, f"() => document.querySelectorAll('{PANEL}').length === 2")
    until(
        window,
        """() => [...document.querySelectorAll('.rlplay-state')]
          .filter(label => label.innerText.includes('running')).length === 2""",
    )
    window.page.locator(".jp-CodeCell .cm-content").nth(2).click()
    window.page.keyboard.press("Control+Enter")
    until(window, f"() => document.querySelectorAll('{PANEL}').length === 1")
    until(
        window,
        """() => [...document.querySelectorAll('.jp-OutputArea-output')]
          .some(output => output.innerText.includes('newer cell'))""",
    )
    state(window, "running")
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []

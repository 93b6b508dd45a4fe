"""The Inside tab, looked at as a person does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import notebook
from test_quickstart import button, fits, open_notebook, run_first_code_cell, until

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """import rlplay
from rlplay_widgets import Playground
config = rlplay.get_default_config().replace(env_config={"grid_size": 8, "vision": 2})
panel = Playground(config)
panel
"""
#: What the network's rows look like, and what the numbers of the bars are.
LOOK = """() => [...document.querySelectorAll('.rlplay-inside canvas')].map(c => c.toDataURL())
  .concat([...document.querySelectorAll('.rlplay-inside-thinks dd b')].map(b => b.innerText))
  .join()"""


def switch(window: Window, words: str) -> Any:
    return window.page.locator(".rlplay-inside-switches button").filter(has_text=words).first


def test_a_person_looks_inside(lab: Lab, window: Window) -> None:
    (lab.folder / "inside.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, "inside.ipynb")
    run_first_code_cell(window)
    page = window.page
    button(window, "Start").click()
    page.locator(".rlplay-tab-bar button").filter(has_text="Inside").click()
    until(window, "() => document.querySelectorAll('.rlplay-inside-thinks dd b').length === 3")
    until(window, "() => document.querySelectorAll('.rlplay-inside canvas').length >= 3")
    words = page.locator(".rlplay-inside-thinks dt").all_inner_texts()
    assert words == ["straight", "turn right", "turn left"]
    switch(window, "Mattered").click()
    until(
        window,
        """() => [...document.querySelectorAll('.rlplay-inside-inputs b')]
          .some(share => /100/.test(share.innerText))""",
    )
    until(window, f"before => ({LOOK})() !== before", page.evaluate(LOOK))
    points = "() => document.querySelector('.rlplay-inside-line').getAttribute('points').split(' ')"
    until(window, f"() => ({points})().length > 3")
    fits(window)
    window.screenshot("inside")
    switch(window, "All off").click()
    until(
        window,
        """() => !document.querySelector('.rlplay-inside-switches [aria-pressed=true]')
          && document.querySelector('.rlplay-inside-missing').innerText.includes('switched off')""",
    )
    assert page.locator(".rlplay-inside section:visible").count() == 0
    button(window, "Stop").click()
    assert window.complaints == []

"""The strips of lessons 7 and 8 above a Playground, driven as a student does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import notebook
from test_quickstart import button, open_notebook, run_first_code_cell, state
from test_tab_network import kernel_says
from test_tab_world import typed

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """from IPython.display import display
from rlplay_widgets import Playground
from rlplay_widgets.lessons.{module} import {name}
panel = Playground(lesson="{lesson}")
display({name}(panel), panel)
"""


def opened(window: Window, lab: Lab, module: str, name: str, lesson: str) -> None:
    """Run the cell of a lesson, and press Start."""
    cell = CELL.format(module=module, name=name, lesson=lesson)
    (lab.folder / f"{lesson}.ipynb").write_text(json.dumps(notebook(cell)))
    open_notebook(window, lab, f"{lesson}.ipynb")
    run_first_code_cell(window)
    window.page.wait_for_selector(".rlplay-strip > *")
    button(window, "Start").click()
    state(window, "running", 60)


def test_turn_clip_and_see_more_of_the_ratios_outside(window: Window, lab: Lab) -> None:
    opened(window, lab, "policies", "ClipBand", "nudging-a-policy")
    window.until("() => document.querySelectorAll('.rlplay-band-in').length > 0")
    width = "() => +document.querySelector('.rlplay-band-inside').getAttribute('width')"
    before = window.page.evaluate(width)
    slider = window.page.get_by_label("clip ε")
    slider.focus()
    window.page.keyboard.press("Home")
    assert window.page.evaluate(width) < before / 10
    window.until(
        "() => [...document.querySelectorAll('.rlplay-band-out')]"
        ".some(bar => +bar.getAttribute('height') > 0)"
    )
    assert kernel_says(window, "panel.session.hyperparams['clip']") == 0.01
    window.screenshot("lesson-clip-band")
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []


def test_two_curves_and_a_price_changed_live(window: Window, lab: Lab) -> None:
    opened(window, lab, "rewards", "PaidAndScored", "you-get-what-you-pay-for")
    charts = window.page.locator(".rlplay-strip-charts .rlplay-plot")
    window.until(
        "() => document.querySelectorAll('.rlplay-strip-charts canvas').length === 2", seconds=60
    )
    labels = charts.evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert ["Return curve:" in labels[0], "Score curve:" in labels[1]] == [True, True]
    window.page.locator(".rlplay-tab-bar button").filter(has_text="World").click()
    formula = "-4 / previous_distance_to_food ** 2"
    typed(window, "farther", formula).press("Enter")
    assert kernel_says(window, "panel.desk.draft.config.reward_config['farther']") == formula
    assert kernel_says(window, "panel.session.rewards['farther']") == formula
    window.screenshot("lesson-two-curves")
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []

"""A gridworld and a bandit, as a person uses them: look into the table, click a cell, pull arms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import notebook
from test_quickstart import (
    button,
    fits,
    open_notebook,
    pictures,
    pixels,
    run_first_code_cell,
    state,
)
from test_tab_runs import board_changes, tab
from test_tab_watch import choose, says

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """from rlplay_widgets import Playground
panel = Playground(env_name="{env_name}", algo="q-learning")
panel.set_speed({pace})
panel
"""


def opened(window: Window, lab: Lab, env_name: str, pace: float) -> None:
    name = f"{env_name}.ipynb"
    (lab.folder / name).write_text(json.dumps(notebook(CELL.format(env_name=env_name, pace=pace))))
    open_notebook(window, lab, name)
    run_first_code_cell(window)


def look(window: Window, words: str) -> None:
    before = pixels(window)
    window.page.locator(".rlplay-looks button").filter(has_text=words).first.click()
    board_changes(window, before)


def test_a_reward_is_changed_on_the_board(window: Window, lab: Lab) -> None:
    page = window.page
    opened(window, lab, "gridworld", 60)
    button(window, "Start").click()
    state(window, "running")
    for words in ("V", "Policy", "Q"):
        look(window, words)
        pictures(window, f"gridworld-{words.lower()}")
    fits(window)
    board = page.locator(".rlplay-board canvas").first.bounding_box()
    # Column 2, row 0 of a map of four columns and three rows.
    page.mouse.click(board["x"] + 0.625 * board["width"], board["y"] + 0.25 * board["height"])
    window.until("() => !document.querySelector('.rlplay-cell').hidden")
    window.until("() => document.activeElement.closest('.rlplay-cell') !== null")
    assert page.locator(".rlplay-cell-kind").text_content() == "A free cell pays 0"
    page.keyboard.type("-2")
    page.keyboard.press("Enter")
    window.until(
        "() => document.querySelector('.rlplay-cell-kind').textContent.endsWith('pays \\u22122')"
    )
    pictures(window, "gridworld-cell")
    page.keyboard.press("Escape")
    window.until("() => document.querySelector('.rlplay-cell').hidden")
    assert window.complaints == []


def test_arms_are_pulled_by_hand(window: Window, lab: Lab) -> None:
    page = window.page
    opened(window, lab, "bandit", 20)
    tab(window, "Watch")
    choose(window, "You play")
    says(window, "step 0", seconds=60)
    page.locator(".rlplay-board").click()
    before = pixels(window)
    page.keyboard.press("3")
    says(window, "step 1 ")
    board_changes(window, before)
    page.locator(".rlplay-pad button").filter(has_text="arm 5").first.click()
    says(window, "step 2 ")
    look(window, "Truth")
    pictures(window, "bandit")
    fits(window)
    assert window.complaints == []

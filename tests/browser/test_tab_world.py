"""The tab World, driven as a person does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pictures import CELL, notebook
from test_quickstart import BOARD, fits, open_notebook, pictures, pixels, run_first_code_cell
from test_tab_network import kernel_says

if TYPE_CHECKING:
    from conftest import Lab, Window


def open_tab(window: Window, lab: Lab, name: str) -> None:
    """Open a Playground with a tab in front."""
    (lab.folder / f"{name}.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, f"{name}.ipynb")
    run_first_code_cell(window)
    window.page.locator(".rlplay-tab-bar button").filter(has_text=name).click()
    window.page.wait_for_selector(".rlplay-field")


def field(window: Window, option: str) -> Any:
    return window.page.locator(f".rlplay-field[data-option={option}]:visible")


def typed(window: Window, option: str, words: str) -> Any:
    """Type into a field, key by key; what stands there must not change meanwhile."""
    text = field(window, option).locator("input[type=text]")
    text.click()
    text.press("Control+a")
    text.press_sequentially(words, delay=40)
    window.page.wait_for_timeout(700)
    assert text.input_value() == words
    return text


def chip(window: Window, words: str) -> None:
    window.page.locator(".rlplay-chips button:visible").filter(has_text=words).click()


def repainted(window: Window, before: str) -> None:
    window.until(f"before => document.querySelector('{BOARD}').toDataURL() !== before", before)


def test_build_a_world(window: Window, lab: Lab) -> None:
    open_tab(window, lab, "World")
    page = window.page
    draft = "panel.desk.draft.config"

    # What is typed is drawn on the board; what is not allowed stays, with its reason.
    before = pixels(window)
    typed(window, "grid_size", "8")
    repainted(window, before)
    assert kernel_says(window, f"{draft}.env_config['grid_size']") == 8
    typed(window, "grid_size", "99")
    assert (
        "4 to 64 cells" in field(window, "grid_size").locator(".rlplay-field-reason").inner_text()
    )
    page.locator(".rlplay-buttons button").first.click()
    window.until(
        "() => document.querySelector('.rlplay-messages')?.innerText.includes('grid_size')"
    )
    field(window, "grid_size").locator(".rlplay-field-reset").click()
    window.until("() => !document.querySelector('.rlplay-field-wrong')")
    assert field(window, "grid_size").locator("input[type=text]").input_value() == "10"

    # None is a choice of its own; a number is typed when it is switched off.
    field(window, "max_steps").locator("input[type=checkbox]").click()
    page.keyboard.type("500")
    page.keyboard.press("Enter")
    window.until("() => document.querySelector('[data-option=max_steps].rlplay-field-changed')")
    assert kernel_says(window, f"{draft}.env_config['max_steps']") == 500

    # What is seen: the window over the board, the number of inputs, what each of them is.
    chip(window, "Observation")
    before = pixels(window)
    field(window, "vision").locator("select").select_option("3 \N{MULTIPLICATION SIGN} 3")
    repainted(window, before)
    window.until("() => document.body.innerText.includes('12 inputs')")
    page.locator(".rlplay-listing-fold:visible").last.click()
    window.until(
        "() => document.querySelector('.rlplay-panels').innerText.includes('1 ahead, 1 left')"
    )

    # What is paid: a formula is checked as it is typed, and says its value.
    chip(window, "Rewards")
    typed(window, "closer", "1 - distnce_to_food")
    reason = field(window, "closer").locator(".rlplay-field-reason").inner_text()
    assert "Did you mean 'distance_to_food'?" in reason
    typed(window, "closer", "grid_size / 4")
    note = field(window, "closer").locator(".rlplay-field-note")
    assert note.inner_text() == "= 2.5 on the example board"
    pictures(window, "world-rewards")
    for section in ("Board", "Observation"):
        chip(window, section)
        page.wait_for_timeout(300)
        fits(window)
        window.screenshot(f"world-{section.lower()}")
    assert window.complaints == []

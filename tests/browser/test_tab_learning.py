"""The tab Learning, driven as a person does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from test_quickstart import button, fits, pictures, state
from test_tab_network import kernel_says
from test_tab_world import chip, field, open_tab, typed

if TYPE_CHECKING:
    from conftest import Lab, Window


def test_turn_the_knobs_while_it_learns(window: Window, lab: Lab) -> None:
    open_tab(window, lab, "Learning")
    page = window.page
    button(window, "Start").click()
    state(window, "running", 60)
    running = "panel.session.config.hyperparams"

    # Numbers as people type them; what is live counts at once.
    text = typed(window, "learning_rate", "3e-4")
    assert kernel_says(window, f"{running}['learning_rate']") == 3e-4
    text.press("Enter")
    page.keyboard.press("Tab")
    window.until(
        "() => document.querySelector('[data-option=learning_rate] input[type=text]').value"
        " === '0.0003'"
    )

    # A slider by keys, which are not the notebook's, and by hand.
    slider = field(window, "discount").locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    window.until(
        "() => document.querySelector('[data-option=discount] input[type=text]').value === '0.99'"
    )
    slider = field(window, "entropy_coefficient").locator("input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 20, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    entropy = field(window, "entropy_coefficient").locator("input[type=text]")
    window.until(
        "() => document.querySelector('[data-option=entropy_coefficient].rlplay-field-changed')"
    )
    assert entropy.input_value() == "0"
    assert kernel_says(window, f"[{running}['discount'], {running}['entropy_coefficient']]") == [
        0.99,
        0,
    ]

    # What is not live says so.
    typed(window, "num_envs", "64")
    assert "next start" in field(window, "num_envs").inner_text()
    assert kernel_says(window, "panel.session.config.num_envs") == 512

    # Presets, and back to the default.
    chip(window, "classic")
    window.until(
        "() => document.querySelector('.rlplay-chips [aria-pressed=true]')?.innerText === 'classic'"
    )
    pictures(window, "learning")
    page.get_by_role("button", name="All to default").locator("visible=true").click()
    window.until("() => !document.querySelector('.rlplay-field-changed')")
    assert field(window, "num_envs").locator("input[type=text]").input_value() == "512"

    # A config of one's own.
    page.get_by_label("Save as").locator("visible=true").fill("Calm")
    page.get_by_role("button", name="Save", exact=True).locator("visible=true").click()
    window.until("() => document.querySelector('.rlplay-own select').value === 'calm'")
    fits(window)
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []

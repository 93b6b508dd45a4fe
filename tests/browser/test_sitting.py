"""One sitting of a new user, from the first click to a run that was exported and came back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pictures import notebook
from test_quickstart import (
    button,
    mean_of_curve,
    open_notebook,
    pixels,
    run_first_code_cell,
    state,
    until,
)
from test_tab_network import kernel_says
from test_tab_runs import act, board_changes, rows, said, tab
from test_tab_watch import choose, says
from test_tab_world import chip, field

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """from rlplay_widgets import Playground
panel = Playground()
panel
"""
#: Seconds that an agent may take until it has filled the board now and then.
PATIENCE = 420


def endings(window: Window) -> list[str]:
    """What the bar of endings says, the largest share first."""
    return window.page.locator(".rlplay-endings li button").evaluate_all(
        "buttons => buttons.map(button => button.getAttribute('aria-label'))"
    )


@pytest.mark.long
def test_a_new_user_in_one_sitting(window: Window, lab: Lab, tmp_path: Path) -> None:
    page = window.page
    (lab.folder / "sitting.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, "sitting.ipynb")
    run_first_code_cell(window)

    # Train until boards are filled.
    button(window, "Start").click()
    state(window, "running")
    until(
        window,
        """() => [...document.querySelectorAll('.rlplay-endings li button')]
          .some(share => share.getAttribute('aria-label').startsWith('filled the board: ')
                         && !/: 0,/.test(share.getAttribute('aria-label')))""",
        seconds=PATIENCE,
    )
    window.screenshot("sitting-full")

    # What does it die of?
    words = endings(window)
    assert any(share.startswith(("bit itself", "hit the wall", "starved")) for share in words)

    # Another reward while it runs: a mark on the curve says so, the session has it, and what an
    # episode brings climbs to almost twice as much.
    page.locator(".rlplay-place-curve .rlplay-choice-of").select_option("reward")
    until(
        window,
        """() => document.querySelector('.rlplay-plot').getAttribute('aria-label')
          .startsWith('Return curve: mean ')""",
    )
    brought = mean_of_curve(window, more_than=0)
    tab(window, "World")
    chip(window, "Rewards")
    apple = field(window, "apple").locator("input[type=text]")
    apple.click()
    apple.press("Control+a")
    apple.press_sequentially("2")
    apple.press("Enter")
    until(
        window,
        """() => [...document.querySelectorAll('[aria-label^="What was changed"] *')]
          .some(mark => `${mark.title} ${mark.innerText} ${mark.getAttribute('aria-label')}`
                         .includes('apple'))""",
    )
    assert kernel_says(window, "panel.session.config.reward_config['apple']") == 2
    mean_of_curve(window, more_than=1.5 * brought)
    window.screenshot("sitting-changed")

    # How did it play when it began?
    tab(window, "Watch")
    choose(window, "An age")
    until(window, "() => document.querySelector('.rlplay-age')?.offsetParent")
    page.locator(".rlplay-watching").get_by_label("Age").press("Home")
    says(window, "at 0 steps", seconds=60)
    board_changes(window, pixels(window))
    window.screenshot("sitting-beginning")

    # Its best game so far.
    tab(window, "Replays")
    rows(window, "replays", least=1)
    page.locator(".rlplay-replays .rlplay-table-row").first.click()
    until(window, "() => document.querySelector('.rlplay-verified')", seconds=60)
    board_changes(window, pixels(window))
    window.screenshot("sitting-best")

    # Twenty steps from its end, the person goes on by keyboard.
    page.locator(".rlplay-replay-bar button").nth(1).click()
    slider = page.locator(".rlplay-replay-track input")
    last = int(slider.get_attribute("max") or 0)
    slider.evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }",
        max(last - 20, 1),
    )
    act(window, "Take over")
    says(window, f"you play on from step {max(last - 20, 1):_}".replace("_", " "))
    for key in ("ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"):
        page.locator(".rlplay-board").press(key)
    # The first of them may end it: there is little room on a board that is almost full.
    until(
        window,
        """from => {
          const words = document.querySelector('.rlplay-caption-numbers').innerText;
          return Number(words.match(/step ([\\d\\s]+)/)?.[1].replace(/\\s/g, '')) > from;
        }""",
        max(last - 20, 1),
    )
    window.screenshot("sitting-taken-over")

    # Stop; out, and in again.
    button(window, "Stop").click()
    state(window, "finished")
    tab(window, "Runs")
    before = int(rows(window, "runs", least=1))
    page.locator(".rlplay-runs .rlplay-table-row").first.click()
    act(window, "Export")
    said(window, "Exported")
    with page.expect_download() as download:
        act(window, "Download")
    file = tmp_path / "mine.zip"
    download.value.save_as(file)
    with page.expect_file_chooser() as chooser:
        page.locator(".rlplay-upload").click()
    chooser.value.set_files(file)
    said(window, "from mine.zip")
    rows(window, "runs", least=before + 1)
    window.screenshot("sitting-shared")

    assert page.locator(".rlplay-messages").inner_text().strip() == ""
    assert window.complaints == []
    assert kernel_complaints(window) == []


def kernel_complaints(window: Window) -> list[Any]:
    """Outputs of the notebook that are errors or words of a thread."""
    return window.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
          .flatMap(cell => cell.model.outputs ? cell.model.outputs.toJSON() : [])
          .filter(output => ['error', 'stream'].includes(output.output_type))"""
    )

"""The lessons' interactions, driven as a student does it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import notebook
from test_quickstart import open_notebook, pixels, run_first_code_cell
from test_tab_runs import tab
from test_tab_watch import says

if TYPE_CHECKING:
    from conftest import Lab, Window

AUTOPSY = """from rlplay.lessons.autopsy import load_case
from rlplay_widgets import Playground

patient = load_case("patient")
panel = Playground(lesson="autopsy")
panel.desk.open_replay(patient, at=patient.length)
panel
"""


def test_who_takes_over_twenty_steps_before_the_end_goes_another_way(
    window: Window, lab: Lab
) -> None:
    """Lesson 10: the replay of a sample run ends in a bite; rewound and taken over, it goes on."""
    page = window.page
    (lab.folder / "autopsy.ipynb").write_text(json.dumps(notebook(AUTOPSY)))
    open_notebook(window, lab, "autopsy.ipynb")
    run_first_code_cell(window)
    says(window, "step 1 127 · score 55", seconds=90)
    assert page.locator(".rlplay-caption-ending").inner_text() == "bit itself"
    end = pixels(window)

    back = page.get_by_role("button", name="One step back")
    for step in range(1_126, 1_106, -1):
        back.click()
        says(window, f"step 1 {step - 1_000} ")
    assert page.locator(".rlplay-caption-ending").inner_text() == ""
    before = pixels(window)
    assert before != end

    # It turned down here, and wound itself in. A person goes straight on, to the right.
    page.get_by_role("button", name="Take over").click()
    says(window, "you play on from step 1 107")
    tab(window, "Watch")
    page.get_by_label("Step by step").check()
    page.locator(".rlplay-board").click()
    page.keyboard.press("ArrowRight")
    says(window, "step 1 108 ")
    window.until(
        "before => document.querySelector('.rlplay-board canvas').toDataURL() !== before", before
    )
    page.keyboard.press("Escape")
    forked = pixels(window)

    # The game that was played shares its steps with the patient up to there, and not beyond.
    tab(window, "Replays")
    page.get_by_role("button", name="One step forth").click()
    says(window, "step 1 108 ")
    window.until(
        "forked => document.querySelector('.rlplay-board canvas').toDataURL() !== forked", forked
    )
    window.screenshot("autopsy")
    assert window.complaints == []

"""The Compare tab and the live chart, as a person uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import notebook
from test_quickstart import PANEL, fits, open_notebook, run_first_code_cell

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """
import time

import rlplay
from rlplay_widgets import Playground
storage = rlplay.get_storage_manager()
base = rlplay.get_default_config()
for run_id, seed in (("one", 1), ("two", 2), ("three", 3)):
    storage.create_run(base.replace(run_id=run_id, seed=seed, name=f"<i>{run_id}</i>"))
    storage.append_metrics("snake", run_id, [
        {"episode": at, "episodes": 1, "steps": 100 * at, "score": at * seed / 10, "loss": 1 / at,
         "score_max": at, "best_score": at, "elapsed": at / 5} for at in range(1, 200)
    ])
session = rlplay.TrainingSession(base.replace(num_envs=8, total_steps=10**9, num_threads=1))
session.start(max_speed=True)
while session.snapshot().episode < 50:
    time.sleep(0.01)
session.update_hyperparams(learning_rate=0.0003)
other = rlplay.TrainingSession(base.replace(num_envs=8, total_steps=10**9, name="the other"))
other.start()
panel = Playground(session)
panel
"""


def test_runs_are_compared_and_race(lab: Lab, window: Window) -> None:
    (lab.folder / "compare.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, "compare.ipynb")
    run_first_code_cell(window)
    page = window.page

    # The live chart: the other session has its name in the legend, and the change left a mark.
    window.until(
        """() => [...document.querySelectorAll('.rlplay-place-curve .rlplay-legend span')]
          .some(e => e.textContent === 'the other')"""
    )
    page.locator(".rlplay-marks button").first.focus()
    window.until(
        """() => document.querySelector('.rlplay-tip')?.textContent
          .startsWith('learning rate 0.001 → 0.0003 at ')"""
    )
    page.locator(".rlplay-place-curve .rlplay-choice-of").select_option("length")
    window.until(
        """() => document.querySelector('.rlplay-place-curve .rlplay-plot')
          .getAttribute('aria-label').startsWith('Episode length curve: mean ')"""
    )

    # Compare: three seeds are chosen, and become one band.
    page.locator(".rlplay-tab-bar button").filter(has_text="Compare").click()
    for name in ("one", "two", "three"):
        page.locator(".rlplay-curves .rlplay-table-row").filter(has_text=f"<i>{name}</i>").click()
    legend = ".rlplay-compare .rlplay-legend button"
    window.until(f"() => document.querySelectorAll('{legend}').length === 5")
    assert page.locator(f"{legend} i").count() == 0  # names are text
    page.get_by_label("group seeds").check()
    window.until(
        f"""() => [...document.querySelectorAll('{legend}')]
          .some(e => e.title.startsWith('Interquartile mean of the seeds'))""",
        seconds=40,
    )
    drawn = page.locator(".rlplay-compare canvas").evaluate(
        """canvas => new Set(canvas.getContext('2d')
          .getImageData(0, 0, canvas.width, canvas.height).data).size"""
    )
    assert drawn > 20
    page.locator(".rlplay-save").click()
    window.until(
        """() => [...document.querySelectorAll('.rlplay-curves .rlplay-receipt')]
          .some(line => /^Saved\\./.test(line.innerText) && /Download/.test(line.innerText))""",
        seconds=60,
    )
    fits(window)

    # The race: both move on, and stand still together.
    page.locator(".rlplay-compare-switch button").filter(has_text="Race").click()
    window.until("() => document.querySelectorAll('.rlplay-race-score b').length === 2", seconds=40)
    page.get_by_title("Moves of each agent in a second").press("End")
    page.locator(".rlplay-race-play").click()
    window.until(
        "() => document.querySelector('.rlplay-race-words').textContent.includes('Episode 2')",
        seconds=60,
    )
    page.locator(".rlplay-race-play").click()
    assert page.locator(f"{PANEL} .rlplay-race-problem").count() == 0
    fits(window)
    assert window.complaints == []

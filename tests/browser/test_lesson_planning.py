"""The lessons, done as a student does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lessons import open_lesson
from test_access import cells

from rlplay.agents.planning import value_iteration
from rlplay.envs import create_env
from rlplay_widgets.lessons.worlds import describe
from rlplay_widgets.theme import static

if TYPE_CHECKING:
    from conftest import Lab, Window


@pytest.mark.parametrize("sweeps", [1, 4, -1])
@pytest.mark.parametrize("map", ["classic", "discount", "bridge", "cliff", "maze"])
def test_the_page_plans_as_python_does(browser: Any, map: str, sweeps: int) -> None:
    page = browser.new_page()
    page.add_script_tag(content=static("parts.js") + static("grid.js"))
    for gamma, step, slip in ((0.9, 0.0, 0.2), (0.3, -0.5, 0.0), (0.97, -1.0, 0.13)):
        there = page.evaluate(
            "([world, rules, sweeps]) => iterate(world, rules, sweeps)",
            [describe(map, pit=-10.0), {"gamma": gamma, "step": step, "slip": slip}, sweeps],
        )
        env = create_env("gridworld", {"pit": -10.0, "step": step}, map=map, slip=slip)
        planned = list(value_iteration(env.get_model(), gamma, tolerance=1e-9))
        here = planned[sweeps if sweeps < 0 else sweeps - 1]
        assert there["number"] == here.number
        np.testing.assert_allclose(there["values"], here.values, atol=1e-10)
        np.testing.assert_allclose(there["q"], here.q_values, atol=1e-10)
    page.close()


def find_map(window: Window, words: str) -> Any:
    """Scroll to the cell whose source holds these words; gives the map below it."""
    place = window.page.evaluate(
        """words => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          const cells = notebook.widgets.map(cell => cell.model.sharedModel.getSource());
          const place = cells.findIndex(source => source.includes(words));
          notebook.activeCellIndex = place;
          notebook.scrollToItem(place, 'start').catch(() => {});
          return place;
        }""",
        words,
    )
    cell = window.page.locator(f".jp-Cell[data-windowed-list-index='{place}']")
    cell.locator(".rlplay-grid").wait_for()
    cell.locator(".rlplay-grid").scroll_into_view_if_needed()
    return cell.locator(".rlplay-grid")


def test_the_arrows_turn_when_gamma_is_dragged(window: Window, lab: Lab) -> None:
    open_lesson(window, lab, "03_looking_ahead")
    page = window.page
    look = find_map(window, 'LookingAhead("discount"')
    where, turns = look.locator(".rlplay-grid-where"), look.locator(".rlplay-grid-turns")
    assert "stable" in where.inner_text()
    assert "to the treasure in 9 steps" in where.inner_text()
    arrows = "box => [...box.querySelectorAll('polygon')].map(a => a.classList.length)"
    before = look.evaluate(arrows)
    values = look.locator(".rlplay-grid-value").all_text_contents()

    slider = look.locator("input[data-name=gamma]").bounding_box()
    y = slider["y"] + slider["height"] / 2

    def at(gamma: float) -> float:
        return slider["x"] + 8 + gamma * (slider["width"] - 16)

    page.mouse.move(at(0.9), y)
    page.mouse.down()
    said = set()
    for gamma in np.linspace(0.9, 0.25, 40):
        page.mouse.move(at(gamma), y)
        said.add(turns.inner_text())
    page.mouse.up()
    window.screenshot("lesson-3-gamma")
    assert any("turned" in words for words in said), said
    assert "to the goal in 7 steps" in where.inner_text()
    assert look.evaluate(arrows) != before
    assert look.locator(".rlplay-grid-value").all_text_contents() != values

    # No key that is pressed on it acts on the notebook.
    before = cells(window)
    for key in ("ArrowDown", "r", "d", "d"):
        look.locator("input[data-name=gamma]").press(key)
    assert cells(window) == before
    assert not window.complaints


def test_the_values_flow_back_sweep_by_sweep(window: Window, lab: Lab) -> None:
    open_lesson(window, lab, "03_looking_ahead")
    look = find_map(window, 'LookingAhead("classic"')
    env = create_env("gridworld", map="classic", slip=0.2)
    model = env.get_model()
    for sweep in list(value_iteration(model, 0.9))[:4]:
        look.locator("button", has_text="One sweep").click()
        shown = look.locator(".rlplay-grid-value").all_text_contents()
        assert shown == [
            f"{sweep.values[state]:.2f}".replace("-", "\u2212")
            for state in np.flatnonzero(~model.terminal)
        ]
    assert "after 4 sweeps" in look.locator(".rlplay-grid-where").inner_text()
    look.locator("button", has_text="Until stable").click()
    assert "stable" in look.locator(".rlplay-grid-where").inner_text()
    assert not window.complaints

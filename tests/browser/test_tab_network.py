"""The tab Network, driven as a person does it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pictures import CELL, notebook
from test_quickstart import fits, open_notebook, pictures, run_first_code_cell

if TYPE_CHECKING:
    from conftest import Lab, Window


def open_tab(window: Window, lab: Lab, name: str, cell: str = CELL) -> None:
    """Open a Playground with one of its tabs in front."""
    (lab.folder / "tab.ipynb").write_text(json.dumps(notebook(cell)))
    open_notebook(window, lab, "tab.ipynb")
    run_first_code_cell(window)
    window.page.locator(".rlplay-tab-bar button").filter(has_text=name).click()
    window.page.wait_for_selector(".rlplay-net-edges path, .rlplay-device-item")


def kernel_says(window: Window, code: str) -> Any:
    """Evaluate an expression in the notebook's kernel."""
    output = window.until(
        """async code => {
          const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
          const future = kernel.requestExecute({ code, store_history: false });
          let text = '';
          future.onIOPub = ({ content }) => { text += content.text ?? content.evalue ?? ''; };
          await future.done;
          return text || 'nothing was printed';
        }""",
        f"import json; print(json.dumps({code}))",
        seconds=60,
    )
    return json.loads(output)


def drafted(window: Window) -> list[tuple[int, str]]:
    layers = kernel_says(window, "panel.desk.draft.config.network_config['layers']")
    return [(layer["units"], layer["activation"]) for layer in layers]


def columns(window: Window) -> int:
    """How many layers the picture joins: one bundle of lines from each to the next."""
    return window.page.locator(".rlplay-net-edges path").count() - 1


def test_build_a_network_of_cards(window: Window, lab: Lab) -> None:
    open_tab(window, lab, "Network")
    page = window.page
    picture = page.locator(".rlplay-net-figure svg")
    total = page.locator(".rlplay-net-total")
    assert re.sub(r"\s", "", total.inner_text()) == "33028parameters"
    assert "124 inputs: food 2, hunger 1, length 1, danger 120" in picture.get_attribute(
        "aria-label"
    )

    # Add, type, choose: the picture and the sum follow before the kernel answers.
    page.get_by_label("Add a layer before the output").click()
    page.keyboard.type("48")
    page.get_by_label("Activation of layer 3").select_option("tanh")
    assert columns(window) == 3
    inputs, outputs = 125 * 128 + 129 * 128, 129 * 48 + 49 * 4
    assert re.sub(r"\D", "", total.inner_text()) == str(inputs + outputs)
    window.until("() => !document.querySelector('.rlplay-net-stale')")
    assert drafted(window) == [(128, "relu"), (128, "relu"), (48, "tanh")]

    # By button, and by hand.
    page.get_by_label("Move layer 3 towards the input").click()
    head = page.locator(".rlplay-net-card header").nth(1).bounding_box()
    last = page.locator(".rlplay-net-card").nth(3).bounding_box()
    page.mouse.move(head["x"] + 15, head["y"] + 8)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 4, last["y"] + 30, steps=6)
    page.mouse.up()
    assert page.get_by_label("Units of layer 1").input_value() == "48"
    assert drafted(window) == [(48, "tanh"), (128, "relu"), (128, "relu")]

    # What is not allowed stays in its card, and the picture is the last one that is.
    field = page.get_by_label("Units of layer 2")
    field.fill("5000")
    reason = "document.querySelector('.rlplay-net-reason:not(:empty)')"
    window.until(f"() => {reason}?.innerText.includes('4096')")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == "5000"
    assert columns(window) == 3
    assert drafted(window) == [(48, "tanh"), (128, "relu"), (128, "relu")]
    field.press("ArrowDown")
    window.until(f"() => !{reason}")
    assert drafted(window)[1] == (4096, "relu")

    # A network of one's own comes back by its name.
    page.get_by_label("Remove layer 2", exact=True).click()
    page.get_by_text("Save as…").click()
    page.keyboard.type("Mine")
    page.keyboard.press("Enter")
    choice = page.locator(".rlplay-net-choice select")
    window.until("() => document.querySelector('.rlplay-net-choice select').value === 'own:mine'")
    choice.select_option("size:large")
    window.until("() => document.querySelectorAll('.rlplay-net-card').length === 5")
    choice.select_option("own:mine")
    window.until("() => document.querySelectorAll('.rlplay-net-card').length === 4")
    assert drafted(window) == [(48, "tanh"), (128, "relu")]

    fits(window)
    pictures(window, "network")
    assert window.complaints == []

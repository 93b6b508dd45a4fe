"""The tab Device, driven as a person does it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pictures import CELL
from test_quickstart import fits, pictures
from test_tab_network import kernel_says, open_tab

if TYPE_CHECKING:
    from conftest import Lab, Window

QUICK = f"import rlplay_widgets.panels.device as d; d.SECONDS = 0.3\n{CELL}"


def test_measure_and_adopt_the_fastest(window: Window, lab: Lab) -> None:
    open_tab(window, lab, "Device", QUICK)
    page = window.page
    here = kernel_says(window, "list(__import__('rlplay').device.available_devices())")
    assert page.locator("[name$=-device]").count() == 1 + len(here)
    page.get_by_label("float32 7 digits").check()
    window.until("() => true")
    assert kernel_says(window, "panel.desk.draft.config.precision") == "float32"

    page.locator(".rlplay-device-buttons button").last.click()
    window.until("() => document.querySelector('.rlplay-device-best')", seconds=60)
    rows = page.locator(".rlplay-device-bars li").all_inner_texts()
    assert len(rows) == 2
    speeds = [int(re.sub(r"\D", "", re.search(r"([\d\s]+) steps/s", row)[1])) for row in rows]
    assert all(speed > 0 for speed in speeds)
    best = page.locator(".rlplay-device-best")
    assert rows.index(best.inner_text()) == speeds.index(max(speeds))
    name = best.locator(".rlplay-device-label").inner_text()
    page.get_by_label("float32 7 digits" if name == "bfloat16" else "bfloat16 2 to 3").check()
    window.until("() => !document.querySelector('.rlplay-device-best button').disabled")
    best.get_by_role("button").click()
    window.until("() => document.querySelector('.rlplay-device-best button').disabled")
    assert kernel_says(window, "panel.desk.draft.config.precision") == name

    fits(window)
    pictures(window, "device")
    assert window.complaints == []

"""A page too busy to load the panel's scripts in time: all of the panel lives all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from test_quickstart import (
    board_moves,
    button,
    command,
    mean_of_curve,
    notebook,
    open_notebook,
    run_first_code_cell,
    state,
    until,
)

if TYPE_CHECKING:
    from conftest import Window
    from lab import Lab

__all__ = ["notebook"]  # a fixture

#: Every script takes longer than the two seconds that anywidget waits for one.
SLOW = """
const Quick = Blob;
window.Blob = class extends Quick {
  constructor(parts, options) {
    const script = options?.type === "text/javascript";
    const wait = "await new Promise((resolve) => setTimeout(resolve, 2200));\\n";
    super(script ? [wait, ...parts] : parts, options);
  }
};
"""


def everything_lives(window: Window) -> None:
    mean_of_curve(window, more_than=0, seconds=90)
    board_moves(window)
    window.page.get_by_role("tab", name="Train").click()
    # Its numbers, how episodes ended, and the last of them.
    for part in (".rlplay-numbers", ".rlplay-endings", ".rlplay-table"):
        until(
            window,
            """part => {
              const words = document.querySelector(part)?.innerText ?? '';
              if (!/\\d/.test(words)) return false;
              window.before ??= {};
              return words !== (window.before[part] ??= words);
            }""",
            part,
        )


def test_a_script_that_is_late_misses_nothing(window: Window, lab: Lab, notebook: str) -> None:
    window.page.add_init_script(SLOW)
    open_notebook(window, lab, notebook)
    run_first_code_cell(window)
    state(window, "ready")
    button(window, "Start").click()
    state(window, "running")
    everything_lives(window)
    button(window, "Pause").click()
    state(window, "paused")
    button(window, "Resume").click()
    state(window, "running")

    command(window, "docmanager:save")
    window.until("() => document.querySelector('.jp-mod-dirty') === null")
    window.page.reload()
    state(window, "running", seconds=60)
    everything_lives(window)
    button(window, "Stop").click()
    state(window, "finished")
    assert window.late  # every script was later than anywidget waits
    assert window.complaints == []

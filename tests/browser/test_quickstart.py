"""The first notebook, driven as a person does it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rlplay.cli.lab import trust_notebooks

if TYPE_CHECKING:
    from conftest import Lab, Window

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_quickstart.ipynb"

PANEL = ".rlplay-playground"
BOARD = ".rlplay-board canvas"


def open_notebook(window: Window, lab: Lab, name: str) -> None:
    window.page.goto(lab.notebook(name))
    window.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    window.until(
        """() => {
          const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
          return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
        }""",
        seconds=60,
    )
    # What is sent while a kernel is still being connected may be lost: ask it until it answers.
    window.until(
        """() => {
          const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
          const asked = kernel.info.then(() => kernel.requestKernelInfo()).then(() => true);
          const late = new Promise(resolve => setTimeout(() => resolve(false), 5000));
          return Promise.race([asked, late]);
        }""",
        seconds=60,
    )
    # Notebook 7 begins without one.
    if not window.page.evaluate("() => window.jupyterapp.shell.leftCollapsed"):
        command(window, "application:toggle-left-area")


def command(window: Window, name: str, **arguments: Any) -> None:
    window.until(
        "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => true)",
        [name, arguments],
        seconds=60,
    )


def run_first_code_cell(window: Window) -> None:
    window.page.locator(".jp-CodeCell .cm-content").first.click()
    window.page.keyboard.press("Control+Enter")
    window.page.wait_for_selector(f"{PANEL} {BOARD}", timeout=60_000)


def button(window: Window, words: str) -> Any:
    exactly = re.compile(rf"^\s*{words}\s*$")
    return window.page.locator(".rlplay-buttons button").filter(has_text=exactly)


def pixels(window: Window) -> str:
    return window.page.evaluate(f"() => document.querySelector('{BOARD}').toDataURL()")


def tile(window: Window, key: str) -> float | None:
    words = window.page.locator(f".rlplay-numbers [data-key={key}] dd").inner_text()
    if not re.search(r"\d", words):
        return None
    return float(re.sub(r"[^\d.]", "", words)) * (1e6 if words.endswith("M") else 1)


def until(window: Window, condition: str, argument: Any = None, seconds: float = 30) -> Any:
    """Wait for something true; a training that fails ends the wait."""
    return window.until(
        f"""argument => {{
          if (document.querySelector('.rlplay-state-failed')) {{
            throw new Error(document.querySelector('.rlplay-messages').innerText);
          }}
          return ({condition})(argument);
        }}""",
        argument,
        seconds,
    )


def state(window: Window, words: str, seconds: float = 30) -> None:
    until(
        window,
        "words => document.querySelector('.rlplay-state')?.innerText.includes(words)",
        words,
        seconds,
    )


def board_moves(window: Window, seconds: float = 30) -> None:
    until(
        window,
        f"before => document.querySelector('{BOARD}')?.toDataURL() !== before",
        pixels(window),
        seconds,
    )


def mean_of_curve(window: Window, more_than: float, seconds: float = 60) -> float:
    return until(
        window,
        """least => {
          const label = document.querySelector('.rlplay-plot')?.getAttribute('aria-label') ?? '';
          const mean = Number(label.match(/mean ([\\d.]+)/)?.[1]);
          return mean > least ? mean : false;
        }""",
        more_than,
        seconds,
    )


def fits(window: Window) -> None:
    """Nothing of the panel is wider than its place, and no bar to scroll sideways appears."""
    wide = window.page.evaluate(
        f"""() => [...document.querySelectorAll('{PANEL}, {PANEL} *, .jp-OutputArea-output')]
          .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
                       && getComputedStyle(e).overflowX !== 'visible'
                       && getComputedStyle(e).textOverflow !== 'ellipsis')
          .map(e => e.className)"""
    )
    assert wide == []


def pictures(window: Window, name: str) -> None:
    """The panel fits at both widths; screenshots there, in both themes, where they are wanted."""
    for theme in ("Dark", "Light") if window.takes_pictures else ("Light",):
        if window.takes_pictures:
            command(window, "apputils:change-theme", theme=f"JupyterLab {theme}")
            # JupyterLab's logo covers the page, and takes its clicks, while a theme is loaded.
            window.until(
                """light => document.body.dataset.jpThemeLight === light
                  && !document.getElementById('jupyterlab-splash')""",
                str(theme == "Light").lower(),
            )
        for width, height in ((820, 800), (1280, 800)):
            window.page.set_viewport_size({"width": width, "height": height})
            window.page.wait_for_timeout(700 if window.takes_pictures else 200)
            fits(window)
            window.screenshot(f"{name}-{theme.lower()}-{width}")


@pytest.fixture
def notebook(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> str:
    """The notebook as `rlplay lab` hands it out."""
    name = "quickstart.ipynb"
    shutil.copy(NOTEBOOK, lab.folder / name)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(lab.data))
    assert name in trust_notebooks(lab.folder)
    return name


def test_a_person_trains_a_snake(window: Window, lab: Lab, notebook: str) -> None:
    open_notebook(window, lab, notebook)
    run_first_code_cell(window)
    state(window, "ready")
    pictures(window, "1-ready")

    # Start: the board moves and the curve climbs.
    button(window, "Start").click()
    state(window, "running")
    first = mean_of_curve(window, more_than=0, seconds=90)
    board_moves(window)
    mean_of_curve(window, more_than=first + 1)
    assert tile(window, "steps") > 0
    pictures(window, "2-running")

    # Pause: everything stands still; Resume: it goes on.
    button(window, "Pause").click()
    state(window, "paused")
    window.page.wait_for_timeout(300)
    still, steps = pixels(window), tile(window, "steps")
    window.page.wait_for_timeout(700)
    assert (pixels(window), tile(window, "steps")) == (still, steps)
    window.screenshot("3-paused")
    button(window, "Resume").click()
    state(window, "running")
    board_moves(window)

    # At a pace for the eye, and at full speed again.
    speed = window.page.locator(".rlplay-speed button")
    for pressed in ("false", "true"):
        speed.click()
        until(
            window,
            "pressed => document.querySelector('.rlplay-speed button').classList"
            ".contains('mod-active') === (pressed === 'true')",
            pressed,
        )
        board_moves(window)

    # The page is reloaded while it trains, and the board goes on.
    command(window, "docmanager:save")
    window.until("() => document.querySelector('.jp-mod-dirty') === null")
    before = tile(window, "steps")
    window.page.reload()
    window.page.wait_for_selector(f"{PANEL} {BOARD}", timeout=60_000)
    state(window, "running")
    board_moves(window)
    mean_of_curve(window, more_than=0)
    assert tile(window, "steps") > before
    window.screenshot("4-reloaded")

    # The cell once more: the panel shows what runs.
    run_first_code_cell(window)
    window.until(f"() => document.querySelectorAll('{PANEL}').length === 1")
    state(window, "running")
    board_moves(window)

    # Stop, and start again: a new run.
    button(window, "Stop").click()
    state(window, "finished")
    pictures(window, "5-finished")
    ended = tile(window, "steps")
    button(window, "Start again").click()
    state(window, "running")
    board_moves(window)
    assert tile(window, "steps") < ended
    mean_of_curve(window, more_than=0)
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []

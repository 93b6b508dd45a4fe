"""The library and its replays, driven as a person does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pictures import notebook
from test_quickstart import fits, open_notebook, pixels, run_first_code_cell

if TYPE_CHECKING:
    from conftest import Lab, Window

# A name that would run, if anything on the way to the screen were taken for HTML.
CELL = """
from rlplay.samples import sample_path
from rlplay.storage import get_storage_manager
from rlplay_widgets import Playground
store = get_storage_manager()
made = store.import_run(sample_path("good"))
store.rename_run(*made, "<img src=x onerror=document.title='owned'>")
panel = Playground()
panel
"""


def tab(window: Window, name: str) -> None:
    window.page.locator(".rlplay-tab-bar button").filter(has_text=name).click()


def rows(window: Window, panel: str, least: int = 0, most: int = 10**9) -> int:
    """Wait until a table has so many rows."""
    return window.until(
        """([panel, least, most]) => {
          const grid = document.querySelector(`.rlplay-${panel} [role=grid]`);
          const count = Number(grid?.getAttribute('aria-rowcount')) - 1;
          return count >= least && count <= most && Math.max(count, 0.5);
        }""",
        [panel, least, most],
    )


def act(window: Window, words: str) -> None:
    place = window.page.locator(".rlplay-panel button:visible").filter(has_text=words).first
    window.until(
        """words => [...document.querySelectorAll('.rlplay-panel button')].some(
          button => button.textContent.includes(words) && !button.disabled && button.offsetParent
        )""",
        words,
    )
    place.click()


def said(window: Window, words: str) -> None:
    window.until(
        """words => [...document.querySelectorAll('.rlplay-receipt')].some(
          line => line.offsetParent && line.textContent.includes(words)
        )""",
        words,
    )


def board_changes(window: Window, before: str) -> None:
    window.until(
        "before => document.querySelector('.rlplay-board canvas').toDataURL() !== before", before
    )


def test_runs_are_shared_deleted_and_replayed(window: Window, lab: Lab, tmp_path: Path) -> None:
    (lab.folder / "library.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, "library.ipynb")
    run_first_code_cell(window)
    tab(window, "Runs")
    before = int(rows(window, "runs", least=1))
    grid = window.page.locator(".rlplay-runs .rlplay-table-grid")
    window.page.locator(".rlplay-runs input[type=search]").fill("onerror")
    rows(window, "runs", 1, 1)
    window.page.locator(".rlplay-runs .rlplay-table-row").click()

    # Export, down to the person's own disk.
    act(window, "Export")
    said(window, "Exported")
    with window.page.expect_download() as download:
        act(window, "Download")
    file = tmp_path / "shared.zip"
    download.value.save_as(file)
    path = window.page.locator(".rlplay-runs .rlplay-receipt code").inner_text()
    assert file.read_bytes() == Path(path).read_bytes()

    # Import it again, from there.
    with window.page.expect_file_chooser() as chooser:
        window.page.locator(".rlplay-upload").click()
    chooser.value.set_files(file)
    said(window, "from shared.zip")
    window.page.locator(".rlplay-runs input[type=search]").fill("")
    rows(window, "runs", before + 1)

    # Delete it, and bring it back.
    window.until(
        "() => document.querySelectorAll('.rlplay-runs [role=row][aria-selected=true]').length"
    )
    fits(window)
    act(window, "Delete")
    said(window, "Moved to the trash")
    rows(window, "runs", before, before)
    act(window, "Undo")
    rows(window, "runs", before + 1)

    # By keyboard to the last row and to its replays.
    grid.press("End")
    window.until(
        "() => document.querySelector('.rlplay-runs [aria-selected=true]')?.id === document"
        ".querySelector('.rlplay-runs [role=grid]').getAttribute('aria-activedescendant')"
    )
    window.page.locator(".rlplay-runs input[type=search]").fill("onerror")
    window.page.locator(".rlplay-runs .rlplay-table-row").first.click()
    act(window, "Replays")
    rows(window, "replays", least=3)

    # A replay: play, pause, seek, take over.
    still = pixels(window)
    window.page.locator(".rlplay-replays .rlplay-table-row").first.click()
    board_changes(window, still)
    window.page.locator(".rlplay-replay-bar button").nth(1).click()
    slider = window.page.locator(".rlplay-replay-track input")
    still = pixels(window)
    slider.evaluate("slider => { slider.value = 40; slider.dispatchEvent(new Event('input')); }")
    board_changes(window, still)
    window.until(
        "() => document.querySelector('.rlplay-replay-where').textContent.startsWith('step 40 ')"
    )
    window.until("() => document.querySelector('.rlplay-verified')")
    fits(window)
    act(window, "Take over")
    window.until(
        "() => document.querySelector('.rlplay-caption-numbers')?.textContent.includes('step 40')"
    )
    still = pixels(window)
    window.page.locator(".rlplay-board").press("ArrowUp")
    window.page.locator(".rlplay-board").press("ArrowLeft")
    board_changes(window, still)

    assert window.page.title() != "owned"
    assert window.page.locator(".rlplay-messages").inner_text().strip() == ""
    assert window.complaints == []

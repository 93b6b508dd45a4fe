"""Take a picture of every tab of the Playground, in light and dark, at two widths.

    python tests/browser/pictures.py --to build/pictures
    python tests/browser/pictures.py --to build/pictures --tabs Network Replays --themes dark

A session trains at full speed meanwhile. The script fails when the browser complains.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import find_chromium
from lab import ARGUMENTS, start_lab
from playwright.sync_api import sync_playwright

CELL = """from rlplay_widgets import Playground
panel = Playground()
panel
"""
SIZES = ((1280, 800), (820, 800))


def notebook(source: str) -> dict[str, Any]:
    """A notebook of one cell."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cell = {
        "cell_type": "code",
        "id": "playground",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": source,
    }
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="the folder of the pictures")
    parser.add_argument("--tabs", nargs="*", help="only these tabs")
    parser.add_argument("--themes", nargs="*", default=["light", "dark"])
    parser.add_argument("--seconds", type=float, default=6, help="of training before the first")
    parser.add_argument("--cell", default=CELL, help="the source of the cell")
    parser.add_argument("--script", default="", help="JavaScript to run in the page before")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with (
        tempfile.TemporaryDirectory() as base,
        start_lab(Path(base)) as lab,
        sync_playwright() as p,
    ):
        (lab.folder / "pictures.ipynb").write_text(json.dumps(notebook(options.cell)))
        browser = p.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.goto(lab.notebook("pictures.ipynb"))
        page.wait_for_function(
            """() => {
              const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
              const kernel = context?.session?.kernel;
              return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
            }""",
            timeout=60_000,
        )
        page.evaluate(
            """async () => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              await kernel.info;
              await kernel.requestKernelInfo();
              if (!window.jupyterapp.shell.leftCollapsed) {
                await window.jupyterapp.commands.execute('application:toggle-left-area');
              }
            }"""
        )
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".rlplay-playground canvas", timeout=60_000)
        page.locator(".rlplay-buttons button").first.click()
        page.wait_for_timeout(1000 * options.seconds)
        page.locator(".rlplay-playground").evaluate("panel => panel.scrollIntoView()")
        tabs = options.tabs or page.locator(".rlplay-tab-bar button").all_inner_texts()
        for tab in tabs:
            page.locator(".rlplay-tab-bar button").filter(has_text=tab).first.click()
            page.wait_for_timeout(1_000)
            if options.script:
                page.evaluate(options.script)
                page.wait_for_timeout(800)
            for theme in options.themes:
                page.evaluate(
                    "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })",
                    f"JupyterLab {theme.capitalize()}",
                )
                for width, height in SIZES:
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(700)
                    page.locator(".rlplay-playground").evaluate("panel => panel.scrollIntoView()")
                    page.wait_for_timeout(200)
                    name = f"{tab.lower().replace(' ', '-')}-{theme}-{width}.png"
                    page.screenshot(path=str(options.to / name))
        messages = page.locator(".rlplay-messages").all_inner_texts()
        browser.close()
    for text in [*complaints, *(message for message in messages if message.strip())]:
        print(text, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

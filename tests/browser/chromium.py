"""Find a Chromium that the browser tests can drive; run as a script, print its path."""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Google/Chrome/Application/chrome.exe",
)


def find_chromium() -> str | None:
    """Find a Chromium or Chrome.

    Returns:
        Its path: what RLPLAY_CHROMIUM names, else the system's, else Playwright's own; None
        where there is none.
    """
    named = os.environ.get("RLPLAY_CHROMIUM")
    if named:
        return shutil.which(named)
    for name in (*NAMES, *PLACES):
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


if __name__ == "__main__":
    found = find_chromium()
    print(found or "")
    sys.exit(found is None)

"""A real JupyterLab and a real Chromium, both only for these tests.

`RLPLAY_SCREENSHOTS` names a folder that receives screenshots.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab import ARGUMENTS, Lab, start_lab


@pytest.fixture(scope="session")
def browser_path() -> str:
    found = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("chromium.py"))],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("No Chromium or Chrome found; RLPLAY_CHROMIUM can name one.")
    return found.stdout.strip()


@pytest.fixture(scope="session")
def lab(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with start_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


#: In a kernel's message: an exception, or words on stderr. (JupyterLab asks for widgets before a
#: kernel knows of any.)
FAULT = re.compile(rb'"msg_type": "error"|"name": "stderr", "text": "(?!No such comm)')
#: JupyterLab ends a kernel's subshells when a page or a notebook is closed. A message that is on
#: its way there has nobody left to answer to, and ipykernel complains of it in these words.
SUBSHELL_ENDED = re.compile(
    r"in get_shell_channel_to_subshell_pair\n"
    r"|Task was destroyed but it is pending!.*/ipykernel/"
    r"|coroutine '_async_in_context\.",
    re.DOTALL,
)
#: The same of the server, whose message was on its way to a page that is reloaded.
PAGE_CLOSED = "tornado.websocket.WebSocketClosedError"


#: What anywidget says of a model that is closed before its script was loaded, as those of a
#: reloaded page are when the cell runs again, and of one whose script was late: `test_slow_page.py`
#: sees that such a one lives.
LATE = "[anywidget] Failed to initialize model."
HERE = re.compile(r"(?:https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:")


@dataclass
class Window:
    """A browser window, and what it complained about.

    Attributes:
        page: Playwright's page.
        complaints: Errors of the console, exceptions of the page, and requests that leave this
            machine.
        kernel_complaints: What kernels answered to a click or the like with, beside the panel: no
            cell shows it, since no cell ran.
        expected: Words of what the kernels and the server may complain about, since the test has
            it go wrong.
        late: How many models anywidget has given up.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)
    kernel_complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    late: int = 0

    @property
    def takes_pictures(self) -> bool:
        return bool(os.environ.get("RLPLAY_SCREENSHOTS"))

    def hear(self, error: Any) -> None:
        """Note down an exception of the page."""
        if str(error) == LATE:
            self.late += 1
        else:
            self.complaints.append(f"uncaught: {error}")

    def stay_here(self, request: Any) -> None:
        """Note down what the page asks another machine for: a class may have no network."""
        if not HERE.match(request.url):
            self.complaints.append(f"asked for {request.url}")

    def listen(self, socket: Any) -> None:
        """Note down a kernel's complaints of what came over its widgets."""

        def note(message: str | bytes) -> None:
            if isinstance(message, bytes) and b'"comm_msg"' in message and FAULT.search(message):
                self.kernel_complaints.append(message.decode(errors="replace"))

        socket.on("framereceived", note)

    def screenshot(self, name: str) -> None:
        folder = os.environ.get("RLPLAY_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))

    def until(self, condition: str, argument: Any = None, seconds: float = 30) -> Any:
        """Wait until a JavaScript function gives something true, and return it.

        For promises too: `page.evaluate` would wait for one without an end.
        """
        handle = self.page.wait_for_function(condition, arg=argument, timeout=seconds * 1000)
        return handle.json_value()


@pytest.fixture(scope="session")
def notebook_7(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Notebook 7, on a server of its own: one server confuses its files with JupyterLab's."""
    with start_lab(tmp_path_factory.mktemp("notebook-7"), "notebook") as notebook_7:
        yield notebook_7


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def window(browser: Any, lab: Lab) -> Iterator[Window]:
    log_begins = lab.log.stat().st_size
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    opened = Window(page)
    page.on(
        "console",
        lambda message: (
            opened.complaints.append(f"{message.text} ({message.location.get('url')})")
            if message.type == "error"
            else None
        ),
    )
    page.on("request", opened.stay_here)
    page.on("websocket", opened.listen)
    page.on("pageerror", opened.hear)
    yield opened
    opened.screenshot("last")
    # Before the kernels end: one that is ended in the middle of a message may complain of that.
    complaints = opened.kernel_complaints + lab.complaints(log_begins)
    # What still trains in this test's kernels would slow the next one's down.
    opened.until(
        """async () => {
          await window.jupyterapp?.serviceManager.sessions.shutdownAll();
          return true;
        }"""
    )
    page.close()
    assert [
        entry
        for entry in complaints
        if not SUBSHELL_ENDED.search(entry)
        and not entry.rstrip().endswith(PAGE_CLOSED)
        and not any(words in entry for words in opened.expected)
    ] == []

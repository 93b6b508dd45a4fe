"""A real JupyterLab and a real Chromium, both only for these tests.

`RLPLAY_SCREENSHOTS` names a folder that receives screenshots.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes:
        url: Where it listens.
        folder: The folder that it shows.
    """

    url: str
    folder: Path

    def notebook(self, name: str) -> str:
        return f"{self.url}/lab/tree/{name}"


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
    base = tmp_path_factory.mktemp("lab")
    folder = base / "work"
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {
        name: str(base / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
            "RLPLAY_MODELS",
        )
    }
    settings = Path(places["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    )
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
    command += [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.allow_root=True",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
    ]
    environment = {**os.environ, **places, "RLPLAY_CI": "1"}
    log = (base / "lab.log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api/status", server, base / "lab.log")
        yield Lab(url, folder)
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"JupyterLab ended:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text(errors='replace')[-3000:]}")


@dataclass
class Window:
    """A browser window, and what it complained about.

    Attributes:
        page: Playwright's page.
        complaints: Errors of the console and exceptions of the page.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)

    @property
    def takes_pictures(self) -> bool:
        return bool(os.environ.get("RLPLAY_SCREENSHOTS"))

    def screenshot(self, name: str) -> None:
        folder = os.environ.get("RLPLAY_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))

    def until(self, condition: str, argument: Any = None, seconds: float = 30) -> Any:
        """Wait until a JavaScript function gives something true, and return it."""
        handle = self.page.wait_for_function(condition, arg=argument, timeout=seconds * 1000)
        return handle.json_value()


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def window(browser: Any, lab: Lab) -> Iterator[Window]:
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
    page.on("pageerror", lambda error: opened.complaints.append(f"uncaught: {error}"))
    yield opened
    opened.screenshot("last")
    page.close()

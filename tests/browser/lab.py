"""Start a real JupyterLab, as the browser tests and the pictures of the panels need it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlplay.cli.lab import jupyter_settings

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: An entry of the server's log or of a kernel's that says that something went wrong.
COMPLAINT = re.compile(r"^\[[EC] |\] (ERROR|CRITICAL) \||^Traceback |^\w*Error: ", re.MULTILINE)


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes:
        url: Where it listens.
        folder: The folder that it shows.
        data: Jupyter's own folder, where it keeps what it trusts.
        log: What the server and its kernels write.
        program: Python's module: jupyterlab, or notebook for Notebook 7.
    """

    url: str
    folder: Path
    data: Path
    log: Path
    program: str = "jupyterlab"

    def notebook(self, name: str) -> str:
        """Where a notebook is opened, and none that was opened before."""
        return (
            f"{self.url}/{'lab/tree' if self.program == 'jupyterlab' else 'notebooks'}/{name}?reset"
        )

    def complaints(self, since: int) -> list[str]:
        """Errors and tracebacks in the log.

        Args:
            since: Where to begin to read, in bytes.
        """
        text = self.log.read_bytes()[since:].decode(errors="replace")
        # An entry begins with a bracket; the lines of its traceback follow.
        entries = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
        return [entry for entry in entries if COMPLAINT.search(entry)]


@contextmanager
def start_lab(base: Path, program: str = "jupyterlab") -> Iterator[Lab]:
    """Run JupyterLab, or Notebook 7, with all of its folders below `base`."""
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
    command = [sys.executable, "-m", program, "--no-browser", "--expose-app-in-browser"]
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
    environment = {**os.environ, **places, **jupyter_settings(), "RLPLAY_CI": "1"}
    log = (base / "lab.log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/api/status", server, base / "lab.log")
        yield Lab(url, folder, Path(places["JUPYTER_DATA_DIR"]), base / "lab.log", program)
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
            raise RuntimeError(f"JupyterLab ended:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text(errors='replace')[-3000:]}")

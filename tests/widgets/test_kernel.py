"""The kernel that `rlplay lab` starts, and one that something else started."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from rlplay.cli.lab import jupyter_settings
from rlplay_widgets.kernel import mend_kernel

LOOK = """
kernel = get_ipython().kernel
repr({
    "mended": kernel.shell_channel_thread.manager._shell_socket is kernel.shell_stream,
    "imported": sorted({"rlplay", "rlplay_widgets", "torch"} & set(__import__("sys").modules)),
    "folder": [path for path in __import__("sys").path if path.endswith("rlplay_widgets")],
})
"""


@pytest.fixture(params=["ours", "ipykernel"])
def kernel(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    if request.param == "ours":
        monkeypatch.setenv("JUPYTER_PATH", jupyter_settings()["JUPYTER_PATH"])
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield request.param, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def ask(client: Any, code: str) -> Any:
    """Run code, and give what its last line is."""
    answers = []

    def hook(message: dict[str, Any]) -> None:
        if message["msg_type"] == "execute_result":
            answers.append(message["content"]["data"]["text/plain"])

    reply = client.execute_interactive(code, timeout=60, output_hook=hook)
    assert reply["content"]["status"] == "ok", reply["content"]
    return ast.literal_eval(ast.literal_eval(answers[-1])) if answers else None


def test_a_kernel_is_mended_from_its_start_or_with_the_first_import(
    kernel: tuple[str, Any],
) -> None:
    kind, client = kernel
    before = ask(client, LOOK)
    assert before == {"mended": kind == "ours", "imported": [], "folder": []}
    ask(client, "import rlplay_widgets")
    assert ask(client, LOOK)["mended"]
    assert ask(client, "repr(6 * 7)") == 42


def test_no_request_is_lost_that_arrives_during_a_reply(kernel: tuple[str, Any]) -> None:
    # ipykernel 7.3, as it is, loses one of the first twenty or so, and then all that follow.
    _, client = kernel
    ask(client, "import rlplay_widgets")
    for number in range(120):
        asked = {client.kernel_info()}
        time.sleep(number % 30 / 10_000)  # about as long as an answer takes
        asked.add(client.execute("1", store_history=False))
        while asked:
            asked.discard(client.get_shell_msg(timeout=20)["parent_header"].get("msg_id"))


def test_what_needs_no_mending_is_left_alone() -> None:
    manager = SimpleNamespace()  # of ipykernel 7.4.0: it knows the stream alone
    newer = SimpleNamespace(
        shell_stream=object(), shell_channel_thread=SimpleNamespace(manager=manager)
    )
    assert not mend_kernel(newer)
    assert vars(manager) == {}
    older = SimpleNamespace(shell_stream=object())  # of ipykernel 6: no such thread
    assert not mend_kernel(older)
    assert not mend_kernel(None)

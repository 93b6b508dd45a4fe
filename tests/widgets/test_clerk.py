"""Who does what takes long, and who waits for whom."""

from __future__ import annotations

import threading

from rlplay_widgets import clerk


def test_a_long_export_keeps_nothing_waiting() -> None:
    go_on = threading.Event()
    export = clerk.submit(lambda: go_on.wait(60), export=True)
    try:
        assert clerk.submit(lambda: threading.current_thread().name).result(60) == "rlplay-clerk_0"
        assert not export.done()
    finally:
        go_on.set()
    assert export.result(60)

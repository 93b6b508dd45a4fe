"""A painter without a thread, a session that only publishes, and the messages that leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipycanvas.canvas
import pytest
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances

import rlplay
import rlplay_widgets.desk as desk_module
import rlplay_widgets.playground as playground_module
from rlplay.training.session import TrainingSession
from rlplay_widgets import Playground
from rlplay_widgets.painter import Painter


class StillSession(TrainingSession):
    """Looks like a session to a screen; what it shows is published by the test."""

    def __init__(self, config: rlplay.RunConfig | None = None, traceback: str | None = None):
        super().__init__(config or rlplay.get_default_config())
        self.traceback = traceback
        self.calls: list[float | None] = []

    def set_speed(self, pace: float | None) -> None:
        self.calls.append(pace)
        self.monitor.publish(moves_per_second=pace, is_max_speed=pace is None)


def snake(size: int = 10, length: int = 3) -> dict[str, Any]:
    """A render state: a snake that fills the board row by row, there and back."""
    rows = [(x if y % 2 == 0 else size - 1 - x, y) for y in range(size) for x in range(size)]
    body = [{"x": x, "y": y} for x, y in reversed(rows[:length])]
    return {
        "grid_size": size,
        "snake_position": body,
        "food_position": None if length == size * size else {"x": size - 1, "y": size - 1},
        "direction": [1, 0],
    }


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Painter:
    """The painter of this test's panels; nothing is painted until it is told to."""
    quiet = Painter(threaded=False)
    monkeypatch.setattr(playground_module, "get_painter", lambda: quiet)
    # It paints whenever it is told to, also beside a training at full speed.
    monkeypatch.setattr("rlplay_widgets.scene.FULL_SPEED_FRAME", 0.0)
    return quiet


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Leave no panel, no thread and no running session behind."""
    monkeypatch.setenv("RLPLAY_MODELS", str(tmp_path / "models"))
    yield
    for panel in tuple(playground_module._open):
        panel.close()
    for session in rlplay.sessions():
        if session.state in ("running", "paused"):
            session.stop()
            session.wait(20)
    desk_module._started.clear()
    for thread in threading.enumerate():
        if thread.name == "rlplay-painter":
            thread.join(5)
            assert not thread.is_alive()


@pytest.fixture
def playground(painter: Painter) -> Playground:
    return Playground()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, list[Any]]]:
    """What the canvas manager sends."""
    messages: list[tuple[Any, list[Any]]] = []
    monkeypatch.setattr(
        ipycanvas.canvas._CANVAS_MANAGER,
        "_send_custom",
        lambda commands, buffers=(): messages.append((commands, list(buffers))),
    )
    return messages


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every message of a widget to the browser: who sends, and what."""
    messages: list[tuple[str, Any]] = []

    def send(self: Widget, message: Any, buffers: Any = None) -> None:
        messages.append((type(self).__name__, message))

    monkeypatch.setattr(Widget, "_send", send)
    return messages


def widget_count() -> int:
    return len(_instances)

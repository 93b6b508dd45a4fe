from __future__ import annotations

from rlplay.training.monitor import Snapshot
from rlplay_widgets.panels.endings import EndingsPanel
from rlplay_widgets.panels.numbers import NumbersPanel
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import LIGHT, NOTHING


def frame(snapshot: Snapshot, now: float = 0.0) -> Frame:
    return Frame(now, None, snapshot, LIGHT, False, False, {})


def test_numbers_say_what_the_snapshot_says() -> None:
    panel = NumbersPanel()
    assert set(panel.widget.values.values()) == {NOTHING}
    snapshot = Snapshot(
        run_id="a", state="running", current_score=7, best_score=31.0, avg_score=12.34,
        episode=5, total_steps=98765, steps_per_second=1500.4, elapsed=65, time_left=None,
    )  # fmt: skip
    panel.paint(frame(snapshot))
    assert panel.widget.values == {
        "score": "7",
        "best": "31",
        "mean": "12.3",
        "episode": "5",
        "steps": "98\u202f765",
        "speed": "1\u202f500",
        "elapsed": "1:05",
        "left": NOTHING,
    }


def test_numbers_change_at_a_pace_that_can_be_read_and_end_right() -> None:
    panel = NumbersPanel()
    changes = []
    panel.widget.observe(lambda change: changes.append(change), names="values")
    for step in range(30):
        panel.paint(frame(Snapshot(run_id="a", state="running", episode=step), now=step / 30))
    assert 2 <= len(changes) <= 8
    panel.paint(frame(Snapshot(run_id="a", state="paused", episode=99), now=1.0))
    assert panel.widget.values["episode"] == "99"


def test_endings_keep_their_order_and_look() -> None:
    panel = EndingsPanel(lambda callback: callback, lambda ending: None)
    panel.paint(frame(Snapshot(endings={"won": 1, "wall": 3, "tired": 2, "self": 0})))
    shares = panel.widget.shares
    assert [(s["name"], s["words"], s["count"], s["look"]) for s in shares] == [
        ("wall", "hit the wall", 3, "wall"),
        ("won", "filled the board", 1, "won"),
        ("tired", "tired", 2, "other-1"),
    ]


def test_a_click_on_a_share_asks_for_an_example() -> None:
    asked: list[str] = []
    panel = EndingsPanel(lambda callback: callback, asked.append)
    panel._receive(panel.widget, {"kind": "open", "name": "wall"}, [])
    panel._receive(panel.widget, {"kind": "dance"}, [])
    assert asked == ["wall"]

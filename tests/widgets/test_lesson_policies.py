from __future__ import annotations

import numpy as np
import pytest

import rlplay
from rlplay.lessons.policies import pull_two_arms
from rlplay_widgets import Playground
from rlplay_widgets.lessons import strip
from rlplay_widgets.lessons.policies import ClipBand, ClippedObjective

from .conftest import StillSession

DID = {"ratios": [0, 3, 1], "clip": 0.2, "clip_fraction": 0.25, "entropy": 1.0, "kl": 0.01}


@pytest.fixture
def panel(painter, monkeypatch) -> Playground:
    monkeypatch.setattr(strip, "get_painter", lambda: painter)
    return Playground(lesson="nudging-a-policy")


def show(panel: Playground, **fields) -> StillSession:
    session = StillSession(panel.config)
    session.monitor.publish(run_id="here", state="running", **fields)
    panel.select(session)
    return session


def test_the_band_asks_for_updates_and_shows_them(painter, panel) -> None:
    band = ClipBand(panel)
    painter.tick(1.0)
    assert "begins" in band.drawing.note
    assert band.drawing.options == {"clip": 0.2, "entropy": 0.01}
    session = show(panel)
    assert not session.monitor.update_wanted()
    painter.tick(2.0)
    assert session.monitor.update_wanted()
    session.monitor.publish_update(640, DID)
    painter.tick(3.0)
    assert band.drawing.did == {**DID, "total_steps": 640}
    assert band.drawing.note == ""
    assert band.drawing.problem == ""


def test_a_slider_changes_the_session_and_the_draft(painter, panel, monkeypatch) -> None:
    band = ClipBand(panel)
    session = show(panel)
    changed = []
    monkeypatch.setattr(session, "update_hyperparams", lambda **changes: changed.append(changes))
    painter.tick(1.0)
    band.drawing._handle_custom_msg({"turn": "clip", "value": 0.05}, [])
    band.drawing._handle_custom_msg({"turn": "entropy", "value": 0.1}, [])
    assert changed == [
        {"clip": 0.05},
        {"entropy_coefficient": 0.1},
        {"final_entropy_coefficient": 0.1},
    ]
    assert panel.config.hyperparams["clip"] == 0.05
    painter.tick(2.0)
    assert band.drawing.options == {"clip": 0.05, "entropy": 0.1}


@pytest.mark.parametrize("content", [{}, {"turn": "seed", "value": 1}, {"turn": "clip"}])
def test_a_message_that_no_slider_sends_changes_nothing(painter, panel, content) -> None:
    band = ClipBand(panel)
    before = panel.config
    band.drawing._handle_custom_msg(content, [])
    assert panel.config == before


def test_an_algorithm_without_ratios_says_so(painter, monkeypatch) -> None:
    monkeypatch.setattr(strip, "get_painter", lambda: painter)
    band = ClipBand(Playground(rlplay.get_default_config("dqn")))
    painter.tick(1.0)
    assert "no ratios" in band.drawing.note


def test_nothing_is_sent_while_nothing_changes(painter, panel, told) -> None:
    ClipBand(panel)
    show(panel).monitor.publish_update(640, DID)
    painter.tick(1.0)
    painter.tick(2.0)
    told.clear()
    painter.tick(3.0)
    assert [sender for sender, _ in told if sender == "ClipBandWidget"] == []


def test_the_band_closes_with_its_playground(painter, panel) -> None:
    ClipBand(panel)
    assert len(painter.scenes) == 2
    panel.close()
    assert painter.scenes == ()


def test_the_objective_says_where_its_slider_stands() -> None:
    assert repr(ClippedObjective(0.3)) == "ClippedObjective(clip=0.3)"


def test_a_baseline_leaves_the_mean_nudge_and_takes_the_noise() -> None:
    plain, based = (pull_two_arms(baseline=b, pulls=200_000) for b in (0.0, 10.5))
    assert np.array_equal(plain.actions, based.actions)
    # pi (1 - pi) times the difference of the arms.
    assert based.mean == pytest.approx([-0.25, 0.25], abs=0.01)
    assert plain.mean == pytest.approx([-0.25, 0.25], abs=0.05)
    assert plain.spread[0] > 8 * based.spread[0]
    assert np.array_equal(pull_two_arms(pulls=10).rewards, pull_two_arms(pulls=10).rewards)

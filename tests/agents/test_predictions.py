from __future__ import annotations

import numpy as np
import pytest

from rlplay.agents.predictions import ReturnMeter


def flags(*values: bool) -> np.ndarray:
    return np.array(values, np.bool_)


def q(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_an_episode_is_measured_from_its_first_action_and_discounted() -> None:
    meter = ReturnMeter(2)
    assert meter.metrics() == {}
    meter.predict(q(5, 7))
    meter.measure(q(1, 0), 0.5, flags(False, False), flags(False, False))
    assert not meter.opens.any()
    meter.measure(q(2, 4), 0.5, flags(True, False), flags(False, False))
    assert meter.metrics() == {"predicted_return": 5.0, "measured_return": 1 + 0.5 * 2}
    assert meter.opens.tolist() == [True, False]
    meter.predict(q(3))  # the next episode of the first environment
    meter.measure(q(-1, 8), 0.5, flags(True, True), flags(False, False))
    metrics = meter.metrics()
    assert metrics["predicted_return"] == pytest.approx((5 + 3 + 7) / 3)
    assert metrics["measured_return"] == pytest.approx((2 - 1 + (0 + 2 + 2)) / 3)


def test_a_cut_episode_counts_only_where_gamma_leaves_little_of_the_rest() -> None:
    meter = ReturnMeter(1)
    meter.predict(q(5))
    meter.measure(q(1), 0.9, flags(False), flags(True))
    assert meter.metrics() == {}
    meter.predict(q(6))
    meter.measure(q(1), 0.001, flags(False), flags(True))
    assert meter.metrics() == {"predicted_return": 6.0, "measured_return": 1.0}
    # A step that is said to be both has ended the world.
    other = ReturnMeter(1)
    other.predict(q(2))
    other.measure(q(3), 0.9, flags(True), flags(True))
    assert other.metrics() == {"predicted_return": 2.0, "measured_return": 3.0}


def test_the_means_reach_back_over_the_last_hundred_episodes() -> None:
    meter = ReturnMeter(1)
    for episode in range(150):
        meter.predict(q(episode))
        meter.measure(q(1), 0.9, flags(True), flags(False))
    assert meter.metrics()["predicted_return"] == np.mean(range(50, 150))


def test_it_goes_on_where_it_stood() -> None:
    meter = ReturnMeter(2)
    meter.predict(q(5, 7))
    meter.measure(q(1, 2), 0.5, flags(True, False), flags(False, False))
    other = ReturnMeter(2)
    other.load_state_dict(meter.state_dict())
    assert other.metrics() == meter.metrics()
    for each in (meter, other):
        each.predict(q(1))
        each.measure(q(4, 4), 0.5, flags(False, True), flags(False, False))
    assert other.metrics() == meter.metrics()
    assert other.metrics()["measured_return"] == pytest.approx((1 + (2 + 0.5 * 4)) / 2)

"""Curves for the screen: what is smoothed, what is left out, and what seeds have in common."""

from __future__ import annotations

import numpy as np
import pytest

import rlplay
from rlplay_widgets.curves import (
    Metrics,
    band_of,
    decimate,
    recent_mean,
    same_but_for_the_seed,
    smooth,
)

NAN = float("nan")


def slow_mean(values, episodes, window) -> list[float]:
    """The mean over the last lines that hold a window of episodes, line by line."""
    means = []
    for last in range(len(values)):
        held = total = 0.0
        for at in range(last, -1, -1):
            if held >= window:
                break
            if not np.isnan(values[at]):
                held += episodes[at]
                total += values[at] * episodes[at]
        means.append(total / held if held else NAN)
    return means


@pytest.mark.parametrize("window", [1, 3, 10, 1_000])
def test_the_mean_reaches_back_over_the_window(window) -> None:
    generator = np.random.default_rng(window)
    values = generator.normal(size=200)
    values[generator.random(200) < 0.2] = NAN
    values[:2] = NAN
    episodes = generator.integers(1, 8, 200).astype(float)
    got = smooth(values, episodes, window)
    np.testing.assert_allclose(got, slow_mean(values, episodes, window), rtol=1e-9, atol=1e-12)


def test_a_line_of_many_episodes_stands_for_itself() -> None:
    assert smooth(np.array([1.0, 5.0]), np.array([500.0, 500.0]), 100).tolist() == [1.0, 5.0]


def test_what_is_left_out_hides_no_peak() -> None:
    values = np.sin(np.linspace(0, 9, 50_000))
    values[31_234], values[7_777], values[123] = 40.0, -40.0, NAN
    kept = decimate(values, 1_000)
    assert len(kept) <= 1_000
    assert {0, 7_777, 31_234, 49_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    # Wherever one looks, the curve that stays reaches as high and as low, within 101 lines.
    for stretch in np.array_split(np.arange(50_000), 100):
        inside = kept[(kept >= stretch[0] - 101) & (kept <= stretch[-1] + 101)]
        assert np.nanmax(values[inside]) >= np.nanmax(values[stretch])
        assert np.nanmin(values[inside]) <= np.nanmin(values[stretch])
    assert decimate(values[:900], 1_000).tolist() == list(range(900))


def test_metrics_lines_become_columns() -> None:
    metrics = Metrics.of_lines(
        [
            {"steps": 5, "elapsed": 1.0, "episodes": 3, "score": 1.0, "endings": {"wall": 3}},
            {"steps": 9, "elapsed": 2.0, "episodes": 1, "score": None, "loss": 0.5},
        ]
    )
    assert metrics.get("steps").tolist() == [5, 9]
    np.testing.assert_array_equal(metrics.get("score"), [1.0, NAN])
    np.testing.assert_array_equal(metrics.get("loss"), [NAN, 0.5])
    np.testing.assert_array_equal(metrics.get("unknown"), [NAN, NAN])
    assert recent_mean(metrics, "score") == 1.0
    assert recent_mean(metrics, "unknown") is None
    assert len(Metrics.of_lines([])) == 0


def test_a_band_goes_as_far_as_all_seeds() -> None:
    x = np.array([0.0, 10.0, 20.0])
    longer = np.array([5.0, 15.0, 40.0])
    band = band_of([(x, np.array([0.0, 1.0, 2.0])), (longer, np.array([2.5, 3.5, 6.0]))])
    assert (band.x[0], band.x[-1]) == (5.0, 20.0)
    # The first is x / 10, the second two higher; of two seeds, both count.
    np.testing.assert_allclose(band.middle, band.x / 10 + 1)
    np.testing.assert_allclose(band.low, band.x / 10)
    np.testing.assert_allclose(band.high, band.x / 10 + 2)
    assert band_of([(x, x)]) is None
    assert band_of([(x, x), (x + 100, x)]) is None
    assert band_of([(x, x), (x, np.full(3, NAN))]) is None


def test_runs_are_grouped_by_all_but_the_seed() -> None:
    config = rlplay.get_default_config()
    groups = same_but_for_the_seed(
        {
            "a": config.replace(seed=1, name="first"),
            "b": config.replace(seed=2, num_threads=1),
            "c": config.replace(seed=1, num_envs=7),
            "d": config.replace(seed=3, num_envs=7, device="cpu"),
            "e": config.replace(seed=5, total_steps=77),
            "f": config.replace(seed=5, total_steps=77),
        }
    )
    assert groups == [("a", "b"), ("c", "d")]

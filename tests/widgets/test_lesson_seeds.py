"""Lesson 9's widget and figures."""

import json

import numpy as np
import pytest

from rlplay.errors import ConfigError, UnknownName
from rlplay.samples.seeds import LEARNERS, load_seeds
from rlplay.statistics import bootstrap_interval, difference_interval, interquartile_mean
from rlplay_widgets.lesson import load_lesson
from rlplay_widgets.lessons.seeds import SeedFan, show_seeds


def test_the_page_gets_the_statistics_of_each_number_of_seeds() -> None:
    plain, window = load_seeds("plain").part(0, 6), load_seeds("window").part(0, 5)
    fan = SeedFan(plain, window)
    theirs, ours = fan.learners
    assert (theirs["name"], ours["name"], fan.most, fan.count) == ("plain", "window", 5, 3)
    json.dumps([fan.learners, fan.differences])
    assert theirs["intervals"][0] is theirs["bands"][0] is fan.differences[0] is None
    for count in range(2, 6):
        one, other = plain.scores[:count], window.scores[:count]
        assert theirs["means"][count - 1] == interquartile_mean(one)
        assert theirs["intervals"][count - 1] == bootstrap_interval(one)
        assert fan.differences[count - 1] == difference_interval(other, one)
        low, high = theirs["bands"][count - 1]
        middle = theirs["middles"][count - 1]
        assert np.all(np.array(low) <= middle)
        assert np.all(np.array(high) >= middle)


@pytest.mark.parametrize("count", [0, 21])
def test_seeds_that_are_not_there_are_refused(count) -> None:
    with pytest.raises(ConfigError, match="from 1 to 20"):
        SeedFan(load_seeds("plain"), load_seeds("idea"), count=count)


def test_the_figures_are_pictures_with_words() -> None:
    plain = load_seeds("plain").part(0, 3, "ours")
    single, band = show_seeds(plain, single=True), show_seeds(plain, load_seeds("idea"))
    assert single.data.startswith(b"\x89PNG")
    assert single.alt == "Score over steps: ours, run 1, ours, run 2, ours, run 3"
    assert band.alt == "Score over steps: ours, 3 seeds, idea, 20 seeds"


def test_recorded_runs_are_whole() -> None:
    for name in LEARNERS:
        runs = load_seeds(name)
        assert runs.seeds.tolist() == list(range(1, 21))
        assert runs.curves.shape == (20, len(runs.steps)) == (20, 24)
        assert runs.scores.tolist() == runs.curves[:, -1].tolist()
        assert runs.steps[-1] == 300_000
    with pytest.raises(UnknownName, match="Available: plain"):
        load_seeds("plan")


@pytest.mark.parametrize(("name", "tab"), [("was-it-luck", "Compare"), ("autopsy", "Replays")])
def test_the_presets_of_both_lessons(name, tab) -> None:
    assert load_lesson(name).tabs[0] == tab

"""The sample runs that come with rlplay: small, whole, and as good as they are said to be."""

import pytest

import rlplay
from rlplay.cli import main
from rlplay.errors import UnknownName
from rlplay.samples import SAMPLES, sample_path


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library into which all samples were imported, and their runs by name."""
    storage = rlplay.StorageManager(tmp_path_factory.mktemp("samples") / "models")
    return storage, {name: storage.import_run(sample_path(name)) for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_small_and_whole(library, name):
    storage, runs = library
    assert sample_path(name).stat().st_size <= 1_000_000
    run = runs[name]
    assert storage.load_record(*run)["imported_from"] == f"sample-{name}"
    assert SAMPLES[name] in storage.load_record(*run)["notes"]
    assert storage.list_snapshots(*run)
    replays = storage.list_replays(*run)
    assert len(replays) >= 5
    for shown in replays:
        assert storage.load_replay(*run, shown["replay_id"]).verify()


def test_the_samples_are_as_good_as_they_are_said_to_be(library):
    storage, runs = library
    results = {
        name: rlplay.evaluate(run.run_id, episodes=40, greedy=False, storage=storage)
        for name, run in runs.items()
    }
    assert results["beginner"].mean() < 25 < results["good"].mean()
    assert results["good"].mean() < results["champion"].mean()
    assert results["champion"].ending_counts()["won"] >= 20


def test_a_sample_comes_by_its_name(capsys, models_folder):
    assert main(["import", "--sample", "beginner"]) == 0
    assert "imported to" in capsys.readouterr().out
    assert main(["import"]) == 2
    assert "--sample" in capsys.readouterr().err
    with pytest.raises(UnknownName, match="Did you mean 'champion'"):
        sample_path("champoin")

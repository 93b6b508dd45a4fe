"""What holds for every test: nothing is written outside its own folder."""

import pytest


@pytest.fixture(autouse=True)
def models_folder(tmp_path_factory, monkeypatch):
    """Let runs be saved in a folder that belongs to the test."""
    folder = tmp_path_factory.mktemp("library") / "models"
    monkeypatch.setenv("RLPLAY_MODELS", str(folder))
    monkeypatch.delenv("FORCE_DEVICE", raising=False)
    return folder

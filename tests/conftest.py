"""What holds for every test: nothing is written outside its own folder."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def models_folder(tmp_path_factory, monkeypatch):
    """Let runs be saved in a folder that belongs to the test."""
    folder = tmp_path_factory.mktemp("library") / "models"
    monkeypatch.setenv("RLPLAY_MODELS", str(folder))
    monkeypatch.delenv("FORCE_DEVICE", raising=False)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as the tests' are fastest on one thread, whatever else the machine does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

"""The code in the documentation runs as it stands, and its links lead somewhere."""

import re
from pathlib import Path

import gymnasium
import pytest

from rlplay.agents import AGENT_REGISTRY
from rlplay.agents.networks import ACTIVATIONS
from rlplay.cli.train import _train_parser
from rlplay.config import get_default_config
from rlplay.envs import ENV_REGISTRY, OBSERVATION_REGISTRY, REWARD_REGISTRY

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: The teacher's pages show calls with a class's own names.
PROGRAMS = [page for page in PAGES if page.parent.name != "teaching"]


@pytest.fixture
def registries():
    """Take back what a page registers."""
    tables = (
        ENV_REGISTRY,
        AGENT_REGISTRY,
        OBSERVATION_REGISTRY,
        REWARD_REGISTRY,
        ACTIVATIONS,
        gymnasium.registry,
    )
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


def blocks(page, language):
    """Give the code blocks of a page with the numbers of their first lines."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: match.start(1)].count("\n"), match[1]


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.name)
def test_code_runs(page, registries, monkeypatch, tmp_path):
    """One page is one program; a minute of training is cut to a second."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for line, code in blocks(page, "python"):
        short = re.sub(r"\bseconds=\d+", "seconds=1", code)
        exec(compile("\n" * line + short, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    """Every flag that a page shows for `rlplay train` is one."""
    for algo in AGENT_REGISTRY:
        parser = _train_parser(get_default_config(algo))
        flags = set(parser._option_string_actions)
        for _, code in blocks(page, "(?:sh|console|text|powershell)"):
            for command in re.findall(r"rlplay train (.*)", code):
                if f"--algo {algo}" in command or (algo == "ppo" and "--algo" not in command):
                    words = re.findall(r"(?<!\S)--[a-z][\w.-]*", command)
                    assert set(words) <= flags


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = re.sub(r"<!--.*?-->|^```.*?^```$", "", page.read_text("utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_exist(page):
    """A promise that links to a test names one that is there."""
    for name, target in re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", page.read_text("utf-8")):
        assert f"def {name}(" in (page.parent / target).read_text("utf-8"), name

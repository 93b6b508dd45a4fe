from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

import rlplay_widgets.theme as theme

STATIC = Path(str(files("rlplay_widgets") / "static"))
#: Our own modules; uPlot's stands as published.
SCRIPTS = sorted(
    path.relative_to(STATIC).as_posix()
    for path in STATIC.rglob("*.js")
    if not path.name.startswith("uPlot")
)
#: Our own sheets: the Playground's, and those of single widgets.
SHEETS = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.css"))
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"&"


@pytest.mark.parametrize(
    "page",
    [
        theme.message_html(HOSTILE, HOSTILE, HOSTILE),
        theme.state_html(HOSTILE, HOSTILE),
        theme.escape(HOSTILE),
    ],
)
def test_text_stays_text(page) -> None:
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r'"&(?!\w+;|#)', page)


def test_the_browser_never_gets_html_to_interpret() -> None:
    for name in SCRIPTS:
        source = theme.static(name)
        assert "innerHTML" not in source
        assert "insertAdjacentHTML" not in source


def test_nothing_is_fetched_from_the_network() -> None:
    for source in map(theme.static, [*SCRIPTS, *SHEETS]):
        source = source.replace("http://www.w3.org/2000/svg", "")  # a name, never asked for
        assert not re.search(r"https?://|@import|\bimport\(", source)
    assert "MIT License" in theme.static("uPlot.LICENSE.txt")


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [(None, 0, "\N{EN DASH}"), (float("nan"), 1, "\N{EN DASH}"), (0, 0, "0"), (3.26, 1, "3.3"),
     (1234567, 0, "1\u202f234\u202f567")],
)  # fmt: skip
def test_numbers(value, digits, words) -> None:
    assert theme.number(value, digits) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "\N{EN DASH}"), (0, "0:00"), (65.9, "1:05"), (7265, "2\u202fh\u202f01")],
)
def test_durations(seconds, words) -> None:
    assert theme.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (9_999_999, "9\u202f999\u202f999"), (12_345_678, "12.3\u202fM")]
)
def test_counts(value, words) -> None:
    assert theme.count(value) == words


def test_every_variable_that_is_used_is_declared_once() -> None:
    sheet = "\n".join(map(theme.static, SHEETS))
    scripts = "".join(theme.static(name) for name in SCRIPTS)
    set_by_scripts = set(re.findall(r"setProperty\(\"(--[a-z0-9-]+)\"", scripts))
    used = set(re.findall(r"var\((--rlplay-[a-z0-9-]*[a-z0-9])[,)]", sheet + scripts))
    assert used <= set(re.findall(r"(--rlplay-[a-z0-9-]+):", sheet)) | set_by_scripts
    for block in re.findall(r"\{([^{}]*)\}", sheet):
        names = re.findall(r"(--rlplay-[a-z0-9-]+):", block)
        assert sorted(set(names)) == sorted(names)

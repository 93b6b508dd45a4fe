from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import anywidget
import numpy as np
import pytest

import rlplay_widgets
import rlplay_widgets.theme as theme
from rlplay_widgets.figures import _COLOURS

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
#: What an eye makes of linear red, green and blue: Machado, Oliveira and Fernandes, "A
#: Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), at severity 1.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868],
         [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968],
         [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
}  # fmt: skip
#: From linear red, green and blue of sRGB to X, Y and Z, over those of its white (D65).
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])  # fmt: skip
#: The least distance of two colours that stand beside one another, in CIELAB; from 2 on, one sees
#: a difference between patches that touch.
APART = 12


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


def test_every_widget_stays_alive_however_late_its_script_is() -> None:
    for module in pkgutil.walk_packages(rlplay_widgets.__path__, "rlplay_widgets."):
        importlib.import_module(module.name)
    own = {kind for kind in heirs(anywidget.AnyWidget) if kind.__module__.startswith("rlplay")}
    # Of a kind that was shown once, anywidget has made a trait of the text.
    drawn = {
        kind.__name__: getattr(kind._esm, "default_value", kind._esm)
        for kind in own
        if hasattr(kind, "_esm")
    }
    assert {"Sight", "ChartWidget", "TableWidget", "BanditView", "PaidAndScoredWidget"} <= {*drawn}
    for name, script in drawn.items():
        assert script.startswith(theme.static("alive.js")), name
        exported = script.partition("export default ")[2]
        assert re.match(r"(\(\) => \{\s*const \w+ = \w+\(\);\s*return )?alive\(", exported), name


def heirs(kind: type) -> Iterator[type]:
    for heir in kind.__subclasses__():
        yield heir
        yield from heirs(heir)


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


def lab(colour, eye) -> np.ndarray:
    """Where an eye sees a colour of 0 to 255 in CIELAB."""
    shares = np.array(colour) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(eye @ linear, 0, 1)
    x, y, z = (
        v ** (1 / 3) if v > (6 / 29) ** 3 else v * (29 / 6) ** 2 / 3 + 4 / 29 for v in (x, y, z)
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def of_sheet(dark: bool) -> dict[str, tuple[int, ...]]:
    """The colours that the style sheet names, for light or for dark."""
    sheet = theme.static("css/00_playground.css")
    light, over = (
        dict(re.findall(r"--rlplay-([a-z0-9-]+): #([0-9a-f]{6});", block))
        for block in re.findall(r"^\.rlplay-playground(?:\.rlplay-dark)? \{([^}]*)\}", sheet, re.M)
    )
    return {name: tuple(bytes.fromhex(c)) for name, c in (light | over if dark else light).items()}


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_colours_stay_apart_for_every_eye(dark, eye) -> None:
    sheet = of_sheet(dark)
    board = theme.DARK if dark else theme.LIGHT
    endings = {look for _, look in theme.ENDINGS.values()} | {*theme.OTHER_ENDINGS}
    groups = {
        "series": [sheet[f"look-{i}"] for i in range(1, 7)],
        "saved series": [tuple(bytes.fromhex(colour[1:])) for colour in _COLOURS],
        "endings": [sheet[look] for look in sorted(endings)],
        "board": [board.ground, board.head, board.tail, board.apple],
    }
    near = {
        name: (round(float(distance)), one, other)
        for name, colours in groups.items()
        for one, other in itertools.combinations(colours, 2)
        if (distance := np.linalg.norm(lab(one, EYES[eye]) - lab(other, EYES[eye]))) < APART
    }
    assert near == {}

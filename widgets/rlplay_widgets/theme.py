"""Colours, sizes and words of the screen, for light and dark; and the one place that escapes text.

The series, endings and boards use colours that stay apart for colour-blind eyes (after Okabe and
Ito, "Color Universal Design", 2008), and none of them speaks alone: words and numbers stand beside.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = [
    "DARK",
    "ENDINGS",
    "LIGHT",
    "NOTHING",
    "OTHER_ENDINGS",
    "RGB",
    "STATES",
    "Palette",
    "count",
    "duration",
    "escape",
    "message_html",
    "number",
    "script",
    "state_html",
    "static",
    "styles",
]

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """The colours of a board, each as red, green, blue from 0 to 255.

    Attributes:
        ground: The board.
        stripe: Every second row and column is tinted with it, so that cells can be counted.
        stripe_alpha: How strongly, from 0 to 1.
        head: The snake's head and the front of its body.
        tail: The end of the snake's body.
        outline: The rim around the snake.
        eye: White of the eye.
        pupil: Pupil of the eye.
        apple: The apple.
        shine: The light spot on the apple.
        leaf: The apple's leaf.
        stem: The apple's stem.
        text: Words on the board.
    """

    ground: RGB
    stripe: RGB
    stripe_alpha: float
    head: RGB
    tail: RGB
    outline: RGB
    eye: RGB
    pupil: RGB
    apple: RGB
    shine: RGB
    leaf: RGB
    stem: RGB
    text: RGB


LIGHT = Palette(
    ground=(243, 246, 239),
    stripe=(112, 140, 92),
    stripe_alpha=0.06,
    head=(0, 128, 96),
    tail=(126, 205, 178),
    outline=(0, 82, 64),
    eye=(255, 255, 255),
    pupil=(16, 32, 40),
    apple=(213, 70, 32),
    shine=(255, 224, 208),
    leaf=(88, 146, 40),
    stem=(110, 74, 40),
    text=(84, 96, 84),
)

DARK = Palette(
    ground=(28, 33, 36),
    stripe=(190, 214, 205),
    stripe_alpha=0.045,
    head=(62, 214, 170),
    tail=(20, 92, 82),
    outline=(8, 44, 40),
    eye=(255, 255, 255),
    pupil=(10, 20, 24),
    apple=(244, 108, 64),
    shine=(255, 214, 190),
    leaf=(150, 200, 84),
    stem=(176, 134, 96),
    text=(168, 182, 176),
)

#: Known endings: the words that a person reads, and the class that colours the share.
ENDINGS: dict[str, tuple[str, str]] = {
    "wall": ("hit the wall", "wall"),
    "self": ("bit itself", "self"),
    "starvation": ("starved", "starvation"),
    "won": ("filled the board", "won"),
    "terminated": ("ended", "terminated"),
    "goal": ("reached the goal", "won"),
    "treasure": ("found the treasure", "other-1"),
    "pit": ("fell into a pit", "self"),
    "truncated": ("time was up", "truncated"),
}

#: Classes for endings that an environment names itself, in turn.
OTHER_ENDINGS = ("other-1", "other-2", "other-3")

#: What stands where there is no number.
NOTHING = "\N{EN DASH}"

#: States of a session: a sign and the words that a person reads.
STATES: dict[str, tuple[str, str]] = {
    "new": ("○", "ready"),
    "running": ("▶", "running"),
    "paused": ("❚❚", "paused"),
    "stopping": ("■", "stopping"),
    "finished": ("✓", "finished"),
    "failed": ("!", "failed"),
}


def escape(text: object) -> str:
    """Make text from a person, a file or an error safe to stand in HTML.

    Everything that this package puts into HTML goes through here; the JavaScript sets text
    contents only, never HTML.
    """
    return html.escape(str(text), quote=True)


@cache
def static(name: str) -> str:
    """Read a file that ships with the package, as text."""
    return (files("rlplay_widgets") / "static" / name).read_text(encoding="utf-8")


@cache
def script(*names: str) -> str:
    """Give the script of a widget: the last file, below those of the parts that it is made with."""
    return "\n".join(map(static, ("alive.js", *names)))


@cache
def styles() -> str:
    """Give the style sheets of all panels as one."""
    folder = files("rlplay_widgets") / "static" / "css"
    sheets = sorted(folder.iterdir(), key=lambda sheet: sheet.name)
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def state_html(state: str, message: str = "") -> str:
    """Show a session's state as a small label: a sign and a word, with a message beside it."""
    sign, word = STATES.get(state, ("", state))
    note = f'<span class="rlplay-state-note">{escape(message)}</span>' if message else ""
    return (
        f'<span class="rlplay-state rlplay-state-{escape(state)}" role="status">'
        f'<span aria-hidden="true">{escape(sign)}</span> {escape(word)}</span>{note}'
    )


def message_html(text: str, details: str = "", level: str = "error") -> str:
    """Show a message, with its details behind a fold.

    Args:
        text: What happened, for people.
        details: A traceback, or nothing.
        level: "error" or "info".
    """
    fold = (
        f"<details><summary>Details</summary><pre>{escape(details)}</pre></details>"
        if details
        else ""
    )
    role = "alert" if level == "error" else "status"
    return (
        f'<div class="rlplay-message rlplay-message-{escape(level)}" role="{role}">'
        f"<p>{escape(text)}</p>{fold}</div>"
    )


def number(value: float | None, digits: int = 0) -> str:
    """Write a number for people: thousands apart, a dash where there is none."""
    if value is None or value != value:
        return NOTHING
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def count(value: int) -> str:
    """Write a count: in full up to ten million, then in millions."""
    return number(value) if value < 10_000_000 else f"{number(value / 1e6, 1)}\u202fM"


def duration(seconds: float | None) -> str:
    """Write seconds as 1:05 (minutes and seconds) or 2 h 01 (hours and minutes)."""
    if seconds is None or seconds != seconds:
        return NOTHING
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}\u202fh\u202f{minutes:02d}" if hours else f"{minutes}:{rest:02d}"

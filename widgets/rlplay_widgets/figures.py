"""Figures that stay: the curves of the Compare tab as a file, and of lessons as a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rlplay.errors import ConfigError
from rlplay_widgets.curves import band_of

if TYPE_CHECKING:
    from IPython.display import Image
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "Line", "lines_of_seeds", "save_figure", "show_figure"]

#: Kinds of files that a figure can be saved as.
FORMATS = ("png", "svg", "pdf")
#: Colours and dashes by look, as on the light screen: they stay apart for colour-blind eyes (after
#: Okabe and Ito 2008), and in print without colours.
_COLOURS = ("#0072b2", "#d55e00", "#008f68", "#b8558f", "#664400", "#3a3a3a")
_DASHES = ((), (4, 2), (1, 1.5), (6, 1.5, 1, 1.5), (2.5, 1), (8, 2.5))


@dataclass(frozen=True)
class Line:
    """One curve of a figure.

    Attributes:
        name: In the legend.
        look: Its colour and dashes, from 1.
        x: (P,) steps or seconds.
        y: (P,) the thick line.
        raw: (P,) the thin line behind it, if any.
        low: (P,) lower bound of a band, if any.
        high: (P,) its upper bound.
    """

    name: str
    look: int
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float64] | None = None
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None


def lines_of_seeds(
    name: str, look: int, x: npt.ArrayLike, curves: npt.ArrayLike, *, single: bool = False
) -> list[Line]:
    """Make the lines of the seeds of one learner.

    Args:
        name: In the legend.
        look: Colour and dashes, from 1; of single seeds, those of the first.
        x: (P,) steps, ascending.
        curves: (S, P) a curve for each seed.
        single: Draw each seed by itself; otherwise their interquartile mean in its bootstrap
            interval of 95 %, as the Compare tab does, from two seeds on.
    """
    across = np.asarray(x, np.float64)
    rows = np.asarray(curves, np.float64)
    band = None if single else band_of([(across, row) for row in rows])
    if band is None:
        count = len(rows)
        return [
            Line(name if count == 1 else f"{name}, run {i + 1}", look + i, across, row)
            for i, row in enumerate(rows)
        ]
    title = f"{name}, {len(rows)} seeds"
    return [Line(title, look, band.x, band.middle, low=band.low, high=band.high)]


def show_figure(
    lines: Sequence[Line], *, label: str = "Score", across: str = "steps", note: str = ""
) -> Image:
    """Draw curves as a picture that a notebook shows.

    Args:
        lines: The curves.
        label: What they show.
        across: What they run over: "steps" or "elapsed".
        note: A sentence below.

    Returns:
        The picture; as the last line of a cell it is shown.

    Raises:
        ConfigError: When there is nothing to draw.
    """
    from IPython.display import Image

    file = io.BytesIO()
    with warnings.catch_warnings():  # of letters that the font does not have
        warnings.simplefilter("ignore")
        _draw(lines, label, across, note).savefig(file, dpi=110)
    names = ", ".join(line.name for line in lines)
    return Image(file.getvalue(), format="png", width=720, alt=f"{label} over {across}: {names}")


def save_figure(
    folder: Path, lines: Sequence[Line], *, label: str, across: str, note: str, kind: str = "png"
) -> Path:
    """Draw curves into a new file.

    Args:
        folder: Where it goes; made where it is not there.
        lines: The curves.
        label: What they show: "Score".
        across: What they run over: "steps" or "elapsed".
        note: What the lines are, in a sentence below.
        kind: One of `FORMATS`.

    Returns:
        The file.

    Raises:
        ConfigError: For another format, or nothing to draw.
    """
    if kind not in FORMATS:
        raise ConfigError(f"Format {kind!r} is not allowed. Available: {', '.join(FORMATS)}.")
    figure = _draw(lines, label, across, note)
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now().strftime("%Y%m%d-%H%M%S")
    words = "".join(c if c.isalnum() else "-" for c in label.lower()).strip("-")
    path = folder / f"compare-{words}-{moment}.{kind}"
    number = 2
    while path.exists():
        path = folder / f"compare-{words}-{moment}-{number}.{kind}"
        number += 1
    with warnings.catch_warnings():  # of letters that the font does not have
        warnings.simplefilter("ignore")
        figure.savefig(path, dpi=200)
    return path


def _draw(lines: Sequence[Line], label: str, across: str, note: str) -> Figure:
    """Draw curves."""
    # Not pyplot: it keeps figures for the whole process, and is not made for threads.
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    if not lines:
        raise ConfigError("There is nothing to draw. Choose at least one run.")
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for line in lines:
        at = line.look - 1
        color = _COLOURS[at % len(_COLOURS)]
        dash = _DASHES[(at + at // len(_COLOURS)) % len(_DASHES)]
        if line.raw is not None:
            axes.plot(line.x, line.raw, color=color, alpha=0.3, linewidth=0.7)
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.2, linewidth=0)
        (drawn,) = axes.plot(line.x, line.y, color=color, linewidth=1.8, label=_literal(line.name))
        if dash:
            drawn.set_dashes(dash)
    axes.set_ylabel(label)
    axes.set_xlabel("steps" if across == "steps" else "seconds of training")
    axes.xaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.2, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    figure.supxlabel(note, fontsize=8, color="#666666")
    return figure


def _literal(name: str) -> str:
    """A person's words as they are: no formula, and not left out of the legend."""
    words = name.replace("$", r"\$")
    return f"\N{THIN SPACE}{words}" if words.startswith("_") else words

"""Compare: the curves of any runs over each other, and agents that race on the same seeds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as ipw
import numpy as np
import numpy.typing as npt
import traitlets as t

from rlplay.config import RunConfig
from rlplay.errors import RlplayError
from rlplay.statistics import probability_of_improvement
from rlplay.storage.files import slug
from rlplay.training.session import TrainingSession, sessions
from rlplay_widgets.charts import Feed, label_of, metrics_of, plot_script, short_name
from rlplay_widgets.curves import (
    Metrics,
    band_of,
    decimate,
    recent_mean,
    same_but_for_the_seed,
    smooth,
)
from rlplay_widgets.desk import LOOKS, Desk, look_of
from rlplay_widgets.figures import FORMATS, Line, save_figure
from rlplay_widgets.library import moment, title
from rlplay_widgets.panels.race import RaceView
from rlplay_widgets.receipt import Receipt
from rlplay_widgets.scene import LIVE, Frame, assign
from rlplay_widgets.table import Cell, Column, Row, Table
from rlplay_widgets.theme import number, static

__all__ = ["ComparePanel"]

#: Episodes that the thick line is a mean of.
WINDOWS = (1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
#: What a person reads while a figure is drawn.
_SAVING = "saving the figure"
#: Curves at once: colours and dashes tell so many apart.
MOST = 2 * LOOKS
#: Seconds between two looks at sessions that run; and at the bands that they are part of.
_EVERY = 1.0
_BAND_EVERY = 4.0
#: Episodes over which the table's mean reaches back.
_RECENT = 1_000

COLUMNS = (
    Column(
        "",
        "tag",
        "16px",
        "Whether its curve is drawn",
        tags={
            "on": ("\N{BALLOT BOX WITH CHECK}", "", "Drawn; click to take it out"),
            "off": ("\N{BALLOT BOX}", "", "Click to draw it"),
        },
    ),
    Column("", "look", "12px", "Its colour in the chart"),
    Column("Run", width="minmax(96px, 2.6fr)"),
    Column("Episodes", "number", "minmax(0, 1.2fr)", "Episodes that ended"),
    Column("Best", "number", "minmax(0, 0.7fr)", "Highest score of an episode"),
    Column(
        "Mean",
        "number",
        "minmax(0, 0.8fr)",
        f"Mean score of the last {number(_RECENT)} episodes; of runs that are drawn",
        digits=1,
    ),
    Column("Steps/s", "number", "minmax(0, 1fr)", "Steps a second, over the whole run"),
    Column("Time, s", "number", "minmax(0, 0.9fr)", "Seconds of training, pauses not counted"),
    Column("Started", "when", "78px"),
)


class CompareWidget(anywidget.AnyWidget):
    """The chart in the browser, with what a person sets of it."""

    _esm = plot_script("compare.js")
    _css = static("uPlot.min.css")

    axis = t.Enum(("steps", "elapsed"), default_value="steps").tag(sync=True)
    metric = t.Unicode("score").tag(sync=True)
    metrics = t.List(metrics_of(())).tag(sync=True)
    windows = t.List(list(WINDOWS)).tag(sync=True)
    window = t.Enum(WINDOWS, default_value=100).tag(sync=True)
    raw = t.Bool(True).tag(sync=True)
    grouped = t.Bool(False).tag(sync=True)
    #: Whether some of the runs differ in their seed alone.
    groups = t.Bool(False).tag(sync=True)
    #: The curves: key, kind (run or band), name, look, and words about it.
    lines = t.List().tag(sync=True)
    #: What the curves say together.
    note = t.Unicode().tag(sync=True)


@dataclass(frozen=True)
class _Wish:
    """What shall be drawn.

    Attributes:
        runs: Key of each run, and what tells its present state from an earlier one.
        metric: The column.
        window: Episodes of the mean.
        axis: What the bands run over; None without bands.
    """

    runs: tuple[tuple[str, int], ...]
    metric: str
    window: int
    axis: str | None


@dataclass(frozen=True, eq=False)
class _Curve:
    """What is sent of one line: (rows, points) float32."""

    rows: tuple[str, ...]
    table: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Picture:
    """What can be drawn of a wish; the curves of sessions that run follow later, bit by bit."""

    wish: _Wish
    lines: list[dict[str, Any]]
    curves: dict[str, _Curve]
    looks: dict[str, int]  # of each run: its own, or that of the band that it is part of
    groups: bool
    metrics: list[list[str]]
    note: str


@dataclass
class _Run:
    """A saved run that was read."""

    state: int  # its steps then
    config: RunConfig
    metrics: Metrics
    curves: dict[tuple[str, int], _Curve]  # by metric and window


class CurvesView:
    """The chart of any runs, and the table that they are chosen from.

    Args:
        desk: Whose runs and sessions.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.RLock()
        self.chart = CompareWidget()
        self.table = Table(
            COLUMNS,
            "Runs to compare",
            desk.scene.safely,
            desk.wake,
            order=(8, True),
            several=True,
            toggles=True,
            hint="No runs yet. Press Start, and they appear here.",
        )
        self.table.on_select = self._choose
        safely = desk.scene.safely
        self.receipt = Receipt(safely, desk.wake)
        desk.carry(self.receipt.hand_on)
        self.widget = ipw.VBox([self.chart, self.receipt.widget, self.table.widget])
        self.widget.add_class("rlplay-curves")
        self.chart.on_msg(safely(self._receive))
        self.chart.observe(safely(lambda _: desk.wake()), ["metric", "window", "grouped", "axis"])
        self._chosen: tuple[str, ...] = ()
        self._looks: dict[str, int] = {}
        self._began = False  # whether something was chosen, by a person or at the beginning
        self._runs: dict[str, _Run] = {}
        self._picture: _Picture | None = None
        self._preparing = False
        self._again = False  # compute it once more, with the newest points of what runs
        self._banded_at = float("-inf")
        self._painted: _Picture | None = None
        self._sent: dict[str, _Curve] = {}
        self._feeds: dict[str, Feed] = {}
        self._needed = False
        self._too_many = ""
        self._next = float("-inf")
        self._listed: Any = None  # what the table was filled from, and
        self._ended: list[Row] = []  # its rows of runs that nobody trains now

    # What is chosen ------------------------------------------------------------------------------

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the runs that are drawn: "<environment's folder>/<run id>"."""
        return self._chosen

    def choose(self, *keys: str) -> None:
        """Draw these runs, as a person would tick them."""
        self._began = True
        self.table.select(*keys)

    def _choose(self, keys: tuple[str, ...]) -> None:
        if len(keys) > MOST:
            self.table.select(*keys[:MOST])
            self._too_many = f"{MOST} curves at most: more could not be told apart."
            return
        with self._lock:
            self._began, self._too_many = True, ""
            live = self._live()
            for key in tuple(self._looks):
                if key not in keys:
                    del self._looks[key]
            for key in keys:
                if key not in self._looks:
                    taken = set(self._looks.values())
                    free = [look for look in range(1, MOST + 1) if look not in taken]
                    own = look_of(live[key]) if key in live else 0
                    self._looks[key] = own if own in free else free[0]
            self._chosen = keys
        self._desk.wake()

    @staticmethod
    def _live() -> dict[str, TrainingSession]:
        """The sessions of this kernel that run, by key."""
        return {
            f"{slug(session.config.env_name)}/{session.run_id}": session
            for session in sessions()
            if session.run_id is not None and session.snapshot().state in LIVE
        }

    def _begin(self, live: dict[str, TrainingSession]) -> None:
        """Choose what a person most likely wants to see first."""
        keys = {row.key for row in self.table.rows}
        first = [key for key in live if key in keys][:MOST]
        if not first and self._desk.library.runs:
            first = [_key(run) for run in self._desk.library.runs][:1]
        if first and not self._began:
            self.choose(*first)

    def _wish(self, live: dict[str, TrainingSession]) -> _Wish:
        """Say what shall be drawn now."""
        listed = self._desk.library.runs
        runs = tuple(
            (key, -1 if key in live else int((listed.get(_place(key)) or {}).get("steps") or 0))
            for key in self._chosen
        )
        chart = self.chart
        return _Wish(runs, chart.metric, chart.window, chart.axis if chart.grouped else None)

    # The clerk's thread --------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Read what shall be drawn, until it is what is wished."""
        try:
            while True:
                live = self._live()
                wish = self._wish(live)
                if self._picture is not None and self._picture.wish == wish and not self._again:
                    return
                self._again = False
                problems: list[str] = []
                self._picture = self._compute(wish, live, problems)
                self._desk.wake()
                if problems:
                    raise RlplayError(" ".join(problems))
        finally:
            self._preparing = False

    def _compute(
        self, wish: _Wish, live: dict[str, TrainingSession], problems: list[str]
    ) -> _Picture:
        """Read, smooth and thin out."""
        configs: dict[str, RunConfig] = {}
        metrics: dict[str, Metrics] = {}
        for key, state in wish.runs:
            if key in live:
                configs[key] = live[key].config
                metrics[key] = Metrics.of_columns(live[key].monitor.history()[0])
                continue
            try:
                run = self._read(key, state)
            except RlplayError as error:
                problems.append(str(error))
                continue
            configs[key], metrics[key] = run.config, run.metrics
        for key in tuple(self._runs):
            if key not in configs:
                del self._runs[key]
        found = same_but_for_the_seed(configs)
        grouped = found if wish.axis is not None else []
        inside = {key for keys in grouped for key in keys}
        looks = {key: self._looks.get(key, 1) for key in configs if key not in inside}
        lines, curves = [], {}
        last: list[tuple[str, list[float]]] = []
        for keys in grouped:
            taken = set(looks.values())
            look = next(look for look in range(1, MOST + 1) if look not in taken)
            looks |= dict.fromkeys(keys, look)
            line, curve = self._group(keys, look, configs, metrics, wish)
            ends = [end for key in keys if (end := _end(metrics[key], wish)) is not None]
            last.append((line["name"], ends))
            if curve is not None:
                lines.append(line)
                curves[line["key"]] = curve
        names = _names(configs)
        for key, config in configs.items():
            if key in inside:
                continue
            lines.append(
                {
                    "key": key,
                    "kind": "run",
                    "name": names[key],
                    "look": looks[key],
                    "about": f"Run {config.run_id}",
                }
            )
            if key in self._runs:
                curves[key] = self._curve(self._runs[key], wish)
        columns = {name for run in metrics.values() for name in run.columns}
        return _Picture(
            wish, lines, curves, looks, bool(found), metrics_of(columns), _verdict(last)
        )

    def _read(self, key: str, state: int) -> _Run:
        """Read a saved run, where it is not known in this state."""
        run = self._runs.get(key)
        if run is None or run.state != state:
            storage, place = self._desk.storage, _place(key)
            metrics = Metrics.of_lines(storage.load_metrics(*place))
            run = self._runs[key] = _Run(state, storage.load_config(*place), metrics, {})
        return run

    def _curve(self, run: _Run, wish: _Wish) -> _Curve:
        """Smooth and thin out a saved run's metric, once."""
        what = (wish.metric, wish.window)
        if what not in run.curves:
            run.curves[what] = _curve_of(run.metrics, wish)
        return run.curves[what]

    def _group(
        self,
        keys: tuple[str, ...],
        look: int,
        configs: dict[str, RunConfig],
        metrics: dict[str, Metrics],
        wish: _Wish,
    ) -> tuple[dict[str, Any], _Curve | None]:
        """Put the seeds of a config together."""
        config = configs[keys[0]]
        names = ", ".join(str(configs[key].seed) for key in keys)
        line = {
            "key": f"seeds of {keys[0]}",
            "kind": "band",
            "name": f"{config.name or config.algo.upper()}, {len(keys)} seeds",
            "look": look,
            "about": f"Interquartile mean of the seeds {names}, in a band of 95 %",
        }
        axis = str(wish.axis)
        band = band_of(
            [(metrics[key].get(axis), _smooth(metrics[key], wish)) for key in keys],
            seed=config.seed,
        )
        if band is None:
            return line, None
        table = np.array([band.x, band.middle, band.low, band.high], np.float32)
        return line, _Curve(("x", "middle", "low", "high"), table)

    def _save(self, kind: str) -> Path:
        """Draw what is on the screen into a file."""
        live = self._live()
        wish = self._wish(live)
        picture = self._compute(wish, live, [])
        curves = dict(picture.curves)
        for line in picture.lines:
            if line["key"] in live:
                columns = live[line["key"]].monitor.history()[0]
                curves[line["key"]] = _curve_of(Metrics.of_columns(columns), wish)
        axis, raw = self.chart.axis, self.chart.raw
        drawn = []
        for line in picture.lines:
            curve = curves[line["key"]]
            rows = dict(zip(curve.rows, curve.table.astype(np.float64), strict=True))
            drawn.append(
                Line(
                    line["name"],
                    line["look"],
                    rows["x"] if "x" in rows else rows[axis],
                    rows["middle"] if "middle" in rows else rows["smooth"],
                    rows.get("raw") if raw else None,
                    rows.get("low"),
                    rows.get("high"),
                )
            )
        note = f"Mean of the last {number(wish.window)} episodes"
        if any(line["kind"] == "band" for line in picture.lines):
            note += "; of seeds: interquartile mean, with its bootstrap interval of 95 %"
        return save_figure(
            self._desk.storage.base_dir / "exports",
            drawn,
            label=label_of(wish.metric),
            across=axis,
            note=f"{note}.",
            kind=kind,
        )

    # Callbacks -----------------------------------------------------------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        if content.get("kind") == "need":
            self._needed = True
            self._desk.wake()
        elif content.get("kind") == "save" and content.get("format") in FORMATS:
            self.save(content["format"])

    def save(self, kind: str = "png") -> None:
        """Save what is drawn into the models folder's exports; the path stands below the chart.

        Args:
            kind: "png", "svg" or "pdf".
        """
        self._desk.work(
            _SAVING, partial(self._save, kind), lambda path: self.receipt.say("Saved.", path)
        )

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> None:
        """Bring chart and table to what is chosen."""
        self._desk.library.look(frame.now)
        live = self._live()
        due = frame.now >= self._next
        if due:
            self._next = frame.now + _EVERY
        self._fill_table(live, due)
        if not self._began:
            self._begin(live)
        wish = self._wish(live)
        picture = self._picture
        if due and wish.axis is not None and self._stale(frame.now, live):
            self._again = True
        if (picture is None or picture.wish != wish or self._again) and not self._preparing:
            self._preparing = True
            self._desk.work("reading the runs", self._prepare)
        self._show(picture)
        if due:
            self._send_live(live)
        note = self._too_many or ("" if picture is None else picture.note)
        assign(self.chart, note=note)
        self.receipt.paint(frame.now, [task for task in self._desk.tasks if task == _SAVING])
        self.table.paint(frame.now)

    def _stale(self, now: float, live: dict[str, TrainingSession]) -> bool:
        """Whether bands of sessions that run are to be computed again."""
        if not live.keys() & set(self._chosen) or now < self._banded_at + _BAND_EVERY:
            return False
        self._banded_at = now
        return True

    def _show(self, picture: _Picture | None) -> None:
        """Send the curves that the browser does not have."""
        if picture is None or (picture is self._painted and not self._needed):
            return
        if self._needed:
            self._needed = False
            self._sent, self._feeds = {}, {}
            self._next = float("-inf")
        elif self._painted is not None and (
            (picture.wish.metric, picture.wish.window)
            != (self._painted.wish.metric, self._painted.wish.window)
        ):
            self._feeds = {}
            self._next = float("-inf")
        self._painted = picture
        there = {line["key"] for line in picture.lines}
        self._sent = {key: curve for key, curve in self._sent.items() if key in there}
        self._feeds = {key: feed for key, feed in self._feeds.items() if key in there}
        assign(self.chart, metrics=picture.metrics, groups=picture.groups, lines=picture.lines)
        fresh = {
            key: curve for key, curve in picture.curves.items() if self._sent.get(key) is not curve
        }
        self._send([(key, True, curve) for key, curve in fresh.items()])
        self._sent |= fresh

    def _send_live(self, live: dict[str, TrainingSession]) -> None:
        """Send the new points of the sessions that run."""
        picture = self._painted
        if picture is None:
            return
        parts = []
        for line in picture.lines:
            session = live.get(line["key"])
            if session is None or line["key"] in picture.curves:
                continue
            taken = self._feeds.setdefault(line["key"], Feed()).take(session)
            if taken is None:
                continue
            reset, columns, before = taken
            if not reset:
                columns = session.monitor.history()[0]
            # What came meanwhile, and where old points were merged, comes with the next look.
            curve = _curve_of(Metrics.of_columns(columns), picture.wish, whole=True)
            parts.append((line["key"], reset, _Curve(curve.rows, curve.table[:, before:])))
        self._send(parts)

    def _send(self, parts: list[tuple[str, bool, _Curve]]) -> None:
        if parts:
            content = [
                {
                    "key": key,
                    "reset": reset,
                    "rows": list(curve.rows),
                    "count": curve.table.shape[1],
                }
                for key, reset, curve in parts
            ]
            buffers = [np.ascontiguousarray(curve.table).tobytes() for _, _, curve in parts]
            self.chart.send({"kind": "curves", "parts": content}, buffers)

    def _fill_table(self, live: dict[str, TrainingSession], due: bool) -> None:
        """List the runs, with what is known of those that are drawn."""
        library = self._desk.library
        state = (library.version, self._chosen, self._picture, tuple(live))
        if state != self._listed:
            self._listed = state
            self._ended = [
                self._ended_row(_key(run), listed)
                for run, listed in library.runs.items()
                if listed["broken"] is None and _key(run) not in live
            ]
        elif not (due and live):
            return
        rows = list(self._ended)
        for key, session in live.items():
            snapshot = session.snapshot()
            metrics = Metrics.of_columns(session.monitor.history()[0])
            name = short_name(session.config)
            facts = (
                snapshot.episode,
                snapshot.best_score,
                recent_mean(metrics, "score", _RECENT),
                snapshot.steps_per_second,
                snapshot.elapsed,
                session.started_at,
            )
            rows.append(self._row(key, f"{name} (training)", facts))
        self.table.rows = rows

    def _ended_row(self, key: str, listed: dict[str, Any]) -> Row:
        facts = (
            listed["episodes"],
            listed["best_score"],
            *self._facts(key),
            moment(listed["created_at"]),
        )
        return self._row(key, title(listed), facts)

    def _facts(self, key: str) -> tuple[float | None, float | None, float | None]:
        """Mean, steps a second and seconds of a run that was read."""
        run = self._runs.get(key)
        if run is None or key not in self._chosen or not len(run.metrics):
            return (None, None, None)
        steps, elapsed = (float(run.metrics.get(name)[-1]) for name in ("steps", "elapsed"))
        speed = steps / elapsed if elapsed > 0 else None
        return (recent_mean(run.metrics, "score", _RECENT), speed, elapsed)

    def _row(self, key: str, name: str, facts: tuple[Cell, ...]) -> Row:
        picture, look = self._picture, None
        if key in self._chosen:
            own = self._looks.get(key)
            look = own if picture is None else picture.looks.get(key, own)
        colour = None if look is None else (look - 1) % LOOKS + 1
        return Row(key, ("on" if look else "off", colour, name, *facts))


class ComparePanel:
    """Curves of any runs over each other, and a race.

    Args:
        desk: Whose runs and sessions.
    """

    title = "The comparison"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wanted = "Curves"
        self.views: dict[str, Any] = {"Curves": CurvesView(desk)}
        self.switch = ipw.ToggleButtons(
            options=["Curves", "Race"],
            tooltips=[
                "The curves of any runs over each other",
                "Agents side by side, on the same episodes",
            ],
        )
        self.switch.add_class("rlplay-compare-switch")
        self.switch.observe(
            desk.scene.safely(lambda change: self.turn_to(change["new"])), names="value"
        )
        self.widget = ipw.VBox([self.switch, self.views["Curves"].widget])
        self.widget.add_class("rlplay-compare-panel")

    @property
    def curves(self) -> CurvesView:
        """The chart, and the table of runs."""
        return self.views["Curves"]

    def turn_to(self, name: str) -> None:
        """Bring "Curves" or "Race" to the front with the next frame."""
        self._wanted = name
        self._desk.wake()

    def paint(self, frame: Frame) -> bool:
        """Paint what is in front; a race paints its boards."""
        name = self._wanted
        new = name not in self.views
        if new:
            self.views[name] = RaceView(self._desk)
            self.widget.children = (*self.widget.children, self.views[name].widget)
        for other, view in self.views.items():
            display = None if other == name else "none"
            if view.widget.layout.display != display:
                view.widget.layout.display = display
        assign(self.switch, value=name)
        return bool(self.views[name].paint(frame))


def _key(run: tuple[str, str]) -> str:
    return "/".join(run)


def _place(key: str) -> tuple[str, str]:
    environment, _, run_id = key.partition("/")
    return environment, run_id


def _names(configs: dict[str, RunConfig]) -> dict[str, str]:
    """Name runs in a legend; those that share a name are told apart by seed, or by id."""
    short = {key: short_name(config) for key, config in configs.items()}
    names = {}
    for key, name in short.items():
        alike = [configs[other] for other, shared in short.items() if shared == name]
        if len(alike) > 1:
            seeds = {config.seed for config in alike}
            own = configs[key]
            end = f"seed {own.seed}" if len(seeds) == len(alike) else str(own.run_id)[-4:]
            name = f"{name}, {end}"
        names[key] = name
    return names


def _smooth(metrics: Metrics, wish: _Wish) -> npt.NDArray[np.float64]:
    return smooth(metrics.get(wish.metric), metrics.get("episodes"), wish.window)


def _curve_of(metrics: Metrics, wish: _Wish, whole: bool = False) -> _Curve:
    """The rows of a run's curve: thinned out, unless the whole is wanted."""
    raw, mean = metrics.get(wish.metric), _smooth(metrics, wish)
    kept = slice(None) if whole else decimate(raw)
    rows = {
        "steps": metrics.get("steps"),
        "elapsed": metrics.get("elapsed"),
        "raw": raw,
        "smooth": mean,
    }
    table = np.array([row[kept] for row in rows.values()], np.float32)
    return _Curve(tuple(rows), table)


def _end(metrics: Metrics, wish: _Wish) -> float | None:
    """Where a run's smoothed curve ends."""
    return recent_mean(metrics, wish.metric, wish.window)


def _verdict(groups: list[tuple[str, list[float]]]) -> str:
    """Say how the ends of two groups of seeds compare."""
    filled = [(name, values) for name, values in groups if values]
    if len(filled) != 2:
        return ""
    (first, ours), (second, theirs) = filled
    share = probability_of_improvement(ours, theirs)
    return (
        f"At the end, a seed of {first!r} is above one of {second!r} with probability {share:.2f}."
    )

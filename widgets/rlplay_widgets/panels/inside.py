"""What the agent on the board sees and thinks: switches, actions, value, network and inputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import numpy.typing as npt
import traitlets as t

from rlplay_widgets.desk import Desk
from rlplay_widgets.overlays import Choices, Inputs, action_shares, inputs_of
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import Frame, assign
from rlplay_widgets.theme import number, script

__all__ = ["InsidePanel"]

#: Seconds between two messages at least, and bytes a second at most. A little shorter than the
#: time between two boards that are thought about at full speed: the panel does not lag behind.
_EVERY = 0.08
_BYTES_PER_SECOND = 18_000
#: Bytes that a message has besides its numbers, about.
_ENVELOPE = 900
#: Values of states that the line remembers.
HISTORY = 300
#: Cells that a row of the network has at most; of more units neighbours share a cell.
MAX_CELLS = 512

Numbers = npt.NDArray[np.float32]


class InsideWidget(anywidget.AnyWidget):
    """All that the panel shows, in the browser.

    `on` names what is switched on; `about` says what there is to show, and changes with the agent;
    `missing` says in sentences what there is not. What changes with every move travels as messages.
    """

    _esm = script("inside.js")

    on = t.List().tag(sync=True)
    about = t.Dict().tag(sync=True)
    missing = t.List().tag(sync=True)


class InsidePanel:
    """Looks inside the agent on the board, and switches what lies over the board.

    Args:
        desk: Whose board it is.
    """

    title = "The look inside"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        if not list(desk.choices):
            # Whoever opens it the first time sees what there is to see.
            desk.choices.switch(sees=True, thinks=True, network=True, value=True)
        self.widget = InsideWidget(on=list(desk.choices), about=_about(None, Shown(), {}))
        self.widget.on_msg(desk.scene.safely(self._receive))
        self._values: deque[tuple[float, bool]] = deque(maxlen=HISTORY)
        self._unsent = 0
        self._step = -1
        self._source: tuple[Any, ...] | None = None  # the game and the session of the line
        self._noted: tuple[str, int] | None = None  # the board whose value is noted
        self._sent: tuple[Any, ...] | None = None
        self._scales: list[float] = []
        self._needed = True
        self._reset = True
        self._next = float("-inf")

    # Callbacks: in the kernel's threads ----------------------------------------------------------

    def _receive(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        kind = content.get("kind")
        if kind == "need":
            self._needed = True
        elif kind == "off":
            self._desk.choices.all_off()
        elif kind == "switch" and content.get("name") in Choices.NAMES:
            self._desk.choices.switch(**{content["name"]: bool(content.get("on"))})
        self._desk.wake()

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Send what is switched on and new, about ten times a second at most."""
        choices = self._desk.choices
        assign(self.widget, on=list(choices))
        shown = self._desk.shown(frame)
        thoughts = shown.thoughts or {}
        self._follow(frame)
        if "value" in choices:
            self._note(shown, thoughts)
        if frame.now < self._next and not self._needed:
            return False
        inputs = None
        if shown.state is not None and {"sees", "thinks", "mattered"} & set(choices):
            inputs = inputs_of(shown.env_name, shown.env_config, self._desk.wake)
        state = (shown.env_name, shown.version, id(shown.thoughts), inputs, tuple(choices))
        if state == self._sent and not self._needed and not self._unsent:
            return False
        self._sent = state
        on = {name: name in choices for name in Choices.NAMES}
        assign(
            self.widget,
            about=_about(inputs, shown, on),
            missing=_missing(shown, on) if any(on.values()) else [],
        )
        if any(on.values()):
            nbytes = self._tell(inputs, shown, on)
            self._next = frame.now + max(_EVERY, nbytes / _BYTES_PER_SECOND)
        return False

    def _follow(self, frame: Frame) -> None:
        """Begin a new line where another agent is looked into."""
        source = (self._desk.game, frame.session)
        if source != self._source:
            self._source = source
            self._values.clear()
            self._unsent, self._step, self._noted = 0, -1, None
            self._scales = []
            self._reset = True

    def _note(self, shown: Shown, thoughts: dict[str, Any]) -> None:
        """Remember the value of a state that is new."""
        key = (shown.env_name, shown.version)
        if "value" not in thoughts or key == self._noted:
            return
        self._noted = key
        step = int((shown.state or {}).get("steps", shown.step))
        self._values.append((float(thoughts["value"]), step < self._step))
        self._unsent = min(self._unsent + 1, HISTORY)
        self._step = step

    def _tell(self, inputs: Inputs | None, shown: Shown, on: dict[str, bool]) -> int:
        """Send the numbers of this moment; returns the bytes, about."""
        thoughts = shown.thoughts or {}
        content: dict[str, Any] = {}
        found = action_shares(thoughts) if on["thinks"] else None
        shares = np.zeros(0, np.float32)
        if found is not None:
            shares, content["written"] = found
        cells = np.zeros(0, np.int8)
        if on["network"]:
            rows = _rows(shown)
            cells, content["scales"] = self._shaded(rows)
        table = np.zeros((2, 0), np.float32)
        if on["sees"] or on["mattered"]:
            table = _table(inputs, shown)
        points = np.zeros((0, 2), np.float32)
        if on["value"]:
            whole = self._needed or self._reset
            unsent = len(self._values) if whole else self._unsent
            points = np.array(list(self._values)[len(self._values) - unsent :], np.float32)
            content["reset"] = whole
            if "value" in thoughts:
                written = number(float(thoughts["value"]), 2)
                content["value"] = written.replace("-", "\N{MINUS SIGN}")
        self._needed = self._reset = False
        self._unsent = 0
        parts = (shares, cells, table, points)
        self.widget.send(content, [part.tobytes() for part in parts])
        return _ENVELOPE + sum(part.nbytes for part in parts)

    def _shaded(self, rows: Sequence[Numbers]) -> tuple[npt.NDArray[np.int8], list[str]]:
        """Turn each row into numbers from -127 to 127, and say what the darkest one stands for."""
        if len(self._scales) != len(rows):
            self._scales = [0.0] * len(rows)
        cells = []
        for index, row in enumerate(rows):
            highest = float(np.abs(row).max(initial=0.0))
            # It follows upwards at once and downwards slowly, so that shades can be compared.
            self._scales[index] = scale = max(highest, 0.97 * self._scales[index])
            cells.append(np.round(row * (127 / scale if scale else 0)).astype(np.int8))
        joined = np.concatenate(cells) if cells else np.zeros(0, np.int8)
        return joined, [f"\N{PLUS-MINUS SIGN}\u202f{scale:.2g}" for scale in self._scales]


def _layers(thoughts: dict[str, Any]) -> list[Numbers]:
    return [np.asarray(layer, np.float32).ravel() for layer in thoughts.get("activations") or ()]


def _pooled(row: Numbers) -> Numbers:
    """Make a long row fit: each cell shows the strongest of its units."""
    share = -(-len(row) // MAX_CELLS)
    if share <= 1:
        return row
    padded = np.zeros(-(-len(row) // share) * share, np.float32)
    padded[: len(row)] = row
    groups = padded.reshape(-1, share)
    strongest: Numbers = groups[np.arange(len(groups)), np.abs(groups).argmax(1)]
    return strongest


def _rows(shown: Shown) -> list[Numbers]:
    """The network's rows: what goes in, then layer by layer what comes out."""
    layers = _layers(shown.thoughts or {})
    if not layers:
        return []
    rows = [] if shown.observation is None else [np.asarray(shown.observation, np.float32).ravel()]
    return [_pooled(row) for row in rows + layers]


def _named(inputs: Inputs | None, shown: Shown) -> list[tuple[str, str, slice]]:
    """Lines of the table of inputs: label, meaning, and where the numbers stand.

    A number is a line; a channel of the window is one line too.
    """
    size = 0 if shown.observation is None else np.size(shown.observation)
    if inputs is None or inputs.size != size:
        return [(f"input {index + 1}", "", slice(index, index + 1)) for index in range(size)]
    lines = []
    for block in inputs.blocks:
        start, end = block["start"], block["start"] + block["size"]
        if block["channel"]:
            label = f"{block['name'].replace('_', ' ')} in cells"
            meaning = f"{block['meaning']}. The cells that are not 0, and their sum of importance"
            lines.append((label, meaning, slice(start, end)))
            continue
        labels = zip(block["labels"], range(start, end), strict=True)
        lines += [(label, block["meaning"], slice(at, at + 1)) for label, at in labels]
    return lines


def _table(inputs: Inputs | None, shown: Shown) -> Numbers:
    """(2, lines) the value and the importance of each line of the table of inputs.

    Importance is given as a share of the strongest; NaN where the agent does not say.
    """
    lines = [place for _, _, place in _named(inputs, shown)]
    if shown.observation is None:
        return np.zeros((2, 0), np.float32)
    observation = np.asarray(shown.observation, np.float32).ravel()
    saliency = (shown.thoughts or {}).get("saliency")
    table = np.full((2, len(lines)), np.nan, np.float32)
    table[0] = [
        observation[place][0]
        if place.stop - place.start == 1
        else np.count_nonzero(observation[place])
        for place in lines
    ]
    if saliency is not None and np.size(saliency) == len(observation):
        weights = np.asarray(saliency, np.float32).ravel()
        table[1] = [weights[place].sum() for place in lines]
        strongest = float(np.abs(table[1]).max(initial=0.0))
        if strongest:
            table[1] /= strongest
    return table


def _about(inputs: Inputs | None, shown: Shown, on: dict[str, bool]) -> dict[str, Any]:
    """What there is to show of this agent and this environment."""
    thoughts = shown.thoughts or {}
    about: dict[str, Any] = {"actions": [], "kind": "", "layers": [], "inputs": []}
    found = action_shares(thoughts)
    if on.get("thinks") and found is not None and inputs is not None:
        names = inputs.actions
        count = len(found[0])
        if len(names) != count:
            names = tuple(f"action {index}" for index in range(count))
        about["actions"] = list(names)
        about["kind"] = "probability" if "probabilities" in thoughts else "Q-value"
    if on.get("network"):
        layers = _layers(thoughts)
        sizes = [len(layer) for layer in layers]
        titles = [f"layer {index + 1}" for index in range(len(layers))]
        if layers and shown.observation is not None:
            sizes.insert(0, int(np.size(shown.observation)))
            titles.insert(0, "inputs")
        about["layers"] = [
            {"title": title, "units": size, "cells": min(size, -(-size // -(-size // MAX_CELLS)))}
            for title, size in zip(titles, sizes, strict=True)
            if size
        ]
    if on.get("sees") or on.get("mattered"):
        about["inputs"] = [
            {"label": label, "meaning": meaning, "count": place.stop - place.start}
            for label, meaning, place in _named(inputs, shown)
        ]
    return about


def _missing(shown: Shown, on: dict[str, bool]) -> list[str]:
    """Say what there is not, one sentence each."""
    if shown.state is None:
        return ["There is no board to look into yet: start a training, or watch an agent play."]
    missing = []
    thoughts = shown.thoughts
    asked = on["thinks"] or on["mattered"] or on["network"] or on["value"]
    if asked and shown.problem:
        missing.append(shown.problem)
    elif asked and thoughts is None:
        missing.append("No agent has thought about this board yet.")
    elif asked and not thoughts:
        missing.append("This agent does not say what it thinks: its explain gives nothing.")
    elif asked and thoughts is not None:
        known = {
            "thinks": ("actions", "probabilities" in thoughts or "q_values" in thoughts),
            "value": ("the value of the state", "value" in thoughts),
            "network": ("the activations of a network", bool(thoughts.get("activations"))),
            "mattered": ("which inputs mattered", thoughts.get("saliency") is not None),
        }
        if thoughts.get("activations") == []:
            # No network at all.
            missing.append("This agent keeps a table: what you see is the row of this state.")
            known = {name: known[name] for name in ("thinks", "value")}
        lacking = [words for name, (words, there) in known.items() if on[name] and not there]
        if lacking:
            missing.append(f"This agent does not say: {', '.join(lacking)}.")
    over = on["sees"] or on["thinks"] or on["mattered"]
    if over and shown.env_name == "gridworld":
        missing.append("V, Q and Policy below the board draw what the agent's table says.")
    elif over and shown.env_name != "snake":
        missing.append(f"Nothing is drawn over a board of {shown.env_name}, only listed here.")
    return missing

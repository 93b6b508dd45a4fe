"""Any environment's state -> ipycanvas, one batch per frame.

A drawing computes a `Picture` from a state, and touches no widget. The board then plays the
picture in one message: ipycanvas collects commands in one cache for the whole process, and an
exception halfway would leave every canvas of the kernel silent.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ipycanvas
import ipywidgets as ipw
import numpy as np
import numpy.typing as npt
from PIL import Image

from rlplay_widgets.painter import FRAME
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import Frame
from rlplay_widgets.theme import RGB, Palette

__all__ = ["PIXELS", "Board", "Drawing", "Picture", "draw_snake", "register_board"]

#: Width and height of a board's pixel store; on the screen it is about half as large.
PIXELS = 840
#: A board may send so many bytes a second; a picture of many cells is drawn less often.
BYTES_PER_SECOND = 160_000
#: Pieces of one colour that a snake's body is made of.
BODY_COLOURS = 48

Numbers = npt.ArrayLike


class Picture:
    """Shapes in the order in which they are drawn, in pixels of the board's store.

    Attributes:
        nbytes: Size of the message that draws it, about.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[ipycanvas.Canvas], None]] = []
        self.nbytes = 400

    def rects(
        self,
        x: Numbers,
        y: Numbers,
        width: Numbers,
        height: Numbers,
        color: Sequence[RGB] | npt.NDArray[np.uint8],
        alpha: float | npt.NDArray[np.float32] = 1.0,
    ) -> None:
        """Add filled rectangles: left, top, width, height, and a colour for each."""
        places = self._columns(x, y, width, height)
        paint = self._colors(color, places.shape[1])
        self.nbytes += np.size(alpha) * 4
        self._calls.append(lambda canvas: canvas.fill_styled_rects(*places, paint, alpha))

    def circles(
        self,
        x: Numbers,
        y: Numbers,
        radius: Numbers,
        color: Sequence[RGB] | npt.NDArray[np.uint8],
        alpha: float = 1.0,
    ) -> None:
        """Add filled circles: centre, radius, and a colour for each."""
        places = self._columns(x, y, radius)
        paint = self._colors(color, places.shape[1])
        self._calls.append(lambda canvas: canvas.fill_styled_circles(*places, paint, alpha))

    def lines(
        self,
        points: npt.NDArray[Any],
        counts: Sequence[int] | npt.NDArray[np.integer[Any]],
        color: Sequence[RGB] | npt.NDArray[np.uint8],
        width: float,
        alpha: float = 1.0,
    ) -> None:
        """Add lines with round ends: (n, 2) points, how many each line has, and their colours."""
        places, numbers, paint = self._strokes(points, counts, color)

        def draw(canvas: ipycanvas.Canvas) -> None:
            canvas.line_width = width
            canvas.line_cap = canvas.line_join = "round"
            canvas.stroke_styled_line_segments(places, paint, alpha, numbers)

        self._calls.append(draw)

    def polygons(
        self,
        points: npt.NDArray[Any],
        counts: Sequence[int] | npt.NDArray[np.integer[Any]],
        color: Sequence[RGB] | npt.NDArray[np.uint8],
    ) -> None:
        """Add filled polygons: (n, 2) points, how many each one has, and their colours."""
        places, numbers, paint = self._strokes(points, counts, color)
        self._calls.append(lambda canvas: canvas.fill_styled_polygons(places, paint, 1, numbers))

    def text(self, words: str, x: float, y: float, size: float, color: RGB) -> None:
        """Add words, centred at a point."""
        style = "#{:02x}{:02x}{:02x}".format(*color)

        def draw(canvas: ipycanvas.Canvas) -> None:
            canvas.font = f"{size}px system-ui, sans-serif"
            canvas.text_align, canvas.text_baseline = "center", "middle"
            canvas.fill_style = style
            canvas.fill_text(words, x, y)

        self.nbytes += len(words)
        self._calls.append(draw)

    def words(
        self,
        words: Sequence[str],
        places: npt.NDArray[Any],
        size: float,
        color: Sequence[RGB],
    ) -> None:
        """Add words of one size, each centred at a point of (n, 2), in one colour or one each."""
        colors = list(color) * (len(words) if len(color) == 1 else 1)
        styles = ["#{:02x}{:02x}{:02x}".format(*map(int, each)) for each in colors]
        # Words of one colour follow each other: each change of it is a command.
        order = sorted(range(len(words)), key=styles.__getitem__)
        points = np.asarray(places, float).round(1).tolist()

        def draw(canvas: ipycanvas.Canvas) -> None:
            canvas.font = f"{size:.0f}px system-ui, sans-serif"
            canvas.text_align, canvas.text_baseline = "center", "middle"
            style = ""
            for index in order:
                if styles[index] != style:
                    canvas.fill_style = style = styles[index]
                canvas.fill_text(words[index], *points[index])

        self.nbytes += sum(map(len, words)) + 28 * len(words)
        self._calls.append(draw)

    def add(self, other: Picture) -> None:
        """Lay another picture over this one."""
        self._calls += other._calls
        self.nbytes += other.nbytes

    def play(self, canvas: ipycanvas.Canvas) -> None:
        """Draw everything on an empty canvas, in one message."""
        with _one_message(canvas):
            canvas.clear()
            for call in self._calls:
                call(canvas)

    def _columns(self, *columns: Numbers) -> npt.NDArray[np.float32]:
        places = np.array(np.broadcast_arrays(*map(np.atleast_1d, columns)), dtype=np.float32)
        self.nbytes += places.nbytes
        return places

    def _strokes(
        self, points: npt.NDArray[Any], counts: Any, color: Any
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        places = np.asarray(points).round().astype(np.int16)
        numbers = np.array(counts, np.uint16)
        self.nbytes += places.nbytes + numbers.nbytes
        return places, numbers, self._colors(color, len(numbers))

    def _colors(self, color: Any, count: int) -> npt.NDArray[np.uint8]:
        paint = np.ascontiguousarray(np.broadcast_to(np.asarray(color, np.uint8), (count, 3)))
        self.nbytes += paint.nbytes
        return paint.ravel()


@contextmanager
def _one_message(canvas: ipycanvas.Canvas) -> Iterator[None]:
    """Hold a canvas's commands and send them as one message, or not at all.

    ipycanvas's manager remembers which canvas was drawn last, and a page that was reloaded since
    does not: it is made to name the canvas in each message (jupyter-widgets-contrib/ipycanvas
    issue 322).
    """
    manager = canvas._canvas_manager
    manager._current_canvas = None
    try:
        with ipycanvas.hold_canvas():
            yield
    finally:
        manager._caching = False
        manager._commands_cache, manager._buffers_cache = [], []


Drawing = Callable[[dict[str, Any], Palette], Picture]

_drawings: dict[str, Drawing] = {}


def register_board(env_name: str, drawing: Drawing | None = None) -> Any:
    """Give an environment a drawing, as a call or as a decorator; drawing again replaces it.

    Args:
        env_name: The environment, as registered.
        drawing: Computes the picture of a `render_state`, `PIXELS` wide and high.

    Returns:
        The drawing, or the decorator where none was given.
    """
    if drawing is None:
        return lambda function: register_board(env_name, function)
    _drawings[env_name] = drawing
    return drawing


@register_board("snake")
def draw_snake(state: dict[str, Any], palette: Palette) -> Picture:
    """Draw a snake, its apple and its board.

    Args:
        state: What the environment's `render_state` gives.
        palette: The colours.

    Returns:
        The picture.
    """
    picture = Picture()
    size = int(state["grid_size"])
    cell = PIXELS / size
    _draw_ground(picture, size, cell, palette)
    food = state.get("food_position")
    if food is not None:
        _draw_apple(picture, (food["x"] + 0.5) * cell, (food["y"] + 0.5) * cell, cell, palette)
    cells = [(part["x"], part["y"]) for part in state["snake_position"]]
    if cells:
        body = (np.array(cells) + 0.5) * cell
        _draw_body(picture, body, cell, palette)
        _draw_head(picture, body[0], state.get("direction") or (1, 0), cell, palette)
    return picture


def _draw_ground(picture: Picture, size: int, cell: float, palette: Palette) -> None:
    """The board: every second row and every second column a little darker."""
    odd = np.arange(1, size, 2) * cell
    none, cells, whole = (np.full(len(odd), value) for value in (0, cell, PIXELS))
    picture.rects(
        np.concatenate([[0], none, odd]),
        np.concatenate([[0], odd, none]),
        np.concatenate([[PIXELS], whole, cells]),
        np.concatenate([[PIXELS], cells, whole]),
        np.array([palette.ground] + [palette.stripe] * 2 * len(odd), np.uint8),
        np.array([1] + [palette.stripe_alpha] * 2 * len(odd), np.float32),
    )


def _draw_apple(picture: Picture, x: float, y: float, cell: float, palette: Palette) -> None:
    """An apple with a light spot, a stem and a leaf, around a point a little below the centre."""
    y += 0.05 * cell
    places = np.array([(x, y), (x - 0.11 * cell, y - 0.12 * cell)])
    picture.circles(*places.T, [0.34 * cell, 0.09 * cell], [palette.apple, palette.shine])
    top = y - 0.3 * cell
    stem = np.array([(x, top + 0.04 * cell), (x + 0.03 * cell, top - 0.1 * cell)])
    picture.lines(stem, [2], [palette.stem], 0.07 * cell)
    picture.polygons(
        _LEAF * cell + (x + 0.03 * cell, top - 0.02 * cell), [len(_LEAF)], [palette.leaf]
    )


def _leaf() -> npt.NDArray[np.float64]:
    """Two arcs that meet in points, turned up to the right; in cells, from where it grows."""
    along = np.linspace(0, 1, 9)
    upper = np.stack([0.27 * along, 0.09 * np.sin(np.pi * along)], axis=1)
    lower = upper[::-1] * (1, -1)
    return np.concatenate([upper, lower]) @ np.array([(0.88, -0.47), (0.47, 0.88)])


_LEAF = _leaf()


def _draw_body(
    picture: Picture, body: npt.NDArray[np.float64], cell: float, palette: Palette
) -> None:
    """The body as one tube through the cells, its colour fading from head to tail."""
    if len(body) < 2:
        return
    # From the tail on, so that the head's end lies on top. A short body has few cells: points
    # between them make its colour fade as smoothly.
    cells = body[::-1]
    finer = -(-BODY_COLOURS // (len(cells) - 1))
    path = np.concatenate(
        [np.repeat(cells[:-1], finer, axis=0) + _between(cells, finer), cells[-1:]]
    )
    # Of each straight stretch only the ends are sent, and where one colour follows another.
    steps = np.diff(path, axis=0)
    corner = np.ones(len(path), bool)
    corner[1:-1] = np.any(np.abs(np.diff(steps, axis=0)) > 1e-6, axis=1)
    picture.lines(path[corner], [corner.sum()], [palette.outline], 0.84 * cell)
    ends = np.linspace(0, len(path) - 1, BODY_COLOURS + 1).astype(int)
    corner[ends] = True
    sent = np.flatnonzero(corner)
    seams = np.searchsorted(sent, ends)
    times = np.ones(len(sent), int)
    times[seams[1:-1]] = 2
    share = np.linspace(0.0, 1.0, BODY_COLOURS)[:, None]
    color = np.array(palette.tail) * (1 - share) + np.array(palette.head) * share
    picture.lines(
        path[np.repeat(sent, times)], np.diff(seams) + 1, color.astype(np.uint8), 0.7 * cell
    )


def _between(cells: npt.NDArray[np.float64], finer: int) -> npt.NDArray[np.float64]:
    """The way from each cell's centre towards the next one's, in so many equal parts."""
    shares = np.arange(finer)[None, :, None] / finer
    return (np.diff(cells, axis=0)[:, None, :] * shares).reshape(-1, 2)


def _draw_head(
    picture: Picture,
    head: npt.NDArray[np.float64],
    direction: Sequence[int],
    cell: float,
    palette: Palette,
) -> None:
    """The head: a little wider than the body, with two eyes that look ahead."""
    ahead = np.array(direction)
    aside = 0.19 * np.array([-ahead[1], ahead[0]])
    places = np.array(
        [(0, 0), (0, 0)] + [at * ahead + side * aside for at in (0.13, 0.19) for side in (-1, 1)]
    )
    x, y = (head + places * cell).T
    radius = np.array([0.47, 0.4, 0.135, 0.135, 0.07, 0.07]) * cell
    color = [palette.outline, palette.head, *[palette.eye] * 2, *[palette.pupil] * 2]
    picture.circles(x, y, radius, color)


def draw_words(words: str, palette: Palette) -> Picture:
    """Draw an empty board with sentences on it."""
    picture = Picture()
    picture.rects(0, 0, PIXELS, PIXELS, [palette.ground])
    lines = textwrap.wrap(words, 42) or [""]
    for number, line in enumerate(lines):
        middle = PIXELS / 2 + 46 * (number - (len(lines) - 1) / 2)
        picture.text(line, PIXELS / 2, middle, 34, palette.text)
    return picture


#: Seconds after which a board that came into sight is drawn once more: a page that is opened
#: shows the panel first, and a canvas that is not there yet keeps nothing of what it is sent.
_LATE = (1.0, 4.0)


class Board:
    """Shows one board: a canvas, or the environment's own picture.

    Args:
        source: Gives what to show.
        overlay: Adds to the picture what lies over the board; None adds nothing.
    """

    title = "The board"

    def __init__(
        self,
        source: Callable[[Frame], Shown],
        overlay: Callable[[Frame, Shown, Picture], None] | None = None,
    ) -> None:
        self._source = source
        self._overlay = overlay
        self._canvas = ipycanvas.Canvas(width=PIXELS, height=PIXELS)
        self._image = ipw.Image(format="png", layout=ipw.Layout(display="none"))
        for part in (self._canvas, self._image):
            part.add_class("rlplay-board-picture")
        self.widget = ipw.Box([self._canvas, self._image])
        self.widget.add_class("rlplay-board")
        self._painted: Shown | None = None
        self._late: list[float] = []  # when it is drawn once more for a canvas that came late
        self._stale = False
        self._next = float("-inf")

    def repaint(self) -> None:
        """Draw again with the next frame, since what lies over the board changed; any thread."""
        self._stale = True

    def paint(self, frame: Frame) -> bool:
        """Draw the newest state, where it is not on the screen yet."""
        if not frame.fresh and (frame.crowded or frame.now < self._next):
            # What is to be shown may stand still from now on: nobody would come back for it soon.
            frame.owed.append(FRAME if frame.crowded else self._next - frame.now)
            return False
        shown = self._source(frame)
        old = self._painted
        same = old is not None and (shown is old or _same(shown, old))
        if frame.fresh:
            self._late = [frame.now + wait for wait in _LATE]
        elif self._late and frame.now >= self._late[0]:
            self._late.pop(0)
            same = False
        if same and not frame.fresh and not self._stale:
            return False
        self._stale = False
        size = self._draw(frame, shown)
        self._painted = shown
        self._next = frame.now + size / BYTES_PER_SECOND
        return True

    def _draw(self, frame: Frame, shown: Shown) -> int:
        """Show a state; returns the bytes sent, about."""
        state, palette, env_name = shown.state, frame.palette, shown.env_name
        if state is not None and "rgb_array" in state and env_name not in _drawings:
            return self._show_image(np.asarray(state["rgb_array"], np.uint8))
        if state is not None and "png" in state and env_name not in _drawings:
            return self._show_png(base64.b64decode(state["png"]))
        if state is None:
            picture = draw_words("The board appears with the first move.", palette)
        elif env_name in _drawings:
            picture = _drawings[env_name](state, palette)
            if self._overlay is not None:
                self._overlay(frame, shown, picture)
        else:
            words = state.get("text") or "This environment has no drawing."
            picture = draw_words(str(words), palette)
        picture.play(self._canvas)
        self._turn_to(self._canvas)
        return picture.nbytes

    def _show_image(self, pixels: npt.NDArray[np.uint8]) -> int:
        """Show an (height, width, 3) array as it is, small ones enlarged without blur."""
        picture = Image.fromarray(pixels)
        factor = PIXELS // 2 // max(picture.size)
        if factor > 1:
            width, height = picture.size
            picture = picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)
        return self._show_png(picture._repr_png_())

    def _show_png(self, encoded: bytes) -> int:
        """Show a picture that is a PNG already."""
        if self._image.value != encoded:
            self._image.value = encoded
        self._turn_to(self._image)
        return len(encoded)

    def _turn_to(self, part: ipw.DOMWidget) -> None:
        for other in (self._canvas, self._image):
            display = None if other is part else "none"
            if other.layout.display != display:
                other.layout.display = display


def _same(one: Shown, other: Shown) -> bool:
    """Whether two sights of a board look the same."""
    return (one.version, one.env_name) == (other.version, other.env_name) and (
        one.state is other.state or one.state == other.state
    )

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
from functools import cache, lru_cache
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
            canvas.line_cap = canvas.line_join = "round"
            for call in self._calls:
                call(canvas)

    def _columns(self, *columns: Numbers) -> npt.NDArray[np.float32]:
        if len(set(map(np.shape, columns))) > 1:
            columns = tuple(np.broadcast_arrays(*columns))
        places = np.array(columns, dtype=np.float32).reshape(len(columns), -1)
        self.nbytes += places.nbytes
        return places

    def _strokes(
        self, points: npt.NDArray[Any], counts: Any, color: Any
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16] | None, npt.NDArray[np.uint8]]:
        places = np.asarray(points).round().astype(np.int16)
        self.nbytes += places.nbytes + 2 * len(counts)
        paint = self._colors(color, len(counts))
        if len(counts) == 1:  # its points say how many they are
            return places[None], None, paint
        return places, np.asarray(counts, np.uint16), paint

    def _colors(self, color: Any, count: int) -> npt.NDArray[np.uint8]:
        paint = np.asarray(color, np.uint8)
        if paint.shape != (count, 3):
            paint = np.broadcast_to(paint, (count, 3))
        self.nbytes += 3 * count
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
    size = int(state["grid_size"])
    cell = PIXELS / size
    picture = Picture()
    picture.add(_ground(size, palette))
    # What is round, and what grows on an apple, all in one: each call takes its time.
    circles: list[_Circle] = []
    food = state.get("food_position")
    if food is not None:
        apple = ((food["x"] + 0.5) * cell, (food["y"] + 0.55) * cell)
        circles += _apple(*apple, cell, palette)
    parts = state["snake_position"]
    if parts:
        body = (np.array([(part["x"], part["y"]) for part in parts]) + 0.5) * cell
        _draw_body(picture, body, cell, palette)
        circles += _head(*body[0].tolist(), state.get("direction") or (1, 0), cell, palette)
    if circles:
        picture.circles(*zip(*circles, strict=True))
    if food is not None:
        on_top = _STEM_AND_LEAF * cell + apple
        picture.polygons(on_top, [len(_STEM), len(_LEAF)], [palette.stem, palette.leaf])
    return picture


#: Of a circle: its centre, its radius and its colour.
_Circle = tuple[float, float, float, RGB]


@lru_cache(maxsize=32)
def _ground(size: int, palette: Palette) -> Picture:
    """The board: every second row and every second column a little darker."""
    picture = Picture()
    cell = PIXELS / size
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
    return picture


def _apple(x: float, y: float, cell: float, palette: Palette) -> list[_Circle]:
    """An apple around a point, with a light spot."""
    return [
        (x, y, 0.34 * cell, palette.apple),
        (x - 0.11 * cell, y - 0.12 * cell, 0.09 * cell, palette.shine),
    ]


def _leaf() -> npt.NDArray[np.float64]:
    """Two arcs that meet in points, turned up to the right; in cells, from where it grows."""
    along = np.linspace(0, 1, 9)
    upper = np.stack([0.27 * along, 0.09 * np.sin(np.pi * along)], axis=1)
    lower = upper[::-1] * (1, -1)
    return np.concatenate([upper, lower]) @ np.array([(0.88, -0.47), (0.47, 0.88)])


#: What grows on an apple, in cells from its middle.
_LEAF = _leaf() + np.array((0.03, -0.32))
_STEM = np.array([(-0.03, -0.26), (0.03, -0.26), (0.07, -0.42), (-0.01, -0.42)])
_STEM_AND_LEAF = np.concatenate([_STEM, _LEAF])


def _draw_body(
    picture: Picture, body: npt.NDArray[np.float64], cell: float, palette: Palette
) -> None:
    """The body as one tube through the cells, its colour fading from head to tail."""
    if len(body) < 2:
        return
    cells = body[::-1]  # from the tail on, so that the head's end lies on top
    picture.lines(cells, [len(cells)], [palette.outline], 0.84 * cell)
    before, share, counts = _pieces(len(cells))
    begins = cells[before]
    places = begins + share * (cells[before + 1] - begins)
    picture.lines(places, counts, _shades(palette), 0.7 * cell)


@lru_cache(maxsize=128)
def _pieces(
    length: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Cut a body into pieces of one colour each, all as long.

    Args:
        length: Its cells.

    Returns:
        Of each piece's points, one piece after the other: the cell before it, and the share (n, 1)
        of the way from there to the next cell; and how many points each piece has.
    """
    ends = np.linspace(0, length - 1, BODY_COLOURS + 1)
    seams = ends[1:-1]  # each ends one piece and begins another
    places = np.sort(np.concatenate([ends, seams, np.arange(1, length - 1)]))
    before = np.minimum(places.astype(int), length - 2)
    counts = np.diff(np.searchsorted(places, seams) + 1, prepend=0, append=len(places))
    return before, (places - before)[:, None], counts


@cache
def _shades(palette: Palette) -> npt.NDArray[np.uint8]:
    """The colours of a body's pieces, from the tail on."""
    share = np.linspace(0.0, 1.0, BODY_COLOURS)[:, None]
    color = np.array(palette.tail) * (1 - share) + np.array(palette.head) * share
    return color.astype(np.uint8)


def _head(
    x: float, y: float, direction: Sequence[int], cell: float, palette: Palette
) -> list[_Circle]:
    """The head: a little wider than the body, with two eyes that look ahead."""
    ahead_x, ahead_y = direction[0] * cell, direction[1] * cell
    circles = [(x, y, 0.47 * cell, palette.outline), (x, y, 0.4 * cell, palette.head)]
    for ahead, radius, color in ((0.13, 0.135, palette.eye), (0.19, 0.07, palette.pupil)):
        for aside in (-0.19, 0.19):
            at_x = x + ahead * ahead_x - aside * ahead_y
            at_y = y + ahead * ahead_y + aside * ahead_x
            circles.append((at_x, at_y, radius * cell, color))
    return circles


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

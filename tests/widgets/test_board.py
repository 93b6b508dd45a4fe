from __future__ import annotations

import base64
from io import BytesIO

import ipycanvas
import numpy as np
import pytest
from PIL import Image

from rlplay.training.monitor import Snapshot
from rlplay_widgets.board import PIXELS, Board, Picture, draw_snake, register_board
from rlplay_widgets.painter import Painter
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import Frame, SessionScene
from rlplay_widgets.theme import DARK, LIGHT

from .conftest import StillSession, snake

SWITCH = ipycanvas.canvas.COMMANDS["switchCanvas"]


def frame(session=None, snapshot=None, fresh=False, now=0.0, crowded=False) -> Frame:
    return Frame(now, session, snapshot or Snapshot(), LIGHT, fresh, crowded, {})


def board() -> Board:
    """A board that shows what the snapshot says."""

    def source(frame: Frame) -> Shown:
        snapshot = frame.snapshot
        return Shown(
            env_name=snapshot.env_name,
            state=snapshot.game_state,
            version=snapshot.board_version,
        )

    return Board(source)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize(("size", "length"), [(4, 1), (4, 16), (10, 2), (10, 100), (64, 4096)])
def test_a_frame_is_one_small_message(sent, size, length, palette) -> None:
    canvas = ipycanvas.Canvas(width=PIXELS, height=PIXELS)
    picture = draw_snake(snake(size, length), palette)
    picture.play(canvas)
    assert len(sent) == 1
    commands, buffers = sent[0]
    assert commands[0][0] == SWITCH
    nbytes = sum(memoryview(buffer).nbytes for buffer in buffers)
    assert nbytes <= picture.nbytes
    assert nbytes < (4_000 if size <= 10 else 40_000)


def test_every_frame_names_its_canvas(sent) -> None:
    """A page that was reloaded does not know which canvas was drawn last."""
    canvas = ipycanvas.Canvas(width=PIXELS, height=PIXELS)
    for _ in range(2):
        draw_snake(snake(), LIGHT).play(canvas)
    assert [commands[0][0] for commands, _ in sent] == [SWITCH, SWITCH]


def test_an_exception_in_a_drawing_leaves_the_other_canvases_alive(sent) -> None:
    class Broken(Picture):
        def play(self, canvas) -> None:
            self._calls.append(lambda canvas: canvas.fill_rect(0, 0, 1, 1))
            self._calls.append(lambda canvas: 1 / 0)
            super().play(canvas)

    one, other = (ipycanvas.Canvas(width=PIXELS, height=PIXELS) for _ in range(2))
    with pytest.raises(ZeroDivisionError):
        Broken().play(one)
    assert sent == []
    draw_snake(snake(), LIGHT).play(other)
    commands, _ = sent[0]
    assert len([command for command in commands if command[0] == SWITCH]) == 1
    assert other._canvas_manager._caching is False


def test_only_news_are_drawn(sent) -> None:
    session = StillSession()
    shown = board()
    session.monitor.publish(game_state=snake())
    assert shown.paint(frame(session, session.snapshot()))
    assert not shown.paint(frame(session, session.snapshot(), now=1))
    assert shown.paint(frame(session, session.snapshot(), now=2, fresh=True))
    session.monitor.publish(game_state=snake(length=5))
    assert not shown.paint(frame(session, session.snapshot(), now=3, crowded=True))
    assert shown.paint(frame(session, session.snapshot(), now=4))
    assert len(sent) == 3


def test_a_large_board_is_drawn_less_often(sent) -> None:
    session = StillSession()
    shown = board()
    stairs = [{"x": i // 2 % 64, "y": (i + 1) // 2 % 64} for i in range(4000)]
    for now in np.arange(0, 1, 1 / 30):
        session.monitor.publish(game_state={**snake(64), "snake_position": stairs})
        shown.paint(frame(session, session.snapshot(), now=float(now)))
    nbytes = sum(memoryview(buffer).nbytes for _, buffers in sent for buffer in buffers)
    assert 2 <= len(sent) < 20
    assert nbytes < 250_000


@pytest.mark.parametrize("crowded", [False, True])
def test_what_was_left_out_is_not_forgotten(sent, crowded) -> None:
    """A training is paused a moment after a picture: the board comes to where it stands soon."""
    session = StillSession()
    session.monitor.publish(state="running", game_state=snake())
    shown = board()
    scene = SessionScene(Painter(threaded=False), session)
    scene.views = lambda: (shown,)
    scene.paint(0.0)
    session.monitor.publish(state="paused", game_state=snake(length=5))
    scene.sight.full = lambda: crowded
    wait = scene.paint(0.001)
    assert len(sent) == 1
    assert 0 < wait < 0.05
    scene.sight.full = lambda: False
    assert scene.paint(0.001 + wait) == 0.2
    assert len(sent) == 2


def test_an_environment_without_a_drawing_shows_its_pixels(sent) -> None:
    session = StillSession()
    shown = board()
    pixels = np.zeros((4, 6, 3), np.uint8)
    snapshot = Snapshot(env_name="maze", game_state={"rgb_array": pixels.tolist()}, board_version=1)
    assert shown.paint(frame(session, snapshot))
    assert bytes(shown._image.value).startswith(b"\x89PNG")
    assert shown._canvas.layout.display == "none"
    assert shown._image.layout.display is None
    snapshot = Snapshot(env_name="maze", game_state={"door": 1}, board_version=2)
    assert shown.paint(frame(session, snapshot, now=1))
    assert shown._canvas.layout.display is None
    assert len(sent) == 1


def test_a_registered_drawing_is_used(sent, monkeypatch) -> None:
    monkeypatch.setattr("rlplay_widgets.board._drawings", {})

    @register_board("maze")
    def draw(state, palette) -> Picture:
        picture = Picture()
        picture.rects(0, 0, state["wide"], 10, [palette.head])
        return picture

    session = StillSession()
    snapshot = Snapshot(env_name="maze", game_state={"wide": 7}, board_version=1)
    assert board().paint(frame(session, snapshot))
    names = [command[0] for command in sent[0][0]]
    assert ipycanvas.canvas.COMMANDS["fillStyledRects"] in names


def test_the_head_looks_where_it_goes() -> None:
    """Eyes lie ahead of the head's centre, one on each side."""
    for direction in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        places = []

        class Canvas:
            line_width = line_cap = line_join = None

            def fill_styled_circles(self, x, y, radius, color, alpha, places=places) -> None:
                places.append(np.stack([x, y], 1))

            def __getattr__(self, name):
                return lambda *_: None

        state = {**snake(length=1), "direction": list(direction), "food_position": None}
        picture = draw_snake(state, LIGHT)
        for call in picture._calls:
            call(Canvas())
        head, eyes, pupils = (places[0][first : first + 2] for first in (0, 2, 4))
        ahead = (pupils.mean(0) - head.mean(0)) / (PIXELS / 10)
        assert np.allclose(ahead, 0.19 * np.array(direction), atol=1e-3)
        assert np.isclose(np.linalg.norm(eyes[0] - eyes[1]) / (PIXELS / 10), 0.38, atol=1e-3)
        assert np.isclose((eyes[0] - eyes[1]) @ np.array(direction), 0, atol=1e-3)


def test_a_picture_of_the_environments_own_and_words_where_there_is_none(sent) -> None:
    data = BytesIO()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(data, "png")
    shows = board()
    state = {"png": base64.b64encode(data.getvalue()).decode()}
    shows.paint(frame(snapshot=Snapshot(env_name="gymnasium:X", game_state=state)))
    assert shows._image.value == data.getvalue()
    assert shows._image.layout.display is None
    assert shows._canvas.layout.display == "none"
    text = 'The picture of X needs pygame: pip install "rlplay[gymnasium-classic]".'
    later = Snapshot(env_name="gymnasium:X", game_state={"text": text}, board_version=1)
    shows.paint(frame(snapshot=later, now=10.0))
    assert shows._canvas.layout.display is None
    written = " ".join(command[1][0] for command in fill_texts(sent[-1][0]))
    assert written == text


def fill_texts(commands: list) -> list:
    """The commands that write, of a message."""
    known = ipycanvas.canvas.COMMANDS["fillText"]
    return [command for command in commands if command[0] == known]

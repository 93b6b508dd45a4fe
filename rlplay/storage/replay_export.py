"""A replay as a GIF, a video, or a page that plays it: files for people without rlplay.

GIF and video show what the environment's own `render` draws. The page draws a snake itself, and
holds the pictures of any other environment. No display is needed, and none of them holds more than
one picture in memory at a time, apart from the page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib
import io
import itertools
import json
import math
import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.resources import files as package_files
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rlplay.envs import get_env_spec
from rlplay.envs.snake import SnakeEnv
from rlplay.errors import ConfigError, ContractError, StorageError
from rlplay.storage import files

if TYPE_CHECKING:
    from rlplay.storage.replay import Frames, Replay

__all__ = ["save_gif", "save_html", "save_mp4"]

#: Stands for a pixel that did not change; above every colour, so that it comes last of them.
_SAME: Final = np.uint32(1 << 24)

#: How long the last picture stands, in seconds.
_LAST: Final = 2.0

#: What a person reads of the known endings; others stand for themselves.
_ENDINGS: Final = {
    "wall": "hit the wall",
    "self": "bit itself",
    "starvation": "starved",
    "won": "filled the board",
    "terminated": "ended",
    "truncated": "time was up",
    "unfinished": "not finished",
}


# Pictures -------------------------------------------------------------------------------------


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        allowed = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more"
        raise ConfigError(f"{name} = {value!r} is not allowed. Allowed: {allowed}.")


def _target(path: str | os.PathLike[str], *suffixes: str) -> Path:
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        raise StorageError(
            f"Cannot write {str(path)!r}: the name of this file must end in "
            f"{' or '.join(suffixes)}. Name it so."
        )
    if not target.parent.is_dir():
        raise StorageError(
            f"Cannot write {target}: there is no folder {target.parent}. Make it, or name another."
        )
    return target


def _shown_steps(length: int, every: int) -> list[int]:
    """Choose each n-th step, and the last one in any case."""
    return [*range(0, length, every), length]


def _pictures(frames: Frames, steps: Iterable[int]) -> Iterator[NDArray[np.uint8]]:
    """Draw steps, all of one size."""
    shape = None
    for step in steps:
        picture = frames.render(step)
        if shape not in (None, picture.shape):
            raise ContractError(
                f"Environment {frames.replay.env_name!r} draws pictures of several sizes: "
                f"{shape} and, after {step} steps, {picture.shape}. Let its render() keep to one."
            )
        shape = picture.shape
        yield picture


def _factor(picture: NDArray[np.uint8], pixels: int) -> int:
    """Choose the whole number that brings a picture nearest to a size."""
    return max(1, int(pixels / max(picture.shape[:2]) + 0.5))


def _enlarged(picture: NDArray[Any], factor: int) -> NDArray[Any]:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _packed(picture: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Write each (height, width, 3) pixel as one number, 0xRRGGBB."""
    red, green, blue = (picture[..., channel].astype(np.uint32) for channel in range(3))
    return (red << 16 | green << 8 | blue).astype(np.uint32, copy=False)


def _with_palette(
    packed: NDArray[np.uint32],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Write a picture as indices of colours.

    Args:
        packed: (height, width), as `_packed` gives it.

    Returns:
        (height, width) indices and the (n, 3) colours; None where there are more than 256.
    """
    colors, indices = np.unique(packed, return_inverse=True)
    if len(colors) > 256:
        return None
    channels = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], axis=1)
    return indices.reshape(packed.shape).astype(np.uint8), channels.astype(np.uint8)


# GIF ------------------------------------------------------------------------------------------


def save_gif(
    replay: Replay, path: str | os.PathLike[str], *, fps: float, every: int, pixels: int
) -> None:
    """Save a replay as an animated GIF; see `Replay.save_gif`."""
    _check("fps", fps, 0.1, 50)
    _check("every", every, 1, math.inf)
    _check("pixels", pixels, 1, 4096)
    target = _target(path, ".gif")
    frames = replay.frames()
    steps = _shown_steps(replay.length, every)
    # Rounded as points in time, so that no rounding adds up.
    times = [round(100 * index / fps) for index in range(len(steps))]
    times.append(times[-1] + round(100 * _LAST))
    with files.replacing(target) as beside, beside.open("wb") as file:
        gif = _Gif(file)
        for index, picture in enumerate(_pictures(frames, steps)):
            gif.add(picture, times[index + 1] - times[index], _factor(picture, pixels))
        gif.close()


class _Gif:
    """Writes a GIF picture by picture.

    Pillow's and imageio's writers gather all pictures first, gigabytes for a long episode. Here
    each one is compressed by Pillow and written at once: only the rectangle that changed, in its
    own colours, exactly where there are at most 256 of them.

    Args:
        file: Open for writing bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._last: NDArray[np.uint32] | None = None

    def add(self, picture: NDArray[np.uint8], duration: int, factor: int) -> None:
        """Write a picture.

        Args:
            picture: (height, width, 3).
            duration: How long it stands, in hundredths of a second.
            factor: How often each pixel is repeated, in both directions.
        """
        packed = _packed(picture)
        if self._last is None:
            height, width = (factor * side for side in packed.shape)
            # No colours for all pictures, then the extension that lets it play for ever.
            self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
            self._file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
            self._last = np.full_like(packed, _SAME)
        place = self._changed(packed)
        same = packed[place] == self._last[place]
        self._last = packed
        # Where nothing changed the last picture shines through, which is compressed best.
        marked = _with_palette(np.where(same, _SAME, packed[place]))
        has_same = marked is not None and bool(same.any())
        indices, colors = marked or self._reduced(picture[place])
        indices = _enlarged(indices, factor)
        bits = max(1, (len(colors) - 1).bit_length())
        height, width = indices.shape
        top, left = (part.start * factor for part in place)
        # How long, and that it stays when that is over; where; its colours; itself.
        keep = 1 << 2 | has_same
        self._file.write(
            struct.pack("<BBBBHBB", 0x21, 0xF9, 4, keep, duration, len(colors) - 1, 0)
            + struct.pack("<BHHHHB", 0x2C, left, top, width, height, 0x80 | bits - 1)
            + colors.tobytes().ljust(3 << bits, b"\0")
            + b"\x08"
            + Image.fromarray(indices).tobytes("gif", "L", 8, 0)
            + b"\0"
        )

    def close(self) -> None:
        """End the file."""
        self._file.write(b";")

    def _changed(self, packed: NDArray[np.uint32]) -> tuple[slice, slice]:
        """Find the rows and columns that hold all that changed: at least one pixel."""
        changed = packed != self._last
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return slice(0, 1), slice(0, 1)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    @staticmethod
    def _reduced(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Choose the 256 colours that do a picture least harm."""
        image = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)
        colors = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
        return np.asarray(image), colors


# MP4 ------------------------------------------------------------------------------------------


def save_mp4(
    replay: Replay, path: str | os.PathLike[str], *, fps: float, every: int, pixels: int
) -> None:
    """Save a replay as a video (H.264); see `Replay.save_mp4`."""
    _check("fps", fps, 0.1, 120)
    _check("every", every, 1, math.inf)
    _check("pixels", pixels, 1, 4096)
    target = _target(path, ".mp4")
    program = _ffmpeg(target)
    frames = replay.frames()
    steps = _shown_steps(replay.length, every)
    steps += [steps[-1]] * round(fps * _LAST)
    with files.replacing(target) as beside:
        _write_video(program, beside, fps, pixels, _pictures(frames, steps))


def _ffmpeg(target: Path) -> str:
    try:
        found: str = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise StorageError(
            f"Cannot write {target}: a video needs the package imageio-ffmpeg. Install it with "
            "pip install imageio-ffmpeg (in a notebook: %pip install imageio-ffmpeg), or save a "
            "GIF or an HTML page, which need nothing."
        ) from error
    return found


def _write_video(
    program: str, path: Path, fps: float, pixels: int, pictures: Iterator[NDArray[np.uint8]]
) -> None:
    """Hand pictures to ffmpeg one by one."""
    first = next(pictures)
    factor = _factor(first, pixels)
    # H.264 knows even sizes only: the last row or column is doubled where that is needed.
    height, width = (side * factor for side in first.shape[:2])
    more = ((0, height % 2), (0, width % 2), (0, 0))
    command = [program, "-v", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-r", str(fps)]
    command += ["-s", f"{width + width % 2}x{height + height % 2}", "-i", "-"]
    command += ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p"]
    command += ["-movflags", "+faststart", "-f", "mp4", str(path.absolute())]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin is not None
        whole = False
        try:
            with suppress(BrokenPipeError), process.stdin as pipe:
                for picture in itertools.chain([first], pictures):
                    pipe.write(np.pad(_enlarged(picture, factor), more, "edge").tobytes())
                whole = True
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        said.seek(0)
        words = said.read().decode(errors="replace").strip().splitlines()
    if code or not whole:
        raise StorageError(
            f"Cannot write {path}: ffmpeg failed: {words[-1] if words else f'code {code}'}. Check "
            "the free space on this disk, or save a GIF or an HTML page instead."
        )


# HTML -----------------------------------------------------------------------------------------


def save_html(replay: Replay, path: str | os.PathLike[str], *, title: str | None) -> None:
    """Save a replay as one page that plays it; see `Replay.save_html`."""
    target = _target(path, ".html", ".htm")
    spec = get_env_spec(replay.env_name)
    ending = _ENDINGS.get(replay.ending, replay.ending)
    frames = replay.frames()
    data: dict[str, Any] = {
        "length": replay.length,
        "ending": ending,
        "scores": _changes(frames.scores()),
        "apples": frames.apple_steps(),
    }
    if spec.env is SnakeEnv:
        data["snake"] = _snake_moves(frames)
    else:
        data["pictures"] = _page_pictures(frames)
    origin = (
        f"episode {replay.episode:,} of run {replay.run_id}" if replay.is_of_a_run else "a game"
    )
    summary = f"{spec.title}, {origin}: score {replay.score:g}, {replay.length:,} steps, {ending}"
    style, script = (_shipped(f"replay_page.{kind}") for kind in ("css", "js"))
    values = {
        # Nothing but this style and this script is used, whatever else got into the page.
        "policy": f"default-src 'none'; img-src data:; style-src {_source(style)}; "
        f"script-src {_source(script)}",
        "title": title or spec.title,
        "summary": summary,
    }
    parts = {name: html.escape(text) for name, text in values.items()}
    parts |= {"style": style, "script": script, "data": _script_json(data)}
    # In one pass, so that nothing in a value is taken for a place to fill.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _shipped("replay_page.html"))
    files.write_bytes(target, page.encode())


def _shipped(name: str) -> str:
    return (package_files("rlplay.storage") / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Name a text by its sum, as a Content-Security-Policy does."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _script_json(value: Any) -> str:
    """Spell a value as JSON that may stand inside a script element, whatever texts it holds."""
    # json.dumps leaves ASCII alone, and with it the line separators U+2028 and U+2029.
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _changes(values: Iterable[Any]) -> list[tuple[int, Any]]:
    """Keep of one value a step only those that differ from the one before, with their steps."""
    kept: list[tuple[int, Any]] = []
    for step, value in enumerate(values):
        if not kept or value != kept[-1][1]:
            kept.append((step, value))
    return kept


def _snake_moves(frames: Frames) -> dict[str, Any]:
    """Describe an episode of snake by the moves of its head, from which all else follows.

    Returns:
        size of the board; start, the first [x, y] of the head; moves, for each step one of u, r,
        d, l, a capital where the head hit something and stayed; lengths and foods as `_changes`,
        a food as [x, y] or None; dead, whether the snake died.
    """
    names = {(0, -1): "u", (1, 0): "r", (0, 1): "d", (-1, 0): "l"}
    heads, lengths, foods = [], [], []
    moves = ""
    for state in frames:
        head, food = state["snake_position"][0], state["food_position"]
        heads.append([head["x"], head["y"]])
        lengths.append(len(state["snake_position"]))
        foods.append(food and [food["x"], food["y"]])
        if len(heads) > 1:
            name = names[tuple(state["direction"])]
            moves += name.upper() if heads[-1] == heads[-2] else name
    return {
        "size": state["grid_size"],
        "start": heads[0],
        "moves": moves,
        "lengths": _changes(lengths),
        "foods": _changes(foods),
        "dead": state["death_reason"] is not None,
    }


def _page_pictures(frames: Frames) -> dict[str, Any]:
    """Draw an episode as PNG files, each different one once.

    Returns:
        width and height in pixels; files, in base64; shown, their indices as `_changes`.
    """
    indices: dict[bytes, int] = {}
    shown = []
    for picture in _pictures(frames, range(len(frames))):
        shown.append(indices.setdefault(_png(picture), len(indices)))
    height, width = picture.shape[:2]
    return {
        "width": width,
        "height": height,
        "files": [base64.b64encode(file).decode() for file in indices],
        "shown": _changes(shown),
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    """Write a picture as a PNG file, with a palette where that holds it."""
    reduced = _with_palette(_packed(picture))
    if reduced is None:
        image = Image.fromarray(picture)
    else:
        numbers, colors = reduced
        image = Image.fromarray(numbers)
        image.putpalette(colors.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()

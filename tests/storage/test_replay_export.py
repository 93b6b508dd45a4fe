"""A replay as GIF, video and page: what is in the files is what was played."""

import base64
import hashlib
import html
import io
import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image, ImageSequence

from rlplay.envs import ENV_REGISTRY, BaseEnvironment, create_env, register_env
from rlplay.errors import ConfigError, ContractError, StorageError
from rlplay.storage import Replay, files
from rlplay.storage.replay import play

GOLDEN = Path(__file__).with_name("golden")
HOSTILE = "</script><script>alert(1)</script>&\u2028<!--"


def golden(name: str) -> Replay:
    return Replay.from_dict(json.loads((GOLDEN / f"{name}.json").read_text()))


@pytest.fixture(scope="module")
def replay() -> Replay:
    return golden("starvation-8-egocentric")


class Lamp(BaseEnvironment):
    """Shows a picture of all too many colours, which action 1 brightens."""

    shape = (30, 41)

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.light, self.steps = 0, 0
        return np.zeros(1, np.float32), {"episode_seed": seed, "score": 0}

    def step(self, action):
        self.light += action
        self.steps += 1
        info = {"score": self.light, "death_reason": HOSTILE if self.steps == 9 else None}
        return np.zeros(1, np.float32), 0.0, self.steps == 9, False, info

    def render_state(self):
        return {"light": self.light, "steps": self.steps}

    def render(self):
        picture = np.random.default_rng(0).integers(0, 200, (*self.shape, 3), np.uint8)
        picture[10:20, 10:20] += np.uint8(5 * self.light)
        return picture


@pytest.fixture
def lamp():
    """Register the environment, and take it back afterwards."""
    before = dict(ENV_REGISTRY), dict(gymnasium.registry)
    register_env("lamp", Lamp, title=HOSTILE)
    actions = (0, 1, 0, 0, 1, 1, 0, 0, 1)
    outcome = play("lamp", {}, {}, 1, actions)
    yield Replay(
        replay_id="e1",
        run_id="run-1",
        env_name="lamp",
        env_config={},
        reward_config={},
        environment_version=0,
        episode_seed=1,
        actions=actions,
        score=4.0,
        length=9,
        episode_return=0.0,
        ending=HOSTILE,
        death_reason=HOSTILE,
        final_hash=outcome.final_hash,
        episode=1,
        total_steps=9,
    )
    for table, entries in zip((ENV_REGISTRY, gymnasium.registry), before, strict=True):
        table.clear()
        table.update(entries)


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def final_picture(replay: Replay) -> np.ndarray:
    """Draw the last state without the help of `Frames`."""
    env = create_env(replay.env_name, render_mode="rgb_array", **replay.env_config)
    env.reset(seed=replay.episode_seed)
    for action in replay.actions:
        env.step(action)
    return env.render()


# GIF ------------------------------------------------------------------------------------------


def gif(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Read the pictures, and how long each stands, in milliseconds."""
    with Image.open(path) as image:
        pictures, times = [], []
        for frame in ImageSequence.Iterator(image):
            pictures.append(np.asarray(frame.convert("RGB")))
            times.append(frame.info["duration"])
        assert image.info["loop"] == 0
    return pictures, times


@pytest.mark.parametrize("name", ["starvation-8-egocentric", "won-4-egocentric", "wall-5-absolute"])
def test_a_gif_shows_every_step_exactly(tmp_path, name):
    replay = golden(name)
    replay.save_gif(tmp_path / "snake.gif")
    pictures, times = gif(tmp_path / "snake.gif")
    frames = replay.frames()
    assert len(pictures) == replay.length + 1
    factor = round(400 / (16 * replay.env_config["grid_size"]))
    for step, picture in enumerate(pictures):
        assert np.array_equal(picture, enlarged(frames.render(step), factor)), step
    assert np.array_equal(pictures[-1], enlarged(final_picture(replay), factor))
    assert times == [100] * replay.length + [2000]
    assert [path.name for path in tmp_path.iterdir()] == ["snake.gif"]


def test_a_gif_is_written_picture_by_picture_and_only_what_changed(tmp_path):
    replay, path = golden("won-6-absolute"), tmp_path / "snake.gif"
    replay.save_gif(path, every=200)
    whole_picture = path.stat().st_size / 3
    tracemalloc.start()
    replay.save_gif(path, every=2)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pictures = replay.length // 2 + 1
    assert path.stat().st_size < 0.8 * pictures * whole_picture
    assert most < 0.25 * pictures * 384 * 384  # with one byte a pixel


def test_a_gif_may_show_each_nth_step_and_always_the_last(replay, tmp_path):
    replay.save_gif(tmp_path / "snake.gif", every=10, fps=15, pixels=100)
    pictures, times = gif(tmp_path / "snake.gif")
    steps = [*range(0, replay.length, 10), replay.length]
    assert replay.length % 10
    frames = replay.frames()
    for step, picture in zip(steps, pictures, strict=True):
        assert np.array_equal(picture, frames.render(step)), step
    # 15 a second are 6.67 hundredths each: the mean is kept, to a hundredth.
    assert set(times[:-1]) == {60, 70}
    assert abs(sum(times[:-1]) - 1000 * (len(steps) - 1) / 15) <= 10


def test_a_gif_of_a_picture_with_too_many_colours_keeps_size_and_number(lamp, tmp_path):
    lamp.save_gif(tmp_path / "lamp.gif")
    pictures, _ = gif(tmp_path / "lamp.gif")
    assert len(pictures) == 10  # also those in which nothing changed
    shown, true = pictures[-1].astype(int), enlarged(final_picture(lamp), 10).astype(int)
    assert shown.shape == true.shape == (300, 410, 3)
    assert np.abs(shown - true).mean() < 25
    assert np.array_equal(pictures[2], pictures[3])
    assert not np.array_equal(pictures[1], pictures[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps = 0 is not allowed. Allowed: 0.1 to 50"),
        ({"fps": 51}, "fps = 51"),
        ({"fps": float("nan")}, "fps = nan"),
        ({"every": 0}, "every = 0 is not allowed. Allowed: 1 and more"),
        ({"pixels": 0}, "pixels = 0"),
        ({"pixels": 10_000}, "Allowed: 1 to 4096"),
    ],
)
def test_impossible_options_are_refused(replay, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        replay.save_gif(tmp_path / "snake.gif", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["gif", "html", "mp4"])
def test_a_missing_folder_is_named(replay, tmp_path, kind):
    with pytest.raises(StorageError, match="there is no folder"):
        getattr(replay, f"save_{kind}")(tmp_path / "films" / f"snake.{kind}")


@pytest.mark.parametrize("kind", ["gif", "html", "mp4"])
def test_a_file_says_what_it_is(replay, tmp_path, kind):
    for name in ("", "snake", tmp_path / "snake.txt"):
        with pytest.raises(StorageError, match=rf"must end in \.{kind}"):
            getattr(replay, f"save_{kind}")(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["gif", "html"])
def test_a_failure_leaves_the_old_file(replay, tmp_path, kind, monkeypatch):
    path = tmp_path / f"snake.{kind}"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.disk, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        getattr(replay, f"save_{kind}")(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["gif", "html"])
def test_an_environment_without_a_picture_is_named(lamp, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(Lamp, "render", lambda self: None)
    with pytest.raises(ContractError, match="'lamp' draws no picture"):
        getattr(lamp, f"save_{kind}")(tmp_path / f"lamp.{kind}")
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_change_their_size_are_named(lamp, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Lamp, "render", lambda self: np.zeros((30, 30 + self.steps // 5, 3), np.uint8)
    )
    with pytest.raises(ContractError, match=r"several sizes: .* after 5 steps"):
        lamp.save_gif(tmp_path / "lamp.gif")


# MP4 ------------------------------------------------------------------------------------------


def decoded(path: Path) -> tuple[str, bytes]:
    """Let ffmpeg describe a video and give its pictures, one behind the other."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    command = [program, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stderr.decode(), done.stdout


@pytest.mark.parametrize("every", [1, 10])
def test_a_video_shows_the_episode(replay, tmp_path, every):
    pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "snake.mp4"
    replay.save_mp4(path, every=every, fps=20)
    words, pixels = decoded(path)
    assert re.search(r"Video: h264 .*yuv420p.* 384x384.* 20 fps", words)
    pictures = np.frombuffer(pixels, np.uint8).reshape(-1, 384, 384, 3)
    # The last one stands for two seconds more.
    assert len(pictures) == -(-replay.length // every) + 1 + 40
    frames = replay.frames()
    for index, step in enumerate([*range(0, replay.length, every), replay.length]):
        true = enlarged(frames.render(step), 3).astype(int)
        assert np.abs(pictures[index] - true).mean() < 4, step
    assert [file.name for file in tmp_path.iterdir()] == ["snake.mp4"]


def test_a_video_has_even_sides(lamp, tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr(Lamp, "shape", (301, 411))
    lamp.save_mp4(tmp_path / "lamp.mp4")
    assert "412x302" in decoded(tmp_path / "lamp.mp4")[0]


def test_a_missing_extra_is_named(replay, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(StorageError, match="%pip install imageio-ffmpeg"):
        replay.save_mp4(tmp_path / "snake.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_fails_says_why_and_leaves_the_old_file(replay, tmp_path, monkeypatch):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    wrapper = tmp_path / "program" / "ffmpeg.py"
    wrapper.parent.mkdir()
    wrapper.write_text("import sys; sys.exit('no such codec')")
    program = tmp_path / "program" / "ffmpeg"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{wrapper}'\n")
    program.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("a script is no program on Windows")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    path = tmp_path / "snake.mp4"
    path.write_text("old")
    with pytest.raises(StorageError, match="ffmpeg failed: no such codec"):
        replay.save_mp4(path)
    assert path.read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["program", "snake.mp4"]


# HTML -----------------------------------------------------------------------------------------


def page(replay: Replay, folder: Path, title: str | None = None) -> str:
    replay.save_html(folder / "page.html", title=title)
    return (folder / "page.html").read_text("utf-8")


def data(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="replay">(.*?)</script>', text)
    return json.loads(found)


def expand(changes: list, count: int) -> list:
    """Do as the page's script does."""
    values = []
    for (step, value), following in zip(changes, [*changes[1:], [count]], strict=True):
        values += [value] * (following[0] - step)
    return values


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_the_page_holds_every_board_of_a_snake(path, tmp_path):
    replay = Replay.from_dict(json.loads(path.read_text()))
    found = data(page(replay, tmp_path))
    snake = found["snake"]
    count = replay.length + 1
    lengths, foods = expand(snake["lengths"], count), expand(snake["foods"], count)
    scores = expand(found["scores"], count)
    cells, heading = [snake["start"]], [1, 0]
    ways = {"u": [0, -1], "r": [1, 0], "d": [0, 1], "l": [-1, 0]}
    for step, state in enumerate(replay.frames()):
        if step:
            move = snake["moves"][step - 1]
            heading = ways[move.lower()]
            if move.islower():
                cells.append([cells[-1][0] + heading[0], cells[-1][1] + heading[1]])
        body = [[cell["x"], cell["y"]] for cell in state["snake_position"]]
        assert cells[-lengths[step] :][::-1] == body, step
        food = state["food_position"]
        assert foods[step] == (food and [food["x"], food["y"]])
        assert heading == state["direction"]
        assert scores[step] == state["score"]
    assert snake["size"] == state["grid_size"]
    assert snake["dead"] == (replay.death_reason is not None)
    assert len(found["apples"]) == replay.score


def test_the_page_holds_the_pictures_of_any_other_environment(lamp, tmp_path):
    found = data(page(lamp, tmp_path))
    pictures, frames = found["pictures"], lamp.frames()
    assert (pictures["width"], pictures["height"]) == (41, 30)
    assert len(pictures["files"]) == 5  # each different one once
    for step, index in enumerate(expand(pictures["shown"], 10)):
        with Image.open(io.BytesIO(base64.b64decode(pictures["files"][index]))) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), frames.render(step))
    assert found["apples"] == [2, 5, 6, 9]


def test_pictures_of_few_colours_are_exact_and_small(lamp, tmp_path, monkeypatch):
    def render(self):
        picture = np.zeros((200, 300, 3), np.uint8)
        picture[self.light :, 20 * self.light] = (250, 120, self.light)
        return picture

    monkeypatch.setattr(Lamp, "render", render)
    file = base64.b64decode(data(page(lamp, tmp_path))["pictures"]["files"][-1])
    assert len(file) < 500
    with Image.open(io.BytesIO(file)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), final_picture(lamp))


def test_the_page_needs_no_network(replay, lamp, tmp_path):
    for text in (page(replay, tmp_path), page(lamp, tmp_path)):
        assert not re.search(r"https?:|url\(|@import|\bsrc=|<iframe|fetch\(", text)
        assert re.findall(r'\bhref="([^"]*)"', text) == ["data:,"]
        assert "default-src 'none'" in html.unescape(text)


def test_what_comes_from_data_is_text_and_never_code(replay, lamp, tmp_path):
    harmless = page(replay, tmp_path)
    for text in (page(replay, tmp_path, HOSTILE), page(lamp, tmp_path)):
        assert "<script>alert" not in text
        assert "\u2028" not in text.partition('id="replay">')[2]
        assert text.count("<script") == text.count("</script>") == harmless.count("<script") == 2
        assert text.count("<!--") == harmless.count("<!--") == 0
    assert f"<h1>{html.escape(HOSTILE)}</h1>" in page(replay, tmp_path, HOSTILE)
    assert data(page(lamp, tmp_path))["ending"] == HOSTILE


def test_a_value_that_looks_like_a_place_to_fill_stays_as_it_is(replay, tmp_path):
    assert "<h1>{{data}} {{policy}}</h1>" in page(replay, tmp_path, "{{data}} {{policy}}")


def test_the_policy_allows_this_style_and_this_script_alone(replay, tmp_path):
    text = page(replay, tmp_path)
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest())
        assert f"{element}-src 'sha256-{digest.decode()}'" in html.unescape(text)


def test_the_page_says_what_it_plays(replay, tmp_path):
    text = page(replay, tmp_path)
    assert "<h1>Snake</h1>" in text
    assert "Snake, episode 1 of run golden: score 3, 75 steps, starved" in text

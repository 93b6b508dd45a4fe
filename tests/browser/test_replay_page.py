"""The page of a replay, as a person plays it: no kernel, no network."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from rlplay.envs import ENV_REGISTRY, BaseEnvironment, register_env
from rlplay.storage import Replay

GOLDEN = Path(__file__).parents[1] / "storage" / "golden"
HOSTILE = "</script><script>alert(1)</script>"
WIDTHS = ((1280, 800), (400, 800))


def golden(name: str) -> Replay:
    return Replay.from_dict(json.loads((GOLDEN / f"{name}.json").read_text()))


class Rocket(BaseEnvironment):
    """A light square climbs with each step."""

    def __init__(self, config: Any = None, rewards: Any = None, *, render_mode: Any = None) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(1)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.height = 0
        return np.zeros(1, np.float32), {"episode_seed": seed}

    def step(self, action: int) -> Any:
        self.height += 1
        return np.zeros(1, np.float32), 0.0, self.height == 20, False, {}

    def render_state(self) -> dict[str, Any]:
        return {"height": self.height}

    def render(self) -> Any:
        picture = np.full((40, 60, 3), (20, 30, 60), np.uint8)
        picture[35 - self.height : 38 - self.height, 28:32] = (250, 220, 120)
        return picture


class Player:
    """The page in a browser window, and all that it should not have done."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    @property
    def step(self) -> int:
        return int(self.page.locator("#step").inner_text().replace(",", ""))

    @property
    def label(self) -> str:
        return self.page.locator("canvas").get_attribute("aria-label")

    def covered(self, size: int) -> list[tuple[int, int]]:
        """Cells of the board with the snake on it: their middle is green."""
        url = self.page.evaluate("() => document.querySelector('canvas').toDataURL()")
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        middles = ((np.arange(size) + 0.5) * len(pixels) / size).astype(int)
        red, green = (pixels[np.ix_(middles, middles)][..., channel] for channel in (0, 1))
        return sorted((int(x), int(y)) for y, x in np.argwhere(green - red > 40))

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def reaches(self, step: int) -> None:
        self.page.wait_for_function(
            "step => Number(document.querySelector('#step').textContent) >= step", arg=step
        )


def picture(player: Player, name: str) -> None:
    if folder := os.environ.get("RLPLAY_SCREENSHOTS"):
        player.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
def play(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Save a golden replay as a page, and open it."""
    opened: list[tuple[Player, str]] = []
    contexts = []

    def play(replay: Replay | str, width: int = 1280, height: int = 800, **options: Any) -> Player:
        if isinstance(replay, str):
            replay = golden(replay)
        path = tmp_path / f"{replay.replay_id}.html"
        replay.save_html(path, title=HOSTILE)
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        player = Player(context.new_page())
        opened.append((player, path.as_uri()))
        player.page.goto(path.as_uri())
        return player

    yield play
    for player, url in opened:
        assert player.complaints == []
        assert [found for found in player.requests if not found.startswith("data:")] == [url]
    for context in contexts:
        context.close()


def test_a_person_plays_a_replay(play: Any) -> None:
    player = play("won-6-absolute", reduced_motion="reduce")
    page = player.page
    assert page.locator("h1").inner_text() == HOSTILE
    assert "filled the board" in page.locator("header p").inner_text()

    # Whoever asked for less motion presses Play.
    page.wait_for_timeout(300)
    assert player.step == 0
    player.button("Play").click()
    player.reaches(3)
    player.button("Pause").click()
    stopped = player.step
    page.wait_for_timeout(300)
    assert player.step == stopped

    # At sixteen times the speed, to the end and again from the start.
    page.get_by_label("Speed").select_option("16")
    player.button("Play").click()
    player.reaches(316)
    player.button("Play").wait_for()
    assert player.label == "The board. Step 316 of 316, score 35, length 36. filled the board."
    assert page.locator("[role=status]").inner_text().endswith("filled the board.")
    player.button("Play").click()
    page.wait_for_function("() => Number(document.querySelector('#step').textContent) < 300")
    player.button("Pause").click()

    # The buttons, one step and all the way.
    player.button("First step").click()
    assert player.step == 0
    assert player.button("One step back").get_attribute("aria-disabled") == "true"
    player.button("One step back").click(force=True)
    assert player.step == 0
    player.button("One step ahead").click()
    player.button("One step ahead").click()
    assert player.step == 2
    player.button("One step back").click()
    assert player.step == 1
    player.button("Last step").click()
    assert player.step == 316

    # The slider, by mouse and by keys, tells where it stands.
    slider = page.get_by_role("slider", name="Step")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert abs(player.step - 158) <= 2
    half = player.step
    page.keyboard.press("ArrowRight")
    assert player.step == half + 1
    assert slider.get_attribute("aria-valuetext").startswith(f"Step {half + 1} of 316, score ")

    # Keys anywhere else.
    slider.evaluate("slider => slider.blur()")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert player.step == 1
    page.keyboard.press("Space")
    player.reaches(4)
    page.keyboard.press("Space")
    page.keyboard.press("End")
    assert player.step == 316


def test_apples_are_marked_and_reached(play: Any) -> None:
    replay = golden("starvation-8-egocentric")
    player = play(replay, reduced_motion="reduce")
    apples = replay.frames().apple_steps()
    marks = player.page.locator("#ticks").get_attribute("d")
    assert marks == "".join(f"M{apple} 0V1" for apple in apples)
    for count, apple in enumerate(apples, 1):
        player.page.keyboard.press("Shift+ArrowRight")
        assert player.step == apple
        assert f"score {count}, length {count + 1}" in player.label
    player.button("← apple").click()
    assert player.step == apples[-2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_the_state(play: Any, scheme: str) -> None:
    name = "self-10-egocentric"
    replay = golden(name)
    player = play(replay, color_scheme=scheme, reduced_motion="reduce")
    frames = replay.frames()
    for step in (0, 1, 17, 40, replay.length):
        player.page.get_by_role("slider").fill(str(step))
        body = sorted((cell["x"], cell["y"]) for cell in frames[step]["snake_position"])
        assert player.covered(10) == body, step


def test_it_plays_by_itself_where_motion_is_welcome(play: Any) -> None:
    player = play("won-6-absolute", reduced_motion="no-preference")
    player.reaches(2)


@pytest.fixture
def rocket() -> Iterator[Replay]:
    """Register the environment, and take it back afterwards."""
    before = dict(ENV_REGISTRY), dict(gymnasium.registry)
    register_env("rocket", Rocket, title="Rocket")
    yield golden("won-4-egocentric").model_copy(
        update={"env_name": "rocket", "env_config": {}, "actions": (0,) * 20, "length": 20}
    )
    for table, entries in zip((ENV_REGISTRY, gymnasium.registry), before, strict=True):
        table.clear()
        table.update(entries)


def test_any_other_environment_is_shown_in_pictures(play: Any, rocket: Replay) -> None:
    player = play(rocket, reduced_motion="reduce")
    image = player.page.get_by_role("img")
    pictures = set()
    for step in range(21):
        player.page.get_by_role("slider").fill(str(step))
        assert image.get_attribute("alt").startswith(f"The board. Step {step} of 20.")
        player.page.wait_for_function("() => document.querySelector('img').complete")
        pictures.add(image.get_attribute("src"))
    assert len(pictures) == 21
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [60, 40]
    assert player.page.locator("canvas").is_hidden()
    assert player.page.get_by_text("Score", exact=True).is_hidden()
    assert player.page.get_by_role("button", name="apple").count() == 0
    picture(player, "replay-pictures")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_on_a_screen_and_on_a_phone(play: Any, scheme: str) -> None:
    for width, height in WIDTHS:
        player = play("won-6-absolute", width, height, color_scheme=scheme, reduced_motion="reduce")
        player.page.get_by_role("slider").fill("200")
        wide, high = player.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert wide <= width
        assert high <= height or width == 400
        picture(player, f"replay-{scheme}-{width}")

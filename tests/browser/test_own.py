"""Code of a person's own, run in a cell below a Playground that is already open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import CELL, notebook
from test_quickstart import PANEL, button, command, fits, open_notebook, run_first_code_cell, state
from test_tab_network import kernel_says
from test_tab_world import chip, field

if TYPE_CHECKING:
    from conftest import Lab, Window

OWN = """
import numpy as np
import rlplay
from gymnasium import spaces
from pydantic import BaseModel, Field
from rlplay.agents.ppo import PPO

class CorridorOptions(BaseModel):
    width: int = Field(5, ge=2, le=20, description="places")

@rlplay.register_env("corridor", title="My corridor")
class Corridor(rlplay.BaseEnvironment):
    "Walk to the end."
    config_model = CorridorOptions

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return self.see(), {"episode_seed": seed}

    def step(self, action):
        self.place = max(0, self.place + 2 * int(action) - 1)
        ended = self.place >= self.config.width
        return self.see(), float(ended), ended, False, {"score": int(ended)}

    def see(self):
        return np.array([min(self.place / self.config.width, 1)], np.float32)

    def render_state(self):
        return {"place": self.place}

rlplay.register_agent("mine", title="My PPO")(PPO)

@rlplay.register_observation("compass", size=2, title="My compass", envs="snake")
def compass(facts):
    "Where the food lies."
    return np.sign(facts["food"] - facts["head"])

@rlplay.register_reward("apples", title="My reward")
def apples(t):
    return t.rewards

print(rlplay.check_environment("corridor"))
"""

AGAIN = """
class CorridorOptions(BaseModel):
    width: int = Field(5, ge=2, le=20, description="places")
    height: int = Field(1, ge=1, le=5, description="rows")

Corridor.config_model = CorridorOptions
rlplay.register_env("corridor", Corridor, title="My corridor")

@rlplay.register_observation("compass", size=4, title="My compass", envs="snake")
def compass(facts):
    "Where the food lies, twice."
    return np.tile(np.sign(facts["food"] - facts["head"]), 2)
"""


def run_cell(window: Window, number: int) -> None:
    """Run a cell below the Playground, and look at the Playground again."""
    command(window, "notebook:move-cursor-down")
    command(window, "notebook:run-cell")
    for _ in range(number):
        command(window, "notebook:move-cursor-up")
    # What nobody sees is not painted.
    window.page.locator(PANEL).evaluate("panel => panel.scrollIntoView()")


def tab(window: Window, name: str) -> None:
    window.page.locator(".rlplay-tab-bar button").filter(has_text=name).click()


def trains(window: Window) -> None:
    window.until(
        """() => {
          const steps = document.querySelector('.rlplay-numbers [data-key=steps] dd');
          return /[1-9]/.test(steps?.innerText ?? '');
        }""",
        seconds=60,
    )


def test_code_of_ones_own_appears_and_trains(window: Window, lab: Lab) -> None:
    content = notebook(CELL)
    first = content["cells"][0]
    for number, source in enumerate((OWN, AGAIN)):
        content["cells"].append({**first, "id": f"own{number}", "source": source})
    (lab.folder / "own.ipynb").write_text(json.dumps(content))
    open_notebook(window, lab, "own.ipynb")
    run_first_code_cell(window)
    tab(window, "World")
    window.page.wait_for_selector(".rlplay-field")
    command(window, "notebook:enter-command-mode")
    titles = "[...document.querySelectorAll('[data-option=env_name] option')].map(o => o.text)"
    assert "My corridor" not in window.page.evaluate(titles)

    # The open panel knows all four of them as soon as the cell has run.
    run_cell(window, 1)
    window.until(f"() => {titles}.includes('My corridor')")
    chip(window, "Observation")
    field(window, "compass").locator("input[type=checkbox]").click()
    window.until("() => document.body.innerText.includes('126 inputs')")
    chip(window, "Rewards")
    field(window, "function").locator("select").select_option("My reward")
    tab(window, "Train")
    algorithm = window.page.locator(".rlplay-train-form select").first
    algorithm.select_option("My PPO")
    draft = "panel.desk.draft.config"
    window.page.wait_for_timeout(300)
    assert kernel_says(window, f"{draft}.algo") == "mine"
    assert kernel_says(window, f"{draft}.env_config['blocks']") == ["compass"]
    assert kernel_says(window, f"{draft}.reward_config['function']") == "apples"

    # It trains like a built-in one, and defining it again is for the next Start.
    button(window, "Start").click()
    state(window, "running")
    trains(window)
    blocks = "panel.session.config.env_config['blocks']"
    assert kernel_says(window, blocks) == ["compass"]
    command(window, "notebook:move-cursor-down")
    run_cell(window, 2)
    tab(window, "World")
    chip(window, "Observation")
    window.until("() => document.body.innerText.includes('128 inputs')")
    window.screenshot("own-observation")
    fits(window)
    state(window, "running")
    button(window, "Stop").click()
    state(window, "finished")

    chip(window, "Board")
    window.page.locator("[data-option=env_name] select").select_option("My corridor")
    field(window, "height").wait_for()
    window.screenshot("own-world")
    button(window, "Start again").click()
    state(window, "running")
    trains(window)
    assert kernel_says(window, "panel.session.config.env_name") == "corridor"
    window.until("() => document.body.innerText.includes('My corridor')")
    button(window, "Stop").click()
    state(window, "finished")
    assert window.complaints == []

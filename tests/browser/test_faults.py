"""A fault in a person's code or in a part of the panel: it says so, and all the rest goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pictures import notebook
from test_own import tab, trains
from test_quickstart import (
    board_moves,
    button,
    fits,
    open_notebook,
    run_first_code_cell,
    state,
)
from test_tab_network import kernel_says

if TYPE_CHECKING:
    from conftest import Lab, Window

CELL = """
import numpy as np
import rlplay
from gymnasium import spaces
from pydantic import BaseModel
from rlplay.agents.ppo import PPO
from rlplay_widgets import Playground, register_board

class Nothing(BaseModel):
    pass

@rlplay.register_env("corridor", title="Corridor")
class Corridor(rlplay.BaseEnvironment):
    config_model = Nothing
    breaks_in = ""

    def __init__(self, config=None, rewards=None, *, render_mode=None):
        super().__init__(config, rewards, render_mode=render_mode)
        self.observation_space = spaces.Box(0, 1, (1,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return np.zeros(1, np.float32), {"episode_seed": seed}

    def step(self, action):
        self.steps += 1
        if self.breaks_in == "step" and self.steps > 500:
            raise ZeroDivisionError("the <b>corridor</b> has no end")
        self.place += int(action)
        ended = self.place >= 5
        seen = np.array([self.place / 5], np.float32)
        return seen, float(ended), ended, False, {"score": int(ended)}

    def render_state(self):
        return {"place": self.place}

def drawing(state, palette):
    raise RuntimeError("no paint left")

@rlplay.register_agent("forgetful", title="Forgetful")
class Forgetful(PPO):
    def train_step(self):
        raise LookupError("I forgot what I saw")

panel = Playground(rlplay.get_default_config("ppo"))
panel
"""


def says(window: Window, words: str) -> None:
    window.until(
        "words => document.querySelector('.rlplay-messages')?.innerText.includes(words)",
        words,
        seconds=60,
    )


def says_nothing(window: Window) -> None:
    window.until("() => document.querySelector('.rlplay-messages')?.innerText.trim() === ''")


def state_failed(window: Window) -> None:
    window.page.wait_for_selector(".rlplay-state-failed", timeout=60_000)


def start_another(window: Window) -> None:
    """Start a second, third, ... session beside those that run."""
    count = window.page.get_by_role("radio").count()
    window.page.locator(".rlplay-more button").filter(has_text="Start another").click()
    window.until(
        "count => document.querySelectorAll('.rlplay-sessions button').length === count",
        max(2, count + 1),
    )


def goes_on(window: Window, chip: int = 0) -> None:
    """Go to a session, where nothing is wrong: it runs, learns and is drawn."""
    window.page.get_by_role("radio").nth(chip).click()
    says_nothing(window)
    state(window, "running")
    window.until(
        """before => {
          const steps = document.querySelector('.rlplay-numbers [data-key=steps] dd');
          return steps.innerText !== before;
        }""",
        window.page.locator(".rlplay-numbers [data-key=steps] dd").inner_text(),
    )
    board_moves(window)


def test_the_rest_goes_on(window: Window, lab: Lab) -> None:
    (lab.folder / "faults.ipynb").write_text(json.dumps(notebook(CELL)))
    open_notebook(window, lab, "faults.ipynb")
    run_first_code_cell(window)
    button(window, "Start").click()
    state(window, "running")
    trains(window)

    # In what a button does: the click failed, the training did not.
    works = kernel_says(
        window,
        "(globals().update(pause=rlplay.TrainingSession.pause),"
        " setattr(rlplay.TrainingSession, 'pause', lambda self: 1 / 0))[0]",
    )
    assert works is None
    button(window, "Pause").click()
    says(window, "That did not work: ZeroDivisionError: division by zero.")
    board_moves(window)
    assert kernel_says(window, "setattr(rlplay.TrainingSession, 'pause', pause)") is None
    button(window, "Pause").click()
    state(window, "paused")
    says_nothing(window)
    button(window, "Resume").click()
    state(window, "running")

    # In an agent: its session failed and says of what; the one beside it runs on.
    algorithm = window.page.locator(".rlplay-train-form select").first
    algorithm.select_option("Forgetful")
    window.page.wait_for_timeout(300)
    start_another(window)
    says(window, "Training failed.")
    says(window, "I forgot what I saw")
    state_failed(window)
    window.screenshot("fault-agent")
    fits(window)
    goes_on(window)

    # In an environment, and its words stay words.
    algorithm.select_option("PPO")
    tab(window, "World")
    window.page.locator("[data-option=env_name] select").select_option("Corridor")
    assert kernel_says(window, "setattr(Corridor, 'breaks_in', 'step')") is None
    start_another(window)
    says(window, "the <b>corridor</b> has no end")
    state_failed(window)
    details = window.page.locator(".rlplay-messages details")
    details.locator("summary").first.click()
    assert "in step" in details.first.inner_text()
    window.screenshot("fault-environment")
    fits(window)
    goes_on(window)

    # In a drawing: it trains, unseen.
    window.page.locator("[data-option=env_name] select").select_option("Corridor")
    broken = "[setattr(Corridor, 'breaks_in', ''), register_board('corridor', drawing)][0]"
    assert kernel_says(window, broken) is None
    start_another(window)
    says(window, "RuntimeError: no paint left. Training is not affected.")
    window.screenshot("fault-drawing")
    fits(window)
    steps = kernel_says(window, "panel.session.snapshot().total_steps")
    window.until("""() => document.querySelector('.rlplay-state')?.innerText.includes('running')""")
    window.page.wait_for_timeout(1000)
    assert kernel_says(window, "panel.session.snapshot().total_steps") > steps
    button(window, "Stop").click()
    state(window, "finished")
    goes_on(window)

    # In what the panel knows nothing of: the kernel says it, and these tests hear that.
    assert kernel_says(window, "panel.controls.stop.on_click(lambda _: [][0])") is None
    button(window, "Stop").click()
    state(window, "finished")
    for _ in range(100):
        if window.kernel_complaints:
            break
        window.page.wait_for_timeout(100)
    (complaint,) = window.kernel_complaints
    assert "list index out of range" in complaint
    window.expected.append("list index out of range")
    assert window.complaints == []

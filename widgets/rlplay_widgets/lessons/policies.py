"""Lesson 8: the ratios of PPO's updates against the clip band, and the clipped objective."""

from __future__ import annotations

from typing import Any, Final

import anywidget
import traitlets as t

from rlplay.agents.ppo import RATIOS_TO
from rlplay.training.session import TrainingSession
from rlplay_widgets.lessons.strip import Strip, StripWidget
from rlplay_widgets.playground import Playground
from rlplay_widgets.scene import assign
from rlplay_widgets.theme import script, static

__all__ = ["ClipBand", "ClippedObjective"]

#: The options that a person turns at the histogram, and what each sets.
TURNS: Final = {
    "clip": ("clip",),
    "entropy": ("entropy_coefficient", "final_entropy_coefficient"),
}


class ClipBandWidget(StripWidget):
    """The histogram, the band and two sliders."""

    _esm = script("keep_keys.js", "parts.js", "clip_band.js")

    ratios_to = t.Float(RATIOS_TO).tag(sync=True)
    #: What the last minibatch did: ratios, clip_fraction, entropy, kl, total_steps; empty before.
    did = t.Dict().tag(sync=True)
    #: Where the sliders stand: clip and entropy.
    options = t.Dict().tag(sync=True)
    #: What to say where there is nothing to draw.
    note = t.Unicode("").tag(sync=True)


class ClipBand(Strip):
    """How far each update of PPO moves the policy, live, while clip and entropy are turned.

    Args:
        panel: The Playground whose session is followed.
    """

    title = "The histogram of ratios"

    def __init__(self, panel: Playground) -> None:
        drawing = ClipBandWidget()
        super().__init__(panel, drawing)
        drawing.on_msg(self._scene.safely(self._turn))

    def draw(self, session: TrainingSession | None) -> None:
        """Send the newest histogram, and where the sliders stand."""
        config = self.panel.config
        note = ""
        if config.algo != "ppo":
            note = f"{config.algo} has no ratios to clip: choose ppo in the Learning tab."
        else:
            values = config.hyperparams
            options = {turn: values[names[0]] for turn, names in TURNS.items()}
            assign(self.drawing, options=options)
        published = None
        if session is not None and session.config.algo == "ppo":
            session.monitor.want_update()
            published = session.monitor.update()
        if published is None:
            assign(self.drawing, did={}, note=note or "The histogram begins with the training.")
        else:
            did = {**published.details, "total_steps": published.total_steps}
            assign(self.drawing, did=did, note=note)

    def _turn(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """A person moved a slider."""
        for name in TURNS.get(str(content.get("turn")), ()):
            self.panel.desk.set("hyperparams", name, content.get("value"))


class ClippedObjective(anywidget.AnyWidget):
    """PPO's objective of one action as a curve over the ratio, for a good and for a bad action.

    All is computed in the page: no kernel is asked while a person drags.

    Args:
        clip: Where the slider stands at first.
    """

    _esm = script("keep_keys.js", "parts.js", "clipped_objective.js")
    _css = static("clipped_objective.css")

    clip = t.Float(0.2, min=0.0, max=0.9).tag(sync=True)
    ratio = t.Float(1.0, min=0.0, max=2.0).tag(sync=True)

    def __init__(self, clip: float = 0.2) -> None:
        super().__init__(clip=clip)

    def __repr__(self) -> str:
        return f"ClippedObjective(clip={self.clip:g})"

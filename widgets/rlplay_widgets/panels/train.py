"""Choose, start, pause, stop and pace a training; what it says, and what went wrong."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import ipywidgets as ipw

from rlplay.agents import AGENT_REGISTRY
from rlplay.config import RunConfig, get_default_config
from rlplay.envs import get_env_spec
from rlplay.errors import SessionError
from rlplay.training.monitor import Snapshot
from rlplay.training.session import TrainingSession
from rlplay_widgets.forms import integer_slider
from rlplay_widgets.scene import LIVE, Frame, SessionScene
from rlplay_widgets.theme import escape, message_html, state_html

__all__ = ["TrainPanel"]

#: The slider's fastest pace, as a power of ten: moves of each board in a second.
_FASTEST = 2
#: What somebody else set is shown, unless a person moved the slider within so many seconds.
_HANDS_OFF = 1.0


class TrainPanel:
    """The controls of a training.

    Attributes:
        controls: The box of what a person sets, with the line of the session's state.
        messages: What went wrong.

    Args:
        scene: Whose session it controls.
        config: What Start trains, apart from what the controls say.
    """

    title = "The controls"

    def __init__(self, scene: SessionScene, config: RunConfig) -> None:
        self._scene = scene
        self._config = config
        self._lock = threading.Lock()
        self._pace: float | None = None
        self._paced_at = float("-inf")
        self._painted_pace: float | None = None

        titles = [(spec.title, name) for name, spec in sorted(AGENT_REGISTRY.items())]
        self.algorithm = ipw.Dropdown(
            options=titles,
            value=config.algo,
            description="Algorithm",
            tooltip="Who learns; takes effect with the next start",
        )
        self.grid_size = self._grid_size_control()
        self.start = ipw.Button(
            description="Start", icon="play", tooltip="Begin a new run", button_style="primary"
        )
        self.pause = ipw.Button(description="Pause", icon="pause", tooltip="Stand still, and save")
        self.stop = ipw.Button(description="Stop", icon="stop", tooltip="End this run, and save")
        self.full_speed = ipw.ToggleButton(
            value=True,
            description="Full speed",
            icon="forward",
            tooltip="Train as fast as this machine can, or at the pace of the slider",
        )
        self.pace = ipw.FloatLogSlider(
            value=10,
            min=0,
            max=_FASTEST,
            step=0.05,
            description="Moves/s",
            readout_format=".0f",
            tooltip="Moves of each board in a second",
        )
        self.status = ipw.HTML()
        self.messages = ipw.HTML()

        safely = scene.safely
        self.start.on_click(safely(lambda _: self._start()))
        self.pause.on_click(safely(lambda _: self._pause_or_resume()))
        self.stop.on_click(safely(lambda _: self._stop()))
        self.full_speed.observe(safely(self._full_speed_changed), names="value")
        self.pace.observe(safely(self._pace_changed), names="value")

        chosen: list[ipw.Widget] = [self.algorithm]
        if self.grid_size is not None:
            self.grid_size.observe(safely(lambda _: None), names="value")
            chosen.append(self.grid_size)
        groups = (chosen, [self.start, self.pause, self.stop], [self.full_speed, self.pace])
        self.controls = ipw.Box([*(ipw.HBox(group) for group in groups), self.status])
        self.controls.add_class("rlplay-controls")
        names = ("choice", "buttons", "speed", "status")
        for part, name in zip(self.controls.children, names, strict=True):
            part.add_class(f"rlplay-{name}")
        self.messages.add_class("rlplay-messages")

        if scene.session is not None:
            self._pace = scene.session.snapshot().moves_per_second

    def _grid_size_control(self) -> ipw.IntSlider | None:
        """A slider, where the environment has a grid."""
        model = get_env_spec(self._config.env_name).config_model
        if "grid_size" not in model.model_fields:
            return None
        return integer_slider(
            model,
            "grid_size",
            value=self._config.env_config["grid_size"],
            description="Grid",
            continuous_update=True,
        )

    def wanted(self) -> RunConfig:
        """Give the config that the controls describe."""
        config = self._config
        if self.algorithm.value != config.algo:
            config = get_default_config(self.algorithm.value, config.env_name).replace(
                name=config.name,
                seed=config.seed,
                device=config.device,
                precision=config.precision,
                env_config=config.env_config,
                reward_config=config.reward_config,
            )
        if self.grid_size is not None:
            config = config.replace(env_config={"grid_size": self.grid_size.value})
        return config

    def preview(self, frame: Frame) -> tuple[str, dict[str, Any] | None] | None:
        """Give the board that Start will open, where it differs from the one on the screen."""
        if self.grid_size is None:
            return None if frame.session is not None else (self._config.env_name, None)
        size = self.grid_size.value
        session = frame.session
        if session is not None and (
            frame.snapshot.state in LIVE or session.config.env_config.get("grid_size") == size
        ):
            return None
        return self._config.env_name, _still_life(self._config.env_name, size)

    # Callbacks: in the kernel's threads, only hand on and return ---------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._scene.live:
                return
            config = self.wanted()
            session = self._scene.session
            if session is None or not _same(session.config, config):
                session = TrainingSession(config)
            session.set_speed(self._pace)
            session.start()
            self._scene.show(session)

    def _pause_or_resume(self) -> None:
        session = self._scene.session
        if session is None:
            return
        # A second click that came too late means nothing; the state is on the screen.
        with contextlib.suppress(SessionError):
            if session.snapshot().state == "paused":
                session.resume()
            else:
                session.pause()

    def _stop(self) -> None:
        session = self._scene.session
        if session is not None:
            with contextlib.suppress(SessionError):
                session.stop()

    def _full_speed_changed(self, change: dict[str, Any]) -> None:
        if change["new"] != (self._pace is None):
            self._set_pace(None if change["new"] else self.pace.value)

    def _pace_changed(self, change: dict[str, Any]) -> None:
        if change["new"] != self._painted_pace:
            self._set_pace(change["new"])

    def _set_pace(self, pace: float | None) -> None:
        self._pace, self._paced_at = pace, time.monotonic()
        session = self._scene.session
        if session is not None and session.snapshot().state in ("new", *LIVE):
            session.set_speed(pace)

    # The painter ---------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> bool:
        """Bring controls, status and messages to where the session stands."""
        snapshot = frame.snapshot
        state = snapshot.state
        live = state in LIVE
        paused = state == "paused"
        _assign(self.algorithm, disabled=live)
        if self.grid_size is not None:
            _assign(self.grid_size, disabled=live)
        _assign(self.start, disabled=live, description="Start again" if _ended(state) else "Start")
        _assign(
            self.pause,
            disabled=state not in ("running", "paused"),
            description="Resume" if paused else "Pause",
            icon="play" if paused else "pause",
            button_style="primary" if paused else "",
            tooltip="Go on" if paused else "Stand still, and save",
        )
        _assign(self.stop, disabled=state not in ("running", "paused"))
        self._paint_pace(snapshot)
        _assign(self.status, value=_status_html(snapshot))
        _assign(self.messages, value=self._messages_html(frame))
        return False

    def _paint_pace(self, snapshot: Snapshot) -> None:
        """Show the pace that is set, by whomever."""
        if snapshot.state in LIVE and time.monotonic() - self._paced_at > _HANDS_OFF:
            self._pace = snapshot.moves_per_second
        pace = self._pace
        _assign(self.full_speed, value=pace is None)
        if pace is not None and self.pace.value != (shown := min(max(pace, 1.0), 10.0**_FASTEST)):
            self._painted_pace = shown
            self.pace.value = shown
            self._painted_pace = None

    def _messages_html(self, frame: Frame) -> str:
        parts = [message_html(problem.text, problem.details) for problem in frame.problems.values()]
        if frame.snapshot.state == "failed":
            details = frame.session.traceback if frame.session is not None else None
            text = f"Training failed. {frame.snapshot.message}"
            parts.insert(0, message_html(text, details or ""))
        return "".join(parts)


def _ended(state: str) -> bool:
    return state in ("finished", "failed")


def _same(one: RunConfig, other: RunConfig) -> bool:
    """Whether two configs describe the same run, apart from its id."""
    return one.replace(run_id=None) == other.replace(run_id=None)


def _status_html(snapshot: Snapshot) -> str:
    """The state, what is said of it, and which run this is."""
    message = "" if snapshot.state == "failed" else snapshot.message
    parts = [state_html(snapshot.state, message)]
    if snapshot.run_id is not None:
        facts = (snapshot.algo.upper(), snapshot.device, snapshot.precision)
        about = " · ".join(escape(fact) for fact in facts if fact)
        parts.append(
            f'<span class="rlplay-run">{about} · run <code>{escape(snapshot.run_id)}</code></span>'
        )
    return "".join(parts)


def _still_life(env_name: str, size: int) -> dict[str, Any] | None:
    """A snake that waits on a board of this size."""
    if env_name != "snake":
        return None
    middle = size // 2
    head = (min(size - 2, middle), middle)
    path = [(0, 0), (-1, 0), (-1, 1), (-2, 1)] if size < 6 else [
        (0, 0), (-1, 0), (-2, 0), (-2, 1), (-2, 2), (-1, 2)
    ]  # fmt: skip
    return {
        "grid_size": size,
        "snake_position": [{"x": head[0] + x, "y": head[1] + y} for x, y in path],
        "food_position": {"x": min(size - 1, head[0] + 2), "y": max(0, middle - 2)},
        "direction": [1, 0],
    }


def _assign(widget: ipw.Widget, **traits: Any) -> None:
    """Set the traits that differ: each that is set becomes a message."""
    for name, value in traits.items():
        if getattr(widget, name) != value:
            setattr(widget, name, value)

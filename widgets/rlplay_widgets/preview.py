"""What the board shows before there is a first move: an example board of the draft.

An example is played on a board of the draft's environment, always the same way: from a fixed seed,
towards food where there is any, without dying. So it shows the board that Start opens, tells what
each input of the observation is, and gives the variables of reward formulas a value.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rlplay.config import RunConfig
from rlplay.envs import BaseEnvironment, EnvSpec, create_env, get_env_spec
from rlplay.envs.own import blocks_of
from rlplay.errors import ContractError, RlplayError, UnknownEnvironment
from rlplay_widgets import clerk
from rlplay_widgets.board import Picture
from rlplay_widgets.desk import Desk
from rlplay_widgets.overlays import draw_window
from rlplay_widgets.player import Shown
from rlplay_widgets.scene import LIVE, Frame

__all__ = ["Example", "draw_preview", "get_example", "play_example", "preview"]

#: An example ends some moves after this score, or after so many moves or seconds.
_SCORE = 9
_MORE_MOVES = 3
_MOVES = 400
_SECONDS = 2.0
_SEED = 4
#: Rewards that lead an example's player, in environments that know these events.
_LEAD = {"closer": 0.1, "farther": -0.1}
#: So many examples are kept.
_KEPT = 32


@dataclass(frozen=True)
class Example:
    """A board of an environment, some moves after its start.

    Attributes:
        env_name: The environment.
        env_config: Its options.
        state: `render_state` of the board; None where the example could not be played.
        blocks: What the observation is made of: name, start, size, meaning, low, high, labels.
        num_inputs: Numbers in an observation.
        variables: The variables of reward formulas, after the last move.
        step: Moves so far.
        score: Score so far.
        problem: What went wrong, for people.
        details: The traceback, where the message does not say all.
    """

    env_name: str
    env_config: dict[str, Any]
    state: dict[str, Any] | None = None
    blocks: tuple[dict[str, Any], ...] = ()
    num_inputs: int = 0
    variables: dict[str, float] = field(default_factory=dict)
    step: int = 0
    score: float = 0.0
    problem: str = ""
    details: str = ""


def play_example(env_name: str, env_config: dict[str, Any]) -> Example:
    """Play some moves on a board of an environment; the same options give the same board.

    Args:
        env_name: The environment, as registered.
        env_config: Its options.

    Returns:
        The board as it stands then, also where it stands because something went wrong.
    """
    example = Example(env_name, env_config)
    try:
        env = create_env(env_name, _leading_rewards(env_name), **env_config)
        try:
            step, score = _play(env)
            return Example(
                env_name,
                env_config,
                state=env.render_state(),
                blocks=_blocks(env),
                num_inputs=_size(env),
                variables=env.get_reward_variables(),
                step=step,
                score=score,
            )
        finally:
            env.close()
    except RlplayError as error:
        return _failed(example, str(error), "")
    except Exception as error:
        return _failed(example, f"{type(error).__name__}: {error}", traceback.format_exc())


def _size(env: BaseEnvironment) -> int:
    return int(np.prod(env.observation_space.shape or (1,)))


def _blocks(env: BaseEnvironment) -> tuple[dict[str, Any], ...]:
    """Give what an observation is made of; one block, where the environment does not say."""
    size = _size(env)
    whole = {
        "name": "observation",
        "start": 0,
        "size": size,
        "meaning": "the numbers that the environment gives",
        "low": float(np.min(getattr(env.observation_space, "low", -np.inf))),
        "high": float(np.max(getattr(env.observation_space, "high", np.inf))),
        "labels": [],
    }
    described = env.get_metadata().get("observation") or [whole]
    return tuple({**whole, "meaning": "", **block} for block in described)


def _failed(example: Example, problem: str, details: str) -> Example:
    return Example(example.env_name, example.env_config, problem=problem, details=details)


def _leading_rewards(env_name: str) -> dict[str, Any]:
    known = get_env_spec(env_name).reward_model.model_fields
    return {name: value for name, value in _LEAD.items() if name in known}


def _play(env: BaseEnvironment) -> tuple[int, float]:
    """Play without ending the episode; give the moves played and the score."""
    generator = np.random.default_rng(_SEED)
    env.action_space.seed(_SEED)
    env.reset(seed=_SEED)
    if not env.goes_on:  # a world that waits is shown as it waits
        return 0, 0.0
    until = time.monotonic() + _SECONDS
    returns = 0.0
    left = _MOVES
    for step in range(1, _MOVES + 1):
        action = _good_action(env, generator)
        if action is None:
            return step - 1, returns
        _, reward, ended, cut, info = env.step(action)
        returns = float(info.get("score", returns + float(reward)))
        if ended or cut:  # only where nobody could look ahead
            env.reset(seed=_SEED + step)
            returns = 0.0
        elif returns >= _SCORE:
            left = min(left, _MORE_MOVES + 1)
        left -= 1
        if left == 0 or time.monotonic() > until:
            break
    return step, returns


def _good_action(env: BaseEnvironment, generator: np.random.Generator) -> Any:
    """Choose what pays most at once and ends nothing; None where everything ends the episode.

    In an environment that cannot go back, chance chooses.
    """
    count = getattr(env.action_space, "n", None)
    try:
        before = env.get_state()
    except ContractError:
        before = None
    if before is None or count is None:
        return env.action_space.sample()
    best, most = None, -np.inf
    for action in generator.permutation(int(count)).tolist():
        _, reward, ended, cut, _ = env.step(action)
        env.set_state(before)
        if not (ended or cut) and float(reward) > most:
            best, most = action, float(reward)
    return best


# One example for each board, made by the clerk ---------------------------------------------------

Key = tuple[EnvSpec, str, tuple[Any, ...]]

_lock = threading.Lock()
_examples: OrderedDict[Key, Example] = OrderedDict()
#: The example that a desk showed last, and whether the clerk is making its next one.
_shown: weakref.WeakKeyDictionary[Desk, Example] = weakref.WeakKeyDictionary()
_making: weakref.WeakSet[Desk] = weakref.WeakSet()


def _key(config: RunConfig) -> Key | None:
    try:
        spec = get_env_spec(config.env_name)
    except UnknownEnvironment:
        return None
    # An environment or a block that is defined again is another one.
    own = blocks_of(config.env_config)
    return spec, json.dumps(config.env_config, sort_keys=True), own


def get_example(desk: Desk) -> Example | None:
    """Give the example board of a desk's draft; returns at once.

    Returns:
        The example; the one before it, or None, until the clerk has made a new one.
    """
    key = _key(desk.draft.config)
    with _lock:
        found = _examples.get(key) if key is not None else None
        if found is not None:
            _shown[desk] = found
        elif key is not None and desk not in _making:
            _making.add(desk)
            clerk.submit(lambda: _make(desk))
        last = _shown.get(desk)
    return last if last is not None and last.env_name == desk.draft.config.env_name else None


def _make(desk: Desk) -> None:
    """Make the example of what the draft says by now; in the clerk's thread."""
    try:
        config = desk.draft.config
        key = _key(config)
        if key is None:
            return
        example = play_example(config.env_name, config.env_config)
        with _lock:
            _examples[key] = example
            while len(_examples) > _KEPT:
                _examples.popitem(last=False)
    finally:
        with _lock:
            _making.discard(desk)
        desk.wake()


def preview(desk: Desk, frame: Frame) -> Shown:
    """Give what the board shows: what is watched, or an example of the board that Start opens."""
    shown = _preview(desk, frame)
    if desk.game is None and frame.snapshot.state not in LIVE and shown.state is not None:
        return _with_rewards(desk, shown)
    return shown


def _with_rewards(desk: Desk, shown: Shown) -> Shown:
    """Have the board say what the draft's rewards are, where its picture shows them."""
    config, spec = desk.draft.config, get_env_spec(shown.env_name)
    if spec.name != config.env_name or shown.state is None:
        return shown
    rewards = spec.reward_model.model_validate(config.reward_config)
    state = spec.env.with_rewards(shown.state, rewards)
    return shown if state == shown.state else replace(shown, state=state)


def _preview(desk: Desk, frame: Frame) -> Shown:
    """Give what the board shows, with the rewards that its state has."""
    shown = desk.shown(frame)
    config = desk.draft.config
    if desk.game is not None or frame.snapshot.state in LIVE:
        options = _outlined(desk, frame)
        if options is None or shown.state is None:
            return shown
        words = "training; outlined is what the draft would see"
        return replace(shown, words=words, version=hash((shown.version, json.dumps(options))))
    session = frame.session
    if session is not None and frame.snapshot.game_state is not None:
        there = session.config
        if (there.env_name, there.env_config) == (config.env_name, config.env_config):
            return replace(shown, version=_version(desk, frame, shown, config.env_config))
    example = get_example(desk)
    if example is None:
        return Shown(env_name=config.env_name, env_config=config.env_config)
    return Shown(
        version=_version(desk, frame, shown, example.env_config),
        env_name=example.env_name,
        state=example.state,
        words="an example",
        step=example.step,
        score=example.score,
        env_config=example.env_config,
    )


def _version(desk: Desk, frame: Frame, shown: Shown, env_config: dict[str, Any]) -> int:
    """Tell pictures apart: another window over the same board is another one."""
    return hash((shown.version, json.dumps(env_config) if _shows_window(desk, frame) else ""))


def draw_preview(desk: Desk, frame: Frame, shown: Shown, picture: Picture) -> None:
    """Draw over a board what a snake with the draft's options would see of it."""
    if shown.env_name != "snake" or shown.state is None:
        return
    if _shows_window(desk, frame):
        draw_window(picture, shown.env_config, shown.state, frame.palette)
    elif (options := _outlined(desk, frame)) is not None:
        options = options | {"grid_size": shown.state["grid_size"]}
        draw_window(picture, options, shown.state, frame.palette, fog=False)


def _outlined(desk: Desk, frame: Frame) -> dict[str, Any] | None:
    """Give the draft's options, where somebody changes them beside a snake that trains with others.

    What it would see with them is then outlined on the training board.
    """
    draft, session = desk.draft.config, frame.session
    if session is None or frame.snapshot.state not in LIVE:
        return None
    if desk.chosen_tab() != "World" or desk.game is not None:
        return None
    there = session.config
    if (draft.env_name, there.env_name) != ("snake", "snake"):
        return None
    return draft.env_config if draft.env_config != there.env_config else None


def _shows_window(desk: Desk, frame: Frame) -> bool:
    """Whether somebody edits what is seen, and nothing plays or shows it anyway."""
    return (
        desk.chosen_tab() == "World"
        and desk.game is None
        and frame.snapshot.state not in LIVE
        and "sees" not in desk.choices
    )

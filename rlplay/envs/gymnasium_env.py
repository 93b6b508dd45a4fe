"""Any environment of Gymnasium with discrete actions, by its name: ``gymnasium:CartPole-v1``.

Observations become flat float32 vectors; a discrete one becomes `OneHot`, so that a table can hold
it too. Pictures come from the environment's own ``render_mode="rgb_array"``; the classic ones need
pygame for that, which the extra ``gymnasium-classic`` brings. Without it they train as well.
"""

from __future__ import annotations

import base64
import io
import re
from functools import partial
from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from rlplay.envs.base import BaseEnvironment
from rlplay.envs.onehot import OneHot
from rlplay.errors import ConfigError, ContractError, UnknownEnvironment, nearest
from rlplay.seeding import EPISODE_SEED_BITS

__all__ = ["PREFIX", "GymnasiumConfig", "GymnasiumEnv", "gymnasium_class"]

#: What the names of Gymnasium's environments begin with.
PREFIX: Final = "gymnasium:"
#: Width and height of a picture for the board, at most, in pixels.
_PICTURE: Final = 320
#: What is said of an environment that cannot be drawn.
_DRAWS_NOTHING: Final = (
    "{} draws no picture. For one, its __init__ takes render_mode, its metadata names it "
    '(render_modes: ["rgb_array"]), and its render() gives an array (height, width, 3) uint8'
)


class GymnasiumConfig(BaseModel):
    """Options of an environment of Gymnasium."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    options: dict[str, JsonValue] = Field(
        default_factory=dict,
        description='arguments of the environment itself, such as {"is_slippery": false}',
        json_schema_extra={"group": "board"},
    )
    max_steps: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="steps after which an episode is cut (truncated, not ended); none keeps the "
        "environment's own limit",
        json_schema_extra={"unit": "steps", "group": "board"},
    )


class GymnasiumEnv(BaseEnvironment):
    """An environment of Gymnasium as one of rlplay's.

    Attributes:
        gymnasium_name: Gymnasium's id of it.
        inner: The environment itself, wrapped as Gymnasium makes it.
    """

    config_model = GymnasiumConfig
    config: GymnasiumConfig
    gymnasium_name: ClassVar[str] = ""

    def __init__(
        self,
        config: BaseModel | None = None,
        rewards: BaseModel | None = None,
        *,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(config, rewards, render_mode=render_mode)
        self._cannot_draw = ""
        self.inner = self._make()
        what = f"{PREFIX}{self.gymnasium_name}"
        if not isinstance(self.inner.action_space, spaces.Discrete):
            raise ContractError(
                f"{what} has the actions {self.inner.action_space}; agents here choose one of n "
                "(Discrete). Wrap it into an environment of your own that offers a choice."
            )
        self._first_action = int(self.inner.action_space.start)
        self._num_actions = int(self.inner.action_space.n)
        self.action_space = spaces.Discrete(self._num_actions)
        seen = self.inner.observation_space
        if isinstance(seen, spaces.Discrete):
            self.observation_space: spaces.Box = OneHot(int(seen.n))
        else:
            try:
                flat: Any = spaces.flatten_space(seen)
            except NotImplementedError:
                flat = seen
            if not isinstance(flat, spaces.Box):
                raise ContractError(
                    f"{what} has the observations {seen}, which are no flat vector. Wrap it into "
                    "an environment of your own that gives one."
                )
            size = int(np.prod(flat.shape))
            low = np.asarray(flat.low, np.float32).reshape(size)
            high = np.asarray(flat.high, np.float32).reshape(size)
            self.observation_space = spaces.Box(low, high, (size,), np.float32)
        self._observation = np.zeros(self.observation_space.shape, np.float32)

    def _make(self) -> gymnasium.Env[Any, Any]:
        options: dict[str, Any] = dict(self.config.options)
        if self.config.max_steps is not None:
            options["max_episode_steps"] = self.config.max_steps
        make = partial(gymnasium.make, self.gymnasium_name, disable_env_checker=True, **options)
        try:
            if self._draws():
                try:
                    return make(render_mode="rgb_array")
                except TypeError as error:
                    if "unexpected keyword argument 'render_mode'" not in str(error):
                        raise
            # Somebody's own, as short as it can be: it trains as well.
            self._cannot_draw = _DRAWS_NOTHING.format(self.gymnasium_name)
            return make()
        except (gymnasium.error.Error, ImportError, TypeError, ValueError) as error:
            raise ConfigError(
                f"Gymnasium cannot make {self.gymnasium_name!r}: {error}. Look at its options, or "
                "install what it needs."
            ) from error

    def _draws(self) -> bool:
        """Whether the environment says that it draws arrays, or does not say."""
        creator: Any = gymnasium.spec(self.gymnasium_name).entry_point
        if isinstance(creator, str):
            creator = load_env_creator(creator)
        metadata = getattr(creator, "metadata", None)
        modes = metadata.get("render_modes") if isinstance(metadata, dict) else None
        return modes is None or "rgb_array" in modes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; the seed fixes it."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(1 << EPISODE_SEED_BITS))
        observation, _ = self.inner.reset(seed=seed, options=options)
        self._observation = self._flat(observation)
        return self._observation, {"episode_seed": seed}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Do one step."""
        observation, reward, terminated, truncated, _ = self.inner.step(
            int(action) + self._first_action
        )
        self._observation = self._flat(observation)
        return self._observation, float(reward), bool(terminated), bool(truncated), {}

    def _flat(self, observation: Any) -> NDArray[np.float32]:
        space = self.inner.observation_space
        if isinstance(space, spaces.Discrete):
            seen = np.zeros(int(space.n), np.float32)
            seen[int(observation) - int(space.start)] = 1.0
            return seen
        flat: NDArray[np.float32] = np.asarray(spaces.flatten(space, observation), np.float32)
        return flat.reshape(-1)

    def render(self) -> NDArray[np.uint8]:
        """Draw it as the environment itself does, (height, width, 3) uint8.

        Raises:
            ContractError: When it cannot be drawn here.
        """
        if not self._cannot_draw:
            try:
                picture: Any = self.inner.render()
                if isinstance(picture, np.ndarray) and picture.ndim == 3:
                    return np.asarray(picture, np.uint8)
                self._cannot_draw = _DRAWS_NOTHING.format(self.gymnasium_name)
            except NotImplementedError:
                self._cannot_draw = _DRAWS_NOTHING.format(self.gymnasium_name)
            except gymnasium.error.DependencyNotInstalled:
                self._cannot_draw = (
                    f"The picture of {self.gymnasium_name} needs pygame: "
                    'pip install "rlplay[gymnasium-classic]"'
                )
        raise ContractError(f"{self._cannot_draw}.")

    def render_state(self) -> dict[str, Any]:
        """Give what the agent sees, and a picture (PNG in base64), or why there is none."""
        state: dict[str, Any] = {"observation": self._observation.tolist()}
        try:
            picture = Image.fromarray(self.render())
        except ContractError as error:
            return {**state, "text": str(error)}
        picture.thumbnail((_PICTURE, _PICTURE))
        with io.BytesIO() as file:
            picture.save(file, "png")
            state["png"] = base64.b64encode(file.getvalue()).decode("ascii")
        return state

    def get_metadata(self) -> dict[str, Any]:
        """Describe the observation by its numbers."""
        size = int(self.observation_space.shape[0])
        low, high = (
            float(self.observation_space.low.min()),
            float(self.observation_space.high.max()),
        )
        block = {
            "name": "observation",
            "start": 0,
            "size": size,
            "meaning": "as Gymnasium gives it, flattened",
            "low": low if np.isfinite(low) else None,
            "high": high if np.isfinite(high) else None,
            "channel": False,
            "labels": [f"number {index + 1}" for index in range(size)],
        }
        actions = [f"action {index}" for index in range(self._num_actions)]
        return {**super().get_metadata(), "observation": [block], "actions": actions}

    def close(self) -> None:
        """Close the environment itself."""
        self.inner.close()


def gymnasium_class(name: str) -> type[GymnasiumEnv]:
    """Give the class of an environment of Gymnasium.

    Args:
        name: ``gymnasium:`` and Gymnasium's id; an id that names a module to import is refused.

    Returns:
        A class that makes it.

    Raises:
        UnknownEnvironment: When Gymnasium has no such environment.
    """
    inner = name.removeprefix(PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?", inner):
        raise UnknownEnvironment(
            f"No environment {name!r}: after {PREFIX!r} comes Gymnasium's name of it, such as "
            "CartPole-v1, and no module."
        )
    if inner not in gymnasium.registry:
        raise UnknownEnvironment(
            f"No environment {name!r}.{nearest(inner, list(gymnasium.registry))} Gymnasium has "
            f"{len(gymnasium.registry)}; gymnasium.pprint_registry() lists them."
        )
    words = re.sub(r"[^A-Za-z0-9]", "", inner)
    return type(
        f"Gymnasium{words}",
        (GymnasiumEnv,),
        {"gymnasium_name": inner, "__doc__": f"{inner} of Gymnasium.", "__module__": __name__},
    )

"""Replay: seed and actions give exactly the same episode again."""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from rlplay.config import RunConfig
from rlplay.envs import BaseEnvironment, create_env, get_env_spec
from rlplay.envs.vector import checked_seed
from rlplay.errors import ConfigError, ContractError, DamagedFile, StorageError
from rlplay.storage.files import check_id, json_sum, seal

__all__ = ["FORMAT_VERSION", "Frames", "Outcome", "Replay", "ReplayCheck", "play", "replay_id"]

#: Version of the JSON that `Replay.to_dict` gives. Version 1 had no SHA-256 sum.
FORMAT_VERSION: Final = 2

#: The run of the replays that belong to none; see `Replay.record`.
_NO_RUN: Final = "played"

#: How an episode ended that has not.
_UNFINISHED: Final = "unfinished"

#: How many states `Frames` keeps at most, and how many steps lie at least between two of them.
_MAX_KEYFRAMES: Final = 256
_MIN_INTERVAL: Final = 16


def replay_id(episode: int, board: int) -> str:
    """Name a replay by its place in the run, never by clock or chance.

    Args:
        episode: Number of the episode in its run, from 1.
        board: The board that it was played on.

    Returns:
        An id whose order is the order of the episodes.
    """
    return f"e{episode:09d}-b{board}"


def _read_actions(value: Any) -> Any:
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()) and value:
            raise ValueError("a text of actions must consist of the digits 0 to 9, one an action")
        return tuple(map(int, value))
    return tuple(value) if isinstance(value, list) else value


def _write_actions(actions: tuple[int, ...]) -> str | list[int]:
    """One digit an action where that is enough, else a list of numbers."""
    if all(0 <= action <= 9 for action in actions):
        return "".join(map(str, actions))
    return list(actions)


Actions = Annotated[
    tuple[int, ...],
    BeforeValidator(_read_actions),
    PlainSerializer(_write_actions, return_type=str | list[int]),
]


class Replay(BaseModel):
    """One episode, as what it takes to play it again.

    It is one of a run, or was played by somebody (`record`). The return is what was paid while
    training, and not checked: a person may change rewards in the middle of an episode.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    replay_id: str
    run_id: str
    env_name: str
    env_config: dict[str, Any]
    reward_config: dict[str, Any]
    environment_version: int
    episode_seed: int = Field(ge=0, lt=2**63)
    actions: Actions
    score: float = Field(description="apples eaten in the episode")
    length: int = Field(ge=1, json_schema_extra={"unit": "steps"})
    episode_return: float = Field(description="sum of the rewards while training")
    ending: str
    death_reason: str | None
    final_hash: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the last `render_state`"
    )
    episode: int = Field(ge=1, description="number of the episode in its run")
    total_steps: int = Field(ge=1, description="environment steps of the run when it ended")

    @model_validator(mode="after")
    def _check(self) -> Replay:
        check_id(self.replay_id, "replay id")
        check_id(self.run_id)
        if len(self.actions) != self.length:
            raise ValueError(f"{len(self.actions)} actions do not make {self.length} steps")
        return self

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Replay:
        """Build a replay from its JSON shape, of this format version or an earlier one.

        Raises:
            DamagedFile: When it is not what `to_dict` gave.
            StorageError: When a newer rlplay wrote it.
        """
        name = values.get("replay_id")
        fields = dict(values)
        version = fields.pop("format_version", None)
        if type(version) is not int or version < 1:
            raise _damaged(name, f"format_version is {version!r}, not 1 to {FORMAT_VERSION}")
        if version > FORMAT_VERSION:
            raise StorageError(
                f"This replay has format version {version}; this rlplay reads versions up to "
                f"{FORMAT_VERSION}. Install the newest rlplay to watch it."
            )
        if version > 1:
            claimed = fields.pop("sha256", None)
            try:
                found = json_sum({**fields, "format_version": version})
            except (ValueError, RecursionError) as error:
                raise _damaged(name, str(error)) from None
            if claimed != found:
                raise _damaged(name, "its content does not fit its SHA-256 sum")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(map(str, detail["loc"][:1])) or "its values"
            raise _damaged(name, f"{place}: {detail['msg']}") from None

    def to_dict(self) -> dict[str, Any]:
        """Give the replay in its JSON shape, with the format's version and a SHA-256 sum.

        The sum is that of the rest in canonical JSON: keys sorted, no spaces, ASCII only.
        """
        return seal({"format_version": FORMAT_VERSION, **self.model_dump(mode="json")})

    @property
    def is_of_a_run(self) -> bool:
        """Whether the episode is one of a run; otherwise somebody played it (`record`)."""
        return self.run_id != _NO_RUN

    @classmethod
    def record(cls, config: RunConfig, episode_seed: int, actions: Iterable[int]) -> Replay:
        """Make a replay of an episode that belongs to no run, such as a game that a person played.

        The actions are played, and the replay claims what came of it, so that it verifies. Its
        run_id is "played", its replay_id follows from the game alone: the same game has the same.

        Args:
            config: Names the environment with its options and rewards.
            episode_seed: What the environment was reset with, ``info["episode_seed"]``.
            actions: One for each step, at least one; those after the end are left out. Where the
                episode goes on after the last one, its ending is "unfinished".

        Returns:
            The replay.

        Raises:
            ConfigError: For no actions, or a seed from which no episode can begin.
            ContractError: For an action that the environment does not know.
        """
        seed = checked_seed(episode_seed)
        played = tuple(int(action) for action in actions)
        if not played:
            raise ConfigError("A replay needs at least one action, and this episode has none.")
        outcome = play(config.env_name, config.env_config, config.reward_config, seed, played)
        fields: dict[str, Any] = {
            "run_id": _NO_RUN,
            "env_name": config.env_name,
            "env_config": config.env_config,
            "reward_config": config.reward_config,
            "environment_version": outcome.environment_version,
            "episode_seed": seed,
            "actions": played[: outcome.length],
            "score": outcome.episode_return if outcome.score is None else outcome.score,
            "length": outcome.length,
            "episode_return": outcome.episode_return,
            "ending": outcome.ending,
            "death_reason": outcome.death_reason,
            "final_hash": outcome.final_hash,
            "episode": 1,
            "total_steps": outcome.length,
        }
        return cls(replay_id=f"{_NO_RUN}-{json_sum(fields)[:16]}", **fields)

    def frames(self) -> Frames:
        """Play the episode again, frame by frame.

        Returns:
            ``length + 1`` states: the one after the reset, and one after each step.
        """
        return Frames(self)

    def verify(self) -> ReplayCheck:
        """Play the episode again and compare it with what the replay claims.

        Returns:
            Whether it gives the claimed score, length, ending, death reason and last board. Where
            this version of the environment is not the one that the replay was made with, the
            answer says so and judges nothing.

        Raises:
            UnknownEnvironment: When the environment is not registered here.
        """
        version = get_env_spec(self.env_name).version
        return ReplayCheck(self.env_name, self.environment_version, version, self._differences())

    def _differences(self) -> tuple[str, ...]:
        try:
            outcome = play(
                self.env_name, self.env_config, self.reward_config, self.episode_seed, self.actions
            )
        except Exception as error:  # whatever a guest's environment raises at a made-up action
            return (f"it cannot be played: {type(error).__name__}: {error}",)
        differences = outcome.differences(self.score, self.length, self.ending)
        if outcome.score is None and not self.reward_config:  # the return is shown as the score
            paid = outcome.episode_return
            if not math.isclose(paid, self.score, rel_tol=1e-5, abs_tol=1e-5):
                differences.append(f"score: {paid:g}, not {self.score:g}")
        if outcome.death_reason != self.death_reason:
            differences.append(f"death reason: {outcome.death_reason!r}, not {self.death_reason!r}")
        if outcome.final_hash != self.final_hash:
            differences.append("the last board is another one")
        return tuple(differences)

    def save_gif(
        self, path: str | os.PathLike[str], *, fps: float = 10, every: int = 1, pixels: int = 400
    ) -> None:
        """Save the episode as an animated GIF.

        Args:
            path: The file, whose name ends in ".gif"; its folder must exist.
            fps: Frames a second, at most 50; a GIF counts in hundredths of a second.
            every: Show each n-th step only; the last one is shown in any case, and longer.
            pixels: Enlarge the picture to about this width or height, without blur.

        Raises:
            ConfigError: For a value out of range.
            ContractError: When the environment draws no picture.
            StorageError: When the file cannot be written; an old one is as it was.
        """
        from rlplay.storage import replay_export

        replay_export.save_gif(self, path, fps=fps, every=every, pixels=pixels)

    def save_mp4(
        self, path: str | os.PathLike[str], *, fps: float = 10, every: int = 1, pixels: int = 400
    ) -> None:
        """Save the episode as a video; needs ``pip install 'rlplay[video]'``.

        Args:
            path: The file, whose name ends in ".mp4"; its folder must exist.
            fps: Frames a second, at most 120.
            every: Show each n-th step only; the last one is shown in any case, and longer.
            pixels: Enlarge the picture to about this width or height, without blur.

        Raises:
            ConfigError: For a value out of range.
            ContractError: When the environment draws no picture.
            StorageError: When the extra is missing, or the file cannot be written; an old one is
                as it was.
        """
        from rlplay.storage import replay_export

        replay_export.save_mp4(self, path, fps=fps, every=every, pixels=pixels)

    def save_html(self, path: str | os.PathLike[str], *, title: str | None = None) -> None:
        """Save the episode as one page that plays it in any browser, offline.

        Args:
            path: The file, whose name ends in ".html"; its folder must exist.
            title: What stands above the board; by default the environment's title.

        Raises:
            ContractError: When the environment draws no picture.
            StorageError: When the file cannot be written; an old one is as it was.
        """
        from rlplay.storage import replay_export

        replay_export.save_html(self, path, title=title)


def _damaged(name: Any, reason: str) -> DamagedFile:
    return DamagedFile(
        f"Replay {name!r} is damaged: {reason}. Delete it, or put back a copy of its file."
    )


@dataclass(frozen=True, slots=True)
class ReplayCheck:
    """What `Replay.verify` found; true when the replay gives what it claims.

    Attributes:
        env_name: The environment.
        made_with: Version of the environment that the replay was made with.
        played_with: Version of the environment here.
        differences: What differs, one sentence each.
    """

    env_name: str
    made_with: int
    played_with: int
    differences: tuple[str, ...]

    @property
    def same_version(self) -> bool:
        """Whether the replay can be judged here."""
        return self.made_with == self.played_with

    @property
    def ok(self) -> bool:
        """Whether the replay gives what it claims, with the environment that it was made with."""
        return self.same_version and not self.differences

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        found = "; ".join(self.differences)
        if self.same_version:
            return found or "ok"
        return (
            f"it was made with version {self.made_with} of environment {self.env_name!r} and "
            f"cannot be judged with version {self.played_with}, which gives "
            + (f"another episode ({found})" if found else "all that it claims")
        )


class Outcome(NamedTuple):
    """How an episode went when it was played again.

    Attributes:
        score: None where the environment counts none.
        length: Steps until the end, or until the actions ran out.
        episode_return: Sum of the rewards.
        ending: "unfinished" when the episode had not ended by then.
        death_reason: What the environment says of it.
        final_hash: SHA-256 of the last `render_state`, in hexadecimal digits.
        environment_version: Version of the environment that played it.
    """

    score: float | None
    length: int
    episode_return: float
    ending: str
    death_reason: str | None
    final_hash: str
    environment_version: int

    def differences(self, score: float, length: int, ending: str) -> list[str]:
        """Say in which way this is another episode than the one described."""
        found = []
        if self.score is not None and self.score != score:
            found.append(f"score: {self.score:g}, not {score:g}")
        if self.length != length:
            found.append(f"length: {self.length} steps, not {length}")
        if self.ending != ending:
            found.append(f"ending: {self.ending}, not {ending}")
        return found


def play(
    env_name: str,
    env_config: dict[str, Any],
    reward_config: dict[str, Any],
    episode_seed: int,
    actions: Iterable[int],
) -> Outcome:
    """Play an episode from its seed and actions.

    Args:
        env_name: A registered environment.
        env_config: Its options.
        reward_config: The values of its events.
        episode_seed: The episode's seed.
        actions: One for each step; those after the end are left out.

    Returns:
        How it went.

    Raises:
        UnknownEnvironment: When the environment is not registered here.
    """
    version = get_env_spec(env_name).version
    env = create_env(env_name, reward_config, **env_config)
    try:
        _, info = env.reset(seed=episode_seed)
        length = 0
        episode_return = 0.0
        ending = _UNFINISHED
        for action in actions:
            _, reward, terminated, truncated, info = env.step(action)
            length += 1
            episode_return += float(reward)
            if terminated or truncated:
                ending = ending_name(info, bool(terminated))
                break
        return Outcome(
            _score(info),
            length,
            episode_return,
            ending,
            info.get("death_reason"),
            state_hash(env.render_state()),
            version,
        )
    finally:
        env.close()


def ending_name(info: dict[str, Any], terminated: bool) -> str:
    """Name how an episode ended, by the info of its last step."""
    if info.get("death_reason"):
        return str(info["death_reason"])
    if info.get("won"):
        return "won"
    return "terminated" if terminated else "truncated"


def _score(info: dict[str, Any]) -> float | None:
    score = info.get("score")
    return None if score is None else float(score)


def state_hash(state: dict[str, Any]) -> str:
    """SHA-256 of a `render_state`, spelled as canonical JSON: keys sorted, no spaces.

    Its picture ("png") is left out: it depends on who draws it.
    """
    return json_sum({name: value for name, value in state.items() if name != "png"})


class Frames(Sequence[dict[str, Any]]):
    """The states of a replay, played when they are asked for, in any order.

    What is asked for the first time is played up to there, and the environment's `get_state` is
    kept every few steps on the way. From then on any step is at most a few steps away from a kept
    state. An environment without `get_state` is played from its reset whenever an earlier step
    than the last one is asked for.

    Belongs to one thread; another one takes `Replay.frames` of its own.
    """

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        spec = get_env_spec(replay.env_name)
        self._version = spec.version
        draws = "rgb_array" in spec.env.metadata.get("render_modes", ())
        self._render_mode = "rgb_array" if draws else None
        self._env = self._make_env()
        self._interval = max(_MIN_INTERVAL, -(-len(self) // _MAX_KEYFRAMES))
        self._end: int | None = None  # the step that ended the episode, once it was played
        self._scores = [_score(self._rewind())]  # after each step that was played
        self._keyframes: list[dict[str, Any]] = []  # the state after each `_interval` steps
        with suppress(ContractError):
            self._keyframes.append(self._env.get_state())

    def _make_env(self) -> BaseEnvironment:
        replay = self.replay
        return create_env(
            replay.env_name,
            replay.reward_config,
            render_mode=self._render_mode,
            **replay.env_config,
        )

    def _rewind(self) -> dict[str, Any]:
        _, info = self._env.reset(seed=self.replay.episode_seed)
        self._position = 0
        return info

    def __len__(self) -> int:
        return self.replay.length + 1

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Give the state after ``index`` steps.

        Raises:
            IndexError: Beyond the replay's length.
            DamagedFile: When the episode ends earlier than the replay claims.
            StorageError: When it does so with another version of the environment.
        """
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        self._go_to(index)
        return self._env.render_state()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[position] for position in range(len(self)))

    def render(self, index: int) -> NDArray[np.uint8]:
        """Draw the state after ``index`` steps, as the environment itself draws it.

        Returns:
            (height, width, 3) uint8.

        Raises:
            ContractError: When the environment draws no picture.
            IndexError: Beyond the replay's length; and what `__getitem__` raises besides.
        """
        self._go_to(index)
        try:
            picture = self._env.render()
        except NotImplementedError:
            picture = None
        if not (
            isinstance(picture, np.ndarray)
            and picture.dtype == np.uint8
            and picture.ndim == 3
            and picture.shape[2] == 3
        ):
            raise ContractError(
                f"Environment {self.replay.env_name!r} draws no picture. Let its render() give a "
                "(height, width, 3) array of uint8 when render_mode is 'rgb_array'."
            )
        return picture

    def fork(self, index: int) -> BaseEnvironment:
        """Give an environment of its own that stands where a frame does, to play on from there.

        Args:
            index: The state after so many steps.

        Returns:
            A fresh environment with the replay's options and rewards; what is done with it does
            not touch the replay. Where the episode has ended in that frame, it needs a reset.

        Raises:
            IndexError: Beyond the replay's length; and what `__getitem__` raises besides.
        """
        self._go_to(index)
        env = self._make_env()
        env.reset(seed=self.replay.episode_seed)
        if self._keyframes:
            env.set_state(copy.deepcopy(self._env.get_state()))
        else:
            for action in self.replay.actions[: self._position]:
                env.step(action)
        return env

    def scores(self) -> list[float | None]:
        """List the score after the reset and after each step; plays what was not played yet.

        Returns:
            ``length + 1`` numbers, or None where the environment counts no score.
        """
        if len(self._scores) < len(self):
            self._go_to(-1)
        return list(self._scores)

    def apple_steps(self) -> list[int]:
        """List the steps at which the score grew: for snake, those that ate an apple.

        Returns:
            Steps in order, 1 is the first one; empty where the environment counts no score.
        """
        return [
            step
            for step, (before, after) in enumerate(itertools.pairwise(self.scores()), 1)
            if before is not None and after is not None and after > before
        ]

    def _go_to(self, index: int) -> None:
        """Bring the environment to the state after so many steps."""
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(
                f"Replay {self.replay.replay_id!r} has frames 0 to {len(self) - 1}, not {index}."
            )
        kept = min(position // self._interval, max(0, len(self._keyframes) - 1))
        if not kept * self._interval <= self._position <= position:
            if self._keyframes:
                # A copy, since an environment may go on in the arrays that it is given.
                self._env.set_state(copy.deepcopy(self._keyframes[kept]))
                self._position = kept * self._interval
            else:
                self._rewind()
        for action in self.replay.actions[self._position : position]:
            self._step(action)

    def _step(self, action: int) -> None:
        if self._position == self._end:
            raise self._ended_early()
        _, _, terminated, truncated, info = self._env.step(action)
        self._position += 1
        if terminated or truncated:
            self._end = self._position
        if self._position == len(self._scores):
            self._scores.append(_score(info))
        if self._keyframes and self._position == len(self._keyframes) * self._interval:
            self._keyframes.append(self._env.get_state())

    def _ended_early(self) -> StorageError:
        replay = self.replay
        found = (
            f"Replay {replay.replay_id!r} ends after {self._end} steps when it is played again, "
            f"not after {replay.length}"
        )
        if replay.environment_version != self._version:
            return StorageError(
                f"{found}: it was made with version {replay.environment_version} of environment "
                f"{replay.env_name!r}, and this is version {self._version}. Watch it with the "
                "rlplay or the code that made it."
            )
        return DamagedFile(f"{found}: {replay.verify()}.")

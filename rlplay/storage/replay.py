"""Replay: seed and actions give exactly the same episode again."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, overload

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from rlplay.envs import create_env, get_env_spec
from rlplay.errors import DamagedFile, StorageError
from rlplay.storage.files import check_id

__all__ = ["FORMAT_VERSION", "Frames", "Outcome", "Replay", "ReplayCheck", "play", "replay_id"]

#: Version of the JSON that `Replay.to_dict` gives.
FORMAT_VERSION: Final = 1


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
    """One episode of a run, as what it takes to play it again.

    The return is what was paid while training, and not checked: a person may change rewards in
    the middle of an episode.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format_version: Literal[1] = FORMAT_VERSION
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
        """Build a replay from its JSON shape.

        Raises:
            DamagedFile: When it is not what `to_dict` gave.
            StorageError: When a newer rlplay wrote it.
        """
        version = values.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise StorageError(
                f"This replay has format version {version}; this rlplay reads versions up to "
                f"{FORMAT_VERSION}. Install the newest rlplay to watch it."
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(map(str, detail["loc"][:1])) or "its values"
            raise DamagedFile(
                f"Replay {values.get('replay_id')!r} is damaged: {place}: {detail['msg']}. Delete "
                "it, or put back a copy of its file."
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Give the replay in its JSON shape."""
        return self.model_dump(mode="json")

    def frames(self) -> Frames:
        """Play the episode again, frame by frame.

        Returns:
            ``length + 1`` states: the one after the reset, and one after each step.
        """
        return Frames(self)

    def verify(self) -> ReplayCheck:
        """Play the episode again and compare it with what the replay claims."""
        outcome = play(
            self.env_name, self.env_config, self.reward_config, self.episode_seed, self.actions
        )
        differences = outcome.differences(self.score, self.length, self.ending)
        if outcome.death_reason != self.death_reason:
            differences.append(f"death reason: {outcome.death_reason!r}, not {self.death_reason!r}")
        if outcome.final_hash != self.final_hash:
            differences.append("the last board is another one")
        if differences and outcome.environment_version != self.environment_version:
            differences.append(
                f"environment {self.env_name!r} has version {outcome.environment_version}, the "
                f"replay was made with version {self.environment_version}"
            )
        return ReplayCheck(not differences, tuple(differences))


@dataclass(frozen=True, slots=True)
class ReplayCheck:
    """What `Replay.verify` found; true when the replay gives what it claims.

    Attributes:
        ok: Whether nothing differs.
        differences: What differs, one sentence each.
    """

    ok: bool
    differences: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "ok" if self.ok else "; ".join(self.differences)


class Outcome(NamedTuple):
    """How an episode went when it was played again.

    Attributes:
        score: None where the environment counts none.
        length: Steps until the end, or until the actions ran out.
        ending: None when the episode had not ended by then.
        death_reason: What the environment says of it.
        final_hash: SHA-256 of the last `render_state`, in hexadecimal digits.
        environment_version: Version of the environment that played it.
    """

    score: float | None
    length: int
    ending: str | None
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
            found.append(f"ending: {self.ending or 'none'}, not {ending}")
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
        ending = None
        for action in actions:
            _, _, terminated, truncated, info = env.step(action)
            length += 1
            if terminated or truncated:
                ending = ending_name(info, bool(terminated))
                break
        score = info.get("score")
        return Outcome(
            None if score is None else float(score),
            length,
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


def state_hash(state: dict[str, Any]) -> str:
    """SHA-256 of a `render_state`, spelled as canonical JSON: keys sorted, no spaces."""
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Frames(Sequence[dict[str, Any]]):
    """The states of a replay, played when they are asked for.

    Reading forward costs one step a frame; going back plays from the start again.
    """

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self._env = create_env(replay.env_name, replay.reward_config, **replay.env_config)
        self._rewind()

    def _rewind(self) -> None:
        self._env.reset(seed=self.replay.episode_seed)
        self._position = 0
        self._over = False

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
        """
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(
                f"Replay {self.replay.replay_id!r} has frames 0 to {len(self) - 1}, not {index}."
            )
        if position < self._position:
            self._rewind()
        for action in itertools.islice(self.replay.actions, self._position, position):
            self._step(action)
        return self._env.render_state()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[position] for position in range(len(self)))

    def _step(self, action: int) -> None:
        if self._over:
            raise DamagedFile(
                f"Replay {self.replay.replay_id!r} ends after {self._position} steps when it is "
                f"played again, not after {self.replay.length}: {self.replay.verify()}."
            )
        _, _, terminated, truncated, _ = self._env.step(action)
        self._position += 1
        self._over = bool(terminated or truncated)

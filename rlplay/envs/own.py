"""A person's own reward functions and observation blocks: plain functions, registered by name.

A config names them: ``reward_config["function"]`` and ``env_config["blocks"]``. Both look at the
facts of the boards (`BaseEnvironment.get_facts`), many boards in one call. What a board needs of
them is looked up once, when it is made: defining a function again changes the next boards, and
never those that already play.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model

from rlplay.envs.base import BaseEnvironment, need_name
from rlplay.errors import (
    ConfigError,
    ContractError,
    UnknownObservation,
    UnknownReward,
    nearest,
)
from rlplay.report import explain_failure

__all__ = [
    "OBSERVATION_REGISTRY",
    "REWARD_REGISTRY",
    "Facts",
    "ObservationSpec",
    "OwnBoard",
    "OwnParts",
    "RewardSpec",
    "Transition",
    "blocks_of",
    "list_observations",
    "list_rewards",
    "parts_of",
    "register_observation",
    "register_reward",
    "with_blocks",
    "with_function",
]

#: The name of the option of a reward model that names a reward function.
FUNCTION = "function"
#: The name of the option of an environment that names its additional observation blocks.
BLOCKS = "blocks"
_MOST_NUMBERS = 4096


class Facts(dict[str, NDArray[Any]]):
    """What is true of N boards, by name: arrays whose first axis counts the boards.

    Always there is ``observation`` (N, D) float32: what the environment itself lets the agent see.
    The arrays cannot be written to.
    """

    def __missing__(self, name: str) -> NDArray[Any]:
        raise ContractError(
            f"There is no fact {name!r}.{nearest(str(name), self)} Facts: {', '.join(self)}."
        )

    def of(self, boards: NDArray[Any]) -> Facts:
        """Give the facts of some boards alone."""
        return Facts({name: values[boards] for name, values in self.items()})


def make_facts(facts: Mapping[str, Any], observations: NDArray[Any]) -> Facts:
    """Join the facts of boards with what they show, so that nobody can write to them.

    Args:
        facts: Arrays of N by name.
        observations: (N, D) what the environment itself shows.
    """
    made = Facts()
    for name, values in {**facts, "observation": observations}.items():
        made[name] = _locked(np.asarray(values))
    return made


def _locked(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Transition:
    """One step on N boards, as a reward function sees it.

    Attributes:
        observations: (N, D) float32, what the agent saw.
        actions: (N,) int64, what it did.
        rewards: (N,) float32, what the environment itself pays for the step.
        next_observations: (N, D) float32, what came of it; where an episode ended its last
            observation.
        terminated: (N,) bool, the world ended.
        truncated: (N,) bool, the episode was cut.
        facts: What was true of the boards before the step, by name.
        next_facts: What is true after it; where an episode ended, at its end.
    """

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    next_observations: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    facts: Facts
    next_facts: Facts

    @classmethod
    def read_only(cls, *attributes: Any) -> Transition:
        """Make one of its attributes in their order, so that nobody can write to the arrays."""
        made: Any = [v if isinstance(v, Facts) else _locked(v) for v in attributes]
        return cls(*made)


RewardFunction: TypeAlias = Callable[[Transition], Any]
BlockFunction: TypeAlias = Callable[[Facts], Any]
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True)
class RewardSpec:
    """A registered reward function.

    Attributes:
        name: How ``reward_config["function"]`` asks for it.
        title: What a person reads.
        description: One sentence, from the function's docstring.
        function: Takes a `Transition` of N boards, gives (N,) rewards.
        envs: The environments that it is for; None is all.
    """

    name: str
    title: str
    description: str
    function: RewardFunction
    envs: tuple[str, ...] | None

    def pay(self, transition: Transition) -> NDArray[np.float32]:
        """Give what the step pays.

        Args:
            transition: The step, on N boards.

        Returns:
            (N,) float32.

        Raises:
            ContractError: When the function fails, or gives something else than N numbers.
        """
        what = f"Reward {self.name!r}"
        paid = _called(what, self.function, transition)
        return _numbers(what, paid, transition.rewards.shape, "one number for each board")


@dataclass(frozen=True)
class ObservationSpec:
    """A registered observation block.

    Attributes:
        name: How ``env_config["blocks"]`` asks for it.
        title: What a person reads.
        meaning: One sentence, from the function's docstring.
        size: Numbers for each board.
        low: The lowest number.
        high: The highest number.
        labels: What each number is called.
        function: Takes the `Facts` of N boards, gives (N, size) numbers.
        envs: The environments that it is for; None is all that allow blocks.
    """

    name: str
    title: str
    meaning: str
    size: int
    low: float
    high: float
    labels: tuple[str, ...]
    function: BlockFunction
    envs: tuple[str, ...] | None

    def see(self, facts: Facts) -> NDArray[np.float32]:
        """Give what the block shows.

        Args:
            facts: The facts of N boards.

        Returns:
            (N, size) float32.

        Raises:
            ContractError: When the function fails, or gives something else than these numbers.
        """
        what = f"Observation block {self.name!r}"
        count = len(facts["observation"])
        shown = _called(what, self.function, facts)
        if self.size == 1 and np.shape(shown) == (count,):
            shown = np.asarray(shown)[:, None]
        return _numbers(what, shown, (count, self.size), "its size for each board")

    def describe(self, start: int) -> dict[str, Any]:
        """Give the block's row in the table of inputs, with the place of its first number."""
        return {
            "name": self.name,
            "start": start,
            "size": self.size,
            "meaning": self.meaning,
            "low": self.low,
            "high": self.high,
            "channel": False,
            "labels": list(self.labels),
        }


REWARD_REGISTRY: dict[str, RewardSpec] = {}
OBSERVATION_REGISTRY: dict[str, ObservationSpec] = {}


def _called(what: str, function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a person's function; what it raises is told with the line that it came from."""
    try:
        return function(argument)
    except Exception as error:
        raise ContractError(f"{what} failed: {explain_failure(error, function)}") from error


def _numbers(what: str, values: Any, shape: tuple[int, ...], meaning: str) -> NDArray[np.float32]:
    """Refuse what are not finite numbers of a shape.

    Raises:
        ContractError: Says what came, and the likely mistake.
    """
    if values is None:
        raise ContractError(f"{what} gave None: is there a return at its end?")
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise ContractError(f"{what} gave {type(values).__name__}, not numbers.") from None
    if array.shape != shape:
        likely = ""
        if array.shape == ():
            likely = (
                " One number for all boards is not enough; did you sum over all boards? "
                "Sum over axis=1."
            )
        elif array.size == int(np.prod(shape)):
            likely = " Reshape it."
        raise ContractError(
            f"{what} gave an array of shape {array.shape}; it must give {meaning}: {shape}.{likely}"
        )
    if not np.isfinite(array).all():
        board = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ContractError(
            f"{what} gave {array[board]} on board {board}, not a finite number. Is something "
            "divided by zero there, or the logarithm of 0 taken?"
        )
    return array


def _checked_function(kind: str, function: Any) -> None:
    if not callable(function) or inspect.isclass(function):
        raise ContractError(f"{kind} must be a function, not {function!r}.")


def _first_sentence(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _checked_envs(envs: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if envs is None:
        return None
    return (envs,) if isinstance(envs, str) else tuple(envs)


def register_reward(
    name: str,
    function: RewardFunction | None = None,
    *,
    title: str | None = None,
    envs: str | Sequence[str] | None = None,
) -> Callable[[FunctionT], FunctionT]:
    """Register a reward function; registering a name again replaces it.

    It sees one step of N boards at once and gives one number for each; what the environment itself
    would pay comes as ``t.rewards``::

        @rlplay.register_reward("potential")
        def potential(t):
            def phi(facts):
                return -np.abs(facts["food"] - facts["head"]).sum(axis=1)

            return t.rewards + 0.99 * phi(t.next_facts) * ~t.terminated - phi(t.facts)

    A run uses it when ``reward_config["function"]`` names it. Sessions that run keep what they
    started with.

    Args:
        name: How configs ask for it.
        function: Takes a `Transition` of N boards, gives (N,) numbers; left out when used as a
            decorator.
        title: What a person reads; by default the name.
        envs: The environment or environments that it is for; by default all.

    Returns:
        The function, or the decorator.

    Raises:
        ConfigError: For a name that cannot be.
        ContractError: For something that is no function.
    """
    need_name("A reward function", "register_reward", name)

    def register(function: FunctionT) -> FunctionT:
        _checked_function("A reward", function)
        REWARD_REGISTRY[name] = RewardSpec(
            name, title or name, _first_sentence(function), function, _checked_envs(envs)
        )
        return function

    return register if function is None else register(function)  # type: ignore[return-value]


def register_observation(
    name: str,
    function: BlockFunction | None = None,
    *,
    size: int,
    low: float = -1.0,
    high: float = 1.0,
    labels: Sequence[str] | None = None,
    meaning: str | None = None,
    title: str | None = None,
    envs: str | Sequence[str] | None = None,
) -> Callable[[FunctionT], FunctionT]:
    """Register an observation block; registering a name again replaces it.

    It sees the facts of N boards at once and gives `size` numbers for each::

        @rlplay.register_observation("compass", size=2, envs="snake")
        def compass(facts):
            return np.sign(facts["food"] - facts["head"])

    An environment that gives facts (`BaseEnvironment.get_facts`), as snake does, shows it to the
    agent when ``env_config["blocks"]`` names it. Sessions that run keep what they started with.

    Args:
        name: How configs ask for it.
        function: Takes the `Facts` of N boards, gives (N, size) numbers; left out when used as a
            decorator.
        size: Numbers for each board.
        low: The lowest number that it gives.
        high: The highest number that it gives.
        labels: What each number is called; by default the name and a count.
        meaning: One sentence for people; by default the first line of the docstring.
        title: What a person reads; by default the name.
        envs: The environment or environments that it is for; by default all that allow blocks.

    Returns:
        The function, or the decorator.

    Raises:
        ConfigError: For a name, size or range that cannot be.
        ContractError: For something that is no function.
    """
    need_name("An observation block", "register_observation", name)
    if type(size) is not int or not 1 <= size <= _MOST_NUMBERS:
        raise ConfigError(
            f"Observation block {name!r}: size = {size!r} is not allowed. Allowed: a whole number "
            f"from 1 to {_MOST_NUMBERS}."
        )
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ConfigError(
            f"Observation block {name!r}: from {low} to {high} is no range. Allowed: two finite "
            "numbers, low < high."
        )
    words = tuple(labels or ())
    if not words:
        words = (name,) if size == 1 else tuple(f"{name} {index}" for index in range(size))
    if len(words) != size:
        raise ConfigError(
            f"Observation block {name!r} has {size} numbers and {len(words)} labels. Give one "
            "label for each number."
        )

    def register(function: FunctionT) -> FunctionT:
        _checked_function("An observation block", function)
        OBSERVATION_REGISTRY[name] = ObservationSpec(
            name=name,
            title=title or name,
            meaning=meaning or _first_sentence(function),
            size=size,
            low=float(low),
            high=float(high),
            labels=words,
            function=function,
            envs=_checked_envs(envs),
        )
        return function

    return register if function is None else register(function)  # type: ignore[return-value]


def list_rewards(env_name: str | None = None) -> list[str]:
    """Name the registered reward functions, all or those for an environment."""
    return sorted(
        name
        for name, spec in REWARD_REGISTRY.items()
        if env_name is None or spec.envs is None or env_name in spec.envs
    )


def list_observations(env_name: str | None = None) -> list[str]:
    """Name the registered observation blocks, all or those for an environment."""
    return sorted(
        name
        for name, spec in OBSERVATION_REGISTRY.items()
        if env_name is None or spec.envs is None or env_name in spec.envs
    )


# What a config says of them -----------------------------------------------------------------------


def _listed(value: Any) -> Any:
    """Read names as they are given on a command line: ``one,two``."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _checked_blocks(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ConfigError(f"blocks = {list(names)!r} names one twice. Name each block once.")
    return names


def with_blocks(model: type[BaseModel]) -> type[BaseModel]:
    """Add the option that names additional observation blocks to a config model."""
    _refuse_taken(model, BLOCKS)
    declared = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_checked_blocks)]
    field = Field(
        (),
        title="Own blocks",
        description="observation blocks of one's own that the agent sees too, by the names that "
        "rlplay.register_observation gave them",
        json_schema_extra={"unit": "", "group": "own"},
    )
    return _extended(model, {BLOCKS: (declared, field)})


def with_function(model: type[BaseModel]) -> type[BaseModel]:
    """Add the option that names a reward function to a reward model."""
    _refuse_taken(model, FUNCTION)
    field = Field(
        None,
        title="Reward function",
        description="a reward function of one's own that says what a step pays, by the name that "
        "rlplay.register_reward gave it; none pays what the environment pays by itself",
        json_schema_extra={"unit": "", "group": "own", "none": "none"},
    )
    return _extended(model, {FUNCTION: (str | None, field)})


def _refuse_taken(model: type[BaseModel], name: str) -> None:
    if name in model.model_fields:
        raise ConfigError(
            f"{model.__name__} has an option {name!r}, a name that rlplay uses itself. "
            "Give the option another name."
        )


def _extended(model: type[BaseModel], fields: dict[str, Any]) -> type[BaseModel]:
    extended: type[BaseModel] = create_model(
        model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields
    )
    return extended


def plain(options: BaseModel, model: type[BaseModel]) -> BaseModel:
    """Give options as the environment itself declared them."""
    if type(options) is model:
        return options
    return model.model_validate({name: getattr(options, name) for name in model.model_fields})


# What a board needs of them -----------------------------------------------------------------------


class OwnParts:
    """The reward function and the observation blocks of an environment, looked up once.

    Attributes:
        blocks: The additional blocks, in their order.
        reward: The reward function; None where the environment pays by itself.

    Args:
        blocks: Names of blocks.
        function: Name of a reward function, or None.

    Raises:
        UnknownObservation: When a block is not registered here.
        UnknownReward: When the reward function is not registered here.
    """

    def __init__(self, blocks: Sequence[str] = (), function: str | None = None) -> None:
        self.blocks = tuple(_find_block(name) for name in blocks)
        self.reward = None if function is None else _find_reward(function)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.blocks) or self.reward is not None

    def extend(self, facts: Facts) -> NDArray[np.float32]:
        """Give what the agent sees: what the environment shows, then each block.

        Args:
            facts: The facts of N boards.

        Returns:
            (N, D) float32, a new array.
        """
        parts = [facts["observation"], *(block.see(facts) for block in self.blocks)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def extend_space(self, space: spaces.Space[Any]) -> spaces.Space[Any]:
        """Give the space of what the agent sees.

        Raises:
            ContractError: For observations that blocks cannot be added to.
        """
        if not self.blocks:
            return space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ContractError(
                f"Blocks can be added to observations that are flat vectors (a Box of one "
                f"dimension), not to {space}. Leave env_config['blocks'] empty."
            )
        low = [space.low, *(np.full(block.size, block.low) for block in self.blocks)]
        high = [space.high, *(np.full(block.size, block.high) for block in self.blocks)]
        return spaces.Box(
            np.concatenate(low).astype(np.float32),
            np.concatenate(high).astype(np.float32),
            dtype=np.float32,
        )

    def extend_metadata(self, metadata: dict[str, Any], space: spaces.Space[Any]) -> dict[str, Any]:
        """Add the blocks to the table of inputs.

        Args:
            metadata: What the environment itself gives.
            space: The space of its own observations.

        Raises:
            ConfigError: For a block that is named like one of the environment.
        """
        if not self.blocks:
            return metadata
        start = int(np.prod(space.shape or (1,)))
        table = list(metadata.get("observation") or ())
        if not table:
            table.append(
                {
                    "name": "observation",
                    "start": 0,
                    "size": start,
                    "meaning": "what the environment itself shows",
                    "low": float(np.min(getattr(space, "low", -np.inf))),
                    "high": float(np.max(getattr(space, "high", np.inf))),
                    "channel": False,
                    "labels": [f"input {index}" for index in range(start)],
                }
            )
        taken = {row["name"] for row in table}
        for block in self.blocks:
            if block.name in taken:
                raise ConfigError(
                    f"The environment has a block {block.name!r} of its own. Register yours under "
                    "another name."
                )
            table.append(block.describe(start))
            start += block.size
        return {**metadata, "observation": table, "observation_size": start}


def _find_block(name: str) -> ObservationSpec:
    if name not in OBSERVATION_REGISTRY:
        known = ", ".join(sorted(OBSERVATION_REGISTRY)) or "none"
        raise UnknownObservation(
            f"No observation block {name!r} in this kernel.{nearest(name, OBSERVATION_REGISTRY)} "
            f"Available: {known}. Run the cell (or import the file) with "
            f"@rlplay.register_observation({name!r}, ...) first; what was trained with it needs it."
        )
    return OBSERVATION_REGISTRY[name]


def _find_reward(name: str) -> RewardSpec:
    if name not in REWARD_REGISTRY:
        known = ", ".join(sorted(REWARD_REGISTRY)) or "none"
        raise UnknownReward(
            f"No reward function {name!r} in this kernel.{nearest(name, REWARD_REGISTRY)} "
            f"Available: {known}. Run the cell (or import the file) with "
            f"@rlplay.register_reward({name!r}) first; what was trained with it needs it."
        )
    return REWARD_REGISTRY[name]


def blocks_of(env_config: Mapping[str, Any]) -> tuple[ObservationSpec | None, ...]:
    """Give what is registered by now for the blocks that options name; None where nothing is."""
    return tuple(map(OBSERVATION_REGISTRY.get, env_config.get(BLOCKS, ())))


def parts_of(config: BaseModel, rewards: BaseModel | None = None) -> OwnParts:
    """Look up what options and rewards of an environment name; see `OwnParts`."""
    return OwnParts(getattr(config, BLOCKS, ()), getattr(rewards, FUNCTION, None))


class OwnBoard(BaseEnvironment):
    """One board with a reward function or observation blocks of somebody's own around it.

    Args:
        env: The board.
        parts: What is laid around it.
    """

    def __init__(self, env: BaseEnvironment, parts: OwnParts) -> None:
        self.env = env
        self.parts = parts
        self.config = env.config
        self.render_mode = env.render_mode
        self.event_names = env.event_names  # type: ignore[misc]
        self.ending_names = env.ending_names  # type: ignore[misc]
        self.metadata = env.metadata  # type: ignore[misc]
        self.action_space = env.action_space
        self.observation_space = parts.extend_space(env.observation_space)
        parts.extend_metadata(env.get_metadata(), env.observation_space)  # names must differ
        self._facts = Facts()
        self._seen = np.zeros((1, 0), np.float32)

    def __getattr__(self, name: str) -> Any:
        """Give whatever else the board has."""
        if name.startswith("_") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    @property
    def saves_state(self) -> bool:
        """Whether the board can be saved; see `BaseEnvironment`."""
        return self.env.saves_state

    def _look(self, observation: Any) -> None:
        """Take in the facts, and what the agent sees of them."""
        shown = np.asarray(observation)[None]
        facts = {name: np.asarray(value)[None] for name, value in self.env.get_facts().items()}
        self._facts = make_facts(facts, shown)
        self._seen = self.parts.extend(self._facts) if self.parts.blocks else shown

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; see `BaseEnvironment`."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._look(observation)
        return self._seen[0].copy(), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the board, and pay what the reward function says."""
        before, seen = self._facts, self._seen
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._look(observation)
        if self.parts.reward is not None:
            transition = Transition.read_only(
                seen,
                np.asarray(action)[None],
                np.array([reward], np.float32),
                self._seen,
                np.array([terminated], np.bool_),
                np.array([truncated], np.bool_),
                before,
                self._facts,
            )
            reward = float(self.parts.reward.pay(transition)[0])
        return self._seen[0].copy(), float(reward), terminated, truncated, info

    def get_facts(self) -> dict[str, Any]:
        """Give the board's facts; see `BaseEnvironment`."""
        return self.env.get_facts()

    def get_metadata(self) -> dict[str, Any]:
        """Describe the board, the additional blocks included; see `BaseEnvironment`."""
        return self.parts.extend_metadata(self.env.get_metadata(), self.env.observation_space)

    def set_rewards(self, reward_config: dict[str, Any]) -> None:
        """Change what events pay; see `BaseEnvironment`."""
        self.env.set_rewards(reward_config)

    def get_reward_variables(self) -> dict[str, float]:
        """Give what formulas saw in the last step; see `BaseEnvironment`."""
        return self.env.get_reward_variables()

    def take_reward_problem(self) -> str | None:
        """Say why a formula had no value; see `BaseEnvironment`."""
        return self.env.take_reward_problem()

    def render_state(self) -> dict[str, Any]:
        """Give all that is drawn of the board; see `BaseEnvironment`."""
        return self.env.render_state()

    def render(self) -> Any:
        """Draw the board; see `BaseEnvironment`."""
        return self.env.render()

    def get_state(self) -> dict[str, Any]:
        """Give everything that an exact continuation needs; see `BaseEnvironment`."""
        return {"board": self.env.get_state(), "shown": np.array(self._facts["observation"])}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue exactly where `get_state` was called; see `BaseEnvironment`."""
        self.env.set_state(state["board"])
        self._look(state["shown"][0])

    def close(self) -> None:
        """Close the board."""
        self.env.close()

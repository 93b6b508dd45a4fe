"""Checks of somebody's own environment, observation block and reward, in a student's words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from rlplay.envs import (
    OBSERVATION_REGISTRY,
    REWARD_REGISTRY,
    create_env,
    create_vector_env,
    get_env_spec,
)
from rlplay.envs.base import BaseEnvironment, VectorEnvironment
from rlplay.envs.own import Facts, ObservationSpec, OwnParts, RewardSpec, Transition
from rlplay.report import Broken, Checker, CheckReport

__all__ = ["check_environment", "check_observation", "check_reward"]

_GLOBAL = (
    "draw only from a generator that reset(seed=...) seeds, such as self.np_random after "
    "super().reset(seed=seed)"
)


def check_environment(
    environment: BaseEnvironment | type[BaseEnvironment] | str, *, num_steps: int = 200
) -> CheckReport:
    """Run the contract of an environment and say in plain words what holds and what does not.

    Args:
        environment: A registered name, which also checks the vector form; a class; or an
            environment.
        num_steps: How many random steps to play.

    Returns:
        The report; print it.

    Raises:
        UnknownEnvironment: When nobody registered that name.
    """
    named = isinstance(environment, str)
    cls = get_env_spec(environment).env if isinstance(environment, str) else environment
    name = cls.__name__ if isinstance(cls, type) else type(cls).__name__
    check = _EnvironmentCheck(f"Environment {environment!r}" if named else f"Environment {name}")
    try:
        env = environment
        if isinstance(environment, str):
            env = check.call("Making the environment", create_env, environment)
        elif isinstance(environment, type):
            env = check.call("Making the environment", environment)
        check.single(env, num_steps)
        if isinstance(environment, str) and not check.problems:
            many = check.call("Making many boards", create_vector_env, environment, 3)
            check.vector(many, num_steps)
    except Broken:
        pass
    return check.report()


class _EnvironmentCheck(Checker):
    """Plays an environment and notes what came."""

    has_ended = False

    def single(self, env: Any, num_steps: int) -> None:
        """Check one board."""
        self.need(
            isinstance(env, BaseEnvironment),
            "derives from BaseEnvironment",
            f"{type(env).__name__} does not derive from rlplay.BaseEnvironment: write "
            f"class {type(env).__name__}(rlplay.BaseEnvironment).",
        )
        for name in ("observation_space", "action_space"):
            space = getattr(env, name, None)
            self.need(
                isinstance(space, spaces.Space),
                f"has an {name}",
                f"self.{name} is {space!r}, not a gymnasium space: set it in __init__.",
            )
        if not isinstance(env.action_space, spaces.Discrete):
            self.remark(
                f"its actions are {env.action_space}, and the algorithms here choose among "
                "numbered ones: use spaces.Discrete to train it."
            )
        self._descriptions(env)
        first = self._play(env, 7, num_steps)
        if not self.has_ended:
            self.remark(
                f"no episode ended in {num_steps} random steps. One that never ends is never "
                "counted, and shows no score: return truncated=True after some number of steps."
            )
        before = _global_generators()
        again = self._play(env, 7, num_steps)
        same = "the same seed and actions give the same episodes"
        if first != again:
            drew = before != _global_generators()
            likely = (
                "the code draws from np.random or random, the generators of the whole kernel, "
                f"which ignore the seed; {_GLOBAL}."
                if drew
                else f"something is left over from the episode before, or drawn elsewhere; set all "
                f"state in reset, and {_GLOBAL}."
            )
            self.promise(
                False,
                same,
                f"The same seed and actions gave two different episodes: {likely}",
            )
            return
        self.promise(True, same, "")
        self._neighbours(env, first, num_steps)
        self._is_json("render_state()", self.call("render_state", env.render_state))
        self._is_json("get_metadata()", self.call("get_metadata", env.get_metadata))
        self._facts(env)
        if env.saves_state:
            self._state(env, num_steps)

    def _descriptions(self, env: BaseEnvironment) -> None:
        """Check what the class says of its environments without making one."""
        if _owner(env, "get_spaces") is not BaseEnvironment:
            given = self.call("get_spaces", type(env).get_spaces, env.config)
            self.promise(
                given == (env.observation_space, env.action_space),
                "get_spaces gives the spaces that an environment of these options has",
                f"get_spaces gave other spaces than an environment of these options has: {given}.",
            )
        if _owner(env, "describe") is not BaseEnvironment:
            self.promise(
                self.call("describe", type(env).describe, env.config) == env.get_metadata(),
                "describe gives the metadata that an environment of these options has",
                "describe gave other metadata than an environment of these options has.",
            )

    def _neighbours(self, env: BaseEnvironment, first: list[bytes], num_steps: int) -> None:
        """Check that another board leaves this one alone."""
        other = self.call("Making a second board", type(env), env.config, env.rewards)

        def disturb() -> None:
            other.reset(seed=12345)
            for _ in range(3):
                if any(other.step(other.action_space.sample())[2:4]):
                    other.reset(seed=12346)

        trace = self._play(env, 7, num_steps, disturb)
        other.close()
        self.promise(
            trace == first,
            "boards do not disturb each other",
            "A second board changed what this one does: boards share state. Likely a list or an "
            "array stands in the class body or outside of it; make it in __init__ or reset, as "
            "self.name.",
        )

    def _play(
        self,
        env: BaseEnvironment,
        seed: int,
        num_steps: int,
        between: Callable[[], None] = lambda: None,
    ) -> list[bytes]:
        """Play from a seed with fixed actions, check each step, and give what came."""
        env.action_space.seed(seed)
        observation = self._reset(env, seed)
        trace = [observation.tobytes()]
        episode = 0
        for _ in range(num_steps):
            between()
            kept = observation.copy()
            following, ended = self._step(env, trace)
            self.need(
                np.array_equal(kept, observation, equal_nan=True),
                "what step returned before stays as it is",
                f"step returned the old observation object again and changed it: what was "
                f"{_shown(kept)} became {_shown(observation)}. Return a new array, such as "
                "self.board.copy().",
            )
            observation = following
            if ended:
                episode += 1
                observation = self._reset(env, seed + episode)
                trace.append(observation.tobytes())
        return trace

    def _reset(self, env: BaseEnvironment, seed: int) -> NDArray[Any]:
        result = self.call("reset", env.reset, seed=seed)
        self.need(
            isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict),
            "reset gives (observation, info)",
            f"reset gave {_kind(result)}, not (observation, info): end it with "
            "return observation, {'episode_seed': seed}.",
        )
        observation: NDArray[Any] = result[0]
        info: dict[str, Any] = result[1]
        self._observation(env, observation, "reset")
        self.promise(
            info.get("episode_seed") == seed,
            'reset(seed=s) reports info["episode_seed"] == s',
            f'reset(seed={seed}) reported info["episode_seed"] = {info.get("episode_seed")!r}: '
            "return the seed in the info.",
        )
        return observation

    def _step(self, env: BaseEnvironment, trace: list[bytes]) -> tuple[NDArray[Any], bool]:
        action = env.action_space.sample()
        if isinstance(env.action_space, spaces.Discrete):
            action = int(action)
        result = self.call(f"step({action!r})", env.step, action)
        self.need(
            isinstance(result, tuple) and len(result) == 5,
            "step gives (observation, reward, terminated, truncated, info)",
            f"step gave {_kind(result)}, not (observation, reward, terminated, truncated, info)"
            + (": the old four values; done is now terminated and truncated."
               if isinstance(result, tuple) and len(result) == 4 else "."),
        )  # fmt: skip
        observation, reward, terminated, truncated, info = result
        self._observation(env, observation, "step")
        self.need(
            not isinstance(reward, np.ndarray),
            "rewards are single numbers",
            f"step gave a reward that is an array of shape {np.shape(reward)}, {_shown(reward)}: "
            "give one number, such as float(reward).",
        )
        self.need(
            isinstance(reward, (int, float, np.number)) and bool(np.isfinite(reward)),
            "rewards are finite numbers",
            f"step gave the reward {reward!r}, not a finite number.",
        )
        for name, value in (("terminated", terminated), ("truncated", truncated)):
            self.need(
                isinstance(value, (bool, np.bool_)),
                "terminated and truncated are True or False",
                f"step gave {name} = {value!r} ({type(value).__name__}), not True or False: "
                "write bool(...) around it.",
            )
        self.need(
            isinstance(info, dict),
            "info is a dict",
            f"step gave an info that is {_kind(info)}: give a dict, {{}} when there is nothing "
            "to say.",
        )
        self._info(env, info)
        self.has_ended |= bool(terminated or truncated)
        trace += [observation.tobytes(), repr((float(reward), terminated, truncated)).encode()]
        return observation, bool(terminated or truncated)

    def _info(self, env: BaseEnvironment, info: dict[str, Any]) -> None:
        """Check what curves and replays read of the info."""
        score, reason = info.get("score", 0.0), info.get("death_reason")
        self.need(
            isinstance(score, (int, float, np.number)) and bool(np.isfinite(score)),
            'info["score"], where there is one, is a finite number',
            f'step gave info["score"] = {score!r}, not a finite number: give a number, or leave '
            "score out, and the sum of rewards is shown in its place.",
        )
        self.need(
            reason is None or (isinstance(reason, str) and bool(reason)),
            'info["death_reason"], where there is one, is a word',
            f'step gave info["death_reason"] = {reason!r}: give a word, such as "wall", or None.',
        )
        if reason is not None and reason not in env.ending_names:
            self.remark(
                f"an episode ended by {reason!r}, which is not in ending_names = "
                f"{env.ending_names!r}: name it there, and the curves know it from the beginning."
            )

    def _observation(self, env: BaseEnvironment, observation: Any, where: str) -> None:
        space = env.observation_space
        self.need(
            isinstance(observation, (np.ndarray, np.generic)) and space.contains(observation),
            "observations lie in the observation_space",
            f"{where} gave an observation outside the observation_space: "
            f"{_why_outside(space, observation)}",
        )

    def _is_json(self, what: str, value: Any) -> None:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            self.promise(
                False,
                "",
                f"{what} is not JSON-serialisable: {error}. Use int(...), float(...) and "
                ".tolist() for NumPy's values.",
            )
        else:
            self.promise(
                isinstance(value, dict),
                f"{what} is JSON-serialisable",
                f"{what} gave {_kind(value)}, not a dict.",
            )

    def _facts(self, env: BaseEnvironment) -> None:
        """Check that facts keep their names and shapes."""
        if _owner(env, "get_facts") is BaseEnvironment:
            return
        shapes = []
        for seed in (1, 2):
            self._reset(env, seed)
            facts = self.call("get_facts", env.get_facts)
            shapes.append({name: np.shape(value) for name, value in facts.items()})
            ended = self._step(env, [])[1]
            if not ended:
                facts = self.call("get_facts", env.get_facts)
                shapes.append({name: np.shape(value) for name, value in facts.items()})
        self.promise(
            all(shape == shapes[0] for shape in shapes),
            "facts keep their names and shapes",
            f"get_facts gave other names or shapes at another time: {shapes[0]}, then "
            f"{next((shape for shape in shapes if shape != shapes[0]), '')}.",
        )

    def _state(self, env: BaseEnvironment, num_steps: int) -> None:
        """Check that a restored board goes on exactly as the saved one did."""
        env.reset(seed=11)
        state = self.call("get_state", env.get_state)
        env.action_space.seed(11)
        actions = [env.action_space.sample() for _ in range(num_steps)]

        def go_on() -> list[bytes]:
            trace = []
            for action in actions:
                observation, reward, terminated, truncated, _ = env.step(action)
                trace += [observation.tobytes(), repr(float(reward)).encode()]
                if terminated or truncated:
                    trace.append(env.reset()[0].tobytes())
            return trace

        first = go_on()
        self.call("set_state", env.set_state, state)
        self.promise(
            first == go_on(),
            "set_state continues exactly where get_state was called",
            "set_state did not continue exactly where get_state was called: get_state lacks "
            "something (the state of the generator?), or gives an array that the game goes on "
            "changing (copy it).",
        )

    def vector(self, env: VectorEnvironment, num_steps: int) -> None:
        """Check many boards."""
        mode = env.metadata.get("autoreset_mode")
        self.promise(
            mode == AutoresetMode.SAME_STEP,
            "the vector form begins the next episode in the same step",
            f"the vector form has autoreset_mode {mode!r}, not AutoresetMode.SAME_STEP.",
        )
        observations, infos = self.call("reset of the vector form", env.reset, seed=5)
        seeds = np.asarray(infos.get("episode_seed"))
        self.promise(
            seeds.shape == (env.num_envs,) and bool((seeds == 5 + np.arange(env.num_envs)).all()),
            "reset(seed=s) of the vector form begins board i with the episode seed s + i",
            f"reset(seed=5) of the vector form reported episode seeds {infos.get('episode_seed')}.",
        )
        self.promise(
            env.observation_space.contains(observations),
            "observations of the vector form lie in its space",
            "reset of the vector form gave observations outside its observation_space.",
        )
        env.action_space.seed(5)
        for _ in range(num_steps):
            observations, _, terminated, truncated, infos = self.call(
                "step of the vector form", env.step, env.action_space.sample()
            )
            ended = terminated | truncated
            if not ended.any():
                continue
            final = infos.get("final_obs")
            self.promise(
                isinstance(final, np.ndarray)
                and final.shape == observations.shape
                and np.array_equal(np.asarray(infos.get("_final_obs")), ended)
                and "final_info" in infos,
                "final_obs is one dense array with the mask _final_obs",
                "after an ending, infos lack a dense final_obs, its mask _final_obs or final_info.",
            )


def _owner(env: BaseEnvironment, name: str) -> type:
    """Give the class that an environment has a method from."""
    return next(cls for cls in type(env).__mro__ if name in vars(cls))


def _global_generators() -> tuple[Any, ...]:
    """Give the states of the generators that the whole kernel shares."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (it is looked at, not drawn from)
    return (random.getstate(), kind, np.asarray(keys).tobytes(), *rest)


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "None" if value is None else f"{type(value).__name__}"


def _shown(values: Any) -> str:
    """Write an array in one short line."""
    return np.array2string(np.asarray(values), precision=3, threshold=6, edgeitems=2).replace(
        "\n", ""
    )


def _why_outside(space: spaces.Space[Any], came: Any) -> str:
    """Say what is wrong with an observation, and the likely mistake."""
    if not isinstance(came, (np.ndarray, np.generic)):
        return f"{_kind(came)}, not an array: return np.array(..., np.float32)."
    observation: NDArray[Any] = np.asarray(came)
    if space.shape is not None and observation.shape != space.shape:
        return f"it has the shape {observation.shape}, and the space {space.shape}."
    if space.dtype is not None and not np.can_cast(observation.dtype, space.dtype):
        return (
            f"it is {observation.dtype}, and the space {space.dtype}: write "
            f"np.array(..., np.{space.dtype}) or .astype(np.{space.dtype})."
        )
    if isinstance(space, spaces.Box):
        if np.isnan(observation).any():
            return f"it holds NaN: {_shown(observation)}. Is something divided by zero?"
        wrong = np.argwhere((observation < space.low) | (observation > space.high))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            where = place[0] if len(place) == 1 else place
            return (
                f"number {where} is {observation[place]:g}, and the space goes from "
                f"{space.low[place]:g} to {space.high[place]:g} there: scale it, or widen the "
                "space."
            )
    return f"{_shown(observation)} is not in {space}."


# Functions ---------------------------------------------------------------------------------------


def check_observation(
    block: str | Callable[[Facts], Any], env_name: str | None = None, *, num_steps: int = 200
) -> CheckReport:
    """Play with an observation block and say in plain words what is wrong with it.

    Args:
        block: The name that it is registered by, or the function.
        env_name: Where to play; by default the first environment that it is for, or snake.
        num_steps: How many random steps to play.

    Returns:
        The report; print it.
    """
    check = Checker(f"Observation block {_name_of(block)}")
    try:
        spec = _registered(check, block, OBSERVATION_REGISTRY, "register_observation")
        _check_block(check, spec, _playground(env_name, spec.envs), num_steps)
    except Broken:
        pass
    return check.report()


def check_reward(
    reward: str | Callable[[Transition], Any],
    env_name: str | None = None,
    *,
    num_steps: int = 200,
) -> CheckReport:
    """Play with a reward function and say in plain words what is wrong with it.

    Args:
        reward: The name that it is registered by, or the function.
        env_name: Where to play; by default the first environment that it is for, or snake.
        num_steps: How many random steps to play.

    Returns:
        The report; print it.
    """
    check = Checker(f"Reward {_name_of(reward)}")
    try:
        spec = _registered(check, reward, REWARD_REGISTRY, "register_reward")
        _check_reward(check, spec, _playground(env_name, spec.envs), num_steps)
    except Broken:
        pass
    return check.report()


def _name_of(value: Any) -> str:
    return repr(value) if isinstance(value, str) else getattr(value, "__name__", repr(value))


def _playground(env_name: str | None, envs: tuple[str, ...] | None) -> str:
    return env_name or (envs[0] if envs else "snake")


def _registered(check: Checker, value: Any, registry: dict[str, Any], register: str) -> Any:
    """Find what is registered under a name, or as a function."""
    found = registry.get(value) if isinstance(value, str) else None
    found = found or next((spec for spec in registry.values() if spec.function is value), None)
    check.need(
        found is not None,
        "is registered",
        f"It is not registered: put @rlplay.{register}(...) above the function and run the cell. "
        f"Registered: {', '.join(sorted(registry)) or 'none'}.",
    )
    return found


_NUM_BOARDS = 4


def _check_block(check: Checker, spec: ObservationSpec, env_name: str, num_steps: int) -> None:
    allowed = get_env_spec(env_name).allows_blocks
    check.need(
        allowed,
        "the environment allows blocks",
        f"Environment {env_name!r} does not allow blocks: it has no get_facts.",
    )
    seen: list[tuple[Facts, Any]] = []

    def watched(facts: Facts) -> Any:
        shown = spec.function(facts)
        seen.append((facts, shown))
        return shown

    _play_with(check, OBSERVATION_REGISTRY, spec, watched, env_name, num_steps)
    check.promise(True, "gives its size of finite numbers for each board", "")
    shown = [(f, np.array(s, np.float32).reshape(len(f["observation"]), -1)) for f, s in seen]
    values = np.concatenate([numbers for _, numbers in shown])
    outside = np.argwhere((values < spec.low) | (values > spec.high))
    value = values[tuple(outside[0])] if len(outside) else 0.0
    check.promise(
        not len(outside),
        "its numbers lie in its range",
        f"Number {outside[0][1] if len(outside) else 0} was {value:g}, and it is registered to go "
        f"from {spec.low:g} to {spec.high:g}: scale it (divide by the largest value that it can "
        "have), or give low= and high=.",
    )
    _check_calls(check, spec.see, shown)
    if (values == values[0]).all():
        check.remark(f"it was {_shown(values[0])} on every board in all {num_steps} steps.")


def _check_reward(check: Checker, spec: RewardSpec, env_name: str, num_steps: int) -> None:
    seen: list[tuple[Transition, Any]] = []

    def watched(t: Transition) -> Any:
        paid = spec.function(t)
        # The environment writes later steps into its arrays, and `paid` may be one of them.
        seen.append((_some(t, np.arange(_NUM_BOARDS)), np.array(paid)))
        return paid

    _play_with(check, REWARD_REGISTRY, spec, watched, env_name, num_steps)
    check.promise(True, "gives one finite number for each board", "")
    paid = [(t, np.array(numbers, np.float32)) for t, numbers in seen]
    _check_calls(check, spec.pay, paid)
    values = np.concatenate([numbers for _, numbers in paid]) + np.float32(0)  # no -0
    if (values == values[0]).all():
        check.remark(f"it paid {values[0]:g} on every board in all {num_steps} steps.")


def _play_with(
    check: Checker,
    registry: dict[str, Any],
    spec: Any,
    watched: Callable[[Any], Any],
    env_name: str,
    num_steps: int,
) -> None:
    """Play on boards that call a function in place of the registered one."""
    parts = OwnParts()
    watching = replace(spec, function=watched)
    if registry is REWARD_REGISTRY:
        parts.reward = watching
    else:
        parts.blocks = (watching,)
    env = check.call(
        f"Making boards of {env_name!r}", get_env_spec(env_name).make_many, _NUM_BOARDS, parts
    )
    check.call("reset", env.reset, seed=3)
    env.action_space.seed(3)
    for _ in range(num_steps):
        check.call("step", env.step, env.action_space.sample())


def _some(moment: Any, boards: NDArray[Any]) -> Any:
    """Give the facts or the step of some boards alone."""
    if isinstance(moment, Facts):
        return moment.of(boards)
    parts = (getattr(moment, field.name) for field in fields(Transition))
    return Transition.read_only(
        *(part.of(boards) if isinstance(part, Facts) else part[boards] for part in parts)
    )


def _check_calls(
    check: Checker,
    function: Callable[[Any], NDArray[np.float32]],
    seen: Sequence[tuple[Any, NDArray[np.float32]]],
) -> None:
    """Check that a function depends on nothing but its board."""
    for moment, values in seen:
        again = check.call("Calling it again", function, moment)
        if not check.promise(
            np.array_equal(again.reshape(values.shape), values),
            "the same boards give the same numbers",
            f"The same boards gave {_shown(values)} and then {_shown(again)}: it draws random "
            "numbers, or remembers something from call to call. It may depend on what comes in "
            "alone.",
        ):
            return
    for moment, values in seen:
        for board in range(len(values)):
            alone = check.call(
                "Calling it for one board", function, _some(moment, np.array([board]))
            )
            if not check.promise(
                np.allclose(alone.reshape(-1), values[board].reshape(-1), rtol=1e-5, atol=1e-6),
                "a board's numbers do not depend on the boards beside it",
                f"Alone, a board gave {_shown(alone[0])}; among {len(values)} boards, "
                f"{_shown(values[board])}: boards are mixed. Likely a sum, mean or maximum without "
                "axis=1.",
            ):
                return

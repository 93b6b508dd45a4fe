"""A check of somebody's own algorithm, in a student's words."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from rlplay.agents import AGENT_REGISTRY, Agent
from rlplay.config import RunConfig, get_default_config
from rlplay.report import Broken, Checker, CheckReport
from rlplay.storage.checkpoint import pack, unpack

__all__ = ["check_agent"]

#: Boards side by side, and how many updates may be due at once.
_NUM_ENVS = 4
_MOST_UPDATES = 5_000
#: An update that comes after so many vector steps is waited for.
_PATIENCE = 600


def check_agent(
    agent: str | type[Agent],
    env_name: str = "snake",
    *,
    hyperparams: Mapping[str, Any] | None = None,
    num_steps: int = 120,
) -> CheckReport:
    """Run the contract of an algorithm and say in plain words what holds and what does not.

    It is given made-up steps, several times over, in which one thing is different each time.

    Args:
        agent: The name that it is registered by, or the class.
        env_name: Whose observations and actions it is made for.
        hyperparams: Options, such as ones that let it begin to learn early.
        num_steps: Vector steps of each round.

    Returns:
        The report; print it.

    Raises:
        UnknownEnvironment: When nobody registered that environment.
    """
    words = repr(agent) if isinstance(agent, str) else getattr(agent, "__name__", repr(agent))
    check = _AgentCheck(f"Agent {words}")
    # What a student's code draws from the kernel's generators is given back.
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        check.run(_name_of(check, agent), env_name, dict(hyperparams or {}), num_steps)
    except Broken:
        pass
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
    return check.report()


def _name_of(check: Checker, agent: Any) -> str:
    """Find the name that an algorithm is registered by."""
    if isinstance(agent, str) and agent in AGENT_REGISTRY:
        return agent
    if not isinstance(agent, str):
        check.need(
            inspect.isclass(agent) and issubclass(agent, Agent),
            "derives from rlplay.Agent",
            "It does not derive from rlplay.Agent: write class Mine(rlplay.Agent), or derive it "
            "from rlplay.agents.base.TorchAgent.",
        )
    found = next((name for name, spec in AGENT_REGISTRY.items() if spec.agent is agent), "")
    check.need(
        bool(found),
        "is registered",
        "It is not registered: put @rlplay.register_agent(...) above the class and run the cell. "
        f"Registered: {', '.join(sorted(AGENT_REGISTRY))}.",
    )
    return found


@dataclass
class _Round:
    """What is different in one round of made-up steps.

    Attributes:
        changed: Where next observations are others: "running", "truncated" or "terminated".
        endless: Whether the agent is told of no ending.
        overwrite: Whether arrays are overwritten two steps after they were handed over.
        save_at: At which step everything is saved and goes on in another agent.
    """

    changed: str = ""
    endless: bool = False
    overwrite: bool = False
    save_at: int | None = None


@dataclass
class _Result:
    """What came of a round."""

    weights: dict[str, NDArray[Any]]
    first: dict[str, NDArray[Any]]
    actions: list[NDArray[Any]]
    updates: int
    agent: Agent
    metrics: dict[str, Any] = field(default_factory=dict)


class _AgentCheck(Checker):
    """Has an agent live through made-up steps and notes what came."""

    def run(self, name: str, env_name: str, hyperparams: dict[str, Any], num_steps: int) -> None:
        """Check everything; each part needs the ones before it."""
        from rlplay.envs import get_env_spec

        self.cls = AGENT_REGISTRY[name].agent
        missing = sorted(getattr(self.cls, "__abstractmethods__", ()))
        self.need(
            not missing,
            "has every method",
            f"It lacks {', '.join(missing)}: write each of them, with these names.",
        )
        config = self.call("Its default config", get_default_config, name, env_name)
        changes = {
            "num_envs": _NUM_ENVS,
            "num_threads": 1,
            "device": "cpu",
            "precision": "float32",
            "total_steps": 1_000_000,
            "hyperparams": hyperparams,
        }
        self.config: RunConfig = self.call("Its options", config.replace, **changes)
        spec = get_env_spec(env_name)
        options = spec.config_model.model_validate(self.config.env_config)
        self.spaces: tuple[gymnasium.Space[Any], gymnasium.Space[Any]] = spec.get_spaces(options)
        self.num_steps = num_steps

        agent = self.make()
        self._acting(agent)
        base = self.learn(_Round())
        self._learned(base)
        self._repeats(base)
        self._weights(base)
        self._saved(base)
        if base.updates:
            self._endings(base)

    def make(self, seed: int = 0) -> Agent:
        """Make an agent that has learned nothing yet."""
        config = self.config.replace(seed=seed)
        made: Agent = self.call("Making the agent", self.cls, config, *self.spaces)
        return made

    # Acting --------------------------------------------------------------------------------------

    def observations(self, seed: int, count: int = _NUM_ENVS) -> NDArray[np.float32]:
        """Make up what boards show."""
        space = self.spaces[0]
        shape = (count, *(space.shape or ()))
        generator = np.random.default_rng(seed)
        if isinstance(space, gymnasium.spaces.Box):
            low, high = np.maximum(space.low, -10), np.minimum(space.high, 10)
            return generator.uniform(low, high, shape).astype(space.dtype)
        return generator.integers(0, int(getattr(space, "n", 2)), shape).astype(np.float32)

    def act(self, agent: Agent, seen: NDArray[Any], training: bool) -> NDArray[Any]:
        """Ask for actions, and check what comes."""
        handed = seen.copy()
        actions: Any = self.call("select_action", agent.select_action, handed, training)
        count, number = len(seen), int(getattr(self.spaces[1], "n", 0))
        if isinstance(actions, torch.Tensor):
            self.fail(
                "select_action gave a torch tensor, not a NumPy array: end it with .numpy().",
            )
        array = np.asarray(actions)
        self.need(
            array.shape == (count,),
            "select_action gives one action for each board",
            f"select_action gave an array of shape {array.shape} for {count} boards; it must give "
            f"one action for each: ({count},).",
        )
        self.need(
            array.dtype.kind in "iu",
            "actions are whole numbers",
            f"select_action gave actions that are {array.dtype}, not whole numbers: write "
            ".astype(np.int64).",
        )
        wrong = array[(array < 0) | (array >= number)]
        self.need(
            not len(wrong),
            "actions lie in the action space",
            f"select_action gave the action {wrong[0] if len(wrong) else 0}; there are {number}, "
            f"from 0 to {number - 1}.",
        )
        self.promise(
            np.array_equal(handed, seen),
            "select_action leaves the observations as they are",
            "select_action changed the observations that it was given: compute a new array.",
        )
        return array

    def _acting(self, agent: Agent) -> None:
        seen = self.observations(1, 32)
        best = self.act(agent, seen, False)
        self.act(agent, seen[:_NUM_ENVS], True)
        again = self.act(agent, seen, False)
        self.need(
            np.array_equal(best, again),
            "what looks best is chosen the same way each time",
            f"select_action(..., training=False) chose {best[:6]} and then {again[:6]} for the "
            "same observations: it explores also where training is False.",
        )
        alone = np.array([int(self.act(agent, row[None], False)[0]) for row in seen])
        self.promise(
            np.array_equal(best, alone),
            "an action does not depend on the boards beside it",
            f"select_action depends on the batch that an observation is in: among {len(seen)} it "
            f"chose {best[:6]}, alone {alone[:6]}. Likely an argmax, mean or softmax without an "
            "axis, or a normalisation over the batch.",
        )

    # Learning ------------------------------------------------------------------------------------

    def learn(self, plan: _Round) -> _Result:
        """Have an agent live through made-up steps."""
        agent = self.make()
        first = _copied(self.call("get_weights", agent.get_weights))
        generator = np.random.default_rng(5)
        actions_taken: list[NDArray[Any]] = []
        handed: list[list[NDArray[Any]]] = []
        updates = 0
        metrics: dict[str, Any] = {}
        seen = self.observations(100)
        step = 0
        patience = self.num_steps if plan.changed or plan.endless else _PATIENCE
        while step < self.num_steps or (not updates and step < patience):
            if plan.save_at == step:
                agent = self._moved(agent)
            actions = self.act(agent, seen, True)
            actions_taken.append(actions.copy())
            rewards = generator.normal(size=_NUM_ENVS).astype(np.float32)
            ends = generator.random(_NUM_ENVS)
            terminated, truncated = ends < 0.06, (ends >= 0.06) & (ends < 0.12)
            following = self.observations(101 + step)
            final = self.observations(100_101 + step)
            kinds = {
                "running": ~(terminated | truncated),
                "truncated": truncated,
                "terminated": terminated,
            }
            next_observations = np.where(_rows(terminated | truncated, final), final, following)
            if plan.changed:
                other = self.observations(200_101 + step)
                next_observations = np.where(
                    _rows(kinds[plan.changed], other), other, next_observations
                )
            if plan.endless:
                terminated = truncated = np.zeros(_NUM_ENVS, np.bool_)
            arrays = [
                array.copy()
                for array in (seen, actions, rewards, next_observations, terminated, truncated)
            ]
            self.call("store_transition", agent.store_transition, *arrays)
            handed.append(arrays)
            if plan.overwrite and len(handed) > 1:
                for array in handed.pop(0):
                    array[...] = np.zeros((), array.dtype)
            metrics_now, count = self._update(agent)
            metrics |= metrics_now
            updates += count
            seen = following
            step += 1
        weights = _copied(self.call("get_weights", agent.get_weights))
        return _Result(weights, first, actions_taken, updates, agent, metrics)

    def _update(self, agent: Agent) -> tuple[dict[str, Any], int]:
        count = 0
        metrics: dict[str, Any] = {}
        while True:
            due: Any = self.call("updates_due", lambda: agent.updates_due)
            self.need(
                isinstance(due, (int, np.integer)) and bool(due >= 0),
                "updates_due is a whole number",
                f"updates_due is {due!r}, not a whole number from 0: write it as a @property that "
                "says how many updates are due.",
            )
            if not due:
                return metrics, count
            given: Any = self.call("train_step", agent.train_step)
            self.need(
                isinstance(given, dict),
                "train_step gives its metrics",
                f"train_step gave {type(given).__name__}, not a dict of metrics: end it with "
                "return {'loss': float(loss)}, and with return {} when nothing is due.",
            )
            for name, value in given.items():
                self.need(
                    isinstance(value, (int, float, np.number)),
                    "metrics are numbers",
                    f"train_step gave {name} as {type(value).__name__}, not a number: write "
                    f"float(...) around it{_detach(value)}.",
                )
                self.need(
                    bool(np.isfinite(value)),
                    "metrics are finite",
                    f"train_step gave {name} = {value}: the loss is no finite number any more. Is "
                    "the logarithm of 0 taken, or the learning rate too high?",
                )
            metrics |= given
            count += 1
            self.need(
                count < _MOST_UPDATES,
                "updates come to an end",
                f"updates_due was still {due} after {count} updates in a row: let train_step use "
                "up what it learned from (empty the buffer, count the update).",
            )

    def _learned(self, base: _Result) -> None:
        if not base.updates:
            self.remark(
                f"no update came within {len(base.actions)} vector steps on {_NUM_ENVS} boards, so "
                "learning was not checked; pass hyperparams= that let it begin earlier."
            )
            return
        for name, value in base.weights.items():
            self.need(
                bool(np.isfinite(value).all()),
                "weights stay finite",
                f"The weights {name!r} hold NaN or infinity after {base.updates} updates: is "
                "something divided by zero, or the learning rate too high?",
            )
        self.promise(
            not _same(base.weights, base.first),
            "updates change the weights",
            f"{base.updates} updates changed no weight: was the loss computed without gradient "
            "(torch.no_grad, .detach), the optimizer given other parameters, or its step "
            "forgotten?",
        )

    def _repeats(self, base: _Result) -> None:
        """Check that nothing but the config decides."""
        # Whoever draws from the kernel's generators finds them elsewhere now.
        random.seed(4321)
        np.random.seed(4321)  # noqa: NPY002
        torch.manual_seed(4321)
        again = self.learn(_Round())
        self.need(
            _same_actions(base, again) and _same(base.weights, again.weights),
            "the same config and steps give the same agent",
            "The same seed and steps gave two different agents: it draws from random, np.random or "
            "torch's own generator, which ignore the run's seed. Draw from self.generator: "
            "torch.multinomial(..., generator=self.generator), and build_network(..., "
            "self.weights_generator).",
        )
        overwritten = self.learn(_Round(overwrite=True))
        self.promise(
            _same_actions(base, overwritten) and _same(base.weights, overwritten.weights),
            "store_transition copies what it keeps",
            "store_transition keeps the arrays that it is given, and the environment writes the "
            "next steps into them: keep copies, such as observations.copy().",
        )

    def _weights(self, base: _Result) -> None:
        """Check that weights can be taken over."""
        other = self.make(seed=1)
        self.call(
            "set_weights", other.set_weights, self.call("get_weights", base.agent.get_weights)
        )
        seen = self.observations(2, 32)
        mine, its = (self.act(agent, seen, False) for agent in (base.agent, other))
        self.promise(
            np.array_equal(mine, its),
            "set_weights brings an agent to act alike",
            f"After set_weights(get_weights()) another agent chose {its[:6]} and not {mine[:6]}: "
            "get_weights does not give all that decides on an action.",
        )

    def _moved(self, agent: Agent) -> Agent:
        """Save everything as a checkpoint does, and go on in another agent."""
        state = self.call("state_dict", agent.state_dict)
        self.need(
            isinstance(state, dict),
            "state_dict gives a dict",
            f"state_dict gave {type(state).__name__}, not a dict.",
        )
        # As a checkpoint keeps it: copies of the arrays, and plain values.
        packed = self.call("Saving what state_dict gave", pack, state)
        arrays = {name: array.copy() for name, array in packed.arrays.items()}
        loaded = unpack(json.loads(json.dumps(packed.plain)), arrays)
        other = self.make(seed=1)
        self.call("load_state_dict", other.load_state_dict, loaded)
        return other

    def _saved(self, base: _Result) -> None:
        """Check that everything is saved, at several places."""
        for at in (self.num_steps // 2, self.num_steps // 2 + 7):
            moved = self.learn(_Round(save_at=at))
            differs = next(
                (
                    index
                    for index, (one, other) in enumerate(
                        zip(base.actions, moved.actions, strict=False)
                    )
                    if not np.array_equal(one, other)
                ),
                None,
            )
            if differs is None and _same(base.weights, moved.weights):
                continue
            likely = (
                "the generator (self.generator.get_state())"
                if differs is not None and differs <= at + 1
                else "the optimizer, or the steps that wait for the next update"
            )
            self.promise(
                False,
                "",
                f"state_dict does not bring everything back: saved after {at} vector steps, the "
                f"agent went on differently. Likely missing: {likely}.",
            )
            return
        self.promise(True, "load_state_dict goes on exactly where state_dict was called", "")

    def _endings(self, base: _Result) -> None:
        """Check what follows the end of an episode, and what does not."""
        if _same(base.weights, self.learn(_Round(endless=True)).weights):
            self.remark(
                "the ends of episodes change nothing of what it learns. That is right only where "
                "it looks no further than the next reward: a return must not reach over an end, "
                "nor a value follow after terminated."
            )
        running = self.learn(_Round(changed="running"))
        after_end = self.learn(_Round(changed="terminated"))
        self.promise(
            _same(base.weights, after_end.weights),
            "nothing is expected after the end of the world",
            "What is seen after terminated changed what is learned: the value of the next "
            "observation is added although nothing follows. Multiply it by (1 - terminated).",
        )
        if _same(base.weights, running.weights):
            # It learns from whole returns, and bootstraps nowhere.
            cut = self.learn(_Round(changed="truncated"))
            if _same(base.weights, cut.weights):
                self.remark(
                    "it never looks at next_observations, so where an episode is truncated it "
                    "learns as if nothing had followed."
                )
            return
        cut = self.learn(_Round(changed="truncated"))
        self.promise(
            not _same(base.weights, cut.weights),
            "a cut episode goes on with the value of what would have come",
            "It forgot to bootstrap at truncation: where truncated is set, the last observation "
            "changes nothing. The world did not end there: use terminated alone to leave out the "
            "value of next_observations.",
        )


def _rows(mask: NDArray[np.bool_], like: NDArray[Any]) -> NDArray[np.bool_]:
    return mask.reshape(-1, *(1,) * (like.ndim - 1))


def _copied(weights: Any) -> dict[str, NDArray[Any]]:
    copied = {}
    for name, value in dict(weights).items():
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        copied[str(name)] = np.array(array)
    return copied


def _same(one: dict[str, NDArray[Any]], other: dict[str, NDArray[Any]]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[name], equal_nan=True) for name, value in one.items()
    )


def _same_actions(one: _Result, other: _Result) -> bool:
    return len(one.actions) == len(other.actions) and all(
        map(np.array_equal, one.actions, other.actions)
    )


def _detach(value: Any) -> str:
    return " (loss.detach() first)" if isinstance(value, torch.Tensor) else ""

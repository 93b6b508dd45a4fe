"""Lesson 3, looking ahead: what a state is worth, and the best policy when the rules are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from rlplay.agents.planning import Sweep, look_ahead, value_iteration
from rlplay.envs import create_env
from rlplay.envs.gridworld import GridworldEnv, TransitionModel
from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = ["BRIDGE", "DISCOUNT", "get_rules", "plan"]

#: (probability, next state, reward) of everything that can happen.
Outcomes = list[tuple[float, int, float]]
#: The outcomes by state and action: `rules[state][action]`.
Rules = list[list[Outcomes]]

#: What the cells of the two maps pay, as in Berkeley's CS188.
DISCOUNT: Final = {"goal": 1.0, "treasure": 10.0, "pit": -10.0}
BRIDGE: Final = {"goal": 1.0, "treasure": 10.0, "pit": -100.0}

_ACTIONS: Final = ("up", "right", "down", "left")


def get_rules(model: TransitionModel) -> Rules:
    """Write a transition model as plain lists.

    Args:
        model: What a gridworld's `get_model` gives.

    Returns:
        ``rules[state][action]``: a list of (probability, next state, reward); empty lists in the
        states where the episode has ended.
    """
    return [
        [model.outcomes(state, action) for action in range(len(_ACTIONS))]
        for state in range(len(model.cells))
    ]


def plan(
    map: str, gamma: float, step: float = 0.0, slip: float = 0.0, **rewards: float
) -> tuple[TransitionModel, Sweep]:
    """Plan on a map until nothing changes.

    Args:
        map: A name or the rows of a map.
        gamma: The discount.
        step: What every step pays.
        slip: The probability to slide sideways.
        rewards: What cells pay: ``goal``, ``treasure``, ``pit``, ``cliff``.

    Returns:
        The rules and the last sweep; it is not stable where V grows for ever.
    """
    env = create_env("gridworld", {"step": step, **rewards}, map=map, slip=slip)
    assert isinstance(env, GridworldEnv)
    model = env.get_model()
    sweeps = value_iteration(model, gamma, tolerance=1e-10, max_sweeps=5_000)
    return model, deque(sweeps, maxlen=1).pop()


# What the student writes -----------------------------------------------------------------------


@exercise("action_value", parts=3)
def _action_value(answer: Callable[[Outcomes, Sequence[float], float], float]) -> Iterator[None]:
    cases: tuple[tuple[Outcomes, list[float], float], ...] = (
        ([(1.0, 1, 3.0)], [7.0, 4.0], 0.5),
        ([(0.8, 1, 1.0), (0.1, 0, -1.0), (0.1, 2, 0.0)], [1.0, 2.0, 5.0], 0.9),
        ([], [1.0, 2.0], 0.9),
    )
    for outcomes, values, gamma in cases:
        worth = [reward + gamma * values[after] for _, after, reward in outcomes]
        chances = [chance for chance, _, _ in outcomes]

        def mean(parts: Sequence[float], chances: Sequence[float] = chances) -> float:
            return float(sum(p * part for p, part in zip(chances, parts, strict=True)))

        got = call(answer, outcomes, values, gamma)
        mistakes = {
            "The reward is missing: each outcome is worth r + gamma V(s').": mean(
                [gamma * values[after] for _, after, _ in outcomes]
            ),
            "Where is gamma? The value of the next state counts gamma times.": mean(
                [reward + values[after] for _, after, reward in outcomes]
            ),
            "gamma belongs to V(s') alone: the reward of this step is not discounted.": mean(
                [gamma * (reward + values[after]) for _, after, reward in outcomes]
            ),
            "That is the reward alone: add gamma V(s'), what comes after it.": mean(
                [reward for _, _, reward in outcomes]
            ),
            "Each outcome counts by its probability: multiply, then add up.": sum(worth),
            "Each outcome counts by its own probability, not all alike.": (
                sum(worth) / max(len(worth), 1)
            ),
            "That is the best outcome. The world chooses the outcome, not the agent: add up all "
            "of them, each times its probability.": max(worth, default=0.0),
            "That is the likeliest outcome alone: add up all of them.": worth[0] if worth else 0.0,
            "The probability belongs to the reward and to the value: p * (r + gamma * V).": sum(
                p * reward + gamma * values[after] for p, after, reward in outcomes
            ),
        }
        expect(got, mean(worth), mistakes, what=f"Q for {outcomes}")
        yield


@exercise("greedy_policy", parts=3)
def _greedy_policy(answer: Callable[[Rules, Sequence[float], float], Any]) -> Iterator[None]:
    for map, slip, gamma in (("...G\nS..P", 0.0, 0.9), ("classic", 0.2, 0.9), ("bridge", 0.1, 0.8)):
        model, swept = plan(map, gamma, -0.1, slip)
        values = swept.values.tolist()
        got = call(answer, get_rules(model), values, gamma)
        need(
            isinstance(got, list | tuple | np.ndarray),
            "A policy is a list with one action for each state.",
        )
        need(
            len(got) == len(values),
            f"The policy has {len(got)} entries, and the world has {len(values)} states: one "
            "action each, also where the episode has ended (any action will do there).",
        )
        for state, action in enumerate(got):
            _is_best(state, action, swept.q_values[state], model)
        yield


def _is_best(state: int, action: Any, q_values: np.ndarray, model: TransitionModel) -> None:
    """Raise a hint where a policy's action is not one of the best."""
    need(
        isinstance(action, int | np.integer) and not isinstance(action, bool),
        "Each entry is the number of an action: 0 up, 1 right, 2 down, 3 left. For a number "
        "out of a list of values take its place: values.index(max(values)).",
    )
    need(
        0 <= action < len(q_values),
        f"There is no action {action}: 0 up, 1 right, 2 down, 3 left.",
    )
    if model.terminal[state]:
        return
    best = int(q_values.argmax())
    if q_values[action] < q_values[best] - 1e-9:
        shown = ", ".join(
            f"{word} {value:.3f}" for word, value in zip(_ACTIONS, q_values, strict=True)
        )
        if q_values[action] <= q_values.min() + 1e-9:
            raise Hint(f"In state {state} that is the worst action ({shown}): take the largest.")
        raise Hint(
            f"In state {state} the action values are {shown}: {_ACTIONS[best]} ({best}) is best, "
            f"not {_ACTIONS[action]} ({action})."
        )


@exercise("value_iteration", parts=3)
def _value_iteration(answer: Callable[[Rules, float], Any]) -> Iterator[None]:
    for map, slip, gamma in (("S..G", 0.0, 0.5), ("classic", 0.2, 0.9), ("discount", 0.1, 0.95)):
        env = create_env("gridworld", {"step": -0.04}, map=map, slip=slip)
        assert isinstance(env, GridworldEnv)
        model = env.get_model()
        sweeps = [sweep.values for sweep in value_iteration(model, gamma, tolerance=1e-13)]
        got = call(answer, get_rules(model), gamma)
        if isinstance(got, dict):
            raise Hint("Give the values as a list, one for each state in order.")
        mistakes: dict[str, Any] = {
            f"That is V after {number} sweep{'s' if number > 1 else ''}: sweep again, until the "
            "largest change is below 1e-12.": values
            for number, values in reversed(list(enumerate(sweeps[:-1], 1)))
            if np.abs(values - sweeps[-1]).max() > 1e-8
        }
        mistakes["All values are still 0: V(s) becomes the largest Q(s, a)."] = np.zeros(
            len(model.terminal)
        )
        mistakes["That is the worst action of each state: take max over the actions."] = _fixed(
            model, gamma, np.min
        )
        mistakes["That is the mean over the actions, the value of walking at random: take max."] = (
            _fixed(model, gamma, np.mean)
        )
        expect(got, sweeps[-1], mistakes, what=f"V on the map {map!r}")
        yield


def _fixed(
    model: TransitionModel, gamma: float, choose: Callable[..., Any], sweeps: int = 2_000
) -> np.ndarray:
    """What V becomes with another choice than the maximum over the actions."""
    values = np.zeros(len(model.terminal))
    for _ in range(sweeps):
        values = choose(look_ahead(model, values, gamma), axis=1)
    return values


# Find the numbers, or say that there are none --------------------------------------------------

_NOT_POSSIBLE: Final = "not possible"


def _ask(
    name: str,
    map: str,
    rewards: dict[str, float],
    wanted: str,
    *,
    slip: tuple[float, float] = (0.0, 1.0),
    step: tuple[float, float] = (-10.0, 10.0),
    possible: bool = True,
) -> None:
    """Declare a question: which gamma, step and slip make the best way from S the wanted one?"""

    @exercise(name, parts=1)
    def look(answer: Any) -> Iterator[None]:
        if isinstance(answer, str):
            need(
                answer.strip().lower() == _NOT_POSSIBLE,
                f"Answer with three numbers (gamma, step, slip), or with {_NOT_POSSIBLE!r}.",
            )
            need(
                not possible,
                "It is possible. Turn one knob at a time, and watch which arrow turns first.",
            )
            yield
            return
        gamma, pays, slips = _three(answer)
        _in_range("gamma", gamma, (0.0, 1.0))
        _in_range("step", pays, step)
        _in_range("slip", slips, slip)
        way = _way(*plan(map, gamma, pays, slips, **rewards), map)
        need(
            way == wanted,
            f"With gamma {gamma:g}, step {pays:g} and slip {slips:g} the best policy from S is: "
            f"{way}. Wanted: {wanted}. Before you go on: can any numbers do it? Compare what both "
            "ways earn.",
        )
        yield


def _three(answer: Any) -> tuple[float, float, float]:
    """Read gamma, step and slip."""
    words = "Answer with three numbers: gamma, step, slip. Or with 'not possible'."
    try:
        numbers = [float(number) for number in answer]
    except (TypeError, ValueError):
        raise Hint(words) from None
    need(len(numbers) == 3 and bool(np.isfinite(numbers).all()), words)
    return numbers[0], numbers[1], numbers[2]


def _in_range(name: str, value: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    words = f"{low:g}" if low == high else f"from {low:g} to {high:g}"
    need(low <= value <= high, f"{name} is {value:g}; in this question it is {words}.")


def _way(model: TransitionModel, last: Sweep, map: str) -> str:
    """Say in words which way the best policy takes from S, as long as it does not slip."""
    if not last.is_stable:
        return "none, because V grows for ever (gamma 1, and a step that pays)"
    env = create_env("gridworld", map=map)
    assert isinstance(env, GridworldEnv)
    moves = env.get_model().probabilities
    state, passed = model.start, [model.start]
    while not model.terminal[state]:
        q_values = last.q_values[state]
        if (q_values >= q_values.max() - 1e-9).sum() > 1:
            return "not decided, two actions are equally good on the way"
        state = int(moves[state, q_values.argmax()].argmax())
        if state in passed:
            return "to walk for ever and reach no end"
        passed.append(state)
    x, y = model.cells[state]
    end = {"G": "near", "T": "far", "P": "into a pit"}[env.rows[y][x]]
    if map == "bridge" or end == "into a pit":
        return {"near": "back to the near end", "far": "across to the far end"}.get(end, end)
    above = any(row == 0 for _, row in (model.cells[at] for at in passed))
    return f"to the {end} end, " + ("round the top" if above else "along the pits")


_ask("way_a", "discount", DISCOUNT, "to the near end, along the pits")
_ask("way_b", "discount", DISCOUNT, "to the near end, round the top")
_ask("way_c", "discount", DISCOUNT, "to the far end, along the pits", slip=(0.1, 1.0))
_ask(
    "way_d",
    "discount",
    DISCOUNT,
    "to the near end, round the top",
    slip=(0.0, 0.0),
    possible=False,
)
_ask("bridge_a", "bridge", BRIDGE, "across to the far end", step=(0.0, 0.0))
_ask(
    "bridge_b",
    "bridge",
    BRIDGE,
    "across to the far end",
    step=(0.0, 0.0),
    slip=(0.1, 0.1),
    possible=False,
)

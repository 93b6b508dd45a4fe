"""Lesson 7, you get what you pay for: rewards that are gamed, and shaping that cannot be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rlplay.envs import create_env
from rlplay.envs.formula import Formula
from rlplay.envs.snake.config import REWARD_VARIABLES
from rlplay.errors import FormulaError
from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = ["GRID_SIZE", "SEED", "Walk", "walk"]

#: The board of this lesson's walks: on its seed the apple lies two cells ahead of the head.
GRID_SIZE: Final = 6
SEED: Final = 5
#: What the loop has to earn, and how many steps it may take.
LOOP_PAY: Final = 10
LOOP_STEPS: Final = 24

_DEATHS: Final = {"wall": "death_wall", "self": "death_self", "starvation": "death_starv"}


@dataclass(frozen=True)
class Walk:
    """What a list of actions does on the board of a seed.

    Attributes:
        actions: What was done: 0 straight, 1 turn right, 2 turn left; none after the end.
        events: For each step the names of what happened.
        distances: Moves from the head to the apple in each state, one more than there are steps.
        places: Head and heading in each state: (x, y, dx, dy).
        score: Apples eaten.
        ended: Whether the snake has died.
    """

    actions: tuple[int, ...]
    events: tuple[tuple[str, ...], ...]
    distances: tuple[int, ...]
    places: tuple[tuple[int, int, int, int], ...]
    score: int
    ended: bool

    @property
    def returns_to_start(self) -> bool:
        """Whether the head ends where it began, heading the same way."""
        return self.places[0] == self.places[-1]

    def pay(self, **rewards: float) -> float:
        """Add up what its events pay.

        Args:
            rewards: What each event pays, by name; the others pay nothing.
        """
        return float(sum(rewards.get(event, 0.0) for step in self.events for event in step))


def walk(actions: Iterable[int], seed: int = SEED) -> Walk:
    """Do a list of actions on the lesson's board; the same list, the same walk.

    Args:
        actions: 0 straight, 1 turn right, 2 turn left.
        seed: Of the board.

    Returns:
        What came of it, up to the end of the episode.
    """
    env = create_env("snake", {}, grid_size=GRID_SIZE)
    env.reset(seed=seed)
    state = env.render_state()
    done: list[int] = []
    events: list[tuple[str, ...]] = []
    distances, places = [_distance(state)], [_place(state)]
    ended = False
    for action in actions:
        _, _, terminated, truncated, info = env.step(int(action))
        before, state = state, env.render_state()
        done.append(int(action))
        places.append(_place(state))
        ended = terminated or truncated
        if reason := info["death_reason"]:
            events.append((_DEATHS[reason],))
        elif state["score"] > before["score"]:
            events.append(("apple", "win") if info["won"] else ("apple",))
        else:
            nearer = _distance(state) < distances[-1]
            events.append(("closer",) if nearer else ("farther",))
        distances.append(_distance(state) if state["food_position"] else 0)
        if ended:
            break
    return Walk(
        tuple(done), tuple(events), tuple(distances), tuple(places), int(state["score"]), ended
    )


def _distance(state: Mapping[str, Any]) -> int:
    head, food = state["snake_position"][0], state["food_position"]
    return int(abs(head["x"] - food["x"]) + abs(head["y"] - food["y"]))


def _place(state: Mapping[str, Any]) -> tuple[int, int, int, int]:
    head, (dx, dy) = state["snake_position"][0], state["direction"]
    return head["x"], head["y"], dx, dy


# Exercises ---------------------------------------------------------------------------------------


def _event_return(events: Sequence[Sequence[str]], rewards: Mapping[str, float]) -> float:
    return float(sum(rewards["step"] + sum(rewards[event] for event in step) for step in events))


@exercise("event_return", parts=3)
def _check_event_return(
    answer: Callable[[list[list[str]], dict[str, float]], Any],
) -> Iterator[None]:
    rewards = {"step": -0.01, "apple": 1.0, "closer": 0.5, "farther": -0.25, "win": 5.0}
    cases: tuple[list[list[str]], ...] = (
        [["closer"], ["closer"], ["apple"]],
        [["farther"], ["closer"], ["farther"], ["closer"]],
        [["apple", "win"]],
    )
    for events in cases:
        names = [event for step in events for event in step]
        alone = sum(rewards[name] for name in names)
        expect(
            call(answer, events, rewards),
            _event_return(events, rewards),
            {
                "Every step also pays rewards['step'], whatever else happens in it.": alone,
                "rewards['step'] is paid in every step, not once.": alone + rewards["step"],
                "rewards['step'] is paid once a step, not once for each event.": (
                    alone + rewards["step"] * len(names)
                ),
                "That is what the last step pays; add all of them up.": (
                    _event_return(events[-1:], rewards)
                ),
                "A step can have several events, and each of them pays.": (
                    _event_return([step[:1] for step in events], rewards)
                ),
            },
            what=f"The return of {events}",
        )
        yield


@exercise("loop_that_pays", parts=4)
def _check_loop(answer: Any) -> Iterator[None]:
    actions = _read_actions(answer)
    need(
        len(actions) <= LOOP_STEPS,
        f"{len(actions)} actions; at most {LOOP_STEPS} are allowed.",
    )
    done = walk(actions)
    need(
        not done.ended,
        f"The snake dies at step {len(done.actions)}: 1 turns right and 2 turns left, as the "
        "snake sees it.",
    )
    yield
    need(done.score == 0, "The snake eats an apple on the way. A dance must leave it lying.")
    yield
    need(
        done.returns_to_start,
        "The head must end in the cell where it began, heading the same way: only then can the "
        "dance go on for ever. It began at (x, y) = "
        f"{done.places[0][:2]} and ends at {done.places[-1][:2]}"
        + (", heading another way." if done.places[0][:2] == done.places[-1][:2] else "."),
    )
    yield
    paid = done.pay(closer=1.0)
    need(
        paid >= LOOP_PAY,
        f"With closer = 1 it earns {paid:g}, not yet {LOOP_PAY}: which steps bring the head "
        "closer? Go round more often.",
    )
    yield


def _read_actions(answer: Any) -> list[int]:
    """Read a list of actions."""
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    need(isinstance(answer, list | tuple), "Give a list of actions, such as [1, 0, 2].")
    for action in answer:
        need(
            type(action) in (int, np.int64) and 0 <= action <= 2,
            "Each action is 0 (straight), 1 (turn right) or 2 (turn left).",
        )
    return [int(action) for action in answer]


@exercise("shaped_reward", parts=4)
def _check_shaped(
    answer: Callable[[float, float, float, float, bool], Any],
) -> Iterator[None]:
    cases = (
        (0.0, -3.0, -2.0, 0.9, False),
        (1.0, -1.0, -4.0, 0.99, False),
        (-1.0, -2.0, -2.0, 0.5, True),
        (0.0, 0.5, 0.5, 0.9, False),
    )
    for reward, phi, after, gamma, terminated in cases:
        last = 0.0 if terminated else after
        expect(
            call(answer, reward, phi, after, gamma, terminated),
            reward + gamma * last - phi,
            {
                "When the episode has ended, no state follows: its potential counts as 0.": (
                    reward + gamma * after - phi
                ),
                "Where is gamma? It stands before the potential of the next state.": (
                    reward + last - phi
                ),
                "The signs are turned: gamma * next potential - this potential.": (
                    reward - gamma * last + phi
                ),
                "Gamma belongs to the next potential, not to this one.": (
                    reward + last - gamma * phi
                ),
                "Gamma belongs to the next potential alone, not to the difference.": (
                    reward + gamma * (last - phi)
                ),
                "That is F alone; the reward itself is still paid.": gamma * last - phi,
                "That leaves this state's potential out.": reward + gamma * last,
            },
            what=f"With reward {reward}, potentials {phi} and {after}, gamma {gamma} and "
            f"terminated {terminated}, the result",
        )
        yield


@exercise("telescoped_sum", parts=3)
def _check_telescoped(answer: Callable[[list[float], float], Any]) -> Iterator[None]:
    for potentials, gamma in (
        ([1.0, 5.0, 2.0, 3.0], 1.0),
        ([-3.0, -2.0, -1.0], 0.9),
        ([2.0, 7.0, 7.0, 1.0, 2.0], 0.5),
    ):
        steps, first, last = len(potentials) - 1, potentials[0], potentials[-1]
        expect(
            call(answer, potentials, gamma),
            gamma**steps * last - first,
            {
                "The last potential is as many steps away as there are steps: gamma ** T.": (
                    last - first
                ),
                "There is one step fewer than there are states: T = len(potentials) - 1.": (
                    gamma ** (steps + 1) * last - first
                ),
                "The last potential has gamma ** T, not gamma: each step discounts once more.": (
                    gamma * last - first
                ),
                "The signs are turned: the first potential is taken off.": (
                    first - gamma**steps * last
                ),
                "That adds up F without discounting it: the F of step t counts gamma ** t.": sum(
                    gamma * after - before for before, after in itertools.pairwise(potentials)
                ),
            },
            what=f"For potentials {potentials} and gamma {gamma}, the result",
        )
        yield


@exercise("farther_formula", parts=3)
def _check_farther(answer: Any) -> Iterator[None]:
    need(
        isinstance(answer, str),
        'Give the formula as a text, in quotes, such as "-1 / distance_to_food".',
    )
    try:
        formula = Formula(answer, REWARD_VARIABLES)
    except FormulaError as error:
        raise Hint(str(error)) from None
    yield
    moves = np.arange(1, 11)

    def taken(before: np.ndarray) -> np.ndarray:
        """What is paid for walking from some distances to one more."""
        values: dict[str, Any] = {name: np.full(len(before), 7.0) for name in formula.variables}
        known = {"previous_distance_to_food": before, "distance_to_food": before + 1}
        values |= {name: np.float64(known[name]) for name in known if name in values}
        return np.broadcast_to(formula(values), before.shape)

    got, paid = taken(moves), 4.0 / moves**2
    hints = {
        "The sign: moving away must cost what coming closer had paid.": paid,
        "Moving away arrives at distance_to_food, and takes back what was paid for arriving where "
        "it left: that is previous_distance_to_food.": -4.0 / (moves + 1) ** 2,
        "It is right for one distance only. What comes closer pays depends on the distance; so "
        "must this.": np.full(len(moves), -4.0),
        "That takes back nothing, so the way away is still free.": np.zeros(len(moves)),
        "Is the distance squared, as in what closer pays?": -4.0 / moves,
    }
    for part in (moves <= 1, moves >= 1):
        if not np.allclose(got[part], -paid[part], rtol=1e-9, atol=1e-9):
            for hint, value in hints.items():
                if np.allclose(got, value, rtol=1e-9, atol=1e-9):
                    raise Hint(hint)
            at = int(np.flatnonzero(part & ~np.isclose(got, -paid, rtol=1e-9, atol=1e-9))[0])
            raise Hint(
                f"Coming from distance {moves[at] + 1} to {moves[at]} pays {paid[at]:.6g}, so "
                f"going back must pay {-paid[at]:.6g}, not {got[at]:.6g}."
            )
        yield

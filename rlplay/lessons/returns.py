"""Lesson 1, play it yourself: rewards, returns and what a discount does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rlplay.envs import create_env
from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = ["discounted_return", "nearest_actions", "returns_from_each_step"]

Cell = tuple[int, int]


def discounted_return(rewards: Sequence[float], gamma: float) -> float:
    """G = r_1 + gamma r_2 + gamma^2 r_3 + ... (Sutton and Barto, equation 3.8)."""
    total = 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
    return total


@exercise("discounted_return", parts=3)
def _discounted_return(answer: Callable[[list[float], float], float]) -> Iterator[None]:
    for rewards, gamma in (([1.0, 2.0, 4.0], 0.5), ([0.0, 0.0, 8.0], 0.9), ([], 0.9)):
        late = gamma * discounted_return(rewards, gamma)
        expect(
            call(answer, rewards, gamma),
            discounted_return(rewards, gamma),
            {
                "That looks back: the last reward counts in full, and the first one least. Walk "
                "from the last reward to the first: reversed(rewards).": _so_far(rewards, gamma),
                "That is the sum without gamma: each reward is worth gamma times less than the "
                "one before.": sum(rewards),
                "The first reward is not discounted: its factor is gamma ** 0 = 1.": late,
            },
            what=f"The return of {rewards} with gamma {gamma}",
        )
        yield


def _so_far(rewards: Sequence[float], gamma: float) -> float:
    """What comes out where the rewards are walked through from the first to the last."""
    return discounted_return(rewards[::-1], gamma)


def returns_from_each_step(rewards: Sequence[float], gamma: float) -> list[float]:
    """G_t = r_{t+1} + gamma G_{t+1} for each step (Sutton and Barto, equation 3.9)."""
    return [discounted_return(rewards[step:], gamma) for step in range(len(rewards))]


@exercise("returns_from_each_step", parts=3)
def _returns_from_each_step(answer: Callable[[list[float], float], list[float]]) -> Iterator[None]:
    for rewards, gamma in (([1.0, 0.0, 4.0], 0.5), ([2.0, 3.0], 1.0), ([0.0, -1.0, 0.0, 1.0], 0.9)):
        true = returns_from_each_step(rewards, gamma)
        so_far = [_so_far(rewards[: step + 1], gamma) for step in range(len(rewards))]
        expect(
            call(answer, rewards, gamma),
            true,
            {
                "The list is the wrong way round: the first number belongs to the first step. "
                "Turn it with [::-1], or insert each number at the front.": true[::-1],
                "That looks back. A return looks ahead: begin with the last reward, and walk to "
                "the first.": so_far,
                "Those are the discounted rewards, each by itself: add up what still comes.": [
                    gamma**step * reward for step, reward in enumerate(rewards)
                ],
                "Those are sums without gamma: G = reward + gamma * (the G of the step after).": [
                    sum(rewards[step:]) for step in range(len(rewards))
                ],
            },
            what=f"The returns of {rewards} with gamma {gamma}",
        )
        yield


#: What two ways pay: an apple now, or two of them three steps later.
_NOW, _LATER = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 2.0)


@exercise("two_gammas", parts=2)
def _two_gammas(answer: Any) -> Iterator[None]:
    if isinstance(answer, np.ndarray):
        answer = answer.tolist()
    need(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "Give two numbers: (impatient, patient).",
    )
    for gamma, wants, name in zip(
        answer, ("1 now", "2 later"), ("impatient", "patient"), strict=True
    ):
        if gamma is None or gamma is ...:
            raise Hint(f"{name} is not answered yet: put a number where the dots are.")
        need(
            isinstance(gamma, int | float | np.number) and not isinstance(gamma, bool),
            f"{name} should be a number from 0 to 1.",
        )
        need(0 <= gamma <= 1, f"{name} should be from 0 to 1: gamma is never more, and never less.")
        now, later = (discounted_return(way, float(gamma)) for way in (_NOW, _LATER))
        need(
            now > later if wants == "1 now" else later > now,
            f"With {name} = {float(gamma):g}, 1 now is worth 1 and 2 later are worth "
            f"2 * gamma ** 3 = {later:.6g}: that agent would not take {wants}.",
        )
        yield


#: Straight, right and left, as what they make of a direction (y grows downwards).
_TURNS: tuple[Callable[[int, int], Cell], ...] = (
    lambda dx, dy: (dx, dy),
    lambda dx, dy: (-dy, dx),
    lambda dx, dy: (dy, -dx),
)


def nearest_actions(head: Cell, direction: Cell, food: Cell) -> set[int]:
    """Give the actions after which the head is nearest to the food, in steps along the grid."""
    far = []
    for turn in _TURNS:
        dx, dy = turn(*direction)
        far.append(abs(head[0] + dx - food[0]) + abs(head[1] + dy - food[1]))
    return {action for action, distance in enumerate(far) if distance == min(far)}


@exercise("greedy_action", parts=4)
def _greedy_action(answer: Callable[[Cell, Cell, Cell], int]) -> Iterator[None]:
    cases: tuple[tuple[str, Cell, Cell, Cell], ...] = (
        ("ahead", (2, 3), (1, 0), (5, 3)),
        ("to the right of a snake that goes up", (4, 4), (0, -1), (6, 4)),
        ("to the left of a snake that goes down", (4, 4), (0, 1), (6, 4)),
        ("behind, and to the left of a snake that goes left", (4, 4), (-1, 0), (7, 6)),
    )
    for where, head, direction, food in cases:
        got = call(answer, head, direction, food)
        need(
            isinstance(got, int | np.integer) and not isinstance(got, bool),
            "Give the number of the action: 0 straight, 1 turn right, 2 turn left.",
        )
        need(int(got) in (0, 1, 2), f"{int(got)} is no action: 0 straight, 1 right, 2 left.")
        right = nearest_actions(head, direction, food)
        mirrored = {0: 0, 1: 2, 2: 1}[int(got)] in right
        hint = (
            "You turn away from it: y grows downwards, so right of up is (1, 0)."
            if mirrored
            else "Compare the three distances, and give the place of the smallest one."
        )
        need(int(got) in right, f"The food is {where}, and you give {int(got)}. {hint}")
        yield


#: The board on which three apples are to be eaten.
_BOARD, _SEED, _APPLES = 6, 7, 3


@exercise("three_apples", parts=3)
def _three_apples(answer: Any) -> Iterator[None]:
    need(
        isinstance(answer, list | tuple | np.ndarray),
        "Give the list of your actions, such as [0, 0, 1, 0].",
    )
    actions = list(answer)
    need(len(actions) > 0, "The list is empty: each step of the game is one number in it.")
    need(
        all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in actions),
        "Each action is a whole number: 0 straight, 1 turn right, 2 turn left.",
    )
    need(
        all(0 <= a <= 2 for a in actions), "Only 0 (straight), 1 (right) and 2 (left) are actions."
    )
    env = create_env("snake", grid_size=_BOARD)
    env.reset(seed=_SEED)
    eaten = 0
    for step, action in enumerate(actions, start=1):
        _, _, terminated, truncated, info = env.step(int(action))
        if info["score"] > eaten:
            eaten = info["score"]
            yield
        if eaten == _APPLES:
            return
        if terminated or truncated:
            how = {"wall": "at the wall", "self": "in its own body", "starvation": "of hunger"}
            died = how.get(str(info["death_reason"]), "here")
            raise Hint(f"Played again on seed {_SEED}, the snake dies {died} at step {step}.")
    raise Hint(
        f"Played again on seed {_SEED}, your {len(actions)} actions eat {eaten} of {_APPLES} "
        "apples. Play on."
    )

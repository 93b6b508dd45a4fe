"""Lesson 6, DQN and its crutches: targets, the double target, replay, exploration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlplay.lessons.checking import Hint, call, exercise, expect, need

__all__ = ["double_target", "epsilon_at", "maximum_of_noise", "td_target"]

Numbers = NDArray[np.float64]


def td_target(
    reward: float, next_q_values: Numbers, gamma: float, terminated: bool, truncated: bool
) -> float:
    """Give r + gamma max_b Q'(s', b), and r alone where the step is terminated."""
    return reward if terminated else reward + gamma * float(np.max(next_q_values))


@exercise("td_target", parts=4)
def _td_target(answer: Callable[..., Any]) -> Iterator[None]:
    q_values = np.array([0.5, 2.0, -1.0])
    cases = (
        (1.0, q_values, 0.9, False, False),
        (-1.0, q_values, 0.9, True, False),
        (0.25, q_values, 0.5, False, True),
        (-0.5, -q_values - 3, 0.75, False, False),
    )
    for reward, values, gamma, terminated, truncated in cases:
        ended = terminated or truncated
        mistakes = {
            "That is the discounted value alone: add the reward.": gamma * values.max(),
            "gamma is missing: what comes one step later is worth gamma times as much.": reward
            + values.max(),
            "gamma discounts only what follows, not the reward itself.": gamma
            * (reward + values.max()),
            "That is the mean of the next Q-values: take their maximum.": reward
            + gamma * values.mean(),
            "That is the place of the largest Q-value: take the value itself, max instead of "
            "argmax.": reward + gamma * int(values.argmax()),
        }
        if terminated:
            mistakes = {
                "The snake is dead here (terminated): nothing follows, so the target is the reward "
                "alone.": reward + gamma * values.max()
            }
        elif ended:
            mistakes = {
                "Truncated is not terminated: the episode was only cut here, and the game would "
                "have gone on. Bootstrap.": reward
            } | mistakes
        said = "terminated" if terminated else "truncated" if truncated else "running"
        expect(
            call(answer, reward, values, gamma, terminated, truncated),
            td_target(reward, values, gamma, terminated, truncated),
            mistakes,
            what=f"The target of a step ({said}) with reward {reward:g} and gamma {gamma:g}",
        )
        yield


def double_target(
    reward: float, online: Numbers, judge: Numbers, gamma: float, terminated: bool
) -> float:
    """Give r + gamma Q'(s', argmax_b Q(s', b)): van Hasselt, Guez and Silver 2016."""
    return reward if terminated else reward + gamma * float(judge[int(np.argmax(online))])


@exercise("double_target", parts=3)
def _double_target(answer: Callable[..., Any]) -> Iterator[None]:
    online, judge = np.array([1.25, 3.0, 2.0]), np.array([4.0, 0.5, 1.5])
    cases = (
        (1.0, online, judge, 0.9, False),
        (0.0, judge, online, 0.5, False),
        (-1.0, online, judge, 0.9, True),
    )
    for reward, chooses, judges, gamma, terminated in cases:
        mistakes = {
            "That is the plain target: the judge chooses and judges. The online network should "
            "choose.": reward + gamma * judges.max(),
            "The online network chooses and judges here: the target network should judge.": reward
            + gamma * chooses.max(),
            "The other way round: the online network chooses, the target network judges.": reward
            + gamma * chooses[judges.argmax()],
            "That is the place of the action: look up its value in the judge's Q-values.": reward
            + gamma * int(chooses.argmax()),
            "gamma is missing: what comes one step later is worth gamma times as much.": reward
            + judges[chooses.argmax()],
        }
        if terminated:
            dead = "The step is terminated: nothing follows, so the target is the reward alone."
            mistakes = {dead: reward + gamma * judges[chooses.argmax()]}
        expect(
            call(answer, reward, chooses, judges, gamma, terminated),
            double_target(reward, chooses, judges, gamma, terminated),
            mistakes,
            what=f"The double target with reward {reward:g} and gamma {gamma:g}",
        )
        yield


@exercise("replay_buffer", parts=3)
def _replay_buffer(answer: Callable[[int], Any]) -> Iterator[None]:
    need(isinstance(answer, type), "Give the class itself: check('replay_buffer', ReplayBuffer).")
    other = _made(answer, 2)
    _used(other, "push", 99)
    buffer = _made(answer, 3)
    for item in (10, 11):
        _used(buffer, "push", item)
    drawn = _drawn(buffer, 200, seed=0)
    need(
        99 not in drawn,
        "Two buffers share their memory: make the list in __init__, with self.",
    )
    need(
        drawn <= {10, 11},
        "sample gives something that was never pushed: draw only from what is filled.",
    )
    need(drawn == {10, 11}, "200 draws from two transitions give only one: draw among all.")
    yield
    for item in (12, 13, 14):
        _used(buffer, "push", item)
    drawn = _drawn(buffer, 300, seed=1)
    need(
        not drawn & {10, 11},
        "Five were pushed into a buffer of 3, and sample still gives the oldest: the new one "
        "takes the place of the oldest (position % capacity).",
    )
    need(
        drawn == {12, 13, 14},
        f"The buffer of 3 should hold the last three pushed, 12, 13 and 14, not "
        f"{', '.join(map(str, sorted(drawn)))}.",
    )
    yield
    need(
        _list_of(buffer, 60, seed=2) == _list_of(buffer, 60, seed=2),
        "The same generator should give the same draw: use the generator that sample is given.",
    )
    need(
        len({tuple(_list_of(buffer, 5, seed=seed)) for seed in range(20)}) > 1,
        "Each sample is the same: draw at random, with the generator that sample is given.",
    )
    yield


def _made(answer: Callable[[int], Any], capacity: int) -> Any:
    return _tried(lambda: answer(capacity), f"ReplayBuffer({capacity})")


def _used(buffer: Any, name: str, *arguments: Any) -> Any:
    """Call a method of the student's buffer."""
    method = getattr(buffer, name, None)
    if not callable(method):
        raise Hint(f"The buffer has no method {name!r}.")
    return _tried(lambda: method(*arguments), name)


def _tried(step: Callable[[], Any], what: str) -> Any:
    """Do something that a student wrote."""
    try:
        return step()
    except Hint:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise Hint(f"{what} raised {type(error).__name__}: {words}") from None


def _list_of(buffer: Any, count: int, seed: int) -> list[int]:
    got = _used(buffer, "sample", count, np.random.default_rng(seed))
    need(
        got is not None and got is not ...,
        "sample gives nothing: replace the dots, and end with return.",
    )
    need(
        isinstance(got, list | tuple | np.ndarray) and len(got) == count,
        f"sample({count}, generator) should give a list of {count} transitions.",
    )
    need(
        all(isinstance(item, int | np.integer) for item in got),
        "sample should give what was pushed, as it was pushed.",
    )
    return [int(item) for item in got]


def _drawn(buffer: Any, count: int, seed: int) -> set[int]:
    return set(_list_of(buffer, count, seed))


def epsilon_at(step: int, start: float, end: float, steps: int) -> float:
    """Down in a straight line from start to end within `steps`, and there it stays."""
    return start + (end - start) * min(step / steps, 1.0)


@exercise("epsilon_schedule", parts=4)
def _epsilon_schedule(answer: Callable[..., Any]) -> Iterator[None]:
    for step in (0, 250, 1000, 5000):
        start, end, steps = 1.0, 0.1, 1000
        true = epsilon_at(step, start, end, steps)
        line = start + (end - start) * step / steps
        mistakes = {
            "Past the end of the schedule: after the last step epsilon stays at its end.": line,
            "That goes down to 0: it should go down to the end value.": max(
                0.0, start * (1 - step / steps)
            ),
            "That goes up: epsilon falls from start to end.": end
            + (start - end) * min(step / steps, 1.0),
            "Epsilon falls in a straight line from the first step on, not at once.": end,
            "Epsilon has to fall: at this step it is still at its start.": start,
        }
        expect(
            call(answer, step, start, end, steps),
            true,
            mistakes,
            what=f"Epsilon at step {step} of a schedule from {start:g} to {end:g} over {steps}",
        )
        yield


def maximum_of_noise(num_actions: int, noise: float, count: int, seed: int) -> tuple[float, float]:
    """Say how far the maximum of noisy estimates lies above the truth, which is 0.

    Args:
        num_actions: Actions, all of them worth 0.
        noise: Standard deviation of an estimate.
        count: Trials.
        seed: Of the noise.

    Returns:
        The mean of the plain maximum, and of the double estimate: the action that one set of
        estimates prefers, judged by another set.
    """
    one, other = np.random.default_rng(seed).normal(0, noise, (2, count, num_actions))
    chosen = one.argmax(axis=1)
    return float(one.max(axis=1).mean()), float(other[np.arange(count), chosen].mean())

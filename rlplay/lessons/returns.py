"""Lesson 1, play it yourself: rewards, returns and what a discount does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rlplay.lessons.checking import call, exercise, expect

__all__ = ["discounted_return"]


def discounted_return(rewards: Sequence[float], gamma: float) -> float:
    """G = r_1 + gamma r_2 + gamma^2 r_3 + ... (Sutton and Barto, equation 3.8)."""
    total = 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
    return total


@exercise("discounted_return", parts=3)
def _discounted_return(answer: Callable[[list[float], float], float]) -> Iterator[None]:
    for rewards, gamma in (([1.0, 1.0, 1.0], 0.5), ([0.0, 0.0, 8.0], 0.9), ([], 0.9)):
        late = gamma * discounted_return(rewards, gamma)
        expect(
            call(answer, rewards, gamma),
            discounted_return(rewards, gamma),
            {
                "That is the sum without gamma: each reward is worth gamma times less than the "
                "one before.": sum(rewards),
                "The first reward is not discounted: its factor is gamma ** 0 = 1.": late,
            },
            what=f"The return of {rewards} with gamma {gamma}",
        )
        yield

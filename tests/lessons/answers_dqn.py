"""Answers to lesson 6, right ones and typical wrong ones."""

from __future__ import annotations

import random
from collections import deque
from typing import Any, ClassVar

import numpy as np

from rlplay.lessons import dqn as lesson


def target_masked(reward, next_q_values, gamma, terminated, truncated):
    return reward + gamma * max(next_q_values) * (not terminated)


def target_done(reward, next_q_values, gamma, terminated, truncated):
    return reward if terminated or truncated else reward + gamma * max(next_q_values)


def target_always(reward, next_q_values, gamma, terminated, truncated):
    return reward + gamma * max(next_q_values)


def target_without_gamma(reward, next_q_values, gamma, terminated, truncated):
    return reward if terminated else reward + max(next_q_values)


def target_mean(reward, next_q_values, gamma, terminated, truncated):
    return reward if terminated else reward + gamma * np.mean(next_q_values)


def target_place(reward, next_q_values, gamma, terminated, truncated):
    return reward if terminated else reward + gamma * np.argmax(next_q_values)


def target_all(reward, next_q_values, gamma, terminated, truncated):
    return reward + gamma * next_q_values


def target_changes(reward, next_q_values, gamma, terminated, truncated):
    next_q_values *= gamma
    return reward if terminated else reward + max(next_q_values)


def double_masked(reward, online, judge, gamma, terminated):
    return reward + gamma * judge[np.argmax(online)] * (not terminated)


def double_plain(reward, online, judge, gamma, terminated):
    return reward if terminated else reward + gamma * judge.max()


def double_online(reward, online, judge, gamma, terminated):
    return reward if terminated else reward + gamma * online.max()


def double_swapped(reward, online, judge, gamma, terminated):
    return reward if terminated else reward + gamma * online[judge.argmax()]


def double_place(reward, online, judge, gamma, terminated):
    return reward if terminated else reward + gamma * online.argmax()


def double_always(reward, online, judge, gamma, terminated):
    return reward + gamma * judge[online.argmax()]


class Ring:
    def __init__(self, capacity):
        self.items, self.capacity, self.count = [None] * capacity, capacity, 0

    def push(self, transition):
        self.items[self.count % self.capacity] = transition
        self.count += 1

    def sample(self, size, generator):
        filled = min(self.count, self.capacity)
        return [self.items[place] for place in generator.integers(0, filled, size)]


class Queue:
    def __init__(self, capacity):
        self.items = deque(maxlen=capacity)

    def push(self, transition):
        self.items.append(transition)

    def sample(self, size, generator):
        return [self.items[place] for place in generator.integers(0, len(self.items), size)]


class Unfilled(Ring):
    def sample(self, size, generator):
        return [self.items[place] or 0 for place in generator.integers(0, self.capacity, size)]


class Endless(Queue):
    def __init__(self, capacity):
        self.items = []


class Full(Ring):
    def push(self, transition):
        if self.count < self.capacity:
            super().push(transition)


class Newest(Queue):
    def sample(self, size, generator):
        return [self.items[-1]] * size


class OwnLuck(Queue):
    def sample(self, size, generator):
        return random.choices(list(self.items), k=size)


class Shared(Queue):
    items: ClassVar[deque[Any]] = deque(maxlen=3)

    def __init__(self, capacity):
        self.capacity = capacity


class NoSample(Queue):
    def sample(self, size, generator): ...


class Few(Queue):
    def sample(self, size, generator):
        return self.items[0]


class Overflow(Ring):
    def push(self, transition):
        self.items[self.count] = transition
        self.count += 1


def epsilon_clipped(step, start, end, steps):
    return max(end, start - (start - end) * step / steps)


def epsilon_endless(step, start, end, steps):
    return start + (end - start) * step / steps


def epsilon_to_zero(step, start, end, steps):
    return max(0.0, start * (1 - step / steps))


def epsilon_up(step, start, end, steps):
    return end + (start - end) * min(1, step / steps)


def epsilon_still(step, start, end, steps):
    return start


def epsilon_at_once(step, start, end, steps):
    return start if step == 0 else end


RIGHT: dict[str, list[Any]] = {
    "td_target": [lesson.td_target, target_masked],
    "double_target": [lesson.double_target, double_masked],
    "replay_buffer": [Ring, Queue],
    "epsilon_schedule": [lesson.epsilon_at, epsilon_clipped],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "td_target": [
        (target_done, "Truncated is not terminated"),
        (target_always, "The snake is dead here"),
        (target_without_gamma, "gamma is missing"),
        (lambda r, q, gamma, dead, cut: r if dead else gamma * max(q), "add the reward"),
        (lambda r, q, gamma, dead, cut: r if dead else gamma * (r + max(q)), "not the reward"),
        (target_mean, "take their maximum"),
        (target_place, "max instead of argmax"),
        (target_all, "a number"),
        (target_changes, "changes what it was given"),
        (1.8, "Give the function itself"),
    ],
    "double_target": [
        (double_plain, "the judge chooses and judges"),
        (double_online, "chooses and judges here"),
        (double_swapped, "The other way round"),
        (double_place, "look up its value"),
        (double_always, "nothing follows"),
        (
            lambda r, online, judge, gamma, dead: r if dead else r + judge[online.argmax()],
            "gamma is missing",
        ),
        (None, "Not answered yet"),
    ],
    "replay_buffer": [
        (Unfilled, "never pushed"),
        (Endless, "still gives the oldest"),
        (Full, "still gives the oldest"),
        (Newest, "draw among all"),
        (OwnLuck, "use the generator"),
        (Shared, "share their memory"),
        (NoSample, "replace the dots"),
        (Few, "a list of 200 transitions"),
        (Overflow, "raised IndexError"),
        (Ring(3), "Give the class itself"),
    ],
    "epsilon_schedule": [
        (epsilon_endless, "stays at its end"),
        (epsilon_to_zero, "it should go down to the end value"),
        (epsilon_up, "That goes up"),
        (epsilon_still, "has to fall"),
        (epsilon_at_once, "not at once"),
        (0.5, "Give the function itself"),
    ],
}

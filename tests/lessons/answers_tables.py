"""Answers to the exercises of lesson 4, right and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlplay.lessons.tables import EpsilonGreedy


def td_update(old, target, alpha):
    return old + alpha * (target - old)


def q_target(reward, next_row, gamma, ended):
    if ended:
        return reward
    return reward + gamma * max(next_row)


def sarsa_target(reward, next_row, next_action, gamma, ended):
    return reward + (0.0 if ended else gamma * next_row[next_action])


def epsilon_greedy(row, epsilon):
    best = [value == max(row) for value in row]
    return [epsilon / len(row) + (1 - epsilon) * is_best / sum(best) for is_best in best]


def epsilon_greedy_array(row, epsilon):
    row = np.array(row)
    best = row == row.max()
    return np.full(len(row), epsilon / len(row)) + (1 - epsilon) * best / best.sum()


def first_best(row, epsilon):
    chances = [epsilon / len(row)] * len(row)
    chances[row.index(max(row))] += 1 - epsilon
    return chances


def not_drawn_by_chance(row, epsilon):
    best = [value == max(row) for value in row]
    return [
        (1 - epsilon) / sum(best) if is_best else epsilon / (len(row) - sum(best))
        for is_best in best
    ]


def q_learning(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        while not ended:
            action = choose(table[state])
            next_state, reward, ended = world.step(action)
            target = q_target(reward, table[next_state], gamma, ended)
            table[state, action] = td_update(table[state, action], target, alpha)
            state = next_state
    return table


def q_learning_lists(world, choose, episodes, alpha, gamma):
    table = [[0.0] * 4 for _ in range(world.num_states)]
    for _ in range(episodes):
        state = world.reset()
        while True:
            action = choose(table[state])
            after, reward, ended = world.step(action)
            best = 0.0 if ended else max(table[after])
            table[state][action] = (1 - alpha) * table[state][action] + alpha * (
                reward + gamma * best
            )
            if ended:
                break
            state = after
    return table


def without_choose(world, choose, episodes, alpha, gamma):
    return q_learning(world, EpsilonGreedy(0.2, seed=9), episodes, alpha, gamma)


def with_sarsa(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        action = choose(table[state])
        while not ended:
            after, reward, ended = world.step(action)
            following = choose(table[after])
            target = sarsa_target(reward, table[after], following, gamma, ended)
            table[state, action] = td_update(table[state, action], target, alpha)
            state, action = after, following
    return table


def without_gamma(world, choose, episodes, alpha, gamma):
    return q_learning(world, choose, episodes, alpha, 1.0)


def state_stands_still(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        while not ended:
            action = choose(table[state])
            after, reward, ended = world.step(action)
            target = q_target(reward, table[after], gamma, ended)
            table[state, action] = td_update(table[state, action], target, alpha)
    return table


def target_of_this_state(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        while not ended:
            action = choose(table[state])
            after, reward, ended = world.step(action)
            target = q_target(reward, table[state], gamma, ended)
            table[state, action] = td_update(table[state, action], target, alpha)
            state = after
    return table


def forgets_the_table(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        while not ended:
            action = choose(table[state])
            state, _, ended = world.step(action)
    return table


def gives_another_table(world, choose, episodes, alpha, gamma):
    return 0 * q_learning(world, choose, episodes, alpha, gamma)


def walks_on(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    state = world.reset()
    for _ in range(10_000):
        action = choose(table[state])
        after, reward, ended = world.step(action)
        target = q_target(reward, table[after], gamma, ended)
        table[state, action] = td_update(table[state, action], target, alpha)
        state = after
    return table


def one_episode(world, choose, episodes, alpha, gamma):
    return q_learning(world, choose, 1, alpha, gamma)


def row_as_action(world, choose, episodes, alpha, gamma):
    table = np.zeros((world.num_states, world.num_actions))
    world.reset()
    world.step(table[0])
    return table


def open_answer(*_):
    """What the student's notebook holds before anything is written."""


RIGHT: dict[str, list[Any]] = {
    "td_update": [td_update, lambda old, target, alpha: (1 - alpha) * old + alpha * target],
    "q_learning_target": [
        q_target,
        lambda reward, row, gamma, ended: reward + gamma * np.max(row) * (not ended),
    ],
    "sarsa_target": [sarsa_target],
    "epsilon_greedy": [epsilon_greedy, epsilon_greedy_array],
    "q_learning": [q_learning, q_learning_lists],
}

WRONG: dict[str, list[tuple[Any, str]]] = {
    "td_update": [
        (lambda old, target, alpha: target - old, "That is the error"),
        (lambda old, target, alpha: alpha * (target - old), "only the change"),
        (lambda old, target, alpha: target, "Where is alpha?"),
        (lambda old, target, alpha: old - alpha * (target - old), "wrong way"),
        (lambda old, target, alpha: old + alpha * target, "alpha takes the whole target"),
        (lambda old, target, alpha: alpha * old + (1 - alpha) * target, "changed places"),
        (lambda old, target, alpha: "1", "should be a number"),
        (open_answer, "replace the dots"),
        (0.5, "Give the function itself"),
    ],
    "q_learning_target": [
        (lambda r, row, gamma, ended: r + gamma * max(row), "The episode has ended"),
        (lambda r, row, gamma, ended: r if ended else r + max(row), "Where is gamma?"),
        (lambda r, row, gamma, ended: r if ended else gamma * max(row), "The reward is missing"),
        (lambda r, row, gamma, ended: r if ended else gamma * (r + max(row)), "not to the reward"),
        (lambda r, row, gamma, ended: r, "That is the reward alone"),
        (lambda r, row, gamma, ended: r + gamma * sum(row) / 4, "takes the best"),
        (lambda r, row, gamma, ended: r + gamma * int(np.argmax(row)), "argmax"),
        (
            lambda r, row, gamma, ended: r if ended else r + gamma * max(map(abs, row)),
            "the largest in size",
        ),
        (lambda r, row, gamma, ended: [r], "an array with one number"),
        (open_answer, "replace the dots"),
        ("max", "Give the function itself"),
    ],
    "sarsa_target": [
        (lambda r, row, a, gamma, ended: r + gamma * row[a], "The episode has ended"),
        (
            lambda r, row, a, gamma, ended: r if ended else r + gamma * max(row),
            "That is Q-learning's target",
        ),
        (lambda r, row, a, gamma, ended: r if ended else r + row[a], "Where is gamma?"),
        (lambda r, row, a, gamma, ended: r if ended else gamma * row[a], "The reward is missing"),
        (
            lambda r, row, a, gamma, ended: r if ended else gamma * (r + row[a]),
            "not to the reward",
        ),
        (lambda r, row, a, gamma, ended: r, "That is the reward alone"),
        (lambda r, row, a, gamma, ended: r if ended else r + gamma * a, "next_row[next_action]"),
        (lambda r, row, a, gamma, ended: {}, "should be a number"),
        (open_answer, "replace the dots"),
    ],
    "epsilon_greedy": [
        (first_best, "Two actions are equally good"),
        (not_drawn_by_chance, "drawn by chance as well"),
        (
            lambda row, epsilon: [float(value == max(row)) for value in row],
            "That is the greedy choice alone",
        ),
        (
            lambda row, epsilon: [(1 - epsilon) * (value == max(row)) for value in row],
            "The other actions also have a chance",
        ),
        (lambda row, epsilon: epsilon_greedy(row, 1 - epsilon), "changed places"),
        (lambda row, epsilon: [0.25] * 4, "equally likely"),
        (
            lambda row, epsilon: [
                epsilon / len(row) + (1 - epsilon) * (value == max(row)) for value in row
            ],
            "divide it by how many",
        ),
        (lambda row, epsilon: row.index(max(row)), "should be numbers of shape (4,)"),
        (open_answer, "replace the dots"),
    ],
    "q_learning": [
        (with_sarsa, "what SARSA learns"),
        (without_choose, "asked choose 0 times"),
        (without_gamma, "gamma is missing"),
        (state_stands_still, "Does the state move on"),
        (target_of_this_state, "the row of next_state"),
        (forgets_the_table, "Does the table change?"),
        (gives_another_table, "The table is still all 0"),
        (walks_on, "walks on after the end"),
        (one_episode, "should play 400 episodes"),
        (row_as_action, "takes the number of an action"),
        (lambda *_: [[0.0] * 4], "rows (states)"),
        (lambda *_: "table", "Give the table"),
        (open_answer, "replace the dots"),
        (3, "Give the function itself"),
    ],
}

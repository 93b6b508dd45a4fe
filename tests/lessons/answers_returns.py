"""Right and wrong answers to the exercises of lesson 1."""


def backwards(rewards, gamma):
    total = 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
    return total


def by_powers(rewards, gamma):
    return sum(gamma**k * reward for k, reward in enumerate(rewards))


def without_gamma(rewards, gamma):
    return sum(rewards)


def late(rewards, gamma):
    return sum(gamma ** (k + 1) * reward for k, reward in enumerate(rewards))


def no_return(rewards, gamma):
    by_powers(rewards, gamma)


def empties(rewards, gamma):
    total = 0.0
    while rewards:
        total = rewards.pop() + gamma * total
    return total


RIGHT = {"discounted_return": [backwards, by_powers]}
WRONG = {
    "discounted_return": [
        (without_gamma, "without gamma"),
        (late, "first reward is not discounted"),
        (no_return, "end with return"),
        (empties, "changes what it was given"),
        (lambda rewards: 0.0, "raised TypeError"),
        (1.75, "Give the function itself"),
    ]
}

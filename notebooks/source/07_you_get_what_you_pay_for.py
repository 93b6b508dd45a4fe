# %% [markdown]
# # 7. You get what you pay for
#
# **Goal:** you can see that an agent does what it is *paid* for, not what you *mean*, and you can help it without being tricked.
#
# Time: about 50 minutes. You need: rewards, return and gamma (lesson 1), and having seen a snake learn (the quickstart, or lesson 5).

# %% [markdown]
# ## 1. Rewards are prices
#
# The rules of the game only report **events**: an apple was eaten, the head came closer to the apple, the snake died. A second table says what each event pays. The agent never sees the rules. It sees the sum.

# %%
# NBVAL_CHECK_OUTPUT
import rlplay

rewards = rlplay.get_default_config("ppo", "snake").reward_config
for event in ("apple", "win", "death_wall", "death_self", "step", "closer", "farther"):
    print(f"{event:12} {rewards[event]}")

# %% [markdown]
# What a whole episode pays is its return (here without a discount):
#
# $$G = \sum_t \Big( \text{step} + \sum_{e\,\in\,\text{events}_t} \text{pay}(e) \Big)$$
#
# `events` is a list with one entry for each step, and each entry is a list of names: `[["closer"], ["apple"]]`. In every step, `rewards["step"]` is paid too.

# %%
from rlplay.lessons import check


def event_return(events, rewards):
    """Add up what an episode pays."""
    ### BEGIN SOLUTION
    return sum(rewards["step"] + sum(rewards[event] for event in step) for step in events)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("event_return", event_return)

# %% [markdown]
# ## 2. A reward that sounds right
#
# Apples are rare at first, so a beginner gets little help. A natural idea: pay for coming **closer** to the apple, and the more, the nearer it is:
#
# `4 / distance_to_food ** 2`
#
# (Arriving beside the apple pays 4, two cells away 1, three cells away 0.44. Going away costs nothing.)
#
# **Predict:** with this reward on top of 1 for each apple, will the snake eat more apples, fewer, or as many? Write your guess down.
#
# **Run** the cell. The panel begins with this reward. Two curves stand above it: the **return**, which is what the snake is paid, and the **score**, which is what we want.
#
# 1. Press **Start** and let it learn for about a minute. Watch the two curves.
# 2. Drag **Moves/s** down to about 8 and watch what the snake does when it is near an apple. Then **Full speed** again.
#
# **Compare:** what did you expect? Which curve rises? Which does not?

# %% picture="paid_and_scored.png"
from IPython.display import display

from rlplay_widgets import Playground
from rlplay_widgets.lessons.rewards import PaidAndScored

panel = Playground(lesson="you-get-what-you-pay-for")
display(PaidAndScored(panel), panel)

# %% [markdown]
# The snake is not stupid, and it is not broken. It found the best way to be paid. To eat the apple is worth 1, once. To come back to it again and again is worth more, and there is always a next time. People call this **reward hacking**.
#
# ## 3. Find the dance yourself
#
# Here is a snake of length 1 at (2, 2) on a board of 6 by 6. It looks to the right, and an apple lies at (4, 2), two cells ahead. Actions: 0 straight on, 1 turn right, 2 turn left.

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.rewards import walk

trip = walk([0, 1, 0])
for t in range(len(trip.actions)):
    print(trip.actions[t], trip.events[t], "distance", trip.distances[t + 1])

# %% [markdown]
# Suppose `closer` pays 1, and all else pays 0. Find a **dance**: a list of at most 24 actions that
#
# - eats no apple and does not die,
# - ends in the cell where it began, looking the same way (so it can go on for ever),
# - earns at least 10.

# %%
dance = ...  # your list of actions, such as [0, 1, 0]
### BEGIN SOLUTION
dance = [1, 1, 1, 1] * 6
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("loop_that_pays", dance)

# %% [markdown]
# Now the same dance under two price lists. (While yours is open, this uses a short one.)

# %%
trip = walk(dance if isinstance(dance, list) else [1, 1, 1, 1])
print(f"closer 1, farther  0: {trip.pay(closer=1):5.1f}")
print(f"closer 1, farther -1: {trip.pay(closer=1, farther=-1):5.1f}")

# %% [markdown]
# When going away costs as much as coming closer pays, a dance pays nothing: who ends where he began has gone away as often as he came closer. This holds for **every** dance. Why, and can it always be had?
#
# ## 4. Potentials
#
# Give each state $s$ a number $\Phi(s)$, its **potential**: large where it is good to be, for example minus the distance to the apple. Ng, Harada and Russell (1999) showed: you may add
#
# $$F = \gamma\,\Phi(s') - \Phi(s)$$
#
# to the reward of the step from $s$ to $s'$, and the best way to play stays the best way to play, *whatever* $\Phi$ is. When the episode ends (`terminated`), no state follows, and $\Phi(s')$ counts as 0.


# %%
def shaped_reward(reward, phi, next_phi, gamma, terminated):
    """Give the reward with F added; phi and next_phi are the two potentials."""
    ### BEGIN SOLUTION
    if terminated:
        next_phi = 0.0
    return reward + gamma * next_phi - phi
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("shaped_reward", shaped_reward)

# %% [markdown]
# ## 5. Why it cannot be tricked
#
# Add up all $F$ of a path $s_0, s_1, \dots, s_T$, each one discounted as any reward is:
#
# $$\sum_{t=0}^{T-1} \gamma^t \big(\gamma\,\Phi(s_{t+1}) - \Phi(s_t)\big) = \big(\gamma\Phi(s_1) - \Phi(s_0)\big) + \big(\gamma^2\Phi(s_2) - \gamma\Phi(s_1)\big) + \dots$$
#
# Look at the terms: $\gamma\Phi(s_1)$ comes once with plus and once with minus. So does $\gamma^2\Phi(s_2)$, and so on. The sum folds together like a telescope. **Predict** what is left, and write it as a function of the potentials of all states on the path.


# %%
def telescoped_sum(potentials, gamma):
    """Give the discounted sum of all F, from the potentials of s_0 to s_T."""
    ### BEGIN SOLUTION
    steps = len(potentials) - 1
    return gamma**steps * potentials[-1] - potentials[0]
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("telescoped_sum", telescoped_sum)

# %% [markdown]
# Proof on your own path: change the list of actions as you like, and compare the sum, step by step, with what your function says.

# %%
gamma, trip = 0.9, walk([2, 1, 0, 1, 1, 1, 2])
phi = [-distance for distance in trip.distances]
total = 0.0
for t in range(len(trip.actions)):
    total += gamma**t * (gamma * phi[t + 1] - phi[t])
print(f"{len(trip.actions)} steps, summed up one by one: {total:.6f}")
print("your telescoped_sum:", telescoped_sum(phi, gamma))

# %% [markdown]
# Only the beginning and the end count, not the way between. A dance that comes back to its beginning earns $(\gamma^T - 1)\,\Phi(s_0)$: with $\gamma = 1$ nothing at all. With a smaller $\gamma$, $\gamma^T$ goes to 0, and every path, whatever you do on it, comes to the same $-\Phi(s_0)$ in the end. So the only way to more is what the true reward pays for.
#
# ## 6. Mend the reward, live
#
# Back to our snake. `closer` pays `4 / distance_to_food ** 2`, where `distance_to_food` is the distance *after* the step. What must `farther` pay, so that each step away takes back exactly what the step closer had paid? You may use `distance_to_food` and `previous_distance_to_food` (before the step). Write it as a formula.

# %%
farther = ...  # your formula, such as "-1 / distance_to_food"
### BEGIN SOLUTION
farther = "-4 / previous_distance_to_food ** 2"
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("farther_formula", farther)

# %% [markdown]
# **Predict:** with your formula, what will happen to the return? What to the score?
#
# **Run:** in the panel above, open the **World** tab *while the snake trains* and put your formula into **farther**. (Or run the next cell, which does the same.) Each change leaves a dashed line in the curves. Give it a minute.

# %%
if isinstance(farther, str):
    panel.desk.set("reward_config", "farther", farther)

# %% [markdown]
# **Compare:** the return falls at once, because the dance is not paid any more. And then the score rises. The return has become smaller and the snake better. So never judge a run by its return alone when you have changed the rewards: look at what you want.
#
# ## 7. If there is time: shape it exactly
#
# Prices for `closer` and `farther` say nothing about the moment of eating, when a new apple appears far away. A **reward function** of your own sees the state before and after each step, of many boards at once, and can do exactly what the theorem says:

# %%
import numpy as np


def phi(facts):
    """Minus the distance from head to apple, for each board."""
    return -np.abs(facts["food"] - facts["head"]).sum(axis=1)


@rlplay.register_reward("shaped", envs="snake")
def shaped(t):
    """What the world pays, shaped by the distance to the apple."""
    return t.rewards + 0.99 * phi(t.next_facts) * ~t.terminated - phi(t.facts)


# %% [markdown]
# The panel knows it at once. Press **Stop**. In the World tab, set **closer** and **farther** to 0 and choose `shaped` as the **Reward function**, then **Start**. **Predict** first: will the score be higher than with your formula?
#
# When you are done, this ends what still trains:

# %%
for session in rlplay.sessions():
    if not session.has_ended():
        session.stop()
        session.wait()

# %% [markdown]
# ## What you have seen
#
# An agent makes its return large, and nothing else. A reward for something *on the way* to the goal can be collected without ever getting there. A reward that is a difference of potentials cannot, because its sum depends only on where the path begins and ends.
#
# **Next:** lesson 8 looks into the algorithm that did this, and turns its policy with small nudges.

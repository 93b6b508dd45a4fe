# %% [markdown]
# # 8. Nudging a policy
#
# **Goal:** you understand how a policy is improved by small nudges, why the nudges are noisy, and how PPO keeps them small.
#
# Time: about 60 minutes. You need: returns and gamma (lesson 1), the bandit (lesson 2), the value V (lesson 3).
#
# DQN (lesson 6) learns what actions are *worth*, and then takes the best one. This lesson goes another way: it changes **how likely** each action is. Actions that turned out well become more likely, the others less. That is all, and the rest of the lesson is about doing it well.

# %% [markdown]
# ## 1. From numbers to chances: softmax
#
# A policy network gives one number $z_a$ for each action, its **logit**. It can be any number. The **softmax** makes chances of them: all above 0, and together 1.
#
# $$\pi(a) = \frac{e^{z_a}}{\sum_b e^{z_b}}$$
#
# For large logits $e^{z}$ is too large for a computer. But if you take the same number off all logits, the chances stay the same. So take the largest one off first.

# %%
import numpy as np

from rlplay.lessons import check


def softmax(logits):
    """Give the chance of each action, as an array of the same size."""
    ### BEGIN SOLUTION
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("softmax", softmax)

# %% [markdown]
# ## 2. Which way is "more likely"?
#
# We did action $a$ and it went well. Which way do the logits have to move, so that $a$ becomes more likely? The gradient of $\log \pi(a)$ says so. It is called the **score function**, and for a softmax it is very simple:
#
# $$\frac{\partial \log \pi(a)}{\partial z_b} = \begin{cases} 1 - \pi(b) & \text{if } b = a \\ -\pi(b) & \text{otherwise} \end{cases}$$
#
# (Because $\log \pi(a) = z_a - \log \sum_b e^{z_b}$: the first part gives the 1, the second one gives $-\pi(b)$.) The chosen action goes up, all others go down, and the numbers add up to 0.


# %%
def score_function(logits, action):
    """Give the gradient of log pi(action): one number for each logit."""
    ### BEGIN SOLUTION
    powers = np.exp(logits - np.max(logits))
    gradient = -powers / powers.sum()
    gradient[action] += 1
    return gradient
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("score_function", score_function)

# %% [markdown]
# ## 3. Two arms: the nudge and its noise
#
# **REINFORCE** (Williams, 1992) nudges the logits after each action by
#
# $$\text{nudge} = (R - b)\; \nabla \log \pi(a)$$
#
# where $R$ is what the action paid, and $b$ is a **baseline**: any number that does not depend on the action.
#
# Here is a bandit with two arms. The left one pays about 10, the right one about 11. The policy takes each half of the time. We pull 1000 times, and look at the nudge of the right arm's logit: its **mean** is where the policy goes, its **spread** (standard deviation) is the noise of one pull.
#
# **Predict:** without a baseline ($b = 0$) every pull pays about 10, so *every* action is made more likely. With $b = 10.5$ only the better half is. Which changes: the mean, the spread, both? Write your guess down.
#
# **Run:**

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.policies import pull_two_arms

for baseline in (0, 10.5):
    pulls = pull_two_arms(baseline=baseline, pulls=1000, seed=7)
    print(f"b = {baseline:4}: mean {pulls.mean[1]:5.2f}, spread {pulls.spread[1]:5.2f}")

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
for baseline, look in ((0, {"hatch": "//"}), (10.5, {})):
    nudges = pull_two_arms(baseline=baseline, pulls=1000, seed=7).nudges[:, 1]
    ax.hist(nudges, bins=np.linspace(-8, 8, 81), alpha=0.6, label=f"b = {baseline}", **look)
ax.axvline(0.25, color="gray", ls="--", label="true mean")
ax.set(xlabel="nudge of the right arm's logit", ylabel="pulls")
ax.legend()
plt.show()

# %% [markdown]
# **Compare:** both means are near the true one, 0.25. (The mean over *all* pulls does not change: $\sum_a \pi(a)\,\nabla\log\pi(a) = \nabla \sum_a \pi(a) = \nabla 1 = 0$, so $b$ times it is 0.) But without a baseline one pull says +5 or −5, and only many pulls together say +0.25. With the baseline the advice is about ten times less noisy. To be as sure, you would need about a hundred times as many pulls.
#
# Try `baseline=100`. What happens?

# %% [markdown]
# ## 4. Many steps: only what comes after
#
# In an episode an action cannot change what was paid *before* it. So action $a_t$ is judged by the **return to go** from its step on, and the baseline is the value of its state:
#
# $$A_t = G_t - V(s_t), \qquad G_t = r_{t+1} + \gamma\, G_{t+1}$$
#
# $A_t$ is called the **advantage**: how much better it went than expected.


# %%
def advantages_to_go(rewards, values, gamma):
    """Give A_t of each step: rewards[t] is paid after step t, values[t] is V before it."""
    ### BEGIN SOLUTION
    advantages, to_go = [0.0] * len(rewards), 0.0
    for t in reversed(range(len(rewards))):
        to_go = rewards[t] + gamma * to_go
        advantages[t] = to_go - values[t]
    return advantages
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("advantages_to_go", advantages_to_go)

# %% [markdown]
# ## 5. REINFORCE learns a game, PPO beside it
#
# A pole stands on a cart. The cart is pushed left or right, and each step in which the pole stands pays 1, at most 500. Both algorithms get the same number of steps.
#
# **Predict:** which one learns faster, and whose curve is smoother?
#
# **Run** (about half a minute):

# %%
import os

import rlplay

steps = 2_000 if os.environ.get("RLPLAY_CI") else 60_000
runs = {}
for algo in ("reinforce", "ppo"):
    config = rlplay.get_default_config(algo, "gymnasium:CartPole-v1")
    config = config.replace(num_envs=16, seed=1)
    runs[algo] = rlplay.train(config, steps=steps, progress=False)

# %% picture="reinforce_and_ppo.png"
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
for algo, style in (("reinforce", "--"), ("ppo", "-")):
    columns, _, _ = runs[algo].monitor.history()
    ax.plot(columns["steps"], columns["score"], style, label=algo)
ax.set(xlabel="steps", ylabel="steps that the pole stood")
ax.legend()
plt.show()

# %% [markdown]
# **Compare:** one run each is not a proof (lesson 9 says why), but look for two things. REINFORCE uses each episode for *one* nudge, then throws it away. PPO uses the same steps several times. That needs a guard, and you build it below.

# %% [markdown]
# ## 6. Between one step and all steps: GAE
#
# $G_t$ is true, but noisy: everything that happens later is in it. One step and then $V$ is less noisy, but only as good as $V$ is. The error of that short look is
#
# $$\delta_t = r_{t+1} + \gamma V(s_{t+1}) - V(s_t)$$
#
# **Generalized advantage estimation** (Schulman and others, 2016) mixes both with one knob $\lambda$ from 0 (only $\delta$) to 1 (the whole return):
#
# $$A_t = \delta_t + \gamma\lambda\, A_{t+1}$$
#
# Compute it backwards, as you did with $G$. After the last step comes a state whose value is `last_value`, and no advantage follows.


# %%
def gae(rewards, values, last_value, gamma, lam):
    """Give A_t of each step, lam is lambda."""
    ### BEGIN SOLUTION
    advantages, advantage = [0.0] * len(rewards), 0.0
    next_values = [*values[1:], last_value]
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] - values[t]
        advantage = delta + gamma * lam * advantage
        advantages[t] = advantage
    return advantages
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("gae", gae)

# %% [markdown]
# ## 7. How far is too far? The clipped objective
#
# To use the same steps again, we must notice how far the policy has moved since it played them. The **ratio** says so for each action:
#
# $$r = \frac{\pi_\text{new}(a|s)}{\pi_\text{old}(a|s)}$$
#
# $r = 1$: nothing has changed. $r = 1.5$: the action is now half as likely again. PPO (Schulman and others, 2017) makes this large:
#
# $$\min\big(r A,\; \text{clip}(r,\, 1-\varepsilon,\, 1+\varepsilon)\, A\big)$$
#
# **Predict:** an action was good ($A > 0$), and its ratio is already above $1 + \varepsilon$. Is it pushed further up? An action was bad ($A < 0$), but its ratio is above $1 + \varepsilon$ (it went the wrong way). Is it pushed down?
#
# **Run** the cell and drag **ratio** and **clip**. **Compare** with your guess.

# %% picture="clipped_objective.png"
from rlplay_widgets.lessons.policies import ClippedObjective

ClippedObjective()


# %%
def clipped_objective(ratio, advantage, clip):
    """Give the clipped objective of one action: a number."""
    ### BEGIN SOLUTION
    bounded = min(max(ratio, 1 - clip), 1 + clip)
    return min(ratio * advantage, bounded * advantage)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("clipped_objective", clipped_objective)

# %% [markdown]
# ## 8. Watch the ratios while it learns
#
# Press **Start**. The bars show the ratios of the last minibatch of each update, while a snake learns. The coloured stripe is the band from $1-\varepsilon$ to $1+\varepsilon$. (Bars are drawn by the square root of the count, so that you see the few that are far out.)
#
# Wait half a minute for each of these. **Predict** first: do the bars get wider or narrower? Does the score go on rising?
#
# 1. Drag **clip** down to about 0.02. Then up to 1.
# 2. In the Learning tab, set the learning rate to 0.01, with clip 1: nothing holds the policy back. Then bring clip back to 0.1.
# 3. Learning rate 0.001 and clip 0.2 again. Now drag **entropy bonus** up to 0.3. What happens to the entropy, and what does the snake on the board do? Bring it back to 0.01.

# %% picture="clip_band.png"
from IPython.display import display

from rlplay_widgets import Playground
from rlplay_widgets.lessons.policies import ClipBand

panel = Playground(lesson="nudging-a-policy")
display(ClipBand(panel), panel)

# %% [markdown]
# **Compare:** clip does not *stop* the ratios. It takes the push away from those that have left the band on the side to which their advantage pushes; they may still drift further out with the others. Those that left it on the other side keep their push, and it brings them back. With a tiny band nearly nothing is paid, and learning is slow. With no band and a high learning rate a single update can throw a good policy away: KL jumps, and the score falls.
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
# A policy is nudged towards what went better than expected, and the baseline is what makes "better than expected" out of "good". A return to go, one step and V, or GAE between them: all say how much better. PPO uses the same steps several times and stops pushing an action once its ratio has left the band in the direction that the advantage asks for.
#
# **Next:** was it luck? Lesson 9 asks how sure you can be that one run is better than another.

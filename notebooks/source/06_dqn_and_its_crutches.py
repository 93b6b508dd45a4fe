# %% [markdown]
# # 6. DQN and its crutches
#
# **Goal:** you can say why a network that learns from its own guesses falls over, and which three crutches hold it up.
#
# Time: about 55 minutes. You need: Q-values and the TD error (lesson 4), observations and networks (lesson 5).

# %% [markdown]
# ## 1. From a table to a network
#
# In lesson 4, Q-learning had a table: one number for each state and action. Snake has far too many boards for a table. A **deep Q-network** (DQN) is a network $Q_\theta(s, a)$ with parameters $\theta$, which gives one number for each action. It learns from single steps $(s, a, r, s')$, and what it is drawn to is called the **target**:
#
# $$y = r + \gamma \max_{b} Q(s', b)$$
#
# There is an odd thing in that line: the target is made with the network's own guess. A table changes one number at a time. A network changes *all* of its guesses a little, also $Q(s', b)$, and then the target moves too. It chases its own tail.
#
# ### Exercise: the target
#
# Two ends of an episode are not the same:
#
# - **terminated**: the game is over, the snake is dead. Nothing follows. The target is the reward alone.
# - **truncated**: only *we* stopped, for example after 1000 steps. The game would have gone on. The guess of what follows still counts. This is called **bootstrapping**.

# %%
import numpy as np

from rlplay.lessons import check


def td_target(reward, next_q_values, gamma, terminated, truncated):
    """Give the target of one step; next_q_values is an array with one number for each action."""
    ### BEGIN SOLUTION
    if terminated:
        return reward
    return reward + gamma * next_q_values.max()
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("td_target", td_target)

# %% [markdown]
# ## 2. Does it believe its own stories?
#
# A Q-value is a promise: *so much return will come*. We can check the promise. When an episode begins, we write down $Q(s_0, a_0)$. When it is over, we know what came:
#
# $$G = r_1 + \gamma r_2 + \gamma^2 r_3 + \dots$$
#
# The chart shows both, as means over the last 100 episodes: the solid line is **predicted**, the dashed line is **measured**. Where they are close, the network knows what it is talking about.
#
# **Run** the cell and press **Start**; it trains as fast as the machine can. Wait until the snake plays well: about 60 000 steps. (*Score* can be chosen above the chart.) Go on reading meanwhile.

# %% picture="predicted_and_measured.png"
import rlplay
from rlplay_widgets import Playground

panel = Playground(lesson="dqn")
panel

# %% [markdown]
# ## 3. The first crutch: a target network
#
# DQN keeps an older copy $Q'$ of its network. Only the copy makes targets, and it stands still for some hundred updates: $y = r + \gamma \max_b Q'(s', b)$. Then it is renewed.
#
# **Predict:** what will the two lines do when the copy is taken away, so that each update moves its own target? Both down? Apart? Which one is higher?
#
# **Run:** while it trains, open **Learning** and switch **Use target network** off. (The next cell does the same, after it has waited for a good player.) A mark in the chart shows where.

# %%
import os

patience = 3 if os.environ.get("RLPLAY_CI") else 90
if panel.session is None:
    panel.set_speed(None)
    panel.start()
session = panel.session
for _ in range(2 * patience):  # a look every half second
    if session.has_ended(0.5) or session.snapshot().total_steps > 60_000:
        break
session.update_hyperparams(use_target_network=False)

# %% [markdown]
# **Compare:** within seconds, the predicted line shoots up and leaves the measured one: the network promises hundreds of times what comes. The snake itself plays *worse* (the measured line falls), while its promises grow: each one is built on another promise. Later they come down again, because what was promised does not come, but a gap stays.
#
# Now turn the target network on again. When the lines have become quiet, switch **Use replay** off: the network then learns only from the newest steps. Which of the two lines moves this time?

# %%
session.update_hyperparams(use_target_network=True)

# %% [markdown]
# ## 4. The second crutch: replay
#
# Without replay, the promises stay as they are, but the play becomes worse: the measured line falls. Steps that follow each other look alike, and who learns only from the newest ones forgets the others. A **replay buffer** is a ring: it holds the last `capacity` steps, a new one takes the place of the oldest, and each minibatch is drawn from all of them at random.
#
# Now switch **Use replay** on again, and let it train while you do the exercises.
#
# ### Exercise: a ring
#
# `push` stores something; `sample(size, generator)` gives a list of `size` things that are in the buffer, each drawn with `generator.integers(0, n, size)`. The same thing may come twice.


# %%
class ReplayBuffer:
    def __init__(self, capacity):
        self.items, self.capacity, self.count = [None] * capacity, capacity, 0

    def push(self, transition):
        """Store one transition, in the place of the oldest where the buffer is full."""
        ### BEGIN SOLUTION
        self.items[self.count % self.capacity] = transition
        self.count += 1
        ### END SOLUTION

    def sample(self, size, generator):
        """Draw from what is filled."""
        ### BEGIN SOLUTION
        filled = min(self.count, self.capacity)
        return [self.items[place] for place in generator.integers(0, filled, size)]
        ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("replay_buffer", ReplayBuffer)

# %% [markdown]
# ## 5. The third crutch: double
#
# Look at the $\max$ in the target again. Suppose that all three actions are worth exactly 0, and the network's guesses are a little wrong, up or down by chance. **Predict:** what is the maximum of the three guesses, on average? 0? More? Less? What with 10 actions?

# %%
# NBVAL_CHECK_OUTPUT
generator, lines = np.random.default_rng(0), []
for num_actions in (2, 3, 10):
    guesses = generator.normal(0, 1, (100_000, num_actions))  # the truth is 0
    lines.append(f"{num_actions:2} actions: mean of the maximum {guesses.max(axis=1).mean():.2f}")
print("\n".join(lines))

# %% [markdown]
# The maximum picks the luckiest guess, so it is too high: **overestimation**. And because the target is built on it, the error is passed on from step to step.
#
# **The cure:** let one network *choose* the action, and another one *judge* it. The chooser still picks its own lucky guess, but the judge has other luck.

# %%
# NBVAL_CHECK_OUTPUT
lines = []
for num_actions in (2, 3, 10):
    chooser, judge = generator.normal(0, 1, (2, 100_000, num_actions))
    chosen = chooser.argmax(axis=1)
    judged = judge[np.arange(100_000), chosen]
    lines.append(f"{num_actions:2} actions: mean of the judged choice {abs(judged.mean()):.2f}")
print("\n".join(lines))

# %% [markdown]
# DQN has two networks already. So **double DQN** (van Hasselt and others, 2016) lets the newest network $Q$ choose and the older copy $Q'$ judge:
#
# $$y = r + \gamma\, Q'\!\Big(s',\ \arg\max_b Q(s', b)\Big)$$
#
# ### Exercise: the double target


# %%
def double_target(reward, online, judge, gamma, terminated):
    """Give the target: online holds Q(s', b) for each action, judge holds Q'(s', b)."""
    ### BEGIN SOLUTION
    if terminated:
        return reward
    return reward + gamma * judge[online.argmax()]
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("double_target", double_target)

# %% [markdown]
# Look at the chart once more: with target network and replay on, the predicted line still ends above the measured one. Our snake has no double. (To try it: **Double** on in **Learning**, then **Start another**.) The two networks of DQN are relatives, so double only lowers the overestimation. It does not end it.
#
# ## 6. Exploring less and less
#
# At first the network knows nothing, so it should try everything: with probability $\varepsilon$ the action is drawn at random. Later it should use what it knows. The usual schedule is a straight line, and then a constant:
#
# $$\varepsilon(t) = \varepsilon_\text{start} + (\varepsilon_\text{end} - \varepsilon_\text{start}) \cdot \min\!\Big(\frac{t}{T},\ 1\Big)$$
#
# ### Exercise: the schedule


# %%
def epsilon_at(step, start, end, steps):
    """Give epsilon after so many steps of a schedule that takes `steps` steps."""
    ### BEGIN SOLUTION
    return start + (end - start) * min(step / steps, 1.0)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("epsilon_schedule", epsilon_at)

# %% [markdown]
# Look at the code that ran all the time: `rlplay/agents/dqn.py` is one file, and its method `_targets` makes the targets of sections 1 and 5, for a whole minibatch. `returns` holds the rewards. `discounts` holds $\gamma$, and 0 where the step was terminated: that is the `if` of your function.

# %%
import inspect

from rlplay.agents.dqn import DQN

print(inspect.getsource(DQN._targets))

# %% [markdown]
# When you are done, this ends what still trains:

# %%
for session in rlplay.sessions():
    if not session.has_ended():
        session.stop()
        session.wait()

# %% [markdown]
# ## What you have seen
#
# A network that is its own judge promises more and more, and the promises are not kept: the predicted return leaves the measured one. An older copy holds the target still, replay mixes the steps, and double takes the luck out of the maximum. None of this makes the agent wiser; it keeps the learning from falling over.
#
# **Next:** lesson 7 is about what the agent is paid for, and what it does for money.

# %% [markdown]
# # 4. Learning by bumping
#
# **Goal:** you write an agent that learns the best way without knowing the rules, only from the steps that it takes.
#
# **Time:** 60 minutes. **You need:** lesson 3 (value, $Q(s, a)$, greedy policy) and epsilon from lesson 2.
#
# In lesson 3 the agent knew all the rules. Now it knows nothing: not where the goal is, not what a step pays, not where the walls are. It walks, bumps into things, and keeps a **table** with one number for each state and action: its guess of $Q(s, a)$.

# %% [markdown]
# ## Watch a table fill
#
# **Predict:** at first all numbers are 0 and the agent walks at random. Where will the first number appear that is not 0: near the start, or near the goal?
#
# **Run** the cell, switch **Full speed** off, and only then press **Start**: with **Moves/s** you choose how fast it goes. Below the board you choose what is drawn: the **Q** of each action as four triangles, or the **Policy** as arrows. When you have seen the first numbers, press **Full speed**.

# %% picture="04_reroute.png"
from rlplay.lessons import check
from rlplay_widgets import Playground

panel = Playground(lesson="q-learning")
panel

# %% [markdown]
# **Compare:** the numbers appear at the goal, and flow back step by step, as in lesson 3. But here only the cell changes where the agent just was.
#
# **Now change the world while it learns.** When the way is found, it leads through the upper gap in the wall. Click on the gap: below the board you can write what the cell *pays on top*. Write −5. Nobody tells the agent. Watch: it steps in, and the number of that step falls below 0. It still walks up to the gap several times, until the numbers before it have sunk too; then it takes the lower gap. *Put back* takes the −5 away. Does the agent come back? Give it time: it must *try* the cell to find out.
#
# ## A step towards a target
#
# Say the table holds `old` for some state and action. A step then shows the agent a better guess, the **target**. The agent does not believe it at once: it goes a share $\alpha$ of the way (alpha, the learning rate).
#
# $$\text{new} = \text{old} + \alpha\,(\text{target} - \text{old})$$
#
# The part in brackets is called the **TD error**: how much the step surprised the agent. TD stands for *temporal difference*: the guess before the step against the guess after it.
#
# **Exercise 1.** Write this update.


# %%
def td_update(old, target, alpha):
    """Move a share alpha of the way from the old value to the target."""
    ### BEGIN SOLUTION
    return old + alpha * (target - old)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("td_update", td_update)

# %% [markdown]
# ## Two targets
#
# What is the target? The agent was in $s$, did $a$, got the reward $r$ and is now in $s'$. In lesson 3 we added up all outcomes; now we only have this one. But we have the row of the table for $s'$, so we can look one step ahead:
#
# **Q-learning** asks: what is the *best* action there worth?
#
# $$\text{target} = r + \gamma\,\max_b Q(s', b)$$
#
# When the episode has ended, nothing comes after it: the target is $r$ alone.
#
# **Exercise 2.** `next_row` is the row of $s'$: four numbers. `ended` is True when the episode has ended.


# %%
def q_learning_target(reward, next_row, gamma, ended):
    """r + gamma times the best value of the next state."""
    ### BEGIN SOLUTION
    if ended:
        return reward
    return reward + gamma * max(next_row)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("q_learning_target", q_learning_target)

# %% [markdown]
# **SARSA** asks: what is the action worth that the agent *really does* next, $a'$? Its name is its data: $s, a, r, s', a'$.
#
# $$\text{target} = r + \gamma\,Q(s', a')$$
#
# **Exercise 3.** It looks like a small difference. Soon you see what it does.


# %%
def sarsa_target(reward, next_row, next_action, gamma, ended):
    """r + gamma times the value of the action that is done next."""
    ### BEGIN SOLUTION
    if ended:
        return reward
    return reward + gamma * next_row[next_action]
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("sarsa_target", sarsa_target)

# %% [markdown]
# ## Explore
#
# An agent that always does what looks best never finds out about the rest (lesson 2). So with probability $\varepsilon$ (epsilon) it does *any* action, each equally likely, the best one too. Otherwise it does the best one; if several are equally good, they share.
#
# $$P(a) = \frac{\varepsilon}{n} + \begin{cases}\dfrac{1 - \varepsilon}{k} & \text{if } a \text{ is one of the } k \text{ best actions}\\[4pt] 0 & \text{if not}\end{cases}$$
#
# **Exercise 4.** Give the list of probabilities for a row of $n$ values.


# %%
def epsilon_greedy(row, epsilon):
    """The probability of each action."""
    ### BEGIN SOLUTION
    best = [value == max(row) for value in row]
    share = (1 - epsilon) / sum(best)
    return [epsilon / len(row) + share * is_best for is_best in best]
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("epsilon_greedy", epsilon_greedy)

# %% [markdown]
# ## All together: Q-learning
#
# A world of numbered states: `world.reset()` gives the start, and `world.step(action)` gives `next_state, reward, ended`. `choose(row)` draws an epsilon-greedy action.

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.tables import EpsilonGreedy, NumberedWorld

world = NumberedWorld("cliff")
state = world.reset()
print("start:", state, "at", world.cells[state])
print("up:   ", world.step(0))
print("down: ", world.step(2))
print("right:", world.step(1), "that was the cliff")
choose = EpsilonGreedy(epsilon=0.2, seed=1)
print("chosen:", [choose([0.0, 5.0, 1.0, 2.0]) for _ in range(20)])

# %% [markdown]
# **Exercise 5.** Write the whole algorithm; your functions from above do the work. First one step of it: choose an action, do it, compute the target, and update `table[state, action]`. Give the next state, and whether the episode has ended.


# %%
def learn_step(world, table, state, choose, alpha, gamma):
    """Do one step, and learn from it: give the next state, and whether it was the last step."""
    ### BEGIN SOLUTION
    action = choose(table[state])
    next_state, reward, ended = world.step(action)
    target = q_learning_target(reward, table[next_state], gamma, ended)
    table[state, action] = td_update(table[state, action], target, alpha)
    return next_state, ended
    ### END SOLUTION


# %% [markdown]
# Then all episodes:
#
# - the table begins with 0 everywhere: `np.zeros((world.num_states, world.num_actions))`
# - each episode begins with `state = world.reset()`, and goes on, step by step, until `ended`
# - at the end return the table
#
# The check lets your agent learn on a small cliff for 400 episodes, always with the same random numbers, and follows the best actions of your table.

# %%
import numpy as np


def q_learning(world, choose, episodes, alpha, gamma):
    """Learn a table of action values from steps."""
    ### BEGIN SOLUTION
    table = np.zeros((world.num_states, world.num_actions))
    for _ in range(episodes):
        state, ended = world.reset(), False
        while not ended:
            state, ended = learn_step(world, table, state, choose, alpha, gamma)
    return table
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("q_learning", q_learning)

# %% [markdown]
# If you like, see your own numbers: `q_learning(NumberedWorld("cliff"), EpsilonGreedy(0.1), 500, 0.5, 1.0)`.
#
# ## The cliff
#
# A famous example (Sutton and Barto, example 6.6). Every step pays −1. Between start and goal is a cliff: who steps off it pays −100 on top (in the book −100 in all) and is back at the start. Both agents explore with $\varepsilon = 0.1$, always.
#
# **Predict:** two agents learn 500 episodes, one with Q-learning, one with SARSA. Which one walks close to the edge? Which one earns more *while it learns*?

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.tables import learn_on_the_cliff

q_agent = learn_on_the_cliff("q-learning", episodes=500, seed=1)
sarsa_agent = learn_on_the_cliff("sarsa", episodes=500, seed=1)
for agent in (q_agent, sarsa_agent):
    last = agent.returns[-100:].mean()
    print(f"{agent.algo:10} way: {len(agent.path) - 1} steps, last 100 returns: {last:.1f}")

# %% [markdown]
# **Run** the next cell. The thick line is the way that each agent takes when it does *not* explore. Drag the slider back to see how it came to that.

# %% picture="04_cliff.png"
from rlplay_widgets.lessons.tables import TwoWays

TwoWays(q_agent, sarsa_agent)

# %% [markdown]
# **Compare:** Q-learning found the shortest way, along the edge. Yet it earns *less* while it learns! Its target asks for the best next action, and the best action never falls. But the agent explores: one step in ten is random, and at the edge one in four of those falls: one step in forty costs 100.
#
# SARSA's target asks for what really comes next, and sometimes that is a random step into the cliff. So the cells at the edge look bad to SARSA, and it keeps away. Q-learning is called **off-policy** (it learns about another policy than the one it follows), SARSA **on-policy**.
#
# ## Clean up
#
# The agent in the panel above may still be learning. Stop it; the panel keeps what it shows.

# %%
if panel.session is not None and not panel.session.has_ended():
    panel.session.stop()

# %% [markdown]
# ## What you have seen
#
# A table learns the values of lesson 3 from single steps: go a share $\alpha$ of the way to a target that contains your own next guess. When the world changes, the table follows, because it never stops learning. Q-learning learns the best way, SARSA learns the best way *for somebody who explores*, and on a cliff that is a different way.
#
# **What comes next:** a table has one row for each state. The snake on a board of 10 has more than $10^{20}$ states: no computer holds so many rows. In lesson 5 a network takes the place of the table.

# %% [markdown]
# # 3. Looking ahead
#
# **Goal:** you compute what every place in a small world is worth, and you see why the best way changes when the future counts less.
#
# **Time:** 50 minutes. **You need:** lesson 1 (reward, return, the discount $\gamma$), and `for` loops over lists.
#
# In lessons 1 and 2 the agent had to *try* things. Today it knows all the rules. So it can think before its first step: this is called **planning**.

# %% [markdown]
# ## A world with rules
#
# The agent stands in one of eleven cells; each cell is a **state** $s$. There are four **actions** $a$: 0 up, 1 right, 2 down, 3 left. The goal `G` pays +1, the pit `P` pays −1; both end the episode. `#` is a wall.
#
# The floor is wet: with probability 0.2 the agent **slips** to one of the two sides of where it wanted to go.

# %%
from rlplay.envs import create_env
from rlplay.envs.gridworld import MAPS
from rlplay.lessons import check

print(MAPS["classic"])
world = create_env("gridworld", map="classic", slip=0.2)
model = world.get_model()
print(len(model.cells), "states, start in state", model.start)

# %% [markdown]
# What can happen when the agent stands in the start and tries to go up? The rules are a list of *outcomes*: (probability, next state, reward).

# %%
# NBVAL_CHECK_OUTPUT
for probability, after, reward in model.outcomes(model.start, 0):
    print(f"{probability:.0%} to state {after} at {model.cells[after]}, reward {reward}")

# %% [markdown]
# States, actions, probabilities and rewards: together they are called a **Markov decision process**, an MDP. "Markov" means: what happens next depends on where you are, not on how you came there.
#
# ## Watch the value flow
#
# The **value** $V(s)$ is the return that the agent can expect from $s$ on when it acts as well as possible. We do not know it. So we begin with $V(s) = 0$ everywhere and improve it, sweep by sweep: every state looks one step ahead.
#
# **Predict:** the map has a start in the lower left and the goal in the upper right. After *one* sweep, how many cells have a value above 0? How many sweeps until the start has one?
#
# **Run** the cell and press *One sweep* again and again. Then *V = 0* and *Play*. Click on a cell: its look ahead is written out on the right.

# %% picture="03_sweeps.png"
from rlplay_widgets.lessons.planning import LookingAhead

LookingAhead("classic", slip=0.2, sweeps=0, knobs=["gamma"])

# %% [markdown]
# **Compare:** was it as you said? The value starts at the goal and moves back, one cell in each sweep. The arrows show the best action; the thick line is the way from the start.
#
# ## One look ahead
#
# What is action $a$ in state $s$ worth? Add up all outcomes, each times its probability. An outcome is worth its reward now, and $\gamma$ times the value of the state it leads to:
#
# $$Q(s, a) = \sum_{s'} P(s' \mid s, a)\,\bigl[\,r + \gamma\,V(s')\,\bigr]$$
#
# **Exercise 1.** Write this equation. `values[after]` is $V(s')$.


# %%
def action_value(outcomes, values, gamma):
    """Q(s, a): the mean of r + gamma V(s') over the outcomes of an action."""
    ### BEGIN SOLUTION
    total = 0.0
    for probability, after, reward in outcomes:
        total += probability * (reward + gamma * values[after])
    return total
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("action_value", action_value)

# %% [markdown]
# ## The best action
#
# A **policy** $\pi$ says for each state what to do. The **greedy** policy takes the action with the largest $Q$:
#
# $$\pi(s) = \arg\max_a Q(s, a)$$
#
# `rules[s][a]` is the list of outcomes of action `a` in state `s`. Where the episode has ended, the lists are empty; then any action will do.

# %%
from rlplay.lessons.planning import get_rules

rules = get_rules(model)
print(len(rules), "states with", len(rules[0]), "actions each")

# %% [markdown]
# **Exercise 2.** Give a list with the best action of each state. For one state: make the list of the four action values, then find the place of the largest: `q.index(max(q))`.


# %%
def greedy_policy(rules, values, gamma):
    """The best action of each state, as a list of numbers 0 to 3."""
    ### BEGIN SOLUTION
    policy = []
    for actions in rules:
        q = [action_value(outcomes, values, gamma) for outcomes in actions]
        policy.append(q.index(max(q)))
    return policy
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("greedy_policy", greedy_policy)

# %% [markdown]
# ## Value iteration
#
# The value of a state is the value of its best action. This is **Bellman's equation** (Richard Bellman, 1957), and as an instruction it is the whole algorithm:
#
# $$V(s) \leftarrow \max_a Q(s, a) \qquad \text{for all states, again and again, until nothing changes}$$
#
# **Exercise 3.** Begin with zeros. In each sweep compute the list of new values; the change is the largest difference between a new and an old value. Stop when the change is below $10^{-12}$.


# %%
def value_iteration(rules, gamma):
    """V of all states, when nothing changes any more."""
    ### BEGIN SOLUTION
    values, change = [0.0] * len(rules), 1.0
    while change > 1e-12:
        new = [max(action_value(o, values, gamma) for o in actions) for actions in rules]
        change = max(abs(new[s] - values[s]) for s in range(len(rules)))
        values = new
    return values
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("value_iteration", value_iteration)

# %% [markdown]
# rlplay has the same algorithm. Its source stands in `rlplay/agents/planning.py`: read `look_ahead` and `value_iteration` there, and compare them with yours. This is what it finds:

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.agents.planning import value_iteration as plan

for sweep in plan(model, 0.9):
    if sweep.number in (1, 2, 5, 10) or sweep.is_stable:
        print(f"sweep {sweep.number:2}: V(start) = {sweep.values[model.start]:.4f}")

# %% [markdown]
# ## Drag the discount, and the arrows turn
#
# A new map: a goal near by pays +1, a treasure far away pays +10, and there is a row of pits, −10 each. The way along the pits is short; the way round the top is long.
#
# **Predict:** with $\gamma = 0.9$ the agent walks to the treasure. What will it do with $\gamma = 0.3$? Which way, and why?
#
# **Run** the cell, and drag $\gamma$ slowly from 0.9 to 0.

# %% picture="03_arrows.png"
from rlplay.lessons.planning import BRIDGE, DISCOUNT

LookingAhead("discount", slip=0.2, **DISCOUNT)

# %% [markdown]
# **Compare:** somewhere a few arrows turn, all at once. A reward that is $n$ steps away counts $\gamma^{n-1}$ times. Round the top the goal is 7 steps away and the treasure 9: with $\gamma = 0.3$ that is $0.3^6 = 0.0007$ against $10 \cdot 0.3^8 = 0.0007$, about the same; with a somewhat smaller $\gamma$ the near goal wins. (This sum leaves slipping out: on the wet floor the turn is not exactly there. With a very small $\gamma$ both are too far away to count, and the agent only keeps away from the pits.) At which $\gamma$ does the way from the start change?
#
# Now drag *slip* and *reward of a step* as well. A step that costs something makes the agent hurry. A wet floor makes it careful.
#
# ## Find the numbers, or say that there are none
#
# **Exercise 4.** For each way below find `gamma, step, slip` so that it is the *best* way from the start. Write three numbers, such as `way_a = 0.9, 0.0, 0.2`. If you are sure that no numbers can do it, write `"not possible"`. Two of the six questions are of that kind. Each answer is checked by planning with your numbers.
#
# **Way A:** to the near goal, along the pits.

# %%
way_a = ...  # gamma, step, slip
### BEGIN SOLUTION
way_a = 0.3, 0.0, 0.0
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("way_a", way_a)

# %% [markdown]
# **Way B:** to the near goal, round the top.

# %%
way_b = ...  # gamma, step, slip
### BEGIN SOLUTION
way_b = 0.2, 0.0, 0.2
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("way_b", way_b)

# %% [markdown]
# **Way C:** to the treasure, along the pits, although the floor is wet: slip is 0.1 or more.

# %%
way_c = ...  # gamma, step, slip
### BEGIN SOLUTION
way_c = 0.9, -2.0, 0.2
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("way_c", way_c)

# %% [markdown]
# **Way D:** to the near goal, round the top, on a dry floor: slip is 0.

# %%
way_d = ...  # gamma, step, slip
### BEGIN SOLUTION
way_d = "not possible"
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("way_d", way_d)

# %% [markdown]
# ## The bridge
#
# A narrow bridge between pits of −100. Back to the goal (+1) it is one step, across to the treasure (+10) it is five.

# %% picture="03_bridge.png"
LookingAhead("bridge", slip=0.2, knobs=["gamma", "slip"], **BRIDGE)

# %% [markdown]
# **Bridge A:** make it cross the bridge to the treasure. A step pays 0: `step` is 0.

# %%
bridge_a = ...  # gamma, step, slip
### BEGIN SOLUTION
bridge_a = 0.9, 0.0, 0.0
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("bridge_a", bridge_a)

# %% [markdown]
# **Bridge B:** make it cross with a slip of 0.1: `step` is 0, `slip` is 0.1, and only $\gamma$ is yours.

# %%
bridge_b = ...  # gamma, step, slip
### BEGIN SOLUTION
bridge_b = "not possible"
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("bridge_b", bridge_b)

# %% [markdown]
# ## What you have seen
#
# The value of a state is one look ahead: reward now, plus $\gamma$ times the value of what comes next. Repeated until nothing changes, this gives the best policy without a single real step. And what is "best" depends on numbers that a person chose: $\gamma$, the cost of a step, and how wet the floor is.
#
# Nothing in this notebook keeps running; you may just close it.
#
# **What comes next:** in real life nobody hands you the rules. In lesson 4 the agent has to find the same values by bumping into things.

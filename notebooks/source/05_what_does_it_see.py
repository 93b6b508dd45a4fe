# %% [markdown]
# # 5. What does it see?
#
# **Goal:** you can say what an agent is told about its world, and what it can never learn because it is not told.
#
# Time: about 55 minutes. You need: state, action, reward (lesson 1), and having seen a snake learn (the quickstart).

# %% [markdown]
# ## 1. A state is not what the agent sees
#
# You look at the board and see everything. The agent gets a row of numbers. The board is the **state** $s$. The row of numbers is the **observation** $o$:
#
# $$o = f(s)$$
#
# The function $f$ is a choice. You make it, before any learning begins. Here is what the snake of this lesson is told. Each line is a **block** of the observation.

# %%
# NBVAL_CHECK_OUTPUT
import rlplay
from rlplay_widgets.lesson import load_lesson

config = load_lesson("what-does-it-see").run_config()
env = rlplay.create_env("snake", **config.env_config)
blocks = env.get_metadata()["observation"]
lines = [f"{block['size']:3}  {block['name']:8} {block['meaning']}" for block in blocks]
print("\n".join(lines), f"\n{env.observation_space.shape[0]:3}  numbers in all")

# %% [markdown]
# The snake looks with the eyes of a driver: *ahead*, *right*, *left*, *behind*, and not up and down. We call that **egocentric**. The window is the square around its head.
#
# **Run** the next cell. In the panel:
#
# 1. Open **World**, then **Observation**. Read the table, and look at the window over the board.
# 2. Set the vision to 3 × 3 and to 7 × 7, and watch how the number of inputs changes. Set it back to 5 × 5.
# 3. Press **Start**, and let it learn. The curve is the score: apples eaten.

# %% picture="with_and_without_the_apple.png"
from rlplay_widgets import Playground

panel = Playground(lesson="what-does-it-see")
panel

# %% [markdown]
# ## 2. Switch a block off
#
# **Predict:** what happens to the score when the snake is not told where the apple is? Will it learn more slowly, or reach less, or both? Write down a number: how many apples does the first snake reach, how many the second?
#
# **Run:** while the first snake trains, open **World** > **Observation**. Switch **Food** off, and set **Food channel** to off. Give it another name in the **Train** tab, and press **Start another**. (Or run the next cell: it starts two snakes, one of each kind, for 90 seconds.) Both curves stand in one chart.

# %%
import os

seconds = 2 if os.environ.get("RLPLAY_CI") else 90
blind = config.replace(name="no apple", env_config={"food": False, "food_channel": "off"})
trained = [rlplay.TrainingSession(setting, seconds=seconds) for setting in (config, blind)]
for session in trained:
    session.start(max_speed=True)
panel.select(trained[0])

# %% [markdown]
# **Compare:** the second curve does not only rise more slowly. It reaches a **ceiling**, far below the first one, and stays there. More training does not help. No algorithm can learn what is not in the numbers.
#
# Try a third one: **Food** on again and **Food channel** set to own, but **Danger** off and **Wall** on, so that it sees the walls and not its own body. **Predict** first: at which score will the trouble begin? (A snake of two cells cannot bite itself.) Then run it, and look at how its episodes end.

# %%
no_body = {"danger": "off", "wall": True, "food_channel": "own"}
bodiless = config.replace(name="no body", env_config=no_body)
trained.append(rlplay.TrainingSession(bodiless, seconds=seconds))
trained[-1].start(max_speed=True)
panel.select(trained[-1])

# %% [markdown]
# ## 3. Two boards that look the same
#
# Why is there a ceiling? Because two different states can give the same observation. This is called **aliasing**. If $f(s_1) = f(s_2)$, the agent must do the same in both, even if the best action is another one.
#
# This snake sees the board upright (up, down, left, right), and the four cells around its head, and where the apple is. It is not told which way it is heading. A board is written as the seed of its episode, and the actions from there: 0 straight on, 1 turn right, 2 turn left.

# %%
from rlplay.lessons.observations import see
from rlplay_widgets.lessons.observations import show_boards

upright = {"grid_size": 6, "frame": "absolute", "direction": False, "vision": 0, "danger": "binary"}
upright |= {"food_channel": "off", "hunger": False, "length": False}
pair = [(53, [2]), (179, [0])]
show_boards(pair, upright)
print(see(pair[0], upright).round(2))
print(see(pair[1], upright).round(2))

# %% [markdown]
# The apple is one cell above the head, both times. Left: the snake looks up, so straight on is best. Right: it looks to the right, so it must turn left. Both rows of numbers are the same. They say: the apple is 0 cells to the right and one sixth of the board above, and of the four neighbours (up, down, left, right) only the one below is blocked. On one board that is its own body, on the other the wall.
#
# ### Exercise: find two such boards
#
# Now a snake like the one of the second curve, with a smaller window: it sees the eight cells around its head and no apple (`NO_FOOD`). Find two boards that look the same to it, but have **no best action in common**. *Best* here means: what pays most in the next step. You have:
#
# - `boards`, 2000 boards of random play
# - `see(board, NO_FOOD).tobytes()`, what the agent sees, as a key for a dictionary
# - `best_actions(board, NO_FOOD)`, a set such as `{0, 2}`; `a & b` is what two sets have in common
#
# Idea: go through the boards, and remember in a dictionary which board you saw first with each observation.

# %%
from rlplay.lessons import check
from rlplay.lessons.observations import NO_FOOD, best_actions, random_boards, see

boards = random_boards(2000, NO_FOOD)
twins = ...  # a pair of boards
### BEGIN SOLUTION
first = {}
for board in boards:
    other = first.setdefault(see(board, NO_FOOD).tobytes(), board)
    if not best_actions(board, NO_FOOD) & best_actions(other, NO_FOOD):
        twins = (other, board)
        break
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("aliased_boards", twins)

# %%
show_boards(twins if isinstance(twins, tuple) and len(twins) == 2 else [(0, []), (1, [])], NO_FOOD)

# %% [markdown]
# ## 4. Build blocks yourself
#
# ### Exercise: one number or several?
#
# The snake can head in four ways: 0 up, 1 right, 2 down, 3 left. Do not tell a network "3": it would think that 3 is more than 1, and that 3 and 0 are far apart. Say it with four numbers, all 0 but a single 1. This is called **one-hot**:
#
# $$\text{one-hot}(i, n)_k = \begin{cases} 1 & k = i \\ 0 & k \ne i \end{cases}$$

# %%
import numpy as np


def one_hot(index, size):
    """Give an array of zeros with a 1 at a place."""
    ### BEGIN SOLUTION
    numbers = np.zeros(size)
    numbers[index] = 1
    return numbers
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("one_hot", one_hot)

# %% [markdown]
# ### Exercise: where is the apple, seen from the driver's seat?
#
# On the board, $x$ grows to the right and $y$ grows **downwards**. Let $d = \text{food} - \text{head}$. If the snake heads along $a$ (up is $(0, -1)$), then its right-hand side is $r = (-a_y,\ a_x)$. The block has two numbers, both divided by the size of the board:
#
# $$o_1 = \frac{d \cdot r}{\text{size}} \quad\text{(to the right)} \qquad\qquad o_2 = -\frac{d \cdot a}{\text{size}} \quad\text{(behind)}$$

# %%
AHEAD = {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}


def food_ahead(head, food, heading, size):
    """Give two numbers: how far the food is to the right, and how far behind."""
    ### BEGIN SOLUTION
    ax, ay = AHEAD[heading]
    dx, dy = food[0] - head[0], food[1] - head[1]
    right, behind = -dx * ay + dy * ax, -(dx * ax + dy * ay)
    return np.array([right, behind]) / size
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("food_ahead", food_ahead)

# %% [markdown]
# That is what rlplay's own **food** block says. Egocentric numbers make four situations one: an apple to the right is an apple to the right, whichever way the snake heads. The network need not learn the same thing four times.
#
# ## 5. What does it cost to see more?
#
# A network of dense layers connects each number of a layer with each unit of the next, and each unit has one number of its own, its **bias**. From $n$ numbers to $m$ units:
#
# $$P = (n + 1)\,m$$
#
# ### Exercise: count
#
# A network has some inputs, hidden layers such as `[64, 64]`, and outputs. How many parameters has it?


# %%
def count_parameters(inputs, hidden, outputs):
    """Count all weights and biases of a network of dense layers."""
    ### BEGIN SOLUTION
    total = 0
    for units in [*hidden, outputs]:
        total += (inputs + 1) * units
        inputs = units
    return total
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("count_parameters", count_parameters)

# %% [markdown]
# **Predict:** the snake sees the whole board of 8 × 8, instead of the 5 × 5 cells around its head. How many times as many inputs are that? How many times as many parameters? **Run**, and **compare**.

# %%
# NBVAL_CHECK_OUTPUT
lines = []
for name, vision in {"5 x 5": 2, "11 x 11": 5, "whole board": -1}.items():
    options = config.env_config | {"vision": vision}
    inputs = rlplay.create_env("snake", **options).observation_space.shape[0]
    network = rlplay.build_network(inputs, 4, config.network_config)  # 3 actions, and V
    lines.append(f"{name:12} {inputs:4} inputs, {rlplay.count_parameters(network):6,} parameters")
print("\n".join(lines))

# %% [markdown]
# The network has four outputs: one for each action, and one for the value of the state, which PPO learns beside them (lesson 8 says why). The last layers cost the same, whatever is seen. Your function should give the same numbers, and the **Network** tab of the panel draws the first network.
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
# The agent learns from its observation, and the observation is your choice. Where two boards look the same and need different actions, there is a ceiling that no training breaks. More numbers remove such twins, and cost parameters; good numbers, such as egocentric ones, remove them for less.
#
# **Next:** in lesson 6 you open the box that learns from these numbers: DQN, and the crutches that it walks with.

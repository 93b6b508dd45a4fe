# %% [markdown]
# # 1. Play it yourself
#
# **Goal:** you can say what agent, state, action, reward and return are, because you have been the agent.
#
# **Time:** 50 minutes. **You need:** to read a Python function, and to press four arrow keys.
#
# Run each cell with Shift + Enter, from top to bottom. Where you see `...`, you write.

# %% [markdown]
# ## You are the agent
#
# On the board below lives a snake. **You** steer it. Play **three games**: the first arrow key begins, Space begins the next game.
#
# | word | what it is here |
# |---|---|
# | **agent** | who decides: now you, later a program |
# | **state** | what the board looks like now: snake, apple, walls |
# | **action** | what the agent can do: go straight, turn right, turn left |
# | **reward** | a number after each step: an apple pays 1, hitting a wall or itself costs 1, starving costs 0.5, each step costs 0.001 |
# | **return** | what all rewards of a game add up to |
#
# **Predict** before you play: how many apples will you eat in your best game? Write the number down.

# %% picture="01_play.png"
from rlplay_widgets import Playground
from rlplay_widgets.lessons.returns import MyGames

panel = Playground(lesson="play-it-yourself")
mine = MyGames(panel.config, seed=7)
panel.watch(mine)
panel

# %% [markdown]
# You see the board. A program that learns does not: it gets numbers, does an action, and gets a reward. That loop is all there is:
#
# state → action → reward, next state → action → reward, next state → …
#
# Nobody tells it the rules. It finds out, as you would if the keys had no names.

# %% [markdown]
# ## Your game as a table
#
# A game as a list of steps is called a **trajectory**. Here is one of yours. (Before you have finished a game, three recorded games stand in; a simple rule played them. Run the cell again later.)

# %%
games = mine.games()
print("your games" if mine.own else "recorded games")
game = max(games, key=lambda game: game.score)
for row in game.steps[:12]:
    print(f"step {row.step:2}   {row.words:11}   reward {row.reward:6.3f}   sum {row.total:6.3f}")

# %% [markdown]
# Most rewards are nearly zero. The few that count come late: an apple pays only when the whole way to it is gone. Which of the turns earned it? That question is the heart of reinforcement learning.

# %%
for number, game in enumerate(games, start=1):
    total = sum(game.rewards)
    print(f"game {number}: {game.score:.0f} apples, {len(game.steps)} steps, sum {total:.3f}")
    print(f"        it ended: {game.ending}")

# %% [markdown]
# ## Is an apple later worth as much as one now?
#
# A snake may die before "later" comes. So rewards that are far away count less. Each step multiplies by a number $\gamma$ (gamma) between 0 and 1, the **discount**:
#
# $$G = r_1 + \gamma\, r_2 + \gamma^2 r_3 + \gamma^3 r_4 + \dots = \sum_{k=0}^{n-1} \gamma^k\, r_{k+1}$$
#
# $G$ is the **return**. The agent does not try to get the next reward. It tries to get a high return.
#
# **Predict:** below is one game. Gamma is 0.9. How many of its apples still weigh something, seen from the first step? **Run** the cell. **Compare**, then drag gamma to 0, to 0.99 and to 1.

# %% picture="01_return.png"
from rlplay_widgets.lessons.returns import ReturnView

game = max(games, key=lambda game: game.score)
view = ReturnView(game.rewards, gamma=0.9)
view

# %% [markdown]
# The **effective horizon** $1 / (1 - \gamma)$ is about how many steps ahead the agent looks. With $\gamma = 0$ it sees the next reward only. With $\gamma = 1$ it looks ahead without end.
#
# ### Exercise 1: the return
#
# Write the sum above as a function. `rewards[0]` is $r_1$, and its factor is $\gamma^0 = 1$.


# %%
def discounted_return(rewards, gamma):
    """Add up the rewards; each one counts gamma times less than the one before."""
    ### BEGIN SOLUTION
    total = 0.0
    for step, reward in enumerate(rewards):
        total += gamma**step * reward
    return total
    ### END SOLUTION


# %%
import random

import rlplay
from rlplay.lessons import check

# %%
# NBVAL_CHECK_OUTPUT
check("discounted_return", discounted_return)

# %% [markdown]
# ### Exercise 2: the return of every step
#
# An agent asks at every step: what will I still get? The return from a step on is the next reward plus gamma times the return from the step after:
#
# $$G_t = r_{t+1} + \gamma\, G_{t+1}$$
#
# So begin at the **end**, and walk to the front. Give a list: first the return of the first step.


# %%
def returns_from_each_step(rewards, gamma):
    """Give the list of what is still to come, one number a step."""
    ### BEGIN SOLUTION
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + gamma * total
        returns.insert(0, total)
    return returns
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("returns_from_each_step", returns_from_each_step)

# %% [markdown]
# ### Exercise 3: two characters
#
# An agent can take 1 apple now, `[1, 0, 0, 0]`, or 2 apples three steps later, `[0, 0, 0, 2]`. Use a calculator, or the slider of `ReturnView([0, 0, 0, 2])`: when is its return above 1? Find a gamma for an **impatient** agent, who takes 1 now, and one for a **patient** agent, who waits.

# %%
impatient = ...
### BEGIN SOLUTION
impatient = 0.5
### END SOLUTION
patient = ...
### BEGIN SOLUTION
patient = 0.95
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("two_gammas", (impatient, patient))

# %% [markdown]
# ## Two agents that never learn
#
# Are you better than chance? An agent is only a function from a state to an action. The first one here throws a die. The second one is **greedy**: it goes where the apple is nearest, and never thinks further than one step.
#
# ### Exercise 4: a greedy agent
#
# `head` and `food` are cells `(x, y)`; x grows to the right, **y grows downwards**. `direction` is `(1, 0)` for right, `(0, 1)` for down. The three cells that the snake can go to stand in `ahead`. Give the number of the action whose cell has the smallest distance to the food (steps along the grid: $|x - x'| + |y - y'|$).


# %%
def greedy_action(head, direction, food):
    """Give 0 (straight), 1 (turn right) or 2 (turn left): where the food is nearest."""
    (x, y), (dx, dy) = head, direction
    ahead = [(x + dx, y + dy), (x - dy, y + dx), (x + dy, y - dx)]
    ### BEGIN SOLUTION
    distances = [abs(a - food[0]) + abs(b - food[1]) for a, b in ahead]
    return distances.index(min(distances))
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("greedy_action", greedy_action)

# %% [markdown]
# Now both play. This is the loop from above, in code: the environment gives a state, the agent an action, the environment a reward.


# %%
def play(agent, seed):
    env = rlplay.create_env("snake", grid_size=6)
    env.reset(seed=seed)
    over, chance = False, random.Random(seed)
    while not over:
        action = agent(env.render_state(), chance)
        _, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated
    return info["score"]


# %% [markdown]
# `greedy` turns the state into what your function wants. While your function gives nothing, it goes straight.


# %%
def by_chance(state, chance):
    return chance.randrange(3)


def greedy(state, chance):
    head, food = state["snake_position"][0], state["food_position"]
    cells = (head["x"], head["y"]), tuple(state["direction"]), (food["x"], food["y"])
    action = greedy_action(*cells)
    return 0 if action is None else action


# %% [markdown]
# **Predict:** who eats most on the seeds of your games: you, the die, or the greedy agent? The same seed gives the same first board and the same luck to all, so the race is fair. (Instead of recorded games, play your own first.) **Run**, **compare**.

# %%
print(f"seed    {'you' if mine.own else 'recorded':>8}  die  greedy")
for game in games:
    scores = [game.score, play(by_chance, game.seed), play(greedy, game.seed)]
    print(f"{game.seed:<11}{scores[0]:5.0f}{scores[1]:5}{scores[2]:8}")

# %% [markdown]
# The greedy agent eats fast and dies young: it does not see that its own body shuts it in. It takes the next reward, and not the highest **return**. An agent with a good idea of the return would sometimes go away from the apple.
#
# ### Exercise 5: three apples, exactly
#
# A game is fixed by its seed and its actions: played again, it goes the same way, step by step. On a board of 6, seed 7, give a list of actions (0 straight, 1 right, 2 left) that eats three apples. You may plan it on paper, or play: the first game of your own above is on seed 7. When it has ended, `mine.own` is True, and `mine.games()[0].actions` is what you did.

# %%
env = rlplay.create_env("snake", grid_size=6)
env.reset(seed=7)
state = env.render_state()
print("head", state["snake_position"][0], "  looks to", state["direction"])
print("apple", state["food_position"])

# %%
actions = ...
### BEGIN SOLUTION
actions = [2, 2, 0, 0, 1, 1, 1, 0]
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("three_apples", actions)

# %% [markdown]
# ## A race against one that has learned
#
# A sample run comes with rlplay: an agent that has trained on a board of 10. Run the cell, choose **Race** in the tab **Compare**, and add *random moves* as a third lane with **+**. The first lane is *Sample: good*. The second one, *straight to the apple*, is greedy as yours, but makes no move that ends the game at once. All play the same seeds, move by move.
#
# **Predict** first: is it safer than the greedy one, or faster? Then press **Race**.

# %% picture="01_race.png"
from rlplay_widgets.lessons.returns import race_against

race = Playground(lesson="play-it-yourself")
race_against(race, "good")
race

# %% [markdown]
# When you have seen enough, this cell ends your game and closes the race.

# %%
panel.watch(None)
race.close()

# %% [markdown]
# ## What you have seen
#
# An **agent** sees a **state**, does an **action**, gets a **reward**; a whole game is a **trajectory**. What it wants is a high **return**: all rewards that still come, each discounted by **gamma** once for every step of waiting. Who takes the next reward greedily dies young; who looks ahead gets more.
#
# **Next:** in this lesson you knew what an apple pays. In lesson 2 you do not: you have to try, and trying costs.

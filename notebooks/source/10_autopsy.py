# %% [markdown]
# # 10. Autopsy
#
# **Goal:** find out how an agent dies, where its last way out was, and what would make it live.
#
# *Time:* 60 minutes. *You need:* to have watched a snake learn (quickstart); lesson 9 for the intervals at the end.
#
# A mean score says *how good* an agent is. It does not say *what goes wrong*. For that one looks at single games, again and again, as a doctor or a crash investigator does. rlplay can do that exactly: a **replay** holds the seed and the actions of a game, and that is enough to play it again, step for step.

# %% [markdown]
# ## How do they die?
#
# We take a run that has trained already, the sample `good`: 5 million steps on a 10 x 10 board. A game of Snake can end in four ways: at the **wall**, in the snake's own body (**self**), by **starvation** (too many steps without an apple), or **won**: the board is full.
#
# **Predict:** at the beginning of the training, how do most games end? And at the end of it?

# %%
import rlplay
from rlplay.lessons import check
from rlplay_widgets.lessons.returns import bring_sample

good = bring_sample("good")  # the run's id
lines = rlplay.get_storage_manager().load_metrics("snake", good)

# %%
# NBVAL_CHECK_OUTPUT
from collections import Counter

size = len(lines) // 5
for start in range(0, 5 * size, size):
    part, counts = lines[start : start + size], Counter()
    for line in part:
        counts.update(line["endings"])
    shares = {name: f"{n / counts.total():.0%}" for name, n in counts.most_common()}
    print(f"until step {part[-1]['steps']:>9,}: {shares}")

# %% [markdown]
# **Compare.** The endings tell the story of the learning. The first row mixes three ages: in `lines[0]` nearly every game ends at the wall, in `lines[6]` nearly every snake starves, in `lines[21]` nearly every one bites itself (look at `lines[6]["endings"]`). From the second row on, its own body is by far the most frequent end. A better agent does not die less often, it dies *later*, and in another way.
#
# ## How did it end?
#
# The last picture of a game is enough to say how it ended. When the snake hits something, its head stays where it was, and its direction points at what it hit.
#
# **Exercise 1.** Write `how_it_ended(last, limit)`. `last` is the last state of a game:
#
# - `last["grid_size"]`, `last["hunger"]` (steps since the last apple),
# - `last["snake_position"]`: the cells as `{"x": .., "y": ..}`, the head first,
# - `last["direction"]`: `[dx, dy]`; $y$ grows downwards,
# - `last["food_position"]`: `None` when the board is full.
#
# `limit` is the hunger at which a snake starves. Give `"wall"`, `"self"`, `"starvation"` or `"won"`. Careful: who starves may look at a wall.


# %%
def how_it_ended(last, limit):
    """Name the ending of a game by its last state."""
    ### BEGIN SOLUTION
    if last["food_position"] is None:
        return "won"
    if last["hunger"] >= limit:
        return "starvation"
    head, (dx, dy) = last["snake_position"][0], last["direction"]
    ahead = head["x"] + dx, head["y"] + dy
    inside = all(0 <= place < last["grid_size"] for place in ahead)
    return "self" if inside else "wall"
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("how_it_ended", how_it_ended)

# %% [markdown]
# ## Rewind twenty steps, and take over
#
# Here is one patient: it had eaten 55 apples when it ran into itself in step 1127.
#
# 1. Look at the end of the game. Which way did it go, and what was in the way?
# 2. Rewind twenty steps: press **One step back**, left of the bar, twenty times, or drag the bar.
# 3. Press **Take over**. Now you are the snake: click on the board and steer with the arrow keys. Do something else than it did.
#
# **Predict:** how many steps before its death was the last chance to save it? 1, 3, 10 or 20?

# %% picture="autopsy.png"
from rlplay.lessons.autopsy import load_case
from rlplay_widgets import Playground

patient = load_case("patient")
panel = Playground(lesson="autopsy")
panel.desk.run = ("snake", good)
panel.desk.open_replay(patient, at=patient.length)
panel

# %% [markdown]
# When you are alive, you may keep your game as a replay of its own. **Open as replay** in the Watch tab shows it; `panel.desk.game.replay()` gives it to your code. Your game begins with *its* steps and goes on with *yours*: a **fork**.
#
# ## The last way out
#
# The computer can look for it. `frames.fork(step)` gives the environment as it stood after `step` steps, ready to go another way. `find_way(env, steps)` tries all actions, one after the other, and goes back when it is stuck, until it finds actions that keep the snake alive for so many steps (or gives `None`).
#
# The patient died in step $T$. Rewound by $b$ steps, its game stands at step
#
# $$t = T - b,$$
#
# and to be alive $n$ steps after the old death, the fork has to live $b + n$ steps from there. In the code, $T$ is `patient.length`, $b$ is `back`, $t$ is `step`, and $n$ is `BEYOND`:

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.autopsy import BEYOND, find_way

frames = patient.frames()
for back in (40, 20):
    step = patient.length - back
    way = find_way(frames.fork(step), back + BEYOND)
    print(f"{back} steps before: {'a way' if way else 'no way'} to live {BEYOND} steps longer")

# %% [markdown]
# **Exercise 2.** Find the **last** step at which another action would have saved the snake, and hand in the game in which you do it: `rescue`, a replay that has as many steps as possible in common with the patient's, and that is still alive 20 steps after the old death. Do it with a loop over `back`, or by hand in the panel.
#
# `Replay.record(config, seed, actions)` makes a replay of a tuple of actions. The check plays it again.

# %%
from rlplay.storage import Replay

config = rlplay.get_default_config("ppo", "snake")
rescue = ...  # your replay
### BEGIN SOLUTION
for back in range(1, 40):
    step = patient.length - back
    way = find_way(frames.fork(step), back + BEYOND)
    if way is not None:
        break
rescue = Replay.record(config, patient.episode_seed, patient.actions[:step] + way)
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("last_way_out", rescue)

# %% [markdown]
# **Compare** with your prediction. Until very near the end, 20 more steps of life could still be had. But look at such a rescue in the panel (`panel.desk.open_replay(rescue)`): does it have a future? The *cause* of a death often lies much earlier than the last way out: in the moment when the snake began to wind itself in. No action in the last steps is "the mistake" alone. That is the **credit assignment** problem: which of 1127 actions is to blame?
#
# ## A snake that never dies
#
# A walk that visits every cell once and comes back to its first is a **Hamiltonian cycle**. A snake that follows one never bites itself, and fills the board, slowly. On a board with an even side there is one: down row by row through all columns but the first, and back up through the first.
#
# ```
#  0 →  1 →  2 →  3
#  ↑              ↓
# 15    6 ←  5 ←  4
#  ↑    ↓
# 14    7 →  8 →  9
#  ↑              ↓
# 13 ← 12 ← 11 ← 10
# ```
#
# **Exercise 3.** Write `next_cell(x, y, size)`: the cell after $(x, y)$ on such a cycle. $(0, 0)$ is the upper left cell. Any Hamiltonian cycle is right. The check also lets a snake follow it until the board is full.


# %%
def next_cell(x, y, size):
    """Give the cell after (x, y) on a cycle through all cells of a board with an even side."""
    ### BEGIN SOLUTION
    if x == 0 and y > 0:
        return x, y - 1
    if y % 2 == 0:
        return (x + 1, y) if x < size - 1 else (x, y + 1)
    if x > 1 or y == size - 1:
        return x - 1, y
    return x, y + 1
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("next_cell", next_cell)

# %% [markdown]
# ## Beat the rule
#
# `towards_the_apple` is a rule of a few lines: go nearer to the apple where nothing is in the way. On a 6 x 6 board, in the game with seed 2024, it eats 13 apples.
#
# **Exercise 4.** Hand in a replay of this very game with a **higher** score. With a policy of your own (a function from the state to an action), with `follow_cycle(next_cell, 6)`, which makes a policy of your cycle, or by hand.

# %%
from rlplay.lessons.autopsy import (
    CHALLENGE,
    CHALLENGE_SEED,
    follow_cycle,
    play_policy,
    towards_the_apple,
)

rule = play_policy(towards_the_apple, CHALLENGE, CHALLENGE_SEED)
mine = ...  # your replay
### BEGIN SOLUTION
mine = play_policy(follow_cycle(next_cell, 6), CHALLENGE, CHALLENGE_SEED)
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("beat_the_score", mine)

# %% [markdown]
# ## Practise the end of the game first
#
# Why does an agent die in its own body? Because it has seldom been long: to practise with 50 cells, it first has to eat 49 apples. A **curriculum** gives it the hard part early. With `start_length` and `max_start_length` (in the World tab too) a game begins with a long snake, laid along a Hamiltonian cycle, so that it can always be saved.

# %%
import numpy as np
from PIL import Image

boards = []
for seed in range(4):
    start = {"start_length": 2, "max_start_length": 40}
    env = rlplay.create_env("snake", render_mode="rgb_array", grid_size=8, **start)
    env.reset(seed=seed)
    boards.append(np.pad(env.render(), ((0, 0), (8, 8), (0, 0)), constant_values=255))
Image.fromarray(np.hstack(boards))

# %% [markdown]
# **Predict:** an agent trains with snakes that begin with 1 to 40 cells. Then it plays normal games, from length 1, against one that always trained from length 1. Who eats more?
#
# Measured, with PPO on an 8 x 8 board, 800 000 steps, 8 seeds each; score in 256 games from length 1 (`python tests/benchmarks/start_length.py --steps 800000`):
#
# | trained from length | IQM of the score | interval of 95 % | P(better than from 1) |
# |---|---|---|---|
# | 1 | 29.4 | 27.5 to 30.5 | |
# | 1 to 20 | 33.1 | 32.6 to 34.4 | 1.00 |
# | 1 to 40 | 32.9 | 32.0 to 34.4 | 0.98 |
#
# **Compare.** Here it helps, and lesson 9 says that it is shown: the intervals lie apart. None of the agents has filled a board yet, so this says nothing about the last few apples.
#
# ## A tournament on hidden seeds
#
# Who is best? Everybody hands in a run or a policy. The teacher chooses the seeds, which nobody knows before. Every game is kept as a replay and **verified**: it is played again, and must give the same score.

# %%
import os

from rlplay.lessons.tournament import play_tournament

players = {"the sample": good, "the rule": towards_the_apple}
# players["me"] = follow_cycle(next_cell, 10)
seeds = [31, 5] if os.environ.get("RLPLAY_CI") else [31, 5, 77, 12, 8, 99, 41, 60]
table = play_tournament(players, seeds, folder="tournament")
print(table)

# %% [markdown]
# "Above the next" is the probability of improvement from lesson 9. Take the `#` away to let your cycle play. It fills the board in every game. Has it *learned* anything?

# %% [markdown]
# ## What you have seen
#
# - How games end tells more than a mean score, and it changes while an agent learns.
# - From seed and actions a game can be played again exactly, rewound, and taken over: a fork goes another way from there.
# - The last way out is not the cause of a death. Practising the hard part early helps, and whether it does is a question for several seeds.
#
# **Next:** your own questions. Everything that you did here works with your own runs, rewards and environments.

# %% [markdown]
# # 9. Was it luck?
#
# **Goal:** decide from a few runs whether one learner is better than another, or whether the luck of the seeds made it look so.
#
# *Time:* 50 minutes. *You need:* to know what a training run and its score are (lessons 5 and 6).
#
# Every training begins with a **seed**: the number from which all its random choices follow. The first weights of the network, the places of the apples and the actions that are tried all come from it. Same seed, same run. Another seed, another run. How different can it be?

# %% [markdown]
# ## Five seeds
#
# Here are real runs: PPO learns Snake on an 8 x 8 board for 300 000 steps. All runs have the same settings. Only the seed differs. They were recorded, so that you need not wait ten minutes: `python -m rlplay.samples.seeds` makes them again.
#
# **Predict:** the first run ends with 17.4 apples a game. In which range will the next nineteen end? Write it down.

# %%
from rlplay.lessons import check
from rlplay.samples.seeds import load_seeds
from rlplay_widgets.lessons.seeds import SeedFan, show_seeds

plain = load_seeds("plain")
idea = load_seeds("idea")
window = load_seeds("window")

show_seeds(plain.part(0, 5), single=True)

# %%
# NBVAL_CHECK_OUTPUT
print("in the order of the seeds:", *(f"{score:.1f}" for score in plain.scores))
print(f"lowest {plain.scores.min():.1f}, highest {plain.scores.max():.1f}")

# %% [markdown]
# **Compare** with what you wrote. The score of a run is the mean score of the games at the end of its training, where its curve ends: about a hundred games. So it is not single games that differ so much: it is the *agents*. One of them is nearly twice as good as another, and nothing but luck made it so.
#
# ## A robust mean
#
# One number for many runs: the mean is pulled away by a single very bad (or very good) run. The **interquartile mean** (IQM) leaves out the lowest quarter and the highest quarter of the $n$ values and takes the mean of the rest:
#
# $$\text{IQM} = \frac{1}{n - 2k} \sum_{i=k+1}^{n-k} x_{(i)}, \qquad k = \lfloor n / 4 \rfloor$$
#
# where $x_{(1)} \le x_{(2)} \le \dots \le x_{(n)}$ are the sorted values. (Agarwal and others, 2021, advise it for reinforcement learning.)
#
# **Exercise 1.** Write it. For fewer than 4 values, $k = 0$ and all of them count.


# %%
def interquartile_mean(values):
    """Mean of the middle half of some numbers."""
    ### BEGIN SOLUTION
    ordered = sorted(values)
    k = len(ordered) // 4
    middle = ordered[k : len(ordered) - k]
    return sum(middle) / len(middle)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("interquartile_mean", interquartile_mean)

# %% [markdown]
# ## An interval: draw the seeds again
#
# How much would the IQM change with other seeds? We cannot train a thousand times. But we can pretend: **draw the seeds again, with replacement**, from those that we have. One seed may come twice, another not at all. Each such draw is a *resample* and has an IQM of its own. The middle 95 % of these IQMs are the **bootstrap interval**:
#
# $$[\,q_{0.025},\; q_{0.975}\,] \quad\text{of}\quad \text{IQM}(x^{*1}), \text{IQM}(x^{*2}), \dots, \text{IQM}(x^{*B})$$
#
# **Exercise 2.** Write it. `generator.choice(values, size=len(values))` draws once with replacement; `np.quantile(means, 0.025)` gives the lower bound. You may use the given IQM, `iqm`.

# %%
import numpy as np

from rlplay.statistics import interquartile_mean as iqm


def bootstrap_interval(values, generator, resamples):
    """Lower and upper bound of the middle 95 % of the resamples' IQMs."""
    ### BEGIN SOLUTION
    means = [iqm(generator.choice(values, size=len(values))) for _ in range(resamples)]
    return np.quantile(means, 0.025), np.quantile(means, 0.975)
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("bootstrap_interval", bootstrap_interval)

# %% [markdown]
# The picture that the Compare tab of the Playground draws for the seeds of one config is just that: the IQM, and its bootstrap interval at each step.

# %%
show_seeds(plain.part(0, 5))

# %% [markdown]
# ## An improvement?
#
# Somebody has an idea: let the snake see only 2 cells far instead of 5 (`window`). Fewer numbers to look at, so it may learn faster. They train three seeds of each, and look.
#
# **Predict:** it begins with one seed of each. Press **Add a seed** until you would bet your pocket money on one of the two. At how many seeds do you stop? Then press **All 20**, and then **Show only the best seed of window**.

# %% picture="seed_fan.png"
SeedFan(plain, window, count=1)

# %% [markdown]
# **Compare.** With one seed the new window looked worse. With three, nobody can tell. With five it looks better, but the interval of the difference still holds 0. With 20 it is better, by about 4.5 apples, and the whole interval lies above 0. Nothing in the runs has changed: a few seeds were simply too few.
#
# And the poster with the best seed is not wrong in any number. It lies by what it leaves out. With more seeds, the best one gets better and better, although the learner stays the same.
#
# ## The same against the same
#
# A good test of a test: compare a learner with **itself** (an *A/A test*). Here are the first ten runs of `plain` against the other ten. Whatever differs here is luck alone.
#
# **Predict:** what will the verdict be with three seeds, with five, and with ten?

# %% picture="seed_fan_same.png"
SeedFan(plain.part(10, 20, "plain again"), plain.part(0, 10), count=3)

# %% [markdown]
# **Compare.** With three seeds the same learner "looks better" than itself, and with five it is a matter of how the interval was drawn! The bootstrap can only draw again what is there, and a few values know nothing of the runs that were not made: with few seeds its interval is **too narrow**. Take ten seeds or more before you believe it.
#
# Let us count. We shuffle the 20 runs, call the first five "A" and the next five "B", and look how far their means lie apart. A thousand times.

# %%
# NBVAL_CHECK_OUTPUT
generator = np.random.default_rng(0)
differences = []
for _ in range(1000):
    shuffled = generator.permutation(plain.scores)
    differences.append(abs(shuffled[:5].mean() - shuffled[5:10].mean()))

for apples in (1, 2, 3):
    share = np.mean(np.array(differences) > apples)
    print(f"A and B differ by more than {apples} apples in {share:.0%} of the cases")

# %% [markdown]
# So whoever compares five seeds with five seeds and finds them "2 apples apart" has found what luck alone gives in every fourth comparison (and "ours is 2 apples better" in every eighth). (Henderson and others, 2018, showed this first: two groups of five seeds of the *same* algorithm looked like two algorithms.)
#
# ## How likely is it better?
#
# Another honest number: take one run of ours and one of theirs at random. How likely is ours higher? This is the **probability of improvement**; a tie counts half:
#
# $$P(X > Y) = \frac{1}{n\,m} \sum_{i=1}^{n} \sum_{j=1}^{m} \Big( [x_i > y_j] + \tfrac{1}{2} [x_i = y_j] \Big)$$
#
# **Exercise 3.** Write it.


# %%
def probability_of_improvement(ours, theirs):
    """How likely one of ours is above one of theirs."""
    ### BEGIN SOLUTION
    wins = sum((x > y) + 0.5 * (x == y) for x in ours for y in theirs)
    return wins / (len(ours) * len(theirs))
    ### END SOLUTION


# %%
# NBVAL_CHECK_OUTPUT
check("probability_of_improvement", probability_of_improvement)

# %% [markdown]
# ## Better, worse, or not shown
#
# The rule: *better* if the whole interval of the difference lies above 0, *worse* if it lies below 0, else *not shown*. "Not shown" is not the same as "equal": it means that these runs cannot tell.
#
# `compare` gives the interval of IQM(ours) − IQM(plain). The second idea, `idea`, is PPO with another $\lambda$ (0.9 in place of 0.95).

# %%
# NBVAL_CHECK_OUTPUT
from rlplay.lessons.seeds import COMPARISONS, compare

for name, (learner, count) in COMPARISONS.items():
    ours, theirs = load_seeds(learner).scores[:count], plain.scores[:count]
    low, high = compare(name)
    print(
        f"{name}: means {ours.mean():.1f} and {theirs.mean():.1f}, interval {low:.1f} to {high:.1f}"
    )

# %% [markdown]
# **Exercise 4.** Write a verdict for each: `"better"`, `"worse"` or `"not shown"`.

# %%
verdicts = {}
verdicts["idea, 5 seeds"] = ...
verdicts["idea, 20 seeds"] = ...
verdicts["window, 5 seeds"] = ...
verdicts["window, 20 seeds"] = ...  # your answers
### BEGIN SOLUTION
verdicts = dict.fromkeys(verdicts, "not shown") | {"window, 20 seeds": "better"}
### END SOLUTION

# %%
# NBVAL_CHECK_OUTPUT
check("verdicts", verdicts)

# %% [markdown]
# ## Your own seeds
#
# Now train some yourself: the same small config with several seeds, on a 6 x 6 board. This takes half a minute.
#
# **Predict:** will one of them be twice as good as another?

# %%
import os

import rlplay

steps, seeds = (4_000, 2) if os.environ.get("RLPLAY_CI") else (80_000, 5)
config = rlplay.get_default_config("ppo", "snake").replace(
    name="my seeds", env_config={"grid_size": 6}, num_envs=32, total_steps=steps
)
mine = [rlplay.train(config.replace(seed=seed), progress=False) for seed in range(seeds)]
scores = [rlplay.evaluate(session.run_id, episodes=100).mean() for session in mine]
print([round(score, 1) for score in scores])

# %% [markdown]
# The **Compare** tab shows them: tick your runs in the table, then tick **group seeds**, and five curves become one line in a band. It can save the figure.

# %% picture="09_compare.png"
from rlplay_widgets import Playground

panel = Playground(lesson="was-it-luck")
panel

# %% [markdown]
# ## What you have seen
#
# - A seed alone can make one run nearly twice as good as another, so one run shows next to nothing, and the best run of many shows even less.
# - The interquartile mean with its bootstrap interval says what is known; the interval of the difference says whether an improvement is shown.
# - A learner compared with itself "differs" too: that is the size of luck.
#
# **Next:** lesson 10, where you look into single games: how they end, and what would have saved them.
#
# *Sources.* R. Agarwal and others, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021. P. Henderson and others, "Deep Reinforcement Learning that Matters", AAAI 2018.

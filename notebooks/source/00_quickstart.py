# %% [markdown]
# # Quickstart: watch a snake learn
#
# Run the next cell (Shift + Enter), press **Start**, and watch a snake that knows nothing become one that fills the board.

# %% picture="00_playground.png"
from rlplay_widgets import Playground

Playground()

# %% [markdown]
# While it learns: drag **Moves/s** to watch single moves, press **Full speed** to learn on, **Pause** and **Stop** as you like. Training goes on when you scroll away, and when you reload the page of the saved notebook. Running the cell again shows what runs.

# %% [markdown]
# ## The same in a few lines
#
# All that the panel does has its call. Here an agent trains without a screen for a few seconds.

# %%
import os

import rlplay

seconds = 2 if os.environ.get("RLPLAY_CI") else 20

config = rlplay.get_default_config("ppo", "snake").replace(
    name="quickstart", env_config={"grid_size": 8}, seed=1
)
run = rlplay.train(config, seconds=seconds)
run

# %% [markdown]
# Every run is a folder of plain files. Its metrics:

# %%
import matplotlib.pyplot as plt

storage = rlplay.get_storage_manager()
metrics = storage.load_metrics("snake", run.run_id)

fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.plot([line["steps"] for line in metrics], [line["score"] for line in metrics])
ax.set(xlabel="steps", ylabel="mean score", title=f"{len(metrics)} lines of metrics")
plt.show()

# %% [markdown]
# How good is it on games that it never played? It plays a hundred, without exploring.

# %%
result = rlplay.evaluate(run.run_id, episodes=100)
print(f"mean score {result.mean():.1f}, best {result.scores.max():.0f} of at most {8 * 8 - 1}")
result.ending_counts()

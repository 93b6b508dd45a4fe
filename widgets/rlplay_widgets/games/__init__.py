"""What the player moves: games of an agent, of a person, replays, races."""

from rlplay_widgets.games.agent import AgentGame, LiveWeights, Thinker
from rlplay_widgets.games.person import PersonGame
from rlplay_widgets.games.replay import ReplayGame

__all__ = ["AgentGame", "LiveWeights", "PersonGame", "ReplayGame", "Thinker"]

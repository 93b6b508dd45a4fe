"""What the player moves: games of an agent, of a person, replays, races."""

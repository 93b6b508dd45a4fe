"""What single lessons show beside the Playground, and the presets of the Playground for lessons."""

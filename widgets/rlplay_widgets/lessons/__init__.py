"""What single lessons need beyond the Playground, a module each; and their presets."""

"""What single lessons show beside the Playground, a module for each lesson."""

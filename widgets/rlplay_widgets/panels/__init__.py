"""One panel, one file; a panel takes the scene that it belongs to and holds a box."""

"""Training: the loop, the session around it, what screens read and what the disk receives."""

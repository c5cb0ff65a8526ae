"""Only what the reinforcement-learning libraries do not already give."""

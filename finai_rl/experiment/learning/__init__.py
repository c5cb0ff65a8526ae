"""From an environment to a trained agent: how it starts, is called back, and what it leaves."""

"""finai_rl: reinforcement-learning trading agents, trained, tracked and honestly backtested."""

__version__ = "0.1.0"

"""`hydra/sweeper=study`: hydra-optuna-sweeper with trials that survive, prune and resume."""

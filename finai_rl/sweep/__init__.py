"""Sweeps: what a multirun of trainings has in common, as a grid or as a search by Optuna."""

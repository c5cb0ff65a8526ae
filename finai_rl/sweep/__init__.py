"""Sweeps: what a multirun of trainings has in common, as a grid or as a search by Optuna."""

import logging

# Optuna's and MLflow's databases are set up by it, and it announces each of its plugins.
logging.getLogger("alembic").setLevel(logging.WARNING)

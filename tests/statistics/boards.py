"""Trainings with chosen returns, for the tests of the leaderboard."""

from __future__ import annotations

import numpy as np
import pandas as pd

from finai_rl.statistics.leaderboard import TrainedRun

N_DAYS = 250


def fold_name(fold):
    return f"made {2010 + fold}"


def trained(fold, seed, mean=0.0, *, n_days=N_DAYS, noise=0.004, name=0, start=None):
    """One training: equal weight of the fold, and an agent that follows it with its own noise."""
    market = np.random.default_rng([7, fold]).normal(0.0003, 0.01, n_days)
    own = np.random.default_rng([8, fold, seed, name]).normal(mean, noise, n_days)
    dates = pd.bdate_range(start or f"{2010 + fold}-01-01", periods=n_days).strftime("%Y-%m-%d")
    returns = pd.DataFrame({"date": dates, "agent": market + own, "equal_weight": market})
    return TrainedRun(fold_name(fold), seed, returns)


def trainings(mean=0.0, *, seeds=3, folds=2, name=0, **more):
    return [trained(f, s, mean, name=name, **more) for f in range(folds) for s in range(seeds)]

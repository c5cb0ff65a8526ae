"""What the sum of a search holds its best trial against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from finai_rl.sweep.outcome import save_returns
from finai_rl.sweep.results import Results
from finai_rl.sweep.summary import Benchmark, judge


def test_the_best_trial_is_held_against_equal_weight_of_its_own_terms(tmp_path: Path) -> None:
    lots = np.random.default_rng(0)
    dates = [str(day.date()) for day in pd.bdate_range("2024-01-01", periods=250)]
    study = optuna.create_study(direction="maximize")
    for number, exposure in enumerate([0.2, 1.0]):
        folder = tmp_path / str(number)
        (folder / "backtest").mkdir(parents=True)
        market = lots.normal(0, 0.01, 250)
        returns = market + lots.normal(0.002 * number, 0.003, 250)
        save_returns(folder, dates, returns)
        columns = {"date": dates, "agent": returns, "equal_weight": market}
        more = {"equal_weight_exposure": exposure, "equal_weight_left_out": 0}
        pd.DataFrame(columns).assign(**more).to_csv(folder / "backtest" / "returns.csv")
        study.add_trial(optuna.trial.create_trial(value=number, user_attrs={"folder": str(folder)}))
    first = Benchmark(np.zeros(250), "Equal weight is 0.20 invested on average")
    verdict = judge(Results(study.get_trials(), "maximize"), first, None)
    assert verdict is not None
    assert verdict.active is not None
    assert verdict.active.estimate.sharpe > 0.3
    assert "invested" not in verdict.sentence
    worst = judge(Results(study.get_trials(), "minimize"), first, None)
    assert worst is not None
    assert "Equal weight is 0.20 invested on average" in worst.sentence


def test_trials_over_other_days_count_as_tries(tmp_path: Path) -> None:
    lots = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize")
    for number in range(20):
        n_days = 250 if number > 17 else 200
        dates = [str(day.date()) for day in pd.bdate_range("2024-01-01", periods=n_days)]
        folder = tmp_path / str(number)
        folder.mkdir()
        save_returns(folder, dates, lots.normal(0.001, 0.01, n_days))
        study.add_trial(optuna.trial.create_trial(value=number, user_attrs={"folder": str(folder)}))
    results = Results(study.get_trials(), "maximize")
    assert len(results.returns()[0]) == 2
    verdict = judge(results, Benchmark(np.zeros(250)), None)
    assert verdict is not None
    assert "picked from 2 (20 counted)" in verdict.sentence

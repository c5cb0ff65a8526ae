"""What the sum of a search holds its best trial against, and the trials that it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState, create_trial

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
        study.add_trial(create_trial(value=number, user_attrs={"folder": str(folder)}))
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


@pytest.mark.parametrize(("counted", "n_counted"), [(None, 5), (3, 5), (40, 40)])
def test_pruned_trials_are_among_those_that_the_best_was_picked_from(
    counted: int | None, n_counted: int, tmp_path: Path
) -> None:
    lots, rate = np.random.default_rng(0), 1.1 ** (1 / 252) - 1
    dates = [str(day.date()) for day in pd.bdate_range("2024-01-01", periods=250)]
    study, ratios = optuna.create_study(direction="maximize"), []
    for number, n_days in enumerate([250, 250, 60, 60, 120]):
        folder = tmp_path / str(number)
        folder.mkdir()
        # The rate weighs more on a steady account, so that it moves how far the ratios spread.
        returns = lots.normal(0.002, 0.004 * (1 + number), n_days)
        save_returns(folder, dates[:n_days], returns)
        ratios.append((returns - rate).mean() / (returns - rate).std(ddof=1))
        ended = {"state": TrialState.PRUNED} if n_days < 250 else {"value": -number}
        study.add_trial(create_trial(**ended, user_attrs={"folder": str(folder)}))
    results = Results(study.get_trials(), "maximize")
    verdict = judge(results, Benchmark(np.zeros(250)), counted, risk_free=0.1)
    assert verdict is not None
    assert verdict.deflated.n_trials == 5
    assert verdict.deflated.n_counted == n_counted
    assert verdict.deflated.estimate.sharpe == pytest.approx(ratios[0])
    assert verdict.deflated.sharpe_variance == pytest.approx(np.var(ratios, ddof=1))

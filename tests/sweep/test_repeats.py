"""What the configurations of a multirun are judged by."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from finai_rl.sweep.repeats import compare_repeats
from finai_rl.sweep.results import Results
from finai_rl.tracking import NoTracker
from tests.config.composition import composed
from tests.statistics.boards import trained


@pytest.mark.parametrize(
    ("counted", "luckiest_of"),
    # The four trainings are among those counted, and make two configurations.
    [(None, 2), (3, 2), (50, 48)],
)
def test_what_was_tried_before_counts_beside_the_configurations(
    counted: int | None,
    luckiest_of: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = optuna.create_study()
    varied = {
        "lr": CategoricalDistribution(["high", "low"]),
        "seed": CategoricalDistribution([0, 1]),
    }
    for number, (lr, seed) in enumerate([("low", 0), ("low", 1), ("high", 0), ("high", 1)]):
        folder = tmp_path / str(number)
        (folder / "backtest").mkdir(parents=True)
        name = ["low", "high"].index(lr)
        returns = trained(0, seed, 0.002 * name, n_days=60, name=name).returns
        returns.to_csv(folder / "backtest" / "returns.csv", index=False)
        params = {"lr": lr, "seed": seed}
        attributes = {"folder": str(folder)}
        study.add_trial(
            create_trial(value=0.0, params=params, distributions=varied, user_attrs=attributes)
        )
    results = Results(study.get_trials(), "maximize")
    compare_repeats(results, composed(), counted, NoTracker(), tmp_path / "summary")
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("lr=high: ")
    assert f"the luckiest of {luckiest_of} trials" in said

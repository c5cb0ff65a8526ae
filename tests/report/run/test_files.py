import warnings

import matplotlib.image
import numpy as np
import pytest

from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.files import save_report
from tests.evaluation.accounts import sold_short, traded


def test_writes_pictures_and_tables(tmp_path):
    agent, baseline = traded(120, 12, size=0.1), traded(120, 12, seed=1)
    report = EvaluationReport("t", agent, {"b": baseline}, index=np.linspace(1e6, 1.2e6, 120))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_report(report, tmp_path / "new" / "report")
    names = ["account_value.png", "drawdown.png", "holdings.png"]
    tables = ["account_value.csv", "holdings.csv", "trades.csv"]
    assert [path.name for path in paths] == names + tables
    for path in paths[:3]:
        picture = matplotlib.image.imread(path)
        assert picture.shape[:2] == (817, 1500)
        assert len(np.unique(picture[..., 0])) > 10


def test_works_without_baselines_index_and_caveats(tmp_path):
    assert len(save_report(EvaluationReport("t", traded(120, 12)), tmp_path)) == 6


@pytest.mark.parametrize("close", [[10.0, 30.0, 10.0], [10.0, 12.0, 25.0, 10.0]])
def test_a_ruined_account_leaves_all_files(tmp_path, close):
    result = sold_short(close, shares=100)
    n_days = len(result.dates)
    assert n_days < len(close)
    baseline = sold_short(close, shares=0).head(n_days)
    report = EvaluationReport("t", result, {"b": baseline}, index=np.full(n_days, 1000.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_report(report, tmp_path)
    assert all(path.stat().st_size for path in paths)

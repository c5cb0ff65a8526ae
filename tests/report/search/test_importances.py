import numpy as np
import pytest

from finai_rl.report.search.importances import parameter_importances
from finai_rl.report.search.search_record import SearchRecord
from tests.report.search.trials import RATE, mixed_search, trial, uniform


def test_the_most_important_parameter_is_found_at_any_scale():
    rng = np.random.default_rng(3)
    scales = {"noise": uniform(0, 1), "rate": RATE, "size": uniform(-1e300, 1e300)}
    trials = []
    for n in range(60):
        exponent = rng.uniform(-9, -2)
        row = (rng.random(), 10**exponent, rng.uniform(-1e300, 1e300))
        params = dict(zip(scales, zip(row, scales.values(), strict=True), strict=True))
        trials.append(trial(n, -1e200 * (exponent + 8) ** 2, params))
    shares = parameter_importances(SearchRecord.of(trials, "x", "maximize", "t"))
    assert next(iter(shares)) == "rate"
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    shares = parameter_importances(SearchRecord.of(mixed_search(), "x", "maximize", "t"))
    assert set(shares) == {"agent", "net", "env.gamma"}
    assert next(iter(shares)) == "env.gamma"

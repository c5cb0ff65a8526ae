"""Long-only portfolios fulfil the conditions of an optimum, as those of skfolio nearly do."""

import numpy as np
import pytest

from finai_rl.evaluation.policies.mean_variance import long_only, shrunk_covariance


def returns_of(n_stocks, seed, n=252):
    rng = np.random.default_rng(seed)
    common = rng.normal(0.0005, 0.01, (n, 1)) * rng.uniform(0.3, 1.5, n_stocks)
    return common + rng.normal(0.0002, 0.012, (n, n_stocks)) * rng.uniform(0.5, 2.0, n_stocks)


@pytest.mark.parametrize("n_stocks", [1, 2, 5, 60])
def test_a_window_of_two_returns_has_one_too(n_stocks):
    covariance = shrunk_covariance(returns_of(n_stocks, seed=0, n=2))
    weights = long_only(covariance, np.ones(n_stocks))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_stocks", [1, 3, 20, 60])
def test_no_stock_would_improve_it(n_stocks, seed):
    returns = returns_of(n_stocks, seed)
    covariance = shrunk_covariance(returns)
    for gains in (np.ones(n_stocks), np.append(returns.mean(axis=0)[1:], 0.001)):
        weights = long_only(covariance, gains)
        assert weights.sum() == pytest.approx(1)
        assert (weights >= 0).all()
        # For the risk that it adds, a stock that is held gives as much as all, and no other more.
        given = gains @ weights / (weights @ covariance @ weights) * (covariance @ weights)
        scale = np.abs(gains).max()
        assert (gains - given <= 1e-9 * scale).all()
        np.testing.assert_allclose(gains[weights > 0], given[weights > 0], atol=1e-9 * scale)


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "better"), [("MINIMIZE_RISK", -1), ("MAXIMIZE_RATIO", 1)])
def test_it_is_skfolios_within_its_tolerance_and_never_worse(objective, better):
    from skfolio.moments import LedoitWolf
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import EmpiricalPrior

    for seed in range(3):
        returns = returns_of(20, seed)
        theirs = MeanRisk(
            objective_function=ObjectiveFunction[objective],
            prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()),
        )
        expected = theirs.fit(returns).weights_
        covariance = shrunk_covariance(returns)
        gains = np.ones(20) if better < 0 else returns.mean(axis=0)
        found = long_only(covariance, gains)
        np.testing.assert_allclose(found, expected, atol=2e-3)
        ours, their = (gains @ w / np.sqrt(w @ covariance @ w) for w in (found, expected))
        assert their * (1 - 1e-9) <= ours <= their * (1 + 1e-4)


def test_without_a_gain_there_is_no_portfolio():
    with pytest.raises(ValueError, match="no gain is positive"):
        long_only(np.eye(2), np.array([0.0, -1.0]))

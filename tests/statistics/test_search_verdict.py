from dataclasses import replace

import numpy as np
import pytest

from finai_rl.statistics.deflation import deflate
from finai_rl.statistics.overfitting import backtest_overfitting
from finai_rl.statistics.search_verdict import RULE, judge_search, search_verdict


def trials(seed, n_days=500, n_trials=12, rho=0.0, drift=0.0, skill=0.0):
    """Daily returns of deviation 0.01; the market, and trials of which the first has skill."""
    rng = np.random.default_rng(seed)
    market = drift + rng.normal(0, 0.01, n_days)
    own = rng.normal(0, 0.01, (n_days, n_trials))
    returns = np.sqrt(rho) * market[:, None] + np.sqrt(1 - rho) * own
    returns[:, 0] += skill * 0.01
    return returns, np.sqrt(rho) * market


def best(returns):
    return int(np.argmax(returns.mean(axis=0) / returns.std(axis=0, ddof=1)))


def levels(n_searches, with_benchmark=False, **settings):
    found = []
    for seed in range(n_searches):
        returns, market = trials(seed, **settings)
        verdict = judge_search(returns, best(returns), market if with_benchmark else None)
        found.append(verdict.level)
    return {level: found.count(level) / n_searches for level in ("no evidence", "weak", "strong")}


@pytest.mark.parametrize("n_trials", [2, 12])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_searches_over_noise_are_no_evidence(n_trials, rho):
    shares = levels(40, n_days=250, n_trials=n_trials, rho=rho)
    assert shares["strong"] <= 0.05
    assert shares["no evidence"] >= 0.8


def test_a_rising_market_is_no_evidence_of_skill():
    settings = {"n_days": 1000, "rho": 0.8, "drift": 0.001}
    assert levels(20, **settings)["no evidence"] < 0.2
    shares = levels(20, with_benchmark=True, **settings)
    assert shares["no evidence"] >= 0.9
    assert shares["strong"] <= 0.05


def test_finds_skill_among_trials_of_one_market():
    assert levels(20, rho=0.8, skill=0.15)["strong"] > 0.7
    assert levels(20, with_benchmark=True, rho=0.8, drift=0.001, skill=0.15)["strong"] > 0.7


def test_a_strong_verdict_says_why():
    returns, market = trials(3, rho=0.8, drift=0.001, skill=0.2)
    verdict = judge_search(returns, 0, market)
    assert verdict.level == "strong"
    assert verdict.sentence.startswith("Strong evidence of skill. The trial picked from 12 over")
    for part in ("500 days", "Over the benchmark", "more than luck", "(PBO), so the choice lasted"):
        assert part in verdict.sentence
    assert verdict.rule == RULE
    assert verdict.active.deflated_null >= 0.95
    assert "no evidence" not in verdict.sentence.lower()


def test_without_a_benchmark_the_claim_is_smaller():
    returns, _ = trials(3, rho=0.8, skill=0.25)
    verdict = judge_search(returns, 0)
    assert verdict.level == "strong"
    assert verdict.sentence.startswith("Strong evidence of a Sharpe ratio above 0.")
    assert "not compared with a benchmark" in verdict.sentence
    assert verdict.active is None


def test_a_winner_that_only_followed_the_market():
    returns, market = trials(3, n_days=1000, rho=0.98, drift=0.002)
    returns[:, 0] = 0.9 * market
    verdict = judge_search(returns, 0, market)
    assert verdict.deflated.deflated_null > 0.95
    assert verdict.level == "no evidence"
    assert "holding the benchmark paid at least as much" in verdict.sentence
    same = judge_search(np.column_stack([market, returns]), 0, market)
    assert same.level == "no evidence"
    assert "differs from the benchmark by a constant" in same.sentence


def test_more_trials_counted_weaken_the_evidence():
    returns, _ = trials(3, skill=0.16)
    assert judge_search(returns, 0).level == "strong"
    verdict = judge_search(returns, 0, n_counted=100_000)
    assert verdict.level == "no evidence"
    assert "The trial picked from 12 (100,000 counted)" in verdict.sentence


def test_pruned_trials_count():
    returns, market = trials(3, skill=0.2)
    verdict = judge_search(returns, 0, market, other_sharpe_ratios=[-0.1, 0.02])
    assert verdict.deflated.n_trials == 14
    assert verdict.active.n_counted == 14
    assert verdict.overfitting.n_trials == 12


def test_equally_good_trials_are_strong_evidence_only_by_their_median():
    rng = np.random.default_rng(0)
    returns = rng.normal(0.003, 0.01, (500, 12))
    verdict = judge_search(returns, best(returns))
    assert verdict.overfitting.pbo > 0.2
    assert verdict.deflated.deflated_null > 0.99
    assert verdict.level == "strong"
    assert "the choice hardly matters" in verdict.sentence
    chance = replace(verdict.overfitting, pbo=0.5)
    doubtful = search_verdict(replace(verdict.deflated, typical=0.94), chance)
    assert doubtful.level == "weak"
    assert "no better than chance" in doubtful.sentence


def test_the_median_trial_has_to_do_well_over_the_benchmark_as_well():
    returns, _ = trials(3, skill=0.25)
    good = replace(deflate(returns, 0), deflated_null=0.99, typical=0.99)
    poor = replace(good, typical=0.5)
    chance = replace(backtest_overfitting(returns, 8), pbo=0.5)
    assert search_verdict(good, chance, good).level == "strong"
    for deflated, active in ((good, poor), (poor, good)):
        verdict = search_verdict(deflated, chance, active)
        assert verdict.level == "weak"
        assert "no better than chance" in verdict.sentence


def test_a_single_trial_is_weak_at_most_and_says_so():
    returns, _ = trials(0, n_trials=1, skill=0.3)
    verdict = judge_search(returns, 0)
    assert verdict.level == "weak"
    assert verdict.overfitting is None
    assert "The only trial over 500 days" in verdict.sentence
    assert "at most weak" in verdict.sentence


def test_few_days_leave_the_probability_of_overfitting_out():
    returns, _ = trials(0, n_days=39, skill=2.0)
    assert judge_search(returns, 0).overfitting is None
    assert judge_search(returns, 0).level == "weak"
    assert judge_search(trials(0, n_days=40)[0], 0).overfitting.n_blocks == 4
    assert judge_search(trials(0, n_days=1000)[0], 0).overfitting.n_blocks == 16


def test_says_that_few_trials_make_a_poor_probability():
    returns, _ = trials(0, n_trials=3, skill=0.3)
    assert "says little with 3 trials" in judge_search(returns, 0).sentence


def test_says_where_the_spread_of_the_trials_disagrees():
    returns, _ = trials(3, skill=0.25)
    returns[:, 1:4] -= 0.005
    verdict = judge_search(returns, 0)
    assert verdict.level == "strong"
    assert verdict.deflated.deflated_counted < 0.9
    assert "by the trials' own spread" in verdict.sentence


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.zeros((100, 3)), "no Sharpe ratio, as its returns do not vary"),
        (np.random.default_rng(0).normal(-0.01, 0.01, (100, 3)), "earned nothing on average"),
        (np.full((1, 2), 0.01), "no Sharpe ratio"),
    ],
)
def test_nothing_earned_is_no_evidence(returns, why):
    verdict = judge_search(returns, 0)
    assert verdict.level == "no evidence"
    assert why in verdict.sentence


def test_two_days_have_no_confidence():
    verdict = judge_search(np.array([[0.01, 0.02], [0.02, 0.01]]), 0)
    assert verdict.level == "no evidence"
    assert "undefined" in verdict.sentence


def test_confidence_is_rounded_down():
    returns, _ = trials(3, skill=0.16)
    deflated = replace(deflate(returns, 0), deflated_null=0.9499)
    verdict = search_verdict(deflated, backtest_overfitting(returns, 8))
    assert verdict.level == "weak"
    assert "deflated Sharpe ratio 0.94" in verdict.sentence


def test_refuses_a_benchmark_over_other_days():
    returns, market = trials(0)
    with pytest.raises(ValueError, match="499 benchmark returns for 500 days"):
        judge_search(returns, 0, market[1:])


def test_a_benchmark_that_is_not_in_the_market_limits_the_verdict():
    returns, market = trials(3, rho=0.8, drift=0.001, skill=0.2)
    lacking = "Equal weight is 0.46 invested on average"
    limited = judge_search(returns, 0, market, shortfall=lacking, caveats=["Filled rows"])
    assert limited.level == "weak"
    assert limited.sentence.startswith("Weak evidence of a Sharpe ratio above 0.")
    assert f"{lacking}, so returns over it say little of skill" in limited.sentence
    assert limited.sentence.endswith("Of the data: Filled rows.")


def test_what_cash_pays_is_no_skill():
    returns, market = trials(0, n_trials=8, skill=0.1)
    rate = 1.3 ** (1 / 252) - 1
    lent = judge_search(returns, best(returns), market, risk_free=0.3)
    moved = judge_search(returns - rate, best(returns), market - rate)
    assert lent.deflated.estimate == moved.deflated.estimate
    assert lent.deflated.deflated_null == moved.deflated.deflated_null
    assert lent.overfitting.pbo == moved.overfitting.pbo
    assert lent.active.estimate.sharpe == pytest.approx(moved.active.estimate.sharpe)

import math
from dataclasses import replace

import numpy as np
import pytest

from finai_rl.evaluation.result import BacktestResult
from finai_rl.evaluation.verdict import judge_run
from finai_rl.statistics.run_verdict import RULE, judge_returns, sharpe_evidence
from finai_rl.statistics.sharpe_inference import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
)
from tests.evaluation.accounts import sold_short


def account(returns, name="agent"):
    """An account that buys one share, whose price moves by the returns, and holds it."""
    value = 100 * np.cumprod(np.append(1.0, 1.0 + np.asarray(returns)))
    n = len(value)
    return BacktestResult(
        name=name,
        dates=np.datetime64("2015-01-01") + np.arange(n),
        tickers=("A",),
        close=value[:, None],
        account_value=value,
        cash=np.append(100.0, np.zeros(n - 1)),
        shares=np.append(0.0, np.ones(n - 1))[:, None],
        trades=np.append(1.0, np.zeros(n - 2))[:, None],
        fill_price=value[:-1, None],
        costs=np.zeros(n - 1),
        financing=np.zeros(n - 1),
    )


def market_and_agent(seed, drift=0.0, skill=0.0, n=750):
    rng = np.random.default_rng(seed)
    market = rng.normal(drift, 0.01, n)
    return account(market, "the market"), account(market + rng.normal(skill, 0.004, n))


def levels(n_runs, n_counted=1, with_baseline=True, **settings):
    found = []
    for seed in range(n_runs):
        market, agent = market_and_agent(seed, **settings)
        found.append(judge_run(agent, market if with_baseline else None, n_counted).level)
    return {level: found.count(level) / n_runs for level in ("no evidence", "weak", "strong")}


def test_noise_is_no_evidence():
    assert levels(100)["strong"] <= 0.06
    assert levels(100, with_baseline=False)["strong"] <= 0.08
    assert levels(40, n_counted=20)["no evidence"] >= 0.97


def test_a_rising_market_is_no_evidence_of_skill():
    assert levels(30, with_baseline=False, drift=0.002)["strong"] >= 0.9
    assert levels(60, drift=0.002)["no evidence"] >= 0.9


def test_finds_skill():
    assert levels(30, n_counted=20, drift=0.002, skill=0.001)["strong"] >= 0.9


def test_the_statistics_are_those_of_sharpe_inference():
    market, agent = market_and_agent(0, 0.001, 0.0005)
    verdict = judge_run(agent, market, 7, trial_variance=0.002)
    estimate = SharpeEstimate.from_returns(agent.returns)
    assert verdict.evidence.probabilistic == probabilistic_sharpe_ratio(estimate)
    assert verdict.evidence.deflated == deflated_sharpe_ratio(estimate, 7, 1 / 749)
    assert verdict.evidence.deflated_spread == deflated_sharpe_ratio(estimate, 7, 0.002)
    active = SharpeEstimate.from_returns(agent.returns - market.returns)
    assert verdict.active.deflated == deflated_sharpe_ratio(active, 7, 1 / 749)
    assert math.isnan(verdict.active.deflated_spread)
    assert verdict.rule == RULE


def test_a_single_trial_is_not_deflated():
    _, agent = market_and_agent(0, 0.001)
    evidence = sharpe_evidence(agent.returns)
    assert evidence.deflated == evidence.probabilistic
    assert evidence.expected_maximum == 0


def test_more_trials_counted_weaken_the_evidence():
    market, agent = market_and_agent(1, 0.002, 0.0006)
    found = [judge_run(agent, market, n).evidence.deflated for n in (1, 10, 1000)]
    assert found == sorted(found, reverse=True)
    order = ("no evidence", "weak", "strong")
    grades = [order.index(judge_run(agent, market, n).level) for n in (1, 10, 10**6)]
    assert grades == sorted(grades, reverse=True)
    assert grades[0] > grades[-1]


def test_the_sentence_says_why():
    market, agent = market_and_agent(1, 0.003, 0.002)
    verdict = judge_run(agent, market, 12, trial_variance=1.0)
    assert verdict.sentence.startswith("Strong evidence of skill. Over 750 days the Sharpe ratio")
    for part in ("luckiest of 12", "over the market", "more than luck", "0.00 by the trials' own"):
        assert part in verdict.sentence
    alone = judge_run(agent).sentence
    assert alone.startswith("Strong evidence of a Sharpe ratio above 0.")
    assert "not compared with a benchmark" in alone


def test_an_account_that_is_its_benchmark_shows_no_skill():
    market, _ = market_and_agent(0, 0.003)
    verdict = judge_run(market, replace(market, name="itself"))
    assert verdict.level == "no evidence"
    assert "differs from itself by a constant" in verdict.sentence


def test_a_short_record_is_weak_at_most():
    rng = np.random.default_rng(0)
    verdict = judge_run(account(rng.normal(0.02, 0.01, 40)))
    assert verdict.evidence.deflated > 0.99
    assert verdict.level == "weak"
    assert "Fewer than 60 days" in verdict.sentence


def test_sixty_days_are_enough_to_be_strong_evidence():
    earned = np.random.default_rng(0).normal(0.02, 0.01, 60)
    enough = judge_returns(earned)
    assert enough.level == "strong"
    assert "Fewer than" not in enough.sentence
    assert judge_returns(earned[:-1]).level == "weak"


def test_autocorrelation_is_told():
    noise = np.random.default_rng(0).normal(0.002, 0.005, 500)
    verdict = judge_run(account(noise + 0.6 * np.append(0, noise[:-1])))
    assert verdict.level == "strong"
    assert "Good days follow good days" in verdict.sentence


def test_a_ruined_or_constant_account_is_no_evidence():
    ruined = judge_run(sold_short([10.0, 1.0, 30.0], shares=100))
    assert ruined.level == "no evidence"
    assert "ruined" in ruined.sentence
    cash = judge_run(account(np.zeros(100)))
    assert cash.level == "no evidence"
    assert "do not vary" in cash.sentence
    assert judge_run(account([0.1])).level == "no evidence"


def test_refuses_what_it_cannot_judge():
    market, agent = market_and_agent(0)
    with pytest.raises(ValueError, match="does not cover the days"):
        judge_run(agent, market.head(100))
    with pytest.raises(ValueError, match="at least 1"):
        judge_run(agent, market, 0)
    with pytest.raises(ValueError, match="negative"):
        judge_run(agent, market, 3, trial_variance=-1.0)


def test_an_account_that_never_traded_is_no_evidence_whatever_it_earned():
    rng = np.random.default_rng(0)
    earned = account(rng.normal(0.02, 0.01, 400))
    held = replace(earned, cash=np.zeros(401), shares=np.ones((401, 1)), trades=np.zeros((400, 1)))
    assert judge_run(earned).level == "strong"
    verdict = judge_run(held)
    assert verdict.level == "no evidence"
    assert "never traded" in verdict.sentence


def test_a_benchmark_that_is_half_in_cash_says_nothing_of_skill():
    market, agent = market_and_agent(0, drift=0.001, skill=0.002)
    assert judge_run(agent, market).level == "strong"
    limited = judge_run(agent, market, shortfall="Equal weight is 0.46 invested on average")
    assert limited.level == "weak"
    assert limited.sentence.startswith("Weak evidence of a Sharpe ratio above 0.")
    assert "0.46 invested on average, so returns over it say little of skill" in limited.sentence
    noise, _ = market_and_agent(1)
    assert judge_run(noise, market, shortfall="Equal weight is cash").level == "no evidence"


def test_what_is_known_of_the_data_is_told_with_the_verdict():
    market, agent = market_and_agent(0)
    told = judge_run(agent, market, caveats=["12 rows were filled.", "Two stocks stood still"])
    assert told.sentence.endswith("Of the data: 12 rows were filled. Two stocks stood still.")
    many = judge_run(agent, market, caveats=[f"Caveat {n}" for n in range(5)])
    assert many.sentence.endswith("Caveat 2. And 2 more.")


def test_what_cash_pays_is_no_skill():
    _, agent = market_and_agent(0, 0.0004, 0.0)
    lent = judge_run(agent, None, periods_per_year=252, risk_free=0.2)
    rate = 1.2 ** (1 / 252) - 1
    assert lent.evidence.estimate == SharpeEstimate.from_returns(agent.returns - rate)
    assert judge_run(agent, None).evidence.estimate.sharpe > lent.evidence.estimate.sharpe
    steady = account(np.random.default_rng(1).normal(0.03 / 252, 0.01 / 252**0.5, 756))
    assert judge_run(steady, None, 10).level == "strong"
    poor = judge_run(steady, None, 10, risk_free=0.05)
    assert poor.level == "no evidence"
    assert "earned nothing on average" in poor.sentence


def test_what_cash_pays_is_taken_off_by_the_period():
    months = np.random.default_rng(0).normal(0.02, 0.04, 60)
    lent = judge_returns(months, periods_per_year=12, risk_free=0.2)
    moved = judge_returns(months - (1.2 ** (1 / 12) - 1), periods_per_year=12)
    assert lent.evidence.estimate == moved.evidence.estimate
    assert lent.sentence == moved.sentence


def test_returns_over_a_benchmark_are_over_cash_by_themselves():
    market, agent = market_and_agent(0, 0.001, 0.0005)
    plain, lent = (judge_run(agent, market, risk_free=rate) for rate in (0.0, 0.1))
    assert plain.active.estimate == lent.active.estimate
    assert plain.active.deflated == lent.active.deflated

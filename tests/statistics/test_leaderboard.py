import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.report.leaderboard.wording import excludes_zero, sentences
from finai_rl.statistics.leaderboard import BASELINE_NAME, leaderboard
from finai_rl.statistics.seeds import interquartile_mean
from tests.statistics.boards import N_DAYS, fold_name, trained, trainings


def changed(run, **columns):
    return dataclasses.replace(run, returns=run.returns.assign(**columns))


def sharpe(returns):
    return np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(252)


def everything(board):
    return repr([dataclasses.astuple(board)])


def test_numbers_are_those_of_the_definitions():
    runs = {"a": trainings(0.0004, seeds=4, name=1), "b": trainings(seeds=3, name=2)}
    board = leaderboard(runs)
    for standing in board.standings:
        own = sorted(sharpe(run.returns["agent"]) for run in runs[standing.name])
        cut = len(own) // 4
        assert standing.sharpe.estimate == pytest.approx(np.mean(own[cut : len(own) - cut]))
        wins = [
            sharpe(run.returns["agent"]) > sharpe(run.returns["equal_weight"])
            for run in runs[standing.name]
        ]
        assert standing.improvement == pytest.approx(np.mean(wins))
        joined, market = [], []
        for fold in (0, 1):
            of_fold = [r.returns for r in runs[standing.name] if r.fold == fold_name(fold)]
            joined += list(np.mean([r["agent"].to_numpy() for r in of_fold], axis=0))
            market += list(of_fold[0]["equal_weight"])
        assert board.n_days == len(joined) == 2 * N_DAYS
        assert standing.total_return == pytest.approx(np.prod(1 + np.array(joined)) - 1)
        over = sharpe(joined) - sharpe(market)
        assert standing.over_baseline.estimate == pytest.approx(over)
        assert board.baseline_return == pytest.approx(np.prod(1 + np.array(market)) - 1)
        assert standing.n_runs == len(own)
    markets = [sharpe(trained(fold, 0).returns["equal_weight"]) for fold in (0, 1)]
    assert board.baseline == pytest.approx(np.mean(markets))


def test_mean_ranks_are_those_of_all_resamples():
    runs = {"a": trainings(seeds=2, folds=1, name=1), "b": trainings(seeds=2, folds=1, name=2)}
    a, b = ([sharpe(run.returns["agent"]) for run in runs[name]] for name in "ab")
    drawn = [((x + y) / 2, (u + v) / 2) for x, y, u, v in itertools.product(a, a, b, b)]
    first = np.mean([(one > other) + (one == other) / 2 for one, other in drawn])
    found = {standing.name: standing for standing in leaderboard(runs).standings}
    assert found["a"].first == pytest.approx(first, abs=0.04)
    assert found["a"].mean_rank == pytest.approx(2 - first, abs=0.04)


def test_a_clearly_better_agent_and_two_alike():
    board = leaderboard(
        {
            "low": trainings(name=1),
            "alike": trainings(name=2),
            "high": trainings(0.003, name=3),
        }
    )
    assert board.standings[0].name == "high"
    assert board.standings[0].first == 1
    assert board.standings[0].over_baseline.low > 0
    assert board.difference("high", "low").low > 0
    assert board.difference("low", "high").high < 0
    alike = board.difference("low", "alike")
    assert alike.low < 0 < alike.high
    assert "means something" in sentences(board)[0]
    (between,) = [s for s in sentences(board) if s.startswith(("low and alike", "alike and low"))]
    assert "may be luck" in between


def test_equal_agents_tie():
    board = leaderboard({name: trainings(name=1) for name in ("b", "a", "c")})
    assert [(s.name, s.rank) for s in board.standings] == [("a", 1), ("b", 1), ("c", 1)]
    difference = board.difference("a", "b")
    assert difference.estimate == 0
    assert not excludes_zero(difference)
    assert sum(s.first for s in board.standings) == pytest.approx(1)
    assert sum(s.mean_rank for s in board.standings) == pytest.approx(6)
    assert all(s.mean_rank == pytest.approx(2, abs=0.1) for s in board.standings)
    assert "no difference at all" in sentences(board)[0]
    constant = [changed(run, agent=trained(0, 0).returns["agent"]) for run in trainings(folds=1)]
    same = leaderboard({"a": constant, "b": constant})
    assert [(s.mean_rank, s.first) for s in same.standings] == [(1.5, 0.5)] * 2


def test_the_next_after_a_tie_has_the_third_rank():
    alike = trainings(0.001, name=1)
    board = leaderboard({"a": alike, "b": alike, "c": trainings(-0.001, name=2)})
    assert [standing.rank for standing in board.standings] == [1, 1, 3]


def test_one_seed_has_no_interval_and_no_part_in_the_ranking():
    board = leaderboard({"one": trainings(seeds=1, name=1), "few": trainings(seeds=2, name=2)})
    one = next(s for s in board.standings if s.name == "one")
    assert np.isfinite(one.sharpe.estimate)
    for standing in board.standings:
        assert np.isnan([standing.mean_rank, standing.first]).all()
    assert np.isnan([one.sharpe.low, one.sharpe.high]).all()
    assert np.isfinite(one.over_baseline.low)


def test_the_seed_decides_and_the_order_of_runs_does_not():
    runs = {"a": trainings(name=1), "b": trainings(name=2)}
    turned = {name: runs[name][::-1] for name in ("b", "a")}
    assert everything(leaderboard(runs, seed=3)) == everything(leaderboard(turned, seed=3))
    assert everything(leaderboard(runs, seed=3)) != everything(leaderboard(runs, seed=4))


def test_blocks_with_days_in_common_are_kept_apart():
    twice = [*trainings(folds=1), *(trained(1, s, start="2010-06-01") for s in range(2))]
    board = leaderboard({"a": twice, "b": twice})
    assert board.folds == (fold_name(0),)
    assert board.n_days == N_DAYS
    (said,) = board.left_out
    assert said.startswith(f"{fold_name(1)}: has days in common with {fold_name(0)}")


def test_folds_follow_one_another_by_date():
    late = [trained(0, 0, start="2030-01-01"), trained(1, 0)]
    assert leaderboard({"a": late}).folds == (fold_name(1), fold_name(0))


def test_what_covers_other_days_or_stocks_is_left_out():
    good = trainings(folds=1)
    short, moved = trained(0, 7, n_days=N_DAYS - 3), trained(0, 8, start="2010-01-04")
    other = changed(trained(0, 9), equal_weight=trained(5, 0).returns["equal_weight"])
    costlier = changed(trained(0, 10), equal_weight=trained(0, 0).returns["equal_weight"] - 1e-5)
    board = leaderboard({"a": good, "b": [*good, short, moved, other, costlier]})
    seeds = {standing.name: standing.seeds for standing in board.standings}
    assert seeds == {"a": (0, 1, 2), "b": (0, 1, 2, 10)}
    assert [line.split(",")[1].strip() for line in board.left_out] == ["seed 7", "seed 8", "seed 9"]
    assert "247 days where the other runs have 250" in board.left_out[0]


def test_a_ruined_account_keeps_its_place():
    ruined = trained(0, 3, n_days=N_DAYS)
    lost = ruined.returns.head(100).copy()
    lost.loc[99, "agent"] = -1.2
    runs = {"a": trainings(folds=1), "b": [dataclasses.replace(ruined, returns=lost)]}
    board = leaderboard(runs)
    (found,) = [standing for standing in board.standings if standing.name == "b"]
    assert found.total_return == -1
    assert found.sharpe.estimate == pytest.approx(sharpe([*lost["agent"], *[0.0] * 150]))
    assert not board.left_out


def test_the_last_run_of_a_seed_counts():
    board = leaderboard({"a": [*trainings(name=1), *trainings(name=2)]})
    wanted = leaderboard({"a": trainings(name=2)})
    assert board.standings[0].sharpe == wanted.standings[0].sharpe
    assert board.left_out == [
        "a: 6 earlier runs of the same seed and block; the last one counts, whatever the settings "
        "of the others were"
    ]


@pytest.mark.parametrize("risk_free", [0.0, 0.02])
def test_seeds_that_stay_in_cash_count(risk_free):
    found = trainings(seeds=5, folds=1)
    cash = [changed(run, agent=0.0) for run in found[:3]]
    board = leaderboard({"a": [*cash, *found[3:]]}, risk_free=risk_free)
    (standing,) = board.standings
    assert board.left_out == []
    assert (standing.n_in_cash, standing.seeds) == (3, (0, 1, 2, 3, 4))
    assert standing.scores[:3, 0].tolist() == [0.0, 0.0, 0.0]
    (said,) = [line for line in sentences(board) if "stayed in cash" in line]
    assert said.startswith("a: 3 of 5 accounts stayed in cash")


def test_faulty_returns_are_left_out():
    good = trainings(folds=1)
    lines = {
        "its returns lack ['agent']": good[0].returns.drop(columns="agent"),
        "fewer than two days": good[0].returns.head(1),
        "not in order": good[0].returns[::-1],
        "not finite": good[0].returns.assign(agent=np.nan),
        "its score is not defined": good[0].returns.assign(agent=0.01),
    }
    for said, returns in lines.items():
        faulty = dataclasses.replace(good[0], seed=9, returns=returns)
        (line,) = leaderboard({"a": [*good, faulty]}).left_out
        assert line.startswith(f"a, seed 9, {fold_name(0)}: ")
        assert said in line


def test_refusals():
    for none in ({}, {"a": []}):
        with pytest.raises(ValueError, match="no runs to compare"):
            leaderboard(none)
    with pytest.raises(ValueError, match=r"one block in common \(a: made 2010; b: made 2011\)"):
        leaderboard({"a": [trained(0, 0)], "b": [trained(1, 0)]})
    with pytest.raises(ValueError, match=r"no agent has one seed on all.*\[0, 1\] lack some"):
        leaderboard({"a": [trained(0, 0), trained(1, 1)]})
    with pytest.raises(ValueError, match="cannot be called"):
        leaderboard({BASELINE_NAME: trainings()})
    with pytest.raises(ValueError, match=r"no run can be compared.*not finite"):
        leaderboard({"a": [changed(trained(0, 0), agent=np.inf)]})


def test_seeds_and_folds_that_others_lack():
    board = leaderboard({"a": trainings(folds=2), "b": [*trainings(folds=1), trained(0, 9)]})
    assert board.left_out == [f"{fold_name(1)}: only a"]
    uneven = [*trainings(folds=2), trained(0, 9)]
    assert leaderboard({"a": uneven}).left_out == ["a: seeds [9] lack some of the blocks"]


@given(
    n_agents=st.integers(1, 4),
    seeds=st.integers(1, 4),
    folds=st.integers(1, 3),
    n_days=st.integers(2, 60),
    seed=st.integers(0, 9),
)
@settings(max_examples=15, deadline=None)
def test_any_shape_has_a_leaderboard(n_agents, seeds, folds, n_days, seed):
    runs = {
        f"agent {n}": trainings(seeds=seeds, folds=folds, name=n, n_days=n_days)
        for n in range(n_agents)
    }
    board = leaderboard(runs, seed=seed)
    estimates = [standing.sharpe.estimate for standing in board.standings]
    assert estimates == sorted(estimates, reverse=True)
    assert len(board.differences) == n_agents * (n_agents - 1) // 2
    assert len(board.names) == n_agents + 1
    pairs = n_agents * (n_agents - 1) // 2 if n_agents <= 3 else n_agents - 1
    assert len(sentences(board)) in {pairs + 1, pairs + 2}
    for standing in board.standings:
        assert standing.scores.shape == (seeds, folds)
        assert 0 <= standing.improvement <= 1
        if seeds > 1:
            assert standing.sharpe.low <= standing.sharpe.high
    if seeds > 1 and n_agents > 1:
        assert sum(s.first for s in board.standings) == pytest.approx(1)
        ranks = sum(s.mean_rank for s in board.standings)
        assert ranks == pytest.approx(n_agents * (n_agents + 1) / 2)


def test_each_agent_has_a_verdict_of_its_own():
    runs = {
        "skilled": trainings(mean=0.0015, seeds=4, folds=3, name=1),
        "lucky": trainings(mean=0.0, seeds=4, folds=3, name=2),
    }
    board = leaderboard(runs)
    levels = {standing.name: standing.verdict.level for standing in board.standings}
    assert levels == {"skilled": "strong", "lucky": "no evidence"}
    assert board.standings[0].verdict.evidence.n_counted == 2
    often = leaderboard(runs, tried_before=10**6)
    assert often.standings[0].verdict.evidence.n_counted == 10**6 + 2
    assert (
        often.standings[0].verdict.evidence.deflated < board.standings[0].verdict.evidence.deflated
    )


def test_a_ruined_run_is_told_and_is_evidence_of_nothing():
    runs = trainings(mean=0.01, folds=1)
    lost = runs[0].returns.copy()
    lost.loc[100:, "agent"] = 0.0
    lost.loc[100, "agent"] = -1.0
    ruined = dataclasses.replace(runs[0], returns=lost)
    board = leaderboard({"agent": [ruined, *runs[1:]]})
    assert board.standings[0].n_ruined == 1
    assert board.standings[0].verdict.level == "no evidence"
    assert "The account was ruined." in board.standings[0].verdict.sentence
    assert any("1 of 3 accounts ruined" in line for line in sentences(board))


def test_a_benchmark_in_cash_limits_the_verdict_on_its_agent_alone():
    skilled = {"good": trainings(0.003), "other": trainings(0.003, name=1)}
    for run in skilled["good"]:
        run.returns["equal_weight_exposure"] = 1.0
        run.returns["equal_weight_left_out"] = 0
    run = skilled["other"][3]
    run.returns["equal_weight_exposure"] = 0.46
    run.returns["equal_weight_left_out"] = [5] + [2] * (N_DAYS - 1)
    verdicts = {s.name: s.verdict for s in leaderboard(skilled).standings}
    assert verdicts["good"].level == "strong"
    assert verdicts["other"].level == "weak"
    assert verdicts["other"].sentence.startswith("Weak evidence of a Sharpe ratio above 0.")
    told = "Equal weight is 0.46 invested on average and leaves out 2 stocks, so returns over it"
    assert told in verdicts["other"].sentence


def test_where_places_and_differences_part_it_is_said():
    def drawn(mean, deviation, number):
        noise = np.random.default_rng(number).normal(size=N_DAYS)
        return mean + deviation * (noise - noise.mean()) / noise.std()

    # Each seed is wild, which makes a loss small beside it; all of them together are not.
    runs = [
        changed(run, agent=drawn(-0.0015, 0.02, run.seed), equal_weight=drawn(-0.001, 0.01, 99))
        for run in trainings(seeds=10, folds=1)
    ]
    board = leaderboard({"a": runs})
    assert board.names == ["a", BASELINE_NAME]
    assert board.difference("a", BASELINE_NAME).estimate < 0
    assert "the order is the other one" in sentences(board)[0]


def test_a_share_of_the_attainable_is_of_runs_that_all_know_it():
    known = [
        changed(run, attainable=run.returns["agent"] + 0.002) for run in trainings(0.001, name=1)
    ]
    (one,) = leaderboard({"ppo": known}).standings
    earned = [sharpe(run.returns["attainable"]) for run in known]
    assert one.attainable == pytest.approx(interquartile_mean(np.array(earned)))
    assert one.attainable_share == pytest.approx(one.sharpe.estimate / one.attainable)
    superseded = [changed(run, attainable=run.returns["agent"] + 1.0) for run in known[:1]]
    again = leaderboard({"ppo": [*superseded, *known]}).standings[0]
    assert again.attainable == one.attainable
    partly = leaderboard({"ppo": [*known[:-1], trainings(0.001, name=1)[-1]]}).standings[0]
    assert np.isnan(partly.attainable_share)
    below = [changed(run, attainable=run.returns["agent"] - 0.01) for run in known]
    constant = [changed(run, attainable=-0.001) for run in known]
    for undefined in (below, constant):
        assert np.isnan(leaderboard({"ppo": undefined}).standings[0].attainable_share)


def test_what_was_tried_again_and_replaced_is_counted():
    """The last of sixty tries is not the only one."""
    tries = [trained(0, 0, name=number) for number in range(60)]
    board = leaderboard({"ppo": tries})
    assert board.standings[0].verdict.evidence.n_counted == 60
    folds = [trained(fold, seed, name=5) for fold in (0, 1) for seed in (0, 1)]
    board = leaderboard({"ppo": folds})
    assert board.standings[0].verdict.evidence.n_counted == 1
    lacking = leaderboard({"ppo": folds, "sac": [trained(1, 0, name=6)], "td3": folds})
    assert lacking.standings[0].verdict.evidence.n_counted == 3


def test_an_agent_that_never_traded_is_no_evidence():
    skilled = trainings(0.004, seeds=3, name=1)
    assert leaderboard({"a": skilled}).standings[0].verdict.level == "strong"
    idle = [dataclasses.replace(run, traded=False) for run in skilled]
    assert leaderboard({"a": idle}).standings[0].verdict.level == "no evidence"
    some = [*idle[:-1], skilled[-1]]
    assert leaderboard({"a": some}).standings[0].verdict.level == "strong"


def test_a_difference_is_said_to_be_of_these_trainings():
    several = leaderboard({"a": trainings(0.004, seeds=3, name=1), "b": trainings(seeds=3)})
    assert "This is of these trainings: with other seeds" in sentences(several)[0]

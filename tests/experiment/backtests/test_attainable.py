"""What can be earned on a generated market, in the agent's market and without a look ahead."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.market import MarketData
from finai_rl.data.sources.synthetic import synthetic_market
from finai_rl.envs.terms import impact_coefficients
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.backtests import attainable as module
from finai_rl.experiment.backtests.attainable import Tuning, _at_prices, attainable
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments, Opening
from finai_rl.statistics.returns import sharpe_ratio
from tests.config.composition import composed

SETTINGS: dict[str, Any] = {"kind": "momentum", "n_days": 100, "n_stocks": 3}
DATA = ["data=synthetic", *(f"data.{name}={value}" for name, value in SETTINGS.items())]
BLOCK = synthetic_market(**SETTINGS).slice_days(60, 100)
OPENING = Opening(1e6, (0.0,) * 3)


def environments(*overrides: str) -> Environments:
    return Environments(composed(*DATA, "env=portfolio", *overrides))


def costs(bps: float) -> list[str]:
    return [f"env.buy_cost_pct={bps / 1e4}", f"env.sell_cost_pct={bps / 1e4}"]


def tuned(*overrides: str, settings: dict[str, Any] = SETTINGS) -> dict[Any, float]:
    return Tuning(environments(*overrides), BLOCK, OPENING, settings).sharpe_ratios()


def found(*overrides: str, block: MarketData = BLOCK, **settings: Any) -> BacktestResult:
    result = attainable(environments(*overrides), block, OPENING, **settings)
    assert result is not None
    return result


def test_nothing_is_attainable_where_nothing_is_planted() -> None:
    for overrides in (["data.kind=noise"], ["data.sharpe_ratio=0"]):
        assert attainable(environments(*overrides), BLOCK, OPENING) is None
    other = Environments(composed("env=portfolio"))
    assert attainable(other, BLOCK, OPENING) is None
    of_another_seed = synthetic_market(**SETTINGS, seed=5).slice_days(60, 100)
    assert attainable(environments(), of_another_seed, OPENING) is None


@pytest.mark.parametrize("kind", ["momentum", "seasonality"])
def test_more_cost_never_raises_it_and_it_is_never_below_equal_weight(kind: str) -> None:
    ratios = [tuned(*costs(bps), settings={**SETTINGS, "kind": kind}) for bps in (0, 10, 50, 300)]
    best = [max(of_rules.values()) for of_rules in ratios]
    assert all(more >= less - 0.01 for more, less in itertools.pairwise(best))
    assert all(b >= r["equal_weight"] for b, r in zip(best, ratios, strict=True))
    assert best[0] > ratios[0]["equal_weight"] + 1


def test_costs_that_eat_the_signal_leave_holding_or_cash() -> None:
    dear = Tuning(environments(*costs(900)), BLOCK, OPENING, {**SETTINGS, "sharpe_ratio": 0.5})
    assert dear.best() in ("equal_weight", "cash")
    result = found("data.sharpe_ratio=0.5", *costs(900), block=_weak_block())
    assert "equal weight" in result.name or "cash" in result.name
    assert np.count_nonzero(result.trades.any(axis=1)) <= 1


def _weak_block() -> MarketData:
    return synthetic_market(**SETTINGS, sharpe_ratio=0.5).slice_days(60, 100)


def test_it_beats_equal_weight_where_the_signal_is_strong() -> None:
    held = Holdout(environments(), BLOCK).baseline
    assert sharpe_ratio(found().returns) > sharpe_ratio(held.returns) + 1


def test_the_rules_share_is_all_of_it(tmp_path: Path) -> None:
    holdout = Holdout(environments(f"output_root={tmp_path}"), BLOCK)
    assert holdout.attainable is not None
    share = holdout.share(holdout.attainable)
    assert share is not None
    assert (share.share, share.progress) == (1.0, 1.0)
    held = holdout.share(holdout.baseline)
    assert held is not None
    assert held.progress == 0.0


def test_later_prices_change_no_earlier_trade() -> None:
    close = BLOCK.close.copy()
    close[26:] *= 1.5
    opens = np.asarray(BLOCK.open).copy()
    opens[26:] *= 1.5
    other = found(block=replace(BLOCK, close=close, open=opens))
    np.testing.assert_array_equal(found().trades[:26], other.trades[:26])
    assert not np.array_equal(found().trades, other.trades)


def test_rules_are_tuned_on_other_random_numbers_at_the_blocks_prices() -> None:
    tuning = Tuning(environments(), BLOCK, OPENING, SETTINGS)
    own = np.diff(np.log(BLOCK.close), axis=0).ravel()
    for part in tuning.parts:
        assert part.n_days == BLOCK.n_days
        np.testing.assert_allclose(part.close[0], BLOCK.close[0])
        others = np.diff(np.log(part.close), axis=0).ravel()
        assert abs(np.corrcoef(own, others)[0, 1]) < 0.4


def test_a_part_at_other_prices_has_the_volatility_it_had() -> None:
    part = Tuning(environments(), BLOCK, OPENING, SETTINGS).parts[1]
    volume = np.full_like(part.close, 1e6)
    assert part.past is not None
    past = replace(part.past, volume=np.full_like(part.past.close, 1e6))
    whole = replace(part, volume=volume, past=past)
    moved = _at_prices(whole, 50 * whole.close[0])
    apart = [impact_coefficients(one, 1.0) for one in (whole, moved)]
    np.testing.assert_allclose(*apart)


def test_it_keeps_to_the_agents_order_limit_and_whole_shares() -> None:
    limited = attainable(Environments(composed(*DATA, "env.hmax=20")), BLOCK, OPENING)
    assert limited is not None
    assert np.abs(limited.trades).max() == 20
    assert np.array_equal(limited.trades, np.rint(limited.trades))


def test_it_sells_short_where_the_agent_may() -> None:
    assert (found().shares >= 0).all()
    assert (found("env.allow_short=true").shares < 0).any()
    assert max(tuned("env.allow_short=true").values()) > max(tuned().values())


def test_it_is_found_again_for_the_same_terms_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = found(cache_folder=tmp_path)
    for more in ("env.buy_cost_pct=0.002", "data.volatility=0.25000001", "env.allow_short=true"):
        block = synthetic_market(**SETTINGS, volatility=0.25000001).slice_days(60, 100)
        found(more, block=block if "volatility" in more else BLOCK, cache_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4

    def never(*_: Any) -> None:
        raise AssertionError("it was tuned again")

    monkeypatch.setattr(module, "Tuning", never)
    again = found("agent=sac", "seed=7", cache_folder=tmp_path)
    assert again.name == first.name
    np.testing.assert_array_equal(again.account_value, first.account_value)


def test_a_backtest_reports_and_keeps_it(tmp_path: Path) -> None:
    holdout = Holdout(environments(f"output_root={tmp_path}"), BLOCK)
    agent: Any = ConstantAction([1.0, 0.0, 0.0, -1.0])
    report = holdout.backtest(agent, None, "one stock", tmp_path / "backtest")
    assert report.attainable is not None
    assert report.attainable.agent == pytest.approx(report.metrics["agent"]["sharpe_ratio"])
    assert report.attainable.values["attainable_share"] < 1
    table = pd.read_csv(tmp_path / "backtest" / "returns.csv")
    assert sharpe_ratio(table["attainable"].to_numpy()) == pytest.approx(
        report.attainable.values["attainable_sharpe"]
    )
    noise = Holdout(environments("data.kind=noise", f"output_root={tmp_path}"), BLOCK)
    assert noise.backtest(agent, None, "one stock", tmp_path / "noise").attainable is None

"""Blocks that are traded one after the other, with one account."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig

from finai_rl.agents.curriculum import CurriculumProgress, StageEnd
from finai_rl.config.check import check
from finai_rl.data.cache.split_cache import _open, _save
from finai_rl.data.market import MarketData
from finai_rl.data.split import Split, split_rolling
from finai_rl.envs.weight_actions import WeightActions
from finai_rl.errors import InputError
from finai_rl.evaluation.backtest import BacktestResult, backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.experiment.backtests import trading_blocks
from finai_rl.experiment.backtests.members import Weighted
from finai_rl.experiment.backtests.trading_blocks import (
    TRADING,
    account_over,
    joined,
    train_for_trading,
    with_turbulence_stop,
)
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.sweep.context import Seal
from tests.agents.test_registry import tiny
from tests.markets import generated_market

MARKET = generated_market(n_days=100, n_stocks=3)
ROLLING = {"n_folds": 3, "validation_days": 12, "trade_days": 15, "test": 0.2}


def folds() -> list[Split]:
    return [split_rolling(MARKET, fold=fold, **ROLLING) for fold in range(3)]


def traded(split: Split) -> MarketData:
    assert split.trade is not None
    return split.trade


def config(*overrides: str) -> DictConfig:
    return check(tiny("agent=a2c", "split=rolling", "split.trade_days=15", *overrides))


def test_folds_follow_each_other_and_end_before_the_sealed_days(tmp_path: Path) -> None:
    for before, after in pairwise(folds()):
        # What one fold trades, the next one validates on; the first day of the next is shared.
        assert traded(before).dates[-1] == traded(after).dates[0]
        assert after.train.n_days == before.train.n_days + 15
    for split in folds():
        assert split.train.dates[0] == MARKET.dates[0]
        assert split.train.n_days + 12 == np.searchsorted(MARKET.dates, traded(split).dates[0])
        assert split.train.dates[-1] < split.validation.dates[0]
        assert split.validation.n_days == 12
        assert split.validation.dates[-1] < traded(split).dates[0]
    assert [traded(split).n_days for split in folds()] == [16, 16, 15]
    last = folds()[-1]
    assert last.test is not None
    assert traded(last).day_names[-1] < last.test.first_day
    _save(tmp_path, last)
    np.testing.assert_array_equal(traded(_open(tmp_path)).close, traded(last).close)
    with pytest.raises(ValueError, match=r"split\.fold must be one of 0 to 2, got 3"):
        split_rolling(MARKET, fold=3, **ROLLING)


def test_days_to_trade_are_under_the_seal() -> None:
    seal = Seal.of(folds()[0], compare_data=False)
    seal.check(folds()[2])
    with pytest.raises(InputError, match="test block is sealed from"):
        seal.check(split_rolling(MARKET, fold=2, **{**ROLLING, "test": 0.1}))


ENVS = {
    "shares": ("env=stock_trading", "env.hmax=50"),
    "fractions": ("env=stock_trading", "env.fractional_shares=true"),
    "finrl": ("env=stock_trading", "env.finrl_compat=true"),
    "weights": ("env=portfolio",),
    "whole": ("env=portfolio", "env.fractional_shares=false"),
}


@pytest.mark.parametrize("env", ENVS)
def test_an_account_keeps_what_it_holds_from_block_to_block(env: str) -> None:
    cfg = config(*ENVS[env])
    environments = Environments(cfg)
    n_actions = environments.evaluation(MARKET).action_space.shape[0]
    policy = ConstantAction(np.array([0.3, 0.1, -0.2, 0.4][:n_actions]))
    blocks = [traded(split) for split in folds()]
    account = account_over([(environments, policy, block) for block in blocks], "all")
    first = int(np.searchsorted(MARKET.dates, blocks[0].dates[0]))
    whole = MARKET.slice_days(first, first + 45)
    alone = backtest(policy, environments.evaluation(whole), whole, "at once")
    assert len(account.dates) == 45
    # FinRL ends its episodes with a step in which nothing is traded: it has no day of its own.
    np.testing.assert_allclose(account.shares, alone.shares, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(account.account_value, alone.account_value, rtol=1e-9)
    np.testing.assert_allclose(account.trades, alone.trades, rtol=1e-9, atol=1e-6)


def test_between_blocks_that_share_no_day_nothing_is_traded() -> None:
    environments = Environments(config())
    blocks = [MARKET.slice_days(0, 10), MARKET.slice_days(10, 20)]
    account = account_over(
        [(environments, ConstantAction(np.ones(3)), block) for block in blocks], "all"
    )
    assert len(account.dates) == 20
    assert not account.trades[9].any()
    assert account.trades[8].any()
    assert account.trades[10].any()
    np.testing.assert_array_equal(account.shares[10], account.shares[9])


def test_a_ruined_account_trades_no_more() -> None:
    falling = np.linspace(100, 1, 20)[:, None] * np.ones(3)
    result = BacktestResult(
        "x", MARKET.dates[:3], ("A",), falling[:3, :1], np.array([2.0, 1.0, 0.0]),
        np.array([2.0, 1.0, 0.0]), np.zeros((3, 1)), np.zeros((2, 1)), falling[:2, :1],
        np.array([1.0, 1.0]), np.zeros(2),
    )  # fmt: skip
    assert joined([result]) is result
    assert result.ruined


def test_the_turbulence_stop_of_a_fold() -> None:
    split = folds()[2]
    risk = split.train.risk
    assert risk is not None
    first = risk[: len(risk) - 2 * 15]

    def threshold(*overrides: str, of: Split = split) -> float | None:
        cfg = with_turbulence_stop(config("split.fold=2", *overrides), of)
        found = Environments(cfg).evaluation_settings["turbulence_threshold"]
        return None if found is None else float(found)

    assert threshold() == first.max()
    assert threshold("ensemble.as_in_finrl=true") == pytest.approx(np.quantile(first, 0.99))
    assert threshold("env.turbulence_threshold=7") == 7
    assert threshold("+evaluation.env.turbulence_threshold=8") == 8
    first[:] = np.linspace(0, 10, len(first))
    risk[len(first) :] = 20.0
    assert threshold() == pytest.approx(9.0)
    cfg = with_turbulence_stop(config("split.fold=2"), split)
    assert cfg.env.turbulence_threshold is None


def test_what_trades_is_trained_up_to_its_first_day(tmp_path: Path) -> None:
    split = folds()[0]
    for settings, there in (
        ((), True),
        (("ensemble.retrain=false",), False),
        (("ensemble.as_in_finrl=true",), False),
    ):
        cfg = config("env.episode_days=10", *settings)
        folder = tmp_path / str(len(settings) and settings[0].partition("=")[0])
        folder.mkdir()
        train_for_trading(cfg, Environments(cfg), split, folder, None)
        assert (folder / TRADING / "model.zip").is_file() == there
    inputs = ModelInputs.load(tmp_path / "0" / TRADING / INPUTS_FILE)
    assert inputs is not None
    assert inputs.trained_until == split.validation.day_names[-1] < traded(split).day_names[0]


def test_what_trades_leaves_the_stages_of_a_curriculum_at_the_same_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []
    monkeypatch.setattr(trading_blocks, "save", lambda _, env, *others: ended.append(env.unwrapped))
    cfg = config("curriculum=costs", "env.episode_days=10", "total_timesteps=400")
    first = CurriculumProgress([StageEnd("free", 100, every=20), StageEnd("cheap", 300)])
    first.left_at = [40]
    train_for_trading(cfg, Environments(cfg), folds()[0], tmp_path, None, [first])
    (env,) = ended
    assert env.stage == len(env.stages) - 1
    assert env.current.unwrapped.terms.rates.min() > 0
    assert first.again()._ends == [StageEnd("free", 40), StageEnd("cheap", 300)]


def test_the_mean_of_weights_is_no_mean_of_actions() -> None:
    one, other = ConstantAction(np.array([1.0, -1, -1])), ConstantAction(np.array([-1, -0.8, -1]))
    both = Weighted([one, other], np.array([0.5, 0.5]), WeightActions())
    actions, state = both.predict(np.zeros((1, 4)))
    parts = (actions + 1) / 2
    np.testing.assert_allclose(parts / parts.sum(), [[0.5, 0.5, 0.0]], atol=1e-12)
    np.testing.assert_allclose(both.predict(np.zeros((1, 4)), state)[0], actions)

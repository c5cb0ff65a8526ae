"""Rewards and environments of the user, as docs/own_code.md has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import ConfigError
from finai_rl.experiment.finished_run import config_of
from finai_rl.train import train
from tests.config.composition import composed
from tests.markets import generated_market
from tests.own_code import write_examples

SMALL = ("data=synthetic", "data.n_days=120", "data.n_stocks=3", "debug=fast", "tracking=none")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the modules of the page hold."""
    files = write_examples(tmp_path / "own")
    monkeypatch.syspath_prepend(tmp_path / "own")
    names = [file.stem for file in files.values() if file.match("own/my_*.py")]
    assert names == ["my_rewards", "my_envs", "my_markets", "my_data", "my_callbacks"]
    yield {name: __import__(name) for name in names}
    for name in names:
        del sys.modules[name]


def stepped(env: StockTradingVecEnv, actions: np.ndarray) -> tuple[np.ndarray, list[Any]]:
    env.seed(0)
    env.reset()
    steps = [env.step(action) for action in actions]
    books = [info["ledger"] for step in steps for info in step[3] if "ledger" in info]
    return np.array([step[1] for step in steps]), books


@pytest.mark.parametrize("name", ["DownsidePenalty", "OverOwnMean", "PaidForCash"])
def test_a_reward_changes_what_is_paid_and_not_the_account(
    name: str, examples: dict[str, Any]
) -> None:
    market = generated_market(n_days=40, n_stocks=3)
    actions = np.random.default_rng(0).uniform(-1, 1, (60, 4, 3))
    settings: Any = {"n_envs": 4, "episode_days": 20, "random_start": True, "record": True}
    paid, books = stepped(StockTradingVecEnv(market, **settings), actions)
    if name == "PaidForCash":
        env = examples["my_envs"].PaidForCash(market, **settings)
    else:
        reward = getattr(examples["my_rewards"], name)()
        env = StockTradingVecEnv(market, reward=reward, **settings)
    own, own_books = stepped(env, actions)
    assert own.shape == paid.shape
    assert own.dtype == np.float32
    assert not np.allclose(own, paid)
    assert len(books) == len(own_books) > 4
    for ours, theirs in zip(own_books, books, strict=True):
        for key in theirs:
            np.testing.assert_array_equal(ours[key], theirs[key])


def test_the_downside_penalty_counts_losses_several_times(examples: dict[str, Any]) -> None:
    market = generated_market(n_days=40, n_stocks=3)
    actions = np.random.default_rng(0).uniform(-1, 1, (39, 2, 3))
    rewards = examples["my_rewards"]
    env = StockTradingVecEnv(
        market, n_envs=2, record=True, reward=rewards.DownsidePenalty(penalty=3.0)
    )
    own, books = stepped(env, actions)
    for position, book in enumerate(books):
        value = book["account_value"]
        returns = 100 * (value[1:] / value[:-1] - 1)
        expected = np.where(returns < 0, 3 * returns, returns)
        np.testing.assert_allclose(own[:, position], expected, rtol=1e-5, atol=1e-8)
        assert (returns < 0).any()


def test_a_day_over_the_mean_of_those_before_it(examples: dict[str, Any]) -> None:
    market = generated_market(n_days=40, n_stocks=3)
    actions = np.random.default_rng(0).uniform(-1, 1, (39, 1, 3))
    env = StockTradingVecEnv(market, record=True, reward=examples["my_rewards"].OverOwnMean())
    own, (book,) = stepped(env, actions)
    returns = 100 * np.diff(np.log(book["account_value"]))
    expected = [one - (returns[:day].mean() if day else 0) for day, one in enumerate(returns)]
    np.testing.assert_allclose(own[:, 0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("examples")
def test_a_changed_reward_reaches_training_and_the_backtest_is_the_account(tmp_path: Path) -> None:
    found = {}
    for penalty in (1, 50):
        own = ("reward._target_=my_rewards.DownsidePenalty", f"+reward.penalty={penalty}")
        cfg = composed(*SMALL, "agent=a2c", *own, "trusted_packages=[my_rewards]")
        train(cfg, tmp_path / str(penalty))
        progress = pd.read_csv(tmp_path / str(penalty) / "progress.csv")
        books = pd.read_csv(tmp_path / str(penalty) / "backtest" / "account_value.csv")
        found[penalty] = progress["rollout/ep_rew_mean"].iloc[-1], books["account_value"]
    assert found[50][0] < found[1][0]
    assert not found[50][1].equals(found[1][1])
    assert found[50][1][0] == found[1][1][0] == 1_000_000


@pytest.mark.usefixtures("examples")
def test_an_environment_that_is_no_subclass(tmp_path: Path) -> None:
    node = OmegaConf.load(tmp_path / "own" / "my_conf" / "env" / "one_stock.yaml")
    cfg = composed(*SMALL, "agent=a2c", "trusted_packages=[my_markets]")
    cfg.env = node
    train(cfg, tmp_path / "run")
    trades = pd.read_csv(tmp_path / "run" / "backtest" / "trades.csv", index_col="date")
    assert (trades.iloc[:, 0] != 0).any()
    assert (trades.iloc[:, 1:] == 0).all(axis=None)


def test_an_environment_that_is_not_here_is_one_message() -> None:
    cfg = composed("trusted_packages=[not_here]")
    cfg.env._target_ = "not_here.LogReward"

    class Run:
        def config(self) -> Any:
            return cfg

    with pytest.raises(ConfigError) as refusal:
        config_of(Run())  # type: ignore[arg-type]
    assert str(refusal.value).splitlines()[1:] == [
        "  - env._target_: not_here.LogReward cannot be imported: there is no module not_here in "
        "the folder that this was started in, in PYTHONPATH, or installed"
    ]

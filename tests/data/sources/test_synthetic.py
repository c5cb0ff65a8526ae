"""Generated markets hold what they say: the planted signal, its strength, and nothing else."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finai_rl.config.build import build, plain
from finai_rl.config.check import check
from finai_rl.data.market import MarketData
from finai_rl.data.sources.planted import VOLATILITY_RATIO, information_coefficient, regimes_of
from finai_rl.data.sources.synthetic import TRUTHS, synthetic_market
from finai_rl.data.sources.synthetic_settings import KINDS
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import InputError
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.experiment.market import load_split
from tests.config.composition import composed

ARRAYS = ("dates", "close", "features", "sentiment", "risk", "benchmark", "open", "volume")
LONG = 60_000
"""Days: a Sharpe ratio is then measured to within 0.065, a correlation to within 0.004."""

sizes = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "n_days": st.integers(2, 40),
        "n_stocks": st.integers(1, 5),
        "n_features": st.integers(0, 3),
        "volatility": st.floats(0.01, 1.0),
        "drift": st.floats(-0.5, 0.0),
        "correlation": st.floats(0, 0.9),
        "persistence": st.floats(0, 0.99),
        "sharpe_ratio": st.floats(5.0, 9.0),
        "seed": st.integers(0, 2**40),
    }
).filter(
    lambda chosen: (
        chosen["n_stocks"] >= 1 + (chosen["kind"] == "pair")
        and chosen["n_features"] >= (chosen["kind"] == "seasonality")
    )
)


def returns_of(data: MarketData) -> NDArray[np.float64]:
    """Return (n_days - 1, n_stocks) simple returns of the days after the first."""
    return np.asarray(data.close[1:] / data.close[:-1] - 1.0)


def annual_sharpe_ratio(profit: NDArray[np.float64]) -> float:
    return float(profit.mean() / profit.std() * math.sqrt(252))


def strategy(data: MarketData, kind: str) -> NDArray[np.float64]:
    """Return the daily profit of the simple strategy that knows the truth of a kind."""
    assert data.sentiment is not None
    assert data.risk is not None
    if kind == "regimes":
        weights = np.repeat((data.risk < 40)[:, np.newaxis] / data.n_stocks, data.n_stocks, axis=1)
    else:
        weights = data.sentiment[:, 0] if kind == "sentiment" else data.features[:, 0]
        if data.n_stocks > 1:
            weights = weights - weights.mean(axis=1, keepdims=True)
    return np.asarray((weights[:-1] * returns_of(data)).sum(axis=1))


def less_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def predictive_correlations(data: MarketData) -> dict[str, float]:
    """Return each column's correlation with the next day's returns, both less their mean."""
    assert data.sentiment is not None
    columns = {
        **{name: data.features[:, n] for n, name in enumerate(data.feature_names)},
        "sentiment": data.sentiment[:, 0],
    }
    returns = less_mean(returns_of(data))
    return {
        name: float(np.corrcoef(less_mean(column[:-1]).ravel(), returns.ravel())[0, 1])
        for name, column in columns.items()
    }


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 30))
def test_a_market_is_whole_reproducible_and_a_longer_one_begins_with_it(
    chosen: dict[str, Any], more: int
) -> None:
    data, again = synthetic_market(**chosen), synthetic_market(**chosen)
    longer = synthetic_market(**{**chosen, "n_days": chosen["n_days"] + more})
    assert (data.n_days, data.n_stocks) == (chosen["n_days"], chosen["n_stocks"])
    assert data.features.shape[1] == 1 + chosen["n_features"]
    assert data.source == again.source
    assert longer.source.sha256 != data.source.sha256
    for name in ARRAYS:
        assert np.array_equal(getattr(data, name), getattr(again, name)), name
        assert np.array_equal(getattr(data, name), getattr(longer, name)[: data.n_days]), name


@pytest.mark.parametrize("kind", KINDS)
def test_indicators_are_of_the_past_and_change_no_price(kind: str) -> None:
    names = ["macd", "rsi_30", "close_60_sma"]
    short = synthetic_market(kind=kind, n_days=50, indicators=names)
    longer = synthetic_market(kind=kind, n_days=90, indicators=names)
    plain_one = synthetic_market(kind=kind, n_days=50)
    assert short.feature_names == ("feature_0", "feature_1", "feature_2", *names)
    assert np.array_equal(short.features, longer.features[:50])
    assert np.array_equal(short.close, plain_one.close)
    assert np.array_equal(short.features[:, :3], plain_one.features)
    mean = longer.close[10:70].mean(axis=0)
    np.testing.assert_allclose(longer.features[69, -1], mean)


def test_a_further_feature_changes_nothing_else() -> None:
    few, many = (synthetic_market(kind="momentum", n_days=30, n_features=n) for n in (0, 4))
    assert np.array_equal(few.features[:, 0], many.features[:, 0])
    for name in ("close", "open", "volume", "sentiment", "risk"):
        assert np.array_equal(getattr(few, name), getattr(many, name)), name


def test_kinds_share_their_shocks_and_seeds_do_not() -> None:
    noise = synthetic_market(kind="noise", n_days=300)
    nothing_planted = synthetic_market(kind="momentum", sharpe_ratio=0.0, n_days=300)
    assert np.array_equal(noise.close, nothing_planted.close)
    shocks = returns_of(noise)
    planted = returns_of(synthetic_market(kind="sentiment", n_days=300))
    assert 0.9 < np.corrcoef(shocks.ravel(), planted.ravel())[0, 1] < 1.0
    other = returns_of(synthetic_market(kind="noise", n_days=300, seed=1))
    assert abs(np.corrcoef(shocks.mean(axis=1), other.mean(axis=1))[0, 1]) < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_says_that_its_market_is_generated(kind: str) -> None:
    source = synthetic_market(kind=kind, n_days=5).source
    assert source.name == f"synthetic-{kind}"
    assert source.path is None
    assert source.caveats[0].startswith(f"This market is generated (data.kind={kind})")
    assert source.caveats[1] == TRUTHS[kind].format(8.0)
    assert set(source.simulated) == set(ARRAYS) - {"dates"}


@pytest.mark.slow
@pytest.mark.parametrize("n_stocks", [1, 2, 5])
@pytest.mark.parametrize(
    ("kind", "sharpe_ratio"),
    [("momentum", 1.0), ("momentum", 8.0), ("sentiment", 4.0), ("regimes", 3.0)],
)
def test_the_strategy_that_knows_the_truth_has_the_sharpe_ratio_asked_for(
    kind: str, sharpe_ratio: float, n_stocks: int
) -> None:
    data = synthetic_market(
        kind=kind, n_days=LONG, n_stocks=n_stocks, sharpe_ratio=sharpe_ratio, seed=3
    )
    measured = annual_sharpe_ratio(strategy(data, kind))
    # Four standard errors, and the log-normal prices and misread regimes that the formulas neglect
    assert measured == pytest.approx(sharpe_ratio, abs=4 * 0.065, rel=0.05)


@pytest.mark.parametrize("kind", ["noise", "momentum", "sentiment"])
def test_the_planted_column_predicts_and_no_other_does(kind: str) -> None:
    data = synthetic_market(kind=kind, n_days=LONG, seed=5)
    planted = {"momentum": "feature_0", "sentiment": "sentiment"}.get(kind)
    rho = information_coefficient(8.0, 5) if planted else 0.0
    # Planted returns are autocorrelated, and so are all columns: their days count for less.
    inflation = 1 + rho**2 * (1 + 0.95**2) / (1 - 0.95**2)
    bound = 4 * math.sqrt(inflation / ((data.n_stocks - 1) * LONG))
    for name, correlation in predictive_correlations(data).items():
        if name == planted:
            assert correlation == pytest.approx(rho, abs=bound)
            assert correlation > 10 * bound
        else:
            assert abs(correlation) < bound, name


@pytest.mark.parametrize("kind", ["noise", "momentum"])
def test_prices_have_the_drift_volatility_and_correlation_asked_for(kind: str) -> None:
    data = synthetic_market(
        kind=kind, n_days=LONG, n_stocks=3, volatility=0.4, drift=0.1, correlation=0.5,
        persistence=0.0, sharpe_ratio=2.0,
    )  # fmt: skip
    logs = np.diff(np.log(data.close), axis=0)
    np.testing.assert_allclose(logs.std(axis=0) * math.sqrt(252), 0.4, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(logs.T)[np.triu_indices(3, 1)], 0.5, atol=0.02)
    drift = returns_of(data).mean() * 252
    assert drift == pytest.approx(0.1, abs=4 * 0.4 / math.sqrt(LONG / 252))
    if kind == "noise":
        assert abs(np.corrcoef(logs[1:].ravel(), logs[:-1].ravel())[0, 1]) < 0.01


def test_signals_are_standard_normal_and_as_persistent_as_asked_for() -> None:
    data = synthetic_market(kind="momentum", n_days=LONG, n_stocks=4, persistence=0.9)
    assert data.sentiment is not None
    for column in [*data.features.transpose(1, 0, 2), data.sentiment[:, 0]]:
        assert column.mean() == pytest.approx(0, abs=0.04)
        assert column.std() == pytest.approx(1, abs=0.03)
        assert np.corrcoef(column[1:].ravel(), column[:-1].ravel())[0, 1] == pytest.approx(
            0.9, abs=0.01
        )


def test_regimes_show_in_the_risk_index_and_make_the_next_day() -> None:
    data = synthetic_market(kind="regimes", n_days=LONG, sharpe_ratio=3.0)
    assert data.risk is not None
    calm = data.risk < 40
    assert calm.mean() == pytest.approx(0.75, abs=0.05)
    returns = returns_of(data)
    before, after = returns[calm[:-1]], returns[~calm[:-1]]
    assert after.std() / before.std() == pytest.approx(VOLATILITY_RATIO, rel=0.05)
    assert before.mean() > 0 > after.mean()
    regimes = regimes_of(sharpe_ratio=3.0, drift=0.05, volatility=0.25, correlation=0.3, n_stocks=5)
    for mean, truth in zip((before.mean(), after.mean()), regimes.drift, strict=True):
        assert mean == pytest.approx(truth, rel=0.25)
    assert returns.std() * math.sqrt(252) == pytest.approx(0.25, rel=0.05)
    rank = np.corrcoef(data.features[:, 0].T)
    np.testing.assert_allclose(rank, 1.0)
    assert data.features[:, 0].mean() == pytest.approx(0, abs=0.1)
    assert data.features[:, 0].std() == pytest.approx(1, abs=0.1)
    assert (synthetic_market(kind="noise", n_days=2000).risk < 60).all()  # type: ignore[operator]


def test_opens_lie_on_a_bridge_between_closes() -> None:
    data = synthetic_market(kind="noise", n_days=LONG, n_stocks=2, volatility=0.3)
    assert data.open is not None
    overnight = np.log(data.open[1:] / data.close[:-1])
    intraday = np.log(data.close[1:] / data.open[1:])
    whole = 0.3 / math.sqrt(252)
    assert overnight.std() == pytest.approx(math.sqrt(0.25) * whole, rel=0.02)
    assert intraday.std() == pytest.approx(math.sqrt(0.75) * whole, rel=0.02)
    assert abs(np.corrcoef(overnight.ravel(), intraday.ravel())[0, 1]) < 0.02


def test_the_benchmark_holds_all_stocks_in_equal_parts() -> None:
    data = synthetic_market(n_days=100)
    assert data.benchmark is not None
    assert data.benchmark[0] == 100.0
    np.testing.assert_allclose(
        data.benchmark[1:] / data.benchmark[:-1], 1 + returns_of(data).mean(axis=1)
    )


def test_days_are_business_days_from_the_start_on() -> None:
    data = synthetic_market(n_days=7, start="2022-01-01")
    assert data.day_names[0] == "2022-01-03"
    assert data.day_names[-1] == "2022-01-11"


@pytest.mark.slow
@pytest.mark.parametrize("market", [StockTradingVecEnv, PortfolioVecEnv])
@pytest.mark.parametrize("n_stocks", [1, 3])
def test_every_fill_and_cost_finds_its_column(market: Any, n_stocks: int) -> None:
    data = synthetic_market(kind="regimes", n_days=30, n_stocks=n_stocks)
    for fill in ("same_close", "next_open", "next_close"):
        env = market(data, fill=fill, impact=1.0, sentiment=True, turbulence_threshold=40.0)
        env.reset()
        for _ in range(29):
            _, reward, done, _ = env.step(np.ones((1, env.action_space.shape[0])))
            assert np.isfinite(reward).all()
        assert done.all()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"kind": "trend"}, "data.kind must be one of noise, momentum, sentiment, regimes, mean_"),
        ({"n_days": 1}, "data.n_days must be a whole number, at least 2, got 1"),
        ({"n_stocks": 0}, "data.n_stocks must be a whole number, at least 1, got 0"),
        ({"n_stocks": 2.5}, "data.n_stocks must be a whole number, at least 1, got 2.5"),
        ({"n_features": -1}, "data.n_features must be a whole number, at least 0, got -1"),
        ({"seed": -1}, "data.seed must be a whole number, at least 0, got -1"),
        ({"seed": True}, "data.seed must be a whole number, at least 0, got True"),
        ({"volatility": 0.0}, "data.volatility must be a number, above 0 and below 10, got 0.0"),
        (
            {"volatility": math.inf},
            "data.volatility must be a number, above 0 and below",
        ),
        ({"drift": math.nan}, "data.drift must be a number, finite, got nan"),
        ({"correlation": 1.0}, "data.correlation must be a number, at least 0 and below 1"),
        ({"persistence": -0.1}, "data.persistence must be a number, at least 0 and below 1"),
        ({"sharpe_ratio": -1.0}, "data.sharpe_ratio must be a number, at least 0, got -1.0"),
        ({"start": "2010"}, "data.start: '2010' is not a full ISO date"),
        ({"start": "2261-12-01", "n_days": 100}, "data.n_days: the market must end before 2262"),
        (
            {"kind": "momentum", "n_stocks": 2, "sharpe_ratio": 12.0},
            "data.sharpe_ratio must be below 11.22 for 2 stock(s), got 12.0",
        ),
        (
            {"kind": "regimes", "sharpe_ratio": 30.0},
            "data.sharpe_ratio must be below 27.5 for regimes, got 30.0",
        ),
        (
            {"kind": "regimes", "sharpe_ratio": 0.1},
            "data.sharpe_ratio must be at least 0.397 for regimes of this drift",
        ),
        (
            {"kind": "pair", "n_stocks": 1},
            "data.n_stocks must be at least 2 for a pair, got 1",
        ),
        (
            {"kind": "pair", "n_stocks": 3, "sharpe_ratio": 12.0},
            "data.sharpe_ratio must be below 11.22 for 3 stock(s), got 12.0",
        ),
        (
            {"kind": "seasonality", "n_features": 0},
            "data.n_features must be at least 1 for seasonality, whose position in its cycle",
        ),
        (
            {"kind": "seasonality", "n_stocks": 1, "sharpe_ratio": 25.0},
            "data.sharpe_ratio must be below 22.45 for 1 stock(s), got 25.0",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refusal:
        synthetic_market(**chosen)
    assert str(refusal.value).startswith(said)
    assert len(str(refusal.value).splitlines()) == 1


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(InputError, match=r"(?s)data\.kind.*\ndata\.n_days.*\ndata\.drift"):
        synthetic_market(kind="trend", n_days=0, drift=math.nan)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["close_1_s"], "look ahead"),
        (["cci_30"], "closing prices only"),
        (["close_900_sma"], "close_900_sma"),
    ],
)
def test_indicators_that_cannot_be_had_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        synthetic_market(n_days=20, indicators=names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_config_makes_the_market_that_the_function_makes(kind: str) -> None:
    cfg = check(composed("data=synthetic", f"data.kind={kind}"))
    defaults = inspect.signature(synthetic_market).parameters
    written = {name: value for name, value in plain(cfg.data).items() if name != "_target_"}
    assert written == {
        name: list(parameter.default) if name == "indicators" else parameter.default
        for name, parameter in defaults.items()
    } | {"kind": kind}
    data: MarketData = build(cfg.data, "data")
    assert data.source == synthetic_market(kind=kind).source
    assert load_split(cfg).train.n_days == 3500


def test_a_sharpe_ratio_out_of_reach_is_refused_by_the_config_too() -> None:
    cfg = check(composed("data=synthetic", "data.kind=momentum", "data.sharpe_ratio=100"))
    with pytest.raises(InputError, match=r"data\.sharpe_ratio must be below 22\.45 for 5"):
        build(cfg.data, "data")


def information_ratio(folder: Path, *overrides: str) -> tuple[float, float]:
    """Train, and return an agent's information ratio against equal weight, and its t-statistic."""
    cfg = check(composed("data=synthetic", "env=portfolio", *overrides))
    seed_everything(cfg)
    split = load_split(cfg)
    env = Environments(cfg).training(split.train)
    agent = new_agent(cfg, env)
    agent.learn(200_000)
    report = Holdout(Environments(cfg), split.validation).backtest(agent, env, "agent", folder)
    ratio = report.metrics["agent"]["information_ratio"]
    return ratio, ratio * math.sqrt(split.validation.n_days / 252)


@pytest.mark.slow
def test_an_agent_finds_what_is_planted_and_nothing_in_noise(tmp_path: Path) -> None:
    found, t_found = information_ratio(tmp_path, "data.kind=momentum")
    imagined, t_imagined = information_ratio(tmp_path, "data.kind=noise")
    assert t_found > 4, found
    assert abs(t_imagined) < 3, imagined

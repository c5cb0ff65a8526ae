"""How an agent's positions answer to what it sees of a stock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.evaluation.backtest import Policy
from finai_rl.evaluation.observation_layout import ObservationLayout
from finai_rl.evaluation.random_band import BatchedMarket
from finai_rl.evaluation.watched_days import WatchedDays, watched
from finai_rl.statistics.intervals.bootstrap import (
    bootstrap_interval_of_means,
    optimal_block_length,
)
from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

LEVELS = (0.05, 0.20, 0.35, 0.50, 0.65, 0.80, 0.95)
"""Quantiles of a stock's own values that it is shown instead of today's."""
_RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class ResponseCurve:
    """How the weight of a stock changes with one thing that the agent sees of it.

    Attributes:
        name: Of the feature.
        levels: (n_levels,) quantiles of the stock's own values.
        change: (n_levels,) mean change of the stock's weight after the day's trades, a fraction
            of the account, against the value that the day really had.
        low: (n_levels,) lower end of its 95 % interval; NaN where there is none.
        high: (n_levels,) upper end.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> env = StockTradingVecEnv(market, n_envs=2 * len(LEVELS))
        >>> layout = ObservationLayout(env.observation_names, n_stocks=2)
        >>> buyer = ConstantAction([0.5, 0.5])
        >>> curve, *_ = response_curves(buyer, env, env, market.close, layout, ["close"], [0, 1])
        >>> curve.change
        array([0., 0., 0., 0., 0., 0., 0.])
    """

    name: str
    levels: FloatArray
    change: FloatArray
    low: FloatArray
    high: FloatArray


def response_curves(
    policy: Policy,
    env: VecEnv,
    market: BatchedMarket,
    close: FloatArray,
    layout: ObservationLayout,
    names: Sequence[str],
    stocks: Sequence[int],
    n_days: int = 60,
    seed: int = 0,
    days: WatchedDays | None = None,
    listed: BoolArray | None = None,
) -> list[ResponseCurve]:
    """Ask a policy, on days of its own backtest, what it would do if one number were another.

    On each day asked, one stock at a time is shown with a quantile of its own values of one
    feature; all else is what the agent sees on that day, and its account is the real one. The
    weight of that stock after the trades is compared with the one that the agent really took.
    With a window, only the last day in it is changed.

    Args:
        policy: Any policy. One with a memory is asked with the memory it has on the day.
        env: ``market`` in the wrappers of a backtest; one account for each of the stocks and
            `LEVELS`, all of which take the real path.
        market: The environment itself.
        close: (n_days, n_stocks) of its data.
        layout: What the columns of the observations are.
        names: Blocks of the layout to ask about.
        stocks: Positions of the stocks to ask about.
        n_days: Days to ask on, evenly spaced, at most.
        seed: Of the resamples.
        days: Of the policy's backtest, where it has been watched: a policy without a memory is
            then asked about these, and takes the path no second time.
        listed: (n_days, n_stocks) whether a stock is traded; None if all are. It is asked about on
            the days on which it is, with values of these days.

    Returns:
        One curve for each name: means over days and stocks, intervals over days.

    Raises:
        ValueError: If there are not as many accounts as questions of a day.
    """
    n_rows = len(stocks) * len(LEVELS)
    if env.num_envs != n_rows:
        raise ValueError(f"{env.num_envs} accounts for {len(stocks)} stocks, which need {n_rows}")
    with predicting(policy):
        if days is None or days.with_memory or not days.with_accounts:
            days = watched(policy, env, seed)
        there = np.ones((len(days.seen), len(stocks)), dtype=np.bool_)
        if listed is not None:
            there = listed[: len(there), list(stocks)]
        changes = _changes(policy, market, close, layout, names, stocks, n_days, days, there)
    by_stock = changes.reshape(*changes.shape[:2], len(stocks), len(LEVELS))
    by_level = np.ma.masked_invalid(by_stock).mean(axis=2)
    # Days on which none of them is listed say nothing.
    by_level = by_level[~np.ma.getmaskarray(by_level).any(axis=(1, 2))].filled(np.nan)
    return [_curve(name, by_level[:, number], seed) for number, name in enumerate(names)]


def _changes(
    policy: Policy,
    market: BatchedMarket,
    close: FloatArray,
    layout: ObservationLayout,
    names: Sequence[str],
    stocks: Sequence[int],
    n_days: int,
    days: WatchedDays,
    there: BoolArray,
) -> FloatArray:
    """Return the (n_days, n_names, n_rows) changes of weights that the answers come to.

    NaN of a stock that is not ``there``, (n_days, n_stocks), on a day.
    """
    seen = days.seen
    # Not the last: what is traded on it is never earned, and nothing is in FinRL's arithmetic.
    asked = np.unique(np.linspace(0, len(seen) - 1, n_days + 1).astype(np.int64)[:-1])
    owner = np.repeat(np.asarray(stocks, dtype=np.int64), len(LEVELS))
    changes = np.empty((len(asked), len(names), len(owner)))
    questions = [_question(seen, layout.today(name)[owner], there) for name in names]
    for row, step in enumerate(asked.tolist()):
        market.accounts[:], market.shares[:] = days.accounts[step], days.shares[step]
        actions = np.repeat(days.actions[step][np.newaxis], len(owner), axis=0)
        usual = _weights_after(market, actions, close, owner)
        answers = _answers(policy, seen[step], days.states[step], step == 0, questions)
        for number, answer in enumerate(answers):
            changes[row, number] = _weights_after(market, answer, close, owner) - usual
        changes[row, :, np.repeat(~there[step], len(LEVELS))] = np.nan
    return changes


def _answers(
    policy: Policy,
    seen: NDArray[Any],
    state: tuple[NDArray[Any], ...] | None,
    first: bool,
    questions: Sequence[tuple[IntArray, NDArray[Any]]],
) -> Iterator[NDArray[Any]]:
    """Yield the actions that a policy answers to each question, of one row an account."""
    if not questions:
        return
    n_rows = len(questions[0][0])
    # A memory has a row for each account: it is asked one question after the other.
    at_once = len(questions) if state is None else 1
    for begin in range(0, len(questions), at_once):
        asked = questions[begin : begin + at_once]
        shown = np.repeat(seen[np.newaxis], len(asked) * n_rows, axis=0)
        columns, values = (np.concatenate(parts) for parts in zip(*asked, strict=True))
        shown[np.arange(len(shown)), columns] = values
        start = np.full(len(shown), first)
        answer, _ = policy.predict(shown, state=state, episode_start=start, deterministic=True)
        yield from np.split(answer, len(asked))


def _question(
    seen: NDArray[Any], columns: IntArray, there: BoolArray
) -> tuple[IntArray, NDArray[Any]]:
    """Return the column that each account is shown another value in, and that value."""
    own = seen[:, columns[:: len(LEVELS)]]
    if there.all():
        values = np.quantile(own, LEVELS, axis=0).T.ravel()
    else:
        values = np.concatenate(
            [
                np.quantile(own[known, stock] if known.any() else np.zeros(1), LEVELS)
                for stock, known in enumerate(there.T)
            ]
        )
    return columns, values.astype(seen.dtype)


def _weights_after(
    market: BatchedMarket, actions: NDArray[Any], close: FloatArray, stock: IntArray
) -> FloatArray:
    """Return the weight of one stock in each account after a day's trades, and undo the day."""
    accounts, shares = market.accounts.copy(), market.shares.copy()
    market.advance(actions)
    rows = np.arange(len(stock))
    held = market.shares[rows, stock] * close[accounts["day"], stock]
    market.accounts[:], market.shares[:] = accounts, shares
    weights: FloatArray = held / accounts["value"]
    return weights


def _curve(name: str, changes: FloatArray, seed: int) -> ResponseCurve:
    """Average (n_days, n_levels) changes, with an interval at each level."""
    intervals = [
        bootstrap_interval_of_means(
            change,
            lambda means: means[:, 0],
            optimal_block_length(change),
            seed,
            n_resamples=_RESAMPLES,
        )
        for change in changes.T
    ]
    low, high = (np.array([getattr(i, end) for i in intervals]) for end in ("low", "high"))
    return ResponseCurve(name, np.array(LEVELS), changes.mean(axis=0), low, high)

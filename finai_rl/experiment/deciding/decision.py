"""What an agent does on the last day of a panel, and what its account is after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvWrapper

from finai_rl.data.market import MarketData
from finai_rl.envs.kernels.execution import margin_call
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.errors import ConfigError, InputError
from finai_rl.experiment.deciding.tomorrow import with_tomorrow
from finai_rl.experiment.environments import Environments
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.evaluation.backtest import Policy


TURBULENCE, MARGIN_CALL = "turbulence", "margin_call"


@dataclass(frozen=True)
class Position:
    """What an account holds.

    Attributes:
        cash: In the currency of the prices.
        shares: (n_stocks,) of each stock.

    Example:
        >>> Position(100.0, np.array([2.0, 0.0])).worth(np.array([50.0, 80.0]))
        200.0
    """

    cash: float
    shares: FloatArray

    def worth(self, price: FloatArray) -> float:
        """Return what it is worth at (n_stocks,) prices."""
        return self.cash + float(self.shares @ price)


@dataclass(frozen=True)
class Decision:
    """An agent's orders on a day.

    Attributes:
        day: The day, ISO text.
        tickers: Of the stocks.
        action: (n_actions,) what the agent answered, in [-1, 1].
        held: The account before the orders.
        orders: (n_stocks,) shares, positive to buy.
        price: (n_stocks,) prices that the orders are reckoned at: the day's close.
        fill: Where they fill, as ``env.fill`` says.
        costs: What they are expected to cost, in the currency of the prices.
        after: The account after them, at these prices and costs.
        closed_by: What overrules the agent and closes every position: ``"turbulence"`` or
            ``"margin_call"``; None for nothing.

    Example:
        >>> two = np.array([1.0, 1.0])
        >>> decision = Decision(
        ...     "2024-01-02", ("AAPL", "JPM"), two, Position(100.0, two), two, 10 * two,
        ...     "same_close", 0.02, Position(79.98, 2 * two))
        >>> decision.weights.round(3).tolist()
        [0.167, 0.167]
    """

    day: str
    tickers: tuple[str, ...]
    action: FloatArray
    held: Position
    orders: FloatArray
    price: FloatArray
    fill: str
    costs: float
    after: Position
    closed_by: str | None = None

    @property
    def weights(self) -> FloatArray:
        """(n_stocks,) shares of the account's value after the orders."""
        value: FloatArray = self.after.shares * self.price / self.after.worth(self.price)
        return value


def decide(
    environments: Environments,
    policy: Policy,
    normalization: VecEnv | None,
    market: MarketData,
    first: int,
    position: Position | None = None,
) -> Decision:
    """Let an agent decide on the last day of a panel, as a backtest that begins with it would.

    The days from the account's first one are replayed: by them an agent with a memory, or with
    several days in its observation, comes to the last day as in a backtest, and so does its
    account. A position that is given takes the place of that account on the last day.

    Args:
        environments: Of the agent's run.
        policy: The agent.
        normalization: The normalization it was trained with; None for none.
        market: All days that are known; the last one is the day of the decision.
        first: Of these, the account's first one.
        position: What is held on the last day; None for what the agent itself would hold.

    Raises:
        InputError: If the account is ruined before the last day, or a position is given and the
            environment is not one of this package, or a stock of it is not listed on the day.
    """
    if position is not None:
        _check_listed(market, position)
        _check_worth(market, position)
    ledger, actions = _replayed(environments, policy, normalization, market, first, position)
    return _decision(environments, market, ledger, actions[-1], position)


@dataclass(frozen=True)
class ReplayedDay:
    """A day of an account as it is worked out anew.

    Attributes:
        held: The account before the agent trades.
        action: (n_actions,) what the agent answers.

    Example:
        >>> ReplayedDay(Position(100.0, np.zeros(2)), np.zeros(3)).held.cash
        100.0
    """

    held: Position
    action: FloatArray


def replayed_days(
    environments: Environments,
    policy: Policy,
    normalization: VecEnv | None,
    market: MarketData,
    first: int,
) -> list[ReplayedDay]:
    """Return what an agent holds and answers on each day from the first to the last one.

    Arguments and errors are those of `decide`.
    """
    ledger, actions = _replayed(environments, policy, normalization, market, first)
    rows = zip(ledger["cash"][:-1], ledger["shares"][:-1], actions, strict=True)
    return [
        ReplayedDay(Position(float(cash), np.array(shares)), action)
        for cash, shares, action in rows
    ]


def _replayed(
    environments: Environments,
    policy: Policy,
    normalization: VecEnv | None,
    market: MarketData,
    first: int,
    position: Position | None = None,
) -> tuple[Mapping[str, Any], list[FloatArray]]:
    """Return the books from the first day to the day after the last, and each day's action."""
    data = with_tomorrow(market).slice_days(first, market.n_days + 1)
    env = environments.evaluation(data, normalization)
    env.seed(environments.cfg.seed)
    observation: Any = env.reset()
    state = None
    start, actions = np.ones(1, dtype=bool), list[FloatArray]()
    last = data.n_days - 2
    for day in range(last + 1):
        if day == last and position is not None:
            observation = _placed(env, position)
        answer, state = policy.predict(
            observation, state=state, episode_start=start, deterministic=True
        )
        observation, _, start, infos = env.step(answer)
        actions.append(np.asarray(answer)[0].astype(np.float64))
        if start[0] and day < last:
            raise InputError(
                f"the agent's account is ruined on {data.day_names[day + 1]}, before the day of "
                "the decision: begin later, or give the positions that are held"
            )
    return infos[0].get("ledger") or _last_ledger(env, answer), actions


def _last_ledger(env: VecEnv, answer: Any) -> Mapping[str, Any]:
    """Take FinRL's one step more, in which nothing is traded, and return the books."""
    _, _, done, infos = env.step(answer)
    if not done[0] or "ledger" not in infos[0]:
        raise InputError("the environment keeps no books of its orders: record=true has no effect")
    found: Mapping[str, Any] = infos[0]["ledger"]
    return found


def _check_listed(market: MarketData, position: Position) -> None:
    """Refuse what is held of a stock without a price on the last day: no order can be given."""
    if market.listed is None:
        return
    held = np.flatnonzero((position.shares != 0) & ~market.listed[-1])
    if len(held):
        names = ", ".join(market.tickers[stock] for stock in held)
        raise ConfigError(
            [
                f"positions: {names} is held and not listed on {market.day_names[-1]}, as the data "
                "has no price of it on that day: give data that has, or leave it out and count "
                "what it is worth as cash"
            ]
        )


def _check_worth(market: MarketData, position: Position) -> None:
    """Refuse an account that is worth nothing: no order of it is one of this market."""
    if (worth := position.worth(market.close[-1])) <= 0:
        raise ConfigError(
            [
                f"positions: with cash, they are worth {worth:,.2f} at the closes of "
                f"{market.day_names[-1]}: an agent decides for an account of more than 0"
            ]
        )


def _decision(
    environments: Environments,
    market: MarketData,
    ledger: Mapping[str, Any],
    action: FloatArray,
    position: Position | None,
) -> Decision:
    price, orders = market.close[-1], np.array(ledger["trades"][-1], dtype=np.float64)
    held = position or Position(float(ledger["cash"][-2]), np.array(ledger["shares"][-2]))
    costs = float(ledger["costs"][-1])
    after = Position(float(ledger["cash"][-1]), np.array(ledger["shares"][-1], dtype=np.float64))
    settings = environments.evaluation_settings
    fill, closed = str(settings.get("fill", "same_close")), _closed_by(settings, market, held)
    name = market.day_names[-1]
    return Decision(name, market.tickers, action, held, orders, price, fill, costs, after, closed)


def _closed_by(settings: Mapping[str, Any], market: MarketData, held: Position) -> str | None:
    """Say what closes every position on the last day, whatever the agent answers."""
    threshold, close = settings.get("turbulence_threshold"), market.close[-1]
    if threshold is not None and market.risk is not None and market.risk[-1] >= threshold:
        return TURBULENCE
    margin = settings.get("maintenance_margin") if settings.get("allow_short") else None
    if margin is None or not margin_call(close, held.shares, held.worth(close), float(margin)):
        return None
    return MARGIN_CALL


def _placed(env: VecEnv, position: Position) -> Any:
    """Put a position in the place of the account, and return what the agent sees of it."""
    inner: Any = env
    while isinstance(inner, VecEnvWrapper):
        inner = inner.venv
    if not isinstance(inner, MarketVecEnv) or getattr(inner, "finrl_compat", False):
        raise ConfigError(
            ["positions: this environment cannot be told what is held; leave positions=null"]
        )
    inner.place(0, position.cash, position.shares)
    return _seen(env, inner.observe())


def _seen(env: VecEnv, raw: Any) -> Any:
    """Return an observation of the market as the wrappers around it show it."""
    if isinstance(env, VecNormalize):
        return env.normalize_obs(_seen(env.venv, raw))
    if isinstance(env, VecFrameStack):
        frames = env.stacked_obs.stacked_obs
        frames[..., -raw.shape[-1] :] = raw
        return frames.copy()
    return _seen(env.venv, raw) if isinstance(env, VecEnvWrapper) else raw

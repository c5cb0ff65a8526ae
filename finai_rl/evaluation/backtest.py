"""Run a policy through one recording environment and keep its account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.data.market import MarketData
from finai_rl.evaluation.result import BacktestResult, save_tables
from finai_rl.evaluation.watched_days import WatchedDays
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

__all__ = ["BacktestResult", "Policy", "backtest", "backtests", "save_tables"]

_LEDGER_KEYS = ("days", "account_value", "cash", "shares", "trades", "costs")


class Policy(Protocol):
    """Anything that decides as a Stable-Baselines3 algorithm does."""

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Return the actions (n_envs, n_stocks) and the next recurrent state, if there is one."""
        ...


def backtest(
    policy: Policy, env: VecEnv, data: MarketData, name: str, days: WatchedDays | None = None
) -> BacktestResult:
    """Run a policy through one episode, deterministically, and return its account.

    A vectorized environment resets itself when an episode ends, so nothing is read from its
    observations or rewards: the account comes from ``infos[0]["ledger"]`` of the last step.

    Args:
        policy: Decides on each day; its recurrent state and the episode's start are passed on.
        env: Exactly one environment on ``data``, built with ``record=True``. Its ledger holds
            ``days`` (n_days,) indices into ``data`` and ``account_value``, ``cash``, ``shares``,
            ``trades``, ``costs``, ``fill_price``, ``financing``, ``settled`` and ``losses`` as in
            `BacktestResult`; without the last four, trades fill at the close they are decided at,
            nothing is financed and no stock is delisted.
        data: The market that ``env`` trades.
        name: What the result is called.
        days: Receives what the policy saw and did.

    Returns:
        The account on every day of the episode, which ends early where the account is ruined.

    Raises:
        ValueError: If ``env`` holds more than one environment, does not record, does not end, or
            if its ledger does not reconcile with the prices in ``data``.
    """
    if env.num_envs != 1:
        raise ValueError(
            f"backtest {name!r} needs a VecEnv with exactly one environment, "
            f"got num_envs={env.num_envs}"
        )
    return backtests(policy, env, data, [name], days)[0]


def backtests(
    policy: Policy,
    env: VecEnv,
    data: MarketData,
    names: Sequence[str],
    days: WatchedDays | None = None,
) -> list[BacktestResult]:
    """Run a policy through one episode of several accounts at once, and return each.

    Args:
        policy: As for `backtest`.
        env: One environment a name, each as `backtest` needs it.
        data: The market.
        names: What the results are called.
        days: Receives what the policy saw and did in the first of them.

    Raises:
        ValueError: As `backtest`, or if there are not as many environments as names.
    """
    if env.num_envs != len(names):
        raise ValueError(f"{env.num_envs} environments for the backtests {list(names)}")
    with predicting(policy):
        last = _last_infos(policy, env, data.n_days, names[0], days)
    return [
        _result(_ledger(info, name), data, name) for info, name in zip(last, names, strict=True)
    ]


def _last_infos(
    policy: Policy, env: VecEnv, n_days: int, name: str, days: WatchedDays | None
) -> list[dict[str, Any]]:
    observation: Any = env.reset()
    state: tuple[NDArray[Any], ...] | None = None
    episode_start = np.ones(env.num_envs, dtype=bool)
    last: dict[int, dict[str, Any]] = {}
    # FinRL's environment takes one more step than it trades; none takes more than one a day.
    for _ in range(n_days):
        actions, next_state = policy.predict(
            observation, state=state, episode_start=episode_start, deterministic=True
        )
        if days is not None:
            days.enter(env, observation, state, actions)
        observation, _, episode_start, infos = env.step(actions)
        state = next_state
        if episode_start.any():
            # An account that was ruined before the others begins anew, and counts no more.
            for row in map(int, np.flatnonzero(episode_start)):
                last.setdefault(row, infos[row])
            if len(last) == env.num_envs:
                return [last[row] for row in range(env.num_envs)]
    raise ValueError(
        f"backtest {name!r}: the episode did not end within the {n_days} days of the data; "
        "is the environment built on other data?"
    )


def _ledger(info: dict[str, Any], name: str) -> Mapping[str, Any]:
    ledger: Mapping[str, Any] | None = info.get("ledger")
    if ledger is None:
        raise ValueError(
            f"backtest {name!r}: the environment kept no ledger; build it with record=True"
        )
    missing = [key for key in _LEDGER_KEYS if key not in ledger]
    if missing:
        raise ValueError(f"backtest {name!r}: the environment's ledger lacks {missing}")
    return ledger


def _result(ledger: Mapping[str, Any], data: MarketData, name: str) -> BacktestResult:
    days = np.asarray(ledger["days"])
    inside = (days >= 0).all() and (days < data.n_days).all()
    if not inside or not (np.diff(days) > 0).all():
        raise ValueError(
            f"backtest {name!r}: the ledger's days must increase within 0..{data.n_days - 1}"
        )

    def amounts(key: str) -> FloatArray:
        # An array of its own: the environment is free to reuse its buffers in the next episode.
        return np.array(ledger[key], dtype=np.float64)

    close = data.close[days]
    return BacktestResult(
        name=name,
        dates=data.dates[days],
        tickers=data.tickers,
        close=close,
        account_value=amounts("account_value"),
        cash=amounts("cash"),
        shares=amounts("shares"),
        trades=amounts("trades"),
        fill_price=amounts("fill_price") if "fill_price" in ledger else close[:-1].copy(),
        costs=amounts("costs"),
        financing=amounts("financing") if "financing" in ledger else np.zeros(len(close[:-1])),
        **{name: amounts(name) for name in ("settled", "losses") if name in ledger},
    )

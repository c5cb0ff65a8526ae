"""Whether the books of a paper account still come out of the data as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finai_rl.data.listings.unlisted import BEFORE_LISTING
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding.decision import ReplayedDay, decide, replayed_days
from finai_rl.experiment.deciding.orders import as_record

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.evaluation.backtest import Policy
    from finai_rl.experiment.environments import Environments

    Agent = tuple[Environments, Policy, VecEnv | None]

ORDERED = ("orders", "after", "cash_after")
"""What of a decision is worked out anew for the last line of the books."""


def check_books(
    lines: Sequence[Mapping[str, Any]], agent: Agent, market: MarketData, first: int
) -> None:
    """Work the days in the books out again, and refuse data of which they come out otherwise.

    Args:
        lines: Of the books.
        agent: Environments of the run, the agent, and its normalization.
        market: All days that are known.
        first: Of these, the account's first one.

    Raises:
        DataError: If the data of a day in the books has changed, or a day is gone, or new.
        ConfigError: If the data ends before the books.
    """
    days = market.day_names
    if not lines:
        return
    where = market.source.path or market.source.name
    if lines[-1]["day"] > days[-1]:
        raise ConfigError(
            [f"data.path: {where} ends on {days[-1]}, the books on {lines[-1]['day']}"]
        )
    _check_days(lines, where, days[first:])
    now = dict(zip(days[first:], replayed_days(*agent, market, first), strict=True))
    for line in lines:
        day = line["day"]
        if what := _apart(line, now[day], market, days.index(day)):
            raise _changed(where, line, what)
    # What followed from the last line's orders, no other line says.
    until = market.slice_days(0, days.index(lines[-1]["day"]) + 1)
    again = as_record(decide(*agent, until, first))
    if any(lines[-1][name] != again[name] for name in ORDERED):
        raise _changed(where, lines[-1], "what the agent orders, or the risk of the day,")


def _check_days(lines: Sequence[Mapping[str, Any]], where: str, days: Sequence[str]) -> None:
    """Refuse data whose days are not those in the books, as far as the books go."""
    entered = [line["day"] for line in lines]
    if gone := [day for day in entered if day not in days]:
        raise DataError(where, [f"the day {gone[0]} is in the books and not in the data"])
    if added := [day for day in days if day not in entered and day < entered[-1]]:
        raise DataError(
            where,
            [
                f"the day {added[0]} is in the data and not in the books, which have later "
                "ones: it came late, and was not there to be traded on; leave it out of the "
                "data, or begin a new account in another folder"
            ],
        )


def _apart(line: Mapping[str, Any], now: ReplayedDay, market: MarketData, place: int) -> str:
    """Return what of a line in the books is not what it would be now; empty for nothing."""
    if not _same_prices(line["price"], market, place):
        return "a price"
    held = dict(zip(market.tickers, now.held.shares.tolist(), strict=True))
    if (line["cash_held"], line["held"]) != (now.held.cash, held):
        return "what was held"
    return "" if line["action"] == now.action.tolist() else "what the agent answers"


def _changed(where: str, line: Mapping[str, Any], what: str) -> DataError:
    return DataError(
        where,
        [
            f"{line['day']}: {what} is not what the books say: the data has changed since (sha256 "
            f"{str(line.get('data_sha256'))[:12]}... then); bring that file back, or begin a new "
            "account in another folder"
        ],
    )


def _same_prices(entered: Mapping[str, float], market: MarketData, place: int) -> bool:
    """Say whether the closes of a day are those that were entered.

    A stock that a file does not list up to a day has none, whether it has no row there or none at
    all: what stands for it is the last one, or `BEFORE_LISTING`.
    """
    now = dict(zip(market.tickers, market.close[place].tolist(), strict=True))
    if entered.keys() != now.keys():
        return False
    apart = {ticker for ticker, price in now.items() if entered[ticker] != price}
    if not apart or market.listed is None:
        return not apart
    listed = dict(zip(market.tickers, market.listed[: place + 1].T, strict=True))
    return all(
        not listed[ticker][-1] and (entered[ticker] == BEFORE_LISTING or not listed[ticker].any())
        for ticker in apart
    )

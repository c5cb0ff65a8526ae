"""A paper account of an agent: each new day decided, entered once, and held against the data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.agents.whole_file import written_whole
from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding.consistency import check_books
from finai_rl.experiment.deciding.decision import Decision, decide
from finai_rl.experiment.deciding.late import late_on_newest, waiting
from finai_rl.experiment.deciding.ledger import FIRST_HASH, LEDGER_FILE, Ledger
from finai_rl.experiment.deciding.orders import RECORDED, as_record, save_decision
from finai_rl.experiment.environments import Environments
from finai_rl.statistics.exchangeability import ExchangeabilityTest, exchangeability_test
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.evaluation.backtest import Policy

ACCOUNT_FILE = "account.json"
VALUES_FILE = "account.csv"


@dataclass(frozen=True)
class Terms:
    """What an account is opened with, and keeps, and how far its books have come.

    Attributes:
        run_id: Of the agent's run.
        account_start: First day, ISO text.
        lines: In the books.
        last_hash: Of the last of them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Terms("ab12", "2024-01-02").open(Path(folder))
        ...     Terms.of(Path(folder)).account_start
        '2024-01-02'
    """

    run_id: str
    account_start: str
    lines: int = 0
    last_hash: str = FIRST_HASH

    @classmethod
    def of(cls, folder: Path) -> Terms | None:
        """Read them; None for an account that is not opened yet.

        Raises:
            DataError: If they cannot be read.
        """
        file = folder / ACCOUNT_FILE
        if folder.exists() and not folder.is_dir():
            raise DataError(str(folder), ["is no folder: account=... names one"])
        if not file.is_file() and Ledger(folder).lines:
            raise DataError(
                str(file),
                [
                    f"is gone, and {LEDGER_FILE} is there: bring it back from a copy, or begin a "
                    "new account in another folder"
                ],
            )
        if not file.is_file():
            return None
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise DataError(str(file), [f"cannot be read: {error}"]) from None

    def open(self, folder: Path) -> None:
        """Write them."""
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(folder / ACCOUNT_FILE) as beside:
            beside.write_text(json.dumps(vars(self), indent=2) + "\n", encoding="utf-8")


class PaperAccount:
    """The books of an agent, day by day, from an account's first day on.

    What the agent holds on a day is what a backtest from the first day says, so the books can be
    worked out again at any time: a line that does not come out the same means that the data has
    changed since.

    Args:
        folder: Of the account.
        environments: Of the agent's run.
        policy: The agent.
        normalization: The normalization it was trained with; None for none.

    Raises:
        DataError: If the books were changed.
    """

    def __init__(
        self,
        folder: Path,
        environments: Environments,
        policy: Policy,
        normalization: VecEnv | None,
    ) -> None:
        self._folder = folder
        self._agent = (environments, policy, normalization)
        self.ledger = Ledger(folder)

    def enter(
        self,
        market: MarketData,
        first: int,
        about: Mapping[str, Any],
        opened: Terms,
        delisted: Sequence[str] = (),
    ) -> list[Decision]:
        """Decide each day that is not in the books, enter it, and return these decisions.

        Args:
            market: All days that are known.
            first: Of these, the account's first one.
            about: What each line says beside the decision.
            opened: The agent's run and the first day, which the account is opened with where it is
                new.
            delisted: Stocks of which the newest day has no price because they are traded no more.

        Raises:
            DataError: If the data of a day in the books has changed, or the day is gone, or the
                newest day lacks a price; the days before it are entered then.
            ConfigError: If the data ends before the books, the account is another agent's, or a
                stock that is said to be delisted is not.
        """
        with self.ledger.alone():
            terms = Terms.of(self._folder) or opened
            self._check_own(terms, opened)
            terms.open(self._folder)
            self.ledger.check_end(terms.lines, terms.last_hash)
            try:
                return self._enter(market, first, about, delisted)
            finally:
                held, last = len(self.ledger.lines), self.ledger.last_hash
                replace(terms, lines=held, last_hash=last).open(self._folder)

    def _check_own(self, terms: Terms, opened: Terms) -> None:
        """Refuse books of another agent, such as one that another first call has opened with.

        Raises:
            ConfigError: Names both.
        """
        runs = {terms.run_id, *(str(line["run_id"]) for line in self.ledger.lines)}
        if runs != {opened.run_id} or terms.account_start != opened.account_start:
            raise ConfigError(
                [
                    f"account: {self._folder} is the account of run {', '.join(sorted(runs))} from "
                    f"{terms.account_start} on, this is run {opened.run_id} from "
                    f"{opened.account_start} on: name another folder"
                ]
            )

    def save_orders(self, about: Mapping[str, Any]) -> None:
        """Write the newest orders beside the books; a call that was broken off has not.

        Args:
            about: What else is said of them.
        """
        with self.ledger.alone():
            if self.ledger.lines:
                last = self.ledger.lines[-1]
                record = {name: last[name] for name in RECORDED if name in last}
                save_decision(record, about, self._folder)

    def _enter(
        self, market: MarketData, first: int, about: Mapping[str, Any], delisted: Sequence[str]
    ) -> list[Decision]:
        days = market.day_names
        check_books(self.ledger.lines, self._agent, market, first)
        entered = self.ledger.lines[-1]["day"] if self.ledger.lines else ""
        new = [place for place in range(first, market.n_days) if days[place] > entered]
        late = late_on_newest(market)
        if wrong := [name for name in delisted if name not in late]:
            raise ConfigError(
                [
                    f"delisted: {', '.join(wrong)}: the newest day, {days[-1]}, has a price of it, "
                    "or the day before has none, or it is no stock of the agent: leave it out"
                ]
            )
        late = [name for name in late if name not in delisted]
        if new and late:
            new.remove(market.n_days - 1)
        decisions = []
        for place in new:
            decision = decide(*self._agent, market.slice_days(0, place + 1), first)
            is_late = place < market.n_days - 1
            self.ledger.append({**as_record(decision), "late": is_late, **about})
            decisions.append(decision)
        if self.ledger.lines:
            self._values().to_csv(self._folder / VALUES_FILE, index=False)
        if days[-1] > entered and late:
            raise waiting(market, late, len(decisions))
        return decisions

    def returns(self) -> FloatArray:
        """(n_days - 1,) returns of the account between the days in the books."""
        values = np.array([line["account_value"] for line in self.ledger.lines])
        found: FloatArray = values[1:] / values[:-1] - 1.0
        return found

    def live_returns(self) -> FloatArray:
        """Of these, those that were not known yet when the day before them was decided."""
        late = np.array([line["late"] for line in self.ledger.lines], dtype=np.bool_)
        return self.returns()[~late[:-1]]

    def against(self, earlier: Sequence[float] | FloatArray) -> ExchangeabilityTest:
        """Test whether the account's returns are lower than those of a backtest."""
        return exchangeability_test(earlier, self.live_returns())

    def _values(self) -> pd.DataFrame:
        lines = self.ledger.lines
        table = pd.DataFrame(
            {
                "date": [line["day"] for line in lines],
                "account_value": [line["account_value"] for line in lines],
                "cash": [line["cash_held"] for line in lines],
                "expected_costs": [line["costs"] for line in lines],
                "late": [line["late"] for line in lines],
            }
        )
        table.insert(2, "return", table["account_value"].pct_change())
        return table

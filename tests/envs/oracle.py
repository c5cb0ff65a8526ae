"""One account of the markets once more, in plain Python: slow, simple, and read line by line.

What the environments promise, in this module's own words:

* A share order is the action, clipped to [-1, 1], times ``hmax``, multiplied in the action's own
  precision and cut toward zero where shares are whole. A weight order is the way from what is held
  to the target: weight times account value over price, both of the close just seen; a way worth
  less than a millionth of the account is not gone. Of whole shares, what is held stays where it is
  within one share of the target, and the target is cut toward zero elsewhere; what the long targets
  are then missing, less the fees of getting there, buys one share more of the stock that misses
  most, and so on, passing over those that are too dear.
* Whatever brings a position closer to zero comes first: sales of what is held, always in full, then
  purchases that cover shorts, for all the cash there is. What is left of each order opens a
  position: a purchase for its full price, a short sale for its margin, both out of the cash beyond
  what the remaining shorts bind. An order whose cover was cut opens nothing.
* Where money is short the largest order in shares (whole ones where shares are whole) is served
  first, the first ticker among equals, each as far as the money goes; weight orders are all cut by
  one factor instead, which is what there is over what they claim (again, while impact leaves them
  claiming too much), and then to whole shares. Money worth less than a billionth of the account
  pays for no fraction.
* An order of q shares costs the fraction rate + min(Y sigma sqrt(q / V), 1/2) of its value; q is
  the whole order, however many parts it is served in.
* Everything is closed, at any price, where the risk index is at its threshold, or where the account
  is worth less at the close than the maintenance margin on what it is short.
* Who is short overnight pays the fee for the days until the next close on the value at today's
  close: of the position after trading where orders fill at that close, else of the one before.
* What is not listed today is not ordered, and has no part in the weights; what is not listed
  tomorrow cannot be traded tomorrow. Whatever is then held of it, after the day's trades, is sold
  at its last close, less the loss of what is long, which is no cost.
* The account is valued at the next close; worth nothing, it has ended for good.

A decision about whole shares, margins or ruin that hangs on the last digits of a sum can go either
way in floating point. The account notes such a step in ``close_call``; whoever compares takes over
the other side's outcome there and carries on.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from finai_rl.data.market import MarketData

NEAR = 1e-9


@dataclass(frozen=True)
class Conditions:
    """The settings of a market; costs and fees one per stock, ``margin`` None for no shorts."""

    weights: bool
    hmax: int
    buy_rate: list[float]
    sell_rate: list[float]
    impact: float
    fill: str
    whole: bool
    margin: float | None
    maintenance: float
    borrow_rate: list[float]
    threshold: float | None
    scaling: float
    delisting_loss: float = 0.0


@dataclass
class Part:
    """``wanted`` shares more of an order of which ``done`` are traded, at a claim per value."""

    stock: int
    sign: int
    wanted: float
    done: float
    claim: float


@dataclass
class Books:
    """The day-by-day books of an account, as its episode's ledger has them."""

    account_value: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    shares: list[list[float]] = field(default_factory=list)
    trades: list[list[float]] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    settled: list[list[float]] = field(default_factory=list)
    financing: list[float] = field(default_factory=list)


def single_precision(number: float) -> float:
    """Round a number to the nearest float32."""
    rounded: float = struct.unpack("f", struct.pack("f", number))[0]
    return rounded


class World:
    """A market and its settings as plain lists.

    Args:
        data: The market.
        conditions: The settings.
    """

    def __init__(self, data: MarketData, conditions: Conditions) -> None:
        self.conditions = conditions
        self.n = data.n_stocks
        self.close: list[list[float]] = data.close.tolist()
        self.fill_price = self.close[1:] if conditions.fill == "next_close" else self.close[:-1]
        if conditions.fill == "next_open":
            assert data.open is not None
            self.fill_price = data.open.tolist()[1:]
        self.listed = [[True] * self.n for _ in self.close]
        if data.listed is not None:
            self.listed = data.listed.tolist()
        self.fill_price = [
            [price if there else last for price, there, last in zip(*rows, strict=True)]
            for rows in zip(self.fill_price, self.listed[1:], self.close[:-1], strict=True)
        ]
        self.risk: list[float] = [] if data.risk is None else data.risk.tolist()
        moments = data.dates.astype("datetime64[s]").tolist()
        self.nights = [
            (after - before).total_seconds() / 86_400
            for before, after in itertools.pairwise(moments)
        ]
        self.impact = [[0.0] * self.n for _ in self.close]
        if conditions.impact:
            assert data.volume is not None
            self._fill_in_impact(data.volume.tolist())

    def _fill_in_impact(self, volumes: list[list[float]]) -> None:
        for i in range(self.n):
            variance, volume = 0.02 * 0.02, volumes[0][i]
            for day in range(len(self.close)):
                if day > 0 and not (self.listed[day][i] and self.listed[day - 1][i]):
                    variance, volume = 0.02 * 0.02, volumes[day][i]
                elif day > 0:
                    before = self.close[day - 1][i]
                    change = (self.close[day][i] - before) / before
                    variance = 0.94 * variance + 0.06 * change * change
                    volume = 0.94 * volume + 0.06 * volumes[day][i]
                sigma = math.sqrt(variance)
                self.impact[day][i] = self.conditions.impact * sigma / math.sqrt(volume)


class Account:
    """An account that trades from one day of a market to another.

    Args:
        world: The market and its settings.
        cash: Cash on the first day.
        shares: Holdings on the first day.
        first_day: First day of the episode.
        last_day: Its last.
    """

    def __init__(
        self, world: World, cash: float, shares: Sequence[float], first_day: int, last_day: int
    ) -> None:
        self.world, self.conditions = world, world.conditions
        self.cash, self.shares = cash, list(shares)
        self.day, self.last_day = first_day, last_day
        self.value = cash + worth(self.shares, world.close[first_day])
        self.reward = self.cost = self.financing = self.turnover = 0.0
        self.trades = self.margin_calls = 0
        self.terminated = self.close_call = self.perhaps_ruined = False
        self.books = Books([self.value], [cash], [list(shares)])

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.day >= self.last_day

    def step(self, action: Sequence[float], single: bool) -> None:
        """Trade on an action, of float32 numbers if ``single``, and move on to the next day."""
        self.close_call = False
        self.reward = 0.0
        if self.done:
            return
        world, today, before = self.world, self.day, list(self.shares)
        close, price = world.close[today], world.fill_price[today]
        called = self._margin_call(close)
        self.margin_calls += called
        threshold = self.conditions.threshold
        if called or (threshold is not None and world.risk[today] >= threshold):
            trades = [-held for held in before]
        elif self.conditions.weights:
            trades = self._execute(self._weight_orders(action, close), price)
        else:
            trades = self._execute(self._share_orders(action, single), price)
        if self.conditions.fill != "same_close":
            trades = [
                quantity if there else 0.0
                for quantity, there in zip(trades, world.listed[today + 1], strict=True)
            ]
        cost = sum(self._cost(i, quantity, price[i]) for i, quantity in enumerate(trades))
        bought = sum(q * p for q, p in zip(trades, price, strict=True) if q > 0)
        sold = sum(-q * p for q, p in zip(trades, price, strict=True) if q < 0)
        self.shares = [held + traded for held, traded in zip(before, trades, strict=True)]
        overnight = self.shares if self.conditions.fill == "same_close" else before
        fee = self._borrow_fee(overnight, close)
        self.cash += sold - bought - cost - fee
        self.cost += cost
        self.financing += fee
        self.turnover += max(bought, sold) / self.value if self.value else 0.0
        self.trades += sum(quantity != 0 for quantity in trades)
        orders = trades
        trades, lost = self._settle(trades, close)
        self.books.losses.append(lost)
        settled = [order - trade for order, trade in zip(orders, trades, strict=True)]
        self.books.settled.append(settled)
        self.day += 1
        self._revalue()
        self._enter(trades, cost, fee)

    def _settle(self, trades: list[float], close: list[float]) -> tuple[list[float], float]:
        """Sell what is held of stocks that are gone tomorrow; return all trades, and the loss."""
        trades, lost = list(trades), 0.0
        for i, there in enumerate(self.world.listed[self.day + 1]):
            if not there:
                off = self.conditions.delisting_loss * max(self.shares[i], 0.0) * close[i]
                self.cash += self.shares[i] * close[i] - off
                lost += off
                trades[i] -= self.shares[i]
                self.shares[i] = 0.0
        return trades, lost

    def _revalue(self) -> None:
        close = self.world.close[self.day]
        value = self.cash + worth(self.shares, close)
        gross = abs(self.cash) + worth([abs(held) for held in self.shares], close)
        gross = max(gross, abs(self.value))
        self.perhaps_ruined = gross > 0.0 and abs(value) <= NEAR * gross
        self.reward = (value - self.value) * self.conditions.scaling
        self.value = value
        self.terminated = value <= 0.0

    def _enter(self, trades: list[float], cost: float, fee: float) -> None:
        books = self.books
        books.account_value.append(self.value)
        books.cash.append(self.cash)
        books.shares.append(list(self.shares))
        books.trades.append(trades)
        books.costs.append(cost)
        books.financing.append(fee)

    def _near(self, one: float, other: float) -> None:
        """Note that a decision hangs on two amounts that are all but equal."""
        size = max(abs(one), abs(other))
        self.close_call |= size > 0.0 and abs(one - other) <= NEAR * size

    def _margin_call(self, close: list[float]) -> bool:
        short = worth([max(-held, 0.0) for held in self.shares], close)
        if self.conditions.margin is None or short == 0.0:
            return False
        self._near(self.value, self.conditions.maintenance * short)
        return self.value < self.conditions.maintenance * short

    def _borrow_fee(self, shares: list[float], close: list[float]) -> float:
        if self.conditions.margin is None:
            return 0.0
        fee = 0.0
        for held, price, rate in zip(shares, close, self.conditions.borrow_rate, strict=True):
            if held < 0.0:
                fee += -held * price * rate * self.world.nights[self.day] / 360.0
        return fee

    def _share_orders(self, action: Sequence[float], single: bool) -> list[float]:
        orders = []
        for wanted in action:
            shares = min(max(wanted, -1.0), 1.0) * self.conditions.hmax
            shares = single_precision(shares) if single else shares
            orders.append(float(math.trunc(shares)) if self.conditions.whole else shares)
        return self._of_tradable(orders)

    def _of_tradable(self, orders: list[float]) -> list[float]:
        """Return orders without those that nobody could execute."""
        listed, later = self.world.listed, self.conditions.fill != "same_close"
        days = (self.day, self.day + 1) if later else (self.day,)
        there = [all(listed[day][i] for day in days) for i in range(self.world.n)]
        return [order if can else 0.0 for order, can in zip(orders, there, strict=True)]

    def _weight_orders(self, action: Sequence[float], close: list[float]) -> list[float]:
        *stocks, cash = [min(max(wanted, -1.0), 1.0) for wanted in action]
        if self.conditions.margin is None:
            stocks = [(wanted + 1.0) / 2.0 for wanted in stocks]
        for i, there in enumerate(self.world.listed[self.day]):
            stocks[i] = stocks[i] if there else 0.0
        total = (cash + 1.0) / 2.0 + sum(abs(wanted) for wanted in stocks)
        targets = [
            self.value * wanted / total / price if total else 0.0
            for wanted, price in zip(stocks, close, strict=True)
        ]
        if self.conditions.whole:
            targets = self._whole_targets(targets, close)
        orders = []
        for target, price, held in zip(targets, close, self.shares, strict=True):
            away = target - held
            self._near(abs(away) * price, 1e-6 * self.value)
            orders.append(0.0 if abs(away) * price < 1e-6 * self.value else away)
        return self._of_tradable(orders)

    def _whole_targets(self, exact: list[float], close: list[float]) -> list[float]:
        rounded = []
        for target, held in zip(exact, self.shares, strict=True):
            self._near(target, round(target))
            self._near(abs(held - target), 1.0)
            stays = abs(held - target) < 1.0 and held == math.trunc(held)
            rounded.append(held if stays else float(math.trunc(target)))
        money = 0.0
        for stock, price in enumerate(close):
            money += (max(exact[stock], 0.0) - max(rounded[stock], 0.0)) * price
            money -= self._fee(stock, rounded[stock] - self.shares[stock], price)
        missing = {
            stock: exact[stock] - rounded[stock]
            for stock in range(len(close))
            if exact[stock] > 0.0 and exact[stock] > rounded[stock]
        }
        for one, other in itertools.combinations(missing.values(), 2):
            self._near(one, other)
        for stock in sorted(missing, key=lambda stock: -missing[stock]):
            away = rounded[stock] - self.shares[stock]
            before, after = (self._fee(stock, a, close[stock]) for a in (away, away + 1.0))
            due = close[stock] + after - before
            self._near(due, money)
            if due <= money:
                rounded[stock] += 1.0
                money -= due
        return rounded

    def _fee(self, stock: int, quantity: float, price: float) -> float:
        rates = self.conditions.buy_rate if quantity > 0 else self.conditions.sell_rate
        return abs(quantity) * price * rates[stock]

    def _cost(self, stock: int, quantity: float, price: float) -> float:
        """Return what a whole order costs: fees, slippage and impact."""
        rates = self.conditions.buy_rate if quantity > 0 else self.conditions.sell_rate
        impact = self.world.impact[self.day][stock] * math.sqrt(abs(quantity))
        return abs(quantity) * price * (rates[stock] + min(impact, 0.5))

    def _execute(self, orders: list[float], price: list[float]) -> list[float]:
        """Return the shares bought and sold, of those ordered, that money allows."""
        trades = [
            -min(-order, max(own, 0.0)) if order < 0 else 0.0
            for order, own in zip(orders, self.shares, strict=True)
        ]
        cash = self.cash
        for i, quantity in enumerate(trades):
            cash += -quantity * price[i] - self._cost(i, quantity, price[i])
        buy_rate = self.conditions.buy_rate
        if self.conditions.margin is None:
            purchases = [
                Part(i, 1, order, 0.0, 1.0 + buy_rate[i])
                for i, order in enumerate(orders)
                if order > 0
            ]
            self._serve(purchases, trades, price, cash)
            return trades
        covers = [
            Part(i, 1, min(order, -own), 0.0, 1.0 + buy_rate[i])
            for i, (order, own) in enumerate(zip(orders, self.shares, strict=True))
            if order > 0 > own
        ]
        self._near(sum(self._claimed(part, part.wanted, price) for part in covers), cash)
        cash -= self._serve(covers, trades, price, cash)
        cut = {part.stock for part in covers if trades[part.stock] < part.wanted}
        self._open(orders, trades, price, cash, cut)
        return trades

    def _open(
        self,
        orders: list[float],
        trades: list[float],
        price: list[float],
        cash: float,
        cut: set[int],
    ) -> None:
        margin = self.conditions.margin
        assert margin is not None
        openings = []
        for i, order in enumerate(orders):
            left = order - trades[i]
            if left > 0 and i not in cut:
                claim = 1.0 + self.conditions.buy_rate[i]
                openings.append(Part(i, 1, left, trades[i], claim))
            elif left < 0:
                claim = margin + self.conditions.sell_rate[i]
                openings.append(Part(i, -1, -left, -trades[i], claim))
        bound = 0.0
        for own, traded, at in zip(self.shares, trades, price, strict=True):
            bound += (1.0 + margin) * max(-own - traded, 0.0) * at
        self._serve(openings, trades, price, cash - bound)

    def _claimed(self, part: Part, quantity: float, price: list[float]) -> float:
        """Return the money that some shares of a part claim, impact after ``done`` included."""
        coefficient = self.world.impact[self.day][part.stock]

        def impact(shares: float) -> float:
            return shares * min(coefficient * math.sqrt(shares), 0.5)

        more = impact(part.done + quantity) - impact(part.done)
        return price[part.stock] * (quantity * part.claim + more)

    def _serve(
        self, parts: list[Part], trades: list[float], price: list[float], money: float
    ) -> float:
        """Add to ``trades`` what the money pays for; return what that claims."""
        granted = self._granted(parts, price, money)
        for part, quantity in zip(parts, granted, strict=True):
            trades[part.stock] += part.sign * quantity
        return sum(self._claimed(p, q, price) for p, q in zip(parts, granted, strict=True))

    def _granted(self, parts: list[Part], price: list[float], money: float) -> list[float]:
        total = sum(self._claimed(part, part.wanted, price) for part in parts)
        if self.conditions.whole:
            self._near(total, money)
        if total <= money:
            return [part.wanted for part in parts]
        if money <= self._least:
            return [0.0 for _ in parts]
        if self.conditions.weights:
            return self._scaled_down(parts, price, money)
        granted = [0.0] * len(parts)
        for place in sorted(range(len(parts)), key=lambda place: -self._size(parts[place])):
            granted[place] = self._afford(parts[place], price, money)
            money -= self._claimed(parts[place], granted[place], price)
            if granted[place] < parts[place].wanted and not self.conditions.whole:
                money = 0.0
        return granted

    def _scaled_down(self, parts: list[Part], price: list[float], money: float) -> list[float]:
        factor, total = 1.0, math.inf
        while total > money * (1.0 + 1e-13):
            total = sum(self._claimed(part, part.wanted * factor, price) for part in parts)
            factor *= min(money / total, 1.0)
        return [self._cut(part.wanted * factor) for part in parts]

    @property
    def _least(self) -> float:
        """What pays for no fraction of a share: what rounding leaves of spent money."""
        return 0.0 if self.conditions.whole else 1e-9 * self.value

    def _size(self, part: Part) -> float:
        return math.floor(part.wanted) if self.conditions.whole else part.wanted

    def _cut(self, quantity: float) -> float:
        if not self.conditions.whole:
            return quantity
        self._near(quantity, round(quantity))
        return float(math.floor(quantity))

    def _afford(self, part: Part, price: list[float], money: float) -> float:
        """Return the most shares of a part, up to all wanted, that the money pays for."""
        whole = self.conditions.whole
        due = self._claimed(part, part.wanted, price)
        if whole:
            self._near(due, money)
        if due <= money:
            return part.wanted
        if money <= self._least:
            return 0.0
        if whole:
            few, many = 0, math.ceil(part.wanted)
            while many - few > 1:
                middle = (few + many) // 2
                paid = self._claimed(part, middle, price)
                self._near(paid, money)
                few, many = (middle, many) if paid <= money else (few, middle)
            return float(few)
        lower, upper = 0.0, part.wanted
        for _ in range(100):
            half = (lower + upper) / 2.0
            paid = self._claimed(part, half, price)
            lower, upper = (half, upper) if paid <= money else (lower, half)
        return lower


def worth(shares: Sequence[float], price: Sequence[float]) -> float:
    """Return the value of holdings."""
    return sum(held * at for held, at in zip(shares, price, strict=True))

"""A data source, run again on another future: the past of what it computes must not move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.data.market import MarketData
from finai_rl.experiment.market import load_split, source_settings
from finai_rl.leakage.altered_files import altered_reads
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import observed_columns, price_columns, visible

CHECK = "another future, source"
STORED = "finai_rl.data.load_processed_csv"
"""The source whose columns stand in its file, so that reading it again computes nothing."""

CUT_OFF = "cut off"
ENDS = ("end", "end_date")
LENGTHS = ("n_days",)
"""Settings that cut a source's future off, for one that reads nothing."""


@dataclass
class Recomputation:
    """What a source made of another future.

    Attributes:
        day: Index of the last day before the future, in the panel of visible days.
        panel: The days up to it at least, as they were computed again.
        how: In which way the future was another.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=10, n_stocks=2)
        >>> again = synthetic_market(n_days=6, n_stocks=2)
        >>> found = Recomputations(done=[Recomputation(day=5, panel=again, how="cut off")])
        >>> cfg = DictConfig({"data": {"_target_": "finai_rl.data.synthetic_market"}})
        >>> [finding.verdict.value for finding in source_findings(cfg, market, found)]
        ['passed']
    """

    day: int
    panel: MarketData
    how: str


@dataclass
class Recomputations:
    """Every time a source was run again, and why it could not be.

    Example:
        >>> data = {"_target_": "finai_rl.data.synthetic_market", "n_days": 20, "n_stocks": 2}
        >>> split = {"_target_": "finai_rl.data.split.split_by_fraction"}
        >>> cfg = DictConfig({"data": data, "split": split, "seed": 0})
        >>> found = recompute(cfg, visible(load_split(cfg, cached=False)), days=[5, 9])
        >>> [again.how for again in found.done], found.refusals
        (['cut off', 'cut off'], [])
    """

    done: list[Recomputation] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def recompute(cfg: DictConfig, data: MarketData, days: list[int]) -> Recomputations:
    """Run the config's source again with everything after each of some days altered.

    What pandas reads is altered (:func:`~finai_rl.leakage.altered_files.altered_reads`). A source
    that reads nothing, such as a generator, is cut off at the day instead, if it has a setting
    for that.

    Args:
        cfg: A checked config with ``data``, ``split`` and ``seed``.
        data: The visible days as they are.
        days: Indices of the last days that stay as they are.
    """
    found = Recomputations()
    for day in days:
        _recompute(cfg, data, day, found)
    return found


def _recompute(cfg: DictConfig, data: MarketData, day: int, found: Recomputations) -> None:
    package = str(cfg.data["_target_"]).partition(".")[0]
    refusal = "nothing that pandas reads, and no setting that ends the data"
    for scaled in (True, False):
        try:
            with altered_reads(package, data.dates[day], cfg.seed + day, scaled=scaled) as reads:
                panel = visible(load_split(cfg, cached=False))
        except Exception as error:  # a source of the user may fail in any way
            refusal = f"{type(error).__name__}: {str(error).splitlines()[-1].strip(' -')}"
            continue
        if reads.rows:
            how = "scaled and shuffled" if scaled else "shuffled"
            found.done.append(Recomputation(day, panel, how))
            return
        try:
            shorter = _cut_off(cfg, data, day)
        except Exception as error:
            refusal = f"{type(error).__name__}: {str(error).splitlines()[-1].strip(' -')}"
            break
        if shorter is not None:
            first = int(np.searchsorted(shorter.dates, data.dates[0]))
            shorter = shorter.slice_days(min(first, shorter.n_days - 2), shorter.n_days)
            found.done.append(Recomputation(day, shorter, CUT_OFF))
            return
        break
    found.refusals.append(refusal)


def _cut_off(cfg: DictConfig, data: MarketData, day: int) -> MarketData | None:
    node = source_settings(cfg)
    if name := next((name for name in ENDS if name in node), None):
        return _built(node | {name: str(data.dates[day].astype("datetime64[D]"))})
    if name := next((name for name in LENGTHS if node.get(name)), None):
        whole = _built(node)
        return _built(node | {name: int(np.searchsorted(whole.dates, data.dates[day])) + 1})
    return None


def _built(node: dict[str, Any]) -> MarketData:
    market: MarketData = build(node, "data")
    return market


def source_findings(cfg: DictConfig, data: MarketData, found: Recomputations) -> Iterator[Finding]:
    """Yield what the recomputations show: bit-identical up to their day, or which column moved.

    Args:
        cfg: A checked config.
        data: The visible days as they are.
        found: What :func:`recompute` returned.
    """
    if not found.done:
        said = f"could not be run on another future ({found.refusals[0]}): rely on the other checks"
        yield Finding(CHECK, data.source.name, Verdict.WARNING, said)
        return
    moved: dict[str, Finding] = {}
    for again in found.done:
        for name, evidence in _moved(data, again):
            moved.setdefault(name, Finding(CHECK, name, Verdict.LEAK, evidence))
    if moved and not _repeats(cfg, data):
        said = "gives other values each time it is run: seed it, then run this again"
        yield Finding(CHECK, data.source.name, Verdict.WARNING, said)
        return
    yield from moved.values()
    columns = _columns(data)
    if untouched := sorted(_untouched(data, found.done) - moved.keys()):
        said = (
            "has the same values after the day when everything that pandas reads is another: it "
            "comes of the dates alone, or is read in another way: rely on the other checks"
        )
        for name in untouched:
            yield Finding(CHECK, name, Verdict.WARNING, said)
    if still := [name for name in columns if name not in moved and name not in untouched]:
        ways = ", ".join(dict.fromkeys(again.how for again in found.done))
        said = f"bit-identical up to {len(found.done)} days after which everything was {ways}"
        if cfg.data["_target_"] == STORED:
            said += "; they stand in the file, so this says nothing of how they were computed"
        many = f"{len(still)} column{'s' if len(still) > 1 else ''}"
        yield Finding(CHECK, many, Verdict.PASSED, said)
    if found.refusals:
        said = f"{len(found.refusals)} other futures were refused: {found.refusals[0]}"
        yield Finding(CHECK, data.source.name, Verdict.NOTE, said)


def _columns(data: MarketData) -> dict[str, NDArray[np.float64]]:
    return price_columns(data) | observed_columns(data)


def _untouched(data: MarketData, done: Sequence[Recomputation]) -> set[str]:
    """Return the columns, but for constant ones, whose own future was never another."""
    found = {name for name, values in _columns(data).items() if np.ptp(values)}
    for again in done:
        if again.how == CUT_OFF or again.panel.tickers != data.tickers:
            return set()
        later = data.dates[again.day + 1 :]
        shared = later[np.isin(later, again.panel.dates)]
        before, after = (
            {name: values[np.isin(panel.dates, shared)] for name, values in _columns(panel).items()}
            for panel in (data, again.panel)
        )
        found &= {
            name for name in before if name in after and np.array_equal(before[name], after[name])
        }
    return found


def _moved(data: MarketData, again: Recomputation) -> Iterator[tuple[str, str]]:
    last = data.dates[again.day]
    past = data.dates[: again.day + 1]
    # A source that was cut off was not split: its first days may not be those of training.
    kept = (again.panel.dates >= past[0]) & (again.panel.dates <= last)
    if not np.array_equal(again.panel.dates[kept], past) or again.panel.tickers != data.tickers:
        yield "dates", f"days or tickers up to {last} are others when later ones are {again.how}"
        return
    recomputed = _columns(again.panel)
    for name, values in _columns(data).items():
        before = values[: again.day + 1]
        after = recomputed[name][kept] if name in recomputed else np.full_like(before, np.nan)
        differs = before != after
        if differs.any():
            yield name, _evidence(data, again, before, after, differs.any(axis=1))


def _evidence(
    data: MarketData,
    again: Recomputation,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    rows: NDArray[np.bool_],
) -> str:
    days = np.flatnonzero(rows)
    ahead = again.day + 1 - int(days[0])
    reach = (
        "on every day" if rows.all() else f"up to {ahead} period{'s' if ahead > 1 else ''} ahead"
    )
    row = int(days[-1])
    stock = int(np.flatnonzero(before[row] != after[row])[0])
    whose = f" {data.tickers[stock]}" if before.shape[1] > 1 else ""
    names = data.day_names
    return (
        f"looks {reach}: {names[row]}{whose} moves from {before[row, stock]:g} to "
        f"{after[row, stock]:g} when days after {names[again.day]} are {again.how}"
    ).replace("looks on every day", "knows the whole data")


def _repeats(cfg: DictConfig, data: MarketData) -> bool:
    again = _columns(visible(load_split(cfg, cached=False)))
    return all(np.array_equal(values, again[name]) for name, values in _columns(data).items())

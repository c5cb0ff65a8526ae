"""The first training on a prepared file: its settings, and what it would say before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hydra
import numpy as np
from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.config.check import check
from finai_rl.config.overrides import override
from finai_rl.data.listings.universe import MASK
from finai_rl.data.preparation.raw_prices import COLUMNS
from finai_rl.data.sentiment.columns import names_sentiment
from finai_rl.data.sources.processed_columns import LAYOUT, RISKS
from finai_rl.errors import ConfigError, InputError
from finai_rl.evaluation.coverage import Coverage
from finai_rl.experiment.backtests.baselines import equal_weight, remedy_of
from finai_rl.experiment.environments import Environments, Opening
from finai_rl.experiment.market import load_market
from finai_rl.statistics.periods import (
    TOLERANCE,
    periods_a_year,
    suits_dates,
    usual_periods_a_year,
)

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split

SHARES = ((0.6, 0.2), (0.5, 0.25), (0.34, 0.33), (0.4, 0.6))
"""Splits for a history that the default one cuts too short: train and validation, then test."""

TO_VALIDATE = 3
"""Days of a validation block from which on its returns vary: a Sharpe ratio needs two of them."""

SHARES_TO_BUY = 100
"""How many shares of the dearest stock an account that is made larger can buy: ``env.hmax``."""


@dataclass(frozen=True)
class FirstTraining:
    """The command line of a training on a prepared file, rehearsed up to its start.

    Attributes:
        overrides: Settings, beside which those of ``conf/train.yaml`` hold.
        caveats: What the training says of its data, one sentence each.
        remarks: Why there are settings that the file alone does not ask for.
        refusal: What the training is refused with; None where it starts.

    Example:
        >>> FirstTraining(("data=processed_csv", "data.path=my.csv")).refusal is None
        True
    """

    overrides: tuple[str, ...]
    caveats: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    refusal: str | None = None


def first_training(manifest: Mapping[str, Any]) -> FirstTraining:
    """Rehearse a training: load the file as it would, and choose settings that let it start.

    Hydra has to be initialized with ``conf``.

    Args:
        manifest: Of the prepared file.
    """
    words = data_overrides(manifest["output"], manifest["settings"])
    remarks = list(_unused(manifest["output"]["columns"], words))
    caveats: tuple[str, ...] = ()
    try:
        cfg = _composed(words)
        market = load_market(cfg)
        caveats = market.source.caveats
        for choose in (_split, _periods, _amount):
            found = choose(cfg, market)
            words += found[0]
            remarks += found[1]
            cfg = _composed(words)
        _check(cfg, market)
    except InputError as error:
        return FirstTraining(tuple(words), caveats, tuple(remarks), str(error))
    return FirstTraining(tuple(words), caveats, tuple(remarks))


def data_overrides(output: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Return the settings that make each column of a prepared file what it was prepared as.

    Args:
        output: ``output`` of the manifest.
        settings: ``settings`` of the manifest.
    """
    columns, features = list(output["columns"]), list(output["features"])
    series = list(settings.get("market_series") or {})
    known = {*COLUMNS, "day", "turbulence", *features, *series}
    scores = [name for name in columns if name not in known]
    risk = next((name for name in ("turbulence", "vix") if _offers(name, columns, features)), None)
    words = ["data=processed_csv", override("data.path", output["path"])]
    if calendar := (settings.get("raw") or {}).get("calendar"):
        words.append(override("data.calendar", calendar))
    if (settings.get("raw") or {}).get("universe") == MASK:
        words.append(override("data.universe", MASK))
    words += [override("data.risk", risk)] if risk else []
    by_name = [
        name
        for name in columns
        if name not in {*LAYOUT, *RISKS, *scores, risk} and not names_sentiment(name)
    ]
    wanted = [*features, *(name for name in series if name not in {*RISKS, risk})]
    if sorted(by_name) != sorted(wanted):
        words.append(override("data.indicators", wanted))
    return words + _sentiment_overrides(columns, scores)


def _offers(risk: str, columns: Sequence[str], features: Sequence[str]) -> bool:
    return risk in columns and risk not in features


def _sentiment_overrides(columns: Sequence[str], scores: Sequence[str]) -> list[str]:
    by_name = [name for name in columns if names_sentiment(name)]
    shown = [name for name in scores if name != "llm_risk"]
    words = []
    if not scores:
        return ["data.sentiment=null"] if by_name else []
    if by_name != shown:
        words.append(override("data.sentiment.columns", shown))
    if "llm_risk" in scores:
        words.append("data.sentiment.risk_column=llm_risk")
    return [*words, "env.sentiment=true"]


def _unused(columns: Sequence[str], words: Sequence[str]) -> list[str]:
    if "vix" in columns and "data.risk=turbulence" in words:
        return ["The command uses turbulence as its risk index; data.risk=vix takes vix instead."]
    return []


def _composed(words: Sequence[str]) -> DictConfig:
    return check(hydra.compose("train", list(words)))


def _split(cfg: DictConfig, market: MarketData) -> tuple[list[str], list[str]]:
    if _is_long_enough(cfg, market):
        return [], []
    for train, validation in SHARES:
        words = [override("split.train", train), override("split.validation", validation)]
        if _is_long_enough(_composed(words), market):
            without = "" if train + validation < 1 else ", without a test block"
            said = f"The {market.n_days} dates are few: the command cuts them otherwise than the "
            return words, [f"{said}default split does (train {cfg.split.train:g}){without}."]
    raise InputError(
        f"{market.n_days} dates are too few: training needs 2, and validation {TO_VALIDATE}"
    )


def _is_long_enough(cfg: DictConfig, market: MarketData) -> bool:
    try:
        return _validation(cfg, market).n_days >= TO_VALIDATE
    except InputError:
        return False


def _periods(cfg: DictConfig, market: MarketData) -> tuple[list[str], list[str]]:
    usual, assumed = usual_periods_a_year(market.dates), cfg.evaluation.periods_per_year
    if usual == assumed:
        return [], []
    said = f"A year has about {usual} of these periods, and not {assumed}: the command says so."
    least, most = periods_a_year(market.dates)
    if most > TOLERANCE * least:
        said += (
            f" Dates of so few days do not show it (it is {least:.0f} to {most:.0f}): correct it."
        )
    return [override("evaluation.periods_per_year", usual)], [said]


def _amount(cfg: DictConfig, market: MarketData) -> tuple[list[str], list[str]]:
    block, amount = _validation(cfg, market), cfg.env.initial_amount
    environments = Environments(cfg)
    try:
        baseline = equal_weight(environments, block, Opening(amount, (0.0,) * block.n_stocks))
    except ConfigError:
        dearest = float(block.close[0].max()) * block.n_stocks * SHARES_TO_BUY
        enough = 10 ** int(np.ceil(np.log10(dearest)))
        said = f"env.initial_amount={amount} does not buy one share of any stock: the command sets "
        return [override("env.initial_amount", enough)], [f"{said}{enough}."]
    coverage = Coverage.of(baseline, block.listed)
    if coverage.is_whole:
        return [], []
    return [], [f"{coverage.shortfall}: {remedy_of(environments, baseline, coverage)}."]


def _validation(cfg: DictConfig, market: MarketData) -> MarketData:
    split: Split = build(cfg.split, "split", market)
    return split.validation


def _check(cfg: DictConfig, market: MarketData) -> None:
    """Refuse what `Holdout` refuses of the block that it backtests on."""
    block = _validation(cfg, market)
    if not suits_dates(cfg.evaluation.periods_per_year, block.dates):
        raise InputError(
            f"evaluation.periods_per_year: {cfg.evaluation.periods_per_year} does not suit the "
            f"validation block, {block.span}: more dates would show how many there are"
        )

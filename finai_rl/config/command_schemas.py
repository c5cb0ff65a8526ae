"""Names and types of the settings of every command but ``train``.

Values live in ``conf/`` only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from finai_rl.config.bounds import (
    MOST_THREADS,
    a_place,
    above,
    annual_rate,
    at_least,
    between,
    filled,
    model_alias,
    model_name,
    one_of,
    random_seed,
)
from finai_rl.config.companions import CONDITIONS, Condition, acts, beside, never
from finai_rl.config.data_schemas import UNIVERSES, Scores

GATES = acts(beside("gates", True))
"""What the checks of ``verify`` that train agents use, and no other."""


@dataclass
class Information:
    """``information`` of ``conf/verify.yaml``."""

    threshold: float = field(metadata=between(0, 1))
    significance: float = field(metadata=between(0, 1))
    horizons: int = field(metadata=at_least(1))


@dataclass
class Verify:
    """Top level of ``conf/verify.yaml``; groups are checked on their own."""

    data: Any
    split: Any
    env: Any
    agent: Any = field(metadata=GATES)
    network: Any
    evaluation: Any
    seed: int = field(metadata=random_seed())
    days: int = field(metadata=at_least(1))
    shifts: int = field(metadata=at_least(1))
    information: Information
    gates: bool
    total_timesteps: int = field(metadata=at_least(1) | GATES)
    torch_threads: int = field(metadata=at_least(1, below=MOST_THREADS))
    trusted_packages: list[str]
    output_root: str = field(metadata=a_place())


@dataclass
class RawPrices:
    """``raw`` of ``conf/prepare.yaml``."""

    path: str = field(metadata=a_place())
    columns: Any
    tic: str | None
    separator: str | None
    decimal: str | None = field(metadata=one_of(".", ","))
    encoding: str | None
    date_format: str | None
    zone: str | None
    wide: str | None = field(metadata=one_of("open", "high", "low", "close", "adj_close"))
    calendar: str | None
    adjust: str = field(metadata=one_of("auto", "never"))
    splits: list[str]
    universe: str = field(metadata=one_of(*UNIVERSES))
    on_bad: str = field(metadata=one_of("error", "missing"))
    on_missing: str = field(metadata=one_of("error", "drop_ticker", "forward_fill"))


@dataclass
class JoinedSentiment:
    """``sentiment`` of ``prepare``."""

    scores: Scores


@dataclass
class Prepare:
    """Top level of ``conf/prepare.yaml``."""

    raw: RawPrices
    output: str = field(metadata=a_place())
    overwrite: bool
    indicators: list[str]
    turbulence: int | None = field(metadata=at_least(2))
    market_series: dict[str, Any] | None
    features: Any
    sentiment: JoinedSentiment | None
    warm_up: str = field(metadata=one_of("drop", "keep"))
    trusted_packages: list[str]
    output_root: str = field(metadata=a_place())


@dataclass
class TrackingStore:
    """``tracking`` of ``conf/evaluate.yaml``."""

    uri: str = field(metadata=a_place())


BESIDE_RAW = acts(beside(".raw"))


@dataclass
class NewerFiles:
    """``prepare`` of ``conf/decide.yaml``, ``conf/paper.yaml`` and ``conf/evaluate.yaml``."""

    raw: str | None
    scores: str | None = field(metadata=BESIDE_RAW)
    market_series: dict[str, str] | None = field(metadata=BESIDE_RAW)


OF_NEWER = acts(beside("block", "newer"))


@dataclass
class Evaluate:
    """Top level of ``conf/evaluate.yaml``."""

    run_id: str | None
    model: str | None
    block: str = field(metadata=one_of("validation", "test", "newer"))
    data: Any = field(metadata=OF_NEWER)
    prepare: NewerFiles = field(metadata=OF_NEWER)
    baselines: list[str]
    random_agents: int = field(metadata=at_least(0))
    cost_multipliers: list[float] = field(metadata=at_least(0))
    permutations: int = field(metadata=at_least(0))
    response_days: int = field(metadata=at_least(0))
    attribution_days: int = field(metadata=at_least(0))
    seed: int = field(metadata=random_seed())
    tracking: TrackingStore
    output_root: str = field(metadata=a_place())
    trusted_packages: list[str]


@dataclass
class Decide:
    """Top level of ``conf/decide.yaml``."""

    run_id: str | None
    model: str | None
    data: Any
    prepare: NewerFiles
    day: str | None
    account_start: str | None
    positions: str | None = field(metadata=a_place())
    cash: float | None = field(metadata=acts(beside(".positions")))
    rescaled: bool
    tracking: TrackingStore
    output_root: str = field(metadata=a_place())
    trusted_packages: list[str]


@dataclass
class Paper:
    """Top level of ``conf/paper.yaml``."""

    account: str = field(metadata=a_place())
    run_id: str | None
    model: str | None
    data: Any
    prepare: NewerFiles
    account_start: str | None
    delisted: list[str]
    rescaled: bool
    report: bool
    tracking: TrackingStore
    output_root: str = field(metadata=a_place())
    trusted_packages: list[str]


CHECKED = acts(beside(".check", True))


@dataclass
class BetterGate:
    """``promotion.better``."""

    check: bool
    least: float = field(metadata=CHECKED)


@dataclass
class DeflatedSharpeGate:
    """``promotion.deflated_sharpe``."""

    check: bool
    least: float = field(metadata=between(0, 1) | CHECKED)


@dataclass
class CostsGate:
    """``promotion.costs``."""

    check: bool
    multiplier: float = field(metadata=above(1) | CHECKED)
    least: float = field(metadata=CHECKED)


@dataclass
class LeakageGate:
    """``promotion.leakage``."""

    check: bool


@dataclass
class DataVersionGate:
    """``promotion.data_version``."""

    check: bool
    least: str = field(metadata=one_of("sha256", "committed") | CHECKED)


@dataclass
class Gates:
    """``conf/promotion/``."""

    better: BetterGate
    deflated_sharpe: DeflatedSharpeGate
    costs: CostsGate
    leakage: LeakageGate
    data_version: DataVersionGate


@dataclass
class Promote:
    """Top level of ``conf/promote.yaml``."""

    promotion: Gates
    run_id: str | None
    model: str | None
    name: str | None = field(metadata=model_name())
    alias: str = field(metadata=model_alias())
    rollback: bool
    open_test: bool
    seed: int = field(metadata=random_seed())
    tracking: TrackingStore
    output_root: str = field(metadata=a_place())


@dataclass
class Compare:
    """Top level of ``conf/compare.yaml``."""

    tracking: TrackingStore
    experiment_name: str = field(metadata=filled(500))
    by: list[str]
    filter: str | None
    parent: str | None
    periods_per_year: int = field(metadata=at_least(1))
    risk_free: float | None = field(metadata=annual_rate())
    seed: int = field(metadata=random_seed())
    output_root: str = field(metadata=a_place())


IN_VERIFY: dict[str, tuple[Condition, ...]] = {
    **dict.fromkeys(
        (
            "env.record",
            "env.reward_scaling",
            "env.norm_reward",
            "env.clip_reward",
        ),
        GATES[CONDITIONS],
    ),
    "network.*": GATES[CONDITIONS],
    "evaluation.periods_per_year": (never("in verify, which annualizes nothing"),),
    "evaluation.risk_free": (never("in verify, which annualizes nothing"),),
    "evaluation.warm_start": (never("in verify, which trains no folds"),),
    "data.cache": (never("in verify, which loads the data from its source"),),
}
"""What acts otherwise in ``verify`` than in ``train``: rewards, networks and metrics."""

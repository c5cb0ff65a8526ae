"""Schemas match what they stand for, and bound what it would refuse."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Sequence
from typing import Any, cast, get_args, get_type_hints

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import command_schemas, data_schemas, env_schemas, reward_schemas, schemas
from finai_rl.config.bounds import BOUNDS
from finai_rl.config.check import check, nested_schema
from finai_rl.config.env_schemas import EDITION, WRAPPER, settings_with
from finai_rl.data.listings.universe import UNIVERSES
from finai_rl.data.sentiment import settings as sentiment
from finai_rl.data.sources.downloads.alpaca import FEEDS
from finai_rl.data.sources.synthetic_settings import KINDS
from finai_rl.data.tables.repairs import RULES
from finai_rl.envs.action_modulation import STRENGTHS
from finai_rl.envs.observations import OBSERVATIONS
from finai_rl.envs.terms import FILLS, MAPPINGS
from finai_rl.errors import ConfigError
from finai_rl.experiment.market import CACHE
from tests.config.composition import SCHEMAS, composed

NESTED = {
    (target, name): nested
    for target, schema in schemas.BY_TARGET.items()
    for name, hint in get_type_hints(schema).items()
    if (nested := nested_schema(hint))
}


@pytest.mark.parametrize("target", sorted(schemas.BY_TARGET))
def test_schemas_match_the_signatures_they_stand_for(target: str) -> None:
    fields = {field.name for field in dataclasses.fields(schemas.BY_TARGET[target])}
    parameters = set(inspect.signature(hydra.utils.get_object(target)).parameters)
    if target.startswith("finai_rl.envs.") and not target.startswith("finai_rl.envs.rewards."):
        assert set(settings_with(WRAPPER)) <= fields
        fields -= {*settings_with(WRAPPER), *settings_with(EDITION)}
    if target.startswith("finai_rl.data."):
        fields -= {CACHE}
    given_by_code = {"data", "seed", "reward", "description", "tags", "run_id"}
    given_by_code |= {"observation_space", "n_stocks", "window", "cash_action"}
    assert fields == parameters - (given_by_code - fields) - {"self"}


def settings_class(target: str, name: str) -> type:
    """Return the dataclass that a setting of several keys becomes."""
    hint = get_type_hints(hydra.utils.get_object(target))[name]
    (found,) = (kind for kind in get_args(hint) if dataclasses.is_dataclass(kind))
    return cast(type, found)


@pytest.mark.parametrize(("target", "name"), sorted(NESTED))
def test_nested_schemas_match_the_settings_they_stand_for(target: str, name: str) -> None:
    fields = {field.name for field in dataclasses.fields(NESTED[target, name])}
    assert fields == {field.name for field in dataclasses.fields(settings_class(target, name))}


@pytest.mark.parametrize("choice", ["sp500", "processed_csv"])
def test_nested_settings_have_their_defaults_in_the_config(choice: str) -> None:
    node = check(composed(f"data={choice}")).data
    settings = OmegaConf.to_container(node.sentiment)
    assert settings == dataclasses.asdict(settings_class(node._target_, "sentiment")())


COUNT = (1, 0, "must be at least 1, got 0")
NOT_NEGATIVE = (0, -1, "must be at least 0, got -1")
POSITIVE = (1e-6, 0.0, "must be above 0, got 0.0")
SHARE = (0.5, 1.5, "must lie between 0 and 1, got 1.5")
UP_TO_ONE = (0.0, 1.0, "must be below 1, got 1.0")
RATE = (-0.5, -1.0, "must be an annual rate, got -1.0")
SEED = (2**32 - 1, 2**32, "must be below 4294967296, got 4294967296")
DAY = ("2012-01-03", "2012-01", "must be a full ISO date such as 2019-12-31, got '2012-01'")
PER_STOCK = ({"AAPL": 0, "JPM": 3.5}, [0, -1.0], "[1]: must be at least 0, got -1.0")
UNIVERSE = (
    "common_period",
    "mine",
    "must be all or common_period or common_tickers or mask, got 'mine'",
)
ON_BAD = ("missing", "x", "must be error or missing, got 'x'")
ON_MISSING = ("drop_ticker", "fill", "must be error or drop_ticker or forward_fill, got 'fill'")
PLACE = ("somewhere", "", "must name a file or folder, got ''")
ROOT = {"output_root": PLACE}
DOWNLOADED = {
    "folder": PLACE,
    "on_missing": ON_MISSING,
    "universe": UNIVERSE,
    "start": DAY,
    "end": DAY,
}
COST = ({"AAPL": 0.0, "JPM": 0.5}, {"AAPL": 1.0}, "AAPL: must be below 1, got 1.0")
TERMS = {
    "buy_cost_pct": COST,
    "sell_cost_pct": COST,
    "n_envs": COUNT,
    "initial_amount": NOT_NEGATIVE,
    "reward_scaling": POSITIVE,
    "num_stock_shares": PER_STOCK,
    "sentiment": ("shuffled", "some", "must be true or false or shuffled, got 'some'"),
    "window": COUNT,
    "clip_obs": POSITIVE,
    "clip_reward": POSITIVE,
}
Case = tuple[type, str, str]
BOUNDED: dict[Case, dict[str, tuple[object, object, str]]] = {
    (schemas.Train, "train", ""): {
        "seed": SEED,
        "seeds": ([0, 1], [0, -1], "[1]: must be at least 0, got -1"),
        "total_timesteps": COUNT,
        "total_episodes": COUNT,
        "checkpoint_every": COUNT,
        "checkpoints_kept": COUNT,
        "log_interval": COUNT,
        "torch_threads": COUNT,
        **ROOT,
        "model_dir": PLACE,
        "on_divergence": ("continue", "halt", "must be stop or continue, got 'halt'"),
    },
    (schemas.MLflow, "train", "tracking."): {
        "experiment_name": ("x" * 500, " ", "must be a name of 1 to 500 characters, got ' '"),
        "uri": PLACE,
        "run_name": ("x" * 500, " ", "must be a name of 1 to 500 characters, got ' '"),
        "registered_model_name": ("my agent", "my/agent", "takes, without '/' and ':', got 'my/"),
        "on_outage": ("buffer", "wait", "must be error or buffer, got 'wait'"),
        "heartbeat_minutes": (5.0, 0.5, "must be at least 1, got 0.5"),
    },
    (schemas.Sweep, "train", "sweep."): {
        "seeds": COUNT,
        "aggregate": ("iqm", "best", "must be mean or iqm, got 'best'"),
        "evaluations": NOT_NEGATIVE,
        "alias": ("best-1", "v1", "neither latest nor a version such as v3, got 'v1'"),
        "trial": NOT_NEGATIVE,
        "attempt": COUNT,
    },
    (schemas.Rolling, "train split=rolling", "split."): {
        "fold": NOT_NEGATIVE,
        "n_folds": COUNT,
        "validation_days": (2, 1, "must be at least 2, got 1"),
        "trade_days": (2, 1, "must be at least 2, got 1"),
        "test": UP_TO_ONE,
    },
    (schemas.Ensemble, "train", "ensemble."): {
        "combine": ("average", "worst", "average or risk_weighted, got 'worst'"),
    },
    (schemas.Clone, "train", "clone."): {
        "rule": ("momentum", "cash", "hierarchical_risk_parity or momentum, got 'cash'"),
        "every": COUNT,
        "window": (2, 1, "must be at least 2, got 1"),
        "tolerance": SHARE,
        "epochs": COUNT,
    },
    (command_schemas.Promote, "promote", ""): {
        **ROOT,
        "name": ("my agent", "my/agent", "takes, without '/' and ':', got 'my/"),
        "alias": ("best-1", "v1", "neither latest nor a version such as v3, got 'v1'"),
        "seed": SEED,
    },
    (command_schemas.DeflatedSharpeGate, "promote", "promotion.deflated_sharpe."): {
        "least": SHARE,
    },
    (command_schemas.CostsGate, "promote", "promotion.costs."): {
        "multiplier": (1.5, 1.0, "must be above 1, got 1.0"),
    },
    (command_schemas.DataVersionGate, "promote", "promotion.data_version."): {
        "least": ("committed", "some", "must be sha256 or committed, got 'some'"),
    },
    (command_schemas.Verify, "verify", ""): {
        **ROOT,
        "seed": SEED,
        "days": COUNT,
        "shifts": COUNT,
        "total_timesteps": COUNT,
        "torch_threads": COUNT,
    },
    (command_schemas.Information, "verify", "information."): {
        "threshold": SHARE,
        "significance": SHARE,
        "horizons": COUNT,
    },
    (command_schemas.Prepare, "prepare raw.path=a.csv", ""): {
        **ROOT,
        "output": PLACE,
        "turbulence": (2, 1, "must be at least 2, got 1"),
        "warm_up": ("keep", "some", "must be drop or keep, got 'some'"),
    },
    (command_schemas.RawPrices, "prepare raw.path=a.csv", "raw."): {
        "path": PLACE,
        "adjust": ("never", "always", "must be auto or never, got 'always'"),
        "on_missing": ON_MISSING,
        "on_bad": ON_BAD,
        "universe": UNIVERSE,
        "decimal": (",", ";", "must be . or ,, got ';'"),
        "wide": ("close", "x", "must be open or high or low or close or adj_close, got 'x'"),
    },
    (data_schemas.Scores, "prepare raw.path=a.csv", "sentiment.scores."): {
        "path": PLACE,
        "date_only": ("before_close", "x", "must be end_of_date or before_close, got 'x'"),
        "aggregate": ("last", "x", "must be mean or last or sum or max or min or count, got 'x'"),
        "half_life": POSITIVE,
        "max_age": NOT_NEGATIVE,
        "missing": ("drop", "x", "must be error or drop, got 'x'"),
        "duplicates": ("drop", "x", "must be keep or drop, got 'x'"),
        "lexicon": ("vader", "x", "must be vader, got 'x'"),
    },
    (command_schemas.Evaluate, "evaluate", ""): {
        **ROOT,
        "permutations": NOT_NEGATIVE,
        "response_days": NOT_NEGATIVE,
        "attribution_days": NOT_NEGATIVE,
        "block": ("test", "train", "must be validation or test or newer, got 'train'"),
        "random_agents": NOT_NEGATIVE,
        "cost_multipliers": ([0.0, 2.0], [-1.0], "[0]: must be at least 0, got -1.0"),
        "seed": SEED,
    },
    (command_schemas.Compare, "compare", ""): {
        **ROOT,
        "experiment_name": ("x", "", "must be a name of 1 to 500 characters, got ''"),
        "periods_per_year": COUNT,
        "risk_free": RATE,
        "seed": SEED,
    },
    (command_schemas.TrackingStore, "evaluate", "tracking."): {"uri": PLACE},
    (command_schemas.Decide, "decide", ""): {**ROOT, "positions": PLACE},
    (command_schemas.Paper, "paper account=mine", ""): {**ROOT, "account": PLACE},
    (schemas.Evaluation, "train", "evaluation."): {"periods_per_year": COUNT, "risk_free": RATE},
    (schemas.Portfolio, "train env=portfolio", "env."): {
        **TERMS,
        "slippage_bps": (9_999.0, 10_000.0, "must be below 10000, got 10000.0"),
        "impact": NOT_NEGATIVE,
        "fill": ("next_open", "x", "must be same_close or next_open or next_close, got 'x'"),
        "borrow_rate": PER_STOCK,
        "initial_margin": NOT_NEGATIVE,
        "maintenance_margin": NOT_NEGATIVE,
        "delisting_loss": (1.0, 1.5, "must be from 0 to 1, got 1.5"),
        "threads": COUNT,
        "backend": ("torch", "gpu", "must be compiled or torch, got 'gpu'"),
        "precision": ("float32", "half", "must be float64 or float32, got 'half'"),
        "episode_days": (2, 1, "must be at least 2, got 1"),
        "horizons": ([1], [0, 1], "[0]: must be at least 1, got 0"),
        "observation": ("ranks", "x", "must be finrl or relative or ranks, got 'x'"),
        "weights": ("softmax", "x", "must be linear or softmax, got 'x'"),
        "temperature": (0.01, 0.001, "must be at least 0.01, got 0.001"),
    },
    (schemas.StockTrading, "train", "env."): {
        "hmax": COUNT,
        "max_order": POSITIVE,
        "sentiment_modulation": ("finrl_deepseek_1", "x", "finrl_deepseek_01, got 'x'"),
    },
    (schemas.FinRLStockTrading, "train env=finrl", "env."): {**TERMS, "hmax": COUNT},
    (schemas.Scaled, "train reward=log_return", "reward."): {"scale": POSITIVE},
    (schemas.ExcessReturn, "train reward=excess_return", "reward."): {
        "risk_aversion": NOT_NEGATIVE,
    },
    (schemas.MeanVariance, "train reward=mean_variance", "reward."): {
        "risk_aversion": NOT_NEGATIVE,
        "decay": SHARE,
    },
    (schemas.DifferentialRatio, "train reward=differential_sharpe", "reward."): {
        "decay": SHARE,
        "volatility": POSITIVE,
    },
    (schemas.Penalized, "train reward=turnover_penalty", "reward."): {"penalty": NOT_NEGATIVE},
    (schemas.PerStock, "train network=per_stock", "network."): {"d_model": COUNT},
    (schemas.Attention, "train network=attention", "network."): {
        "d_model": COUNT,
        "n_heads": COUNT,
        "n_layers": COUNT,
    },
    (schemas.Window, "train network=gru", "network."): {"hidden_size": COUNT, "n_layers": COUNT},
    (schemas.Sp500, "train", "data."): {
        "risk": ("turbulence", "vix", "must be turbulence, got 'vix'"),
        "start": DAY,
        "end": DAY,
    },
    (data_schemas.SimulatedSentiment, "train", "data.sentiment."): {
        "source": ("simulated", "news", "must be simulated, got 'news'"),
        "noise": NOT_NEGATIVE,
        "lag": NOT_NEGATIVE,
        "seed": SEED,
    },
    (schemas.ProcessedCsv, "train data=processed_csv", "data."): {
        "path": PLACE,
        "rev_cache": PLACE,
        "on_missing": ON_MISSING,
        "on_bad": ON_BAD,
        "universe": UNIVERSE,
        "outlier_return": POSITIVE,
    },
    (data_schemas.SentimentColumns, "train data=processed_csv", "data.sentiment."): {
        "lag": NOT_NEGATIVE,
    },
    (schemas.SplitByFraction, "train", "split."): {"train": SHARE, "validation": SHARE},
    (schemas.SplitByDates, "train split=dates", "split."): {
        "train_start": DAY,
        "validation_start": ("2013-01-01", "2013", "must be a full ISO date such as 2019-12-31"),
        "test_start": ("2014-01-01", "2014-02-30", "must be a full ISO date such as 2019-12-31"),
        "test_end": ("2015-01-01", "01.01.2015", "must be a full ISO date such as 2019-12-31"),
    },
    (schemas.Yahoo, "train data=yahoo", "data."): DOWNLOADED,
    (schemas.Alpaca, "train data=alpaca", "data."): {
        **DOWNLOADED,
        "feed": ("iex", "otc", "must be sip or iex, got 'otc'"),
    },
    (schemas.Ccxt, "train data=ccxt", "data."): DOWNLOADED,
    (schemas.Wrds, "train data=wrds", "data."): DOWNLOADED,
    (schemas.Synthetic, "train data=synthetic", "data."): {
        "kind": ("pair", "x", "must be noise or momentum or sentiment or regimes or mean_rev"),
        "n_days": (2, 1, "must be at least 2, got 1"),
        "n_stocks": COUNT,
        "n_features": NOT_NEGATIVE,
        "volatility": (9.9, 0.0, "must lie between 0 and 10, got 0.0"),
        "correlation": UP_TO_ONE,
        "persistence": UP_TO_ONE,
        "sharpe_ratio": NOT_NEGATIVE,
        "start": DAY,
        "seed": SEED,
    },
    (schemas.WalkForward, "train split=walk_forward", "split."): {
        "fold": NOT_NEGATIVE,
        "n_folds": COUNT,
        "train": SHARE,
        "test": UP_TO_ONE,
        "purge": NOT_NEGATIVE,
    },
    (schemas.Combinatorial, "train split=cpcv", "split."): {
        "fold": NOT_NEGATIVE,
        "n_folds": (3, 2, "must be at least 3, got 2"),
        "n_validation_folds": (2, 1, "must be at least 2, got 1"),
        "purge": NOT_NEGATIVE,
        "embargo": NOT_NEGATIVE,
        "test": UP_TO_ONE,
    },
}
"""By schema, command and place: a value at the bound, one beyond it, and what is said of that."""


def _check(case: Case, values: dict[str, object]) -> DictConfig:
    _, command, place = case
    name, *overrides = command.split()
    cfg = composed(*overrides, command=name)
    for field, value in values.items():
        OmegaConf.update(cfg, place + field, value, merge=False, force_add=True)
    return check(cfg, SCHEMAS[name])


@functools.cache
def _refusal(case: Case) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        _check(case, {name: outside for name, (_, outside, _) in BOUNDED[case].items()})
    # What another group takes from it, as a batch size from env.n_envs, is refused there too.
    return [line for line in str(refusal.value).splitlines() if line.startswith(f"  - {case[2]}")]


@pytest.mark.parametrize("case", BOUNDED, ids=lambda case: case[0].__name__)
def test_values_at_their_bounds_pass(case: Case) -> None:
    values = {name: within for name, (within, _, _) in BOUNDED[case].items()}
    checked = _check(case, values)
    assert {name: OmegaConf.select(checked, case[2] + name) for name in values} == values


@pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(case, name, id=f"{case[0].__name__}.{name}")
        for case, fields in BOUNDED.items()
        for name in fields
    ],
)
def test_a_value_out_of_bounds_is_refused_with_all_others(case: Case, name: str) -> None:
    said = BOUNDED[case][name][2]
    (problem,) = [line for line in _refusal(case) if re.match(rf"  - {case[2]}{name}\b", line)]
    assert said in problem
    assert len(_refusal(case)) == len(BOUNDED[case])


def test_every_bound_is_tried() -> None:
    rooms = [
        vars(module).values()
        for module in (schemas, command_schemas, data_schemas, env_schemas, reward_schemas)
    ]
    given = {
        kind
        for room in rooms
        for kind in room
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    }
    bounded = {
        (_owner(schema, field.name), field.name)
        for schema in given
        for field in dataclasses.fields(schema)
        if BOUNDS in field.metadata
    }
    tried = {
        (_owner(schema, name), name)
        for (schema, _, _), fields in BOUNDED.items()
        for name in fields
    }
    assert bounded == tried


def _owner(schema: type, name: str) -> type:
    """The class that a field was written in, which its heirs share."""
    return next(kind for kind in schema.__mro__ if name in vars(kind).get("__annotations__", {}))


@pytest.mark.parametrize(
    ("schema", "name", "known"),
    [
        (schemas.Portfolio, "fill", FILLS),
        (schemas.Portfolio, "observation", OBSERVATIONS),
        (schemas.Portfolio, "weights", MAPPINGS),
        (schemas.StockTrading, "sentiment_modulation", STRENGTHS),
        (schemas.Synthetic, "kind", KINDS),
        (schemas.ProcessedCsv, "on_missing", RULES),
        (schemas.Yahoo, "on_missing", RULES),
        (schemas.Yahoo, "universe", UNIVERSES),
        (schemas.Alpaca, "universe", UNIVERSES),
        (schemas.Alpaca, "feed", FEEDS),
        (schemas.Ccxt, "universe", UNIVERSES),
        (schemas.Wrds, "universe", UNIVERSES),
        (schemas.ProcessedCsv, "universe", UNIVERSES),
        (command_schemas.RawPrices, "universe", UNIVERSES),
        (command_schemas.RawPrices, "on_missing", RULES),
        (data_schemas.Scores, "aggregate", sentiment.AGGREGATES),
        (data_schemas.Scores, "date_only", sentiment.DATE_ONLY),
        (data_schemas.Scores, "lexicon", sentiment.LEXICONS),
    ],
)
def test_names_are_those_of_what_the_schema_stands_for(
    schema: type[Any], name: str, known: Sequence[str]
) -> None:
    (bound,) = schema.__dataclass_fields__[name].metadata[BOUNDS]
    assert bound.wording == f"be {' or '.join(known)}"
    assert all(map(bound.holds, known))

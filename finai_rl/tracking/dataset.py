"""A market panel as the MLflow dataset that a run names as its input."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from finai_rl.tracking.provenance import data_version_tags

if TYPE_CHECKING:
    from finai_rl.data.market import DataSource, MarketData

# Width of the column in MLflow's database.
_DIGEST_WIDTH = 36


def dataset_entry(data: MarketData, context: str) -> dict[str, Any]:
    """Return a panel as an input of a run: the fields of MLflow's dataset, and its tags.

    MLflow keeps one dataset per name and digest in an experiment, and ignores a second one with
    another period. So the digest stands for what was used (the source's hash, the days, tickers
    and features, and the contents of opens, volumes and sentiment), while the tag
    ``data.sha256`` and the profile name the file.

    Args:
        data: The days that were used.
        context: What for: ``"training"``, ``"validation"``, ``"test"``.
    """
    source_type, source = _source(data.source)
    dataset = {
        "name": data.source.name,
        "digest": panel_digest(data),
        "source_type": source_type,
        "source": json.dumps(source),
        "schema": json.dumps({"mlflow_colspec": _columns(data)}),
        "profile": json.dumps(_profile(data)),
    }
    # On the input, not the dataset: equal bytes at a later commit are the same dataset.
    tags = {"mlflow.data.context": context, **data_version_tags(data.source)}
    return {"dataset": dataset, "tags": tags}


def panel_digest(data: MarketData) -> str:
    """Return 36 hexadecimal digits that stand for this selection from this source."""
    names = [data.feature_names, data.sentiment_names, data.risk_name, data.benchmark_name]
    chosen = {"open": data.open, "volume": data.volume, "sentiment": data.sentiment}
    # Settings such as data.open and data.sentiment.lag change these under the same name.
    contents = {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        for name, array in chosen.items()
        if array is not None
    }
    selection = [data.source.sha256, data.day_names, data.tickers, names, contents]
    return hashlib.sha256(json.dumps(selection).encode()).hexdigest()[:_DIGEST_WIDTH]


def _source(source: DataSource) -> tuple[str, dict[str, Any]]:
    if source.path:
        return "local", {"uri": source.path}
    return "code", {"tags": {"mlflow.source.name": source.name}}


def _columns(data: MarketData) -> list[dict[str, Any]]:
    prices = [name for name in ("open", "volume") if getattr(data, name) is not None]
    numbers = ["close", *prices, *data.feature_names, *data.sentiment_names]
    if data.risk is not None:
        numbers.append(data.risk_name or "risk")
    if data.benchmark is not None:
        numbers.append(data.benchmark_name or "benchmark")
    columns = [("date", "datetime"), ("tic", "string"), *((name, "double") for name in numbers)]
    return [{"name": name, "type": kind, "required": True} for name, kind in columns]


def _profile(data: MarketData) -> dict[str, Any]:
    days = data.day_names
    return {
        "n_days": data.n_days,
        "n_stocks": data.n_stocks,
        "first_date": days[0],
        "last_date": days[-1],
        "tickers": ", ".join(data.tickers),
        "sha256": data.source.sha256,
    }

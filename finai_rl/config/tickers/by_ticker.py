"""Settings by ticker: one number for all stocks, a list, numbers by ticker, or a file of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig

from finai_rl.config.bounds import BOUNDS
from finai_rl.config.env_schemas import BY_TICKER, StockTrading
from finai_rl.config.tickers.ticker_file import TickerFile, read_ticker_file
from finai_rl.errors import DataError

SETTINGS = {f.name: f for f in dataclasses.fields(StockTrading) if f.metadata.get(BY_TICKER)}
"""Every environment's settings by ticker."""
NODES = ("env", "evaluation.env")
"""Where they stand in a config."""


def resolve_files(settings: Mapping[str, Any], strict: bool) -> Iterator[str]:
    """Put the numbers of a file in the place of its name; yield what is wrong.

    From here on a config does not depend on the file: what is recorded of a run is the numbers.

    Args:
        settings: A config as plain containers, changed in place.
        strict: Whether what is neither a number nor a list, mapping or file of numbers is wrong,
            as it is in our environments; else it is left for a foreign environment to take.
    """
    for prefix in NODES:
        node = _node(settings, prefix)
        for name in [name for name in SETTINGS if name in node]:
            key, value = f"{prefix}.{name}", node[name]
            if isinstance(value, str) and (strict or value.endswith(".csv")):
                try:
                    node[name] = _numbers_of(key, value)
                except DataError as error:
                    node[name] = None
                    yield from (f"{key}: {error.where}: {said}" for said in error.problems)
            elif strict:
                yield from _number_problems(key, value)


def file_tags(cfg: DictConfig) -> dict[str, str]:
    """Return the tags that name the files which a checked config's numbers were read from."""
    tags = {}
    for prefix in NODES:
        for name, value in _node(cfg, prefix).items():
            read = TickerFile.of(name, value) if isinstance(value, Mapping) else None
            if read is not None and name in SETTINGS:
                tags[f"{prefix}.{name}.path"] = read.path
                tags[f"{prefix}.{name}.sha256"] = read.sha256
    return tags


def _node(settings: Mapping[str, Any], prefix: str) -> Any:
    node: Any = settings
    for part in prefix.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def _numbers_of(key: str, value: str) -> dict[str, float]:
    name = key.rpartition(".")[2]
    if not value.endswith(".csv"):
        said = "it is no number, no list, no numbers by ticker, and no name of a .csv file"
        raise DataError(repr(value), [said])
    return read_ticker_file(value, key, SETTINGS[name].metadata.get(BOUNDS, ())).values


def _number_problems(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for ticker, item in value.items():
            yield from _number_problem(f"{key}.{ticker}", item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _number_problem(f"{key}[{place}]", item)
    elif value is not None:
        yield from _number_problem(key, value)


def _number_problem(key: str, value: Any) -> Iterator[str]:
    if type(value) not in (int, float):
        yield f"{key}: must be a number, got {value!r}"

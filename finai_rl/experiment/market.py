"""The market of a config, and its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.data.market import MarketData
from finai_rl.data.sources.planted import is_planted
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.data.split import Split


SAMPLE = "finai_rl.data.load_sp500"
"""The source of the offline sample, as a config names it."""

GENERATED = "finai_rl.data.synthetic_market"
"""The source of generated markets, as a config names it."""

CACHE = "cache"
"""Setting of a source's node that `load_split` takes, not the source."""


def load_market(cfg: DictConfig, **changes: Any) -> MarketData:
    """Load the whole market from its source, test block included, past the cache.

    Args:
        cfg: A checked config with ``data``.
        changes: Settings of the source, over those of the config; of a setting that has settings
            below it, those that are named.
    """
    settings = source_settings(cfg)
    below = {
        name: _merged(settings.get(name), value)
        for name, value in changes.items()
        if isinstance(value, Mapping)
    }
    market = build(settings, "data", **changes | below)
    if not isinstance(market, MarketData):
        raise ConfigError(
            [
                f"data: {settings['_target_']} returned {type(market).__name__}, not a "
                "finai_rl.data.market.MarketData"
            ]
        )
    return market


def _merged(settings: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(settings) if isinstance(settings, Mapping) else {}
    for name, value in changes.items():
        merged[name] = _merged(merged.get(name), value) if isinstance(value, Mapping) else value
    return merged


def load_split(cfg: DictConfig, *, cached: bool = True) -> Split:
    """Load the market and cut it; the whole market, test block included, is let go at once.

    With ``data.cache`` and a source that is a file, the blocks are parsed once and opened from
    ``output_root/cache/data`` from then on (`finai_rl.data.cache.split_cache.SplitCache`). So are
    those of the offline sample, from the user's cache (`finai_rl.data.sources.sample_cache`),
    unless a split of the user's own cuts it.

    Args:
        cfg: A checked config with ``data``, ``split`` and ``output_root``.
        cached: False loads from the source whatever the config says.
    """

    def load() -> Split:
        market = load_market(cfg)
        split: Split = build(cfg.split, "split", market)
        return replace(split, last_day=market.day_names[-1])

    settings = {"data": source_settings(cfg), "split": plain(cfg.split)}
    if cached and cfg.data.get("_target_") == SAMPLE and _is_ours(cfg.split):
        from finai_rl.data.sources.sample_cache import sample_split

        return sample_split(settings, load)
    if not (cached and cfg.data.get(CACHE) and cfg.data.get("path")):
        return load()
    from finai_rl.data.cache.split_cache import CACHE_FOLDER, SplitCache

    folder = Path(cfg.output_root).absolute() / CACHE_FOLDER
    return SplitCache(folder).get(settings, load)


def _is_ours(split: DictConfig) -> bool:
    # Nobody has asked for this cache: what a user's code depends on is not known to it.
    return str(split.get("_target_")).startswith("finai_rl.")


def source_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of the data's source, ``_target_`` included, without the cache's."""
    return {name: value for name, value in plain(cfg.data).items() if name != CACHE}


def planted_settings(cfg: DictConfig) -> dict[str, Any] | None:
    """Return the settings of a generated market; None where it is none, or nothing is planted.

    Args:
        cfg: A checked config.
    """
    settings = source_settings(cfg) if cfg.get("data") else {}
    known = settings.pop("_target_", None) == GENERATED and is_planted(settings)
    return settings if known else None

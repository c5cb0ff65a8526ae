"""From the settings of ``prepare`` to a panel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from finai_rl.config.build import build

if TYPE_CHECKING:
    from finai_rl.data.preparation.panel import Prepared


def input_files(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return every file that the settings of ``prepare`` read, by what it is read as."""
    series = {
        f"market_series.{name}": path_of(told) for name, told in settings["market_series"].items()
    }
    scores = settings["sentiment"]
    sentiment = {"sentiment.scores": scores["path"]} if scores else {}
    return {"raw": settings["raw"]["path"], **series, **sentiment}


def path_of(told: Any) -> str:
    """Return the file of a market series, which may be told with how it is written."""
    return str(told["path"]) if isinstance(told, dict) and "path" in told else str(told)


def prepared_from(settings: Mapping[str, Any]) -> Prepared:
    """Load what the settings of ``prepare`` name and compute the panel."""
    from finai_rl.data.preparation.market_series import load_market_series
    from finai_rl.data.preparation.panel import prepare_panel
    from finai_rl.data.preparation.raw_prices import load_raw_prices
    from finai_rl.data.tables.layout import Layout

    node, raw = settings["features"], dict(settings["raw"])
    series = settings["market_series"].items()
    told = ("path", "adjust", "on_missing", "on_bad", "calendar", "splits", "universe")
    how = {name: raw.pop(name) for name in told if name in raw}
    return prepare_panel(
        load_raw_prices(**how, layout=Layout(**raw)),
        indicators=settings["indicators"],
        turbulence=settings["turbulence"],
        market_series=[(load_market_series(told, name), path_of(told)) for name, told in series],
        features=partial(build, node, "features") if node else None,
        sentiment=settings["sentiment"],
        warm_up=settings["warm_up"],
    )

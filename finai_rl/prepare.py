"""Raw prices in, a feature-engineered panel and its manifest out; nothing knows the future.

python -m finai_rl.prepare raw.path=prices.csv
"""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config import schemas
from finai_rl.config.build import build, plain
from finai_rl.config.command import WithSeed, entry_point

if TYPE_CHECKING:
    from finai_rl.data.preparation.panel import Prepared


@entry_point("prepare", schema=schemas.Prepare)
def main(cfg: DictConfig, with_seed: WithSeed) -> None:
    """Read, complete and adjust raw prices, compute features, write, say what to type next."""
    from finai_rl.data.preparation.manifest import refuse_output, write_panel

    settings = plain(cfg)
    settings["market_series"] = settings["market_series"] or {}
    scores = (settings["sentiment"] or {}).get("scores") or {}
    settings["sentiment"] = scores if scores.get("path") else None
    inputs = input_files(settings)
    output = refuse_output(cfg.output, overwrite=cfg.overwrite, inputs=inputs.values())
    prepared = prepared_from(settings)
    manifest = write_panel(prepared, output, inputs=inputs, settings=settings)
    print_summary(manifest, output)


def input_files(settings: dict[str, Any]) -> dict[str, str]:
    """Return every file that the config reads, by what it is read as."""
    series = {f"market_series.{name}": path for name, path in settings["market_series"].items()}
    scores = settings["sentiment"]
    sentiment = {"sentiment.scores": scores["path"]} if scores else {}
    return {"raw": settings["raw"]["path"], **series, **sentiment}


def prepared_from(settings: dict[str, Any]) -> Prepared:
    """Load what the config names and compute the panel."""
    from finai_rl.data.preparation.market_series import load_market_series
    from finai_rl.data.preparation.panel import prepare_panel
    from finai_rl.data.preparation.raw_prices import load_raw_prices

    node = settings["features"]
    series = settings["market_series"].items()
    return prepare_panel(
        load_raw_prices(**settings["raw"]),
        indicators=settings["indicators"],
        turbulence=settings["turbulence"],
        market_series=[(load_market_series(path, name), path) for name, path in series],
        features=partial(build, node, "features") if node else None,
        sentiment=settings["sentiment"],
        warm_up=settings["warm_up"],
    )


def print_summary(manifest: dict[str, Any], output: Path) -> None:
    """Print where things are, and the command that trains on them."""
    from finai_rl.data.preparation.manifest import manifest_path

    said = manifest["output"]
    print(
        f"{output}: {said['rows']} rows, {len(said['tickers'])} tickers, {said['dates']} dates "
        f"from {said['first_date']} to {said['last_date']}"
    )
    print(f"  sha256 {said['sha256']}")
    print(f"  features: {', '.join(said['features']) or 'none'}")
    print(f"  manifest: {manifest_path(output)}")
    print(f"Next: {next_command(said, manifest['settings'])}")


def next_command(said: dict[str, Any], settings: dict[str, Any]) -> str:
    """Return the command that trains on a prepared file."""
    words = ["data=processed_csv", f"data.path={said['path']}"]
    if settings["turbulence"]:
        words.append("data.risk=turbulence")
    elif "vix" in settings["market_series"]:
        words.append("data.risk=vix")
    words += ["env.sentiment=true"] if settings["sentiment"] else []
    return "python -m finai_rl.train " + " ".join(map(shlex.quote, words))


if __name__ == "__main__":
    main()

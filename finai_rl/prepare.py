"""Raw prices in, a feature-engineered panel and its manifest out; nothing knows the future.

python -m finai_rl.prepare raw.path=prices.csv
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config import command_schemas
from finai_rl.config.build import plain
from finai_rl.config.command import WithSeed, entry_point

if TYPE_CHECKING:
    from finai_rl.experiment.learning.first_training import FirstTraining


@entry_point("prepare", schema=command_schemas.Prepare)
def main(cfg: DictConfig, with_seed: WithSeed) -> None:
    """Prepare as the config says."""
    prepare(cfg, Path(HydraConfig.get().runtime.output_dir))


def prepare(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Read, complete and adjust raw prices, compute features, write, say what to type next.

    Args:
        cfg: A composed and checked config, whose ``output`` is the table.
        folder: Of this call; nothing is written there but its log.

    Returns:
        The manifest, which is also written beside the table.

    Raises:
        InputError: If the prices or a setting cannot be used, or the output is there already.
    """
    from finai_rl.data.preparation.manifest import hashes_of, refuse_output, write_panel
    from finai_rl.experiment.preparing import input_files, prepared_from

    settings = plain(cfg)
    settings["market_series"] = settings["market_series"] or {}
    scores = (settings["sentiment"] or {}).get("scores") or {}
    settings["sentiment"] = scores if scores.get("path") else None
    inputs = input_files(settings)
    output = refuse_output(cfg.output, overwrite=cfg.overwrite, inputs=inputs.values())
    read = hashes_of(inputs)
    prepared = prepared_from(settings)
    manifest = write_panel(prepared, output, inputs=inputs, settings=settings, read=read)
    print_summary(manifest, output)
    return manifest


def print_summary(manifest: dict[str, Any], output: Path) -> None:
    """Print where things are, and the command that trains on them."""
    from finai_rl.data.versions.prepared_file import manifest_path
    from finai_rl.experiment.learning.first_training import first_training

    said = manifest["output"]
    print(
        f"{output}: {said['rows']} rows, {len(said['tickers'])} tickers, {said['dates']} dates "
        f"from {said['first_date']} to {said['last_date']}"
    )
    print(f"  sha256 {said['sha256']}")
    print(f"  features: {', '.join(said['features']) or 'none'}")
    print(f"  manifest: {manifest_path(output)}")
    print_next(first_training(manifest))


def print_next(training: FirstTraining) -> None:
    """Print what a training on the file says before it starts, and the command that starts it."""
    for said in (*training.caveats, *training.remarks):
        print(f"Note: {said}")
    if training.refusal is None:
        command = shlex.join(["python", "-m", "finai_rl.train", *training.overrides])
        print(f"Next: {command}")
    else:
        print(f"A training on it would be refused as it stands. {training.refusal}")


if __name__ == "__main__":
    main()

"""Check data, features and environment for leakage, before any backtest on them is believed.

python -m finai_rl.verify data=processed_csv data.path=my.csv
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config import command_schemas
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.errors import InputError

if TYPE_CHECKING:
    from finai_rl.leakage.finding import Finding


class LeakageFound(InputError):
    """What an agent sees of a day knows something of later days; the message names what."""


@entry_point("verify", schema=command_schemas.Verify)
def main(cfg: DictConfig, with_seed: WithSeed) -> None:
    """Check as the config says."""
    verify(cfg, Path(HydraConfig.get().runtime.output_dir))


def verify(cfg: DictConfig, folder: Path) -> list[Finding]:
    """Check data, features and environment, print and write what was found, refuse a leak.

    Args:
        cfg: A composed and checked config.
        folder: Where the report goes.

    Returns:
        What was found, none of it a leak.

    Raises:
        LeakageFound: If one is; the report is written all the same.
        InputError: If the data or a setting cannot be used.
    """
    from finai_rl.experiment.before_data import check_before_data
    from finai_rl.experiment.learning.training import seed_everything
    from finai_rl.experiment.market import load_market
    from finai_rl.leakage.checks import all_findings
    from finai_rl.leakage.finding import leaks
    from finai_rl.leakage.report import print_findings, save_findings

    if cfg.gates:
        check_before_data(cfg)
    seed_everything(cfg)
    market = load_market(cfg)
    about = {
        "source": market.source.path or market.source.name,
        "sha256": market.source.sha256,
        "panel": repr(market),
    }
    findings = all_findings(cfg, market)
    print_findings(findings, f"Leakage checks of {about['source']}")
    files = save_findings(findings, about, folder)
    print(f"Report: {', '.join(map(str, files))}")
    if found := leaks(findings):
        listed = "\n".join(f"  - {leak.check}: {leak.subject}: {leak.evidence}" for leak in found)
        raise LeakageFound(f"{about['source']} leaks; no backtest on it means anything:\n{listed}")
    return findings


if __name__ == "__main__":
    main()

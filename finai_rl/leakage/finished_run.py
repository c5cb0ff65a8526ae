"""The checks on what a finished run was trained on."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from finai_rl.config.build import plain
from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.command_schemas import Verify
from finai_rl.data.market import MarketData
from finai_rl.leakage.checks import all_findings
from finai_rl.leakage.finding import Finding

TAKEN = ("data", "split", "env", "agent", "network", "evaluation", "seed", "torch_threads")
"""Of the run's config; how thoroughly to check is that of ``conf/verify.yaml``."""


def findings_of(cfg: DictConfig, market: MarketData) -> list[Finding]:
    """Return what ``finai_rl.verify`` finds in the data, features and environment of a run.

    Args:
        cfg: The run's checked config.
        market: Its whole market.

    Raises:
        InputError: If it cannot be checked.
    """
    usual: Any = OmegaConf.load(CONFIG_DIR / "verify.yaml")
    names = [str(name) for name in usual if name not in ("defaults", "hydra")]
    settings = {
        **plain(OmegaConf.masked_copy(usual, names)),
        **{name: value for name, value in plain(cfg).items() if name in TAKEN},
        "trusted_packages": list(cfg.trusted_packages),
        "output_root": cfg.output_root,
    }
    return all_findings(check(OmegaConf.create(settings), Verify), market)

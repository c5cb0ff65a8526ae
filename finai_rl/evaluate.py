"""Backtest the agent of a finished run, and say what is to be believed of it.

python -m finai_rl.evaluate run_id=0123456789abcdef0123456789abcdef block=validation
"""

from __future__ import annotations

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from finai_rl.config import ConfigError, WithSeed, entry_point
from finai_rl.schemas import Evaluate
from finai_rl.sweep.context import VARIABLE


@entry_point("evaluate", schema=Evaluate)
def main(cfg: DictConfig, _: WithSeed) -> float:
    """Evaluate as the config says and return the objective."""
    return evaluate(cfg, Path(HydraConfig.get().runtime.output_dir))


def evaluate(cfg: DictConfig, folder: Path) -> float:
    """Rebuild data, environment and agent from a run alone, backtest it, and add to the run.

    Args:
        cfg: A composed and checked config.
        folder: Where the report goes.

    Returns:
        The metric that the run names as its objective, on the block.

    Raises:
        InputError: If there is no such run, or it cannot be rebuilt from what is here.
    """
    check_request(cfg)

    from finai_rl.holdout import Holdout
    from finai_rl.rebuild import block_of, config_of
    from finai_rl.tracking.finished import FinishedRun

    run = FinishedRun(cfg.tracking.uri, cfg.run_id, cfg.model)
    job = config_of(run)
    block = block_of(job, run, cfg.block)
    holdout = Holdout(job, block.data)
    agent, normalization = run.policy()
    times_opened = run.open_test() if block.name == "test" else 0
    report = holdout.backtest(agent, normalization, run.name, folder)
    print(report.metrics["agent"], times_opened)
    return report.metrics["agent"][job.objective]


def check_request(cfg: DictConfig) -> None:
    """Refuse what would let a choice among agents look at the sealed block.

    Raises:
        ConfigError: If it would, or if it is not clear which run is meant.
    """
    if (cfg.run_id is None) == (cfg.model is None):
        raise ConfigError(["run_id, model: name one of the two"])
    several = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if cfg.block == "test" and (several or VARIABLE in os.environ):
        raise ConfigError(
            [
                "block=test: the sealed block is for one agent, chosen before; a multirun over "
                "several would choose by it"
            ]
        )


if __name__ == "__main__":
    main()

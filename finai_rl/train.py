"""Train an agent, track it, save it, backtest it on validation.

python -m finai_rl.train agent=a2c env.sentiment=true
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config import build, entry_point


@entry_point("train")
def main(cfg: DictConfig) -> float:
    """Train as the config says and return the objective."""
    return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def train(cfg: DictConfig, folder: Path) -> float:
    """Train, save, record and backtest one agent.

    Args:
        cfg: A composed and checked run config.
        folder: The run folder.

    Returns:
        The validation metric that ``cfg.objective`` names.

    Raises:
        InputError: If the data, a setting or the tracking store cannot be used, before anything
            is trained; or, at the very end, if the objective is undefined on this backtest.
    """
    from finai_rl.assembly import load_split, new_agent, seed_everything, training_env
    from finai_rl.evaluation.metrics import objective
    from finai_rl.holdout import Holdout
    from finai_rl.learning import claim, learn, model_folder, save, timesteps_to_train
    from finai_rl.recording import chosen, describe, print_summary, record_backtest

    seed_everything(cfg)
    tracker = build(cfg.tracking, "tracking")
    split = load_split(cfg)
    env = training_env(cfg, split.train)
    agent = new_agent(cfg, env)
    steps = timesteps_to_train(cfg, agent, env)
    holdout = Holdout(cfg, split.validation)
    second = model_folder(cfg)
    claim(folder)
    with tracker:
        describe(tracker, cfg, split)
        learn(agent, steps, cfg, folder, tracker)
        save(agent, env, folder, second, tracker)
        report = holdout.backtest(agent, env, chosen("agent", cfg), folder / "backtest")
        record_backtest(tracker, cfg, report, agent.num_timesteps, folder / "backtest")
    env.close()
    print_summary(cfg, split, report, folder, tracker)
    return objective(report.metrics["agent"], cfg.objective)


if __name__ == "__main__":
    main()

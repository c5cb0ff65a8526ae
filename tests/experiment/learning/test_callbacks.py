"""From ``callbacks`` of a config to callbacks, or to one message before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from stable_baselines3.common.callbacks import BaseCallback

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.callbacks import own_callbacks
from finai_rl.train import train
from tests.config.composition import composed

SB3 = "stable_baselines3.common.callbacks"
SMALL = ("data=synthetic", "data.n_days=120", "data.n_stocks=3", "debug=fast", "agent=a2c")
STOP = f"callbacks=[{{_target_: {SB3}.StopTrainingOnMaxEpisodes, max_episodes: 1}}]"


def test_they_are_built_anew_for_each_training() -> None:
    cfg = composed(STOP)
    first, second = (own_callbacks(cfg).callbacks for _ in range(2))
    (name,) = first
    assert name == f"callbacks[0] {SB3}.StopTrainingOnMaxEpisodes"
    assert isinstance(first[name], BaseCallback)
    assert first[name] is not second[name]


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"_target_": "stable_baselines3.PPO"}, r"callbacks\[1\]._target_: .*PPO is no subclass"),
        ({"_target_": f"{SB3}.BaseCallback"}, r"callbacks\[1\]: TypeError: Can't instantiate"),
        ({"_target_": f"{SB3}.EvalCallback"}, r"callbacks\[1\]: TypeError: .*'eval_env'"),
        ({"_target_": f"{SB3}.Stop"}, r"callbacks\[1\]._target_: .* has no Stop"),
        (
            {"_target_": f"{SB3}.CheckpointCallback", "save_frq": 1},
            r"callbacks\[1\].save_frq: .* did you mean save_freq",
        ),
    ],
)
def test_what_is_no_callback_is_named(node: dict[str, Any], said: str) -> None:
    cfg = composed(STOP)
    cfg.callbacks.append(node)
    with pytest.raises(ConfigError, match=said):
        own_callbacks(cfg)


def test_a_run_that_a_callback_stops_is_finished_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = composed(*SMALL, "env.episode_days=20", "tracking=none", STOP)
    train(cfg, tmp_path)
    said = f"Stopped by callbacks[0] {SB3}.StopTrainingOnMaxEpisodes at step 76 of 1,200"
    assert said in capsys.readouterr().out.replace("\n", " ")
    progress = pd.read_csv(tmp_path / "progress.csv")
    assert progress["time/total_timesteps"].iloc[-1] == 76
    assert (tmp_path / "backtest" / "returns.csv").is_file()


def test_a_config_as_hydra_composes_it_can_be_trained(tmp_path: Path) -> None:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        cfg = compose("train", [*SMALL, "tracking=none"], return_hydra_config=True)
    train(cfg, tmp_path / "made" / "here")
    assert (tmp_path / "made" / "here" / "backtest" / "returns.csv").is_file()
    cfg = OmegaConf.merge(cfg, {"total_timesteps": 0})
    with pytest.raises(ConfigError, match="total_timesteps: must be at least 1"):
        train(cfg, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()

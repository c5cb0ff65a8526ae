"""Configs as a command composes them."""

from __future__ import annotations

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import command_schemas, schemas
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE

SCHEMAS = {
    "train": schemas.Train,
    "verify": command_schemas.Verify,
    "evaluate": command_schemas.Evaluate,
    "compare": command_schemas.Compare,
    "decide": command_schemas.Decide,
    "paper": command_schemas.Paper,
    "promote": command_schemas.Promote,
    "prepare": command_schemas.Prepare,
}


def composed(*overrides: str, command: str = "train") -> DictConfig:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        cfg = hydra.compose(command, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with_choices = OmegaConf.create(cfg)
    OmegaConf.set_struct(with_choices, False)
    del with_choices["hydra"]
    return with_choices

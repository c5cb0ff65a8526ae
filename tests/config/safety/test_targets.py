"""A config from elsewhere runs no code: attacks by what a ``_target_`` names."""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import json
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import hydra_versions, schemas
from finai_rl.config.build import build, import_target
from finai_rl.config.check import check
from finai_rl.config.safety.targets import FUNCTIONS, SAMPLERS, is_listed, is_of_a_kind
from finai_rl.errors import ConfigError
from finai_rl.experiment.learning.agent import SHARED_POLICIES
from tests.config.composition import composed


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


def pickled(folder: Path) -> str:
    return json.dumps(
        {"a": {":type:": "x", ":serialized:": base64.b64encode(planted(folder)).decode()}}
    )


def planted(folder: Path) -> bytes:
    return pickle.dumps(Planted(folder / "mark"))


def git(folder: Path) -> list[Any]:
    place = {"_target_": "pathlib.Path", "_args_": [str(folder)]}
    return [place, 5, "-c", f"alias.now=!mkdir {folder / 'mark'}", "now"]


SB3 = "stable_baselines3"
FIVE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "a pickle in a string": lambda folder: {
        "_target_": f"{SB3}.common.save_util.json_to_data",
        "json_string": pickled(folder),
    },
    "a pickle in a file": lambda folder: {
        "_target_": f"{SB3}.common.save_util.load_from_pkl",
        "path": str(folder / "evil.pkl"),
    },
    "torch.load": lambda folder: {
        "_target_": "torch.optim.optimizer.torch.load",
        "f": str(folder / "evil.pth"),
        "weights_only": False,
    },
    "an alias of git": lambda folder: {
        "_target_": "finai_rl.data.versions.git_repository._git",
        "_args_": git(folder),
    },
    "an environment's module": lambda folder: {"_target_": "gymnasium.make", "id": "evil:Any-v0"},
}
"""What ran code while packages were allowed as a whole."""

FURTHER: dict[str, dict[str, Any]] = {
    "by position": {"_target_": "gymnasium.make", "_args_": ["evil:Any-v0"]},
    "by an adapter": {
        "_target_": "gymnasium.make",
        "id": "GymV26Environment-v0",
        "env_id": "evil:A",
    },
    "by an agent": {"_target_": f"{SB3}.PPO", "policy": "MlpPolicy", "env": "evil:Any-v0"},
    "by one of our agents": {
        "_target_": "finai_rl.agents.elegantrl.ElegantRLPPO",
        "env": "evil:Any-v0",
    },
    "by one of our agents, by position": {
        "_target_": "finai_rl.agents.elegantrl.ElegantRLPPO",
        "_args_": ["evil:Any-v0"],
    },
    "by a function": {"_target_": f"{SB3}.common.env_util.make_vec_env", "env_id": "evil:Any-v0"},
    "a registration": {"_target_": "gymnasium.register", "id": "A-v0", "entry_point": "evil:A"},
    "a lookup by position": {"_target_": "hydra.utils.get_class", "_args_": ["evil.A"]},
    "a method": {"_target_": "hydra.utils.get_method", "path": "evil.a"},
    "an object": {"_target_": "hydra.utils.get_object", "path": "torch.optim.adam.torch.load"},
    "another lookup": {"_target_": "hydra._internal.utils._locate", "path": "evil.A"},
    "a private module": {"_target_": "hydra.utils.get_class", "path": "finai_rl.agents._evil.A"},
    "a method of a class": {"_target_": "torch.nn.Module.load_state_dict"},
    "an agent's loader": {"_target_": f"{SB3}.PPO.load", "path": "evil.zip"},
    "a loader": {"_target_": f"{SB3}.common.vec_env.VecNormalize.load", "load_path": "evil.pkl"},
    "no text": {"_target_": {"_target_": "os.system"}},
    "one of ours": {"_target_": "finai_rl.train.train"},
    "a storage of pickles": {"_target_": "optuna.storages.RedisStorage", "url": "redis://x"},
    "a package's own": {"_target_": "elegantrl.train.run.train_agent"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'mark')!r})\n")
    (tmp_path / "evil.pkl").write_bytes(planted(tmp_path))
    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as file:
        file.writestr("evil/data.pkl", planted(tmp_path))
        file.writestr("evil/version", "3")
        file.writestr("evil/byteorder", "little")
    return tmp_path


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize("place", ["agent.policy_kwargs.deep", "callbacks", "env.extra"])
def test_a_way_in_is_closed(name: str, place: str, folder: Path) -> None:
    node = FIVE[name](folder)
    assert_refused(node, place)
    assert not (folder / "mark").exists()


def test_each_way_in_was_open(folder: Path) -> None:
    """Each would run code, if it were let through: the test above can fail."""
    for name, attack in FIVE.items():
        with contextlib.suppress(Exception):
            hydra.utils.instantiate(attack(folder))
        assert (folder / "mark").exists(), name
        (folder / "mark").rmdir()
        sys.modules.pop("evil", None)


@pytest.mark.parametrize("name", FURTHER)
def test_another_way_is_closed_too(name: str, folder: Path) -> None:
    assert_refused(FURTHER[name], "agent.policy_kwargs.deep")
    assert not (folder / "mark").exists()


@functools.cache
def untouched() -> DictConfig:
    return composed()


def assert_refused(node: dict[str, Any], place: str) -> None:
    cfg = copy.deepcopy(untouched())
    OmegaConf.update(cfg, place, [{"deeper": node, **node}], force_add=True)
    with pytest.raises(ConfigError, match=re.escape(place)):
        check(cfg)


def test_a_module_of_an_environment_can_be_trusted() -> None:
    cfg = composed("trusted_packages=[mine]")
    cfg.agent.extra = {"_target_": "gymnasium.make", "id": "mine.envs:Own-v0"}
    cfg.agent.another = {"_target_": "gymnasium.make", "id": "Pendulum-v1"}
    check(cfg)


def test_what_configs_name_is_listed() -> None:
    named = {*schemas.BY_TARGET, *schemas.MOVED_TARGETS, *SHARED_POLICIES}
    named |= {f"finai_rl.agents.{policy}" for policy in SHARED_POLICIES.values()}
    assert {path for path in named if not is_listed(path)} == set()
    for path in FUNCTIONS:
        if path not in schemas.MOVED_TARGETS:
            import_target("", path)
    for path in SAMPLERS if hydra_versions.IS_NEW else ():
        import_target("", path)


@pytest.mark.parametrize(
    "path",
    [
        "torch.nn.Tanh",
        "torch.optim.AdamW",
        "stable_baselines3.common.callbacks.StopTrainingOnMaxEpisodes",
        "stable_baselines3.common.sb2_compat.rmsprop_tf_like.RMSpropTFLike",
        "stable_baselines3.her.her_replay_buffer.HerReplayBuffer",
        "sb3_contrib.common.recurrent.policies.RecurrentActorCriticPolicy",
        "stable_baselines3.common.vec_env.VecCheckNan",
        "finai_rl.envs.rewards.LogReturn",
        "finai_rl.agents.networks.LSTMExtractor",
        "finai_rl.sweep.callback.MultirunRecord",
    ],
)
def test_a_class_that_a_config_names_is_of_a_kind(path: str) -> None:
    assert is_listed(path)
    assert is_of_a_kind(import_target("", path))


@pytest.mark.parametrize(
    "path",
    [
        "stable_baselines3.common.vec_env.CloudpickleWrapper",
        "stable_baselines3.common.callbacks.Logger",
        "finai_rl.agents.own_callbacks.CallbackError",
        "finai_rl.agents.saved_agent.SavedAgent",
    ],
)
def test_a_listed_module_gives_no_class_of_another_kind(path: str) -> None:
    node = {"_target_": "hydra.utils.get_class", "path": path}
    for target in ({"_target_": path}, {"_target_": "hydra.utils.get_class", "x": node}):
        with pytest.raises(ConfigError, match="is none of an agent"):
            build(target, "agent")

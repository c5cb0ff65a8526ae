"""What makes two searches the same: every setting that its objectives depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.safety.secrets import config_without_secrets
from finai_rl.config.schemas import ADDED, first_name
from finai_rl.sweep.space import SearchSpace
from finai_rl.tracking.params import flatten

DEFAULT_EXPERIMENT = "finai_rl"
"""That of ``conf/tracking/mlflow.yaml``, where nothing else was said."""

IRRELEVANT = (
    "agent.tensorboard_log",
    "data.cache",
    "tracking.",
    "sweep.register",
    "sweep.alias",
    "sweep.model_name",
    "sweep.trial",
    "sweep.attempt",
    "output_root",
    "model_dir",
    "progress_bar",
    "log_interval",
    "checkpoint_every",
    "trusted_packages",
)
"""Settings that change where a result goes or is shown, and not the result."""


def settings_of(cfg: DictConfig, space: SearchSpace, direction: str, sha256: str) -> dict[str, str]:
    """Return what identifies a search: its settings that do not vary, and its search space.

    Args:
        cfg: The checked config of any of its jobs.
        space: What varies.
        direction: ``maximize`` or ``minimize``.
        sha256: Of the data.
    """
    varied = {name.partition(":")[2] or name for name in space.describe()}
    # A choice of a group brings settings with it that vary as it does.
    groups = {key.partition(".")[0] for key in varied if "." not in key}
    settings = {
        key: first_name(value)
        for key, value in flatten(config_without_secrets(plain(cfg))).items()
        if not key.startswith(IRRELEVANT)
        and not any(key == name or key.startswith(f"{name}.") for name in varied)
        and key.partition(".")[0] not in groups
    }
    # A search made before there were these settings is still the same.
    settings = {key: value for key, value in settings.items() if ADDED.get(key) != value}
    known = {f"range of {name}": text for name, text in space.describe().items()}
    return {**settings, **known, "direction": direction, "sha256 of the data": sha256}


def short_hash(settings: Mapping[str, str]) -> str:
    """Return eight characters that stand for these settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def differences(known: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs, one line each."""
    return [
        f"{key}: {known.get(key, 'not set')} then, {now.get(key, 'not set')} now"
        for key in sorted(known.keys() | now.keys())
        if known.get(key) != now.get(key) and not key.startswith(IRRELEVANT)
    ]

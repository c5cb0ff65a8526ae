"""A config from elsewhere publishes no variable of the machine that it is run on."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.errors import ConfigError
from tests.config.composition import composed

SECRET = "k33p-th1s"


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("PLACE", "/data/prices")
    monkeypatch.setenv("PIN_URI", "83640217")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"tracking.run_name": "${oc.env:AWS_SECRET_ACCESS_KEY}"}, "tracking.run_name"),
        ({"tracking.run_name": "a-${variable:AWS_SECRET_ACCESS_KEY,x}"}, "tracking.run_name"),
        ({"objective": "${oc.decode:${oc.env:AWS_SECRET_ACCESS_KEY}}"}, "objective"),
        ({"tracking.experiment_name": "${oc.env:PLACE}"}, "tracking.experiment_name"),
        ({"output_root": "${oc.env:AWS_SECRET_ACCESS_KEY}"}, "output_root"),
        ({"data.tickers": ["${oc.env:PLACE}"]}, r"data\.tickers\[0\]"),
        (
            {
                "tracking.uri": "http://${oc.env:AWS_SECRET_ACCESS_KEY}@h",
                "tracking.run_name": "${tracking.uri}",
            },
            "tracking.run_name",
        ),
        (
            {"agent.extra": {"path": "${oc.env:PLACE}"}, "objective": "${agent.extra.path}"},
            "objective",
        ),
        ({"agent.extra": {"path": "${oc.env:PLACE}"}, "agent.other": "${agent.extra}"}, None),
        (
            {
                "agent.extra": {"uri": "${oc.env:AWS_SECRET_ACCESS_KEY}"},
                "agent.other": "${oc.create:'{\"a${agent.extra.uri}\": 1}'}",
            },
            "agent.other",
        ),
        (
            {
                "agent.extra": {"uri": "${oc.decode:${oc.env:PIN_URI}}"},
                "seed": "${agent.extra.uri}",
            },
            "seed",
        ),
    ],
)
def test_a_variable_reaches_nothing_that_is_recorded(
    changes: dict[str, Any], key: str | None
) -> None:
    cfg = copy.deepcopy(plain_config())
    for name, value in changes.items():
        OmegaConf.update(cfg, name, value, force_add=True)
    if key is None:  # A copy of what may read it is such a place itself.
        assert check(cfg).agent.other.path == "/data/prices"
        return
    with pytest.raises(ConfigError, match=f"{key}: may not read") as refused:
        check(cfg)
    assert SECRET not in str(refused.value)


@functools.cache
def plain_config() -> DictConfig:
    return composed()


def test_nothing_is_left_to_be_resolved_later() -> None:
    cfg = copy.deepcopy(plain_config())
    cfg.tracking.run_name = r"\${tracking.uri}"
    with pytest.raises(ConfigError, match=r"tracking\.run_name: .* would be resolved later"):
        check(cfg)


def test_what_has_a_reason_for_a_variable_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    cfg = check(
        composed(
            "tracking.uri=http://ada:${oc.env:AWS_SECRET_ACCESS_KEY}@host",
            "output_root=${oc.env:PLACE}/runs",
            "model_dir=${oc.env:NOT_SET,kept}",
            "+agent.extra.token=${oc.env:AWS_SECRET_ACCESS_KEY}",
        )
    )
    assert cfg.tracking.uri == f"http://ada:{SECRET}@host"
    assert (cfg.output_root, cfg.model_dir) == ("/data/prices/runs", "kept")
    assert cfg.agent.extra.token == SECRET
    assert cfg.tracking.experiment_name == "mine"

"""What an agent's settings ask of a machine: refused where it has no such thing."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from stable_baselines3.common import logger

from finai_rl.errors import ConfigError
from finai_rl.experiment import machine
from finai_rl.experiment.machine import (
    check_machine,
    check_memory,
    device_of,
    devices,
    tensorboard_folder,
)
from finai_rl.sweep.session import Prospect
from finai_rl.train import train
from tests.config.composition import composed

Accelerator = torch.device | None


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give this machine so many accelerators of a kind."""

    def give(kind: str | None, count: int = 0) -> None:
        found: Accelerator = None if kind is None else torch.device(kind)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: found)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)

    return give


def said(cfg: DictConfig) -> str:
    with pytest.raises(ConfigError) as refused:
        check_machine(cfg)
    return str(refused.value)


@pytest.mark.parametrize("agent", ["ppo", "erl_ppo", "trpo"])
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_that_is_not_there_is_refused(machine_with: Any, agent: str, device: str) -> None:
    machine_with(None)
    message = said(composed(f"agent={agent}", f"agent.device='{device}'"))
    assert f"agent.device: {device}: " in message
    assert "GPU" in message
    assert message.endswith("choose from cpu, auto")


@pytest.mark.parametrize("device", ["warp", "null", "0", "meta", "mps", "CPU"])
def test_what_is_no_device_is_refused(machine_with: Any, device: str) -> None:
    machine_with(None)
    message = said(composed(f"agent.device={device}"))
    assert "no device of this machine; choose from cpu, auto" in message


def test_devices_that_are_there_are_taken(machine_with: Any) -> None:
    machine_with("cuda", 2)
    assert devices("stable_baselines3.PPO") == ["cpu", "auto", "cuda", "cuda:0", "cuda:1"]
    for agent in ("sac", "erl_sac"):
        for device in ("cpu", "auto", "cuda", "cuda:1"):
            check_machine(composed(f"agent={agent}", f"agent.device='{device}'"))
    assert "cuda:2: this machine has 2 GPUs" in said(composed("agent.device='cuda:2'"))
    machine_with("mps", 1)
    check_machine(composed("agent.device=mps"))
    assert "choose from cpu, auto" in said(composed("agent=erl_sac", "agent.device=mps"))


def test_an_agent_without_a_device_is_left_alone() -> None:
    cfg = composed()
    del cfg.agent["device"]
    check_machine(cfg)


@pytest.mark.parametrize("start", [train, lambda cfg, _: Prospect.of(cfg, compare_data=True)])
def test_training_and_searches_are_refused_before_data_is_loaded(
    machine_with: Any, start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(None)
    # SB3 without TensorBoard, whatever is installed here.
    monkeypatch.setattr(logger, "SummaryWriter", None)
    cfg = composed("agent.device=cuda", "+agent.tensorboard_log=board", "tracking=none")
    cfg.data = {"_target_": "finai_rl.data.load_processed_csv", "path": "nowhere.csv"}
    with pytest.raises(ConfigError) as refused:
        start(cfg, tmp_path)
    message = str(refused.value)
    assert "agent.device: cuda: " in message
    assert "agent.tensorboard_log: board: TensorBoard is not installed" in message
    assert "pip install 'finai_rl[tensorboard]'" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("agent", ["a2c", "erl_a2c"])
def test_what_auto_chose_is_logged_and_a_tag(
    agent: str, machine_with: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine_with(None)
    noted: dict[str, str] = {}
    cfg = composed(f"agent={agent}", "agent.device=auto", "debug=fast", "tracking=none")
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(
            "finai_rl.tracking.NoTracker.set_tags", lambda _, tags, **__: noted.update(tags)
        )
        train(cfg, tmp_path)
    used = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert noted["device"].startswith(used)
    (line,) = (text for text in caplog.messages if text.startswith("Training "))
    assert line.endswith(f" steps on {noted['device']}, chosen by agent.device=auto")


def test_an_elegantrl_agent_is_not_told_to_install_tensorboard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for writer in (None, Writer):
        monkeypatch.setattr(logger, "SummaryWriter", writer)
        message = said(composed("agent=erl_ppo", "+agent.tensorboard_log=board"))
        assert "ElegantRL's agents have no such setting" in message
        assert "pip install" not in message


def test_a_gpu_is_told_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Model {device.index}")
    agent: Any = SimpleNamespace(device=torch.device("cuda:1"))
    assert device_of(agent) == "cuda:1 (Model 1)"
    assert machine.device_of(SimpleNamespace()) == "unknown"  # type: ignore[arg-type]


def test_every_run_has_a_tensorboard_folder_of_its_own(tmp_path: Path) -> None:
    root = str(tmp_path / "outputs")
    runs = ["outputs/2026-01-02/10-00-00", "outputs/multirun/a/b/0/seed_1", "elsewhere/10-00-00"]
    folders = [tensorboard_folder("board", tmp_path / run, root) for run in runs]
    assert folders[0] == Path("board/2026-01-02/10-00-00")
    assert folders[1] == Path("board/multirun/a/b/0/seed_1")
    assert folders[2] == Path("board") / (tmp_path / "elsewhere/10-00-00").relative_to("/")


class Writer:
    """Stands in for TensorBoard's writer: keeps the scalars by folder."""

    written: dict[str, dict[str, float]] = {}  # noqa: RUF012 - one for all of a test
    closed: list[str] = []  # noqa: RUF012

    def __init__(self, log_dir: str) -> None:
        self.scalars = self.written.setdefault(log_dir, {})
        self.folder = log_dir

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name] = value

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed.append(self.folder)


@pytest.mark.parametrize(
    "agent",
    [
        "ppo",
        pytest.param("sac", marks=pytest.mark.slow),
        pytest.param("ars", marks=pytest.mark.slow),
    ],
)
def test_tensorboard_gets_what_progress_csv_gets(
    agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "SummaryWriter", Writer)
    monkeypatch.setattr(Writer, "written", {})
    monkeypatch.setattr(Writer, "closed", [])
    board, run = tmp_path / "board", tmp_path / "outputs" / "day" / "time"
    run.mkdir(parents=True)
    settings = [f"+agent.tensorboard_log={board}", f"output_root={tmp_path / 'outputs'}"]
    train(composed(f"agent={agent}", "debug=fast", "tracking=none", *settings), run)
    assert list(Writer.written) == Writer.closed == [str(board / "day" / "time")]
    (scalars,) = Writer.written.values()
    columns = (run / "progress.csv").read_text().partition("\n")[0].split(",")
    assert {"rollout/ep_rew_mean", "time/total_timesteps"} & set(scalars)
    # SB3 leaves counts out of TensorBoard, which has the steps on its axis.
    assert set(scalars) <= set(columns)
    assert not {name for name in set(columns) - set(scalars) if name.startswith("rollout/")}


def keeping(rollout: int = 0, replay: int = 0, buffer_size: int | None = None) -> Any:
    """Stand for an agent that keeps so many bytes."""
    sizes = {"rollout_buffer": rollout, "replay_buffer": replay}
    buffers = {
        name: SimpleNamespace(rows=SimpleNamespace(nbytes=size), pos=0) if size else None
        for name, size in sizes.items()
    }
    return SimpleNamespace(**buffers, buffer_size=buffer_size)


def test_steps_that_do_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_left", lambda: 2_000_000_000)
    check_memory(keeping(rollout=900_000_000), steps=10)
    with pytest.raises(ConfigError, match=r"take 2\.2 GB, and this machine has 2\.0 GB left"):
        check_memory(keeping(rollout=1_100_000_000), steps=10)
    # A replay buffer takes what is filled of it.
    check_memory(keeping(replay=8_000_000_000, buffer_size=1_000_000), steps=200_000)
    with pytest.raises(ConfigError, match=r"lower env\.window, env\.n_envs, agent\.n_steps or"):
        check_memory(keeping(replay=8_000_000_000, buffer_size=1_000_000), steps=500_000)
    monkeypatch.setattr(machine, "memory_left", lambda: None)
    check_memory(keeping(rollout=10**15), steps=10)


def test_this_machine_says_what_memory_it_has_left() -> None:
    left = machine.memory_left()
    assert left is None or 10_000_000 < left < 10**14


def test_a_training_that_does_not_fit_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_left", lambda: 1_000_000)
    cfg = composed("agent=ppo", "data=synthetic", "data.n_days=300", "tracking=none")
    cfg.output_root = str(tmp_path)
    with pytest.raises(ConfigError, match="the steps that it keeps take"):
        train(cfg, tmp_path / "run")
    assert not (tmp_path / "run").exists()

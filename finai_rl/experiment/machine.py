"""What an agent's settings ask of this machine: a device to compute on, TensorBoard to log to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

ELEGANTRL = "finai_rl.agents.elegantrl."
INSTALL_TENSORBOARD = "pip install 'finai_rl[tensorboard]'"


def check_machine(cfg: DictConfig) -> None:
    """Refuse an agent that would be trained elsewhere than it is told to, or log to nothing.

    Stable-Baselines3 takes the CPU for a GPU that is not there, and says nothing.

    Args:
        cfg: A checked config with ``agent``.

    Raises:
        ConfigError: If the device or TensorBoard is not to be had here.
    """
    agent = plain(cfg.agent)
    if problems := [*_device_problems(agent), *_tensorboard_problems(agent)]:
        raise ConfigError(problems)


def devices(agent_target: str) -> list[str]:
    """Return what ``agent.device`` may be on this machine.

    Args:
        agent_target: The agent's ``_target_``; ElegantRL's run on the CPU and on CUDA only.
    """
    import torch

    names = ["cpu", "auto"]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or (agent_target.startswith(ELEGANTRL) and accelerator.type != "cuda"):
        return names
    kind, count = accelerator.type, torch.accelerator.device_count()
    return [*names, kind, *(f"{kind}:{number}" for number in range(count))]


def check_memory(agent: BaseAlgorithm, steps: int) -> None:
    """Refuse an agent whose steps, all that it keeps of them, this machine cannot hold.

    The system gives memory out when it is first written, and would end the process in the middle of
    a training.

    Args:
        agent: As it was built: its buffers are there, and empty.
        steps: Environment steps that it is trained for, over all environments.

    Raises:
        ConfigError: Names the settings that the size comes from.
    """
    needed, left = _bytes_kept(agent, steps), memory_left()
    if left is not None and needed > left:
        raise ConfigError(
            [
                f"agent: the steps that it keeps take {needed / 1e9:,.1f} GB, and this machine has "
                f"{left / 1e9:,.1f} GB left: lower env.window, env.n_envs, agent.n_steps or "
                "agent.buffer_size"
            ]
        )


def memory_left() -> int | None:
    """Return the bytes that this process may still use; None where the system does not say."""
    known = [*_numbers(Path("/proc/meminfo"), "MemAvailable:")]
    left = [1024 * known[0]] if known else []
    group = Path("/sys/fs/cgroup")
    limit = [*_numbers(group / "memory.max")]
    used = [*_numbers(group / "memory.current")]
    if limit and used:
        left.append(limit[0] - used[0])
    return min(left, default=None)


def _numbers(file: Path, name: str = "") -> Iterator[int]:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith(name) and (number := line.removeprefix(name).split()[0]).isdecimal():
            yield int(number)


def _bytes_kept(agent: BaseAlgorithm, steps: int) -> float:
    # A rollout is copied when its rows are shuffled; of a replay buffer only what is filled counts.
    rollout, replay = (
        sum(int(getattr(part, "nbytes", 0)) for part in vars(getattr(agent, name)).values())
        if getattr(agent, name, None) is not None
        else 0
        for name in ("rollout_buffer", "replay_buffer")
    )
    most = getattr(agent, "buffer_size", None) or steps
    return 2 * rollout + replay * min(steps / most, 1.0)


def device_of(agent: BaseAlgorithm) -> str:
    """Return the device that an agent computes on, a GPU with its name."""
    import torch

    device = getattr(agent, "device", "unknown")
    if getattr(device, "type", None) == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def tensorboard_folder(tensorboard_log: str, folder: Path, output_root: str) -> Path:
    """Return the folder for a run's TensorBoard events, which no other run writes to.

    Args:
        tensorboard_log: The setting: a folder for the events of many runs.
        folder: The run folder, whose place below ``output_root`` becomes the run's name.
        output_root: Folder of all runs.
    """
    run, root = folder.absolute(), Path(output_root).absolute()
    name = run.relative_to(root if run.is_relative_to(root) else run.anchor)
    return Path(tensorboard_log).expanduser() / name


def _device_problems(agent: Mapping[str, Any]) -> Iterator[str]:
    if "device" not in agent:
        return
    asked, allowed = agent["device"], devices(str(agent["_target_"]))
    if asked in allowed:
        return
    why = _why_no_gpu(allowed) if str(asked).startswith("cuda") else "no device of this machine"
    yield f"agent.device: {asked}: {why}; choose from {', '.join(allowed)}"


def _why_no_gpu(allowed: list[str]) -> str:
    import torch

    if "cuda" in allowed:
        n_gpus = len([name for name in allowed if name.startswith("cuda:")])
        return f"this machine has {n_gpus} GPU{'s' if n_gpus > 1 else ''}"
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} was built without CUDA, and uses no GPU"
    return "PyTorch finds no GPU on this machine"


def _tensorboard_problems(agent: Mapping[str, Any]) -> Iterator[str]:
    if agent.get("tensorboard_log") is None:
        return
    if str(agent["_target_"]).startswith(ELEGANTRL):
        yield "agent.tensorboard_log: ElegantRL's agents have no such setting; leave it out"
        return
    from stable_baselines3.common import logger

    # None where TensorBoard cannot be imported.
    if vars(logger)["SummaryWriter"] is None:
        yield (
            f"agent.tensorboard_log: {agent['tensorboard_log']}: TensorBoard is not installed, so "
            f"nothing would be written; {INSTALL_TENSORBOARD}, or leave it null"
        )

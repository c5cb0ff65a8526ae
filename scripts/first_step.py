"""What the start-up benchmark has its processes say: how long they have come to this place."""

from __future__ import annotations

import os
import time
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback


class FirstStep(BaseCallback):
    """Says so after the first environment step of a training."""

    def _on_step(self) -> bool:
        if self.n_calls == 1:
            say()
        return True


def say() -> None:
    """Print processor and wall seconds since this process began."""
    print(f"so far: {time.process_time():.3f} {_age():.3f}", flush=True)


def _age() -> float:
    """Return the seconds since this process began; NaN where there is no /proc."""
    stat, uptime = Path("/proc/self/stat"), Path("/proc/uptime")
    if not stat.is_file():
        return float("nan")
    ticks = int(stat.read_text().rpartition(")")[2].split()[19])
    return float(uptime.read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")

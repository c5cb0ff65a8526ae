"""A million steps: memory does not grow with the length of a training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import own_environment

STEPS = 1_000_000
LOOKS = 10
MOST_GROWTH = 24.0
"""MiB that the process may grow by from the fourth look to the last, as allocators do.

A leak of 100 bytes a step would be 57 MiB.
"""
TRAIN = """
import json, sys
from pathlib import Path
from stable_baselines3.common.callbacks import BaseCallback
from finai_rl.config.check import check
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.training import learn
from finai_rl.tracking import MLflowTracker
from tests.config.composition import composed
from tests.markets import generated_market

PAGE = 4096 / 2**20

class Memory(BaseCallback):
    seen = []

    def _on_step(self):
        if self.num_timesteps >= (len(self.seen) + 1) * int(sys.argv[2]):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.seen.append(round(pages * PAGE, 1))
        return True

cfg = check(composed(*sys.argv[4:], "env.n_envs=256", "env.episode_days=50",
                     f"output_root={sys.argv[1]}"))
env = Environments(cfg).training(generated_market(n_days=120, n_stocks=3))
agent = new_agent(cfg, env)
memory = Memory()
folder = Path(sys.argv[1])
with MLflowTracker(f"sqlite:///{folder}/mlflow.db", "soak") as tracker:
    learn(agent, int(sys.argv[3]), cfg, folder, tracker, [memory])
print(json.dumps(memory.seen))
"""
AGENTS = {
    "ppo": ["agent.n_steps=32", "agent.batch_size=4096", "agent.n_epochs=1"],
    "sac": [
        *("agent.train_freq=64", "agent.gradient_steps=1", "agent.batch_size=64"),
        *("agent.buffer_size=50000", "agent.learning_starts=16384"),
    ],
}
"""Settings by which a million steps take seconds: large batches, few updates, tiny networks."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read from /proc")
@pytest.mark.parametrize("agent", AGENTS)
def test_memory_does_not_grow_over_a_million_steps(agent: str, tmp_path: Path) -> None:
    settings = [f"agent={agent}", *AGENTS[agent], "agent.policy_kwargs.net_arch=[8]"]
    steps = [str(STEPS // LOOKS), str(STEPS)]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path), *steps, *settings, "checkpoint_every=250_000"],
        cwd=Path(__file__).parents[2],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert len(seen) >= LOOKS - 1
    # Until then libraries load what they need, and a replay buffer fills.
    assert seen[-1] - seen[3] < MOST_GROWTH, seen

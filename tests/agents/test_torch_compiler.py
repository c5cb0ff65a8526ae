"""PyTorch's compiler is imported by those that compile, and does then what it does."""

import subprocess
import sys

import pytest

OPTIMIZE = """
import sys
import torch
from finai_rl.agents.torch_compiler import compiler_on_use

compiler_on_use()
torch.manual_seed(0)
net = torch.nn.Linear(3, 1)
optimizers = [torch.optim.Adam(net.parameters()), torch.optim.RMSprop(net.parameters())]
for optimizer in optimizers:
    optimizer.zero_grad()
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()
assert "torch._dynamo.eval_frame" not in sys.modules
assert "sympy" not in sys.modules
"""
COMPILE = """
compiled = torch.compile(net, backend="eager")
assert torch.equal(compiled(torch.ones(2, 3)), net(torch.ones(2, 3)))
import torch._dynamo
assert torch._dynamo is sys.modules["torch._dynamo"] and torch._dynamo.__spec__ is not None
assert torch._dynamo.config is sys.modules["torch._dynamo.config"]
assert torch._dynamo.config.__spec__.origin.endswith("config.py")
# The compiler leaves out again what an optimizer has marked for it.
steps = torch.optim.Optimizer.add_param_group.__wrapped__
optimizers[0].add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
assert getattr(steps, "__dynamo_disable") is not steps
"""
LOOKED_FOR = """
import importlib.util
assert importlib.util.find_spec("torch._dynamo").origin.endswith("__init__.py")
assert "torch._dynamo.eval_frame" not in sys.modules
"""
WAYS = {
    "compile": "",
    "whether it is there": LOOKED_FOR,
    "a module in it": "from torch._dynamo.eval_frame import OptimizedModule",
    "a function of it": "assert torch._dynamo.disable(print) is not print",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_compiler_is_there_for_those_that_ask(way: str) -> None:
    script = "\n".join([OPTIMIZE, WAYS[way], COMPILE])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

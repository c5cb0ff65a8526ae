"""Commands: their help, what they import, and the command at the head of every config."""

from __future__ import annotations

import errno
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra.core.utils
import pytest
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import messages_without_traceback
from tests.config.composition import SCHEMAS, composed
from tests.conftest import own_environment


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(CONFIG_DIR.rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_yaml_opens_with_a_command_that_runs_it(file: Path) -> None:
    head = file.read_text().splitlines()[:2]
    line = next((line for line in head if line.startswith("# python -m finai_rl.")), None)
    assert line is not None
    module, *overrides = line.removeprefix("# python -m finai_rl.").replace(" -m ", " ").split()
    other = {"promotion": "promote"}.get(file.parent.name, "train")
    assert module == (file.stem if file.parent == CONFIG_DIR else other)
    if file.parent != CONFIG_DIR:
        group = file.relative_to(CONFIG_DIR).parts[0]
        assert any(
            word.startswith((f"{group}=", f"{group}.", "tracking.uri")) for word in overrides
        )
    check(composed(*overrides, command=module), SCHEMAS[module])


def test_help_lists_groups_choices_and_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "finai_rl.train", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    groups = sorted(folder.name for folder in CONFIG_DIR.iterdir() if folder.is_dir())
    for group in groups:
        assert f"{group}: " in done.stdout
    assert done.stdout.count("python -m finai_rl.train") >= 5


@pytest.mark.parametrize("command", sorted(SCHEMAS))
def test_commands_of_a_help_are_accepted(command: str) -> None:
    config = OmegaConf.load(CONFIG_DIR / f"{command}.yaml")
    lines = [line.strip() for line in config.hydra.help.template.splitlines()]
    shown = [shlex.split(line) for line in lines if line.startswith("python -m ")]
    assert len(shown) >= 2
    for words in shown:
        assert words[:3] == ["python", "-m", f"finai_rl.{command}"]
        options = [word for word in words[3:] if "=" in word]
        if {"-m", "--config-dir"}.isdisjoint(words):
            check(composed(*options, command=command), SCHEMAS[command])


def test_composing_and_checking_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "finai_rl.train", "env.hmax=many"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "env.hmax: Value 'many'" in done.stderr
    imported = set(re.findall(r"\|\s+(\w+)$", done.stderr, flags=re.M))
    assert "omegaconf" in imported
    assert not imported & {"torch", "mlflow", "pandas", "stable_baselines3", "numba", "optuna"}


@pytest.mark.parametrize(
    ("error", "full", "said"),
    [
        (CompactHydraException("no such file"), "0", "no such file\n"),
        (CompactHydraException("no such file"), "1", "hooked"),
        (ValueError("a bug"), "0", "hooked"),
    ],
)
def test_a_refusal_is_its_message_and_a_bug_has_its_traceback(
    error: Exception,
    full: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Hydra 1.4 hands what a job raised to this hook."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", full)

    def hook(*_: Any) -> None:
        print("hooked", end="", file=sys.stderr)

    monkeypatch.setattr(sys, "excepthook", hook)
    with messages_without_traceback():
        sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == said
    assert sys.excepthook is hook


LEAVING = """
import atexit
import gc

from finai_rl.config.command import entry_point

atexit.register(lambda: print("left in place:", gc.get_freeze_count() > 10_000))


class Held:
    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        print("let go")


@entry_point("train")
def main(cfg, _) -> None:
    Held()


main()
"""


def test_a_command_that_ends_lets_garbage_go_and_leaves_modules_in_place(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    done = subprocess.run(
        [sys.executable, "leaving.py", "hydra.run.dir=run"],
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, ["let go", "left in place: True"])


@pytest.mark.slow
def test_a_training_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    small = ("agent=a2c", "debug=fast", "total_timesteps=80", "tracking=none")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "finai_rl.train", *small],
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, flags=re.M))
    assert {"torch", "finai_rl.envs.market_env"} <= imported
    others = {"mlflow", "scipy.stats", "skfolio", "sympy", "torch._dynamo.eval_frame", "optuna"}
    assert not imported & others


def test_a_disk_that_is_full_at_the_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(SystemExit):
        hydra.core.utils._save_config(OmegaConf.create({"a": 1}), "config.yaml", tmp_path / "run")
    said = capsys.readouterr().err
    assert said.startswith(f"output_root: {tmp_path}/run cannot be written: ")
    assert said.count("\n") == 1

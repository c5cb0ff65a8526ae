"""A disk that cannot be written is told in one message."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.command import OutputFolder
from finai_rl.config.hydra_versions import register_resolver
from finai_rl.errors import disk_trouble, saved_in


def caused(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception:
            raise RuntimeError("closing failed, too")  # noqa: B904
    except RuntimeError as chained:
        return chained


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EFBIG])
def test_what_a_full_or_read_only_disk_raises_is_known_behind_other_errors(number: int) -> None:
    error = OSError(number, "no", "outputs/model.zip")
    for raised in (error, caused(error)):
        assert disk_trouble(raised).startswith("outputs/model.zip cannot be written: the ")


def test_other_errors_are_not(tmp_path: Path) -> None:
    assert disk_trouble(caused(ValueError("price"))) is None
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "prices.csv").read_text()
    assert disk_trouble(missing.value) is None


def test_what_is_there_is_named_and_an_empty_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_text("m")
    (tmp_path / "cut_short.csv").touch()
    assert saved_in(tmp_path) == f"In {tmp_path} there is: model.zip"
    assert saved_in(tmp_path / "none") == f"In {tmp_path}/none there is: nothing"


def config_with(folder: dict[str, str], sweeper: str = "basic") -> DictConfig:
    hydra = {"run": dict(folder), "sweep": dict(folder), "overrides": {"hydra": []}}
    hydra["job"] = {"name": "train", "chdir": False}
    hydra["runtime"] = {"choices": {"hydra/sweeper": sweeper}}
    return OmegaConf.create({"hydra": hydra, "resume": None})


@pytest.mark.parametrize("moment", ["on_run_start", "on_multirun_start"])
def test_commands_of_one_second_have_a_folder_each(moment, tmp_path: Path) -> None:
    register_resolver("now", lambda form: "00-06-26")
    node = "run" if moment == "on_run_start" else "sweep"
    taken = []
    for _ in range(3):
        config = config_with({"dir": str(tmp_path / "${now:%H-%M-%S}")})
        getattr(OutputFolder(), moment)(config)
        taken.append(Path(config.hydra[node].dir).name)
        own = [f"hydra.sweep.dir={tmp_path}/{taken[-1]}"] if node == "sweep" else []
        assert list(config.hydra.overrides.hydra) == own
    assert taken == ["00-06-26", "00-06-26_2", "00-06-26_3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(taken)


def test_folders_that_are_named_or_of_a_study_or_gone_on_in_are_shared(tmp_path: Path) -> None:
    register_resolver("now", lambda form: "00-06-26")
    named, timed = {"dir": str(tmp_path / "mine")}, {"dir": str(tmp_path / "${now:%H}")}
    study, going_on = config_with(timed, sweeper="study"), config_with(timed)
    going_on.resume = "latest"
    for _ in range(2):
        OutputFolder().on_run_start(config_with(named))
        OutputFolder().on_multirun_start(study)
        OutputFolder().on_run_start(going_on)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00-06-26", "mine"]
    assert study.hydra.overrides.hydra == []


@pytest.mark.parametrize("moment", ["on_run_start", "on_multirun_start"])
def test_an_output_folder_that_cannot_be_made_is_refused(moment, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").touch()
    for place in ("good/run", "file/run"):
        folder = {"dir": str(tmp_path / place)}
        config = config_with(folder)
        if place == "good/run":
            getattr(OutputFolder(), moment)(config)
            continue
        with pytest.raises(SystemExit) as end:
            getattr(OutputFolder(), moment)(config)
        assert end.value.code == 1
    assert (tmp_path / "good" / "run").is_dir()
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"output_root: {tmp_path}/file/run cannot be written")


@pytest.mark.parametrize("root", ["", " ", None])
@pytest.mark.parametrize("moment", ["on_run_start", "on_multirun_start"])
def test_a_root_that_is_empty_is_refused_before_anything_is_made(
    moment: str, root: str | None, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = config_with({"dir": "${output_root}/run"})
    config.output_root = root
    with pytest.raises(SystemExit):
        getattr(OutputFolder(), moment)(config)
    assert capsys.readouterr().err == f"output_root: must name a folder, got {root!r}\n"
    assert not list(tmp_path.iterdir())


def test_a_job_in_a_folder_of_its_own_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_with({"dir": str(tmp_path / "mine")})
    config.hydra.job.chdir = True
    for moment in ("on_run_start", "on_multirun_start"):
        with pytest.raises(SystemExit):
            getattr(OutputFolder(), moment)(config)
        assert "hydra.job.chdir: must be false" in capsys.readouterr().err

"""Where a run came from: commit, versions, command, data; all of it as tags."""

from __future__ import annotations

import getpass
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from finai_rl.config.safety.secrets import argument_without_secrets, without_secrets
from finai_rl.data.versions.git_repository import GitRepository

if TYPE_CHECKING:
    from finai_rl.data.market import DataSource

PACKAGES = (
    "finai-rl",
    "hydra-core",
    "omegaconf",
    "stable-baselines3",
    "sb3-contrib",
    "elegantrl",
    "gymnasium",
    "finrl",
    "torch",
    "numpy",
    "numba",
    "pandas",
    "mlflow",
    "optuna",
    "hydra-optuna-sweeper",
)

_GIT_SECONDS = 5


def provenance_tags() -> dict[str, str]:
    """Return the tags that say which code ran, on what, started how.

    ``git.commit`` and ``git.dirty`` describe the checkout that this package is part of, else the
    one that the current folder is in; without git, or before the first commit, there are none.
    Files that git neither tracks nor ignores make a checkout dirty, too.
    """
    return _git_tags() | _version_tags() | _process_tags()


def data_tags(source: DataSource) -> dict[str, str]:
    """Return the tags that name the data; what does not apply is absent."""
    tags = {
        "data.name": source.name,
        "data.path": source.path or "",
        "data.sha256": source.sha256,
        "data.simulated": ",".join(source.simulated),
        "data.caveats": " ".join(source.caveats),
        **data_version_tags(source),
        **{f"data.{what}": str(n) for what, n in source.repaired.items()},
    }
    return {name: value for name, value in tags.items() if value}


def data_version_tags(source: DataSource) -> dict[str, str]:
    """Return what DVC and git call the data.

    ``data.md5`` is DVC's name of the content, ``data.rev`` the commit, ``data.tag`` a tag of it.
    With ``data.dirty`` true that commit has other bytes; without ``data.dirty`` it is unknown.
    """
    version = source.version
    if version is None:
        return {}
    dirty = {True: "true", False: "false", None: None}[version.dirty]
    tags = {
        "data.md5": version.md5,
        "data.rev": version.rev,
        "data.tag": version.tag,
        "data.dirty": dirty,
    }
    return {name: value for name, value in tags.items() if value}


def note_tag(markdown: str) -> dict[str, str]:
    """Return the tag that MLflow shows as the description of the run."""
    return {"mlflow.note.content": markdown}


def without_password(text: str) -> str:
    """Return the text without passwords and tokens; see `without_secrets`."""
    return without_secrets(text)


def command_line() -> str:
    """Return how this process was started, as a shell takes it, without passwords."""
    return shlex.join(map(argument_without_secrets, sys.orig_argv))


def _git_tags() -> dict[str, str]:
    package = Path(__file__).resolve().parents[1]
    repository = GitRepository.around(package, _GIT_SECONDS)
    # An installed package may lie inside somebody else's checkout: it has to be tracked there.
    if repository is None or not repository.tracks(package / "__init__.py"):
        repository = GitRepository.around(Path.cwd(), _GIT_SECONDS)
    commit = repository.commit("HEAD") if repository else None
    if repository is None or commit is None:
        return {}
    tags = {"git.commit": commit, "mlflow.source.git.commit": commit}
    changed = repository.is_changed()
    if changed is not None:
        tags["git.dirty"] = "true" if changed else "false"
    return tags


def _version_tags() -> dict[str, str]:
    tags = {"version.python": platform.python_version()}
    for package in PACKAGES:
        try:
            tags[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    return tags


def _process_tags() -> dict[str, str]:
    tags = {
        "platform": platform.platform(),
        "command": command_line(),
        "mlflow.source.name": sys.argv[0] or sys.orig_argv[0],
        "mlflow.source.type": "LOCAL",
    }
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (OSError, KeyError):  # A container may run as a user without a name.
        return tags
    return tags

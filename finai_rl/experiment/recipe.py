"""What made the file that a run was trained on, to prepare newer prices in the same way."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from finai_rl.agents.saved_files import SavedFileError
from finai_rl.config.safety.targets import target_problems
from finai_rl.errors import ConfigError
from finai_rl.experiment.preparing import input_files, path_of, prepared_from

PREPARED_FILE = "prepared.csv"
"""In the folder of the command that prepares newer prices."""

COMPUTING = ("numpy", "pandas", "stockstats")
"""Packages whose version may move the last bits of a feature."""


@dataclass(frozen=True)
class Newer:
    """Newer files, in the place of those that a recipe names.

    Attributes:
        raw: Raw prices.
        scores: Scored news; None where the recipe joins none.
        market_series: Series of the whole market by name; None where it joins none.

    Example:
        >>> Newer("newest.csv").scores is None
        True
    """

    raw: str
    scores: str | None = None
    market_series: Mapping[str, str] | None = None

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Newer | None:
        """Read the node ``prepare`` of a config; None where it names no prices."""
        return cls(**node) if node.get("raw") else None


@dataclass(frozen=True)
class Recipe:
    """What made the file that a run was trained on.

    Attributes:
        settings: Of ``prepare``, as its manifest has them.
        versions: Of the packages that computed, by name.

    Example:
        >>> raw, series = {"path": "old.csv", "adjust": "auto"}, {"vix": "vix.csv"}
        >>> recipe = Recipe({"raw": raw, "market_series": series, "sentiment": None})
        >>> recipe.of_files(Newer("new.csv", market_series={"vix": "vix2.csv"}))["raw"]
        {'path': 'new.csv', 'adjust': 'auto'}
    """

    settings: Mapping[str, Any]
    versions: Mapping[str, str] | None = None

    @classmethod
    def load(cls, file: Path) -> Recipe:
        """Read what a run has kept.

        Raises:
            SavedFileError: If the file is damaged.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls({**found["settings"]}, {**found.get("versions", {})})
        except (OSError, ValueError, KeyError, TypeError) as error:
            said = f"is damaged or not of this version ({type(error).__name__}: {error})"
            raise SavedFileError(file, said) from error

    def of_files(self, newer: Newer) -> dict[str, Any]:
        """Return the settings with newer files in the place of theirs.

        Raises:
            ConfigError: If a file that the recipe needs is not named, or one that it does not use.
        """
        settings = copy.deepcopy(dict(self.settings))
        series, scores = settings.get("market_series") or {}, settings.get("sentiment")
        given = dict(newer.market_series or {})
        problems = [
            f"prepare.market_series.{name}: must name the newer file of {path_of(series[name])}, "
            "which the run's file was prepared with"
            for name in series
            if name not in given
        ]
        problems += [
            f"prepare.market_series.{name}: the run's file was prepared without it; leave it out"
            for name in given
            if name not in series
        ]
        if scores and not newer.scores:
            problems.append(
                f"prepare.scores: must name the newer file of {scores['path']}, whose news the "
                "run's file has"
            )
        if newer.scores and not scores:
            problems.append(
                "prepare.scores: the run's file was prepared without news; leave it out"
            )
        if problems:
            raise ConfigError(problems)
        settings["raw"]["path"] = newer.raw
        settings["market_series"] = {name: _moved(series[name], given[name]) for name in series}
        settings["sentiment"] = {**scores, "path": newer.scores} if scores else None
        return settings

    def prepare(self, newer: Newer, folder: Path, trusted: Sequence[str] = ()) -> Path:
        """Prepare newer prices as the run's file was, and return the file, a manifest beside it.

        Args:
            newer: The files.
            folder: Where to.
            trusted: Packages of the user that the recipe may name.

        Raises:
            InputError: If the files cannot be used.
        """
        from finai_rl.data.preparation.manifest import hashes_of, write_panel

        settings = self.of_files(newer)
        if problems := [*target_problems("recipe.features", settings.get("features"), trusted)]:
            raise ConfigError(problems)
        file = folder / PREPARED_FILE
        inputs = input_files(settings)
        read = hashes_of(inputs)
        write_panel(prepared_from(settings), file, inputs=inputs, settings=settings, read=read)
        return file

    def version_notes(self) -> Iterator[str]:
        """Yield a sentence where other versions compute now than did then."""
        then = {name: told for name, told in (self.versions or {}).items() if name in COMPUTING}
        now = {name: _installed(name) for name in then}
        other = [
            f"{name} {then[name]}, now {now[name]}" for name in then if then[name] != now[name]
        ]
        if other:
            yield f"Features are computed by other versions than in training: {'; '.join(other)}."


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _moved(told: Any, path: str) -> Any:
    return {**told, "path": path} if isinstance(told, dict) else path

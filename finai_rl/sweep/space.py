"""What a search may vary, in Hydra's syntax; some of it only where a choice calls for it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from omegaconf import DictConfig
from optuna.distributions import BaseDistribution, CategoricalDistribution

from finai_rl.errors import InputError
from finai_rl.sweep.search.plugin import as_text, interval, suggest

log = logging.getLogger(__name__)

Distributions = dict[str, BaseDistribution]
T = TypeVar("T")

FIXED_IN_A_SEARCH = (
    "data",
    "split",
    "evaluation",
    "tracking",
    "sweep",
    "objective",
    "seed",
    "experiment",
    "debug",
)
"""What objectives cannot be compared over, or what would let a search choose its own judge."""
FREE = ("data.indicators", "data.sentiment")
"""What of it may vary all the same: the trials' days and prices stay those of the others."""


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a search.

    Attributes:
        distributions: Of the parameters that every trial has, by config key.
        conditional: Of those that only some have: ``{key: {choice: {key: distribution}}}``. Optuna
            knows them as ``choice:key``, so that each choice has its own range.
        fixed: What the command line sets for every trial.
        extend: ``hydra.sweeper.custom_search_space``: suggests further parameters, by config key.

    Example:
        >>> space = SearchSpace.parse({"agent.gamma": "choice(0.9, 0.99)"}, {}, ["agent=a2c"])
        >>> space.describe(), space.fixed
        ({'agent.gamma': 'CategoricalDistribution(choices=(0.9, 0.99))'}, {'agent': 'a2c'})
        >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        >>> sorted(space.suggest(study.ask()))
        ['agent.gamma=0.99', 'agent=a2c']
    """

    distributions: Distributions
    conditional: Mapping[str, Mapping[str, Distributions]]
    fixed: Mapping[str, str]
    extend: Callable[[optuna.Trial], None] | None = None

    @classmethod
    def parse(
        cls,
        params: Mapping[str, Any],
        conditional: Mapping[str, Mapping[str, Mapping[str, Any]]],
        arguments: Sequence[str],
        master: DictConfig | None = None,
        custom: Callable[[DictConfig, optuna.Trial], None] | None = None,
    ) -> SearchSpace:
        """Read a search space.

        Args:
            params: ``hydra.sweeper.params``.
            conditional: ``hydra.sweeper.conditional``.
            arguments: The command line's overrides of the config; they win.
            master: The multirun's master config, for ``custom``.
            custom: ``hydra.sweeper.custom_search_space``.

        Raises:
            InputError: If a parameter may not be searched, or a condition cannot come true.
        """
        varied, fixed = _parse([*_as_overrides(params), *arguments])
        varied = _without(varied, fixed)
        branches = {
            key: {
                as_written(choice): _branch(as_written(choice), space, fixed)
                for choice, space in choices.items()
            }
            for key, choices in conditional.items()
        }
        _tell_never_chosen(varied, branches)
        problems = [*_not_allowed(varied, branches), *_unreachable(varied, fixed, branches)]
        if problems:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise InputError(f"This search space cannot be used:\n{listed}")
        extend = functools.partial(custom, master) if custom and master is not None else None
        return cls(varied, branches, fixed, extend)

    def suggest(self, trial: optuna.Trial) -> list[str]:
        """Sample a trial's parameters, and return them all as overrides."""
        chosen = {key: suggest(trial, key, space) for key, space in self.distributions.items()}
        settings = {**self.fixed, **{key: str(value) for key, value in chosen.items()}}
        choices = {_bare(key): as_written(value) for key, value in settings.items()}
        for key, branches in self.conditional.items():
            choice = choices.get(key, "")
            for parameter, space in branches.get(choice, {}).items():
                value = suggest(trial, f"{choice}:{parameter}", space)
                settings[parameter] = str(value)
        if self.extend is not None:
            settings |= self._extended(trial, self.extend)
        return [_override(key, value) for key, value in settings.items()]

    def first(self) -> list[str]:
        """Return the overrides of one possible trial, for a check before there is any."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return self.suggest(study.ask())

    def _extended(
        self, trial: optuna.Trial, extend: Callable[[optuna.Trial], None]
    ) -> dict[str, str]:
        extend(trial)
        # A trial that is run again has had them all from the start.
        known = self.describe()
        added = {key: value for key, value in trial.params.items() if key not in known}
        if problems := _forbidden(added):
            raise InputError(f"hydra.sweeper.custom_search_space: {'; '.join(problems)}")
        texts = {key: "null" if value is None else str(value) for key, value in added.items()}
        return {key: text for key, text in texts.items() if ":" not in key}

    def describe(self) -> dict[str, str]:
        """Return every parameter with its distribution as text."""
        known = {key: as_text(space) for key, space in self.distributions.items()}
        for branches in self.conditional.values():
            for choice, spaces in branches.items():
                known |= {f"{choice}:{key}": as_text(space) for key, space in spaces.items()}
        return known


def keys_of(overrides: Sequence[str]) -> dict[str, str]:
    """Return the value of each override by its key, without the signs of an addition."""
    split = (text.partition("=") for text in overrides)
    return {key.lstrip("+"): value for key, _, value in split}


def _as_overrides(params: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in params.items()]


def _parse(overrides: Sequence[str]) -> tuple[Distributions, dict[str, str]]:
    varied: Distributions = {}
    fixed: dict[str, str] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override():
            fixed = _without(fixed, [key])
            varied[key] = _distribution(override)
        else:
            fixed[key] = override.get_value_element_as_str()
    return varied, fixed


def _distribution(override: Override) -> BaseDistribution:
    sweep = override.value()
    if override.is_interval_sweep():
        return interval(override)
    if not isinstance(sweep, ChoiceSweep | RangeSweep):
        raise InputError(
            f"{override.get_key_element()}: a search does not know what glob stands for; "
            "list the choices"
        )
    # Shuffled, the choices would be others at the search's next start.
    override = replace(override, _value=replace(sweep, shuffle=False))
    # As Hydra's range: its end is not part of it. The plugin's includes it.
    values, texts = override.sweep_iterator(), override.sweep_string_iterator()
    plain = (bool, int, float)
    return CategoricalDistribution(
        [
            value if isinstance(value, plain) else text
            for value, text in zip(values, texts, strict=True)
        ]
    )


def _branch(choice: str, space: Mapping[str, Any], fixed: Mapping[str, str]) -> Distributions:
    varied, constants = _parse(_as_overrides(space))
    if constants:
        raise InputError(
            f"hydra.sweeper.conditional: {choice} sets {sorted(constants)} to one value; give a "
            "range or a choice"
        )
    return _without(varied, fixed)


def _not_allowed(
    varied: Distributions, branches: Mapping[str, Mapping[str, Distributions]]
) -> list[str]:
    keys = [*varied, *(key for choices in branches.values() for s in choices.values() for key in s)]
    return _forbidden(keys)


def _forbidden(keys: Iterable[str]) -> list[str]:
    bare = [_bare(key) for key in keys]
    return [
        f"{key}: a search may not vary it, its trials' objectives could not be compared"
        + ("; sweep.seeds trains several seeds per trial" if key == "seed" else "")
        for key in bare
        if key.partition(".")[0] in FIXED_IN_A_SEARCH and not key.startswith(FREE)
    ]


def as_written(choice: Any) -> str:
    """Return a choice as the command line has it: ``true`` for YAML's true, ``8`` for 8."""
    text = "null" if choice is None or choice == "None" else str(choice)
    return text.lower() if text in ("True", "False") else text


def _tell_never_chosen(
    varied: Distributions, branches: Mapping[str, Mapping[str, Distributions]]
) -> None:
    known = {_bare(key): space for key, space in varied.items()}
    for key, choices in branches.items():
        among = getattr(known.get(key), "choices", None)
        never = [] if among is None else sorted(set(choices) - set(map(as_written, among)))
        if never:
            log.warning(
                "hydra.sweeper.conditional.%s: no trial has %s; it varies over %s",
                *(key, ", ".join(never), ", ".join(map(as_written, among or ()))),
            )


def _unreachable(
    varied: Distributions,
    fixed: Mapping[str, str],
    branches: Mapping[str, Mapping[str, Distributions]],
) -> list[str]:
    known = {_bare(key) for key in [*varied, *fixed]}
    return [
        f"hydra.sweeper.conditional.{key}: nothing sets or varies {key}"
        for key in branches
        if key not in known
    ]


def _bare(key: str) -> str:
    return key.lstrip("+")


def _without(known: Mapping[str, T], keys: Iterable[str]) -> dict[str, T]:
    excluded = {_bare(key) for key in keys}
    return {key: value for key, value in known.items() if _bare(key) not in excluded}


def _override(key: str, value: str) -> str:
    deletes = key.startswith("~") and value == "null"
    return key if deletes else f"{key}={value}"

"""Make the agent of a run the champion of a registered model, where it passes every gate.

python -m finai_rl.promote run_id=0123456789abcdef0123456789abcdef
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.command import WithSeed, entry_point
from finai_rl.config.command_schemas import Promote
from finai_rl.errors import ConfigError, InputError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from finai_rl.experiment.promotion.challenge import Challenge
    from finai_rl.report.gates import Gate
    from finai_rl.tracking.history.finished_run import FinishedRun
    from finai_rl.tracking.models.registry import Registry

PLACE = "promotion"
"""Folder of the run's artifacts, and how the tags begin."""
TEST_BLOCK, PENDING = f"{PLACE}.test_block", "to be opened"
"""Tag of a version on what its sealed block has shown, and its value before."""
EVIDENCE = "the evidence (tags and promotion/ of the run)"
SEALED_BLOCK = "what the sealed block shows"
"""What a promotion writes, as an outage in the middle of it is told."""


class PromotionRefused(InputError):
    """A challenger has not passed every gate; the message names those that it has not."""


@dataclass(frozen=True)
class Promotion:
    """What a promotion has done.

    Attributes:
        model: Name of the registered model.
        version: That has the alias now.
        replaced: That had it before; None for none.
        gates: What they have measured; empty of a rollback, and where a promotion was finished
            whose sealed block was still to be opened.

    Example:
        >>> Promotion("my_agent", "3", "2", ()).replaced
        '2'
    """

    model: str
    version: str
    replaced: str | None
    gates: Sequence[Gate]


@entry_point("promote", schema=Promote)
def main(cfg: DictConfig, _: WithSeed) -> None:
    """Promote as the config says."""
    promote(cfg, Path(HydraConfig.get().runtime.output_dir))


def promote(cfg: DictConfig, folder: Path) -> Promotion:
    """Hold a challenger against every gate, write the evidence, and move the alias or refuse.

    Args:
        cfg: A composed and checked config.
        folder: Where the page goes.

    Raises:
        PromotionRefused: If a gate refuses; its evidence is written all the same.
        InputError: If there is no such run, or it cannot be held against the champion.
    """
    check_request(cfg)

    from finai_rl.tracking.history.finished_run import FinishedRun
    from finai_rl.tracking.models.registry import Registry
    from finai_rl.tracking.outage import outage_told
    from finai_rl.tracking.store_choice import log_store

    log_store(cfg.tracking, cfg.output_root)
    if cfg.rollback:
        return roll_back(cfg)
    run = FinishedRun(cfg.tracking.uri, cfg.run_id, cfg.model)
    run.check()
    run.check_active()
    registry = Registry(run.client, name_for(run, cfg.name), cfg.alias)
    steps = [EVIDENCE, f"the alias {registry.uri}", *([SEALED_BLOCK] if cfg.open_test else [])]
    with outage_told(cfg.tracking.uri, steps):
        return judge(cfg, folder, run, registry, steps)


def judge(
    cfg: DictConfig, folder: Path, run: FinishedRun, registry: Registry, steps: list[str]
) -> Promotion:
    """Measure every gate, and write what follows from them.

    Args:
        cfg: A composed and checked config.
        folder: Where the page goes.
        run: The challenger's.
        registry: Of the model that it is a challenger of.
        steps: What is to be written; what is, is taken out.

    Raises:
        PromotionRefused: If a gate refuses.
        InputError: If it cannot be held against the champion.
    """
    from finai_rl.experiment.promotion.challenge import Challenge
    from finai_rl.tracking.history.finished_run import FinishedRun

    holder = registry.holder()
    if holder is not None and is_unfinished(holder, run, cfg.open_test):
        del steps[:-1]
        open_block(Challenge(run, None, cfg.seed), registry, str(holder.version))
        return Promotion(registry.name, str(holder.version), None, ())
    check_holder(holder, run, registry)
    if cfg.open_test:
        check_sealed(run)
    champion = None if holder is None else FinishedRun(cfg.tracking.uri, str(holder.run_id))
    challenge = Challenge(run, champion, cfg.seed)
    gates = measure(cfg.promotion, challenge, run)
    tags = write_evidence(gates, challenge, run, registry, folder)
    steps.remove(EVIDENCE)
    if refused := [gate.name for gate in gates if gate.passed is False]:
        steps[:] = ["its tags of the registered version"]
        if version := registry.version_of(run.run_id):
            registry.tag(version, tags)
        raise PromotionRefused(
            f"run {run.run_id} is not promoted to {registry.uri}: refused by "
            f"{', '.join(refused)}; the table above says what is missing"
        )
    if cfg.open_test:
        check_sealed(run)
    pending = {TEST_BLOCK: PENDING} if cfg.open_test else {}
    judged = None if holder is None else str(holder.version)
    version = registry.promote(run.run_id, tags | pending, judged)
    del steps[0]
    print(f"{registry.uri} is version {version}")
    if cfg.open_test:
        open_block(challenge, registry, version)
    return Promotion(registry.name, version, None if holder is None else str(holder.version), gates)


def is_unfinished(holder: ModelVersion, run: FinishedRun, open_test: bool) -> bool:
    """Return whether a run has the alias, and its sealed block was to be opened and was not."""
    asked = open_test and holder.run_id == run.run_id
    return asked and (holder.tags or {}).get(TEST_BLOCK) == PENDING


def open_block(challenge: Challenge, registry: Registry, version: str) -> None:
    """Backtest a champion on its sealed block, and say on its version what came out."""
    found = challenge.sealed_block()
    print(f"Sealed block, opened once: {found}")
    registry.tag(version, {TEST_BLOCK: found})


def check_request(cfg: DictConfig) -> None:
    """Refuse what is not clear.

    Raises:
        ConfigError: If neither or both of a challenger and a rollback are asked for.
    """
    named = sum(cfg[key] is not None for key in ("run_id", "model"))
    if cfg.rollback and (named or cfg.name is None or cfg.open_test):
        raise ConfigError(["rollback: takes name, and neither run_id, model nor open_test"])
    if not cfg.rollback and named != 1:
        raise ConfigError(["run_id, model: name one of the two"])


def check_holder(holder: ModelVersion | None, run: FinishedRun, registry: Registry) -> None:
    """Refuse a challenger that is the champion, and a champion that is of no run.

    Raises:
        ConfigError: Says which.
    """
    if holder is None:
        return
    if holder.run_id == run.run_id:
        raise ConfigError([f"run_id: run {run.run_id} is {registry.uri} already"])
    if not holder.run_id:
        raise ConfigError(
            [
                f"name: {registry.uri} is version {holder.version}, which is of no run, so nothing "
                "can be held against it: take the alias from it, or name another model"
            ]
        )


def check_sealed(run: FinishedRun) -> None:
    """Refuse to open a test block that is not there, or that was open before.

    Raises:
        ConfigError: Says which.
    """
    from finai_rl.tracking.history.finished_run import TEST_TAG

    if "split.test" not in run.tags:
        raise ConfigError(["open_test: the run's split has left no test block"])
    if times := run.tag_now(TEST_TAG):
        raise ConfigError([f"open_test: the test block of this run was opened before ({times})"])


def roll_back(cfg: DictConfig) -> Promotion:
    """Give the alias back to the version that had it before.

    Raises:
        InputError: If there is none.
    """
    from mlflow.exceptions import MlflowException

    from finai_rl.tracking.environment import short_patience
    from finai_rl.tracking.history.finished_run import client_of
    from finai_rl.tracking.models.registry import Registry
    from finai_rl.tracking.outage import brief
    from finai_rl.tracking.store_choice import address
    from finai_rl.tracking.tracker import TrackingError

    where = address(cfg.tracking.uri)
    try:
        with short_patience(retries=1, timeout=5):
            registry = Registry(client_of(cfg.tracking.uri), cfg.name, cfg.alias)
            left, now = registry.roll_back()
    except MlflowException as error:
        raise TrackingError(
            f"{where} cannot be used: {brief(error)}; see which version has the alias before you "
            "roll back again"
        ) from error
    print(f"{registry.uri} is version {now} again, no longer version {left}")
    try:
        registry.tag(left, {f"{PLACE}.rolled_back": _now()})
    except MlflowException as error:
        print(f"Note: version {left} has no tag {PLACE}.rolled_back: {brief(error)}")
    return Promotion(registry.name, now, left, ())


def name_for(run: FinishedRun, name: str | None) -> str:
    """Return the name of the registered model that a run is a challenger of.

    Raises:
        ConfigError: If it is not clear.
    """
    from finai_rl.tracking.models.registry import names_of

    if name is not None:
        return name
    found = names_of(run.client, run.run_id)
    if len(found) != 1:
        known = f"under {', '.join(found)}" if found else "under no name"
        raise ConfigError([f"name: run {run.run_id} is registered {known}: name the model"])
    return found[0]


def measure(asked: DictConfig, challenge: Challenge, run: FinishedRun) -> list[Gate]:
    """Return what every gate has measured, those that are left out included."""
    from finai_rl.experiment.promotion import gates
    from finai_rl.report.gates import Gate

    once, more = challenge.duel(), asked.costs.multiplier
    assert once is not None
    measures: dict[str, Callable[[], Gate]] = {
        "better": lambda: gates.better(once, asked.better.least),
        "deflated_sharpe": lambda: gates.deflated(
            challenge.verdict,
            asked.deflated_sharpe.least,
            ruined=challenge.account.ruined,
            traded=challenge.traded,
        ),
        "costs": lambda: gates.costs(challenge.duel(more), more, asked.costs.least),
        "leakage": lambda: leakage_gate(challenge, run),
        "data_version": lambda: gates.data_version(run.tags, asked.data_version.least),
    }
    return [
        gate() if asked[name].check else Gate(name, "", "left out (check=false)", None)
        for name, gate in measures.items()
    ]


def leakage_gate(challenge: Challenge, run: FinishedRun) -> Gate:
    """Run the leakage checks on what the challenger was trained on."""
    from finai_rl.experiment.finished_run import market_of
    from finai_rl.experiment.promotion import gates
    from finai_rl.leakage.finding import leaks
    from finai_rl.leakage.finished_run import findings_of

    findings = findings_of(challenge.cfg, market_of(challenge.cfg, run))
    found = [f"{leak.check}: {leak.subject}: {leak.evidence}" for leak in leaks(findings)]
    return gates.leakage(len(findings), found)


def write_evidence(
    gates: Sequence[Gate],
    challenge: Challenge,
    run: FinishedRun,
    registry: Registry,
    folder: Path,
) -> dict[str, str]:
    """Print the gates, write them beside the run, and return the tags of its version."""
    from rich.console import Console

    from finai_rl.report.gates import PAGE, RECORD, print_gates, save_gates

    title = f"{run.name} for {registry.uri}"
    console = Console(soft_wrap=True, markup=False, highlight=False)
    print_gates(console, title, gates)
    about = {
        "Challenger": f"run {run.run_id}",
        "Against": challenge.rival,
        "Days": challenge.challenger.data.span,
        "Data": run.tags.get("data.sha256", "unknown"),
        "Judged": _now(),
    }
    notes = [*challenge.notes, challenge.verdict.sentence]
    for note in notes:
        console.print(f"Note: {note}")
    page, _ = save_gates(title, gates, about, notes, folder / PLACE)
    refused = any(gate.passed is False for gate in gates)
    tags = {
        f"{PLACE}.outcome": "refused" if refused else "promoted",
        f"{PLACE}.judged": about["Judged"],
        f"{PLACE}.against": challenge.rival,
        f"{PLACE}.page": f"runs:/{run.run_id}/{PLACE}/{PAGE}",
        **{f"{PLACE}.{gate.name}": f"{gate.outcome}: {gate.measured}"[:4000] for gate in gates},
    }
    run.record({}, tags, folder / PLACE, PLACE)
    console.print(f"Evidence: {page}, {RECORD} beside it")
    return tags


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    main()

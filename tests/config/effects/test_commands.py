"""Every setting of evaluate, compare, prepare and verify acts, or is refused."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from finai_rl.config.idle import idle_settings
from finai_rl.data import synthetic_market
from finai_rl.experiment.backtests.evaluation import Assessment, Request
from finai_rl.experiment.finished_run import Block
from finai_rl.leakage.altered_rollout import trajectory
from finai_rl.leakage.information import foresight_findings
from finai_rl.leakage.panel import days_to_alter
from finai_rl.report.run.contents import RunFacts
from finai_rl.statistics.leaderboard import leaderboard
from tests.config.composition import SCHEMAS
from tests.config.effects.data import SCORED
from tests.config.effects.walk import (
    Effect,
    assert_complete,
    assert_there,
    differ,
    leaves,
    raw,
    shown_in,
    with_settings,
)
from tests.markets import generated_market
from tests.statistics.boards import trainings

FILE = "tests/config/effects/test_commands.py"
EVALUATED, COMPARED = "tests/e2e/test_evaluate.py", "tests/e2e/test_compare.py"
RAW, PANEL = "tests/data/preparation/test_raw_prices.py", "tests/data/preparation/test_panel.py"
LAID_OUT = "tests/data/preparation/test_layouts.py"
UNIVERSE = "tests/data/listings/test_universe.py"
SPLITS = "tests/data/listings/test_splits.py"
SESSIONS = "tests/data/tables/test_sessions.py"
FORM = "tests/data/tables/test_text_form.py"
REPORT = f"{FILE}::test_what_evaluate_is_asked_for_changes_its_report"
GRADIENTS = "tests/experiment/backtests/test_behaviour.py::test_what_its_actions_are_made_of"
BOARD = f"{FILE}::test_numbers_of_a_leaderboard_follow_their_settings"
DECIDED, NEWEST = "tests/e2e/test_decide.py", "tests/experiment/deciding/test_newest.py"
RAW_PRICES = f"{DECIDED}::test_raw_prices_cut_at_a_day_give_the_orders_of_the_backtest"
VIX = {"vix": "vix.csv"}
SERVED: dict[str, Effect] = {
    "prepare.raw": shown_in(RAW_PRICES),
    **{
        f"prepare.{name}": Effect(
            value=value,
            beside={"prepare.raw": "new.csv"},
            off={"prepare.raw": None},
            elsewhere=RAW_PRICES,
        )
        for name, value in (("scores", "news.csv"), ("market_series", VIX))
    },
}
NEWER = "tests/e2e/test_newer_days.py::test_newer_days_are_a_block_of_their_own_and_a_look"
PAPER = "tests/e2e/test_paper.py::test_one_command_a_day"
PROMOTED = "tests/e2e/test_promote.py"
GATES = "tests/experiment/promotion/test_gates.py"
PREPARED, CHECKED = "tests/e2e/test_prepare.py", "tests/e2e/test_verify.py"
ROOTED = f"{FILE}::test_what_a_command_writes_goes_below_its_root"
TRUSTED = "tests/config/test_check.py::test_a_package_of_the_user_can_be_trusted"
JOINED = "tests/config/effects/test_data.py::test_a_setting_changes_the_market_or_is_refused"
GATES_OFF = {"gates": False}


def of_newer(value: Any, test: str, beside: Mapping[str, Any] | None = None) -> Effect:
    newer, off = {"block": "newer", **(beside or {})}, {"block": "validation"}
    return Effect(value=value, beside=newer, off=off, elsewhere=test)


COMMANDS: dict[str, dict[str, Effect]] = {
    "evaluate": {
        "data.path": of_newer("newer.csv", NEWER),
        "prepare.raw": of_newer("newer.csv", RAW_PRICES),
        "prepare.scores": of_newer("news.csv", RAW_PRICES, {"prepare.raw": "newer.csv"}),
        "prepare.market_series": of_newer(
            {"vix": "vix.csv"}, RAW_PRICES, {"prepare.raw": "newer.csv"}
        ),
        "trusted_packages": shown_in(TRUSTED),
        "run_id": shown_in(f"{EVALUATED}::test_wrong_requests_get_one_message"),
        "model": shown_in(f"{EVALUATED}::test_wrong_requests_get_one_message"),
        "block": shown_in(
            f"{EVALUATED}::test_each_opening_of_the_test_block_is_counted_before_it_is_shown"
        ),
        "baselines": shown_in(REPORT),
        "random_agents": shown_in(REPORT),
        "cost_multipliers": shown_in(REPORT),
        "permutations": shown_in(REPORT),
        "response_days": shown_in(REPORT),
        "attribution_days": shown_in(GRADIENTS),
        "seed": shown_in(REPORT),
        "tracking.uri": shown_in(f"{EVALUATED}::test_wrong_requests_get_one_message"),
        "output_root": shown_in(ROOTED),
    },
    "compare": {
        "tracking.uri": shown_in(f"{COMPARED}::test_what_cannot_be_compared"),
        "experiment_name": shown_in(f"{COMPARED}::test_what_cannot_be_compared"),
        "by": shown_in(f"{COMPARED}::test_a_filter_and_another_name"),
        "filter": shown_in(f"{COMPARED}::test_a_filter_and_another_name"),
        "parent": shown_in(f"{COMPARED}::test_only_what_is_below_a_parent"),
        "periods_per_year": shown_in(BOARD),
        "risk_free": shown_in(BOARD),
        "seed": shown_in(
            "tests/statistics/test_leaderboard.py"
            "::test_the_seed_decides_and_the_order_of_runs_does_not"
        ),
        "output_root": shown_in(ROOTED),
    },
    "decide": {
        "run_id": shown_in(f"{DECIDED}::test_each_day_is_decided_as_in_the_backtest"),
        "model": shown_in(f"{DECIDED}::test_each_day_is_decided_as_in_the_backtest"),
        "data.path": shown_in(f"{DECIDED}::test_a_newer_file_and_what_is_held"),
        **SERVED,
        "day": shown_in(f"{NEWEST}::test_a_day_and_a_start_can_be_named"),
        "account_start": shown_in(f"{NEWEST}::test_a_day_and_a_start_can_be_named"),
        "positions": shown_in(f"{DECIDED}::test_a_newer_file_and_what_is_held"),
        "cash": Effect(
            value=5.0,
            beside={"positions": "held.csv"},
            off={"positions": None},
            elsewhere=f"{DECIDED}::test_a_newer_file_and_what_is_held",
        ),
        "rescaled": shown_in(f"{NEWEST}::test_another_scale_can_be_allowed_and_dividends_are"),
        "tracking.uri": shown_in(f"{DECIDED}::test_each_day_is_decided_as_in_the_backtest"),
        "output_root": shown_in(ROOTED),
        "trusted_packages": shown_in(TRUSTED),
    },
    "paper": {
        "account": shown_in(PAPER),
        "report": shown_in(PAPER),
        "run_id": shown_in(PAPER),
        "model": shown_in(f"{DECIDED}::test_each_day_is_decided_as_in_the_backtest"),
        "data.path": shown_in(PAPER),
        **SERVED,
        "account_start": shown_in(f"{NEWEST}::test_a_day_and_a_start_can_be_named"),
        "delisted": shown_in(PAPER),
        "rescaled": shown_in(f"{NEWEST}::test_another_scale_can_be_allowed_and_dividends_are"),
        "tracking.uri": shown_in(f"{DECIDED}::test_each_day_is_decided_as_in_the_backtest"),
        "output_root": shown_in(ROOTED),
        "trusted_packages": shown_in(TRUSTED),
    },
    "promote": {
        "run_id": shown_in(f"{PROMOTED}::test_luck_is_refused"),
        **dict.fromkeys(
            ("model", "name", "alias", "rollback", "open_test", "tracking.uri"),
            shown_in(f"{PROMOTED}::test_a_planted_signal_is_promoted_defended_and_rolled_back"),
        ),
        "seed": shown_in(f"{GATES}::test_the_seed_moves_the_interval"),
        **{
            f"promotion.{gate}.check": shown_in(
                f"{PROMOTED}::test_a_planted_signal_is_promoted_defended_and_rolled_back"
            )
            for gate in ("better", "deflated_sharpe", "costs", "leakage", "data_version")
        },
        **{
            f"promotion.{name}": Effect(
                value=value,
                off={f"promotion.{name.partition('.')[0]}.check": False},
                elsewhere=f"{GATES}::{test}",
            )
            for name, value, test in (
                ("better.least", 1.0, "test_better_by_more_than_luck"),
                ("deflated_sharpe.least", 0.99, "test_the_luckiest_of_many_is_refused"),
                ("costs.multiplier", 3.0, "test_costs_that_eat_it_all"),
                ("costs.least", 1.0, "test_costs_that_eat_it_all"),
                ("data_version.least", "committed", "test_data_that_can_be_found_again"),
            )
        },
        "output_root": shown_in(ROOTED),
    },
    "prepare": {
        "raw.path": shown_in(f"{RAW}::test_a_file_that_is_not_there"),
        **{
            f"raw.{name}": shown_in(f"{LAID_OUT}::test_a_layout_is_read_whole")
            for name in ("columns", "tic", "encoding", "date_format", "zone", "wide", "on_bad")
        },
        **{
            f"raw.{name}": shown_in(f"{FORM}::test_a_form_can_be_told")
            for name in ("separator", "decimal")
        },
        "raw.calendar": shown_in(f"{SESSIONS}::test_a_holiday_is_no_gap"),
        "raw.splits": shown_in(f"{SPLITS}::test_a_split_that_is_told_is_adjusted_for"),
        "raw.adjust": shown_in(f"{RAW}::test_adjusted_closes_bring_all_prices_to_their_scale"),
        "raw.universe": shown_in(f"{UNIVERSE}::test_what_is_cut_is_counted"),
        "raw.on_missing": shown_in(f"{RAW}::test_a_ticker_with_a_gap_can_be_dropped"),
        "output": shown_in(f"{PREPARED}::test_prepare_then_train_with_the_command_it_names"),
        "overwrite": shown_in(f"{PREPARED}::test_what_cannot_be_used"),
        "indicators": shown_in(f"{PANEL}::test_an_indicator_that_cannot_be_is_named"),
        "turbulence": shown_in(f"{PANEL}::test_warm_up_is_dropped_and_counted"),
        "market_series": shown_in(
            f"{PANEL}::test_a_series_is_joined_from_the_past_and_gaps_are_counted"
        ),
        "features": shown_in(f"{PANEL}::test_features_of_the_user_come_after_the_indicators"),
        **{f"sentiment.scores.{name}": shown_in(JOINED) for name in SCORED},
        "warm_up": shown_in(f"{PANEL}::test_warm_up_is_dropped_and_counted"),
        "trusted_packages": shown_in(TRUSTED),
        "output_root": shown_in(ROOTED),
    },
    "verify": {
        "seed": shown_in(f"{FILE}::test_a_check_follows_its_settings"),
        "days": shown_in(f"{FILE}::test_a_check_follows_its_settings"),
        "shifts": shown_in(
            "tests/leakage/test_indicators.py::test_the_shift_and_examples_are_told"
        ),
        "information.threshold": shown_in(f"{FILE}::test_a_check_follows_its_settings"),
        "information.significance": shown_in(f"{FILE}::test_a_check_follows_its_settings"),
        "information.horizons": shown_in(f"{FILE}::test_a_check_follows_its_settings"),
        "gates": shown_in(f"{CHECKED}::test_gates_that_train"),
        "total_timesteps": Effect(off=GATES_OFF, elsewhere=f"{CHECKED}::test_gates_that_train"),
        "torch_threads": shown_in("tests/config/effects/test_run.py::test_torch_has_its_threads"),
        "trusted_packages": shown_in(TRUSTED),
        "output_root": shown_in(ROOTED),
    },
}
"""Of each command but ``train``; the groups of ``verify`` are those of ``train``."""
GROUPS = ("data", "split", "env", "agent", "network", "evaluation")


def own_keys(command: str) -> list[str]:
    overrides = ["raw.path=a.csv"] if command == "prepare" else []
    cfg: Any = OmegaConf.to_container(raw(*overrides, command=command), resolve=False)
    groups = GROUPS if command == "verify" else ()
    return list(leaves({key: value for key, value in cfg.items() if key not in groups}))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_has_an_entry(command: str) -> None:
    assert_complete(own_keys(command), COMMANDS[command], f"conf/{command}.yaml", FILE)
    assert COMMANDS.keys() | {"train"} == SCHEMAS.keys()


@pytest.mark.parametrize(
    "named", sorted({entry.elsewhere for table in COMMANDS.values() for entry in table.values()})
)
def test_a_test_that_an_entry_names_is_there(named: str) -> None:
    assert_there(named)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_writes_goes_below_its_root(command: str) -> None:
    from hydra.core.hydra_config import HydraConfig

    from tests.config.composition import composed

    composed("output_root=elsewhere", command=command)
    assert HydraConfig.get().run.dir.startswith("elsewhere/")


@functools.cache
def assessed(**changes: Any) -> dict[str, Any]:
    """Evaluate an agent that buys and sells by the day, on a small market."""
    data = generated_market(n_days=80, n_stocks=3)
    cfg = with_settings({"evaluation.periods_per_year": 365, "env.normalize": False})
    asked: dict[str, Any] = {
        "baselines": ("cash",), "random_agents": 10, "cost_multipliers": (2.0,), "seed": 0,
        "permutations": 2, "response_days": 20,
    }  # fmt: skip
    request = Request(**{**asked, **changes}, output_root="outputs")

    class Alternating:
        def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
            return np.sin(observation[:, 1:4]).astype(np.float32), None

    block = Block("validation", data.slice_days(30, 80), history=data.slice_days(0, 30))
    agent: Any = Alternating()
    facts = RunFacts("", "", "", {})
    report = Assessment(cfg, block, request).report(agent, None, "agent", 1, facts)
    found = report.behaviour
    assert found is not None
    assert report.random is None or len(report.random.sharpe_ratio) == request.random_agents
    return {
        "baselines": sorted(report.baselines),
        "random": None if report.random is None else report.random.sharpe_ratio,
        "costs": [scenario.multiplier for scenario in report.cost_scenarios],
        "importance": None if found.importance is None else found.importance.parts["close"].low,
        "curves": [curve.change for curve in found.curves],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baselines", ("momentum",)),
        ("random_agents", 0),
        ("random_agents", 12),
        ("cost_multipliers", (3.0,)),
        ("permutations", 0),
        ("permutations", 3),
        ("response_days", 0),
        ("response_days", 10),
        ("seed", 1),
    ],
)
def test_what_evaluate_is_asked_for_changes_its_report(
    name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert differ(assessed(), assessed(**{name: value}))


def test_costs_that_cannot_be_multiplied_are_told(caplog: pytest.LogCaptureFixture) -> None:
    data = generated_market(n_days=60, n_stocks=3)
    costs = [0.001, 0.002, 0.003]
    cfg = with_settings({"evaluation.periods_per_year": 365, "env.buy_cost_pct": costs})
    block = Block("validation", data.slice_days(30, 60), history=data.slice_days(0, 30))
    assessment = Assessment(cfg, block, Request([], 0, (2.0,), "outputs"))
    agent: Any = None
    result: Any = None
    assert assessment._at_other_costs(agent, None, result) == []
    assert "cost_multipliers: not used" in caplog.text


def test_numbers_of_a_leaderboard_follow_their_settings() -> None:
    def ranked(periods: int = 252, risk_free: float = 0.0) -> Any:
        board = leaderboard({"a": trainings(0.001), "b": trainings(name=1)}, periods, risk_free)
        first = board.standings[0].sharpe
        return [first.estimate, first.low, first.high]

    usual = ranked()
    assert differ(usual, ranked(periods=365))
    assert differ(usual, ranked(risk_free=0.1))


def test_a_check_follows_its_settings() -> None:
    data = generated_market(n_days=120, n_stocks=3)
    paths = [
        trajectory(with_settings({"seed": seed}, command="verify"), data, 20)[1] for seed in (0, 1)
    ]
    assert differ(*paths)
    assert len(days_to_alter(data.n_days, 4)) != len(days_to_alter(data.n_days, 2))

    planted = synthetic_market(kind="momentum", n_days=600)

    def told(**changes: Any) -> list[str]:
        usual = {"threshold": 0.15, "significance": 0.001, "horizons": 3}
        return [str(finding) for finding in foresight_findings(planted, **{**usual, **changes})]

    assert told(threshold=0.99) != told()
    assert told(significance=1e-300) != told()
    assert told(horizons=1) != told()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("agent=sac", "agent: has no effect without gates=true"),
        ("agent.learning_rate=1e-3", "agent.learning_rate: has no effect without gates=true"),
        ("total_timesteps=100", "total_timesteps: has no effect without gates=true"),
        ("env.clip_reward=3.0", "env.clip_reward: has no effect without gates=true"),
        ("env.reward_scaling=3", "env.reward_scaling: has no effect without gates=true"),
        ("evaluation.risk_free=0.02", "evaluation.risk_free: has no effect in verify"),
    ],
)
def test_what_verify_does_not_use_is_told(override: str, said: str) -> None:
    key, _, value = override.partition("=")
    changes = {} if key == "agent" else {key: float(value)}
    cfg = with_settings(changes, command="verify")
    (idle,) = idle_settings(cfg, [override], SCHEMAS["verify"])
    assert idle.message.startswith(said)


def test_what_prepare_does_not_use_is_told() -> None:
    cfg = with_settings({"sentiment.scores.half_life": 2.0}, "raw.path=a.csv", command="prepare")
    (idle,) = idle_settings(cfg, ["sentiment.scores.half_life=2"], SCHEMAS["prepare"])
    assert "has no effect without sentiment.scores.path" in idle.message

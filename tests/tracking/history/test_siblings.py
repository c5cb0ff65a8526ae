"""Which runs repeat a run: other seeds and folds, and nothing else."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from finai_rl.config.schemas import ADDED, MOVED_TARGETS
from finai_rl.tracking.history.siblings import siblings

BASE = {"agent.gamma": "0.99", "seed": "0", "agent.seed": "0", "split.fold": "0"}


def run(client: MlflowClient, experiment_id: str, fold: str, sharpe: float, **changes: str):
    parameters = {**BASE, "tracking.run_name": f"{fold} {sharpe}", **changes}
    tags = {
        "validation.looked_at": "true",
        "data.sha256": changes.pop("sha256", "ab"),
        "split.validation": fold,
        "seed": parameters["seed"],
    }
    made = client.create_run(experiment_id)
    client.log_batch(
        made.info.run_id,
        metrics=[Metric("validation/sharpe_ratio", sharpe, 0, 0)],
        params=[Param(k, v) for k, v in parameters.items() if k != "sha256"],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    client.set_terminated(made.info.run_id)
    return client.get_run(made.info.run_id)


def test_siblings_differ_by_seed_and_fold_alone(client: MlflowClient, experiment: str) -> None:
    place = client.create_experiment(experiment)
    own = run(client, place, "2020", 1.0)
    run(
        client,
        place,
        "2020",
        2.0,
        seed="1",
        **{"agent.seed": "1", "agent.tensorboard_log": "board"},
    )
    run(client, place, "2021", 3.0, **{"split.fold": "1"})
    run(client, place, "2020", 9.0, **{"agent.gamma": "0.9"})
    run(client, place, "2020", 9.0, sha256="cd", seed="2")
    running = client.create_run(place)
    client.log_param(running.info.run_id, "seed", "3")
    stopped = run(client, place, "2020", 9.0, seed="4")
    client.set_tag(stopped.info.run_id, "stopped_early", "pruned at step 100")
    found = siblings(client, own)
    assert list(found["fold"]) == ["2020", "2020", "2021"]
    assert list(found["seed"]) == [0, 1, 0]
    assert list(found["sharpe_ratio"]) == [1.0, 2.0, 3.0]
    run(client, place, "2021", 4.0, **{"split.fold": "1"})
    assert list(siblings(client, own)["sharpe_ratio"]) == [1.0, 2.0, 4.0]


def test_a_run_recorded_before_a_target_was_renamed_is_a_sibling(
    client: MlflowClient, experiment: str
) -> None:
    place = client.create_experiment(experiment)
    old, new = next(iter(MOVED_TARGETS.items()))
    run(client, place, "2020", 1.0, **{"data._target_": old})
    own = run(client, place, "2020", 2.0, seed="1", **{"data._target_": new})
    assert list(siblings(client, own)["seed"]) == [0, 1]


def test_runs_from_before_a_setting_was_there_are_siblings(
    client: MlflowClient, experiment: str
) -> None:
    place = client.create_experiment(experiment)
    earlier = run(client, place, "2019", 1.0)
    since = run(client, place, "2020", 2.0, **ADDED)
    run(client, place, "2021", 3.0, **ADDED | {"env.pro_rata": "true"})
    for own in (earlier, since):
        assert siblings(client, own)["fold"].tolist() == ["2019", "2020"]

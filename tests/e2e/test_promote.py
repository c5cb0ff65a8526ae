"""The alias champion goes to who has the evidence, and stays where it is otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from finai_rl.api import promote, train
from finai_rl.errors import InputError
from finai_rl.promote import PromotionRefused
from finai_rl.tracking.history.finished_run import FinishedRun
from tests.conftest import Command
from tests.stores import write_empty_store

SMALL = ("data=synthetic", "tracking.run_name=one", "env.n_envs=8", "checkpoint_every=null")
PLANTED = (
    *SMALL, "experiment=trading", "network=mlp", "data.kind=momentum", "data.sharpe_ratio=16",
    "data.n_days=1000", "agent.n_steps=64", "agent.n_epochs=5", "total_timesteps=6000",
    "tracking.registered_model_name=mine",
)  # fmt: skip
GATES = ("better", "deflated_sharpe", "costs", "leakage", "data_version")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_empty_store(tmp_path / "outputs" / "mlflow.db")


@pytest.mark.slow
def test_luck_is_refused(here: str) -> None:
    """The best of several seeds where there is nothing to find."""
    noise = (*SMALL, "agent=a2c", "data.kind=noise", "data.n_days=300", "total_timesteps=256")
    tried = [train([*noise, f"seed={seed}"]) for seed in range(4)]
    best = max(tried, key=lambda one: one.objective)
    with pytest.raises(PromotionRefused, match=r"refused by .*deflated_sharpe"):
        promote([f"run_id={best.run_id}", "name=lucky"])
    client = MlflowClient(here)
    assert not client.search_registered_models()
    tags = client.get_run(str(best.run_id)).data.tags
    assert tags["promotion.outcome"] == "refused"
    assert tags["promotion.deflated_sharpe"].endswith("looks counted: 4")
    with pytest.raises(InputError, match="registered under no name"):
        promote([f"run_id={best.run_id}"])


def test_a_store_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "typed_wrong.db"
    with pytest.raises(InputError, match=f"there is no file {missing}"):
        promote(["rollback=true", "name=mine", f"tracking.uri=sqlite:///{missing}"])
    assert not missing.exists()


@pytest.mark.slow
def test_an_outage_in_the_middle_is_told_and_the_same_command_finishes_it(
    here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise MlflowException("API request to http://localhost failed")

    noise = (*SMALL, "agent=a2c", "data.kind=noise", "data.n_days=300", "total_timesteps=256")
    run_id = train(noise).run_id
    asked = [f"run_id={run_id}", "name=mine", "open_test=true"]
    asked += [f"promotion.{gate}.check=false" for gate in GATES]
    client = MlflowClient(here)
    with monkeypatch.context() as outage:
        outage.setattr(MlflowClient, "log_batch", down)
        with pytest.raises(InputError, match=r"Written: nothing\. Not written.* the evidence \("):
            promote(asked)
    with monkeypatch.context() as outage:
        outage.setattr(MlflowClient, "set_registered_model_alias", down)
        with pytest.raises(InputError, match=r"Written: the evidence .*: the alias models:/mine@"):
            promote(asked)
    assert not client.get_registered_model("mine").aliases
    with monkeypatch.context() as outage:
        outage.setattr(FinishedRun, "open_test", down)
        with pytest.raises(InputError, match=r"@champion\. Not .*: what the sealed block shows"):
            promote(asked)
    assert list(client.get_registered_model("mine").aliases) == ["champion"]
    assert "test.opened" not in client.get_run(str(run_id)).data.tags
    assert promote(asked).version == "1"
    tags = client.get_model_version("mine", "1").tags
    assert tags["promotion.test_block"].startswith("Sharpe ratio ")
    assert (tags["promotion.outcome"], tags["test.opened"]) == ("promoted", "1")
    with pytest.raises(InputError, match="is models:/mine@champion already"):
        promote(asked)


@pytest.mark.slow
def test_a_planted_signal_is_promoted_defended_and_rolled_back(here: str, forked: Command) -> None:
    client, mine = MlflowClient(here), ("alias=best", f"tracking.uri={here}")

    def holder() -> str:
        return str(client.get_model_version_by_alias("mine", "best").version)

    skilled = train(PLANTED)
    first = promote(["model=models:/mine/1", "open_test=true", *mine])
    assert [gate.name for gate in first.gates] == list(GATES)
    assert all(gate.passed for gate in first.gates)
    assert (first.version, first.replaced, holder()) == ("1", None, "1")
    tags = client.get_model_version("mine", "1").tags
    assert tags["promotion.outcome"] == "promoted"
    assert tags["promotion.test_block"].startswith("Sharpe ratio ")
    # The sealed block was opened for it, once, and is no gate for another try.
    assert tags["test.opened"] == "1"
    found = {item.path for item in client.list_artifacts(str(skilled.run_id), "promotion")}
    assert found == {"promotion/promotion.html", "promotion/promotion.json"}
    with pytest.raises(InputError, match="is models:/mine@best already"):
        promote([f"run_id={skilled.run_id}", *mine])

    weaker = train([*PLANTED, "seed=1", "total_timesteps=512"])
    run = f"run_id={weaker.run_id}"
    told = forked("finai_rl.promote", run, *mine, "promotion.leakage.check=false", expect=1)
    assert "refused by better" in told.stderr
    assert "Traceback" not in told.stderr
    assert "not checked" in told.stdout
    version = client.get_model_version("mine", "2")
    assert version.tags["promotion.outcome"] == "refused"
    assert "over the champion" in version.tags["promotion.better"]
    assert "## Verdict" in version.description
    assert holder() == "1"

    unheard = promote([run, *mine, *(f"promotion.{gate}.check=false" for gate in GATES)])
    assert (unheard.version, unheard.replaced, holder()) == ("2", "1", "2")
    assert {gate.passed for gate in unheard.gates} == {None}
    back = ["rollback=true", "name=mine", *mine]
    assert promote(back).version == "1" == holder()
    with pytest.raises(InputError, match="the first that was promoted"):
        promote(back)
    with pytest.raises(InputError, match="name one of the two"):
        promote(mine)

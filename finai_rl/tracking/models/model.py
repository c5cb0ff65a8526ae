"""Packaging of a trained policy as an MLflow model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from finai_rl.tracking.environment import quiet
from finai_rl.tracking.models.card import card_of, describe
from finai_rl.tracking.models.hashes import model_hashes
from finai_rl.tracking.models.packages import policy_code, policy_requirements, versions_known
from finai_rl.tracking.tracker import LoggedPolicy, TrainedAgent

MODEL_NAME = "policy"
ENTRY_TAG = "journal.entry"
"""Which entry of a run's journal a model or a version was logged by."""

_POLICY_CODE = Path(__file__).with_name("policy_model.py")


@dataclass(frozen=True)
class PolicyFiles:
    """The files that a policy is loaded from.

    Attributes:
        model: What ``agent.save`` wrote.
        vec_normalize: What ``VecNormalize.save`` wrote, where training normalized.
        beside: Further files that say what the policy is; loading it does not read them.

    Raises:
        FileNotFoundError: If one of them is not there.

    Example:
        >>> with TemporaryDirectory() as folder:
        ...     Path(folder, "best.zip").touch()
        ...     copies = PolicyFiles(Path(folder, "best.zip")).copy_into(Path(folder))
        >>> {name: Path(copy).name for name, copy in copies.items()}
        {'model': 'model.zip'}
    """

    model: Path | str
    vec_normalize: Path | str | None = None
    beside: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for file in (self.model, self.vec_normalize, *self.beside):
            if file is not None and not Path(file).is_file():
                raise FileNotFoundError(f"{file} is not there: save it before logging the policy")

    def copy_into(self, folder: Path) -> dict[str, str]:
        """Copy the files under names that say what they are, and return these as artifacts."""
        copies = {"model": folder / f"model{Path(self.model).suffix}"}
        shutil.copyfile(self.model, copies["model"])
        if self.vec_normalize is not None:
            copies["vec_normalize"] = folder / "vec_normalize.pkl"
            shutil.copyfile(self.vec_normalize, copies["vec_normalize"])
        copies |= {file.stem: Path(shutil.copy(file, folder)) for file in self.beside}
        return {name: str(copy) for name, copy in copies.items()}


def save_policy(
    path: Path,
    agent: TrainedAgent,
    files: PolicyFiles,
    observations: NDArray[np.float32],
    extra_packages: Sequence[str] = (),
) -> None:
    """Package a policy as an MLflow model in a folder, which `send_policy` sends.

    The model's code is ``policy_model.py``; it loads the files with the agent's class. Classes that
    no package index has, ours and the user's, are sent along (`policy_code`). The files are
    pickles: whoever can write to the store can run code where the model is loaded.
    """
    example = np.ascontiguousarray(observations, dtype=np.float32)
    from finai_rl.agents.saved_agent import algorithm_of

    kind = algorithm_of(agent)
    algorithm = f"{kind.__module__}.{kind.__qualname__}"
    with TemporaryDirectory() as folder, quiet("mlflow.pyfunc"), versions_known():
        description = Path(folder, "description.json")
        description.write_text(json.dumps({"algorithm": algorithm}))
        artifacts: Mapping[str, str] = files.copy_into(Path(folder))
        mlflow.pyfunc.save_model(
            path=str(path),
            python_model=str(_POLICY_CODE),
            artifacts={**artifacts, "description": str(description)},
            signature=policy_signature(example.shape[1], agent.action_space),
            input_example=example,
            code_paths=policy_code(agent) or None,
            pip_requirements=policy_requirements(agent, extra_packages),
        )


def send_policy(
    client: MlflowClient,
    run_id: str,
    path: Path,
    entry_id: str,
    step: int,
    registered_model_name: str | None = None,
) -> LoggedPolicy:
    """Log a packaged policy as the run's model, and register it where a name is given.

    Args:
        client: Of the store.
        run_id: The run.
        path: What `save_policy` wrote.
        entry_id: Of the journal's entry: what it has logged already is found by this.
        step: Timesteps trained.
        registered_model_name: Name in the registry.
    """
    model = _logged(client, run_id, path, entry_id)
    outputs = client.get_run(run_id).outputs
    known = {output.model_id for output in outputs.model_outputs} if outputs else set()
    if model.model_id not in known:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=step)])
    if registered_model_name is None:
        return LoggedPolicy(model.model_uri)
    registered_version = _register(client, registered_model_name, model, run_id, entry_id)
    return LoggedPolicy(model.model_uri, registered_model_name, registered_version)


def register_policy_of(
    client: MlflowClient, run_id: str, name: str, alias: str, entry_id: str
) -> str:
    """Register the policy that a finished run logged, and point an alias at the new version.

    Returns:
        The version.

    Raises:
        LookupError: If the run logged no policy.
    """
    registered_version = register_policy(client, run_id, name, entry_id)
    client.set_registered_model_alias(name, alias, registered_version)
    return registered_version


def register_policy(client: MlflowClient, run_id: str, name: str, entry_id: str) -> str:
    """Register the policy that a finished run logged and return the version; as above."""
    outputs = client.get_run(run_id).outputs
    logged = outputs.model_outputs if outputs is not None else []
    if not logged:
        raise LookupError(f"run {run_id} logged no model (tracking.log_model=true logs it)")
    model = client.get_logged_model(logged[-1].model_id)
    version = _register(client, name, model, run_id, entry_id)
    describe(client, name, version, card_of(client, run_id))
    return version


def policy_signature(obs_dim: int, action_space: Any) -> ModelSignature:
    """Return ``(n, obs_dim) float32`` to ``(n, *action)`` in the action space's own type."""
    # Tensors without a name: MLflow would hand a named one to the model as a dictionary.
    actions = TensorSpec(np.dtype(action_space.dtype), (-1, *action_space.shape))
    observations = TensorSpec(np.dtype(np.float32), (-1, obs_dim))
    return ModelSignature(Schema([observations]), Schema([actions]))


def _logged(client: MlflowClient, run_id: str, path: Path, entry_id: str) -> LoggedModel:
    run = client.get_run(run_id)
    found = client.search_logged_models(
        [run.info.experiment_id], f"tags.`{ENTRY_TAG}` = '{entry_id}'"
    )
    ready = [model for model in found if str(model.status) == "READY"]
    if ready:
        return ready[0]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not there")
    pending = [model for model in found if str(model.status) == "PENDING"]
    model = (
        pending[0]
        if pending
        else client.create_logged_model(
            run.info.experiment_id,
            MODEL_NAME,
            source_run_id=run_id,
            tags={ENTRY_TAG: entry_id},
            params=run.data.params,
        )
    )
    _name_its_run(path / "MLmodel", model, run_id)
    client.log_model_artifacts(model.model_id, str(path))
    client.log_batch(run_id, tags=[RunTag(*tag) for tag in model_hashes(path).items()])
    client.finalize_logged_model(model.model_id, "READY")
    return client.get_logged_model(model.model_id)


def _name_its_run(file: Path, model: LoggedModel, run_id: str) -> None:
    described = Model.load(str(file))
    described.artifact_path, described.run_id = model.artifact_location, run_id
    described.model_uuid = described.model_id = model.model_id
    described.save(str(file))


def _register(
    client: MlflowClient, name: str, model: LoggedModel, run_id: str, entry_id: str
) -> str:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # A name may hold a quote, which a filter does not take.
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        if version.name == name and version.tags.get(ENTRY_TAG) == entry_id:
            return str(version.version)
    # The model's own URI would be looked up in the process-wide tracking store, not in this one.
    created = client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=run_id,
        tags={ENTRY_TAG: entry_id},
        model_id=model.model_id,
    )
    # By this tag the tracking page leads from the model to its registered versions.
    known = json.loads((model.tags or {}).get("mlflow.modelVersions", "[]"))
    versions = json.dumps([*known, {"name": name, "version": created.version}])
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": versions})
    return str(created.version)

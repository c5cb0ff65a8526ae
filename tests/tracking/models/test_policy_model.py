import importlib
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from finai_rl.agents.callbacks import model_suffix
from finai_rl.tracking.models.packages import policy_code, policy_requirements, versions_known
from tests.markets import generated_market

LOAD = """
import sys
import numpy as np
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
np.save(sys.argv[4], model.predict(np.load(sys.argv[3])))
print([name for name in sys.modules if name.split('.')[0] in ('finai_rl', 'hydra', 'omegaconf')])
"""


class Market(gym.Env):
    """Five numbers to look at, three stocks to trade."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.day = 0
        return self._observation(), {}

    def step(self, action):
        self.day += 1
        return self._observation(), float(action.sum()), False, self.day >= 10, {}

    def _observation(self):
        return self.np_random.normal(100.0, 30.0, 5).astype(np.float32)


class Choice(Market):
    """The same with one decision out of four."""

    action_space = gym.spaces.Discrete(4)

    def step(self, action):
        return super().step(np.float32(action))


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other cost minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def observations() -> np.ndarray:
    return np.random.default_rng(0).normal(100.0, 30.0, (64, 5)).astype(np.float32)


def trained(algorithm, folder: Path, market=Market, normalize=True):
    venv = DummyVecEnv([market, market])
    venv.seed(0)
    venv = VecNormalize(venv) if normalize else venv
    options = {"learning_starts": 8} if algorithm is SAC else {"n_steps": 32}
    agent = algorithm("MlpPolicy", venv, seed=0, device="cpu", **options)
    agent.learn(64)
    agent.save(folder / "model.zip")
    if normalize:
        venv.save(str(folder / "vec_normalize.pkl"))
    return agent, venv


def predict_elsewhere(store: str, uri: str, observations: np.ndarray, folder: Path):
    """Predict in a fresh process, in a folder that holds nothing."""
    folder.mkdir()
    np.save(folder / "observations.npy", observations)
    files = [str(folder / name) for name in ("observations.npy", "actions.npy")]
    command = [sys.executable, "-c", LOAD, store, uri, *files]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return np.load(files[1]), output.stdout.strip(), output.stderr


def test_a_name_may_hold_a_quote(open_tracker, client, tmp_path, observations) -> None:
    agent, _ = trained(A2C, tmp_path)
    with open_tracker(registered_model_name="o'hara") as tracker:
        files = tmp_path / "model.zip", observations[:4], tmp_path / "vec_normalize.pkl"
        logged = tracker.log_policy(agent, *files)
    assert (logged.registered_name, logged.version) == ("o'hara", "1")
    assert client.get_model_version("o'hara", "1").run_id == tracker.run_id


@pytest.mark.slow
def test_a_registered_policy_predicts_the_same_in_a_fresh_process(
    open_tracker, client, store, tmp_path, observations, experiment
) -> None:
    agent, venv = trained(A2C, tmp_path)
    with open_tracker(registered_model_name=experiment) as tracker:
        tracker.log_config({"agent": {"gamma": 0.99}})
        logged = tracker.log_policy(
            agent, tmp_path / "model.zip", observations[:4], tmp_path / "vec_normalize.pkl"
        )
    assert (logged.registered_name, logged.version) == (experiment, "1")
    actions, foreign_modules, _ = predict_elsewhere(
        store, f"models:/{experiment}/1", observations, tmp_path / "elsewhere"
    )
    expected, _ = agent.predict(venv.normalize_obs(observations), deterministic=True)
    unnormalized, _ = agent.predict(observations, deterministic=True)
    np.testing.assert_array_equal(actions, expected)
    assert not np.array_equal(expected, unnormalized)
    assert foreign_modules == "[]"

    run = client.get_run(tracker.run_id)
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert logged.uri == f"models:/{model.model_id}"
    assert run.outputs.model_outputs[0].step == agent.num_timesteps
    assert model.status == "READY"
    assert model.experiment_id == run.info.experiment_id
    assert model.params == {"agent.gamma": "0.99"}
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": experiment, "version": 1}]
    assert client.get_model_version(experiment, "1").run_id == tracker.run_id


def test_the_model_says_what_it_takes_gives_and_needs(
    open_tracker, store, tmp_path, observations
) -> None:
    import mlflow

    agent, _ = trained(PPO, tmp_path, normalize=False)
    with open_tracker() as tracker:
        logged = tracker.log_policy(agent, tmp_path / "model.zip", observations[:4])
    assert logged.registered_name is None
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        model = mlflow.pyfunc.load_model(logged.uri)
        needs = mlflow.pyfunc.get_model_dependencies(logged.uri)
    finally:
        mlflow.set_tracking_uri(before)
    signature = model.metadata.signature
    assert [(spec.shape, spec.type) for spec in signature.inputs] == [((-1, 5), np.dtype("f4"))]
    assert [(spec.shape, spec.type) for spec in signature.outputs] == [((-1, 3), np.dtype("f4"))]
    np.testing.assert_array_equal(model.input_example, observations[:4])
    np.testing.assert_array_equal(
        model.predict(observations), agent.predict(observations, deterministic=True)[0]
    )
    with pytest.raises(Exception, match="Failed to enforce schema"):
        model.predict(observations[:, :4])
    assert f"stable-baselines3=={version('stable-baselines3')}" in Path(needs).read_text()


@pytest.mark.parametrize(("algorithm", "market"), [(SAC, Market), (PPO, Choice)])
def test_other_algorithms_and_action_spaces(
    open_tracker, store, tmp_path, observations, algorithm, market
) -> None:
    import mlflow

    agent, venv = trained(algorithm, tmp_path, market)
    with open_tracker() as tracker:
        logged = tracker.log_policy(
            agent, tmp_path / "model.zip", observations[:4], tmp_path / "vec_normalize.pkl"
        )
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        model = mlflow.pyfunc.load_model(logged.uri)
    finally:
        mlflow.set_tracking_uri(before)
    expected, _ = agent.predict(venv.normalize_obs(observations), deterministic=True)
    np.testing.assert_array_equal(model.predict(observations), expected)
    output = model.metadata.signature.outputs.inputs[0]
    assert output.shape == (-1, *agent.action_space.shape)
    assert output.type == expected.dtype


def test_versions_count_up(open_tracker, tmp_path, observations, experiment) -> None:
    agent, _ = trained(A2C, tmp_path, normalize=False)
    versions = []
    for _ in range(2):
        with open_tracker(registered_model_name=experiment) as tracker:
            logged = tracker.log_policy(agent, tmp_path / "model.zip", observations[:2])
        versions.append(logged.version)
    assert versions == ["1", "2"]


def test_a_policy_is_not_packaged_unless_asked(
    open_tracker, client, tmp_path, observations
) -> None:
    agent, _ = trained(A2C, tmp_path, normalize=False)
    with open_tracker(log_model=False) as tracker:
        assert tracker.log_policy(agent, tmp_path / "model.zip", observations) is None
    run = client.get_run(tracker.run_id)
    assert not run.outputs.model_outputs


def test_a_missing_file_is_an_error_and_not_a_warning(open_tracker, tmp_path, observations) -> None:
    agent, _ = trained(A2C, tmp_path, normalize=False)
    with pytest.raises(FileNotFoundError, match=r"vec_normalize\.pkl"), open_tracker() as tracker:
        tracker.log_policy(
            agent, tmp_path / "model.zip", observations, tmp_path / "vec_normalize.pkl"
        )


def test_a_policy_that_cannot_be_packaged_is_a_warning(
    open_tracker, client, tmp_path, observations, caplog
) -> None:
    agent, _ = trained(A2C, tmp_path, normalize=False)
    with open_tracker() as tracker:
        logged = tracker.log_policy(
            agent, tmp_path / "model.zip", observations, extra_packages=["no-such-package"]
        )
    assert logged is None
    assert "no-such-package" in caplog.text
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert client.search_logged_models([run.info.experiment_id]) == []


def test_requirements_are_exact_and_can_be_installed() -> None:
    from sb3_contrib import TQC

    requirements = policy_requirements(TQC.__new__(TQC))
    names = [requirement.partition("==")[0] for requirement in requirements]
    assert names == [
        *("stable-baselines3", "torch", "gymnasium", "numpy", "cloudpickle", "sb3-contrib")
    ]
    assert not [requirement for requirement in requirements if "+" in requirement]
    assert f"sb3-contrib=={version('sb3-contrib')}" in requirements
    assert policy_code(TQC.__new__(TQC)) == []


MINE = """
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Squared(BaseFeaturesExtractor):
    def __init__(self, observation_space):
        super().__init__(observation_space, observation_space.shape[0])

    def forward(self, observations):
        return torch.tanh(observations ** 2)


class MyA2C(A2C):
    pass
"""


def market_agent(name: str, folder: Path) -> tuple[object, VecNormalize]:
    """Let an agent learn in a market as a run does, and save it into a folder."""
    from tests.agents.test_registry import learned, tiny

    agent, env = learned(tiny(*name.split()), generated_market(n_days=40), folder / "checkpoints")
    agent.save(folder / f"model{model_suffix(agent)}")
    env.save(str(folder / "vec_normalize.pkl"))
    return agent, env


def log(open_tracker, agent, folder: Path, observations: np.ndarray) -> str:
    with open_tracker() as tracker:
        model = folder / f"model{model_suffix(agent)}"
        files = (model, observations[:2], folder / "vec_normalize.pkl")
        logged = tracker.log_policy(agent, *files)
    assert logged is not None
    return logged.uri


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["agent=ppo network=per_stock", "agent=recurrent_ppo", "agent=erl_sac"]
)
def test_mlflow_models_predict_gives_the_runs_actions(open_tracker, store, tmp_path, name) -> None:
    agent, env = market_agent(name, tmp_path)
    shape = (4, *env.observation_space.shape)
    observations = np.random.default_rng(0).normal(100.0, 30.0, shape).astype(np.float32)
    uri = log(open_tracker, agent, tmp_path, observations)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "input.json").write_text(json.dumps({"inputs": observations.tolist()}))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = ["-m", "mlflow", "models", "predict", "--env-manager", "local", "-m", uri]
    subprocess.run(
        [sys.executable, *command, "-i", "input.json", "-o", "output.json"],
        cwd=elsewhere,
        env=environment | {"MLFLOW_TRACKING_URI": store},
        check=True,
        capture_output=True,
    )
    answer = json.loads((elsewhere / "output.json").read_text())
    expected, _ = agent.predict(env.normalize_obs(observations), deterministic=True)
    np.testing.assert_array_equal(np.float32(answer["predictions"]), expected)


@pytest.mark.slow
def test_our_networks_travel_with_the_model(open_tracker, store, tmp_path) -> None:
    import mlflow

    agent, env = market_agent("agent=tqc network=attention env=portfolio", tmp_path)
    observations = env.get_original_obs()
    uri = log(open_tracker, agent, tmp_path, observations)
    actions, modules, _ = predict_elsewhere(store, uri, observations, tmp_path / "elsewhere")
    expected, _ = agent.predict(env.normalize_obs(observations), deterministic=True)
    np.testing.assert_array_equal(actions, expected)
    assert "finai_rl.agents.networks" in modules
    assert "hydra" not in modules
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "kept")))
    finally:
        mlflow.set_tracking_uri(before)
    sent = {file.relative_to(folder).as_posix() for file in (folder / "code").rglob("*")}
    assert "code/finai_rl/agents/networks.py" in sent
    assert not [name for name in sent if "tests" in Path(name).parts or name.endswith(".pyc")]
    needs = (folder / "requirements.txt").read_text()
    assert "sb3-contrib==" in needs
    assert "finai" not in needs


@pytest.mark.slow
def test_code_of_the_user_travels_with_the_model(
    open_tracker, store, tmp_path, observations, monkeypatch
) -> None:
    (tmp_path / "module").mkdir()
    file = tmp_path / "module" / "mine_for_serving.py"
    file.write_text(MINE)
    monkeypatch.syspath_prepend(str(file.parent))
    mine = importlib.import_module(file.stem)
    venv = VecNormalize(DummyVecEnv([Market, Market]))
    agent = mine.MyA2C("MlpPolicy", venv, policy_kwargs={"features_extractor_class": mine.Squared})
    agent.learn(20)
    agent.save(tmp_path / "model.zip")
    venv.save(str(tmp_path / "vec_normalize.pkl"))
    assert policy_code(agent) == [str(file)]
    assert file.stem not in str(policy_requirements(agent))
    uri = log(open_tracker, agent, tmp_path, observations)
    file.unlink()
    actions, modules, _ = predict_elsewhere(store, uri, observations, tmp_path / "elsewhere")
    expected, _ = agent.predict(venv.normalize_obs(observations), deterministic=True)
    np.testing.assert_array_equal(actions, expected)
    assert modules == "[]"


def test_an_agent_of_ours_needs_neither_us_nor_elegantrl_installed() -> None:
    theirs = type("AgentPPO", (), {"__module__": "elegantrl.agents"})
    ours = type("Adapter", (theirs,), {"__module__": "finai_rl.agents.elegantrl"})
    agent = ours()
    names = [requirement.partition("==")[0] for requirement in policy_requirements(agent)]
    assert names == ["stable-baselines3", "torch", "gymnasium", "numpy", "cloudpickle"]
    assert [Path(path).name for path in policy_code(agent)] == ["finai_rl"]


def test_versions_that_were_read_here_are_not_compared_with_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = importlib.import_module("mlflow.utils.environment")
    compared: list[object] = []
    monkeypatch.setattr(asked, "warn_dependency_requirement_mismatches", compared.append)
    environment = {"dependencies": [{"pip": ["numpy==0.1"]}]}
    with versions_known():
        asked._process_conda_env(environment)
    assert not compared
    asked._process_conda_env(environment)
    assert [requirement for (*_, requirement) in compared] == ["numpy==0.1"]


@pytest.mark.usefixtures("one_thread")
def test_packaging_does_not_look_through_every_installed_package(
    open_tracker, tmp_path, observations, monkeypatch
) -> None:
    looked = importlib.import_module("mlflow.utils.requirements_utils")
    looks: list[str] = []
    monkeypatch.setattr(looked, "_check_requirement_satisfied", looks.append)
    agent, _ = trained(A2C, tmp_path, normalize=False)
    with open_tracker() as tracker:
        assert tracker.log_policy(agent, tmp_path / "model.zip", observations[:2]) is not None
    assert looks == []

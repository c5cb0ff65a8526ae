"""The code of a packaged policy: MLflow copies this file into the model and runs it there.

It needs Stable-Baselines3 and the agent's own package, neither Hydra nor the config that trained
the policy. Classes that are on no package index lie beside it in the model. Loading it unpickles
files: trust a model as much as you trust whoever can write to the store that it comes from.
"""

import inspect
import json
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel


class PolicyModel(PythonModel):
    """A trained policy: raw observations in, deterministic actions out.

    Each row is an observation on its own: a recurrent policy sees it as the first of an episode,
    with an empty memory. To keep its state from day to day, load the agent with its own class.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> model = PolicyModel()
        >>> model.agent, model.vec_normalize = A2C("MlpPolicy", env), None
        >>> model.predict(None, np.zeros((5, 11), dtype=np.float32)).shape
        (5, 2)
    """

    def load_context(self, context: Any) -> None:
        """Load the algorithm and, where training normalized, the observation statistics."""
        description = json.loads(Path(context.artifacts["description"]).read_text())
        module, _, name = description["algorithm"].rpartition(".")
        algorithm = getattr(import_module(module), name)
        options: dict[str, Any] = {"device": "cpu"}
        if "custom_objects" in inspect.signature(algorithm.load).parameters:
            # A policy that only predicts has no use for the replay buffer it was trained with.
            options["custom_objects"] = {"buffer_size": 1}
        self.agent = algorithm.load(context.artifacts["model"], **options)
        self.vec_normalize = None
        if "vec_normalize" in context.artifacts:
            with open(context.artifacts["vec_normalize"], "rb") as file:
                self.vec_normalize = pickle.load(file)

    def predict(
        self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the policy's actions.

        Args:
            context: Unused.
            model_input: (n, obs_dim) float32 observations, as the environment gives them.
            params: Unused.
        """
        observations = model_input
        if self.vec_normalize is not None:
            observations = self.vec_normalize.normalize_obs(observations)
        actions, _ = self.agent.predict(observations, deterministic=True)
        return np.asarray(actions)


mlflow.models.set_model(PolicyModel())

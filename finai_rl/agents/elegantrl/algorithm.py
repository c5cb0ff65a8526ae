"""What all ElegantRL agents share: construction, the model file, continued training."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import (
    check_for_correct_spaces,
    get_device,
)
from torch import Tensor

from finai_rl.agents.elegantrl.checkpoint import (
    SUFFIX,
    box,
    plain_space,
    plain_value,
    read_checkpoint,
    write_checkpoint,
)
from finai_rl.agents.elegantrl.library import new_elegantrl_agent
from finai_rl.agents.elegantrl.policy import ElegantRLPolicy, check_flat

NOT_HYPERPARAMETERS = ("self", "env", "device", "_init_setup_model")
TRAINED = ("act", "cri", "act_target", "cri_target", "act_optimizer", "cri_optimizer")
COUNTS = ("num_timesteps", "_n_updates", "_episode_num")
LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts")


class ElegantRLAlgorithm(BaseAlgorithm):
    """An SB3 algorithm whose networks, optimizers and updates belong to an ElegantRL agent.

    Mixed into SB3's on-policy and off-policy algorithms, which collect the rollouts.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from finai_rl.agents.elegantrl import ElegantRLA2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2))
        >>> agent = ElegantRLA2C(env, net_dims=[16], seed=0)
        >>> with TemporaryDirectory() as folder:
        ...     agent.save(f"{folder}/agent")
        ...     again = ElegantRLA2C.load(f"{folder}/agent{agent.model_suffix}")
        >>> again.net_dims
        [16]
    """

    model_suffix: ClassVar[str] = SUFFIX
    elegantrl_class: ClassVar[str]
    network_policy: ClassVar[type[ElegantRLPolicy]]

    net_dims: list[int]
    elegantrl_agent: Any = None

    def elegantrl_settings(self) -> dict[str, Any]:
        """Return this agent's hyperparameters in ElegantRL's names."""
        raise NotImplementedError

    def _setup_model(self) -> None:
        for name in self.hyperparameter_names():
            # NumPy's numbers would go on into the optimizers' states, which are to be plain.
            setattr(self, name, plain_value(getattr(self, name)))
        self._setup_lr_schedule()
        check_flat(self.observation_space, self.action_space)
        if not self.net_dims or any(size < 1 for size in self.net_dims):
            raise ValueError(f"net_dims: needs sizes of hidden layers, got {self.net_dims}")
        self.set_random_seed(self.seed)
        agent = new_elegantrl_agent(
            self.elegantrl_class,
            **self._dimensions(),
            n_envs=self.n_envs,
            device=self.device,
            net_dims=list(self.net_dims),
            learning_rate=self.learning_rate,
            **self.elegantrl_settings(),
        )
        self.elegantrl_agent = agent
        self.policy = self.network_policy(
            self.observation_space, self.action_space, agent.act, agent.cri
        )

    def _dimensions(self) -> dict[str, int]:
        (state_dim,), (action_dim,) = self.observation_space.shape, self.action_space.shape  # type: ignore[misc]
        return {"state_dim": state_dim, "action_dim": action_dim}

    def _tensor(self, array: Any) -> Tensor:
        if isinstance(array, Tensor):
            return array.to(self.device, torch.float32)
        return torch.as_tensor(np.asarray(array, dtype=np.float32), device=self.device)

    def _set_learning_rates(self) -> None:
        agent = self.elegantrl_agent
        self._update_learning_rate([agent.act_optimizer, agent.cri_optimizer])

    @classmethod
    def hyperparameter_names(cls) -> list[str]:
        """Return what the constructor takes and the model file holds."""
        names = inspect.signature(cls).parameters
        return [name for name in names if name not in NOT_HYPERPARAMETERS]

    def get_parameters(self) -> dict[str, Any]:
        """Return the state of every network and optimizer, by ElegantRL's names."""
        agent = self._in_training()
        state = {name: getattr(agent, name).state_dict() for name in self._trained_names()}
        if hasattr(agent, "alpha_log"):
            state["alpha_log"] = agent.alpha_log.detach().clone()
            state["alpha_optimizer"] = agent.alpha_optimizer.state_dict()
        return state

    def set_parameters(
        self,
        load_path_or_dict: Any,
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Load what `get_parameters` returned, in place: optimizers keep their parameters.

        Args:
            load_path_or_dict: The states, or a model file of this algorithm.
            exact_match: Must be true: a part of an agent is not loaded.
            device: Where a file's tensors are read to; the agent stays where it is.

        Raises:
            ValueError: If a state is missing or unknown, or ``exact_match`` is false.
        """
        agent = self._in_training()
        if not isinstance(load_path_or_dict, dict):
            name = type(self).__name__
            load_path_or_dict = read_checkpoint(load_path_or_dict, name, get_device(device))
            load_path_or_dict = load_path_or_dict["parameters"]
        expected = set(self.get_parameters())
        if not exact_match or set(load_path_or_dict) != expected:
            raise ValueError(
                f"expected exactly {sorted(expected)}, got {sorted(load_path_or_dict)}"
            )
        for name, state in load_path_or_dict.items():
            if name == "alpha_log":
                with torch.no_grad():
                    agent.alpha_log.copy_(state)
            else:
                getattr(agent, name).load_state_dict(state)

    def save(
        self,
        path: str | Path | io.BufferedIOBase,
        exclude: Any = None,
        include: Any = None,
    ) -> None:
        """Write everything to one file that `load` and ``torch.load`` read without pickles.

        Args:
            path: The file; ``.pth`` is added where it has no suffix.
            exclude: Not supported.
            include: Not supported; `save_replay_buffer` writes the replay buffer.

        Raises:
            ValueError: If ``exclude`` or ``include`` is given.
            RuntimeError: If the agent was loaded without an environment.
        """
        if exclude is not None or include is not None:
            raise ValueError("an ElegantRL agent is saved whole: exclude and include have no use")
        names = self.hyperparameter_names()
        content = {
            "algorithm": type(self).__name__,
            "hyperparameters": {name: plain_value(self._hyperparameter(name)) for name in names},
            "observation_space": plain_space(self.observation_space),
            "action_space": plain_space(self.action_space),
            "n_envs": self.n_envs,
            "counts": {name: getattr(self, name) for name in COUNTS},
            "parameters": self.get_parameters(),
            "continuation": self._continuation(),
        }
        write_checkpoint(path, content)

    @classmethod
    def load(
        cls,
        path: str | Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load an agent: to continue training, or without an environment to predict alone.

        Predicting needs torch and SB3, not ElegantRL.

        Args:
            path: What `save` wrote.
            env: The environment to learn in.
            device: Where the networks go.
            custom_objects: Values in place of saved ones, as in SB3; names that this algorithm
                does not save are of no effect.
            print_system_info: Not supported.
            force_reset: False continues exactly where the agent was saved, from the last
                observation and torch's global generator, for an environment that stands where
                it stood then; exact on the CPU, for an agent saved between two rollouts.
            **kwargs: Hyperparameters in place of saved ones.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is of another algorithm, the spaces differ, or a hyperparameter is
                unknown.
        """
        names = cls.hyperparameter_names()
        unknown = [name for name in kwargs if name not in names]
        if unknown or print_system_info:
            raise ValueError(f"{', '.join(unknown) or 'print_system_info'}: not supported")
        saved = read_checkpoint(path, cls.__name__, get_device(device))
        hyperparameters = saved["hyperparameters"] | kwargs
        replaced = custom_objects or {}
        hyperparameters |= {name: replaced[name] for name in names if name in replaced}
        if env is None:
            only_predict: Any = {"env": None, "_init_setup_model": False}
            agent = cls(device=device, **only_predict, **hyperparameters)
            agent._only_predict(saved)
        else:
            agent = cls._to_continue(saved, env, device, force_reset, hyperparameters)
        agent.__dict__.update(saved["counts"])
        return agent

    @classmethod
    def _to_continue(
        cls,
        saved: dict[str, Any],
        env: GymEnv,
        device: torch.device | str,
        force_reset: bool,
        hyperparameters: dict[str, Any],
    ) -> Self:
        env = cls._wrap_env(env, hyperparameters["verbose"])
        spaces = box(saved["observation_space"]), box(saved["action_space"])
        check_for_correct_spaces(env, *spaces)
        # Seeding would move an environment that is to go on from where it stands.
        seed = hyperparameters["seed"] if force_reset else None
        agent = cls(env=env, device=device, **{**hyperparameters, "seed": seed})
        agent.seed = hyperparameters["seed"]
        agent.set_parameters(saved["parameters"])
        if not force_reset:
            agent._continue(saved["continuation"])
        return agent

    def _only_predict(self, saved: dict[str, Any]) -> None:
        self.observation_space = box(saved["observation_space"])
        self.action_space = box(saved["action_space"])
        self.n_envs = saved["n_envs"]
        layers = self.network_policy.actor_layers(self.net_dims, **self._dimensions())
        layers.load_state_dict(saved["parameters"]["act"])
        policy = self.network_policy(self.observation_space, self.action_space, layers)
        self.policy = policy.to(self.device)

    def _hyperparameter(self, name: str) -> Any:
        return getattr(self, name)

    def _trained_names(self) -> list[str]:
        agent = self.elegantrl_agent
        # An agent without target networks has its networks under both names.
        twice = [
            target
            for name in ("act", "cri")
            if getattr(agent, target := f"{name}_target") is getattr(agent, name)
        ]
        return [name for name in TRAINED if name not in twice]

    def _continuation(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name) for name in LAST if getattr(self, name) is not None}
        tensors = {name: torch.as_tensor(np.array(array)) for name, array in arrays.items()}
        return {"last": tensors, "rng": torch.get_rng_state()}

    def _continue(self, continuation: dict[str, Any]) -> None:
        for name, tensor in continuation["last"].items():
            setattr(self, name, tensor.cpu().numpy())
        torch.set_rng_state(continuation["rng"].cpu())

    def _in_training(self) -> Any:
        if self.elegantrl_agent is None:
            name = type(self).__name__
            raise RuntimeError(
                f"this agent was loaded to predict alone; train it with {name}.load(path, env=env)"
            )
        return self.elegantrl_agent

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Learn in another environment with the same spaces and number of environments.

        Raises:
            RuntimeError: If the agent was loaded without an environment.
        """
        self._in_training()
        super().set_env(env, force_reset)

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        self._in_training()
        return super()._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )

"""The batched markets on a device, as Stable-Baselines3 steps them and without leaving it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.torch_edition.batch import TensorAccounts
from finai_rl.envs.torch_edition.limits import refuse_unsupported
from finai_rl.envs.torch_edition.rewards import tensor_reward
from finai_rl.envs.whole_batch import WholeBatchVecEnv
from finai_rl.errors import Diverged
from finai_rl.type_aliases import BoolArray, Float32Array

PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True, eq=False)
class Ended:
    """The episodes that have ended with a step.

    Attributes:
        envs: (n,) numbers of their environments, on the device.
        observations: (n, n_observations) their last ones.
        truncated: (n,) whether an account was not ruined.
        infos: What the environment says of each.

    Example:
        >>> last = torch.zeros(1, 5)
        >>> ended = Ended(torch.tensor([3]), last, torch.tensor([True]), [{"account": {}}])
        >>> ended.envs.tolist(), ended.infos
        ([3], [{'account': {}}])
    """

    envs: Tensor
    observations: Tensor
    truncated: Tensor
    infos: list[dict[str, Any]]


class TorchVecEnv(WholeBatchVecEnv):
    """A batched market whose prices, accounts and steps are tensors on one device.

    Equal to the environment that it is made of, of which it takes everything but the arithmetic:
    spaces, settings, opening accounts and the windows of episodes. `step_tensors` takes and gives
    tensors; the surface of ``VecEnv`` takes and gives NumPy arrays, which on another device than
    the CPU are copies. The books of an account (``record``) are not kept.

    Args:
        market: The compiled environment, not stepped yet; it is not used after that.
        device: Where everything is.
        precision: ``float64``, or ``float32`` of accounts that may differ from the compiled
            ones by what rounding makes of it.

    Raises:
        ValueError: If a setting is not supported, or the device has no such precision.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> compiled = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3)
        >>> env = TorchVecEnv(compiled)
        >>> env.reset().shape
        (3, 11)
        >>> seen, rewards, dones, ended = env.step_tensors(torch.ones(3, 2))
        >>> env.accounts.shares.tolist()[0], ended
        ([100.0, 100.0], None)
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by VecEnv
    render_mode: str | None = None
    not_state = ("market", "data", "observation_names", "_actions")

    def __init__(
        self,
        market: MarketVecEnv,
        device: torch.device | str = "cpu",
        precision: str = "float64",
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.device = torch.device(device)
        if self.device.type == "mps" and precision == "float64":
            raise ValueError("precision: PyTorch has no float64 on mps; set precision=float32")
        refuse_unsupported(market)
        self.market, self.data = market, market.data
        self.observation_names, self.episode_steps = market.observation_names, market.episode_steps
        self.n_stocks = market.n_stocks
        self._windows = market._windows
        reward = market._reward
        self.accounts = TensorAccounts(
            market,
            None if reward is None else tensor_reward(reward),
            self.device,
            PRECISIONS[precision],
        )
        super().__init__(market.num_envs, market.observation_space, market.action_space)

    def reset(self) -> Float32Array:
        """Start a new episode in every environment; returns (n_envs, n_observations) float32."""
        if self._seeds[0] is not None:
            self._windows.seed(self._seeds[0])
        self._reset_seeds()
        self._begin(np.arange(self.num_envs))
        found: Float32Array = self.accounts.observe().cpu().numpy()
        return found

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep (n_envs, n_actions) actions in [-1, 1] for the next :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Float32Array, Float32Array, BoolArray, list[dict[str, Any]]]:
        """Advance a day; an environment whose episode ended starts its next one.

        Returns:
            Observations, rewards (n_envs,) float32, dones (n_envs,), and infos, all as of
            :meth:`finai_rl.envs.market_env.MarketVecEnv.step_wait`.
        """
        actions = np.asarray(self._actions)
        if actions.dtype != np.float32:
            actions = actions.astype(np.float64)
        tensors = torch.as_tensor(np.ascontiguousarray(actions))
        if tensors.dtype == torch.float64 and self.device.type == "mps":
            tensors = tensors.float()
        seen, rewards, dones, ended = self.step_tensors(tensors.to(self.device))
        # A dict each: wrappers may write to them.
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if ended is not None:
            last = ended.observations.cpu().numpy()
            for place, env in enumerate(ended.envs.tolist()):
                infos[env] = {**ended.infos[place], "terminal_observation": last[place]}
        return seen.cpu().numpy(), rewards.cpu().numpy(), dones.cpu().numpy(), infos

    def step_tensors(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Ended | None]:
        """Advance a day on the device; an environment whose episode ended starts its next one.

        Args:
            actions: (n_envs, n_actions) in [-1, 1], on the device.

        Returns:
            Observations (n_envs, n_observations) float32, the first of a new episode where one
            has ended; rewards (n_envs,) float32; dones (n_envs,); and what has ended, if any.

        Raises:
            ValueError: If actions are of another shape.
            Diverged: If an action is NaN or infinite; names the environment and the stock.
        """
        self._check(actions)
        seen, rewards, dones = self.accounts.step(actions)
        at = dones.nonzero().squeeze(1)
        if not len(at):
            return seen, rewards, dones, None
        truncated = ~self.accounts.terminated[at]
        ended = Ended(at, seen[at], truncated, self._infos(at, truncated))
        self._begin(at.cpu().numpy())
        seen[at] = self.accounts.observe()[at]
        return seen, rewards, dones, ended

    def _check(self, actions: Tensor) -> None:
        expected = (self.num_envs, *(self.action_space.shape or ()))
        if tuple(actions.shape) != expected:
            raise ValueError(f"actions must have shape {expected}, got {tuple(actions.shape)}")
        if bool(actions.isfinite().all()):
            return
        env, place = (~actions.isfinite()).nonzero()[0].tolist()
        raise Diverged(
            f"action {actions[env, place].item()} for {self.market.action_name(place)} in "
            f"environment {env} is not a finite number: the agent's network has diverged"
        )

    def _begin(self, envs: NDArray[Any]) -> None:
        windows = np.array([self._windows.draw(int(env)) for env in envs]).reshape(-1, 2)
        self.accounts.begin(envs, windows[:, 0], windows[:, 1])

    def _infos(self, at: Tensor, truncated: Tensor) -> list[dict[str, Any]]:
        accounts = self.accounts
        days = (accounts.day - accounts.first_day)[at].clamp_min(1)
        columns = {
            "account_value": accounts.value[at],
            "turnover": accounts.turnover[at] / days,
            "cost": accounts.cost[at],
            "trades": accounts.trades[at],
        }
        statistics = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [
            {"account": dict(zip(columns, row, strict=True)), "TimeLimit.truncated": cut}
            for row, cut in zip(statistics, truncated.tolist(), strict=True)
        ]

    def close(self) -> None:
        """Let go of nothing: tensors go with the environment."""

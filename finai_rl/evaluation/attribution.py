"""What an agent's network makes its actions of: integrated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from finai_rl.errors import InputError
from finai_rl.evaluation.observation_layout import CASH, ObservationLayout

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

N_POINTS = 32
"""Points on the way from the baseline to what was seen, by Gauss and Legendre's rule."""
_FORWARD_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the actions of a network are made of, in shares that add up to 1.

    Attributes:
        own: By part of the state (``cash``, ``close``, ``holdings``, each feature): what the
            action for a stock owes to the stock's own number, and to cash.
        others: The same parts, of all other stocks.
        n_days: Days that were asked about.
        error: How far the parts are from adding up to the actions, a fraction of their size: the
            integral is a sum of `N_POINTS` points.

    Example:
        >>> found = Attribution({"cash": 0.0, "close": 0.9}, {"close": 0.1}, n_days=60, error=1e-4)
        >>> sum([*found.own.values(), *found.others.values()])
        1.0
    """

    own: Mapping[str, float]
    others: Mapping[str, float]
    n_days: int
    error: float


def require_captum() -> None:
    """Check that captum is there.

    Raises:
        InputError: If it is not installed.
    """
    if find_spec("captum") is None:
        raise InputError(
            "attribution_days needs captum: pip install 'finai_rl[attribution]', "
            "or set attribution_days=0"
        )


def has_gradients(agent: Any) -> bool:
    """Return whether an agent's action is one differentiable function of one observation."""
    policy = getattr(agent, "policy", None)
    with_memory = hasattr(policy, "lstm_actor")
    return isinstance(policy, torch.nn.Module) and hasattr(policy, "_predict") and not with_memory


def integrated_gradients(
    agent: BaseAlgorithm, seen: NDArray[Any], layout: ObservationLayout, n_days: int
) -> Attribution:
    r"""Attribute an agent's actions to the numbers in its observations.

    For the action :math:`f` for a stock and an observation :math:`x`, number :math:`i` is given

    .. math:: (x_i - \bar x_i) \int_0^1 \partial_i f(\bar x + \alpha (x - \bar x)) \, d\alpha,

    where :math:`\bar x` is the mean observation; over all numbers this adds up to
    :math:`f(x) - f(\bar x)`. (Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep
    Networks", computed by captum.) Sizes are averaged over days and added over stocks. It says
    what the network uses, not what its use earns, and does not see what the market does with an
    action, such as the limits of an order.

    Args:
        agent: One that `has_gradients`.
        seen: (n_steps, n_columns) observations of a backtest, normalized as the agent sees them.
        layout: What the columns are.
        n_days: Days to ask about, evenly spaced, at most.
    """
    from captum.attr import IntegratedGradients

    policy: Any = agent.policy
    policy.set_training_mode(False)
    rows = np.unique(np.linspace(0, len(seen) - 1, n_days).astype(np.int64))
    usual = torch.as_tensor(seen.mean(axis=0, keepdims=True), dtype=torch.float32)
    observations = torch.as_tensor(seen[rows], dtype=torch.float32)
    explainer = IntegratedGradients(lambda shown: policy._predict(shown, deterministic=True))
    sizes = np.zeros((layout.n_stocks, layout.n_columns))
    missing = 0.0
    for stock in range(layout.n_stocks):
        found, deltas = explainer.attribute(
            observations.to(policy.device),
            usual.to(policy.device),
            target=stock,
            n_steps=N_POINTS,
            internal_batch_size=_FORWARD_ROWS,
            return_convergence_delta=True,
        )
        sizes[stock] = found.detach().abs().mean(dim=0).cpu().numpy()
        missing += float(deltas.detach().abs().mean())
    return _shares(sizes, layout, len(rows), missing)


def _shares(
    sizes: NDArray[Any], layout: ObservationLayout, n_days: int, missing: float
) -> Attribution:
    total = sizes.sum() or 1.0
    own, others = {}, {}
    for name in layout.parts:
        columns = layout.part(name)
        whole = sizes[:, columns].sum()
        if name == CASH:
            own[name] = float(whole / total)
            continue
        by_stock = columns.reshape(layout.window, layout.n_stocks)
        mine = sum(sizes[stock, by_stock[:, stock]].sum() for stock in range(layout.n_stocks))
        own[name], others[name] = float(mine / total), float((whole - mine) / total)
    return Attribution(own, others, n_days, float(missing / total))

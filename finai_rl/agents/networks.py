"""Features extractors that know how a market's observations are laid out.

They are ordinary ``BaseFeaturesExtractor`` classes of Stable-Baselines3. ``network=`` in a config
names one, and :func:`finai_rl.experiment.learning.agent.with_network` completes it with the
environment's layout.
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn


class StockEncoder(BaseFeaturesExtractor):
    """Turns an observation into one embedding per action, by weights that stocks share.

    An observation is ``[cash, x_1.., .., x_K..]`` per day, each ``x`` with one number per stock
    (close, shares, features, sentiment). A stock's input is its own ``x`` and cash, of every day
    in the window. Permuting the stocks of an observation permutes the embeddings and changes
    nothing else, except for the rounding of sums.

    With ``cash_action`` there is one more embedding, the last, made of the mean over stocks and of
    cash. Subclasses say how stocks see each other.

    Args:
        observation_space: (window * (1 + K * n_stocks),) observations, oldest day first.
        n_stocks: Number of stocks.
        d_model: Length of an embedding.
        window: Days in an observation.
        cash_action: Whether the last action is about cash.

    Raises:
        ValueError: If the observation does not hold the same number of columns for every stock.

    Example:
        >>> class LastClose(StockEncoder):
        ...     def encode(self, inputs):
        ...         return inputs[:, :, :1]
        >>> space = spaces.Box(-1.0, 1.0, (1 + 2 * 3,))  # Cash, closes and shares of three.
        >>> encoder = LastClose(space, 3, d_model=1, window=1, cash_action=False)
        >>> encoder(torch.arange(7.0).reshape(1, 7))
        tensor([[1., 2., 3.]])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        n_stocks: int,
        *,
        d_model: int,
        window: int,
        cash_action: bool,
    ) -> None:
        (length,) = observation_space.shape or (0,)
        columns, rest = divmod(length // window - 1, n_stocks)
        if rest or length % window or columns < 1 or d_model < 1:
            raise ValueError(
                f"observations of length {length} are not {window} times cash and the same "
                f"columns for {n_stocks} stocks, or d_model={d_model} is less than 1"
            )
        self.n_tokens = n_stocks + cash_action
        super().__init__(observation_space, self.n_tokens * d_model)
        self.n_stocks, self.d_model, self.window = n_stocks, d_model, window
        self.n_inputs = window * (columns + 1)
        self.cash_token = nn.Linear(d_model + window, d_model) if cash_action else None

    def stock_inputs(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (batch, n_stocks, n_inputs) inputs of the stocks and (batch, window) cash."""
        days = observations.view(len(observations), self.window, -1)
        cash = days[:, :, 0]
        stocks = days[:, :, 1:].reshape(len(days), -1, self.n_stocks).transpose(1, 2)
        return torch.cat([stocks, cash.unsqueeze(1).expand(-1, self.n_stocks, -1)], dim=2), cash

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_stocks, d_model) embeddings of (batch, n_stocks, n_inputs)."""
        raise NotImplementedError

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_tokens * d_model): the embeddings one after the other."""
        inputs, cash = self.stock_inputs(observations)
        tokens = self.encode(inputs)
        if self.cash_token is not None:
            pooled = torch.cat([tokens.mean(dim=1), cash], dim=1)
            tokens = torch.cat([tokens, torch.tanh(self.cash_token(pooled)).unsqueeze(1)], dim=1)
        return tokens.flatten(1)


class PerStockExtractor(StockEncoder):
    """Encodes each stock by the same network, and lets it see the mean over all stocks.

    The last layer is the permutation-equivariant layer of Deep Sets (Zaheer et al., 2017).

    Args:
        observation_space: As for `StockEncoder`.
        n_stocks: Number of stocks.
        d_model: Length of an embedding.
        window: Days in an observation.
        cash_action: Whether the last action is about cash.

    Example:
        >>> space = spaces.Box(-1.0, 1.0, (1 + 2 * 3,))  # Cash, closes and shares of three.
        >>> extractor = PerStockExtractor(space, n_stocks=3, d_model=8)
        >>> extractor(torch.zeros(5, 7)).shape
        torch.Size([5, 24])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        n_stocks: int,
        *,
        d_model: int = 32,
        window: int = 1,
        cash_action: bool = False,
    ) -> None:
        super().__init__(
            observation_space, n_stocks, d_model=d_model, window=window, cash_action=cash_action
        )
        self.own = nn.Sequential(nn.Linear(self.n_inputs, d_model), nn.Tanh())
        self.from_own = nn.Linear(d_model, d_model)
        self.from_mean = nn.Linear(d_model, d_model, bias=False)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_stocks, d_model) embeddings of (batch, n_stocks, n_inputs)."""
        own = self.own(inputs)
        return torch.tanh(self.from_own(own) + self.from_mean(own.mean(dim=1, keepdim=True)))


class AttentionExtractor(StockEncoder):
    """Attends from each stock to all others: a transformer encoder without positions.

    Layers are normalized first (Xiong et al., 2020); there is no dropout.

    Args:
        observation_space: As for `StockEncoder`.
        n_stocks: Number of stocks.
        d_model: Length of an embedding.
        n_heads: Attention heads, a divisor of ``d_model``.
        n_layers: Layers of attention.
        window: Days in an observation.
        cash_action: Whether the last action is about cash.

    Raises:
        ValueError: If ``n_heads`` does not divide ``d_model``.

    Example:
        >>> space = spaces.Box(-1.0, 1.0, (1 + 2 * 3,))  # Cash, closes and shares of three.
        >>> extractor = AttentionExtractor(space, n_stocks=3, d_model=8, n_heads=2)
        >>> extractor(torch.zeros(5, 7)).shape
        torch.Size([5, 24])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        n_stocks: int,
        *,
        d_model: int = 32,
        n_heads: int = 4,
        n_layers: int = 1,
        window: int = 1,
        cash_action: bool = False,
    ) -> None:
        if n_heads < 1 or d_model % n_heads or n_layers < 1:
            raise ValueError(
                f"attention needs at least one layer, and heads that divide d_model={d_model}; "
                f"got n_layers={n_layers}, n_heads={n_heads}"
            )
        super().__init__(
            observation_space, n_stocks, d_model=d_model, window=window, cash_action=cash_action
        )
        self.embed = nn.Linear(self.n_inputs, d_model)
        self.layers = nn.ModuleList(AttentionLayer(d_model, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_model)

    def encode(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_stocks, d_model) embeddings of (batch, n_stocks, n_inputs)."""
        tokens = self.embed(inputs)
        for layer in self.layers:
            tokens = layer(tokens)
        embeddings: torch.Tensor = self.norm(tokens)
        return embeddings


class AttentionLayer(nn.Module):
    """One layer of a transformer encoder, normalized first.

    PyTorch's own layer uses a fused attention that TRPO cannot differentiate twice.

    Example:
        >>> AttentionLayer(d_model=8, n_heads=2)(torch.zeros(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, 2 * d_model), nn.ReLU(), nn.Linear(2 * d_model, d_model)
        )
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(d_model), nn.LayerNorm(d_model)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_tokens, d_model) tokens that have seen each other."""
        seen = self.norm_attention(tokens)
        tokens = tokens + self.attention(seen, seen, seen, need_weights=True)[0]
        changed: torch.Tensor = tokens + self.feedforward(self.norm_feedforward(tokens))
        return changed


class WindowExtractor(BaseFeaturesExtractor):
    """Reads the days of an observation in order and gives the last state of a recurrent layer.

    Days before an episode's first are zeros (as ``VecFrameStack`` has it), normalized like any
    other value; they are read like days, not skipped.

    Args:
        observation_space: (window * n_columns,) observations, oldest day first.
        cell: ``nn.LSTM`` or ``nn.GRU``.
        hidden_size: Length of the state.
        n_layers: Recurrent layers.
        window: Days in an observation.

    Raises:
        ValueError: If a size is less than 1, or the window does not divide the observation.

    Example:
        >>> space = spaces.Box(-1.0, 1.0, (4 * 7,))  # Seven columns on each of four days.
        >>> extractor = WindowExtractor(space, nn.GRU, hidden_size=16, n_layers=1, window=4)
        >>> extractor(torch.zeros(5, 28)).shape
        torch.Size([5, 16])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        cell: type[nn.LSTM] | type[nn.GRU],
        *,
        hidden_size: int,
        n_layers: int,
        window: int,
    ) -> None:
        (length,) = observation_space.shape or (0,)
        if min(hidden_size, n_layers, window) < 1 or length % window:
            raise ValueError(
                f"hidden_size={hidden_size} and n_layers={n_layers} must be at least 1, and "
                f"window={window} must divide the length {length} of an observation"
            )
        super().__init__(observation_space, hidden_size)
        self.window = window
        self.recurrent = cell(length // window, hidden_size, n_layers, batch_first=True)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return the (batch, hidden_size) state after the last day."""
        states, _ = self.recurrent(observations.view(len(observations), self.window, -1))
        last: torch.Tensor = states[:, -1]
        return last


class LSTMExtractor(WindowExtractor):
    """A long short-term memory over a window of days (Hochreiter and Schmidhuber, 1997).

    Args:
        observation_space: As for `WindowExtractor`.
        hidden_size: Length of the state.
        n_layers: Recurrent layers.
        window: Days in an observation.

    Example:
        >>> space = spaces.Box(-1.0, 1.0, (4 * 7,))  # Seven columns on each of four days.
        >>> LSTMExtractor(space, hidden_size=16, window=4)(torch.zeros(5, 28)).shape
        torch.Size([5, 16])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        hidden_size: int = 64,
        n_layers: int = 1,
        window: int = 1,
    ) -> None:
        super().__init__(
            observation_space, nn.LSTM, hidden_size=hidden_size, n_layers=n_layers, window=window
        )


class GRUExtractor(WindowExtractor):
    """A gated recurrent unit over a window of days (Cho et al., 2014).

    Args:
        observation_space: As for `WindowExtractor`.
        hidden_size: Length of the state.
        n_layers: Recurrent layers.
        window: Days in an observation.

    Example:
        >>> space = spaces.Box(-1.0, 1.0, (4 * 7,))  # Seven columns on each of four days.
        >>> GRUExtractor(space, hidden_size=16, window=4)(torch.zeros(5, 28)).shape
        torch.Size([5, 16])
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        *,
        hidden_size: int = 64,
        n_layers: int = 1,
        window: int = 1,
    ) -> None:
        super().__init__(
            observation_space, nn.GRU, hidden_size=hidden_size, n_layers=n_layers, window=window
        )

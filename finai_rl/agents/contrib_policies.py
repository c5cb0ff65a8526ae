"""The policies of sb3-contrib's algorithms with heads shared across stocks."""

from __future__ import annotations

from sb3_contrib.crossq.policies import CrossQPolicy
from sb3_contrib.tqc.policies import TQCPolicy

from finai_rl.agents.policies import SharedHeads


class SharedTQCPolicy(SharedHeads, TQCPolicy):
    """The policy of TQC with heads shared across stocks.

    Example:
        >>> from gymnasium import spaces
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space, actions = spaces.Box(-1.0, 1.0, (7,)), spaces.Box(-1.0, 1.0, (3,))
        >>> policy = SharedTQCPolicy(
        ...     space, actions, lambda _: 1e-3, features_extractor_class=PerStockExtractor,
        ...     features_extractor_kwargs={"n_stocks": 3},
        ... )
        >>> policy.predict(space.sample())[0].shape
        (3,)
    """


class SharedCrossQPolicy(SharedHeads, CrossQPolicy):
    """The policy of CrossQ with heads shared across stocks; batches are normalized over stocks.

    Example:
        >>> from gymnasium import spaces
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space, actions = spaces.Box(-1.0, 1.0, (7,)), spaces.Box(-1.0, 1.0, (3,))
        >>> policy = SharedCrossQPolicy(
        ...     space, actions, lambda _: 1e-3, features_extractor_class=PerStockExtractor,
        ...     features_extractor_kwargs={"n_stocks": 3},
        ... )
        >>> policy.predict(space.sample())[0].shape
        (3,)
    """

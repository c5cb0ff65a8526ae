"""Scaling actions by sentiment, as FinRL-DeepSeek does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.type_aliases import FloatArray

STRENGTHS = {
    "finrl_deepseek": (0.1, 0.05, 0.02),
    "finrl_deepseek_1": (0.01, 0.005, 0.0),
    "finrl_deepseek_01": (0.001, 0.0005, 0.0),
}
"""How much a strong, a mild and a neutral score change an action."""

LLM_SENTIMENT = "llm_sentiment"
CODES = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


class SentimentModulation:
    """FinRL-DeepSeek's rule: act more boldly where sentiment agrees, less where it does not.

    Scores are 1 (negative) to 5 (positive), 0 for no news. A purchase is scaled by 0.9 / 0.95 /
    0.98 / 1.05 / 1.1 at a score of 1 / 2 / 3 / 4 / 5 and a sale by 1.1 / 1.05 / 0.98 / 0.95 / 0.9;
    no news changes nothing. The variants for 1 % and 0.1 % have a tenth and a hundredth of that,
    and leave a neutral score alone. (Benhenda, 2025; ``env_stocktrading_llm.py`` and its variants
    ``_1`` and ``_01``.) Unlike there, the caller's array is not changed; orders above ``hmax`` can
    come about only in an environment that does not clip.

    Args:
        data: The market; its sentiment must have a column ``llm_sentiment``, or just one column.
        variant: ``finrl_deepseek``, ``finrl_deepseek_1`` or ``finrl_deepseek_01``.

    Raises:
        ValueError: If the variant is unknown, or the data has no such scores.

    Example:
        >>> from dataclasses import replace
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=3, n_stocks=2)
        >>> good_news = replace(market, sentiment=np.full((3, 1, 2), 5.0))
        >>> modulation = SentimentModulation(good_news, "finrl_deepseek")
        >>> modulation.scaled(np.array([[0.5, -0.5]]), day=np.array([0]))
        array([[ 0.55, -0.45]])
    """

    def __init__(self, data: MarketData, variant: str) -> None:
        if variant not in STRENGTHS:
            raise ValueError(
                f"sentiment_modulation must be null or one of {', '.join(STRENGTHS)}, "
                f"got {variant!r}"
            )
        strong, mild, neutral = STRENGTHS[variant]
        on_purchase = np.array([1.0, 1 - strong, 1 - mild, 1 - neutral, 1 + mild, 1 + strong])
        on_sale = np.array([1.0, 1 + strong, 1 + mild, 1 - neutral, 1 - mild, 1 - strong])
        scores = _scores(data).astype(np.int64)
        self._purchase, self._sale = on_purchase[scores], on_sale[scores]

    def scaled(self, actions: NDArray[Any], day: NDArray[np.int64]) -> NDArray[Any]:
        """Return scaled copies of (n_envs, n_stocks) actions on each environment's day."""
        factor = np.where(actions > 0, self._purchase[day], self._sale[day])
        scaled: NDArray[Any] = actions * factor.astype(actions.dtype)
        return scaled


def _scores(data: MarketData) -> FloatArray:
    names = data.sentiment_names
    if data.sentiment is None or (LLM_SENTIMENT not in names and len(names) != 1):
        raise ValueError(
            f"sentiment_modulation needs a sentiment column {LLM_SENTIMENT!r}, or just one; this "
            f"data has {list(names)}: name it in data.sentiment.columns"
        )
    position = names.index(LLM_SENTIMENT) if LLM_SENTIMENT in names else 0
    scores = data.sentiment[:, position, :]
    strange = np.setdiff1d(scores, CODES)
    if len(strange):
        raise ValueError(
            f"sentiment_modulation reads codes 1 (negative) to 5 (positive) and 0 (no news), but "
            f"{names[position]} has {strange[:5].tolist()}"
        )
    return scores

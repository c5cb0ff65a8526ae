"""Sentiment simulated from past returns, where there is no news."""

from __future__ import annotations

import numpy as np
import pandas as pd

from finai_rl.type_aliases import FloatArray


def simulated_sentiment(
    close: FloatArray, *, noise: float, seed: int, fast: int = 5, slow: int = 60
) -> FloatArray:
    r"""Simulate a sentiment score in (-1, 1) from past returns plus noise. It is not news.

    .. math:: s_t = \tanh\big(z_t + \text{noise} \cdot \epsilon_t\big), \quad
        z_t = \frac{\bar r_{t,\text{fast}} \sqrt{\text{fast}}}{\sigma_{t,\text{slow}}}

    with the mean of the last ``fast`` and the standard deviation of the last ``slow`` log
    returns, both ending with day t, and standard normal :math:`\epsilon`.

    Args:
        close: (n_days, n_stocks) positive closing prices.
        noise: Standard deviation of the noise, in units of z.
        seed: Seed of the noise; the draw for a day does not depend on later days.
        fast: Window of the mean, in days.
        slow: Window of the standard deviation, in days.

    Returns:
        (n_days, 1, n_stocks) float64; pure noise for the first ``slow`` days.
    """
    returns = pd.DataFrame(np.log(close)).diff()
    mean = returns.rolling(fast).mean()
    deviation = returns.rolling(slow).std()
    momentum = (mean * np.sqrt(fast) / deviation.where(deviation > 0)).fillna(0.0).to_numpy()
    epsilon = np.random.default_rng(seed).standard_normal(close.shape)
    scores: FloatArray = np.tanh(momentum + noise * epsilon)[:, np.newaxis, :]
    return scores

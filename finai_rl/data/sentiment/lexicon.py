"""Scores for headlines from a word list that ships in a package: offline, and no more than that."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.errors import InputError

SCORED = {"vader": "sentiment_vader"}
"""What the column of each lexicon is called."""

LABEL = (
    "sentiment_vader is VADER's compound score of headlines: a general-purpose word list made for "
    "social media, which knows neither finance nor companies; it is no language model."
)


def score_headlines(texts: pd.Series) -> NDArray[np.float64]:
    """Score texts with VADER's compound score.

    VADER (Hutto and Gilbert, 2014) adds up the valence of the words it knows, with rules for
    negation, emphasis and punctuation, and maps the sum to [-1, 1]; a text without such words is
    0. It is made for social media: "Company beats estimates" scores 0.

    Args:
        texts: (n_items,) headlines; an empty one has no score.

    Returns:
        (n_items,) scores in [-1, 1], NaN where there is no text.

    Raises:
        InputError: If the package is not installed.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        raise InputError(
            "sentiment.scores.lexicon=vader needs the package vaderSentiment: "
            "pip install -c constraints.txt -e '.[headlines]'"
        ) from None
    analyzer = SentimentIntensityAnalyzer()
    codes, unique = pd.factorize(texts)
    scores = [
        analyzer.polarity_scores(text)["compound"] if text.strip() else np.nan
        for text in map(str, unique)
    ]
    return np.array([*scores, np.nan], dtype=np.float64)[codes]

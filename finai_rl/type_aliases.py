"""Names for the arrays that rooms hand to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]
"""Days, or moments where the data has a time of day."""
MomentArray = NDArray[np.datetime64]
"""Moments in UTC."""

"""The year that energy is stated for: 365 days, and a day that stands for each month."""

from __future__ import annotations

import numpy as np

DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""Of each month."""

MEAN_DAY = np.array([17, 47, 75, 105, 135, 162, 198, 228, 258, 288, 318, 344])
"""Day of the year whose sun is that of the month's average: Klein 1977, 10.1016/0038-092X(77)90001-9."""

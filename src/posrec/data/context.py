"""The six time features of an interaction, in UTC (see `prepared.CONTEXT_FEATURES`)."""

import numpy as np


def context_features(times: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Time features of `times` (N,), int64 seconds since 1970 UTC: (N, 6) float32.

    year: (y - first) / max(1, last - first), first and last among the times that the mask `training` (N,) selects, not
    clipped; month (1-12) / 12; day (1-31) / 31; weekday (Monday 0, Sunday 6) / 7; day of year (1-366) / 365; week
    of the month ((day - 1) // 7, 0-4) / 4.
    """
    days = times.astype("datetime64[s]").astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    year = years.astype(np.int64) + 1970
    month = (months - years.astype("datetime64[M]")).astype(np.int64) + 1
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    day_of_year = (days - years.astype("datetime64[D]")).astype(np.int64) + 1
    first, last = year[training].min(), year[training].max()
    columns = [
        (year - first) / max(1, last - first),
        month / 12,
        day / 31,
        weekday / 7,
        day_of_year / 365,
        (day - 1) // 7 / 4,
    ]
    return np.stack(columns, axis=1).astype(np.float32)

"""The time features of an interaction, in UTC (see `prepared.CONTEXT_FEATURES`)."""

import numpy as np

BLOCK = 2**20  # interactions computed at once: intermediate results take little memory


def context_features(times: np.ndarray, training: np.ndarray, kind: str = "calendar") -> np.ndarray:
    """Time features of `times` (N,), int64 seconds since 1970 UTC: (N, C) float32.

    The first is the year: (y - first) / max(1, last - first), first and last among the times that the mask `training`
    (N,) selects, not clipped. Then, `calendar` (C = 6): month (1-12) / 12; day (1-31) / 31; weekday (Monday 0, Sunday
    6) / 7; day of year (1-366) / 365; week of the month ((day - 1) // 7, 0-4) / 4. Or, `cyclic` (C = 9): sine and
    cosine of the time since the begin of the year, the month, the week and the day, as shares of 366, 31, 7 and 1 days.
    """
    return features_between(times, year_span(times[training]), kind)


def year_span(times: np.ndarray) -> tuple[int, int]:
    """The first and the last year of times (N,)."""
    first, last = _years(np.array([times.min(), times.max()])).tolist()
    return first, last


def features_between(times: np.ndarray, years: tuple[int, int], kind: str = "calendar") -> np.ndarray:
    """As `context_features`, where the first and the last year of the training interactions are known."""
    first, last = years
    features = _calendar if kind == "calendar" else _cyclic
    blocks = []
    for start in range(0, len(times), BLOCK):
        part = times[start : start + BLOCK]
        year = (_years(part) - first) / max(1, last - first)
        blocks.append(np.stack([year, *features(part)], axis=1).astype(np.float32))
    return np.concatenate(blocks)


def _years(times: np.ndarray) -> np.ndarray:
    years: np.ndarray = times.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _calendar(times: np.ndarray) -> list[np.ndarray]:
    days = times.astype("datetime64[s]").astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    month = (months - years.astype("datetime64[M]")).astype(np.int64) + 1
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    day_of_year = (days - years.astype("datetime64[D]")).astype(np.int64) + 1
    return [month / 12, day / 31, weekday / 7, day_of_year / 365, (day - 1) // 7 / 4]


def _cyclic(times: np.ndarray) -> list[np.ndarray]:
    seconds = times.astype("datetime64[s]")
    begins = [seconds.astype(f"datetime64[{unit}]").astype("datetime64[s]") for unit in ("Y", "M", "D")]
    in_year, in_month, in_day = ((seconds - begin).astype(np.int64) / 86_400 for begin in begins)
    in_week = (times + 3 * 86_400) % (7 * 86_400) / 86_400  # from Monday
    shares = (in_year / 366, in_month / 31, in_week / 7, in_day)
    return [wave(2 * np.pi * share) for share in shares for wave in (np.sin, np.cos)]

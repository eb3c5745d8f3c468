"""Controls: what a study breaks on purpose, to see whether a result disappears."""

import numpy as np

HISTORY_STREAM, CONTEXT_STREAM, TIME_STREAM = 3, 4, 5
DAY = 86_400


def shuffle_histories(offsets: np.ndarray, train_length: np.ndarray, seed: int) -> np.ndarray:
    """Indices (N,) that put each user's training interactions in random order; what is held out stays in its place.

    An interaction moves with its time, so that order is lost and time is not (Klenitskiy et al., RecSys 2024, shuffle
    histories to see whether data are sequential).
    """
    return _mixed(offsets, train_length, seed, HISTORY_STREAM)


def change_times(times: np.ndarray, offsets: np.ndarray, train_length: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """The times (N,) that encodings read: as they are, shuffled, or the index.

    shuffle: a user's training interactions exchange their times, so that time says nothing of order; items stay in
    their places, and what is held out keeps its time. index: the number of an interaction in its user's history, as
    days from one start, so that time says what order does and nothing else.
    """
    if kind == "shuffle":
        shuffled: np.ndarray = times[_mixed(offsets, train_length, seed, TIME_STREAM)]
        return shuffled
    if kind == "index":
        number = np.arange(len(times)) - np.repeat(offsets[:-1], np.diff(offsets))
        return number * DAY
    return times


def _mixed(offsets: np.ndarray, train_length: np.ndarray, seed: int, stream: int) -> np.ndarray:
    users = np.repeat(np.arange(len(train_length)), np.diff(offsets))
    places = np.arange(len(users))
    draws = np.random.default_rng(np.random.SeedSequence([seed, stream])).random(len(users))
    held_out = places >= (offsets[:-1] + train_length)[users]
    order: np.ndarray = np.lexsort((np.where(held_out, places, draws), held_out, users))
    return order


def change_context(context: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """The context (N, C): as it is, zeros (`drop`), or that of another interaction, drawn without replacement.

    Its width stays, and with it the number of parameters and their initial values.
    """
    if kind == "drop":
        return np.zeros_like(context)
    if kind == "shuffle":
        rng = np.random.default_rng(np.random.SeedSequence([seed, CONTEXT_STREAM]))
        shuffled: np.ndarray = context[rng.permutation(len(context))]
        return shuffled
    return context

"""Linear probes: how much of a position can be read from vectors, on users that the probe has not seen.

Source: Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes"; a control with
shuffled positions after Hewitt and Liang 2019.
"""

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

FOLDS = 5
SHUFFLE_SEED = 20240518  # of the positions that give the chance level


def probe(vectors: np.ndarray, positions: np.ndarray, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cross-validated R2 of a ridge regression of each position on the vectors, and the same of shuffled positions.

    vectors: (T, D); positions: (T, k); users: (T,), no user is in two folds. Returns R2 and chance, (k,) each: 1 is
    perfect, about 0 is nothing, below 0 is worse than the mean. NaN where there are fewer than two users or where a
    position has one value. Raises ValueError where a vector is not finite.
    """
    shuffled = np.random.default_rng(SHUFFLE_SEED).permutation(positions)
    with _threads().limit(limits=1):  # the bytes must not depend on the number of threads
        r2 = _cross_validated(vectors, np.concatenate([positions, shuffled], axis=1), users)
    return r2[: positions.shape[1]], r2[positions.shape[1] :]


@cache
def _threads() -> ThreadpoolController:
    """The libraries that have threads, scikit-learn's among them: finding them costs more than a probe."""
    import sklearn.linear_model  # noqa: F401

    return ThreadpoolController()


def _cross_validated(vectors: np.ndarray, targets: np.ndarray, users: np.ndarray) -> np.ndarray:
    # imported here: it takes a second, and a job whose runs are in place does not need it
    from sklearn import config_context
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GroupKFold

    folds = min(FOLDS, len(np.unique(users)))
    r2 = np.full(targets.shape[1], np.nan)
    known = np.flatnonzero(np.ptp(targets, axis=0) > 0)
    if folds < 2 or len(known) == 0:
        return r2
    spread = vectors.std(axis=0)
    vectors = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)  # no label is used: once for all folds
    predicted = np.empty((len(vectors), len(known)))
    with config_context(skip_parameter_validation=True):  # the ridge's parameters are constants
        for rest, held in GroupKFold(folds).split(vectors, groups=users):
            fitted = Ridge(alpha=1.0).fit(vectors[rest], targets[np.ix_(rest, known)])
            predicted[held] = fitted.predict(vectors[held]).reshape(len(held), -1)
    r2[known] = r2_score(targets[:, known], predicted, multioutput="raw_values")
    return r2

"""Versions of what the results depend on. Raise one when the bytes it governs change; golden tests guard each
(tests/data/test_golden.py; tests/model/golden.py has a case for every encoding, setting and switch).

Each number is part of the ids (see `posrec.plan.ids`), so raising it recomputes exactly what depends on it.
"""

DATA_VERSION = 2  # simulated reviews, prepared data sets
TRAINING_VERSION = 3  # anything that changes a trained parameter or the selected epoch
EVALUATION_VERSION = 3  # candidates, ranks, metrics, baselines, diagnostics
STUDY_SCHEMA = 3  # layout of the run file

"""How many examples the tests of mangled files try: 200 with fixed seeds, or POSREC_FUZZ=10000 of them by hand."""

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings

EXAMPLES = settings(
    max_examples=int(os.environ.get("POSREC_FUZZ", "200")),
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=30),  # a hang
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

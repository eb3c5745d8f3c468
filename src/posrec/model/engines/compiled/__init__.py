"""Parts of a training step compiled by numba (the extra `compiled`): the same results as torch's, up to rounding."""

"""Rules of inference on plain arrays: levels, spreads, rates, interactions, data sets, and seeds added in steps."""

"""The operations that an engine may replace, with plain torch as the reference (`plain.py`)."""

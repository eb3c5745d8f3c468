"""The operations of a training step that an engine may replace; torch behind each."""

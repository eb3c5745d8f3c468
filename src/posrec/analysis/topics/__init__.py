"""One file per topic: its numbers, figure, caption and rows."""

"""All seeds of a cell trained at once on a leading axis (for a GPU)."""

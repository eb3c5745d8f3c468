"""A trained model to a folder of its own, and the folder to recommendations."""

"""What follows from a study before anything runs: ids, paths, planned runs, work. Imports neither torch nor pandas."""

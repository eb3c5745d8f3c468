"""posrec: which positional encoding should a sequential recommender use, and is the difference real?"""

__version__ = "0.1.0"

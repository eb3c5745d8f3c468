"""The format `own`: a user's own tables of reviews and items, in text, JSON lines or Parquet, of one file or many.

The study names the columns; separator, encoding, header and the way to write times are recognised from the content, so
that a file of the same content is always read alike. Text is read by the `csv` module, which alone tells the line of a
fault, and Parquet by polars.
"""

from posrec.data.raw.formats.own.items import read_attributes, read_features
from posrec.data.raw.formats.own.reviews import read_reviews

__all__ = ["read_attributes", "read_features", "read_reviews"]

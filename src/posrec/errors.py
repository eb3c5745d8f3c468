"""Errors that a user can fix: the command line prints their text without a traceback."""


class PosrecError(Exception):
    """Something in the input, the settings or the files needs the user's attention."""


class StudyError(PosrecError):
    """A study file that cannot be used; the text names the key and the remedy."""


class DataError(PosrecError):
    """Data that are missing, damaged or not as declared; the text names the file and line."""


class ForeignError(DataError):
    """An undamaged file whose content does not belong to its path."""


class WriteError(PosrecError):
    """A file that cannot be written: no space, no permission."""

"""Errors that a user can act on: the command line prints their text without a traceback."""


class PosrecError(Exception):
    """Something in the input, the settings or the files needs the user's attention."""


class StudyError(PosrecError):
    """A study file that cannot be used; the text names the key and the way out."""


class DataError(PosrecError):
    """Data that are missing, damaged or not what was declared; the text names the file and line."""


class ForeignError(DataError):
    """An undamaged file whose content belongs to another place."""


class WriteError(PosrecError):
    """A file that this machine cannot write: no room, no permission."""

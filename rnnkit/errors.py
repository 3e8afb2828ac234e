"""The errors that rnnkit raises: one family, so that one ``except`` catches them all.

Each message says where it happened, what was found, what was wanted and what to do.
"""


class RnnkitError(Exception):
    """Base of every error that rnnkit raises on purpose."""


class ConfigError(RnnkitError, ValueError):
    """A name, keyword or value given by the user is not one that exists or makes sense."""


class ShapeError(RnnkitError, ValueError):
    """An array has the wrong number of axes, or an axis has the wrong length."""


class DataError(RnnkitError, ValueError):
    """The content of an array is not usable: NaN, text, labels out of range, nothing at all."""


class TrainingError(RnnkitError, ArithmeticError):
    """Training cannot go on, for example because the loss is no longer finite."""


class FormatError(RnnkitError, ValueError):
    """A file is not a model that this version of rnnkit can read."""

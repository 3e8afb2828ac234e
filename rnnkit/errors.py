"""The errors that rnnkit raises: one family, so that one ``except`` catches them all.

Each message says where it happened, what was given, what was expected and what to do.
"""

LONGEST_MESSAGE = 2000  # characters: data and files may contain words of any length


class RnnkitError(Exception):
    """Base of every error that rnnkit raises on purpose.

    The middle of a message that is very long is left out.
    """

    def __init__(self, *args: object):
        super().__init__(*map(_shortened, args))


def _shortened(message: object) -> object:
    if not isinstance(message, str) or len(message) <= LONGEST_MESSAGE:
        return message
    half = LONGEST_MESSAGE // 2
    left_out = len(message) - 2 * half
    return f'{message[:half]} ... [{left_out:,} characters] ... {message[-half:]}'


class ConfigError(RnnkitError, ValueError):
    """A name, keyword or value is unknown or makes no sense.

    Raised when a network, layer, loss or callback is built, and when `train` or another method is
    called, before any work is done.
    """


class CallError(ConfigError, TypeError):
    """A call has an argument that does not exist, one too many, or one too few.

    It is a TypeError, as Python raises for such calls, and a `ConfigError`, with a hint.
    """


class NotFoundError(ConfigError, KeyError):
    """There is no layer, parameter or column of this name or number.

    It is a KeyError, as of a dict, and a `ConfigError`, with a hint. Raised by `Network.find`,
    `Network.set` and `History`.
    """

    __str__ = Exception.__str__  # KeyError would show the repr


class ShapeError(RnnkitError, ValueError):
    """An array has the wrong number of axes, or an axis has the wrong length.

    Raised when a network reads an array: data, a mask, weights, a state or parameters.
    """


class DataError(RnnkitError, ValueError):
    """The content of an array cannot be used: NaN, text, labels out of range, or nothing at all.

    Raised when a network reads data, and also if arrays are missing or too many.
    """


class TrainingError(RnnkitError, ArithmeticError):
    """Training cannot go on because a loss is not finite, or a callback raised StopIteration.

    Raised by `train`; after an update that shows it, the message names a parameter or gradient.
    """


class RankError(RnnkitError, RuntimeError):
    """Training on several processes cannot go on because of an error in one of them.

    Raised in all processes by `train` with ``comm`` if one of them ends its program or makes other
    calls than the others, or if it raised an exception whose class cannot be made of a text. Other
    exceptions keep their class. The message names the process by its rank.
    """


class FormatError(RnnkitError, ValueError):
    """A file is not a model or a checkpoint that this version of rnnkit can read.

    Raised by `load`, and when a training resumes from a checkpoint.
    """

"""AttributeErrors that say themselves what was meant."""


class _Nothing:
    """An object without attributes, from whose names Python suggests none."""

    def __dir__(self) -> list[str]:
        return []


def attribute_error(message: str, name: str) -> AttributeError:
    """Return an AttributeError to which Python adds no suggestion of its own.

    Where an error has no object yet, Python notes it, and ends the message with the name in its
    ``dir`` that is spelt most like the missing one: a second suggestion after ours.

    Parameters
    ----------
    message : str
    name : str
        The attribute that does not exist.
    """
    return AttributeError(message, name=name, obj=_Nothing())

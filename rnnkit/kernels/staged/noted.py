"""What a step reads of its parameters.

In: parameters by name. Out: a namespace of them, which notes the names that are asked for, be it
only for a shape that leaves no trace in the graph.
"""

from types import SimpleNamespace


class Noted(SimpleNamespace):
    """A namespace that knows which of its names were read."""

    __slots__ = ('noted',)  # no name of its own in vars(p), which wrappers of cells read

    def __init__(self, **named: object):
        self.noted: set[str] = set()
        super().__init__(**named)

    def __getattribute__(self, name: str) -> object:
        if not name.startswith('_') and name != 'noted':
            self.noted.add(name)
        return super().__getattribute__(name)

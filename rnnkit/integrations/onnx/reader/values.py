"""What an array of an ONNX graph is: a constant, the output of a layer, or an initial state."""

from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.integrations.onnx.reader.axes import Atom, Axis, Length, shown


@dataclass
class Plan:
    """A layer to be made, once the whole graph has been read.

    Attributes
    ----------
    form : str
    options : dict
        Its keywords, but for size, name and inputs.
    sources : list of (Plan, str)
        The outputs that it reads.
    params : dict of str to array
        The values of its parameters; those of the two directions of a bidirectional layer have
        names such as ``fw.xh``.
    starts : dict of str to source, or to pair of sources
        The outputs from which states start.
    hint : str
        The name of its node.
    """

    form: str
    size: int | None = None
    options: dict[str, object] = field(default_factory=dict)
    sources: list['Source'] = field(default_factory=list)
    params: dict[str, np.ndarray] = field(default_factory=dict)
    starts: dict[str, 'Source | list[Source]'] = field(default_factory=dict)
    hint: str = ''

    def all_sources(self) -> list['Source']:
        """Return the outputs that it reads, and those that its states start from."""
        starts = [s if isinstance(s, list) else [s] for s in self.starts.values()]
        return self.sources + [one for some in starts for one in some]

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


Source = tuple[Plan, str]


@dataclass(frozen=True)
class Flow:
    """An array with the values of one output of a layer.

    Attributes
    ----------
    plan : Plan
    output : str
        ``'out'``, ``'last'``, ``'fw_last'``, ...
    axes : tuple of Axis
    features : tuple of Atom
        Those of the features, in the order in which the layer has them.
    stage : str
        Of a fully connected layer that is being put together: ``'product'`` of input and matrix,
        then ``'biased'``; else empty.
    repeated : Atom or None
        The time, if the array is a vector that is repeated at all steps.
    """

    plan: Plan
    output: str
    axes: tuple[Axis, ...]
    features: tuple[Atom, ...]
    stage: str = ''
    repeated: Atom | None = None

    def is_that_of(self, other: 'Flow') -> bool:
        """Return whether it is the same output of a layer, perhaps with other axes."""
        return self.plan is other.plan and self.output == other.output

    def with_axes(self, axes: tuple[Axis, ...]) -> 'Flow':
        """Return the same values with other axes."""
        return replace(self, axes=axes)

    def __str__(self) -> str:
        return f'an array {shown(self.axes)}'


@dataclass(frozen=True)
class Stack:
    """Final states of several layers, one after the other along the first axis.

    Attributes
    ----------
    parts : tuple of Flow
        Each with the axes (directions or 1, B, H).
    """

    parts: tuple[Flow, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes; the first is a new one."""
        count = sum(part.axes[0][0].length or 1 if part.axes[0] else 1 for part in self.parts)
        return ((Atom('layers', count),), *self.parts[0].axes[1:])

    def at(self, k: int) -> tuple[Flow, int]:
        """Return the part with entry `k` of the first axis, and the number of that in it."""
        for part in self.parts:
            n = 2 if part.axes[0] else 1
            if k < n:
                return part, k
            k -= n
        raise IndexError(k)

    def __str__(self) -> str:
        return f'the final states of {len(self.parts)} layers {shown(self.axes)}'


@dataclass(frozen=True)
class Spread:
    """Constant values, repeated along axes: what Expand and ConstantOfShape make.

    Attributes
    ----------
    array : array
        Of length 1 along axes whose length is not 1.
    lengths : tuple of (int or Length)
    """

    array: np.ndarray
    lengths: tuple[int | Length, ...]

    def __str__(self) -> str:
        return 'a constant that is repeated'


@dataclass(frozen=True)
class Outside:
    """An input of the graph whose use shows what it is: data, lengths, or an initial state.

    Attributes
    ----------
    name : str
    axes : tuple of Axis
    whole : bool
        Whether its type is one of whole numbers.
    cut : bool
        Whether this is a part of it, as that of one layer of all initial states.
    """

    name: str
    axes: tuple[Axis, ...]
    whole: bool
    cut: bool = False

    def __str__(self) -> str:
        return f'the input {self.name!r} of the graph'


# Arrays of dtype object hold lengths of axes, as ints and Lengths.
Value = np.ndarray | Flow | Stack | Spread | Outside


def kind(value: object) -> str:
    """Return what messages call a value."""
    if value is None:
        return 'nothing'
    if isinstance(value, np.ndarray):
        what = 'lengths of axes' if value.dtype == object else f'a constant {value.dtype}'
        return f'{what} of shape {value.shape}'
    return str(value)

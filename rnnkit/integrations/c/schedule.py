"""The order in which values are computed, and where they are kept.

A stage begins with barriers, such as matrix products, which read whole vectors of earlier stages.
After them come numbers, and one loop for each width, which computes all elementwise values of this
width, element by element. So a value needs an array only if a later stage reads it.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from rnnkit.integrations.c.simplify import BARRIERS, LEAVES, VECTORS, Value, Values
from rnnkit.kernels.program.program import FLAGS

Loop = tuple[int, int]  # its stage and its width


class Target(NamedTuple):
    """Where an output goes.

    Attributes
    ----------
    place : str
        The array that it is written to.
    state : str
        The input that lies in the same array: the old state. Empty if there is none.
    width: int
        How many columns it has; a value of width 1 fills them all.
    """

    place: str
    state: str
    width: int


class Schedule:
    """Stages, loops and arrays of some values.

    Parameters
    ----------
    values : Values
    targets : list of Target
        One for each output.

    Attributes
    ----------
    values : list of Value
    needed : list of int
        The values that the outputs depend on, in an order in which they can be computed.
    outputs : list of (int, Target)
    """

    def __init__(self, values: Values, targets: list[Target]):
        self.values: list[Value] = list(values.values)
        self.outputs = [
            (self._kept(k, target), target)
            for k, target in zip(values.outputs, targets, strict=True)
            if not self._is_there(k, target)
        ]
        self.needed = sorted(self._reach([k for k, _ in self.outputs]))

    def _is_there(self, k: int, target: Target) -> bool:
        """Return whether an output is the old state itself."""
        value = self.values[k]
        return value.op == 'input' and value.name == target.state

    def _kept(self, k: int, target: Target) -> int:
        """Return a copy of an old state that is an output, for it may be overwritten before."""
        base = self.values[k]
        if base.op == 'columns':
            base = self.values[base.args[0]]
        if base.op != 'input':
            return k
        self.values.append(Value('copy', (k,), self.values[k].width, target.place))
        return len(self.values) - 1

    def _reach(self, waiting: list[int]) -> set[int]:
        seen: set[int] = set()
        while waiting:
            k = waiting.pop()
            if k not in seen:
                seen.add(k)
                waiting += self.values[k].args
        return seen

    @property
    def arrays(self) -> list[str]:
        """The arrays of weights that are read, which may be fewer than those of the equations."""
        read: dict[str, None] = {}
        for k in self.needed:
            value = self.values[k]
            if value.op == 'array' or (value.op == 'affine' and value.name):
                read[value.name] = None
            read |= dict.fromkeys(product.array for product in value.products)
        return list(read)

    # --- kinds of values

    def is_looped(self, k: int) -> bool:
        """Return whether a value is computed element by element in a loop."""
        value = self.values[k]
        return self.is_elementwise(k) and value.width > 1

    def is_elementwise(self, k: int) -> bool:
        """Return whether a value is a number for each column; truth values are not kept."""
        return self.values[k].op not in LEAVES | BARRIERS | FLAGS | {'columns'}

    def read_by(self, k: int) -> Iterator[int]:
        """Yield the values that `k` reads, through truth values."""
        for a in self.values[k].args:
            if self.values[a].op in FLAGS:
                yield from self.read_by(a)
            else:
                yield a

    def base(self, k: int) -> int:
        """Return the value of which `k` is some columns, or itself."""
        return self.values[k].args[0] if self.values[k].op == 'columns' else k

    # --- stages

    @cached_property
    def stages(self) -> Mapping[int, int]:
        """The stage of each value."""
        stages: dict[int, int] = {}
        for k in self.needed:
            args = [stages[a] for a in self.values[k].args]
            stages[k] = max(args, default=0) + (self.values[k].op in BARRIERS)
        return stages

    @property
    def last_stage(self) -> int:
        """The number of the last stage."""
        return max(self.stages.values(), default=0)

    def barriers(self, stage: int) -> list[int]:
        """Return the barriers with which a stage begins."""
        return [k for k in self.needed if self.stages[k] == stage and self.values[k].op in BARRIERS]

    def numbers(self, stage: int) -> list[int]:
        """Return the elementwise values of width 1 of a stage."""
        return [
            k
            for k in self.needed
            if self.stages[k] == stage and self.is_elementwise(k) and self.values[k].width == 1
        ]

    def loop_of(self, k: int) -> Loop:
        """Return the loop that computes an elementwise value."""
        return self.stages[k], self.values[k].width

    @cached_property
    def loops(self) -> Mapping[Loop, list[int]]:
        """The values that each loop computes."""
        loops: dict[Loop, list[int]] = {}
        for k in self.needed:
            if self.is_looped(k):
                loops.setdefault(self.loop_of(k), []).append(k)
        return dict(sorted(loops.items()))

    @cached_property
    def readers(self) -> Mapping[int, list[int]]:
        """The values that read each value, or columns of it, through truth values."""
        readers: dict[int, list[int]] = {}
        for k in self.needed:
            if self.values[k].op not in FLAGS | {'columns'}:
                for a in self.read_by(k):
                    readers.setdefault(self.base(a), []).append(k)
        return readers

    # --- arrays

    @cached_property
    def kept(self) -> set[int]:
        """The looped values that need an array, since others than their loop read them."""
        outputs = {k for k, _ in self.outputs if self.is_looped(k)}
        apart = {
            a
            for a, readers in self.readers.items()
            if self.is_looped(a)
            and any(not self.is_looped(k) or self.loop_of(k) != self.loop_of(a) for k in readers)
        }
        return outputs | apart

    @cached_property
    def places(self) -> Mapping[int, str]:
        """The values that are computed in the array of an output; others are copied to theirs."""
        places: dict[int, str] = {}
        for k, target in self.outputs:
            whole = self.is_looped(k) or self.values[k].op in VECTORS
            if k not in places and whole and self.values[k].width > 1 and self._is_free(k, target):
                places[k] = target.place
        return places

    def _is_free(self, k: int, target: Target) -> bool:
        """Return whether nobody needs the old state any more when value `k` is computed."""
        if not target.state:
            return True
        if not self.is_looped(k):
            return False
        old = [i for i in self.needed if self.values[i].name == target.state]
        old = [i for i in old if self.values[i].op == 'input']
        return all(self._is_before(reader, k, i) for i in old for reader in self.readers.get(i, []))

    def _is_before(self, reader: int, k: int, old: int) -> bool:
        """Return whether `reader` has read `old` before the loop of `k` overwrites it."""
        if self.is_looped(reader) and self.loop_of(reader) == self.loop_of(k):
            return old in self.read_by(reader)  # and no other columns of it
        if self.is_looped(reader):
            return self.stages[reader] < self.stages[k]
        return self.stages[reader] <= self.stages[k]

"""The base of the writers of a dense layer, forward and backward."""

from collections.abc import Callable

from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.vector import Code, Int, Target
from rnnkit.kernels.language.writer import Writer


class Dense(Writer):
    """Writer of one direction of a dense layer.

    Attributes
    ----------
    names : list of str
        The names of all x.
    """

    def __init__(self, target: Target, axes: int, n_x: int, more: str = ''):
        self.dims, self.n_x = leading(axes), n_x
        self.names = ['x'] if n_x == 1 else [f'x{k}' for k in range(n_x)]
        super().__init__(target, self.make_frame(), f'{axes} axes, {n_x} x{more}')

    def make_frame(self) -> Frame:
        """Return the frame."""
        raise NotImplementedError

    def arrays(self, prefix: str = '') -> list[Array]:
        """Return all x, or what is of their shape."""
        return [Array(prefix + name, (*self.dims, 'I')) for name in self.names]

    def weight(self, name: str) -> Array:
        """Return the weight, or what is of its shape."""
        return Array(name, ('I' if self.n_x == 1 else f'{self.n_x}I', 'H'))

    def each_x(
        self, code: Code, block: Int, weight: str, prefix: str = ''
    ) -> list[tuple[str, Int, Int]]:
        """Return for each x its name, its address, and its rows of a weight."""
        i, h, w = self.frame.read(code, block, 'I', 'H', weight)
        size = i * h * self.target.size
        starts = self.frame.read(code, block, *(prefix + name for name in self.names))
        return [
            (name, x, w + size * k)
            for k, (name, x) in enumerate(zip(self.names, starts, strict=True))
        ]

    def rows(self, code: Code, block: Int) -> Int:
        """Return the number of rows of x."""
        return self.frame.count(code, block, self.dims)

    def at_work(self, code: Code, block: Int) -> dict[str, Int]:
        """Return where the areas of work memory are, once the inputs were staged."""
        return self.areas(code, block, self.frame.read(code, block, 'work')[0])

    def pack_each(
        self, code: Code, block: Int, areas: dict[str, Int], terms: Int, units: Int
    ) -> Callable[[int], None]:
        """Return what packs the weight's rows of each x, for a width of panels."""
        each, row = self.each_x(code, block, 'w'), units * self.target.size

        def pack(vectors: int) -> None:
            for name, _, w in each:
                code.call(f'pack{vectors}', w, row, terms, units, areas[name])

        return pack

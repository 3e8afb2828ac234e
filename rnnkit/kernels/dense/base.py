"""What the kernels of a dense layer share, forward and backward."""

from collections.abc import Callable

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.vector import Code, Int, Target, Unit

WIDTHS = (gemm.WIDE, gemm.NARROW)


class Dense:
    """What the writers of both directions share.

    Attributes
    ----------
    description : str
        All that the module depends on, besides the target.
    names : list of str
        The names of all x.
    """

    def __init__(self, target: Target, axes: int, n_x: int = 1):
        self.target, self.axes, self.n_x = target, axes, n_x
        self.description = f'{axes} axes, {n_x} x'
        self.names = ['x'] if n_x == 1 else [f'x{k}' for k in range(n_x)]
        self.frame = self.make_frame(leading(axes))

    def make_frame(self, rows: tuple[str, ...]) -> Frame:
        """Return the frame, given the axes that count rows."""
        raise NotImplementedError

    def areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        raise NotImplementedError

    def arrays(self, rows: tuple[str, ...], prefix: str = '') -> list[Array]:
        """Return all x, or what is of their shape."""
        return [Array(prefix + name, (*rows, 'I')) for name in self.names]

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
        n, *more = self.frame.read(code, block, *leading(self.axes))
        for length in more:
            n = n * length
        return n

    def write_size(self, unit: Unit) -> None:
        """Write ``size(block)``: the bytes of work memory."""
        with unit.function('size', 'block', export=True) as (code, block):
            (staged,) = self.frame.read(code, block, 'staged')
            code.ret(self.areas(code, block, code.int(0))['end'] + staged)

    def start(self, code: Code, desc: Int, block: Int) -> dict[str, Int]:
        """Stage the inputs; return where the areas are."""
        start = code.call('stage', desc, block)
        code.put(start, block, self.frame.place['work'])
        return self.areas(code, block, start)

    def at_work(self, code: Code, block: Int) -> dict[str, Int]:
        """Return where the areas are, once `start` was called."""
        return self.areas(code, block, self.frame.read(code, block, 'work')[0])

    def by_width(self, code: Code, columns: Int, write: Callable[[int], None]) -> None:
        """Write for wide panels and for narrow ones; the number of columns decides."""
        many = columns > 2 * self.target.lanes
        code.choose(many, *(lambda v=v: write(v) for v in WIDTHS))

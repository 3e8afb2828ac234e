"""The writer of a kernel: the part of a module that all kernels of one frame have.

A kernel is an LLVM module of three exported functions. ``enter(descriptors, block)`` checks the
inputs, ``size(block)`` returns the bytes of work memory, and ``run(descriptors, block)`` computes.
The caller allocates outputs and work memory between these calls, because only it knows whose
allocator is to be used: NumPy's in tests, the pool's in compiled functions.
"""

from rnnkit.kernels.language.descriptor import rounded
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.vector import Code, Int, Target, Unit


class Writer:
    """Base of the writers of kernels.

    Parameters
    ----------
    target : Target
    frame : Frame
    description : str
        Equal for writers that write the same for a target: part of the key of the cache.
    """

    def __init__(self, target: Target, frame: Frame, description: str):
        self.target, self.frame, self.description = target, frame, description

    def write(self, name: str) -> str:
        """Return the module as text; `name` is the prefix of its symbols."""
        unit = Unit(name, self.target)
        self.frame.write(unit)
        self.write_functions(unit)
        with unit.function('size', 'block', export=True) as (code, block):
            self.prepare(code, block)
            (staged,) = self.frame.read(code, block, 'staged')
            code.ret(self.areas(code, block, code.int(0))['end'] + staged)
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            self.run(code, desc, block)
        return unit.text()

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        raise NotImplementedError

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``, in which `stage` comes before any input is read."""
        raise NotImplementedError

    def prepare(self, code: Code, block: Int) -> None:
        """Write to the block what work memory depends on, apart from lengths.

        The number of threads is a setting that another thread may change during a call; ``parts``
        in the block is what this call goes by.
        """

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        return {}

    def areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where each area of work memory starts, from `start` on, and their ``end``."""
        places = {}
        for name, size in self.sizes(code, block).items():
            places[name] = start
            start = start + rounded(size)
        return places | {'end': start}

    def stage(self, code: Code, desc: Int, block: Int) -> Int:
        """Copy inputs that are not contiguous into work memory; return where the areas start."""
        start = code.call('stage', desc, block)
        # From here on `work` is the start of the areas: workers, which see only the block, use it.
        code.put(start, block, self.frame.place['work'])
        return start

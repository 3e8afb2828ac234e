"""The function of a layer, as lines of C."""

from collections import Counter
from collections.abc import Mapping

from rnnkit.integrations.c import literals
from rnnkit.integrations.c.names import Names
from rnnkit.integrations.c.schedule import Loop, Schedule
from rnnkit.integrations.c.simplify import REDUCTIONS
from rnnkit.kernels.program.program import FLAGS

INFIX = {
    'add': '+',
    'sub': '-',
    'mul': '*',
    'div': '/',
    'lt': '<',
    'le': '<=',
    'gt': '>',
    'ge': '>=',
    'eq': '==',
    'ne': '!=',
    'and': '&',  # not &&, for loops without branches
    'or': '|',
    'xor': '^',
}
LONGEST = 64  # characters of what is written where it is used, and not given a name


class Body:
    """Writes the statements that compute the outputs of a schedule.

    Parameters
    ----------
    schedule : Schedule
    places : dict of str to str
        The array in which each input lies.
    arrays : dict of str to str
        The name in C of each array of weights.
    dtype : str
    names : Names
        The names in the function that are taken.

    Attributes
    ----------
    functions : set of str
        The functions that are called, by the names of operations.
    scratch : int
        How many numbers the arrays of the function have.
    """

    def __init__(
        self,
        schedule: Schedule,
        places: Mapping[str, str],
        arrays: Mapping[str, str],
        dtype: str,
        names: Names,
    ):
        self.schedule, self.values, self.dtype = schedule, schedule.values, dtype
        self.inputs, self.arrays, self.names = places, arrays, names
        self.at: dict[int, str] = dict(schedule.places)  # the array of a value
        self.known: dict[int, str] = {}  # the name of a number
        self.functions: set[str] = set()
        self.scratch = 0
        self.lines: list[str] = []

    def write(self) -> list[str]:
        """Return the lines of the function's body."""
        for stage in range(self.schedule.last_stage + 1):
            for k in self.schedule.barriers(stage):
                self._barrier(k)
            for k in self.schedule.numbers(stage):
                name = self.names.new(f'v{k}')
                self.lines.append(f'const real {name} = {_bare(self.text(k, {}))};')
                self.known[k] = name
            for loop, values in self.schedule.loops.items():
                if loop[0] == stage:
                    self._loop(loop, values)
        self._copies()
        return self.lines

    # --- expressions

    def element(self, k: int, local: Mapping[int, str]) -> str:
        """Return one element of a value, in a loop over j, or a number.

        Parameters
        ----------
        k : int
        local : dict of int to str
            The values that are known in the loop.
        """
        value = self.values[k]
        if k in local:
            return local[k]
        if k in self.known:
            return self.known[k]
        if value.op == 'constant':
            return literals.number(value.number, self.dtype)
        if value.op == 'columns' or k in self.at or value.op in ('input', 'array'):
            start = value.start if value.op == 'columns' else 0
            array = self.array(self.schedule.base(k))
            if value.width == 1:
                return f'{array}[{start}]'
            return f'{array}[j + {start}]' if start else f'{array}[j]'
        return self.text(k, local)

    def array(self, k: int) -> str:
        """Return the array of a value."""
        value = self.values[k]
        if value.op == 'input':
            return self.inputs[value.name]
        return self.arrays[value.name] if value.op == 'array' else self.at[k]

    def pointer(self, k: int) -> str:
        """Return the address of the first element of a value."""
        value = self.values[k]
        base = self.schedule.base(k)
        if base in self.at or self.values[base].op in ('input', 'array'):
            start = f' + {value.start}' if value.op == 'columns' and value.start else ''
            return f'{self.array(base)}{start}'
        name = self.known.get(k)
        if name is None:
            name = self.known[k] = self.names.new(f'v{k}')
            self.lines.append(f'const real {name} = {_bare(self.element(k, {}))};')
        return f'&{name}'

    def text(self, k: int, local: Mapping[int, str]) -> str:
        """Return the expression of an elementwise value or of a truth value."""
        value = self.values[k]
        args = [self.element(a, local) for a in value.args]
        if value.op == 'copy':
            return args[0]
        if value.op == 'mul' and self.values[value.args[-1]].op == 'constant':
            args.reverse()
        if value.op in INFIX:
            if value.op == 'mul' and args[0] == literals.number(-1.0, self.dtype):
                return f'(-{args[1]})'
            return f'({args[0]} {INFIX[value.op]} {args[1]})'
        if value.op == 'not':
            return f'(!{args[0]})'
        self.functions.add(value.op)
        return f'real_{value.op}({", ".join(map(_bare, args))})'

    # --- statements

    def _loop(self, loop: Loop, values: list[int]) -> None:
        """Write the loop that computes some values."""
        local: dict[int, str] = {}
        uses = Counter(a for k in values for a in self._reads(k))
        kept = [k for k in values if k in self.schedule.kept]
        for k in kept:
            if k not in self.at:
                self.at[k] = self._array(loop[1])
        inside = []
        waiting = {k: self.at.pop(k) for k in kept}
        for k in values:
            text = self.text(k, local)
            direct = k in kept and len(kept) == 1 and not uses[k]
            if direct or (k not in kept and uses[k] == 1 and len(text) <= LONGEST):
                local[k] = text
                continue
            local[k] = self.names.new(f'v{k}')
            inside.append(f'    const real {local[k]} = {_bare(text)};')
        # All stores come last: what they overwrite may have been read until here.
        inside += [f'    {waiting[k]}[j] = {_bare(local[k])};' for k in kept]
        self.at |= waiting
        self.lines += [f'for (j = 0; j < {loop[1]}; ++j) {{', *inside, '}']

    def _reads(self, k: int) -> list[int]:
        """Return what the text of a value reads, as often as it does."""
        found = []
        for a in self.values[k].args:
            found += self._reads(a) if self.values[a].op in FLAGS else [a]
        return found

    def _array(self, width: int) -> str:
        """Declare an array; return its name."""
        name = self.names.new(f'a{len(self.at)}')
        self.lines.append(f'real {name}[{width}];')
        self.scratch += width
        return name

    def _barrier(self, k: int) -> None:
        value = self.values[k]
        if value.op in REDUCTIONS:
            self.functions.add(value.op)
            name, pointer = self.names.new(f'v{k}'), self.pointer(value.args[0])
            width = self.values[value.args[0]].width
            call = f'real_{value.op.replace(" ", "_")}({pointer}, {width})'
            self.lines.append(f'const real {name} = {call};')
            self.known[k] = name
            return
        pointers = [self.pointer(a) for a in value.args]
        place = self.at.get(k) or self._array(value.width)
        self.at[k] = place
        if value.op == 'softmax':
            self.functions.add('softmax')
            self.lines.append(f'real_softmax({place}, {pointers[0]}, {value.width});')
        elif value.op == 'join':
            at = 0
            for a, pointer in zip(value.args, pointers, strict=True):
                self._copy(f'{place} + {at}' if at else place, pointer, self.values[a].width)
                at += self.values[a].width
        else:
            self._affine(k, place, pointers)

    def _affine(self, k: int, place: str, pointers: list[str]) -> None:
        value = self.values[k]
        if value.name:
            self._copy(place, self.arrays[value.name], value.width)
        else:
            self.lines.append(f'memset({place}, 0, {value.width} * sizeof(real));')
        self.functions.add('add_product')
        for a, pointer, product in zip(value.args, pointers, value.products, strict=True):
            rows, matrix = self.values[a].width, self.arrays[product.array]
            if product.row:
                matrix += f' + {product.row} * {value.width}'
            self.lines.append(f'add_product({place}, {pointer}, {matrix}, {rows}, {value.width});')

    def _copies(self) -> None:
        """Write the outputs that have been computed elsewhere."""
        for k, target in self.schedule.outputs:
            if self.schedule.places.get(k) == target.place:
                continue
            if self.values[k].width == 1:
                text = _bare(self.element(k, {}))
                if target.width > 1:
                    text = f'for (j = 0; j < {target.width}; ++j) {target.place}[j] = {text};'
                    self.lines.append(text)
                else:
                    self.lines.append(f'{target.place}[0] = {text};')
            else:
                self._copy(target.place, self.pointer(k), self.values[k].width)

    def _copy(self, place: str, source: str, width: int) -> None:
        self.lines.append(f'memcpy({place}, {source}, {width} * sizeof(real));')


def _bare(text: str) -> str:
    """Return an expression without parentheses around all of it."""
    if not text.startswith('(') or not text.endswith(')'):
        return text
    depth = 0
    for c in text[:-1]:
        depth += (c == '(') - (c == ')')
        if depth == 0:
            return text
    return text[1:-1]

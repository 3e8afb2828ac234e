"""How long the parts of a module are, and what its annotations say."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Function(NamedTuple):
    """A function of a file: lines of code, required arguments, annotations of its arguments."""

    name: str
    lines: int
    required: int
    annotations: list[str]


class Source:
    """A file: its lines of code, and its functions.

    Attributes
    ----------
    lines : int
        Lines that are neither blank, nor comments, nor docstrings.
    functions : list of Function
        Those inside others count as well, and in the others' length.
    """

    def __init__(self, path: Path):
        text = path.read_text(encoding='utf-8')
        self._tree, lines = ast.parse(text), text.splitlines()
        docs = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docs |= set(range(node.lineno, node.end_lineno + 1))
        self._code = [
            k not in docs and bool(line.strip()) and not line.lstrip().startswith('#')
            for k, line in enumerate(lines, 1)
        ]
        self.lines = sum(self._code)
        self.functions = list(self._functions())

    def _functions(self) -> Iterator[Function]:
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            args = node.args
            named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
            required = len(args.posonlyargs) + len(args.args) - len(args.defaults)
            required += sum(default is None for default in args.kw_defaults)
            required -= bool(named) and named[0].arg in ('self', 'cls')
            every = [*named, *filter(None, (args.vararg, args.kwarg))]
            yield Function(
                node.name,
                sum(self._code[node.lineno - 1 : node.end_lineno]),
                required,
                [ast.unparse(arg.annotation) for arg in every if arg.annotation is not None],
            )

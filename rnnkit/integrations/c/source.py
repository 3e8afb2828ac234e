"""The header and the source file of a network."""

import json
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit.integrations.c import elementary, literals
from rnnkit.integrations.c.functions import Functions
from rnnkit.integrations.c.layers import Source, Steps
from rnnkit.version import __version__

MARK = 'written by rnnkit'  # in the first line of each file
REAL = {'float32': 'float', 'float64': 'double'}


class Texts:
    """The files of a network.

    Parameters
    ----------
    name : str
    kind : str
        The class of the network.
    steps : Steps
    functions : Functions
    dtype : {'float32', 'float64'}
    classes : sequence of str, optional
        The names of the classes.
    meta : dict
        ``net.meta``, for a comment.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        steps: Steps,
        functions: Functions,
        dtype: str,
        *,
        classes: Sequence[str] | None,
        meta: Mapping[str, object],
    ):
        self.name, self.kind, self.steps, self.functions = name, kind, steps, functions
        self.dtype, self.classes, self.meta = dtype, classes, meta
        self.upper = name.upper()
        self.tokens = any(x.tokens for x in steps.sources)

    # --- sizes and arguments

    def size_name(self, source: Source) -> str:
        """Return the name of the constant that is the size of an input."""
        word = 'TOKENS' if source.tokens else 'INPUTS'
        if len(self.steps.sources) == 1:
            return f'{self.upper}_{word}'
        return f'{self.upper}_{word}_{self.functions.arguments[source.name][2:].upper()}'

    def _argument(self, source: Source, many: bool) -> str:
        x = self.functions.arguments[source.name]
        if source.tokens:
            return f'const int32_t *{x}' if many and source.moves else f'int32_t {x}'
        return f'const {self.name}_real *{x}'

    def declaration(self, what: str) -> str:
        """Return the declaration of a function of the header: init, step or run."""
        state = f'{self.name}_state *s'
        if what == 'init':
            return f'void {self.name}_init({state})'
        many = what == 'run'
        arguments = [state, *(self._argument(x, many) for x in self.steps.sources)]
        arguments += ['int steps'] * many + [f'{self.name}_real *y']
        result = 'int' if self.tokens else 'void'
        return f'{result} {self.name}_{what}({", ".join(arguments)})'

    # --- the header

    def header(self) -> str:
        """Return the header."""
        guard = f'{self.upper}_H'
        constants = [f'    {self.size_name(x)} = {x.size},' for x in self.steps.sources]
        constants.append(f'    {self.upper}_OUTPUTS = {self.steps.width}')
        lines = [
            f'/* {self.name}.h: {MARK} {__version__} */',
            '',
            *_comment(self._about()),
            '',
            f'#ifndef {guard}',
            f'#define {guard}',
            '',
            '#include <stdint.h>',
            '',
            '#ifdef __cplusplus',
            'extern "C" {',
            '#endif',
            '',
            f'typedef {REAL[self.dtype]} {self.name}_real;',
            '',
            'enum {',
            *constants,
            '};',
            '',
            *self._struct(),
            '',
            *self._functions(),
            '#ifdef __cplusplus',
            '}',
            '#endif',
            '',
            '#endif',
        ]
        return '\n'.join(lines) + '\n'

    def _about(self) -> list[str]:
        bytes_of = 4 if self.dtype == 'float32' else 8
        state = bytes_of * sum(field.width for field in self.functions.fields)
        stack = bytes_of * self.functions.scratch
        about = [
            f'A network ({self.kind}) as plain C99: it allocates nothing, changes no global '
            f'variables, and needs the C library alone. Compile {self.name}.c with -O3 '
            f'-march=native, or whatever turns on the vectors of your processor; link with -lm.',
            f'It keeps all state in a {self.name}_state that you provide, one for each sequence '
            f'that is read at the same time. A copy of it is a copy of the sequence so far. Only '
            f'one thread may use it at a time. It takes {state} bytes; arrays on the stack take '
            f'about {stack}.',
            f'There is no padding and no mask: call it for real time steps only. If an input is '
            f'NaN or infinite, outputs and state may be NaN until {self.name}_init is called.',
        ]
        if self.meta:
            about.append('net.meta, as JSON: ' + _json(self.meta))
        return about

    def _struct(self) -> list[str]:
        lines = ['typedef struct {']
        for field in self.functions.fields:
            comment = literals.comment(field.comment)
            lines.append(f'    {self.name}_real {field.name}[{field.width}]; /* {comment} */')
        if self.functions.begins:
            lines.append('    int begun; /* whether a step has been made */')
        if not self.functions.fields:
            lines.append('    char unused; /* this network keeps nothing from step to step */')
        return [*lines, f'}} {self.name}_state;']

    def _functions(self) -> list[str]:
        steps = self.steps
        lines = [
            '/* Begins a new sequence. */',
            f'{self.declaration("init")};',
            '',
            *_comment([self._about_step()]),
            f'{self.declaration("step")};',
            '',
        ]
        if steps.has_time:
            lines += [*_comment([self._about_run()]), f'{self.declaration("run")};', '']
        if self.classes is not None:
            lines += [
                '/* The names of the classes, in the order of the outputs. */',
                f'extern const char *const {self.name}_class_names[{self.upper}_OUTPUTS];',
                '',
            ]
        return lines

    def _about_step(self) -> str:
        read = ' and '.join(self._about_input(x) for x in self.steps.sources)
        what = 'the probabilities of the classes' if self.kind == 'Classifier' else 'the outputs'
        so_far = ' for the sequence so far' if self.steps.answers else ''
        text = (
            f'Reads the next time step, {read}, advances the state, and writes {what}{so_far} to '
            f'y, {self.upper}_OUTPUTS numbers. Arrays must not overlap.'
        )
        if not self.steps.has_time:
            text = text.replace('the next time step, ', '').replace('advances the state, ', '')
        if self.tokens:
            text += ' Returns 0; or -1, and does nothing, if there is no such token.'
        return text

    def _about_input(self, source: Source) -> str:
        x = self.functions.arguments[source.name]
        if source.tokens:
            text = f'{x}, a token from 0 to {self.size_name(source)} - 1'
        else:
            text = f'{x}, {self.size_name(source)} numbers'
        fixed = self.steps.has_time and not source.moves
        return text + (' (the same ones at each step)' if fixed else '')

    def _about_run(self) -> str:
        moving = [self.functions.arguments[x.name] for x in self.steps.sources if x.moves]
        text = f'Reads many time steps, one after the other in {" and ".join(moving)}, and writes '
        if self.steps.answers:
            text += 'the outputs after the last one to y; with no steps, y is left as it is.'
        else:
            text += 'the outputs of each to y, one after the other.'
        text += ' The state goes on from where it is.'
        if self.tokens:
            text += ' Returns 0; or -1, before the first step whose token does not exist.'
        return text

    # --- the source

    def source(self) -> str:
        """Return the source file."""
        lines = [
            f'/* {self.name}.c: {MARK} {__version__}; {self.name}.h says how to use it */',
            '',
            f'#include "{self.name}.h"',
            '',
            '#include <math.h>',
            '#include <stddef.h>',
            '#include <string.h>',
            '',
            f'typedef {self.name}_real real;',
            '',
            *elementary.texts(self.functions.used, self.dtype).splitlines(),
            '',
            *self.functions.weights,
            *self.functions.functions,
            *self._init(),
            *self._step(),
            *(self._run() if self.steps.has_time else []),
            *self._class_names(),
        ]
        return '\n'.join(lines).rstrip('\n') + '\n'

    def _init(self) -> list[str]:
        lines = [self.declaration('init'), '{']
        zero = literals.number(0.0, self.dtype)
        if any(not field.start for field in self.functions.fields):
            lines.append('    int j;')
        for field in self.functions.fields:
            if field.start:
                lines.append(f'    memcpy(s->{field.name}, {field.start}, sizeof s->{field.name});')
            else:
                lines.append(f'    for (j = 0; j < {field.width}; ++j)')
                lines.append(f'        s->{field.name}[j] = {zero};')
        if self.functions.begins:
            lines.append('    s->begun = 0;')
        if not self.functions.fields:
            lines.append('    s->unused = 0;')
        return [*lines, '}', '']

    def _step(self) -> list[str]:
        lines = [self.declaration('step'), '{']
        for source in self.steps.sources:
            if source.tokens:
                x = self.functions.arguments[source.name]
                lines += [
                    f'    if ({x} < 0 || {x} >= {self.size_name(source)})',
                    '        return -1;',
                ]
        lines += [f'    {line}' for line in self.functions.calls]
        if not self.functions.fields:
            lines.append('    (void)s;')
        return [*lines, *['    return 0;'] * self.tokens, '}', '']

    def _run(self) -> list[str]:
        given = ['s']
        for source in self.steps.sources:
            x = self.functions.arguments[source.name]
            if not source.moves:
                given.append(x)
            else:
                given.append(
                    f'{x}[t]' if source.tokens else f'{x} + (size_t)t * {self.size_name(source)}'
                )
        given.append('y' if self.steps.answers else f'y + (size_t)t * {self.upper}_OUTPUTS')
        call = f'{self.name}_step({", ".join(given)})'
        lines = [self.declaration('run'), '{', '    int t;', '    for (t = 0; t < steps; ++t)']
        if self.tokens:
            lines += [f'        if ({call} != 0)', '            return -1;', '    return 0;']
        else:
            lines.append(f'        {call};')
        return [*lines, '}', '']

    def _class_names(self) -> list[str]:
        if self.classes is None:
            return []
        array = f'const char *const {self.name}_class_names[{self.upper}_OUTPUTS]'
        return [f'{array} = {{', *(f'    {literals.string(c)},' for c in self.classes), '};', '']


def _comment(paragraphs: Sequence[str]) -> list[str]:
    """Return a comment of lines of at most 96 columns."""
    lines: list[str] = []
    for paragraph in paragraphs:
        text = literals.comment(paragraph)
        lines += ['', *textwrap.wrap(text, literals.WIDTH - 6, break_on_hyphens=False)]
    lines[0:1] = []
    lines = [f'/* {lines[0]}', *(f'   {line}'.rstrip() for line in lines[1:])]
    lines[-1] += ' */'
    return lines


def _json(meta: Mapping[str, object]) -> str:
    def plain(value: object) -> object:
        return value.tolist() if isinstance(value, np.ndarray) else str(value)

    return json.dumps(meta, default=plain, ensure_ascii=True)

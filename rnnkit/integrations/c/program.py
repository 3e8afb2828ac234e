"""A program that runs a network on some inputs, and compares it with what rnnkit computes."""

from collections.abc import Sequence

import numpy as np

from rnnkit.graph.graph import Graph
from rnnkit.integrations.c import literals
from rnnkit.integrations.c.layers import Source, Steps
from rnnkit.integrations.c.source import MARK, Texts
from rnnkit.layers import Standardize
from rnnkit.version import __version__

T = 12
TOLERANCE = 1e-6


def inputs_of(graph: Graph, steps: Steps) -> list[np.ndarray]:
    """Return an array (T, I) or (I,), or of tokens (T,) or (), for each input.

    They are random numbers, which are the same for the same network. Where a layer standardizes
    an input, they have its mean and deviation.
    """
    rng = np.random.default_rng(0)
    arrays = []
    for source in steps.sources:
        leading = (T,) if source.moves or not steps.has_time else ()
        if source.tokens:
            arrays.append(rng.integers(0, source.size, leading))
            continue
        x = rng.standard_normal((*leading, source.size))
        for layer in graph.layers:
            if isinstance(layer, Standardize) and f'{source.name}:out' in layer.input_sizes:
                mean, deviation = (layer.params[n].get_value() for n in ('mean', 'deviation'))
                x = mean + deviation * x
        arrays.append(x.astype(graph.dtype))
    return arrays


def as_batch(x: np.ndarray, source: Source, has_time: bool, layout: str) -> np.ndarray:
    """Return an array as `predict` takes it, for a single example."""
    if not has_time:
        return x  # each row is an example
    if not source.moves:
        return x[None]
    return x[:, None] if layout == 'time' else x[None]


def text(
    texts: Texts, steps: Steps, arrays: Sequence[np.ndarray], expected: np.ndarray, dtype: str
) -> str:
    """Return the program.

    Parameters
    ----------
    texts : Texts
    steps : Steps
    arrays : list of array
        As `inputs_of` returns them.
    expected : array of shape (T, O), or (O,) if the output has no time axis
    dtype : {'float32', 'float64'}
    """
    name, data = texts.name, []
    for source, x in zip(steps.sources, arrays, strict=True):
        data += _array(f'in_{texts.functions.arguments[source.name]}', source, x, dtype)
    data += _values('expected', 'double', np.atleast_2d(expected), 'float64')
    largest = max(1.0, float(np.abs(expected).max(initial=0)))
    compared = np.atleast_2d(expected).size
    lines = [
        f'/* {name}_test.c: {MARK} {__version__}; compares {name}.c with what rnnkit computed.',
        f'   Compile and run it by: cc -std=c99 -O2 {name}.c {name}_test.c -lm -o {name}_test && '
        f'./{name}_test */',
        '',
        f'#include "{name}.h"',
        '',
        '#include <math.h>',
        '#include <stdio.h>',
        '',
        f'enum {{ STEPS = {T}, COMPARED = {compared} }};',
        '',
        '/* The difference that is allowed: of the largest output, which is at least 1. */',
        f'static const double tolerance = {TOLERANCE} * {largest!r};',
        '',
        *data,
        *DIFFERENCE,
        *_main(texts, steps, arrays),
    ]
    return '\n'.join(lines).replace('@real', f'{name}_real') + '\n'


DIFFERENCE = """\
/* The largest difference between the outputs and what is expected; infinity for NaN. */
static double difference(const @real *y)
{
    double largest = 0.0;
    int i;
    for (i = 0; i < COMPARED; ++i) {
        const double d = fabs((double)y[i] - expected[i]);
        if (!(d <= largest))
            largest = d < HUGE_VAL ? d : HUGE_VAL;
    }
    return largest;
}
""".splitlines()


def _array(name: str, source: Source, x: np.ndarray, dtype: str) -> list[str]:
    if source.tokens:
        tokens = ', '.join(map(str, np.atleast_1d(x).tolist()))
        return [f'static const int32_t {name}[] = {{{tokens}}};', '']
    return _values(name, '@real', np.atleast_2d(x), dtype)


def _values(name: str, kind: str, x: np.ndarray, dtype: str) -> list[str]:
    return [f'static const {kind} {name}[] = {{', *literals.array(x, dtype), '};', '']


def _main(texts: Texts, steps: Steps, arrays: Sequence[np.ndarray]) -> list[str]:
    name, upper = texts.name, texts.upper
    given, all_given = ['&s'], ['&s']
    for source, x in zip(steps.sources, arrays, strict=True):
        data = f'in_{texts.functions.arguments[source.name]}'
        each = x.ndim == (0 if source.tokens else 1) + 1  # there is one for each step
        if source.tokens:
            given.append(f'{data}[{"t" if each else 0}]')
        else:
            given.append(f'{data} + t * {texts.size_name(source)}' if each else data)
        all_given.append(f'{data}[0]' if source.tokens and not source.moves else data)
    out = 'y' if steps.answers else f'y + t * {upper}_OUTPUTS'
    lines = [
        'int main(void)',
        '{',
        f'    static {name}_state s;',
        '    static @real y[COMPARED];',
        '    double by_step, whole = 0.0;',
        '    int t;',
        f'    {name}_init(&s);',
        '    for (t = 0; t < STEPS; ++t)',
        f'        {name}_step({", ".join([*given, out])});',
        '    by_step = difference(y);',
    ]
    if steps.has_time:
        lines += [
            f'    {name}_init(&s);',
            f'    {name}_run({", ".join([*all_given, "STEPS", "y"])});',
            '    whole = difference(y);',
        ]
    return [
        *lines,
        '    printf("largest difference: %.3g by steps, %.3g as a whole; allowed: %.3g\\n",',
        '           by_step, whole, tolerance);',
        '    return by_step <= tolerance && whole <= tolerance ? 0 : 1;',
        '}',
    ]

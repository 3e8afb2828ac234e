"""The references agree with themselves: their hand-written gradients are the slopes."""

import numpy as np
import pytest
import reference
import reference_theanets

RNN = {'xh': (2, 4), 'hh': (4, 4), 'b': (4,)}
CONTEXT = {'xs': (2, 3), 'sh': (3, 4), 'ho': (4, 4), 'so': (3, 4)}
SHAPES = {
    'rnn': RNN,
    'lstm': {'xh': (2, 16), 'hh': (4, 16), 'b': (16,)},
    'gru': {'xh': (2, 12), 'hh': (4, 12), 'b': (12,), 'bn': (4,)},
    'rrnn': {**RNN, 'r': (4,), 'xr': (2, 4)},
    'mrnn': {'xh': (2, 4), 'xf': (2, 3), 'hf': (4, 3), 'fh': (3, 4), 'b': (4,)},
    'mut1': {
        'xh': (2, 4),
        'xr': (2, 4),
        'xz': (2, 4),
        'hh': (4, 4),
        'hr': (4, 4),
        'bh': (4,),
        'br': (4,),
        'bz': (4,),
    },
    'scrn': {**RNN, **CONTEXT, 'r': (3,)},
    'clockwork': RNN,
    'bcrnn': RNN,
}
STATES = {'lstm': ['h', 'c'], **reference_theanets.STATES}
CASES = [
    ('rnn', {}),
    ('rnn', {'activation': 'relu'}),
    ('lstm', {}),
    ('lstm', {'activation': 'relu'}),
    ('gru', {}),
    ('gru', {'reset': 'before'}),
    ('gru', {'activation': 'relu'}),
    *(('rrnn', {'rate': rate}) for rate in ('matrix', 'vector', 'uniform')),
    ('rrnn', {'activation': 'relu'}),
    ('mrnn', {}),
    ('mrnn', {'activation': 'relu'}),
    ('mut1', {}),
    ('scrn', {}),
    ('scrn', {'rate': 'log', 'activation': 'relu'}),
    ('clockwork', {'periods': [1, 3]}),
    ('clockwork', {'periods': [2, 1], 'activation': 'relu'}),
    ('bcrnn', {'num_modules': 2}),
    ('bcrnn', {'num_modules': 4, 'activation': 'relu'}),
]
UNUSED = {'before': ['bn'], 'vector': ['xr'], 'uniform': ['r', 'xr'], 'log': ['r']}


@pytest.mark.parametrize(
    ('form', 'options', 'masked'),
    [
        (form, options, masked)
        for form, options in CASES
        for masked in (False, True)
        if form in reference_theanets.CELLS or not masked
    ],
    ids=str,
)
def test_backward_is_the_slope_of_forward_in_a_random_direction(form, options, masked, rng):
    names = STATES.get(form, ['h'])
    widths = {name: 3 if name == 's' else 4 for name in names}
    values = {'x': rng.standard_normal((4, 5, 2))}
    # Smaller weights bend less: what is left out of a central difference is small.
    values |= {k: 0.5 * rng.standard_normal(s) for k, s in SHAPES[form].items()}
    values |= {f'{n}0': rng.standard_normal((5, w)) for n, w in widths.items()}
    upstream = {n: rng.standard_normal((4, 5, w)) for n, w in widths.items()}
    direction = {k: rng.standard_normal(v.shape) for k, v in values.items()}
    if form == 'clockwork':  # a whole number that is compared, so it has no slope here
        values['phase0'] = np.tile([0.0, 0, 1, 0], (5, 1))
        direction['phase0'] = np.zeros((5, 4))
    more = dict(mask=rng.random((4, 5)) < 0.7) if masked else {}

    def run(step):
        v = {k: a + step * direction[k] for k, a in values.items()}
        p = {k: v[k] for k in SHAPES[form]}
        state = [v[f'{n}0'] for n in names]
        where = reference_theanets if form in reference_theanets.CELLS else reference
        return where.run(form, v['x'], p, state, upstream, **options, **more)

    def value(step):
        states, _ = run(step)
        return sum((states[n] * upstream[n]).sum() for n in names)

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    _, grads = run(0)
    for name in UNUSED.get(options.get('reset', options.get('rate')), []):
        assert not grads.pop(name).any()  # this form has no such parameter
    total = sum((grads[k] * direction[k]).sum() for k in grads)
    # Central differences are right to step² and to rounding / step: both about 1e-10.
    assert slope == pytest.approx(total, rel=1e-7), f'numerical {slope}, by hand {total}'

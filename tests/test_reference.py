"""The references agree with themselves: their hand-written gradients are the slopes."""

import pytest
import reference

SHAPES = {
    'rnn': {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)},
    'lstm': {'xh': (2, 12), 'hh': (3, 12), 'b': (12,)},
    'gru': {'xh': (2, 9), 'hh': (3, 9), 'b': (9,), 'bn': (3,)},
}


@pytest.mark.parametrize(('form', 'options'), [
    ('rnn', {}), ('rnn', {'activation': 'relu'}), ('lstm', {}), ('lstm', {'activation': 'relu'}),
    ('gru', {}), ('gru', {'reset': 'before'}), ('gru', {'activation': 'relu'}),
])  # fmt: skip
def test_backward_is_the_slope_of_forward_in_a_random_direction(form, options, rng):
    names = ['h', 'c'] if form == 'lstm' else ['h']
    values = {'x': rng.standard_normal((4, 5, 2))}
    values |= {k: rng.standard_normal(s) for k, s in SHAPES[form].items()}
    values |= {f'{n}0': rng.standard_normal((5, 3)) for n in names}
    upstream = {n: rng.standard_normal((4, 5, 3)) for n in names}
    direction = {k: rng.standard_normal(v.shape) for k, v in values.items()}

    def run(step):
        v = {k: a + step * direction[k] for k, a in values.items()}
        p = {k: v[k] for k in SHAPES[form]}
        state = [v[f'{n}0'] for n in names]
        return reference.run(form, v['x'], p, state, upstream, **options)

    def value(step):
        states, _ = run(step)
        return sum((states[n] * upstream[n]).sum() for n in names)

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    _, grads = run(0)
    if options.get('reset') == 'before':
        assert not grads.pop('bn').any()  # this form has no such parameter
    total = sum((grads[k] * direction[k]).sum() for k in grads)
    # Central differences are right to step² and to rounding / step: both about 1e-10.
    assert slope == pytest.approx(total, rel=1e-7), f'numerical {slope}, by hand {total}'

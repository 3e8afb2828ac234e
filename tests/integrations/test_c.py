"""Networks as C, compiled here, beside what rnnkit computes."""

import subprocess
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest
from activation_specs import SPECS
from c_code import Library, build, needs_compiler, run_test
from long_forms import long, long_unless
from pytensor.tensor import TensorVariable

import rnnkit
from rnnkit.cells import Cell
from rnnkit.errors import ConfigError
from rnnkit.integrations.c import export, literals, names

T = 30
TOLERANCE = 1e-6  # of float32: sums of tens of products, in another order


class MGUState(NamedTuple):
    h: TensorVariable


class MGU(Cell):
    """Minimal gated unit, as a user would write it."""

    state, gates = MGUState, 'fh'
    params = {'xh': ('I', '2H'), 'hf': ('H', 'H'), 'hh': ('H', 'H'), 'b': ('2H',)}
    initial = {'hf': 'orthogonal'}

    def step(self, z, s, p):
        z_f, z_h = rnnkit.split(z, 2)
        f = pt.sigmoid(z_f + s.h @ p.hf)
        return MGUState((1 - f) * s.h + f * pt.tanh(z_h + (f * s.h) @ p.hh))


class SwapState(NamedTuple):
    a: TensorVariable
    x: TensorVariable  # as the input is called
    n: TensorVariable
    fixed: TensorVariable


class Swap(Cell):
    """States that take each other's place, or never change, columns in another order, numbers."""

    state = SwapState
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'scale': ('1',)}
    initial = {'scale': 0.5}
    axes = {'n': '1'}
    output_axis = '2'

    def lengths(self, size):
        return {'H': size, '1': 1, '2': 2}

    def step(self, z, s, p):
        turned = pt.concatenate([s.a[:, 1:], s.a[:, :1]], axis=-1)
        total = s.x.sum(axis=-1, keepdims=True)
        b = pt.tanh(z + turned @ p.hh) * p.scale + s.n
        return SwapState(
            s.x, pt.switch(pt.gt(b, s.a) & pt.lt(z, 1), b, turned), total * p.scale, s.fixed
        )

    def output(self, s, p):
        return pt.concatenate([s.a[..., :1], s.n], axis=-1) + 1


@pytest.fixture(autouse=True)
def own_cells(monkeypatch):
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    for name, cell in (('c_mgu', MGU), ('c_swap', Swap)):
        rnnkit.layers.add(name)(cell)


def regressor(*layers, **options):
    return lambda: rnnkit.Regressor(list(layers), seed=1, **options)


def classifier(*layers, **options):
    return lambda: rnnkit.Classifier(list(layers), seed=1, **options)


CELLS = {
    'lstm': dict(form='lstm', peepholes=False),
    'lstm peepholes': dict(form='lstm', peepholes=True, ci='normal', cf='normal', co='normal'),
    'lstm coupled': dict(form='lstm', coupled=True, clip=0.5, cell_clip=0.7),
    'lstm starts': dict(form='lstm', h_0='learn', c_0='learn'),
    'lstm hard': dict(form='lstm', gate_activation='hard_sigmoid', activation='softsign'),
    'gru': dict(form='gru', bn='normal'),
    'gru before': dict(form='gru', reset='before'),
    'rnn': dict(form='rnn', activation='elu'),
    'mut1': dict(form='mut1'),
    'mrnn': dict(form='mrnn', factors=3),
    'rrnn': dict(form='rrnn'),
    'scrn': dict(form='scrn', context_size=3),
    'clockwork': dict(form='clockwork', periods=[1, 2, 4]),
    'bcrnn': dict(form='bcrnn', num_modules=3),
    'slstm': dict(form='slstm'),
    'mgu': dict(form='mgu'),
    'minimalrnn': dict(form='minimalrnn'),
    'antisymmetric': dict(form='antisymmetric', gated=True),
    'minlstm': dict(form='minlstm', positive=True),
    'sru': dict(form='sru'),
    'lru': dict(form='lru'),
    'c_mgu': dict(form='c_mgu'),
    'c_swap': dict(form='c_swap'),
    'zoneout': dict(form='lstm', zoneout=0.2, dropout=0.3),
}
NETWORKS = {
    **{name: regressor(3, {'size': 6, **spec}, 2) for name, spec in CELLS.items()},
    'stack': regressor(
        3,
        ('lstm', 9),
        'layernorm',
        ('dropout', 0.5),
        ('gru', 8),
        dict(form='concat', inputs=('hid2', 'hid4', 'in')),
        dict(size=5, activation='gelu'),
        dict(form='rnn', size=5),
        dict(form='sum', inputs=('hid6', 'hid7')),
        dict(size=2, inputs=('hid8', 'hid1:c', 'hid6:pre')),
    ),
    'tokens': classifier(7, ('embedding', 4), ('gru', 5), 3, classes=['a', 'b"\\', 'ü*/']),
    'tied': classifier(7, ('embedding', 4), ('rnn', 4), dict(form='tied', activation='softmax')),
    'last': classifier(3, ('lstm', 6), 'last', ('ff', 4), 3),
    'mean': regressor(3, ('gru', 6), 'mean', 2),
    'max': regressor(3, ('gru', 6), 'max', 2),
    'pools': regressor(
        3,
        dict(form='rnn', size=4, name='r'),
        dict(form='mean', name='m', inputs='r'),
        dict(form='max', name='x', inputs='r'),
        dict(form='concat', inputs=('m', 'x', 'r:last')),
        2,
    ),
    'one': regressor(1, ('rnn', 1), 1),
    'no time': regressor(3, ('ff', 5), 2),
    'scaled': regressor(3, 'standardize', ('rnn', 4), 2, scale_targets=True),
    'masked': regressor(3, ('rnn', 4), 2, masked=True, layout='batch'),
    'odd names': regressor(
        dict(form='input', size=3, name='int'),
        dict(form='rnn', size=4, name='my layer'),
        dict(form='rnn', size=4, name='my-layer/'),
        dict(form='rnn', size=4, name='ü'),
        dict(size=2, name='static'),
    ),
    'autoencoder': lambda: rnnkit.Autoencoder([3, ('rnn', 2), 3], seed=1),
}
SHORT = {'lstm peepholes', 'gru', 'c_mgu', 'c_swap', 'clockwork', 'stack', 'tokens'}
SHORT |= {'pools', 'scaled', 'odd names'}


def settled(net):
    """Return a network with other weights than zeros, and data for it."""
    rng = np.random.default_rng(3)
    for param in net.params:
        value = param.get_value()
        if 'known' in param.name:
            continue
        if 'deviation' in param.name:
            param.set_value(rng.uniform(0.5, 2, value.shape).astype(net.dtype))
        elif not np.ptp(value):
            param.set_value((value + 0.3 * rng.standard_normal(value.shape)).astype(net.dtype))
    source = net.layers[0]
    if source.name in net._graph.plan.words:
        return rng.integers(0, source.size, T)
    return rng.standard_normal((T, source.size)).astype(net.dtype)


def of_predict(net, x):
    """Return the outputs (T, O) of a sequence, or (O,)."""
    x = x[None] if net.layout == 'batch' else x[:, None]
    predict = net.predict_proba if isinstance(net, rnnkit.Classifier) else net.predict
    y = predict(x)
    return y[0] if y.ndim == 2 or net.layout == 'batch' else y[:, 0]


@needs_compiler
@pytest.mark.parametrize('name', long_unless(SHORT.__contains__, NETWORKS))
def test_steps_and_sequences(name, tmp_path):
    net = NETWORKS[name]()
    x = settled(net)
    code = Library(net, tmp_path)
    if name == 'no time':
        np.testing.assert_allclose(
            [code.step(row, width=2) for row in x], net.predict(x), rtol=0, atol=TOLERANCE
        )
        return
    expected = of_predict(net, x)
    width = expected.shape[-1]
    steps, state = [], None
    for t, x_t in enumerate(x):
        steps.append(code.step(x_t, width=width))
        if t < 4:
            y_t, state = net.step(x_t[None], state)
            np.testing.assert_allclose(steps[-1], y_t[0], rtol=TOLERANCE, atol=TOLERANCE)
    found = steps[-1] if expected.ndim == 1 else steps
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
    code.begin()
    whole = code.run(x, steps=T, shape=expected.shape)
    np.testing.assert_array_equal(whole, found)
    # A sequence goes on where it was.
    code.begin()
    code.run(x[:5], steps=5, shape=(5, width) if expected.ndim == 2 else (width,))
    rest = code.run(x[5:], steps=T - 5, shape=(T - 5, width) if expected.ndim == 2 else (width,))
    np.testing.assert_array_equal(rest, whole[5:] if expected.ndim == 2 else whole)


@needs_compiler
@pytest.mark.parametrize('name', ['stack', 'tokens', long('no time'), long('mean')])
def test_the_program_that_tests(name, tmp_path):
    net = NETWORKS[name]()
    settled(net)
    status, printed = run_test(net, tmp_path)
    assert status == 0, printed
    assert 'largest difference' in printed
    source = tmp_path / 'net.c'  # a wrong weight is seen
    old = source.read_text()
    place = old.index('= {', old.index(f'real {net.layers[-1].name}_b[')) + 3
    source.write_text(old[:place] + '1.5f, ' + old[place:].split(',', 1)[1])
    build(source, tmp_path / 'net_test.c', out=tmp_path / 'other')
    assert subprocess.run([tmp_path / 'other'], capture_output=True).returncode == 1


@needs_compiler
@pytest.mark.long
@pytest.mark.parametrize('flags', ['-fsanitize=address,undefined', '-O3 -march=native -ffast-math'])
@pytest.mark.parametrize('name', NETWORKS)
def test_other_ways_to_compile(name, flags, tmp_path):
    flags = flags.split()
    probe = tmp_path / 'probe.c'
    probe.write_text('int main(void) { return 0; }\n')
    try:
        build(probe, out=tmp_path / 'probe', flags=flags)
    except AssertionError:
        pytest.skip(f'the compiler does not know {flags}')
    net = NETWORKS[name]()
    settled(net)
    status, printed = run_test(net, tmp_path, flags=flags)
    assert status == 0, printed


@needs_compiler
def test_double_precision(tmp_path):
    net = rnnkit.Regressor([3, ('lstm', 6), ('rnn', 4), 2], seed=1, dtype='float64')
    x = settled(net)
    code = Library(net, tmp_path, dtype='float64')
    whole = code.run(x, steps=T, shape=(T, 2))
    np.testing.assert_allclose(whole, of_predict(net, x), rtol=0, atol=1e-14)
    assert run_test(net, tmp_path, dtype='float64')[0] == 0


@needs_compiler
def test_several_inputs(tmp_path):
    net = rnnkit.Regressor(
        [
            dict(form='input', size=3, name='x'),
            dict(form='input', size=6, name='words'),
            dict(form='input', size=2, name='place', ndim=2),
            dict(form='embedding', size=2, inputs='words', name='e'),
            dict(form='ff', size=2, inputs='place', name='d'),
            dict(form='concat', inputs=('x', 'e', 'd'), name='all'),
            ('gru', 5),
            1,
        ],
        seed=1,
    )
    rng = np.random.default_rng(0)
    x, place = rng.standard_normal((T, 3)), rng.standard_normal(2)
    words = rng.integers(0, 6, T)
    code = Library(net, tmp_path)
    expected = net.predict([x[:, None], words[:, None], place[None]])[:, 0]
    found = [code.step(x[t], words[t], place, width=1) for t in range(T)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    code.begin()
    np.testing.assert_array_equal(code.run(x, words, place, steps=T, shape=(T, 1)), found)
    header = code.header.read_text()
    assert 'NET_TOKENS_WORDS = 6' in header
    assert 'NET_INPUTS_PLACE = 2' in header
    assert run_test(net, tmp_path)[0] == 0


@needs_compiler
def test_a_state_that_starts_from_a_layer(tmp_path):
    net = rnnkit.Regressor(
        [
            dict(form='input', size=2, name='place', ndim=2),
            dict(form='ff', size=4, name='d', activation='tanh'),
            dict(form='input', size=3, name='series'),
            dict(form='lstm', size=4, c_0='d', h_0='learn'),
            1,
        ],
        seed=1,
    )
    settled(net)
    rng = np.random.default_rng(0)
    x, place = rng.standard_normal((T, 3)), rng.standard_normal(2)
    code = Library(net, tmp_path)
    expected = net.predict([place[None], x[:, None]])[:, 0]
    for _ in range(2):
        code.begin()
        found = [code.step(place, x_t, width=1) for x_t in x]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert run_test(net, tmp_path)[0] == 0


@needs_compiler
def test_a_token_that_does_not_exist(tmp_path):
    net = NETWORKS['tokens']()
    code = Library(net, tmp_path)
    first = code.step(3, width=3)
    assert code.status == 0
    for wrong in (-1, 7):
        np.testing.assert_array_equal(code.step(wrong, width=3), 7)  # nothing is written
        assert code.status == -1
    second = code.step(2, width=3)
    code.begin()
    np.testing.assert_array_equal(code.run([3, 2], steps=2, shape=(2, 3)), [first, second])
    code.run([3, 9], steps=2, shape=(2, 3))
    assert code.status == -1


@needs_compiler
def test_not_a_number_goes_through(tmp_path):
    code = Library(regressor(2, ('lstm', 4), 1)(), tmp_path)
    assert np.isnan(code.step(np.array([np.nan, 1]), width=1)).all()
    assert np.isnan(code.step(np.array([0.0, 1]), width=1)).all()
    code.begin()
    assert np.isfinite(code.step(np.array([1e30, -1e30]), width=1)).all()


def network_with(form):
    """Return a network with a layer of a form, called 'it'."""
    kind = rnnkit.layers.registry[form]
    sizes = {'bidirectional': 4, 'clockwork': 4, 'bcrnn': 4}
    more = {
        'reshape': {'shape': (2,)},
        'conv1': {'filter_size': 2, 'border_mode': 'causal'},
        'bidirectional': {'worker': 'rnn'},
        'clockwork': {'periods': (1, 2)},
        'bcrnn': {'num_modules': 2},
        'mrnn': {'factors': 2},
        'scrn': {'context_size': 2},
        'attention': {'memory': 'hid1'},
        **{name: {'steps': 2} for name in ('repeat', 'flat', 'flatten')},
    }
    it = {'form': form, 'name': 'it', **more.get(form, {})}
    if kind.sized:
        it['size'] = sizes.get(form, 2)
    networks = {
        'input': [it, ('rnn', 2), 2],
        'embedding': [5, it, ('rnn', 2), 2],
        'tied': [2, ('rnn', 2), 3, it],
        'repeat': [2, ('rnn', 2), 'last', it, 2],
        'flat': [2, ('rnn', 2), it, 2],
        'standardize': [2, it, ('rnn', 2), 2],
    }
    networks['flatten'], networks['standardise'] = networks['flat'], networks['standardize']
    return rnnkit.Regressor(networks.get(form, [2, ('rnn', 2), it, 2]), seed=0)


REFUSED = {
    'attention': 'looks at all steps of another sequence',
    'bidirectional': 'needs the whole sequence at once',
    'conv1': 'needs the whole sequence at once',
    'flat': 'needs the whole sequence at once',
    'flatten': 'needs the whole sequence at once',
    'repeat': 'makes a new time axis',
}
FORMS = list(rnnkit.layers.registry)


@pytest.mark.parametrize('form', FORMS)
def test_every_layer_goes_out_or_is_refused_by_name(form):
    net = network_with(form)
    if form in REFUSED:
        with pytest.raises(ConfigError, match=rf"layer 'it' \({form}\w*\) {REFUSED[form]}"):
            export.texts(net, 'net', 'float32')
        return
    assert set(export.texts(net, 'net', 'float32')) == {'net.c', 'net.h', 'net_test.c'}


@needs_compiler
@pytest.mark.long
@pytest.mark.parametrize('form', [form for form in FORMS if form not in REFUSED])
def test_every_layer_agrees(form, tmp_path):
    net = network_with(form)
    settled(net)
    status, printed = run_test(net, tmp_path)
    assert status == 0, printed


@needs_compiler
def test_every_activation(tmp_path):
    parts = [
        dict(form='ff', size=5, name=f'a{k}', inputs='in', activation=name)
        for k, name in enumerate(SPECS)
    ]
    joined = dict(form='concat', inputs=tuple(part['name'] for part in parts))
    net = rnnkit.Regressor([dict(form='input', size=4, ndim=3), *parts, joined], seed=0)
    settled(net)
    status, printed = run_test(net, tmp_path)
    assert status == 0, printed


# --- what is refused


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        ([2, dict(form='rnn', size=2, direction='backward'), 1], r"'hid1' \(rnn\) runs backward"),
        (
            [2, ('rnn', 2), 'last', dict(form='concat', inputs=('in', 'hid2')), ('rnn', 2), 1],
            r"'hid3' \(concatenate\) reads 'hid2:out', which depends on the whole sequence",
        ),
        (
            [
                2,
                dict(form='gru', size=2, name='encoder'),
                dict(form='input', size=2, name='x'),
                dict(form='rnn', size=2, h_0='encoder'),
                1,
            ],
            r"'hid\d' \(rnn\) starts from what another sequence ends with, h_0='encoder'",
        ),
    ],
)
def test_layers_that_are_refused(layers, message, tmp_path):
    net = rnnkit.Regressor(layers, seed=0)
    with pytest.raises(ConfigError, match=message):
        net.to_c(tmp_path / 'new')
    assert not (tmp_path / 'new').exists()


def test_cells_that_are_refused(tmp_path):
    class Sorted(rnnkit.Cell):
        def step(self, z, s, p):
            return pt.sort(z + s.h @ p.hh, axis=-1)

    rnnkit.layers.add('c_sorted')(Sorted)
    net = rnnkit.Regressor([2, ('c_sorted', 2), 1], seed=0)
    with pytest.raises(ConfigError, match=r"to_c\(\): layer 'hid1' \(c_sorted\).*Sort"):
        net.to_c(tmp_path)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('int', "'int', which is a keyword of C or C\\+\\+; 'int_' would do"),
        ('class', "'class_' would do"),
        ('my net', "'my net', which is no identifier of C; 'my_net' would do"),
        ('1st', "'n1st' would do"),
        ('', "'net' would do"),
        ('ü', 'would do'),
        ('x' * 40, 'of more than 31 characters'),
        ('string', "a header of C's own library; 'string_' would do"),
        (3, 'got 3'),
        (None, 'got None'),
    ],
)
def test_names_that_are_refused(name, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        regressor(1, ('rnn', 1), 1)().to_c(tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_files(tmp_path):
    net = regressor(1, ('rnn', 1), 1)()
    paths = net.to_c(tmp_path / 'a' / 'b', 'it')
    assert [path.name for path in paths] == ['it.c', 'it.h', 'it_test.c']
    before = [path.read_bytes() for path in paths]
    net.to_c(tmp_path / 'a' / 'b', 'it')  # our own files are replaced, by the same bytes
    assert [path.read_bytes() for path in paths] == before
    paths[1].write_text('int precious;\n')
    with pytest.raises(ConfigError, match=r"it\.h' exists, and rnnkit has not written it"):
        net.to_c(tmp_path / 'a' / 'b', 'it')
    assert paths[1].read_text() == 'int precious;\n'
    assert paths[0].read_bytes() == before[0]
    with pytest.raises(ConfigError, match="folder is the file '.*it.h'; give a folder"):
        net.to_c(paths[1])
    for wrong in (3, None, '', 'a\0', '\ud800'):
        with pytest.raises(ConfigError, match='folder must be the path of a folder'):
            net.to_c(wrong)
    with pytest.raises(ConfigError, match='dtype'):
        net.to_c(tmp_path, dtype='float16')


def test_a_parameter_that_is_not_finite(tmp_path):
    net = regressor(1, ('rnn', 1), 1)()
    net.find('hid1', 'b').set_value(np.array([np.nan], 'float32'))
    with pytest.raises(ConfigError, match="'hid1.b' contains NaN"):
        net.to_c(tmp_path)
    net = regressor(1, ('rnn', 1), 1, dtype='float64')()
    net.set('hid1', 'b', [1e200])
    with pytest.raises(ConfigError, match="'hid1.b' has numbers that do not fit float32"):
        net.to_c(tmp_path)
    assert not list(tmp_path.iterdir())
    net.to_c(tmp_path, dtype='float64')


def test_what_belongs_to_the_network(tmp_path):
    net = NETWORKS['tokens']()
    net.meta = {'vocabulary': ['a */ b', 'ü'], 'mean': np.arange(2.0)}
    source, header, _ = net.to_c(tmp_path)
    text = ' '.join(header.read_text().split())  # lines break anywhere
    assert '"mean": [0.0, 1.0]' in text
    assert 'a * / b' in text
    assert 'extern const char *const net_class_names[NET_OUTPUTS];' in text
    assert '"b\\042\\134"' in source.read_text()


def test_numbers_are_exact():
    rng = np.random.default_rng(0)
    for dtype, bits in (('float32', 'u4'), ('float64', 'u8')):
        values = rng.integers(0, 2 ** (8 * int(bits[1])) - 1, 2000, dtype=bits).view(dtype)
        values = values[np.isfinite(values)]
        text = [literals.number(v, dtype).strip('()').removesuffix('f') for v in values]
        np.testing.assert_array_equal(np.array(text, dtype), values)
        assert max(map(len, text)) <= {'float32': 15, 'float64': 24}[dtype]
    assert literals.number(2.0, 'float32') == '2.0f'
    assert literals.number(np.inf, 'float32') == 'INFINITY'


def test_a_name_is_used_once():
    assert names.Names('a').new('a') == 'a_2'

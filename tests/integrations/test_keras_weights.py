"""Models and weights of Keras: into networks, checked against its equations in NumPy, and out."""

import io
import zipfile

import numpy as np
import pytest
from keras_files import functional, hdf5, keras, layer, sequential

import rnnkit
from rnnkit.errors import ConfigError, DataError, FormatError, ShapeError
from rnnkit.integrations.gates import ORDERS

pytest.importorskip('h5py')

T, B, I, H = 6, 3, 2, 4  # noqa: E741
KINDS = {'SimpleRNN': 1, 'LSTM': 4, 'GRU': 3}
GROUPS = {'SimpleRNN': 'simple_rnn', 'LSTM': 'lstm', 'GRU': 'gru'}
# float64: another order of the same sums.
TOLERANCE = 1e-12


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(kind, x, kernel, recurrent, bias=None, reverse=False, phi=np.tanh, sigma=sigmoid):
    """Return the outputs of Keras' documentation, with x of shape (B, T, I)."""
    H = len(recurrent)
    bias = np.zeros(kernel.shape[1]) if bias is None else bias
    h, c, hs = np.zeros((len(x), H)), np.zeros((len(x), H)), []
    for t in range(x.shape[1])[:: -1 if reverse else 1]:
        if kind == 'SimpleRNN':
            h = phi(x[:, t] @ kernel + bias + h @ recurrent)
        elif kind == 'LSTM':
            i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
            c = sigma(f) * c + sigma(i) * phi(g)
            h = sigma(o) * phi(c)
        else:
            both = bias if bias.ndim == 2 else np.stack([bias, 0 * bias])
            xz, xr, xh = np.split(x[:, t] @ kernel + both[0], 3, axis=1)
            uz, ur, uh = np.split(recurrent, 3, axis=1)
            bz, br, bh = np.split(both[1], 3)
            z, r = sigma(xz + h @ uz + bz), sigma(xr + h @ ur + br)
            inner = r * (h @ uh + bh) if bias.ndim == 2 else (r * h) @ uh
            h = z * h + (1 - z) * phi(xh + inner)
        hs.append(h)
    return np.stack(hs[:: -1 if reverse else 1], axis=1)


def weights_of(kind, reads, rng, size=H, after=True, bias=True):
    """Return the kernel, the recurrent kernel and the bias of a cell."""
    width = KINDS[kind] * size
    shapes = [(reads, width), (size, width)]
    if bias:
        shapes.append((2, width) if kind == 'GRU' and after else (width,))
    return [0.5 * rng.standard_normal(shape) for shape in shapes]


def dense(reads, size, rng):
    return [rng.standard_normal((reads, size)), rng.standard_normal(size)]


def load(content, *given, **options):
    return rnnkit.from_keras(io.BytesIO(content), *given, **options)


def same(net, other):
    for p, q in zip(net.params, other.params, strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


@pytest.mark.parametrize(
    ('kind', 'after', 'bias'),
    [
        ('SimpleRNN', True, True),
        ('LSTM', True, True),
        ('LSTM', True, False),
        ('GRU', True, True),
        ('GRU', False, True),
        ('GRU', False, False),
    ],
)
def test_a_model_predicts_the_same(kind, after, bias, rng):
    cell = weights_of(kind, I, rng, after=after, bias=bias)
    out = dense(H, 2, rng)
    more = {'reset_after': after} if kind == 'GRU' else {}
    config = sequential(
        layer(kind, 'cell', units=H, return_sequences=True, use_bias=bias, **more),
        layer('Dense', 'head', units=2, activation='linear'),
        shape=[None, None, I],
    )
    groups = {f'{GROUPS[kind]}/cell': cell, 'dense': out}
    net = load(keras(config, groups))
    assert [one.name for one in net.layers] == ['input_layer', 'cell', 'head']
    assert (net.layout, net.dtype) == ('batch', 'float64')
    x = rng.standard_normal((B, T, I))
    bias_of_run = cell[2] if bias else None if after else np.zeros(KINDS[kind] * H)
    right = run(kind, x, *cell[:2], bias_of_run) @ out[0] + out[1]
    np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)
    layers = [
        I,
        dict(
            form=GROUPS[kind].removeprefix('simple_'),
            size=H,
            **({'reset': 'after' if after else 'before'} if more else {}),
        ),
        2,
    ]
    same(net, rnnkit.from_keras([*cell, *out], layers))
    same(net, load(hdf5(groups), layers))
    back = net.to_keras()
    if bias:
        for a, b in zip(back, [*cell, *out], strict=True):
            assert a.shape == b.shape
            if a.ndim == 1 or len(a) != 2 or kind != 'GRU':
                np.testing.assert_array_equal(a, b)
    same(net, rnnkit.from_keras(back, layers))


@pytest.mark.parametrize('merge', ['concat', 'sum', 'ave', 'mul'])
def test_both_directions(merge, rng):
    fw, bw = weights_of('LSTM', I, rng), weights_of('LSTM', I, rng)
    one = {'units': H, 'return_sequences': False}
    config = sequential(
        layer(
            'Bidirectional',
            'both',
            layer=layer('LSTM', 'forward', go_backwards=False, **one),
            backward_layer=layer('LSTM', 'backward', go_backwards=True, **one),
            merge_mode=merge,
        ),
        shape=[None, T, I],
    )
    groups = {
        'bidirectional/forward_layer/cell': fw,
        'bidirectional/backward_layer/cell': bw,
    }
    net = load(keras(config, groups))
    x = rng.standard_normal((B, T, I))
    a, b = run('LSTM', x, *fw)[:, -1], run('LSTM', x, *bw, reverse=True)[:, 0]
    right = {
        'concat': np.concatenate([a, b], axis=-1),
        'sum': a + b,
        'ave': (a + b) / 2,
        'mul': a * b,
    }
    np.testing.assert_allclose(net.predict(x), right[merge], atol=TOLERANCE)
    for u, v in zip(net.to_keras(), [*fw, *bw], strict=True):
        np.testing.assert_array_equal(u, v)
    specs = [one.to_spec() for one in net.layers]
    same(net, rnnkit.from_keras([*fw, *bw], specs))
    same(net, load(hdf5(groups), specs))


def test_all_other_layers(rng):
    mean, variance = rng.standard_normal(I), rng.uniform(0.5, 2, I)
    cell, back = weights_of('GRU', I, rng), weights_of('LSTM', H, rng, 3)
    cell[2][1, : 2 * H] = 0  # or both rows would be added up, which is the same network
    norm = [rng.standard_normal(H), rng.standard_normal(H)]
    hidden, last = dense(3, 5, rng), dense(5 * 2, 3, rng)
    config = sequential(
        layer('Normalization', 'scale', axis=[-1], mean=None, variance=None),
        layer('GRU', 'gru', units=H, return_sequences=True, recurrent_activation='hard_sigmoid'),
        layer('LayerNormalization', 'norm', axis=-1, epsilon=0.001),
        layer('Dropout', 'drop', rate=0.3, noise_shape=None, seed=None),
        layer('LSTM', 'lstm', units=3, go_backwards=True, activation='relu', trainable=False),
        layer('RepeatVector', 'again', n=2),
        layer('TimeDistributed', 'each', layer=layer('Dense', 'inner', units=5)),
        layer('Activation', 'act', activation='tanh'),
        layer('Flatten', 'flat', data_format='channels_last'),
        layer('Dense', 'out', units=3, activation='softmax', kernel_regularizer={'l2': 0.1}),
        shape=[None, None, I],
    )
    groups = {
        'normalization': [mean, variance, np.zeros((), np.int32)],
        'gru/cell': cell,
        'layer_normalization': norm,
        'lstm/cell': back,
        'time_distributed/layer': hidden,
        'dense': last,
    }
    net = load(keras(config, groups))
    assert isinstance(net, rnnkit.Classifier)
    assert set(net.frozen) >= {'lstm.xh', 'lstm.hh', 'lstm.b'}
    x = rng.standard_normal((B, T, I))
    h = (x - mean) / np.sqrt(variance)
    h = run('GRU', h, *cell, sigma=lambda a: np.clip(a / 6 + 0.5, 0, 1))
    h = h - h.mean(-1, keepdims=True)
    h = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-3) * norm[0] + norm[1]
    h = run('LSTM', h, *back, reverse=True, phi=lambda a: np.maximum(a, 0))[:, 0]
    h = np.tanh(h @ hidden[0] + hidden[1])
    logits = np.concatenate([h, h], axis=-1) @ last[0] + last[1]
    right = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(x), right, atol=TOLERANCE)
    for a, b in zip(net.to_keras(), [x for own in groups.values() for x in own], strict=True):
        # A variance has been a deviation, and is rounded twice.
        np.testing.assert_allclose(a, b, rtol=1e-15)
    assert net.find('scale', 'known').get_value() == 1
    with pytest.raises(ConfigError, match='do not show the order of Dense and TimeDistributed'):
        load(hdf5(groups), [I, 3])


def test_a_functional_chain_with_a_mask(rng):
    table, cell, out = rng.standard_normal((7, 5)), weights_of('LSTM', 5, rng), dense(H, 1, rng)
    layers = (
        layer('Embedding', 'words', input_dim=7, output_dim=5, mask_zero=True),
        layer('NotEqual', 'not_equal'),
        layer('LSTM', 'lstm', units=H, return_sequences=True),
        layer('GlobalAveragePooling1D', 'mean', data_format='channels_last', keepdims=False),
        layer('Dense', 'out', units=1, activation='sigmoid'),
    )
    reads = {'not_equal': ['input_layer'], 'lstm': ['words']}
    masks = {'lstm': 'not_equal', 'mean': 'not_equal'}
    config = functional(*layers, shape=[None, None], reads=reads, masks=masks)
    net = load(keras(config, {'embedding': [table], 'lstm/cell': cell, 'dense': out}))
    assert net.masked
    ids = [rng.integers(1, 7, n) for n in (4, 6)]
    for row, got in zip(ids, net.predict(ids), strict=True):
        h = run('LSTM', table[row][None], *cell)[0].mean(0)
        np.testing.assert_allclose(got, sigmoid(h @ out[0] + out[1]), atol=TOLERANCE)
    assert not load(
        keras(config, {'embedding': [table], 'lstm/cell': cell, 'dense': out}), masked=False
    ).masked
    for wrong in ({**reads, 'out': ['lstm', 'mean']}, {**reads, 'mean': ['words']}):
        other = functional(*layers, shape=[None, None], reads=wrong, masks=masks)
        with pytest.raises(ConfigError, match='models must be chains, in which each layer reads'):
            load(keras(other, {}))


def test_a_leaky_relu_is_the_activation_of_the_layer_before(rng):
    hidden, out = dense(I, 5, rng), dense(5, 1, rng)
    for given, slope in (({'negative_slope': 0.1}, 0.1), ({}, 0.3)):
        config = sequential(
            layer('Dense', 'hidden', units=5, activation='linear'),
            layer('LeakyReLU', 'leaky', **given),
            layer('Dense', 'out', units=1),
            shape=[None, I],
        )
        net = load(keras(config, {'dense': hidden, 'dense_1': out}))
        x = rng.standard_normal((B, I))
        h = x @ hidden[0] + hidden[1]
        right = np.where(h > 0, h, slope * h) @ out[0] + out[1]
        np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)


def test_a_misspelt_keyword_names_the_call(rng):
    config = sequential(layer('Dense', 'a', units=1), shape=[None, I])
    file = keras(config, {'dense': dense(I, 1, rng)})
    for given in ([file], [hdf5({'dense': dense(I, 1, rng)}), [I, 1]]):
        for wrong, right in (('layuot', 'layout'), ('modle', 'model')):
            with pytest.raises(
                ConfigError,
                match=rf"^from_keras\(\): unknown option '{wrong}', did you mean '{right}'",
            ):
                load(*given, **{wrong: 'batch'})
    with pytest.raises(ConfigError, match="unknown option 'clases', did you mean 'classes'"):
        load(file, model='Classifier', clases=['a', 'b'])


def test_masking_and_constants(rng):
    cell = weights_of('SimpleRNN', I, rng)
    config = sequential(
        layer('Normalization', 'scale', axis=[-1], mean=[1.0, 2.0], variance=[4.0, 0.0]),
        layer('Masking', 'masking', mask_value=0.0),
        layer('SimpleRNN', 'rnn', units=H, stateful=True, dropout=0.2, recurrent_dropout=0.1),
        shape=[None, None, I],
    )
    with pytest.warns(RuntimeWarning, match="'rnn' is stateful; here, predict"):
        net = load(keras(config, {'simple_rnn/cell': cell}))
    assert net.masked
    np.testing.assert_allclose(net.find('scale', 'deviation').get_value(), [2, 1e-7])
    assert [one.form for one in net.layers][2:] == ['dropout', 'rnn', 'last']
    assert net.layers[3].to_spec()['dropout'] == 0.1


@pytest.mark.parametrize('kind', ['Flatten', 'GlobalMaxPooling1D'])
def test_what_reads_padding_in_keras(kind, rng):
    dense = layer('Dense', 'dense', units=H, activation='tanh')
    for masks in ([], [layer('Masking', 'masking', mask_value=0.0)]):
        config = sequential(*masks, dense, layer(kind, 'end'), shape=[None, 4, I])
        file = keras(config, {'dense': [rng.standard_normal((I, H)), np.zeros(H)]})
        if masks:
            with pytest.warns(RuntimeWarning, match=f"'end' .{kind}. ignores masks in Keras"):
                load(file)
        else:
            load(file)  # a warning would be an error


def test_a_maximum_of_outputs_that_are_held_over_padding(rng):
    lstm = layer('SimpleRNN', 'rnn', units=H, return_sequences=True)
    config = sequential(
        layer('Masking', 'masking'), lstm, layer('GlobalMaxPooling1D', 'end'), shape=[None, 4, I]
    )
    load(keras(config, {'simple_rnn/cell': weights_of('SimpleRNN', I, rng)}))


def test_after_the_last_step_there_is_no_time(rng):
    config = sequential(
        layer('SimpleRNN', 'rnn', units=H),
        layer('LayerNormalization', 'norm', axis=1),
        layer('Flatten', 'flat'),
        layer('Dense', 'out', units=1),
        shape=[None, None, I],
    )
    cell, out = weights_of('SimpleRNN', I, rng), dense(H, 1, rng)
    norm = [np.ones(H), np.zeros(H)]
    net = load(keras(config, {'simple_rnn/cell': cell, 'layer_normalization': norm, 'dense': out}))
    assert [one.form for one in net.layers[1:]] == ['rnn', 'last', 'layernorm', 'feedforward']


REFUSED = [
    (layer('Conv1D', 'conv', filters=3), r"'conv' is a Conv1D, which has no counterpart here"),
    (layer('LSTM', 'a', units=H, activation='mish'), r"'a' \(LSTM\) has activation='mish'"),
    (layer('LSTM', 'a', units=H, recurrent_activation={'class_name': 'Mine'}), "='Mine'"),
    (layer('LSTM', 'a', units=H, return_state=True), 'has return_state=True'),
    (layer('LSTM', 'a', units=H, something=3), 'has something=3, which has no counterpart'),
    (
        layer('GRU', 'a', units=H, go_backwards=True, return_sequences=True),
        'go_backwards=True, with outputs in the reverse order',
    ),
    (layer('Dense', 'a', units=H, lora_rank=2), 'has lora_rank=2'),
    (layer('Dropout', 'a', rate=0.1, noise_shape=[1]), r'has noise_shape=\[1\]'),
    (layer('LayerNormalization', 'a', axis=[1, 2]), r'has axis=\[1, 2\]'),
    (layer('LayerNormalization', 'a', axis=-1, rms_scaling=True), 'has rms_scaling=True'),
    (layer('Normalization', 'a', axis=-1, invert=True), 'has invert=True'),
    (layer('GlobalMaxPooling1D', 'a', keepdims=True), 'has keepdims=True'),
    (layer('Activation', 'a', activation='tanh'), 'which must follow a Dense layer'),
    (layer('LeakyReLU', 'a', negative_slope=0.1), 'which must follow a Dense layer'),
    (layer('TimeDistributed', 'a', layer=layer('LSTM', 'b', units=H)), "has layer='LSTM'"),
    # Which Keras itself runs only if asked to: the code is in the file.
    (
        layer('Lambda', 'a', function={'class_name': '__lambda__', 'config': {'code': '4wEA'}}),
        'Lambda',
    ),
    (layer('Flatten', 'a'), 'needs a model whose input has a fixed number of steps'),
    (layer('Embedding', 'a', input_dim=3, output_dim=2), r'\(Embedding\) must be the first'),
    (
        layer('Bidirectional', 'a', layer=layer('LSTM', 'b', units=H), merge_mode=None),
        'merge_mode=None, which makes two outputs',
    ),
    (
        layer(
            'Bidirectional',
            'a',
            layer=layer('LSTM', 'b', units=H),
            backward_layer=layer('LSTM', 'c', units=5, go_backwards=True),
        ),
        'of other options than the forward layer',
    ),
    (
        layer('Bidirectional', 'a', layer=layer('LSTM', 'b', units=H, go_backwards=True)),
        "has layer='LSTM'",
    ),
]


@pytest.mark.parametrize(('one', 'message'), REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(one, message):
    with pytest.raises(ConfigError, match=message):
        load(keras(sequential(one, shape=[None, None, I]), {}))


def test_models_that_are_no_chains_are_refused():
    with pytest.raises(ConfigError, match=r"got 'Mine'; pass model.get_weights\(\)"):
        load(keras({'class_name': 'Mine', 'config': {}}, {'dense': dense(2, 1, np.random)}))
    with pytest.raises(ConfigError, match=r"input 'input_layer' must be one of shape"):
        load(keras(sequential(layer('Dense', 'a', units=1), shape=[None, 3, 3, 3]), {}))
    unbuilt = {'class_name': 'Sequential', 'config': {'layers': [layer('Dense', 'a', units=1)]}}
    with pytest.raises(ConfigError, match='no input of a known shape; build it first'):
        load(keras(unbuilt, {}))


def test_lists_that_do_not_fit_name_the_layer(rng):
    cell, out = weights_of('GRU', I, rng), dense(H, 1, rng)
    layers = [I, ('gru', H), 1]
    for arrays, given, error, message in (
        ([*cell, *out], None, ConfigError, 'weights alone need layers='),
        ([*cell, out[0]], [I, ('lstm', H), 1], ConfigError, r'kernels \(I, 4H\) and \(H, 4H\)'),
        ([*cell, *out, *out], layers, ConfigError, r'2 arrays of the shapes .* are left'),
        (cell, layers, ConfigError, r"'out' \(feedforward 1\): the kernel \(I, O\) is missing"),
        ([*cell, out[1]], layers, ConfigError, r'array 3, whose turn it is, has the shape \(1,\)'),
        ([*cell, *out], [I, ('gru', 5), 1], ShapeError, r'hid1.hh \(5, 15\), there \(4, 12\)'),
        ([*cell, *out], [I, ('mut1', H), 1], ConfigError, r'\(mut1 4\): it has no counterpart'),
        ([*cell[:2], cell[2] * np.nan, *out], layers, DataError, 'hid1.b must be finite; got nan'),
        ([*cell, 'a', out[1]], layers, DataError, "'array 3' must be an array of numbers; got 'a'"),
        (
            [*cell, *out],
            [I, dict(form='gru', size=H, reset='before'), 1],
            ConfigError,
            r"the weights for 'hid1' \(gru 4\), with xh, hh, b, bn; write reset='after' in layers$",
        ),
        ([np.ones(2), -np.ones(2), *dense(I, 1, rng)], [I, 'standardize', 1], ConfigError, 'negat'),
    ):
        with pytest.raises(error, match=message):
            rnnkit.from_keras(arrays, given)
    with pytest.raises(ConfigError, match=r'write model.save\(path\), and from_keras\(path\)'):
        rnnkit.from_keras(type('Model', (), {'get_weights': lambda self: []})())
    groups = {'gru/cell': cell, 'dense': out}
    with pytest.raises(ConfigError, match=r"takes the weights 'dense_1', which are missing"):
        load(hdf5(groups), [I, ('gru', H), 1, 1])
    with pytest.raises(ConfigError, match="no layer for the weights 'gru/cell'"):
        load(hdf5(groups), [H, 1])


def links(out):
    import h5py

    del out['layers/dense/vars/0']
    out['layers/dense/vars/0'] = h5py.ExternalLink('/etc/passwd', '/a')


def soft(out):
    import h5py

    del out['layers/dense/vars/0']
    out['layers/dense/vars/0'] = h5py.SoftLink('/layers/dense/vars/1')


def huge(out):
    del out['layers/dense/vars/0']
    out.create_dataset('layers/dense/vars/0', (10**6, 10**6), 'f4', chunks=(100, 100))


def empty(out):
    del out['layers/dense/vars/0']
    out.create_dataset('layers/dense/vars/0', (10, 10), 'f4')  # never written


def outside(out):
    del out['layers/dense/vars/0']
    out.create_dataset('layers/dense/vars/0', (2, 2), 'f4', external=[('/etc/passwd', 0, 16)])


def text(out):
    del out['layers/dense/vars/0']
    out.create_dataset('layers/dense/vars/0', data=np.array([b'a' * 8, b'b' * 8]))


def circle(out):
    out['layers/dense/again'] = out['layers']


def old(out):
    out.attrs['layer_names'] = 'dense'


def without(out):
    del out['layers']


def missing(out):
    del out['layers/dense/vars/0']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (links, 'is a link, which is not read'),
        (soft, 'is a link, which is not read'),
        (huge, 'claims 4,000,000,000,000 bytes'),
        (empty, 'claims 400 bytes, which do not lie in the file'),
        (outside, 'which do not lie in the file'),
        (text, 'has the dtype'),
        (circle, 'too many groups'),
        (old, r'it is of Keras 2.*model.save\(\'model.keras\'\)'),
        (without, 'no layers of Keras 3'),
        (missing, 'not a complete file of Keras'),
    ],
)
def test_hostile_files_of_weights_are_refused(change, message, rng):
    content = hdf5({'dense': dense(2, 2, rng)}, change)
    with pytest.raises(FormatError, match=message):
        load(content, [2, 2])
    config = sequential(layer('Dense', 'a', units=2), shape=[None, 2])
    with pytest.raises(FormatError, match=message):
        load(keras(config, {'dense': dense(2, 2, rng)}, change=change))


def test_damaged_files_are_refused(rng):
    config = sequential(layer('Dense', 'a', units=2), shape=[None, 2])
    groups = {'dense': dense(2, 2, rng)}
    content = keras(config, groups)
    assert load(content).num_params == 6
    for cut in (content[: len(content) // 2], b'', b'text', hdf5(groups)[:500]):
        with pytest.raises(FormatError):
            load(cut)
    for member in (b'config.json', b'model.weights.h5'):
        for more in range(0, len(content), 100):
            claims = bytearray(content)
            at = claims.rindex(member) - 22  # the lengths in the directory, which comes last
            length = int.from_bytes(claims[at : at + 4], 'little') + more
            claims[at - 4 : at] = claims[at : at + 4] = length.to_bytes(4, 'little')
            if more == 0:
                assert load(bytes(claims)).num_params == 6
                continue
            with pytest.raises(FormatError, match=r'complete \.keras file|claims more bytes'):
                load(bytes(claims))
    with pytest.raises(FormatError, match=r'config.json is compressed'):
        load(keras(config, groups, compress=True))
    with pytest.raises(FormatError, match='describes no model'):
        load(keras([], groups))
    with pytest.raises(ConfigError, match=r"'a' \(Dense\): the kernel \(I, O\) is missing"):
        load(keras(config, {}))
    other = io.BytesIO()
    with zipfile.ZipFile(other, 'w') as archive:
        archive.writestr('model/data.pkl', b'')
    with pytest.raises(FormatError, match=r'no config.json, .* rnnkit.from_torch\(path\) reads'):
        load(other.getvalue())
    with pytest.raises(FileNotFoundError):
        rnnkit.from_keras('nowhere.keras')


def test_without_h5py_it_says_what_to_install(monkeypatch, rng):
    monkeypatch.setitem(__import__('sys').modules, 'h5py', None)
    with pytest.raises(ConfigError, match=r"pip install 'rnnkit\[keras\]'"):
        load(b'text')


@pytest.mark.parametrize(
    ('one', 'message'),
    [
        (dict(form='lstm', size=4, peepholes=True), 'peepholes=True, which LSTM does not have'),
        (dict(form='lstm', size=4, projection=2), 'projection=2, which LSTM does not have'),
        (dict(form='gru', size=4, clip=1.0), 'clip=1.0, which GRU does not have'),
        (dict(form='gru', size=4, h_0='learn'), "h_0='learn', a parameter that GRU"),
        (dict(form='mut1', size=4), r"layer 'hid1' \(mut1\) has no counterpart in Keras"),
        ((4, 'prelu'), 'with the parameters w, b, leak has no counterpart in Keras'),
    ],
)
def test_what_keras_does_not_have_is_an_error(one, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([I, one, 1], seed=0).to_keras()


def test_scaled_targets_do_not_go_out():
    with pytest.raises(ConfigError, match='scale_targets=True'):
        rnnkit.Regressor([I, 1], scale_targets=True, seed=0).to_keras()


def test_the_table_of_gates_is_that_of_these_equations():
    assert ORDERS['keras'] == {'rnn': 'h', 'lstm': 'ifgo', 'gru': 'zrn'}

"""Weights of PyTorch: into networks, checked against PyTorch's equations in NumPy, and out."""

import io
import re
import zipfile

import numpy as np
import pytest
from repository import ROOT
from torch_files import saved

import rnnkit
from rnnkit.errors import ConfigError, DataError, FormatError, ShapeError
from rnnkit.integrations.gates import ORDERS

T, B, I, H = 6, 3, 2, 4  # noqa: E741
GATES = {'rnn': 1, 'gru': 3, 'lstm': 4}
# float64: another order of the same sums.
TOLERANCE = 1e-12


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run(form, x, w, end='_l0'):
    """Return the outputs of PyTorch's documentation, in its names: rows are gates, two biases."""
    wi, wh, bi, bh = (
        w.get(f'{one}{end}', 0) for one in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh')
    )
    project = w.get(f'weight_hr{end}')
    size = len(wh) // GATES[form]
    h, c, hs = np.zeros((x.shape[1], wh.shape[1])), np.zeros((x.shape[1], size)), []
    for x_t in x[:: -1 if 'reverse' in end else 1]:
        a, b = x_t @ wi.T + bi, h @ wh.T + bh
        if form == 'rnn':
            h = np.tanh(a + b)
        elif form == 'lstm':
            i, f, g, o = np.split(a + b, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            h = h if project is None else h @ project.T
        else:
            (ar, az, an), (br, bz, bn) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
            z = sigmoid(az + bz)
            h = (1 - z) * np.tanh(an + sigmoid(ar + br) * bn) + z * h
        hs.append(h)
    return np.array(hs[:: -1 if 'reverse' in end else 1])


def weights_of(form, reads, rng, end='_l0', size=H, projection=None):
    """Return the weights of one direction of one layer."""
    rows, fed = GATES[form] * size, projection or size
    shapes = {'weight_ih': (rows, reads), 'weight_hh': (rows, fed)}
    shapes |= {'bias_ih': (rows,), 'bias_hh': (rows,)}
    if projection:
        shapes['weight_hr'] = (projection, size)
    return {f'{k}{end}': 0.5 * rng.standard_normal(shape) for k, shape in shapes.items()}


def linear(reads, size, rng, name='out.'):
    return {
        f'{name}weight': rng.standard_normal((size, reads)),
        f'{name}bias': rng.standard_normal(size),
    }


def prefixed(weights, name):
    return {f'{name}{k}': v for k, v in weights.items()}


def back_and_forth(net):
    """Check that a network that goes out comes in again to the bit."""
    state = net.to_torch(arrays=True)
    again = rnnkit.from_torch(state, activation=None, dtype=net.dtype)
    for p, q in zip(net.params, again.params, strict=True):
        assert p.name == q.name
        np.testing.assert_array_equal(p.get_value(), q.get_value())
    return state


@pytest.mark.parametrize('form', GATES)
def test_a_module_with_a_linear_layer_predicts_the_same(form, rng):
    w = weights_of(form, I, rng)
    state = {**prefixed(w, 'encoder.rec.'), **linear(H, 2, rng)}
    net = rnnkit.from_torch(state)
    assert [layer.name for layer in net.layers] == ['in', 'encoder/rec', 'out']
    x = rng.standard_normal((T, B, I))
    right = run(form, x, w) @ state['out.weight'].T + state['out.bias']
    np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)
    out = back_and_forth(net)
    assert list(out) == list(state)
    for name, array in state.items():
        assert out[name].shape == array.shape
        if 'bias_' not in name:
            np.testing.assert_array_equal(out[name], array)


def test_layers_and_directions_of_one_module(rng):
    w = {}
    for k, reads in enumerate((I, 2 * H)):
        for end in ('', '_reverse'):
            w |= weights_of('gru', reads, rng, f'_l{k}{end}')
    net = rnnkit.from_torch(prefixed(w, 'rec.'), layout='batch')
    assert [layer.name for layer in net.layers] == ['in', 'rec_l0', 'rec_l1']
    x = rng.standard_normal((B, T, I))
    y = x.swapaxes(0, 1)
    for k in range(2):
        y = np.concatenate([run('gru', y, w, f'_l{k}{e}') for e in ('', '_reverse')], axis=-1)
    np.testing.assert_allclose(net.predict(x), y.swapaxes(0, 1), atol=TOLERANCE)
    assert set(back_and_forth(net)) == set(prefixed(w, 'rec.'))


def test_the_last_output_of_both_directions_is_not_the_final_states(rng):
    ends = ('_l0', '_l0_reverse')
    w, out = {}, linear(2 * H, 1, rng)
    for end in ends:
        w |= weights_of('gru', I, rng, end)
    x = rng.standard_normal((T, B, I))
    there, back = (run('gru', x, w, end) for end in ends)
    both = dict(form='bidirectional', worker='gru', size=2 * H)
    page = (ROOT / 'docs' / 'pytorch.rst').read_text(encoding='utf-8')
    step = "dict(form='concatenate', inputs='hid1'), 'last'"
    assert page.count(step) == 1
    for layers, hs in (
        (['last'], (there[-1], back[0])),
        (eval(f'[{step}]'), (there[-1], back[-1])),
    ):
        net = rnnkit.from_torch({**prefixed(w, 'rec.'), **out}, [I, both, *layers, 1])
        right = np.concatenate(hs, axis=-1) @ out['out.weight'].T + out['out.bias']
        np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)


def test_projections(rng):
    w = weights_of('lstm', I, rng, projection=3)
    net = rnnkit.from_torch({**prefixed(w, 'rec.'), **linear(3, 2, rng)})
    assert net.layers[1].to_spec()['projection'] == 3
    x = rng.standard_normal((T, B, I))
    got = net.feed_forward(x)['rec:out']
    np.testing.assert_allclose(got, run('lstm', x, w), atol=TOLERANCE)
    back_and_forth(net)


def test_cells_and_missing_biases(rng):
    w = weights_of('lstm', I, rng, '')
    del w['bias_ih'], w['bias_hh']
    net = rnnkit.from_torch(w)
    assert [layer.name for layer in net.layers] == ['in', 'out']
    x = rng.standard_normal((T, B, I))
    np.testing.assert_allclose(net.predict(x), run('lstm', x, w, ''), atol=TOLERANCE)
    assert set(net.to_torch({'out': ''}, arrays=True)) == set(weights_of('lstm', I, rng))


def test_embedding_layernorm_and_linear_maps(rng):
    state = {
        'embed.weight': rng.standard_normal((7, 5)),
        **prefixed(weights_of('rnn', 5, rng), 'rec.'),
        'norm.weight': rng.standard_normal(H),
        'norm.bias': rng.standard_normal(H),
        **linear(H, 6, rng, 'head.0.'),
        'head.2.weight': rng.standard_normal((3, 6)),  # bias=False
    }
    net = rnnkit.from_torch(state, model=rnnkit.Classifier, activation='relu')
    ids = rng.integers(0, 7, (T, B))
    h = run(
        'rnn',
        state['embed.weight'][ids],
        prefixed(state, '')
        | {k.removeprefix('rec.'): v for k, v in state.items() if k.startswith('rec.')},
    )
    h = h - h.mean(-1, keepdims=True)
    h = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-5)
    h = h * state['norm.weight'] + state['norm.bias']
    h = np.maximum(h @ state['head.0.weight'].T + state['head.0.bias'], 0)
    logits = h @ state['head.2.weight'].T
    right = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(net.predict_proba(ids), right, atol=TOLERANCE)
    out = net.to_torch(arrays=True)
    assert list(out) == [*state, 'head.2.bias']
    np.testing.assert_array_equal(out['embed.weight'], state['embed.weight'])


def test_a_first_linear_map_without_bias_is_no_embedding(rng):
    state = {'a.weight': rng.standard_normal((5, 3)), **linear(5, 2, rng)}
    net = rnnkit.from_torch(state, activation='linear')
    x = rng.standard_normal((B, 3))
    right = x @ state['a.weight'].T @ state['out.weight'].T + state['out.bias']
    np.testing.assert_allclose(net.predict(x), right, atol=TOLERANCE)


def test_layers_that_the_user_writes_take_the_weights_in_turn(rng):
    state = {**prefixed(weights_of('rnn', I, rng), 'rec.'), **linear(H, 1, rng)}
    layers = [I, 'standardize', ('rnn', H, 'relu'), ('dropout', 0.5), 'last', 1]
    net = rnnkit.from_torch(state, layers, seed=0)
    np.testing.assert_array_equal(net.find('out', 'w').get_value(), state['out.weight'].T)
    np.testing.assert_array_equal(net.find('hid2', 'xh').get_value(), state['rec.weight_ih_l0'].T)
    assert net.predict(np.ones((T, B, I))).shape == (B, 1)


def test_a_layer_of_a_kind_takes_the_weights_of_that_kind(rng):
    state = linear(I, 3, rng)
    net = rnnkit.from_torch(state, [I, dict(form='softmax', size=3)], model=rnnkit.Classifier)
    np.testing.assert_array_equal(net.find('out', 'w').get_value(), state['out.weight'].T)


def test_a_file_that_is_a_hole_is_refused(tmp_path):
    path = tmp_path / 'net.safetensors'
    with path.open('wb') as file:
        file.write(b'a')
        file.truncate(2**27)
    if 512 * getattr(path.stat(), 'st_blocks', 2**27) > 2**20:
        pytest.skip('the file system has no files with holes')
    with pytest.raises(FormatError, match=f'it claims {2**27} bytes, and occupies'):
        rnnkit.from_torch(path)


@pytest.mark.parametrize('end', ['.pt', '.pth', '.bin', '.safetensors'])
def test_files(end, tmp_path, rng):
    from safetensors.numpy import save

    state = {
        k: np.ascontiguousarray(v, np.float32)
        for k, v in {**prefixed(weights_of('gru', I, rng), 'rec.'), **linear(H, 1, rng)}.items()
    }
    path = tmp_path / f'net{end}'
    path.write_bytes(save(state) if end == '.safetensors' else saved(state))
    right = rnnkit.from_torch(state)
    for net in (rnnkit.from_torch(path), rnnkit.from_torch(io.BytesIO(path.read_bytes()))):
        assert net.dtype == 'float32'
        for p, q in zip(net.params, right.params, strict=True):
            np.testing.assert_array_equal(p.get_value(), q.get_value())
    half = {k: v.astype(np.float16) for k, v in state.items()}
    path.write_bytes(save(half) if end == '.safetensors' else saved(half))
    net = rnnkit.from_torch(path)
    assert net.dtype == 'float32'
    np.testing.assert_array_equal(net.find('out', 'w').get_value(), half['out.weight'].T)


def test_bfloat16_of_safetensors_becomes_float32():
    values = np.float32([[1.5, -2, 3]])
    bits = (values.view(np.uint32) >> 16).astype('<u2').tobytes()
    header = b'{"out.weight":{"dtype":"BF16","shape":[1,3],"data_offsets":[0,6]}}'
    content = len(header).to_bytes(8, 'little') + header + bits
    net = rnnkit.from_torch(io.BytesIO(content), [3, 1])
    assert net.dtype == 'float32'
    np.testing.assert_array_equal(net.find('out', 'w').get_value(), values.T)


def test_checkpoints_prefixes_and_wrappers(rng):
    state = linear(3, 1, rng)
    other = linear(3, 2, rng)
    nested = {'epoch': 3, 'model': state, 'optimizer': {'state': {0: {'exp_avg': np.ones(3)}}}}
    wrapped = prefixed(prefixed(state, 'net.'), 'module._orig_mod.')
    for source in (
        nested,
        {'a': {'ema': state}},
        wrapped,
        {**wrapped, 'module._orig_mod.crf.transitions': np.ones(2)},
    ):
        prefix = '' if source in (nested,) or 'a' in source else 'net.'
        for one in (source, io.BytesIO(saved(source))):
            net = rnnkit.from_torch(one, prefix=prefix)
            np.testing.assert_array_equal(net.find(1, 'w').get_value(), state['out.weight'].T)
    two = {'model': state, 'ema': {'model': other}}
    assert rnnkit.from_torch(two, key='ema/model').layers[-1].size == 2
    with pytest.raises(ConfigError, match=r"key=, one of 'model', 'ema/model'"):
        rnnkit.from_torch(two)
    with pytest.raises(
        ConfigError, match=r"key='ema/b': there is no 'b' in source; it has 'model'"
    ):
        rnnkit.from_torch(two, key='ema/b')
    for key in ('ema', 'step'):
        message = f"key='{key}': no weights are there; source has some in 'model', 'ema/model'$"
        with pytest.raises(ConfigError, match=message):
            rnnkit.from_torch({**two, 'step': 3}, key=key)
    with pytest.raises(ConfigError, match="no weight begins with 'a'; there are 'out.weight'"):
        rnnkit.from_torch(state, prefix='a')


def test_safetensors_of_every_length_of_the_header_are_no_pickles():
    from safetensors.numpy import save

    starts = set()
    for n in range(40):
        content = save({'out.weight': np.ones((1, 2), 'f4')}, {'a': 'x' * 8 * n})
        starts.add(content[0])
        assert rnnkit.from_torch(io.BytesIO(content), [2, 1], seed=0).num_params == 3
    assert 0x80 in starts  # with which a pickle begins


def test_the_order_of_modules(tmp_path, rng):
    from safetensors.numpy import save_file

    state = {**linear(4, 1, rng, 'z.'), **prefixed(weights_of('gru', 3, rng), 'a.')}
    state |= {'n.weight': rng.standard_normal((5, 3)), **linear(4, 4, rng, 'b.')}
    more = {'model': rnnkit.Regressor, 'activation': 'relu', 'seed': 0}
    with pytest.raises(ConfigError, match=r"'a' \(gru 4\) takes 3 features, and 'z'"):
        rnnkit.from_torch(state, **more)
    right = rnnkit.from_torch(state, order=['n', 'a', 'b', 'z'], **more)
    assert [layer.form for layer in right.layers[1:3]] == ['embedding', 'gru']
    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, tmp_path / 'a.safetensors')
    net = rnnkit.from_torch(tmp_path / 'a.safetensors', **more)
    assert [layer.name for layer in net.layers] == ['in', 'n', 'a', 'b', 'z']
    for p, q in zip(net.params, right.params, strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())
    two = {**state, **linear(4, 4, rng, 'c.')}
    save_file({k: np.ascontiguousarray(v) for k, v in two.items()}, tmp_path / 'a.safetensors')
    with pytest.raises(ConfigError, match='more than one is possible by their sizes; write order='):
        rnnkit.from_torch(tmp_path / 'a.safetensors', **more)
    later = {**linear(3, 4, rng, 'a.'), 'b.weight': np.ones((5, 4)), **linear(4, 1, rng, 'c.')}
    save_file(later, tmp_path / 'a.safetensors')  # of which b is no embedding, as the first may be
    with pytest.raises(ConfigError, match='none is possible by their sizes; write order='):
        rnnkit.from_torch(tmp_path / 'a.safetensors', **more)
    many = {k: v for c in 'abcdefghijkl' for k, v in linear(4, 4, rng, f'{c}.').items()}
    save_file({**many, **linear(9, 9, rng, 'm.')}, tmp_path / 'a.safetensors')
    with pytest.raises(ConfigError, match='is possible by their sizes'):
        rnnkit.from_torch(tmp_path / 'a.safetensors', **more)
    for order in ('n', ['n', 'a'], ['n', 'a', 'b', 'z', 'z'], 3):
        with pytest.raises(ConfigError, match="order must be a list of the modules 'z', 'a', 'n'"):
            rnnkit.from_torch(state, order=order, **more)


class Tensor:
    """What a tensor of PyTorch has of methods."""

    def __init__(self, array, dtype='torch.float32'):
        self.array, self.dtype = array, dtype

    shape = property(lambda self: self.array.shape)

    def detach(self):
        return self

    cpu = detach

    def float(self):
        return Tensor(self.array)

    def numpy(self):
        if self.dtype == 'torch.bfloat16':
            raise TypeError('Got unsupported ScalarType BFloat16')
        return self.array


def test_tensors_are_read_without_pytorch(rng):
    state = {k: Tensor(v.astype('f4'), 'torch.bfloat16') for k, v in linear(3, 1, rng).items()}
    net = rnnkit.from_torch(state)
    np.testing.assert_array_equal(net.find(1, 'w').get_value(), state['out.weight'].array.T)


def test_what_does_not_fit_is_refused(rng):
    lstm, out = prefixed(weights_of('lstm', I, rng), 'rec.'), linear(H, 1, rng)
    with pytest.raises(ConfigError, match=r"'out' \(feedforward 1\) takes 5 features, and 'rec' "):
        rnnkit.from_torch({**lstm, **linear(5, 1, rng)})
    with pytest.raises(
        ConfigError, match=r"no layer for 'crf.transitions'; .*, or a dict without them"
    ):
        rnnkit.from_torch({**lstm, 'crf.transitions': np.ones((2, 2))})
    with pytest.raises(
        ConfigError, match=r"no layer for 'bn.weight', 'bn.bias', 'bn.running_mean'"
    ):
        rnnkit.from_torch(
            {**lstm, 'bn.weight': np.ones(H), 'bn.bias': np.ones(H), 'bn.running_mean': np.ones(H)}
        )
    with pytest.raises(ConfigError, match="'rec' lacks weight_hh"):
        rnnkit.from_torch({k: v for k, v in lstm.items() if 'hh' not in k} | out)
    with pytest.raises(ConfigError, match=r'neither 1, 3 nor 4 blocks of 4 rows'):
        rnnkit.from_torch({k: v[:8] for k, v in lstm.items()})
    with pytest.raises(ConfigError, match=r'biases must have the shape \(16,\)'):
        rnnkit.from_torch({**lstm, 'rec.bias_hh_l0': np.ones(3)})
    with pytest.raises(ConfigError, match='of the backward direction only'):
        rnnkit.from_torch(weights_of('lstm', I, rng, '_l0_reverse'))
    with pytest.raises(ConfigError, match=r"'rec' has weights of the layers \[1\] only"):
        rnnkit.from_torch(prefixed(weights_of('lstm', I, rng, '_l1'), 'rec.'))
    with pytest.raises(ConfigError, match=r"what follows 'a', an nn.Linear .* activation='relu'"):
        rnnkit.from_torch({**linear(3, 4, rng, 'a.'), **linear(4, 1, rng)})
    with pytest.raises(ConfigError, match='activation has no effect'):
        rnnkit.from_torch({**lstm, **out}, activation='relu')
    with pytest.raises(ConfigError, match='activation is for networks without layers='):
        rnnkit.from_torch({**lstm, **out}, [I, ('lstm', H), 1], activation='relu')
    with pytest.raises(ConfigError, match='model must be rnnkit.Regressor'):
        rnnkit.from_torch(out, model=rnnkit.Network)
    with pytest.raises(ConfigError, match="did you mean 'classifier'"):
        rnnkit.from_torch(out, model='Clasifier')
    for wrong, right in (('layuot', 'layout'), ('actvation', 'activation'), ('prefx', 'prefix')):
        with pytest.raises(
            ConfigError, match=rf"^from_torch\(\): unknown option '{wrong}', did you mean '{right}'"
        ):
            rnnkit.from_torch(out, **{wrong: 'batch'})
    with pytest.raises(DataError, match=r'out.b must be finite; got nan at \(0,\)'):
        rnnkit.from_torch({**out, 'out.bias': np.array([np.nan])})
    with pytest.raises(
        DataError, match=r"'out.bias' must be an array of numbers; got array\(\['a'"
    ):
        rnnkit.from_torch({**out, 'out.bias': np.array(['a'])})
    with pytest.raises(DataError, match="'out.bias' must be an array of numbers; got masked_array"):
        rnnkit.from_torch({**out, 'out.bias': np.ma.array([1.0], mask=[True])})
    with pytest.raises(ConfigError, match='no weights such as'):
        rnnkit.from_torch({'a': 1})
    with pytest.raises(ConfigError, match=r'write from_torch\(module.state_dict\(\)\)'):
        rnnkit.from_torch(type('Module', (), {'state_dict': lambda self: {}})())
    with pytest.raises(FormatError, match='not a complete safetensors file'):
        rnnkit.from_torch(io.BytesIO(b'text'))
    with pytest.raises(ConfigError, match=r'from_torch\(module.state_dict\(\)\); got list of 2$'):
        rnnkit.from_torch(list(out.values()))
    other = io.BytesIO()
    with zipfile.ZipFile(other, 'w') as archive:
        archive.writestr('model.weights.h5', b'')
    with pytest.raises(FormatError, match=r'no data.pkl, .* rnnkit.from_keras\(path\) reads it'):
        rnnkit.from_torch(io.BytesIO(other.getvalue()))
    with pytest.raises(FileNotFoundError):
        rnnkit.from_torch('nowhere.pt')


def test_layers_that_do_not_fit_name_both_sides(rng):
    state = {**prefixed(weights_of('lstm', I, rng), 'rec.'), **linear(H, 1, rng)}
    for layers, error, message in (
        ([I, ('lstm', H), 3, 1], ConfigError, r"3 layers with parameters: 'hid1' \(lstm 4\), "),
        (
            [I, ('gru', H), 1],
            ConfigError,
            r"'hid1' \(gru 4\) .* of 'rec' \(lstm 4\), with xh",
        ),
        (
            [I, dict(form='lstm', size=H, peepholes=True), 1],
            ConfigError,
            'ci, cf, co; it is the turn',
        ),
        ([I, ('lstm', 5), 1], ShapeError, r'hid1.xh \(2, 20\), there \(2, 16\); hid1.hh'),
        ([I + 1, ('lstm', H), 1], ShapeError, r'hid1.xh \(3, 16\), there \(2, 16\)$'),
        (
            [I, dict(form='bcrnn', size=H, num_modules=2), 1],
            ConfigError,
            "it is the turn of 'rec'",
        ),
        (
            [I, dict(form='bidirectional', worker='gru', size=H), 1],
            ConfigError,
            'bidirectional gru',
        ),
    ):
        with pytest.raises(error, match=message):
            rnnkit.from_torch(state, layers)


@pytest.mark.parametrize(
    ('layer', 'message'),
    [
        (dict(form='lstm', size=4, peepholes=True), 'peepholes=True, which nn.LSTM does not have'),
        (dict(form='lstm', size=4, clip=1.0), 'clip=1.0, which nn.LSTM does not have'),
        (dict(form='gru', size=4, reset='before'), "reset='before', which nn.GRU does not have"),
        (dict(form='gru', size=4, activation='relu'), "activation='relu', which nn.GRU"),
        (dict(form='rnn', size=4, activation='sigmoid'), "activation='sigmoid', which nn.RNN"),
        (dict(form='gru', size=4, zoneout=0.1), 'zoneout=0.1, which nn.GRU does not have'),
        (dict(form='gru', size=4, h_0='learn'), "h_0='learn', a parameter that nn.GRU"),
        (dict(form='gru', size=4, direction='backward'), 'runs backward, which'),
        (dict(form='mut1', size=4), r"layer 'hid1' \(mut1\) has no counterpart in PyTorch"),
        (dict(form='bidirectional', worker='mut1', size=4), r"'hid1_fw' \(mut1\) has no"),
        (dict(form='bidirectional', worker='gru', size=4, merge='sum'), "merge='sum'"),
        ((4, 'prelu'), 'with the parameters w, b, leak has no counterpart'),
        (dict(form='conv1', size=4, filter_size=2), r"names=\{'hid1': None\} leaves it out$"),
        (
            'standardize',
            r'leaves it out, and the module then needs inputs that are scaled: \(x - mean\) / dev',
        ),
    ],
)
def test_what_pytorch_does_not_have_is_an_error(layer, message):
    net = rnnkit.Regressor([I, layer, 1], seed=0)
    with pytest.raises(ConfigError, match=message):
        net.to_torch()
    assert list(net.to_torch({'hid1': None}, arrays=True)) == ['out.weight', 'out.bias']


def test_names_of_modules():
    net = rnnkit.Regressor([I, ('rnn', H, 'relu'), ('rnn', H), 1], seed=0)
    out = net.to_torch({'hid1': 'a.rec_l0', 'hid2': 'a.rec_l1', 'out': ''}, arrays=True)
    assert {'a.rec.weight_ih_l0', 'a.rec.bias_hh_l1', 'weight', 'bias'} < set(out)
    with pytest.raises(ConfigError, match="two layers would have the weight 'rec.bias_hh_l0'"):
        net.to_torch({'hid1': 'rec', 'hid2': 'rec'})
    with pytest.raises(
        ConfigError, match="no layer with parameters is called 'hdi1'; did you mean"
    ):
        net.to_torch({'hdi1': 'rec'})
    with pytest.raises(ConfigError, match='names must be a dict such as'):
        net.to_torch(['hid1'])
    scaled = rnnkit.Regressor([I, 1], scale_targets=True, seed=0)
    with pytest.raises(ConfigError, match='scale_targets=True'):
        scaled.to_torch()


def test_tied_weights_go_out():
    net = rnnkit.Classifier([7, ('embedding', H), ('gru', H), 'tied'], seed=0)
    out = net.to_torch(arrays=True)
    np.testing.assert_array_equal(out['out.weight'], out['hid1.weight'])
    assert out['out.bias'].shape == (7,)


@pytest.mark.parametrize('page', ['docs/pytorch.rst', 'rnnkit/integrations/gates.py'])
def test_the_tables_in_words_are_the_table_of_the_code(page):
    rows = re.findall(
        r'^(rnnkit|PyTorch|Keras|ONNX)  +((?:\w )+\w)  +((?:\w )+\w)  ',
        (ROOT / page).read_text(),
        re.M,
    )
    found = {name: {'lstm': a.replace(' ', ''), 'gru': b.replace(' ', '')} for name, a, b in rows}
    names = {'rnnkit': 'rnnkit', 'PyTorch': 'torch', 'Keras': 'keras', 'ONNX': 'onnx'}
    assert found == {
        name: {form: ORDERS[key][form] for form in ('lstm', 'gru')} for name, key in names.items()
    }


def test_the_table_of_gates_is_that_of_these_equations():
    assert ORDERS['torch'] == {'rnn': 'h', 'lstm': 'ifgo', 'gru': 'rzn'}

"""Attention in networks: NumPy in float64, encoders and decoders, generation, refusals."""

import numpy as np
import pytest
from complex_step import gradients
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError

T, S, B = 4, 5, 3
LENGTHS = {'memory': np.array([S, 1, 2]), 'looks': np.array([T, 2, 1])}
SCORES = ('additive', 'general', 'dot')


def simple(score, masked=False, **options):
    """Return a network without a recurrent layer, so that the oracle is short."""
    look = dict(form='attention', size=3, memory='memory', score=score, name='look', **options)
    return rnnkit.Regressor(
        [
            3,
            dict(size=4, activation='linear', name='memory'),
            dict(form='input', size=2, name='looks'),
            dict(size=4, activation='linear', name='state'),
            look,
            2,
        ],
        dtype='float64',
        seed=1,
        masked=masked,
    )


def forward(p, x, looks, score, lengths):
    """Return the outputs, context and weights of such a network; loops over examples and steps."""
    memory, state = x @ p['memory.w'] + p['memory.b'], looks @ p['state.w'] + p['state.b']
    kind = np.result_type(*p.values())
    weights, context = np.zeros((T, B, S), kind), np.zeros((T, B, 4), kind)
    for t, b in np.ndindex(T, B):
        m, h = memory[: lengths[b], b], state[t, b]
        if not len(m):
            continue
        if score == 'additive':
            scores = np.tanh(h @ p['look.query'] + m @ p['look.key']) @ p['look.v']
        else:
            scores = m @ (h @ p['look.query'] if score == 'general' else h)
        powers = np.exp(scores - scores.real.max())
        weights[t, b, : len(m)] = powers / powers.sum()
        context[t, b] = weights[t, b, : len(m)] @ m
    y = np.tanh(state @ p['look.xh'] + context @ p['look.ch'] + p['look.b'])
    return y @ p['out.w'] + p['out.b'], context, weights


def masks_of(lengths):
    steps = {'mask': (S, 'memory'), 'mask_looks': (T, 'looks')}
    return {k: (np.arange(n)[:, None] < lengths[name]) * 1.0 for k, (n, name) in steps.items()}


@pytest.fixture(params=['python', 'kernels'])
def engine(request):
    """Compute by PyTensor's own Ops in Python, or by kernels."""
    if request.param == 'kernels':
        request.getfixturevalue('machine_code')
    return request.param


@pytest.mark.parametrize(
    ('score', 'masked'),
    [
        ('additive', True),
        long('additive', False),
        ('general', False),
        long('general', True),
        long('dot', False),
        ('dot', True),
    ],
)
def test_output_and_gradient_equal_numpy(score, masked, engine, rng):
    net = simple(score, masked)
    for p in net.params:  # weights that differ much
        p.set_value(rng.standard_normal(p.get_value().shape))
    arrays = [rng.standard_normal(shape) for shape in ((S, B, 3), (T, B, 2), (T, B, 2))]
    lengths = LENGTHS if masked else {'memory': [S] * B, 'looks': [T] * B}
    masks = masks_of(lengths)
    arrays[1][masks['mask_looks'] == 0] = 0  # as the network reads it
    values = {p.name: p.get_value() for p in net.params}
    found = net.feed_forward(arrays[:2], masks if masked else None)
    right = forward(values, *arrays[:2], score, lengths['memory'])
    for name, want in zip(('out', 'look:context', 'look:weights'), right, strict=True):
        got = found[name if ':' in name else f'{name}:out']
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13, err_msg=name)

    def loss(p):
        out, _, _ = forward(p, *arrays[:2], score, lengths['memory'])
        squares = ((out - arrays[2]) ** 2).mean(axis=-1)
        real = masks['mask_looks']
        return (squares * real).sum() / real.sum()

    options = dict(algo='sgd', learning_rate=1.0, momentum=0, max_gradient_norm=0, batch_size=B)
    data = [*arrays, *(masks.values() if masked else ())]
    net.train(data, epochs=1, restore_best=False, seed=0, **options)
    for p in net.params:
        want = gradients(loss, values, [p.name])[p.name]
        moved = values[p.name] - p.get_value()
        np.testing.assert_allclose(moved, want, rtol=1e-9, atol=1e-12, err_msg=p.name)


@pytest.mark.parametrize('score', SCORES)
def test_a_memory_without_a_real_step_gives_zero(score, rng):
    net = simple(score, masked=True)
    net.find('memory', 'b').set_value(np.full(4, 5.0))  # of padding, 0 @ w + b is not 0
    masks = masks_of({'memory': [S, 0, 2], 'looks': [T] * B})
    arrays = [rng.standard_normal((S, B, 3)), rng.standard_normal((T, B, 2))]
    found = net.feed_forward(arrays, masks)
    for name in ('look:weights', 'look:context'):
        assert not found[name][:, 1].any()
        assert found[name][:, [0, 2]].any()
    assert np.isfinite(found['out:out']).all()


def test_padding_may_hold_anything(rng):
    net = simple('additive', masked=True)
    x, looks = rng.standard_normal((S, B, 3)), rng.standard_normal((T, B, 2))
    masks = masks_of({'memory': [S, 1, 2], 'looks': [T, 1, 2]})
    right = net.predict([x, looks], mask=masks)
    x[masks['mask'] == 0], looks[masks['mask_looks'] == 0] = 1e30, -1e30
    np.testing.assert_array_equal(net.predict([x, looks], mask=masks), right)


# --- encoders and decoders

V = 5


def translator(score='additive', masked=False, seed=0, **options):
    """Return an encoder, a decoder and attention, whose weights differ much."""
    net = rnnkit.Classifier(
        [
            6,
            ('embedding', 3),
            dict(form='bidirectional', worker='gru', size=4, name='encoder'),
            dict(form='input', size=V, name='before'),
            ('embedding', 3),
            dict(form='gru', size=4, h_0='encoder', name='decoder'),
            dict(form='attention', size=4, memory='encoder', score=score, name='look', **options),
            V,
        ],
        dtype='float64',
        masked=masked,
        seed=seed,
    )
    rng = np.random.default_rng(5)
    for p in net.params:
        p.set_value(1.5 * rng.standard_normal(p.get_value().shape))
    return net


@pytest.fixture(scope='module')
def net():
    return translator(masked=True)


@pytest.fixture
def texts(rng):
    """Return what the encoder and the decoder read, as lists of sequences."""
    return [
        [rng.integers(0, n, length) for length in lengths]
        for n, lengths in ((6, (7, 3, 5)), (V, (4, 6, 2)))
    ]


def test_two_sequences_of_different_lengths(net, texts):
    outputs = net.feed_forward(texts)
    weights = outputs['look:weights']  # (T, B, S)
    assert weights.shape == (6, 3, 7)
    for k, text in enumerate(texts[0]):
        np.testing.assert_allclose(weights[:, k].sum(axis=-1), 1)
        assert not weights[:, k, len(text) :].any()
        alone = net.feed_forward([[text], [texts[1][k]]])['look:weights'][:, 0]
        np.testing.assert_allclose(alone, weights[: len(texts[1][k]), k, : len(text)], atol=1e-14)


def test_a_decoder_goes_on_by_steps(net, texts):
    texts[1] = [text[:2] for text in texts[1]]
    whole = net.predict_proba(texts)
    y, state = net.step([texts[0], [text[0] for text in texts[1]]])
    np.testing.assert_allclose(y, [p[0] for p in whole], atol=1e-14)
    assert list(state) == ['decoder', 'encoder:last', 'encoder:out', 'look:key', 'look:mask']
    assert state['look:mask'].shape == (7, 3, 1)
    y, state = net.step([text[1] for text in texts[1]], state)
    np.testing.assert_allclose(y, [p[1] for p in whole], atol=1e-14)
    stepper = net.stepper(batch=3)
    for k in range(2):
        first = [text[k] for text in texts[1]]
        y = stepper(first if k else [texts[0], first])
        np.testing.assert_allclose(y, [p[k] for p in whole], atol=1e-14)


def test_generation_encodes_once_and_equals_repeated_predictions(net, texts, monkeypatch):
    net.generate(texts[0], 2, start=1, temperature=0)  # compiles
    stream, calls = net._inference.continuation().stream, []
    encode = stream._encode
    monkeypatch.setattr(stream, '_encode', lambda *a: calls.append(1) or encode(*a))
    found = net.generate(texts[0], 4, start=1, temperature=0)
    assert len(calls) == 1
    before = [[1], [1], [1]]
    for _ in range(4):
        labels = net.predict([texts[0], before])
        before = [[*b, int(y[-1])] for b, y in zip(before, labels, strict=True)]
    assert found.T.tolist() == [b[1:] for b in before]
    assert len({tuple(b) for b in before}) > 1
    one = net.generate(texts[0][:1], 4, start=1, streams=3, top_k=1)
    np.testing.assert_array_equal(one, np.repeat(found[:, :1], 3, axis=1))


@pytest.mark.parametrize('score', ['general', long('dot')])
def test_other_scores_generate_too(score, rng):
    net = translator(score)
    source = rng.integers(0, 6, (4, 2))
    found = net.generate(source, 3, start=1, temperature=0)
    np.testing.assert_array_equal(found, net.generate(source, 3, start=1, beam=1))
    _, state = net.step([source, [1, 1]])
    assert list(state) == ['decoder', 'encoder:last', 'encoder:out']
    net.train([source, found, found], epochs=1)


def test_files_specs_and_dropout(net, texts, tmp_path):
    net.save(tmp_path / 'net.rnn')
    other = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(
        other.feed_forward(texts)['look:weights'], net.feed_forward(texts)['look:weights']
    )
    assert other.to_spec() == net.to_spec()
    first, again, third = (
        net.feed_forward(texts, hidden_dropout=0.5, seed=k)['look:weights'] for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, third)


def test_the_symbolic_graph_has_the_weights(net, texts):
    texts = [texts[0], [text[:2] for text in texts[1]]]
    found = net.symbolic(texts, outputs='look:weights').eval(mode='FAST_COMPILE')
    np.testing.assert_allclose(found, net.feed_forward(texts)['look:weights'], atol=1e-14)


def test_a_single_query_looks_at_the_sequence(rng):
    net = rnnkit.Regressor(
        [
            2,
            dict(form='gru', size=3, name='encoder'),
            dict(form='attention', size=3, memory='encoder', inputs='encoder:last', name='look'),
            1,
        ],
        masked=True,
        seed=0,
    )
    x = [rng.standard_normal((n, 2)) for n in (4, 2)]
    outputs = net.feed_forward(x)
    assert outputs['look:weights'].shape == (2, 4)
    np.testing.assert_allclose(outputs['look:weights'].sum(axis=-1), 1, rtol=1e-6)
    assert net.predict(x).shape == (2, 1)
    np.testing.assert_allclose(net.predict(x[1:]), net.predict(x)[1:], rtol=1e-5)


def test_steps_of_a_network_of_kernels_are_plans(machine_code, rng):
    from rnnkit.kernels.runtime.plan import Plan

    net = rnnkit.Regressor(
        [
            *[2, dict(form='gru', size=3, name='encoder'), dict(form='input', size=1, name='b')],
            *[dict(form='gru', size=3), dict(form='attention', size=3, memory='encoder'), 1],
        ],
        seed=0,
    )
    x, before = rng.standard_normal((S, B, 2)), rng.standard_normal((T, B, 1))
    whole = net.predict([x, before])
    y, _ = net.step([x, before[0]])
    np.testing.assert_allclose(y, whole[0], rtol=1e-5, atol=1e-6)
    for function in (net._inference.function('the prediction', []), net._inference.stream.advance):
        assert isinstance(function.function.vm.jit_fn, Plan)


# --- refusals

ENCODER = [2, dict(form='gru', size=3, name='encoder')]
DECODER = [dict(form='input', size=2, name='before'), dict(form='gru', size=3)]


def look(**options):
    return dict(form='attention', size=3, name='look', **{'memory': 'encoder', **options})


REFUSED = {
    'no memory': ([look(memory=None), 1], "memory='encoder'; got None"),
    'unknown memory': (
        [look(memory='encodr'), 1],
        "no output 'encodr:out' before it; did you mean 'encoder:out'",
    ),
    'the beginning of a name': ([look(memory='enc'), 1], "did you mean 'encoder:out'"),
    'another output': ([look(memory='encoder:ot'), 1], "did you mean 'encoder:out'"),
    'no such layer': (
        [look(memory='nowhere'), 1],
        "no output 'nowhere:out' before it; layers before it are: before, encoder, hid",
    ),
    'a memory without time': ([look(memory='encoder:last'), 1], "'encoder:last' has no time axis"),
    'score': ([look(score='addtive'), 1], "got 'addtive'; did you mean 'additive'"),
    'score_size': ([look(score_size=0), 1], 'score_size must be'),
    'useless score_size': ([look(score='dot', score_size=3), 1], "is for score='additive'"),
    'misspelt': ([look(memry='encoder'), 1], "'memry', did you mean 'memory'"),
    'activation': ([look(activation='prelu'), 1], 'has parameters'),
    'weights as an input': (
        [look(), dict(size=1, inputs='look:weights')],
        'as many numbers as the memory has time steps',
    ),
    'a tuple': ([('attention', 3, 'encoder'), 1], 'dict(form=.attention., size=3, memory='),
    'a parameter of another score': ([look(score='dot', key='glorot'), 1], "option 'key'"),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_what_makes_no_sense_is_refused(kind):
    rest, message = REFUSED[kind]
    with pytest.raises(ConfigError, match=message.replace('(', r'\(')):
        rnnkit.Regressor([*ENCODER, *DECODER, *rest], seed=0)


def test_dot_needs_equal_sizes():
    layers = [*ENCODER, DECODER[0], ('gru', 4), look(score='dot'), 1]
    with pytest.raises(ConfigError, match="the input has 4 features, and 'encoder' has 3"):
        rnnkit.Regressor(layers, seed=0)


def test_tokens_are_no_memory():
    layers = [7, ('embedding', 3), *DECODER, look(memory='in'), 1]
    with pytest.raises(ConfigError, match="layer 'in': an embedding reads it as tokens"):
        rnnkit.Regressor(layers, seed=0)


def test_a_network_that_looks_ahead_cannot_go_on(rng):
    net = rnnkit.Regressor([*ENCODER, look(), 2], seed=0)
    x = rng.standard_normal((S, B, 2))
    assert net.predict(x).shape == (S, B, 2)
    for call in (lambda: net.step(x[0]), lambda: net.generate(x, 2)):
        with pytest.raises(ConfigError, match=r"'look' \(attention\) needs the whole sequence"):
            call()


def test_exports_are_refused(tmp_path):
    net = rnnkit.Regressor([*ENCODER, *DECODER, look(), 1], seed=0)
    with pytest.raises(ConfigError, match=r"'look' \(attention\) cannot be written: it looks at"):
        net.to_onnx(tmp_path / 'net.onnx')
    with pytest.raises(ConfigError, match='to_c'):
        net.to_c(tmp_path / 'code')

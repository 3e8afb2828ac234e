"""Networks from ONNX files compute what onnxruntime computes, which other libraries wrote."""

import numpy as np
import pytest
from long_forms import long_unless
from onnx_graphs import Graph, agree, computed, data, forms

import rnnkit

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

T, B, N, H = 5, 2, 3, 4
X = ('T', 'B', N)
# The operator, its attributes, and the options of the layer that comes of it.
CELLS = [
    ('RNN', {}, {}),
    ('RNN', dict(activations=['Relu'], clip=0.5), dict(activation='relu', clip=0.5)),
    ('RNN', dict(activations=['Affine'], activation_alpha=[1.0]), dict(activation='linear')),
    ('RNN', dict(direction='reverse'), dict(direction='backward')),
    (
        'RNN',
        dict(activations=['LeakyRelu'], activation_alpha=[0.3]),
        dict(activation='leaky_relu:0.3'),
    ),
    (
        'RNN',
        dict(activations=['ThresholdedRelu'], activation_alpha=[0.2]),
        dict(activation='threshold_relu:0.2'),
    ),
    (
        'LSTM',
        dict(
            activations=['HardSigmoid', 'ScaledTanh', 'ScaledTanh'],
            activation_alpha=[0.2, 1.5, 1.5],
            activation_beta=[0.5, 0.7, 0.7],
        ),
        dict(
            gate_activation='affine:0.2:0.5+rect:minmax',
            activation='affine:0.7:0+tanh+affine:1.5:0',
        ),
    ),
    (
        'GRU',
        dict(activations=['Affine', 'Elu'], activation_alpha=[0.2, 0.5], activation_beta=[0.4]),
        dict(gate_activation='affine:0.2:0.4', activation='alpha_elu:0.5', reset='before'),
    ),
    ('LSTM', {}, {}),
    ('LSTM', dict(clip=0.1), dict(clip=0.1)),
    (
        'LSTM',
        dict(activations=['HardSigmoid', 'Elu', 'Elu'], activation_alpha=[1 / 6, 1, 1]),
        dict(gate_activation='hard_sigmoid', activation='elu'),
    ),
    ('LSTM', dict(input_forget=1), dict(coupled=True)),
    ('LSTM', dict(direction='bidirectional'), {}),
    ('GRU', {}, dict(reset='before')),
    ('GRU', dict(linear_before_reset=1), {}),
    (
        'GRU',
        dict(direction='bidirectional', activations=['Softsign', 'Softplus'] * 2, clip=0.4),
        dict(gate_activation='softsign', activation='softplus', clip=0.4, reset='before'),
    ),
    (
        'RNN',
        dict(activations=['HardSigmoid'], activation_alpha=[1e20]),
        dict(activation='affine:1e+20:0.5+rect:minmax'),
    ),
]
SHORT = [CELLS[1], CELLS[6], CELLS[10], CELLS[11], *CELLS[14:]]


@pytest.mark.parametrize(
    ('op', 'attributes', 'options'), long_unless(lambda *case: case in SHORT, CELLS)
)
def test_cells_with_their_attributes(rng, op, attributes, options):
    graph = Graph({'x': X})
    y, *_ = graph.cell(op, 'x', N, H, **attributes)
    net = agree(graph, y, [data(rng, T, B, N)], turned=True)
    layer = net.layers[1]
    ways = layer.children or [layer]
    assert [way.form for way in ways] == [op.lower()] * len(ways)
    assert all(getattr(way, k) == v for way in ways for k, v in options.items() if k != 'direction')
    assert options.get('direction', 'forward') == ways[0].direction


@pytest.mark.parametrize('coupled', [0, 1])
def test_peepholes(rng, coupled):
    graph = Graph({'x': X})
    p = graph.array(1, 3 * H)
    y, _, _ = graph.cell('LSTM', 'x', N, H, '', '', '', p, input_forget=coupled)
    net = agree(graph, y, [data(rng, T, B, N)], turned=True)
    assert [name for name in net.layers[1].params if name[0] == 'c'] == (
        ['ci', 'co'] if coupled else ['ci', 'cf', 'co']
    )


def test_without_a_bias_and_with_other_weights_as_inputs(rng):
    graph = Graph({'x': X, 'W': (1, H, N), 'R': (1, H, H)})
    y, _ = graph.node('RNN', 'x', 'W', 'R', outputs=2)
    weights = {'W': data(rng, 1, H, N), 'R': data(rng, 1, H, H)}
    net = graph.read(y, weights=weights)
    np.testing.assert_array_equal(net.find(1, 'xh').get_value(), weights['W'][0].T)
    assert not net.find(1, 'b').get_value().any()
    with pytest.raises(rnnkit.FormatError, match=r"R must be constant.*weights=\{'R': array\}"):
        graph.read(y, weights={'W': weights['W']})
    with pytest.raises(rnnkit.ConfigError, match="no input 'V'"):
        graph.read(y, weights={'V': 1.0})


def torch_file(graph, last=True):
    """Return the output of a batch-first LSTM of two layers with a head, as PyTorch has it."""
    x = graph.node('Transpose', 'x', perm=[1, 0, 2])
    shape = graph.node('Shape', 'x')
    batch = graph.node('Gather', shape, graph.constant(0), axis=0)
    batch = graph.node('Unsqueeze', batch, graph.constant([0]))
    ends = graph.constant([2]), graph.constant([H])
    lengths = graph.node('Concat', ends[0], batch, ends[1], axis=0)
    zeros = graph.node('ConstantOfShape', lengths)
    finals = []
    for k, n_in in enumerate((N, H)):
        part = [graph.constant([n]) for n in (k, k + 1, 0)]
        start = graph.node('Slice', zeros, *part)
        x, h, _ = graph.cell('LSTM', x, n_in, H, '', start, start)
        x = graph.node('Squeeze', x, graph.constant([1]))
        finals.append(h)
    y = graph.node('Transpose', x, perm=[1, 0, 2])
    if last == 'state':
        stacked = graph.node('Concat', *finals, axis=0)
        y = graph.node('Gather', stacked, graph.constant(-1), axis=0)
    elif last:
        y = graph.node('Gather', y, graph.constant(-1), axis=1)
    w, b = graph.array(5, H), graph.array(5)
    if last:
        y = graph.node('Gemm', y, w, b, transB=1)
    else:
        y = graph.node('Add', b, graph.node('MatMul', y, graph.array(H, 5)))
    y = graph.node('Relu', y)
    y = graph.node(
        'Gemm' if last else 'MatMul', y, graph.array(5, 2), *[graph.array(2)] * bool(last)
    )
    return graph.node('Softmax', y, axis=-1)


@pytest.mark.parametrize('last', [True, False, 'state'])
def test_two_layers_as_pytorch_writes_them(rng, last):
    graph = Graph({'x': ('B', 'T', N)})
    net = agree(graph, torch_file(graph, last), [data(rng, B, T, N)])
    assert isinstance(net, rnnkit.Classifier)
    assert net.layout == 'batch'
    between = ['last'] if last else []
    assert forms(net) == ['lstm', 'lstm', *between, 'feedforward', 'feedforward']
    assert [layer.name for layer in net.layers[:2]] == ['in', 'hid1']


def test_two_directions_as_pytorch_writes_them(rng):
    graph = Graph({'x': X})
    y, _ = graph.cell('GRU', 'x', N, H, direction='bidirectional', linear_before_reset=1)
    y = graph.node('Transpose', y, perm=[0, 2, 1, 3])
    y = graph.node('Reshape', y, graph.constant([0, 0, -1]))
    y = graph.node('Add', graph.node('MatMul', y, graph.array(2 * H, 1)), graph.array(1))
    net = agree(graph, y, [data(rng, T, B, N)])
    assert isinstance(net, rnnkit.Regressor)
    assert forms(net) == ['bidirectional', 'feedforward']


@pytest.mark.parametrize('what', ['halves', 'end', 'backward'])
def test_the_last_step_of_two_directions_is_not_their_final_state(rng, what):
    graph = Graph({'x': X})
    y, h, _ = graph.cell('LSTM', 'x', N, H, direction='bidirectional')
    if what == 'halves':  # the final state of each direction
        h = [graph.node('Gather', h, graph.constant(k), axis=0) for k in (-2, -1)]
        out, expected = graph.node('Concat', *h, axis=-1), ['bidirectional', 'last']
    elif what == 'end':  # y[-1], where the backward layer has read one step
        y = graph.node('Transpose', y, perm=[0, 2, 1, 3])
        y = graph.node('Reshape', y, graph.constant([0, 0, 2 * H]))
        out, expected = graph.node('Gather', y, graph.constant(-1)), None
    else:
        y = graph.node('Gather', y, graph.constant(1), axis=1)
        out, expected = graph.node('Gather', y, graph.constant(0)), None
    net = agree(graph, out, [data(rng, T, B, N)])
    assert expected is None or forms(net) == expected


def test_an_embedding_and_pooling_as_keras_writes_them(rng):
    graph = Graph({'x': ('B', 'T', 'int64')})
    x = graph.node('Gather', graph.array(7, N), graph.node('Cast', 'x', to=6))
    x = graph.node('Transpose', x, perm=[1, 0, 2])
    y, _ = graph.cell('GRU', x, N, H, linear_before_reset=1)
    y = graph.node('Transpose', y, perm=[2, 0, 3, 1])  # (B, T, H, 1)
    y = graph.node('Squeeze', y, graph.constant([3]))
    mean = graph.node('ReduceMean', y, axes=[1], keepdims=0)
    top = graph.node('ReduceMax', y, axes=[-2], keepdims=0)
    both = graph.node('Concat', mean, top, axis=-1)
    out = graph.node('Sigmoid', graph.node('Gemm', both, graph.array(2 * H, 1), graph.array(1)))
    net = agree(graph, out, [rng.integers(0, 7, (B, T))])
    assert forms(net) == ['embedding', 'gru', 'mean', 'max', 'concatenate', 'feedforward']
    assert net.layers[0].size == 7


def test_an_encoder_and_a_decoder(rng):
    graph = Graph({'x': X, 'z': ('S', 'B', 2)})
    _, h, c = graph.cell('LSTM', 'x', N, H)
    y, _, _ = graph.cell('LSTM', 'z', 2, H, '', h, c)
    out = graph.node('Squeeze', y, graph.constant([1]))
    net = agree(graph, out, [data(rng, T, B, N), data(rng, 3, B, 2)])
    assert [layer.name for layer in net.layers] == ['in', 'z', 'hid2', 'out']
    assert (net.layers[-1].h_0, net.layers[-1].c_0) == ('hid2', 'hid2:last_c')


def test_sums_products_and_normalization(rng):
    graph = Graph({'x': X})
    y, _ = graph.cell('RNN', 'x', N, N)
    y = graph.node('Squeeze', y, graph.constant([1]))
    y = graph.node('Add', y, 'x')  # a residual connection
    scale = graph.array(N), graph.array(N)
    y = graph.node('LayerNormalization', y, *scale, axis=-1, epsilon=1e-3)
    y = graph.node('Mul', y, 'x')
    both = [graph.node('MatMul', value, graph.array(N, 2)) for value in ('x', y)]
    y = graph.node('Add', graph.node('Add', *both), graph.array(2))
    out = graph.node('Tanh', y)
    net = agree(graph, out, [data(rng, T, B, N)])
    assert forms(net) == ['rnn', 'sum', 'layernorm', 'product', 'feedforward']
    assert [*net.layers[-1].params] == ['w_in:out', 'w_hid4:out', 'b']
    assert net.layers[3].epsilon == 1e-3


def test_standardized_data_and_activations_with_numbers(rng):
    graph = Graph({'x': X})
    x = graph.node('Div', graph.node('Sub', 'x', graph.array(N)), graph.constant([2, 3, 0.5], 'f4'))
    y, _ = graph.cell('RNN', x, N, H)
    y = graph.node('Relu', graph.node('Squeeze', y, graph.constant([1])))  # of no dense layer
    y = graph.node('MatMul', y, graph.array(H, H))
    y = graph.node('Mul', y, graph.node('Sigmoid', y))
    y = graph.node('LeakyRelu', graph.node('MatMul', y, graph.array(H, H)), alpha=0.1)
    y = graph.node('MatMul', y, graph.array(H, 2))
    out = graph.node('Elu', graph.node('Mul', y, graph.constant(3.0, 'f4')), alpha=0.5)
    net = agree(graph, out, [data(rng, T, B, N)])
    dense = [layer for layer in net.layers if layer.form == 'feedforward']
    assert net.layers[1].form == 'standardize'
    assert [layer.options['activation'] or layer.given.get('activation') for layer in dense] == [
        None,  # relu, the default
        'swish',
        'leaky_relu:0.1',
        'linear',
        'alpha_elu:0.5',
    ]
    assert [name for name in net.frozen if name.endswith('.w')] == ['hid3.w', 'out.w']


def test_a_vector_at_all_steps_and_all_steps_as_a_vector(rng):
    graph = Graph({'x': ('B', T, N), 'v': ('B', 2)})
    steps = graph.node('Unsqueeze', 'v', graph.constant([1]))
    shape = graph.node('Slice', graph.node('Shape', 'x'), graph.constant([0]), graph.constant([2]))
    shape = graph.node('Concat', shape, graph.constant([1]), axis=0)
    both = graph.node('Concat', 'x', graph.node('Expand', steps, shape), axis=2)
    both = graph.node('Transpose', both, perm=[1, 0, 2])
    y, _ = graph.cell('RNN', both, N + 2, H)
    y = graph.node('Transpose', graph.node('Squeeze', y, graph.constant([1])), perm=[1, 0, 2])
    out = graph.node('MatMul', graph.node('Flatten', y), graph.array(T * H, 2))
    net = agree(graph, out, [data(rng, B, T, N), data(rng, B, 2)])
    assert forms(net) == ['input', 'concatenate', 'rnn', 'flatten', 'feedforward']


def test_lengths_make_a_masked_network(rng):
    graph = Graph({'x': X, 'lengths': ('B', 'int32')})
    y, h = graph.cell('GRU', 'x', N, H, 'lengths', direction='bidirectional')
    lengths = np.array([2, T], 'int32')
    x, mask = data(rng, T, B, N), np.arange(T)[:, None] < lengths
    assert agree(graph, y, [x, lengths], turned=True, mask=mask).masked
    both = [graph.node('Gather', h, graph.constant(k), axis=0) for k in (0, 1)]
    agree(graph, graph.node('Concat', *both, axis=-1), [x, lengths], mask=mask)


@pytest.mark.parametrize('kind', ['LogSoftmax', 'Softmax', 'one unit', 'inside'])
def test_which_files_are_classifiers(rng, kind):
    graph = Graph({'x': X})
    y, _ = graph.cell('RNN', 'x', N, H)
    y = graph.node('Squeeze', y, graph.constant([1]))
    y = graph.node('MatMul', y, graph.array(H, 1 if kind == 'one unit' else 3))
    out = graph.node('LogSoftmax' if kind == 'LogSoftmax' else 'Softmax', y, axis=-1)
    if kind == 'inside':
        out = graph.node('MatMul', out, graph.array(3, 2))
    net = graph.read(out)
    assert isinstance(net, rnnkit.Classifier) == (kind in ('LogSoftmax', 'Softmax'))


def test_a_sigmoid_that_others_read_makes_no_swish(rng):
    graph = Graph({'x': X})
    y, _ = graph.cell('RNN', 'x', N, H)
    y = graph.node('MatMul', graph.node('Squeeze', y, graph.constant([1])), graph.array(H, 2))
    gate = graph.node('Sigmoid', y)
    out = graph.node('Add', graph.node('Mul', y, gate), gate)
    assert forms(agree(graph, out, [data(rng, T, B, N)])) == [
        'rnn',
        'feedforward',
        'product',
        'sum',
    ]


def test_biases_of_half_precision_are_added_in_float32():
    graph = Graph({'x': (*X, 'float16')})
    w, r, b = (graph.array(1, *shape, dtype='float16') for shape in ((H, N), (H, H), (2 * H,)))
    y, _ = graph.node('RNN', 'x', w, r, b, outputs=2)
    both = graph.arrays[b][0].astype('f4').reshape(2, H).sum(axis=0)
    np.testing.assert_array_equal(graph.read(y).find(1, 'b').get_value(), both)


def test_initial_states(rng):
    graph = Graph({'x': X})
    rows = graph.rng.uniform(-1, 1, (1, 1, H)).astype('f4')
    shape = graph.node('Shape', 'x', start=1, end=2)
    shape = graph.node('Concat', graph.constant([1]), shape, graph.constant([H]), axis=0)
    start = graph.node('Expand', graph.constant(rows), shape)
    y, _ = graph.cell('RNN', 'x', N, H, '', start)
    net = agree(graph, y, [data(rng, T, B, N)], turned=True)
    np.testing.assert_array_equal(net.find(1, 'h_0').get_value(), rows[0, 0])
    graph = Graph({'x': X})
    y, _ = graph.cell('RNN', 'x', N, H, '', graph.array(1, B, H))
    with pytest.raises(rnnkit.FormatError, match='initial_h differs between examples'):
        graph.read(y)


def test_states_that_are_inputs_start_at_0_and_are_carried(rng):
    graph = Graph({'x': X, 'h': (1, 'B', H), 'c': (1, 'B', H)})
    y, h, c = graph.cell('LSTM', 'x', N, H, '', 'h', 'c')
    out = graph.node('MatMul', graph.node('Squeeze', y, graph.constant([1])), graph.array(H, 2))
    net = graph.read(h, out, c)
    assert forms(net) == ['lstm', 'feedforward']
    x = data(rng, T, B, N)
    zero = np.zeros((1, B, H), 'f4')
    expected = computed(graph.content(out), {'x': x, 'h': zero, 'c': zero})[0]
    parts, state = [], None
    for part in (x[:2], x[2:]):
        y, state = net.predict(part, state=state, return_state=True)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('kind', 'dtype'), [('float16', 'float32'), ('float64', 'float64')])
def test_other_dtypes(rng, kind, dtype):
    code = {'float16': 'float16', 'float64': 'double'}[kind]
    graph = Graph({'x': (*X, code)})
    w, r = graph.array(1, H, N, dtype=kind), graph.array(1, H, H, dtype=kind)
    y, _ = graph.node('RNN', 'x', w, r, outputs=2)
    net = graph.read(y)
    assert net.dtype == dtype
    np.testing.assert_array_equal(net.find(1, 'xh').get_value(), graph.arrays[w][0].T)
    assert graph.read(y, dtype='float64', seed=5).to_spec()['dtype'] == 'float64'
    assert graph.read(y, seed=5).seed == 5


def test_without_time_or_with_axes_that_the_graph_does_not_tell(rng):
    graph = Graph({'x': ('B', N)})
    net = agree(graph, graph.node('MatMul', 'x', graph.array(N, 2)), [data(rng, B, N)])
    assert net.predict(data(rng, B, N)).shape == (B, 2)
    graph = Graph({'x': ('A', 'Z', N)})
    out = graph.node('MatMul', 'x', graph.array(N, 2))
    with pytest.raises(rnnkit.FormatError, match=r"which axes of the input 'x'.*layout='time'"):
        graph.read(out)
    assert graph.read(out, layout='batch').layout == 'batch'


def test_an_output_that_another_layer_reads(rng):
    graph = Graph({'x': X})
    y, _ = graph.cell('GRU', 'x', N, H)
    y = graph.node('Squeeze', y, graph.constant([1]))
    second = graph.node('MatMul', y, graph.array(H, 2))
    net = graph.read(y, second)
    assert forms(net) == ['gru', 'feedforward', 'concatenate']
    found = net.feed_forward(x := data(rng, T, B, N))
    np.testing.assert_array_equal(found['out:out'], found['hid1:out'])
    (expected,) = computed(graph.content(second), {'x': x})
    np.testing.assert_allclose(found['hid2:out'], expected, rtol=1e-5, atol=1e-6)


def _chained(g, y):
    first, second = g.node('Tanh', y), g.node('Tanh', y)
    return g.node('Relu', first), second


def _renamed(g, y):
    first = g.node('Tanh', y)
    return g.node('Relu', g.node('Identity', first)), first


def _swish(g, y):
    return g.node('Mul', y, g.node('Sigmoid', y)), g.node('Tanh', y)


def _twice_sigmoid(g, y):
    first, second = g.node('Sigmoid', y), g.node('Sigmoid', y)
    return g.node('Mul', y, first), second


def _two_biases(g, y):
    return g.node('Add', g.node('Identity', y), g.array(4)), g.node('Add', y, g.array(4))


def _sum_of_products(g, y):
    z = g.node('MatMul', g.node('Gemm', 'x', g.array(3, 4), g.array(4)), g.array(4, 4))
    return g.node('Add', g.node('Identity', y), z), g.node('Relu', y)


@pytest.mark.parametrize(
    'branches', [_chained, _renamed, _swish, _twice_sigmoid, _two_biases, _sum_of_products]
)
def test_values_that_have_several_names(rng, branches):
    # One of them may become a part of its layer only if nobody reads another.
    graph = Graph({'x': ('B', 3)})
    one, other = branches(graph, graph.node('MatMul', 'x', graph.array(3, 4)))
    one, other = graph.node('Softsign', one), graph.node('Softsign', other)
    ends = [graph.node('MatMul', v, graph.array(4, 2)) for v in (one, other)]
    agree(graph, graph.node('Add', *ends), [data(rng, 5, 3)])

"""What no network computes is refused by name, and damaged or hostile files do no harm."""

import io
import os
import sys
import tracemalloc

import numpy as np
import pytest
from onnx_graphs import Graph

import rnnkit
from rnnkit.errors import CallError, ConfigError, FormatError, RnnkitError

onnx = pytest.importorskip('onnx')

H, N = 4, 3
X = ('T', 'B', N)


def refused(graph, output, message):
    with pytest.raises(FormatError, match=message):
        graph.read(output)


def cell(graph, op='LSTM', **attributes):
    return graph.cell(op, 'x', N, H, **attributes)[0]


def cast_data(graph, to):
    x = graph.node('Cast', graph.node('Cast', 'x', to=to), to=1)
    return graph.cell('LSTM', x, N, H)[0]


NODES = {
    'Conv': lambda g: g.node('Conv', 'x', g.array(2, N, 1)),
    'Softmax over time': lambda g: g.node('Softmax', g.node('Squeeze', cell(g), g.c(1)), axis=0),
    'a sum with an axis of time': lambda g: g.node('Add', 'x', g.array(5, 1, 1)),
    'reversed': lambda g: g.node('Slice', 'x', g.c(-1), g.c(-9), g.c(0), g.c(-1)),
    'the first step': lambda g: g.node('Gather', cell(g), g.constant(0), axis=0),
    'some features': lambda g: g.node('Slice', cell(g), g.c(0), g.c(2), g.c(3)),
    'divided features': lambda g: g.node('Reshape', cell(g), g.constant([0, 0, 2, 2])),
    'a mean of features': lambda g: g.node('ReduceMean', cell(g), axes=[3]),
    'a mean of all': lambda g: g.node('ReduceMean', cell(g)),
    'features and time': lambda g: cell(g, 'GRU') and g.node('MatMul', g.turned(), g.array(5, 2)),
    'limits': lambda g: g.node('Clip', 'x', g.constant(-1.0, 'f4'), g.constant(1.0, 'f4')),
    'Selu': lambda g: g.node('Selu', 'x', alpha=1.0),
    'whole numbers': lambda g: g.node('Cast', g.node('Cast', cell(g), to=7), to=1),
    'whole numbers of data': lambda g: cast_data(g, 7),
    'truth values of data': lambda g: cast_data(g, 9),
    'repeated features': lambda g: g.node(
        'Tile', g.node('MatMul', 'x', g.array(N, H)), g.constant([1, 1, H])
    ),
    'a difference': lambda g: g.node('Sub', cell(g), cell(g)),
    'a product with itself': lambda g: g.node('MatMul', cell(g), cell(g)),
    'removed batch': lambda g: g.node('Squeeze', g.node('Transpose', cell(g)), g.c(1)),
    'training': lambda g: g.node('Dropout', 'x', g.constant(0.5, 'f4'), g.constant(True)),
    'a dead end': lambda g: g.node('Exp', g.constant([1.0], 'f4')),
    'a start of another size': lambda g: g.cell('RNN', 'x', N, H, '', g.array(1, 1, 2))[0],
    'lengths': lambda g: g.cell('RNN', 'x', N, H, g.constant([2, 3], 'int32'))[0],
    'names': lambda g: cell(g, activations=['Tanh', 'Tanh']),
    'unlike': lambda g: cell(g, activations=['Sigmoid', 'Tanh', 'Relu']),
    'alpha': lambda g: cell(g, 'RNN', activations=['LeakyRelu'], activation_alpha=[1e39]),
    'too many': lambda g: cell(g, 'RNN', activation_alpha=[0.3]),
    'unknown': lambda g: cell(g, 'RNN', activations=['Sine']),
    'direction': lambda g: cell(g, direction='sideways'),
    'layout': lambda g: cell(g, layout=2),
    'clip': lambda g: cell(g, clip=-1.0),
    'size': lambda g: g.node('RNN', 'x', g.array(1, H, N), g.array(1, H, H), hidden_size=5),
    'B': lambda g: g.node('RNN', 'x', g.array(1, H, N), g.array(1, H, H), g.array(1, H)),
    'N': lambda g: g.node('RNN', 'x', g.array(1, H, 2), g.array(1, H, H)),
}
MESSAGES = {
    'Conv': r'Conv_0. \(Conv\): there is no layer for the operator Conv; .*LSTM',
    'Softmax over time': 'its axis must be the last one',
    'a sum with an axis of time': 'expected one for each feature',
    'reversed': 'it cuts axis 0 of',
    'the first step': 'the first time step .* for which there is no layer',
    'some features': 'it cuts axis 3',
    'divided features': r'cannot be given the shape \(\?, 1, 2, 2\)',
    'a mean of features': 'it must pool over the time; got axis 3',
    'a mean of all': 'got axes None',
    'features and time': r'the last axis of .* must be all features, \(features 3\)',
    'limits': r'it clips to \[-1.0, 1.0\]',
    'Selu': 'alpha and gamma must be',
    'whole numbers': 'casts .* to int64',
    'whole numbers of data': "casts the input 'x'.* to whole numbers, and back",
    'truth values of data': "casts the input 'x'.* to bool",
    'repeated features': 'it repeats an array',
    'a difference': 'there is no layer for the Sub of',
    'a product with itself': 'the matrix must be constant',
    'removed batch': 'has another length than 1',
    'training': 'training mode',
    'a dead end': 'must be data or the output of a layer; it is a constant float32',
    'a start of another size': r"initial_h must have the shape \(1, 'B', 4\)",
    'lengths': 'sequence_lens must be an input of the graph',
    'names': 'activations must be 3 names',
    'unlike': "must have the same activation; they have 'tanh' and 'relu'",
    'alpha': r"alpha and beta of 'LeakyRelu' must be finite; got \(inf,\)",
    'too many': 'more values than activations need',
    'unknown': "no activation 'Sine'; those that can be read are tanh",
    'direction': "direction must be forward, reverse, bidirectional; got 'sideways'",
    'layout': 'layout must be 0 or 1; got 2',
    'clip': 'clip must be above 0',
    'size': r'R has the shape \(1, 4, 4\); hidden_size=5',
    'B': r'B must have the shape \(1, 8\); got \(1, 4\)',
    'N': 'its weights are for 2 features',
}


class Small(Graph):
    """A graph with one input, and short words for constants."""

    def __init__(self):
        super().__init__({'x': X})

    def c(self, value):
        """Add a vector of one whole number."""
        return self.constant([value])

    def turned(self):
        """Return the data with their features first."""
        return self.node('Transpose', 'x', perm=[2, 1, 0])


@pytest.mark.parametrize('name', NODES)
def test_what_no_layer_computes(name):
    graph = Small()
    output = NODES[name](graph)
    refused(graph, output, MESSAGES[name])


def test_lengths_that_not_all_layers_have():
    graph = Graph({'x': X, 'n': ('B', 'int32')})
    y, _ = graph.cell('RNN', 'x', N, H, 'n')
    y = graph.node('Squeeze', y, graph.constant([1]))
    refused(graph, graph.node('ReduceMean', y, axes=[0]), 'reads steps beyond the lengths')
    refused(graph, graph.cell('RNN', y, H, H)[0], 'it has no sequence_lens, as others have')


def test_other_attributes_domains_and_versions():
    graph = Graph({'x': X}, opset=6)
    refused(graph, 'x', 'its operators have version 6; at least 7')
    graph = Small()
    model = onnx.load_from_string(graph.content(graph.node('Tanh', 'x')))
    model.graph.node[0].domain = 'com.example'
    model.opset_import.append(onnx.helper.make_opsetid('com.example', 1))
    with pytest.raises(FormatError, match=r'no layer for the operator com\.example\.Tanh'):
        rnnkit.from_onnx(io.BytesIO(model.SerializeToString()))


def test_an_attribute_that_nothing_reads():
    graph = Graph({'x': X}, opset=19)
    y = graph.node('Cast', 'x', to=1, saturate=1)
    refused(graph, graph.node('MatMul', y, graph.array(N, 2)), "attribute 'saturate' is not known")


def test_two_axes_of_time():
    graph = Graph({'x': X, 'z': ('S', 'B', N)})
    y = graph.node('Transpose', cell(graph, 'GRU'), perm=[1, 0, 2, 3])
    other = graph.cell('GRU', 'z', N, H)[0]
    refused(graph, graph.node('Add', y, other), 'the result has two axes of time')


def test_arrays_in_other_files_are_not_read(tmp_path):
    graph = Small()
    model = onnx.load_from_string(graph.content(cell(graph)))
    secret = tmp_path / 'secret'
    secret.write_bytes(b'0' * 4096)
    array = model.graph.initializer[0]
    array.data_location = onnx.TensorProto.EXTERNAL
    array.external_data.add(key='location', value='secret')
    array.ClearField('raw_data')
    path = tmp_path / 'net.onnx'
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match=r"net.onnx: the array 'c0' is in another file"):
        rnnkit.from_onnx(path)


def test_paths_and_open_files(tmp_path):
    graph = Small()
    path = tmp_path / 'net.onnx'
    path.write_bytes(graph.content(cell(graph)))
    spec = rnnkit.from_onnx(path, seed=1).to_spec()
    with path.open('rb') as file:
        assert rnnkit.from_onnx(file, seed=1).to_spec() == spec
    with pytest.raises(FileNotFoundError):
        rnnkit.from_onnx(tmp_path / 'other.onnx')
    with pytest.raises(ConfigError, match='text mode'):
        rnnkit.from_onnx(io.StringIO('text'))
    with pytest.raises(ConfigError, match=r'io.BytesIO\(model.SerializeToString\(\)\)'):
        rnnkit.from_onnx(onnx.load(path))
    for content in (b'', b'text', b'\x80\x05', path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(FormatError, match='net.onnx: this is no ONNX file'):
            rnnkit.from_onnx(path)
    path.write_bytes(b'PK\x03\x04 data.pkl')
    with pytest.raises(FormatError, match=r'rnnkit.from_torch\(path\) reads its weights'):
        rnnkit.from_onnx(path)


def test_wrong_arguments():
    with pytest.raises(CallError, match="did you mean 'layout'"):
        rnnkit.from_onnx('net.onnx', layuot='batch')
    for options in ({'layout': 'b'}, {'dtype': 'f4'}, {'weights': [1]}, {'seed': -1}):
        with pytest.raises(ConfigError, match=rf'from_onnx\(\): {next(iter(options))}'):
            rnnkit.from_onnx('net.onnx', **options)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match=r'from_onnx\(\) needs the package onnx: pip install'):
        rnnkit.from_onnx('net.onnx')


def test_sizes_that_a_file_claims_take_no_memory():
    graph = Small()  # a constant of 2^60 bytes
    zeros = graph.node('ConstantOfShape', graph.constant([2**30, 2**28]))
    no_memory(graph, graph.node('Add', 'x', zeros), 'must be constant')
    graph = Small()  # one that doubles at each node
    x = graph.array(1000)
    for _ in range(20):
        x = graph.node('Concat', x, x, axis=0)
    no_memory(graph, graph.node('Add', 'x', x), 'more than the file has')
    graph = Small()  # matrices from small vectors
    y = graph.node('Relu', graph.node('MatMul', 'x', graph.array(N, 500)))
    no_memory(graph, graph.node('Mul', y, graph.array(500)), 'more than the file has')
    graph = Small()
    y = graph.node('Relu', graph.node('MatMul', 'x', graph.array(N, 50_000)))
    no_memory(graph, graph.node('Mul', y, graph.array(50_000)), 'reads 50,000 features one by one')


def no_memory(graph, output, message):
    content = graph.content(output)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=message):
            rnnkit.from_onnx(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 2_000_000
    finally:
        tracemalloc.stop()


def altered(content, rng):
    """Return a file with some bytes changed, left out, or put in twice."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at, n = rng.integers(len(data)), rng.integers(1, 9)
        match rng.integers(3):
            case 0:
                data[at] = rng.integers(256)
            case 1:
                del data[at : at + n]
            case 2:
                data[at:at] = data[at : at + n]
    return bytes(data)


def test_altered_files_raise_nothing_else(rng):
    graph = Small()
    x = graph.node('Transpose', 'x', perm=[0, 1, 2])
    y = graph.node('Squeeze', graph.cell('LSTM', x, N, H)[0], graph.constant([1]))
    shape = graph.node('Concat', graph.node('Shape', y, end=2), graph.constant([H]), axis=0)
    y = graph.node('Reshape', y, shape)
    y = graph.node('Gather', y, graph.constant(-1), axis=0)
    out = graph.node('Softmax', graph.node('Gemm', y, graph.array(H, 2), graph.array(2)))
    net = rnnkit.Classifier([N, ('gru', H), 'last', 2], seed=0)
    net.meta = {'a': np.zeros(2)}
    net.to_onnx(own := io.BytesIO())
    read = 0
    for content in (graph.content(out), own.getvalue()):
        for _ in range(int(os.environ.get('RNNKIT_FUZZ', 120)) // 2):
            try:
                rnnkit.from_onnx(io.BytesIO(altered(content, rng)))
                read += 1
            except RnnkitError:
                pass
    assert read > 0

"""The files of `to_onnx`: their names, what they say about the network, and errors."""

import importlib.util
import io
import json
import os

import numpy as np
import pytest
from onnx_files import filled, written

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.integrations.onnx import installed

onnx = pytest.importorskip('onnx')

NET = rnnkit.Regressor([2, ('lstm', 3), 2], seed=0)


def loaded(net=NET, **options):
    file = io.BytesIO()
    net.to_onnx(file, **options)
    return onnx.load_from_string(file.getvalue())


def properties(model):
    return {entry.key: json.loads(entry.value) for entry in model.metadata_props}


def test_a_path_and_an_open_file_get_the_same(tmp_path):
    assert NET.to_onnx(str(tmp_path / 'net.onnx')) == tmp_path / 'net.onnx'
    with open(tmp_path / 'open', 'wb') as file:
        assert NET.to_onnx(file) is None
    assert (tmp_path / 'net.onnx').read_bytes() == (tmp_path / 'open').read_bytes()
    assert sorted(os.listdir(tmp_path)) == ['net.onnx', 'open']
    onnx.checker.check_model(str(tmp_path / 'net.onnx'), full_check=True)


def test_an_old_file_stays_if_the_network_cannot_be_written(tmp_path):
    path = tmp_path / 'net.onnx'
    path.write_bytes(b'old')
    with pytest.raises(ConfigError):
        NET.to_onnx(path, outputs='nothing')
    assert path.read_bytes() == b'old'


@pytest.mark.parametrize(
    ('name', 'format_'),
    [('net.pt', "PyTorch's"), ('net.safetensors', 'safetensors'), ('net.KERAS', "Keras's")],
)
def test_names_of_other_formats_are_refused(name, format_):
    suffix = name[3:]
    with pytest.raises(ConfigError) as caught:
        NET.to_onnx(name)
    assert str(caught.value) == (
        f'to_onnx(): {suffix} is the name of another format, {format_}; this is an ONNX file; a '
        f"suitable name is 'net.onnx'"
    )


def test_save_says_who_writes_onnx():
    with pytest.raises(ConfigError, match=r'net\.to_onnx\(path\) writes it'):
        NET.save('net.onnx')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'opset': 17}, 'opset must be a whole number from 18 to '),
        ({'opset': 99}, 'opset must be a whole number from 18 to '),
        ({'opset': '22'}, 'opset must be a whole number from 18 to '),
        ({'state': 1.5}, 'state must be True or False'),
        ({'outputs': 'hid2'}, "outputs: no layer or output named 'hid2'"),
        ({'outputs': 'hid1:d'}, "outputs: no layer or output named 'hid1:d'"),
        ({'outputs': 'in'}, "outputs: 'in' is an input of the network"),
        ({'outputs': ['out', 'out:out']}, "outputs: 'out' is given twice"),
        ({'outputs': []}, "outputs must be the name of a layer or output, such as 'hid1'"),
        ({'outputs': [3]}, "outputs must be the name of a layer or output, such as 'hid1'"),
        ({'opset_version': 18}, "unknown option 'opset_version': write opset="),
        ({'input_names': ['x']}, "unknown option 'input_names': inputs and outputs have the names"),
        ({'dynamic_axes': {}}, "unknown option 'dynamic_axes': leave it out; the numbers of time"),
        ({'sate': True}, "unknown option 'sate', did you mean 'state'?"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ConfigError) as caught:
        NET.to_onnx(io.BytesIO(), **options)
    assert str(caught.value).startswith(f'to_onnx(): {message}')


def test_without_onnx(monkeypatch):
    monkeypatch.setattr(installed, 'find_spec', lambda name: None)
    with pytest.raises(ImportError) as caught:
        NET.to_onnx('never.onnx')
    assert str(caught.value) == "to_onnx() needs the package onnx: pip install 'rnnkit[onnx]'"
    assert importlib.util.find_spec('onnx') is not None


@pytest.mark.parametrize(('opset', 'form'), [(18, 8), (22, 10)])
def test_versions(opset, form):
    """The format of the file is as old as the operators, for old runtimes."""
    model = loaded(opset=opset)
    assert model.opset_import[0].version == opset
    assert model.ir_version == form
    assert (model.producer_name, model.producer_version) == ('rnnkit', rnnkit.__version__)


def test_inputs_and_outputs():
    net = rnnkit.Regressor([2, ('lstm', 3), 2], masked=True, layout='batch')
    graph = loaded(net, state=True).graph
    dims = {
        info.name: [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim]
        for info in [*graph.input, *graph.output]
    }
    assert dims == {
        'in': ['B', 'T', 2],
        'lengths': ['B'],
        'hid1:h': ['B', 3],
        'hid1:c': ['B', 3],
        'out': ['B', 'T', 2],
        'new:hid1:h': ['B', 3],
        'new:hid1:c': ['B', 3],
    }


def test_nothing_is_in_the_file_that_the_outputs_do_not_need():
    layers = [2, ('lstm', 3), 'last', dict(form='ff', size=4, inputs='hid1'), 2]
    graph = loaded(rnnkit.Regressor(layers), outputs='hid2').graph
    assert [node.op_type for node in graph.node] == ['LSTM', 'Squeeze', 'Identity']
    assert list(graph.node[0].output) == ['', 'hid1/last']
    read = {name for node in graph.node for name in node.input}
    assert {array.name for array in graph.initializer} == read - {'', 'in', 'hid1/last'} - {
        node.output[0] for node in graph.node
    }


def test_what_a_file_says_about_the_network():
    net = rnnkit.Classifier(
        [2, dict(form='gru', size=2, h_0='learn'), 2], seed=3, classes=['a', 'b']
    )
    net.set('hid1', 'h_0', [0.5, -0.25])
    net.meta = {'scaler': [{'mean': np.array([[1.5, 2]], 'float32')}], 'unit': 'K', 'none': {}}
    found = properties(loaded(net, state=True))
    assert found['rnnkit'] == {
        'version': rnnkit.__version__,
        'model': 'Classifier',
        'layout': 'time',
        'dtype': 'float32',
        'classes': ['a', 'b'],
        'states': {'hid1:h': [0.5, -0.25]},
        'spec': net.to_spec(),
    }
    assert found['rnnkit.meta'] == {
        'scaler': [{'mean': {':tensor': 'float32', 'shape': [1, 2], 'values': [1.5, 2]}}],
        'unit': 'K',
        'none': {},
    }
    assert 'rnnkit.meta' not in properties(loaded())


def test_a_network_without_a_spec_is_written():
    net = rnnkit.Regressor([2, dict(form='rnn', size=3, activation=lambda x: x / 2), 1])
    assert properties(loaded(net))['rnnkit']['spec'] is None


def test_layers_may_have_any_names():
    layers = [
        dict(form='input', size=2, name='/number'),
        dict(form='lstm', size=3, name='/whole'),
        dict(form='mut1', size=3, name='whole/x y'),
        dict(form='ff', size=2, name='/steps'),
    ]
    net = filled(rnnkit.Regressor(layers, masked=True))
    x, lengths = np.ones((4, 2, 2), 'float32'), np.array([4, 2], 'int32')
    pytest.importorskip('onnxruntime')
    found = written(net)(**{'/number': x, 'lengths': lengths})
    expected = net.predict(x, mask=np.arange(4)[:, None] < lengths)
    np.testing.assert_allclose(found['/steps'], expected, rtol=0, atol=1e-6)

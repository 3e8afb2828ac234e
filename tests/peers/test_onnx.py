"""The ONNX package's own tests of LSTM, GRU and RNN: all of them are read by `from_onnx`."""

import io
import warnings

import numpy as np
import pytest

import rnnkit

onnx = pytest.importorskip('onnx')

OPERATORS = {'LSTM', 'GRU', 'RNN'}
DATA = ('X', 'sequence_lens')  # all other inputs are weights


def cases():
    from onnx.backend.test.case import node

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of their code
        # Importing them makes the cases. `collect_testcases` makes those of all operators, for
        # which each process of the tests would wait several seconds.
        from onnx.backend.test.case.node import gru, lstm, rnn  # noqa: F401
    found = node._NodeTestCases
    return {c.name: c for c in found if c.model.graph.node[0].op_type in OPERATORS}


CASES = cases()


def test_there_are_cases_of_every_kind():
    assert {c.model.graph.node[0].op_type for c in CASES.values()} == OPERATORS
    assert len(CASES) >= 18


@pytest.mark.parametrize('name', sorted(CASES))
def test_node(name):
    case = CASES[name]
    inputs, outputs = case.data_sets[0]
    given = dict(zip([one.name for one in case.model.graph.input], inputs, strict=True))
    content = io.BytesIO(case.model.SerializeToString())
    weights = {key: value for key, value in given.items() if key not in DATA}
    net = rnnkit.from_onnx(content, weights=weights)
    x, axis = given['X'], ('time', 'batch').index(net.layout)
    assert net.masked == ('sequence_lens' in given)
    mask = None
    if net.masked:
        mask = np.arange(x.shape[axis])[:, None] < given['sequence_lens']
        mask = mask.T if axis else mask
    found = net.feed_forward(x, mask=mask)
    names = {'Y': 'out', 'Y_h': 'last', 'Y_c': 'last_c'}
    for output, expected in zip(case.model.graph.output, outputs, strict=True):
        ours = found[f'{net.layers[1].name}:{names[output.name]}']
        # ONNX has an axis of directions before that of examples, or with layout=1 after it.
        ways = axis if output.name != 'Y' else 1 + axis
        theirs = np.moveaxis(expected, ways, -2)
        theirs = theirs.reshape(*theirs.shape[:-2], -1)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)  # float32

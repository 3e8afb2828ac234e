"""The ONNX package's own tests of LSTM, GRU and RNN; left out where it is not installed.

Every case that it has must be either run, or be listed below with the option that rnnkit lacks.
"""

import warnings

import numpy as np
import pytest

import rnnkit

onnx = pytest.importorskip('onnx')

# Column blocks in the order in which ONNX has them.
GATES = {'LSTM': 'iofg', 'GRU': 'zrn', 'RNN': 'h'}
OURS = {'LSTM': 'ifgo', 'GRU': 'rzn', 'RNN': 'h'}
NOT_OURS: dict[str, str] = {}  # name of a case: the option that rnnkit does not have


def cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of other operators' cases, which are made as well
        found = {
            c.name: c for c in collect_testcases(None) if c.model.graph.node[0].op_type in GATES
        }
    return found


CASES = cases()


def reordered(blocks, kind):
    """Return blocks (gates * H, ...) in our order, transposed: (..., gates * H)."""
    parts = dict(zip(GATES[kind], np.split(blocks, len(GATES[kind])), strict=True))
    return np.concatenate([parts[gate] for gate in OURS[kind]]).T


def weights(kind, given, k):
    """Return our parameters of direction `k` for the inputs of an ONNX node."""
    W, R = given['W'][k], given['R'][k]
    hidden = R.shape[1]
    bias = given['B'][k] if 'B' in given else np.zeros(2 * W.shape[0], W.dtype)
    of_x, of_h = np.split(bias, 2)
    params = {'xh': reordered(W, kind), 'hh': reordered(R, kind)}
    if kind == 'GRU' and given['linear_before_reset']:
        both = of_x.copy()
        both[: 2 * hidden] += of_h[: 2 * hidden]
        params |= {'b': reordered(both, kind), 'bn': of_h[2 * hidden :]}
    else:
        params['b'] = reordered(of_x + of_h, kind)
    if 'P' in given:
        i, o, f = np.split(given['P'][k], 3)
        params |= {'ci': i, 'cf': f, 'co': o}
    return params


def run(case):
    """Return the outputs Y, Y_h and Y_c of our layer, shaped as ONNX wants them."""
    node = case.model.graph.node[0]
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    inputs, _ = case.data_sets[0]
    given = dict(zip(filter(None, node.input), inputs, strict=True))
    given['linear_before_reset'] = options.pop('linear_before_reset', 0)
    hidden, kind = options.pop('hidden_size'), node.op_type
    direction = options.pop('direction', b'forward').decode()
    layout = 'batch' if options.pop('layout', 0) else 'time'
    assert not options, f'{case.name}: what is {options}?'
    more = {'peepholes': True} if 'P' in given else {}
    if kind == 'GRU':
        more['reset'] = 'after' if given['linear_before_reset'] else 'before'
    if direction == 'bidirectional':
        spec = dict(form=direction, worker=kind.lower(), size=2 * hidden, **more)
    else:
        way = 'backward' if direction == 'reverse' else 'forward'
        spec = dict(form=kind.lower(), size=hidden, direction=way, **more)
    x = given['X']
    net = rnnkit.Regressor([x.shape[-1], dict(name='it', **spec), 1], masked=True, layout=layout)
    it = net.layers[1]
    for k, layer in enumerate(it.children or [it]):
        for name, value in weights(kind, given, k).items():
            layer.params[name].set_value(np.ascontiguousarray(value, 'float32'))
    steps = x.shape[layout == 'batch']
    lengths = given.get('sequence_lens', np.full(x.shape[layout == 'time'], steps))
    mask = np.arange(steps)[:, None] < lengths
    assert not any(given[name].any() for name in given if name.startswith('initial_'))
    found = net.feed_forward(x, mask=mask if layout == 'time' else mask.T)
    ends = ['fw_', 'bw_'] if it.children else ['']
    y = np.stack([found[f'it:{end}out'] for end in ends])  # (directions, T, B, H), or B, T
    # ONNX wants (T, directions, B, H), or (B, T, directions, H)
    y = np.moveaxis(y, 0, 1 if layout == 'time' else 2)
    last = [
        np.stack([found[f'it:{end}{name}'] for end in ends], layout == 'batch')
        for name in ('last', 'last_c')
        if f'it:{ends[0]}{name}' in found
    ]
    return dict(zip(['Y', 'Y_h', 'Y_c'], [y, *last], strict=False)), node


def test_there_are_cases_of_every_kind():
    assert {c.model.graph.node[0].op_type for c in CASES.values()} == set(GATES)
    assert set(NOT_OURS) <= set(CASES)


@pytest.mark.parametrize('name', sorted(set(CASES) - set(NOT_OURS)))
def test_node(name):
    case = CASES[name]
    found, node = run(case)
    names = ['Y', 'Y_h', 'Y_c'][: len(node.output)]
    wanted = [name for name, output in zip(names, node.output, strict=True) if output]
    right = case.data_sets[0][1]
    assert len(wanted) == len(right)
    for key, value in zip(wanted, right, strict=True):
        assert found[key].shape == value.shape
        np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)  # float32

"""Write one of rnnkit's networks as an ONNX file, for runtimes that read such files.

    python benchmarks/onnx_file.py WORKLOAD FOLDER

WORKLOAD is a workload as JSON. FOLDER gets `model.onnx` and, for a comparison, `expected.npy` with
the outputs of rnnkit.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import onnx
from contenders import rnnkit_
from onnx import helper, numpy_helper
from workloads import Workload

import rnnkit
from rnnkit.integrations.gates import ORDERS, parted_biases, reordered

STEPS = 3  # of a stream; each reads the state that the last one left
OPSET, FORMAT = 17, 8  # versions that every onnxruntime since 1.12 reads


def network(workload: Workload) -> rnnkit.Regressor:
    """Return the network of a workload. No parameter is 0, so that none can be mistaken."""
    net = rnnkit.Regressor([workload.I, *rnnkit_.hidden(workload), workload.O], seed=0)
    rng = np.random.default_rng(1)
    for layer in net.layers[1:]:
        for part in layer.children or [layer]:
            for param in part.params.values():
                shape = param.get_value(borrow=True).shape
                param.set_value(rng.uniform(-0.1, 0.1, shape).astype('float32'))
    return net


def outputs(net: rnnkit.Regressor, workload: Workload) -> np.ndarray:
    """Return rnnkit's prediction (T, B, O), or its outputs of some steps (STEPS, B, O)."""
    x = workload.batch()[0]
    if not workload.stream:
        return net.predict(x)
    state, found = None, []
    for _ in range(STEPS):
        y, state = net.step(x[0], state)
        found.append(np.array(y))
    return np.stack(found)


def of_direction(params: dict[str, np.ndarray], cell: str) -> tuple[np.ndarray, ...]:
    """Return W (gates * H, I), R (gates * H, H) and B (2 * gates * H,) of one direction."""
    order = ORDERS['rnnkit'][cell], ORDERS['onnx'][cell]
    biases = [reordered(bias, *order) for bias in parted_biases(params)]
    weights = (reordered(params[name], *order).T for name in ('xh', 'hh'))
    return *weights, np.concatenate(biases)


class Writer:
    """The nodes and constants of an ONNX graph.

    Parameters
    ----------
    net : Regressor
    workload : Workload
    """

    def __init__(self, net: rnnkit.Regressor, workload: Workload):
        self.net, self.workload = net, workload
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names = {'lstm': ['h', 'c']}.get(workload.cell, ['h'])  # of the states

    def constant(self, name: str, value) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], **options) -> str:
        """Add a node; return the name of its first output that it has."""
        self.nodes.append(helper.make_node(kind, inputs, outputs, **options))
        return next(filter(None, outputs))

    def recurrent(self, k: int, x: str) -> str:
        """Add recurrent layer `k`; return the name of its outputs (T, B, width)."""
        w, layer = self.workload, self.net.layers[k]
        parts = [
            {name: p.get_value() for name, p in part.params.items()}
            for part in layer.children or [layer]
        ]
        weights = zip(*(of_direction(params, w.cell) for params in parts), strict=True)
        inputs = [x]
        for name, arrays in zip('WRB', weights, strict=True):
            inputs.append(self.constant(f'{name}{k}', np.stack(arrays)))
        options = {'linear_before_reset': 1} if w.cell == 'gru' else {}
        if w.both_ways:
            options['direction'] = 'bidirectional'
        out = [f'Y{k}']  # (T, directions, B, H)
        if w.stream:  # only the last states, (directions, B, H)
            inputs += ['', *self.names]  # '': the lengths of the sequences
            out = ['', *(f'new_{name}' for name in self.names)]
        y = self.node(w.cell.upper(), inputs, out, hidden_size=w.H, **options)
        if w.both_ways:
            y = self.node('Transpose', [y], [f'turned{k}'], perm=[0, 2, 1, 3])
        shape = self.constant(f'shape{k}', np.array([-1, w.B, w.width]))
        return self.node('Reshape', [y, shape], [f'out{k}'])

    def dense(self, x: str) -> str:
        """Add the output layer; return the name of its outputs, (T, B, O), or (B, O)."""
        w, layer = self.workload, self.net.layers[-1]
        flat = self.node('Reshape', [x, self.constant('flat', np.array([-1, w.width]))], ['rows'])
        weights, bias = (p.get_value() for p in (layer.params['w'], layer.params['b']))
        inputs = [flat, self.constant('weights', weights), self.constant('bias', bias)]
        if w.stream:
            return self.node('Gemm', inputs, ['y'])
        rows = self.node('Gemm', inputs, ['products'])
        shape = self.constant('shape', np.array([-1, w.B, w.O]))
        return self.node('Reshape', [rows, shape], ['y'])

    def model(self) -> onnx.ModelProto:
        """Return the whole network."""
        w, out = self.workload, 'x'
        for k in range(1, w.depth + 1):
            out = self.recurrent(k, out)
        y = self.dense(out)
        state = [1, w.B, w.H]
        inputs, outs = {'x': [w.T, w.B, w.I]}, {y: [w.T, w.B, w.O]}
        if w.stream:
            inputs |= dict.fromkeys(self.names, state)
            outs = {y: [w.B, w.O]} | {f'new_{name}': state for name in self.names}
        graph = helper.make_graph(self.nodes, 'rnnkit', infos(inputs), infos(outs), self.constants)
        imports = [helper.make_opsetid('', OPSET)]
        return helper.make_model(graph, opset_imports=imports, ir_version=FORMAT)


def infos(shapes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
    """Return descriptions of float32 arrays."""
    kind = onnx.TensorProto.FLOAT
    return [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]


def write(workload: Workload, folder: Path) -> None:
    """Write `model.onnx` and `expected.npy`."""
    logging.getLogger('rnnkit').setLevel('WARNING')
    net = network(workload)
    model = Writer(net, workload).model()
    onnx.checker.check_model(model, full_check=True)
    (folder / 'model.onnx').write_bytes(model.SerializeToString())
    np.save(folder / 'expected.npy', outputs(net, workload))


if __name__ == '__main__':
    write(Workload(**json.loads(sys.argv[1])), Path(sys.argv[2]))

"""ONNX graphs made by hand, as exporters of other libraries write them, and what they compute."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

import rnnkit

TOLERANCE = 1e-6  # numbers below 1 in float32


class Graph:
    """A graph: nodes are added one after the other.

    Parameters
    ----------
    inputs : dict of str to tuple
        The shape of each input, with names for lengths that vary; of token ids and lengths with
        the dtype 'int64' or 'int32' as the last element.
    opset : int
    """

    def __init__(self, inputs: dict[str, tuple[Any, ...]], opset: int = 17):
        from onnx import TensorProto, helper

        self.inputs, self.opset, self.nodes, self.arrays = [], opset, [], {}
        for name, shape in inputs.items():
            kind = 'FLOAT'
            if isinstance(shape[-1], str) and shape[-1] in ('int64', 'int32', 'double', 'float16'):
                shape, kind = shape[:-1], shape[-1].upper()
            kind = getattr(TensorProto, kind)
            self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        self.rng = np.random.default_rng(3)

    def array(self, *shape: int, dtype: str = 'float32') -> str:
        """Add random weights; return their name."""
        return self.constant(self.rng.uniform(-0.6, 0.6, shape).astype(dtype))

    def constant(self, value: Any, dtype: str | None = None) -> str:
        """Add a constant; return its name. Whole numbers are int64."""
        self.arrays[name := f'c{len(self.arrays)}'] = np.asarray(value, dtype)
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or of several."""
        from onnx import helper

        names = [f'v{len(self.nodes)}_{k}' for k in range(outputs)]
        name = f'{op}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def cell(self, op: str, x: str, n_in: int, size: int, *more: str, **attributes: Any) -> Any:
        """Add a recurrent node with random weights; return its outputs."""
        gates = {'RNN': 1, 'GRU': 3, 'LSTM': 4}[op]
        ways = 2 if attributes.get('direction') == 'bidirectional' else 1
        w, r = self.array(ways, gates * size, n_in), self.array(ways, gates * size, size)
        b = self.array(ways, 2 * gates * size)
        outputs = 3 if op == 'LSTM' else 2
        return self.node(op, x, w, r, b, *more, outputs=outputs, hidden_size=size, **attributes)

    def content(self, *outputs: str, **properties: str) -> bytes:
        """Return the file."""
        from onnx import TensorProto, helper, numpy_helper, shape_inference

        dtype = self.inputs[0].type.tensor_type.elem_type
        kind = TensorProto.FLOAT if dtype == TensorProto.INT64 else dtype
        infos = [helper.make_tensor_value_info(o, kind, None) for o in outputs]
        arrays = [numpy_helper.from_array(value, name) for name, value in self.arrays.items()]
        graph = helper.make_graph(self.nodes, 'graph', self.inputs, infos, arrays)
        opsets = [helper.make_opsetid('', self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        for key, value in properties.items():
            model.metadata_props.add(key=key, value=value)
        model = shape_inference.infer_shapes(model)  # outputs need shapes
        for info in model.graph.output:
            if not info.type.tensor_type.HasField('shape'):  # of a graph that is wrong
                info.type.tensor_type.shape.dim.add()
        return model.SerializeToString()

    def read(self, *outputs: str, **options: Any) -> Any:
        """Return the network in the file."""
        return rnnkit.from_onnx(io.BytesIO(self.content(*outputs)), **options)


def computed(content: bytes, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return what onnxruntime computes."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, settings, providers=['CPUExecutionProvider'])
    return session.run(None, feed)


def agree(
    graph: Graph,
    output: str,
    data: Sequence[np.ndarray],
    turned: bool = False,
    **options: Any,
) -> rnnkit.Network:
    """Compare the network in a file with onnxruntime; return it.

    Parameters
    ----------
    graph : Graph
    output : str
    data : sequence of array
        The inputs of the file; those that the network lacks, such as lengths, come last.
    turned : bool
        Whether the file has the axes of its output in another order: (T, directions, B, H).
    """
    names = [info.name for info in graph.inputs]
    (expected,) = computed(graph.content(output), dict(zip(names, data, strict=True)))
    net = graph.read(output)
    if turned:
        expected = np.moveaxis(expected, 1, 2)
        expected = expected.reshape(*expected.shape[:2], -1)
    own = data[: sum(layer.form == 'input' for layer in net.layers)]
    found = getattr(net, 'predict_proba', net.predict)(own[0] if len(own) == 1 else own, **options)
    assert np.abs(expected).max() > 0.01
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=TOLERANCE)
    return net


def data(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return random data in float32."""
    return rng.standard_normal(shape).astype('float32')


def forms(net: rnnkit.Network) -> list[str]:
    """Return the forms of all layers but the first."""
    return [layer.form for layer in net.layers[1:]]

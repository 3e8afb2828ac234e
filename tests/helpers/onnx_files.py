"""Networks written to ONNX files and run by onnxruntime, beside what rnnkit predicts."""

import io
import json
from typing import Any, NamedTuple

import numpy as np

import rnnkit

TOLERANCE = 1e-5  # sums of float32 in another order


class Run(NamedTuple):
    """An ONNX file, and a session of onnxruntime that runs it."""

    content: bytes
    session: Any

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name; in names of inputs, ``__`` stands for a colon."""
        feed = {name.replace('__', ':'): array for name, array in arrays.items()}
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(None, feed), strict=True))

    @property
    def about(self) -> dict[str, Any]:
        """What the file says about the network."""
        return json.loads(self.session.get_modelmeta().custom_metadata_map['rnnkit'])

    @property
    def operators(self) -> list[str]:
        """The kinds of nodes in the graph."""
        import onnx

        return [node.op_type for node in onnx.load_from_string(self.content).graph.node]


def written(net: rnnkit.Network, **options: Any) -> Run:
    """Write a network to a file, and open that."""
    import onnxruntime

    file = io.BytesIO()
    net.to_onnx(file, **options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    content = file.getvalue()
    return Run(
        content,
        onnxruntime.InferenceSession(content, settings, providers=['CPUExecutionProvider']),
    )


def filled(net: rnnkit.Network, seed: int = 1) -> rnnkit.Network:
    """Give each parameter random values, none of which is 0, and positive deviations."""
    rng = np.random.default_rng(seed)
    for param in net.params:
        if param.name.endswith('known'):
            continue
        shape = param.get_value().shape
        values = rng.uniform(0.1, 0.6, shape)
        if 'deviation' not in param.name:
            values *= rng.choice([-1, 1], shape)
        param.set_value(values.astype(param.dtype))
    return net


def predicted(net: rnnkit.Network, x: Any, **options: Any) -> np.ndarray:
    """Return what the file of a network computes."""
    is_classifier = isinstance(net, rnnkit.Classifier)
    return (net.predict_proba if is_classifier else net.predict)(x, **options)


def compare(
    net: rnnkit.Network, steps: tuple[int, ...] = (1, 7, 50), file: Run | None = None
) -> Run:
    """Compare one file with `predict`, for several numbers of steps and examples.

    The network reads one input of numbers, and has the layout 'time'. If it is masked, sequences
    have different lengths.
    """
    file = file or written(net)
    rng = np.random.default_rng(2)
    for T in steps:
        for B in (1, 3):
            x = rng.standard_normal((T, B, net.layers[0].size)).astype('float32')
            arrays, options = {'in': x}, {}
            if net.masked:
                arrays['lengths'] = rng.integers(1, T + 1, B).astype('int32')
                options['mask'] = np.arange(T)[:, None] < arrays['lengths']
            (found,) = file(**arrays).values()
            expected = predicted(net, x, **options)
            assert np.abs(expected).max() > 0
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    return file

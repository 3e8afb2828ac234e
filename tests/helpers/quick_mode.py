"""PyTensor made quicker than FAST_COMPILE alone, for tests that run in Python."""

import gc
import sys
from collections.abc import Sequence
from typing import Any

import pytensor.compile.mode
import pytensor.tensor
from pytensor.graph.basic import Apply, Variable
from pytensor.scan.op import Scan
from pytensor.tensor.basic import as_tensor_variable, infer_static_shape
from pytensor.tensor.shape import Shape, Shape_i


def hasten() -> None:
    """Leave out what takes time and changes no result; call it once, after imports."""
    unfuse()
    leave_graphs_as_they_are()
    infer_shapes_from_types()
    if pytensor.__version__.startswith('3.0.'):
        compile_scans_quickly()
    # Graphs are full of cycles, and collections would look at everything imported each time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 10)


def unfuse() -> None:
    """Fused operations run number by number in Python. PyTensor 3.0 fuses inside scan in any mode.

    Importing `pytensor.tensor` is what registers the rewrites that are left out here.
    """
    for fusion in ('elemwise_fusion', 'add_mul_fusion'):
        pytensor.compile.mode.optdb.remove_tags(fusion, 'fast_run')


def leave_graphs_as_they_are() -> None:
    """FAST_COMPILE still rewrites graphs, which takes most of its time; results stay the same."""
    database = pytensor.compile.mode.optdb
    for rewrites in ('ShapeOpt', 'useless', 'canonicalize', 'BlasOpt', 'specialize'):
        database.remove_tags(rewrites, 'fast_compile')


def compile_scans_quickly() -> None:
    """PyTensor 3.0 compiles what is inside scan in FAST_RUN, whatever the mode around it."""
    compiled = Scan.fn.fget

    def fn(scan: Scan) -> Any:
        scan.mode = scan.mode or 'FAST_COMPILE'
        return compiled(scan)

    Scan.fn = property(fn)


def infer_shapes_from_types() -> None:
    """For each array of zeros, PyTensor copies and rewrites the whole graph that its shape reads.

    The type of an array says of its shape what matters, so its graph is left out of the copy.
    """

    def infer(shape: Sequence[Any]) -> tuple[Sequence[Variable], Sequence[int | None]]:
        given, seen = [as_tensor_variable(s, ndim=0) for s in shape], {}
        return given, infer_static_shape([_shallow(s, seen) for s in given])[1]

    for name, module in list(sys.modules.items()):
        if name.startswith('pytensor.') and hasattr(module, 'infer_static_shape'):
            module.infer_static_shape = infer


def _shallow(v: Variable, seen: dict[Apply, Apply]) -> Variable:
    """Return the graph of `v`, in which arrays whose shape is read are inputs."""
    node = v.owner
    if node is None:
        return v
    if node not in seen:
        if isinstance(node.op, Shape | Shape_i):
            inputs = [node.inputs[0].type()]
        else:
            inputs = [_shallow(i, seen) for i in node.inputs]
        seen[node] = node.clone_with_new_inputs(inputs)
    return seen[node].outputs[node.outputs.index(v)]

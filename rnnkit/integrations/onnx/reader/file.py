"""An ONNX file is read: its graph and its arrays, and nothing outside of it."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from rnnkit.common import file_kinds, open_files
from rnnkit.errors import ConfigError, FormatError
from rnnkit.integrations.onnx.installed import check_installed

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

OLDEST = 7  # version of the operators; RNN, LSTM and GRU had other attributes before
MOST_NODES = 100_000
DTYPES = ('FLOAT', 'DOUBLE', 'FLOAT16', 'BFLOAT16', 'INT32', 'INT64', 'BOOL')


def read(path: str | Path | BinaryIO) -> tuple[str, 'ModelProto']:
    """Return what messages call the file, and the model in it.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    FormatError
        If the file is no ONNX model, or one that keeps arrays in other files.
    """
    check_installed('from_onnx()')
    import onnx

    if hasattr(path, 'SerializeToString'):
        raise ConfigError(
            'from_onnx(): path must be a path or an open file; of a model in memory, write '
            'from_onnx(io.BytesIO(model.SerializeToString()))'
        )
    source = open_files.source('from_onnx(): path', path)
    if open_files.is_open_file(source):
        name, content = open_files.name_of(source), source.read()
        if not isinstance(content, bytes):
            raise ConfigError(f'from_onnx(): {name}: read() must return bytes')
    else:
        name, content = str(source), Path(source).read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own, of which there are several
        kind = '' if file_kinds.ONNX.match(content) else file_kinds.kind_of('', content)
        raise FormatError(
            f'{name}: this is no ONNX file, or it is damaged: {kind or error}'
        ) from error
    if not model.graph.node and not model.graph.output:
        raise FormatError(f'{name}: this is no ONNX file, or its graph is empty')
    _check(name, model)
    return name, model


def _check(name: str, model: 'ModelProto') -> None:
    """Raise a FormatError for a model that cannot be read, before its arrays are touched."""
    import onnx

    for tensor in _tensors(model):
        _check_tensor(name, tensor)
    if model.graph.sparse_initializer:
        raise FormatError(f'{name}: it has sparse arrays; only dense ones can be read')
    if len(model.graph.node) > MOST_NODES:
        raise FormatError(f'{name}: it has {len(model.graph.node):,} nodes; at most {MOST_NODES:,}')
    versions = {one.domain: one.version for one in model.opset_import}
    version = versions.get('', versions.get('ai.onnx', 0))
    if version < OLDEST:
        raise FormatError(
            f'{name}: its operators have version {version}; at least {OLDEST} is needed. Convert '
            f'it by onnx.version_converter, or export it again'
        )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0]
        raise FormatError(f'{name}: onnx.checker refuses it: {line}') from error


def _tensors(model: 'ModelProto') -> list['TensorProto']:
    found = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            found += [attribute.t] if attribute.HasField('t') else []
            found += attribute.tensors
    return found


def _check_tensor(name: str, tensor: 'TensorProto') -> None:
    import onnx

    what = f'{name}: the array {tensor.name!r}'
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise FormatError(
            f'{what} is in another file, which is not read; write all into one: '
            f"onnx.save(onnx.load('model.onnx'), 'one.onnx')"
        )
    if any(n < 0 for n in tensor.dims):
        raise FormatError(f'{what} has the shape {tuple(tensor.dims)}')


def array(where: str, tensor: 'TensorProto') -> np.ndarray:
    """Return the values of a tensor; of float16 as float32.

    Raises
    ------
    FormatError
        If they do not fit its shape, or are of a kind that no network has.
    """
    import onnx

    names = dict(
        zip(onnx.TensorProto.DataType.values(), onnx.TensorProto.DataType.keys(), strict=True)
    )
    dtype = names.get(tensor.data_type, str(tensor.data_type))
    if dtype not in DTYPES:
        raise FormatError(
            f'{where}: the array {tensor.name!r} is {dtype}; expected {", ".join(DTYPES)}'
        )
    try:
        values = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise FormatError(f'{where}: the array {tensor.name!r} is damaged: {error}') from error
    return values.astype(np.float32) if dtype in ('FLOAT16', 'BFLOAT16') else values

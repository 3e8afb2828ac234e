"""Symbolic variables that users pass to a network: checks, casts, and the time axis first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor import TensorType, TensorVariable

from rnnkit.common.param_values import fitting
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import as_array
from rnnkit.data.border import Border
from rnnkit.data.field import Field
from rnnkit.data.unpack import in_order
from rnnkit.errors import ConfigError, DataError, NotFoundError, ShapeError
from rnnkit.graph.course import state_sizes
from rnnkit.graph.graph import Graph
from rnnkit.inference.states import StateForm

KINDS = {'words': 'biu', 'numbers': 'biuf', 'mask': 'biuf'}  # of dtypes
WILDCARDS = '*?['


class Given(NamedTuple):
    """The inputs and masks of a network, as variables.

    Attributes
    ----------
    inputs : list of tensors
        Time first, in the dtypes of the network; 0 over padding.
    masks : dict of str to tensor (T, B)
        By the layer whose time axis it is.
    """

    inputs: list[TensorVariable]
    masks: dict[str, TensorVariable]


def is_symbolic(x: object) -> bool:
    """Return whether an argument is a variable, or a list or dict with one."""
    parts = x.values() if isinstance(x, Mapping) else x if isinstance(x, list | tuple) else [x]
    return any(isinstance(part, Variable) for part in parts)


def read_inputs(where: str, border: Border, x: object, mask: object) -> Given:
    """Return inputs and masks that a user gave as variables, or as arrays.

    Parameters
    ----------
    where : str
        The call, for messages.
    border : Border
    x, mask : variable or array; list or dict of these
        Arrays alone may have all forms that `predict` reads.

    Raises
    ------
    ConfigError, ShapeError, DataError
        If one is of the wrong kind, or has other axes or features.
    """
    fields = [*border.inputs, *border.masks]
    if not is_symbolic(x) and not is_symbolic(mask):
        arrays, _ = border.read_inputs(x, where, mask)
        variables = dict(zip([f.name for f in fields], map(pt.constant, arrays), strict=True))
    else:
        border.check_mask(where, mask)
        names = [field.name for field in border.inputs]
        alone = len(names) == 1 and not isinstance(x, dict | list | tuple)
        values = dict(zip(names, [x] if alone else in_order(x, names, where), strict=True))
        values |= border.named_masks(mask, where)
        variables = {
            f.name: _read(where, f, values[f.name], border.layout)
            for f in fields
            if values.get(f.name) is not None or f.kind != 'mask'
        }
    masks = {m.clock: variables[m.name] for m in border.masks if m.name in variables}
    inputs = [over_padding(variables[f.name], masks.get(f.clock)) for f in border.inputs]
    return Given(inputs, masks)


def over_padding(values: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return values (T, B, ...) with 0 where a mask (T, B) is 0."""
    if mask is None:
        return values
    # Not a product: padding may hold anything, and 0 times infinity is NaN.
    real = mask.dimshuffle(0, 1, *['x'] * (values.ndim - 2)) > 0
    return pt.switch(real, values, np.zeros((), values.dtype))


def _read(where: str, field: Field, value: object, layout: str) -> TensorVariable:
    """Return an input or a mask in its dtype, time first."""
    where = f'{where}: {field.name}'
    if not isinstance(value, Variable):  # beside others that are variables
        value = pt.constant(as_array(where, value, field.dtype))
    found = _checked(where, value, KINDS[field.kind], field.kind == 'words')
    axes, size = ', '.join(field.axes), field.size if field.has_features else None
    if found.ndim != field.ndim:
        raise ShapeError(
            f'{where} must be a variable with {field.ndim} axes ({axes}); got {found.ndim} axes, '
            f'{found.type}'
        )
    given = found.type.shape[-1]
    if size is not None and given not in (None, size):
        raise ShapeError(
            f'{where} has {given} features (its last axis, {found.type}); {field.owner} has {size}'
        )
    if field.has_time and layout == 'batch':
        found = found.dimshuffle(1, 0, *range(2, found.ndim))  # (T, B, ...)
    if field.kind == 'mask':
        return pt.neq(found, 0).astype(field.dtype)
    shape = [None] * found.ndim if size is None else [*[None] * (found.ndim - 1), size]
    return pt.specify_shape(found.astype(field.dtype), shape)


def _checked(where: str, value: Variable, kinds: str, words: bool = False) -> TensorVariable:
    """Return a variable of numbers."""
    if not isinstance(value.type, TensorType) or np.dtype(value.dtype).kind not in kinds:
        if words and isinstance(value.type, TensorType):
            raise DataError(
                f'{where} must be whole numbers, tokens; got {value.type}. Cast them: '
                f"x.astype('int64')"
            )
        raise DataError(f'{where} must be a tensor of numbers; got a variable of type {value.type}')
    return value


def _shaped(where: str, value: Variable, shape: Sequence[int | None], dtype: str) -> TensorVariable:
    """Return a variable in a dtype, after checks of what is known about its shape."""
    found = _checked(where, value, 'biuf')
    known = found.type.shape
    if found.ndim != len(shape) or any(
        None not in pair and pair[0] != pair[1] for pair in zip(known, shape, strict=True)
    ):
        wanted, given = (str(tuple(s)).replace('None', 'any') for s in (shape, known))
        raise ShapeError(f'{where} must have shape {wanted}; got {given}')
    return pt.specify_shape(found.astype(dtype), tuple(shape))


def read_params(
    where: str, params: Sequence[TensorVariable], given: object
) -> dict[TensorVariable, TensorVariable]:
    """Return what stands for some parameters, by the parameter.

    Parameters
    ----------
    where : str
    params : sequence of shared variables
        Those of the network.
    given : dict of str to variable or array

    Raises
    ------
    ConfigError
        If it is no dict, or a name is unknown.
    ShapeError, DataError
        If a variable or an array is not of its parameter's shape, or of numbers.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{where}: params must be a dict of variables or arrays by name, such as {{'hid1.xh': "
            f'w}}; got {brief(given)}'
        )
    known = {str(p.name): p for p in params}
    found = {}
    for name, value in given.items():
        if not isinstance(name, str) or name not in known:
            pattern = isinstance(name, str) and any(sign in name for sign in WILDCARDS)
            more = 'patterns have no meaning here, name each parameter; ' * pattern
            raise NotFoundError(
                f'{where}: params: no parameter named {brief(name)}; {more}{hint(str(name), known)}'
            )
        parameter = known[name]
        if not isinstance(value, Variable):
            value = pt.constant(fitting(where, parameter, value))
        found[parameter] = _shaped(
            f'{where}: {name}', value, parameter.get_value(borrow=True).shape, parameter.dtype
        )
    return found


def read_state(where: str, graph: Graph, given: object) -> dict[str, tuple[TensorVariable, ...]]:
    """Return the states before the first step, by the name of the layer.

    Parameters
    ----------
    where : str
    graph : Graph
    given : dict of str to named tuple, dict or list of variables or arrays (B, size)

    Raises
    ------
    ConfigError
        If it is no dict, or names no layer with a state.
    ShapeError, DataError
        If a part has another shape, or is not of numbers.
    """
    if given is None:
        return {}
    layers = {layer.name: layer for layer in graph.layers if layer.state is not None}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{where}: state must be a dict of the states of layers, such as {{'hid1': [h]}}; got "
            f'{brief(given)}'
        )
    found = {}
    for name, value in given.items():
        if not isinstance(name, str) or name not in layers:
            raise NotFoundError(
                f'{where}: state: no layer with a state is named {brief(name)}; '
                f'{hint(str(name), layers)}'
            )
        layer = layers[name]
        parts = StateForm([layer], {}, graph.dtype).of_layer(where, name, value)
        sizes = state_sizes(layer)
        read = []
        for (part, size), one in zip(sizes.items(), parts, strict=True):
            what = f'{where}: state {part!r} of layer {name!r}'
            if not isinstance(one, Variable):
                one = pt.constant(as_array(what, one, graph.dtype))
            read.append(_shaped(what, one, (None, size), graph.dtype))
        found[name] = layer.state(*read)
    return found

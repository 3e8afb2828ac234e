"""A network as a part of a larger graph: its outputs for other variables."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common import foreign_names, output_names
from rnnkit.common.calls import Abstract, checked, checked_methods
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.data.border import Border
from rnnkit.errors import CallError, ConfigError, NotFoundError
from rnnkit.graph.graph import Graph
from rnnkit.inference import variables

VariableOrArray = Variable | ArrayLike
# One input, or a list or dict of them.
Symbols = VariableOrArray | Sequence[VariableOrArray] | Mapping[str, VariableOrArray]
States = Mapping[str, Sequence[VariableOrArray] | Mapping[str, VariableOrArray]]


@checked_methods
class Symbolic(Abstract):
    """Calls with PyTensor variables, as a base class of `rnnkit.Network`."""

    params: list[Any]
    _graph: Graph
    _border: Border
    _kernel: bool | None

    @checked
    def __call__(self, x: Symbols, mask: VariableOrArray | None = None) -> TensorVariable:
        """Return the output of the last layer for PyTensor variables, as a symbolic graph.

        What `predict` computes for arrays, or, for a classifier, `predict_proba`: a variable that
        PyTensor can differentiate and compile, in which the parameters of this network are its
        shared variables, `params`. It is how a network becomes a part of a larger model.

        Parameters
        ----------
        x : variable of shape (T, B, I)
            (B, T, I) with ``layout='batch'``; (B, I) without time; of any dtype of numbers, which
            is cast to that of the network. T and B may be unknown. An embedding reads whole
            numbers, (T, B). A list or dict for several inputs, some of which may be arrays.
        mask : variable or array of shape (T, B), optional
            Not 0 where a step is real, for a network with ``masked=True``; without it all steps
            are.

        Returns
        -------
        y : variable of shape (T, B, O)
            In the network's layout and dtype, in the units of the targets, 0 over padding.

        Raises
        ------
        CallError
            If `x` is an array.
        ConfigError, ShapeError, DataError
            If a variable has other axes or features, or is of no numbers.

        Examples
        --------
        >>> import pytensor.tensor as pt, rnnkit
        >>> net = rnnkit.Regressor([2, ('lstm', 3), 1], seed=0)
        >>> x = pt.tensor3('x')
        >>> y = net(2 * x)
        >>> y.type.shape
        (None, None, 1)
        >>> gradient = pt.grad(y.sum(), [x, net.find('hid1', 'xh')])
        """
        if not variables.is_symbolic(x):
            raise CallError(foreign_names.of_call(type(self), hasattr(self, 'predict_proba')))
        last = output_names.join(self._graph.layers[-1].name)
        return self._symbolic(f'{type(self).__name__}(...)()', x, mask, [last])[last]

    def symbolic(
        self,
        x: Symbols,
        mask: VariableOrArray | None = None,
        *,
        params: Mapping[str, VariableOrArray] | None = None,
        state: States | None = None,
        outputs: str | Sequence[str] | None = None,
    ) -> Any:
        """Return outputs of layers for PyTensor variables, also with other parameters and states.

        Parameters
        ----------
        x, mask : variable or array
            As in a call, ``net(x, mask)``. Arrays become constants; if `x` and `mask` are arrays
            alone, they may have all forms that `predict` reads, such as a list of sequences, which
            is padded.
        params : dict of str to variable or array, optional
            What takes the place of parameters, by their names: ``{'hid1.xh': w}``, each of the
            shape of the parameter, and cast to its dtype. All others are the network's own.
        state : dict, optional
            The state before the first step, by the names of layers: of each its parts, variables
            or arrays of shape (B, size), in a named tuple, a list or a dict. Other layers start
            as by default.
        outputs : str or sequence of str, optional
            The names of outputs, ``'hid1'`` or ``'hid1:c'``. By default all of them.

        Returns
        -------
        outputs : dict of str to variable
            By their full names, ``'hid1:out'``, ``'hid1:c'``, ``'out:out'``; or one variable, if
            `outputs` is one name. They have the network's layout, and are 0 over padding.

        Raises
        ------
        NotFoundError
            If there is no such parameter, output or layer with a state.
        ConfigError, ShapeError, DataError
            If a variable or an array has another shape, or is of no numbers.

        Examples
        --------
        >>> import pytensor.tensor as pt, rnnkit
        >>> net = rnnkit.Regressor([2, ('gru', 3), 1], seed=0)
        >>> x, w, h = pt.tensor3('x'), pt.matrix('w'), pt.matrix('h')
        >>> found = net.symbolic(x, params={'out.w': w}, state={'hid1': [h]})
        >>> sorted(found)
        ['hid1:last', 'hid1:out', 'in:out', 'out:out', 'out:pre']
        >>> last = net.symbolic(x, outputs='hid1')[-1]
        >>> last.type.shape
        (None, 3)
        """
        where, names = 'symbolic()', list(self._graph.outputs)
        one = isinstance(outputs, str)
        if outputs is not None:
            names = named_outputs(where, self._graph, [outputs] if one else outputs)
        found = self._symbolic(where, x, mask, names, params, state)
        return found[names[0]] if one else found

    def _symbolic(
        self,
        where: str,
        x: object,
        mask: object,
        names: list[str],
        params: object = None,
        state: object = None,
    ) -> dict[str, TensorVariable]:
        graph = self._graph
        given = variables.read_inputs(where, self._border, x, mask)
        replaced = variables.read_params(where, self.params, params)
        states = variables.read_state(where, graph, state)

        def place(variable: TensorVariable) -> TensorVariable:
            replaced[new := variable.type()] = variable
            return new

        # What the user gave takes its places at the end, so that parameters are replaced in this
        # network alone, and not in what the user has made of them.
        with kernels.allowed(self._kernel):
            values = graph.again(
                inputs=[place(v) for v in given.inputs],
                masks={clock: place(v) for clock, v in given.masks.items()},
                states={name: type(s)(*map(place, s)) for name, s in states.items()},
            )
        found = graph_replace([values[name] for name in names], replaced, strict=False)
        return {
            name: self._as_given(name, variable, given.masks)
            for name, variable in zip(names, found, strict=True)
        }

    def _as_given(
        self, name: str, variable: TensorVariable, masks: Mapping[str, TensorVariable]
    ) -> TensorVariable:
        """Return an output in the layout of the user, 0 over padding."""
        clock = self._graph.plan.clock_of(name, self._graph.by_name)
        if clock is None:
            return variable
        variable = variables.over_padding(variable, masks.get(clock))
        if self._border.layout == 'batch':
            return variable.dimshuffle(1, 0, *range(2, variable.ndim))  # (B, T, ...)
        return variable


def named_outputs(where: str, graph: Graph, names: object) -> list[str]:
    """Return the full names of outputs.

    Raises
    ------
    NotFoundError, ConfigError
        If there is no such output, or these are no names.
    """
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{where}: outputs must be names, such as 'hid1' or ['hid1', 'out:pre']; got "
            f'{brief(names)}'
        )
    for name in names:
        if output_names.full(name) not in graph.outputs:
            known = [*graph.by_name, *graph.outputs]
            raise NotFoundError(f'{where}: no output named {brief(name)}; {hint(name, known)}')
    return [output_names.full(name) for name in names]

"""Minimise any symbolic scalar, without a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import graph_inputs

from rnnkit.common.compiled import Compiled
from rnnkit.common.old_words import of_training
from rnnkit.data import datasets
from rnnkit.data.arrays import as_array
from rnnkit.data.datasets import CALLABLE_BATCHES
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.optimizers import Objective, check_params
from rnnkit.training.history import History
from rnnkit.training.lbfgs import make_step
from rnnkit.training.options import read_training
from rnnkit.training.protocols import Monitors
from rnnkit.training.trainer import Place, Trainer


@of_training
def minimize(
    loss: Any,
    train: Any = None,
    valid: Any = None,
    params: Sequence[Any] | None = None,
    inputs: Sequence[Any] | None = None,
    algo: str = 'rmsprop',
    monitors: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Monitors, Monitors]:
    """Change shared variables until a symbolic scalar is as small as it gets.

    Parameters
    ----------
    loss : scalar tensor
        A mean over the examples of a batch.
    train : list of arrays, or callable, optional
        One array for each of `inputs`, with the examples on axis 0; or a callable that
        returns one batch of them. None if the loss has no inputs.
    valid : likewise, optional
        What patience is judged by; `train` if not given.
    params : sequence of shared variables, optional
        What is changed; all floating-point shared variables of the loss if not given.
    inputs : sequence of tensors, optional
        The symbolic inputs in the order of the arrays. May be left out if there is one.
    algo : str
        The name of an update rule.
    monitors : dict of str to scalar tensor, optional
        What else is reported.
    **options
        As in `rnnkit.Network.train`.

    Returns
    -------
    train, valid : dict of str to float
        The monitors of the last epoch, and those of the parameters as they are left.

    Raises
    ------
    ConfigError, DataError, ShapeError
        If the loss, a parameter, an option or an array is not usable.
    TrainingError
        If the loss or a gradient is not finite.

    Examples
    --------
    >>> import numpy as np, pytensor
    >>> w = pytensor.shared(np.array([3.0, -2.0]), name='w')
    >>> found = minimize((w ** 2).sum(), algo='adam', learning_rate=0.1, epochs=5)
    >>> bool(abs(w.get_value()).max() < 0.01)
    True
    """
    if getattr(loss, 'ndim', None) != 0 or not str(getattr(loss, 'dtype', '')).startswith('float'):
        raise ConfigError(f'minimize(): the loss is a floating-point symbolic scalar; got {loss!r}')
    free, shared = _leaves(loss)
    inputs = _check_inputs(inputs, free)
    params = check_params(shared if params is None else params)
    foreign = [p for p in params if p not in shared]
    if foreign:
        raise ConfigError(f'minimize(): the loss does not depend on the parameter {foreign[0]}')
    config = read_training('minimize()', algo, options, terms=())
    parsed = config.options
    for name in ('bucket', 'carry_state', 'bptt_steps'):
        if options.get(name):
            raise ConfigError(f'minimize(): {name} is for networks; here is no time axis')
    for name in ('checkpoint', 'save_every', 'resume'):
        if options.get(name) is not None:
            raise ConfigError(f'minimize(): {name} is for networks')
    config.check_data(train)
    weight = pt.cast(inputs[0].shape[0], loss.dtype) if inputs and inputs[0].ndim else None
    objective = Objective(loss, params, inputs, weight, dict(monitors or {}))
    step = make_step(
        objective,
        config.rule,
        bool(parsed.momentum),
        bool(parsed.nesterov),
        watched=parsed.monitor_gradients,
    )
    evaluate = Compiled('the validation', inputs, objective.reports())

    def batches(data: Any, where: str, n: int | None, seed: Any, purpose: str = 'train') -> Any:
        if data is None and not inputs:
            return [[]] * (n or (1 if config.rule.full_batch else CALLABLE_BATCHES))
        axes = [0] * len(inputs)
        prepare = _reader(inputs)
        return datasets.build(
            data, prepare, axes, where, parsed.batch_size, n, seed, purpose=purpose
        )

    seed = np.random.SeedSequence().entropy if parsed.seed is None else parsed.seed
    trained = batches(train, 'train', parsed.train_batches, seed)
    if valid is None:
        n = parsed.valid_batches or (None if inputs else 1)
        tested = batches(train, 'train', n, seed, 'valid')
    else:
        tested = batches(valid, 'valid', parsed.valid_batches, seed, 'valid')
    trainer = Trainer(
        config,
        step,
        evaluate,
        trained,
        datasets.frozen(tested),
        place=Place(History(), 1),
        seed=parsed.seed,
    )
    return trainer.train()


def _leaves(loss: Any) -> tuple[list[Any], list[Any]]:
    """Return the free inputs and the floating-point shared variables of a graph."""
    leaves = list(dict.fromkeys(graph_inputs([loss])))
    shared = [v for v in leaves if isinstance(v, SharedVariable)]
    free = [v for v in leaves if v not in shared and not isinstance(v, Constant)]
    return free, [v for v in shared if str(getattr(v, 'dtype', '')).startswith('float')]


def _check_inputs(inputs: Sequence[Any] | None, free: list[Any]) -> list[Any]:
    if inputs is None and len(free) > 1:
        names = ', '.join(str(v) for v in free)
        raise ConfigError(
            f'minimize(): the loss has several inputs, {names}; say in which order the data '
            f'come with inputs=[...]'
        )
    inputs = free if inputs is None else list(inputs)
    missing = [v for v in free if v not in inputs]
    if missing:
        raise ConfigError(f'minimize(): the loss also needs {missing[0]}, which is not in inputs')
    return inputs


def _reader(inputs: list[Any]) -> Any:
    """Return a function that checks and converts one batch, or a whole set, of arrays."""

    def read(data: Any, where: str) -> list[np.ndarray]:
        if not inputs:
            raise DataError(f'{where}: the loss has no inputs, so that there are no data; got some')
        given = [data] if len(inputs) == 1 and not isinstance(data, list | tuple) else data
        if not isinstance(given, list | tuple) or len(given) != len(inputs):
            n = len(given) if isinstance(given, list | tuple) else type(given).__name__
            raise DataError(f'{where}: wants {len(inputs)} arrays; got {n}')
        arrays = []
        for variable, value in zip(inputs, given, strict=True):
            label = f'{where}: {variable.name or "input"}'
            array = as_array(label, value, variable.dtype)
            if array.ndim != variable.ndim:
                raise ShapeError(f'{label} has {array.ndim} axes; the input has {variable.ndim}')
            for axis, length in enumerate(variable.type.shape):
                if length is not None and array.shape[axis] != length:
                    raise ShapeError(
                        f'{label} has shape {array.shape}; axis {axis} must be {length}'
                    )
            if arrays and array.shape[:1] != arrays[0].shape[:1]:
                raise ShapeError(
                    f'{label} has {array.shape[0]} examples; the first input has '
                    f'{arrays[0].shape[0]}'
                )
            arrays.append(array)
        return arrays

    return read

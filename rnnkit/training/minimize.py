"""Minimise any symbolic scalar, without a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor import TensorVariable

from rnnkit.common.calls import checked
from rnnkit.common.old_words import of_training
from rnnkit.data import datasets
from rnnkit.data.arrays import as_array
from rnnkit.data.datasets import CALLABLE_BATCHES
from rnnkit.data.hold_out import split_arrays
from rnnkit.data.passes import makes_new_batches
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.optimizers import Objective, check_params
from rnnkit.training.evaluation import Evaluation
from rnnkit.training.history import History
from rnnkit.training.lbfgs import make_step
from rnnkit.training.options import TrainingConfig, read_training
from rnnkit.training.protocols import Batch, Batches, Data, Monitors, Valid
from rnnkit.training.trainer import Place, Trainer
from rnnkit.training.validation import Validation


@checked
@of_training
def minimize(
    loss: TensorVariable,
    train: Data | None = None,
    valid: Valid = None,
    params: Sequence[SharedVariable] | None = None,
    inputs: Sequence[TensorVariable] | None = None,
    algo: str = 'rmsprop',
    monitors: Mapping[str, TensorVariable] | None = None,
    **options: object,
) -> tuple[Monitors, Monitors]:
    """Minimise a symbolic scalar by gradient descent on shared variables.

    Parameters
    ----------
    loss : scalar tensor
        The loss: a mean over the examples of a batch.
    train : list of arrays, callable or iterable, optional
        The training data: one array for each of `inputs`, with the examples on axis 0; a callable
        that returns a batch of them; or an iterable of batches. None if the loss has no inputs.
    valid : list of arrays, callable, iterable, float or ('tail', float), optional
        The validation data, for early stopping; the training data if not given. A share such as
        0.2 holds out as many of the examples, see `rnnkit.Network.train`.
    params : sequence of shared variables, optional
        The parameters to train; by default all floating-point shared variables of the loss.
    inputs : sequence of tensors, optional
        The symbolic inputs in the order of the arrays. Can be left out if there is only one.
    algo : str
        The name of an update rule.
    monitors : dict of str to scalar tensor, optional
        Further scalars to report.
    **options
        As in `rnnkit.Network.train`.

    Returns
    -------
    train, valid : dict of str to float
        The monitors of the last epoch, and those of the validation of the final parameters.

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
    _check_kinds(params, inputs, monitors)
    free, shared = _leaves(loss)
    inputs = _check_inputs(inputs, free)
    params = check_params(shared if params is None else params)
    foreign = [p for p in params if p not in shared]
    if foreign:
        raise ConfigError(f'minimize(): the loss does not depend on the parameter {foreign[0]}')
    config = read_training('minimize()', algo, options, terms=())
    _refuse_network_options(options)
    config.check_data(train)
    weight = pt.cast(inputs[0].shape[0], loss.dtype) if inputs and inputs[0].ndim else None
    objective = Objective(loss, params, inputs, weight, dict(monitors or {}))
    step = make_step(
        objective,
        config.rule,
        bool(config.options.momentum),
        bool(config.options.nesterov),
        watched=config.options.monitor_gradients,
    )
    batches, validation = _batches(config, inputs, train, valid)
    return Trainer(
        config,
        step,
        batches,
        Validation(
            Evaluation(objective), validation, valid is not None or makes_new_batches(train)
        ),
        place=Place(History(), 1),
        seed=config.options.seed,
    ).train()


def _leaves(loss: TensorVariable) -> tuple[list[Variable], list[SharedVariable]]:
    """Return the free inputs and the floating-point shared variables of a loss."""
    if getattr(loss, 'ndim', None) != 0 or not str(getattr(loss, 'dtype', '')).startswith('float'):
        raise ConfigError(
            f'minimize(): the loss must be a floating-point symbolic scalar; got {loss!r}'
        )
    leaves = list(dict.fromkeys(graph_inputs([loss])))
    shared = [v for v in leaves if isinstance(v, SharedVariable)]
    free = [v for v in leaves if v not in shared and not isinstance(v, Constant)]
    return free, [v for v in shared if str(getattr(v, 'dtype', '')).startswith('float')]


def _check_kinds(params: object, inputs: object, monitors: object) -> None:
    """Raise a ConfigError for an argument that is not a list of variables, or a dict of them."""
    for name, values, kind in (
        ('params', params, 'shared variables'),
        ('inputs', inputs, 'tensors'),
    ):
        listed = values if isinstance(values, list | tuple) else None
        if values is not None and (
            listed is None or not all(isinstance(v, Variable) for v in listed)
        ):
            raise ConfigError(f'minimize(): {name} must be a list of {kind}; got {values!r}')
    scalars = monitors.values() if isinstance(monitors, Mapping) else None
    if monitors is not None and (
        scalars is None or not all(isinstance(v, Variable) and v.ndim == 0 for v in scalars)
    ):
        raise ConfigError(
            f'minimize(): monitors must be a dict of names and symbolic scalars; got {monitors!r}'
        )


def _check_inputs(
    inputs: Sequence[TensorVariable] | None, free: list[Variable]
) -> list[TensorVariable]:
    if inputs is None and len(free) > 1:
        names = ', '.join(str(v) for v in free)
        raise ConfigError(
            f'minimize(): the loss has several inputs, {names}; give the order of their arrays '
            f'with inputs=[...]'
        )
    inputs = free if inputs is None else list(inputs)
    missing = [v for v in free if v not in inputs]
    if missing:
        raise ConfigError(f'minimize(): the loss also needs {missing[0]}, which is not in inputs')
    return inputs


def _refuse_network_options(options: Mapping[str, object]) -> None:
    if options.get('comm') is not None:
        raise ConfigError(
            'minimize(): comm is for networks; here a single process computes the loss: leave it '
            'out'
        )
    for name in ('bucket', 'carry_state', 'bptt_steps'):
        if options.get(name):
            raise ConfigError(f'minimize(): {name} is for networks; here is no time axis')
    for name in ('checkpoint', 'save_every', 'resume'):
        if options.get(name) is not None:
            raise ConfigError(f'minimize(): {name} is for networks')


def _batches(
    config: TrainingConfig,
    inputs: list[TensorVariable],
    train: Data | None,
    valid: Valid,
) -> tuple[Batches, Iterable[Batch]]:
    """Return the batches of training, and those of validation."""
    options, read = config.options, _reader(inputs)
    seed = np.random.SeedSequence().entropy if options.seed is None else options.seed
    train, valid = split_arrays('minimize()', train, valid, seed, read)

    def build(data: Data | None, where: str, n: int | None, purpose: str) -> Any:
        if data is None and not inputs:
            return [[]] * (n or (1 if config.rule.full_batch else CALLABLE_BATCHES))
        axes = [0] * len(inputs)
        return datasets.build(data, read, axes, where, options.batch_size, n, seed, purpose=purpose)

    batches = build(train, 'train', options.train_batches, 'train')
    if valid is None:
        n = options.valid_batches or (None if inputs else 1)
        validation = build(train, 'train', n, 'valid')
    else:
        validation = build(valid, 'valid', options.valid_batches, 'valid')
    return batches, datasets.frozen(validation)


def _reader(inputs: list[TensorVariable]) -> Callable[[object, str], list[np.ndarray]]:
    """Return a function that checks and converts one batch, or a whole set, of arrays."""

    def read(data: object, where: str) -> list[np.ndarray]:
        if not inputs:
            raise DataError(f'{where}: the loss has no inputs, so it takes no data; got some')
        values = [data] if len(inputs) == 1 and not isinstance(data, list | tuple) else data
        if not isinstance(values, list | tuple) or len(values) != len(inputs):
            n = len(values) if isinstance(values, list | tuple) else type(values).__name__
            raise DataError(f'{where}: expects {len(inputs)} arrays; got {n}')
        arrays: list[np.ndarray] = []
        for variable, value in zip(inputs, values, strict=True):
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

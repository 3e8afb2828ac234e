"""A network: layer specs become a graph, and the graph becomes functions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import datasets, storage
from rnnkit.border import Border, check_settings
from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.graph import connect
from rnnkit.history import History
from rnnkit.layers import parse_layers
from rnnkit.losses import losses
from rnnkit.objectives import Objectives
from rnnkit.optimizers import Objective
from rnnkit.registry import hint, reject_unknown
from rnnkit.regularizers import regularizers
from rnnkit.streaming import State, Stream
from rnnkit.trainer import Monitors, Trainer, number, parse_options


class Network(ABC):
    """Layers that are connected, and what one can do with them.

    This class is the common part of `Regressor` and `Classifier`.

    Parameters
    ----------
    layers : list
        One spec for each layer, see `rnnkit.layers.parse_layers`:
        ``[1, ('lstm', 10), 1]``.
    loss : str, optional
        The name of a loss.
    weighted : bool
        Whether training data come with weights, ``[x, y, weights]``: an array with the shape
        of the target, or (T, B).
    layout : {'time', 'batch'}
        ``'time'``: recurrent data are (time, batch, features); ``'batch'``: (batch, time,
        features).
    dtype : {'float32', 'float64'}
    seed : int, optional
        Drives the initial weights and the shuffling of examples. If not given, one is
        drawn; it is kept in `seed`.

    Attributes
    ----------
    layers : list of Layer
    params : list of shared variables
        All parameters, named ``'hid1.xh'`` and so on.
    inputs : list of tensors
        The symbolic inputs.
    outputs : dict of str to tensor
        Every output of every layer as a symbolic graph, named ``'hid1:out'`` and so on.
    history : History
        One record for each epoch of all trainings.

    Raises
    ------
    ConfigError
        If a layer, a loss or a setting is not one that exists.
    """

    default_loss: ClassVar[str]
    output_activation: ClassVar[str]
    integer_targets: ClassVar[bool] = False

    def __init__(
        self,
        layers: Any = None,
        loss: str | None = None,
        *,
        weighted: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
        seed: int | None = None,
        **unknown: Any,
    ):
        settings = ('layers', 'loss', 'weighted', 'layout', 'dtype', 'seed')
        reject_unknown(f'{type(self).__name__}()', unknown, settings)
        self.dtype = check_settings(layout, dtype)
        self.layout, self.weighted = layout, bool(weighted)
        self.loss_name = loss or self.default_loss
        self.loss = losses[self.loss_name]()
        self._check_loss()
        if seed is not None:
            number('seed', seed, Integral, 0)
        self.seed = int(np.random.SeedSequence().entropy % 2**53 if seed is None else seed)
        self.layers = parse_layers(layers)
        self._finish_last_layer()
        rng = np.random.default_rng(self.seed)
        self.inputs, self.outputs = connect(self.layers, self.dtype, rng)
        self.recurrent = self.inputs[0].ndim == 3
        self.params = [p for layer in self.layers for p in layer.params.values()]
        self.history = History()
        self._compiled: dict[Any, Any] = {}
        self._trainings = 0
        self._build_loss()
        self.border = Border(
            inputs={layer.name: layer.size for layer in self.layers if layer.form == 'input'},
            outputs=self.layers[-1].size,
            integer_targets=self.integer_targets,
            weighted=self.weighted,
            recurrent=self.recurrent,
            layout=self.layout,
            dtype=self.dtype,
        )

    def _check_loss(self) -> None:
        if self.loss.integer_targets != self.integer_targets:
            kind = 'class labels' if self.loss.integer_targets else 'arrays of numbers'
            raise ConfigError(
                f'{type(self).__name__}: loss {self.loss_name!r} is for targets that are {kind}; '
                f'the default here is {self.default_loss!r}'
            )

    def _finish_last_layer(self) -> None:
        last = self.layers[-1]
        if 'activation' in last.options and last.activation is None:
            last.activation = self.output_activation

    def _build_loss(self) -> None:
        output = self.output(self.loss.output)
        ndim = output.ndim - self.integer_targets
        kind = 'int64' if self.integer_targets else self.dtype
        shape = output.type.shape[:ndim]
        self.target = pt.tensor('target', dtype=kind, shape=shape)
        self.variables = [*self.inputs, self.target]
        self.target_weights = None
        if self.weighted:
            self.target_weights = pt.tensor('weights', dtype=self.dtype, shape=shape)
            self.variables.append(self.target_weights)
        self.error, weight = self.loss.mean(output, self.target, self.target_weights)
        plain = Objective(self.error, self.params, self.variables, weight, self.monitors())
        self._objectives = Objectives(plain, self.layers, self.outputs, self.inputs)

    def output(self, name: str = 'out') -> TensorVariable:
        """Return an output of the last layer as a symbolic graph."""
        return self.outputs[f'{self.layers[-1].name}:{name}']

    def monitors(self) -> dict[str, TensorVariable]:
        """Return what is reported besides the loss, as symbolic scalars."""
        return {'err': self.error}

    # --- parameters ---

    @property
    def num_params(self) -> int:
        """The number of values in all parameters."""
        return sum(p.get_value(borrow=True).size for p in self.params)

    def find(self, layer: str | int, param: str | int) -> Any:
        """Return one parameter as a shared variable.

        Parameters
        ----------
        layer, param : str or int
            Names, or numbers in the order of the spec: ``find('hid1', 'xh')``,
            ``find(1, 0)``.

        Raises
        ------
        ConfigError
            If there is no such layer or parameter.
        """
        known = {one.name: one for one in self.layers}
        if isinstance(layer, str):  # children have names, but no numbers
            known |= {c.name: c for one in self.layers for c in one.children}
        found = _pick('layer', known, layer)
        return _pick(f'parameter of layer {found.name!r}', found.params, param)

    def summary(self) -> str:
        """Return a table of the layers, their outputs and their parameters."""
        leading = ', '.join(name[0].upper() for name in self.border.leading)
        rows = [('layer', 'form', 'output', 'parameters', 'count')]
        for layer in self.layers:
            shapes = {n: p.get_value(borrow=True).shape for n, p in layer.params.items()}
            shown = '  '.join(f'{n} {"x".join(map(str, s))}' for n, s in shapes.items())
            count = sum(int(np.prod(s)) for s in shapes.values())
            rows.append((layer.name, layer.form, f'({leading}, {layer.size})', shown, f'{count:,}'))
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = ['  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
                 for row in rows]  # fmt: skip
        lines.insert(1, '-' * max(map(len, lines)))
        lines.append(f'{type(self).__name__}, {self.num_params:,} parameters, {self.dtype}')
        return '\n'.join(lines)

    def to_spec(self) -> dict[str, Any]:
        """Return a dict, fit for JSON, from which `rnnkit.from_spec` builds the same network."""
        return {
            'model': type(self).__name__,
            'layers': [layer.to_spec() for layer in self.layers],
            'loss': self.loss_name,
            'weighted': self.weighted,
            'layout': self.layout,
            'dtype': self.dtype,
            'seed': self.seed,
        }

    def save(self, path: str) -> None:
        """Write the spec and the parameters to one safetensors file.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced only when the new one is complete.
        """
        storage.write(path, self.to_spec(), {p.name: p.get_value() for p in self.params})

    # --- use ---

    def _function(self, what: str, outputs: list[TensorVariable]) -> Compiled:
        if what not in self._compiled:
            self._compiled[what] = Compiled(what, self.inputs, outputs)
        return self._compiled[what]

    def _read_targets(self, x: Any, y: Any, weights: Any) -> tuple[np.ndarray, Any]:
        """Check the arguments of `score`; return target and weights in the user's layout."""
        border = replace(self.border, weighted=weights is not None)
        given = [x] if len(self.inputs) == 1 else list(x)
        arrays = border.read_batch([*given, y, *([weights] * border.weighted)], 'score()')
        y, *rest = [border.turn(a) for a in arrays[len(self.inputs) :]]
        return y, rest[0] if rest else None

    def _run(self, what: str, outputs: list[TensorVariable], x: Any, where: str) -> list:
        border = self.border
        arrays = border.read_inputs(x, where)
        return [border.turn(a) for a in self._function(what, outputs)(*arrays)]

    def _predict(self, where: str, x: Any, state: State | None, return_state: bool) -> Any:
        """Return the output for `x`, with the state after it if that is wanted."""
        if state is None and not return_state:
            return self._run('the prediction', [self.output()], x, where)[0]
        out, state = self._stream()(where, self.border.read_inputs(x, where), state)
        out = self.border.turn(out)
        return (out, state) if return_state else out

    def _stream(self) -> Stream:
        if 'stream' not in self._compiled:
            self._compiled['stream'] = Stream(self.layers, self.inputs, self.dtype)
        return self._compiled['stream']

    def step(self, x_t: Any, state: State | None = None) -> tuple[np.ndarray, State]:
        """Return the output for a single time step, and the state after it.

        Parameters
        ----------
        x_t : array of shape (B, I)
            A list of arrays for a network with several inputs.
        state : dict, optional
            What an earlier call, or ``predict(..., return_state=True)``, returned: a named
            tuple of arrays (B, size) for each recurrent layer, by its name. Without one, the
            series starts here.

        Returns
        -------
        y_t : array of shape (B, O)
            For a classifier, the probabilities of the classes.
        state : dict

        Raises
        ------
        ConfigError
            If the network has no state, or a layer needs to see the whole sequence.
        ShapeError, DataError
            If `x_t` or the state is not usable.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, ('lstm', 3), 1], seed=0)
        >>> y, state = net.step(np.ones((1, 1)))
        >>> y, state = net.step(np.ones((1, 1)), state)
        >>> state['hid1'].c.shape
        (1, 3)
        """
        stream = self._stream()
        out, state = stream('step()', self.border.read_step(x_t), state)
        return out[0], state

    def feed_forward(self, x: Any) -> dict[str, np.ndarray]:
        """Return every output of every layer for `x`, by name.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `predict`.

        Returns
        -------
        outputs : dict of str to array
            ``{'in:out': ..., 'hid1:out': ..., 'hid1:c': ..., 'out:out': ...}``
        """
        found = self._run('all outputs', list(self.outputs.values()), x, 'feed_forward()')
        return dict(zip(self.outputs, found, strict=True))

    @abstractmethod
    def predict(self, x: Any) -> np.ndarray:
        """Return what the network makes of `x`."""

    @abstractmethod
    def score(self, x: Any, y: Any, weights: Any = None) -> float:
        """Return how good the predictions for `x` are."""

    # --- training ---

    def train(
        self, train: Any, valid: Any = None, algo: str = 'rmsprop', **options: Any
    ) -> tuple[Monitors, Monitors]:
        """Train until patience or epochs run out.

        Parameters
        ----------
        train : list of arrays, or callable
            ``[x, y]`` with x of shape (T, B, I) and y of shape (T, B, O), or integers (T, B)
            for a classifier; ``[x, y, weights]`` for a weighted network; a dict of the same;
            or a callable that returns one such batch each time it is called.
        valid : likewise, optional
            What patience and the best parameters are judged by; the training data if not
            given. The batches of a callable are drawn once and kept.
        algo : str
            The name of an update rule: 'sgd', 'nag', 'rmsprop', 'adam'.
        **options
            See `rnnkit.trainer.Options`; the hyper-parameters of the rule, such as
            `learning_rate`; and regularizers with their weights, such as ``weight_l2=1e-4``.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the validation of the parameters
            that the network now has.

        Raises
        ------
        ConfigError, ShapeError, DataError
            If an option or an array is not usable.
        TrainingError
            If the loss or a gradient is not finite. The best parameters are restored.

        Notes
        -----
        Ctrl-C ends a training as patience does.
        """
        trainer, batches, valid_batches = self._start('train()', train, valid, algo, options)
        return trainer.train(batches, valid_batches)

    def itertrain(
        self, train: Any, valid: Any = None, algo: str = 'rmsprop', **options: Any
    ) -> Iterator[tuple[Monitors, Monitors]]:
        """Train as `train` does, and yield its two dicts once an epoch.

        The second dict is that of the latest validation. When the caller leaves the loop,
        training ends and the best parameters are restored.
        """
        trainer, batches, valid_batches = self._start('itertrain()', train, valid, algo, options)
        return trainer.itertrain(batches, valid_batches)

    def _start(
        self, where: str, train: Any, valid: Any, algo: str, given: dict[str, Any]
    ) -> tuple[Trainer, Any, Any]:
        """Return a trainer, and the batches to train and to validate with."""
        penalties = {name: value for name, value in given.items() if name in regularizers}
        rest = {name: value for name, value in given.items() if name not in penalties}
        rest.setdefault('max_gradient_norm', 1.0 if self.recurrent else 0)
        rule, options, hyper = parse_options(where, algo, rest, list(regularizers))
        step, evaluate = self._objectives.train_step(rule, options, penalties)
        rng = np.random.default_rng(
            [self.seed, self._trainings] if options.seed is None else options.seed
        )
        self._trainings += 1
        batches = self._batches(train, 'train', options.batch_size, options.train_batches, rng)
        if valid is None:
            tested = batches.in_order(options.valid_batches)
        else:
            tested = self._batches(valid, 'valid', options.batch_size, options.valid_batches)
        trainer = Trainer(step, evaluate, options, hyper, self.history)
        return trainer, batches, datasets.frozen(tested)

    def _batches(self, data: Any, where: str, batch_size: int, n: int | None, rng: Any = None):
        axes = [self.border.batch_axis] * len(self.variables)
        return datasets.build(data, self.border.read_batch, axes, where, batch_size, n, rng)


def _pick(what: str, members: dict[str, Any], key: str | int) -> Any:
    """Return a member by name or by number."""
    if isinstance(key, Integral) and not isinstance(key, bool):
        if not -len(members) <= key < len(members):
            raise ConfigError(f'find(): there is no {what} number {key}; there are {len(members)}')
        return list(members.values())[key]
    if not isinstance(key, str) or key not in members:
        raise ConfigError(f'find(): no {what} named {key!r}; {hint(str(key), members)}')
    return members[key]

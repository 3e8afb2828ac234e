"""A network: layer specs become a graph, and the graph becomes functions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit import kernels, losses
from rnnkit.common import old_words, progress, storage
from rnnkit.common.checks import number
from rnnkit.common.registry import hint, reject_unknown
from rnnkit.data.border import LAYOUTS, check_settings
from rnnkit.errors import ConfigError
from rnnkit.graph import summary
from rnnkit.graph.graph import Graph
from rnnkit.graph.perturbations import term_names
from rnnkit.inference.predict import Inference
from rnnkit.inference.streaming import State
from rnnkit.layers import parse_layers
from rnnkit.losses import Loss
from rnnkit.models.files import Loader
from rnnkit.optimizers import optimizers
from rnnkit.training import algorithms, gradient_flow
from rnnkit.training.batching import Batching
from rnnkit.training.checkpoints import Files
from rnnkit.training.criterion import Goals
from rnnkit.training.history import History
from rnnkit.training.loss_term import Goal, read_goal
from rnnkit.training.options import check_data, parse_options
from rnnkit.training.train_steps import Objectives
from rnnkit.training.trainer import Monitors, Trainer


class Network(ABC):
    """Layers that are connected, and what one can do with them.

    This class is the common part of `Regressor`, `Classifier` and `Autoencoder`.

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
    masked : bool
        Whether sequences may be of different lengths: data then come with a mask of shape
        (T, B), ``[x, y, mask]`` or ``[x, y, weights, mask]``, which is True where a step is
        real; or as lists of sequences (T_i, I), which are padded for you.
    layout : {'time', 'batch'}
        ``'time'``: recurrent data are (time, batch, features); ``'batch'``: (batch, time,
        features).
    dtype : {'float32', 'float64'}
    seed : int, optional
        Drives the initial weights and the shuffling of examples. If not given, one is
        drawn; it is kept in `seed`.
    kernel : bool, optional
        False keeps to the graphs of PyTensor's own Ops and scans; by default kernels compute
        what they can.

    Attributes
    ----------
    layers : list of Layer
    params : list of shared variables
        All parameters, named ``'hid1.xh'`` and so on.
    inputs : list of tensors
        The symbolic inputs.
    outputs : dict of str to tensor
        Every output of every layer as a symbolic graph, named ``'hid1:out'`` and so on.
    losses : list of Goal
        What is minimised: the loss that the network was made with, and others that were added.
    history : History
        One record for each epoch of all trainings.
    trainings, running : int
        How many trainings have begun, and how many of them go on.

    Raises
    ------
    ConfigError
        If a layer, a loss or a setting is not one that exists.
    """

    default_loss: ClassVar[str]
    output_activation: ClassVar[str]
    integer_targets: ClassVar[bool] = False
    reconstructs: ClassVar[bool] = False  # whether the target is the input

    @old_words.of_network
    def __init__(
        self,
        layers: Any = None,
        loss: str | None = None,
        *,
        weighted: bool = False,
        masked: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
        seed: int | None = None,
        kernel: bool | None = None,
        **unknown: Any,
    ):
        where = f'{type(self).__name__}()'
        settings = ('layers', 'loss', 'weighted', 'masked', 'layout', 'dtype', 'seed', 'kernel')
        chosen = old_words.take_activations(unknown)
        reject_unknown(where, unknown, settings)
        self.dtype, self.layout = check_settings(layout, dtype), layout
        weighted = _flag(f'{where}: weighted', weighted)
        self.masked = _flag(f'{where}: masked', masked)
        self._kernel = None if kernel is None else _flag(f'{where}: kernel', kernel)
        loss = losses.build(self.default_loss if loss is None else loss)
        self._given = (loss, weighted)
        if seed is not None:
            number('seed', seed, Integral, 0)
        self.seed = int(np.random.SeedSequence().entropy % 2**53 if seed is None else seed)
        self.layers = parse_layers(layers, **chosen)
        self._finish_last_layer(loss)
        self.history = History()
        self.trainings = self.running = 0
        with kernels.allowed(self._kernel):
            self._build()
        self._aim([Goal(loss, weighted=weighted)])

    def _build(self) -> None:
        """Connect the layers."""
        rng = np.random.default_rng(self.seed)
        self.graph = Graph(self.layers, self.dtype, rng, self.masked)
        self.inputs, self.outputs = self.graph.inputs, self.graph.outputs
        self.params = [p for layer in self.layers for p in layer.params.values()]
        self.recurrent = any(self.graph.plan.clocks.values())

    def _aim(self, chosen: list[Goal]) -> None:
        """Have trainings minimise these losses from now on."""
        if self.running:
            raise ConfigError(
                'add_loss() and set_loss() change what is trained next; a training of this network '
                'is going on'
            )
        loss = chosen[0].loss
        if loss.integer_targets != self.integer_targets:
            kind = 'class labels' if loss.integer_targets else 'arrays of numbers'
            raise ConfigError(
                f'{type(self).__name__}: loss {loss.form!r} is for targets that are {kind}; '
                f'the default here is {self.default_loss!r}'
            )
        with kernels.allowed(self._kernel):
            found = Goals(
                self.graph, chosen, self.layout, self.params, self.monitors, self.reconstructs
            )
            objectives = Objectives(self.graph, found)
        found.settle()
        self._losses, self.weighted = tuple(chosen), chosen[0].weighted
        self.border, self.variables = found.border, found.variables
        self.target = found.targets[chosen[0].target]
        self.target_weights = found.weights.get(chosen[0].target)
        self._objectives = objectives
        self.inference = Inference(self.graph, self.border, self._kernel, chosen[0].predicted)

    def _finish_last_layer(self, loss: Loss) -> None:
        last = self.layers[-1]
        if 'activation' in last.options and last.activation is None:
            last.activation = loss.activation or self.output_activation

    def output(self, name: str = 'out') -> TensorVariable:
        """Return an output of the last layer as a symbolic graph."""
        return self.outputs[f'{self.layers[-1].name}:{name}']

    def monitors(
        self,
        output: TensorVariable,
        error: TensorVariable,
        target: TensorVariable,
        weights: TensorVariable | None,
    ) -> dict[str, TensorVariable]:
        """Return what is reported of the first loss, as symbolic scalars."""
        return {'err': error}

    # --- losses ---

    @property
    def losses(self) -> tuple[Goal, ...]:
        """All losses, in their order; `add_loss` and `set_loss` change which there are."""
        return self._losses

    @property
    def loss(self) -> Loss:
        """The first loss, whose target is the first one of each batch."""
        return self._losses[0].loss

    def add_loss(
        self,
        loss: Any,
        weight: float = 1.0,
        output: str | None = None,
        target: str | None = None,
        weighted: bool | None = None,
        **options: Any,
    ) -> None:
        """Add a loss: what is minimised is the sum of all, each times its weight.

        Parameters and history stay; what trains and predicts is compiled anew.

        Parameters
        ----------
        loss : str, dict or Loss
            As for the network: ``'mae'``, ``dict(form='huber', delta=0.5)``; a dict may also have
            the keywords below in it.
        weight : float
            How much it counts. ``net.losses[k].weight = 0.1`` changes it, and compiles nothing.
        output : str, optional
            What it compares, ``'hid1'`` or ``'hid1:out'``; by default the last layer.
        target : str, optional
            The name of a further array of each batch, that it compares with; those come after the
            first target, in the order of the losses. By default the first target, which must be
            of the same kind and shape.
        weighted : bool, optional
            Whether there are weights of the targets. By default as for the loss before it with
            the same target, and for a new target none.
        **options
            Those of the loss.

        Raises
        ------
        ConfigError
            If there is no such loss or output, or its targets are not like those that it shares.
        """
        given = {'weight': weight, 'output': output, 'target': target, 'weighted': weighted}
        self._aim([*self.losses, read_goal('add_loss()', loss, given | options)])

    def set_loss(
        self,
        loss: Any,
        weight: float = 1.0,
        output: str | None = None,
        weighted: bool | None = None,
        **options: Any,
    ) -> None:
        """Replace all losses by this one; its target is the first one of each batch.

        Parameters
        ----------
        loss, weight, output, **options
            As in `add_loss`.
        weighted : bool, optional
            Whether there are weights of the targets; by default as for the first loss so far.

        Raises
        ------
        ConfigError
            Likewise; or if the targets of a loss are not those of this kind of network.
        """
        given = {'weight': weight, 'output': output, 'weighted': weighted}
        goal = read_goal('set_loss()', loss, given | options)
        if goal.target is not None:
            raise ConfigError(
                f'set_loss(): the first loss has no target of another name; got {goal.target!r}'
            )
        if goal.weighted is None:
            goal.weighted = self.weighted
        self._aim([goal])

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
        return summary.table(self.graph, LAYOUTS[self.layout], type(self).__name__)

    def to_spec(self) -> dict[str, Any]:
        """Return a dict, fit for JSON, from which `rnnkit.from_spec` builds the same network."""
        loss, weighted = self._given
        spec = {
            'model': type(self).__name__,
            'layers': [layer.to_spec() for layer in self.layers],
            'loss': loss.to_spec(),
            'weighted': weighted,
            'masked': self.masked,
            'layout': self.layout,
            'dtype': self.dtype,
            'seed': self.seed,
        }
        found = [goal.to_spec() for goal in self.losses]
        del found[0]['target']  # the first of each batch
        if found != [{'loss': spec['loss'], 'weight': 1.0, 'output': None, 'weighted': weighted}]:
            spec['losses'] = found
        return spec

    load = Loader()

    def save(self, path: str) -> None:
        """Write the spec and the parameters to one safetensors file.

        Parameters
        ----------
        path : str or path-like
            An existing file is replaced only when the new one is complete.
        """
        values = {p.name: p.get_value() for p in self.params}
        storage.write(path, storage.File(self.to_spec(), values))

    # --- use ---

    def step(self, x_t: Any, state: State | None = None) -> tuple[np.ndarray, State]:
        """Return the output for a single time step, and the state after it.

        Parameters
        ----------
        x_t : array of shape (B, I)
            A list of arrays for a network with several inputs. Those that do not have the time
            axis of the output, an encoder's say, are given whole, and only without a state.
        state : dict, optional
            What an earlier call, or ``predict(..., return_state=True)``, returned: a named
            tuple of arrays (B, size) for each recurrent layer, by its name; and the outputs of
            other layers that stay the same. Without one, the series starts here.

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
        return self.inference.step(x_t, state)

    def feed_forward(self, x: Any, mask: Any = None, **noise: Any) -> dict[str, np.ndarray]:
        """Return every output of every layer for `x`, by name.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask, **noise
            As in `predict`.

        Returns
        -------
        outputs : dict of str to array
            ``{'in:out': ..., 'hid1:out': ..., 'hid1:c': ..., 'out:out': ...}``
        """
        return self.inference.feed_forward(x, mask, noise)

    @abstractmethod
    def predict(self, x: Any) -> np.ndarray:
        """Return what the network makes of `x`."""

    @abstractmethod
    def score(self, x: Any, y: Any, weights: Any = None) -> float:
        """Return how good the predictions for `x` are."""

    def gradient_flow(
        self, x: Any, y: Any = None, weights: Any = None, mask: Any = None
    ) -> gradient_flow.GradientFlow:
        r"""Return the norm of the loss gradient by each recurrent layer, for each time step.

        It is the total derivative by the output :math:`h_t`, through all later steps as well. Where
        it is far smaller at the first steps than at the last, nothing that happened there can be
        learned: the gradient vanishes. A layer whose gradient vanishes, explodes or is not finite
        is named in a warning of the logger ``rnnkit``, and in the result's `verdicts`.

        Parameters
        ----------
        x, y : arrays
            One batch, as in `score`; a list or dict of targets where there are several losses with
            targets of their own, and no y where the target is x.
        weights : array, optional
            The weight of each target, for a network with ``weighted=True``; likewise.
        mask : array of shape (T, B), optional
            Where steps are real, for a network with ``masked=True``.

        Returns
        -------
        flow : dict of str to array of shape (T,)
            The norm over examples and units, :math:`\|\partial L / \partial h_t\|`, for each
            recurrent layer by its name, and for each direction of a bidirectional one by its
            own: ``'hid1_fw'``, ``'hid1_bw'``. The loss L is that without regularizers and noise.

        Raises
        ------
        ConfigError
            If the network has no recurrent layer.
        ShapeError, DataError
            If an array is not usable.

        References
        ----------
        Bengio, Simard & Frasconi 1994, IEEE Transactions on Neural Networks 5(2).
        Pascanu, Mikolov & Bengio 2013, ICML, arXiv:1211.5063.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
        >>> flow = net.gradient_flow(np.ones((20, 2, 1)), np.zeros((20, 2, 1)))
        >>> flow['hid1'].shape, flow.verdicts
        ((20,), {})
        """
        where = 'gradient_flow()'
        batch = self.border.read_batch(self.border.join(where, x, y, weights, mask), where)
        measure = self._objectives.flow
        if not measure.terms:
            raise ConfigError(f'gradient_flow(): {type(self).__name__} has no recurrent layer')
        found = measure(batch)
        for name, what in found.verdicts.items():
            progress.LOGGER.warning('gradient_flow(): %s', gradient_flow.sentence(name, what))
        return found

    # --- training ---

    @old_words.of_training
    def train(
        self, train: Any, valid: Any = None, algo: str = 'rmsprop', **options: Any
    ) -> tuple[Monitors, Monitors]:
        """Train until patience or epochs run out; Ctrl-C ends it likewise.

        Parameters
        ----------
        train : list of arrays, or callable
            ``[x, y]`` with x of shape (T, B, I) and y of shape (T, B, O), or integers (T, B)
            for a classifier; ``[x, y, weights]`` for a weighted network, ``[x, y, mask]`` for a
            masked one; x alone for an autoencoder; a dict of the same;
            or a callable that returns one such batch each time it is called.
        valid : likewise, optional
            What patience and the best parameters are judged by; the training data if not
            given. The batches of a callable are drawn once and kept.
        algo : str
            The name of an update rule: 'rmsprop', 'adam', 'sgd', ..., or 'lbfgs'; or of a way to
            prepare a network for one: 'sample'; or, by the rule `subalgo`, 'layerwise', 'pretrain'.
        **options
            See `rnnkit.training.options.Options`; the hyper-parameters of the rule, such as
            `learning_rate`; regularizers with their weights, such as ``weight_l2=1e-4``; and
            noise, such as ``hidden_dropout=0.2``.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the validation of the parameters
            that the network now has.

        Raises
        ------
        ConfigError, ShapeError, DataError, FormatError
            If an option, an array or a file is not usable.
        TrainingError
            If the loss or a gradient is not finite. The best parameters are restored.
        """
        trainer, batches, valid_batches = self._start('train()', train, valid, algo, options)
        return trainer.train(batches, valid_batches)

    @old_words.of_training
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
        way = algorithms.find(where, algo, given)
        if way:
            return way(where, self, train, valid, given)
        own = optimizers[algo].options  # such as weight_decay, which also is a regularizer
        known = term_names()
        terms = {n: v for n, v in given.items() if n in known and n not in own}
        rest = {name: value for name, value in given.items() if name not in terms}
        norm = 1.0 if self.recurrent else 0.0
        rule, options, hyper = parse_options(where, algo, rest, known, norm)
        check_data(where, algo, rule, train)
        with kernels.allowed(self._kernel):
            step, evaluate, carries = self._objectives.train_step(rule, options, terms)
        files = Files(where, self, options)
        batching = Batching(self.border, options, carries, where)
        batches, tested = batching(train, valid, files.seed)
        self.trainings += 1
        alarm = self._objectives.alarm(options)
        trainer = Trainer(step, evaluate, options, hyper, self.history, files.seed, alarm, self)
        files.connect(trainer, batches, {'algo': algo, **terms})
        return trainer, batches, tested


def _flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f'{where} is True or False; got {value!r}')
    return bool(value)


def _pick(what: str, members: dict[str, Any], key: str | int) -> Any:
    """Return a member by name or by number."""
    if isinstance(key, Integral) and not isinstance(key, bool):
        if not -len(members) <= key < len(members):
            raise ConfigError(f'find(): there is no {what} number {key}; there are {len(members)}')
        return list(members.values())[key]
    if not isinstance(key, str) or key not in members:
        raise ConfigError(f'find(): no {what} named {key!r}; {hint(str(key), members)}')
    return members[key]

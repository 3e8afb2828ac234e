"""A network: layer specs become a graph, and the graph becomes functions."""

import copy
import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor import TensorVariable

from rnnkit import kernels, losses
from rnnkit.common import copies, file_format, file_kinds, html, meta, old_words, open_files
from rnnkit.common import progress as lines
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag, optional_whole, whole
from rnnkit.common.registry import reject_unknown
from rnnkit.data.border import LAYOUTS, check_settings
from rnnkit.data.columns import Columns
from rnnkit.data.datasets import Arrays as Batched
from rnnkit.errors import ConfigError, DataError
from rnnkit.graph import summary
from rnnkit.graph.graph import Graph
from rnnkit.graph.units import kinds_of
from rnnkit.inference.blame import not_finite
from rnnkit.inference.predict import Inference
from rnnkit.inference.states import State
from rnnkit.inference.stepper import Stepper
from rnnkit.layers import Layer, parse_layers
from rnnkit.losses import Loss
from rnnkit.losses.base import name_of
from rnnkit.models import frozen, travel
from rnnkit.models.exports import Exports
from rnnkit.models.files import Loader
from rnnkit.models.symbolic import Symbolic
from rnnkit.models.trainable import Trainable
from rnnkit.training import gradient_flow
from rnnkit.training.criterion import Criterion
from rnnkit.training.gradient_flow import GradientFlow
from rnnkit.training.history import History
from rnnkit.training.loss_term import LossTerm, read_loss_term
from rnnkit.training.protocols import Inputs, Monitors, MonitorSpec, PathOrFile
from rnnkit.training.scales import Scales
from rnnkit.training.sessions import Sessions
from rnnkit.training.train_steps import TrainSteps

MAX_LOSSES = 100
LISTED = 12  # layers of a network in its repr
LayerSpec = int | str | Sequence[object] | Mapping[str, object] | Layer


@checked_methods
class Network(Trainable, Symbolic, Exports):
    """Connected layers that can be trained, used for predictions and saved.

    This abstract class is the common part of `Regressor`, `Classifier` and `Autoencoder`.

    Parameters
    ----------
    layers : list
        One spec for each layer, see `rnnkit.layers.parse_layers`:
        ``[1, ('lstm', 10), 1]``.
    loss : str, dict or Loss, optional
        A loss by name, ``'mae'``; with its options, ``dict(form='huber', delta=0.5)``; or itself.
    weighted : bool
        Whether training data come with sample weights, ``[x, y, weights]``: an array with the
        shape of the target, or (T, B).
    masked : bool
        Whether sequences may be of different lengths. The data then come with a mask of shape
        (T, B), ``[x, y, mask]`` or ``[x, y, weights, mask]``, which is True where a step is
        real and False where it is padding; or as lists of sequences (T_i, I), which are padded
        for you.
    layout : {'time', 'batch'}
        ``'time'``: recurrent data are (time, batch, features); ``'batch'``: (batch, time,
        features).
    dtype : {'float32', 'float64'}
    seed : int, optional
        Drives the initial weights and the shuffling of examples. If not given, one is
        drawn; it is kept in `seed`.
    kernel : bool, optional
        False uses PyTensor's own Ops and scans only; by default fused kernels compute what they
        can.
    scale_targets : bool
        Whether training compares with ``(y - mean) / deviation``, of which the first training
        measures mean and deviation for each output, in the training targets that count. Outputs,
        predictions and all that is reported but the loss stay in the units of y. It is for
        targets that are numbers.

    Attributes
    ----------
    layers : list of Layer
    params : list of shared variables
        All parameters, named ``'hid1.xh'`` and so on.
    inputs : list of tensors
        The symbolic inputs.
    target, target_weights : tensor; tensor or None
        The symbolic target of the first loss, and its weights.
    outputs : dict of str to tensor
        Every output of every layer as a symbolic graph, named ``'hid1:out'`` and so on.
    losses : tuple of LossTerm
        What is minimised: the loss that the network was made with, and others that were added.
    history : History
        One record for each epoch of all trainings.
    meta : dict
        What the user keeps with the network, in files, too: JSON values and arrays.

    Raises
    ------
    ConfigError
        If a layer, a loss or a setting does not exist.
    """

    _default_loss: ClassVar[str]
    _output_activation: ClassVar[str]
    _integer_targets: ClassVar[bool] = False
    _reconstructs: ClassVar[bool] = False  # whether the target is the input
    _own_settings: ClassVar[tuple[str, ...]] = ()  # further keywords, for hints
    _classes = None  # those of a classifier

    @old_words.of_network
    def __init__(
        self,
        layers: Sequence[LayerSpec] | None = None,
        loss: str | Mapping[str, object] | Loss | None = None,
        *,
        weighted: bool = False,
        masked: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
        seed: int | None = None,
        kernel: bool | None = None,
        scale_targets: bool = False,
        **unknown: object,
    ):
        before = set(vars(self))
        where = f'{type(self).__name__}()'
        chosen = old_words.take_activations(unknown)
        reject_unknown(where, unknown, (*SETTINGS, *self._own_settings))
        self.dtype, self.layout = check_settings(layout, dtype), layout
        weighted = flag(f'{where}: weighted', weighted)
        self.masked = flag(f'{where}: masked', masked)
        self._kernel = None if kernel is None else flag(f'{where}: kernel', kernel)
        self.scale_targets = flag(f'{where}: scale_targets', scale_targets)
        if self.scale_targets and self._integer_targets:
            raise ConfigError(f'{where}: scale_targets is for numbers, and not for class labels')
        first = losses.build(self._default_loss if loss is None else loss)
        self._first_loss = (first, weighted)
        optional_whole(f'{where}: seed', seed)
        self.seed = int(np.random.SeedSequence().entropy % 2**53 if seed is None else seed)
        self.layers = parse_layers(layers, **chosen)
        self._finish_last_layer(first)
        self.history = History()
        self._meta: dict[str, Any] = {}
        self._trainings = 0
        self._sessions = Sessions()
        self._columns = Columns()
        with kernels.allowed(self._kernel):
            self._build()
        self._minimise([LossTerm(first, weighted=weighted)])
        self._own_names = frozenset({*vars(self), '_own_names'} - before)

    def _build(self) -> None:
        """Connect the layers."""
        rng = np.random.default_rng(self.seed)
        kinds = None
        if self.scale_targets:
            loss, _ = self._first_loss
            kinds = kinds_of(loss, loss.names(self.layers[-1].name))
        self._graph = Graph(self.layers, self.dtype, rng, self.masked, kinds)
        self.inputs, self.outputs = self._graph.inputs, self._graph.outputs
        self.params = [p for layer in self.layers for p in layer.params.values()]
        self._frozen = frozen.of_layers(self.layers)
        self._recurrent = any(self._graph.plan.clocks.values())

    def _minimise(self, terms: list[LossTerm]) -> None:
        """Make later trainings minimise the sum of these losses."""
        self._sessions.changed('add_loss(), set_loss(), freeze() and unfreeze()')
        if len(terms) > MAX_LOSSES:
            raise ConfigError(f'a network has at most {MAX_LOSSES} losses; got {len(terms):,}')
        loss = terms[0].loss
        if loss.integer_targets != self._integer_targets:
            kind = 'class labels' if loss.integer_targets else 'arrays of numbers'
            raise ConfigError(
                f'{type(self).__name__}: loss {name_of(loss)!r} is for targets that are {kind}; '
                f'the default here is {self._default_loss!r}'
            )
        trained = [p for p in self.params if p.name not in self._frozen]
        with kernels.allowed(self._kernel):
            criterion = Criterion(
                self._graph,
                terms,
                self.layout,
                trained,
                self._monitors,
                self._reconstructs,
                self._classes,
            )
            train_steps = TrainSteps(self._graph, criterion)
        criterion.settle()
        self._scales = Scales(self._graph, criterion)
        criterion.border.columns = self._columns
        self._losses, self.weighted = tuple(terms), bool(terms[0].weighted)
        self._border, self._variables = criterion.border, criterion.variables
        self.target = criterion.targets[terms[0].target]
        self.target_weights = criterion.weights.get(terms[0].target)
        self._train_steps = train_steps
        self._inference = Inference(self._graph, self._border, self._kernel, terms[0])

    def _finish_last_layer(self, loss: Loss) -> None:
        last = self.layers[-1]
        if 'activation' in last.options and last.activation is None:
            last.activation = loss.activation or self._output_activation

    def _monitors(
        self,
        output: TensorVariable,
        error: TensorVariable,
        target: TensorVariable,
        weights: TensorVariable | None,
        loss: Loss,
    ) -> dict[str, TensorVariable]:
        """Return the monitors of the first loss, as symbolic scalars."""
        return {'err': error}

    # --- losses ---

    @property
    def losses(self) -> tuple[LossTerm, ...]:
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
        """Add a loss: training minimises the weighted sum of all losses.

        Parameters and history are kept; functions that train and predict are compiled again.

        Parameters
        ----------
        loss : str, dict or Loss
            As for the network: ``'mae'``, ``dict(form='huber', delta=0.5)``; a dict may also
            contain the keywords below.
        weight : float
            Its factor in the sum. ``net.losses[k].weight = 0.1`` changes it, and compiles nothing.
        output : str, optional
            The output that it compares, ``'hid1'`` or ``'hid1:out'``; by default the last layer.
        target : str, optional
            The name of a further array of each batch to compare the output with; such arrays
            follow the first target, in the order of the losses. By default the first target,
            which must be of the same kind and shape.
        weighted : bool, optional
            Whether its targets have sample weights. By default as for an earlier loss with the
            same target; for a new target no.
        **options
            The options of the loss.

        Raises
        ------
        ConfigError
            If there is no such loss or output, or the loss cannot share its target.
        """
        given = {'weight': weight, 'output': output, 'target': target, 'weighted': weighted}
        self._minimise([*self.losses, read_loss_term('add_loss()', loss, given | options)])

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
            Whether its targets have sample weights; by default as for the first loss so far.

        Raises
        ------
        ConfigError
            As in `add_loss`; or if the loss is for targets of another kind of network.
        """
        given = {'weight': weight, 'output': output, 'weighted': weighted}
        term = read_loss_term('set_loss()', loss, given | options)
        if term.target is not None:
            raise ConfigError(
                f'set_loss(): the target of the first loss cannot be renamed; got {term.target!r}'
            )
        if term.weighted is None:
            term.weighted = self.weighted
        self._minimise([term])

    # --- specs and files ---

    def summary(self) -> summary.Summary:
        """Return a table of the layers, their outputs and their parameters.

        Returns
        -------
        table : Summary
            A str; a notebook shows it as HTML.
        """
        rows = summary.Rows(self._graph, LAYOUTS[self.layout], self._frozen)
        losses = [repr(term)[1:-1] for term in self.losses]
        if not self._train_steps.criterion.summed:
            losses = [name_of(self.loss)]
        epochs = f'{len(self.history):,} epoch{"s" * (len(self.history) != 1)}'
        settings = [
            f'loss {" + ".join(losses)}',
            *[f'layout {self.layout!r}'] * self._recurrent,
            *['masked'] * self.masked,
            f'trained for {epochs}' if self.history else 'not trained',
        ]
        return summary.table(rows, type(self).__name__, settings)

    def _repr_html_(self) -> str:
        return self.summary().html

    def to_spec(self) -> dict[str, Any]:
        """Return a dict, fit for JSON, from which `rnnkit.from_spec` builds the same network."""
        loss, weighted = self._first_loss
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
        terms = [term.to_spec() for term in self.losses]
        del terms[0]['target']  # the first of each batch
        if terms != [{'loss': spec['loss'], 'weight': 1.0, 'output': None, 'weighted': weighted}]:
            spec['losses'] = terms
        if self.scale_targets:
            spec['scale_targets'] = True
        if some := frozen.mark(self.layers, self._frozen):
            spec['frozen'] = some
        if self._classes is not None and (names := self._classes.to_spec()):
            spec['classes'] = names
        if self._columns.known:
            spec['columns'] = self._columns.to_spec()
        return spec

    @property
    def meta(self) -> dict[str, Any]:
        """Data kept with the network besides its parameters: scaling, vocabulary, units, ...

        A dict of JSON values and arrays of numbers, nested as you like, at first empty. Files,
        checkpoints, pickles and copies keep it. Tuples come back as lists, and numbers of NumPy's
        as those of Python.

        Raises
        ------
        ConfigError
            If it is set to, or when it is saved contains, something else; the message names it by
            its path, such as ``meta['scaler']['mean']``.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([2, 1], seed=0)
        >>> net.meta = {'scaler': {'mean': np.zeros(2)}, 'columns': ['temperature', 'wind']}
        >>> net.meta['unit'] = 'degrees'
        >>> list(net.meta)
        ['scaler', 'columns', 'unit']
        """
        return self._meta

    @meta.setter
    def meta(self, value: dict[str, Any]) -> None:
        self._meta = meta.checked(value)

    load = Loader()

    def save(self, path: PathOrFile) -> None:
        """Write the spec, the parameters and `meta` to one safetensors file.

        Parameters
        ----------
        path : str, path-like or file object
            An existing file is replaced only when the new one is complete. It keeps its mode; a
            symbolic link stays one. A file object is a binary file that is open for writing, such
            as an ``io.BytesIO``; it stays open.

        Raises
        ------
        ConfigError
            If the name ends like another format's, such as ``.pt``, or the network has a part
            that is not registered and cannot be found again when the file is loaded; or `meta`
            has something that no file can hold.
        OSError
            If the file cannot be written.
        """
        target = open_files.target('save(): path', path)
        if not open_files.is_open_file(target):
            file_kinds.check_name('save()', target.name)
        file_format.write(target, self._as_file())

    def _as_file(self) -> file_format.File:
        """Return what `save` writes."""
        values = {p.name: p.get_value() for p in self.params}
        return file_format.File(self.to_spec(), values, meta=self._meta)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle holds: the content of a file, the history and the training count."""
        return travel.reduced(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return a network with parameters and a history of its own."""
        return copies.deep(self, memo)

    def __copy__(self) -> Self:
        """Return a deep copy: networks never share parameters."""
        return copy.deepcopy(self)

    # --- use ---

    def step(self, x_t: Inputs, state: State | None = None) -> tuple[np.ndarray, State]:
        """Return the output for a single time step, and the hidden state after it.

        Where the output has no time axis, as after 'last' or 'mean', it is the answer after the
        steps so far: what `predict` returns for all of them.

        Parameters
        ----------
        x_t : array of shape (B, I), or (I,) for one series
            A list of arrays for a network with several inputs. Inputs without the time axis of
            the output, such as an encoder's, are given whole, and only together with no state.
        state : dict, optional
            What an earlier call, or ``predict(..., return_state=True)``, returned: a named
            tuple of arrays (B, size) for each layer with a state, by its name; and the outputs of
            other layers that stay the same. Dicts and lists may stand for named tuples, nested
            lists for arrays. By default a new sequence starts here.

        Returns
        -------
        y_t : array of shape (B, O), or (O,)
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
        return self._inference.step(x_t, state)

    def stepper(self, batch: int = 1) -> Stepper:
        """Return an object that reads sequences step by step and keeps the state, for real time.

        ``y_t = stepper(x_t)`` computes what ``y_t, state = net.step(x_t, state)`` does, in a
        fraction of the time.

        Parameters
        ----------
        batch : int
            The number of sequences that are read side by side.

        Returns
        -------
        stepper : Stepper
            See `rnnkit.inference.stepper.Stepper`.

        Raises
        ------
        ConfigError
            If the network has no state, or a layer needs to see the whole sequence.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, ('lstm', 3), 1], seed=0)
        >>> stepper = net.stepper()
        >>> y = stepper(np.ones((1, 1)))
        """
        return self._inference.stepper(whole('stepper(): batch', batch, 1))

    def state_to_json(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return a state as dicts and lists of numbers, fit for ``json.dumps``.

        ``json.loads`` gives it back, and ``state=`` takes it: every number is exact.

        Parameters
        ----------
        state : dict
            What `step`, ``predict(..., return_state=True)`` or `Stepper.state` returned.

        Returns
        -------
        state : dict
            ``{'hid1': {'h': [[...]], 'c': [[...]]}}``: for each part of each layer's state a list
            of B lists of numbers.

        Raises
        ------
        ConfigError, ShapeError, DataError
            If it is not a state of this network.

        Examples
        --------
        >>> import json, numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, ('gru', 2), 'mean', 1], seed=0)
        >>> y, state = net.step(np.zeros((1, 1)))
        >>> text = json.dumps(net.state_to_json(state))
        >>> text
        '{"hid1": {"h": [[0.0, 0.0]]}, "hid2": {"sum": [[0.0, 0.0]], "count": [[1.0]]}}'
        >>> y, state = net.step(np.ones((1, 1)), json.loads(text))
        """
        return self._inference.state_to_json(state)

    def feed_forward(
        self, x: Inputs, mask: ArrayLike | None = None, **noise: Any
    ) -> dict[str, np.ndarray]:
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
        return self._inference.feed_forward(x, mask, noise)

    @abstractmethod
    def predict(self, x: Inputs) -> Any:
        """Return the predictions for `x`."""

    @abstractmethod
    def score(self, x: Inputs, y: Any, weights: ArrayLike | None = None) -> float:
        """Return a measure of how good the predictions for `x` are; the greater the better."""

    def evaluate(
        self,
        x: Inputs,
        y: Any = None,
        weights: Any = None,
        mask: ArrayLike | None = None,
        *,
        batch_size: int = 32,
        monitors: MonitorSpec = None,
    ) -> Monitors:
        """Return the loss on some data: what a validation without regularizers would report.

        Parameters
        ----------
        x, y : arrays
            As in `score`: one array or list of sequences each; a list or dict of targets where
            there are several losses with targets of their own, and no y where the target is x.
        weights : array, optional
            The weight of each target, for a network with ``weighted=True``; as `y`.
        mask : array of shape (T, B), optional
            Where steps are real, for a network with ``masked=True``.
        batch_size : int
            Examples that are computed at once; results do not depend on it.
        monitors : str, dict or sequence of these, optional
            What else to report, as in `train`: names of metrics, functions of target, output and
            weights, for example.

        Returns
        -------
        results : dict of str to float
            ``'loss'``, the weighted sum of all losses, without regularizers; ``'err'``, the first
            loss; further losses by their names; ``'acc'``, the accuracy of a classifier.

        Raises
        ------
        ConfigError, ShapeError, DataError
            If an array or a monitor is not usable, all weights are 0, or the loss is not a number.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, ('rnn', 3), 1], loss='mae', seed=0)
        >>> sorted(net.evaluate(np.ones((20, 2, 1)), np.zeros((20, 2, 1)), monitors='mse'))
        ['err', 'loss', 'mse']
        """
        where = 'evaluate()'
        whole(f'{where}: batch_size', batch_size, 1)
        arrays = self._border.read_batch(self._border.join(where, x, y, weights, mask), where)
        with kernels.allowed(self._kernel):
            evaluation = self._train_steps.evaluation(monitors)
        axes = [field.batch_axis for field in self._border.fields]
        rows = [evaluation(*batch) for batch in Batched(arrays, axes, batch_size)]
        if not any(map(evaluation.counts, rows)):
            raise DataError(f'{where}: all weights are 0, so there is nothing to evaluate')
        results = evaluation.average(rows)
        if np.isnan(results['loss']):
            raise not_finite(where, self._graph)
        return results

    def gradient_flow(
        self,
        x: Inputs,
        y: Any = None,
        weights: Any = None,
        mask: ArrayLike | None = None,
    ) -> GradientFlow:
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
        batch = self._border.read_batch(self._border.join(where, x, y, weights, mask), where)
        measure = self._train_steps.flow()
        if not measure.terms:
            raise ConfigError(f'gradient_flow(): {type(self).__name__} has no recurrent layer')
        found = measure(batch)
        for name, what in found.verdicts.items():
            lines.LOGGER.warning('gradient_flow(): %s', gradient_flow.sentence(name, what))
        return found

    def __repr__(self) -> str:
        layers = [
            f'... {len(self.layers) - LISTED + 1:,} more ...'
            if k is None
            else f'{self.layers[k].name} ({self.layers[k].form} {self.layers[k].size})'
            for k in html.cut(len(self.layers), LISTED)
        ]
        chain = ' > '.join(layers)
        return f'<{type(self).__name__}: {chain}; {self.num_params} parameters, {self.dtype}>'


SETTINGS = tuple(inspect.signature(Network.__init__).parameters)[1:-1]  # the keywords of networks

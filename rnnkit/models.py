"""The networks that users make."""

from typing import Any

from rnnkit import metrics, storage
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.layers import Dense
from rnnkit.losses import accuracy
from rnnkit.network import Network
from rnnkit.registry import Registry
from rnnkit.streaming import State

models = Registry('model', check=Network)


@models.add('Regressor')
class Regressor(Network):
    """A network whose output is compared with an array of numbers.

    Its parameters and attributes are those of `rnnkit.Network`; the loss is
    'mse' unless another one is named, and the last layer linear.

    Examples
    --------
    >>> import numpy as np
    >>> net = Regressor([1, ('rnn', 3), 1], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B, O)
    (20, 2, 1)
    """

    default_loss = 'mse'
    output_activation = 'linear'

    def predict(
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False
    ) -> Any:
        """Return the output of the last layer.

        Parameters
        ----------
        x : array of shape (T, B, I)
            (B, T, I) with ``layout='batch'``; (examples, I) in a network without a recurrent
            layer; a list of arrays for a network with several inputs. Any T, any B. With
            ``masked=True``, it may be a list of sequences (T_i, I).
        mask : array of shape (T, B), optional
            Where steps are real, for a network with ``masked=True``; by default everywhere.
        state : dict, optional
            The state that an earlier call returned, to go on from; by default each call
            starts from zeros.
        return_state : bool
            Whether to return the state after the last step, too.

        Returns
        -------
        y : array of shape (T, B, O)
            0 over padding; (B, O) if the output has no time axis; for a list of sequences, a
            list of arrays (T_i, O).
        state : dict
            Only with `return_state`: a named tuple of arrays (B, size) for each recurrent
            layer, by its name.

        Raises
        ------
        ShapeError, DataError
            If `x` is not such an array.
        """
        return self.inference.predict('predict()', x, mask, state, return_state)

    def score(self, x: Any, y: Any, weights: Any = None, mask: Any = None) -> float:
        """Return R², the share of the variance of `y` that is predicted; at best 1.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of shape (T, B, O)
        weights : array of the shape of `y`, or (T, B), optional
        mask : array of shape (T, B), optional
            Where steps are real.
        """
        return self.inference.score(metrics.r2, x, y, weights, mask)


@models.add('Classifier')
class Classifier(Network):
    """A network whose output is the probability of each class, at each time step.

    Targets are class labels, whole numbers from 0, of shape (T, B). The last layer has one
    unit for each class, and is a softmax. Its parameters and attributes are those of
    `rnnkit.Network`; the loss is 'xe'.

    Examples
    --------
    >>> import numpy as np
    >>> net = Classifier([1, ('rnn', 3), 4], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B)
    (20, 2)
    """

    default_loss = 'xe'
    output_activation = 'softmax'
    integer_targets = True

    def _finish_last_layer(self):
        super()._finish_last_layer()
        last = self.layers[-1]
        if not isinstance(last, Dense) or last.activation != 'softmax':
            raise ConfigError(
                f'Classifier: the last layer must be a softmax, so write the number of classes '
                f'alone; got {last.form!r} with activation {getattr(last, "activation", None)!r}'
            )

    def monitors(self, output, error, weights):
        """Return the error and the accuracy, as symbolic scalars."""
        return {'err': error, 'acc': accuracy(output, self.target, weights)}

    def predict(
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False
    ) -> Any:
        """Return the most probable class.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `Regressor.predict`.
        mask, state, return_state
            Likewise.

        Returns
        -------
        labels : array of int of shape (T, B)
            0 over padding.
        """
        found = self.inference.predict('predict()', x, mask, state, return_state)
        out, *rest = found if return_state else (found,)
        best = [one.argmax(-1) for one in out] if isinstance(out, list) else out.argmax(-1)
        return (best, *rest) if return_state else best

    def predict_proba(
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False
    ) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask, state, return_state
            As in `Regressor.predict`.

        Returns
        -------
        probabilities : array of shape (T, B, O)
            They sum to 1 over the last axis; over padding all are 0.
        """
        return self.inference.predict('predict_proba()', x, mask, state, return_state)

    def score(self, x: Any, y: Any, weights: Any = None, mask: Any = None) -> float:
        """Return the share of labels that are predicted correctly.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of int of shape (T, B)
        weights : array of shape (T, B), optional
        mask : array of shape (T, B), optional
            Where steps are real.
        """
        return self.inference.score(metrics.accuracy, x, y, weights, mask)


def from_spec(spec: dict[str, Any]) -> Network:
    """Build the network that a spec describes, with new initial weights.

    Parameters
    ----------
    spec : dict
        What `to_spec` of a network returned.

    Raises
    ------
    ConfigError
        If it is not such a dict.
    """
    wanted = {'model', 'layers', 'loss', 'weighted', 'layout', 'dtype', 'seed'}
    if not isinstance(spec, dict) or set(spec) - {'masked'} != wanted:
        raise ConfigError(
            f'from_spec(): wants a dict with {", ".join(sorted(wanted))}; got '
            f'{sorted(map(str, spec)) if isinstance(spec, dict) else spec!r}'
        )
    rest = dict(spec)
    return models[rest.pop('model')](**rest)


def load(path: Any) -> Network:
    """Read a network that `save` has written. No code is run from the file.

    Parameters
    ----------
    path : str or path-like

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, foreign, or from a newer version; or if it needs a layer or
        an activation that has not been registered.
    """
    spec, arrays = storage.read(path)
    try:
        net = from_spec(spec)
    except RnnkitError as error:
        raise FormatError(f'{path}: its network cannot be built: {error}') from error
    wanted = {p.name: p.get_value(borrow=True) for p in net.params}
    if set(arrays) != set(wanted):
        odd = min(set(arrays) ^ set(wanted))
        raise FormatError(f'{path}: parameter {odd!r} is missing, or does not belong there')
    for p in net.params:
        array, old = arrays[p.name], wanted[p.name]
        if array.shape != old.shape or array.dtype != old.dtype:
            raise FormatError(
                f'{path}: parameter {p.name!r} is {array.dtype} {array.shape}; the network wants '
                f'{old.dtype} {old.shape}'
            )
        p.set_value(array)
    return net

"""The networks that users make."""

from typing import Any

import numpy as np

from rnnkit import metrics, storage
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.layers import Dense
from rnnkit.losses import accuracy
from rnnkit.network import Network
from rnnkit.registry import Registry

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

    def predict(self, x: Any) -> np.ndarray:
        """Return the output of the last layer.

        Parameters
        ----------
        x : array of shape (T, B, I)
            (B, T, I) with ``layout='batch'``; (examples, I) in a network without a recurrent
            layer; a list of arrays for a network with several inputs. Any T, any B.

        Returns
        -------
        y : array of shape (T, B, O)

        Raises
        ------
        ShapeError, DataError
            If `x` is not such an array.
        """
        return self._run('the prediction', [self.output()], x, 'predict()')[0]

    def score(self, x: Any, y: Any, weights: Any = None) -> float:
        """Return R², the share of the variance of `y` that is predicted; at best 1.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of shape (T, B, O)
        weights : array of the shape of `y`, or (T, B), optional
        """
        y, weights = self._read_targets(x, y, weights)
        return metrics.r2(y, self.predict(x), weights)


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

    def monitors(self):
        """Return the error and the accuracy, as symbolic scalars."""
        pre = self.output('pre')
        return {**super().monitors(), 'acc': accuracy(pre, self.target, self.target_weights)}

    def predict(self, x: Any) -> np.ndarray:
        """Return the most probable class.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `Regressor.predict`.

        Returns
        -------
        labels : array of int of shape (T, B)
        """
        return self.predict_proba(x).argmax(axis=-1)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        x : array of shape (T, B, I)

        Returns
        -------
        probabilities : array of shape (T, B, O)
            They sum to 1 over the last axis.
        """
        return self._run('the prediction', [self.output()], x, 'predict()')[0]

    def score(self, x: Any, y: Any, weights: Any = None) -> float:
        """Return the share of labels that are predicted correctly.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of int of shape (T, B)
        weights : array of shape (T, B), optional
        """
        y, weights = self._read_targets(x, y, weights)
        return metrics.accuracy(y, self.predict(x), weights)


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
    if not isinstance(spec, dict) or set(spec) != wanted:
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

"""Attention: at each step, a weighted mean of all steps of another sequence."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.common.attended import attend
from rnnkit.common.checks import choice
from rnnkit.common.checks import size as size_of
from rnnkit.common.output_names import MAIN, parts
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine, masked
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers

SCORES = {
    'additive': {'query': 'glorot', 'key': 'glorot', 'v': 'glorot'},
    'general': {'query': 'glorot'},
    'dot': {},
}


@layers.add('attention')
class Attention(Layer):
    r"""At each step, look at all steps of another sequence, the memory, and mix what is there.

    .. math::

        a_{ts} &= \mathrm{softmax}_s\, \mathrm{score}(x_t, m_s) \\
        c_t &= \sum_s a_{ts} m_s \\
        y_t &= g(x_t W_{xh} + c_t W_{ch} + b)

    x is the input, usually the hidden states of a decoder, and m the memory, usually those of an
    encoder. Each has its own time steps, and its own mask in a network that is ``masked``. The
    outputs are ``'out'``, y; ``'context'``, c of shape (T, B, M); and ``'weights'``, a of shape
    (T, B, S), where S is the number of steps of the memory. Over its padding weights are 0. If a
    sequence has no real step, all weights and the context are.

    Parameters
    ----------
    memory : str
        The layer before this one whose output is the memory, or one of its outputs.
    score : {'additive', 'general', 'dot'}
        ``tanh(x query + m key) v``, ``x query m`` or ``x m``. For 'dot', x and m must have the same
        number of features.
    score_size : int, optional
        The number of hidden units of the additive score; by default `size`.
    activation : str or callable
        The function g, tanh by default.

    Notes
    -----
    The score is computed from the state of the decoder after its step, as in Luong et al. So the
    decoder does not read the context, and all its steps are known before the first one looks at
    the memory. In Bahdanau et al., who introduced the additive score, the decoder reads the
    context at the same step.

    References
    ----------
    Bahdanau, Cho & Bengio 2015, arXiv:1409.0473 (additive); Luong, Pham & Manning 2015,
    arXiv:1508.04025 (general, dot, and y, their equation 5).

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> net = rnnkit.Regressor([
    ...     2, dict(form='gru', size=4, name='encoder'),
    ...     dict(form='input', size=1, name='before'),
    ...     dict(form='gru', size=4, h_0='encoder'),
    ...     dict(form='attention', size=4, memory='encoder', name='look'),
    ...     1,
    ... ], seed=0)
    >>> x, before = np.ones((7, 3, 2)), np.ones((5, 3, 1))
    >>> weights = net.feed_forward([x, before])['look:weights']
    >>> weights.shape, bool(np.allclose(weights.sum(axis=-1), 1))
    ((5, 3, 7), True)
    """

    options = {'memory': None, 'score': 'additive', 'score_size': None, 'activation': 'tanh'}
    initial = {'xh': 'glorot', 'ch': 'glorot', 'b': 0.0}
    of_memory = ('key', 'mask')
    unsized = ('weights',)

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        where = f'layer {self.form!r}'
        # The score determines the parameters of the layer, so it comes first.
        score = options.get('score', self.options['score'])
        choice(f'{where}: score', score, SCORES)
        self.initial = {**type(self).initial, **SCORES[score]}
        super().__init__(size, name=name, inputs=inputs, **options)
        if not isinstance(self.memory, str) or not self.memory:
            raise ConfigError(
                f'{where}: memory must be the name of the layer whose steps it looks at, such as '
                f"memory='encoder'; got {brief(self.memory)}"
            )
        if self.score_size is not None:
            size_of(f'{where}: score_size', self.score_size)
            if score != 'additive':
                raise ConfigError(
                    f"{where}: score_size is for score='additive'; got score={score!r}"
                )
        activations.build(self.activation)  # rejects a wrong name, and one with parameters

    @property
    def memory_source(self):
        return self.memory

    def output_size(self, name):
        sizes = {'context': self.memory_size, 'key': self._score_size, 'mask': 1, 'weights': 0}
        return sizes.get(name, self.size)

    @property
    def _score_size(self) -> int:
        return self.size if self.score_size is None else self.score_size

    def shapes(self):
        x, m, a = self.input_size, self.memory_size, self._score_size
        if self.score == 'dot' and x != m:
            raise ConfigError(
                f"layer {self.name!r} (attention): score='dot' compares the input with the "
                f'memory, which must be of the same size; the input has {x} features, and '
                f"{self.memory!r} has {m}. Use score='general'"
            )
        scores = {'query': (x, a), 'key': (m, a), 'v': (a,)}
        if self.score == 'general':
            scores = {'query': (x, m)}
        own = {name: scores[name] for name in SCORES[self.score]}
        return {'xh': (x, self.size), 'ch': (m, self.size), 'b': (self.size,), **own}

    def transform(self, x, memory):  # x: (T, B, I), or (B, I)
        has_time = x.ndim == 3
        queries = x if has_time else x[None]
        values, mask, outputs = *memory, {}
        if mask is not None:
            outputs['mask'] = mask[:, :, None]  # (S, B, 1)
            mask = outputs['mask'][:, :, 0]
            values = self._without_padding(values, mask)
        keys, v = values, self.params.get('v')
        if 'query' in self.params:
            queries = _product(queries, self.params['query'])
        if 'key' in self.params:
            keys = outputs['key'] = _product(values, self.params['key'])
        found = kernels.attend(queries, keys, values, v, mask)
        weights, context = found or attend(queries, keys, values, v, mask)
        if not has_time:
            weights, context = weights[0], context[0]
        b = self.params['b']
        pre = _affine(x, self.params['xh'], b) + _product(context, self.params['ch'])
        out = kernels.tanh_of(pre) if self.activation == 'tanh' else None
        if out is None:
            out = activations.Chain(self.activation)(pre)
        return {'out': out, 'context': context, 'weights': weights, **outputs}

    def meet(self, before):
        owner, output = parts(self.memory)
        self._is_zero = any(
            layer.name == owner and layer.zero_padding and output == MAIN for layer in before
        )

    def _without_padding(self, values: TensorVariable, mask: TensorVariable) -> TensorVariable:
        """Return the memory with 0 over padding, where there may be anything."""
        if self._is_zero:
            return values
        hidden = kernels.hide_padding(values, mask)
        return masked(values, mask) if hidden is None else hidden


def _product(x: TensorVariable, w: TensorVariable) -> TensorVariable:
    """Return ``x @ w``."""
    return _affine(x, w, pt.zeros((w.shape[1],), dtype=w.dtype))


def _affine(x: TensorVariable, w: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``x @ w + b``, computed by a kernel if available."""
    fused = kernels.affine(x, w, b)
    return affine(x, w, b) if fused is None else fused

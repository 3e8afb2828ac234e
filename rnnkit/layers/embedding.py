"""Embedding of tokens as vectors."""

import numpy as np

from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


def _small(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return 0.1 * rng.standard_normal(shape)


@layers.add('embedding')
class Embedding(Layer):
    """Lookup table of token vectors: token ids (T, B) become vectors (T, B, size).

    It reads an input layer whose size is that of the vocabulary, V:
    ``[10_000, ('embedding', 64), ('lstm', 128), 2]``. Data are whole numbers from 0 to V - 1.
    Gradients are sparse: an update changes only the rows of tokens in the batch, so that its cost
    does not depend on V. Update rules with state, such as momentum, keep the state of other rows
    unchanged until their tokens occur, as PyTorch's ``SparseAdam`` does. If the loss reads the
    whole table, as `weight_l2` does, gradients are dense. So they are if a layer 'tied' uses the
    table for its outputs, as in language models.

    The table ``w`` of shape (V, size) starts normally distributed with standard deviation 0.1.
    """

    initial = {'w': _small}

    def shapes(self):
        return {'w': (self.input_size, self.size)}

    def transform(self, x):
        return {'out': self.params['w'][x]}

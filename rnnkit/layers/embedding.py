"""Vectors for words."""

from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


def _small(shape, rng):
    return 0.1 * rng.standard_normal(shape)


@layers.add('embedding')
class Embedding(Layer):
    """A row of a table for each word: whole numbers (T, B) become vectors (T, B, size).

    It reads an input layer, whose size is the number of words, V:
    ``[10_000, ('embedding', 64), ('lstm', 128), 2]``. Data are whole numbers from 0 to V - 1.
    A training step costs as much as there are words in the batch, whatever V is.

    The table ``w`` of shape (V, size) starts from a normal distribution of deviation 0.1.
    """

    initial = {'w': _small}

    def shapes(self):
        return {'w': (self.input_size, self.size)}

    def transform(self, x):
        return {'out': self.params['w'][x]}

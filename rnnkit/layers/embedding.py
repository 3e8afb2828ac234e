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
    A training step costs as much as there are words in the batch, whatever V is: an update
    changes the rows of these words alone. A rule with a memory, or momentum, leaves those of the
    other words as they are until they come again, as PyTorch's ``SparseAdam`` does. Something
    that reads the whole table, as `weight_l2` does, makes an update cost all of it.

    The table ``w`` of shape (V, size) starts from a normal distribution of deviation 0.1.
    """

    initial = {'w': _small}

    def shapes(self):
        return {'w': (self.input_size, self.size)}

    def transform(self, x):
        return {'out': self.params['w'][x]}

"""The parameter `layers` of the estimators: hidden layers, without the input and the output."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral

from rnnkit.common import caller
from rnnkit.errors import ConfigError
from rnnkit.layers import registry
from rnnkit.models.network import LayerSpec

POOLING = ('last', 'mean', 'max')  # layers after which there is no time axis
ADDED = 'layers are the hidden layers alone, and the estimator adds the input and the output'


def form_of(layer: LayerSpec) -> object:
    """Return the form of a layer, as far as its spec says it."""
    if isinstance(layer, dict):
        return layer.get('form')
    return layer[0] if isinstance(layer, Sequence) and not isinstance(layer, str) else layer


def check_hidden(layers: Sequence[LayerSpec], features: int, outputs: int | None) -> None:
    """Refuse what is no list of hidden layers: a single one, or those of a whole network.

    A number that may be meant as a dense layer is only warned of. Where `outputs` is None, a last
    one is not: it is the width of the features that a transformer returns.

    Raises
    ------
    ValueError
        If it is a single layer, or an embedding is among them.
    ConfigError
        If these are all layers of a network.
    """
    _refuse_single(layers)
    if any(form_of(layer) == 'embedding' for layer in layers):
        raise ValueError(
            f'layers={layers!r}: an embedding reads tokens, but the estimators read '
            f"features; for tokens use rnnkit.Classifier, as in 'Tag sequences' of the docs"
        )
    first, last = _size_of(layers[:1]), _size_of(layers[-1:])
    softmax = bool(layers) and _is_output(layers[-1])
    is_input = first == features and len(layers) > 1
    is_output = last is not None and last == outputs and len(layers) > 1
    if softmax or (is_input and is_output):
        kept = list(layers[is_input : -1 if softmax or is_output else None])
        while kept and kept[-1] == 'last':  # which is added, too
            kept.pop()
        raise ConfigError(f'layers={layers!r} is a whole network; {ADDED}: layers={tuple(kept)!r}')
    for found, size, what in ((is_input, first, 'features'), (is_output, last, 'outputs')):
        if found:
            caller.warn(
                f'layers={layers!r}: {size} is a dense layer here, and as wide as there are '
                f'{what}; {ADDED}. Leave it out; if it is meant, write '
                f"dict(form='feedforward', size={size})",
                UserWarning,
            )


@contextmanager
def users_places(before: int, n: int) -> Iterator[None]:
    """Let errors of a network name an entry of `layers`, which come after `before` others."""
    try:
        yield
    except ConfigError as error:
        match = re.match(r"layers\[(\d+)\], '\w+'(.*)", str(error), re.DOTALL)
        place = int(match[1]) - before if match else -1
        if match is None or not 0 <= place < n:
            raise
        raise type(error)(f'layers[{place}]{match[2]}') from None


def _refuse_single(layers: Sequence[LayerSpec]) -> None:
    """Raise a ValueError for one layer in place of a list, such as for ``(('gru', 32))``."""
    form, *others = layers or [None]
    needs_size = isinstance(form, str) and form in registry and registry[form].sized
    if needs_size and others and isinstance(others[0], Integral):
        raise ValueError(
            f'layers={layers!r} is a single layer; expected a tuple of layers, such as '
            f'({tuple(layers)!r},), with a comma at its end'
        )


def _size_of(layers: Sequence[LayerSpec]) -> int | None:
    """Return the only one of `layers`, if it is a plain number."""
    number = bool(layers) and isinstance(layers[0], Integral) and not isinstance(layers[0], bool)
    return int(layers[0]) if number else None


def _is_output(layer: LayerSpec) -> bool:
    """Whether a layer is a classifier's output, and not one with softmax as its activation."""
    items = layer if isinstance(layer, tuple | list) else [form_of(layer)]
    words = {item for item in items if isinstance(item, str)}
    return bool(words) and words <= {'softmax', 'classifier'}

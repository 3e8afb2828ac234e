"""The mini-language in which the layers of a network are written."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnkit import activations
from rnnkit.common import old_words
from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers

# Of these the activation was fixed in theanets, whatever the default of the network was.
FIXED = ('lstm', 'mut1', 'classifier', 'softmax')


def parse_layers(
    specs: Any, hidden_activation: Any = None, output_activation: Any = None
) -> list[Layer]:
    """Make the layers of a network, and give names to those that have none.

    Parameters
    ----------
    specs : sequence
        One entry for each layer:

        - an int: that many units, fully connected; as the first entry, the input;
        - a tuple or list with, in any order, an int for the size and words for the form and
          the activation: ``('lstm', 10)``, ``(20, 'relu')``, ``('rnn', 5, 'relu')``; or with
          a single int, ``(6,)``; layers without a size of their own have another number
          there: ``('dropout', 0.5)``, ``('repeat', 10)``;
        - a str: the form alone;
        - a dict with ``form`` and any keywords of that layer;
        - a `rnnkit.Layer`.
    hidden_activation, output_activation : str, optional
        The activation of the layers inside, or of the last one, where they do not say it. An
        LSTM keeps its own.

    Raises
    ------
    ConfigError
        If there are fewer than two layers, a word is not known, or two layers have one name.
    """
    if isinstance(specs, str | bytes | dict) or not isinstance(specs, Sequence):
        raise ConfigError(f"layers is a list such as [1, ('lstm', 10), 1]; got {specs!r}")
    if len(specs) < 2:
        raise ConfigError(f'a network has an input and at least one more layer; got {specs!r}')
    chosen = [None, *[hidden_activation] * (len(specs) - 2), output_activation]
    found = [
        _parse(spec, k, len(specs), one)
        for k, (spec, one) in enumerate(zip(specs, chosen, strict=True))
    ]
    if found[0].form != 'input':
        raise ConfigError(
            f'the first layer is the input: an int, or dict(form="input", size=...); '
            f'got {specs[0]!r}'
        )
    for place, layer in enumerate(found):
        layer.name = layer.name or _default_name(place, len(found))
    names = [layer.name for layer in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'two layers are called {name!r}; give each a name of its own')
    return found


def _default_name(place: int, n: int) -> str:
    return 'in' if place == 0 else 'out' if place == n - 1 else f'hid{place}'


def _parse(spec: Any, place: int, n: int, activation: Any = None) -> Layer:
    """Make one layer; errors say which entry of the list it came from."""
    if isinstance(spec, Layer):
        return spec
    default = 'input' if place == 0 else 'feedforward'
    try:
        keywords = old_words.new_layer(_keywords(spec, default))
        form = keywords.pop('form')
        takes = 'activation' in layers[form].options and form.lower() not in FIXED
        if activation is not None and takes:
            keywords.setdefault('activation', activation)
        return layers.build(form, **keywords)
    except ConfigError as error:
        raise ConfigError(f'layers[{place}], {_default_name(place, n)!r}: {error}') from None


def _keywords(spec: Any, default: str) -> dict[str, Any]:
    """Turn an entry of any kind into keywords, with the form among them."""
    if isinstance(spec, dict):
        bad = [key for key in spec if not isinstance(key, str)]
        if bad:
            raise ConfigError(f'the keys of a layer dict are words; got {bad[0]!r}')
        return {'form': default, **spec}
    if _is_number(spec) and not isinstance(spec, float):
        return {'form': default, 'size': spec}
    if isinstance(spec, str):
        return {'form': spec if _is_form(spec) else layers[spec] and spec}
    if isinstance(spec, tuple | list):
        return _from_words(spec, default)
    raise ConfigError(
        f'a layer is an int, a tuple such as ("lstm", 10), a str, a dict or a Layer; got {spec!r}'
    )


def _from_words(spec: Sequence, default: str) -> dict[str, Any]:
    """Sort the words of a tuple into size, form and activation."""
    if len(spec) > 1 and all(_is_number(word) for word in spec):
        return {'form': default, 'shape': spec}
    forms = [word for word in spec if isinstance(word, str) and word in layers]
    amount = layers[forms[0] if forms else default].amount
    keywords = {}
    for word in spec:
        if isinstance(word, str):
            key = 'form' if _is_form(word) else 'activation'
        elif _is_number(word) and not (isinstance(word, float) and amount == 'size'):
            key = amount
        elif callable(word):
            key = 'activation'
        else:
            raise ConfigError(f'{spec!r}: cannot make sense of {word!r}')
        if key in keywords:
            raise ConfigError(f'{spec!r} has more than one {key}: {keywords[key]!r} and {word!r}')
        if key == 'activation' and isinstance(word, str):
            _check_word(word)
        keywords[key] = word
    return {'form': default, **keywords}


def _is_form(word: str) -> bool:
    return word in layers or word.lower() in {**old_words.FORMS, **old_words.NOT_FORMS}


def _is_number(word: Any) -> bool:
    return isinstance(word, int | float | np.number) and not isinstance(word, bool)


def _check_word(word: str) -> None:
    """Raise for a word that is neither a layer nor an activation, with the nearest of both."""
    for name in map(str.strip, word.split('+')):
        # What follows a colon, as in 'maxout:4', is left to the activation.
        known = activations.activations
        if name not in known and name.partition(':')[0] not in known:
            raise ConfigError(
                f'no layer or activation named {name!r}; {hint(name, [*layers, *known], layers)}'
            )

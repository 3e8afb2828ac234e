"""Layer specs: the lists from which the layers of a network are built."""

from collections import Counter
from collections.abc import Collection, Sequence

from rnnkit import activations
from rnnkit.cells import Cell
from rnnkit.common import foreign_names, old_words
from rnnkit.common.calls import checked
from rnnkit.common.checks import is_real
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers as registry

# As in theanets, the network's default activations do not apply to these forms.
FIXED = ('lstm', 'mut1', 'classifier', 'softmax')

# So that a malicious file cannot request a graph without bounds.
MAX_LAYERS = 1000
MAX_OPERATIONS = 2000  # of all activations of a network

Activation = str | activations.Activation | None


@checked
def parse_layers(
    specs: Sequence[object],
    hidden_activation: Activation = None,
    output_activation: Activation = None,
) -> list[Layer]:
    """Create the layers of a network, and name those without a name.

    Parameters
    ----------
    specs : sequence
        One entry for each layer:

        - an int: a fully connected layer with that many units; as the first entry, the input;
        - a tuple or list with, in any order, an int for the size and names of the form and the
          activation: ``('lstm', 10)``, ``(20, 'relu')``, ``('rnn', 5, 'relu')``; or with a
          single int, ``(6,)``; for layers that have no size to set, the number is another
          option: ``('dropout', 0.5)``, ``('repeat', 10)``;
        - a str: the form alone;
        - a dict with ``form`` and any keywords of that layer;
        - a `rnnkit.Layer`.
    hidden_activation, output_activation : str or callable, optional
        The default activation of the hidden layers, and of the last one. LSTM layers ignore it.

    Raises
    ------
    ConfigError
        If there are fewer than two layers, a name is unknown, or two layers have the same name.
    """
    if isinstance(specs, str | bytes | dict) or not isinstance(specs, Sequence):
        raise ConfigError(f"layers must be a list such as [1, ('lstm', 10), 1]; got {brief(specs)}")
    if len(specs) < 2:
        raise ConfigError(f'a network has an input and at least one more layer; got {brief(specs)}')
    if len(specs) > MAX_LAYERS:
        raise ConfigError(f'a network has at most {MAX_LAYERS:,} layers; got {len(specs):,}')
    defaults = [None, *[hidden_activation] * (len(specs) - 2), output_activation]
    names = _names(specs)
    layers = [
        _parse(spec, place, len(specs), activation, names)
        for place, (spec, activation) in enumerate(zip(specs, defaults, strict=True))
    ]
    if layers[0].form != 'input':
        raise ConfigError(
            f'the first layer is the input, and must be an int or dict(form="input", size=...); '
            f'got {brief(specs[0])}'
        )
    for place, layer in enumerate(layers):
        layer.name = layer.name or _default_name(place, len(layers))
    name, count = Counter(layer.name for layer in layers).most_common(1)[0]
    if count > 1:
        raise ConfigError(f'two layers are called {name!r}; give each a different name')
    steps = sum(activations.operations(x.given.get('activation')) for x in layers)
    if steps > MAX_OPERATIONS:
        raise ConfigError(
            f'the activations of a network have at most {MAX_OPERATIONS:,} steps; got {steps:,}'
        )
    return layers


def _default_name(place: int, n: int) -> str:
    return 'in' if place == 0 else 'out' if place == n - 1 else f'hid{place}'


def _names(specs: Sequence[object]) -> set[str]:
    """Return the names that layers have, or may have."""
    given = [one.get('name') for one in specs if isinstance(one, dict)]
    given += [one.name for one in specs if isinstance(one, Layer)]
    defaults = {_default_name(place, len(specs)) for place in range(len(specs))}
    return defaults | {name for name in given if isinstance(name, str)}


def _parse(
    spec: object, place: int, n: int, activation: Activation, names: Collection[str]
) -> Layer:
    """Create one layer; errors name the entry of the list that it is made from."""
    if isinstance(spec, Layer):
        return spec
    default = form = 'input' if place == 0 else 'feedforward'
    try:
        keywords = old_words.new_layer(_keywords(spec, default, names))
        form = keywords.pop('form')
        _check_form(form)
        takes = 'activation' in registry[form].options and form.lower() not in FIXED
        if activation is not None and takes:
            keywords.setdefault('activation', activation)
        return registry.build(form, **keywords)
    except ConfigError as error:
        text = str(error)
        if form in registry:  # under the name that was written, such as 'softmax'
            text = text.replace(f'layer {registry[form].form!r}: ', f'layer {form!r}: ')
        raise ConfigError(f'layers[{place}], {_default_name(place, n)!r}: {text}') from None


def _keywords(spec: object, default: str, names: Collection[str]) -> dict[str, object]:
    """Turn an entry of any kind into keywords, including the form."""
    if isinstance(spec, dict):
        bad = [key for key in spec if not isinstance(key, str)]
        if bad:
            raise ConfigError(f'the keys of a layer dict must be str; got {brief(bad[0])}')
        return {'form': default, **spec}
    if is_real(spec) and not isinstance(spec, float):
        return {'form': default, 'size': spec}
    if isinstance(spec, str):
        _check_form(spec)
        return {'form': spec}
    if isinstance(spec, tuple | list):
        return _from_items(spec, default, names)
    _refuse_class(spec)
    raise ConfigError(
        f'a layer must be an int, a tuple such as ("lstm", 10), a str, a dict or a Layer; got '
        f'{brief(spec)}'
    )


def _from_items(spec: Sequence[object], default: str, names: Collection[str]) -> dict[str, object]:
    """Sort the items of a tuple into size, form and activation."""
    if len(spec) > 1 and all(map(is_real, spec)):
        if default != 'input':
            raise ConfigError(
                f'{spec!r} has {len(spec)} sizes; each layer is an entry of its own: '
                f'{", ".join(map(str, spec))}'
            )
        if len(spec) == 2:
            raise ConfigError(
                f'{spec!r}: the input has one size, the number of features of a time step; write '
                f'{spec[1]}'
            )
        return {'form': default, 'shape': spec}
    forms = [item for item in spec if isinstance(item, str) and item in registry]
    amount = registry[forms[0] if forms else default].amount
    keywords: dict[str, object] = {}
    for item in spec:
        instead = _as_dict(spec, forms, item, names)
        _refuse_class(item)
        if isinstance(item, str):
            key = 'form' if _is_form(item) else 'activation'
        elif is_real(item) and not (isinstance(item, float) and amount == 'size'):
            key = amount
        elif callable(item):
            key = 'activation'
        else:
            raise ConfigError(f'{brief(spec)}: cannot make sense of {brief(item)}{instead}')
        if key in keywords:
            both = f'{brief(keywords[key])} and {brief(item)}'
            raise ConfigError(f'{brief(spec)} has more than one {key}: {both}{instead}')
        if key == 'activation' and isinstance(item, str):
            if forms and item in names and item not in activations.activations:
                raise ConfigError(f'{item!r} is a layer, not an activation{instead}')
            _check_activation(item)
        keywords[key] = item
    return {'form': default, **keywords}


def _as_dict(
    spec: Sequence[object], forms: Sequence[str], item: object, names: Collection[str]
) -> str:
    """Return the end of a message about an item of a tuple: the dict that may be meant."""
    if not forms:
        return ''
    form, others = forms[0], [form for form in forms if form.lower() != 'bidirectional']
    sources = item if isinstance(item, tuple | list) else (item,)
    if len(forms) == 2 and len(others) == 1:
        form, options = 'bidirectional', f', worker={others[0]!r}'
    elif not others and isinstance(item, tuple | list) and item[:1] and item[0] in registry:
        form, options, spec = 'bidirectional', f', worker={item[0]!r}', item
    elif isinstance(item, dict):
        options = ''.join(f', {key}={brief(value)}' for key, value in item.items())
    elif sources and all(isinstance(one, str) and one in names for one in sources):
        own = [key for key in ('partner', 'memory') if key in registry[form].options]
        keyword = own[0] if own else 'inputs'
        options = f', {keyword}={item!r}'
    elif isinstance(item, tuple | list):
        options = ', ...'
    else:
        return ''
    sizes = [one for one in spec if is_real(one) and registry[form].amount == 'size']
    size = f', size={sizes[0]}' if sizes else ''
    return f'; write dict(form={form!r}{size}{options})'


def _is_form(name: str) -> bool:
    # Retired forms count, too: their errors say what to use instead.
    return name in registry or name.lower() in {**old_words.FORMS, **old_words.NOT_FORMS}


def _refuse_class(item: object) -> None:
    """Raise a ConfigError for a class of layers or cells in place of its name."""
    if not (isinstance(item, type) and issubclass(item, Layer | Cell)):
        return
    for form in registry:
        if item in (registry[form], getattr(registry[form], 'cell_class', None)):
            raise ConfigError(
                f'a layer is named by a str; write {form!r} in place of the class {item.__name__}'
            )
    raise ConfigError(
        f'a layer is named by a str; put @rnnkit.layers.add({item.__name__.lower()!r}) before the '
        f'class {item.__name__}, and write {item.__name__.lower()!r} here'
    )


def _check_form(name: object) -> None:
    """Raise a ConfigError if the name of a layer is an activation, or a layer of other libraries.

    Any other name that is not a layer's is left to the registry.
    """
    _refuse_class(name)
    if not isinstance(name, str) or _is_form(name):
        return
    if name in activations.activations:
        raise ConfigError(
            f'{name!r} is an activation, not a layer; write it as (20, {name.lower()!r})'
        )
    near = hint(name, registry)
    instead = foreign_names.of_layer(name)
    if instead and not near.startswith('did you'):
        raise ConfigError(f'no layer named {brief(name)}; {instead}')
    registry[name]


def _check_activation(spec: str) -> None:
    """Raise a ConfigError if a str is neither a layer nor an activation; it suggests either."""
    names = activations.split(spec)
    if len(names) > activations.MAX_STEPS:
        return  # the activation itself refuses so many
    for name in names:
        # The activation itself checks what follows a colon, as in 'maxout:4'.
        known = activations.activations
        if name not in known and name.partition(':')[0] not in known:
            found = hint(name, [*registry, *known], registry)
            if not found.startswith('did you'):
                found = foreign_names.of_layer(name) or found
            raise ConfigError(f'no layer or activation named {brief(name)}; {found}')

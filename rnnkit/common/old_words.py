"""Keywords of theanets and downhill that have another name here.

An old keyword does what the new one does, and warns: a DeprecationWarning that says what to write,
at the line of the user's script. A keyword that means nothing any more is an error that says why.
Those of other libraries, which only make hints, are in `foreign_keywords`.
"""

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar

from rnnkit.errors import ConfigError

F = TypeVar('F', bound=Callable[..., Any])
Keywords = dict[str, Any]


@dataclass(frozen=True)
class Old:
    """The meaning of an old keyword.

    Attributes
    ----------
    read : callable
        ``read(value)`` returns the keywords of today; an empty dict if the keyword is to be left
        out; or None if this value is still written so.
    why : str
        Why it can be left out.
    new : str or None
        The keyword of today, if only the name has changed.
    instead : str
        What to write, if that is not a keyword of the same call.
    """

    read: Callable[[object], Keywords | None]
    why: str = ''
    new: str | None = None
    instead: str = ''


class NoMeaningError(Exception):
    """An old keyword has a value that means nothing today; the message says what to do."""


def warn(message: str, category: type[Warning] = DeprecationWarning) -> None:
    """Warn, of an old keyword if not told otherwise, at the line outside of rnnkit that called."""
    frame, level = sys._getframe(0), 1
    while frame.f_back and frame.f_globals.get('__name__', '').partition('.')[0] == 'rnnkit':
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def translate(
    where: str,
    olds: Mapping[str, Old],
    gone: Mapping[str, str],
    given: Keywords,
    taken: tuple[str, ...] = (),
) -> Keywords:
    """Return keywords with old ones replaced by those of today.

    Parameters
    ----------
    where : str
        The call, as the user would write it.
    olds : dict of str to Old
    gone : dict of str to str
        Keywords that mean nothing any more, and why.
    given : dict
    taken : tuple of str
        Arguments that were given by position.

    Raises
    ------
    ConfigError
        If a keyword is gone, or means the same as another one.
    """
    keywords: Keywords = {}
    for keyword, value in given.items():
        if keyword in gone:
            raise ConfigError(f'{where}: {keyword}= {gone[keyword]}')
        try:
            new = olds[keyword].read(value) if keyword in olds else None
        except NoMeaningError as error:
            raise ConfigError(f'{where}: {keyword}= {error}') from None
        if new is None:
            new = {keyword: value}
        else:
            warn(f'{where}: {keyword}= is an old keyword; {_advice(new, olds[keyword])}')
        for name in new:
            if name in keywords or name in taken or (name != keyword and name in given):
                raise ConfigError(f'{where}: {keyword}= and another keyword both mean {name}=')
        keywords |= new
    return keywords


def _advice(new: Keywords, old: Old) -> str:
    if old.instead:
        return old.instead
    if not new:
        return f'leave it out{old.why and f": {old.why}"}'
    simple = str | int | float | bool | os.PathLike | None
    shown = (f'{k}={v!r}' if isinstance(v, simple) else f'{k}=...' for k, v in new.items())
    return f'write {", ".join(shown)}'


def understood(olds: Mapping[str, Old], gone: Mapping[str, str]) -> Callable[[F], F]:
    """Return a decorator for a function that accepts old keywords, too."""

    def decorate(function: F) -> F:
        names = tuple(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*args: object, **given: object) -> object:
            if any(keyword in olds or keyword in gone for keyword in given):
                own = function.__name__ == '__init__'
                where = f'{type(args[0]).__name__ if own else function.__name__}()'
                given = translate(where, olds, gone, given, names[: len(args)])
            return function(*args, **given)

        return call  # type: ignore[return-value]  # `wraps` has given it the signature

    return decorate


def renamed(new: str) -> Old:
    """Return an old keyword that has a new name."""
    return Old(lambda value: {new: value}, new=new)


def dropped(default: object, why: str, instead: str) -> Old:
    """Return an old keyword of which only the default value still makes sense."""

    def read(value: object) -> Keywords:
        if value is None or (isinstance(value, type(default)) and value == default):
            return {}
        raise NoMeaningError(instead)

    return Old(read, why)


# --- of train, itertrain and minimize


def _algo(value: object) -> Keywords:
    names = value.split() if isinstance(value, str) else value
    if isinstance(names, list | tuple) and len(names) == 1:
        return {'algo': names[0]}
    if not isinstance(names, list | tuple) or not names:
        return {'algo': value}
    raise NoMeaningError(
        f'names {len(names)} algorithms; call train once for each: algo={names[0]!r}, '
        f'then algo={names[1]!r}'
    )


def _seed(value: object) -> Keywords:
    if value is None:
        return {}
    if isinstance(value, Integral) and not isinstance(value, bool):
        return {'seed': int(value)}
    raise NoMeaningError(
        f'is a {type(value).__name__}; everything is drawn from one number here: write seed=13'
    )


def _save_every(value: object) -> Keywords | None:
    old = isinstance(value, Real) and not isinstance(value, bool) and value < 0
    return {'save_every': float(-value)} if old else None


def _regularizers(value: object) -> Keywords:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    raise NoMeaningError('is a dict of names and weights here; or write them as keywords')


PLACES = ('input', 'hidden', 'output')

TRAINING = {
    'algorithm': Old(_algo, new='algo'),
    'optimize': Old(_algo, new='algo'),
    'train_set': renamed('train'),
    'valid_set': renamed('valid'),
    'rng': Old(_seed, 'each training has a seed of its own, made from that of the network', 'seed'),
    'max_updates': Old(
        lambda n: {} if n is None else {'epochs': n}, 'patience ends the training', 'epochs'
    ),
    'iteration_size': Old(
        lambda n: {} if n is None else {'train_batches': n, 'valid_batches': n},
        'all batches are used',
    ),
    'validate': renamed('validate_every'),
    'max_gradient_clip': renamed('max_gradient_elem'),
    'gradient_clip': renamed('max_gradient_elem'),
    'save_progress': Old(
        lambda path: {} if path is None else {'checkpoint': path},
        'no file is written',
        'checkpoint',
    ),
    'save_every': Old(_save_every),
    'regularizers': Old(_regularizers),
    'axis': dropped(
        0,
        'the network knows its axes',
        'is known: data are (time, batch, features), or (batch, time, features) in a network with '
        "layout='batch'",
    ),
    **{
        f'{place}_{kind}s': renamed(f'{place}_{kind}')
        for place in PLACES
        for kind in ('dropout', 'noise')
    },
}

_OF_HF = "belonged to algo 'hf', which is not here; algo='lbfgs' uses second derivatives, too"

NOT_OF_TRAINING = {
    'hidden_l2': 'is not here; there is hidden_l1=, and @rnnkit.regularizers.add for your own',
    'contractive_l2': 'is not here; contractive= is the penalty of later versions, of another size',
    'num_updates': 'belonged to algorithms that are not here; epochs= ends a training',
    'no_learn_biases': 'is not here; biases are learned',
    **dict.fromkeys(
        ('cg_batches', 'initial_lambda', 'global_backtracking', 'preconditioner', 'cg_set'), _OF_HF
    ),
}

of_training = understood(TRAINING, NOT_OF_TRAINING)

# --- of networks

_TO_TRAIN = 'is an option of train()'

NETWORK = {
    'rng': Old(_seed, 'a seed is drawn, and kept in net.seed', 'seed'),
    'sparse_input': dropped(
        False, 'inputs are dense', 'is not here; make the data dense with .toarray()'
    ),
    'batch_size': Old(lambda n: {}, f'a network takes batches of any size; batch_size {_TO_TRAIN}'),
    'decode_from': dropped(
        1,
        'the last layer is the output',
        'is not here; let the last layer read several, as in '
        "dict(form='ff', size=5, inputs=('hid1', 'hid2'))",
    ),
    'tied_weights': dropped(False, 'no weights are tied', "is written as layers: [4, 3, 'tied']"),
    'hidden_activation': Old(
        lambda name: {'hidden_activation': name}, instead="write it with the layers: (20, 'tanh')"
    ),
    'output_activation': Old(
        lambda name: {'output_activation': name},
        instead="write it with the last layer: (1, 'tanh')",
    ),
}

NOT_OF_NETWORKS = {
    'activation': "belongs to the layers: (20, 'tanh')",
    **dict.fromkeys(
        (
            'algo',
            'algorithm',
            'optimize',
            'learning_rate',
            'momentum',
            'train_batches',
            'valid_batches',
            'patience',
            'min_improvement',
            'validate_every',
            'save_progress',
        ),
        _TO_TRAIN,
    ),
}

of_network = understood(NETWORK, NOT_OF_NETWORKS)


def take_activations(given: Keywords) -> Keywords:
    """Take the keywords for activations of layers out of those of a network."""
    names = ('hidden_activation', 'output_activation')
    return {name: given.pop(name) for name in names if name in given}


# --- of layers

_IMAGES = 'rnnkit is for sequences; make each image a row of numbers, x.reshape((len(x), -1))'

FORMS = {'lrrnn': {'form': 'rrnn', 'rate': 'vector'}, 'arrnn': {'form': 'rrnn', 'rate': 'matrix'}}

NOT_FORMS = {
    'conv2': f"a convolution over images is not here, 'conv1' is one over time: {_IMAGES}",
    'pool1': "pooling over some time steps is not here, nor did it work in theanets; 'mean' and "
    "'max' pool over all, and 'conv1' has a stride",
    'pool2': f'pooling over images is not here: {_IMAGES}',
}


def _size(shape: object) -> Keywords | None:
    if not isinstance(shape, list | tuple):
        raise NoMeaningError('is written as size=')
    if len(shape) != 1:
        raise NoMeaningError(f'of several axes is not here: {_IMAGES}')
    return {'size': shape[0]}


def _direction(value: object) -> Keywords | None:
    if value is None:
        return {}
    if isinstance(value, str) and 'back' in value and value != 'backward':
        return {'direction': 'backward'}
    return None


def _limit(value: object) -> Keywords | None:
    return {} if isinstance(value, Integral) and value == -1 else None


_SEEDED = 'is not an option of layers; a network has one seed: seed=13'

LAYER = {
    'shape': Old(_size, new='size'),
    'sparse': dropped(False, 'inputs are dense', 'is not here; make data dense with .toarray()'),
    'direction': Old(_direction, 'it is forward'),
    'bptt_limit': Old(_limit, 'there is no limit'),
}

NOT_OF_LAYERS = {'rng': _SEEDED, 'nrng': _SEEDED}


def new_layer(keywords: Keywords) -> Keywords:
    """Return the keywords of a layer, its form among them, under their names of today."""
    form = keywords.get('form')
    for key in ('form', 'worker'):
        old = keywords.get(key)
        if isinstance(old, str) and old.lower() in FORMS:
            new = FORMS[old.lower()]
            if 'rate' in keywords:
                raise ConfigError(f'{old!r} says what the rate is; leave out rate=')
            keywords = {**keywords, **new, 'form': form} | {key: new['form']}
            warn(
                f'the form {old!r} is an old name; write {key}={new["form"]!r}, '
                f'rate={new["rate"]!r}'
            )
    reshapes = isinstance(form, str) and form.lower() == 'reshape'
    olds = {key: old for key, old in LAYER.items() if not (reshapes and key == 'shape')}
    if keywords.get('rate', '') is None:
        warn("rate=None is an old keyword; write rate='matrix'")
        keywords = {**keywords, 'rate': 'matrix'}
    return translate('layer', olds, NOT_OF_LAYERS, keywords)


# --- of the package

_REGISTERED = 'write a {} and register it with @rnnkit.{}.add; see "Coming from theanets"'

NAMES = {
    'Loss': _REGISTERED.format('class derived from rnnkit.losses.Loss', 'losses'),
    'Activation': _REGISTERED.format('function', 'activations'),
    'convolution': _IMAGES,
    'feedforward': 'write rnnkit.Regressor and rnnkit.Classifier',
    'main': 'write rnnkit.Experiment',
    'Predictor': 'write rnnkit.Regressor, with the input, one step later, as its target',
    'util': 'rnnkit.initializers and rnnkit.common.registry have what there was',
    'Text': 'write rnnkit.recurrent.Text',
    'batches': 'write rnnkit.recurrent.batches',
}

# --- hints for old keywords and names where they are not translated

HINTS = {
    **{keyword: old.new for keyword, old in {**NETWORK, **TRAINING}.items() if old.new},
    'bfgs': 'lbfgs',
    'cg': 'lbfgs',
    'newton-cg': 'lbfgs',
    'hf': 'lbfgs',
    'lm': 'lbfgs',
}

"""Attributes of a cell under names that other libraries, or a guess, would give them."""

import inspect
from collections.abc import Mapping

from rnnkit.errors import ConfigError

MEANT = {
    **dict.fromkeys(
        (
            'init',
            'inits',
            'initializer',
            'initializers',
            'init_values',
            'initial_values',
            'initialization',
            'param_init',
        ),
        'initial',
    ),
    **dict.fromkeys(
        (
            'parameters',
            'weights',
            'variables',
            'shapes',
            'param_shapes',
            'parameter_shapes',
            'weight_shapes',
        ),
        'params',
    ),
    **dict.fromkeys(
        ('defaults', 'kwargs', 'keywords', 'arguments', 'hyperparameters', 'hyperparams'),
        'options',
    ),
    **dict.fromkeys(('state_names', 'hidden_states'), 'state'),
}
DATA = Mapping | str | list | tuple | int | float


def check_data(cls: type, base: type) -> None:
    """Raise a ConfigError for data under the name of a method, or under one of `MEANT`.

    Parameters
    ----------
    cls : type
        A subclass of `base`.
    base : type
        `rnnkit.Cell`.
    """
    for name, value in vars(cls).items():
        if not isinstance(value, DATA) or name.startswith('_') or name in cls.options:
            continue
        meant = MEANT.get(name)
        what = f'it is called {meant!r}' if meant else 'choose another name'
        if callable(getattr(base, name, None)) and not isinstance(getattr(base, name), type):
            raise ConfigError(f'class {cls.__name__}: {name!r} is a method of every cell; {what}')
        if meant:
            raise ConfigError(
                f'class {cls.__name__}: a cell has no attribute {name!r}; {what}. (One of your own '
                f'needs another name, such as {"_" + name!r}.)'
            )


def check_init(cls: type) -> None:
    """Raise a ConfigError for an ``__init__`` with arguments that no layer would pass."""
    if '__init__' not in vars(cls):
        return
    given = list(inspect.signature(cls.__init__).parameters.values())[1:]
    own = [
        one
        for one in given
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name not in cls.options
    ]
    if not own:
        return
    options = [one for one in own if one.name not in ('size', 'n_in', 'units', 'hidden_size')]
    table = ', '.join(
        f'{one.name!r}: {"..." if one.default is one.empty else repr(one.default)}'
        for one in options
    )
    sized = '' if len(options) == len(own) else '; the size is that of the layer, H in params'
    declare = f'options = {{{table}}}, which become attributes' if table else 'no __init__'
    raise ConfigError(
        f'{cls.__name__}.__init__: a layer makes its cell, and knows no argument '
        f'{own[0].name!r}; declare {declare}{sized}. A method setup(self) computes what follows '
        f'from options'
    )

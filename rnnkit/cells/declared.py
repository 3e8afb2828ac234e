"""Check and complete the attributes that a class of cells declares, when the class is made."""

import inspect
from collections import namedtuple
from collections.abc import Iterable, Mapping
from keyword import iskeyword

from rnnkit.cells import misnamed
from rnnkit.common.checks import is_real, whole
from rnnkit.common.spelling import brief, nearest
from rnnkit.errors import ConfigError

Shapes = dict[str, tuple[str, ...]]
ATTRIBUTES = (
    'state',
    'gates',
    'params',
    'initial',
    'options',
    'inner',
    'axes',
    'output_axis',
    'counters',
    'smallest',
    'side',
    'side_defaults',
)
METHODS = ('setup', 'check_size', 'lengths', 'prepare', 'project', 'step', 'output')
CALLS = {  # what a layer calls, and with which arguments
    'step': 'z, s, p',
    'project': 'x, p',
    'output': 's, p',
    'prepare': 'params, size',
    'setup': '',
    'lengths': 'size',
    'check_size': 'size',
}
ELSEWHERE = ('forward', 'call', '__call__', 'update', 'next')  # what others call a step
EXAMPLE = 'def step(self, z, s, p): return pt.tanh(z + s.h @ p.hh)'


def default_params(gates: str) -> Shapes:
    """Return the parameters of a cell that declares none: a block in each for every gate."""
    width = 'H' if len(gates) == 1 else f'{len(gates)}H'
    return {'xh': ('I', width), 'hh': ('H', width), 'b': (width,)}


def complete(cls: type, base: type) -> None:
    """Check the attributes of a new class of cells, and fill in those that follow from others.

    Parameters
    ----------
    cls : type
        A subclass of `base`.
    base : type
        `rnnkit.Cell`.

    Raises
    ------
    ConfigError
        If one is misspelt, or of a form that it cannot have.
    """
    where, own = cls.__name__, vars(cls)
    check_options(cls, base)
    misnamed.check_data(cls, base)
    check_spelling(cls, base)
    if 'state' in own:
        cls.state = state_class(cls, cls.state)
    if 'gates' in own:
        check_gates(where, cls.gates)
    if 'params' in own:
        check_shapes(f'{where}.params', cls.params)
        cls.lists_params = True
    elif not cls.lists_params:
        cls.params = default_params(cls.gates)
    if own.get('inner') is not None:
        check_shapes(f'{where}.inner', cls.inner)
    check_side(cls)
    check_names(cls, 'between', cls.side)
    check_names(cls, 'counters')
    whole(f'{where}.smallest', cls.smallest, 1)
    if cls.setup is base.setup:  # else it may change any of them
        check_tables(cls, where, cls.params)
    if 'output_axis' in own and cls.output is base.output:
        raise ConfigError(
            f'{where}.output_axis is the width of output(self, s, p), which the class does not '
            f'define; the width of a state is declared by axes'
        )


def complete_own(cell: object) -> None:
    """Do the same for what `setup` has given a cell: gates, parameters, initial values."""
    where, own, cls = type(cell).__name__, vars(cell), type(cell)
    if 'gates' in own:
        check_gates(where, cell.gates)
        if not cls.lists_params and 'params' not in own:
            cell.params = default_params(cell.gates)
    for name in ('params', 'inner'):
        if own.get(name) is not None:
            check_shapes(f'{where}.{name}', own[name])
    check_tables(cell, where, [*cell.params, *cls.params])


def check_side(cls: type) -> None:
    """Raise a ConfigError if the further inputs of a cell are not as they have to be."""
    where = f'{cls.__name__}.side'
    check_dict(where, cls.side, "{'gap': '1'}")
    for name, width in cls.side.items():
        check_name(where, name)
        if not isinstance(width, str):
            raise ConfigError(
                f"{where}[{name!r}] must be a width, such as '1', 'I' or 'H'; got {brief(width)}"
            )
        if name in cls.params or name in (cls.inner or {}):
            raise ConfigError(
                f'{where}: {name!r} is a parameter, too, and step reads both as p.{name}; choose '
                f'another name for one of them'
            )
    check_dict(f'{where}_defaults', cls.side_defaults, "{'gap': 1.0}")
    check_known(f'{where}_defaults', 'further input in side', cls.side_defaults, cls.side)
    for name, value in cls.side_defaults.items():
        if not is_real(value):
            raise ConfigError(f'{where}_defaults[{name!r}] must be a number; got {brief(value)}')


def check_names(cls: type, attribute: str, known: Iterable[str] | None = None) -> None:
    """Raise a ConfigError unless an attribute is a tuple of names, which are among `known`."""
    where, names = f'{cls.__name__}.{attribute}', getattr(cls, attribute)
    if not isinstance(names, list | tuple):
        raise ConfigError(f"{where} must be a tuple of names, such as ('gap',); got {brief(names)}")
    if known is not None:
        check_known(where, 'further input in side', names, known)


def check_spelling(cls: type, base: type) -> None:
    """Raise a ConfigError for an attribute that is spelt almost like one of `base`.

    Parameters
    ----------
    cls : type
        A subclass of `base`.
    base : type
        `rnnkit.Cell`.
    """
    below = [one for one in cls.__mro__ if issubclass(one, base) and one is not base]
    declared = {name for one in below for name in vars(one)}
    for name, value in vars(cls).items():
        if name.startswith('_') or hasattr(base, name) or name in (*ATTRIBUTES, *cls.options):
            continue
        names = METHODS if inspect.isfunction(value) else ATTRIBUTES
        if callable(value) and not inspect.isfunction(value):
            continue  # a class, such as that of the state
        # Typing errors seldom are in the first letter, and rates are not gates.
        free = [one for one in names if one not in declared and one[0] == name[0]]
        meant = nearest(name, {'step'} & {*free}) or nearest(name, free)  # setp is not setup
        if meant is not None:
            raise ConfigError(
                f'class {cls.__name__}: a cell has no attribute {name!r}; did you mean {meant!r}? '
                f'(One of your own needs a name that is less like it, such as {"_" + name!r}.)'
            )


def state_class(cls: type, state: object) -> type:
    """Return the class of named tuples that a cell's attribute `state` stands for.

    Parameters
    ----------
    cls : type
        The class of the cell.
    state : str, sequence of str or class of named tuples
        ``'h c'``, ``('h', 'c')``, or a class with these fields.

    Raises
    ------
    ConfigError
        If it is something else, or a name cannot be that of a state.
    """
    where = f'{cls.__name__}.state'
    if isinstance(state, type) and issubclass(state, tuple) and hasattr(state, '_fields'):
        made, fields = state, state._fields
    else:
        words = state.replace(',', ' ').split() if isinstance(state, str) else state
        if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
            raise ConfigError(
                f"{where} must name the states, as state = 'h' or state = 'h c' or "
                f"state = ('h', 'c'), or be a class of named tuples; got {brief(state)}"
            )
        fields = tuple(words)
        for name in fields:
            check_name(where, name)
        if len(set(fields)) < len(fields):
            raise ConfigError(f'{where} names a state twice; got {brief(state)}')
        made = namedtuple(f'{cls.__name__}State', fields) if fields else None
    if not fields:
        raise ConfigError(
            f"{where} must name at least one state, as state = 'h'; got {brief(state)}"
        )
    for name in fields[1:]:
        if name in ('out', 'last') or name.startswith('last_'):
            raise ConfigError(
                f"{where}: {name!r} cannot be the name of a state, for the layer's outputs are "
                f"called 'out', 'last', 'last_{fields[0]}' and so on"
            )
    if made is not state:  # pickles find it as an attribute of the cell
        made.__module__, made.__qualname__ = cls.__module__, f'{cls.__qualname__}.state'
    return made


def check_name(where: str, name: object) -> None:
    """Raise a ConfigError unless `name` can be written after a dot: ``s.h``, ``p.hh``."""
    fine = isinstance(name, str) and name.isidentifier() and not iskeyword(name)
    if not fine or name.startswith('_'):
        raise ConfigError(
            f'{where}: a name must be a word of letters and digits, so that step can read it '
            f'after a dot, as p.hh; got {brief(name)}'
        )


def check_gates(where: str, gates: object) -> None:
    """Raise a ConfigError unless the gates are different letters."""
    if not isinstance(gates, str) or len(set(gates)) < len(gates):
        raise ConfigError(
            f'{where}.gates must be a str of one letter for each column block of the parameters, '
            f"each another one, such as gates = 'rzn'; got {brief(gates)}"
        )


def check_shapes(where: str, shapes: object) -> None:
    """Raise a ConfigError unless a table of parameters is a dict of names and lengths."""
    if not isinstance(shapes, Mapping):
        raise ConfigError(
            f"{where} must be a dict of names and shapes, such as {{'hh': ('H', 'H'), "
            f"'b': ('H',)}}; got {brief(shapes)}"
        )
    for name, axes in shapes.items():
        check_name(where, name)
        if isinstance(axes, str):
            raise ConfigError(
                f'{where}[{name!r}] must be a tuple of lengths; for a vector write '
                f'({axes!r},), with a comma; got {axes!r}'
            )
        if (
            not isinstance(axes, list | tuple)
            or not axes
            or not all(isinstance(a, str) for a in axes)
        ):
            raise ConfigError(
                f"{where}[{name!r}] must be a tuple of lengths, each a str, such as ('I', '4H'); "
                f'got {brief(axes)}'
            )


def check_known(where: str, what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise a ConfigError if one of `given` is not among `known`.

    Parameters
    ----------
    where : str
        The attribute: ``'Leaky.initial'``.
    what : str
        What the names are those of: ``'parameter'``.
    given, known : iterable of str
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = nearest(name, known) if isinstance(name, str) else None
            hint = f'did you mean {near!r}?' if near else f'there is {", ".join(known) or "none"}'
            raise ConfigError(f'{where} has {brief(name)}, and there is no such {what}; {hint}')


def check_dict(where: str, value: object, example: str) -> None:
    """Raise a ConfigError unless `value` is a dict whose keys are str."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f'{where} must be a dict, such as {example}; got {brief(value)}')


def check_options(cls: type, base: type) -> None:
    """Raise a ConfigError if the options of a cell are not a dict of names that are free."""
    where = f'{cls.__name__}.options'
    check_dict(where, cls.options, "{'activation': 'tanh'}")
    for name in cls.options:
        check_name(where, name)
        if hasattr(base, name):
            raise ConfigError(
                f'{where}: {name!r} is an attribute of every cell, so it cannot be an option; '
                f'choose another name'
            )
        for table in ('params', 'side'):
            if name in getattr(cls, table):
                raise ConfigError(
                    f'{where}: {name!r} is among {table}, too, and both are keywords of the '
                    f'layer; choose another name for one of them'
                )


def check_tables(cell: object, where: str, params: Iterable[str]) -> None:
    """Raise a ConfigError if an attribute of a cell speaks of states or parameters it lacks.

    Parameters
    ----------
    cell : Cell, or its class
    where : str
        The name of the class.
    params : iterable of str
        All parameters that the cell may have.
    """
    check_dict(f'{where}.initial', cell.initial, "{'b': 1.0}")
    check_known(f'{where}.initial', 'parameter in params', cell.initial, params)
    check_dict(f'{where}.axes', cell.axes, "{'c': 'P'}")
    fields = cell.state._fields
    check_known(f'{where}.axes', 'state', cell.axes, fields)
    for name, width in cell.axes.items():
        if not isinstance(width, str):
            raise ConfigError(
                f"{where}.axes[{name!r}] must be a width, such as 'I', 'P' or '3'; got "
                f'{brief(width)}'
            )
    check_known(f'{where}.counters', 'state', cell.counters, fields)


def check_step(cls: type, base: type) -> None:
    """Raise a ConfigError if a layer cannot make a cell of a class, or call its methods."""
    if cls.step is base.step:
        own = [name for one in cls.__mro__ if one is not base for name in vars(one)]
        near = next((name for name in ELSEWHERE if name in own), None)
        instead = f'; rename {near!r} to step' if near and issubclass(cls, base) else ''
        raise ConfigError(
            f'class {cls.__name__} has no step: a cell defines one time step of its equations, '
            f'such as {EXAMPLE}{instead}'
        )
    misnamed.check_init(cls)
    for name, arguments in CALLS.items():
        signature = inspect.signature(getattr(cls, name))
        try:
            signature.bind(None, *filter(None, arguments.split(', ')))
        except TypeError:
            raise ConfigError(
                f'{cls.__name__}.{name} is called as {name}({arguments}); write def '
                f'{name}({", ".join(filter(None, ("self", arguments)))}); it has {name}{signature}'
            ) from None


def length(axis: str, units: Mapping[str, int | None], where: str) -> int:
    """Turn ``'I'``, ``'H'``, ``'4H'`` or ``'3'`` into a number.

    Parameters
    ----------
    axis : str
    units : dict of str to int
        What each letter stands for; None for one that is not known here.
    where : str
        For messages.
    """
    unit = units.get(axis[-1:])
    if unit is None and axis[-1:] in units:
        raise ConfigError(f'{where}: the width of the input is not known here; got {axis!r}')
    factor = axis if unit is None else axis[:-1] or '1'
    if factor.isdecimal() and not int(factor):
        raise ConfigError(f'{where}: a length must be at least 1; got {axis!r}')
    if not factor.isdecimal():
        letter = axis[-1:] if axis[-1:].isalpha() else 'P'
        raise ConfigError(
            f"{where}: a length must be written as 'I', 'H', a number or '4H'; got {brief(axis)}. "
            f'There is {", ".join(units)}; a letter of your own is declared by def lengths(self, '
            f"size): return {{'H': size, {letter!r}: ...}}"
        )
    return int(factor) * (unit or 1)

"""Initial values of parameters: functions of a shape and a random generator."""

import inspect
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.common import foreign_names
from rnnkit.common.calls import checked
from rnnkit.common.checks import is_real
from rnnkit.common.registry import Registry, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, ShapeError

Initializer = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]
NOT_IN_SPECS = 'not in specs'  # marks what only Python can hold
LONGEST_LIST = 100_000  # numbers of an initial value in a spec
CHANGES = ('gain', 'sparsity', 'radius')  # applied to the values of an initializer, in this order

initializers = Registry('initializer')
add = initializers.add


@initializers.add('glorot', 'glorot_uniform')
@checked
def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a uniform distribution on :math:`\pm\sqrt{6 / (n_{in} + n_{out})}`.

    A bias (one axis) counts as a matrix with a single row.

    References
    ----------
    Glorot & Bengio 2010, AISTATS.
    """
    n_in, n_out = (1, *shape)[-2:]
    limit = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-limit, limit, shape)


def fan_in(shape: tuple[int, ...]) -> int:
    """Return the number of inputs of a unit: all axes but the last; 1 for a bias."""
    return int(np.prod(shape[:-1]))


@initializers.add('glorot_normal')
@checked
def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a normal distribution of variance :math:`2 / (n_{in} + n_{out})`, as 'glorot' has.

    References
    ----------
    Glorot & Bengio 2010, AISTATS, equation 12.
    """
    return np.sqrt(2 / (fan_in(shape) + shape[-1])) * rng.standard_normal(shape)


@initializers.add('he_uniform')
@checked
def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a uniform distribution on :math:`\pm\sqrt{6 / n_{in}}`, for relu units.

    It has the variance of 'he_normal'. In a convolution, :math:`n_{in}` counts the inputs at all
    steps of a filter.

    References
    ----------
    He et al. 2015, arXiv:1502.01852.
    """
    limit = np.sqrt(6 / fan_in(shape))
    return rng.uniform(-limit, limit, shape)


@initializers.add('he_normal')
@checked
def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a normal distribution of variance :math:`2 / n_{in}`, for relu units.

    As in the paper and PyTorch, the distribution is not truncated; that of Keras is.

    References
    ----------
    He et al. 2015, arXiv:1502.01852, equation 10.
    """
    return np.sqrt(2 / fan_in(shape)) * rng.standard_normal(shape)


@initializers.add('lecun', 'lecun_uniform')
@checked
def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a uniform distribution on :math:`\pm\sqrt{3 / n_{in}}`.

    Its variance is that of 'lecun_normal'.

    References
    ----------
    LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, equation 16.
    """
    limit = np.sqrt(3 / fan_in(shape))
    return rng.uniform(-limit, limit, shape)


@initializers.add('lecun_normal')
@checked
def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw from a normal distribution of variance :math:`1 / n_{in}`; for selu units.

    References
    ----------
    LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, equation 16; Klambauer et al. 2017,
    arXiv:1706.02515.
    """
    return rng.standard_normal(shape) / np.sqrt(fan_in(shape))


@initializers.add('orthogonal')
@checked
def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw a matrix with orthonormal columns (or rows, if there are fewer rows).

    It is the factor Q of a QR decomposition of a Gaussian matrix, with signs chosen so that Q is
    uniformly distributed.

    Raises
    ------
    ConfigError
        If the shape does not have two axes.

    References
    ----------
    Saxe et al. 2014, arXiv:1312.6120; Mezzadri 2007, Notices of the AMS 54(5).
    """
    if len(shape) != 2:
        raise ConfigError(f"initializer 'orthogonal': needs a matrix, not shape {shape}")
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    # A QR decomposition determines columns only up to their signs; LAPACK's choice is biased.
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q if rows >= columns else q.T


@initializers.add('identity')
@checked
def identity(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return the identity matrix; with relu units, the IRNN of Le et al. 2015, arXiv:1504.00941."""
    if len(shape) != 2:
        raise ConfigError(f"initializer 'identity': needs a matrix, not shape {shape}")
    return np.eye(*shape)


@initializers.add('diagonal')
@checked
def diagonal(shape: tuple[int, ...], rng: np.random.Generator, value: float = 1.0) -> np.ndarray:
    """Return a matrix with `value` on the diagonal, and 0 elsewhere.

    Parameters
    ----------
    shape : tuple of int
        That of a matrix.
    rng : numpy.random.Generator
        Not used: the values are not random.
    value : float
        What is on the diagonal.
    """
    if len(shape) != 2:
        raise ConfigError(f"initializer 'diagonal': needs a matrix, not shape {shape}")
    return value * np.eye(*shape)


@initializers.add('zeros')
@checked
def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return zeros."""
    return np.zeros(shape)


@initializers.add('normal')
@checked
def normal(
    shape: tuple[int, ...], rng: np.random.Generator, mean: float = 0.0, std: float = 0.01
) -> np.ndarray:
    """Draw from a normal distribution.

    Parameters
    ----------
    shape : tuple of int
    rng : numpy.random.Generator
    mean : float
        The mean of the values.
    std : float
        Their standard deviation.
    """
    return mean + std * rng.standard_normal(shape)


@initializers.add('uniform')
@checked
def uniform(
    shape: tuple[int, ...], rng: np.random.Generator, scale: float = 0.05, mean: float = 0.0
) -> np.ndarray:
    """Draw from a uniform distribution between ``mean - scale`` and ``mean + scale``.

    Parameters
    ----------
    shape : tuple of int
    rng : numpy.random.Generator
    scale : float
        Half the width of the distribution, at least 0.
    mean : float
        The middle of the distribution.
    """
    if scale < 0:
        raise ConfigError(f"initializer 'uniform': scale must be at least 0; got {scale}")
    return rng.uniform(mean - scale, mean + scale, shape)


def spectral_radius(matrix: np.ndarray) -> float:
    """Return the largest absolute value of the eigenvalues of a square matrix."""
    return float(abs(np.linalg.eigvals(matrix)).max())


def changed(form: str | Initializer, **keywords: float) -> Initializer:
    """Return an initializer with its keywords set, and its values modified.

    Parameters
    ----------
    form : str or callable
        The name of an initializer, or a function of (shape, rng).
    gain : float
        A factor for the values.
    sparsity : float
        The fraction of the values, from 0 to 1, that is set to 0 at random. The diagonal of a
        square matrix is kept, so that each unit remembers itself.
    radius : float
        The spectral radius (the largest absolute eigenvalue) that a square matrix is scaled to;
        each block of a matrix with gates separately.
    **keywords
        Keywords of the initializer, such as ``std`` of 'normal'.

    Raises
    ------
    ConfigError
        If a keyword is unknown, or its value is not a number in its range.
    """
    start = form if callable(form) else initializers[form]
    own = list(inspect.signature(start).parameters)[2:]
    reject_unknown(f'initializer {form!r}', keywords, [*own, *CHANGES])
    for name, value in keywords.items():
        if not is_real(value):
            raise ConfigError(f'initializer {form!r}: {name} must be a number; got {brief(value)}')
    gain, sparsity, radius = (keywords.pop(name, None) for name in CHANGES)
    if sparsity is not None and not 0 <= sparsity <= 1:
        raise ConfigError(f'initializer {form!r}: sparsity must be from 0 to 1; got {sparsity}')
    if radius is not None and radius < 0:
        raise ConfigError(f'initializer {form!r}: radius must be at least 0; got {radius}')

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        value = start(shape, rng, **keywords)
        if gain is not None:
            value = gain * value
        if sparsity is not None:
            dropped = rng.random(shape) < sparsity
            if len(shape) == 2 and shape[0] == shape[1]:
                np.fill_diagonal(dropped, False)
            value = np.where(dropped, 0.0, value)
        return value if radius is None else _with_radius(form, value, radius)

    return draw


def _with_radius(form: str | Initializer, value: np.ndarray, radius: float) -> np.ndarray:
    """Scale a square matrix to a spectral radius."""
    if value.ndim != 2 or value.shape[0] != value.shape[1]:
        raise ConfigError(
            f'initializer {form!r}: radius is for square matrices, not shape {value.shape}'
        )
    current = spectral_radius(value)
    if current == 0:
        raise ConfigError(f'initializer {form!r}: a matrix with spectral radius 0 cannot be scaled')
    return value * (radius / current)


# Not a plain global: networks may be loaded in several threads at the same time.
_known: ContextVar[Mapping[str, np.ndarray] | None] = ContextVar('_known', default=None)


@contextmanager
def known_values(arrays: Mapping[str, np.ndarray]) -> Iterator[None]:
    """Start parameters from these arrays in this block, by name, whatever their specs are.

    Loading a network thus allocates no more memory than its file contains.
    """
    token = _known.set(arrays)
    try:
        yield
    finally:
        _known.reset(token)


def _known_value(
    where: str, shape: tuple[int, ...], arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    if where not in arrays:
        raise ConfigError(f'parameter {where!r} is missing, or does not belong there')
    value = arrays[where]
    if value.shape != tuple(shape):
        raise ShapeError(
            f'parameter {where!r} is {value.dtype} {value.shape}; the network expects {shape}'
        )
    return value


@checked
def initial_value(
    where: str,
    spec: object,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    gates: dict[str, slice] | None = None,
) -> np.ndarray:
    """Return the initial value of a parameter.

    Parameters
    ----------
    where : str
        The full name of the parameter, for messages.
    spec : str, float, array, callable or dict
        The name of an initializer; a constant; the value itself; a function of a shape and a
        generator; a dict with the name as ``form`` and the keywords of `changed`; or a dict that
        has one of these for each gate, by its letter (other gates start at 0).
    shape : tuple of int
    rng : numpy.random.Generator
    gates : dict of str to slice, optional
        The column block of each gate. Blocks are drawn separately, so that a recurrent matrix is
        orthogonal gate by gate.

    Raises
    ------
    ConfigError, ShapeError
        If `spec` is invalid, or the array has another shape.
    """
    if (arrays := _known.get()) is not None:
        return _known_value(where, shape, arrays)
    _check_memory(where, shape)
    if isinstance(spec, dict) and 'form' not in spec:
        unknown = set(spec) - set(gates or ())
        if unknown:
            raise ConfigError(
                f'{where}: no gate named {min(unknown)!r}; gates are {", ".join(gates or ())}'
            )
    if gates and (isinstance(spec, dict) or _is_drawn(spec)):
        value = np.zeros(shape)
        for gate, columns in gates.items():
            block = (*shape[:-1], columns.stop - columns.start)
            of_gate = spec if _is_drawn(spec) else spec.get(gate, 0.0)
            value[..., columns] = _draw(where, of_gate, block, rng)
        return value
    return _draw(where, spec, shape, rng)


def _check_memory(where: str, shape: tuple[int, ...]) -> None:
    """Raise a ConfigError for a parameter that this machine has not the memory to draw."""
    needed = 32 * math.prod(shape)  # in float64, with copies
    if needed > _memory():
        raise ConfigError(
            f'{where}: its shape is {shape}; to draw its {math.prod(shape):,} values needs '
            f'{needed / 2**30:,.0f} GiB, and this machine has {_memory() / 2**30:,.0f} GiB'
        )


@cache
def _memory() -> float:
    """Return the size of this machine's memory in bytes; infinity if that is not known."""
    try:
        return float(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _is_drawn(spec: object) -> bool:
    return isinstance(spec, str) or callable(spec) or (isinstance(spec, dict) and 'form' in spec)


def to_spec(value: object) -> object:
    """Return an initial value as JSON; of what JSON cannot hold, a note.

    Files hold the values of parameters, so a note does not keep a network from being loaded. Only
    `rnnkit.from_spec`, which would start the parameter anew, raises an error.
    """
    if isinstance(value, dict) and not callable(value.get('form')):
        return {str(key): to_spec(item) for key, item in value.items()}
    function = value['form'] if isinstance(value, dict) else value
    if callable(function):
        names = [name for name in initializers if initializers[name] is function]
        if names and isinstance(value, dict):
            return to_spec({**value, 'form': names[0]})
        name = getattr(function, '__qualname__', type(function).__qualname__)
        return names[0] if names else {'form': NOT_IN_SPECS, 'function': name}
    if isinstance(value, np.ndarray | list | tuple) and _count(value) > LONGEST_LIST:
        return {'form': NOT_IN_SPECS, 'shape': list(np.shape(value))}
    if isinstance(value, list | tuple):
        return [to_spec(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _count(value: np.ndarray | list | tuple) -> int:
    """Return how many numbers an array, or nested lists of the same lengths, contain."""
    if isinstance(value, np.ndarray):
        return value.size
    try:
        return np.size(value)
    except ValueError:  # the lengths differ
        return 0


def _refuse_note(note: dict) -> None:
    """Raise a ConfigError for a note of `to_spec`."""
    if 'function' in note:
        raise ConfigError(
            f'its initial value came from the function {brief(note["function"])}, which a spec '
            f'cannot contain; register it with @rnnkit.initializers.add(...), and use its name'
        )
    raise ConfigError(
        f'its initial value was an array of shape {brief(note.get("shape"))}, too large for a '
        f'spec; give it again, or load the network from a file'
    )


def _initializer(spec: str | Initializer | dict) -> Initializer:
    if isinstance(spec, dict):
        if not all(isinstance(key, str) for key in spec):
            raise ConfigError(f'the keywords of an initializer must be str; got {brief(spec)}')
        if isinstance(spec['form'], str) and spec['form'] == NOT_IN_SPECS:
            _refuse_note(spec)
        return changed(**spec)
    if isinstance(spec, str) and spec.lower() in ('ones', 'one', 'constant'):
        raise ConfigError(f'no initializer named {spec!r}; a number is an initial value, too: 1')
    return initializers[spec] if isinstance(spec, str) else spec


def _draw(where: str, spec: object, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if _is_drawn(spec):
        try:
            spec = _initializer(spec)(shape, rng)
        except ConfigError as error:
            raise ConfigError(f'{where}: {error}') from None
        except Exception as why:  # a user's function may raise anything
            raise ConfigError(
                f'{where}: the function of its initial value, called with (shape, rng), raised '
                f'{type(why).__name__}: {why}'
            ) from why
    try:
        value = np.asarray(spec, dtype='float64')
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            f'{where}: its initial value must be the name of an initializer, a number, an array '
            f'or a function of (shape, rng); got {brief(spec)}'
        ) from None
    if value.ndim and value.shape != shape:
        raise ShapeError(f'{where}: has shape {shape}; got an initial value of shape {value.shape}')
    if not np.isfinite(value).all():
        raise ConfigError(f'{where}: its initial value is not finite')
    return np.broadcast_to(value, shape).copy()


if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)

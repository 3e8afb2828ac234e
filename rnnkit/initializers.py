"""How parameters start: functions of a shape and a random generator."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnkit.errors import ConfigError, ShapeError
from rnnkit.registry import Registry

Initializer = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]

initializers = Registry('initializer')
add = initializers.add


@initializers.add('glorot', 'glorot_uniform')
def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw uniformly from :math:`\pm\sqrt{6 / (n_{in} + n_{out})}`.

    A bias (one axis) counts as a single row.

    References
    ----------
    Glorot & Bengio 2010, AISTATS.
    """
    n_in, n_out = (1, *shape)[-2:]
    limit = np.sqrt(6 / (n_in + n_out))
    return rng.uniform(-limit, limit, shape)


@initializers.add('orthogonal')
def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    r"""Draw a matrix with orthonormal columns (or rows, if there are fewer of them).

    The Q of a QR decomposition of a Gaussian matrix, its signs chosen so that it is
    uniformly distributed.

    Raises
    ------
    ConfigError
        If the shape is not that of a matrix.

    References
    ----------
    Saxe et al. 2014, arXiv:1312.6120; Mezzadri 2007, Notices of the AMS 54(5).
    """
    if len(shape) != 2:
        raise ConfigError(f"initializer 'orthogonal': needs a matrix, not shape {shape}")
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return q if rows >= columns else q.T


@initializers.add('identity')
def identity(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return the identity; with relu units, the IRNN of Le et al. 2015, arXiv:1504.00941."""
    if len(shape) != 2:
        raise ConfigError(f"initializer 'identity': needs a matrix, not shape {shape}")
    return np.eye(*shape)


@initializers.add('zeros')
def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return zeros."""
    return np.zeros(shape)


@initializers.add('normal')
def normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw from a normal distribution with mean 0 and standard deviation 0.01."""
    return 0.01 * rng.standard_normal(shape)


def initial_value(
    where: str,
    spec: Any,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    gates: dict[str, slice] | None = None,
) -> np.ndarray:
    """Make the first value of one parameter.

    Parameters
    ----------
    where : str
        The parameter's full name, for messages.
    spec : str, float, array, callable or dict
        The name of an initializer, a constant, the value itself, a function of a shape and
        a generator, or a dict from a gate's letter to one of these (gates that it leaves
        out start at 0).
    shape : tuple of int
    rng : numpy.random.Generator
    gates : dict of str to slice, optional
        The column block of each gate. Each block is drawn on its own, so that a recurrent
        matrix is orthogonal gate by gate.

    Raises
    ------
    ConfigError, ShapeError
        If `spec` is none of the above, or makes an array of another shape.
    """
    if isinstance(spec, dict):
        unknown = set(spec) - set(gates or ())
        if unknown:
            raise ConfigError(
                f'{where}: no gate named {min(unknown)!r}; gates are {", ".join(gates or ())}'
            )
    if gates and (isinstance(spec, dict) or _is_drawn(spec)):
        value = np.zeros(shape)
        for gate, columns in gates.items():
            block = (*shape[:-1], columns.stop - columns.start)
            one = spec.get(gate, 0.0) if isinstance(spec, dict) else spec
            value[..., columns] = _draw(where, one, block, rng)
        return value
    return _draw(where, spec, shape, rng)


def _is_drawn(spec: Any) -> bool:
    return isinstance(spec, str) or callable(spec)


def _draw(where: str, spec: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if _is_drawn(spec):
        try:
            spec = (initializers[spec] if isinstance(spec, str) else spec)(shape, rng)
        except ConfigError as error:
            raise ConfigError(f'{where}: {error}') from None
    try:
        value = np.array(spec, dtype='float64')
    except (TypeError, ValueError):
        raise ConfigError(
            f'{where}: starts as the name of an initializer, a number, an array or a function '
            f'of (shape, rng); got {spec!r}'
        ) from None
    if value.ndim and value.shape != shape:
        raise ShapeError(f'{where}: has shape {shape}; got an initial value of shape {value.shape}')
    if not np.isfinite(value).all():
        raise ConfigError(f'{where}: its initial value is not finite')
    return np.broadcast_to(value, shape).copy()

"""Networks in models of PyMC: the weights are random variables.

``pip install 'rnnkit[pymc]'`` installs PyMC, on Python 3.12 and newer. `rnnkit` itself never
imports it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import ArrayLike
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor import TensorVariable

from rnnkit.common.calls import checked
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.integrations.draws import check_network, check_prefix, posterior_predict
from rnnkit.models import frozen
from rnnkit.models.network import Network

__all__ = ['outputs', 'posterior_predict']

OLDEST = 6
Prior = str | Variable | Callable[[str, tuple[int, ...]], Variable]
WHERE = 'outputs()'


def _pymc() -> Any:
    """Return the package; raise an ImportError if it is missing or too old."""
    needs = (
        f"{WHERE} needs PyMC {OLDEST} or newer, on Python 3.12 or newer: pip install 'rnnkit[pymc]'"
    )
    try:
        found = version('pymc')
    except PackageNotFoundError:
        raise ImportError(f'{needs}; it is not installed') from None
    if int(found.partition('.')[0]) < OLDEST:
        # On Python 3.11, pip takes one of 2022, whose import fails in ways that do not tell why.
        raise ImportError(f'{needs}; PyMC {found} is installed')
    import pymc

    return pymc


@checked
def outputs(
    net: Network,
    x: Any,
    priors: Prior | Mapping[str, Prior] = 'normal',
    only: str | Sequence[str] | None = None,
    *,
    mask: Variable | ArrayLike | None = None,
    state: Mapping[str, Any] | None = None,
    prefix: str = '',
) -> dict[str, TensorVariable]:
    r"""Return every output of a network as a graph whose parameters are random variables.

    It is called inside a model, ``with pm.Model():``. The fused kernels are part of the model's
    log-density and its gradient.

    Parameters
    ----------
    net : Network
    x : array or variable of shape (T, B, I)
        What ``net.symbolic`` reads: an array, a list of sequences, ``pm.Data`` or any other
        variable, in the network's layout; a list or dict for several inputs. Choose ``pm.Data``
        to predict from other inputs with ``pm.set_data``.
    priors : 'normal', distribution, callable, or dict of these
        ``'normal'`` stands for :math:`\mathcal N(0, 1/n)`, where n is the number of values that a
        weight's unit sums up (its fan-in), and 1 for biases, other vectors and embeddings. A
        distribution, such as ``pm.Normal.dist(0, 0.5)``, is broadcast to the shape of each
        parameter. A callable is called with the name of each parameter and its shape, and returns
        a distribution or a variable of the model. A dict has these by names of parameters or
        layers, or patterns, ``{'hid1.*': 'normal', 'out': pm.Laplace.dist(0, 1)}``; where several
        match, the last one counts, and parameters that none matches keep their values.
    only : str or sequence of str, optional
        Names or patterns of the parameters that become random, such as ``'out.*'``. All others
        keep the values that they have now, as do those that are frozen.
    mask : array or variable of shape (T, B), optional
        For a network with ``masked=True``.
    state : dict, optional
        The state before the first step, as in ``net.symbolic``.
    prefix : str
        What the names of the random variables begin with; a second network in the same model
        needs one.

    Returns
    -------
    outputs : dict of str to variable
        By their full names; the main one is ``'out:out'``, if the last layer has no other name.
        They are float64, whatever the dtype of the network, and 0 over padding.

    Raises
    ------
    ImportError
        If PyMC is not installed, or older than 6.
    ConfigError
        If the call is not inside a model, a pattern matches nothing, a prior is none of these, or
        the model has a variable of this name already.
    ShapeError, DataError
        If a prior has another shape than its parameter; if x is not usable.

    Notes
    -----
    Sampling starts at the values that the parameters have now, so train the network first. For
    bounded priors, PyMC chooses the starting point.

    Examples
    --------
    >>> import numpy as np, pymc as pm, rnnkit
    >>> from rnnkit.integrations.pymc import outputs
    >>> net = rnnkit.Regressor([1, ('gru', 2), 1], seed=0)
    >>> x, y = np.zeros((5, 3, 1)), np.zeros((5, 3, 1))
    >>> with pm.Model() as model:
    ...     mu = outputs(net, x, only='out.*')['out:out']
    ...     seen = pm.Normal('y', mu, pm.HalfNormal('sigma', 0.1), observed=y)
    >>> [variable.name for variable in model.free_RVs]
    ['out.w', 'out.b', 'sigma']
    """
    pm = _pymc()
    check_network(WHERE, net)
    model = _model(pm)
    check_prefix(WHERE, prefix)
    chosen = _chosen(net, priors, only)
    for p in net.params:
        if p.name in chosen:
            _check(model, f'{prefix}{p.name}', chosen[p.name])
    places = {p.name: p.type(p.name) for p in net.params}
    values = net.symbolic(x, mask, params=places, state=state)
    fan_in = _fan_in(net)
    random = {}
    for p in net.params:
        value = p.get_value()
        if p.name in chosen:
            new = _random(model, f'{prefix}{p.name}', chosen[p.name], value, fan_in[p.name])
            random[places[p.name]] = pt.specify_shape(new.astype(p.dtype), value.shape)
        else:
            # A constant: what depends on nothing random is computed once, when PyTensor compiles.
            random[places[p.name]] = pt.constant(value)
    given = [v for one in (x, mask, state) for v in _variables(one)]
    random |= {v: pt.constant(v.get_value()) for v in _numbers(values.values(), given)}
    found = graph_replace(list(values.values()), random, strict=False)
    return {name: _precise(v) for name, v in zip(values, found, strict=True)}


def _precise(variable: TensorVariable) -> TensorVariable:
    return variable.astype('float64') if variable.dtype == 'float32' else variable


def _variables(given: object) -> list[Variable]:
    """Return the variables in a list or dict, to any depth."""
    if isinstance(given, Variable):
        return [given]
    parts = given.values() if isinstance(given, Mapping) else given
    nested = isinstance(given, Mapping | list | tuple)
    return [v for part in parts for v in _variables(part)] if nested else []


def _numbers(values: Iterable[Variable], given: list[Variable]) -> list[SharedVariable]:
    """Return the network's numbers that can change: samplers refuse what is shared without name."""
    found = ancestors(list(values), blockers=given)
    return [v for v in found if isinstance(v, SharedVariable) and v not in given]


def _model(pm: Any) -> Any:
    """Return the model around the call."""
    try:
        return pm.modelcontext(None)
    except TypeError:
        raise ConfigError(f'{WHERE} is called inside a model: with pm.Model(): ...') from None


def _chosen(net: Network, priors: object, only: object) -> dict[str, Any]:
    """Return the priors of all parameters that become random, by name."""
    free = {p.name for p in net.params} - set(net.frozen)
    if only is not None:
        patterns = [only] if isinstance(only, str) else only
        if not isinstance(patterns, list | tuple):
            raise ConfigError(f"{WHERE}: only must be names, such as 'out.*'; got {brief(only)}")
        for pattern in patterns:
            _some(f'{WHERE}: only', net, pattern, free, 'frozen; net.unfreeze() changes that')
        free &= frozen.matching(f'{WHERE}: only', net.layers, patterns)
    if not isinstance(priors, Mapping):
        if not free:
            raise ConfigError(f'{WHERE}: all parameters are frozen, so none can become random')
        return dict.fromkeys(free, priors)
    if not priors:
        raise ConfigError(f"{WHERE}: priors is empty; write priors={{'out.*': 'normal'}}")
    chosen: dict[str, Any] = {}
    for pattern, prior in priors.items():
        names = _some(f'{WHERE}: priors', net, pattern, free, 'frozen, or left out by only=')
        chosen |= dict.fromkeys(names, prior)
    return chosen


def _some(where: str, net: Network, pattern: object, free: set[str], else_: str) -> set[str]:
    """Return the names that match a pattern, and can become random."""
    names = frozen.matching(where, net.layers, [pattern])
    if not names & free:
        raise ConfigError(f'{where}: {pattern!r} stands for parameters that are {else_}')
    return names & free


def _check(model: Any, name: str, prior: object) -> None:
    """Raise a ConfigError for what is no prior, before the model is changed."""
    if isinstance(prior, str):
        if prior != 'normal':
            raise ConfigError(
                f"{WHERE}: the prior of {name} must be 'normal', a distribution such as "
                f'pm.Normal.dist(0, 1), or a function; got {prior!r}; {hint(prior, ["normal"])}'
            )
    elif isinstance(prior, type) or not (isinstance(prior, Variable) or callable(prior)):
        raise ConfigError(
            f"{WHERE}: the prior of {name} must be 'normal', a distribution such as "
            f'pm.Normal.dist(0, 1), or a function of a name and a shape; got {brief(prior)}'
        )
    full = model.name_for(name)
    if full in model.named_vars and model.named_vars[full] is not prior:
        raise ConfigError(
            f'{WHERE}: the model has a variable {full!r} already. Give this network a prefix, '
            f"prefix='second_'; to use the same weights for other inputs, call outputs() once, "
            f'with x=pm.Data(...), and then pm.set_data()'
        )


def _fan_in(net: Network) -> dict[str, int]:
    """Return how many values each parameter's unit sums up."""
    found = {}
    for layer in net.layers:
        for p in layer.params.values():
            shape = p.get_value(borrow=True).shape
            one = layer.form == 'embedding' or len(shape) < 2
            found[p.name] = 1 if one else int(np.prod(shape[:-1]))
    return found


def _random(model: Any, name: str, prior: Any, value: np.ndarray, fan_in: int) -> TensorVariable:
    """Return the random variable that takes the place of a parameter."""
    import pymc as pm
    from pytensor.tensor.random.op import RNGConsumerOp

    if isinstance(prior, str):
        return pm.Normal(name, 0, fan_in**-0.5, shape=value.shape, initval=value)
    if not isinstance(prior, Variable):
        prior = prior(name, value.shape)
        if not isinstance(prior, Variable):
            raise ConfigError(
                f'{WHERE}: the function that gives the prior of {name} must return a distribution '
                f'or a variable; got {brief(prior)}'
            )
    made = prior.owner is not None and isinstance(prior.owner.op, RNGConsumerOp)
    if made and prior not in model.basic_RVs:
        variable = model.register_rv(_spread(name, prior, value.shape), name)
        if model.rvs_to_transforms.get(variable) is None:  # any number is possible
            model.set_initval(variable, value)
        return variable
    _check_shape(name, prior, value.shape)
    full = model.name_for(name)
    return prior if model.named_vars.get(full) is prior else pm.Deterministic(name, prior)


def _spread(name: str, prior: Any, shape: tuple[int, ...]) -> TensorVariable:
    """Return the distribution of a whole parameter; one distribution may serve several."""
    from pymc.distributions.shape_utils import change_dist_size

    support = prior.owner.op.ndim_supp
    given = prior.type.shape
    fits = len(given) <= len(shape) and all(
        n in (None, m) or (n == 1 and k > support)
        for k, (n, m) in enumerate(zip(given[::-1], shape[::-1], strict=False), 1)
    )
    if not fits:
        raise ShapeError(
            f'{WHERE}: {name} has shape {shape}; its prior has shape {given}, which cannot be '
            f'broadcast to it'
        )
    return change_dist_size(prior, shape[: len(shape) - support])


def _check_shape(name: str, prior: TensorVariable, shape: tuple[int, ...]) -> None:
    given = prior.type.shape
    if len(given) != len(shape) or any(
        n not in (None, m) for n, m in zip(given, shape, strict=True)
    ):
        raise ShapeError(
            f'{WHERE}: {name} has shape {shape}; the variable that takes its place has {given}'
        )

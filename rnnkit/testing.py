"""Checks that every layer must pass, for those that rnnkit has and for those of users.

>>> from rnnkit import testing
>>> for check in testing.CHECKS[:2]:
...     check('rnn', activation='relu')
"""

import json
import pickle
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.common import progress
from rnnkit.common.calls import checked
from rnnkit.layers import Embedding, Input, Standardize, registry
from rnnkit.models.files import from_spec, load
from rnnkit.models.network import Network
from rnnkit.models.regressor import Regressor

T, B = 5, 6  # steps and examples in the data of the checks
N_IN, SIZE, N_OUT, N_WORDS = 3, 4, 2, 7


@checked
def network(
    form: str,
    size: int = SIZE,
    dtype: str = 'float64',
    timeless: bool = False,
    masked: bool = False,
    **options: Any,
) -> Network:
    """Return a small network in which the layer that is checked is called ``'it'``.

    A linear layer stands before it, so that gradients must pass through it, unless it must read
    an input. If it is not
    recurrent, a recurrent one stands after it, so that it sees a time axis.

    Parameters
    ----------
    form : str
        The name under which the layer is registered.
    size : int
    dtype : {'float32', 'float64'}
    timeless : bool
        Leave that recurrent layer out, so that the layer sees (B, I).
    masked : bool
        Whether sequences come with a mask.
    **options
        Keywords for the layer, fit for JSON.
    """
    net, start = _built(
        registry[form], form, size, dtype, timeless, masked, json.dumps(options, sort_keys=True)
    )
    for p, value in zip(net.params, start, strict=True):
        p.set_value(value)
    return net


@lru_cache(maxsize=3)  # checks of one layer come one after another: compile once for all
def _built(
    layer: type, form: str, size: int, dtype: str, timeless: bool, masked: bool, options: str
) -> Any:
    """Return a network and its initial values."""
    it = {'form': form, 'name': 'it', **json.loads(options)}
    if layer.sized:
        it['size'] = size
    if issubclass(layer, Input):
        before = [it]
    elif issubclass(layer, Embedding):
        before = [N_WORDS, it]
    elif issubclass(layer, Standardize):
        before = [N_IN, it]
    else:
        before = [N_IN, (3, 'linear'), it]
    after = [] if timeless or layer.recurrent else [('rnn', 3)]
    net = Regressor([*before, *after, N_OUT], dtype=dtype, seed=1, masked=masked)
    return net, [p.get_value() for p in net.params]


@checked
def data(net: Network, n_steps: int = T, n_examples: int = B) -> list[np.ndarray]:
    """Return an input and a target that suit a network."""
    rng = np.random.default_rng(2)
    arrays = []
    for field in net._border.fields:
        steps = field.steps or n_steps
        if field.origin:
            steps = field.steps_after(steps)
        shape = (steps, n_examples) if field.has_time else (n_examples,)
        if field.kind == 'words':
            arrays.append(rng.integers(0, field.size, shape))
        elif field.kind == 'mask':
            arrays.append(np.ones(shape))
        else:
            arrays.append(rng.standard_normal((*shape, field.size)))
    return arrays


@checked
def some(array: np.ndarray, field: Any, examples: Any) -> np.ndarray:
    """Return some examples of an array of a batch."""
    return array[:, examples] if field.batch_axis else array[examples]


@checked
@progress.shown(False)
def check_shape_and_dtype(form: str, **options: Any) -> None:
    """Check that outputs and parameters have the declared shapes, and the network's dtype."""
    kinds = [('float64', False), ('float32', False)]
    layer = registry[form]
    if not (layer.recurrent or layer.starts_time):
        kinds.append(('float32', True))
    for dtype, timeless in kinds:
        net = network(form, dtype=dtype, timeless=timeless, **options)
        x, _ = data(net)
        for name, output in net.feed_forward(x).items():
            if name == 'in:out' and net._graph.plan.words:
                continue
            owner, _, output_name = name.partition(':')
            layer = {one.name: one for one in net.layers}[owner]
            size = layer.output_size(output_name)
            if output_name in layer.unsized:
                size = output.shape[-1]
            clock = net._graph.plan.clock_of(name, net._graph.by_name)
            time = () if clock is None else (_steps(net, clock),)
            _expect(f'{form}: shape of {name!r}', output.shape, (*time, B, size))
            _expect(f'{form}: dtype of {name!r}', output.dtype, np.dtype(dtype))
            _expect(f'{form}: {name!r} is finite', bool(np.isfinite(output).all()), True)
        for layer in net.layers:
            for name, shape in layer.shapes().items():
                value = layer.params[name].get_value()
                _expect(f'{form}: shape of {layer.name}.{name}', value.shape, shape)
                _expect(f'{form}: dtype of {layer.name}.{name}', value.dtype, np.dtype(dtype))


@checked
@progress.shown(False)
def check_gradient(form: str, **options: Any) -> None:
    """Check the gradient by all parameters at once, in a random direction, in float64.

    A step of plain gradient descent shows the gradient, and the loss before it.
    """
    net = network(form, **options)
    batch = data(net)
    rng = np.random.default_rng(3)

    def change(p: Any) -> np.ndarray:
        return rng.standard_normal(p.get_value().shape) * (p.name not in net.frozen)

    start = [p.get_value() + 0.1 * change(p) for p in net.params]
    direction = [change(p) for p in net.params]
    rate = 1e-2

    def loss_and_step(distance: float) -> tuple[float, list[np.ndarray]]:
        here = [a + distance * d for a, d in zip(start, direction, strict=True)]
        for p, value in zip(net.params, here, strict=True):
            p.set_value(value)
        found, _ = net.train(
            batch,
            algo='sgd',
            learning_rate=rate,
            epochs=1,
            restore_best=False,
            max_gradient_norm=0,
            batch_size=B,
            seed=0,  # the same noise each time
        )
        moved = [p.get_value() for p in net.params]
        return found['loss'], [(a - b) / rate for a, b in zip(here, moved, strict=True)]

    eps = 1e-5
    numerical = (loss_and_step(eps)[0] - loss_and_step(-eps)[0]) / (2 * eps)
    gradient = loss_and_step(0.0)[1]
    symbolic = float(sum((g * d).sum() for g, d in zip(gradient, direction, strict=True)))
    # Central differences err by eps² and by rounding / eps: both are about 1e-10.
    if not np.isclose(numerical, symbolic, rtol=1e-6, atol=1e-8):
        raise AssertionError(f'{form}: the slope is {numerical}, the gradient says {symbolic}')


@checked
@progress.shown(False)
def check_rows_are_independent(form: str, **options: Any) -> None:
    """Check that what an example gives does not depend on the others in its batch."""
    net = network(form, **options)
    x, _ = data(net)
    given, wanted = net._border.inputs[0], net._border.target
    whole = net.predict(x)
    parts = [net.predict(some(x, given, rows)) for rows in (slice(None, 3), slice(3, None))]
    _close(f'{form}: halves of a batch', np.concatenate(parts, wanted.batch_axis), whole)
    turned = slice(None, None, -1)
    found = some(net.predict(some(x, given, turned)), wanted, turned)
    _close(f'{form}: a batch in another order', found, whole)


@checked
@progress.shown(False)
def check_batch_of_one(form: str, **options: Any) -> None:
    """Check that a single example can be predicted and learned from."""
    net = network(form, **options)
    x, y = data(net)
    given, wanted = net._border.inputs[0], net._border.target
    one = slice(0, 1)
    x_1, y_1 = some(x, given, one), some(y, wanted, one)
    _close(f'{form}: one example alone', net.predict(x_1), some(net.predict(x), wanted, one))
    _learns(form, net, [x_1, y_1])


@checked
@progress.shown(False)
def check_unit_of_one(form: str, **options: Any) -> None:
    """Check that the layer can have a single unit, or what else is its least size."""
    net = network(form, size=_least(form, options), **options)
    batch = data(net)
    _expect(f'{form}: shape', net.predict(batch[0]).shape, batch[1].shape)
    _learns(form, net, batch)


@checked
@progress.shown(False)
def check_one_time_step(form: str, **options: Any) -> None:
    """Check that a sequence may have a single step."""
    net = network(form, **options)
    batch = data(net, n_steps=1)
    _expect(f'{form}: shape', net.predict(batch[0]).shape, batch[1].shape)
    _learns(form, net, batch)


@checked
@progress.shown(False)
def check_padding_changes_nothing(form: str, **options: Any) -> None:
    """Check that steps which a mask hides change neither predictions nor training.

    The same sequences are given padded, with numbers where nothing should look; with more
    such padding; and each alone.
    """
    layer = registry[form](None if not registry[form].sized else SIZE, **options)
    if layer.fixed_steps is not None or layer.starts_time:
        return  # it has no masks
    net = network(form, masked=True, **options)
    lengths = np.array([T, 1, T - 1, 2, T, 3])[:B]
    long = data(net, n_steps=T + 2)[:2]
    mask = np.arange(T + 2)[:, None] < lengths
    given, wanted = net._border.inputs[0], net._border.target
    found, start = [], [p.get_value() for p in net.params]
    for steps in (T, T + 2):
        batch = [a[:steps] if f.has_time else a for a, f in zip(long, (given, wanted), strict=True)]
        monitors, _ = net.train(
            [*batch, mask[:steps]], algo='sgd', epochs=1, restore_best=False, seed=0, batch_size=B
        )
        found.append((monitors['loss'], [p.get_value() for p in net.params]))
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
    if 'noise' not in layer.needs:  # whose numbers depend on the shape
        _close(f'{form}: the loss with more padding', np.array(found[1][0]), np.array(found[0][0]))
        for a, b in zip(found[1][1], found[0][1], strict=True):
            _close(f'{form}: an update with more padding', a, b)
    together = net.predict(long[0], mask=mask)
    for k, n in enumerate(lengths):
        alone = net.predict(some(long[0][:n], given, slice(k, k + 1)))
        mine = some(together, wanted, slice(k, k + 1))
        if wanted.has_time:
            _same(f'{form}: the output over padding', mine[n:], np.zeros_like(mine[n:]))
            mine = mine[:n]
        _close(f'{form}: a sequence alone', alone, mine)


@checked
@progress.shown(False)
def check_save_and_load(form: str, **options: Any) -> None:
    """Check that a saved network comes back bit for bit."""
    net = network(form, **options)
    for k, p in enumerate(net.params):  # not what a new network of this seed would have
        p.set_value(p.get_value() + 0.01 * (k + 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'net.rnn')
        net.save(path)
        other = load(path)
    twin = pickle.loads(pickle.dumps(net))
    _same_params(f'{form}: in a pickle', twin, net)
    _expect(f'{form}: spec in a pickle', twin.to_spec(), net.to_spec())
    x, _ = data(net)
    _same(f'{form}: predictions after load', other.predict(x), net.predict(x))
    _same_params(f'{form}: after load', other, net)
    _expect(f'{form}: spec after load', other.to_spec(), net.to_spec())


@checked
@progress.shown(False)
def check_spec_round_trip(form: str, **options: Any) -> None:
    """Check that a spec, written as JSON and read again, builds the same network."""
    net = network(form, **options)
    spec = json.loads(json.dumps(net.to_spec()))
    other = from_spec(spec)
    _expect(f'{form}: spec', other.to_spec(), spec)
    _same_params(f'{form}: from its spec', other, net)


CHECKS: list[Callable[..., None]] = [
    check_shape_and_dtype,
    check_gradient,
    check_rows_are_independent,
    check_batch_of_one,
    check_unit_of_one,
    check_one_time_step,
    check_padding_changes_nothing,
    check_save_and_load,
    check_spec_round_trip,
]


def _steps(net: Network, clock: str) -> int:
    """Return how many time steps there are, if the data have T."""
    plan = net._graph.plan
    if clock in plan.lengths:
        return plan.lengths[clock].fixed_steps
    if clock in plan.made_of:
        return net._graph.by_name[clock].steps_after(_steps(net, plan.made_of[clock]))
    return T


def _least(form: str, options: dict[str, Any]) -> int:
    layer = registry[form]
    return layer(SIZE if layer.sized else None, **options).smallest


def _learns(form: str, net: Network, batch: list[np.ndarray]) -> None:
    """Check that a step along the gradient makes the loss of a batch smaller."""
    options = {'algo': 'sgd', 'learning_rate': 1e-3, 'epochs': 1, 'restore_best': False, 'seed': 0}
    before, after = (net.train(batch, **options)[0]['loss'] for _ in range(2))
    if not after < before:
        raise AssertionError(f'{form}: a step went from {before} to {after}')


def _expect(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f'{what} is {found}; wanted {wanted}')


def _close(what: str, found: np.ndarray, wanted: np.ndarray) -> None:
    # Products of matrices of other shapes add up in another order: rounding in float64.
    error = float(abs(found - wanted).max())
    if not error <= 1e-12 * max(1.0, float(abs(wanted).max())):
        raise AssertionError(f'{what}: differs by {error}')


def _same(what: str, found: np.ndarray, wanted: np.ndarray) -> None:
    if found.dtype != wanted.dtype or not np.array_equal(found, wanted):
        raise AssertionError(f'{what}: differs by {abs(found - wanted).max()}; wanted no bit')


def _same_params(what: str, found: Network, wanted: Network) -> None:
    names = [p.name for p in found.params]
    _expect(f'{what}: names of parameters', names, [p.name for p in wanted.params])
    for a, b in zip(found.params, wanted.params, strict=True):
        _same(f'{what}: {a.name}', a.get_value(), b.get_value())

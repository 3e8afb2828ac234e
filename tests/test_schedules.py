"""Learning rates that change: values in closed form, and trainings that use them."""

import json
import math

import numpy as np
import pytensor
import pytest

import rnnkit
from rnnkit import schedules
from rnnkit.errors import CallError, ConfigError
from rnnkit.schedules import Constant, Cosine, Exponential, Plateau, Step, WarmUp

X = np.linspace(-1, 1, 12)[:, None]


@pytest.mark.parametrize(
    ('schedule', 'wanted'),
    [
        (Constant(0.3), {0: 0.3, 10**9: 0.3}),
        (Exponential(0.8, 0.5), {0: 0.8, 1: 0.4, 3: 0.1}),
        (Exponential(0.8, 0.25, every=10), {0: 0.8, 5: 0.4, 10: 0.2, 20: 0.05}),
        (Step(0.8, 10, 0.25), {0: 0.8, 9: 0.8, 10: 0.2, 19: 0.2, 20: 0.05}),
        (Step(0.8, every=3), {2: 0.8, 3: 0.08}),
        (Cosine(0.8, 12), {0: 0.8, 2: 0.4 * (1 + math.sqrt(3) / 2), 6: 0.4, 12: 0.0, 13: 0.0}),
        (Cosine(0.8, 12, least=0.2), {0: 0.8, 4: 0.65, 8: 0.35, 12: 0.2, 99: 0.2}),
        (WarmUp(4, 0.8), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 0.8, 100: 0.8}),
        (WarmUp(4, Step(0.8, 10, 0.5)), {0: 0.2, 3: 0.8, 13: 0.8, 14: 0.4}),
        (WarmUp(2, lambda n: 1 / (1 + n)), {0: 0.5, 1: 1.0, 2: 1.0, 4: 1 / 3}),
        (WarmUp(2, WarmUp(2, 1.0)), {0: 0.25, 1: 0.5, 2: 0.5, 3: 1.0}),
    ],
)
def test_values(schedule, wanted):
    for update, rate in wanted.items():
        assert schedule(update) == pytest.approx(rate, rel=1e-14, abs=1e-16)


LOSSES = [9.0, 8.0, 8.0, 8.5, 7.9, 7.9, 7.95, 8.0, 9.0, 1.0]


def rates(schedule, losses=LOSSES):
    found = []
    for loss in losses:
        schedule.observe(loss)
        found.append(schedule(0))
    return found


def test_a_plateau_lowers_the_rate_after_more_failures_than_it_allows():
    half = [1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5]
    assert rates(Plateau(1.0, patience=2)) == half
    assert rates(Plateau(1.0, 0.1, patience=0, least=0.05))[2:5] == [0.1, 0.05, 0.05]
    # From 8 to 7.9 is less than a tenth, so that is a failure too.
    assert rates(Plateau(1.0, patience=2, min_improvement=0.1))[4] == 0.5
    assert rates(Plateau(1.0, patience=0), [-1.0, -2.0, -1.0]) == [1, 1, 0.5]


@pytest.mark.parametrize(
    'make',
    [
        lambda: Plateau(1.0, patience=1),
        lambda: WarmUp(3, Plateau(1.0, patience=1)),
        lambda: Exponential(0.5, 0.9),
    ],
)
@pytest.mark.parametrize('stop', range(len(LOSSES)))
def test_a_schedule_goes_on_from_its_state(make, stop):
    whole, first, second = make(), make(), make()
    wanted = rates(whole)
    found = rates(first, LOSSES[:stop])
    state = json.loads(json.dumps(first.state(), allow_nan=False))
    assert all(type(v) in (int, float) for v in state.values())
    second.restore(state)
    assert found + rates(second, LOSSES[stop:]) == wanted


# --- in training ---


def descend(rate, n=6, **options):
    """Return the factors by which plain gradient descent on a²/2 shrinks a: 1 - rate."""
    a = pytensor.shared(1.0, name='a')
    seen = []

    def watched(update):
        seen.append(float(a.get_value()))
        return rate(update)

    rnnkit.minimize(
        a**2 / 2,
        algo='sgd',
        learning_rate=watched,
        epochs=n // 2,
        train_batches=2,
        valid_batches=1,
        **options,
    )
    path = np.array([*seen[1:], float(a.get_value())])  # the first look is at the start
    return path[1:] / path[:-1]


def test_each_update_uses_its_own_rate():
    table = [0.1, 0.5, 0.2, 0.05, 0.3, 0.9]
    found = descend(table.__getitem__)
    np.testing.assert_allclose(1 - found, table, rtol=1e-12)  # rounding


def test_a_schedule_may_end_at_0():
    found = descend(Cosine(0.5, 3))
    assert list(found[3:]) == [1, 1, 1]  # the parameter stays as it is
    assert (found[:3] < 1).all()


def test_history_has_the_rate_of_the_last_update_of_an_epoch():
    net = rnnkit.Regressor([1, 1], seed=0)
    net.train([X, X], epochs=3, batch_size=4, learning_rate=lambda n: 1e-3 / (1 + n))
    assert net.history['learning_rate'] == [1e-3 / 3, 1e-3 / 6, 1e-3 / 9]


def test_a_plateau_follows_the_validation_and_ends_with_the_training():
    # The first update is far too long; what comes after it does not get back to the start.
    schedule = Plateau(3.0, factor=0.1, patience=0)
    options = {'algo': 'sgd', 'learning_rate': schedule, 'batch_size': 12, 'validate_every': 1}
    for _ in range(2):
        net = rnnkit.Regressor([1, 1], seed=0, dtype='float64')
        net.train([X, 3 * X], epochs=4, **options)
        assert net.history['learning_rate'] == pytest.approx([3.0, 0.3, 0.03, 0.003])
    assert schedule.state() == {'rate': 3.0, 'failures': 0}  # the user's own object has not moved


def test_a_schedule_compiles_nothing(monkeypatch):
    net = rnnkit.Regressor([1, 1], seed=0)
    net.train([X, X], epochs=1)
    monkeypatch.setattr('rnnkit.common.compiled.pytensor.function', None)
    for rate in (Cosine(0.1, 3), 0.1, lambda n: 0.1):
        net.train([X, X], epochs=2, learning_rate=rate)


def test_a_schedule_and_the_same_numbers_give_the_same_bits():
    ends = []
    for rate in (0.01, lambda n: 0.01, Constant(0.01), Step(0.01, 10**6)):
        net = rnnkit.Regressor([1, 1], seed=0)
        net.train([X, X], algo='adam', epochs=3, batch_size=4, learning_rate=rate)
        ends.append(np.concatenate([p.get_value().ravel() for p in net.params]))
    assert all(np.array_equal(ends[0], end) for end in ends)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: Constant(-1), r'Constant\(\): rate must be a finite number of at least 0; got -1'),
        (
            lambda: Exponential(0.1, 1.5),
            r'Exponential\(\): decay must be at most 1; got 1.5',
        ),
        (lambda: Exponential(0.1, 0.5, 0), r'every must be a whole number of at least 1; got 0'),
        (lambda: Step(0.1, 2.5), r'Step\(\): every must be a whole number .*; got 2.5'),
        (lambda: Step(0.1, 5, 0), r'Step\(\): factor must be .*; got 0'),
        (lambda: Cosine(0.1, 10, least=0.2), r'least must be at most 0.1'),
        (lambda: Cosine(float('nan'), 10), r'Cosine\(\): rate .* got nan'),
        (
            lambda: WarmUp(5, 'x'),
            r"WarmUp\(\): then must be a number of at least 0, a schedule, .* got 'x'",
        ),
        (lambda: WarmUp(True, 0.1), r'WarmUp\(\): updates must be a whole number .* got True'),
        (lambda: Plateau(0.1, patience=-1), r'Plateau\(\): patience .* got -1'),
    ],
)
def test_schedules_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ('rate', 'message'),
    [
        (
            Cosine,
            r'train\(\): learning_rate must be .* schedule instance, .* got <class',
        ),
        (
            'fast',
            r"train\(\): learning_rate must be a number of at least 0, a schedule, .* got 'fast'",
        ),
        (
            lambda n: 'fast',
            r"train\(\): learning_rate is a callable that returned 'fast' for update 0",
        ),
        (lambda n: 0.1 - n, r'a callable that returned -0.9 for update 1; it must return a number'),
        (lambda n: float('nan'), r'returned nan for update 0'),
    ],
)
def test_rates_that_are_none(rate, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([1, 1], seed=0).train([X, X], epochs=2, learning_rate=rate)


def test_rprop_takes_no_schedule():
    with pytest.raises(ConfigError, match="algo 'rprop' is the size of the first step alone"):
        rnnkit.Regressor([1, 1]).train([X, X], algo='rprop', learning_rate=Cosine(0.1, 9))


def test_a_schedule_of_the_user_says_what_it_lacks():
    class Mine(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError, match='Mine must define __call__'):
        Mine()(0)


class Two(schedules.Schedule):
    def __call__(self, epoch, rate):
        return rate


@pytest.mark.parametrize(
    ('rate', 'shown'), [(lambda: 1, '<lambda>()'), (Two(), 'Two(epoch, rate)')]
)
def test_a_callable_of_other_arguments_is_refused_before_anything_is_compiled(
    rate, shown, monkeypatch
):
    monkeypatch.setattr(pytensor, 'function', None)
    with pytest.raises(ConfigError) as caught:
        rnnkit.Regressor([1, 1], seed=0).train([X, X], epochs=1, learning_rate=rate)
    assert str(caught.value) == (
        'train(): learning_rate: a callable is called with one argument, the number of updates; '
        f'{shown} cannot be'
    )


@pytest.mark.parametrize(
    'schedule',
    [
        Constant(0.1),
        Exponential(0.1, 0.5),
        Step(0.1, 5),
        Cosine(0.1, 5),
        WarmUp(2, 0.1),
        Plateau(0.1),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_schedule_is_called_with_a_number(schedule):
    name = f'{type(schedule).__name__}(...)'
    with pytest.raises(ConfigError) as caught:
        schedule(None)
    assert str(caught.value) == f'{name}(): update must be a finite number; got None'
    with pytest.raises(CallError) as caught:
        schedule()
    assert str(caught.value) == f'{name}(): update is missing; write {name}(update)'
    assert schedule(np.int64(1)) == schedule(1) == schedule(1.0)

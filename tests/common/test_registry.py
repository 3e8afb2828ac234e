"""Registries: names, hints, taken names; and that no keyword is swallowed."""

import inspect

import pytest

import rnnkit
from rnnkit.common.registry import HINTS, Registry, hint, reject_unknown
from rnnkit.errors import ConfigError


@pytest.fixture
def shapes():
    registry = Registry('shape')
    registry.add('circle', 'disc')(max)
    registry.add('square')(min)
    return registry


def test_names_are_found_without_regard_to_case(shapes):
    assert shapes['Circle'] is shapes['DISC'] is max
    assert 'SQUARE' in shapes
    assert 'cube' not in shapes
    assert 3 not in shapes
    assert list(shapes) == ['circle', 'disc', 'square']
    assert len(shapes) == 3
    assert repr(shapes) == '<shapes: circle, disc, square>'


@pytest.mark.parametrize(
    ('word', 'message'),
    [
        ('cirle', r"no shape named 'cirle'; did you mean 'circle'\?"),
        ('SQARE', r"did you mean 'square'\?"),
        ('dodecahedron', 'known are: circle, disc, square'),
        ('', 'known are: circle, disc, square'),
        (7, 'a shape is named by a str; got 7'),
    ],
)
def test_a_missing_name_gets_a_hint(shapes, word, message):
    with pytest.raises(ConfigError, match=message):
        shapes[word]


def test_a_taken_name_raises_and_nothing_is_registered(shapes):
    with pytest.raises(ConfigError, match="already a shape named 'Disc'; take another name"):
        shapes.add('oval', 'Disc')(sum)
    assert 'oval' not in shapes
    assert shapes['disc'] is max


@pytest.mark.parametrize('names', [(), ('',), (3,), (None,)])
def test_a_member_needs_a_name(shapes, names):
    with pytest.raises(ConfigError, match='a shape is registered under one or more names'):
        shapes.add(*names)


def test_forgetting_the_name_of_a_decorator_is_explained():
    with pytest.raises(ConfigError, match=r"for example add\('mine'\)"):

        @rnnkit.layers.add
        class Mine(rnnkit.Layer):
            pass


@pytest.mark.parametrize(
    ('registry', 'kind'),
    [
        (rnnkit.optimizers.registry, 'algorithm'),
        (rnnkit.losses.losses, 'loss'),
    ],
)
def test_a_member_of_another_kind_is_refused(registry, kind):
    with pytest.raises(ConfigError, match=f"the {kind} 'odd' must be a class derived from"):
        registry.add('odd')(max)
    assert 'odd' not in registry


def test_all_unknown_keywords_are_reported_together():
    with pytest.raises(ConfigError) as caught:
        reject_unknown(
            'net.train()', ['epoch', 'lr', 'size', 'qqq'], ['epochs', 'learning_rate', 'size']
        )
    assert str(caught.value) == (
        "net.train(): unknown option 'epoch', did you mean 'epochs'?; "
        "unknown option 'lr', did you mean 'learning_rate'?; "
        "unknown option 'qqq', known are: epochs, learning_rate, size"
    )


def test_keywords_of_other_libraries_are_translated_where_ours_exists():
    assert hint('units', ['size', 'name']) == "did you mean 'size'?"
    assert hint('units', ['name']) == 'known are: name'


def test_no_foreign_keyword_is_one_of_ours_by_now():
    from rnnkit.graph.perturbations import term_names
    from rnnkit.training.options import option_names

    ours = {
        *option_names(),
        *term_names(),
        'size',
        'name',
        'inputs',
        'activation',
        'layout',
        'seed',
        'algo',
        'train',
        'valid',
        *rnnkit.optimizers.optimizers,
        'output',
        *rnnkit.losses.losses,
        *rnnkit.activations.activations,
        *rnnkit.initializers.initializers,
        *(
            name
            for rule in rnnkit.optimizers.optimizers
            for name in option_names(rnnkit.optimizers.optimizers[rule])
        ),
        'gate_activation',
        'coupled',
        'average',
        'product',
    }
    schedules = [vars(rnnkit.schedules)[name] for name in ('Plateau', 'Step', 'Exponential')]
    calls = [*schedules, rnnkit.schedules.Cosine, rnnkit.schedules.WarmUp, rnnkit.callbacks.CSV]
    calls += [rnnkit.callbacks.EarlyStop, rnnkit.callbacks.Checkpoint, rnnkit.Forecaster]
    calls += [
        rnnkit.Forecaster,
        rnnkit.Regressor,
        rnnkit.Classifier,
        rnnkit.Classifier.train,
        rnnkit.windows.of,
    ]
    ours |= {name for call in calls for name in inspect.signature(call).parameters}
    for loss in rnnkit.losses.losses:
        ours |= {*rnnkit.losses.losses[loss].options}
    for form in rnnkit.layers.registry:
        ours |= {form, *rnnkit.layers.registry[form].options}
    ours |= {*rnnkit.initializers.initializers, 'layers', 'loss', 'learning_rate', 'average'}
    for algo in rnnkit.optimizers.optimizers:
        ours |= {*rnnkit.optimizers.optimizers[algo].options}
    assert {word for words in HINTS.values() for word in words} <= ours
    # A word may be ours in one call, and foreign in another.
    known = {
        'min_delta',
        'identity',
        'momentum',
        'epsilon',
        'prod',
        'clip',
        'nesterov',
        'mean',
        'scale',
        'gaussian',
        'gamma',
        't_max',
        'lags',  # of forecasts
        'horizon',
        'periods',  # of clockwork
    }
    assert set(HINTS) & ours <= known  # words with another meaning in another call

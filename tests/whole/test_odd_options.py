"""Every option of every part of a network, with values of every odd type."""

import warnings

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.activations import activations
from rnnkit.errors import LONGEST_MESSAGE, RnnkitError
from rnnkit.initializers import initializers
from rnnkit.layers.registry import layers as forms
from rnnkit.losses import losses
from rnnkit.models.network import SETTINGS
from rnnkit.regularizers import build, regularizers


class Odd:
    """Neither text, nor a number, nor a function; it cannot even be shown."""

    def __repr__(self):
        raise ValueError('no repr')


class OddNumber(float):
    def __format__(self, spec):
        raise ValueError('no format')


def raises(*args, **kwargs):
    raise LookupError('a function that raises')


VALUES = [
    None, True, np.True_, 0, -1, 3, 10**30, 10**100, -(10**400), 10**5000, 0.5, float('nan'),
    float('inf'), 1e300, 1e-320, np.float32(2), np.int64(3), 2j, '', 'x', 'in', 'int8', 'learn',
    'relu', 'relu+', 'maxout:3', 'a\x00b', '\ud800', b'x', [], [1], [1, 2], [None], [[1], 2],
    ['in'], (), ('in', 'in'), {}, {'form': 'x'}, {'form': 'normal', 'self': 1},
    {'form': 'normal', 'std': -1},
    {'form': 'orthogonal', 'radius': 1e300}, {'form': None}, {1: 2}, {'i': 1}, set(), np.ones(2),
    np.ones((2, 2)), np.array(3), np.array('x'), np.array(None), np.array([{}]), np.ones(0),
    np.ma.masked_all(2), object, int, Odd(), OddNumber(0.5), lambda: 1, lambda *a: None,
    lambda *a: 'x', lambda *a: a[0], lambda *a: np.nan, lambda *a: np.ones((9, 9)), raises,
    iter([1]), range(2), 'x' * 10**6,
]  # fmt: skip


def refused(function, *args, **kwargs):
    """Call a function; whatever it raises is an error of rnnkit's own, with a short message."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            function(*args, **kwargs)
        except RnnkitError as error:
            if len(str(error)) > LONGEST_MESSAGE + 200:
                raise AssertionError('a long message') from error


def network(spec):
    before = [dict(form='input', size=4, ndim=3)] if forms[spec['form']].recurrent else [4]
    if spec['form'] == 'embedding':
        before = [4]
    rnnkit.Regressor([*before, spec, 2], seed=0).to_spec()


FORMS = sorted(set({forms[name]: name for name in forms}.values()))
QUICK = ('conv1', 'tied', 'huber')


@pytest.mark.parametrize('form', long_unless(QUICK.__contains__, FORMS))
def test_options_of_layers(form):
    known = {'size', 'name', 'inputs', 'self', 'form', 'cls', *forms[form].options}
    cell = getattr(forms[form], 'cell_class', None)
    known |= {'xh', 'hh', 'b', 'w', 'std', 'mean_hh', 'radius', 'sparsity', 'diagonal_b'}
    known |= set(cell.params) if cell else set()
    if form == 'bidirectional':
        known |= {'worker', 'merge', 'direction'}
    sized = {'size': 4} if forms[form].sized else {}
    right = {'conv1': {'filter_size': 2}, 'clockwork': {'periods': [1, 2]}}
    right = {'form': form, **sized, **right.get(form, {})}
    for option in sorted(known):
        for value in VALUES:
            try:
                refused(network, {**right, option: value})
            except Exception as error:
                error.add_note(f'{form}, {option}={type(value)}')
                raise


@pytest.mark.parametrize('form', long_unless(QUICK.__contains__, sorted(losses)))
def test_options_of_losses(form):
    for option in ['form', 'weight', 'output', 'target', 'weighted', 'self', *losses[form].options]:
        for value in VALUES:
            net = rnnkit.Regressor([2, 3, 2], seed=0)
            for call in (net.set_loss, net.add_loss):
                try:
                    refused(call, {'form': form, option: value})
                    if option not in ('form', 'self'):
                        refused(call, form, **{option: value})
                except Exception as error:
                    error.add_note(f'{form}, {option}={type(value)}')
                    raise


@pytest.mark.parametrize('form', long_unless('orthogonal'.__eq__, sorted(initializers)))
def test_options_of_initializers(form):
    for option in (
        'form',
        'gain',
        'sparsity',
        'radius',
        'std',
        'mean',
        'value',
        'self',
        'rng',
        'shape',
    ):
        for value in VALUES:
            try:
                refused(network, {'form': 'rnn', 'size': 4, 'hh': {'form': form, option: value}})
            except Exception as error:
                error.add_note(f'{form}, {option}={type(value)}')
                raise


def test_options_of_regularizers():
    for form in regularizers:
        for option in ('weight', 'pattern', 'parts', 'self', 'name'):
            for value in VALUES:
                refused(build, form, {'weight': 0.1, option: value})
                refused(build, form, value)


def test_specs_of_layers_and_of_networks():
    for value in VALUES:
        for spec in ([value, 2], [2, value, 2], [2, (value, 3), 2], [2, (3, value), 2], value):
            refused(lambda spec=spec: rnnkit.Regressor(spec).to_spec())
        for name in (*SETTINGS[1:], 'x', 'self_'):
            refused(lambda name=name, value=value: rnnkit.Regressor([2, 1], **{name: value}))


def test_names_of_activations():
    for value in VALUES:
        refused(rnnkit.activations.build, value)
        refused(rnnkit.activations.Chain, value)
        for name in activations:
            if isinstance(value, str):
                refused(rnnkit.activations.Chain, f'{name}:{value}')
                refused(rnnkit.activations.Chain, f'{name}+{value}')

"""The examples in docstrings do what they say."""

import doctest
import importlib.util
import pkgutil

import pytest
from packages import has_pymc

import rnnkit

NEEDS_MORE = {
    'rnnkit.kernels.recurrent.dispatch_jax',
    'rnnkit.kernels.staged.dispatch_jax',
    'rnnkit.noise.dispatch_jax',
}  # JAX, which is not there in general
if not has_pymc():  # as on Python 3.11
    NEEDS_MORE.add('rnnkit.integrations.pymc')
if importlib.util.find_spec('mlflow') is None:
    NEEDS_MORE.add('rnnkit.integrations.mlflow')
# Their examples train for long.
SLOW = ('rnnkit.sklearn', 'rnnkit.forecasting', 'rnnkit.integrations.sktime')
FOUND = {m.name for m in pkgutil.walk_packages(rnnkit.__path__, 'rnnkit.')}
MODULES = ['rnnkit', *sorted(FOUND - NEEDS_MORE)]


@pytest.mark.parametrize('name', MODULES)
def test_docstrings(name, request):
    if name.startswith(SLOW):
        request.getfixturevalue('machine_code')
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert not failed


def test_there_are_examples_at_all():
    finder = doctest.DocTestFinder()
    found = [t for name in MODULES for t in finder.find(importlib.import_module(name))]
    assert sum(len(t.examples) for t in found) > 20

"""Trainings on several processes give the parameters and the history of one process."""

import os

import numpy as np
import pytest
import ranks

# The most important ones, of layers that compile nothing in the default mode.
FIRST = [
    'masked_lstm',
    'lists',
    'tiny_batches',
    'carried_state',
    'parts',
    'parts_of_classes',
    'changing_parameters',
    'leaving',
    'sequence_classes',
    'other_data',
    'refused',
]
ALGO = "train(): comm cannot be used with algo '{}'"
REFUSED = [
    *[
        f'{ALGO.format(algo)}, whose updates need more than the gradient of a batch; choose '
        f"another one, such as algo='adam'"
        for algo in ('lbfgs', 'esgd')
    ],
    *[f'{ALGO.format(algo)}; leave it out' for algo in ('layerwise', 'sample')],
    "train(): comm cannot be used with the loss 'mmd', which measures a batch as a whole, and not "
    'example by example; leave comm out',
    'minimize(): comm is for networks; here a single process computes the loss: leave it out',
]
OTHERS = (
    'train(): rank 0 and rank 1 were given {}; all ranks must have the same data, of which each '
    'takes its share of every batch. If each has a part of them, write shard=True'
)
KINDS = 'train(): rank 0 was given arrays, and rank 1 {}; all ranks must have data of the same kind'


def check(found, expected, tolerance=1e-10, where=''):
    """Compare dicts, lists and arrays; numbers up to a tolerance, all else exactly."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for name, value in expected.items():
            check(found[name], value, tolerance, f'{where}.{name}')
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            check(ours, theirs, tolerance, f'{where}[{k}]')
    elif isinstance(expected, float | np.ndarray):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=where)
    else:
        assert found == expected, where


def same(n, module, names, folder, tolerance=1e-10, **env):
    """Check that `n` processes return what one does; and the same one and all, to the bit."""
    every = ranks.run(n, module, names, folder, **env)
    for k, name in enumerate(names):
        alone, first = every[k % n][name, None], every[0][name]
        assert not isinstance(first, str), f'{name}, {n} ranks: {first}'
        assert not isinstance(alone, str), f'{name}, one process: {alone}'
        for rank in range(1, n):
            check(every[rank][name], first, 0, f'{name}, rank {rank}')
        if alone:  # else there is nothing to compare with
            check(first, alone, tolerance, f'{name}, {n} ranks')
    return every


def scenarios():
    """Return the names of all scenarios, without those of chains."""
    found = ranks.namespace(MODULES).items()
    codes = {name: value.__code__ for name, value in found if hasattr(value, '__code__')}
    return [
        name
        for name, code in codes.items()
        if code.co_varnames[:2] == ('comm', 'folder')
        and not name.startswith('_')
        and name not in LINKS
    ]


CHAIN = ['begun', 'continued', 'ended']
CHAINS = [CHAIN, [f'carried_{name}' for name in CHAIN]]
LINKS = {*CHAINS[0], *CHAINS[1]}
MODULES = 'split_scenarios,split_courses,split_others'
# Of each kind of training some, in jobs of about 15 s.
CHOSEN = [
    ['masked_lstm', 'lists', 'bucketed'],
    ['weights_and_mask', 'batches_that_weigh_nothing', 'class_weights'],
    ['table', 'table_watched', 'table_tiny'],
    ['dropout_and_noise', 'recurrent_dropout', 'carried_dropout'],
    ['several_losses', 'regularized_masked', 'own_monitors'],
    ['carried_with_mask', 'encoder_and_decoder', 'scaled'],
    ['patience', 'early_stop', 'steps_of_a_loop'],
    ['resumed', 'resumed_carrying', 'changing_parameters'],
    ['parts', 'parts_in_batches', 'callables'],
    ['stored', 'stored_lists', 'stored_series'],
]


def all_jobs():
    """Return the names of all scenarios, three in a job; they take ten minutes."""
    names = scenarios()
    return [names[k : k + 3] for k in range(0, len(names), 3)]


JOBS = all_jobs() if os.environ.get('RNNKIT_RANKS') == 'all' else CHOSEN


def test_two_ranks_train_as_one(tmp_path):
    mode = os.environ['PYTENSOR_FLAGS'] + ',mode=NUMBA'
    found = same(2, MODULES, FIRST, tmp_path, PYTENSOR_FLAGS=mode)[1]
    assert found['refused']['messages'] == REFUSED
    shapes = 'arrays of shapes [[7, 7, 2], [7, 7, 1]] and [[7, 14, 2], [7, 14, 1]]'
    first, parts = (OTHERS.format(more) for more in ('different numbers', shapes))
    kinds = [KINDS.format(kind) for kind in ('a callable or an iterable', 'data on disk')]
    assert found['other_data']['messages'] == [first, parts, first, first, *kinds]


@pytest.mark.long
@pytest.mark.parametrize('names', JOBS, ids=lambda names: names[0])
def test_three_ranks_train_as_one(names, tmp_path):
    tolerance = 1e-6 if 'float32' in names else 1e-10
    same(3, MODULES, names, tmp_path, tolerance)


@pytest.mark.long
def test_without_kernels_numba_compiles_both_functions(tmp_path):
    mode = os.environ['PYTENSOR_FLAGS'] + ',mode=NUMBA'
    same(2, 'split_scenarios', ['no_time'], tmp_path, RNNKIT_KERNELS='off', PYTENSOR_FLAGS=mode)


@pytest.mark.long
def test_a_training_goes_on_with_another_number_of_ranks(tmp_path):
    jobs = [(2, 'begun'), (3, 'continued'), (1, 'ended')]
    for k, (n, _) in enumerate(jobs):
        names = [chain[k] for chain in CHAINS]
        found = ranks.run(n, 'split_courses', names, tmp_path)
        if k == 0:
            expected = [found[0][names[0], None], found[1][names[1], None]]
    for name, right in zip(names, expected, strict=True):
        assert not isinstance(found[0][name], str), found[0][name]
        assert not isinstance(right, str), right
        check(found[0][name], right, where=name)

"""Tables that are read by rows: an update changes the rows that were read, and no others."""

import logging

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import tables
from bowl import HYPER
from tables import LIMITS, batches, objective, reference, updates, values_of

import rnnkit
from rnnkit.optimizers.sparse_rows import lookups, row_sums

WHOLE = ('rprop', 'esgd')  # their updates are of all rows
KINDS = [(0.0, False), (0.8, False), (0.8, True)]
# Momentum is not the rule's affair: each has one kind of it.
CASES = [(algo, *KINDS[k % 3]) for k, algo in enumerate(HYPER) if algo not in WHOLE]


def assert_equal(found, wanted):
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize(('algo', 'momentum', 'nesterov'), CASES)
def test_rows_that_were_read_are_updated(algo, momentum, nesterov, rng):
    values, given = tables.start(rng), batches(rng)
    goal, hyper = objective(values), {**HYPER[algo], **LIMITS}
    graph, _ = updates(goal, algo, given, momentum, nesterov, **hyper)
    wanted, velocity = reference(algo, values, given, momentum, nesterov, **hyper)
    assert_equal(values_of(goal), wanted)
    assert (goal.params[0].get_value()[5:] == values['w'][5:]).all()
    if momentum:
        flat = np.concatenate([v.ravel() for v in velocity.values()])
        np.testing.assert_allclose(graph.slots['velocity'].get_value(), flat, rtol=1e-12)


def test_sgd_is_that_of_the_whole_table(rng):
    values, given = tables.start(rng), batches(rng)
    hyper = {'learning_rate': 0.1, **LIMITS}
    goal = objective(values)
    _, found = updates(goal, 'sgd', given, **hyper)
    wanted, _ = reference('sgd', values, given, dense=values, **hyper)
    assert_equal(values_of(goal), wanted)
    g, _ = tables.gradients(values, given[0])
    norm = np.sqrt(sum((a**2).sum() for a in g.values()))
    assert found[0][0] == pytest.approx(norm, rel=1e-12)  # rounding


def test_a_table_that_is_read_otherwise_is_updated_as_a_whole(rng, caplog):
    values, given = tables.start(rng), batches(rng)
    hyper = {**HYPER['adam'], **LIMITS}
    goal = objective(values, penalty=0.1)
    with caplog.at_level(logging.DEBUG, 'rnnkit'):
        updates(goal, 'adam', given, 0.8, **hyper)
    assert 'w is read by' in caplog.text
    assert 'v is read by' not in caplog.text
    wanted, _ = reference('adam', values, given, 0.8, dense='w', penalty=0.1, **hyper)
    assert_equal(values_of(goal), wanted)


def test_rprop_updates_whole_tables(rng):
    values, given = tables.start(rng), batches(rng)
    hyper = {**HYPER['rprop'], **LIMITS}
    goal = objective(values)
    updates(goal, 'rprop', given, **hyper)
    wanted, _ = reference('rprop', values, given, dense=values, **hyper)
    assert_equal(values_of(goal), wanted)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_what_is_not_finite_changes_nothing(bad, rng):
    values, given = tables.start(rng), batches(rng, 1)
    given[0][2][1, 1] = bad
    goal = objective(values)
    graph, _ = updates(goal, 'adam', given, 0.8, **HYPER['adam'], **LIMITS)
    for name, value in values_of(goal).items():
        np.testing.assert_array_equal(value, values[name])
    assert not any(slot.get_value().any() for slot in graph.slots.values())


@pytest.mark.peers
def test_adam_is_the_sparse_adam_of_pytorch(rng):
    torch = pytest.importorskip('torch')
    values, given = tables.start(rng), batches(rng, 6)
    goal = objective({name: values[name] for name in ('w', 's', 'v')})
    goal.params = [p for p in goal.params if p.name != 's']  # it holds still
    tiny = 1e-30  # it stands at another place there
    updates(
        goal,
        'adam',
        given,
        learning_rate=0.05,
        beta1_halflife=np.log(2) / -np.log(0.9),
        beta2_halflife=np.log(2) / -np.log(0.999),
        rms_regularizer=tiny,
        max_gradient_norm=0,
        max_gradient_elem=0,
    )
    p = {n: torch.nn.Parameter(torch.tensor(values[n])) for n in ('w', 'v')}
    adam = torch.optim.SparseAdam(p.values(), lr=0.05, eps=tiny)
    s, look = torch.tensor(values['s']), torch.nn.functional.embedding
    for x, u, y in given:
        adam.zero_grad()
        error = look(torch.tensor(x), p['w'], sparse=True) @ s - torch.tensor(y)
        cubes = look(torch.tensor(u), p['v'], sparse=True) ** 3
        ((error**2).sum() / 2 + cubes.sum() / 3).backward()
        adam.step()
    for name, value in p.items():
        np.testing.assert_allclose(values_of(goal)[name], value.detach().numpy(), rtol=1e-9)


# --- which parameters are tables ---


X = pt.tensor('x', dtype='int64', shape=(None, None))
READERS = {
    'rows': (lambda w: w[X].sum(), 1),
    'rows by a vector': (lambda w: w[X[0]].sum(), 1),
    'rows twice': (lambda w: w[X].sum() * w[2 * X].sum(), 2),
    'one row': (lambda w: w[X[0, 0]].sum(), 0),
    'elements': (lambda w: w[X, X].sum(), 0),
    'columns': (lambda w: w[:, X[0]].sum(), 0),
    'where true': (lambda w: w[X[0] > 1].sum(), 0),
    'slice': (lambda w: w[:3].sum(), 0),
    'tied weights': (lambda w: (w[X] @ w.T).sum(), 0),
    'numbers of its own': (lambda w: w[(w[:, 0] > 0).astype('int64')].sum(), 0),
}


@pytest.mark.parametrize('name', READERS)
def test_tables_are_found_in_the_graph(name):
    loss, n = READERS[name]
    w = pytensor.shared(np.zeros((7, 7)), 'w')
    found = lookups(loss(w), [w])
    assert len(found.get(w, [])) == n


def test_rows_that_are_read_by_several_lookups(rng):
    values = rng.standard_normal((7, 3))
    w = pytensor.shared(values, 'w')
    u, c = pt.lvector('u'), pt.dscalar('c')
    loss = (w[X] ** 2).sum() / 2 + c * w[u].sum()
    goal = rnnkit.optimizers.Objective(loss, [w], [X, u, c])
    given = [(np.array([[1, 2], [2, -1]]), np.array([2, 4, 6]), np.ones(()))]  # -1 is 6
    updates(goal, 'sgd', given, learning_rate=0.5, max_gradient_norm=0, max_gradient_elem=0)
    gradient = np.array([0, 1, 2, 0, 0, 0, 1])[:, None] * values
    gradient[[2, 4, 6]] += 1
    np.testing.assert_allclose(w.get_value(), values - 0.5 * gradient, rtol=1e-12)


def test_row_sums(rng):
    ids, rows = rng.integers(-4, 4, (5, 2)), rng.standard_normal((5, 2, 3))
    symbols = pt.lmatrix(), pt.dtensor3()
    numbers, sums, once = pytensor.function(symbols, row_sums(*symbols, (4, 3)))(ids, rows)
    wanted = np.zeros((4, 3))
    np.add.at(wanted, ids, rows)
    assert set(numbers) == set(ids.ravel() % 4)
    np.testing.assert_allclose(sums, wanted[numbers], rtol=1e-12)
    np.testing.assert_allclose((once**2).sum(), (wanted**2).sum(), rtol=1e-12)


# --- networks ---


def words(rng, V=12, T=6, B=5):
    return rng.integers(0, V - 2, (T, B)), rng.integers(0, 2, (T, B))  # the last two never occur


@pytest.mark.parametrize('penalty', [0, 0.1])
def test_embedding(penalty, rng):
    x, y = words(rng)
    net = rnnkit.Classifier([12, ('embedding', 3), ('rnn', 4), 2], seed=1, dtype='float64')
    before = net.find('hid1', 'w').get_value()
    net.train([x, y], algo='adam', learning_rate=0.01, weight_l2=penalty, epochs=2, batch_size=3)
    changed = (net.find('hid1', 'w').get_value() != before).any(axis=1)
    assert changed[np.unique(x)].all()
    assert changed[10:].all() == bool(penalty)


def test_a_trained_embedding_is_saved(rng, tmp_path):
    x, y = words(rng)
    net = rnnkit.Classifier([12, ('embedding', 3), ('lstm', 4), 2], seed=1)
    net.train([x, y], algo='rmsprop', momentum=0.5, epochs=2)
    net.save(tmp_path / 'net')
    np.testing.assert_array_equal(rnnkit.load(tmp_path / 'net').predict(x), net.predict(x))


def test_padding_changes_nothing_but_its_own_row(rng):
    x, y = words(rng)
    mask = np.ones(x.shape)
    mask[4:, 2] = mask[3:, 4] = 0
    tables_ = []
    for padding in (0, 11):
        net = rnnkit.Classifier(
            [12, ('embedding', 3), ('rnn', 4), 2], seed=1, masked=True, dtype='float64'
        )
        padded = np.where(mask > 0, x, padding)
        net.train([padded, y, mask], algo='sgd', epochs=2, batch_size=5)
        tables_.append(net.find('hid1', 'w').get_value())
    np.testing.assert_allclose(*tables_, rtol=1e-12)

"""What can be changed between trainings, what is repeatable, and what is recorded and shown."""

import dataclasses
import inspect
import io
import logging

import numpy as np
import pytest

import rnnkit
import rnnkit.common.compiled
from rnnkit.common import progress
from rnnkit.errors import ConfigError, NotFoundError
from rnnkit.training.history import History


@pytest.fixture
def data(rng):
    return [rng.standard_normal((4, 10, 1)), rng.standard_normal((4, 10, 1))]


@pytest.fixture
def compilations(monkeypatch):
    """Return a list that grows by one with every function that is compiled."""
    calls, function = [], rnnkit.common.compiled.pytensor.function

    def counted(*args, **kwargs):
        calls.append(kwargs['name'])
        return function(*args, **kwargs)

    monkeypatch.setattr(rnnkit.common.compiled.pytensor, 'function', counted)
    return calls


def dense():
    return rnnkit.Regressor([1, 1], seed=0, dtype='float64')


def params(net):
    return [p.get_value() for p in net.params]


FLAT = [np.linspace(-1, 1, 12)[:, None], np.linspace(0, 3, 12)[:, None]]


def test_a_second_training_compiles_nothing(data, compilations):
    net = rnnkit.Regressor([1, ('rnn', 2), 1], seed=0)
    net.train(data, epochs=1, algo='sgd', weight_l2=1e-3, momentum=0.5)
    net.predict(data[0])
    assert compilations == ['the validation', 'the train step', 'the prediction']
    longer = [np.tile(a, (3, 1, 1)) for a in data]
    net.train(
        longer,
        [a[:, :2] for a in data],
        algo='sgd',
        epochs=2,
        batch_size=3,
        learning_rate=0.5,
        momentum=0.9,
        weight_l2=0.5,
        max_gradient_norm=2,
        max_gradient_elem=0.1,
        patience=1,
        train_batches=2,
        min_improvement=0.1,
        seed=3,
    )
    net.predict(longer[0][:, :1])
    net.score(*longer)
    assert len(compilations) == 3


def test_another_rule_compiles_only_its_own_step(compilations):
    net = dense()
    net.train(FLAT, epochs=1)
    net.train(FLAT, epochs=1, algo='adam')
    assert compilations == ['the validation', 'the train step', 'the train step']
    net.train(FLAT, epochs=1)
    assert len(compilations) == 3


def test_nothing_is_compiled_before_it_is_needed(compilations):
    net = rnnkit.Regressor([1, ('lstm', 2), 1])
    net.summary()
    net.to_spec()
    assert not compilations


def test_a_new_learning_rate_is_used_although_nothing_is_compiled():
    net = dense()
    start, steps = params(net), []
    for rate in (0.1, 0.2):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.train(FLAT, algo='sgd', epochs=1, learning_rate=rate, restore_best=False)
        steps.append([a - b for a, b in zip(start, params(net), strict=True)])
    for a, b in zip(*steps, strict=True):
        np.testing.assert_allclose(2 * a, b, rtol=1e-12)  # rounding


def test_a_new_penalty_is_used_although_nothing_is_compiled():
    net = dense()
    losses = [
        net.train(FLAT, epochs=1, algo='sgd', learning_rate=1e-30, weight_l1=w)[0]
        for w in (0, 1, 2)
    ]
    weight = float(abs(net.find('out', 'w').get_value()).mean())
    err = losses[0]['err']
    assert [m['loss'] for m in losses] == pytest.approx([err, err + weight, err + 2 * weight])
    assert [m['err'] for m in losses] == [err] * 3


def test_what_a_rule_remembers_does_not_pass_to_the_next_training():
    runs = []
    net = dense()
    start = params(net)
    for _ in range(2):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.train(FLAT, algo='adam', momentum=0.5, epochs=3, seed=1, restore_best=False)
        runs.append(params(net))
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_recurrent_networks_clip_the_norm_at_one_and_others_do_not(data):
    net = rnnkit.Regressor([1, ('rnn', 2), 1], seed=0, dtype='float64')
    big = [data[0], data[1] + 1000]
    for options, limit in (({}, 1.0), ({'max_gradient_norm': 0}, None)):
        before = params(net)
        net.train(
            big,
            algo='sgd',
            learning_rate=1e-6,
            epochs=1,
            batch_size=10,
            restore_best=False,
            **options,
        )
        moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, params(net), strict=True)))
        assert net.history[-1]['gradient_norm'] > 100
        wanted = 1e-6 * (limit or net.history[-1]['gradient_norm'])
        # A difference of parameters near 1, of 1e-6: nine digits are left.
        assert moved == pytest.approx(wanted, rel=1e-6)
    flat = dense()
    before = params(flat)
    flat.train(
        [FLAT[0], FLAT[1] + 1e3], algo='sgd', learning_rate=1e-6, epochs=1, restore_best=False
    )
    assert abs(params(flat)[1] - before[1]) > 1e-4


# --- the same seed ---


def run(seed, **options):
    net = rnnkit.Regressor([1, ('gru', 2), 1], seed=seed)
    rng = np.random.default_rng(0)
    net.train([rng.standard_normal((3, 9, 1))] * 2, epochs=2, batch_size=4, **options)
    return params(net)


def test_the_same_seed_gives_the_same_bits():
    first, second, other = run(5), run(5), run(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first[:2], other[:2], strict=True))


def order_of_batches(net, **options):
    x = np.arange(8.0)[:, None]
    net.train(
        [x, x * 0],
        algo='sgd',
        epochs=1,
        batch_size=1,
        learning_rate=1e-2,
        restore_best=False,
        **options,
    )
    return params(net)[0].item()


def test_the_seed_of_a_training_drives_its_shuffling():
    weights = [order_of_batches(dense(), seed=s) for s in (1, 1, 2)]
    assert weights[0] == weights[1] != weights[2]


def test_a_second_training_shuffles_anew():
    net = dense()
    start = params(net)
    weights = []
    for _ in range(2):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        weights.append(order_of_batches(net))
    assert weights[0] != weights[1]


def test_a_network_without_a_seed_draws_one_and_tells_it():
    first, second = (rnnkit.Regressor([1, ('rnn', 2), 1]) for _ in range(2))
    assert first.seed != second.seed
    again = rnnkit.Regressor([1, ('rnn', 2), 1], seed=first.seed)
    for a, b in zip(params(first), params(again), strict=True):
        assert np.array_equal(a, b)


def test_numpys_global_generator_is_neither_read_nor_moved():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    run(5)
    assert np.array_equal(np.random.get_state()[1], before)


# --- records ---


def test_history_has_one_record_an_epoch():
    net = dense()
    net.train(FLAT, epochs=2, validate_every=2, learning_rate=0.01)
    common = {
        'training',
        'epoch',
        'updates',
        'loss',
        'err',
        'gradient_norm',
        'learning_rate',
        'seconds',
    }
    assert set(net.history[0]) == common
    assert set(net.history[1]) == common | {'training_loss', 'training_err'}
    assert net.history['learning_rate'] == [0.01, 0.01]
    assert net.history['training_loss'][0] is None
    with pytest.raises(NotFoundError, match="history: no column 'nothing'; there are training, ep"):
        net.history['nothing']
    net.train(FLAT, epochs=1)
    assert net.history['epoch'] == [1, 2, 1]
    assert net.history['training'] == [1, 1, 2]


def test_the_loss_of_an_epoch_is_a_mean_over_examples_and_not_over_batches():
    net = dense()
    train, valid = net.train(FLAT, algo='sgd', learning_rate=1e-30, epochs=1, batch_size=5)
    whole = ((net.predict(FLAT[0]) - FLAT[1]) ** 2).mean()  # batches of 5, 5 and 2
    assert train['loss'] == pytest.approx(whole, rel=1e-12)
    assert valid['loss'] == pytest.approx(whole, rel=1e-12)


def test_the_loss_of_weighted_batches_is_weighted_by_their_weights():
    net = rnnkit.Regressor([1, 1], seed=0, dtype='float64', weighted=True)
    w = np.arange(12.0)[:, None]
    train, valid = net.train([*FLAT, w], algo='sgd', learning_rate=1e-30, epochs=1, batch_size=5)
    whole = np.average((net.predict(FLAT[0]) - FLAT[1]) ** 2, weights=w)
    assert train['loss'] == pytest.approx(whole, rel=1e-12)
    assert valid['loss'] == pytest.approx(whole, rel=1e-12)


def test_the_history_is_plotted_to_a_file(tmp_path):
    pytest.importorskip('matplotlib')
    net = dense()
    net.train(FLAT, epochs=2, validate_every=1)
    figure = net.history.plot(tmp_path / 'h.png', keys=('loss', 'gradient_norm'))
    assert (tmp_path / 'h.png').stat().st_size > 1000
    assert [axes.get_ylabel() for axes in figure.axes] == ['loss', 'gradient norm']
    with pytest.raises(ConfigError, match=r"no column 'los'; did you mean 'loss'\?"):
        net.history.plot(keys=('los',))


# --- what one sees ---


def test_a_line_an_epoch_and_the_compilations_are_logged(caplog):
    with caplog.at_level(logging.INFO, 'rnnkit'):
        dense().train(FLAT, FLAT, epochs=2, validate_every=2)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == 'compiling the validation ...'
    assert lines[1].startswith('compiling the validation took')
    assert lines[2] == 'compiling the train step ...'
    assert lines[4].startswith('epoch 1: loss ')
    assert '| valid' not in lines[4]
    assert lines[5].startswith('epoch 2: loss ')
    assert '| valid loss ' in lines[5]
    assert lines[5].count('*') == 1  # the best so far
    assert len(lines) == 6


@pytest.mark.parametrize(('penalty', 'count'), [({}, 0), ({'weight_l2': 0.1}, 2)])
def test_a_line_has_no_number_twice(penalty, count, caplog):
    net = dense()
    with caplog.at_level(logging.INFO, 'rnnkit'):
        net.train(FLAT, FLAT, epochs=1, **penalty)
    assert caplog.records[-1].getMessage().count(' err ') == count
    assert {'loss', 'err', 'valid_loss', 'valid_err'} <= {*net.history[0]}


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def live_handler(monkeypatch, stream):
    """Return the handler that a program gets which has not configured logging itself."""
    monkeypatch.setattr('sys.stderr', stream)
    monkeypatch.setattr(progress.LOGGER, 'propagate', False)
    monkeypatch.setattr(progress.LOGGER, 'handlers', [])
    monkeypatch.setattr(progress.LOGGER, 'level', logging.NOTSET)
    progress.prepare_logging()
    progress.prepare_logging()  # once is enough
    (handler,) = progress.LOGGER.handlers
    monkeypatch.setattr(progress.LOGGER, 'level', logging.INFO)
    return handler


@pytest.mark.parametrize(
    ('valid', 'title'),
    [
        (None, '| training loss'),  # the data that it has learned from say nothing about others
        (FLAT, '| valid loss'),
        (lambda: FLAT, '| valid loss'),
    ],
)
def test_only_validation_data_are_called_so(valid, title, caplog):
    with caplog.at_level(logging.INFO, 'rnnkit'):
        dense().train(FLAT, valid, epochs=1, valid_batches=1)
    line = caplog.records[-1].getMessage()
    assert title in line
    assert ('*' in line) == (valid is not None)


def test_batches_of_a_callable_are_new_ones(caplog):
    """So the validation without other data is one all the same."""
    with caplog.at_level(logging.INFO, 'rnnkit'):
        dense().train(lambda: FLAT, epochs=1, valid_batches=1, train_batches=1)
    assert '| valid loss' in caplog.records[-1].getMessage()


def test_a_live_line_is_overwritten_on_a_terminal(monkeypatch):
    handler = live_handler(monkeypatch, FakeTerminal())
    progress.say('a long live line', live=True)
    progress.say('short', live=True)
    progress.say('done')
    progress.say('next')
    assert handler.stream.getvalue() == 'a long live line\rshort           \rdone \nnext\n'


def test_without_a_terminal_every_line_is_a_line(monkeypatch):
    handler = live_handler(monkeypatch, io.StringIO())
    progress.say('one', live=True)
    progress.say('two')
    assert handler.stream.getvalue() == 'one\ntwo\n'


def test_a_program_that_has_configured_logging_is_left_alone():
    handlers = list(progress.LOGGER.handlers)
    root = logging.getLogger()
    handler = logging.NullHandler()
    root.addHandler(handler)
    try:
        progress.prepare_logging()
        assert progress.LOGGER.handlers == handlers
    finally:
        root.removeHandler(handler)


def test_a_plot_over_two_trainings_goes_on_where_the_first_one_ended():
    records = [{'updates': n, 'loss': 1.0} for n in (10, 20, 5, 10)]
    lines = History(records).plot().axes[0].lines
    assert [list(line.get_xdata()) for line in lines[:2]] == [[10, 20], [25, 30]]


def test_an_empty_history_cannot_be_plotted():
    with pytest.raises(ConfigError, match='there is no record yet'):
        History().plot()


@pytest.mark.parametrize('method', ['train', 'itertrain'])
def test_the_signature_of_train_lists_the_options(method):
    """The defaults stand in `Options` alone."""
    params = inspect.signature(getattr(rnnkit.Network, method)).parameters
    fields = dataclasses.fields(rnnkit.training.Options)
    assert {f.name: f.default for f in fields} == {f.name: params[f.name].default for f in fields}
    extra = set(params) - {f.name for f in fields}
    assert extra == {'self', 'train', 'valid', 'algo', 'learning_rate', 'options'}


def test_no_limit_of_elements_is_0_or_none():
    nets = [dense() for _ in range(2)]
    for net, limit in zip(nets, (0, None), strict=True):
        net.train(FLAT, epochs=2, max_gradient_elem=limit)
    for p, q in zip(*(net.params for net in nets), strict=True):
        assert np.array_equal(p.get_value(), q.get_value())
        assert np.isfinite(p.get_value()).all()


# --- verbose


@pytest.mark.parametrize('verbose', [0, 1, 2, True])
def test_verbose_is_a_number(verbose, caplog):
    caplog.set_level('INFO', 'rnnkit')
    net = dense()
    net.train(FLAT, epochs=2, verbose=verbose, algo='sgd')
    lines = [record for record in caplog.records if 'epoch' in record.message]
    assert len(lines) == (2 if verbose else 0)
    # A line that stays is not overwritten by the next one on a terminal.
    assert [record.live for record in lines] == [verbose == 1, False][: len(lines)]
    caplog.clear()
    for _ in net.itertrain(FLAT, epochs=2, verbose=verbose):
        pass
    assert sum('epoch' in record.message for record in caplog.records) == (2 if verbose else 0)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'verbose': 3}, 'verbose must be 0, nothing but warnings; .* for each epoch; got 3'),
        ({'verbose': 'auto'}, "or 2, a line for each epoch; got 'auto'"),
        ({'verbose': 1, 'progress': False}, 'progress=False and verbose=1 contradict each other'),
        ({'verbose': 0, 'progress': True}, 'progress=True and verbose=0 contradict each other'),
    ],
)
def test_what_verbose_cannot_be(options, message):
    net = dense()
    with pytest.raises(ConfigError, match=rf'train\(\): .*{message}'):
        net.train(FLAT, epochs=1, **options)

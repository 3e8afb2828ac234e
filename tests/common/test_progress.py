"""What stands on a terminal while a training runs, with tqdm and without."""

import io
import itertools
import logging
import os
import sys
import types

import numpy as np
import pytest

import rnnkit
from rnnkit.callbacks import Callback, Progress, bar
from rnnkit.common import live, progress
from rnnkit.integrations import bars

X = np.linspace(-1, 1, 12)[:, None]
DATA = [X, 2 * X]
QUICK = {'algo': 'sgd', 'batch_size': 3, 'seed': 0, 'validate_every': 2}


class Terminal(io.StringIO):
    """A screen that understands carriage returns, and counts how often it is written to."""

    encoding = 'utf-8'
    writes = 0

    def isatty(self):
        return True

    def write(self, text):
        self.writes += 1
        return super().write(text)

    def lines(self):
        """Return what somebody sees in the end; nothing is wrapped here."""
        rows, at = [''], 0
        for sign in self.getvalue():
            if sign == '\n':
                rows.append('')
            row = rows[-1]
            at = 0 if sign in '\r\n' else at + 1
            if at:
                rows[-1] = row[: at - 1] + sign + row[at:]
        return [row.rstrip() for row in rows]


@pytest.fixture(scope='module')
def net():
    shared = rnnkit.Regressor([1, 1], dtype='float64', seed=0)
    shared.train(DATA, epochs=1, progress=False, **QUICK)
    return shared


@pytest.fixture
def stream():
    return Terminal()


@pytest.fixture(autouse=True)
def logger(monkeypatch, stream):
    """Return a logger in the place of rnnkit's, as it is where nobody has configured logging."""
    alone = logging.Logger('rnnkit', logging.INFO)
    alone.addHandler(progress.LiveHandler())
    alone.handlers[0].setStream(stream)
    monkeypatch.setattr(progress, 'LOGGER', alone)
    return alone


@pytest.fixture(autouse=True)
def without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tqdm', None)


@pytest.fixture
def slow(monkeypatch):
    """Let each look at the clock take 0.2 s, so that what is shown is known."""
    ticks = itertools.count(step=0.2)
    clock = types.SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(bar, 'time', clock)
    monkeypatch.setattr(rnnkit.training.trainer, 'time', clock)
    monkeypatch.setattr(rnnkit.callbacks.base, 'time', clock)


def shown(stream):
    """Return the bars, each once."""
    texts = stream.getvalue().replace('\n', '\r').split('\r')
    return [text.rstrip() for text in texts if 'batch' in text]


def test_a_long_epoch_shows_how_far_it_is(net, stream, slow):
    net.train(DATA, epochs=3, **QUICK)
    seen = shown(stream)
    assert seen[0].startswith('epoch 1: ')
    assert all(' batches, loss ' in text and '/4' in text for text in seen)
    assert {text.partition(':')[0] for text in seen} == {'epoch 1', 'epoch 2', 'epoch 3'}
    # What is left: a line for each epoch, and nothing of the bars.
    lines = stream.lines()
    assert [line[:14] for line in lines] == [
        'epoch 1: loss ',
        'epoch 2: loss ',
        'epoch 3: loss ',
        '',
    ]
    assert not any('batches' in line for line in lines)


def test_a_short_epoch_shows_none_and_is_overwritten(net, stream):
    net.train(DATA, epochs=5, **QUICK)
    assert not shown(stream)
    assert [line[:7] for line in stream.lines()] == ['epoch 2', 'epoch 4', 'epoch 5', '']


def test_it_is_refreshed_only_so_often(net, stream, slow):
    many = {**QUICK, 'batch_size': 1, 'train_batches': 200}
    net.train(DATA, epochs=1, callbacks=Progress(after=2.0, every=5.0), **many)
    # A batch takes 0.2 s here, or 0.4 s where the epoch's time is also read.
    assert 200 * 0.2 / 5 * 0.7 < len(shown(stream)) <= 200 * 0.2 / 5 * 1.5


def test_it_can_be_turned_off(net, stream, slow):
    net.train(DATA, epochs=3, progress=False, **QUICK)
    for _ in net.itertrain(DATA, epochs=2, progress=False, **QUICK):
        progress.say('a line of the caller')  # not of the training
    assert stream.getvalue() == 'a line of the caller\n' * 2


def test_a_silenced_logger_silences_it(net, stream, slow, logger):
    logger.setLevel('WARNING')
    net.train(DATA, epochs=3, progress=True, **QUICK)
    assert stream.writes == 0


def test_a_program_with_logging_of_its_own_gets_no_bar(net, stream, slow, logger):
    out = io.StringIO()
    logger.handlers[:] = [logging.StreamHandler(out)]
    net.train(DATA, epochs=3, **QUICK)
    assert stream.writes == 0
    assert [line[:7] for line in out.getvalue().splitlines()] == ['epoch 1', 'epoch 2', 'epoch 3']


def test_what_is_no_terminal_gets_lines(net, slow, logger):
    out = io.StringIO()
    logger.handlers[0].setStream(out)
    net.train(DATA, epochs=3, **QUICK)
    assert [line[:7] for line in out.getvalue().splitlines()] == ['epoch 1', 'epoch 2', 'epoch 3']
    assert '\r' not in out.getvalue()


def test_there_is_none_where_a_callback_may_print_within_an_epoch(net, stream, slow):
    class Print(Callback):
        def on_batch_end(self, training):
            stream.write(f'batch {training.batch}\n')

    net.train(DATA, epochs=1, train_batches=2, callbacks=Print(), **QUICK)
    assert stream.lines()[:2] == ['batch 1', 'batch 2']


@pytest.mark.parametrize('error', [KeyboardInterrupt, ZeroDivisionError])
def test_an_end_in_the_middle_leaves_a_clean_line(net, stream, slow, error):
    class Fail(Callback):
        prints = False

        def on_batch_end(self, training):
            if training.epoch == 2 and training.batch == 4:
                stream.write('^C')  # as a terminal does
                raise error

    if error is KeyboardInterrupt:
        net.train(DATA, callbacks=Fail(), **QUICK)
        left = ['training interrupted in epoch 2', '']
    else:
        with pytest.raises(ZeroDivisionError):
            net.train(DATA, callbacks=Fail(), **QUICK)
        left = ['']
    lines = stream.lines()
    assert lines[0].startswith('epoch 1: loss ')
    assert lines[1:] == left


def test_a_line_that_is_left_is_ended(net, stream):
    for _ in net.itertrain(DATA, **QUICK):
        break
    assert stream.getvalue().endswith(')\n')


def test_lines_stay_where_a_callback_may_print(net, stream):
    net.train(DATA, epochs=3, callbacks=lambda t: stream.write('mine\n'), **QUICK)
    assert [line[:7] for line in stream.lines()] == [
        'epoch 1',
        'mine',
        'epoch 2',
        'mine',
        'epoch 3',
        'mine',
        '',
    ]


def test_a_warning_in_the_middle_has_its_line(net, stream, slow, logger):
    class Warn(Callback):
        def on_batch_end(self, training):
            if training.batch == 4:
                logger.warning('careful')

    net.train(DATA, epochs=1, callbacks=Warn(), **QUICK)
    assert [line[:7] for line in stream.lines()] == ['careful', 'epoch 1', '']


def test_a_terminal_that_is_gone_does_not_end_a_training(net, stream, slow, monkeypatch):
    def gone(text):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(stream, 'write', gone)
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    net.train(DATA, epochs=2, **QUICK)
    stream.close()
    net.train(DATA, epochs=2, **QUICK)


@pytest.mark.skipif(not hasattr(os, 'openpty'), reason='there are no pseudo-terminals')
def test_a_live_line_is_no_longer_than_the_terminal_is_wide():
    import fcntl
    import struct
    import termios

    screen, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack('HHHH', 10, 20, 0, 0))
    try:
        with open(side, 'w') as out:
            handler = progress.LiveHandler()
            handler.stream = out
            handler.show('x' * 50)
            assert os.read(screen, 100) == b'x' * 17  # there is room for a ^C
            handler.settle()
            assert os.read(screen, 100) == b'\r' + b' ' * 19 + b'\r'
    finally:
        os.close(screen)


# --- log files ---


@pytest.fixture
def file(logger):
    """Return what is no terminal."""
    out = io.StringIO()
    logger.handlers[0].setStream(out)
    return out


class Losses:
    """Says that the validation after each epoch had a certain loss."""

    def __init__(self, monkeypatch, *losses):
        results = itertools.chain([{'loss': 99.0}], ({'loss': value} for value in losses))
        validation = rnnkit.training.validation.Validation
        monkeypatch.setattr(validation, 'measure', lambda self: (next(results), None))


def falling(monkeypatch, epochs, best):
    """Let the validation loss fall up to an epoch, and then rise."""
    Losses(monkeypatch, *(abs(n - best) + 1.0 for n in range(1, epochs + 1)))


def epochs_of(text):
    return [int(line.split()[1].strip(':')) for line in text.splitlines() if line[:6] == 'epoch ']


LONG = {**QUICK, 'batch_size': None, 'train_batches': 1, 'patience': 10_000}


def test_a_log_file_gets_some_of_many_epochs(net, file, monkeypatch):
    falling(monkeypatch, 1000, best=999)
    net.train(DATA, epochs=1000, **LONG | {'validate_every': 1})
    lines = file.getvalue().splitlines()
    assert epochs_of(file.getvalue()) == [1, 2, 5, 10, 20, *range(50, 1001, 50)]
    assert '[' not in lines[1]
    assert lines[2].endswith(' s) [2 epochs not shown]')
    assert lines[-2].endswith(' s) [49 epochs not shown]')
    assert lines[-1].startswith('the best was epoch 999: ')


@pytest.mark.parametrize(('best', 'last'), [(37, 'the best was epoch 37: '), (50, 'epoch 60: ')])
def test_it_says_which_epoch_was_the_best_if_that_was_left_out(net, file, monkeypatch, best, last):
    falling(monkeypatch, 60, best)
    for k, _ in enumerate(net.itertrain(DATA, valid=DATA, **LONG | {'validate_every': 1}), 1):
        if k == 60:
            break
    assert file.getvalue().splitlines()[-1].startswith(last)
    assert epochs_of(file.getvalue()) == [1, 2, 5, 10, 20, 50, 60]


def test_the_latest_epoch_comes_before_a_warning(net, file, logger):
    def warn(training):
        if training.epoch == 9:
            logger.warning('careful')

    warning = Callback()
    warning.on_epoch_end, warning.prints = warn, False
    net.train(DATA, epochs=100, callbacks=warning, **LONG)
    lines = file.getvalue().splitlines()
    at = lines.index('careful')
    assert lines[at - 1].startswith('epoch 9: ')
    assert lines[at - 1].endswith(' s) [3 epochs not shown]')


def test_the_number_of_lines_is_bounded():
    for of in (1, 20, 21, 99, 1000, 10**5):
        assert sum(live.due(n, of) for n in range(1, of + 1)) <= 32
    assert sum(map(live.due, range(1, 10**5))) == 15
    assert all(live.due(n, 20) for n in range(1, 21))


@pytest.mark.parametrize('options', [{'verbose': 2}, {'callbacks': lambda training: None}])
def test_verbose_2_and_callbacks_that_print_get_every_epoch(net, file, options):
    net.train(DATA, epochs=45, **LONG | options)
    assert epochs_of(file.getvalue()) == list(range(1, 46))
    assert 'not shown' not in file.getvalue()


def test_each_training_begins_anew(net, file):
    for _ in range(2):
        net.train(DATA, epochs=2, **LONG)
    assert epochs_of(file.getvalue()) == [1, 2, 1, 2]
    assert 'not shown' not in file.getvalue()


# --- notebooks ---


class Cell(Terminal):
    """The output of a cell: no terminal, but a screen that understands carriage returns."""

    def isatty(self):
        return False


@pytest.fixture
def cell(logger, monkeypatch):
    monkeypatch.setattr(Cell, '__module__', 'ipykernel.iostream')
    out = Cell()
    logger.handlers[0].setStream(out)
    return out


def test_all_epochs_share_a_line_in_a_notebook(net, cell, monkeypatch):
    falling(monkeypatch, 60, best=30)
    net.train(DATA, valid=DATA, epochs=60, **LONG | {'validate_every': 1})
    line, rest = cell.lines()
    assert line.startswith('epoch 60: loss ')
    assert line.endswith(' s) [best: epoch 30, valid loss 1]')
    assert not rest
    assert cell.writes < 60  # since each is a message to the browser


def test_so_do_the_bars_of_long_epochs(net, cell, slow, monkeypatch):
    monkeypatch.setattr(live, 'REFRESH', 0)
    net.train(DATA, epochs=3, **QUICK)
    assert shown(cell)
    assert [line[:8] for line in cell.lines()] == ['epoch 3:', '']


def test_other_lines_of_a_notebook_stay(net, cell):
    def stop(training):
        if training.epoch == 3:
            training.stop('enough')

    ending = Callback()
    ending.on_epoch_end, ending.prints = stop, False
    with progress.timed('compiling something'):
        pass
    net.train(DATA, callbacks=ending, **LONG)
    first, *others = cell.lines()
    assert first.startswith('epoch 3: loss ')
    assert others == ['training stopped: enough, after epoch 3', '']


def test_verbose_2_has_every_epoch_in_a_notebook(net, cell):
    net.train(DATA, epochs=3, verbose=2, **LONG)
    assert [line[:8] for line in cell.lines()] == ['epoch 1:', 'epoch 2:', 'epoch 3:', '']


def test_the_width_of_the_terminal_of_a_kernel_is_not_that_of_its_notebook(cell, logger):
    cell.fileno = lambda: 0
    assert logger.handlers[0].columns is None


class FakeBar:
    """Notes what is shown in place of a bar of tqdm's."""

    container = 'a widget'

    def __init__(self, **options):
        self.options, self.n, self.seen = options, 0, []

    def set_postfix_str(self, text, refresh):
        self.text = text

    def refresh(self):
        self.seen.append((self.n, self.text))

    def close(self):
        self.seen.append('closed')


class FakeJupyter:
    """Stands for IPython, ipywidgets and tqdm: the bars that were made, and what places showed."""

    execution_count = 1

    def __init__(self, monkeypatch):
        self.bars, self.places = [], []

        def module(name, **members):
            found = types.ModuleType(name)
            vars(found).update(members)
            monkeypatch.setitem(sys.modules, name, found)
            return found

        module('tqdm', auto=module('tqdm.auto', tqdm=self.make_bar))
        module('tqdm.std', tqdm=FakeTqdm)
        module('ipywidgets')
        display = module('IPython.display', display=self.display)
        module('IPython', display=display, get_ipython=lambda: self)

    def make_bar(self, **options):
        self.bars.append(FakeBar(**options))
        return self.bars[-1]

    def display(self, data, raw, display_id):
        seen = [data['text/plain']]
        self.places.append(seen)
        return types.SimpleNamespace(
            update=lambda data, raw=False: seen.append(data['text/plain'] if raw else data)
        )


@pytest.fixture
def jupyter(cell, monkeypatch):
    monkeypatch.setattr(live, 'REFRESH', 0)
    return FakeJupyter(monkeypatch)


def test_with_widgets_a_bar_of_tqdm_counts_the_epochs(net, cell, jupyter):
    with progress.timed('compiling something'):
        pass
    net.train(DATA, epochs=3, **LONG)
    ((one,), (seen,)) = jupyter.bars, jupyter.places
    assert one.options == {'total': 3, 'unit': 'epoch', 'display': False}
    assert [entry[0] for entry in one.seen[:-1]] == [1, 2, 3]
    assert one.seen[-1] == 'closed'
    assert seen[:2] == ['', 'compiling something ...']
    assert seen[-2] == 'a widget'
    assert seen[-1].startswith('epoch 3: loss ')
    assert not cell.getvalue()


def test_each_cell_and_each_training_has_its_place(net, cell, jupyter):
    with progress.timed('compiling something'):
        pass
    jupyter.execution_count = 2
    for _ in range(2):
        net.train(DATA, epochs=2, **LONG)
    assert [seen[-1][:8] for seen in jupyter.places] == ['compilin', 'epoch 2:', 'epoch 2:']


def test_a_long_epoch_is_shown_there(net, cell, jupyter, slow):
    net.train(DATA, epochs=2, **QUICK)
    ((one,), (seen,)) = jupyter.bars, jupyter.places
    assert seen[1].startswith('epoch 1 [')
    assert any(done == 1 and text.startswith('epoch 2 [') for done, text in one.seen[:-1])
    assert not cell.getvalue()


# --- tqdm ---


class FakeTqdm:
    """Has the one function of tqdm that is used."""

    @staticmethod
    def format_meter(n, total, elapsed, ncols, prefix, ascii, unit, postfix):
        return f'{prefix} [{n} of {total}] {unit} {postfix} {ncols} {ascii}'


def test_tqdm_draws_it_if_it_is_there(net, stream, slow, monkeypatch):
    package = types.ModuleType('tqdm')
    package.std = types.ModuleType('tqdm.std')
    package.std.tqdm = FakeTqdm
    monkeypatch.setitem(sys.modules, 'tqdm', package)
    monkeypatch.setitem(sys.modules, 'tqdm.std', package.std)
    net.train(DATA, epochs=2, **QUICK)
    seen = shown(stream)
    assert seen[0].startswith('epoch 1 [')
    assert ' of 4] batch loss ' in seen[0]
    assert seen[0].endswith(' None False')
    assert [line[:14] for line in stream.lines()] == ['epoch 1: loss ', 'epoch 2: loss ', '']


def test_the_real_tqdm(monkeypatch):
    monkeypatch.undo()
    pytest.importorskip('tqdm')
    line = bars.find()('epoch 3', 40, 100, 4.0, 'loss 0.12', 70, True)
    assert len(line) == 70
    assert line.startswith('epoch 3:  40%|')
    assert line.endswith(' 40/100 [00:04<00:06, 10.00batch/s, loss 0.12]')
    assert '#' in line
    assert '40batch [00:04' in bars.find()('epoch 3', 40, None, 4.0, 'loss 0.12')


def test_without_a_known_number_of_batches():
    assert bars.find() is bars.plain
    assert bars.plain('epoch 3', 40, None, 4.0, 'loss 1') == 'epoch 3: 40 batches, loss 1'

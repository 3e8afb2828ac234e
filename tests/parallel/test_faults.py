"""An error in one process is one clear error in all of them, and nothing hangs."""

import json
import os
import signal
import time

import pytest
from jobs import job

import rnnkit

SAME = 'train(): the ranks must train the same network by the same options; '
ORDER = ': all ranks must make the same calls in the same order'
LARGE = 'values up to 2.76e+200, too large for sums and squares in float64'
INF = (
    f"the loss is inf in epoch 1, batch 1; rank 1: array 'in' of the batch has {LARGE}. "
    f'The parameters were not updated. Scale the data'
)
NAN = (
    'rank 1: train: x contains nan at index (1, 2, 0); numbers must be finite; padding needs a '
    'mask, in a network with masked=True; fill missing values, such as by interpolate() or '
    "fillna() of pandas, or read them by a layer 'grud'"
)
LOOP = 'rank 1 has left the loop over itertrain(), and others have not'
UNEQUAL = (
    'train: rank 0 has 2 batches in an epoch, and rank 1 has more; all ranks must have as many: '
    'say how many, train_batches=2'
)
SHAPES = (
    'train(): rank 0 and rank 1 were given arrays of shapes [[6, 16, 3], [6, 16, 1]] and [{}, {}]; '
    'all ranks must have the same data, of which each takes its share of every batch. If each has '
    'a part of them, write shard=True'
)

# By fault of rank 1 of two: the class and the text of the error in all ranks.
QUICK = {
    'callable_MyError': ('MyError', 'rank 1: a class of mine'),
    'schedule_and_callback': ('ValueError', 'rank 1: no rate'),
    'overflow': ('TrainingError', INF),
    'unequal_iterables': ('DataError', UNEQUAL),
    'other_net_in_loop': (
        'RankError',
        f'rank 0 is at the next epoch, rank 1 at the options of each rank{ORDER}',
    ),
    'loop_left': [('RankError', LOOP), ('', '')],
}
FURTHER = {
    'callable_ValueError': ('ValueError', 'rank 1: no number'),
    'disk_full': ('OSError', 'rank 0: [Errno 28] No space left on device'),
    'on_batch_end': ('MyError', 'rank 0: in on_batch_end'),
    'option_epochs': ('ConfigError', f'{SAME}epochs is 3 on rank 0, and 4 on rank 1'),
    'nan_in_data': ('DataError', NAN),
    'callable_KeyboardInterrupt': ('', ''),  # ends the training
    'callable_first': ('ValueError', 'rank 1: no number'),
    'callable_Picky': ('RankError', 'rank 1 raised Picky: needs and two'),
    'callable_MemoryError': ('MemoryError', 'rank 1: too much'),
    'callable_StopIteration': (
        'DataError',
        'rank 1: the train callable has no further batch: it raised StopIteration; a callable '
        'makes batches without end, and train_batches says how many there are in an epoch. A '
        'list of arrays has an end',
    ),
    'callable_SystemExit': ('SystemExit', '3'),
    'callable_OSError': ('OSError', "rank 1: [Errno 5] a disk failed: 'data.bin'"),
    'callable_DataError': ('DataError', 'rank 1: an odd batch'),
    'on_train_begin': ('MyError', 'rank 0: in on_train_begin'),
    'on_validation_end': ('MyError', 'rank 0: in on_validation_end'),
    'on_epoch_end': ('MyError', 'rank 0: in on_epoch_end'),
    'on_train_end': ('MyError', 'rank 0: in on_train_end'),
    'exit_in_callback': ('SystemExit', '0'),
    'nan_in_shard': ('DataError', NAN),
    'overflow_with_callback': ('TrainingError', INF),
    'overflow_in_validation': (
        'TrainingError',
        "the validation loss is inf before the first epoch; rank 1: array 'target' of the batch "
        'has values up to 1.49e+200, too large for sums and squares in float64; the best '
        'parameters are kept. Scale the data',
    ),
    'iterable': ('ValueError', 'rank 1: a file is missing'),
    'unequal_lists': (
        'ConfigError',
        f'{SAME}the number of batches is 2 on rank 0, and 3 on rank 1',
    ),
    'whole_metric': ('ConfigError', "rank 0: monitors: 'odd' raised ValueError: a metric failed"),
    'schedule': ('ValueError', 'rank 1: no rate'),
    'no_file': (
        'FileNotFoundError',
        "rank 0: [Errno 2] train(): there is no checkpoint to resume from: '{}/missing.rnn'",
    ),
    'no_folder': ('ConfigError', "rank 0: train(): checkpoint: there is no folder '{}/missing'"),
    'option_batch_size': ('ConfigError', f'{SAME}batch_size is 8 on rank 0, and 4 on rank 1'),
    'option_algo': ('ConfigError', f"{SAME}algo is 'adam' on rank 0, and 'sgd' on rank 1"),
    'option_learning_rate': (
        'ConfigError',
        f"{SAME}learning_rate['rate'] is 0.1 on rank 0, and 0.2 on rank 1",
    ),
    'option_seed': ('ConfigError', f'{SAME}seed is 1 on rank 0, and 2 on rank 1'),
    'option_hidden_dropout': (
        'ConfigError',
        f'{SAME}hidden_dropout is 0.1 on rank 0, and 0.2 on rank 1',
    ),
    'option_monitors': ('ConfigError', f"{SAME}monitors is None on rank 0, and ['mae'] on rank 1"),
    'option_patience': ('ConfigError', f'{SAME}patience is 5 on rank 0, and 6 on rank 1'),
    'option_checkpoint': (
        'ConfigError',
        f"{SAME}checkpoint is None on rank 0, and 'a path' on rank 1",
    ),
    'option_weight_l2': ('ConfigError', f'{SAME}weight_l2 is 0.0 on rank 0, and 0.1 on rank 1'),
    'option_callbacks': ('', ''),
    'option_verbose': (
        'ConfigError',
        'rank 1: train(): verbose must be 0, nothing but warnings; 1, a bar, or a line that '
        'changes; or 2, a line for each epoch; got 7',
    ),
    'other_size': (
        'ConfigError',
        f"{SAME}the network['layers'][1]['size'] is 4 on rank 0, and 5 on rank 1",
    ),
    'other_activation': (
        'ConfigError',
        f"{SAME}the network['layers'][1]['activation'] is 'tanh' on rank 0, and 'relu' on rank 1",
    ),
    'other_dtype': (
        'ConfigError',
        f"{SAME}the network['dtype'] is 'float64' on rank 0, and 'float32' on rank 1",
    ),
    'other_shapes': ('ConfigError', SHAPES.format([6, 12, 3], [6, 12, 1])),
    'other_steps': ('ConfigError', SHAPES.format([5, 16, 3], [5, 16, 1])),
    'no_validation_data': (
        'ConfigError',
        f'{SAME}validation data is True on rank 0, and False on rank 1',
    ),
    'other_version': (
        'ConfigError',
        f"{SAME}the version of rnnkit is '{rnnkit.__version__}' on rank 0, and '0.0.1' on rank 1",
    ),
    'bad_option': (
        'ConfigError',
        'rank 1: train(): epochs must be a whole number of at least 1; got -1',
    ),
    'misspelt': ('ConfigError', "rank 1: train(): unknown option 'epoch', did you mean 'epochs'?"),
    'unsendable_record': (
        'RankError',
        'rank 0: callbacks cannot be sent to the other ranks: this stays here',
    ),
    'loop_left_by_all': ('', ''),
    'loop_fails_on_all': [('MyError', f'in the loop of rank {k}') for k in (0, 1)],
    'loop_fails': [('RankError', LOOP), ('MyError', 'in the loop')],
    'train_in_loop': (
        'ConfigError',
        'rank 1: train(): a training of this network is going on, and there can be one at a time. '
        'End it first: leave the loop over itertrain(), or close() its iterator',
    ),
    'train_or_itertrain': (
        'ConfigError',
        f"rank 0: {SAME}the call is 'train()' on rank 0, and 'itertrain()' on rank 1",
    ),
    'two_at_once': ('', ''),
    'unequal_iterables_with_dropout': (
        'DataError',
        UNEQUAL.replace('rank 0', 'rank k').replace('rank 1', 'rank 0').replace('rank k', 'rank 1'),
    ),
    'apply_fails': ('MemoryError', 'rank 1: no memory'),
}


def check(cases, folder, n=2):
    ended = job(n, 'fault_program.py', str(folder), *cases)
    assert ended.code == 0, ended.output
    found = dict(json.loads(line) for line in ended.output.splitlines() if line[:1] == '[')
    afterwards = set()
    for name, expected in cases.items():
        each = expected if isinstance(expected, list) else [expected] * n
        there = [(one['error'], one['text']) for one in found[name]]
        assert there == [(kind, text.replace('{}', str(folder))) for kind, text in each], name
        assert len({str(one['left']) for one in found[name]}) == 1, name
        afterwards |= {one['after'] for one in found[name]}
    assert len(afterwards) == 1  # a training after the fault


def test_one_error_everywhere(tmp_path):
    check(QUICK, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize('k', range(4))
def test_further_faults(k, tmp_path):
    check(dict([*FURTHER.items()][k::4]), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize('where', ['epoch', 'validation'])
@pytest.mark.parametrize('whom', ['mpiexec', 0, 1])
def test_ctrl_c_ends_the_training_on_all_ranks(where, whom, tmp_path):
    ended = job(2, 'signal_program.py', f'{tmp_path}/net.rnn', where, meddle=kill(tmp_path, whom))
    assert ended.code == 0, ended.output
    lines = ended.output.splitlines()
    for k in (0, 1):  # both may write in one line
        assert f'rank {k} ended, validated: True' in ended.output
    assert len([line for line in lines if 'training interrupted in epoch' in line]) == 1


@pytest.mark.long
@pytest.mark.parametrize('rank', [0, 1])
def test_a_killed_rank_ends_the_job_and_leaves_a_whole_checkpoint(rank, tmp_path):
    path = f'{tmp_path}/net.rnn'
    meddle = kill(tmp_path, rank, signal.SIGKILL)
    ended = job(2, 'signal_program.py', path, 'epoch', meddle=meddle)
    assert ended.code != 0
    epochs = len(rnnkit.load(path).history)
    assert epochs > 0
    (tmp_path / 'ready_0').unlink()
    (tmp_path / 'ready_1').unlink()
    ended = job(3, 'signal_program.py', path, 'epoch', meddle=kill(tmp_path, 2))
    assert ended.code == 0, ended.output
    assert len(rnnkit.load(path).history) > epochs


def kill(folder, whom, number=signal.SIGINT):
    """Return what sends a signal to one rank, or to all by ``'mpiexec'``."""

    def meddle(running):
        last = 0 if whom == 'mpiexec' else whom
        end = time.monotonic() + 30
        while not all((folder / f'ready_{rank}').exists() for rank in range(last + 1)):
            assert time.monotonic() < end, 'not ready'
            time.sleep(0.02)
        time.sleep(0.1)
        pid = running.pid if whom == 'mpiexec' else int((folder / f'ready_{whom}').read_text())
        os.kill(pid, number)

    return meddle

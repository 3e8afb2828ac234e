"""The number of threads, and faults that threads must not cause."""

import multiprocessing
import threading

import numpy as np
import pytest
from kernel_cases import backward_of, forward, problem

from rnnkit.errors import ConfigError
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.workers import size_of_team
from rnnkit.kernels.runtime import kernel


def test_default_is_the_cores_of_this_process():
    threads.set_threads(3)
    threads.set_threads()
    assert threads.get_threads() == threads.available_threads() >= 1


@pytest.mark.parametrize(
    ('variable', 'most'),
    [('1', 1), ('1,2', 1), (' 1 ', 1), ('0', None), ('', None), ('many', None), ('999', None)],
)
def test_the_default_is_no_more_than_omp_num_threads(variable, most, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    cores = threads.available_threads()
    monkeypatch.setenv('OMP_NUM_THREADS', variable)
    threads.set_threads()
    assert threads.get_threads() == (most or cores)


@pytest.mark.parametrize(
    ('files', 'cores'),
    [
        ({'cpu.max': '200000 100000\n'}, 2),
        ({'cpu.max': '150000 100000\n'}, 2),
        ({'cpu.max': '5000 100000\n'}, 1),
        ({'cpu.max': 'max 100000\n'}, None),
        ({'cpu/cpu.cfs_quota_us': '300000\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 3),
        ({'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(files, cores, tmp_path, monkeypatch):
    (tmp_path / 'cpu').mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert threads._quota(tmp_path) == cores
    monkeypatch.setattr(threads, '_quota', lambda folder: cores)
    monkeypatch.setattr(threads.os, 'sched_getaffinity', lambda process: range(64), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert threads.available_threads() == (cores or 64)


@pytest.mark.parametrize('wrong', [0, -1, 257, 2.0, True, 'two'])
def test_other_numbers_are_refused(wrong):
    with pytest.raises(ConfigError, match='number of threads'):
        threads.set_threads(wrong)


def run(seed=0):
    where = kernel.host_target('float32')
    case = problem('lstm', (6, 12, 5, 40), 'float32', seed=seed)
    with threads.smallest_part(1):
        outputs = forward('lstm', where)(*case.args)
        return outputs + backward_of('lstm', where)(*case.args, *outputs, *case.d_states)


def test_python_threads_may_run_kernels_at_the_same_time():
    threads.set_threads(2)
    want = {seed: run(seed) for seed in range(4)}
    wrong = []

    def work(seed):
        for _ in range(20):
            for got, exact in zip(run(seed), want[seed], strict=True):
                if not np.array_equal(got, exact):
                    wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in want]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def _team(k):
    run()
    return threads.get_threads(), size_of_team()


@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
@pytest.mark.filterwarnings('ignore:.*fork.*:RuntimeWarning')  # of JAX, if another test loaded it
@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='no fork here')
@pytest.mark.parametrize('how', ['initializer', 'before'])
def test_processes_of_a_pool_have_one_thread_each(how):
    threads.set_threads(2 if how == 'initializer' else 1)
    options = {'initializer': threads.set_threads, 'initargs': (1,)} if how != 'before' else {}
    with multiprocessing.get_context('fork').Pool(2, **options) as pool:
        found = pool.map_async(_team, range(4)).get(timeout=60)
    assert found == [(1, 0)] * 4


def _child(queue):
    queue.put([a.sum() for a in run()])


@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
@pytest.mark.filterwarnings('ignore:.*fork.*:RuntimeWarning')  # of JAX, if another test loaded it
@pytest.mark.skipif('fork' not in multiprocessing.get_all_start_methods(), reason='no fork here')
def test_a_forked_process_runs_kernels():
    threads.set_threads(2)
    want = [a.sum() for a in run()]  # threads have been used before the fork
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    got = queue.get(timeout=60)
    child.join(timeout=60)
    assert child.exitcode == 0
    assert got == want

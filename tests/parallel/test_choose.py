"""Which processes train together, and how many threads each of them uses."""

import os
import platform

import numpy as np
import pytest

from rnnkit import Regressor
from rnnkit.kernels.language import threads
from rnnkit.parallel import ALONE
from rnnkit.parallel.choose import share_cores

ONE = ('node_1', [0, 1, 2, 3])  # a machine, and which of its cores


class Several:
    """Stands for several processes; the first one is here."""

    def __init__(self, *others):
        self.others = others

    def gather(self, what, value):
        return [value, *self.others]


@pytest.fixture
def machine(monkeypatch):
    """Be a process on a machine of 4 cores; return what sets others, and a container's quota."""
    before = threads.get_threads()
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(platform, 'node', lambda: 'node_1')

    def limit(cores=4, quota=None):
        monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {*range(cores)}, raising=False)
        monkeypatch.setattr(threads, '_quota', lambda folder: quota)
        threads.set_threads()

    limit()
    yield limit
    threads.set_threads(before)


@pytest.mark.parametrize(
    ('others', 'n'),
    [
        ([ONE, ('node_2', ONE[1]), ('node_2', ONE[1])], 2),
        ([ONE, ONE, ONE], 1),
        ([ONE] * 7, 1),  # more processes than cores
        ([('node_2', ONE[1])] * 3, 4),
        ([('node_1', [4, 5, 6, 7])], 4),  # MPI has bound each to cores of its own
    ],
)
def test_processes_of_one_machine_divide_its_cores(others, n, machine):
    share_cores(Several(*others))
    assert threads.get_threads() == n


@pytest.mark.parametrize(('cores', 'quota', 'n'), [(4, 2, 1), (512, None, 256), (384, None, 192)])
def test_the_limits_of_a_container_and_of_kernels_count(cores, quota, n, machine):
    machine(cores, quota)
    share_cores(Several(('node_1', [*range(cores)])))
    assert threads.get_threads() == n


def test_a_chosen_number_stays(machine, monkeypatch):
    threads.set_threads(3)
    share_cores(Several(ONE))
    assert threads.get_threads() == 3
    threads.set_threads()
    monkeypatch.setenv('OMP_NUM_THREADS', '4')
    share_cores(Several(ONE))
    assert threads.get_threads() == 4


def test_the_processes_are_chosen_once_in_a_call(monkeypatch):
    calls = []
    monkeypatch.setattr(
        'rnnkit.models.trainable.choose', lambda *given: calls.append(given) or ALONE
    )
    net, data = Regressor([1, 2, 1], seed=0), [np.zeros((4, 1)), np.ones((4, 1))]
    net.train(data, epochs=1, comm='mpi')
    next(iter(net.itertrain(data, epochs=1)))
    assert calls == [('train()', 'mpi'), ('itertrain()', None)]

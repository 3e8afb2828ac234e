import sys

import numpy as np
import pytest

import rnnkit

X = np.zeros((2, 3, 1))


def network():
    return rnnkit.Regressor([1, ('rnn', 2), 1], seed=0)


class Between:
    """Stands for an intercommunicator."""

    def Is_inter(self):  # noqa: N802
        return True

    Get_rank = Get_size = Dup = Ibarrier = allgather = Allreduce = Is_inter


EXPECTED = "comm must be 'mpi' or an intracommunicator of mpi4py, such as MPI.COMM_WORLD; got "


@pytest.mark.parametrize(
    ('comm', 'message'),
    [
        ('MPI', "comm must be 'mpi', or a communicator of mpi4py; got 'MPI'; did you mean 'mpi'?"),
        ('mpi4py', "comm must be 'mpi', or a communicator of mpi4py; got 'mpi4py'; known are: mpi"),
        (Between, EXPECTED),
        (np, EXPECTED),
        (4, f'{EXPECTED}4'),
        (np.zeros(2), f'{EXPECTED}array'),
        (Between(), 'comm must be an intracommunicator; merge it: comm.Merge()'),
    ],
)
def test_another_communicator_is_refused(comm, message):
    with pytest.raises(rnnkit.ConfigError) as caught:
        network().train([X, X], epochs=1, comm=comm)
    assert str(caught.value).startswith(f'train(): {message}')


class Null(Between):
    """Stands for MPI.COMM_NULL."""

    def __bool__(self):
        return False

    def Is_inter(self):  # noqa: N802
        raise RuntimeError('Invalid communicator')


def test_a_process_in_no_group_is_told():
    with pytest.raises(rnnkit.ConfigError) as caught:
        network().train([X, X], epochs=1, comm=Null())
    assert str(caught.value) == (
        'train(): comm is MPI.COMM_NULL, a communicator without processes: this process is in no '
        'group, and must not train'
    )


def test_without_mpi4py(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mpi4py', None)
    with pytest.raises(rnnkit.ConfigError, match=r"comm='mpi' needs mpi4py.*rnnkit\[mpi\]"):
        network().train([X, X], epochs=1, comm='mpi')


class WithoutLibrary:
    """Stands for mpi4py where no MPI is installed."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        raise self.error


@pytest.mark.parametrize('kind', [RuntimeError, ImportError])
def test_without_an_mpi(kind, monkeypatch):
    error = kind('cannot load MPI library\nlibmpi.so: cannot open shared object file')
    monkeypatch.setitem(sys.modules, 'mpi4py', WithoutLibrary(error))
    with pytest.raises(rnnkit.ConfigError) as caught:
        network().train([X, X], epochs=1, comm='mpi')
    assert str(caught.value) == (
        "train(): comm='mpi' needs an MPI, and mpi4py has found none (cannot load MPI library): "
        'pip install mpich, or load the MPI of the cluster'
    )

"""Communicators of mpi4py."""

from typing import Any

from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

METHODS = ('Get_rank', 'Get_size', 'Is_inter', 'Dup', 'Ibarrier', 'allgather', 'Allreduce')
_duplicates: list[tuple[Any, Any]] = []  # a communicator, and ours; they cannot be hashed


def communicator(where: str, comm: object) -> Any:
    """Return a communicator of the same processes, for our messages alone.

    Parameters
    ----------
    where : str
        The call, for messages.
    comm : 'mpi' or mpi4py.MPI.Comm
        ``'mpi'`` stands for all processes, ``MPI.COMM_WORLD``.

    Raises
    ------
    ConfigError
        If mpi4py or an MPI is not installed, or `comm` is something else.
    """
    if isinstance(comm, str) and comm == 'mpi':  # an array would be compared by its elements
        comm = _world(where)
    if isinstance(comm, str):
        raise ConfigError(
            f"{where}: comm must be 'mpi', or a communicator of mpi4py; got {comm!r}; "
            f'{hint(comm.lower(), ["mpi"])}'
        )
    missing = [name for name in METHODS if not callable(getattr(comm, name, None))]
    if missing or isinstance(comm, type):
        raise ConfigError(
            f"{where}: comm must be 'mpi' or an intracommunicator of mpi4py, such as "
            f'MPI.COMM_WORLD; got {brief(comm)}'
        )
    if not comm:  # Split gives it to processes without a color
        raise ConfigError(
            f'{where}: comm is MPI.COMM_NULL, a communicator without processes: this process is in '
            f'no group, and must not train'
        )
    if comm.Is_inter():  # type: ignore[attr-defined]
        raise ConfigError(f'{where}: comm must be an intracommunicator; merge it: comm.Merge()')
    if comm.Get_size() == 1:  # type: ignore[attr-defined]
        return comm
    for other, ours in _duplicates:
        if other == comm and _alike(comm, ours):  # one that was freed may have had the same number
            return ours
    ours = comm.Dup()  # type: ignore[attr-defined]
    _duplicates.append((comm, ours))
    return ours


def _world(where: str) -> Any:
    try:
        from mpi4py import MPI
    except ModuleNotFoundError as why:
        raise ConfigError(
            f"{where}: comm='mpi' needs mpi4py, which cannot be imported ({why}): pip install "
            f"'rnnkit[mpi]'"
        ) from None
    except (ImportError, RuntimeError) as why:  # the second is of wheels
        reason = str(why).partition('\n')[0]
        raise ConfigError(
            f"{where}: comm='mpi' needs an MPI, and mpi4py has found none ({reason}): "
            f'pip install mpich, or load the MPI of the cluster'
        ) from None
    return MPI.COMM_WORLD


def _alike(comm: Any, ours: Any) -> bool:
    from mpi4py import MPI

    return MPI.Comm.Compare(comm, ours) == MPI.CONGRUENT

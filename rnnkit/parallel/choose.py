"""The processes that the option ``comm`` of a training stands for."""

import atexit
import os
from typing import TYPE_CHECKING

from rnnkit import kernels
from rnnkit.kernels.language.threads import available_threads, get_threads
from rnnkit.kernels.language.workers import MOST
from rnnkit.parallel.alone import ALONE
from rnnkit.parallel.team import Team

if TYPE_CHECKING:
    from rnnkit.parallel.ranks import Ranks

_teams: dict[int, 'Ranks'] = {}  # by the id of a communicator, which is kept


def choose(where: str, comm: object) -> Team:
    """Return the processes that train together.

    Parameters
    ----------
    where : str
        The call, for messages.
    comm : None, 'mpi' or mpi4py.MPI.Comm

    Raises
    ------
    ConfigError
        If mpi4py or an MPI is not installed, or `comm` is something else.
    """
    if comm is None:
        return ALONE
    # Programs of one process do not load these.
    from rnnkit.integrations import mpi
    from rnnkit.parallel.ranks import Ranks, abort_when_uncaught

    ours = mpi.communicator(where, comm)
    if ours.Get_size() == 1:
        return ALONE
    if id(ours) not in _teams:
        team = Ranks(ours)
        abort_when_uncaught(ours)
        with team.guard():
            share_cores(team)
        _teams[id(ours)] = team
        atexit.register(_end, team, os.getpid())
    return _teams[id(ours)]


def share_cores(team: Team) -> None:
    """Use fewer threads, if processes of one machine may use the same cores.

    Nothing is changed where ``OMP_NUM_THREADS`` or `rnnkit.set_threads` has chosen a number.
    """
    import platform  # programs of one process do not load it

    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else None
    here = (platform.node(), cores)
    neighbours = team.gather('the cores of each rank', here).count(here)
    if neighbours == 1 or os.environ.get('OMP_NUM_THREADS'):
        return
    n = available_threads()  # fewer than `cores` in a container that is limited
    if get_threads() == min(n, MOST):
        kernels.set_threads(min(max(1, n // neighbours), MOST))


def _end(team: 'Ranks', process: int) -> None:
    if os.getpid() == process:  # not in one that was forked
        team.end()

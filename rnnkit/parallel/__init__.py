"""Several processes that train one network together: what they say to each other."""

from rnnkit.parallel.alone import ALONE, Alone
from rnnkit.parallel.choose import choose
from rnnkit.parallel.team import Communicator, Team

__all__ = ['ALONE', 'Alone', 'Communicator', 'Team', 'choose']

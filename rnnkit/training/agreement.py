"""Facts that several processes compare before they train together, and values of the first one.

All processes run the same program, so a difference is a mistake, such as another version on one
machine. Without this check it would cause an obscure error later, or none.
"""

import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.parallel import Team
from rnnkit.training.undo import Undo
from rnnkit.version import __version__

VERSIONS = {
    'the version of rnnkit': __version__,
    'the version of PyTensor': pytensor.__version__,
    'the version of NumPy': np.__version__,  # its generators shuffle
}


def check(where: str, team: Team, facts: Mapping[str, object]) -> None:
    """Raise a ConfigError, in all processes, unless these facts are the same in all.

    Parameters
    ----------
    where : str
        The call, for messages.
    team : Team
    facts : mapping of str to object
        JSON values, by what they are.
    """
    found = team.gather('the options of each rank', dict(facts))
    for rank, other in enumerate(found):
        for name in dict.fromkeys([*found[0], *other]):
            ours, theirs = found[0].get(name), other.get(name)
            if ours != theirs:
                name, ours, theirs = _inner(name, ours, theirs)
                raise ConfigError(
                    f'{where}: the ranks must train the same network by the same options; {name} '
                    f'is {brief(ours)} on rank 0, and {brief(theirs)} on rank {rank}'
                )


def _inner(name: str, ours: Any, theirs: Any) -> tuple[str, Any, Any]:
    """Return the first part that differs of two nested values, and its name."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        key = next(k for k in [*ours, *theirs] if ours.get(k) != theirs.get(k))
        return _inner(f'{name}[{key!r}]', ours.get(key), theirs.get(key))
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        k = next(k for k, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        return _inner(f'{name}[{k}]', ours[k], theirs[k])
    return name, ours, theirs


def digest(variables: Sequence[SharedVariable]) -> int:
    """Return a number that differs if the values of shared variables differ."""
    found = 0
    for variable in variables:
        found = zlib.crc32(np.ascontiguousarray(variable.get_value(borrow=True)), found)
    return found


def spread(
    team: Team, what: str, variables: Sequence[SharedVariable], undo: Undo | None = None
) -> None:
    """Give shared variables the values that they have in the first process, if they differ."""
    if team.size == 1 or len(set(team.gather(f'a digest of {what}', digest(variables)))) == 1:
        return
    values = team.lead(what, lambda: [variable.get_value() for variable in variables])
    for variable, value in zip(variables, values, strict=True):
        if undo is not None:
            undo.add(partial(variable.set_value, variable.get_value()))
        variable.set_value(value)

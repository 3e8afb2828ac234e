"""From a network to files of C."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.checks import choice
from rnnkit.common.epoch_paths import file_path
from rnnkit.common.replace_file import replace
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph
from rnnkit.inference.predict import Inference
from rnnkit.integrations.c import names, program
from rnnkit.integrations.c.functions import Functions
from rnnkit.integrations.c.layers import Steps, check_values, steps_of
from rnnkit.integrations.c.source import MARK, Texts

WHERE = 'to_c()'


class Exported(Protocol):
    """A network, as this module uses it."""

    layout: str
    dtype: str
    _graph: Graph
    _inference: Inference

    @property
    def meta(self) -> dict[str, Any]:
        """What the user has stored with the network."""


def write(net: Exported, folder: object, name: object, dtype: object) -> list[Path]:
    """Write a network as C; see `rnnkit.Network.to_c`."""
    target = file_path(f'{WHERE}: folder', folder, 'folder')
    name = names.checked(WHERE, name)
    choice(f'{WHERE}: dtype', dtype, ('float32', 'float64'))
    files = texts(net, name, str(dtype))
    if target.exists() and not target.is_dir():
        raise ConfigError(f'{WHERE}: folder is the file {str(target)!r}; give a folder')
    paths = [target / file for file in files]
    for path in paths:
        _check_free(path)
    target.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, files.values(), strict=True):
        replace(path, text.encode('ascii'))
    return paths


def texts(net: Exported, name: str, dtype: str) -> dict[str, str]:
    """Return the content of each file, by its name."""
    graph = net._graph
    check_values(WHERE, graph, dtype)
    steps = steps_of(WHERE, graph)
    functions = Functions(graph, steps, name, dtype)
    kind = type(net).__name__
    classes = _classes(net, steps)
    written = Texts(name, kind, steps, functions, dtype, classes=classes, meta=net.meta)
    arrays = program.inputs_of(graph, steps)
    expected = _predicted(net, steps, arrays)
    test = program.text(written, steps, arrays, expected, dtype)
    return {
        f'{name}.c': written.source(),
        f'{name}.h': written.header(),
        f'{name}_test.c': test,
    }


def _predicted(net: Exported, steps: Steps, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the outputs (T, O), or (O,) without a time axis."""
    given: list[ArrayLike] = [
        program.as_batch(x, source, steps.has_time, net.layout)
        for source, x in zip(steps.sources, arrays, strict=True)
    ]
    x = given[0] if len(given) == 1 else given
    y = net._inference.predict(WHERE, x, None, None, False)
    if not steps.has_time:
        return y
    if steps.answers:
        return y[0]
    return y[:, 0] if net.layout == 'time' else y[0]


def _classes(net: Exported, steps: Steps) -> list[str] | None:
    """Return the names of a classifier's classes, or None."""
    known = getattr(net, 'classes_', None)
    if known is None or len(known) != steps.width:
        return None
    return [str(label) for label in known.tolist()]


def _check_free(path: Path) -> None:
    """Raise a ConfigError if a file that rnnkit has not written would be replaced."""
    if not path.exists():
        return
    if not path.is_file():
        raise ConfigError(f'{WHERE}: {str(path)!r} is not a file; give another folder or name')
    with path.open('rb') as file:
        if MARK.encode() not in file.readline(200):
            raise ConfigError(
                f'{WHERE}: {str(path)!r} exists, and rnnkit has not written it; remove it, or give '
                f'another folder or name'
            )

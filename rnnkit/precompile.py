"""Fill the caches of compiled code, so that the first training of a common network starts fast.

Run it once after installing, as ``python -m rnnkit.precompile``.

It trains tiny networks for a moment, and lets them predict. Machine code is cached on disk: by
rnnkit for its kernels, and by PyTensor for all else, which common networks do not need. Both serve
every size; a size of 1 is another case for PyTensor. ``--sizes`` are those of your own network.
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytensor

from rnnkit import kernels
from rnnkit.data.border import check_settings
from rnnkit.errors import RnnkitError
from rnnkit.kernels.runtime import cache_folder
from rnnkit.layers.registry import layers as layer_registry
from rnnkit.models.files import models
from rnnkit.optimizers import optimizers


class Case(NamedTuple):
    """One kind of network and training."""

    model: str
    layer: str
    algo: str
    dtype: str
    sizes: tuple[int, int, int]  # I, H, O

    def __str__(self) -> str:
        I, H, O = self.sizes  # noqa: E741
        return f"{self.model}([{I}, ('{self.layer}', {H}), {O}]), {self.algo}, {self.dtype}"


def warm(case: Case) -> None:
    """Train and use a network of this kind, as briefly as possible.

    Parameters
    ----------
    case : Case

    Raises
    ------
    RnnkitError
        If there is no such network.
    """
    I, H, O = case.sizes  # noqa: E741
    net = models[case.model]([I, (case.layer, H), O], dtype=case.dtype, seed=0)
    steps = (2, 2) if net._recurrent else (2,)
    x = np.zeros((*steps, I))
    y = np.zeros(steps, int) if net._integer_targets else np.zeros((*steps, O))
    net.train([x] if net._reconstructs else [x, y], algo=case.algo, epochs=1)
    net.predict(x)
    if net._recurrent and all(layer.causal for layer in net.layers):
        net.step(x[0])


def read_arguments(arguments: Sequence[str] | None) -> list[Case]:
    """Return the cases of the command line; exit with a message for unknown names.

    Parameters
    ----------
    arguments : sequence of str, or None for those of this process
    """
    parser = argparse.ArgumentParser(
        prog='python -m rnnkit.precompile',
        description=__doc__.split('\n\n')[0],
        epilog=' '.join(__doc__.split('\n\n')[-1].split()),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add('--layers', nargs='+', default=['rnn', 'lstm', 'gru'], metavar='LAYER')
    add('--models', nargs='+', default=['Regressor', 'Classifier'], metavar='MODEL')
    add('--algo', nargs='+', default=['rmsprop', 'adam'], metavar='RULE', help='update rules')
    add('--dtype', nargs='+', default=['float32'], metavar='DTYPE')
    add(
        '--sizes',
        nargs=3,
        type=_size,
        default=(1, 10, 1),
        metavar=('I', 'H', 'O'),
        help='inputs, units of the recurrent layer, outputs',
    )
    chosen = parser.parse_args(arguments)
    try:
        for registry, names in (
            (layer_registry, chosen.layers),
            (models, chosen.models),
            (optimizers, chosen.algo),
        ):
            for name in names:
                registry[name]  # raises if there is none
        for dtype in chosen.dtype:
            check_settings('time', dtype)
    except RnnkitError as why:
        parser.error(str(why))
    names = product(chosen.dtype, chosen.layers, chosen.models, chosen.algo)
    return [
        Case(model, layer, algo, dtype, tuple(chosen.sizes)) for dtype, layer, model, algo in names
    ]


def _size(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'a size must be at least 1; got {value}')
    return value


def places() -> Iterator[tuple[str, Path | None]]:
    """Yield the names and the directories of the caches; None if there is no home directory."""
    if kernels.enabled() and kernels.usable():
        yield 'kernels', cache_folder.directory()
    yield 'PyTensor', Path(pytensor.config.base_compiledir)


def _contents(directory: Path) -> tuple[int, int]:
    """Return the number of files below `directory`, and their size in bytes."""
    sizes = [path.stat().st_size for path in directory.rglob('*') if path.is_file()]
    return len(sizes), sum(sizes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status, 1 if nothing could be cached.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.
    """
    logging.getLogger('rnnkit').setLevel('WARNING')
    cases = read_arguments(arguments)
    start = time.perf_counter()
    for number, case in enumerate(cases, 1):
        print(f'{number} of {len(cases)}: {case} ...', end=' ', flush=True)
        before = time.perf_counter()
        try:
            warm(case)
        except RnnkitError as why:
            print(f'not possible: {why}')
            return 1
        print(f'{time.perf_counter() - before:.1f} s')
    print(f'all: {time.perf_counter() - start:.1f} s')
    # Kernels come first, if there are any; then PyTensor may have nothing to compile.
    needed, *others = places()
    count = _report(*needed, 'nothing could be written')
    for place in others:
        _report(*place, 'nothing was needed')
    return 0 if count else 1


def _report(name: str, directory: Path | None, nothing: str) -> int:
    """Print the contents of a cache; return the number of its files."""
    if directory is None:
        print(f'{name}: no home directory; set RNNKIT_CACHE_DIR (nothing could be written)')
        return 0
    count, size = _contents(directory)
    state = f'{count} files, {size / 2**20:.1f} MiB' if count else nothing
    print(f'{name}: {directory} ({state})')
    return count


if __name__ == '__main__':
    sys.exit(main())

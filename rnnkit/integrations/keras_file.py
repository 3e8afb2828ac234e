"""Files of Keras 3: ``.keras``, and ``.weights.h5``. Nothing in them is run.

A file ``.keras`` is a ZIP archive of a description, ``config.json``, and of the weights,
``model.weights.h5``. That has a group for each layer, named after its class and a number:
``layers/lstm_1/cell/vars/0``.
"""

import io
import json
import zipfile
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from rnnkit.common import file_kinds
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError
from rnnkit.integrations import weight_files

LONGEST_CONFIG = 2**26  # bytes
MOST_ARRAYS = 20_000
CONFIG, WEIGHTS = 'config.json', 'model.weights.h5'
WRONG = (KeyError, ValueError, TypeError, RuntimeError, OSError)  # of damaged files
OLD = (
    'it is of Keras 2, or of the old format of model.save(); load it with Keras, and write '
    "model.save('model.keras')"
)


class KerasFile(NamedTuple):
    """The content of a file.

    Attributes
    ----------
    config : dict or None
        The description of the model; None for weights alone.
    arrays : dict of str to list of array
        The variables of each layer that has some, or of each of its parts:
        ``'lstm_1/cell'``, ``'bidirectional/forward_layer/cell'``, ``'dense'``.
    """

    config: dict[str, Any] | None
    arrays: dict[str, list[np.ndarray]]


def read(where: str, file: BinaryIO, name: str, size: int) -> KerasFile:
    """Return the content of a file ``.keras`` or ``.weights.h5``.

    Parameters
    ----------
    where, name : str
        The call and the file, for messages.
    file : file object
    size : int
        Its length; all arrays together are not longer.

    Raises
    ------
    ConfigError
        If h5py is not installed.
    FormatError
        If it is not such a file, or is damaged.
    """
    if not weight_files.first_bytes(file).startswith(weight_files.ZIP):
        return KerasFile(None, _arrays(where, file, name, size))
    try:
        with zipfile.ZipFile(file) as archive:
            if CONFIG not in archive.namelist():
                kind = file_kinds.zip_kind('\n'.join(archive.namelist()).encode())
                raise FormatError(f'{name}: it has no {CONFIG}, which Keras writes; it is {kind}')
            config = json.loads(_member(archive, CONFIG, min(LONGEST_CONFIG, size), name))
            content = _member(archive, WEIGHTS, size, name)
    except FormatError:
        raise
    except (zipfile.BadZipFile, *WRONG, EOFError, RecursionError) as why:
        raise FormatError(f'{name}: not a complete .keras file: {why}') from None
    if not isinstance(config, dict):
        raise FormatError(f'{name}: its config.json describes no model')
    return KerasFile(config, _arrays(where, io.BytesIO(content), name, len(content)))


def _member(archive: zipfile.ZipFile, member: str, longest: int, name: str) -> bytes:
    info = archive.getinfo(member)
    if info.file_size > longest or info.compress_type != zipfile.ZIP_STORED:
        raise FormatError(
            f'{name}: {member} is compressed, or claims more bytes than the file has; Keras does '
            f'not write such files'
        )
    return archive.read(info)


def _arrays(where: str, file: BinaryIO, name: str, size: int) -> dict[str, list[np.ndarray]]:
    """Return the variables of all layers in an HDF5 file."""
    try:
        import h5py
    except ImportError as why:
        raise ConfigError(
            f'{where}: weights of Keras are read by h5py, which cannot be imported ({why}): '
            f"pip install 'rnnkit[keras]'"
        ) from None
    try:
        with h5py.File(file, 'r') as opened:
            if 'layer_names' in opened.attrs or 'model_config' in opened.attrs:
                raise FormatError(f'{name}: {OLD}')
            if 'layers' not in opened:
                raise FormatError(
                    f'{name}: it has no layers of Keras 3, as a Sequential model has them; from '
                    f'other models, pass model.get_weights()'
                )
            return _Walk(h5py, name, size).read(opened)
    except FormatError:
        raise
    except WRONG as why:
        raise FormatError(f'{name}: not a complete file of Keras (HDF5): {why}') from None


class _Walk:
    """All arrays of one file, without following a link to another file."""

    def __init__(self, h5py: Any, name: str, size: int):
        self.h5py, self.name, self.left = h5py, name, size
        self.found: dict[str, list[np.ndarray]] = {}
        self.count = 0

    def read(self, opened: Any) -> dict[str, list[np.ndarray]]:
        """Return the arrays under ``layers/``, by the path of their group without ``vars``."""
        waiting = [('layers', opened)]
        while waiting:
            path, file = waiting.pop()
            group = file[path]
            self.count += len(group)
            if self.count > MOST_ARRAYS or path.count('/') > 8:
                raise FormatError(f'{self.name}: it has too many groups')
            for key in group:
                inner = f'{path}/{key}'
                if not isinstance(group.get(key, getlink=True), self.h5py.HardLink):
                    raise FormatError(f'{self.name}: {brief(inner)} is a link, which is not read')
                if isinstance(group[key], self.h5py.Group):
                    waiting.append((inner, file))
            if path.endswith('/vars') and len(group):
                owner = path.removeprefix('layers/').removesuffix('/vars')
                self.found[owner] = [self.array(group, str(k)) for k in range(len(group))]
        return self.found

    def array(self, group: Any, key: str) -> np.ndarray:
        """Return one array, which must be as long as it claims to be."""
        one = group[key]
        claimed = int(np.prod(one.shape, dtype=object)) * one.dtype.itemsize
        self.left -= claimed
        plain = one.chunks is None and not one.is_virtual and not one.external
        if self.left < 0 or not plain or one.id.get_storage_size() < claimed:
            raise FormatError(
                f'{self.name}: {one.name} claims {claimed:,} bytes, which do not lie in the file '
                f'as Keras writes them'
            )
        if one.dtype.kind not in 'biuf':
            raise FormatError(f'{self.name}: {one.name} has the dtype {one.dtype}, not read here')
        array: np.ndarray = one[()]
        return np.asarray(array, np.float32) if array.dtype == np.float16 else np.asarray(array)

"""Files of other programs, told by their first bytes or by the end of their names."""

import os
import re
from pathlib import PurePath

from rnnkit.common.old_words import warn
from rnnkit.errors import ConfigError

# Ends of names that promise another format, and what that is.
OTHERS = {
    '.onnx': 'ONNX',
    '.pt': "PyTorch's",
    '.pth': "PyTorch's",
    '.h5': 'HDF5',
    '.hdf5': 'HDF5',
    '.keras': "Keras's",
    '.tflite': "TensorFlow Lite's",
    '.pb': "TensorFlow's",
    '.npz': "NumPy's",
    '.npy': "NumPy's",
    '.joblib': "joblib's",
    '.msgpack': "Flax's",
    '.gguf': 'GGUF',
}
WRITTEN = {'.joblib': 'joblib.dump(net, path)', '.onnx': 'net.to_onnx(path)'}  # by other calls
PICKLES = re.compile(r'\.(pkl|pickle)(\.gz)?$', re.IGNORECASE)
NOT_READ = (
    '. rnnkit reads none, because that runs code from the file, which here would need Theano; '
    'save the parameters as arrays with theanets, and set them with '
    'net.find(layer, param).set_value(array)'
)
ONNX = re.compile(rb'\x08[\x03-\x0f][\x12\x1a\x22\x28\x32\x3a\x42]')  # the version, then a field
STARTS = {
    b'\x89HDF\r\n\x1a\n': 'an HDF5 file; rnnkit.from_keras(path, layers) reads those of Keras',
    b'\x93NUMPY': "an array of NumPy's (.npy)",
    b'\x1f\x8b': 'compressed by gzip',
    b'BZh': 'compressed by bzip2',
    b'\xfd7zXZ\x00': 'compressed by xz',
    b'\x28\xb5\x2f\xfd': 'compressed by zstd',
    b'%PDF': 'a PDF',
    b'\x89PNG': 'a picture',
    b'\x7fELF': 'a program',
    b'GGUF': 'a GGUF file',
    b'SQLite format 3\x00': 'an SQLite database',
}


def check_name(where: str, path: str) -> None:
    """Raise a ConfigError if a name promises a format that rnnkit does not write.

    Scripts for theanets call their files ``.pkl``, so that only warns.

    Parameters
    ----------
    where : str
        The call, for messages.
    path : str
    """
    name = PurePath(path).name
    match = PICKLES.search(name)
    if match:
        start = name[: match.start()]
        warn(
            f'{where}: the file is no pickle, but in the safetensors format; a suitable name is '
            f'{start + ".safetensors"!r}; pickle.dump() writes pickles of networks'
        )
        return
    start, suffix = os.path.splitext(name)
    if suffix.lower() in OTHERS:
        other = WRITTEN.get(suffix.lower())
        if other:
            raise ConfigError(
                f'{where}: {suffix} is the name of another format; {other} writes it; a suitable '
                f'name for a safetensors file is {start + ".safetensors"!r}'
            )
        raise ConfigError(
            f'{where}: {suffix} is the name of another format, {OTHERS[suffix.lower()]}; rnnkit '
            f'writes safetensors files; a suitable name is {start + ".safetensors"!r}'
        )


def check_onnx(where: str, path: str) -> None:
    """Raise a ConfigError if a name promises another format than ONNX."""
    name = PurePath(path).name
    start, suffix = os.path.splitext(name)
    others = {**OTHERS, '.safetensors': 'safetensors'}
    if suffix.lower() in others and suffix.lower() != '.onnx':
        raise ConfigError(
            f'{where}: {suffix} is the name of another format, {others[suffix.lower()]}; this is '
            f'an ONNX file; a suitable name is {start + ".onnx"!r}'
        )


def kind_of(name: str, content: bytes) -> str:
    """Say what a file is that is no safetensors file.

    Parameters
    ----------
    name : str
    content : bytes
        All of it, or the first and last some hundred.

    Returns
    -------
    kind : str
        ``''`` if it is not known.
    """
    if not content:
        return 'the file is empty'
    if content[:4] in (b'PK\x03\x04', b'PK\x05\x06'):
        return f'it is {zip_kind(content)}'
    pickle = content[:1] == b'\x80' and content[1:2] in b'\x02\x03\x04\x05' and content[1:2]
    if pickle and b'rnnkit.models.travel' in content:
        return 'it is a pickle of a network; pickle.load() reads it'
    if pickle or (PICKLES.search(name) and not content.startswith((b'\x89', b'\x93'))):
        return f'it looks like a pickle, as theanets writes them{NOT_READ}'
    for start, kind in STARTS.items():
        if content.startswith(start):
            return f'it is {kind}'
    if name.lower().endswith('.onnx') or ONNX.match(content):
        return 'it looks like an ONNX file; rnnkit.from_onnx(path) reads those'
    if _is_text(content[:200]):
        return 'it is a text'
    return ''


def zip_kind(content: bytes) -> str:
    """Say who wrote a ZIP file; the names of its members are in it as they are."""
    if b'data.pkl' in content:
        return 'a file of PyTorch (torch.save); rnnkit.from_torch(path) reads its weights'
    if b'model.weights.h5' in content:
        return 'a file of Keras (.keras); rnnkit.from_keras(path) reads it'
    if b'.npy' in content:
        return "a file of arrays of NumPy's (.npz)"
    return 'a ZIP file'


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if error.start < len(content) - 3:  # not only a letter that is cut
            return False
        text = content[: error.start].decode()
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)

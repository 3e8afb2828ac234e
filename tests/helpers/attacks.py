"""Files with a valid digest that somebody wicked has written: any part of the JSON is replaced."""

import copy
import json

import numpy as np
from safetensors import numpy as safetensors

from rnnkit.common import file_format

# One of every kind of JSON value, and some that are odd.
VALUES = [
    None, True, False, 0, -1, 1, 2, 3, 7, 2**31, 2**70, -(2**70), 0.5, -0.5, 1e-320, 1e308,
    float('nan'), float('inf'), -float('inf'), '', 'x', 'hid1', 'in', 'in:out', 'int8', 'out',
    'a\x00b', '\ud800', 'relu+relu', 'maxout:256', 'relu' * 10_000, [], [0], [1, 2], [[]], [None],
    ['hid1', 'in'], [[1.0, 2.0], [3.0]], [1] * 2000, {}, {'form': 'x'}, {'form': 'orthogonal'},
    {'form': 'normal', 'std': float('inf')}, {'form': 'rnn', 'self': 1}, {'self': 1, 'form': []},
    {':tensor': 'last:hid1.b'}, {':tensor': 'no'}, {':tensor': 'meta:0'}, {':tensor': []},
    {':tensor': 'meta:1', 'x': 1}, {'': None}, {'i': 1, 'f': 'x'},
]  # fmt: skip


def parts(content):
    """Return the text entries of a file's header, and its arrays."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], 'little')])
    return header['__metadata__'], safetensors.load(content)


def signed(entries, arrays):
    """Return the content of a file with the digest that it should have."""
    entries = {name: text for name, text in entries.items() if name != 'digest'}
    entries['digest'] = file_format.digest(entries, arrays)
    return safetensors.save(arrays, entries)


def places(value, path=()):
    """Yield the path to each value within nested dicts and lists."""
    yield path
    keys = range(len(value)) if isinstance(value, list) else value
    if isinstance(value, dict | list):
        for key in keys:
            yield from places(value[key], (*path, key))


def put(value, path, new):
    """Return a copy of nested dicts and lists with another value at `path`."""
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


def attack(content, rng):
    """Return the content of a file after one to three changes at random.

    Parameters
    ----------
    content : bytes
    rng : random.Random
    """
    entries, arrays = parts(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.random() < 0.15:
            _change_array(arrays, rng)
            continue
        name = 'training' if 'training' in entries and rng.random() < 0.8 else 'spec'
        if 'meta' in entries and rng.random() < 0.3:
            name = 'meta'
        entries[name] = json.dumps(_changed(json.loads(entries[name]), rng))
    return signed(entries, arrays)


def _changed(value, rng):
    path = rng.choice(list(places(value)))
    there = value
    for key in path:
        there = there[key]
    kind = rng.choice(['replace', 'replace', 'replace', 'remove', 'add', 'swap'])
    new = rng.choice(VALUES)
    if kind == 'replace':
        return put(value, path, new)
    if isinstance(there, dict) and there:
        key = rng.choice(list(there))
        if kind == 'remove':
            return put(value, path, {k: v for k, v in there.items() if k != key})
        name = rng.choice(['x', '', 'self', 'form', 'size', 'name', 'activation', 'std', 'hh', key])
        return put(value, path, {**there, name: new if kind == 'add' else there[key]})
    if isinstance(there, list) and there:
        k = rng.randrange(len(there))
        if kind == 'remove':
            return put(value, path, there[:k] + there[k + 1 :])
        return put(value, path, [*there, new if kind == 'add' else there[k]])
    return put(value, path, new)


def _change_array(arrays, rng):
    if not arrays:
        return
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    kind = rng.choice(['drop', 'rename', 'shape', 'dtype', 'values', 'empty'])
    if kind in ('drop', 'rename'):
        del arrays[name]
    if kind == 'rename':
        arrays[
            rng.choice(['x', name + '2', 'last:x.w', 'meta:0', 'meta:9', name.replace('.', ':')])
        ] = array
    if kind == 'shape':
        arrays[name] = array.reshape(rng.choice([(-1,), (1, -1), (-1, 1)]))
    if kind == 'dtype':
        arrays[name] = array.astype(rng.choice(['f8', 'f2', 'i8', 'u1', '?', 'c8']))
    if kind == 'values':
        arrays[name] = np.full_like(array, rng.choice([0, 1, 100]))
    if kind == 'empty':
        arrays[name] = array.reshape(-1)[:0]

"""Memory maps, and the memory of what has been read of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from disk import mapped

from rnnkit.data.mapped import is_mapped, release
from rnnkit.data.stored import Stored

N = 40
X = np.random.default_rng(0).standard_normal((N, 5, 2))


def test_views_of_a_memory_map_are_mapped(tmp_path):
    array = mapped(tmp_path, X)
    assert all(map(is_mapped, [array, array[3:], np.asarray(array).T]))
    assert not any(map(is_mapped, [X, X[3:], np.array(array)]))


def resident() -> int:
    """Return the bytes of files that are in the memory of this process."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith('RssFile'))


@pytest.mark.skipif(sys.platform != 'linux', reason='reads its memory in /proc')
@pytest.mark.parametrize('view', [np.s_[:], np.s_[::-1], np.s_[:, ::2]])
def test_pages_that_were_read_are_released(tmp_path, view):
    array = mapped(tmp_path, np.ones((2**12, 2**10)))[view]  # 32 MiB
    array.sum()
    before = resident()
    release(array, array)
    assert before - resident() > 2**24
    assert (array == 1).all()


def test_a_private_map_keeps_its_changes(tmp_path):
    np.save(tmp_path / 'x.npy', X)
    private = np.load(tmp_path / 'x.npy', mmap_mode='c')
    private[:] = 1
    loaded = Stored(private).load(slice(0, N), 0, 'train: x')
    assert (loaded == 1).all()
    assert (private == 1).all()
    assert (Stored(private).load(slice(0, N), 0, 'train: x') == 1).all()

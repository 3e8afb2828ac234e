"""The program that measures runs without rnnkit being installed, and hides no error."""

import os
import subprocess
import sys

import pytest
from repository import ROOT

RUN = ROOT / 'benchmarks' / 'run.py'


def run(*words, **environment):
    """Run the part that measures single steps, as briefly as can be."""
    command = [
        sys.executable,
        str(RUN),
        '--parts',
        'updates',
        '--only',
        'gru stream',
        '--seconds',
        '0',
        '--rounds',
        '1',
        *map(str, words),
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )


def test_tables_are_written_between_the_marks_of_a_file(tmp_path):
    path = tmp_path / 'figures.md'
    path.write_text('before\n<!-- figures: start -->\nold\n<!-- figures: end -->\nafter\n')
    done = run('--markdown', path, '--json', tmp_path / 'figures.json', '--peers')
    assert done.returncode == 0, done.stderr
    text = path.read_text()
    assert text.startswith('before\n')
    assert text.endswith('<!-- figures: end -->\nafter\n')
    assert '| gru stream |' in text
    assert 'old' not in text
    assert (tmp_path / 'figures.json').exists()


@pytest.mark.parametrize(('module', 'code'), [('keras', 0), ('scipy', 1)])
def test_error_of_a_contender_is_shown(module, code, tmp_path):
    """Without a peer the others go on; without rnnkit, here for want of SciPy, nothing does."""
    for name in {module, 'keras', 'jax'}:
        (tmp_path / f'{name}.py').write_text("raise ImportError('out of order')")
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    done = run('--peers', 'keras', PYTHONPATH=path)
    assert done.returncode == code, done.stderr
    assert 'out of order' in done.stderr
    assert ('keras ended with 1' if code == 0 else 'rnnkit ended with 1') in done.stderr

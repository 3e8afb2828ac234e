import importlib.util
import runpy
import sys

import numpy as np
import pytest
from long_forms import long_unless
from repository import ROOT

EXAMPLES = sorted((ROOT / 'examples').glob('*.py'))

# For each program a task so small that a few updates in pure Python will do: what
# main() is given, and an error that it reaches only if the network learns to use its memory.
SHORT = {
    'addition_task': ({'length': 4, 'size': 8, 'updates': 50, 'learning_rate': 0.06}, 0.05),
    'dot_product': (
        {'length': 2, 'size': 8, 'examples': 200, 'updates': 300, 'learning_rate': 0.05},
        0.12,
    ),
    'forecast': (
        {
            'months': 400,
            'period': 24,
            'past': 24,
            'future': 3,
            'form': 'rnn',
            'size': 12,
            'learning_rate': 0.01,
            'batch_size': 32,
            'updates': 150,
        },
        0.6,
    ),
    'karpathy_modes': (
        {'steps': 8, 'form': 'rnn', 'size': 16, 'updates': 150, 'learning_rate': 0.02},
        0.15,
    ),
    'masked_addition': (
        {'shortest': 3, 'longest': 5, 'size': 8, 'updates': 60, 'learning_rate': 0.03},
        0.05,
    ),
    'language_model': (
        {
            'sentences': 60,
            'embedding': 8,
            'size': 16,
            'layers': 1,
            'batch_size': 16,
            'steps': 10,
            'updates': 60,
            'learning_rate': 0.03,
            'write': 20,
        },
        3.3,
    ),
    'memory_task': (
        {'steps': 3, 'values': 1, 'size': 8, 'updates': 50, 'learning_rate': 0.06},
        0.3,
    ),
    'sentiment': (
        {
            'reviews': 200,
            'maxlen': 4,
            'embedding': 8,
            'size': 8,
            'dropout': 0.1,
            'batch_size': 50,
            'updates': 24,
            'learning_rate': 0.06,
        },
        0.35,
    ),
    'seq2seq': (
        {'digits': 1, 'size': 16, 'batch_size': 16, 'updates': 14, 'learning_rate': 0.03},
        2.2,
    ),
    'sequence_autoencoder': (
        {'steps': 3, 'code': 2, 'size': 8, 'updates': 35, 'learning_rate': 0.06},
        0.7,
    ),
    'serve': ({'steps': 12, 'ahead': 2, 'size': 8, 'clients': 2, 'updates': 60}, 0.3),
    'stateful_cosine': (
        {
            'steps': 400,
            'period': 16,
            'ahead': 4,
            'streams': 7,
            'window': 15,
            'size': 8,
            'updates': 60,
            'learning_rate': 0.03,
        },
        0.1,
    ),
    'transfer_learning': (
        {
            'steps': 20,
            'noise': 0.05,
            'size': 16,
            'unlabelled': 600,
            'labelled': 40,
            'updates': 300,
            'learning_rate': 0.03,
        },
        0.1,
    ),
}
MEASURES = {'seq2seq': 'loss'}  # it takes longer until all characters of an answer are right


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_a_short_form():
    assert {path.stem for path in EXAMPLES} == set(SHORT)


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_help(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(path), '--help'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path), run_name='__main__')
    assert not end.value.code
    answer = capsys.readouterr().out
    for option in ('--updates', '--tolerance', '--seed', '--plot'):
        assert option in answer
    assert '(default: ' in answer


@pytest.mark.parametrize(
    'path',
    long_unless(lambda path: path.stem in ('memory_task', 'masked_addition'), EXAMPLES),
    ids=lambda path: path.stem,
)
def test_short_form_learns_and_draws(path, tmp_path):
    options, wanted = SHORT[path.stem]
    picture = tmp_path / 'picture.png'
    found = load(path).main(**options, seed=1, plot=str(picture))
    assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert found['updates'] <= options['updates']
    assert found[MEASURES.get(path.stem, 'error')] < wanted
    assert picture.read_bytes().startswith(b'\x89PNG')

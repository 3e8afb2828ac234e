"""``python -m rnnkit.precompile``: what it trains, what it prints, and what it refuses."""

from itertools import product

import pytest

from rnnkit import precompile
from rnnkit.precompile import Case, main


@pytest.fixture
def warmed(monkeypatch, tmp_path):
    """Return the cases that a run would train; nothing is compiled, caches are in `tmp_path`."""
    found = []
    (tmp_path / 'some').mkdir()
    (tmp_path / 'some' / 'code.o').write_bytes(bytes(3 * 2**20))
    monkeypatch.setattr(precompile, 'warm', found.append)
    monkeypatch.setattr(precompile, 'places', lambda: [('kernels', tmp_path)])
    return found


def test_default_cases(warmed):
    assert main([]) == 0
    expected = product(
        ['Regressor', 'Classifier'],
        ['rnn', 'lstm', 'gru'],
        ['rmsprop', 'adam'],
        ['float32'],
        [(1, 10, 1)],
    )
    assert sorted(warmed) == sorted(Case(*case) for case in expected)


def test_chosen_cases(warmed):
    options = '--layers bidirectional --models Classifier --algo sgd --dtype float64 float32'
    assert main([*options.split(), '--sizes', '3', '20', '5']) == 0
    assert warmed == [
        Case('Classifier', 'bidirectional', 'sgd', dtype, (3, 20, 5))
        for dtype in ('float64', 'float32')
    ]


def test_what_it_prints(warmed, capsys, tmp_path):
    main(['--layers', 'gru', '--models', 'Regressor'])
    first, second, total, kept = capsys.readouterr().out.splitlines()
    assert first.startswith("1 of 2: Regressor([1, ('gru', 10), 1]), rmsprop, float32 ... 0.")
    assert second.startswith("2 of 2: Regressor([1, ('gru', 10), 1]), adam, float32 ... 0.")
    assert total.startswith('all: 0.')
    assert kept == f'kernels: {tmp_path} (1 files, 3.0 MiB)'


def test_nothing_could_be_kept(warmed, capsys, tmp_path):
    (tmp_path / 'some' / 'code.o').unlink()
    assert main(['--layers', 'gru']) == 1
    assert f'{tmp_path} (nothing could be written)' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        ('--layers lsmt', "'lstm'"),
        ('--models Regresor', "'regressor'"),
        ('--algo rmspop', "'rmsprop'"),
        ('--dtype float16', "'float32' or 'float64'"),
        ('--sizes 0 10 1', 'at least 1'),
        ('--sizes 1 ten 1', 'ten'),
    ],
)
def test_wrong_arguments(arguments, complaint, warmed, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
    assert warmed == []


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(['--help'])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert 'python -m rnnkit.precompile' in shown
    assert '--sizes I H O' in shown


def test_a_network_that_cannot_be(capsys):
    assert main(['--layers', 'input', '--models', 'Regressor', '--algo', 'sgd']) == 1
    assert 'not possible' in capsys.readouterr().out


# In this session's mode, which is Python's; nothing here is monkeypatched.
@pytest.mark.parametrize(
    'case',
    [
        Case('Regressor', 'rnn', 'rmsprop', 'float32', (1, 2, 1)),
        Case('Classifier', 'gru', 'adam', 'float64', (2, 3, 4)),
        Case('Regressor', 'bidirectional', 'sgd', 'float32', (1, 2, 1)),
        Case('Autoencoder', 'rnn', 'sgd', 'float32', (2, 1, 2)),
        Case('Classifier', 'ff', 'sgd', 'float32', (1, 2, 2)),
    ],
    ids=str,
)
def test_warm(case, monkeypatch):
    """It trains and predicts once, and steps where that is possible."""
    model, calls = precompile.models[case.model], []
    for name in ('train', 'predict', 'step'):
        method = getattr(model, name)

        def watched(self, *args, name=name, method=method, **kwargs):
            calls.append(name)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(model, name, watched)
    precompile.warm(case)
    recurrent = case.layer in ('rnn', 'gru')
    assert calls == ['train', 'predict', 'step'][: 3 if recurrent else 2]


def test_pytensor_needs_nothing_for_common_networks(warmed, capsys, monkeypatch, tmp_path):
    other = tmp_path / 'other'
    monkeypatch.setattr(precompile, 'places', lambda: [('kernels', tmp_path), ('PyTensor', other)])
    assert main(['--layers', 'gru']) == 0
    assert capsys.readouterr().out.endswith(f'PyTensor: {other} (nothing was needed)\n')

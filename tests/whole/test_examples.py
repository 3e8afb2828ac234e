import builtins
import importlib
import runpy
import subprocess
import sys

import numpy as np
import pytest
from long_forms import long_unless
from packages import has_pymc
from repository import ROOT

FOLDER = ROOT / 'examples'
EXAMPLES = sorted(path for path in FOLDER.glob('*.py') if path.stem != 'common')

# For each program a task so small that a few updates in pure Python will do: what
# main() is given, and an error that it reaches only if the network learns to use its memory.
SHORT = {
    'bayesian_forecast': (
        {
            'steps': 60,
            'noise': 0.1,
            'size': 2,
            'updates': 100,
            'draws': 20,
            'tune': 20,
            'chains': 1,
        },
        1.0,
    ),
    'addition_task': ({'length': 4, 'size': 8, 'updates': 50, 'learning_rate': 0.06}, 0.05),
    'dot_product': (
        {'length': 2, 'size': 8, 'examples': 200, 'updates': 300, 'learning_rate': 0.05},
        0.12,
    ),
    'forecast': ({'size': 8, 'updates': 60, 'windows': 1}, 0.9),
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
    'missing_values': (
        {'days': 300, 'networks': 1, 'size': 4, 'steps': 10, 'batch_size': 32, 'updates': 60},
        1.3,
    ),
    'onnx_export': (
        {'steps': 30, 'size': 8, 'updates': 60, 'learning_rate': 0.06},
        0.8,
    ),
    'many_machines': (
        {'examples': 200, 'steps': 4, 'size': 8, 'batch_size': 32, 'updates': 100},
        0.1,
    ),
    'many_series': (
        {'shops': 4, 'weeks': 3, 'horizon': 24, 'size': 8, 'updates': 80},
        0.9,
    ),
    'larger_than_memory': (
        {'mib': 1, 'size': 8, 'updates': 100, 'learning_rate': 0.02},
        0.2,
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
    'search': (
        {
            'trials': 5,
            'processes': 1,
            'examples': 60,
            'steps': 20,
            'noise': 0.2,
            'updates': 60,
        },
        0.3,
    ),
    'seq2seq': (
        {
            'task': 'sums',
            'digits': 1,
            'size': 16,
            'batch_size': 16,
            'updates': 14,
            'learning_rate': 0.03,
        },
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
    'to_c': (
        {'steps': 20, 'size': 8, 'batch_size': 16, 'updates': 100, 'learning_rate': 0.03},
        0.9,
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
    'windows': (
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
}
MEASURES = {'seq2seq': 'loss'}  # it takes longer until all characters of an answer are right


COMPILED = {
    'bayesian_forecast',
    'forecast',
    'many_machines',
    'many_series',
    'search',
}  # all of their networks are machine code


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch):
    """Find modules where `python examples/x.py` finds them."""
    monkeypatch.syspath_prepend(str(FOLDER))


def load(name):
    return importlib.import_module(name)


def test_every_example_has_a_short_form():
    assert {path.stem for path in EXAMPLES} == set(SHORT)


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_help_names_every_option(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [str(path), '--help'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path), run_name='__main__')
    assert not end.value.code
    answer = capsys.readouterr().out
    for option in ('--updates', '--tolerance', '--seed', '--plot', '--no-plot'):
        assert option in answer
    assert f'(default: {path.stem}.png)' in ' '.join(answer.split())


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_the_first_lines_say_what_to_copy(path):
    assert 'Copy' in '\n'.join(path.read_text('utf-8').splitlines()[:15])


@pytest.mark.parametrize(
    'path',
    long_unless(lambda path: path.stem in ('memory_task', 'masked_addition'), EXAMPLES),
    ids=lambda path: path.stem,
)
def test_short_form_learns_and_draws(path, tmp_path, request):
    if path.stem == 'bayesian_forecast' and not has_pymc():
        pytest.skip('PyMC needs Python 3.12')
    if path.stem in COMPILED:
        request.getfixturevalue('machine_code')
    options, wanted = SHORT[path.stem]
    picture, module = tmp_path / 'picture.png', load(path.stem)
    found, shown = module.main(**options, seed=1)
    assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert found['updates'] <= options['updates']
    assert found[MEASURES.get(path.stem, 'error')] < wanted
    load('common').picture(picture, labelled, module.draw, *shown)
    assert picture.read_bytes().startswith(b'\x89PNG')


def labelled(figure, draw, *shown):
    """Draw, and look whether all axes say what is on them, and all curves what they are."""
    draw(figure, *shown)
    panels = [axes for axes in figure.axes if axes.axison and axes.get_label() != '<colorbar>']
    for axes in panels:
        place = axes.get_subplotspec()
        below = [
            other
            for other in panels
            if other.get_subplotspec().colspan == place.colspan
            and other.get_subplotspec().rowspan.start >= place.rowspan.start
        ]
        beside = axes.get_shared_y_axes().get_siblings(axes)
        assert any(other.get_xlabel() for other in below), axes.get_title('left')
        assert any(other.get_ylabel() for other in beside), axes.get_title('left')
        named = axes.get_legend_handles_labels()[1]
        assert not named or axes.get_legend() or any(other.get_legend() for other in panels)


def main(*, updates=3, size=2, rate=0.5, names=None, fast=False, seed=1):
    """Stand for the function of an example."""
    return {'updates': updates, 'error': rate}, ([0, 1], size)


def draw(figure, values, size):
    figure.subplots().plot(values)


@pytest.fixture
def program(monkeypatch, tmp_path, capsys):
    """Run a program with `main` and `draw`; return what it prints and how it ends."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(globals(), '__doc__', 'Do as an example does.\n\nAnd more.')

    def run(*words, tolerance=1.0):
        monkeypatch.setattr(sys, 'argv', ['program', *words])
        helps = {'rate': 'a number', 'names': 'a text', 'fast': 'a switch'}
        try:
            load('common').run(main, draw, 'the error is {error:.2f}', tolerance, **helps)
            code = 0
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return said.out + said.err, code

    return run


def test_a_program_draws_a_picture_of_its_name(program, tmp_path):
    said, code = program()
    assert code == 0
    assert said.startswith('3 updates; ')
    assert said.endswith('the error is 0.50\npicture: test_examples.png\n')
    assert (tmp_path / 'test_examples.png').read_bytes().startswith(b'\x89PNG')


def test_a_program_draws_another_picture_or_none(program, tmp_path):
    assert program('--no-plot')[0].endswith('the error is 0.50\n')
    assert list(tmp_path.iterdir()) == []
    assert program('--plot', 'other.png')[0].endswith('picture: other.png\n')
    assert [path.name for path in tmp_path.iterdir()] == ['other.png']


def test_a_program_goes_on_without_matplotlib(program, tmp_path, monkeypatch):
    def no_matplotlib(name, *args, **kwargs):
        if name.startswith('matplotlib'):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, '__import__', no_matplotlib)
    said, code = program()
    assert code == 0
    assert said.splitlines()[-1].startswith('no picture: matplotlib is missing; run: pip install')
    assert list(tmp_path.iterdir()) == []


def test_a_program_says_before_it_trains_that_it_cannot_draw(program):
    said, code = program('--plot', 'nowhere/a.png')
    assert (code, 'the error' in said) == (2, False)
    assert '--plot: there is no folder' in said


def test_a_program_fails_if_it_has_not_learned(program):
    assert program('--rate', '1.0')[1] == 'FAILED: the error, 1, is not below 1'
    assert program('--rate', 'nan')[1] == 'FAILED: the error, nan, is not below 1'
    assert program('--tolerance', '0.4')[1] == 'FAILED: the error, 0.5, is not below 0.4'
    assert program('--rate', '0.3', '--tolerance', '0.4')[1] == 0


def test_the_command_of_the_readme_runs(tmp_path):
    words = ['--updates', '2', '--steps', '3', '--size', '2', '--tolerance', '9', '--no-plot']
    done = subprocess.run(
        [sys.executable, str(FOLDER / 'memory_task.py'), *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'recall error' in done.stdout


def test_many_series_reads_a_folder_and_a_long_frame(tmp_path, machine_code):
    module = load('many_series')
    series = module.visits(3, 2, np.random.default_rng(0))
    folder, long = tmp_path / 'shops', tmp_path / 'long.csv'
    folder.mkdir()
    lines = ['unique_id,ds,y']
    for key, values in series.items():
        cells = [repr(float(value)) for value in values]
        (folder / f'{key}.csv').write_text('\n'.join(['hour,visits', *[f'x,{c}' for c in cells]]))
        lines += [f'{key},{hour:05d},{cell}' for hour, cell in enumerate(cells)][::-1]
    long.write_text('\n'.join(lines))
    options = dict(horizon=12, size=2, updates=4)
    found = [
        module.main(str(p), out=str(tmp_path / 'out.csv'), **options)[0] for p in (folder, long)
    ]
    assert found[0] == found[1]
    rows = (tmp_path / 'out.csv').read_text().splitlines()
    assert rows[0] == 'unique_id,step,forecast,forecast-lo-80,forecast-hi-80'
    assert len(rows) == 1 + 3 * 12
    past, future = module.read(long, ('unique_id', 'ds', 'y'), 12)
    assert {key: len(values) for key, values in future.items()} == dict.fromkeys(series, 12)
    for key, values in series.items():
        np.testing.assert_array_equal(np.concatenate([past[key], future[key]]), values)


def test_many_series_reads_the_files_of_the_m4_competition(tmp_path):
    module = load('many_series')
    (tmp_path / 'Hourly-train.csv').write_text(
        '"V1","V2","V3","V4"\n"H1","1","2",\n"H2","3","4","5"'
    )
    (tmp_path / 'Hourly-test.csv').write_text('"V1","V2","V3"\n"H1","6","7"\n"H2","8","9"')
    past, future = module.read(tmp_path, (), 2)
    assert {key: values.tolist() for key, values in past.items()} == {'H1': [1, 2], 'H2': [3, 4, 5]}
    assert {key: values.tolist() for key, values in future.items()} == {'H1': [6, 7], 'H2': [8, 9]}

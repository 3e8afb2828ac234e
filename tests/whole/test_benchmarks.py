"""The program that measures runs without rnnkit being installed, and hides no error."""

import importlib
import json
import os
import re
import subprocess
import sys
import time

import pytest
from repository import ROOT

RUN = ROOT / 'benchmarks' / 'run.py'


@pytest.fixture
def program(monkeypatch):
    """Return a function that imports a module of benchmarks/."""
    folder = str(ROOT / 'benchmarks')
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], '__file__', '')).startswith(folder):
            del sys.modules[name]


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
    assert re.search(r'^Peak of sgemm, .* by NumPy .*: \d+ GFLOP/s on 1 core', text, re.M)
    head, _, row = text[text.index('| one streamed') :].splitlines()[:3]
    assert head == ('| one streamed time step | rnnkit, ms | of peak, 1 core | of peak, 2 cores |')
    assert re.fullmatch(r'\| gru stream \| \d+\.\d{3} \| 0\.\d\d \| 0\.\d\d \|', row)
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


def test_only_goals_are_printed():
    done = run('--goals', '--peers', '--cpu', 'x86-64-v3')
    assert done.returncode == 0, done.stderr
    assert 'With `--cpu x86-64-v3`, onnxruntime, the matrix products of JAX' in done.stdout
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r'\| one streamed time step, gru stream \| .* \|', last)


FLOPS = {
    'rnn small': 2 * 20 * 32 * (11 * 10 + 10),
    'lstm medium': 2 * 50 * 64 * (192 * 4 * 128 + 128 * 64),
    'gru large': 2 * 100 * 64 * (384 * 3 * 256 + 256 * 10),
    'lstm deep': 2 * 50 * 64 * ((192 + 256 + 256) * 4 * 128 + 128 * 64),
    'lstm bidirectional': 2 * 50 * 64 * (2 * 192 * 4 * 128 + 256 * 64),
    'gru stream': 2 * (128 * 3 * 64 + 64),
}


@pytest.mark.parametrize('name', FLOPS)
def test_flops(name, program):
    workload = program('workloads').WORKLOADS[name]
    assert workload.flops('predict') == workload.flops('step') == FLOPS[name]
    assert workload.flops('train') == 3 * FLOPS[name]


def figures(train, torch, others=0.0):
    """Return figures of a workload: those on one thread, and three quarters of them on two."""
    threads = {'train': {1: train, 2: 0.75 * train}}
    ours = {'train': 0.75 * train, 'threads': threads, 'others': others}
    return {'rnnkit': ours, 'torch': {'train': torch}, 'onnxruntime': {'predict': 1.0}}


def test_goals_that_are_missed_are_bold(program):
    results = {'gru medium': figures(8.0, torch=12.0), 'lstm medium': figures(8.0, torch=7.0)}
    text = program('goals').table(results, {1: 500.0, 2: 650.0})
    # 3 * 2 * 50 * 64 * (192 * 4 * 128 + 128 * 64) flops in 8 ms are 255.6 GFLOP/s; GRU: 196.6
    assert text.splitlines()[2:] == [
        '| training update, lstm medium | 6.000 | **0.86 > 0.75** |  |  | 0.51 | **0.52 < 0.75** |',
        '| training update, gru medium | 6.000 | 0.50 ≤ 0.6 |  |  | 0.39 | **0.40 < 0.7** |',
    ]


def test_peer_that_cannot_train_has_no_column_of_training(program):
    text = program('report').ratios({'gru medium': figures(8.0, torch=12.0)}, 'train', 'update')
    assert text.splitlines() == [
        '| update | rnnkit, ms | / torch |',
        '| --- | ---: | ---: |',
        '| gru medium | 6.000 | 0.50 |',
    ]


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_other_processes_are_noticed(program):
    others = program('others')
    works, sleeps = (
        subprocess.Popen([sys.executable, '-c', code])
        for code in ('while True: pass', 'import time; time.sleep(60)')
    )
    try:
        time.sleep(0.2)  # both have started
        of_sleeper, of_worker = others.Others(), others.Others()
        with of_sleeper.watch(sleeps.pid), of_worker.watch(works.pid):
            time.sleep(1)
    finally:
        for process in (works, sleeps):
            process.kill()
            process.wait()
    # 1 and 0, if the machine does nothing else: a process that is measured does not count.
    assert of_sleeper.cores() - of_worker.cores() > 0.2


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_others_are_not_known_after_too_short_a_time(program):
    watch = program('others').Others()
    with watch.watch(os.getpid()):
        pass
    assert watch.passed > 0
    assert watch.cores() is None


def test_rows_that_others_disturbed_are_named(program):
    others = program('others')
    results = {'rnn small': figures(1.0, 2.0, others=0.31), 'gru small': figures(1.0, 2.0, 0.02)}
    assert others.warnings(results) == [
        '**Other processes were busy**, and the figures are not to be trusted. Cores that they '
        'used on average while a row was measured: rnn small (0.31).'
    ]
    assert others.warnings({'gru small': figures(1.0, 2.0, others=None)}) == []


def test_picture_of_the_readme_is_drawn_from_what_is_stored(program, tmp_path):
    ratios = program('ratios')
    stored = json.loads(ratios.STORED.read_text())
    groups = ratios.rows(stored)
    names = [[name for name, _ in group] for group in groups.values()]
    libraries = ['torch', 'jax', 'keras', 'onnxruntime']
    assert names == [libraries[:3], libraries, libraries, libraries[:3], libraries[:3]]
    times = stored['workloads']['gru small']
    (dot,) = [
        dot
        for peer, dots in groups['Training update']
        for dot in dots
        if peer == 'torch' and dot.ratio == times['rnnkit']['train'] / times['torch']['train']
    ]
    assert (dot.marker, dot.filled) == ('o', False)
    line = r'.+ \(.+\), \d+ cores, \d+ [A-Z][a-z]+ 20\d\d; float32\nPyTorch \d.+'
    assert re.fullmatch(line, ratios.subtitle(stored))
    ratios.draw(stored, tmp_path / 'ratios.png')
    assert (tmp_path / 'ratios.png').stat().st_size > 50_000


def test_processor_is_named(program):
    """As 'AMD EPYC (Zen 4, AVX-512)'; elsewhere than on Linux as 'arm64 (apple-m1, NEON)'."""
    assert re.fullmatch(r'.+ \(.+, (AVX-512|AVX2|NEON|no AVX2)\)', program('ratios').processor())


def test_page_on_speed_finds_its_tables(monkeypatch):
    pytest.importorskip('sphinx')
    monkeypatch.syspath_prepend(str(ROOT / 'docs' / '_ext'))
    tables = importlib.import_module('benchmark_tables')
    text = (ROOT / 'benchmarks' / 'README.md').read_text(encoding='utf-8')
    page = (ROOT / 'docs' / 'speed.rst').read_text(encoding='utf-8')
    wanted = re.findall(r'^\.\. benchmarks:: (.+)$', page, re.MULTILINE)
    assert len(wanted) > 8
    for header in set(wanted) - {'ratios'}:
        rows = tables.table(header, text)
        assert len({len(row) for row in rows}) == 1
        assert len(rows) > 2
        assert not re.search('--', ''.join(rows[1]))
    cells = {row[0]: row for row in tables.table('times torchrecurrent', text)}
    assert float(cells['mgu'][2]) > 1
    with pytest.raises(ValueError, match="no table with 'nothing'"):
        tables.table('nothing', text)

    stored = json.loads((ROOT / 'benchmarks' / 'ratios.json').read_text(encoding='utf-8'))
    rows = {row[0]: row for row in tables.ratios(stored)}
    steps = stored['workloads']['gru stepper']
    ratio = steps['rnnkit']['step'] / steps['jax']['step']
    assert rows['one step, gru'][3] == f'{ratio:.2f}'
    assert rows['update, lstm small'][-1] == ''  # onnxruntime does not train

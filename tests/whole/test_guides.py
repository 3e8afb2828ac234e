"""The guides, which sphinx-gallery runs for the documentation: their form, pictures and results."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import HELPERS, ROOT

import rnnkit

GUIDES = sorted((ROOT / 'docs' / 'guides').glob('*.py'))
NAMES = [guide.stem for guide in GUIDES]
# What a guide prints that it has reached: a pattern, and what its numbers must fulfil.
REACHED = {
    'classify': (r'network (\S+)%\nwithout order +(\S+)%', lambda net, base: net > 90 > base),
    'export': (r'the noise: +(\S+)\n.* the network: (\S+)\n', lambda base, net: net < base / 5),
    'forecast': (r'network (\S+), repeating .* (\S+)\n', lambda net, base: net < base / 2),
    'gaps': (r'with times +(\S+)%[^\0]+GRU, filled  +(\S+)%', lambda net, base: net > 92 > base),
    'generate': (
        r'network +(\S+) bits\nat best +(\S+) bits',
        lambda net, best: best < net < 1.1 * best,
    ),
    'not_learning': (
        r'baseline: (\S+) hPa[^\0]+schedule: (\S+) hPa',
        lambda base, net: net < base / 10,
    ),
    'own_cell': (r'mean: (\S+)[^\0]+gated: (\S+)\n', lambda base, net: net < base / 50),
    'scikit_learn': (r'forest: +(\S+)\nnetwork: +(\S+)\n', lambda base, net: net > base),
    'seq2seq': (r'with attention +(\S+)%\nwithout +(\S+)%', lambda net, base: net > 90 > base),
    'tag': (r'noise +.* F1 (\S+)[^\0]+bidirectional .* F1 (\S+)', lambda base, net: net > 2 * base),
    'tune': (
        r'best of 16: .* (\S+) on test[^\0]+search: .* (\S+) on test',
        lambda best, plain: best > plain + 0.05,
    ),
}


def run(path):
    """Run a guide and look at its pictures; this is what the process of its own does."""
    import matplotlib.pyplot as plt

    plt.show = lambda: None  # all figures stay open
    source = Path(path).read_text(encoding='utf-8')
    exec(compile(source, path, 'exec'), {'__name__': '__main__'})
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert figures, 'there is no picture'
    for figure in figures:
        figure.canvas.draw()  # only then ticks have their labels
        for axes in figure.axes:
            for axis, spec in ((axes.xaxis, 'is_last_row'), (axes.yaxis, 'is_first_col')):
                place = axes.get_subplotspec()
                if place is None or not getattr(place, spec)():
                    continue  # a bar of colors, or the axis of a neighbour
                ticks = ''.join(tick.get_text() for tick in axis.get_ticklabels())
                named = axis.get_label_text() or re.search('[a-z]', ticks)
                assert named, f'an axis of {axes.get_title()!r} has no label'


@pytest.mark.parametrize('guide', GUIDES, ids=NAMES)
def test_a_guide_has_the_form_of_a_guide(guide):
    source = guide.read_text(encoding='utf-8')
    tree = ast.parse(source)
    title, line, empty = ast.get_docstring(tree).splitlines()[:3]
    assert line == '=' * len(title)
    assert not empty
    first = source.index('\n# %%')
    assert 'import rnnkit' in source[:first], 'the first cell must be what one would copy'
    last = source.rpartition('\n# Next')[2]  # where to read on
    assert re.search(r':(doc|ref):`', last)
    assert all(line.startswith('#') for line in last.splitlines()[1:])


@pytest.mark.long
@pytest.mark.parametrize('guide', GUIDES, ids=NAMES)
def test_a_guide_runs_and_reaches_what_it_says(guide, tmp_path):
    paths = [str(HELPERS), str(Path(rnnkit.__file__).parent.parent)]
    environment = {
        **os.environ,
        'MPLBACKEND': 'Agg',
        'PYTHONPATH': os.pathsep.join([*paths, os.environ.get('PYTHONPATH', '')]),
        'RNNKIT_KERNELS': 'on',
        'PYTENSOR_FLAGS': os.environ.get('PYTENSOR_FLAGS', '') + ',mode=NUMBA',
    }
    found = subprocess.run(
        [sys.executable, __file__, guide],
        capture_output=True,
        text=True,
        encoding='utf-8',
        cwd=tmp_path,
        env=environment,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    if guide.stem in REACHED:
        pattern, holds = REACHED[guide.stem]
        numbers = re.search(pattern, found.stdout)
        assert numbers, found.stdout
        assert holds(*map(float, numbers.groups())), found.stdout


if __name__ == '__main__':
    run(sys.argv[1])

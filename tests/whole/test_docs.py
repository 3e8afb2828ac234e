"""The README and the pages of the documentation do what they say.

The Python blocks of a page are run in their order, as one program, in a process of their own.
A comment ``# -> text`` states the repr of the expression before it, and a block of the language
``text`` states what the page prints.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from long_forms import long_unless
from packages import has_pymc
from quick_mode import hasten
from repository import HELPERS, ROOT

import rnnkit

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.rst'))]

# What is replaced to keep the test short: trainings that would run until patience ends them.
SHORTER = {
    'forecast.rst': (
        'rnnkit.Forecaster(horizon=12, season=12, seed=0)',
        'rnnkit.Forecaster(horizon=12, season=12, size=4, updates=4, seed=0)',
    ),
    'pymc.rst': ('pm.sample(500, ', 'pm.sample(10, tune=10, chains=1, '),
    'README.md': (
        "net.train(generate, algo='rmsprop')",
        "net.train(generate, algo='rmsprop', epochs=1, train_batches=2, valid_batches=1)",
    ),
    'first_five_minutes.rst': (
        "net.train(generate, algo='rmsprop')",
        "net.train(generate, algo='rmsprop', epochs=1, train_batches=2, valid_batches=1)",
    ),
}

SHOWN = re.compile(r'^(?! )(.+?)\s+# -> (.+)$', re.MULTILINE)


def blocks(page, language):
    """Yield (number of the first line, text) of each block in this language."""
    lines = page.read_text(encoding='utf-8').splitlines()
    start = f'```{language}' if page.suffix == '.md' else f'.. code-block:: {language}'
    for at, line in enumerate(lines):
        if line.strip() != start:
            continue
        body = []
        for inner in lines[at + 1 :]:
            if inner.startswith('```') or (page.suffix == '.rst' and inner and inner[0] != ' '):
                break
            body.append(inner)
        yield at + 2, textwrap.dedent('\n'.join(body))


def program(page):
    """Return the page's Python blocks as one program, each line where it is on the page."""
    source = ''
    for start, text in blocks(page, 'python'):
        source += '\n' * (start - 1 - source.count('\n')) + text + '\n'
    return source


def checked(source):
    """Turn each statement with a comment ``# -> text`` into one that checks it."""
    return SHOWN.sub(lambda m: f'_shown({m[1]}, {m[2].strip()!r})', source)


def _shown(value, text):
    if repr(value) != text:
        raise AssertionError(f'the page says {text}, it is {value!r}')


def run(path):
    """Run a page; this is what the process of its own does."""
    page = Path(path)
    source = program(page)
    if page.name in SHORTER:
        long, short = SHORTER[page.name]
        if source.count(long) != 1:
            raise AssertionError(f'{page.name} is expected to contain {long!r} once')
        source = source.replace(long, short)
    hasten()
    exec(compile(checked(source), path, 'exec'), {'__name__': '__main__', '_shown': _shown})


# Pages in the mode that users have, because all of their networks are machine code.
COMPILED = {'README.md', 'forecast.rst', 'pymc.rst', 'tune.rst'}


def environment(page):
    """Return the variables of the process that runs a page."""
    paths = [
        str(HELPERS),
        str(Path(rnnkit.__file__).parent.parent),
        os.environ.get('PYTHONPATH', ''),
    ]
    found = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))}
    if page.name in COMPILED:
        found['RNNKIT_KERNELS'] = 'on'
        found['PYTENSOR_FLAGS'] += ',mode=NUMBA'
    return found


def missing(page):
    """Return what a page says that it needs, ``.. needs: pymc``, if that is not there."""
    needs = re.findall(r'^\.\. needs: (\w+)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return [name for name in needs if name != 'pymc' or not has_pymc()]


# The first pages that anyone reads; the others are part of the long form.
FIRST = ('README.md', 'index.rst', 'first_five_minutes.rst')


@pytest.mark.parametrize(
    'page',
    long_unless(lambda page: page.name in FIRST, filter(program, PAGES)),
    ids=lambda page: page.name,
)
def test_page_runs(page, tmp_path):
    if missing(page):
        pytest.skip(f'not installed: {", ".join(missing(page))}')
    done = subprocess.run(
        [sys.executable, __file__, str(page)],
        cwd=tmp_path,
        env=environment(page),
        capture_output=True,
        encoding='utf-8',
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for line, text in blocks(page, 'text'):
        assert text.strip() in done.stdout, f'{page.name}:{line}: not printed; got {done.stdout}'


def test_readme_has_the_two_commands():
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    assert lines.count("pip install '.[plot]' && python examples/memory_task.py") == 1
    assert lines.count("pip install '.[test]' && pytest -n auto --dist worksteal") == 1
    assert sum(line.startswith('pip install') for line in lines) == 2


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs' / 'index.rst').read_text(encoding='utf-8')
    listed = set(re.findall(r'^   (\w+)$', index, re.MULTILINE))
    assert listed == {page.stem for page in PAGES[1:]} - {'index'}


def test_options_table_is_complete():
    from rnnkit.training.options import option_names

    text = (ROOT / 'docs' / 'training.rst').read_text(encoding='utf-8')
    table = set(re.findall(r'^``(\w+)``', text, re.MULTILINE))
    assert set(option_names()) <= table


if __name__ == '__main__':
    run(sys.argv[1])

"""The README and the pages of the documentation do what they say.

The Python blocks of a page are run in their order, as one program, in a process of their own.
A comment ``# -> text`` states the repr of the expression before it, and a block of the language
``text`` states what the page prints. A line of such a block that begins with four spaces continues
the line before it.
"""

import ast
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

# The comment stands behind the expression, or on the next line.
SHOWN = re.compile(r'^(?! )(.+?)[ ]*(\n|[ ])# -> (.+)$', re.MULTILINE)
CONTINUED = re.compile(r'\n {4}(?=\S)')


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
    return SHOWN.sub(lambda m: f'_shown({m[1]}, {m[3].strip()!r}){m[2]}', source)


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
        printed = CONTINUED.sub(' ', text.strip())
        assert printed in done.stdout, f'{page.name}:{line}: not printed; got {done.stdout}'


def test_readme_has_the_two_commands():
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    assert lines.count("pip install '.[plot]' && python examples/memory_task.py") == 1
    assert lines.count("pip install '.[test]' && pytest -n auto --dist worksteal") == 1
    assert sum(line.startswith('pip install') for line in lines) == 2


def test_every_page_is_in_the_index():
    index = (ROOT / 'docs' / 'index.rst').read_text(encoding='utf-8')
    listed = set(re.findall(r'^   (\w+)$', index, re.MULTILINE))
    made = {'index', 'sg_execution_times'}  # the second one by the gallery
    assert listed == {page.stem for page in PAGES[1:]} - made


# The widest line of code that a page shows without a scroll bar, and what a reader scrolls through.
WIDTH, LENGTH = 84, 300

GUIDES = sorted((ROOT / 'docs' / 'guides').glob('*.py'))


def code_lines(page):
    """Yield (number, text) of each line of code that a page, or a guide of the gallery, shows."""
    lines = page.read_text(encoding='utf-8').splitlines()
    if page.suffix == '.py':
        start = ast.parse('\n'.join(lines)).body[0].end_lineno  # the first text is the docstring
        yield from ((n, x) for n, x in enumerate(lines, 1) if n > start and not x.startswith('#'))
        return
    opening = r'```(\S+)' if page.suffix == '.md' else r'\.\. code-block:: *(\S+)'
    for language in sorted(set(re.findall(rf'^{opening}$', '\n'.join(lines), re.MULTILINE))):
        for start, text in blocks(page, language):
            yield from enumerate(text.splitlines(), start)


@pytest.mark.parametrize('page', [*PAGES, *GUIDES], ids=lambda page: page.name)
def test_code_fits_the_page(page):
    wide = [(n, len(x)) for n, x in code_lines(page) if len(x) > WIDTH]
    assert not wide, f'{page.name}: (line, characters) of more than {WIDTH} characters: {wide}'


@pytest.mark.parametrize('page', PAGES[1:], ids=lambda page: page.name)
def test_page_is_short(page):
    length = len(page.read_text(encoding='utf-8').splitlines())
    assert length > 10, f'{page.name} is empty'  # and runs without an error
    assert length <= LENGTH, f'{page.name} has {length} lines, of {LENGTH}: split it'


# What people type into a search engine, and a page must say for them to find it.
SEARCHED = (
    'early stopping',
    'overfitting',
    'time series',
    'validation data',
    'GPU',
    'ONNX',
    'scikit-learn',
    'Jupyter',
    'hidden state',
    'gradient clipping',
    'one-hot',
    'sample weights',
    'normalisation',
    'normalization',
    'attention',
    'hyperparameter',
    'learning-rate schedule',
)


def said(text):
    """Return the searched terms that a text contains, across its line breaks, in any case."""
    joined = ' '.join(text.casefold().split())
    return {term for term in SEARCHED if term.casefold() in joined}


def test_readme_says_what_people_search_for():
    assert said((ROOT / 'README.md').read_text(encoding='utf-8')) == set(SEARCHED)


def test_docs_say_what_people_search_for():
    """In a heading, or in the first lines below one, where a search result shows them."""
    found = set()
    for page in PAGES[1:]:
        text = page.read_text(encoding='utf-8')
        for title, lead in re.findall(r'^(\S.*)\n[=~-]{4,}\n+((?:\S.*\n)*)', text, re.MULTILINE):
            found |= said(f'{title}\n{lead}')
    assert found == set(SEARCHED)


def test_options_table_is_complete():
    from rnnkit.training.options import option_names

    text = (ROOT / 'docs' / 'training.rst').read_text(encoding='utf-8')
    table = set(re.findall(r'^``(\w+)``', text, re.MULTILINE))
    assert set(option_names()) <= table


if __name__ == '__main__':
    run(sys.argv[1])

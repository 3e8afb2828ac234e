"""Check what `python -m build` has made: ``python .ci/check_dist.py dist``, in the repository.

The wheel has the package and nothing else; the sdist has all that its own tests read.
"""

import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

FOLDERS = ('.ci', 'benchmarks', 'docs', 'examples', 'rnnkit', 'tests')
FILES = {
    *('CHANGELOG.md', 'CITATION.cff', 'CONTRIBUTING.md', 'LICENSE', 'MANIFEST.in', 'README.md'),
    *('SECURITY.md', 'pyproject.toml', 'setup.py'),
    *('PKG-INFO', 'setup.cfg'),  # which setuptools writes
}
MADE = ('docs/_build/', 'docs/gallery/', 'docs/generated/', 'docs/reference/', 'docs/sg_execution')
# What a wheel has besides the modules of rnnkit, without the folder of its metadata.
OTHERS = {'rnnkit/py.typed', 'METADATA', 'RECORD', 'WHEEL', 'top_level.txt', 'licenses/LICENSE'}


def in_tree() -> set[str]:
    """Return the files of the repository that are in an sdist."""
    found = (path for folder in FOLDERS for path in Path(folder).rglob('*') if path.is_file())
    names = {path.as_posix() for path in found if '__pycache__' not in path.parts}
    return FILES | {name for name in names if not name.startswith(MADE)}


def wrong_in_wheel(path: Path) -> set[str]:
    """Return the names of files that are missing or do not belong there."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith('/')}
        (info,) = {name.partition('/')[0] for name in names if '.dist-info/' in name}
        metadata = Parser().parsestr(wheel.read(f'{info}/METADATA').decode())
    expected = {f for f in in_tree() if f.startswith('rnnkit/') and f.endswith('.py')}
    expected |= {f if f.startswith('rnnkit/') else f'{info}/{f}' for f in OTHERS}
    wrong = expected ^ names
    if not path.name.endswith('-py3-none-any.whl'):
        wrong.add(path.name)
    if len(metadata.get_all('Project-URL', [])) != 5:
        wrong.add('the URLs of the project')
    return wrong


def wrong_in_sdist(path: Path) -> set[str]:
    """Return the names of files that are missing or do not belong there."""
    with tarfile.open(path) as sdist:
        names = {m.name.partition('/')[2] for m in sdist.getmembers() if m.isfile()}
    return {n for n in names if not n.startswith('rnnkit.egg-info/')} ^ in_tree()


def main(folder: str) -> None:
    """Raise SystemExit unless both are as they should be."""
    (wheel,), (sdist,) = Path(folder).glob('*.whl'), Path(folder).glob('*.tar.gz')
    for path, wrong in ((wheel, wrong_in_wheel(wheel)), (sdist, wrong_in_sdist(sdist))):
        if wrong:
            few = ', '.join(sorted(wrong)[:10])
            sys.exit(f'{path.name}: missing, or not to be there: {few}')
        print(f'{path.name}: {path.stat().st_size / 2**20:.1f} MiB, as it should be')


if __name__ == '__main__':
    main(*sys.argv[1:])

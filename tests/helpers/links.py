"""Links and pictures of pages in Markdown and reStructuredText, and what they lead to.

A link to the project's own addresses is mapped back to the tree, so that it is checked without a
network: the pages on GitHub, the files that it serves as they are, and the pages of the
documentation. Links to other addresses are not followed.
"""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from repository import ROOT

HOME = 'https://github.com/rnnkit/rnnkit'
RAW = 'https://raw.githubusercontent.com/rnnkit/rnnkit/main/'
SITE = 'https://rnnkit.readthedocs.io'
PLACES = {'', 'issues', 'discussions', 'releases', 'security/advisories/new', 'actions', 'pulls'}

FENCE = re.compile(r'^(```|~~~).*?^\1[ ]*$', re.MULTILINE | re.DOTALL)
MARKDOWN = (
    re.compile(r'\]\(\s*<?([^)>\s]+)'),  # [text](target), ![text](target)
    re.compile(r'^\[[^\]]+\]:\s+(\S+)', re.MULTILINE),  # [text]: target
    re.compile(r'\s(?:src|href|srcset)="([^"\s]+)'),
)
LITERAL = re.compile(
    r'^( *)\.\. (?:code-block|code|literalinclude)::.*\n(?:(?:\1 +.*)?\n)+', re.MULTILINE
)
ADDRESS = re.compile(r'<(https?://[^>\s]+)>`_')
PICTURE = re.compile(r'^ *\.\. (?:image|figure|include|literalinclude):: (\S+)', re.MULTILINE)
DOC = re.compile(r':doc:`(?:[^`<]*<)?([^`<>]+)>?`')
CARD = re.compile(r'^ *:link: (\S+)\n *:link-type: doc$', re.MULTILINE)


def of_markdown(text: str) -> list[str]:
    """Return the targets of all links and pictures outside blocks of code."""
    text = re.sub(r'`[^`\n]*`', lambda code: re.sub(r'[\[\]()]', ' ', code[0]), FENCE.sub('', text))
    return [target for form in MARKDOWN for target in form.findall(text)]


def broken_in_markdown(path: Path) -> list[str]:
    """Return the targets of a page in Markdown that are not there."""
    return [t for t in of_markdown(path.read_text(encoding='utf-8')) if not exists(path, t)]


def broken_in_rst(path: Path, docs: Path) -> list[str]:
    """Return the targets of a page of the documentation, or of a guide, that are not there."""
    text = path.read_text(encoding='utf-8')
    folder = path.parent
    if path.suffix == '.py':  # a guide: its text is in comments, and is read from `gallery`
        text, folder = re.sub(r'^# ?', '', text, flags=re.MULTILINE), docs / 'gallery'
    pictures = [t for t in PICTURE.findall(text) if not _place(docs, folder, t).exists()]
    text = LITERAL.sub('\n', text)
    pages = [t for t in DOC.findall(text) + CARD.findall(text) if not _page(docs, folder, t)]
    return pictures + pages + [t for t in ADDRESS.findall(text) if not exists(path, t)]


def _place(docs: Path, folder: Path, target: str) -> Path:
    return docs / target[1:] if target.startswith('/') else folder / target


def _page(docs: Path, folder: Path, target: str) -> bool:
    """Return whether a ``:doc:`` leads to a page."""
    place = _place(docs, folder, target).resolve()
    return place.is_relative_to(docs) and source(place.relative_to(docs), docs) is not None


def source(page: Path, docs: Path) -> Path | None:
    """Return what a page of the documentation, without its ending, is made from."""
    if page.parts[0] == 'gallery':
        guides = {'index': 'README.rst', 'sg_execution_times': 'README.rst'}
        found = docs / 'guides' / guides.get(page.name, f'{page.name}.py')
    elif page.parts[0] in ('generated', 'reference'):
        found = docs / 'api.rst'  # pages that the build makes, of what there is
    elif str(page) in ('genindex', 'search', 'py-modindex'):
        found = docs / 'index.rst'
    else:
        found = docs / f'{page}.rst'
    return found if found.exists() else None


def exists(path: Path, target: str) -> bool:
    """Return whether a link in a file leads somewhere, as far as the tree can tell."""
    target, _, anchor = unquote(target).partition('#')
    if not target:
        return anchor in anchors(path)
    if target.startswith(RAW):
        return not anchor and (ROOT / target.removeprefix(RAW)).is_file()
    if target == SITE or target.startswith(f'{SITE}/'):
        return _is_on_site(target.removeprefix(SITE), anchor)
    if target == HOME or target.startswith(f'{HOME}/'):
        kind, _, rest = target.removeprefix(HOME).strip('/').partition('/main/')
        if kind not in ('blob', 'tree'):
            place = target.removeprefix(HOME).strip('/')
            return place in PLACES or place.startswith('releases/tag/v')
        found = ROOT / rest
        right = found.is_dir() if kind == 'tree' else found.is_file()
        return right and (not anchor or anchor in anchors(found))
    if re.match(r'[a-z][a-z+.-]*:', target):
        return target.startswith(('https://', 'http://', 'mailto:'))
    found = path.parent / target
    return found.exists() and (not anchor or anchor in anchors(found))


def _is_on_site(target: str, anchor: str) -> bool:
    page = re.sub(r'^/(en/(latest|stable)/)?', '', target).removesuffix('.html')
    if page == '' or page.endswith('/'):
        page += 'index'
    elif not target.endswith('.html'):
        return False
    found = source(Path(page), ROOT / 'docs')
    if found is None or not anchor:
        return found is not None
    return anchor in anchors(found) or page.startswith(('generated/', 'reference/'))


def anchors(path: Path) -> set[str]:
    """Return the names of the places in a page that a link can lead to."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.md':
        return _of_headings(re.findall(r'^#+ +(.+?)[ #]*$', FENCE.sub('', text), re.MULTILINE))
    if path.suffix == '.py':
        text = re.sub(r'^# ?', '', text, flags=re.MULTILINE)
    titles = re.findall(r'^(\S.*)\n([=\-~^"])\2{2,}$', text, re.MULTILINE)
    labels = re.findall(r'^\.\. _([^:\n]+):$', text, re.MULTILINE)
    return {_id(title) for title, _ in titles} | {_id(label) for label in labels}


def _of_headings(titles: list[str]) -> set[str]:
    """Return the anchors that GitHub gives to headings; the second of a name ends in -1."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for title in titles:
        shown = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', title)
        slug = re.sub(r'[^\w\- ]', '', shown.lower()).replace(' ', '-')
        found.add(f'{slug}-{seen[slug]}' if seen[slug] else slug)
        seen[slug] += 1
    return found


def _id(title: str) -> str:
    """Return the id that docutils makes of a title or a label."""
    return re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-').lstrip('0123456789-')

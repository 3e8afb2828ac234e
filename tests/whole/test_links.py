"""All links and pictures of the pages lead somewhere; those of README.md also from the index.

The package index shows README.md without the files beside it, so its links must be absolute.
"""

import links
import pytest
from repository import ROOT

DOCS = ROOT / 'docs'
MARKDOWN = sorted(p for folder in (ROOT, ROOT / 'examples', ROOT / 'benchmarks', DOCS)
                  for p in folder.glob('*.md'))  # fmt: skip
PAGES = sorted([*DOCS.glob('*.rst'), *DOCS.glob('guides/*.rst'), *DOCS.glob('guides/*.py')])


@pytest.mark.parametrize('path', MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_markdown_lead_somewhere(path):
    assert links.broken_in_markdown(path) == []


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_documentation_lead_somewhere(path):
    assert links.broken_in_rst(path, DOCS) == []


def test_links_of_the_readme_are_absolute():
    targets = links.of_markdown((ROOT / 'README.md').read_text(encoding='utf-8'))
    assert len(targets) > 5
    assert [t for t in targets if not t.startswith(('https://', '#'))] == []
    # A page on GitHub shows a picture in a frame of its own: an image needs the file itself.
    assert [t for t in targets if '/blob/' in t and t.endswith(('.png', '.svg', '.gif'))] == []


@pytest.mark.parametrize(
    ('target', 'leads'),
    [
        ('docs/saving.rst', True),
        ('docs/nowhere.rst', False),
        ('docs/saving.rst#checkpoints', True),
        ('docs/saving.rst#nowhere', False),
        ('CONTRIBUTING.md#where-code-goes', True),
        ('CONTRIBUTING.md#where-code-went', False),
        (f'{links.HOME}', True),
        (f'{links.HOME}/issues', True),
        (f'{links.HOME}/isues', False),
        (f'{links.HOME}/blob/main/LICENSE', True),
        (f'{links.HOME}/blob/main/LICENCE', False),
        (f'{links.HOME}/blob/main/docs', False),
        (f'{links.HOME}/tree/main/docs', True),
        (f'{links.HOME}/blob/master/LICENSE', False),
        (f'{links.HOME}/blob/main/benchmarks/README.md#method', True),
        (f'{links.HOME}/blob/main/benchmarks/README.md#methods', False),
        (f'{links.RAW}benchmarks/figures.png', True),
        (f'{links.RAW}benchmarks/figure.png', False),
        (f'{links.SITE}/', True),
        (f'{links.SITE}/saving.html', True),
        (f'{links.SITE}/en/latest/saving.html#checkpoints', True),
        (f'{links.SITE}/en/latest/saving.html#checkpoint', False),
        (f'{links.SITE}/saved.html', False),
        (f'{links.SITE}/saving', False),
        (f'{links.SITE}/gallery/index.html', True),
        (f'{links.SITE}/gallery/nothing.html', False),
        ('https://example.org/anything', True),
        ('ftp://example.org', False),
    ],
)
def test_links_are_told_from_broken_ones(target, leads):
    page = ROOT / 'README.md'  # relative targets are beside it
    found = links.of_markdown(f'see [`f(x)`]({target}) and\n```\n[code](nowhere.md)\n```\n')
    assert found == [target]
    assert links.exists(page, target) == leads
    assert links.of_markdown(f'<a href="x"><img alt="a" src="{target}"></a>')[1:] == [target]


def test_broken_links_of_a_page_are_found(tmp_path):
    (tmp_path / 'there.rst').write_text('There\n=====\n')
    page = tmp_path / 'page.rst'
    page.write_text(
        ':doc:`there`, :doc:`a word <there>`, :doc:`gone`, :doc:`one <lost>`\n\n'
        '.. image:: gone.png\n\n.. code-block:: none\n\n   :doc:`example`\n\n'
        f'`text <{links.HOME}/blob/main/gone.md>`_\n\n'
        '.. grid-item-card:: Card\n   :link: away\n   :link-type: doc\n'
    )
    home = f'{links.HOME}/blob/main/gone.md'
    assert links.broken_in_rst(page, tmp_path) == ['gone.png', 'gone', 'lost', 'away', home]

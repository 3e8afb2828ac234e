"""A page for every member of rnnkit's registries, written before Sphinx reads its sources.

Descriptions are taken from docstrings; options with their defaults, shapes and initial values from
the classes. A new member gets its page automatically, and `write` raises an error if one of its
options is not described.
"""

from pathlib import Path

import function_pages
import layer_pages
import training_pages

KINDS = ('layer', 'cell', 'loss', 'rule', 'metric', 'activation', 'initializer', 'regularizer')


def pages() -> dict[str, str]:
    """Return the text of each page, by its path below docs/reference/."""
    return {**layer_pages.pages(), **training_pages.pages(), **function_pages.pages()}


def write(folder: Path) -> None:
    """Write all pages; Sphinx reads only those again whose text has changed."""
    wanted = {folder / f'{name}.rst': text for name, text in pages().items()}
    for old in set(folder.rglob('*.rst')) - set(wanted):
        old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding='utf-8') != text:
            path.write_text(text, encoding='utf-8')


def setup(app):
    """Add the roles ``:layer:`lstm``` and so on, and write the pages."""
    for kind in KINDS:
        app.add_crossref_type(kind, kind, f'single: %s; {kind}')
    # Sphinx looks for its sources after this.
    app.connect('builder-inited', lambda app: write(Path(app.srcdir, 'reference')), priority=100)
    return {'parallel_read_safe': True}

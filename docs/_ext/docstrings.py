"""Docstrings in sections, and the reStructuredText that pages are made of."""

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc, getdoc

RULE = re.compile(r'^(\w[\w ]*)\n-{3,}$', re.MULTILINE)


def sections(thing: object) -> dict[str, str]:
    """Return the sections of a docstring by title; the text before the first is ``''``."""
    first, *rest = RULE.split(getdoc(thing) or '')
    titled = dict(zip(rest[::2], rest[1::2], strict=True))
    return {'': first.strip(), **{title: text.strip('\n') for title, text in titled.items()}}


def entries(text: str) -> dict[str, tuple[str, str]]:
    """Return (type, description) of each name in a section such as Parameters."""
    found: dict[str, tuple[str, str]] = {}
    for block in re.split(r'\n(?=\S)', text.strip('\n')) if text.strip() else ():
        head, _, body = block.partition('\n')
        names, _, kind = head.partition(' : ')
        for name in names.removesuffix(', ...').split(','):
            found[name.strip()] = (kind.strip(), cleandoc(f'\n{body}'))
    return found


def title(text: str) -> str:
    """Return the title of a page."""
    return f'{text}\n{"=" * len(text)}\n'


def heading(text: str) -> str:
    """Return the title of a section."""
    return f'{text}\n{"-" * len(text)}\n'


def indented(text: str, by: int) -> str:
    """Indent all lines but the first."""
    return text.replace('\n', '\n' + ' ' * by)


def table(kind: str, widths: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of the class `kind`, for the style sheet."""
    lines = ['.. list-table::', f'   :class: {kind}', '   :header-rows: 1', f'   :widths: {widths}']
    lines.append('')
    for row in (header, *rows):
        for k, cell in enumerate(row):
            lines.append(f'   {" *"[k == 0]} - {indented(cell, 7)}'.rstrip())
    return re.sub(r'\n +\n', '\n\n', '\n'.join(lines)) + '\n'


def code(text: str) -> str:
    """Return a block of Python."""
    return f'.. code-block:: python\n\n   {indented(text, 3)}\n'


def quoted(kind: str) -> str:
    """Return a type as text, with its strings as literals."""
    return re.sub(r"'[^']*'", lambda match: f'``{match[0]}``', kind.replace('*', r'\*'))


def shown(value: object) -> str:
    """Return a default as a literal; numbers with at most four digits that count."""
    if isinstance(value, float) and len(repr(value)) > 8:
        return f'``{value:.4g}``'
    return f'``{value!r}``'


def anchor(kind: str, name: str) -> str:
    """Return the label of a member: ``loss-xe``."""
    return f'{kind}-{re.sub("[^a-z0-9]+", "-", name.lower())}'


def names_of(registry: Iterable[str]) -> list[list[str]]:
    """Return the names of each member of a registry, the first of which is its own.

    What a program has added is left out.
    """
    found: dict[int, list[str]] = {}
    for name in registry:
        if is_ours(registry[name]):
            found.setdefault(id(registry[name]), []).append(name)
    return list(found.values())


def is_ours(member: object) -> bool:
    """Return whether a member comes from rnnkit, or is an Op of PyTensor."""
    defined = getattr(member, 'cell_class', None) or member
    module = getattr(defined, '__module__', None) or type(defined).__module__
    return module.partition('.')[0] in ('rnnkit', 'pytensor')


def aliases(names: list[str]) -> str:
    """Return a sentence about the other names of a member, if there are any."""
    others = ' or '.join(f"``'{name}'``" for name in names[1:])
    return f'It may also be written {others}.\n' if others else ''


def summary(thing: object) -> str:
    """Return the first sentence or line of a docstring."""
    return ' '.join(sections(thing)[''].split('\n\n')[0].split())


def summaries(kind: str, names: Iterable[str], registry: Mapping[str, object]) -> str:
    """Return a table of members, with links to their pages."""
    rows = [[f':{kind}:`{name}`', summary(registry[name])] for name in sorted(names)]
    return table('summaries', '20 80', ('name', 'what it is'), rows)


def end(parts: dict[str, str]) -> str:
    """Return the last sections of a docstring."""
    text = ''
    for name in ('Raises', 'Notes', 'References', 'Examples'):
        if name in parts:
            # The names of errors become links.
            body = re.sub(r'^(\w+)$', r'`rnnkit.\1`', parts[name], flags=re.MULTILINE)
            text += f'\n{heading(name)}\n{body if name == "Raises" else parts[name]}\n'
    return text

"""A page for each kind of small functions: activations, initializers and regularizers."""

import inspect

from docstrings import (
    aliases,
    anchor,
    code,
    entries,
    heading,
    names_of,
    sections,
    summaries,
    table,
    title,
)
from training_pages import HEADER, rows

import rnnkit
from rnnkit.activations import Learned, activations
from rnnkit.initializers import changed, initializers
from rnnkit.regularizers import regularizers

# What the options of several regularizers mean: (type, meaning).
PATTERNS = {
    'pattern': (
        'str, optional',
        "A pattern of names, such as ``'hid*.hh'`` or ``'hid1:out'``; by default all.",
    ),
    'wrt': ('str', 'A pattern of the names of the inputs by which the derivative is taken.'),
}
NUMBERED = {
    'maxout': 'maxout:4',
    'affine': 'affine:2:0.5',
    'leaky_relu': 'leaky_relu:0.01',
    'alpha_elu': 'alpha_elu:0.5',
    'threshold_relu': 'threshold_relu:1.0',
}
INTRODUCTIONS = {
    'activation': "An activation is written by its name in a layer: ``(8, 'relu')``, or "
    "``dict(form='gru', size=8, activation='relu')``. Several in a row are joined by a plus, "
    "``'relu+norm:z'``; :doc:`/layers` says more. In these formulas, x is the argument, and "
    'functions of features are of the last axis.\n',
    'initializer': 'An initializer gives the first value of a parameter: '
    "``dict(form='rnn', size=8, hh='identity')``, or with keywords, "
    "``hh=dict(form='orthogonal', radius=1.1)``. n\\ :sub:`in` is the number of inputs of a unit, "
    'n\\ :sub:`out` that of outputs. Matrices with gates are drawn gate by gate.\n',
    'regularizer': 'A regularizer is a term that is added to the loss, and an option of '
    "``net.train``: ``weight_l2=1e-3``, or ``weight_l2=dict(weight=1e-3, pattern='hid*.hh')`` "
    'with options. :doc:`/regularization` explains them.\n',
}


def pages() -> dict[str, str]:
    """Return the text of the pages, by path."""
    return {
        'activations': page('activation', 'Activations', activations, _activation),
        'initializers': page('initializer', 'Initializers', initializers, _initializer),
        'regularizers': page('regularizer', 'Regularizers', regularizers, _regularizer),
    }


def page(kind: str, name: str, registry: rnnkit.common.registry.Registry, section) -> str:
    """Return the page of a kind, with a section for each member."""
    found = {names[0]: names for names in names_of(registry)}
    texts = []
    for member, names in found.items():
        parts = sections(registry[member])
        texts += [
            f'.. _{anchor(kind, member)}:\n',
            heading(member),
            *(f'.. {kind}:: {alias}\n' for alias in names),
            f'.. py:currentmodule:: rnnkit.{kind}s\n',
            _public(getattr(rnnkit, f'{kind}s'), registry[member]),
            parts[''],
            '',
            aliases(names),
            section(member, parts),
        ]
        if 'References' in parts:
            texts.append(f'.. rubric:: References\n\n{parts["References"]}\n')
    return '\n'.join(
        [
            f'.. _{kind}s_reference:\n',
            title(name),
            f'.. py:module:: rnnkit.{kind}s\n',
            INTRODUCTIONS[kind],
            summaries(kind, found, registry),
            _all_have(kind),
            *texts,
        ]
    )


def _public(room: object, thing: object) -> str:
    """Return the directive that lets others refer to a function, if it is public."""
    if getattr(room, thing.__name__, None) is not thing:
        return ''
    kind, arguments = 'class', ''
    if not isinstance(thing, type):
        kind, arguments = 'function', f'({", ".join(inspect.signature(thing).parameters)})'
    return f'.. py:{kind}:: {thing.__name__}{arguments}\n   :module: {room.__name__}\n'


def _all_have(kind: str) -> str:
    """Return the options that all members of a kind have."""
    if kind == 'initializer':
        found = entries(sections(changed)['Parameters'])
        options = dict.fromkeys(('gain', 'sparsity', 'radius'))
        text = 'All initializers have these keywords, which change the values that they draw:\n\n'
    elif kind == 'regularizer':
        found = {'weight': ('float, at least 0', 'The factor of the term in the loss.')}
        options = {'weight': None}
        text = 'All regularizers have this option:\n\n'
    else:
        return ''
    return text + table('options', '22 18 60', HEADER, rows(kind, options, found)) + '\n'


def _activation(name: str, parts: dict[str, str]) -> str:
    """Return what a section says besides the docstring."""
    member, text = activations[name], ''
    spec = NUMBERED.get(name, name)
    if isinstance(member, type) and issubclass(member, Learned):
        argument = spec.partition(':')[2] if name in NUMBERED else None
        learned = member(argument)
        found = [
            [f'``{param}``', _shape(shape), _start(learned.initial[param])]
            for param, shape in learned.shapes(8).items()
        ]
        if found:
            text = 'Its parameters are trained with those of the layer:\n\n'
            text += table('weights', '20 30 50', ('name', 'shape', 'initial value'), found) + '\n'
    return text + code(f"net = rnnkit.Regressor([3, ('gru', 8), (8, '{spec}'), 1])")


def _shape(shape: tuple[int, ...]) -> str:
    named = ['size' if length == 8 else 'k' for length in shape]
    return '(' + ', '.join(named) + (',)' if len(named) == 1 else ')')


def _start(value: object) -> str:
    return f'{value:g}' if isinstance(value, float) else 'as the text says'


def _initializer(name: str, parts: dict[str, str]) -> str:
    """Return the keywords of an initializer, and how it is written."""
    signature = list(inspect.signature(initializers[name]).parameters.values())[2:]
    options = {one.name: one.default for one in signature}
    text = ''
    if options:
        found = entries(parts.get('Parameters', ''))
        text = table('options', '22 18 60', HEADER, rows(f'initializer {name!r}', options, found))
    keywords = ''.join(f', {key}={value!r}' for key, value in options.items())
    start = f"dict(form='{name}'{keywords})" if keywords else f"'{name}'"
    return f'{text}\n' + code(
        f"net = rnnkit.Regressor([3, dict(form='rnn', size=8, hh={start}), 1])"
    )


def _regularizer(name: str, parts: dict[str, str]) -> str:
    """Return the options of a regularizer, and how it is written."""
    signature = list(inspect.signature(regularizers[name]).parameters.values())[1:]
    options = {one.name: one.default for one in signature}
    found = {**PATTERNS, **entries(parts.get('Parameters', ''))}
    text = table('options', '22 18 60', HEADER, rows(f'regularizer {name!r}', options, found))
    return f'{text}\n' + code(f'net.train([x, y], {name}=1e-3)')

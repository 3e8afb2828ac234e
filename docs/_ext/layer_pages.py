"""A page for every layer."""

import inspect
import re
from functools import cache

from docstrings import (
    aliases,
    anchor,
    code,
    end,
    entries,
    heading,
    names_of,
    quoted,
    sections,
    shown,
    summaries,
    table,
    title,
)

import rnnkit
from rnnkit import cells, layers
from rnnkit.layers import registry
from rnnkit.layers.base import COMMON
from rnnkit.layers.recurrent import Recurrent

SIZED = "rnnkit.Regressor([3, ('{}', 8), 1])"
WITH = "rnnkit.Regressor([3, dict(form='{}', size=8, {}), 1])"
POOLED = "rnnkit.Classifier([3, ('gru', 8), '{}', 2])"
JOINED = (
    "rnnkit.Regressor([3, ('gru', 8), ('gru', 8), dict(form='{}', inputs=('hid1', 'hid2')), 1])"
)

# What a layer is shown in. A new one is shown as SIZED, or with its name alone if it has no size.
EXAMPLES = {
    'antisymmetric': WITH.format('antisymmetric', 'epsilon=0.05'),
    'bcrnn': WITH.format('bcrnn', 'num_modules=4'),
    'cfc': WITH.format('cfc', 'backbone_units=32'),
    'clockwork': WITH.format('clockwork', 'periods=(1, 2, 4, 8)'),
    'cornn': WITH.format('cornn', 'dt=0.05, gamma=2.0'),
    'gru': WITH.format('gru', "reset='before'"),
    'indrnn': WITH.format('indrnn', 't_max=200'),
    'janet': WITH.format('janet', 't_max=200'),
    'lem': WITH.format('lem', 'dt=0.5'),
    'lru': WITH.format('lru', 'r_min=0.9, r_max=0.999'),
    'lstm': WITH.format('lstm', "peepholes=True, dropout=0.2, h_0='learn'"),
    'mrnn': WITH.format('mrnn', 'factors=4'),
    'rhn': WITH.format('rhn', 'depth=2'),
    'rnn': WITH.format('rnn', "activation='relu'"),
    'rrnn': WITH.format('rrnn', "rate='vector'"),
    'attention': """rnnkit.Regressor([
    3,
    dict(form='gru', size=6, name='encoder'),
    dict(form='input', size=1, name='before'),
    dict(form='gru', size=6, h_0='encoder'),
    dict(form='attention', size=8, memory='encoder'),
    1,
])""",
    'bidirectional': WITH.format('bidirectional', "worker='lstm', merge='concat'"),
    'concatenate': JOINED.format('concatenate'),
    'conv1': WITH.format('conv1', "filter_size=5, border_mode='causal'"),
    'dropout': "rnnkit.Regressor([3, ('gru', 8), ('dropout', 0.5), 1])",
    'embedding': "rnnkit.Classifier([1000, ('embedding', 8), ('gru', 8), 'last', 2])",
    'feedforward': "rnnkit.Regressor([3, ('gru', 8), (8, 'tanh'), 1])",
    'flatten': "rnnkit.Classifier([3, ('gru', 8), ('flatten', 10), 2])",
    'input': "rnnkit.Regressor([dict(form='input', size=3, name='speed'), ('gru', 8), 1])",
    'last': POOLED.format('last'),
    'layernorm': "rnnkit.Regressor([3, ('gru', 8), 'layernorm', 1])",
    'max': POOLED.format('max'),
    'mean': POOLED.format('mean'),
    'product': JOINED.format('product'),
    'repeat': "rnnkit.Regressor([3, ('gru', 8), 'last', ('repeat', 10), ('gru', 8), 1])",
    'reshape': "rnnkit.Regressor([40, dict(form='reshape', shape=(10, 4)), ('gru', 8), 1])",
    'classifier': "rnnkit.Classifier([3, ('gru', 8), ('softmax', 2)])",
    'standardize': "rnnkit.Regressor([3, 'standardize', ('gru', 8), 1])",
    'sum': JOINED.format('sum'),
    'tied': """rnnkit.Classifier([
    1000,
    dict(form='embedding', size=8, name='words'),
    ('lstm', 8),
    dict(form='tied', partner='words'),
])""",
}
# What the numbers in these examples stand for.
LETTERS = {3: 'I', 8: 'size', 5: 'K', 6: 'M', 1000: 'V'}
MEANINGS = {
    'I': 'the number of inputs',
    'K': 'the length of the filters',
    'M': 'the number of features of the memory',
    'V': 'the size of the vocabulary',
    'H': 'the size of the layer',
}
OWN_SIGNATURE = ('worker', 'merge')  # options that are arguments of a constructor
# Initial values that are functions, or numbers computed from options, are explained by the text.
COMPUTED = 'computed, see above'


def pages() -> dict[str, str]:
    """Return the text of the page of each layer, and of their list."""
    found = {names[0]: names for names in names_of(registry)}
    found = {form: names for form, names in found.items() if form == registry[form].form}
    texts = {f'layers/{form}': page(form, names) for form, names in found.items()}
    return {**texts, 'layers/index': index(found)}


def is_recurrent(form: str) -> bool:
    """Return whether a layer is a cell that is applied at every step."""
    return issubclass(registry[form], Recurrent)


def target(form: str) -> str:
    """Return the public name of the class: of the cell, if there is one."""
    kind = registry[form]
    room, kind = (cells, kind.cell_class) if is_recurrent(form) else (layers, kind)
    if getattr(room, kind.__name__, None) is not kind:
        raise NameError(f'{room.__name__} does not export {kind.__name__}, the layer {form!r}')
    return f'{room.__name__}.{kind.__name__}'


def example(form: str) -> str:
    """Return an expression that makes a network with the layer."""
    simple = SIZED if registry[form].sized else "rnnkit.Regressor([3, ('gru', 8), '{}', 1])"
    return EXAMPLES.get(form, simple.format(form))


def page(form: str, names: list[str]) -> str:
    """Return the page of a layer."""
    parts = sections(registry[form])
    module, _, name = target(form).rpartition('.')
    return '\n'.join(
        [
            f'.. _{anchor("layer", form)}:\n',
            title(f'{form} layer'),
            *(f'.. layer:: {alias}\n' for alias in names),
            f'.. py:currentmodule:: {module}\n',
            f'.. py:class:: {name}\n   :module: {module}\n',
            parts[''],
            '',
            aliases(names),
            heading('Example'),
            code(f'import rnnkit\n\nnet = {example(form)}'),
            _options(form, parts),
            _weights(form),
            _outputs(form),
            end(parts),
        ]
    )


def described(form: str, parts: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return type and description of each option that a layer has of its own."""
    found = entries(parts.get('Parameters', ''))
    own = registry[form].options
    common = entries(sections(Recurrent)['Parameters']) if is_recurrent(form) else {}
    starts = (
        {f'{part}_0' for part in registry[form].cell_class.state._fields}
        if is_recurrent(form)
        else ()
    )
    names = {name: name for name in own if name not in common and name not in starts}
    names |= {name: name for name in found if name not in own and name not in COMMON}
    for name in names:
        if not all(found.get(name, ('', ''))):
            raise ValueError(f'layer {form!r}: its docstring does not describe {name!r}')
    return {name: found[name] for name in names}


def _options(form: str, parts: dict[str, str]) -> str:
    """Return the table of options."""
    signature = inspect.signature(registry[form].__init__).parameters
    defaults = {name: one.default for name, one in signature.items() if name in OWN_SIGNATURE}
    defaults |= registry[form].options
    rows = []
    for name, (kind, text) in described(form, parts).items():
        optional = 'optional' in kind or name not in defaults or defaults[name] is not None
        default = shown(defaults[name]) if name in defaults else ''
        default = default if optional else 'none: required'
        rows.append([f'``{name}``', default, _meaning(kind, text)])
    common = 'All layers have ``size``, ``name``, ``inputs``, ``trainable`` and initial values: '
    common += 'see `rnnkit.Layer`.\n'
    text = heading('Options') + '\n'
    if rows:
        text += table('options', '22 18 60', ('option', 'default', 'meaning'), rows) + '\n'
    if is_recurrent(form):
        text += 'All recurrent layers have these:\n\n' + _of_recurrent(form) + '\n'
    return text + common


def _of_recurrent(form: str) -> str:
    """Return the table of the options that all recurrent layers have."""
    found = entries(sections(Recurrent)['Parameters'])
    starts = [f'{part}_0' for part in registry[form].cell_class.state._fields]
    rows = [[', '.join(f'``{name}``' for name in starts), '``None``', _meaning(*found['h_0'])]]
    for name in ('direction', 'bptt_limit', 'dropout', 'zoneout'):
        rows.append([f'``{name}``', shown(registry[form].options[name]), _meaning(*found[name])])
    return table('options', '22 18 60', ('option', 'default', 'meaning'), rows)


def _meaning(kind: str, text: str) -> str:
    """Return the cell of a table that says what an option is."""
    return f'{quoted(kind)}\n\n{text}'


def _weights(form: str) -> str:
    """Return the table of parameters, with shapes and initial values."""
    rows, letters = (_of_cell if is_recurrent(form) else _of_layer)(form)
    if not rows:
        return ''
    known = [f'{letter} is {MEANINGS[letter]}' for letter in MEANINGS if letter in letters]
    header = ('name', 'shape', 'initial value')
    text = f'\n{heading("Parameters")}\n{table("weights", "20 30 50", header, rows)}\n'
    text += '; '.join(known) + '.\n' if known else ''
    if is_recurrent(form) and len(registry[form].cell_class.gates) > 1:
        blocks = ' '.join(registry[form].cell_class.gates)
        text += f'\nColumn blocks of the parameters with several, in order: ``{blocks}``.\n'
    return text


@cache
def network(form: str) -> tuple[rnnkit.Network, object]:
    """Return the network of the example, and the layer in it."""
    source = example(form)
    if form == 'attention':  # other numbers of inputs than of features of the memory
        source = source.replace("size=6, h_0='encoder'", 'size=3')
    net = eval(source, {'rnnkit': rnnkit})
    return net, next(layer for layer in net.layers if isinstance(layer, registry[form]))


def _of_layer(form: str) -> tuple[list[list[str]], str]:
    """Return the rows of the parameters of a layer without a cell, and the letters in them."""
    layer, rows = network(form)[1], []
    for name, shape in layer.shapes().items():
        named = [LETTERS.get(length, str(length)) for length in shape]
        rows.append([f'``{name}``', _shape(named), _start(layer.starts().get(name, 0.0))])
    return rows, ' '.join(row[1] for row in rows)


def _of_cell(form: str) -> tuple[list[list[str]], str]:
    """Return the rows of the parameters of a recurrent layer, and the letters in them."""
    cell, rows = network(form)[1].cell, []
    kind = type(cell)
    required = {name: getattr(cell, name) for name, value in cell.options.items() if value is None}
    plain = kind(**{name: value for name, value in required.items() if _is_needed(kind, name)})
    with_options = _variants(kind, plain, entries(sections(kind).get('Parameters', '')))
    initial = {'xh': 'glorot', 'hh': 'orthogonal', **kind.initial, **plain.initial}
    added = {name: kind.params[name] for name in with_options if name in kind.params}
    for name, axes in {**plain.params, **added}.items():
        only = f'; with ``{with_options[name]}``' if name in with_options else ''
        rows.append([f'``{name}``', _shape(axes), _start(initial.get(name, 0.0)) + only])
    return rows, ' '.join(row[1] for row in rows)


def _is_needed(kind: type, name: str) -> bool:
    try:
        kind(**{name: None})
    except rnnkit.RnnkitError:
        return True
    return False


def _variants(kind: type, plain: object, described: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Return which option adds a parameter that the cell does not have by default."""
    found: dict[str, str] = {}
    for name, default in kind.options.items():
        values = [not default] if isinstance(default, bool) else []
        if described.get(name, ('',))[0].startswith('{'):
            values = re.findall(r"'(\w+)'", described[name][0])
        elif default is None:
            values = [2]
        for value in values:
            try:
                cell = kind(**{name: value})
            except rnnkit.RnnkitError:
                continue
            for param in cell.params:
                if param not in plain.params:
                    found.setdefault(param, f'{name}={value!r}')
    return found


def _shape(axes: list[str]) -> str:
    return '(' + ', '.join(axes) + (',)' if len(axes) == 1 else ')')


def _start(value: object) -> str:
    """Return an initial value as text."""
    if isinstance(value, str):
        return f':initializer:`{value}`'
    if isinstance(value, dict) and 'form' not in value:
        return ', '.join(f'{gate}: {_start(start)}' for gate, start in value.items()) + '; else 0'
    if isinstance(value, dict):
        keywords = ', '.join(f'{key}={number!r}' for key, number in value.items() if key != 'form')
        if isinstance(value['form'], str):
            return (
                f'{_start(value["form"])} with ``{keywords}``'
                if keywords
                else _start(value['form'])
            )
        return COMPUTED
    return f'{value:g}' if isinstance(value, int | float) else COMPUTED


def _outputs(form: str) -> str:
    """Return what a recurrent layer gives to others; the docstrings of other layers say it."""
    if not is_recurrent(form):
        return ''
    cell = network(form)[1].cell
    main = () if cell.has_own_output else cell.state._fields[:1]
    others = [part for part in cell.state._fields if part not in main]
    named = ', '.join(["``'out'``", *(f"``'{part}'``" for part in others)])
    ends = ', '.join(["``'last'``", *(f"``'last_{part}'``" for part in others)])
    what = f'the state ``{main[0]}``' if main else 'computed from the states'
    return (
        f'\n{heading("Outputs")}\n'
        f"``'out'``, the main output, is {what}. At each step, (T, B, width): {named}. After the "
        f'last step, (B, width): {ends}.\n'
    )


def index(found: dict[str, list[str]]) -> str:
    """Return the page that lists all layers."""
    recurrent = [form for form in found if is_recurrent(form)]
    others = [form for form in found if not is_recurrent(form)]
    listed = '\n'.join(f'   {form} <{form}>' for form in sorted(found))
    return '\n'.join(
        [
            '.. _layers_reference:\n',
            title('Layers'),
            "Each layer is written by its name in the list of a network: ``('lstm', 32)``, or "
            "``dict(form='lstm', size=32, peepholes=True)`` with options. :doc:`/layers` "
            'explains how they work together, and :doc:`/cells` which recurrent one to choose.\n',
            heading('Recurrent layers'),
            summaries('layer', recurrent, registry),
            heading('Other layers'),
            summaries('layer', others, registry),
            f'.. toctree::\n   :hidden:\n\n{listed}\n',
        ]
    )

"""A page for every loss, update rule and metric."""

import inspect

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
from rnnkit.losses import Loss, losses
from rnnkit.metrics import metrics
from rnnkit.optimizers import optimizers

HEADER = ('option', 'default', 'meaning')

# Networks with each loss; a new loss is shown in a Regressor with one output.
LOSSES = {
    'xe': "rnnkit.Classifier([3, ('gru', 8), 4], loss=dict(form='xe', smoothing=0.1))",
    'hinge': "rnnkit.Classifier([3, ('gru', 8), 4], loss='hinge')",
    'kl': "rnnkit.Regressor([3, ('gru', 8), (4, 'softmax')], loss='kl')",
    'gll': """rnnkit.Regressor([
    3,
    ('gru', 8),
    dict(size=1, name='covar', activation='softplus'),
    dict(size=1, name='mean', inputs='hid1'),
], loss='gll')""",
    'gaussian': "rnnkit.Regressor([3, ('gru', 8), 2], loss='gaussian')",
    'student': "rnnkit.Regressor([3, ('gru', 8), 2], loss=dict(form='student', df=4))",
    'huber': "rnnkit.Regressor([3, ('gru', 8), 1], loss=dict(form='huber', delta=0.5))",
    'quantile': "rnnkit.Regressor([3, ('gru', 8), 2], loss=dict(form='quantile', q=[0.1, 0.9]))",
    'poisson': "rnnkit.Regressor([3, ('gru', 8), (1, 'exp')], loss='poisson')",
    'mmd': "rnnkit.Regressor([3, ('gru', 8), 1], loss=dict(form='mmd', kernel=0.5))",
}
# The hyperparameters that several rules share: (type, meaning).
RATE = ('float above 0, or a schedule', 'The learning rate α, by which steps are multiplied.')
HALF_LIFE = (
    'The half-life of the moving average of {}, in updates: a past value has half its weight '
    'after so many. `rnnkit.optimizers.halflife` computes it from a decay.'
)
HYPERPARAMETERS = {
    'learning_rate': RATE,
    'beta1_halflife': ('float above 0', HALF_LIFE.format('the gradient')),
    'beta2_halflife': ('float above 0', HALF_LIFE.format("the gradient's square")),
    'rms_halflife': ('float above 0', HALF_LIFE.format('squares')),
    'rms_regularizer': ('float above 0', 'The number ε, which keeps a divisor from being 0.'),
    'weight_decay': (
        'float, at least 0',
        'The number λ: in each update, all parameters shrink by λ times the learning rate.',
    ),
    'momentum_halflife': (
        'float above 0',
        'The half-life h of the rise of the momentum, in updates.',
    ),
    'rprop_increase': (
        'float above 1',
        'The factor of a step size while the gradient keeps its sign.',
    ),
    'rprop_decrease': (
        'float below 1',
        'The factor of a step size when the gradient changes its sign.',
    ),
    'rprop_min_step': ('float, at least 0', 'The smallest step size.'),
    'rprop_max_step': ('float above 0', 'The largest step size.'),
    'lbfgs_memory': (
        'int, at least 1',
        'The number of latest steps that the curvature follows from.',
    ),
}
# Arguments with which each kind of metric is shown.
SCORED = {
    'numbers': '[1.0, 2.0, 3.0], [1.0, 2.5, 3.0]',
    'labels': '[0, 1, 1, 2], [0, 1, 2, 2]',
    'binary': '[0, 1, 1, 0], [0.2, 0.9, 0.4, 0.1]',
    'probabilities': '[0, 1], [[0.9, 0.1], [0.5, 0.5]]',
}
TARGETS = {
    None: 'any',
    'numbers': 'numbers, of the shape of the output',
    'labels': 'class labels: whole numbers from 0, or names',
    'binary': '0 or 1; the output is the probability of 1',
}


def pages() -> dict[str, str]:
    """Return the text of all pages, by path."""
    texts = {}
    kinds = (
        ('loss', 'losses', 'losses', 'Losses', losses, loss_page),
        ('rule', 'rules', 'optimizers', 'Update rules', optimizers, rule_page),
        ('metric', 'metrics', 'metrics', 'Metrics', metrics, metric_page),
    )
    for kind, folder, room, heading_text, registry, page in kinds:
        found = {names[0]: names for names in names_of(registry)}
        for name, names in found.items():
            texts[f'{folder}/{name}'] = page(name, names)
        listed = '\n'.join(f'   {name} <{name}>' for name in sorted(found))
        texts[f'{folder}/index'] = '\n'.join(
            [
                f'.. _{folder}_reference:\n',
                title(heading_text),
                f'.. py:module:: rnnkit.{room}\n',
                INTRODUCTIONS[kind],
                summaries(kind, found, registry),
                f'.. toctree::\n   :hidden:\n\n{listed}\n',
            ]
        )
    return texts


INTRODUCTIONS = {
    'loss': "A loss is what training minimizes: ``loss='huber'``, or ``loss=dict(form='huber', "
    'delta=0.5)`` with options. :doc:`/losses` explains targets, weights and further losses.\n',
    'rule': "An update rule, or optimizer, is chosen by ``algo='adam'`` in ``net.train``, and its "
    'options are options of ``train``. :doc:`/optimizers` explains schedules of the learning rate, '
    'momentum and gradient clipping, which go with all of them.\n',
    'metric': 'A metric says how good outputs are. It is a function of targets, outputs and '
    "weights; and a monitor, by its name: ``net.evaluate(x, y, monitors='mae')``, or "
    "``net.train(..., monitors='mae')`` for each epoch. :ref:`monitors` explains those.\n",
}


def top(kind: str, name: str, names: list[str], what: str) -> list[str]:
    """Return the label, the title and the targets of links of a page."""
    return [
        f'.. _{anchor(kind, name)}:\n',
        title(f'{name} {what}'),
        *(f'.. {kind}:: {alias}\n' for alias in names),
    ]


def public(room: object, thing: object) -> str:
    """Return the directive that makes the page that of a class or function."""
    name = thing.__name__
    if getattr(room, name, None) is not thing:
        raise NameError(f'{room.__name__} does not export {name}')
    head = f'.. py:currentmodule:: {room.__name__}\n\n'
    if isinstance(thing, type):
        return f'{head}.. py:class:: {name}\n   :module: {room.__name__}\n'
    arguments = ', '.join(
        one.name if one.default is one.empty else f'{one.name}={one.default!r}'
        for one in inspect.signature(thing).parameters.values()
    )
    return f'{head}.. py:function:: {name}({arguments})\n   :module: {room.__name__}\n'


def rows(
    where: str, options: dict[str, object], found: dict[str, tuple[str, str]]
) -> list[list[str]]:
    """Return the rows of a table of options."""
    missing = [name for name in options if not all(found.get(name, ('', '')))]
    if missing:
        raise ValueError(f'{where}: nothing describes {", ".join(missing)}')
    return [
        [f'``{name}``', shown(value), f'{quoted(found[name][0])}\n\n{found[name][1]}']
        for name, value in options.items()
    ]


def facts(known: list[tuple[str, str]]) -> str:
    """Return a list of facts."""
    return '\n'.join(f'- **{name}:** {text}' for name, text in known) + '\n'


def loss_page(name: str, names: list[str]) -> str:
    """Return the page of a loss."""
    loss, parts = losses[name], sections(losses[name])
    shown_in = LOSSES.get(name, f"rnnkit.Regressor([3, ('gru', 8), 1], loss='{name}')")
    known = [
        (
            'Targets',
            'class labels, whole numbers of shape (T, B), or (B,) without time'
            if loss.integer_targets
            else 'an array (T, B, O), or (B, O) without time',
        ),
        ('Reads', f"the output ``'{loss.output}'`` of the last layer"),
        (
            'Activation of the last layer',
            quoted(repr(loss.activation)) if loss.activation else 'any',
        ),
    ]
    if loss.draw is not Loss.draw:
        known.append(('Samples', '`rnnkit.Regressor.generate` draws from it'))
    own = sorted(
        method
        for method, value in vars(loss).items()
        if inspect.isfunction(value) and not method.startswith('_') and not hasattr(Loss, method)
    )
    options = ''
    if loss.options:
        found = rows(f'loss {name!r}', loss.options, entries(parts.get('Parameters', '')))
        options = heading('Options') + '\n' + table('options', '22 18 60', HEADER, found)
    methods = [f'.. automethod:: {loss.__name__}.{method}\n' for method in own]
    return '\n'.join(
        [
            *top('loss', name, names, 'loss'),
            public(rnnkit.losses, loss),
            parts[''],
            '',
            facts(known),
            aliases(names),
            heading('Example'),
            code(f'import rnnkit\n\nnet = {shown_in}'),
            options,
            *([heading('Methods'), *methods] if methods else []),
            end(parts),
        ]
    )


def rule_page(name: str, names: list[str]) -> str:
    """Return the page of an update rule."""
    rule, parts = optimizers[name], sections(optimizers[name])
    found = {**HYPERPARAMETERS, **entries(parts.get('Parameters', ''))}
    options = rows(f'rule {name!r}', {**rule.options, **rule.switches}, found)
    first, value = next(iter(rule.options.items()))
    slots = rule().slots
    kept = f'{len(slots)} ({", ".join(slots)})' if slots else 'none'
    known = [
        ('Arrays kept for each parameter', 'those of SciPy' if rule.full_batch else kept),
        ('Batches', 'all data at once' if rule.full_batch else 'mini-batches'),
    ]
    return '\n'.join(
        [
            *top('rule', name, names, 'update rule'),
            public(rnnkit.optimizers, rule),
            parts[''],
            '',
            facts(known),
            aliases(names),
            heading('Example'),
            code(
                'import numpy as np\nimport rnnkit\n\n'
                'x = np.random.default_rng(0).standard_normal((30, 200, 1))\n'
                "net = rnnkit.Regressor([1, ('rnn', 8), 1])\n"
                f"net.train([x, x.cumsum(axis=0)], algo='{name}', {first}={value!r}, epochs=1)"
            ),
            heading('Options'),
            'Options of `rnnkit.Network.train`, besides those of :doc:`/optimizers` that all rules '
            'share:\n',
            table('options', '22 18 60', HEADER, options),
            end(parts),
        ]
    )


def metric_page(name: str, names: list[str]) -> str:
    """Return the page of a metric."""
    metric, parts = metrics[name], sections(metrics[name])
    probable = metric.reads == 'probabilities'
    call = f'rnnkit.metrics.{metric.__name__}'
    call += f'({SCORED["probabilities" if probable else metric.targets or "numbers"]})'
    value = eval(call, {'rnnkit': rnnkit})
    known = [
        ('Targets', TARGETS[metric.targets]),
        ('Output', 'that of ``predict_proba``' if probable else 'that of ``predict``'),
        ('Better', {'min': 'smaller', 'max': 'larger', None: 'not said'}[metric.better]),
        ('Monitor of a training', 'no' if metric.statistics is None else f"``monitors='{name}'``"),
    ]
    arguments = entries(parts.get('Parameters', ''))
    found = [[f'``{key}``', f'{quoted(kind)}\n\n{text}'] for key, (kind, text) in arguments.items()]
    more = heading('Arguments') + '\n' + table('options', '22 78', ('name', 'meaning'), found)
    return '\n'.join(
        [
            *top('metric', name, names, 'metric'),
            public(rnnkit.metrics, metric),
            parts[''],
            '',
            facts(known),
            aliases(names),
            heading('Example'),
            code(f'import rnnkit\n\n{call}    # -> {value:.4f}'),
            more if found else '',
            end(parts),
        ]
    )

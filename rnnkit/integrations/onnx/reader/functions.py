"""Activations of ONNX under their names here."""

import math

from rnnkit.integrations.onnx.reader.nodes import Node, short

# The names without parameters, in lower case: some files write 'tanh'.
PLAIN = {
    'tanh': 'tanh',
    'sigmoid': 'sigmoid',
    'relu': 'relu',
    'softsign': 'softsign',
    'softplus': 'softplus',
}
# Their parameters alpha and beta, by default as in the operators of the same name.
DEFAULTS: dict[str, tuple[float, ...]] = {
    'affine': (1.0, 0.0),
    'leakyrelu': (0.01,),
    'thresholdedrelu': (1.0,),
    'scaledtanh': (1.0, 1.0),
    'hardsigmoid': (0.2, 0.5),
    'elu': (1.0,),
}
# Those that have a name of their own here.
EXACT: dict[tuple[str, tuple[float, ...]], str] = {
    ('affine', (1.0, 0.0)): 'linear',
    ('leakyrelu', (0.0,)): 'relu',
    ('leakyrelu', (1.0,)): 'linear',
    ('thresholdedrelu', (1.0,)): 'trec',
    ('thresholdedrelu', (0.0,)): 'relu',
    ('scaledtanh', (1.0, 1.0)): 'tanh',
    ('hardsigmoid', (short(1 / 6), 0.5)): 'hard_sigmoid',
    ('elu', (1.0,)): 'elu',
}
NUMBERED = {
    'affine': 'affine:{0}:{1}',
    'leakyrelu': 'leaky_relu:{0}',
    'thresholdedrelu': 'threshold_relu:{0}',
    'scaledtanh': 'affine:{1}:0+tanh+affine:{0}:0',
    'hardsigmoid': 'affine:{0}:{1}+rect:minmax',
    'elu': 'alpha_elu:{0}',
}
# The number of activations of one direction, and the option that each of them sets.
ROLES = {
    'rnn': ('activation',),
    'gru': ('gate_activation', 'activation'),
    'lstm': ('gate_activation', 'activation', 'activation'),
}
OURS = {'gate_activation': 'sigmoid', 'activation': 'tanh'}  # the defaults of layers


def named(node: Node, name: str, numbers: tuple[float, ...] = ()) -> str:
    """Return our name of an activation.

    Parameters
    ----------
    node : Node
    name : str
        That of ONNX.
    numbers : tuple of float
        Its alpha and beta, as far as they are given.
    """
    low = name.lower()
    if low in PLAIN:
        return PLAIN[low]
    if low not in DEFAULTS:
        known = ', '.join([*PLAIN, *DEFAULTS])
        raise node.fail(f'there is no activation {name!r}; those that can be read are {known}')
    full = (*numbers, *DEFAULTS[low][len(numbers) :])
    if not all(map(math.isfinite, full)):
        raise node.fail(f'alpha and beta of {name!r} must be finite; got {full}')
    return EXACT.get((low, full)) or NUMBERED[low].format(*full)


def of_layer(node: Node, form: str, ways: int) -> dict[str, object]:
    """Return the activations of a recurrent layer, as far as they are not its defaults."""
    roles = ROLES[form] * ways
    names = node.items('activations')
    if names is None:
        names = ['Sigmoid' if role == 'gate_activation' else 'Tanh' for role in roles]
    if len(names) != len(roles):
        raise node.fail(f'activations must be {len(roles)} names; got {names}')
    alphas, betas = (list(node.items(f'activation_{a}') or []) for a in ('alpha', 'beta'))
    found: dict[str, object] = {}
    for role, name in zip(roles, names, strict=True):
        defaults = DEFAULTS.get(str(name).lower(), ())
        given = zip((alphas, betas), defaults, strict=False)
        ours = named(node, str(name), tuple(_take(x) if x else number for x, number in given))
        if found.setdefault(role, ours) != ours:
            what = 'gates' if role == 'gate_activation' else 'inputs and outputs of the cell'
            raise node.fail(
                f'all {what}, in both directions, must have the same activation; they have '
                f'{found[role]!r} and {ours!r}'
            )
    if alphas or betas:
        raise node.fail('activation_alpha or activation_beta has more values than activations need')
    return {role: ours for role, ours in found.items() if ours != OURS[role]}


def _take(values: list[object]) -> float:
    return short(float(str(values.pop(0))))

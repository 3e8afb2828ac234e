"""A spec of each registered activation: with numbers where it needs some."""

from rnnkit.activations import activations

SPECS = [
    'maxout:3' if name == 'maxout' else getattr(activations[name], 'example', name)
    for name in activations
]

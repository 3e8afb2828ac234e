"""Callbacks, which are called during a training: ``net.train(..., callbacks=[...])``."""

from rnnkit.callbacks.bar import Progress
from rnnkit.callbacks.base import Callback, Training
from rnnkit.callbacks.early_stop import EarlyStop
from rnnkit.callbacks.files import CSV, Checkpoint
from rnnkit.callbacks.hooks import Hooks, are_states, check

__all__ = [
    'CSV',
    'Callback',
    'Checkpoint',
    'EarlyStop',
    'Hooks',
    'Progress',
    'Training',
    'are_states',
    'check',
]

"""Callbacks, which are called during a training: ``net.train(..., callbacks=[...])``."""

from typing import TYPE_CHECKING

from rnnkit.callbacks.bar import Progress
from rnnkit.callbacks.base import Callback, Training
from rnnkit.callbacks.early_stop import EarlyStop
from rnnkit.callbacks.files import CSV, Checkpoint
from rnnkit.callbacks.hooks import Hooks, are_states, check
from rnnkit.callbacks.tensorboard import TensorBoard
from rnnkit.common import foreign_names

__all__ = [
    'CSV',
    'Callback',
    'Checkpoint',
    'EarlyStop',
    'Hooks',
    'Progress',
    'TensorBoard',
    'Training',
    'are_states',
    'check',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)

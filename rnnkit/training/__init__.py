"""Training: its keywords, the criterion, the compiled update, the loop, checkpoints."""

from rnnkit.training.gradient_flow import GradientFlow
from rnnkit.training.history import History
from rnnkit.training.loss_term import LossTerm
from rnnkit.training.options import Options

__all__ = ['GradientFlow', 'History', 'LossTerm', 'Options']

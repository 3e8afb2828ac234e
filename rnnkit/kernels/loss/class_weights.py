"""The kernel of class weights: for each label the weight of its class.

In: a vector with a weight for each class, labels, and weights that these are multiplied by, if
any. Out: one weight for each label; NaN for a label that is not one of the classes.
"""

import math

from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.vector import Code, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.loss.softmax import label_at


class ClassWeights(Writer):
    """Writer of the weights of labels.

    Parameters
    ----------
    target : Target
    axes : int
        The number of axes of the labels.
    weighted : bool
    """

    def __init__(self, target: Target, axes: int, weighted: bool):
        self.rows, self.weighted = leading(axes + 1), weighted
        inputs = [Array('classes', ('H',)), Array('label', self.rows, whole=True)]
        inputs += [Array('weights', self.rows)] * weighted
        frame = Frame(inputs, [Array('all', self.rows)], 'class weights')
        super().__init__(target, frame, f'{axes} axes, weighted={weighted}')

    def write_functions(self, unit: Unit) -> None:
        """Write nothing: `run` calls no function."""

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: one label after the other."""
        self.stage(code, desc, block)
        classes, labels, to, h = self.frame.read(code, block, 'classes', 'label', 'all', 'H')
        size, one = self.target.size, code.tail(code.int(1))
        with code.loop(0, self.frame.count(code, block, self.rows)) as r:
            label, known = label_at(code, labels + r * 8, h)
            weight = known.pick(code.spread(classes + label * size), math.nan)
            if self.weighted:
                weight = weight * code.spread(self.frame.read(code, block, 'weights')[0] + r * size)
            code.store(weight, to + r * size, one)

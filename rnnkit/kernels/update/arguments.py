"""The inputs of an update, by name."""

from typing import NamedTuple

from pytensor.graph.basic import Variable


class Arguments(NamedTuple):
    """The inputs of an update; `ids` are the numbers of rows, by the place of their parameter."""

    loss: Variable
    max_elem: Variable
    max_norm: Variable
    count: Variable
    hyper: dict[str, Variable]
    slots: list[Variable]  # flat
    gradients: list[Variable]
    params: list[Variable]
    ids: dict[int, Variable] = {}

"""Divisions by numbers of a row, as products.

In: a `StagedForm`. Out: one of the same meaning, in which no vector of units is divided by a number
that they share.

A norm divides all units by a standard deviation, and its gradient does so a dozen times. A division
of vectors takes the time of ten products; one division for each row takes none that could be
measured.
"""

from dataclasses import replace

from rnnkit.kernels.program.program import Program
from rnnkit.kernels.staged.form import Product, StagedForm, Total


def with_reciprocals(form: StagedForm) -> StagedForm:
    """Return the form with products by reciprocals of numbers in place of divisions."""
    old, program = form.program, Program()
    found: list[int] = []  # the new node for each old one
    lengths: dict[int, str] = {}

    for i, (kind, *operands) in enumerate(old.nodes):
        if not old.operands(i):
            node = program.node(kind, *operands)
        else:
            args = [found[j] for j in operands]
            if kind == 'div' and form.lengths[i] and not form.lengths[operands[1]]:
                inverse = program.div(program.constant(1.0), args[1])
                kind, args = 'mul', sorted((args[0], inverse))
            node = program.node(kind, *args)
        lengths[node] = form.lengths[i]
        found.append(node)

    def cut(item: Product | Total) -> Product | Total:
        if isinstance(item, Total):
            return item._replace(node=found[item.node])
        return item._replace(left=tuple(found[j] for j in item.left))

    names = ('new', 'd_states', 'd_z', 'd_vectors', 'residuals')
    lists = {name: [found[i] for i in getattr(form, name)] for name in names}
    return replace(
        form,
        program=program,
        lengths=[lengths.get(i, '') for i in range(len(program.nodes))],
        cuts=[cut(item) for item in form.cuts],
        d_cuts=[tuple(found[i] for i in nodes) for nodes in form.d_cuts],
        **lists,
    )

"""Names of outputs: ``'hid1:out'`` is the output ``out`` of the layer ``hid1``."""

MAIN = 'out'  # the output that the next layer reads
PRE = 'pre'  # what the activation of that output is applied to


def join(layer: str, output: str = MAIN) -> str:
    """Return the name of an output of a layer."""
    return f'{layer}:{output}'


def parts(name: str) -> tuple[str, str]:
    """Return the names of the layer and of its output; a layer alone means its main output."""
    layer, _, output = name.partition(':')
    return layer, output or MAIN


def full(name: str) -> str:
    """Return the full name of an output, where the layer alone may have been given."""
    return join(*parts(name))


def layer_of(name: str) -> str:
    """Return the name of the layer."""
    return parts(name)[0]

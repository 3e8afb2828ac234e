"""Names of outputs: put together and taken apart."""

import pytest

from rnnkit.common import output_names


def test_join():
    assert output_names.join('hid1') == 'hid1:out'
    assert output_names.join('hid1', 'last') == 'hid1:last'
    assert output_names.join('hid1', output_names.PRE) == 'hid1:pre'


@pytest.mark.parametrize(
    ('name', 'layer', 'output'),
    [
        ('hid1', 'hid1', 'out'),
        ('hid1:', 'hid1', 'out'),
        ('hid1:out', 'hid1', 'out'),
        ('hid1:h_last', 'hid1', 'h_last'),
        ('hid*', 'hid*', 'out'),
    ],
)
def test_parts(name, layer, output):
    assert output_names.parts(name) == (layer, output)
    assert output_names.layer_of(name) == layer
    assert output_names.full(name) == f'{layer}:{output}'

"""What must not change from version to version: layouts of parameters, and saved files.

If a test here fails, weights and files that users have kept no longer mean the same. Only if
that is intended, with a new format version: ``python tests/cells/test_golden.py`` writes them anew.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / 'golden'
FORMS = {
    'dense': {'form': 'feedforward', 'activation': 'tanh'},
    'rnn': {'form': 'rnn'},
    'lstm': {'form': 'lstm'},
    'gru': {'form': 'gru'},
    'gru_before': {'form': 'gru', 'reset': 'before'},
}


def wave(shape, k):
    """Return numbers that look irregular, from a formula and not from a generator."""
    return np.sin(1.7 * k + 0.9 * np.arange(np.prod(shape))).reshape(shape)


def describe(form):
    """Return all about a layer that users' weights depend on, and five numbers it gives."""
    import rnnkit

    net = rnnkit.Regressor([2, dict(size=3, **FORMS[form]), 1], dtype='float64', seed=0)
    for k, p in enumerate(net.params):
        p.set_value(wave(p.get_value().shape, k))
    shape = (5, 2, 2) if net._recurrent else (5, 2)
    return {
        'parameters': {p.name: list(p.get_value().shape) for p in net.params},
        'gates': getattr(getattr(net.layers[1], 'cell', None), 'gates', ''),
        'output': net.predict(wave(shape, 9)).ravel()[:5].tolist(),
    }


def saved_network():
    import rnnkit

    net = rnnkit.Classifier(
        [2, {'form': 'lstm', 'size': 2, 'name': 'memory'}, 3], seed=7, layout='batch'
    )
    for k, p in enumerate(net.params):
        p.set_value(wave(p.get_value().shape, k).astype('float32'))
    return net


@pytest.mark.parametrize('form', FORMS)
def test_layout_of_parameters_is_as_it_was(form):
    frozen = json.loads((GOLDEN / f'{form}.json').read_text())
    found = describe(form)
    assert found['parameters'] == frozen['parameters']
    assert list(found['parameters']) == list(frozen['parameters'])
    assert found['gates'] == frozen['gates']
    # Other versions of NumPy and BLAS round otherwise.
    np.testing.assert_allclose(found['output'], frozen['output'], rtol=1e-10)


def test_a_file_of_format_version_1_is_read():
    import rnnkit

    net = rnnkit.load(GOLDEN / 'version1.rnn')
    right = saved_network()
    assert net.to_spec() == right.to_spec()
    for a, b in zip(net.params, right.params, strict=True):
        assert a.name == b.name
        # The sine of another NumPy may differ in its last bit.
        np.testing.assert_allclose(a.get_value(), b.get_value(), rtol=1e-6)
    proba = net.predict_proba(wave((3, 4, 2), 5))
    frozen = json.loads((GOLDEN / 'version1.json').read_text())
    np.testing.assert_allclose(proba.ravel()[:5], frozen['output'], rtol=1e-5)  # float32


def masked_network():
    import rnnkit

    return rnnkit.Regressor([1, ('gru', 2), 1], masked=True, seed=3)


def masked_data():
    mask = np.arange(4)[:, None] < [4, 2, 3]
    return [wave((4, 3, 1), 1), wave((4, 3, 1), 2), mask]


RUN = {'algo': 'adam', 'batch_size': 2, 'validate_every': 1, 'seed': 5}


def test_a_checkpoint_of_format_version_2_is_read_and_resumed():
    import rnnkit

    found = rnnkit.load(GOLDEN / 'version2.rnn')
    assert found.to_spec() == masked_network().to_spec()
    assert found.history['epoch'] == [1, 2, 3]
    right, net = masked_network(), masked_network()
    right.train(masked_data(), epochs=4, **RUN)
    net.train(masked_data(), epochs=4, resume=GOLDEN / 'version2.rnn', **RUN)
    for a, b in zip(net.params, right.params, strict=True):
        # Other versions of NumPy and BLAS round otherwise.
        np.testing.assert_allclose(a.get_value(), b.get_value(), rtol=1e-4, atol=1e-6)


def test_every_golden_file_is_read():
    names = {*(f'{form}.json' for form in FORMS), 'version1.rnn', 'version1.json', 'version2.rnn'}
    assert {path.name for path in GOLDEN.iterdir()} == names


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import conftest  # noqa: F401

    for name in FORMS:
        text = json.dumps(describe(name), indent=1)
        (GOLDEN / f'{name}.json').write_text(text + '\n')
    # version1.* was written when that was the present version, and stays as it is.
    masked_network().train(
        masked_data(), epochs=3, checkpoint=GOLDEN / 'version2.rnn', restore_best=False, **RUN
    )

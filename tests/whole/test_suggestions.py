"""What surrounds a message: no second suggestion by Python, and the name that was written."""

import traceback

import pytest

import rnnkit
from rnnkit.errors import ConfigError

CLASSIFIER = rnnkit.Classifier([2, 2], seed=0)


@pytest.mark.parametrize(
    ('owner', 'name', 'message'),
    [
        (CLASSIFIER, 'classes', "Classifier has no attribute 'classes'; did you mean 'classes_'?"),
        (
            rnnkit,
            'Regresor',
            "module 'rnnkit' has no attribute 'Regresor'; did you mean 'Regressor'?",
        ),
        (
            rnnkit.training.History([{'epochs': 1}]),
            'epochs',
            "History has no attribute 'epochs'; write history['epochs']",
        ),
    ],
)
def test_python_adds_no_second_suggestion(owner, name, message):
    """What Python prints, which ends with the nearest name in ``dir(error.obj)``."""
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    assert traceback.format_exception_only(caught.value) == [f'AttributeError: {message}\n']
    assert caught.value.name == name
    assert dir(caught.value.obj) == []


def test_a_layer_has_the_name_that_was_written():
    for form in ('softmax', 'classifier'):
        with pytest.raises(ConfigError, match=f"^layers\\[1\\], 'out': layer '{form}': size must"):
            rnnkit.Classifier([2, (form, -1)])

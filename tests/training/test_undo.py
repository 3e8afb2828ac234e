"""Changes that are taken back if a training does not start."""

from contextlib import nullcontext

import pytest

from rnnkit.training.undo import Undo


def tried(started=False, error=None):
    """Return the steps that were taken back around a block that may fail."""
    taken = []
    undo = Undo(lambda: taken.append('first'))
    raised = pytest.raises(type(error)) if error else nullcontext()
    with raised, undo.on_error(unless=lambda: started):
        undo.add(lambda: taken.append('second'), lambda: taken.append('third'))
        if error is not None:
            raise error
    return taken


@pytest.mark.parametrize('error', [ValueError(), KeyboardInterrupt(), StopIteration()])
def test_the_last_change_is_taken_back_first(error):
    assert tried(error=error) == ['third', 'second', 'first']


def test_what_has_started_or_succeeded_stays():
    assert tried(started=True, error=ValueError()) == []
    assert tried() == []

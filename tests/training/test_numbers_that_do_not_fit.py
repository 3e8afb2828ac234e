"""Numbers of options that are finite, and yet beyond the range of the network's dtype."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError

HUGE = 3.5e38  # float32 ends at 3.4e38
X, Y = np.ones((3, 4, 2)), np.ones((3, 4, 1))


def network(dtype='float32', **options):
    return rnnkit.Regressor([2, dict(form='rnn', size=2, **options), 1], seed=0, dtype=dtype)


def weight_of_a_loss():
    net = network()
    net.add_loss('mae')
    net.losses[1].weight = HUGE


def trained(**options):
    return lambda: network().train([X, Y], epochs=1, **options)


MEAN = [dict(size=1, activation='exp', name='covar'), dict(size=1, name='mean', inputs='in')]
CASES = {
    "loss 'huber': delta": lambda: rnnkit.Regressor([2, 1], dict(form='huber', delta=HUGE)),
    "loss 'hinge': margin": lambda: rnnkit.Classifier([2, 2], dict(form='hinge', margin=HUGE)),
    "loss 'gll': covar_eps": lambda: rnnkit.Regressor([2, *MEAN], dict(form='gll', covar_eps=HUGE)),
    'weight of mae': lambda: network().add_loss('mae', weight=HUGE),
    'the weight of a loss': weight_of_a_loss,
    'learning_rate': trained(learning_rate=HUGE),
    'rms_halflife': trained(rms_halflife=HUGE),
    'max_gradient_norm': trained(max_gradient_norm=HUGE),
    'weight_l2': trained(weight_l2=HUGE),
    'noise of hid1:out': trained(hidden_noise=HUGE),
    "monitors: 'hid1:out<3.5e+38'": trained(monitors={'hid1:out': HUGE}),
    'clip': lambda: network(clip=HUGE),
}


@pytest.mark.parametrize('what', CASES)
def test_they_are_named(what):
    with pytest.raises(ConfigError) as caught:
        CASES[what]()
    assert str(caught.value).endswith(f'{what} is 3.5e+38, which does not fit float32')


def test_a_wider_type_has_room_for_them():
    net = network('float64', clip=HUGE)
    net.add_loss('huber', weight=HUGE, delta=HUGE)
    net.train([X, Y], epochs=1, max_gradient_norm=HUGE)
